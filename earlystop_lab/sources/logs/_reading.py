"""Reading files that nobody vouches for: bytes, text, lines, documents; and what formats hand on.

Nothing here executes or unpickles anything. What cannot be used raises :class:`LogError` with a
reason a person can act on.
"""

from __future__ import annotations

import codecs
import gzip
import io
import re
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, NamedTuple

from earlystop_lab.curves import Mode
from earlystop_lab.sources.logs._json import flat, parse_json
from earlystop_lab.sources.logs._values import LogError, shown

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

    @cached_property
    def columns(self) -> list[str]:
        return list(dict.fromkeys(name for _, cells in self.rows for name in cells))


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
        self.notes: list[str] = []

    @cached_property
    def data(self) -> bytes:
        return unpacked(read_bytes(self.path))

    @property
    def suffix(self) -> str:
        """The ending of the name, of a packed file the one of what is in it."""
        return suffix(self.path)

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

    @cached_property
    def records(self) -> Log | None:
        """The rows of JSON Lines, one object a line; None where it is something else."""
        filled = [(i, line) for i, line in enumerate(self.lines, start=1) if line.strip()]
        if len(filled) < 2 and self.suffix not in (".jsonl", ".ndjson"):
            return None
        # one good line shows what the file is: its first may be damaged, and so may any other
        if not any(_is_object(line) for _, line in filled[:3]):
            return None
        rows, skipped = [], []
        # what a program printed between its records is talk
        if self.suffix in (".log", ".txt", ".out"):
            filled = [(i, line) for i, line in filled if line.lstrip().startswith("{")]
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
