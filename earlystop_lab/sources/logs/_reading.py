"""Reading files that nobody vouches for: bytes, text, lines, JSON, cells; and what formats hand on.

Nothing here executes or unpickles anything. What cannot be used raises :class:`LogError` with a
reason a person can act on.
"""

from __future__ import annotations

import codecs
import gzip
import io
import json
import math
import re
import zlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

from earlystop_lab._common.wording import cut
from earlystop_lab.curves import Mode

Role = Literal["val", "train", "test"]
#: a line or entry number, and what was recorded there by column; a column left out was not measured
Row = tuple[int, Mapping[str, Any]]

#: a file above this is no log: reading it whole would only fill the memory
LARGEST = 2**30


class Skipped(NamedTuple):
    """What was not imported: a file, or one line (or entry) of it, and why."""

    file: str
    line: int | None
    reason: str


class Note(NamedTuple):
    """What was repaired, assumed or left out while a file was imported."""

    file: str
    text: str


@dataclass
class Log:
    """One run as a format recorded it, before anybody chose which columns to use."""

    rows: Sequence[Row]
    #: tells the runs of one file apart
    name: str = ""
    #: the columns of one row were measured together; False where each keeps its own steps
    shared: bool = True
    #: channels that the format itself settles
    roles: Mapping[Role, str] = field(default_factory=dict)
    #: columns whose set the format knows better than their names say; "other" for none
    sets: Mapping[str, str] = field(default_factory=dict)
    #: columns of which the format itself says whether lower or higher is better
    modes: Mapping[str, Mode] = field(default_factory=dict)
    #: positions are boosting rounds: that of number 0 has made a tree
    rounds: bool = False
    notes: list[str] = field(default_factory=list)
    skipped: list[LogError] = field(default_factory=list)

    _numbers: dict[str, list[Any]] = field(default_factory=dict, init=False, repr=False)

    @cached_property
    def columns(self) -> list[str]:
        names: dict[str, None] = {}
        for _, cells in self.rows:
            names |= dict.fromkeys(cells)
        return list(names)

    def named(self, names: Iterable[str]) -> list[str]:
        """The columns of these names, whatever their case, in the order of the names."""
        lower = {name.lower(): name for name in reversed(self.columns)}
        return [lower[name] for name in names if name in lower]

    def numbers(self, name: str) -> list[Any]:
        """A column, read once: a float where a number is, None where nothing was measured.

        What is neither is there as the :class:`LogError` that says so.
        """
        if name not in self._numbers:
            self._numbers[name] = _read_column(name, [cells.get(name) for _, cells in self.rows])
        return self._numbers[name]


def suffix(path: Path) -> str:
    """The ending of a file's name in lower case, without a final ``.gz``."""
    inner = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return inner.suffix.lower()


def read_bytes(path: Path) -> bytes:
    """The bytes of a regular file (a pipe or device could make the reader wait for ever)."""
    try:
        if not path.is_file():
            raise LogError(
                "not a regular file" if path.exists() else "the file does not exist; check the path"
            )
        size = path.stat().st_size
        if size > LARGEST:
            raise LogError(f"{size} bytes, more than the {LARGEST} a log may have; split it")
        return path.read_bytes()
    except OSError as error:
        raise LogError(f"it cannot be read: {error.strerror or error}") from error


_BOMS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}


#: colours and moves of the cursor, as programs print them
_TERMINAL = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


def decode(data: bytes) -> tuple[str, list[str]]:
    """Text of whatever encoding, and notes on it."""
    encoding = next((name for bom, name in _BOMS.items() if data.startswith(bom)), "utf-8")
    notes = []
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = data.decode("latin-1")
        notes.append("not valid UTF-8: read as Latin-1")
    if "\x1b" in text:
        text = _TERMINAL.sub("", text)
    if "\0" in text:
        raise LogError("a binary file of no format known here")
    return text, notes


_GZIP = b"\x1f\x8b"


def unpacked(data: bytes) -> bytes:
    """The bytes of a gzip file, up to the size that a log may have; other bytes as they are."""
    if not data.startswith(_GZIP):
        return data
    try:
        with gzip.open(io.BytesIO(data)) as stream:
            out = stream.read(LARGEST + 1)
    except (OSError, EOFError, zlib.error) as error:
        raise LogError(f"a damaged gzip file ({error})") from error
    if len(out) > LARGEST:
        raise LogError(f"more than the {LARGEST} bytes a log may have, unpacked; split it")
    return out


