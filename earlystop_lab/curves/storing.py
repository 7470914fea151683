"""Tables of runs in Parquet and Arrow files, with digests, so that damaged files are rejected.

Neither format detects a changed bit: Parquet may keep checksums of its pages, but not of the
metadata needed to read them, and Arrow has none. Therefore a *seal* is put into both, between the
data and the footer, where their readers do not look. It is found from the end of the file:

    groups of runs | seal: where each group ends, its runs, its CRC-32; mark | footer; mark

A group is a row group of a Parquet file or a record batch of an Arrow file. It is checked before it
is parsed, once per file as identified by path, times, size and inode. The mark is on both sides of
the footer, so that no single damage can hide the seal and still leave a readable footer. A file
without marks is from another program or of version 1; its contents are fully validated instead.
No check helps if a file is modified while it is mapped, and a process that reads a part that was
cut off is killed by the system; this package never writes in place.
"""

import os
import time
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from earlystop_lab._common.errors import EarlystopError

#: version of the format that is written; earlier versions can be read
FORMAT = 2
_VERSION_KEY = b"earlystop_lab.format"

#: number of runs in a row group of a Parquet file
_ROW_GROUP = 1024
#: maximum size of a batch of an Arrow file: a set of one batch is mapped, several are copied
_BATCH = 2**34
#: number of bytes that are read ahead, or digested, at a time
_BLOCK = 2**20

#: the seal of a group: where it ends in the file, its number of runs, its CRC-32
_ENTRY = np.dtype([("end", "<u8"), ("runs", "<u4"), ("crc", "<u4")])
#: CRC-32 of everything outside the groups, and of the seal itself; number of groups; the mark
_TRAILER = np.dtype([("rest", "<u4"), ("seal", "<u4"), ("groups", "<u8"), ("mark", "S16")])
_MARK = b"earlystop-digest"

#: a file changed so recently could change again within the resolution of its time stamps
_SETTLED_NS = 10**8


class UnreadableError(EarlystopError, ValueError):
    """A file of this package that cannot be read: it is damaged, or of a newer version."""


class Group(NamedTuple):
    """Runs that are stored together in a file."""

    runs: int
    #: approximate number of bytes per run
    width: int


class _File(NamedTuple):
    """A file in the state in which it was examined."""

    path: Path
    #: one row per group; None if there is no seal
    seal: NDArray[Any] | None
    #: groups that have been verified
    checked: set[int]


#: files by path, with the state that their digests were verified for: times, size, inode
_known: dict[Path, tuple[tuple[int, ...], _File]] = {}


def write_table(table: pa.Table, path: Path) -> None:
    """Write the table as Parquet, or as Arrow if the path ends in ``.arrow``, with a seal.

    In Parquet, floats of lists are split by byte and compressed with zstd. Raises ``OSError``.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "curves.parquet"
    >>> write_table(pa.table({"run": ["a", "b"], "val": [[3.0, 2.0], [4.0]]}), path)
    >>> read_table(path)["val"].to_pylist()
    [[3.0, 2.0], [4.0]]
    """
    metadata = {**(table.schema.metadata or {}), _VERSION_KEY: str(FORMAT).encode()}
    table = table.replace_schema_metadata(metadata).unify_dictionaries()
    ends: list[tuple[int, int]] = []
    with pa.OSFile(str(path), "wb") as sink:
        if path.suffix == ".arrow":
            with pa.ipc.new_file(sink, table.schema) as writer:
                for batch in _bounded(table):
                    writer.write_batch(batch)
                    ends.append((sink.tell(), batch.num_rows))
        else:
            with _parquet_writer(sink, table.schema) as writer:
                for start in range(0, len(table), _ROW_GROUP):
                    group = table.slice(start, _ROW_GROUP)
                    writer.write_table(group)
                    ends.append((sink.tell(), len(group)))
    _put_seal(path, ends)


