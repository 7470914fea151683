"""The result of reading a corpus, and the checksums of the files read."""

import gzip
import hashlib
import json
import re
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import csv

from earlystop_lab.curves import Channel, CurveSet

#: lists of checksums as written by ``sha256sum``, which are looked for next to the files
_LISTS = ("SHA256SUMS", "SHA256SUMS.txt", "sha256sums.txt", "checksums.sha256")


#: what reading a damaged .npz raises, besides ValueError, OSError and EOFError
_DAMAGED = (
    zipfile.BadZipFile,
    zlib.error,
    NotImplementedError,
    RuntimeError,
    struct.error,
    OverflowError,
    MemoryError,
    SyntaxError,
)


class Reading(NamedTuple):
    """A corpus as read."""

    curves: CurveSet
    #: all files that were read
    files: list[Path]
    #: remarks about this copy for its data card
    notes: list[str]


class Size(NamedTuple):
    """How much the copy has that the corpus was described from; others may have more or less."""

    runs: int
    #: rows of all runs together
    checks: int
    problems: int
    #: the clusters of statistics
    datasets: int
    #: names of the channels, separated by commas
    channels: str
    #: units of the positions, separated by commas
    positions: str

    @property
    def costs(self) -> str:
        """Units in which time can be measured: those of the positions, and seconds."""
        return self.positions + (", s" if "seconds" in self.channels.split(", ") else "")


class Corpus(NamedTuple):
    """A public corpus: how to read it, and the facts for its data card."""

    #: reads a copy of it at a path
    read: Callable[[Path], Reading]
    description: str
    #: where it comes from, and which path to pass to ``build``
    source: str
    citation: str
    licence: str
    size: Size
    #: how it was recorded: what the errors and positions are
    record: Mapping[str, str]


def set_of(runs: Iterable[Mapping[str, Any]], about: Mapping[str, Channel]) -> CurveSet:
    """The curve set of these runs, with what is known of those channels that a run has."""
    listed = list(runs)
    there = {name for run in listed for name in run}
    known = {name: channel for name, channel in about.items() if name in there}
    return CurveSet.from_runs(listed, channels=known)


@contextmanager
def named(file: Path) -> Iterator[None]:
    """Name the file in errors that occur while reading it."""
    try:
        yield
    except FileNotFoundError:
        raise
    except (OSError, EOFError) as error:
        raise OSError(f"{file}: cannot be read ({error})") from error
    except KeyError as error:
        raise ValueError(f"{file}: {error.args[0]}") from error
    except ValueError as error:
        raise ValueError(f"{file}: {error}") from error


def sha256(file: Path) -> str:
    """The SHA-256 of a file, in hexadecimal."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def checked_sums(root: Path, files: Sequence[Path]) -> tuple[dict[Path, str], int]:
    """The checksums of ``files``, and how many of them the corpus' own lists confirm.

    Lists are ``SHA256SUMS`` and similar names in ``root``, and ``<file>.sha256`` next to a file,
    both as written by ``sha256sum``. Raises ``ValueError`` naming a file whose checksum differs.
    """
    sums = {file: sha256(file) for file in files}
    shipped: dict[Path, tuple[str, Path]] = {}
    beside = [file.with_name(f"{file.name}.sha256") for file in files]
    for listing in [*(root / name for name in _LISTS), *beside]:
        if listing.is_file():
            shipped.update(_listed(listing))
    confirmed = 0
    for file, total in sums.items():
        if (entry := shipped.get(file.resolve())) is None:
            continue
        expected, listing = entry
        if total != expected:
            raise ValueError(
                f"{file}: its SHA-256 is {total}, but {listing.name} says {expected}; "
                "this copy is damaged or another version"
            )
        confirmed += 1
    return sums, confirmed


def _listed(listing: Path) -> dict[Path, tuple[str, Path]]:
    sums = {}
    lines = listing.read_text(encoding="utf-8", errors="replace").splitlines()
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.startswith("#"):
            continue
        match = re.fullmatch(r"([0-9a-fA-F]{64}) [ *](.+)", line.rstrip())
        if match is None:
            raise ValueError(
                f"{listing}, line {number}: {line[:80]!r}; expected a SHA-256, two spaces and a "
                "file, as sha256sum writes them"
            )
        sums[(listing.parent / match[2]).resolve()] = (match[1].lower(), listing)
    return sums


def columns_of(file: Path, types: Mapping[str, pa.DataType]) -> dict[str, NDArray[Any]]:
    """Some columns of a CSV file; numbers of type float may be empty, other columns may not."""
    if not file.is_file():
        raise FileNotFoundError(f"{file} does not exist; expected a CSV table")
    table = csv.read_csv(
        file,
        # a single thread, since otherwise errors do not name the row
        read_options=csv.ReadOptions(use_threads=False),
        convert_options=csv.ConvertOptions(
            include_columns=list(types),
            column_types=dict(types),
            null_values=["", "nan", "NaN"],
            strings_can_be_null=True,
        ),
    )
    arrays = {}
    for name, kind in types.items():
        column = table[name].combine_chunks()
        if column.null_count and not pa.types.is_floating(kind):
            row = int(np.asarray(column.is_null()).argmax())
            raise ValueError(f"row {row + 2}, column {name!r}: empty; expected a value")
        arrays[name] = column.to_numpy(zero_copy_only=False)
    return arrays


def arrays_of(file: Path) -> Iterator[tuple[str, NDArray[Any]]]:
    """The arrays of an ``.npz`` archive by name; nothing is unpickled.

    Raises ``FileNotFoundError``, and ``ValueError`` if it is damaged or no archive.
    """
    if not file.is_file():
        raise FileNotFoundError(f"{file} does not exist; expected an .npz archive")
    if not zipfile.is_zipfile(file):
        raise ValueError("not a complete .npz archive")
    try:
        # opened here, since NumPy would leave a damaged archive open
        with file.open("rb") as stream, np.load(stream, allow_pickle=False) as archive:
            for name in archive.files:
                yield name, archive[name]
    except _DAMAGED as error:
        raise ValueError(f"not a complete .npz archive ({error})") from error


def json_of(file: Path) -> Any:
    """The document in a JSON file, also a compressed one; ``ValueError`` if it is damaged."""
    opened = gzip.open if file.suffix == ".gz" else open
    try:
        with opened(file, "rt", encoding="utf-8") as stream:
            return json.load(stream)
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError, zlib.error) as error:
        raise ValueError(f"not a JSON file ({error})") from error


@contextmanager
def unpacked(source: Path, ending: tuple[str, ...]) -> Iterator[tuple[Path, list[Path]]]:
    """A folder with the logs of a copy, and the files that were read: tar archives or the logs.

    Archives (``*.tar.gz`` in a folder, or one file) are unpacked to a temporary folder; without
    any, the source is the folder.
    """
    archives = [source] if source.is_file() else sorted(source.glob("*.tar.gz"))
    if not archives:
        files = sorted(path for path in source.rglob("*") if path.name.endswith(ending))
        if not files:
            raise FileNotFoundError(
                f"{source}: no logs; expected *.tar.gz or files that end in {' or '.join(ending)}"
            )
        yield source, files
        return
    with TemporaryDirectory() as made:
        for archive in archives:
            with named(archive):
                try:
                    with tarfile.open(archive) as members:
                        members.extractall(made, filter="data")
                except (tarfile.TarError, zlib.error) as error:
                    # what else tarfile tried is in lines of their own
                    why = str(error).partition("\n")[0].rstrip(":")
                    raise ValueError(f"not a complete tar archive ({why})") from error
        yield Path(made), archives
