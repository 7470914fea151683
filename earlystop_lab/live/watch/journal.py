"""An append-only journal: what has been acknowledged is on disk, whatever happens next.

It consists of numbered segments of JSON lines. A writer thread takes all lines that wait, writes
them and asks the disk once for all of them, so that many clients cost little more than one.
A segment is removed once what it says is kept elsewhere.
"""

from __future__ import annotations

import asyncio
import json
import os
import queue
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

SUFFIX = ".journal"


class Journal:
    """Lines into the segments of a folder, from one event loop.

    >>> import tempfile
    >>> folder = Path(tempfile.mkdtemp())
    >>> async def written():
    ...     journal = Journal(folder, 1)
    ...     await journal.append({"epoch": 1})
    ...     await journal.close()
    >>> asyncio.run(written())
    >>> list(recorded(folder))
    [(1, {'epoch': 1})]
    """

    def __init__(self, folder: Path, segment: int) -> None:
        self.folder = folder
        #: number of the segment that new lines go to
        self.segment = segment
        self._loop = asyncio.get_running_loop()
        self._waiting: queue.SimpleQueue[tuple[bytes | None, asyncio.Future[None]]] = (
            queue.SimpleQueue()
        )
        self._file = _opened(folder, segment)
        self._writer = threading.Thread(target=self._write_all, daemon=True)
        self._writer.start()

    def append(self, event: dict[str, Any]) -> asyncio.Future[None]:
        """Write the event as one line; the future is done once the disk has it.

        The future raises ``OSError`` where it cannot be written; it then is not in the journal.
        """
        return self._put(json.dumps(event, separators=(",", ":")).encode() + b"\n")

    def rotate(self) -> tuple[int, asyncio.Future[None]]:
        """Begin a new segment for what is appended from now on; the number of the last one.

        The future is done once the last one is complete.
        """
        self.segment += 1
        return self.segment - 1, self._put(b"")

    async def close(self) -> None:
        """Write what waits, and end."""
        await self._put(None)
        self._writer.join()
        self._file.close()

    def remove(self, last: int) -> None:
        """Remove every segment up to that one."""
        for number, path in segments(self.folder):
            if number <= last:
                path.unlink()

    def _put(self, line: bytes | None) -> asyncio.Future[None]:
        done = self._loop.create_future()
        self._waiting.put((line, done))
        return done

    # -- the writer thread ---------------------------------------------------------------------

    def _write_all(self) -> None:
        number = self.segment
        while True:
            batch = [self._waiting.get()]
            while batch[-1][0] and not self._waiting.empty():
                batch.append(self._waiting.get())
            # only the last can be something else than a line
            command = batch[-1][0]
            error = self._write(b"".join(line or b"" for line, _ in batch))
            if command == b"":
                number += 1
                error = error or self._begin(number)
            for _, each in batch:
                self._loop.call_soon_threadsafe(_settle, each, error)
            if command is None:
                return

    def _write(self, lines: bytes) -> OSError | None:
        """Append the lines and wait for the disk; all or, on an error, none of them."""
        end = self._file.tell()
        try:
            left = memoryview(lines)
            while left:  # a disk that fills up takes a part
                left = left[self._file.write(left) :]
            if lines:
                os.fsync(self._file.fileno())
        except OSError as error:
            self._file.seek(end)
            self._file.truncate()
            return error
        return None

    def _begin(self, number: int) -> OSError | None:
        try:
            file = _opened(self.folder, number)
        except OSError as error:
            return error
        self._file.close()
        self._file = file
        return None


def segments(folder: Path) -> list[tuple[int, Path]]:
    """The segments of a folder with their numbers, in order."""
    return sorted((int(path.stem), path) for path in folder.glob(f"*{SUFFIX}"))


def recorded(folder: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Every event of a folder's segments, in order, with its segment's number.

    A line without an end was being written when the power went, and was never acknowledged.
    Raises ``ValueError`` naming file and line where another one is damaged.
    """
    for number, path in segments(folder):
        with path.open("rb") as file:
            for i, line in enumerate(file, start=1):
                if not line.endswith(b"\n"):
                    break
                try:
                    event = json.loads(line)
                    if not isinstance(event, dict):
                        raise TypeError(event)
                except (ValueError, TypeError) as error:
                    raise ValueError(
                        f"{path}, line {i}: {line[:40]!r} is no event of a journal; "
                        "move the file elsewhere to start without what it says"
                    ) from error
                yield number, event


def sync_folder(folder: Path) -> None:
    """Have the disk keep the names of a folder's files, where the system can be asked to."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _opened(folder: Path, number: int) -> Any:
    # unbuffered: what a failed write leaves must not be written again later
    path = folder / f"{number:08}{SUFFIX}"
    file = path.open("xb", buffering=0)
    try:
        sync_folder(folder)
    except OSError:
        file.close()
        path.unlink()
        raise
    return file


def _settle(future: asyncio.Future[None], error: OSError | None) -> None:
    if future.done():  # its client has gone
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)
