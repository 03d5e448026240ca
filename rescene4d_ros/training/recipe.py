"""Everything that decides what a training run learns, in one file."""
from __future__ import annotations

from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from rescene4d_ros.config import make
from rescene4d_ros.data.augment import AugmentConfig
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.losses import LossConfig
from rescene4d_ros.models import ModelConfig
from rescene4d_ros.superpoints import SuperpointConfig
from rescene4d_ros.training.config import TrainConfig
import yaml


@dataclass(frozen=True)
class Recipe:
    """Hold one config per room that takes part in training."""

    train: TrainConfig = field(default_factory=TrainConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    losses: LossConfig = field(default_factory=LossConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    superpoints: SuperpointConfig = field(default_factory=SuperpointConfig)

    @classmethod
    def from_mapping(cls, values: dict[str, Any]) -> Recipe:
        """
        Build a recipe from sections of settings; what is left out keeps its default.

        Raises
        ------
        ConfigError
            Unknown section or setting, wrong type, or value out of bounds.

        """
        sections = {f.name: f.default_factory for f in fields(cls)}
        unknown = sorted(set(values) - set(sections))
        if unknown:
            raise ConfigError(f'recipe: expected the sections {", ".join(sections)}; got '
                              f'{", ".join(map(repr, unknown))}')
        return cls(**{name: make(config, values.get(name))
                      for name, config in sections.items()})

    @classmethod
    def read(cls, path: str | Path) -> Recipe:
        """
        Read a YAML file of sections.

        Raises
        ------
        ConfigError
            No such file, no mapping in it, or a setting that is wrong.

        """
        try:
            values = yaml.safe_load(Path(path).read_text())
        except (OSError, yaml.YAMLError) as error:
            raise ConfigError(f'recipe {path}: expected a readable YAML file, got {error}; see '
                              'config/training/ for examples') from error
        if not isinstance(values, dict):
            raise ConfigError(f'recipe {path}: expected sections of settings, got '
                              f'{type(values).__name__}; see config/training/ for examples')
        return cls.from_mapping(values)

    def to_yaml(self) -> str:
        """Return every setting, defaults included."""
        return yaml.safe_dump(asdict(self), sort_keys=False)