def read_table(path: Path, *, mapped: bool = True) -> pa.Table:
    """Read the table in a file; Arrow data are mapped and not copied, unless ``mapped`` is False.

    Raises ``OSError`` if the file cannot be read, and ``ValueError`` naming it if it is neither
    Parquet nor Arrow, or cannot be trusted (:class:`UnreadableError`).
    """
    with naming(path):
        file = _looked_at(path)
        if path.suffix == ".arrow":
            source = pa.memory_map(str(path)) if mapped else pa.py_buffer(path.read_bytes())
            reader = pa.ipc.open_file(source)
            schema = _of_a_known_version(reader.schema)
            batches = [_batch(file, reader, i) for i in range(reader.num_record_batches)]
            table = pa.Table.from_batches(batches, reader.schema)
            if not mapped:  # the file may have changed between its check and its copy
                table.validate(full=True)
        else:
            with pq.ParquetFile(path, page_checksum_verification=True) as parquet:
                schema = _of_a_known_version(parquet.schema_arrow)
                _check(file, range(parquet.num_row_groups))
                table = _validated(file, parquet.read())
        return table.replace_schema_metadata(schema.metadata)


def read_schema(path: Path) -> pa.Schema:
    """The schema of the table in a file; raises what :func:`read_table` raises."""
    with naming(path):
        _looked_at(path)
        if path.suffix == ".arrow":
            with pa.memory_map(str(path)) as source:
                return _of_a_known_version(pa.ipc.open_file(source).schema)
        return _of_a_known_version(pq.read_schema(path))


def groups(path: Path) -> list[Group]:
    """The groups of a file, in order; only the footer is read.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "curves.parquet"
    >>> write_table(pa.table({"run": [str(i) for i in range(1500)]}), path)
    >>> [group.runs for group in groups(path)]
    [1024, 476]
    """
    with naming(path):
        file = _looked_at(path)
        if path.suffix != ".arrow":
            metadata = pq.read_metadata(path)
            _of_a_known_version(metadata.schema.to_arrow_schema())
            found = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
            return [_group(group.num_rows, group.total_byte_size) for group in found]
        with pa.memory_map(str(path)) as source:
            reader = pa.ipc.open_file(source)
            _of_a_known_version(reader.schema)
            if file.seal is not None:
                sizes = np.diff(file.seal["end"].astype(np.int64), prepend=0)
                return list(map(_group, file.seal["runs"].tolist(), sizes.tolist()))
            batches = (reader.get_batch(i) for i in range(reader.num_record_batches))
            return [_group(b.num_rows, b.get_total_buffer_size()) for b in batches]


def read_group(path: Path, group: int, start: int, runs: int, size: int) -> Iterator[pa.Table]:
    """The runs of a group, ``size`` at a time; of an Arrow group only ``runs`` from ``start`` on.

    Raises what :func:`read_table` raises.
    """
    with naming(path):
        file = _looked_at(path)
        if path.suffix == ".arrow":
            # mapped only for these runs, so that pages that were read do not stay resident
            with pa.memory_map(str(path)) as source:
                table = _without_version(pa.table(_batch(file, pa.ipc.open_file(source), group)))
                for at in range(start, start + runs, size):
                    yield table.slice(at, min(size, start + runs - at))
            return
        _check(file, [group])
        # buffered, instead of the whole group at once, which may be as large as the file
        options = {"pre_buffer": False, "buffer_size": _BLOCK, "page_checksum_verification": True}
        with pq.ParquetFile(path, **options) as parquet:
            missing = parquet.metadata.row_group(group).num_rows
            for batch in parquet.iter_batches(size, row_groups=[group]):
                yield _without_version(pa.table(_validated(file, batch)))
                missing -= len(batch)
            if missing:
                raise _damaged(f"a group without {missing} of its runs")


@contextmanager
def naming(path: Path) -> Iterator[None]:
    """Name the file in errors that occur while reading it."""
    try:
        yield
    except UnreadableError as error:
        raise UnreadableError(f"{path}: {error}") from error
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError) as error:
        kind = "an Arrow" if path.suffix == ".arrow" else "a Parquet"
        named = path.suffix in (".arrow", ".parquet")
        hint = "" if named else "; read a training log with read_logs"
        raise ValueError(f"{path}: not {kind} file ({error}){hint}") from error
    except (ValueError, KeyError, pa.ArrowException) as error:
        raise ValueError(f"{path}: {error}") from error
    except OSError as error:
        if error.errno is not None:
            raise
        # Arrow raises this without an errno for data that it cannot decode
        raise ValueError(f"{path}: damaged ({error})") from error


