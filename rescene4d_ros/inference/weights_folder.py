"""The user's folder of weights files, in which they are found by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
import os
from pathlib import Path
import re

from rescene4d_ros.config import path_of
from rescene4d_ros.errors import WeightsError
from rescene4d_ros.inference.weights_file import default_weights, read_header, WeightsInfo
from rescene4d_ros.models.config import ModelConfig

FOLDER_VARIABLE = 'RESCENE4D_WEIGHTS'
SUFFIX = '.safetensors'
NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9._-]{0,63}')


@dataclass(frozen=True)
class NamedWeights:
    """
    Weights that a name stands for.

    Attributes
    ----------
    name : str
    path : Path
    config : ModelConfig
    info : WeightsInfo

    """

    name: str
    path: Path
    config: ModelConfig
    info: WeightsInfo


def weights_folder(environment: Mapping[str, str] | None = None) -> Path:
    """
    Return the folder of named weights; it need not exist.

    It is `RESCENE4D_WEIGHTS`, else `rescene4d/weights` in `XDG_DATA_HOME`, else in
    `~/.local/share`.

    Parameters
    ----------
    environment : mapping, optional
        Default: that of the process.

    """
    environment = os.environ if environment is None else environment
    if environment.get(FOLDER_VARIABLE):
        return path_of(environment[FOLDER_VARIABLE])
    data = environment.get('XDG_DATA_HOME') or '~/.local/share'
    return path_of(data) / 'rescene4d' / 'weights'


def find_weights(wanted: str, folder: Path | None = None) -> Path:
    """
    Return the file that a setting means: a path, a name, or those of the package.

    Parameters
    ----------
    wanted : str
        Empty = the shipped weights. What is a file, ends in .safetensors or has a slash is a
        path, everything else a name.
    folder : Path, optional
        Default: `weights_folder`.

    Raises
    ------
    WeightsError
        No weights of that name.

    """
    if not wanted:
        return default_weights()
    path = path_of(wanted)
    if path.is_file() or wanted.endswith(SUFFIX) or os.sep in wanted:
        return path
    folder = weights_folder() if folder is None else folder
    named = file_of(wanted, folder)
    if not named.is_file():
        known = ', '.join(names(folder)) or 'none'
        raise WeightsError(
            f'weights {wanted!r}: expected a file or one of the names in {folder}, got neither; '
            f'known names: {known}; add a file with `rescene4d weights add FILE --name {wanted}`'
        )
    return named


def file_of(name: str, folder: Path) -> Path:
    """
    Return the file of a name, whether it exists or not.

    Raises
    ------
    WeightsError
        The name has other characters than letters, digits, dots, dashes and underscores.

    """
    if not NAME.fullmatch(name):
        raise WeightsError(
            f'weights {name!r}: expected a name of letters, digits, ., - and _, got other '
            'characters; choose another name'
        )
    return folder / f'{name}{SUFFIX}'


def names(folder: Path) -> list[str]:
    """Return the names of the weights in a folder, sorted."""
    files = folder.glob(f'*{SUFFIX}') if folder.is_dir() else []
    return sorted(p.stem for p in files if not p.stem.endswith('.quality'))


def named_weights(name: str, folder: Path) -> NamedWeights:
    """
    Return what is known of named weights, without reading their tensors.

    Raises
    ------
    WeightsError
        No such name, or a damaged file.

    """
    path = find_weights(name, folder)
    config, info = read_header(path)
    return NamedWeights(name, path, config, info)
