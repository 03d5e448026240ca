"""Quality of candidates: how well each may cover an object, told from its features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import json
import logging
from pathlib import Path

import numpy as np
from rescene4d_ros.atomic_write import atomic_write
from rescene4d_ros.errors import WeightsError
from rescene4d_ros.inference.selection.features import FEATURES, RELATIONS
from safetensors import safe_open, SafetensorError
from safetensors.numpy import save

logger = logging.getLogger(__name__)

FORMAT = 'rescene4d-mask-quality'
SCHEMA = 3
# Files of schema 1 use no features of the network, those of 2 look at no other candidates.
READ_SCHEMAS = ('1', '2', '3')
OUTPUTS = ('iou', 'iou_50', 'iou_75')  # expected overlap; probability that it reaches .5 and .75
LEAST_POINTS = 30  # smaller candidates take no part in a fit
LIMIT = 6.0  # deviations; features beyond count as this far off


@dataclass(frozen=True)
class QualityModel:
    """
    Hold a small perceptron with ReLUs that looks at other candidates, and what it was fitted to.

    Its inputs are the `FEATURES`, followed by the features of the network or not, and with rounds
    of context by the `RELATIONS`. Each round joins what is known of a candidate with what is known
    of its `relatives` and with the mean over all candidates of the visit. The last layer reads the
    state before the first round and those after each.

    Attributes
    ----------
    center, scale : ndarray (F,), float32
        Each feature is shifted and divided by these.
    layers : tuple of (ndarray (I, O), ndarray (O,)), float32
        Weights and biases of width H; the last layer has one logit per name in `OUTPUTS`.
    fitted_to : str
        Hash of the network's weights file.
    fitting : dict
        For people: data, seed, scores; plain JSON values.
    contexts : tuple of (ndarray (6 H, H), ndarray (H,)), float32
        Of each round: own state, those of parent, sibling, parts (maximum) and partner, and the
        mean. Empty = each candidate is told for itself.

    """

    center: np.ndarray
    scale: np.ndarray
    layers: tuple[tuple[np.ndarray, np.ndarray], ...]
    fitted_to: str = ''
    fitting: Mapping | None = None
    contexts: tuple[tuple[np.ndarray, np.ndarray], ...] = ()

    @property
    def n_network_features(self) -> int:
        """Return how many inputs are features of the network, see `network_features`."""
        return len(self.center) - len(FEATURES) - (len(RELATIONS) if self.contexts else 0)

    def predict(self, features: np.ndarray, related: np.ndarray | None = None) -> np.ndarray:
        """
        Tell the quality of the candidates of one visit.

        Parameters
        ----------
        features : ndarray (C, F), float32
            Of `quality_inputs`.
        related : ndarray (C, 5), int64, optional
            Of `relatives`; needed where there are contexts.

        Returns
        -------
        ndarray (C, 3), float32
            In 0..1, by the names in `OUTPUTS`.

        """
        hidden = ((features - self.center) / self.scale).clip(-LIMIT, LIMIT)
        *inner, (weights, bias) = self.layers
        for w, b in inner:
            hidden = np.maximum(hidden @ w + b, 0)
        states = [hidden]
        if related is not None:
            for w, b in self.contexts:
                states.append(np.maximum(_with_relatives(states[-1], related) @ w + b, 0))
        logits = np.hstack(states) @ weights + bias
        return 1 / (1 + np.exp(-logits.clip(-30, 30)))


def _with_relatives(state: np.ndarray, related: np.ndarray) -> np.ndarray:
    """Join the state (C, H) of each candidate with those of its relatives and the mean."""
    padded = np.vstack([state, np.zeros_like(state[:1])])  # row -1: nobody
    parent, sibling, part, other_part, partner = (padded[column] for column in related.T)
    mean = np.broadcast_to(state.mean(axis=0), state.shape)
    parts = np.maximum(part, other_part)
    return np.hstack([state, parent, sibling, parts, partner, mean])


def quality_file(weights: str | Path) -> Path:
    """Return where the quality model of a weights file is: beside it, NAME.quality.safetensors."""
    return Path(weights).with_suffix('.quality.safetensors')


def find_quality(weights: str | Path, fitted_to: str) -> QualityModel | None:
    """
    Read the quality model beside a weights file.

    Parameters
    ----------
    weights : str or Path
    fitted_to : str
        Hash of the weights file; another one in the model is logged.

    Returns
    -------
    QualityModel or None
        None where there is no file, which is logged too.

    Raises
    ------
    WeightsError
        As `read_quality`.

    """
    path = quality_file(weights)
    if not path.exists():
        logger.warning(
            '%s: expected a model of mask quality beside the weights, found none; overlap with '
            'queries takes its place; fit one with scripts/fit_mask_quality.py',
            path,
        )
        return None
    model = read_quality(path)
    if model.fitted_to != fitted_to:
        logger.warning(
            '%s: expected a model of mask quality fitted to the weights %s, got one fitted to '
            '%s; fit it anew with scripts/fit_mask_quality.py',
            path,
            fitted_to,
            model.fitted_to,
        )
    return model


def write_quality(path: Path, model: QualityModel) -> None:
    """
    Write a quality model; the file appears under its name only when it is complete.

    Matrices are written as float16.
    """
    tensors = {'center': model.center, 'scale': model.scale}
    for name, layers in (('layers', model.layers), ('contexts', model.contexts)):
        for k, (weights, bias) in enumerate(layers):
            tensors[f'{name}.{k}.weight'] = weights.astype(np.float16)
            tensors[f'{name}.{k}.bias'] = bias
    metadata = {
        'format': FORMAT,
        'schema': str(SCHEMA),
        'features': json.dumps(FEATURES),
        'relations': json.dumps(RELATIONS if model.contexts else ()),
        'outputs': json.dumps(OUTPUTS),
        'fitted_to': model.fitted_to,
        'fitting': json.dumps(dict(model.fitting or {})),
    }
    with atomic_write(path) as file:
        file.write(save({n: np.ascontiguousarray(t) for n, t in tensors.items()}, metadata))


def read_quality(path: Path) -> QualityModel:
    """
    Read a quality model.

    Raises
    ------
    WeightsError
        Damaged, of another format or schema, or with other features than this version computes.

    """
    try:
        with safe_open(path, framework='numpy') as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}
        told = (metadata.get('format'), metadata.get('schema'))
        if told[0] != FORMAT or told[1] not in READ_SCHEMAS:
            raise ValueError(f'format and schema {told}')
        for name, known in (('features', FEATURES), ('outputs', OUTPUTS)):
            if tuple(json.loads(metadata[name])) != known:
                raise ValueError(f'other {name}: {metadata[name]}')
        contexts = _layers(tensors, 'contexts')
        if contexts and tuple(json.loads(metadata['relations'])) != RELATIONS:
            raise ValueError(f'other relations: {metadata["relations"]}')
        return QualityModel(
            tensors['center'],
            tensors['scale'],
            _layers(tensors, 'layers'),
            metadata['fitted_to'],
            json.loads(metadata['fitting']),
            contexts,
        )
    except (SafetensorError, OSError, KeyError, ValueError) as error:
        raise WeightsError(
            f'mask quality {path}: expected a complete file of format {FORMAT}, schema {SCHEMA} '
            f'or earlier, got {error}; fit it anew with scripts/fit_mask_quality.py'
        ) from error


def _layers(
    tensors: Mapping[str, np.ndarray], name: str
) -> tuple[tuple[np.ndarray, np.ndarray], ...]:
    """Return the weights and biases of the layers of a kind, in order."""
    count = sum(key.startswith(f'{name}.') and key.endswith('.weight') for key in tensors)
    return tuple(
        (tensors[f'{name}.{k}.weight'].astype(np.float32), tensors[f'{name}.{k}.bias'])
        for k in range(count)
    )