# -- writing -------------------------------------------------------------------------------


def _bounded(table: pa.Table) -> Iterator[pa.RecordBatch]:
    """The table in batches of at most that many bytes."""
    if table.nbytes > _BATCH and len(table) > 1:
        half = len(table) // 2
        yield from _bounded(table.slice(0, half))
        yield from _bounded(table.slice(half))
    else:
        yield from table.combine_chunks().to_batches()


def _parquet_writer(sink: pa.NativeFile, schema: pa.Schema) -> pq.ParquetWriter:
    lists = {
        field.name: pa.types.is_floating(field.type.value_type)
        for field in schema
        if pa.types.is_list(field.type) or pa.types.is_large_list(field.type)
    }
    floats = [f"{name}.list.element" for name, floating in lists.items() if floating]
    return pq.ParquetWriter(
        sink,
        schema,
        compression="zstd",
        compression_level=9,
        use_dictionary=[name for name in schema.names if name not in lists],
        column_encoding=dict.fromkeys(floats, "BYTE_STREAM_SPLIT"),
        write_page_checksum=True,
    )


def _put_seal(path: Path, ends: list[tuple[int, int]]) -> None:
    """Put a seal into a file, given where its groups end and how many runs they have."""
    with path.open("r+b") as file:
        magic = _magic(path)
        at = _footer(file, magic)
        assert at is not None, "a file as it was just written"
        seal = np.zeros(len(ends), _ENTRY)
        begin = 0
        for i, (end, runs) in enumerate(ends):
            seal[i] = (end, runs, _crc(file, begin, end))
            begin = end
        rest = _crc(file, begin, at)
        file.seek(at)
        footer = file.read()[: -4 - len(magic)] + _MARK
        footer += len(footer).to_bytes(4, "little") + magic
        trailer = np.zeros(1, _TRAILER)
        trailer["rest"] = zlib.crc32(footer, rest)
        trailer["groups"], trailer["mark"] = len(ends), _MARK
        trailer["seal"] = _crc_of_seal(seal, trailer)
        file.seek(at)
        file.write(seal.tobytes() + trailer.tobytes() + footer)


# -- checking ------------------------------------------------------------------------------


def _magic(path: Path) -> bytes:
    """The last bytes of a file, after the footer and its length."""
    return b"ARROW1" if path.suffix == ".arrow" else b"PAR1"


def _footer(file: BinaryIO, magic: bytes) -> int | None:
    """Where the footer begins, or None if there is none."""
    size = file.seek(0, os.SEEK_END)
    length, end = _bytes(file, size - len(magic) - 4, 4), _bytes(file, size - len(magic))
    at = size - len(magic) - 4 - int.from_bytes(length, "little")
    return at if end == magic and at >= 0 else None


def _looked_at(path: Path) -> _File:
    """The file in its current state; ``ValueError`` if its seal is damaged."""
    stat = os.stat(path)
    stamp = stat.st_mtime_ns, stat.st_ctime_ns, stat.st_size, stat.st_ino
    path = path.absolute()
    known = _known.get(path)
    if known is not None and known[0] == stamp:
        return known[1]
    file = _File(path, _read_seal(path), set())
    if time.time_ns() - max(stat.st_mtime_ns, stat.st_ctime_ns) > _SETTLED_NS:
        _known[path] = stamp, file
    return file


