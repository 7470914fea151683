"""TensorBoard's event files as arrays: records, their checksums, the protobuf in them, scalars.

A file is a row of records: a length (8 bytes) and its checksum (4), the bytes of an ``Event`` in
protobuf's encoding, and their checksum (4). All of it is read with numpy, many records at a time:
a pass of a loop here takes one byte, or one field, of each of them.
"""

from array import array
from collections.abc import Iterator
from functools import cache
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from earlystop_lab.sources.logs._cells import LogError

Bytes = NDArray[np.uint8]
Ints = NDArray[np.int64]
#: the register of a CRC, for many of them
Registers = NDArray[np.uint32]

#: one scalar: the number of its tag, and the time in seconds since 1970
SCALAR = np.dtype([("tag", "<i4"), ("step", "<i8"), ("time", "<f8"), ("value", "<f8")])
#: bytes of whole records that are taken apart at a time, which bounds the memory that it takes
_AT_ONCE = 2**19


class Scalars(NamedTuple):
    """The scalars of an event file, in its order."""

    #: of :data:`SCALAR`; settings are among them, with the value NaN
    rows: NDArray[Any]
    tags: list[str]
    #: when the first event was written, in seconds since 1970
    began: float
    #: where a session starts: the rows before it, and the step from which on these are void
    starts: list[tuple[int, int]]
    #: what is wrong with the first damaged record, at which the reading ends
    error: LogError | None


def is_setting(tag: str) -> bool:
    """Whether PyTorch's add_hparams keeps the settings of a run under this tag."""
    return tag.startswith("_hparams_/")


def read_scalars(data: bytes) -> Scalars:
    """What was recorded before the first damaged record; :class:`LogError` of an empty file."""
    if not data:
        raise LogError("the file is empty")
    raw = np.frombuffer(data, np.uint8)
    tags: dict[str, int] = {}
    events: list[_Events] = []
    wrong, done = None, 0
    for begin, end in _records(data, raw):
        events.append(_events(data, _Batch(raw, begin, end), tags))
        done = int(end[-1]) + 4
        if events[-1].intact < len(begin):
            wrong = "is not a valid event although its checksum is correct"
            break
    else:
        if done < len(data):
            wrong = "is damaged or cut off"
    intact = sum(each.intact for each in events)
    before = np.cumsum([0, *(len(each.rows) for each in events)]).tolist()
    return Scalars(
        rows=np.concatenate([np.empty(0, SCALAR), *(each.rows for each in events)]),
        tags=list(tags),
        began=events[0].began if intact else np.nan,
        starts=[
            (rows + here, step)
            for rows, each in zip(before, events, strict=False)
            for here, step in each.starts
        ],
        error=LogError(f"record {intact + 1} {wrong}; it and everything after it is lost")
        if wrong
        else None,
    )


# -- records ----------------------------------------------------------------------------------


