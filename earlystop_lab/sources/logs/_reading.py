"""Reading files that nobody vouches for: bytes, text, numbers, JSON; and what formats hand on.

Nothing here executes or unpickles anything. What cannot be used raises :class:`LogError` with a
reason a person can act on.
"""

from __future__ import annotations

import codecs
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

from earlystop_lab.curves import Mode

Role = Literal["val", "train", "test"]
#: a line or entry number, and what was recorded there by column; a column left out was not measured
Row = tuple[int, Mapping[str, Any]]

#: a file above this is no log: reading it whole would only fill the memory
LARGEST = 2**30
#: cells that say "not measured", as loggers and spreadsheets write them
BLANK = frozenset({"", "-", "na", "n/a", "none", "null"})
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?", re.ASCII | re.IGNORECASE)
_SPECIAL = re.compile(r"[+-]?(?:nan|inf|infinity)", re.IGNORECASE)
_LONGEST_NUMBER = 400


class LogError(ValueError):
    """A file, or one line of it, that cannot be imported, and why."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.line = line


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
    notes: list[str] = field(default_factory=list)
    skipped: list[LogError] = field(default_factory=list)

    @cached_property
    def columns(self) -> list[str]:
        return list(dict.fromkeys(name for _, cells in self.rows for name in cells))


def number(cell: object) -> float | None:
    """The number in a cell, None where nothing was measured; :class:`LogError` for the rest.

    NaN and infinities count only where they are spelled out: a number too large for a float is
    refused, and so is Python's ``1_000``.

    >>> number(" 1.5e-3 "), number("nan"), number("NA")
    (0.0015, nan, None)
    """
    if cell is None or type(cell) is float:
        return cell
    if isinstance(cell, int) and not isinstance(cell, bool) and abs(cell) < 10**300:
        return float(cell)
    if isinstance(cell, str):
        text = cell.strip()
        if text.lower() in BLANK:
            return None
        if len(text) <= _LONGEST_NUMBER and _NUMBER.fullmatch(text):
            value = float(text)
            if math.isfinite(value):
                return value
            raise LogError(f"{shown(text)} is too large for a number")
        if _SPECIAL.fullmatch(text):
            return float(text)
    raise LogError(f"{shown(cell)} is not a number")


def is_number(cell: object) -> bool:
    """Whether the cell holds a number, NaN and infinity included."""
    try:
        return number(cell) is not None
    except LogError:
        return False


def shown(value: object) -> str:
    """A value as an error message shows it: quoted, one line, not too long."""
    text = repr(value[:60] if isinstance(value, str) else value)
    return text if len(text) <= 64 else text[:60] + "..."


def listed(names: Iterable[str], most: int = 12) -> str:
    """Names as an error message lists them."""
    every = [shown(name)[1:-1] for name in names]
    rest = f" and {len(every) - most} more" if len(every) > most else ""
    return (", ".join(every[:most]) or "nothing") + rest


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


def decode(data: bytes) -> tuple[str, list[str]]:
    """Text of whatever encoding, and notes on it."""
    encoding = next((name for bom, name in _BOMS.items() if data.startswith(bom)), "utf-8")
    notes = []
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        text = data.decode("latin-1")
        notes.append("not valid UTF-8: read as Latin-1")
    if "\0" in text:
        raise LogError("a binary file of no format known here")
    return text, notes


def parse_json(text: str, first_line: int = 1) -> Any:
    """A JSON document; NaN and Infinity as Python's writer spells them are numbers.

    A key that is there twice is refused (either value could be the wrong one), a number too
    large for a float stays text, which :func:`number` refuses where it is used.
    """
    try:
        return _DECODER.decode(text)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        cut = " (the file looks cut off)" if error.pos >= len(text.rstrip()) else ""
        raise LogError(f"not valid JSON: {error.msg} at column {error.colno}{cut}", line) from error
    except RecursionError as error:
        raise LogError("JSON nested too deeply for a log") from error


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise LogError(f"JSON with the key {shown(twice)} twice in one object; remove one")
    return found


def _float(text: str) -> float | str:
    value = float(text)
    return value if math.isfinite(value) else text


def _int(text: str) -> int | str:
    return int(text) if len(text) <= 300 else text


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_float, parse_int=_int)


class Source:
    """One file, or the files that make up one log, read at most once and only as needed."""

    def __init__(self, path: Path, files: Sequence[Path] = ()) -> None:
        self.path = path
        self.files = tuple(files) or (path,)
        self.notes: list[str] = []

    @cached_property
    def data(self) -> bytes:
        return read_bytes(self.path)

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
    def table_lines(self) -> list[tuple[int, str]]:
        """Numbered lines that hold something; comments above a header are no part of a table."""
        lines = [(i, line) for i, line in enumerate(self.lines, start=1) if line.strip()]
        no_comment = (k for k, (_, line) in enumerate(lines) if not line.startswith("#"))
        return lines[next(no_comment, len(lines)) :]

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
            if start == "[" and self.path.suffix != ".json":
                return None
            raise

    @cached_property
    def records(self) -> Log | None:
        """The rows of JSON Lines, one object a line; None where it is something else."""
        filled = [(i, line) for i, line in enumerate(self.lines, start=1) if line.strip()]
        if len(filled) < 2 and self.path.suffix not in (".jsonl", ".ndjson"):
            return None
        # one good line shows what the file is: its first may be damaged, and so may any other
        if not any(_is_object(line) for _, line in filled[:3]):
            return None
        rows, skipped = [], []
        for i, line in filled:
            try:
                record = parse_json(line, i)
                if not isinstance(record, dict):
                    raise LogError(f"expected a JSON object a line, found {shown(line)}", i)
                rows.append((i, flat(record)))
            except LogError as error:
                skipped.append(LogError(str(error), i))
        return Log(rows, skipped=skipped)


def _is_object(line: str) -> bool:
    line = line.strip()
    if not (line.startswith("{") and line.endswith("}")):
        return False
    try:
        return isinstance(parse_json(line), dict)
    except LogError:
        return False


def flat(record: Mapping[str, Any]) -> dict[str, Any]:
    """A record with its inner objects unfolded: ``{"val": {"loss": 1}}`` has ``val/loss``."""
    cells: dict[str, Any] = {}
    for name, cell in record.items():
        if isinstance(cell, dict):
            for inner, value in cell.items():
                cells.setdefault(f"{name}/{inner}", value)
        else:
            cells[name] = cell
    return cells


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


def is_curve(value: object) -> bool:
    """Whether a JSON value is a list of numbers; gaps and damaged ones are no reason against."""
    return (
        isinstance(value, list)
        and any(is_number(cell) or _begins_as_number(cell) for cell in value)
        and not any(isinstance(cell, (list, dict)) for cell in value)
    )


def _begins_as_number(cell: object) -> bool:
    return isinstance(cell, str) and cell.strip()[:1].isdigit()
