"""Results that are kept between calls: arrays in files of the user's cache folder.

A result is found by a digest of everything that determines it: what the caller names (settings, and
the contents of a curve set, not its path), the source code of this package, and the versions of
Python and of the libraries that compute. If any of these changes, the result has another name, and
the old file is never read again.

Every file is an Arrow file that is mapped when it is read, with digests of its contents
(:mod:`curves.storing`). A file that is damaged, or whose digest of what determines it is another
one, is replaced. Files are written whole, so several processes may use the folder at once. Above
:data:`LIMIT` bytes, the files that were not used for the longest time are removed.
"""

import hashlib
import json
import os
import platform
import sys
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from earlystop_lab._common.files import remove_left_behind, written_whole
from earlystop_lab.curves import CurveSet
from earlystop_lab.curves.storing import read_table, write_table

#: maximum number of bytes of all files
LIMIT = 2 * 2**30
#: the libraries whose versions are part of the digest
LIBRARIES = ("numpy", "scipy", "pandas", "pyarrow", "numba", "llvmlite")
#: endings of source files
SOURCE = (".py", ".html", ".css", ".js")
_KEY = b"earlystop_lab.kept"
_SHAPE = b"shape"

Arrays = Mapping[str, NDArray[Any]]


class Kept(NamedTuple):
    """Results in a folder; without a folder nothing is kept."""

    place: Path | None

    def arrays(self, what: list[Any], make: Callable[[], Arrays]) -> Arrays:
        """The arrays that ``make`` returns, read from a file if there is one.

        Parameters
        ----------
        what : list
            Everything that determines the arrays besides the code: JSON values.
        make : callable
            Computes the arrays: numbers, of any shape.

        Returns
        -------
        dict of str to ndarray
            Read-only; if they are read from a file, they are mapped.

        Examples
        --------

        >>> import tempfile
        >>> kept = Kept(Path(tempfile.mkdtemp()))
        >>> made = kept.arrays(["squares", 3], lambda: {"squares": np.arange(3) ** 2})
        >>> kept.arrays(["squares", 3], lambda: {})["squares"].tolist()
        [0, 1, 4]
        """
        if self.place is None:
            return make()
        key = _key_of(what)
        file = self._file(key)
        with suppress(OSError, ValueError):  # not there, damaged, or of other contents
            found = _unpacked(read_table(file), key)
            os.utime(file)
            remove_left_behind(file)
            return found
        made = make()
        with suppress(OSError):  # results are the same without
            with written_whole(file, durable=False) as temporary:
                write_table(_packed(made, key), temporary)
            _trim(self.place)
        return made

    def _file(self, key: str) -> Path:
        assert self.place is not None
        return self.place / f"{key[:32]}.arrow"

    def files(self) -> list[tuple[Path, int]]:
        """The files and their sizes, the one that was not used for the longest time first."""
        found = [] if self.place is None else _entries(self.place)
        return [(Path(file), size) for _, file, size in sorted(found)]

    def clear(self) -> int:
        """Remove all files; returns their number."""
        return sum(_removed(file) for file, _ in self.files())


def _key_of(what: list[Any]) -> str:
    """A digest of everything that determines a result."""
    return hashlib.sha256(json.dumps([code(), what]).encode()).hexdigest()


#: what keeps nothing
NOTHING_KEPT = Kept(None)


def _trim(place: Path) -> None:
    """Remove files until the others are within the limit."""
    found = _entries(place)
    total = sum(size for *_, size in found)
    for _, file, size in sorted(found) if total > LIMIT else []:
        if total <= LIMIT:
            return
        total -= size * _removed(Path(file))


def _entries(place: Path) -> list[tuple[int, str, int]]:
    """Of each file the time at which it was used last, in nanoseconds, its path and its size."""
    found = []
    with suppress(OSError), os.scandir(place) as entries:
        for entry in entries:
            if entry.name.endswith(".arrow"):
                with suppress(OSError):  # removed by another process
                    at = entry.stat()
                    found.append((at.st_mtime_ns, entry.path, at.st_size))
    return found


def _removed(file: Path) -> bool:
    try:
        file.unlink()
    except OSError:  # removed by another process, or mapped by one, which not every system allows
        return False
    return True


@cache
def code() -> str:
    """A digest of the source of this package and of the versions of what it computes with."""
    versions = [sys.version, platform.machine(), platform.system(), *map(version, LIBRARIES)]
    source = digest_of_files(Path(__file__).parents[1])
    return hashlib.sha256(json.dumps([source, *versions]).encode()).hexdigest()


def digest_of_files(root: Path) -> str:
    """A digest of the names and contents of all source files in a folder."""
    digest = hashlib.sha256()
    for file in sorted(path for path in root.rglob("*") if path.suffix in SOURCE):
        text = file.read_bytes()
        digest.update(f"{file.relative_to(root).as_posix()} {len(text)}\n".encode())
        digest.update(text)
    return digest.hexdigest()


def digest_of(curves: CurveSet) -> str:
    """A digest of everything that is recorded in a curve set, whichever file it was read from.

    >>> one = CurveSet.from_runs([{"val": [2.0, 1.0]}])
    >>> digest_of(one) == digest_of(one[:]), digest_of(one) == digest_of(one.select([False]))
    (True, False)
    """
    digest = hashlib.sha256()
    with pa.PythonFile(_Sink(digest), mode="w") as sink:
        table = curves.table.combine_chunks()
        with pa.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    return digest.hexdigest()


class _Sink:
    """A file that digests what is written to it."""

    closed = False

    def __init__(self, digest: Any) -> None:
        self._digest, self._size = digest, 0

    def write(self, data: Any) -> int:
        self._digest.update(data)
        self._size += len(data)
        return len(data)

    def tell(self) -> int:
        return self._size

    def flush(self) -> None: ...

    def close(self) -> None: ...


def _packed(arrays: Arrays, key: str) -> pa.Table:
    """A table of one row, with an array in each column."""
    fields, columns = [], []
    for name, array in arrays.items():
        flat = pa.array(np.ascontiguousarray(array).ravel())
        columns.append(pa.ListArray.from_arrays(pa.array([0, len(flat)], pa.int32()), flat))
        shape = {_SHAPE: json.dumps(array.shape).encode()}
        fields.append(pa.field(name, columns[-1].type, metadata=shape))
    return pa.Table.from_arrays(columns, schema=pa.schema(fields, {_KEY: key.encode()}))


def _unpacked(table: pa.Table, key: str) -> Arrays:
    """The arrays of such a table; ``ValueError`` if it was made for another key."""
    if (table.schema.metadata or {}).get(_KEY) != key.encode():
        raise ValueError("made for another key")
    arrays = {}
    for field, column in zip(table.schema, table.columns, strict=True):
        flat = column.chunk(0).flatten().to_numpy(zero_copy_only=True)
        arrays[field.name] = flat.reshape(json.loads(field.metadata[_SHAPE]))
    return arrays
