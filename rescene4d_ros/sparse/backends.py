"""Which implementation convolves: ours, or torchsparse where it is wanted and there."""

from __future__ import annotations

from functools import cache
from importlib import import_module
from types import ModuleType

NATIVE, TORCHSPARSE, AUTO = 'native', 'torchsparse', 'auto'
REMEDY = 'install it from its repository (github.com/mit-han-lab/torchsparse), or choose native'


@cache
def torchsparse() -> ModuleType:
    """
    Return the torchsparse package.

    Raises
    ------
    ImportError
        It is not there, or does not start; the message says why and what to do.

    """
    try:
        module = import_module('torchsparse')
        import_module('torchsparse.nn.functional')
    except Exception as error:  # without a GPU its import fails with an AssertionError
        said = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ImportError(
            f'sparse backend: expected torchsparse 2.1, got {said!r}; {REMEDY}'
        ) from error
    version = getattr(module, '__version__', 'none')
    if not version.startswith('2.1'):
        raise ImportError(
            f'sparse backend: expected torchsparse 2.1, got version {version}; {REMEDY}'
        )
    return module


def choose_backend(wanted: str, device_type: str) -> tuple[str, str]:
    """
    Return the backend to use, and why it is not the wanted one.

    Parameters
    ----------
    wanted : str
        'native', 'torchsparse', or 'auto': torchsparse where it can run.
    device_type : str
        'cpu' or 'cuda', where the features are.

    Returns
    -------
    backend : str
        'native' or 'torchsparse'.
    reason : str
        Empty where the wish is met.

    """
    if wanted == NATIVE:
        return NATIVE, ''
    if device_type != 'cuda':
        reason = (
            f'sparse backend: expected a CUDA device for torchsparse, got {device_type}; '
            'going on with the native one'
        )
    else:
        try:
            torchsparse()
            return TORCHSPARSE, ''
        except ImportError as error:
            reason = f'{error}; going on with the native one'
    return NATIVE, '' if wanted == AUTO else reason
