"""A weights file: tensors in safetensors, and beside them what they mean."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
import hashlib
from importlib import resources
import json
from pathlib import Path

from rescene4d_ros.atomic_write import atomic_write
from rescene4d_ros.config import make
from rescene4d_ros.errors import ConfigError, WeightsError
from rescene4d_ros.geometry.superpoints.cut import SuperpointConfig
from rescene4d_ros.models.config import ModelConfig
from rescene4d_ros.models.segmenter import ReScene4D
from safetensors import safe_open, SafetensorError
from safetensors.torch import save
import torch

SCHEMA = 1
FORMAT = 'rescene4d'


@dataclass(frozen=True)
class WeightsInfo:
    """
    Hold what a weights file says besides its tensors and its `ModelConfig`.

    Attributes
    ----------
    class_names : tuple of K str
        Class i of the network.
    superpoints : SuperpointConfig
        How the clouds of training were cut; clouds to segment are cut the same way.
    training : dict
        For people: data, steps, seed, scores; plain JSON values. 'as_initialized' names tensors
        that hold nothing learned.

    """

    class_names: tuple[str, ...]
    superpoints: SuperpointConfig = field(default_factory=SuperpointConfig)
    training: dict = field(default_factory=dict)


def default_weights() -> Path:
    """Return where the package keeps the weights it ships."""
    return Path(
        str(resources.files('rescene4d_ros.inference') / 'pretrained' / 'rooms-s.safetensors')
    )


def weights_hash(path: str | Path) -> str:
    """Return the first 16 hex digits of the file's SHA-256: a name for exactly these weights."""
    return hashlib.sha256(_existing(path).read_bytes()).hexdigest()[:16]


def save_weights(
    path: str | Path, model: ReScene4D, info: WeightsInfo, *, half: bool = True
) -> None:
    """
    Write a model; the file appears under its name only when it is complete.

    Parameters
    ----------
    path : str or Path
    model : ReScene4D
    info : WeightsInfo
    half : bool
        Store matrices as float16, half the size; vectors (norms, biases) stay float32.

    Raises
    ------
    WeightsError
        The class names do not fit the model.

    """
    _check_classes(path, info.class_names, model.config)
    buffers = {name for name, _ in model.named_buffers()}
    tensors = {
        name: tensor.detach()
        .cpu()
        .to(_stored_type(tensor, half and name not in buffers))
        .contiguous()
        for name, tensor in model.state_dict().items()
    }
    metadata = {
        'format': FORMAT,
        'schema': str(SCHEMA),
        'model': json.dumps(asdict(model.config)),
        'class_names': json.dumps(info.class_names),
        'superpoints': json.dumps(asdict(info.superpoints)),
        'training': json.dumps(info.training),
    }
    with atomic_write(path) as file:
        # Not save_file: its files are readable by their writer alone.
        file.write(save(tensors, metadata))


def load_weights(path: str | Path) -> tuple[ReScene4D, WeightsInfo]:
    """
    Read a model in evaluation mode, on the CPU, in float32.

    Raises
    ------
    WeightsError
        Missing, damaged, of another format or schema, or with other tensors than its
        configuration needs.

    """
    config, info, tensors = read_weights(path)
    model = ReScene4D(config)
    _check_tensors(Path(path), model.state_dict(), tensors)
    model.load_state_dict(tensors)
    return model.eval().requires_grad_(False), info


def read_weights(path: str | Path) -> tuple[ModelConfig, WeightsInfo, dict[str, torch.Tensor]]:
    """
    Read what a weights file holds, without making a network of it.

    Returns
    -------
    config : ModelConfig
    info : WeightsInfo
    tensors : dict of str to Tensor
        By name; on the CPU, numbers in float32.

    Raises
    ------
    WeightsError
        Missing, damaged, or of another format or schema.

    """
    path = _existing(path)
    metadata, tensors = _read_file(path, with_tensors=True)
    config, info = _read_metadata(path, metadata)
    return (
        config,
        info,
        {name: t.float() if t.is_floating_point() else t for name, t in tensors.items()},
    )


def read_header(path: str | Path) -> tuple[ModelConfig, WeightsInfo]:
    """Return what a weights file says of itself; errors as of `read_weights`."""
    path = _existing(path)
    return _read_metadata(path, _read_file(path, with_tensors=False)[0])


def _read_file(path: Path, *, with_tensors: bool) -> tuple[dict, dict[str, torch.Tensor]]:
    """Return the metadata of a safetensors file, and its tensors where wanted."""
    try:
        with safe_open(path, framework='pt') as file:
            wanted = file.keys() if with_tensors else ()
            return file.metadata() or {}, {name: file.get_tensor(name) for name in wanted}
    except SafetensorError as error:
        raise WeightsError(
            f'weights {path}: expected a complete safetensors file, got damaged '
            f'or other content ({error}); fetch or train it again'
        ) from error


def _existing(path: str | Path) -> Path:
    """Return the path, or say that there is no file."""
    path = Path(path)
    if not path.is_file():
        raise WeightsError(
            f'weights {path}: expected a safetensors file, found none; give the '
            'path of one, or train it with `rescene4d train`'
        )
    return path


def _stored_type(tensor: torch.Tensor, half: bool) -> torch.dtype:
    """Return float16 for matrices where wanted, else the tensor's own type."""
    shrink = half and tensor.is_floating_point() and tensor.ndim > 1
    return torch.float16 if shrink else tensor.dtype


def _read_metadata(path: Path, metadata: dict[str, str]) -> tuple[ModelConfig, WeightsInfo]:
    """Return what the header says, or say what is wrong with it."""
    if metadata.get('format') != FORMAT:
        raise WeightsError(
            f'weights {path}: expected a file written by this package, got a '
            'safetensors file of another origin; convert it first'
        )
    if metadata.get('schema') != str(SCHEMA):
        raise WeightsError(
            f'weights {path}: expected schema {SCHEMA}, got '
            f'{metadata.get("schema")!r}; use a matching version of the package'
        )
    try:
        config = make(ModelConfig, json.loads(metadata['model']))
        info = WeightsInfo(
            tuple(json.loads(metadata['class_names'])),
            make(SuperpointConfig, json.loads(metadata['superpoints'])),
            json.loads(metadata['training']),
        )
    except (KeyError, TypeError, ValueError, ConfigError) as error:
        raise WeightsError(
            f'weights {path}: expected a header this version can read, got '
            f'{error}; use a matching version of the package'
        ) from error
    _check_classes(path, info.class_names, config)
    return config, info


def _check_classes(path, class_names: tuple[str, ...], config: ModelConfig) -> None:
    """Say so where names and outputs differ in number."""
    if len(class_names) != config.n_classes:
        raise WeightsError(
            f'weights {path}: expected {config.n_classes} class names, got '
            f'{len(class_names)}; name every class of the network once'
        )


def _check_tensors(path: Path, wanted: dict, found: dict) -> None:
    """Say which tensors are missing, too many or of another shape."""
    problems = [f'missing {name}' for name in wanted if name not in found]
    problems += [f'unexpected {name}' for name in found if name not in wanted]
    problems += [
        f'{name} {tuple(found[name].shape)} instead of {tuple(wanted[name].shape)}'
        for name in wanted
        if name in found and found[name].shape != wanted[name].shape
    ]
    if problems:
        more = f' and {len(problems) - 5} more' if len(problems) > 5 else ''
        raise WeightsError(
            f'weights {path}: expected the tensors of its configuration, got '
            f'{"; ".join(problems[:5])}{more}; use a matching version of the '
            'package'
        )