class Source:
    """One file, or the files that make up one log, read at most once and only as needed."""

    def __init__(self, path: Path, files: Sequence[Path] = ()) -> None:
        self.path = path
        self.files = tuple(files) or (path,)
        #: the ending of the name, of a packed file the one of what is in it
        self.suffix = suffix(path)
        self.notes: list[str] = []

    @cached_property
    def data(self) -> bytes:
        return unpacked(read_bytes(self.path))

    @cached_property
    def text(self) -> str:
        if not self.data.strip():
            raise LogError("the file is empty")
        text, notes = decode(self.data)
        self.notes += notes
        return text

    @cached_property
    def lines(self) -> list[str]:
        """The lines, as editors count them."""
        return re.split("\r\n|\n|\r", self.text)

    @cached_property
    def document(self) -> Any:
        """The one JSON value in the file; None where it is something else."""
        start = self.text.lstrip()[:1]
        if start not in ("{", "[") or self.records is not None:
            return None
        try:
            return parse_json(self.text)
        except LogError:
            # text whose lines begin with a time stamp in brackets is no broken JSON
            if start == "[" and self.suffix != ".json":
                return None
            raise

    @property
    def is_json(self) -> bool:
        """Whether it is a JSON document, or records a line each."""
        return self.document is not None or self.records is not None

    @cached_property
    def records(self) -> Log | None:
        """The rows of JSON Lines, one object a line; None where it is something else."""
        filled = [(i, line) for i, line in enumerate(self.lines, start=1) if line.strip()]
        if len(filled) < 2 and self.suffix not in (".jsonl", ".ndjson"):
            return None
        # one good line shows what the file is: its first may be damaged, and so may any other
        if not any(_is_object(line) for _, line in filled[:3]):
            return None
        # what a program printed between its records is talk
        if self.suffix in (".log", ".txt", ".out"):
            filled = [(i, line) for i, line in filled if line.lstrip().startswith("{")]
        return log_of_entries(
            filled,
            lambda line: object_of(
                parse_json(line), f"expected a JSON object a line, found {shown(line)}"
            ),
        )


def _is_object(line: str) -> bool:
    try:
        framed = line.strip().startswith("{") and line.strip().endswith("}")
        return framed and isinstance(parse_json(line.strip()), dict)
    except LogError:
        return False


def log_of_entries(
    entries: Iterable[tuple[int, Any]], read: Callable[[Any], Mapping[str, Any]]
) -> Log:
    """A log from numbered entries, each a row; what ``read`` refuses is skipped by its number."""
    log = Log([])
    rows: list[Row] = []
    for i, entry in entries:
        try:
            rows.append((i, read(entry)))
        except LogError as error:
            log.skipped.append(LogError(str(error), i))
    log.rows = rows
    return log


def object_of(entry: Any, expected: str) -> dict[str, Any]:
    """The cells of an entry that is to be an object; otherwise the error says what it is."""
    if not isinstance(entry, dict):
        raise LogError(expected)
    return flat(entry)


def log_of_lists(columns: Mapping[str, Any], name: str = "") -> Log:
    """A log from one list a column, entry i of each measured at the same check."""
    lists = {key: cells for key, cells in columns.items() if isinstance(cells, list)}
    lengths = {key: len(cells) for key, cells in lists.items()}
    if len(set(lengths.values())) > 1:
        longest, *_, shortest = sorted(lengths, key=lambda key: -lengths[key])
        raise LogError(
            f"{shown(shortest)} has {lengths[shortest]} values, {shown(longest)} has "
            f"{lengths[longest]}: nothing says which belong together; expected equally many"
        )
    keys = list(lists)
    cells = zip(*lists.values(), strict=True)
    return Log([(i, dict(zip(keys, row, strict=True))) for i, row in enumerate(cells, 1)], name)


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
        return _DECODER.decode(_as_json(text) if printed else text)
    except json.JSONDecodeError as error:
        end = " (the file looks cut off)" if error.pos >= len(text.rstrip()) else ""
        reason = f"not valid JSON: {error.msg} at column {error.colno}{end}"
        raise LogError(reason, error.lineno) from error
    except RecursionError as error:
        raise LogError("JSON nested too deeply for a log") from error


#: begins as a dictionary that Python printed: JSON has no single quotes
_PRINTED = re.compile(r"[\[{\s]*[\[{]\s*'")
_LONGEST_PRINTED = 500_000
_TOKEN = re.compile(
    r"(?P<text>'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\")"
    r"|(?P<number>\d+\.?\d*(?:e[+-]?\d+)?)"
    r"|(?P<call>(?:\w+\.)?(?:float\d+|array|tensor)\((?P<inner>[^()'\"=]*?)(?:,\s*[a-z_]+=[^()]*)?\))"
    r"|(?P<word>[a-z_][\w.]*)",
    re.IGNORECASE,
)
_WORDS = {
    "None": "null",
    "True": "true",
    "False": "false",
    "nan": "NaN",
    "np.nan": "NaN",
    "inf": "Infinity",
    "np.inf": "Infinity",
}


