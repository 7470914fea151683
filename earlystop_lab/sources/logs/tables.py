"""Delimited text: CSV, TSV, semicolons, bars, blanks; what every logger that writes rows shares.

And tables of other shapes, turned into one row a check and one column a curve. A *long* table has
one number a row: its metric in one column, its value in another. A table may also have train and
validation on rows of their own, told apart by a column such as ``phase``.
"""

import csv
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from earlystop_lab.sources.logs._channels import is_position, meaning
from earlystop_lab.sources.logs._reading import (
    BLANK,
    Log,
    LogError,
    Row,
    Source,
    is_number,
    repeated,
    shown,
)

_DELIMITERS = (",", "\t", ";")
_METRICS = ("metric", "metric_name", "key", "tag", "variable", "measure", "name")
_VALUES = ("value", "metric_value")
_SET_COLUMNS = (
    "phase",
    "split",
    "mode",
    "set",
    "subset",
    "stage",
    "partition",
    "dataset",
    "data",
    "type",
)
_LONGEST_HEADER = 100_000
#: lines looked at to see whether a file is a table
_LOOK = 20
#: a line that only draws: under a header, or around a table
_RULE = re.compile(r"[-=+|:\s]*[-=+|:]{3}[-=+|:\s]*")
_COMMA_NUMBER = re.compile(r"[+-]?\d*,\d+(?:e[+-]?\d+)?", re.IGNORECASE)
_POINT_NUMBER = re.compile(r"[+-]?\d*\.\d+(?:e[+-]?\d+)?", re.IGNORECASE)


class _Layout(NamedTuple):
    """Where a table is in a text: its header and the numbered lines below."""

    delimiter: str | None
    names: list[str]
    rows: list[tuple[int, str]]


@lru_cache(1)
def _layout(source: Source) -> _Layout:
    """Comments above a header are no part of a table, nor are the lines that only draw.

    Raises :class:`LogError` where there is no header.
    """
    lines = [
        (i, line)
        for i, line in enumerate(source.lines, start=1)
        if line.strip() and not _draws(line)
    ]
    told = re.fullmatch(r"sep=(.)", lines[0][1].strip()) if lines else None  # for spreadsheets
    lines = lines[1:] if told else lines
    start = next((k for k, (_, line) in enumerate(lines) if not line.startswith("#")), len(lines))
    if not lines[start:]:
        raise LogError("the file is empty")
    try:
        delimiter, names = _header(lines[start][1], told and told[1])
    except LogError:
        # numpy writes the header as a comment
        if not start:
            raise
        delimiter, names = _header(lines[start - 1][1].lstrip("# "), None)
        if len(_cells(lines[start][1], delimiter)) != len(names):
            raise
        start -= 1
    return _Layout(delimiter, names, lines[start + 1 :])


def _draws(line: str) -> bool:
    return line.lstrip()[:1] in "-=+|:" and _RULE.fullmatch(line[:1000]) is not None


@lru_cache(1)
def is_table(source: Source) -> bool:
    """Whether the file is delimited text with a header."""
    if not source.text.strip():
        return False
    try:
        table = _layout(source)
    except LogError:
        return False
    if source.suffix in (".csv", ".tsv"):
        return True
    looked = table.rows[:_LOOK]
    fits = sum(_fits(line, table) for _, line in looked)
    # any text falls into columns at its blanks
    return fits > (len(looked) / 2 if table.delimiter is None else 0)


def _fits(line: str, table: _Layout) -> bool:
    """Whether a line is a row of the table, or its header again."""
    try:
        cells = _cells(line, table.delimiter)
    except LogError:
        return False
    return len(cells) == len(table.names) > 1 and (
        any(map(is_number, cells)) or cells == table.names
    )


def columns(source: Source) -> list[str]:
    """The names in the header; none where the file is no table."""
    return _layout(source).names if is_table(source) else []


def read(source: Source) -> list[Log]:
    """The one table in a file."""
    return [read_table(source)]


def read_table(source: Source) -> Log:
    """Every row of a table as text cells by column name, stripped of padding.

    A header that comes again starts a further piece of the same log, perhaps with other
    columns. A row that does not fit its header is left out and named. Raises
    :class:`LogError` where there is no header or nothing below it.
    """
    delimiter, names, lines = _layout(source)
    rows: list[Row] = []
    log = Log(rows)
    if doubled := repeated(filter(None, names)):
        log.notes.append(f"column {shown(doubled)} is there more than once: the first is used")
    for i, line in lines:
        try:
            cells = _cells(line, delimiter)
            if _is_header(cells, names):
                names = cells
                log.notes.append(f"line {i}: the header comes again; the rows below it go on")
                continue
            if len(cells) > len(names) and not any(cells[len(names) :]):
                cells = cells[: len(names)]  # delimiters at the end of the line
            if len(cells) != len(names):
                cut = "; the line looks cut off" if i == lines[-1][0] else ""
                raise LogError(f"{len(cells)} values, the header names {len(names)}{cut}")
        except LogError as error:
            log.skipped.append(LogError(str(error), i))
            continue
        row: dict[str, str] = {}
        for name, cell in zip(names, cells, strict=True):
            row.setdefault(name, cell)
        rows.append((i, row))
    if not rows and not log.skipped:
        raise LogError("a header and no rows below it")
    if rows and rows[-1][0] == lines[-1][0] and not source.text.endswith(("\n", "\r")):
        log.notes.append(
            f"line {rows[-1][0]} has no line end: its last value "
            f"{shown(line.rsplit(delimiter, 1)[-1].strip())} may be cut off"
        )
    if delimiter != ",":
        _read_decimal_commas(log)
    _read_percentages(log)
    return log


