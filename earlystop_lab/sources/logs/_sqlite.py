"""SQLite databases of trackers, read from a copy: nothing is written beside the user's file."""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path

from earlystop_lab.sources.logs._cells import LogError
from earlystop_lab.sources.logs._reading import Source, read_bytes

_BEGINS = b"SQLite format 3\0"


@lru_cache(1)
def columns(source: Source) -> frozenset[str]:
    """The columns of a database as ``table.column``; none where the file is something else.

    Of another file only the beginning is read.
    """
    try:
        if not source.path.is_file():  # a pipe could make the reader wait for ever
            return frozenset()
        with source.path.open("rb") as stream:
            if stream.read(len(_BEGINS)) != _BEGINS:
                return frozenset()
    except (OSError, ValueError):
        return frozenset()
    query = "SELECT t.name || '.' || c.name FROM sqlite_master t, pragma_table_info(t.name) c"
    with opened(source) as database:
        return frozenset(name for (name,) in database.execute(query))


@contextmanager
def opened(source: Source) -> Iterator[sqlite3.Connection]:
    """The database, with what its program has not yet moved out of the write-ahead log.

    What is no valid text in it is read with replacement characters.
    """
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "copy.db")
        copy.write_bytes(source.data)
        waiting = source.path.with_name(f"{source.path.name}-wal")
        if waiting.is_file():
            copy.with_name("copy.db-wal").write_bytes(read_bytes(waiting))
        try:
            with closing(sqlite3.connect(copy)) as database:
                database.execute("PRAGMA trusted_schema = OFF")
                database.text_factory = lambda data: data.decode("utf-8", "replace")
                yield database
        except (sqlite3.Error, UnicodeError) as error:
            raise LogError(f"an SQLite database that cannot be read: {error}") from error
