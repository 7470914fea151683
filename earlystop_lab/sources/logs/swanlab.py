"""SwanLab: the record file ``run-....swanlab`` of a run, which contains every scalar.

The file is a LevelDB log of blocks with checksums that contain protobuf messages, of which only
scalars are read. The folder ``logs`` next to it repeats them without their names.
"""

import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from earlystop_lab.sources.logs._cells import LogError
from earlystop_lab.sources.logs._columns import Log, Row, log_of_rows
from earlystop_lab.sources.logs._reading import Source

_BEGINS, _VERSION = b":SWL\xd6\xe1", 2
_HEADER, _BLOCK = 7, 2**15
#: pieces of a record: all of it, its first, one in between, its last
_WHOLE, _FIRST, _BETWEEN, _LAST = 1, 2, 3, 4
_FOLDER = re.compile(r"run-\d{8}_\d{6}-\w+")
#: fields of the messages
_SCALAR, _KEY, _STEP, _VALUE, _NUMBER = 13, 1, 2, 5, 1


def owner(path: Path) -> Path | None:
    """The folder of a run, for all that SwanLab writes into it."""
    if any(map(_FOLDER.fullmatch, path.parts[:-1])):
        for folder in path.parents:
            if _FOLDER.fullmatch(folder.name) and any(folder.glob("*.swanlab")):
                return folder
    return path.parent if path.suffix == ".swanlab" else None


def recognises(source: Source) -> bool:
    return source.data.startswith(_BEGINS)


def read(source: Source) -> list[Log]:
    """Every scalar in the order in which it was logged."""
    logs = [_run(Source(path)) for path in source.files if path.suffix == ".swanlab"]
    return logs or [_run(source)]


def _run(source: Source) -> Log:
    if not recognises(source) or len(source.data) < _HEADER:
        raise LogError("not a SwanLab record file")
    if source.data[_HEADER - 1] != _VERSION:
        raise LogError(
            f"the SwanLab record file has version {source.data[_HEADER - 1]}, but only version "
            f"{_VERSION} can be read; export the charts of the run as CSV from the SwanLab page"
        )
    skipped: list[LogError] = []
    log = log_of_rows(_rows(source.data, skipped))
    if not len(log):
        raise skipped[0] if skipped else LogError("the SwanLab run contains no scalars")
    return replace(log, shared=False, skipped=skipped)


def _rows(data: bytes, skipped: list[LogError]) -> Iterator[Row]:
    at = 0
    try:
        for at, record in enumerate(_records(data), start=1):
            for field, scalar in _fields(record):
                if field == _SCALAR:
                    cells = dict(_fields(scalar))
                    # what is 0 is not written
                    value = dict(_fields(cells.get(_VALUE, b""))).get(_NUMBER, 0.0)
                    yield at, {"step": cells.get(_STEP, 0), cells[_KEY].decode(): value}
    except (ValueError, LookupError, TypeError, AttributeError, struct.error):
        skipped.append(
            LogError(f"the file is damaged after {at} records; everything after them is lost", at)
        )


def _records(data: bytes) -> Iterator[bytes]:
    at, pieces = _HEADER, b""
    while at < len(data):
        if (left := _BLOCK - at % _BLOCK) < _HEADER:
            at += left
            continue
        check, length, kind = struct.unpack_from("<IHB", data, at)
        piece = data[at + _HEADER : at + _HEADER + length]
        if len(piece) < length or zlib.crc32(piece, zlib.crc32(bytes([kind]))) != check:
            raise ValueError("checksum")
        pieces = pieces + piece if kind in (_BETWEEN, _LAST) else piece
        if kind in (_WHOLE, _LAST):
            yield pieces
        at += _HEADER + length


def _fields(message: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a protobuf message: whole numbers, floats of 8 bytes, and bytes."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == 0:
            value, at = _varint(message, at)
            yield tag >> 3, value - 2**64 if value >= 2**63 else value
        elif kind == 1:
            yield tag >> 3, struct.unpack_from("<d", message, at)[0]
            at += 8
        elif kind == 2:
            length, at = _varint(message, at)
            yield tag >> 3, message[at : at + length]
            at += length
        elif kind == 5:
            at += 4
        else:
            raise ValueError(f"a field of kind {kind}")


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """A number in pieces of 7 bits, and where it ends."""
    value = shift = 0
    while True:
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
        if shift > 63:
            raise ValueError("a number too long")
