"""Command-line flags of settings: one per field of a config dataclass."""

from __future__ import annotations

import argparse
from collections.abc import Collection
from typing import Any, TypeVar

from rescene4d_ros.config import make, settings
from rescene4d_ros.errors import ConfigError
import yaml

C = TypeVar('C')


def add_flags(parser: argparse.ArgumentParser, cls: type, without: Collection[str] = ()) -> None:
    """Declare a flag for every setting of a config dataclass, with exceptions."""
    for s in settings(cls):
        if s.name in without:
            continue
        flag = '--' + s.name.replace('_', '-')
        text = f'{s.text} (default: {s.default})'
        if s.type is bool:
            parser.add_argument(
                flag, action=argparse.BooleanOptionalAction, default=s.default, help=s.text
            )
        else:
            parser.add_argument(flag, type=s.type, default=s.default, choices=s.one_of, help=text)


def made(cls: type[C], options: argparse.Namespace) -> C:
    """Return the config of the flags; other settings keep their defaults."""
    return make(
        cls, {s.name: getattr(options, s.name) for s in settings(cls) if hasattr(options, s.name)}
    )


def values_of(config: object, without: Collection[str] = ()) -> dict[str, Any]:
    """Return the settings of a config as plain values."""
    return {
        s.name: getattr(config, s.name) for s in settings(type(config)) if s.name not in without
    }


def setting(text: str) -> tuple[str, Any]:
    """
    Return name and value of one `NAME=VALUE`; the value is read as in a YAML file.

    Raises
    ------
    ConfigError
        No equals sign, or no value that YAML can read.

    """
    name, equals, value = text.partition('=')
    try:
        read = yaml.safe_load(value)
    except yaml.YAMLError as error:
        raise ConfigError(
            f'--set: expected a value as in a YAML file, got {value!r} ({error})'
        ) from error
    if not equals:
        raise ConfigError(f'--set: expected NAME=VALUE, got {text!r}; for example backbone=sonata')
    return name.strip(), read


def add_parameter_flags(parser: argparse.ArgumentParser) -> None:
    """Declare the flags that give parameters of the node to what processes visits."""
    parser.add_argument(
        '--weights',
        default='',
        help='weights file, or a name of `rescene4d weights`; default: the shipped one',
    )
    parser.add_argument(
        '--set',
        action='append',
        default=[],
        metavar='NAME=VALUE',
        dest='values',
        help='a parameter, such as tracker.window=4 or inference.source=none',
    )


def parameters_of(options: argparse.Namespace) -> dict[str, Any]:
    """
    Return the parameters that the flags of `add_parameter_flags` give, by name.

    Raises
    ------
    ConfigError
        As for `setting`.

    """
    values = dict(map(setting, options.values))
    if options.weights:
        values['inference.weights'] = options.weights
    return values
