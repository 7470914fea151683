"""Writing files so that nobody ever sees half of one."""

import errno
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


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
    if path.parent.is_file():
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(path.parent))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
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


def written_text(path: Path, text: str) -> Path:
    """Write a text file whole; the path."""
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")
    return path
