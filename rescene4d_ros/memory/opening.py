"""Opening a scene memory: whose it is, where it is, one writer; what is in it is store.py's."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Self

from rescene4d_ros.errors import MemoryFormatError, StorageError
from rescene4d_ros.memory.database import metadata as headers
from rescene4d_ros.memory.database import migrations, schema
from rescene4d_ros.memory.database.database_url import (
    check_remembered,
    FILE_NAME,
    is_remembered,
    locate,
    LOCATION,
    public,
    remember_location,
)
from rescene4d_ros.memory.database.engine import make_engine, translated
from rescene4d_ros.memory.database.writer import Writer
from rescene4d_ros.memory.transactions import TransactionalMemory


class OpenMemory(TransactionalMemory):
    """
    Hold the right to read or write one memory directory.

    Made by `open` (the one writer) or `inspect` (any number of readers).

    """

    @classmethod
    def open(
        cls,
        path: Path | str,
        map_id: str | None,
        frame_id: str | None,
        class_names: Sequence[str] | None,
        weights_hash: str | None = None,
        create: bool = True,
        url: str | None = None,
    ) -> Self:
        """
        Open a memory for writing; make it where there is none.

        Parameters
        ----------
        path : path
            Directory of the memory.
        map_id, frame_id : str
            Must be those of the memory; None = whatever they are, of one that exists.
        class_names : sequence of str
            Class list of the weights in use; must be that of the memory; None as above.
        weights_hash : str, optional
            Other weights than before give a warning in the log.
        create : bool
            Whether to make a new memory where there is none.
        url : str, optional
            SQLAlchemy URL of the database, PostgreSQL or SQLite, which the directory remembers;
            default is what it remembers, else SQLite inside it.

        Raises
        ------
        ConfigError
            No such URL can be used.
        MemoryLockedError
            Another writer has it open.
        MemoryFormatError
            Another map, frame, class list or newer schema; or there is none and not `create`.
        StorageError
            The disk refuses.

        """
        path = Path(path)
        if not create and not path.is_dir():
            raise MemoryFormatError(
                f'{path}: expected a scene memory, found no such folder; check the path'
            )
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StorageError(
                f'{path}: cannot make the memory folder ({error.strerror}); '
                'choose a folder that may be written'
            ) from error
        where = locate(path, url)
        check_remembered(path, where)
        engine = make_engine(where)
        writer = Writer(path, engine)
        try:
            with translated(path), writer.transaction() as connection:
                if not headers.exists(connection):
                    if not create:
                        raise MemoryFormatError(
                            f'{path}: expected a scene memory, found none; check the path'
                        )
                    if is_remembered(path):
                        raise MemoryFormatError(
                            f'{path}: expected the memory that {LOCATION} names, found none at '
                            f'{public(where)}; restore that database from a backup, or use another'
                            ' folder for a new memory'
                        )
                    schema.tables.create_all(connection)
                    headers.create(
                        connection,
                        headers.Header(
                            schema.VERSION, map_id, frame_id, tuple(class_names), weights_hash
                        ),
                    )
                migrations.migrate(connection, str(path))
                headers.check(
                    headers.load(connection, str(path)),
                    str(path),
                    map_id,
                    frame_id,
                    None if class_names is None else tuple(class_names),
                    weights_hash,
                )
                if weights_hash is not None:
                    headers.store(connection, {'weights_hash': weights_hash})
            remember_location(path, where)
            memory = cls(path, engine, writer)
            memory.files.prepare()
            return memory
        except BaseException:
            writer.release()
            raise

    @classmethod
    def edit(cls, path: Path | str, url: str | None = None) -> Self:
        """
        Open an existing memory for corrections, whichever map it is of; migrate it if it is old.

        Raises
        ------
        MemoryLockedError, MemoryFormatError, StorageError
            As `open`.

        """
        return cls.open(path, None, None, None, create=False, url=url)

    @classmethod
    def inspect(cls, path: Path | str, url: str | None = None) -> Self:
        """
        Open an existing memory for reading, also while a writer works on it.

        Raises
        ------
        MemoryFormatError
            There is no memory, or its schema is not this package's.

        """
        path = Path(path)
        missing = MemoryFormatError(
            f'{path}: expected a scene memory (a folder with {FILE_NAME} '
            f'or {LOCATION}), found none; check the path'
        )
        where = locate(path, url)
        if where.get_backend_name() == 'sqlite' and not Path(where.database).is_file():
            raise missing
        engine = make_engine(where)
        with translated(path), engine.connect() as connection:
            if not headers.exists(connection):
                raise missing
        return cls(path, engine, None)

    def close(self) -> None:
        """Let the next writer in; the memory must not be used any more."""
        with self.mutex:
            self._engine.dispose()
            if self._writer is not None:
                self._writer.release()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_) -> None:
        """Close."""
        self.close()
