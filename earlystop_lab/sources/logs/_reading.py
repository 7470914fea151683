"""Reading untrusted files: bytes, text, lines, JSON.

Nothing here executes or unpickles anything. A file that cannot be used raises :class:`LogError`
with a reason that the user can act on.
"""

from __future__ import annotations

import codecs
import gzip
import io
import json
import math
import os
import re
import stat
import zlib
from array import array
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property
from itertools import chain, islice
from pathlib import Path
from typing import Any, NamedTuple

from earlystop_lab.sources.logs._cells import LogError, repeated, shown
from earlystop_lab.sources.logs._columns import Log, log_of_entries
from earlystop_lab.sources.logs._json_lines import read_plain

#: bytes above which a file is no log, and one that was packed: a small one may unpack to anything
LARGEST, LARGEST_UNPACKED = 2**30, 2**28
#: what was asked for in place of both
_LARGEST: ContextVar[int | None] = ContextVar("largest", default=None)
#: lines that show what a plain file is
_FIRST_LINES = 22
#: what below the first line of a table wants care: quotes, objects, calls, other than ASCII
_NOT_PLAIN = bytes({*range(256)} - {*b"\n\r\t", *range(32, 127)} | {*b"\"'({["})
_CHUNK = 2**20


class Skipped(NamedTuple):
    """A file, or one line or entry of it, that was not imported, and the reason."""

    file: str
    line: int | None
    reason: str


class Note(NamedTuple):
    """Something that was repaired, assumed or left out while importing a file."""

    file: str
    text: str


def suffix(path: Path) -> str:
    """The ending of a file's name in lower case, without a final ``.gz`` or a rotated ``.1``."""
    inner = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return (rotated_from(inner) or inner).suffix.lower()


#: what a rotating writer puts aside: train.log.1, train.log.2026-11-29, train.log-20261129
_ROTATED = re.compile(
    r"(?P<log>.+\.(?:csv|tsv|jsonl|ndjson|log|txt|out))[.-](?P<part>\d{1,3}|\d{4}-?\d\d-?\d\d[\d_-]*)",
    re.IGNORECASE,
)


def rotated_from(path: Path) -> Path | None:
    """The log that a rotated file is the beginning of."""
    match = _ROTATED.fullmatch(path.name.removesuffix(".gz"))
    return path.with_name(match["log"]) if match else None


def in_order(files: Sequence[Path]) -> list[Path]:
    """The files of one rotated log, the oldest first: by date, or from the highest number down."""

    def age(path: Path) -> tuple[int, int, str]:
        match = _ROTATED.fullmatch(path.name.removesuffix(".gz"))
        if match is None:
            return 2, 0, ""
        return (1, -int(match["part"]), "") if len(match["part"]) < 4 else (0, 0, match["part"])

    return sorted(files, key=age)


@contextmanager
def limited(largest: int | None) -> Iterator[None]:
    """Files of up to so many bytes, also unpacked, are read; None for the usual limits."""
    token = _LARGEST.set(largest)
    try:
        yield
    finally:
        _LARGEST.reset(token)


def require_size(size: int, *, packed: bool = False) -> None:
    """Raise :class:`LogError` where a file, or what was unpacked of one, is too large."""
    most = largest(packed=packed)
    if size > most:
        what = "unpacks to" if packed else f"has {size} bytes,"
        raise LogError(
            f"the file {what} more than the limit of {most} bytes; to allow it, pass largest= to "
            "read_logs or --largest to earlystop import"
        )


def largest(*, packed: bool = False) -> int:
    """The bytes that a file may have."""
    return _LARGEST.get() or (LARGEST_UNPACKED if packed else LARGEST)


def read_bytes(path: Path) -> bytes:
    """The bytes of a regular file (a pipe or device could make the reader wait for ever)."""
    try:
        there = _status(path)
        if there is None or not stat.S_ISREG(there.st_mode):
            wrong = "not a regular file" if there else "the file does not exist; check the path"
            raise LogError(wrong)
        require_size(there.st_size)
        return path.read_bytes()
    except OSError as error:
        raise LogError(f"the file cannot be read: {error.strerror or error}") from error