def _as_json(text: str) -> str:
    """What Python printed, spelled as JSON; what JSON has no word for stays, to be refused."""

    def spelled(match: re.Match[str]) -> str:
        if match["text"]:
            inner = match["text"][1:-1]
            if match["text"][0] == "'":
                inner = inner.replace("\\'", "'").replace('"', '\\"')
            return f'"{inner}"'
        if match["number"]:  # numpy prints 1. for 1.0
            return re.sub(r"\.(?!\d)", ".0", match["number"])
        if match["call"]:
            return _TOKEN.sub(spelled, match["inner"])
        return _WORDS.get(match["word"], match[0])

    return _TOKEN.sub(spelled, text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    twice = repeated(name for name, _ in pairs)
    if twice is not None:
        raise LogError(f"JSON with the key {shown(twice)} twice in one object; remove one")
    return dict(pairs)


def _float(text: str) -> float | str:
    value = float(text)
    return value if math.isfinite(value) else text


def _int(text: str) -> int | str:
    return int(text) if len(text) <= 300 else text


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_float, parse_int=_int)


def flat(record: Mapping[str, Any], levels: int = 3) -> dict[str, Any]:
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


# -- cells --------------------------------------------------------------------------------------

#: cells that say "not measured", as loggers and spreadsheets write them
BLANK = frozenset({"", "-", "na", "n/a", "none", "null", "no log"})
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_SPECIAL = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
_LONGEST_NUMBER = 400
#: one number as it is printed by who forgot to take it out: tensor(0.5, device='cuda:0'), [0.5]
_WRAPPED = re.compile(
    r"(?:(?:\w+\.)?(?:tensor|array|float\d*)\(\[?|\[)\s*(?P<inner>[^\s\[\](),]{1,40})\s*"
    r"(?:\]|\]?(?:,\s*[a-z_]+=[^\n]*)?\))",
    re.IGNORECASE,
)


class LogError(ValueError):
    """A file, or one line of it, that cannot be imported, and why."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.line = line


def number(cell: object) -> float | None:
    """The number in a cell, None where nothing was measured; :class:`LogError` for the rest.

    NaN and infinities count only where they are spelled out: a number too large for a float is
    refused, and so is Python's ``1_000``. A single number may come as a tensor or in brackets.

    >>> number(" 1.5e-3 "), number("nan"), number("NA"), number("tensor(0.5, device='cuda:0')")
    (0.0015, nan, None, 0.5)
    """
    if cell is None or type(cell) is float:
        return cell
    if isinstance(cell, int) and not isinstance(cell, bool) and abs(cell) < 10**300:
        return float(cell)
    if isinstance(cell, Decimal):  # as Parquet has them
        return float(cell)
    if isinstance(cell, str):
        text = cell.strip()
        if len(text) <= _LONGEST_NUMBER and _NUMBER.fullmatch(text):
            value = float(text)
            if math.isfinite(value):
                return value
            raise LogError(f"{shown(text)} is too large for a number")
        if text.lower() in BLANK:
            return None
        if _SPECIAL.fullmatch(text):
            return float(text)
        if wrapped := _WRAPPED.fullmatch(text):
            return number(wrapped["inner"])
    raise LogError(f"{shown(cell)} is not a number")


def _read_column(name: str, cells: list[object]) -> list[Any]:
    read: list[Any] = []
    for cell in cells:
        try:
            read.append(number(cell))
        except LogError as error:
            read.append(LogError(f"column {shown(name)}: {error}"))
    return read


def is_number(cell: object) -> bool:
    """Whether the cell holds a number, NaN and infinity included."""
    try:
        return number(cell) is not None
    except LogError:
        return False


def shown(value: object) -> str:
    """A value as an error message shows it: quoted, one line, not too long."""
    text = repr(value[:60] if isinstance(value, str) else value)
    return text if len(text) <= 64 else cut(text, 63)


def listed(names: Iterable[str], most: int = 12) -> str:
    """Names as an error message lists them."""
    every = [shown(name)[1:-1] for name in names]
    rest = f" and {len(every) - most} more" if len(every) > most else ""
    return (", ".join(every[:most]) or "nothing") + rest


def repeated(names: Iterable[str]) -> str | None:
    """The first name that comes a second time."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def is_curve(value: object) -> bool:
    """Whether a JSON value is a list of numbers; gaps and damaged ones are no reason against."""
    return (
        isinstance(value, list)
        and any(
            is_number(cell) or (isinstance(cell, str) and cell.strip()[:1].isdigit())
            for cell in value
        )
        and not any(isinstance(cell, (list, dict)) for cell in value)
    )
