"""The recipe of a training run: all settings, in one file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
import difflib
from pathlib import Path
from typing import Any, cast

from rescene4d_ros.config import make
from rescene4d_ros.data.sequences.augment import AugmentConfig
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.geometry.superpoints.cut import SuperpointConfig
from rescene4d_ros.losses import LossConfig
from rescene4d_ros.models.config import ModelConfig
from rescene4d_ros.training.config import TrainConfig
import yaml


@dataclass(frozen=True)
class Recipe:
    """One config per package that takes part in training."""

    train: TrainConfig = field(default_factory=TrainConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    losses: LossConfig = field(default_factory=LossConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    superpoints: SuperpointConfig = field(default_factory=SuperpointConfig)

    @classmethod
    def from_mapping(cls, values: dict[str, Any]) -> Recipe:
        """
        Build a recipe from sections of settings; omitted settings keep their defaults.

        Raises
        ------
        ConfigError
            Unknown section or setting, wrong type, or value out of bounds.

        """
        sections = {f.name: cast(type[Any], f.default_factory) for f in fields(cls)}
        for name in values:
            if name not in sections:
                near = difflib.get_close_matches(str(name), sections, n=1)
                hint = f'; did you mean {near[0]}?' if near else ''
                raise ConfigError(
                    f'recipe: expected the sections {", ".join(sections)}; got {name!r}{hint}'
                )
            if not isinstance(values[name] or {}, Mapping):
                raise ConfigError(
                    f'recipe: expected settings in the section {name}, got '
                    f'{values[name]!r}; write NAME: VALUE, one per line'
                )
        return cls(**{name: make(config, values.get(name)) for name, config in sections.items()})

    @classmethod
    def read(cls, path: str | Path, changes: Mapping[str, Any] | None = None) -> Recipe:
        """
        Read a YAML file of sections.

        Parameters
        ----------
        path : str or Path
        changes : mapping of str to value, optional
            Settings that replace those of the file, by names such as 'train.steps'.

        Raises
        ------
        ConfigError
            No such file, no mapping in it, or an invalid setting.

        """
        try:
            values = yaml.safe_load(Path(path).read_text())
        except (OSError, yaml.YAMLError) as error:
            raise ConfigError(
                f'recipe {path}: expected a readable YAML file, got {error}; see '
                'config/training/ for examples'
            ) from error
        if not isinstance(values, dict):
            raise ConfigError(
                f'recipe {path}: expected sections of settings, got '
                f'{type(values).__name__}; see config/training/ for examples'
            )
        for name, value in (changes or {}).items():
            section, dot, key = name.partition('.')
            if not dot:
                raise ConfigError(
                    f'recipe: expected SECTION.KEY as the name of a setting, got '
                    f'{name!r}; for example train.steps'
                )
            held = values.get(section) or {}
            if isinstance(held, Mapping):
                values[section] = {**held, key: value}
        return cls.from_mapping(values)

    def to_yaml(self) -> str:
        """Return every setting, defaults included."""
        return yaml.safe_dump(asdict(self), sort_keys=False)