def _status(path: Path) -> os.stat_result | None:
    try:
        return path.stat()
    except (FileNotFoundError, NotADirectoryError, ValueError):  # also a name no file can have
        return None


_BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


def _unmarked(data: bytes) -> str:
    """The encoding of text without a mark: every other byte of plain UTF-16 is NUL."""
    for first, name in ((1, "utf-16-le"), (0, "utf-16-be")):
        every_other = data[first:4000:2]
        is_plain = every_other.count(0) > 0.9 * len(every_other) > 0
        if is_plain and len(data) % 2 == 0 and not data[1 - first : 4000 : 2].count(0):
            return name
    return "utf-8"


#: colours and moves of the cursor, as programs print them
_TERMINAL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def decode(data: bytes) -> tuple[str, list[str]]:
    """Text of whatever encoding, and notes on it."""
    encoding = next((name for bom, name in _BOMS.items() if data.startswith(bom)), _unmarked(data))
    notes = []
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = data.decode("latin-1")
        notes.append("the file is not valid UTF-8 and was read as Latin-1")
    if "\x1b" in text:
        text = _TERMINAL.sub("", text)
    if "\0" in text:
        text, of_nul = _without_nul(text)
        notes += of_nul
    return text, notes


#: what no text has in it: control characters other than those of lines, tabs, bells and colours
_NO_TEXT = re.compile(r"[\x01-\x06\x0e-\x1a\x1c-\x1f]")


def _without_nul(text: str) -> tuple[str, list[str]]:
    """Text without the NUL bytes that a crash or a truncated file leaves, and notes on them.

    At the beginning of a line they are dropped. A line that has them elsewhere was cut off: there
    they become a replacement character, with which no cell is a number.
    """
    if _NO_TEXT.search(text) or not text.replace("\0", "").strip():
        raise LogError("a binary file in an unknown format")
    lines = text.split("\n")
    begun, within = list[int](), list[int]()
    for i, line in enumerate(lines, start=1):
        if "\0" in line:
            kept = line.lstrip("\0")
            (within if "\0" in kept else begun).append(i)
            lines[i - 1] = re.sub("\0+", "\ufffd", kept)
    notes = []
    if begun:
        notes.append(f"NUL bytes at the start of {_numbered(begun)} were removed")
    if within:
        notes.append(f"NUL bytes inside {_numbered(within)}: cut off or overwritten")
    return "\n".join(lines), notes


def _numbered(lines: Sequence[int]) -> str:
    first = f"line {lines[0]}"
    return first if len(lines) == 1 else f"{first} and {len(lines) - 1} more"


_GZIP = b"\x1f\x8b"


