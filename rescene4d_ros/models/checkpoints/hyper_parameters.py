"""Settings that a training checkpoint of Lightning holds beside its tensors."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from rescene4d_ros.errors import WeightsError
from rescene4d_ros.models.checkpoints.reading import Inert

_DEPTH = 24  # of nested settings; published ones have 6
_MOST_VALUES = 100_000  # published ones have 500; references to references unfold without end
# Options of the published query decoder that have one supported value.
_REQUIRED = {
    'pre_norm': False,
    'positional_encoding_type': 'fourier',
    'normalize_pos_enc': True,
    'non_parametric_queries': True,
    'random_queries': False,
    'random_query_both': False,
    'use_np_features': False,
    'shared_decoder': True,
    'use_changes_loss': False,
    'feat_merge_type': 'mean',
    'decrease_planes': True,
}
# Published option -> ours, same value.
_SAME = {
    'num_queries': 'n_queries',
    'num_heads': 'n_heads',
    'num_decoders': 'n_rounds',
    'voxel_size': 'voxel_size',
}
# Known from the tensors, or used in training only.
_WITHOUT_EFFECT = {
    '_target_',
    'config',
    'hidden_dim',
    'dim_feedforward',
    'gauss_scale',
    'dropout',
    'sample_sizes',
    'max_sample_size',
    'num_classes',
    'num_changes',
    'D',
    'save_segment_info',
    'train_on_segments',
    'use_level_embed',
    'random_normal',
}
# Options of the published backbone that are looked at.
_OF_BACKBONE = ('decoder_serializations', 'parallel_decoder', 'feat_merge_type', 'decrease_planes')
# Published option -> ours, and its values by the published ones; lists in alphabetical order.
_VALUES: dict[str, tuple[str, dict[Any, str]]] = {
    'temporal_masking': ('temporal_mask_pooling', {True: 'mean', False: 'off'}),
    'scatter_type': ('superpoint_pooling', {kind: kind for kind in ('mean', 'max', 'gem')}),
    'decoder_serializations': (
        'temporal_serialization',
        {
            ('standard',): 'off',
            ('temporal_overlay',): 'merged',
            ('standard', 'temporal_overlay'): 'mixed',
        },
    ),
}
# Options whose published code reads null as one of its values.
_WHEN_NULL = {'temporal_masking': False, 'scatter_type': 'mean'}


class _Budget:
    """Count values, and refuse settings with more than any configuration has."""

    def __init__(self):
        self._left = _MOST_VALUES

    def take(self) -> None:
        """Count one value."""
        self._left -= 1
        if self._left < 0:
            raise WeightsError(
                f'hyper_parameters: expected at most {_MOST_VALUES} values, got more by '
                "references to the same lists; save the checkpoint's 'state_dict' alone"
            )


def plain(value: Any, budget: _Budget, depth: int = _DEPTH) -> Any:
    """
    Return settings as plain dictionaries, lists and values.

    Configurations of OmegaConf and namespaces are inert objects here; their content is taken out.
    What is neither becomes None.
    """
    budget.take()
    if depth <= 0:
        return None
    if isinstance(value, Inert):
        state = value.state if isinstance(value.state, Mapping) else {}
        for name in ('_content', '_val'):  # a node with children, a leaf
            if name in state:
                return plain(state[name], budget, depth - 1)
        named = {k: v for k, v in state.items() if isinstance(k, str)}
        return {k: plain(v, budget, depth - 1) for k, v in named.items()} or None
    if isinstance(value, Mapping):
        return {str(k): plain(v, budget, depth - 1) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [plain(v, budget, depth - 1) for v in value]
    return value if isinstance(value, str | int | float | bool) else None


def resolved(value: Any, root: Mapping[str, Any], budget: _Budget, depth: int = _DEPTH) -> Any:
    """Return settings with references such as `${data.voxel_size}` replaced by what they name."""
    budget.take()
    if depth <= 0:
        return None
    if isinstance(value, dict):
        return {k: resolved(v, root, budget, depth - 1) for k, v in value.items()}
    if isinstance(value, list):
        return [resolved(v, root, budget, depth - 1) for v in value]
    if isinstance(value, str) and value.startswith('${') and value.endswith('}'):
        named: Any = root
        for part in value[2:-1].split('.'):
            named = named.get(part) if isinstance(named, dict) else None
        return resolved(named, root, budget, depth - 1)
    return value


def training_config(hyper_parameters: Any) -> dict[str, Any]:
    """Return the configuration of a training run, empty if the checkpoint has none."""
    found = plain(hyper_parameters, _Budget())
    if not isinstance(found, dict):
        return {}
    inner = found.get('config')
    root: dict[str, Any] = inner if isinstance(inner, dict) else found
    config = resolved(root, root, _Budget())
    return config if isinstance(config, dict) else {}


def model_settings(
    config: Mapping[str, Any], path: Path, may_set: Sequence[str] = ()
) -> dict[str, Any]:
    """
    Return the settings of `ModelConfig` that a training configuration determines.

    Parameters
    ----------
    config : mapping
        Of `training_config`.
    path : Path
        Of the checkpoint, for messages.
    may_set : sequence of str
        Patterns of options that are ignored.

    Raises
    ------
    WeightsError
        An option that is unknown, or has a value that is not supported.

    """
    model = config.get('model')
    if not isinstance(model, Mapping):
        return {}
    inner = model.get('config')
    backbone = inner.get('backbone') if isinstance(inner, Mapping) else None
    own: dict[str, Any] = dict(backbone) if isinstance(backbone, Mapping) else {}
    settings: dict[str, Any] = {}
    target = str(own.get('_target_', ''))
    if target.endswith('EncOnly'):
        settings['backbone_decoder'] = 'upcast'
    if 'Pointcept' in target:
        own.setdefault('decoder_serializations', ['standard'])
    options = {**{k: own[k] for k in _OF_BACKBONE if k in own}, **model}
    problems = []
    for name, value in options.items():
        if name in _WITHOUT_EFFECT or any(fnmatch(name, pattern) for pattern in may_set):
            continue
        found, problem = _setting(name, value, options)
        settings |= found
        problems += [problem] if problem else []
    if problems:
        raise WeightsError(
            f'checkpoint {path}: expected options that this network has, got '
            f'{"; ".join(problems)}; it would compute something else. Name options without effect '
            'on the results with --allow-option'
        )
    return settings


def _setting(name: str, value: Any, options: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
    """Return what an option sets in `ModelConfig`, and what is wrong with it, '' if nothing."""
    if name in _REQUIRED:
        fits = value is None or value == _REQUIRED[name]
        return {}, '' if fits else f'{name} = {value} instead of {_REQUIRED[name]}'
    if name in _SAME:
        return {} if value is None else {_SAME[name]: value}, ''
    if name in _VALUES:
        ours, values = _VALUES[name]
        key = tuple(sorted(value, key=str)) if isinstance(value, list) else value
        key = _WHEN_NULL.get(name) if key is None else key
        if isinstance(key, Hashable) and key in values:
            return {ours: values[key]}, ''
        expected = ', '.join(' + '.join(k) if isinstance(k, tuple) else str(k) for k in values)
        return {}, f'{name} = {value} instead of one of {expected}'
    if name == 'hlevels':
        fits = isinstance(value, list) and value == list(range(len(value)))
        return {}, '' if fits else f'{name} = {value} instead of 0, 1, ...'
    if name == 'parallel_decoder':
        # With one serialization the decoder runs once, as without the option.
        fits = not value or len(options.get('decoder_serializations') or ()) < 2
        return {}, '' if fits else (
            f'{name} = {value} with several serializations, with which the published code does '
            'not run'
        )
    return {}, f'{name}, which is unknown'


def data_set(config: Mapping[str, Any]) -> str:
    """Return the name of the data set of training, '' if unknown."""
    data = config.get('data')
    part = data.get('train_dataset') if isinstance(data, Mapping) else None
    name = part.get('dataset_name') if isinstance(part, Mapping) else None
    return name if isinstance(name, str) else ''
