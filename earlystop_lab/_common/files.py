"""Writing files so that nobody ever sees half of one, and one process at a time."""

import errno
import os
import platform
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path

from earlystop_lab._common.errors import EarlystopError


class BusyError(EarlystopError, OSError):
    """Another process writes the same output; the text says which."""


def renamed(error: OSError, path: str | Path) -> OSError:
    """The error as one of ``path``: what a caller asked for, in place of what is behind it."""
    assert error.errno is not None, "an error of the operating system"
    return type(error)(error.errno, os.strerror(error.errno), str(path))


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Yield a temporary file name beside ``path``; rename it to ``path`` once all went well.

    The temporary name keeps the suffix, since writers choose their format by it. What the body
    makes may also be a folder, as long as ``path`` is not there yet. Raises ``OSError`` at once
    where ``path`` cannot be written.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "table.csv"
    >>> with written_whole(target) as temporary:
    ...     _ = temporary.write_text("a,b")
    >>> target.read_text()
    'a,b'
    """
    path = Path(path)
    if path.is_dir():
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), str(path))
    _make_room(path)
    try:
        room = Path(tempfile.mkdtemp(prefix=f".{path.name}.", dir=path.parent))
    except OSError as error:  # it names a folder or a temporary file, not what was asked for
        raise renamed(error, path) from error
    try:
        temporary = room / path.name
        yield temporary
        os.replace(temporary, path)
    except OSError as error:
        own = error.filename is None or str(error.filename).startswith(str(room))
        if error.errno is None or not own:
            raise
        # it names the temporary file or none, as where the disk is full
        raise renamed(error, path) from error
    finally:
        shutil.rmtree(room, ignore_errors=True)


@contextmanager
def held(path: str | Path) -> Iterator[None]:
    """Hold an output, so that no other process that holds it, too, writes it meanwhile.

    For results that are made in several steps: what :func:`written_whole` writes needs none of
    this. A process that ends, in whatever way, holds nothing any more. Raises
    :class:`BusyError`, which says who holds it, and ``OSError`` where nothing can be written.

    >>> target = Path(tempfile.mkdtemp()) / "stops.csv"
    >>> with held(target):
    ...     sorted(path.name for path in target.parent.iterdir())
    ['.stops.csv.holder', '.stops.csv.lock']
    >>> list(target.parent.iterdir())
    []
    """
    from filelock import FileLock, Timeout

    place = Path(path).absolute()
    lock, holder = (place.with_name(f".{place.name}.{what}") for what in ("lock", "holder"))
    made = [folder for folder in place.parents if not folder.exists()]
    _make_room(place)
    try:
        waiting = FileLock(lock, timeout=0)
        waiting.acquire()
    except Timeout as error:
        raise BusyError(
            f"{path}: another process is writing this output ({_text_of(holder) or 'just begun'}); "
            "wait until it is done, or choose another output"
        ) from error
    except OSError as error:
        raise renamed(error, path) from error
    try:
        began = datetime.now().isoformat(" ", "seconds")
        who = f"process {os.getpid()} on {platform.node()} since {began}"
        holder.write_text(who, encoding="utf-8")
        yield
    finally:
        # while it is held: who waits for a lock that is gone looks again
        for file in (holder, lock):
            with suppress(OSError):
                file.unlink()
        waiting.release()
        for folder in made:
            with suppress(OSError):  # no longer empty
                folder.rmdir()


def _make_room(path: Path) -> None:
    """Make the folder of a file."""
    if path.parent.is_file():  # which would be called a file that exists
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path.parent))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:  # it names the folder, not what was asked for
        raise renamed(error, path) from error


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError:
        return ""


def written_text(path: Path, text: str) -> Path:
    """Write a text file whole; the path."""
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
    return path
