"""The journal: acknowledged data are on disk, whatever happens next.

It is an SQLite database, which waits for the disk at every commit, rolls back what the disk does
not accept, and recovers when it is opened after a crash.
"""

import errno
import json
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from earlystop_lab._common.files import sync_folder

#: of one process at a time; a commit is on disk when it returns
_BEGIN = """
    PRAGMA locking_mode = EXCLUSIVE;
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS event (id INTEGER PRIMARY KEY, what TEXT NOT NULL);
"""


#: version of the events; since 2, they have values as measured, by channel
_VERSION = 2


class Journal:
    """Events about the runs of a folder, counted from 1.

    The caller ensures that calls do not overlap. Raises ``OSError`` if the disk reports an error,
    and ``ValueError`` if another process uses the folder or, naming the file, if it is damaged.

    >>> import tempfile
    >>> journal = Journal(Path(tempfile.mkdtemp()))
    >>> journal.append([{"epoch": 1}, {"epoch": 2}])
    >>> journal.drop(1)
    >>> list(journal.events()), journal.last
    ([(2, {'epoch': 2})], 2)
    >>> journal.close()
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / ".watch" / "journal.sqlite"
        self.path.parent.mkdir(parents=True, exist_ok=True)
        for each in (folder.absolute().parent, folder):
            sync_folder(each)
        for old in self.path.parent.glob("*.journal"):
            if old.stat().st_size:
                raise _of_an_earlier_version(old)
        with self._explained():
            self._database = sqlite3.connect(self.path, timeout=0, check_same_thread=False)
            try:
                self._database.executescript(_BEGIN)
                ((state,),) = self._database.execute("PRAGMA quick_check(1)")
                if state != "ok":
                    raise sqlite3.DatabaseError("database disk image is malformed")
                ((last,),) = self._database.execute("SELECT max(id) FROM event")
                ((version,),) = self._database.execute("PRAGMA user_version")
                if version < _VERSION:
                    if last:
                        raise _of_an_earlier_version(self.path)
                    self._database.execute(f"PRAGMA user_version = {_VERSION}")
            except BaseException:
                self._database.close()
                raise
        #: the number of the last event
        self.last: int = last or 0

    def events(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Every event that is kept, in order, with its number."""
        with self._explained():
            for number, what in self._database.execute("SELECT id, what FROM event ORDER BY id"):
                yield number, json.loads(what)

    def append(self, events: Sequence[dict[str, Any]]) -> None:
        """Keep events: all are on disk when this returns; if it raises, none is kept."""
        rows = [(i, json.dumps(event)) for i, event in enumerate(events, start=self.last + 1)]
        with self._explained(), self._database:
            self._database.executemany("INSERT INTO event VALUES (?, ?)", rows)
        self.last += len(rows)

    def drop(self, last: int) -> None:
        """Forget every event up to that one."""
        with self._explained(), self._database:
            self._database.execute("DELETE FROM event WHERE id <= ?", (last,))

    def close(self) -> None:
        """Release the database."""
        self._database.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode == sqlite3.SQLITE_BUSY:
                raise ValueError(
                    f"{self.folder}: used by another earlystop watch; choose another folder with "
                    "--out"
                ) from error
            code = errno.ENOSPC if error.sqlite_errorcode == sqlite3.SQLITE_FULL else errno.EIO
            raise OSError(code, str(error), str(self.path)) from error
        except (sqlite3.DatabaseError, json.JSONDecodeError) as error:
            raise ValueError(
                f"{self.path}: damaged ({error}); move the file elsewhere to start without its "
                "contents"
            ) from error


def _of_an_earlier_version(path: Path) -> ValueError:
    return ValueError(
        f"{path}: has unsaved posts in the format of an earlier version; start and stop that "
        "version once with this --out, or move the file elsewhere to start without its contents"
    )
