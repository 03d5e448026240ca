"""Settings of what processes visits, by section, and the tracker that they make."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from rescene4d_ros import config
from rescene4d_ros.errors import ConfigError
from rescene4d_ros.inference.config import InferenceConfig
from rescene4d_ros.memory.store import SceneMemory
from rescene4d_ros.scene.mask_source import MaskProvider, tracker_for
from rescene4d_ros.scene.tracker import SceneTracker
from rescene4d_ros.tracking.settings import (
    AssociationConfig,
    ChangeConfig,
    MotionConfig,
    TrackerConfig,
)

SECTIONS: dict[str, type] = {
    'inference': InferenceConfig,
    'tracker': TrackerConfig,
    'association': AssociationConfig,
    'motion': MotionConfig,
    'changes': ChangeConfig,
}


def configs_of(values: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    """
    Return the settings of every section.

    Parameters
    ----------
    values : iterable of (str, value)
        By the names of parameters, such as ('inference.source', 'none').

    Raises
    ------
    ConfigError
        There is no such setting, or the value is out of bounds.

    """
    given: dict[str, dict[str, Any]] = {name: {} for name in SECTIONS}
    for name, value in values:
        section, _, setting = name.partition('.')
        if section not in SECTIONS:
            raise ConfigError(
                f'--set: expected a setting of {", ".join(SECTIONS)}, got {name!r}; for example '
                'tracker.window=4'
            )
        given[section][setting] = value
    return {name: config.make(SECTIONS[name], found) for name, found in given.items()}


def make_tracker(
    memory: SceneMemory,
    masks: MaskProvider,
    configs: Mapping[str, Any],
    watch: Callable[[str], AbstractContextManager[object]] = nullcontext,
) -> SceneTracker:
    """Return the tracker of a memory, with settings of `configs_of`; `watch` times stages."""
    return SceneTracker(
        memory,
        masks,
        tracker_for(configs['tracker'], configs['inference'].source),
        configs['association'],
        configs['motion'],
        configs['changes'],
        watch=watch,
    )
