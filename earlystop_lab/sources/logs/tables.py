"""Delimited text: CSV, TSV, semicolons, blanks; what every logger that writes rows shares."""

from __future__ import annotations

import csv
import re

from earlystop_lab.sources.logs._channels import is_position
from earlystop_lab.sources.logs._reading import BLANK, Log, LogError, Row, Source, is_number, shown

_DELIMITERS = (",", "\t", ";")
_LONGEST_HEADER = 100_000
#: lines looked at to see whether a file is a table
_LOOK = 20


def is_table(source: Source) -> bool:
    """Whether the file is delimited text with a header."""
    lines = source.table_lines[: _LOOK + 1]
    if not lines:
        return False
    try:
        delimiter, names = _header(lines[0][1])
    except LogError:
        return False
    if source.path.suffix in (".csv", ".tsv"):
        return True
    for _, line in lines[1:]:
        cells = line.split(delimiter)
        if len(cells) == len(names) > 1 and any(map(is_number, cells)):
            return True
    return False


def columns(source: Source) -> list[str]:
    """The names in the header; none where the file is no table."""
    return _header(source.table_lines[0][1])[1] if is_table(source) else []


def read_table(source: Source) -> Log:
    """Every row of a table as text cells by column name, stripped of padding.

    A header that comes again starts a further piece of the same log, perhaps with other
    columns. A row that does not fit its header is left out and named. Raises
    :class:`LogError` where there is no header or nothing below it.
    """
    lines = source.table_lines
    if not lines:
        raise LogError("the file is empty")
    delimiter, names = _header(lines[0][1])
    rows: list[Row] = []
    log = Log(rows)
    if doubled := _doubled(names):
        log.notes.append(f"column {shown(doubled)} is there more than once: the first is used")
    for i, line in lines[1:]:
        try:
            cells = _cells(line, delimiter)
            if _is_header(cells, names):
                names = cells
                log.notes.append(f"line {i}: the header comes again; the rows below it go on")
                continue
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
    return log


def _header(line: str) -> tuple[str | None, list[str]]:
    if len(line) > _LONGEST_HEADER:
        raise LogError(f"a first line of {len(line)} characters is no header", 1)
    commonest = max(_DELIMITERS, key=line.count)
    # columns may also be apart by blanks, where the first is a position
    blanks = commonest not in line and is_position(line.split()[0])
    delimiter = None if blanks else commonest
    names = _cells(line, delimiter)
    if not any(names) or any(is_number(name) for name in names):
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
    # line by line, so that a stray quote spoils one line and not all that follow
    if '"' not in line or delimiter is None:
        return [cell.strip() for cell in line.split(delimiter)]
    try:
        (cells,) = csv.reader([line], delimiter=delimiter, strict=True, skipinitialspace=True)
    except (csv.Error, ValueError) as error:
        raise LogError(f"not a row of a table: {error}") from error
    return [cell.strip() for cell in cells]


def _doubled(names: list[str]) -> str | None:
    return next((name for name in names if name and names.count(name) > 1), None)


def has_columns(source: Source, *patterns: str) -> bool:
    """Whether the header has a column for each regular expression."""
    names = columns(source)
    return all(any(re.fullmatch(pattern, name) for name in names) for pattern in patterns)
