"""The journal: acknowledged data are on disk, whatever happens next.

It is an SQLite database, which waits for the disk at every commit, rolls back what the disk does
not accept, and recovers when it is opened after a crash. Every event has a checksum, and so has
their number, so that a damaged journal is rejected.
"""

import errno
import json
import sqlite3
import zlib
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
"""
#: version of the database; since 2, events have values as measured, by channel, and since 3,
#: checksums, of which SQLite has none but for commits that are not yet part of the database
_VERSION = 3
#: the events, and what is known of all of them: how many there are, and the highest number so far
_TABLES = f"""
    BEGIN;
    DROP TABLE IF EXISTS event;
    DROP TABLE IF EXISTS total;
    CREATE TABLE event (id INTEGER PRIMARY KEY, what TEXT NOT NULL, crc INTEGER NOT NULL);
    CREATE TABLE total (events INTEGER NOT NULL, last INTEGER NOT NULL, crc INTEGER NOT NULL);
    INSERT INTO total VALUES (0, 0, {{crc}});
    PRAGMA user_version = {_VERSION};
    COMMIT;
"""
#: errors of SQLite that are not about the contents of the file
_OF_THE_DISK = {
    sqlite3.SQLITE_FULL: errno.ENOSPC,
    sqlite3.SQLITE_IOERR: errno.EIO,
    sqlite3.SQLITE_CANTOPEN: errno.EIO,
    sqlite3.SQLITE_READONLY: errno.EROFS,
}


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
                self._begin()
                #: the highest number of an event so far
                self._events, self.last = self._total()
            except BaseException:
                self._database.close()
                raise

    def _begin(self) -> None:
        """Make the tables, unless they are there."""
        ((version,),) = self._database.execute("PRAGMA user_version")
        if version > _VERSION:
            raise sqlite3.DatabaseError(f"version {version}; expected {_VERSION}")
        if version < _VERSION:
            tables = self._database.execute("SELECT name FROM sqlite_master").fetchall()
            if ("event",) in tables and self._database.execute("SELECT 1 FROM event").fetchone():
                raise _of_an_earlier_version(self.path)
            self._database.executescript(_TABLES.format(crc=_crc(0, 0)))

    def _total(self) -> tuple[int, int]:
        """The number of events, and the highest number so far, as last written."""
        found = self._database.execute("SELECT events, last, crc FROM total").fetchall()
        if len(found) != 1 or found[0][2] != _crc(*found[0][:2]):
            raise sqlite3.DatabaseError("the number of its events is not what was written")
        return found[0][0], found[0][1]

    def events(self) -> Iterator[tuple[int, dict[str, Any]]]:
        """Every event that is kept, in order, with its number."""
        with self._explained():
            found = 0
            rows = self._database.execute("SELECT id, what, crc FROM event ORDER BY id")
            for number, what, crc in rows:
                found += 1
                if crc != _crc(number, what):
                    raise sqlite3.DatabaseError(f"event {number} is not what was written")
                yield number, json.loads(what)
            if found != self._events:
                raise sqlite3.DatabaseError(f"{found} events; expected {self._events}")

    def append(self, events: Sequence[dict[str, Any]]) -> None:
        """Keep events: all are on disk when this returns; if it raises, none is kept."""
        texts = enumerate(map(json.dumps, events), start=self.last + 1)
        rows = [(number, text, _crc(number, text)) for number, text in texts]
        total = self._events + len(rows), self.last + len(rows)
        with self._explained(), self._database:
            self._database.executemany("INSERT INTO event VALUES (?, ?, ?)", rows)
            self._set_total(*total)
        self._events, self.last = total

    def drop(self, last: int) -> None:
        """Forget every event up to that one."""
        with self._explained(), self._database:
            self._database.execute("DELETE FROM event WHERE id <= ?", (last,))
            ((left,),) = self._database.execute("SELECT count(*) FROM event")
            self._set_total(left, self.last)
        self._events = left

    def _set_total(self, events: int, last: int) -> None:
        self._database.execute(
            "UPDATE total SET events = ?, last = ?, crc = ?", (events, last, _crc(events, last))
        )

    def close(self) -> None:
        """Release the database."""
        self._database.close()

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, UnicodeDecodeError) as error:
            # the lower byte of SQLite's extended codes; text that is not UTF-8 has no code
            code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
            if code == sqlite3.SQLITE_BUSY:
                raise ValueError(
                    f"{self.folder}: used by another earlystop watch; choose another folder with "
                    "--out"
                ) from error
            if code in _OF_THE_DISK:
                raise OSError(_OF_THE_DISK[code], str(error), str(self.path)) from error
            raise ValueError(
                f"{self.path}: damaged ({error}); move the file elsewhere to start without its "
                "contents"
            ) from error


def _crc(number: int, what: object) -> int:
    """CRC-32 of an event, or of two numbers."""
    return zlib.crc32(f"{number} {what}".encode(errors="replace"))


def _of_an_earlier_version(path: Path) -> ValueError:
    return ValueError(
        f"{path}: has unsaved posts in the format of an earlier version; start and stop that "
        "version once with this --out, or move the file elsewhere to start without its contents"
    )