def unpacked(data: bytes) -> bytes:
    """The bytes of a gzip file, up to the size that a log may have; other bytes as they are."""
    if not data.startswith(_GZIP):
        return data
    try:
        with gzip.open(io.BytesIO(data)) as stream:
            out = stream.read(largest(packed=True) + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise LogError(f"the gzip file is damaged ({error})") from error
    require_size(len(out), packed=True)
    return out


_LINE_END = re.compile("\r\n|\n|\r")


class Source:
    """One file, or the files that make up one log, read only as needed.

    What is read is kept while it is needed: the bytes until there is text, the text until there
    is a document, and all of it until :meth:`forget`. Whoever asks again has it read again.
    """

    def __init__(self, path: Path, files: Sequence[Path] = ()) -> None:
        self.path = path
        self.files = tuple(files) or (path,)
        #: the ending of the name, of a packed file the one of what is in it
        self.suffix = suffix(path)
        self.notes: list[str] = []

    @cached_property
    def data(self) -> bytes:
        if len(self.files) == 1 or self.path.is_dir():
            there = self.files[0] is self.path or self.path.exists()
            return unpacked(read_bytes(self.path if there else self.files[0]))
        parts = [unpacked(read_bytes(path)) for path in in_order(self.files)]
        self.notes.append(f"{len(parts)} files of one rotated log, read from the oldest on")
        return b"".join(part if part.endswith(b"\n") else part + b"\n" for part in parts)

    @cached_property
    def text(self) -> str:
        if not self.data or self.data.isspace():
            raise LogError("the file is empty")
        text, notes = decode(self.data)
        self.notes += notes
        # of which little is asked once there is text: it would take as much room again
        del self.data
        return text

    @cached_property
    def first_lines(self) -> list[str] | None:
        """The first lines of a plain file, which a fast reader reads as a careful one does.

        Below its first line it is ASCII without quotes and brackets, and none of the first lines
        is blank. None where it is something else.
        """
        data = self.data.removeprefix(codecs.BOM_UTF8)
        begin = data.find(b"\n") + 1
        try:
            first = data[:begin].decode()
        except UnicodeDecodeError:
            return None
        if not first.strip() or first.lstrip()[0] in "{[" or not set("\0\x1b").isdisjoint(first):
            return None
        chunks = (data[at : at + _CHUNK] for at in range(begin, len(data), _CHUNK))
        if any(len(chunk.translate(None, _NOT_PLAIN)) < len(chunk) for chunk in chunks):
            return None
        if b"\r" in data and data.count(b"\r") != data.count(b"\r\n"):
            return None
        end = begin
        for _ in range(_FIRST_LINES - 1):
            end = data.find(b"\n", end) + 1 or len(data)
        lines = re.split("\r?\n", data[:end].decode().removesuffix("\n").removesuffix("\r"))
        return lines if all(line.strip() for line in lines) else None

    @cached_property
    def lines(self) -> list[str]:
        """The lines, as editors count them."""
        return _LINE_END.split(self.text)

    def each_line(self) -> Iterator[str]:
        """The same one by one, so that they are not all there at a time."""
        text, start = self.text, 0
        if "\r" in text:
            for end in _LINE_END.finditer(text):
                yield text[start : end.start()]
                start = end.end()
        else:
            while (at := text.find("\n", start)) >= 0:
                yield text[start:at]
                start = at + 1
        yield text[start:]

    @cached_property
    def document(self) -> Any:
        """The one JSON value in the file; None where it is something else."""
        if self.first_lines is not None or self.plain_records is not None:
            return None
        start = self.text.lstrip()[:1]
        if start not in ("{", "[") or self.records is not None:
            return None
        try:
            document = parse_long(self.text) if len(self.text) > _LONG else None
            if document is None:
                document = parse_json(self.text)
            del self.text
            return document
        except LogError:
            # text whose lines begin with a time stamp in brackets is no broken JSON
            if start == "[" and self.suffix != ".json":
                return None
            raise

    @cached_property
    def plain_records(self) -> Log | None:
        """The rows of JSON Lines that a fast reader reads."""
        several = 0 < self.data.find(b"\n") + 1 < len(self.data)
        known = several or self.suffix in (".jsonl", ".ndjson")
        return read_plain(self.data, LEVELS) if known else None

    @property
    def was_document(self) -> bool:
        """Whether it was read as a JSON document; it is not tried here."""
        return self.__dict__.get("document") is not None

    def forget(self) -> None:
        """Let go of what was read."""
        for name in ("data", "text", "lines", "document", "plain_records", "records", "is_json"):
            self.__dict__.pop(name, None)

    @cached_property
    def is_json(self) -> bool:
        """Whether it is a JSON document, or records a line each."""
        return self.document is not None or self.records is not None

    @cached_property
    def records(self) -> Log | None:
        """The rows of JSON Lines, one object a line; None where it is something else."""
        if self.first_lines is not None or self.plain_records is not None:
            return self.plain_records
        rest = ((i, line) for i, line in enumerate(self.each_line(), start=1) if line.strip())
        first = list(islice(rest, 3))
        if len(first) < 2 and self.suffix not in (".jsonl", ".ndjson"):
            return None
        # one good line shows what the file is: its first may be damaged, and so may any other
        if not any(_is_object(line) for _, line in first):
            return None
        # what a program printed between its records is talk
        talks = self.suffix in (".log", ".txt", ".out")
        filled = chain(first, rest)
        return log_of_entries(
            (each for each in filled if not talks or each[1].lstrip().startswith("{")),
            lambda line: object_of(
                parse_json(line), f"expected one JSON object per line, found {shown(line)}"
            ),
        )


def _is_object(line: str) -> bool:
    try:
        framed = line.strip().startswith("{") and line.strip().endswith("}")
        return framed and isinstance(parse_json(line.strip()), dict)
    except LogError:
        return False


def object_of(entry: Any, expected: str) -> dict[str, Any]:
    """The cells of an entry that is to be an object; otherwise the error says what it is."""
    if not isinstance(entry, dict):
        raise LogError(expected)
    return flat(entry)


# -- JSON ---------------------------------------------------------------------------------------


def parse_json(text: str) -> Any:
    """A JSON document; NaN and Infinity as Python's writer spells them are numbers.

    A dictionary as Python prints it is read, too. A key that is there twice is refused (either
    value could be the wrong one), a number too large for a float stays text, which
    :func:`number` refuses where it is used.

    >>> parse_json("{'loss': np.float64(0.5), 'val_loss': nan, 'best': None}")
    {'loss': 0.5, 'val_loss': nan, 'best': None}
    """
    printed = len(text) <= _LONGEST_PRINTED and _PRINTED.match(text)
    try:
        return _decoded(text, bool(printed))
    except json.JSONDecodeError as error:
        end = " (the file looks cut off)" if error.pos >= len(text.rstrip()) else ""
        reason = f"not valid JSON: {error.msg} at column {error.colno}{end}"
        raise LogError(reason, error.lineno) from error
    except RecursionError as error:
        raise LogError("the JSON is nested too deeply for a log") from error


def _decoded(text: str, printed: bool) -> Any:
    if printed:
        return _DECODER.decode(_as_json(text))
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError:
        # numbers that JSON has no word for, as other writers spell them
        if len(text) > _LONGEST_PRINTED or not _BARE.search(text):
            raise
    return _DECODER.decode(_as_json(text))


_BARE = re.compile(r"[:,\[]\s*[+-]?(?:nan|inf|infinity)\s*[,}\]]", re.IGNORECASE)
#: begins as a dictionary that Python printed: JSON has no single quotes
_PRINTED = re.compile(r"\s*+[\[{][\[{\s]*+'")
_LONGEST_PRINTED = 500_000
#: no character is looked at again and again: a text may lack its end, and a word takes all letters
_TOKEN = re.compile(
    r"(?P<text>'(?:[^'\\\n]|\\.)*+'?|\"(?:[^\"\\\n]|\\.)*+\"?)"
    r"|(?P<number>\d++(?:\.\d*+)?(?:e[+-]?\d++)?)"
    r"|(?P<call>(?:\w++\.)?(?:float\d++|array|tensor)\((?P<inner>[^()'\"=]*?)(?:,\s*+[a-z_]++=[^()]*+)?\))"
    r"|(?P<word>[^\W\d][\w.]*+)",
    re.IGNORECASE,
)
_WORDS = {
    "None": "null",
    "True": "true",
    "False": "false",
    "nan": "NaN",
    "np.nan": "NaN",
    "inf": "Infinity",
    "infinity": "Infinity",
    "np.inf": "Infinity",
}


def _as_json(text: str) -> str:
    """What Python printed, spelled as JSON; what JSON has no word for stays, to be refused."""

    def spelled(match: re.Match[str]) -> str:
        if match["text"]:
            if len(match["text"]) < 2 or match["text"][0] != match["text"][-1]:
                return match["text"]
            inner = match["text"][1:-1]
            if match["text"][0] == "'":
                inner = inner.replace("\\'", "'").replace('"', '\\"')
            return f'"{inner}"'
        if match["number"]:  # numpy prints 1. for 1.0
            return re.sub(r"\.(?!\d)", ".0", match["number"])
        if match["call"]:
            return _TOKEN.sub(spelled, match["inner"])
        return _WORDS.get(match["word"]) or _WORDS.get(match["word"].lower(), match[0])

    return re.sub(r"[+-](?=NaN)|\+(?=Infinity)", "", _TOKEN.sub(spelled, text))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    twice = repeated(name for name, _ in pairs)
    if twice is not None:
        raise LogError(f"duplicate key {shown(twice)} in a JSON object; remove one of the two")
    return dict(pairs)


def _float(text: str) -> float | str:
    value = float(text)
    return value if math.isfinite(value) else text


def _int(text: str) -> int | str:
    return int(text) if len(text) <= 300 else text


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_float, parse_int=_int)


