"""
The package's exceptions.

Every text says what was expected, what came, and what to do.
"""


class RescenError(Exception):
    """Base of all errors that a user can act on."""


class ConfigError(RescenError):
    """A setting is unknown, of the wrong type or out of bounds."""


def without_torch(error: ModuleNotFoundError) -> RescenError | ModuleNotFoundError:
    """Return what to say where torch is not installed; any other error as it is."""
    if error.name != 'torch':
        return error
    return ConfigError(
        'expected torch for the network, found none; install it '
        "(pip install 'rescene4d_ros[network]'), or set the source of instances to none or given"
    )


class ScanError(RescenError):
    """A point cloud cannot be used: wrong fields, frame, shape, or no finite points."""


class FileFormatError(RescenError):
    """A file is truncated, of another format, or of a version this package does not read."""


class TopicError(FileFormatError):
    """
    A bag has no such topic, or several of them.

    Attributes
    ----------
    found : tuple of str
        Those that it has.

    """

    def __init__(self, text: str, found: tuple[str, ...]):
        super().__init__(text)
        self.found = found


class WeightsError(RescenError):
    """A weights file is missing, damaged, or does not fit the network."""


class MemoryFormatError(RescenError):
    """A scene memory on disk has another schema, map, frame or class list than asked for."""


class MemoryDamagedError(MemoryFormatError):
    """A scene memory is not as it was stored; it needs a repair or a backup."""


class MemoryLockedError(RescenError):
    """Another process has the scene memory open for writing."""


class StorageError(RescenError):
    """The disk refused a write (full, read-only, no permission); nothing stored before is lost."""


class LeaseLostError(StorageError):
    """Another worker has the map; nothing was stored, and the other one processes the visit."""


class FleetMissingError(StorageError):
    """The database has no tables of deposits and leases."""


class CorrectedMeanwhileError(RescenError):
    """People corrected objects each time visits were worked out anew; the memory is as before."""


class VisitOrderError(RescenError):
    """A visit is older than the newest processed one; it is stored and needs a reprocess."""


class DuplicateVisitError(RescenError):
    """A visit with the same stamp is already stored."""


class FrameUnavailableError(RescenError):
    """A cloud is in another frame and no transform to the map is known."""
