"""Which files there are, and which belong together as one log."""

import os
import stat
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from hashlib import blake2b
from pathlib import Path

from earlystop_lab.sources.logs._cells import LogError
from earlystop_lab.sources.logs._reading import (
    Skipped,
    Source,
    rotated_from,
    suffix,
)

Owner = Callable[[Path], Path | None]
#: what a folder is searched for; everything else in it (weights, pictures) is passed over
SUFFIXES = frozenset(
    {".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".log", ".txt", ".out", ".parquet", ".db"}
)


def find(
    paths: Sequence[Path], owners: Mapping[str, Owner]
) -> tuple[list[tuple[str | None, Source]], list[Skipped]]:
    """Every log at the paths with the format that owns it (None: to be recognised).

    Folders are searched with all their folders, not following links to folders, by name; a file
    that is reached twice counts once. ``owners`` give the folder that a file belongs to.
    """
    logs: dict[tuple[str | None, Path], list[Path]] = {}
    skipped, seen = [], set[object]()
    for path in paths:
        files = list(_logs_under(path, owners.values())) if path.is_dir() else [path]
        if not files:
            skipped.append(
                Skipped(str(path), None, "the folder contains no logs; pass a folder that does")
            )
        for file in files:
            if (real := _real(file)) not in seen:
                seen.add(real)
                logs.setdefault(_owned(file, owners), []).append(file)
    return [(name, Source(where, files)) for (name, where), files in logs.items()], skipped


def _real(path: Path) -> object:
    try:
        there = path.stat()
        # one file may have several names without a link between them
        return (there.st_dev, there.st_ino) if there.st_ino else os.path.realpath(path)
    except (OSError, ValueError):  # a loop of links, or a name no file can have
        return str(path)


def _owned(path: Path, owners: Mapping[str, Owner]) -> tuple[str | None, Path]:
    owned = ((name, owner(path)) for name, owner in owners.items())
    found = next(((name, folder) for name, folder in owned if folder is not None), None)
    return found or (None, rotated_from(path) or path)


def _logs_under(folder: Path, owners: Collection[Owner]) -> Iterator[Path]:
    for where, folders, files in os.walk(folder):
        folders.sort()
        for name in sorted(files):
            path = Path(where, name)
            if suffix(path) in SUFFIXES or any(owner(path) for owner in owners):
                yield path


class Twins:
    """Files with the content of one before them in their folder, packed or not."""

    def __init__(self, paths: Sequence[Path]) -> None:
        packed = {path.parent for path in paths if path.suffix.lower() == ".gz"}
        # of a folder with packed files all are unpacked to be compared
        sizes = {path: None if path.parent in packed else _size(path) for path in paths}
        alike = Counter((path.parent, size) for path, size in sizes.items())
        #: those that may have the content of another one
        self._may_be = {p for p, size in sizes.items() if size != 0 and alike[p.parent, size] > 1}
        self._first: dict[tuple[Path, bytes], Path] = {}

    def of(self, source: Source) -> Path | None:
        """The file before it that has the same content."""
        path = source.path
        if path not in self._may_be:
            return None
        try:
            content = source.data
        except LogError:  # what cannot be read is named where it is read
            return None
        if not content:
            return None
        same = self._first.setdefault((path.parent, blake2b(content).digest()), path)
        return same if same != path else None


def _size(path: Path) -> int:
    """Of a regular file; 0 of anything else."""
    try:
        there = path.stat()
        return there.st_size if stat.S_ISREG(there.st_mode) else 0
    except (OSError, ValueError):
        return 0


def labels(paths: Sequence[Path], given: Sequence[Path]) -> list[str]:
    """A short name for each path: relative to the folder that all the given ones share."""
    folders = [os.path.abspath(p if p.is_dir() else p.parent) for p in given]
    try:
        base = Path(os.path.commonpath(folders))
    except ValueError:  # on different drives, or nothing given
        base = Path()
    whole = [Path(os.path.abspath(path)) for path in paths]
    # a folder above that base is a log to which a given file belongs
    return [clean(p.relative_to(base).as_posix() if base in p.parents else p.name) for p in whole]


def clean(text: str) -> str:
    """Text that Arrow can hold: names of files and columns need not be valid Unicode."""
    return text.encode("utf-8", "replace").decode()
