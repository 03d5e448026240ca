"""
Typed settings: one frozen dataclass per package, the source of ROS parameters, flags and docs.

Independent of ROS and argparse, which read the field metadata written here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
import dataclasses
import difflib
import math
from pathlib import Path
import re
from typing import Any, get_type_hints, TypeVar

from rescene4d_ros.errors import ConfigError

C = TypeVar('C')
LONGEST = 4096  # characters of a text; no path is longer
CONTROL = re.compile(r'[\x00-\x1f\x7f\ud800-\udfff]')  # no file, log or message holds them


@dataclasses.dataclass(frozen=True)
class Form:
    """What a text must look like: a regular expression for all of it, and its meaning."""

    pattern: str
    text: str


FRAME = Form(r'[^\s/](.{0,198}\S)?', 'name of a frame: at most 200 characters, no / in front')


def param(
    default: Any,
    text: str,
    *,
    unit: str = '',
    ge: float | None = None,
    le: float | None = None,
    one_of: tuple[Any, ...] | None = None,
    form: Form | None = None,
    optional: bool = False,
    live: bool = False,
) -> Any:  # a field, which type checkers are to take for its default
    """
    Declare one setting of a config dataclass.

    Parameters
    ----------
    default : bool, int, float, str
        Default value. A text may be empty where its default is, or where it is optional.
    text : str
        One sentence about the effect.
    unit : str
        SI unit; empty if there is none.
    ge, le : number, optional
        Smallest and largest allowed value, inclusive.
    one_of : tuple, optional
        The allowed values.
    form : Form, optional
        What a text that is not empty must look like.
    optional : bool
        Whether a text may be empty although its default is not.
    live : bool
        Whether it may change while the node runs.

    """
    meta = {'text': text, 'unit': unit, 'ge': ge, 'le': le, 'one_of': one_of, 'form': form}
    return dataclasses.field(
        default=default, metadata={**meta, 'optional': optional, 'live': live}
    )


@dataclasses.dataclass(frozen=True)
class Setting:
    """One setting: name, type, default and the metadata of `param`."""

    name: str
    type: type
    default: Any
    text: str
    unit: str
    ge: Any
    le: Any
    one_of: tuple[Any, ...] | None
    form: Form | None
    optional: bool
    live: bool


def settings(cls: type) -> Iterator[Setting]:
    """Yield the settings of a config dataclass in the order of declaration."""
    hints = get_type_hints(cls)
    for field in dataclasses.fields(cls):
        yield Setting(field.name, hints[field.name], field.default, **field.metadata)


def check(setting: Setting, value: Any, where: str) -> Any:
    """
    Return `value` in the type of the setting; raise an error if it is invalid.

    Raises
    ------
    ConfigError
        Wrong type, not finite, out of bounds, not among the choices, or a text of another form.

    """
    name = f'{where}.{setting.name}'
    if setting.type is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    if value is False and 'off' in (setting.one_of or ()):
        value = 'off'  # YAML reads an unquoted off as false
    if not isinstance(value, setting.type) or (setting.type is int and isinstance(value, bool)):
        raise ConfigError(
            f'{name}: expected {setting.type.__name__}, got '
            f'{type(value).__name__} {value!r}; {setting.text}'
        )
    if isinstance(value, float) and not math.isfinite(value):
        got = 'NaN' if value != value else value
        raise ConfigError(f'{name}: expected a finite number, got {got}; {setting.text}')
    unit = f' {setting.unit}' if setting.unit else ''
    if setting.ge is not None and not value >= setting.ge:
        raise ConfigError(f'{name}: expected at least {setting.ge}{unit}, got {value}{unit}')
    if setting.le is not None and not value <= setting.le:
        raise ConfigError(f'{name}: expected at most {setting.le}{unit}, got {value}{unit}')
    if setting.one_of is not None and value not in setting.one_of:
        raise ConfigError(
            f'{name}: expected one of {", ".join(map(str, setting.one_of))}; got {value!r}'
        )
    if isinstance(value, str) and setting.one_of is None:
        _check_text(setting, value, name)
    return value


def _check_text(setting: Setting, value: str, name: str) -> None:
    """Refuse a text that is empty where it must not be, that nothing can hold, or of no form."""
    shown = repr(value if len(value) <= 40 else f'{value[:40]}...')
    if not value.strip():
        if not value and (setting.optional or not setting.default):
            return
        raise ConfigError(f'{name}: expected a text, got {shown}; {setting.text}')
    if len(value) > LONGEST or CONTROL.search(value):
        raise ConfigError(
            f'{name}: expected at most {LONGEST} characters without control characters, got '
            f'{len(value)} ({shown}); {setting.text}'
        )
    if setting.form is not None and not re.fullmatch(setting.form.pattern, value):
        raise ConfigError(f'{name}: expected the {setting.form.text}; got {shown}; {setting.text}')


def path_of(value: str) -> Path:
    """
    Return the path that a setting names; ~ in front is the home folder.

    Raises
    ------
    ConfigError
        The home folder of somebody who has none.

    """
    try:
        return Path(value).expanduser()
    except RuntimeError as error:
        raise ConfigError(
            f'{value}: expected a path or ~ for the home folder, got a user without one; write '
            'the whole path'
        ) from error


def make(cls: type[C], values: Mapping[str, Any] | None = None) -> C:
    """
    Build a config from a plain mapping; unknown keys are errors that name near matches.

    Parameters
    ----------
    cls : type
        A frozen dataclass whose fields were declared with `param`.
    values : mapping, optional
        Settings that differ from the defaults.

    Raises
    ------
    ConfigError
        Unknown key, wrong type, or value out of bounds.

    """
    known = {s.name: s for s in settings(cls)}
    values = dict(values or {})
    for key in values:
        if key not in known:
            near = difflib.get_close_matches(key, known, n=3)
            hint = f'did you mean {" or ".join(near)}?' if near else f'known: {", ".join(known)}'
            raise ConfigError(f'{cls.__name__}: unknown setting {key!r}; {hint}')
    return cls(**{k: check(known[k], v, cls.__name__) for k, v in values.items()})