def _read_decimal_commas(log: Log) -> None:
    """Commas as decimal points, where the numbers of the table are spelled so throughout."""
    cells = [cell for _, row in log.rows for cell in row.values()]
    commas = [cell for cell in cells if _COMMA_NUMBER.fullmatch(cell)]
    # three digits after every comma may be thousands, but for those after a 0
    thousands = all(re.fullmatch(r"[+-]?[1-9]\d*,\d{3}", cell) for cell in commas)
    if len(commas) < max(2, len(log.rows)) or thousands or any(map(_POINT_NUMBER.fullmatch, cells)):
        return
    log.rows = [
        (i, {n: c.replace(",", ".") if _COMMA_NUMBER.fullmatch(c) else c for n, c in row.items()})
        for i, row in log.rows
    ]
    log.notes.append("numbers have decimal commas")


def _read_percentages(log: Log) -> None:
    """Columns of which every number has a percent sign, without it."""
    for name in log.columns:
        cells = [row[name] for _, row in log.rows if row.get(name, "").lower() not in BLANK]
        if cells and all(cell.endswith("%") and is_number(cell[:-1]) for cell in cells):
            log.rows = [(i, {**row, name: row.get(name, "").rstrip("%")}) for i, row in log.rows]
            log.notes.append(f"{shown(name)} is in percent")


def _header(line: str, told: str | None) -> tuple[str | None, list[str]]:
    """Delimiter, None where columns are apart by blanks, and names of the columns."""
    if len(line) > _LONGEST_HEADER:
        raise LogError(f"a first line of {len(line)} characters is no header", 1)
    framed = len(line.strip()) > 1 and line.strip()[0] == line.strip()[-1] == "|"
    commonest = told or ("|" if framed else max(_DELIMITERS, key=line.count))
    # columns may also be apart by blanks, where the first is a position
    blanks = commonest not in line and is_position(line.split()[0])
    delimiter = None if blanks else commonest
    names = _cells(line, delimiter)
    words = re.split(r"[\s,;|]+", line[:1000].strip())
    if not any(names) or any(map(is_number, names)) or all(map(is_number, words)):
        raise LogError(
            f"expected a header with column names in the first line, found {shown(line)}", 1
        )
    return delimiter, names


def _is_header(cells: list[str], names: list[str]) -> bool:
    """The same header again, or one of other columns that begins alike and holds no values."""
    if cells[0] != names[0] or len(set(cells)) < len(cells):
        return cells == names
    return len(cells) > 1 and not any(cell.lower() in BLANK or is_number(cell) for cell in cells)


def _cells(line: str, delimiter: str | None) -> list[str]:
    if delimiter == "|":
        line = line.strip().removeprefix("|").removesuffix("|")
    # line by line, so that a stray quote spoils one line and not all that follow
    if '"' not in line or delimiter is None:
        return [cell.strip() for cell in line.split(delimiter)]
    try:
        (cells,) = csv.reader([line], delimiter=delimiter, strict=True, skipinitialspace=True)
    except (csv.Error, ValueError) as error:
        raise LogError(f"not a row of a table: {error}") from error
    return [cell.strip() for cell in cells]


def has_columns(source: Source, *patterns: str) -> bool:
    """Whether the header has a column for each regular expression."""
    names = columns(source)
    return all(any(map(re.compile(pattern).fullmatch, names)) for pattern in patterns)


# -- other shapes --------------------------------------------------------------------------------


def wide(log: Log) -> Log:
    """The log with a column for every curve, where its rows tell sets or metrics apart."""
    keys, values = log.named(_METRICS), log.named(_VALUES)
    if keys and values:
        key, value = keys[0], values[0]
        note = f"one number a row: {shown(key)} names the curve"
        log = _reshaped(log, lambda cells: _unfolded(cells, key, value), note)
    name = _set_column(log)
    if name is None:
        return log
    note = f"{shown(name)} says which set a row is of"
    return _reshaped(log, lambda cells: _labelled(cells, name), note)


def _reshaped(log: Log, reshape: Callable[[Mapping[str, Any]], dict[str, Any]], note: str) -> Log:
    rows = [(i, reshape(cells)) for i, cells in log.rows]
    # the rows of one curve may all come before those of the next
    return Log(rows, log.name, shared=False, notes=[*log.notes, note], skipped=log.skipped)


def _unfolded(cells: Mapping[str, Any], key: str, value: str) -> dict[str, Any]:
    rest = {name: cell for name, cell in cells.items() if name not in (key, value)}
    return {**rest, str(cells.get(key, "")): cells.get(value)}


def _set_column(log: Log) -> str | None:
    """A column all of whose cells are the names of sets."""
    for column in log.columns:
        if column.lower() in _SET_COLUMNS:
            words = {_word(cells.get(column)) for _, cells in log.rows} - {""}
            if words and all(meaning(word).is_set for word in words):
                return column
    return None


def _word(cell: Any) -> str:
    return cell.strip() if isinstance(cell, str) and cell.strip().lower() not in BLANK else ""


def _labelled(cells: Mapping[str, Any], column: str) -> dict[str, Any]:
    """The row with its set in front of every name that says none itself."""
    own = _word(cells.get(column))
    return {
        name if not own or is_position(name) or meaning(name).role else f"{own}/{name}": cell
        for name, cell in cells.items()
        if name != column
    }
