"""Writing files so that nobody ever sees half of one, and one process at a time.

What is promised, and by which function:

- An output is as it was or complete, also after a power failure: :func:`written_whole`.
- Two processes never mix in one output that is made in steps; the second one is told who holds it:
  :func:`held`.
- Nothing that a killed process leaves behind disturbs the next one, which removes it: both.
- Finished units of ``replay`` (not ``durable``) survive a kill, but need not survive a power
  failure; those that did not are computed again.
"""

import errno
import os
import platform
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_cache_path

from earlystop_lab._common.errors import EarlystopError

if TYPE_CHECKING:
    from filelock import BaseFileLock

#: the environment variable that names another folder than the user's cache folder
CACHE = "EARLYSTOP_CACHE"
#: the file in a temporary folder that is locked as long as the folder is used
_LOCK = "lock"
#: whether a file that is open cannot be removed, as on Windows
_OPEN_FILES_STAY = os.name != "posix"


def cache_folder() -> Path:
    """Where results and data are kept between calls: ``EARLYSTOP_CACHE``, or the user's cache."""
    if given := os.environ.get(CACHE):
        return Path(given)
    return user_cache_path("earlystop_lab", appauthor=False)


class BusyError(EarlystopError, OSError):
    """Another process writes the same output; the text says which."""


def renamed(error: OSError, path: str | Path) -> OSError:
    """The error as one of ``path``: what a caller asked for, in place of what is behind it."""
    assert error.errno is not None, "an error of the operating system"
    return type(error)(error.errno, os.strerror(error.errno), str(path))


@contextmanager
def written_whole(path: str | Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary file name beside ``path``; rename it to ``path`` once all went well.

    Whatever happens, ``path`` is either as it was or complete. If ``durable``, this includes a
    power failure: the contents are on disk before the file is renamed, and the new name is on disk
    when this ends. Otherwise, a power failure may leave a damaged file. A process that is killed
    leaves a temporary folder, ``.NAME.1.tmp``, which the next call for ``path`` removes.

    The temporary name keeps the suffix, since writers choose their format by it. What the body
    makes may also be a folder, as long as ``path`` is not there yet. If several processes write
    ``path`` at once, each writes a file of its own, and the last to finish replaces the others.
    Raises ``OSError`` at once where ``path`` cannot be written.

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
    absolute = path.absolute()
    try:
        with _own_folder(absolute) as folder:
            temporary = folder / f"new{path.suffix}"
            yield temporary
            if durable:
                _sync(temporary)
            os.replace(temporary, path)
            if durable:
                sync_folder(path.parent)
    except OSError as error:
        named = error.filename and os.path.abspath(error.filename)
        if error.errno is None or (named and not named.startswith(str(_beside(absolute, "")))):
            raise
        # it names a temporary file or none, as where the disk is full
        raise renamed(error, path) from error


@contextmanager
def held(path: str | Path) -> Iterator[None]:
    """Hold an output, so that no other process that holds it, too, writes it meanwhile.

    For results that are made in several steps: what :func:`written_whole` writes needs none of
    this. A process that ends, in whatever way, holds nothing any more; temporary folders that it
    left beside the output are removed. Raises :class:`BusyError`, which says who holds it, and
    ``OSError`` where nothing can be written.

    >>> import tempfile
    >>> target = Path(tempfile.mkdtemp()) / "stops.csv"
    >>> with held(target):
    ...     sorted(path.name for path in target.parent.iterdir())
    ['.stops.csv.holder', '.stops.csv.lock']
    >>> list(target.parent.iterdir())
    []
    """
    place = Path(path).absolute()
    lock, holder = _beside(place, "lock"), _beside(place, "holder")
    made = [folder for folder in place.parents if not folder.exists()]
    _make_room(place)
    try:
        holding = _locked(lock)
    except OSError as error:
        raise renamed(error, path) from error
    if holding is None:
        raise BusyError(
            f"{path}: another process is writing this output ({_text_of(holder) or 'just begun'}); "
            "wait until it is done, or choose another output"
        )
    try:
        try:
            began = datetime.now().isoformat(" ", "seconds")
            who = f"process {os.getpid()} on {platform.node()} since {began}"
            holder.write_text(who, encoding="utf-8")
        except OSError as error:
            raise renamed(error, path) from error
        remove_left_behind(place)
        yield
    finally:
        # while it is held: who waits for a lock that is gone looks again
        for file in (holder, lock):
            with suppress(OSError):
                file.unlink()
        holding.release()
        if _OPEN_FILES_STAY:
            with suppress(OSError):  # of the next who holds it
                lock.unlink()
        for folder in made:
            with suppress(OSError):  # no longer empty
                folder.rmdir()


def sync_folder(folder: Path) -> None:
    """Make the disk store the names of a folder's files, if the system supports it."""
    if os.name != "posix":
        return
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except PermissionError:  # files may be made in it, but not listed
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # of some network disks
            raise
    finally:
        os.close(descriptor)


def _sync(path: Path) -> None:
    """Make the disk store a file, or a folder with all of its files."""
    if path.is_dir():
        for each in path.iterdir():
            _sync(each)
        sync_folder(path)
        return
    with path.open("rb+") as file:
        os.fsync(file.fileno())


@contextmanager
def _own_folder(path: Path) -> Iterator[Path]:
    """A temporary folder beside ``path`` that no other process uses; it has a lock in it."""
    number = 1
    while (lock := _entered(folder := _numbered(path, number))) is None:
        number += 1
    try:
        for each in folder.iterdir():
            if each.name != _LOCK:  # of a process that was killed
                _remove(each)
        remove_left_behind(path, number + 1)
        yield folder
    finally:
        _leave(folder, lock)


def remove_left_behind(path: Path, number: int = 1) -> None:
    """Remove temporary folders for ``path``, from that number on, whose process was killed.

    For outputs that are not written again once they are there; others need none of this.
    """
    while (folder := _numbered(path, number)).is_dir():
        with suppress(OSError):
            if (lock := _entered(folder)) is not None:
                _leave(folder, lock)
        number += 1


def _entered(folder: Path) -> "BaseFileLock | None":
    """Make a folder, if it is not there, and lock it; None if it is another's."""
    folder.mkdir(exist_ok=True)
    try:
        return _locked(folder / _LOCK)
    except PermissionError:  # of another user
        return None
    except OSError:
        with suppress(OSError):  # not empty
            folder.rmdir()
        raise


def _leave(folder: Path, lock: "BaseFileLock") -> None:
    # while it is locked, so that nobody enters before it is empty
    _remove(folder)
    lock.release()
    if _OPEN_FILES_STAY:
        _remove(folder)


def _remove(path: Path) -> None:
    """Remove a file or folder as far as possible."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        with suppress(OSError):
            path.unlink()


def _locked(file: Path) -> "BaseFileLock | None":
    """Make a file and lock it until this process ends; None if another process has it."""
    from filelock import FileLock, Timeout

    lock = FileLock(file, timeout=0)
    try:
        lock.acquire()
    except Timeout:
        return None
    return lock


def _beside(path: Path, what: str) -> Path:
    """A hidden name beside an output."""
    return path.with_name(f".{path.name}.{what}")


def _numbered(path: Path, number: int) -> Path:
    return _beside(path, f"{number}.tmp")


def _make_room(path: Path) -> None:
    """Make the folder of a file."""
    if path.parent.is_file():  # which would be called a file that exists
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path.parent))
    made = [folder for folder in path.absolute().parents if not folder.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        for folder in made:
            sync_folder(folder.parent)
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