def _read_seal(path: Path) -> NDArray[Any] | None:
    """The seal of each group, or None if there is no seal.

    Everything outside the groups is verified here.
    """
    with path.open("rb") as file:
        at = _footer(file, _magic(path))
        if at is None:  # neither Parquet nor Arrow, and rejected as such elsewhere
            return None
        behind = file.seek(0, os.SEEK_END) - len(_magic(path)) - 4 - len(_MARK)
        begin = at - _TRAILER.itemsize
        found = _bytes(file, begin, _TRAILER.itemsize)
        marks = found[-len(_MARK) :], _bytes(file, behind, len(_MARK))
        if not any(map(_is_marked, marks)):
            return None
        if len(found) < _TRAILER.itemsize or marks != (_MARK, _MARK):
            raise _damaged("its seal")
        trailer = np.frombuffer(found, _TRAILER)
        begin -= int(trailer["groups"][0]) * _ENTRY.itemsize
        seal = np.frombuffer(_bytes(file, begin, at - _TRAILER.itemsize - begin), _ENTRY)
        if trailer["seal"][0] != _crc_of_seal(seal, trailer):
            raise _damaged("its seal")
        rest = _crc(file, int(seal["end"][-1]) if len(seal) else 0, begin)
        if trailer["rest"][0] != zlib.crc32(_bytes(file, at), rest):
            raise _damaged("its footer")
        return seal


def _is_marked(found: bytes) -> bool:
    """Whether there is a mark, possibly a damaged one."""
    return sum(a == b for a, b in zip(found, _MARK, strict=False)) >= len(_MARK) // 2


def _check(file: _File, wanted: Iterable[int]) -> None:
    """Raise ``ValueError`` if one of these groups is not as it was written."""
    if file.seal is None:
        return
    ends = file.seal["end"].tolist()
    before = [0, *np.cumsum(file.seal["runs"]).tolist()]
    with file.path.open("rb") as data:
        for i in sorted(set(wanted) - file.checked):
            if _crc(data, ends[i - 1] if i else 0, ends[i]) != file.seal["crc"][i]:
                raise _damaged(f"a run from {before[i]} to {before[i + 1] - 1}")
            file.checked.add(i)


def _batch(file: _File, reader: Any, index: int) -> pa.RecordBatch:
    """A batch of an Arrow file, verified to contain no offsets outside the file."""
    # the first batch holds the dictionaries of all
    _check(file, [0, index])
    batch = reader.get_batch(index)
    if index not in file.checked:
        batch = _validated(file, batch)
        file.checked.add(index)
    return batch


def _validated(file: _File, data: Any) -> Any:
    """Validate what was read, since a file without a seal may contain anything."""
    if file.seal is None:
        data.validate(full=True)
    return data


def _bytes(file: BinaryIO, begin: int, length: int = -1) -> bytes:
    """Some bytes of a file; none if they would begin before the file."""
    if begin < 0:
        return b""
    file.seek(begin)
    return file.read(length)


def _crc(file: BinaryIO, begin: int, end: int) -> int:
    """CRC-32 of some bytes of a file."""
    file.seek(begin)
    crc = 0
    while begin < end and (block := file.read(min(_BLOCK, end - begin))):
        crc = zlib.crc32(block, crc)
        begin += len(block)
    return crc


def _crc_of_seal(seal: NDArray[Any], trailer: NDArray[Any]) -> int:
    rest, count = trailer["rest"].tobytes(), trailer["groups"].tobytes()
    return zlib.crc32(seal.tobytes() + rest + count)


def _damaged(what: str) -> UnreadableError:
    return UnreadableError(
        f"damaged: {what} is not what was written; restore the file from its source, or record "
        "the runs again"
    )


# -- versions ------------------------------------------------------------------------------


def _of_a_known_version(schema: pa.Schema) -> pa.Schema:
    """The schema without the version; ``ValueError`` for a newer version."""
    text = (schema.metadata or {}).get(_VERSION_KEY, b"1").decode()
    if not text.isdigit() or not 1 <= int(text) <= FORMAT:
        raise UnreadableError(
            f"written by a newer earlystop_lab in format {text}; this version reads 1 and "
            f"{FORMAT}; upgrade earlystop_lab"
        )
    metadata = {k: v for k, v in (schema.metadata or {}).items() if k != _VERSION_KEY}
    return schema.with_metadata(metadata or None)


def _without_version(table: pa.Table) -> pa.Table:
    return table.replace_schema_metadata(_of_a_known_version(table.schema).metadata)


def _group(runs: int, size: int) -> Group:
    return Group(runs, size // max(1, runs))
