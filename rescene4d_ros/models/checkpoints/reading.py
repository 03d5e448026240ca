"""Checkpoint files of torch.save, read without executing their content."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
import pickle
from typing import Any
import zipfile

from rescene4d_ros.errors import WeightsError
import torch
from torch import Tensor


@dataclass(frozen=True)
class Checkpoint:
    """
    Content of a checkpoint file.

    Attributes
    ----------
    path : Path
        For messages.
    state : dict of str to Tensor
    config : Mapping
        Settings of the network if the file has them, else empty.
    hyper_parameters : object
        Settings of a Lightning checkpoint as they are in the file, else None.

    """

    path: Path
    state: Mapping[str, Tensor]
    config: Mapping
    hyper_parameters: Any = None


class Inert:
    """
    Placeholder for an object of a class that is neither imported nor trusted.

    Attributes
    ----------
    state : object
        What the file gives as the object's content; plain values and other placeholders.

    """

    state: Any = None

    def __new__(cls, *args):
        """Ignore all arguments."""
        return super().__new__(cls)

    def __init__(self, *args):
        pass

    def __setstate__(self, state):
        """Keep the content, unused."""
        self.state = state


def read_checkpoint(path: str | Path) -> Checkpoint:
    """
    Read a file of torch.save that has a 'state_dict'.

    Training checkpoints also hold settings and callbacks as objects of their own classes. Those
    classes are neither imported nor called: placeholders replace the objects. Tensors and the
    settings that are used must be plain.

    Raises
    ------
    WeightsError
        Missing or damaged file, no 'state_dict', or objects in place of tensors and plain values.

    """
    path = Path(path)
    if not path.is_file():
        raise WeightsError(
            f'checkpoint {path}: expected a .pth or .ckpt file, found none; '
            'download it from its publisher and give its path'
        )
    _refuse_packed(path)
    names: list[str] = []
    try:
        names = torch.serialization.get_unsafe_globals_in_checkpoint(path)
        with torch.serialization.safe_globals([(Inert, name) for name in names]):
            content = torch.load(path, map_location='cpu', weights_only=True)
    except pickle.UnpicklingError as error:
        raise WeightsError(
            f'checkpoint {path}: expected tensors and plain values, got objects '
            f'that would run code ({", ".join(sorted(names)[:5]) or "not named"}); save its '
            "'state_dict' and 'config' alone, where it is trusted"
        ) from error
    except Exception as error:  # a damaged pickle may raise anything
        cause = (str(error).splitlines() or [''])[0]
        raise WeightsError(
            f'checkpoint {path}: expected a complete file of torch.save, got '
            f'{type(error).__name__} {cause}; fetch it again'
        ) from error
    if not isinstance(content, Mapping) or not isinstance(content.get('state_dict'), Mapping):
        keys = list(content)[:5] if isinstance(content, Mapping) else type(content).__name__
        raise WeightsError(
            f"checkpoint {path}: expected a 'state_dict', got {keys}; wrap bare "
            "tensors as {'state_dict': ...}"
        )
    strange = [
        name for name, value in content['state_dict'].items() if not isinstance(value, Tensor)
    ]
    if strange or not isinstance(content.get('config', {}), Mapping):
        raise WeightsError(
            f'checkpoint {path}: expected tensors and plain settings, got objects '
            f'that would run code ({", ".join(strange[:5]) or "config"}); save its '
            "'state_dict' and 'config' alone, where it is trusted"
        )
    return Checkpoint(
        path, content['state_dict'], content.get('config', {}), content.get('hyper_parameters')
    )


def _refuse_packed(path: Path) -> None:
    """Refuse archives that unfold to more than they are; torch.save packs nothing."""
    try:
        with zipfile.ZipFile(path) as archive:
            entries = archive.infolist()
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        return  # older files are no archives; damaged ones are refused when they are read
    unfolded, size = sum(e.file_size for e in entries), path.stat().st_size
    packed = [e.filename for e in entries if e.compress_type != zipfile.ZIP_STORED]
    if packed or unfolded > size:
        raise WeightsError(
            f'checkpoint {path}: expected a file of torch.save, which packs nothing, got '
            f'{size} bytes that unfold to {unfolded}; fetch it from its publisher'
        )