#: characters of a JSON document above which the objects in its arrays are decoded one by one
_LONG = 2**21
#: objects of an array up to which they are kept
_FEW = 1000
_BLANKS = re.compile(r"[ \t\n\r]*")


class Entries(list[Any]):
    """The values in a long JSON array, each decoded whenever it is asked for.

    Objects that are kept take several times the memory of their text.
    """

    def __init__(self, text: str, starts: Sequence[int]) -> None:
        super().__init__()
        self._text, self._starts = text, starts

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, index: Any) -> Any:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(len(self)))]
        return _DECODER.raw_decode(self._text, self._starts[index])[0]

    def __iter__(self) -> Iterator[Any]:
        return (_DECODER.raw_decode(self._text, start)[0] for start in self._starts)


def parse_long(text: str) -> Any:
    """As :func:`parse_json`, with :class:`Entries` for long arrays of objects.

    They are looked for in the document and in the values of an object that it is. None where the
    text is no plain JSON.

    >>> parse_long('{"log_history": [{"step": 1, "loss": 0.5}]}')
    {'log_history': [{'step': 1, 'loss': 0.5}]}
    """
    try:
        value, at = _object(text, 0) if text.lstrip()[:1] == "{" else _value(text, 0)
    except (json.JSONDecodeError, RecursionError):
        return None
    return value if _after(text, at) == len(text) else None