def _records(data: bytes, raw: Bytes) -> Iterator[tuple[Ints, Ints]]:
    """Where the bytes of some records begin and end, up to the first that is not whole."""
    at = 0
    while at < len(data):
        first, places = at, array("q")
        while at < first + _AT_ONCE and (begin := at + 12) < len(data):
            end = begin + int.from_bytes(data[at : at + 8], "little")
            if end + 4 > len(data):
                break
            places.extend((at, at + 8, begin, end))
            at = end + 4
        spans = np.frombuffer(places, np.int64).reshape(-1, 2)
        damaged = _numbers(raw, spans[:, 1], "<u4") != _checksums(raw[first:at], spans - first)
        whole = spans[1::2][: np.argmax(np.append(damaged, True)) // 2]
        if len(whole):
            yield whole[:, 0], whole[:, 1]
        # a record that the file ends in, or a damaged one
        if at < first + _AT_ONCE or damaged.any():
            return


def _numbers(raw: Bytes, at: Ints, kind: str) -> NDArray[Any]:
    """The numbers of a kind that begin at those places."""
    return raw[at[:, None] + np.arange(np.dtype(kind).itemsize)].view(kind)[:, 0]


# -- checksums --------------------------------------------------------------------------------

#: the polynomial of CRC-32C, its lowest power first
_POLYNOMIAL = 0x82F63B78
#: bytes that are taken one after the other, 2**_LANE, and how often that is done side by side
_LANE, _LANES = 6, 2**13


def _checksums(raw: Bytes, spans: Ints) -> Registers:
    """The masked CRC-32C of the bytes of each span; the spans follow one another.

    The register after some bytes is linear in them and in the register before. So a span makes of
    0 what all bytes up to its end do, less what those before it have become by then. A CRC starts
    with ones instead of 0, which is one more sum.
    """
    before, after = _registers(raw, spans.ravel()).reshape(-1, 2).T
    crc = ~(after ^ _moved(~before, spans[:, 1] - spans[:, 0]))
    return np.add(crc >> 15 | crc << 17, 0xA282EAD8, dtype=np.uint32)


def _registers(raw: Bytes, places: Ints) -> Registers:
    """What the register, 0 at first, is before the byte at each place; the places ascend."""
    found = np.empty(len(places), np.uint32)
    carried = np.zeros(1, np.uint32)
    byte_alone = _moving()[0, 0]
    size = _LANES << _LANE
    for first in range(0, len(raw) + 1, size):
        part = raw[first : first + size]
        lanes = np.zeros(((len(part) >> _LANE) + 1, 1 << _LANE), np.uint8)
        lanes.ravel()[: len(part)] = part
        inside = np.empty(lanes.shape[::-1], np.uint32)
        register = np.zeros(len(lanes), np.uint32)
        for before, byte in zip(inside, np.ascontiguousarray(lanes.T), strict=True):
            before[:] = register
            register = byte_alone[register.astype(np.uint8) ^ byte] ^ register >> 8
        # what it is where a lane begins: what all lanes before have made, each moved to there
        start = np.concatenate([carried, register[:-1]])
        for power in range((len(start) - 1).bit_length()):
            start[1 << power :] ^= _mapped(_moving()[_LANE + power], start[: -1 << power])
        here = slice(*np.searchsorted(places, [first, first + size]))
        lane, offset = np.divmod(places[here] - first, 1 << _LANE)
        found[here] = inside[offset, lane] ^ _moved(start[lane], offset)
        carried = start[-1:]
    return found


def _moved(register: Registers, zeros: Ints) -> Registers:
    """What becomes of each register over so many bytes that are 0."""
    register = register.copy()
    for power in range(int(zeros.max(initial=0)).bit_length()):
        some = zeros >> power & 1 == 1
        register[some] = _mapped(_moving()[power], register[some])
    return register


def _mapped(table: Registers, register: Registers) -> Registers:
    """What a table makes of each register: the sum of what it makes of its bytes."""
    moved = table[0, register & 255]
    for i in (1, 2, 3):
        moved ^= table[i, register >> 8 * i & 255]
    return moved


#: no file has 2 to the power of so many bytes
_POWERS = 44


@cache
def _moving() -> Registers:
    """A table for each power of two: what so many bytes that are 0 make of a register's bytes."""
    byte = alone = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        alone = np.where(alone & 1, alone >> 1 ^ np.uint32(_POLYNOMIAL), alone >> 1)
    # over one byte, the others but move up
    tables = [np.stack([alone, byte, byte << 8, byte << 16])]
    while len(tables) < _POWERS:
        tables.append(_mapped(tables[-1], tables[-1]))
    return np.stack(tables)


# -- protobuf ---------------------------------------------------------------------------------

#: how a value is encoded
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
#: how many bytes it has, where that says it; groups, which nobody writes, are refused
_SIZES = np.array([0, 8, 0, -1, -1, 4, -1, -1])


class _Fields(NamedTuple):
    """Fields of messages, an entry each, those of one message in their order."""

    #: which message it is in, and which record
    message: Ints
    record: Ints
    #: number and encoding
    key: Ints
    #: the value of a varint
    number: Ints
    #: where the value's bytes begin and end
    begin: Ints
    end: Ints

    def where(self, which: NDArray[Any]) -> "_Fields":
        return _Fields(*(each[which] for each in self))

    def of(self, field: int, encoding: int) -> "_Fields":
        return self.where(self.key == field << 3 | encoding)


class _Batch:
    """Some records; those in which something is not as protobuf has it are noted."""

    def __init__(self, raw: Bytes, begin: Ints, end: Ints) -> None:
        self.raw = raw
        each = np.arange(len(begin))
        self.records = _Fields(each, each, each, each, begin, end)
        self.broken = np.zeros(len(begin), bool)

    def fields(self, messages: _Fields) -> _Fields:
        """The fields of the messages that are the values of those fields."""
        message, at, end = np.arange(len(messages.begin)), messages.begin, messages.end
        found = [_Fields(*[message[:0]] * 6)]
        while (more := at < end).any():
            message, at, end = message[more], at[more], end[more]
            key, at = self.varint(at, end)
            number, after = self.varint(at, end)
            encoding = key & 7
            begin = np.where(encoding == _BYTES, after, at)
            size = np.where(encoding == _BYTES, number, _SIZES[encoding])
            at = begin + np.where(encoding == _VARINT, after - at, size)
            fine = (begin <= at) & (at <= end)
            record = messages.record[message]
            found.append(_Fields(message, record, key, number, begin, at).where(fine))
            self.broken[record[~fine]] = True
            at = np.where(fine, at, end)
        return _Fields(*map(np.concatenate, zip(*found, strict=True)))

    def varint(self, at: Ints, end: Ints) -> tuple[Ints, Ints]:
        """Numbers of 7 bits a byte, the lowest first, and their ends, one too far where cut off."""
        value, after = np.zeros(len(at), np.int64), at.copy()
        going = np.arange(len(at))
        for shift in range(0, 70, 7):
            byte = self.raw[np.minimum(after[going], len(self.raw) - 1)]
            value[going] |= (byte & 127).astype(np.int64) << shift
            after[going] += 1
            going = going[byte > 127]
            if not len(going):
                break
        after[going] = end[going] + 1
        return value, after

    def bytes_of(self, fields: _Fields, kind: str) -> NDArray[Any]:
        """The values as numbers of a kind; a record with another number of bytes is broken."""
        fits = fields.end - fields.begin == np.dtype(kind).itemsize
        self.broken[fields.record[~fits]] = True
        found = np.zeros(len(fits), kind)
        found[fits] = _numbers(self.raw, fields.begin[fits], kind)
        return found


# -- events -----------------------------------------------------------------------------------

#: a session's status in the event files, where its writer was told to purge
_START = 1
#: kinds of numbers by TensorFlow's number for them: numpy's, and the field of a tensor's values
_KINDS = {
    1: ("<f4", 5),
    2: ("<f8", 6),
    3: ("<i4", 7),
    4: ("<u1", 7),
    5: ("<i2", 7),
    6: ("<i1", 7),
    9: ("<i8", 10),
    17: ("<u2", 7),
    19: ("<f2", 13),
    22: ("<u4", 16),
    23: ("<u8", 17),
}


class _Events(NamedTuple):
    """What :class:`Scalars` holds, of some records, and how many come before the first broken."""

    rows: NDArray[Any]
    starts: list[tuple[int, int]]
    intact: int
    began: float


def _events(data: bytes, batch: _Batch, tags: dict[str, int]) -> _Events:
    """What is in the records before the first broken one; new tags are added to the known."""
    events = batch.fields(batch.records)
    time, step = np.zeros(len(batch.broken)), np.zeros(len(batch.broken), np.int64)
    times, steps = events.of(1, _EIGHT), events.of(2, _VARINT)
    time[times.message] = batch.bytes_of(times, "<f8")
    step[steps.message] = steps.number
    sessions = events.of(7, _BYTES)
    status = batch.fields(sessions).of(1, _VARINT)
    begun = status.record[status.number == _START]

    values = batch.fields(events.of(5, _BYTES)).of(1, _BYTES)
    values = values.where(np.argsort(values.begin))
    parts = batch.fields(values)
    value, known = np.full(len(values.begin), np.nan), np.zeros(len(values.begin), bool)
    simple = parts.of(2, _FOUR)
    value[simple.message] = batch.bytes_of(simple, "<f4")
    known[simple.message] = True
    tensors = parts.of(8, _BYTES)
    value[tensors.message], known[tensors.message] = _tensors(batch, tensors)
    tag = _tags(data, values, parts.of(1, _BYTES), tags)
    settings = np.array([is_setting(name) for name in tags], bool)[tag]
    value[settings] = np.nan

    # the first broken record, and all after it, is lost
    intact = int(np.argmax(np.append(batch.broken, True)))
    kept = (known | settings) & (values.record < intact)
    record = values.record[kept]
    rows = np.empty(len(record), SCALAR)
    rows["tag"], rows["value"] = tag[kept], value[kept]
    rows["step"], rows["time"] = step[record], time[record]
    starts = [(int(np.searchsorted(record, i)), int(step[i])) for i in begun if i < intact]
    return _Events(rows, starts, intact, float(time[0]))


def _tags(data: bytes, values: _Fields, tags: _Fields, known: dict[str, int]) -> Ints:
    """The number of each value's tag; one that is new is added to the known."""
    begin, end = np.zeros((2, len(values.begin)), np.int64)
    begin[tags.message], end[tags.message] = tags.begin, tags.end
    spans = zip(begin.tolist(), end.tolist(), strict=True)
    names = [str(data[first:last], "utf-8", "backslashreplace") for first, last in spans]
    return np.array([known.setdefault(name, len(known)) for name in names], np.int64)


def _tensors(batch: _Batch, tensors: _Fields) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """The number in each tensor, and whether there is one and no more."""
    parts = batch.fields(tensors)
    count = len(tensors.begin)
    kinds, kind = parts.of(1, _VARINT), np.zeros(count, np.int64)
    kind[kinds.message] = kinds.number
    shapes = parts.of(2, _BYTES)
    axes = batch.fields(shapes).of(2, _BYTES)
    sizes = batch.fields(axes).of(1, _VARINT)
    of_axis = shapes.message[axes.message]
    rank, size = np.bincount(of_axis, minlength=count), np.zeros(count, np.int64)
    size[of_axis[sizes.message]] = sizes.number
    single = np.isin(kind, [*_KINDS]) & ((rank == 0) | (rank == 1) & (size == 1))

    # without any value it is 0
    value = np.zeros(count)
    for number in np.unique(kind[single]).tolist():
        numpy_kind, field = _KINDS[number]
        asked = parts.where((single & (kind == number))[parts.message])
        asked = asked.where(asked.end > asked.begin)
        listed = asked.where(asked.key >> 3 == field)
        if field in (5, 6):
            value[listed.message] = batch.bytes_of(listed, numpy_kind)
        else:
            whole, end = batch.varint(listed.begin, listed.end)
            batch.broken[listed.record[end != listed.end]] = True
            bits = whole.astype(f"<u{np.dtype(numpy_kind).itemsize}")
            value[listed.message] = bits.view(numpy_kind)
        content = asked.of(4, _BYTES)
        value[content.message] = batch.bytes_of(content, numpy_kind)
    return value, single
