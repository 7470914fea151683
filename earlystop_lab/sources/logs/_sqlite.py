"""SQLite databases of trackers, read from a copy: nothing is written beside the user's file."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from earlystop_lab.sources.logs._cells import LogError
from earlystop_lab.sources.logs._reading import Source, read_bytes

if TYPE_CHECKING:
    import sqlite3

_BEGINS = b"SQLite format 3\0"


@lru_cache(1)
def columns(source: Source) -> frozenset[str]:
    """The columns of a database as ``table.column``; none where the file is something else."""
    if not source.data.startswith(_BEGINS):
        return frozenset()
    query = "SELECT t.name || '.' || c.name FROM sqlite_master t, pragma_table_info(t.name) c"
    with opened(source) as database:
        return frozenset(name for (name,) in database.execute(query))


@contextmanager
def opened(source: Source) -> Iterator[sqlite3.Connection]:
    """The database, with what its program has not yet moved out of the write-ahead log.

    What is no valid text in it is read with replacement characters.
    """
    import sqlite3  # only here, since most logs are no database

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
            raise LogError(f"the SQLite database cannot be read: {error}") from error