def _after(text: str, at: int) -> int:
    """The place after what is blank."""
    blank = _BLANKS.match(text, at)
    return at if blank is None else blank.end()


def _object(text: str, at: int) -> tuple[Any, int]:
    """An object, and the place after it."""
    pairs: list[tuple[str, Any]] = []
    at = _after(text, at) + 1
    while True:
        name, at = _DECODER.raw_decode(text, _after(text, at))
        at = _after(text, at)
        if not isinstance(name, str) or text[at : at + 1] != ":":
            raise json.JSONDecodeError("Expecting ':' delimiter", text, at)
        value, at = _value(text, at + 1)
        pairs.append((name, value))
        at = _after(text, at)
        if text[at : at + 1] != ",":
            break
        at += 1
    if text[at : at + 1] != "}":
        raise json.JSONDecodeError("Expecting ',' delimiter", text, at)
    return _unique(pairs), at + 1


def _value(text: str, at: int) -> tuple[Any, int]:
    """A value, and the place after it."""
    at = _after(text, at)
    if text[at : at + 1] != "[" or text[(first := _after(text, at + 1)) : first + 1] != "{":
        return _DECODER.raw_decode(text, at)
    starts, kept = array("q"), list[Any]()
    while True:
        at = _after(text, at + 1)
        starts.append(at)
        entry, at = _DECODER.raw_decode(text, at)
        if len(starts) <= _FEW:
            kept.append(entry)
        at = _after(text, at)
        if text[at : at + 1] != ",":
            break
    if text[at : at + 1] != "]":
        raise json.JSONDecodeError("Expecting ',' delimiter", text, at)
    return kept if len(starts) <= _FEW else Entries(text, starts), at + 1


#: down to which inner objects are unfolded
LEVELS = 3


def flat(record: Mapping[str, Any], levels: int = LEVELS) -> dict[str, Any]:
    """A record with its inner objects unfolded: ``{"val": {"loss": 1}}`` has ``val/loss``.

    Objects that are more levels down stay as they are.
    """
    cells: dict[str, Any] = {}
    for name, cell in record.items():
        if isinstance(cell, dict) and levels:
            for inner, value in flat(cell, levels - 1).items():
                cells.setdefault(f"{name}/{inner}", value)
        else:
            cells[name] = cell
    return cells
