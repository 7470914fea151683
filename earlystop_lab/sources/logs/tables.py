"""Delimited text (CSV, TSV, semicolons, bars, blanks) for all loggers that write rows.

Tables of other shapes are converted to one row per check and one column per curve. A *long* table
has one number per row: its metric in one column and its value in another. A table may also have
separate rows for training and validation, distinguished by a column such as ``phase``.
"""

import csv
import re
from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import cache, lru_cache, partial
from itertools import chain, islice
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv

from earlystop_lab.sources.logs._cells import (
    BLANK,
    LONGEST_NUMBER,
    LogError,
    cut_off,
    is_number,
    looks_cut,
    repeated,
    shown,
)
from earlystop_lab.sources.logs._channels import is_epoch, is_position, meaning
from earlystop_lab.sources.logs._columns import Column, Growing, IntArray, Log, grouped, merged
from earlystop_lab.sources.logs._reading import Source

_DELIMITERS = (",", "\t", ";")
_METRICS = (
    *("metric", "metric_name", "metric.name", "metricname", "key", "tag", "variable", "measure"),
    *("title", "name"),
)
#: a second name beside that of the metric, as ClearML has: the set, or one of several curves
_VARIANTS = ("variant", "series")
_VALUES = ("value", "metric_value", "metricvalue")
#: MLflow keeps NaN as 0 and says so here
_IS_NAN = "is_nan"
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
    "loop",
    "event",
    "variant",
    "series",
    "group",
    "category",
    "eval",
)
#: bytes of a table above which Arrow reads it
_SMALL = 2**16
_CHUNK = 2**20
_LONGEST_HEADER = 100_000
#: bytes at the end of a file by which its last number is judged
_TAIL = 2**14
#: lines looked at to see whether a file is a table
_LOOK = 20
#: lines that one row may take, where a quoted cell has line ends in it
_QUOTED = 100
#: a line that only draws: under a header, or around a table
_RULE = re.compile(r"(?s:(?=.*?[-=+|:]{3}))[-=+|:\s]*+")
#: 12,000 and -1,234,567, by the mark between thousands
_GROUPED = r"[+-]?[1-9]\d{{0,2}}(?:{}\d{{3}})+"
_THOUSANDS = (",", ".", "'", "\u2019", " ", "\u00a0", "\u202f", "_")
_COMMA_NUMBER = re.compile(r"[+-]?\d*,\d+(?:e[+-]?\d+)?", re.IGNORECASE)
_POINT_NUMBER = re.compile(r"[+-]?\d*\.\d+(?:e[+-]?\d+)?", re.IGNORECASE)


class _Layout(NamedTuple):
    """Where a table is in a text: its header and the numbered lines below."""

    delimiter: str | None
    names: list[str]
    #: of the layout of a whole file one by one, so that they are not all there at a time
    rows: Iterator[tuple[int, str]]
    #: line of the header
    line: int


class _Beginning(NamedTuple):
    """The same with the first rows alone."""

    delimiter: str | None
    names: list[str]
    rows: list[tuple[int, str]]
    line: int


@lru_cache(1)
def _beginning(source: Source) -> _Beginning:
    """The layout of a table, and its first rows; raises as :func:`_layout`."""
    found = _layout(source.each_line() if source.first_lines is None else source.first_lines)
    return _Beginning(found.delimiter, found.names, [*islice(found.rows, _LOOK)], found.line)


def _layout(text: Iterable[str]) -> _Layout:
    """Comments above a header are no part of a table, nor are the lines that only draw.

    Raises :class:`LogError` where there is no header.
    """
    lines = ((i, line) for i, line in enumerate(text, start=1) if line.strip() and not _draws(line))
    header = next(lines, None)
    told = re.fullmatch(r"sep=(.)", header[1].strip()) if header else None  # for spreadsheets
    header = next(lines, None) if told else header
    comment = None
    while header is not None and header[1].startswith("#"):
        comment, header = header, next(lines, None)
    if header is None:
        raise LogError("the file is empty")
    try:
        delimiter, names = _header(header[1], told and told[1])
    except LogError:
        # numpy writes the header as a comment
        if comment is None:
            raise
        delimiter, names = _header(comment[1].lstrip("# "), None)
        if len(_cells(header[1], delimiter)) != len(names):
            raise
        return _Layout(delimiter, names, chain([header], lines), comment[0])
    return _Layout(delimiter, names, lines, header[0])


def _draws(line: str) -> bool:
    return line.lstrip()[:1] in "-=+|:" and _RULE.fullmatch(line[:1000]) is not None


@lru_cache(1)
def is_table(source: Source) -> bool:
    """Whether the file is delimited text with a header."""
    if source.was_document:
        return False
    if source.first_lines is None and (source.plain_records is not None or not source.text.strip()):
        return False
    try:
        table = _beginning(source)
    except LogError:
        return False
    if source.suffix in (".csv", ".tsv"):
        return True
    fits = sum(_fits(line, table) for _, line in table.rows)
    # any text falls into columns at its blanks
    return fits > (len(table.rows) / 2 if table.delimiter is None else 0)


def _fits(line: str, table: _Beginning) -> bool:
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
    return _beginning(source).names if is_table(source) else []


def read(source: Source) -> list[Log]:
    """The one table in a file."""
    return [read_table(source)]


def read_table(source: Source) -> Log:
    """Every column of a table, its cells stripped of padding.

    A header that comes again starts a further piece of the same log, perhaps with other
    columns. A row that does not fit its header is left out and named. Raises
    :class:`LogError` where there is no header or nothing below it.
    """
    log = _read_fast(source) if source.first_lines is not None else None
    return _read_carefully(source) if log is None else log


def _read_fast(source: Source) -> Log | None:
    """A plain table of numbers, and between commas of words, by Arrow's reader.

    None where it wants care: rows that do not fit, headers that come again, numbers that are
    spelled otherwise.
    """
    table = _beginning(source)
    named = any(name.lower() not in BLANK for name in table.names)
    if table.line > 1 or table.delimiter not in _DELIMITERS or len(table.names) < 2 or not named:
        return None
    small = _read_small(source.data, table) if len(source.data) <= _SMALL else None
    read = _read_large(source.data, table) if small is None else small
    if read is None:
        return None
    columns, lines, skipped = read
    used = {name: columns[k] for name, k in _first_of_each(table.names).items()}
    log = Log(lines, used, notes=_doubled(table.names), skipped=skipped)
    if lines[-1] == _line_count(source.data):
        end = source.data[-_TAIL:].decode(errors="replace")
        log.notes += _cut_off(end, int(lines[-1]), table.delimiter)
    _read_grouped_positions(log)
    read_percentages(log)
    return log


class _Read(NamedTuple):
    """The columns of a table, the line of each row, and the lines that do not fit."""

    columns: list[Column]
    lines: IntArray
    skipped: list[LogError]


def _line_count(data: bytes) -> int:
    return data.count(b"\n") + (not data.endswith(b"\n"))


def _read_small(data: bytes, table: _Beginning) -> _Read | None:
    """The columns of a table of numbers alone, in less time than Arrow's reader takes to begin."""
    assert table.delimiter is not None, "a fast reader is asked of delimited text alone"
    text = data[data.find(b"\n") + 1 :].decode().removesuffix("\n")
    width, lines = len(table.names), text.split("\n")
    if {line.count(table.delimiter) for line in lines} != {width - 1}:
        return None
    cells = pc.split_pattern(pa.array([text.replace("\n", table.delimiter)]), table.delimiter)
    try:
        values = cells.values.cast(pa.float64()).to_numpy().reshape(-1, width)
    except pa.ArrowInvalid:
        return None
    # what is too large or too long for a number wants care
    if np.isinf(values).any() or len(max(lines, key=len)) > LONGEST_NUMBER:
        return None
    rows = np.arange(len(lines))
    columns = [
        Column(pa.array(cells), rows, cache(partial(_written, data, table, k)))
        for k, cells in enumerate(np.ascontiguousarray(values.T))
    ]
    return _Read(columns, rows + 2, [])


def _read_large(data: bytes, table: _Beginning) -> _Read | None:
    if _longest(data, b"\n") > LONGEST_NUMBER < _longest(data, b"\n,;\t"):
        return None
    lines, misfits = np.arange(2, _line_count(data) + 1), dict[int, str]()
    parsed = _parsed(data, table, misfits)
    # a blank line, of which that reader says nothing, is no row
    if parsed is None or not parsed.num_rows or parsed.num_rows + len(misfits) != len(lines):
        return None
    skipped = [_misfit(line, text, table, int(lines[-1])) for line, text in misfits.items()]
    if None in skipped:
        return None
    numeric = [pa.types.is_floating(kind) for kind in parsed.schema.types]
    # other delimiters leave commas to the numbers
    if not all(numeric) and table.delimiter != ",":
        return None
    if not numeric[0] and pc.any(pc.equal(parsed.column(0), table.names[0])).as_py():
        return None
    rows = np.arange(parsed.num_rows)
    columns = [
        Column(
            parsed.column(k).combine_chunks(),
            rows,
            cache(partial(_written, data, table, k)) if numeric[k] else None,
        )
        for k in range(len(table.names))
    ]
    # Arrow would keep what its reader took
    del parsed
    pa.default_memory_pool().release_unused()
    fits = lines[~np.isin(lines, [*misfits])] if misfits else lines
    return _Read(columns, fits, [error for error in skipped if error is not None])


def _misfit(line: int, text: str, table: _Beginning, last: int) -> LogError | None:
    """What is wrong with a line of more or fewer cells; None where it may be no row at all."""
    cells = _cells(text, table.delimiter)
    names = table.names
    more = cells[len(names) :]
    if not text.strip() or _draws(text) or _is_header(cells, names) or (more and not any(more)):
        return None
    return LogError(_unequal(cells, names, line == last), line)


def _unequal(cells: Sequence[str], names: Sequence[str], is_last: bool) -> str:
    cut = "; the line looks cut off" if is_last else ""
    return f"the row has {len(cells)} values, but the header has {len(names)} columns{cut}"


def _longest(data: bytes, ends: bytes) -> int:
    """The most bytes below the header without one of those that end lines or cells."""
    longest, last = 0, data.find(b"\n")
    for start in range(last + 1, len(data), _CHUNK):
        chunk = np.frombuffer(data, np.uint8, min(_CHUNK, len(data) - start), start)
        is_end = chunk == ends[0]
        for end in ends[1:]:
            is_end |= chunk == end
        at = np.flatnonzero(is_end) + start
        stops = np.concatenate([[last], at, [start + len(chunk)]])
        longest = max(longest, int(np.diff(stops).max()) - 1)
        last = int(stops[-2])
    return longest


#: as Arrow is told of them: it minds the case
_BLANKS = sorted({spelled for b in BLANK for spelled in (b, b.upper(), b.title())})
_REFUSED = re.compile(r"In CSV column #(\d+)")


#: lines that do not fit, above which it is no table
_MOST_MISFITS = 1000


def _parsed(data: bytes, table: _Beginning, misfits: dict[int, str]) -> pa.Table | None:
    """Columns of numbers, of text where a cell is none; the lines that do not fit by number."""
    # what is text in the first row is so most likely in all: each try reads the whole file
    first = _cells(table.rows[0][1], table.delimiter) if table.rows else []
    texts = {
        k
        for k, cell in enumerate(first[: len(table.names)])
        if cell.lower() not in BLANK and not is_number(cell)
    }
    while True:
        try:
            misfits.clear()
            parsed = _arrow(data, table, texts, misfits)
        except pa.ArrowInvalid as error:
            refused = _REFUSED.match(str(error))
            if refused is None or int(refused[1]) in texts:
                return None
            texts = {int(refused[1])} | texts if len(texts) < 3 else {*range(len(table.names))}
            continue
        # what is too large for a number is infinite to that reader
        infinite = {
            k
            for k in {*range(len(table.names))} - texts
            if any(
                np.isinf(chunk.to_numpy(zero_copy_only=False)).any()
                for chunk in parsed.column(k).chunks
            )
        }
        if not infinite:
            return parsed
        texts |= infinite


def _arrow(
    data: bytes,
    table: _Beginning,
    texts: Collection[int],
    misfits: dict[int, str],
    only: int | None = None,
) -> pa.Table:
    def misfit(row: Any) -> str:
        misfits[row.number + 1] = row.text
        return "skip" if len(misfits) <= _MOST_MISFITS else "error"

    names = [str(k) for k in range(len(table.names))]
    kinds = {name: pa.string() if k in texts else pa.float64() for k, name in enumerate(names)}
    parsed = pyarrow.csv.read_csv(
        pa.BufferReader(pa.py_buffer(data).slice(data.find(b"\n") + 1)),
        pyarrow.csv.ReadOptions(column_names=names, use_threads=False),
        pyarrow.csv.ParseOptions(
            delimiter=table.delimiter, quote_char=False, invalid_row_handler=misfit
        ),
        pyarrow.csv.ConvertOptions(
            column_types=kinds,
            null_values=_BLANKS,
            strings_can_be_null=False,
            include_columns=[] if only is None else [names[only]],
        ),
    )
    cells = [
        pc.ascii_trim_whitespace(column) if pa.types.is_string(column.type) else column
        for column in parsed.columns
    ]
    return pa.table(cells, parsed.column_names)


def _written(data: bytes, table: _Beginning, column: int) -> list[str]:
    """The cells of one column as the file has them."""
    return _arrow(data, table, {column}, {}, column).column(0).to_pylist()


def _first_of_each(names: Sequence[str]) -> dict[str, int]:
    """The columns by name; of those of one name the first counts."""
    first: dict[str, int] = {}
    for k, name in enumerate(names):
        first.setdefault(name, k)
    return first


def _doubled(names: Sequence[str]) -> list[str]:
    doubled = repeated(filter(None, names))
    if doubled is None:
        return []
    return [f"column {shown(doubled)} occurs more than once; the first one is used"]


def _cut_off(end: str, line: int, delimiter: str | None) -> list[str]:
    """A note where the last line has no end and its last number is shorter than those above it.

    ``end`` is the end of the text.
    """
    if end.endswith(("\n", "\r")):
        return []
    lines = end.splitlines()[-_LOOK:]
    *others, last = (line.rsplit(delimiter, 1)[-1].strip(' "') for line in lines if line.strip())
    return [cut_off(line, last)] if looks_cut(last, others) else []


def _read_carefully(source: Source) -> Log:
    """A table line by line, as :func:`read_table` says."""
    delimiter, names, lines, _ = _layout(source.each_line())
    used = _first_of_each(names)
    notes = _doubled(names)
    skipped: list[LogError] = []
    numbers = array("q")
    columns: dict[str, Growing] = {}
    i = within = 0
    cells: list[str] = []
    for i, line in lines:
        if i <= within:
            continue
        try:
            cells, within = _row_from(i, line, source, delimiter, names)
            if _is_header(cells, names):
                names, used = cells, _first_of_each(cells)
                notes.append(f"line {i} repeats the header; the rows below it continue the log")
                continue
            if len(cells) > len(names) and not any(cells[len(names) :]):
                cells = cells[: len(names)]  # delimiters at the end of the line
            if len(cells) != len(names):
                raise LogError(_unequal(cells, names, is_last=False))
        except LogError as error:
            skipped.append(LogError(str(error), i))
            continue
        for name, k in used.items():
            if name not in columns:
                columns[name] = Growing()
            columns[name].add(len(numbers), cells[k])
        numbers.append(i)
    if not numbers and not skipped:
        raise LogError("the table has a header but no rows")
    if skipped and skipped[-1].line == i and len(cells) != len(names):
        skipped[-1] = LogError(_unequal(cells, names, is_last=True), i)
    every = np.arange(len(numbers))
    log = Log(
        np.array(numbers, np.int64),
        {name: cells.column(every) for name, cells in columns.items()},
        notes=notes,
        skipped=skipped,
    )
    if numbers and numbers[-1] == i:
        log.notes += _cut_off(source.text[-_TAIL:], i, delimiter)
    _read_thousands(log)
    if delimiter != ",":
        _read_decimal_commas(log)
    read_percentages(log)
    return log


def _read_thousands(log: Log) -> None:
    """Numbers whose thousands are set apart, without the marks: 2,345.60 or 2.345,60."""
    cells = [cell for column in log.columns.values() for cell in column.objects]
    marks = [
        mark
        for mark, point in ((",", "."), (".", ","))
        if any(
            map(re.compile(_GROUPED.format(re.escape(mark)) + rf"[{point}]\d+").fullmatch, cells)
        )
    ]
    if len(marks) == 1:
        grouped = re.compile(_GROUPED.format(re.escape(marks[0])) + r"(?:[.,]\d+)?")
        for name, column in log.columns.items():
            log.columns[name] = Column(
                [c.replace(marks[0], "") if grouped.fullmatch(c) else c for c in column.objects],
                column.rows,
            )
        log.notes.append(f"numbers have {shown(marks[0])} between thousands")
    _read_grouped_positions(log)


def _read_grouped_positions(log: Log) -> None:
    """Steps whose thousands are set apart, without the marks: 500, 1'000, 1'500."""
    for name, column in log.columns.items():
        if not is_position(name) or is_epoch(name):
            continue
        numbers = column.numbers(name)
        if not numbers.wrong and (np.diff(numbers.values) >= 0).all():
            continue
        filled = [cell for cell in column.objects if cell.lower() not in BLANK]
        for mark in _THOUSANDS:
            bare = _ungrouped(filled, mark)
            # 1.000 is a number as well, but 500, 1.000, 1.500 are steps that go on
            if mark == "." and ("." in filled[0] or (np.diff([*map(int, bare)]) <= 0).any()):
                continue
            if bare:
                cells = [cell.replace(mark, "") for cell in column.objects]
                log.columns[name] = Column(cells, column.rows)
                log.notes.append(f"{shown(name)} has {shown(mark)} between thousands")
                break


def _ungrouped(cells: Sequence[str], mark: str) -> list[str]:
    """The whole numbers without the marks between their thousands; none if they have no such."""
    whole = re.compile(_GROUPED.format(re.escape(mark)) + r"|\d{1,3}")
    if not any(mark in cell for cell in cells) or not all(map(whole.fullmatch, cells)):
        return []
    return [cell.replace(mark, "") for cell in cells]


def _read_decimal_commas(log: Log) -> None:
    """Commas as decimal points, where the numbers of the table are spelled so throughout."""
    # beside decimal commas a point in a position stands between thousands
    steps = {
        name
        for name, column in log.columns.items()
        if is_position(name) and _ungrouped([*filter(None, column.objects)], ".")
    }
    cells = [cell for n, c in log.columns.items() if n not in steps for cell in c.objects]
    commas = [cell for cell in cells if _COMMA_NUMBER.fullmatch(cell)]
    # three digits after every comma may be thousands, but for those after a 0
    thousands = all(re.fullmatch(r"[+-]?[1-9]\d*,\d{3}", cell) for cell in commas)
    if len(commas) < max(2, len(log)) or thousands or any(map(_POINT_NUMBER.fullmatch, cells)):
        return
    for name, column in log.columns.items():
        pointed = [
            cell.replace(",", ".") if _COMMA_NUMBER.fullmatch(cell) else cell
            for cell in column.objects
        ]
        log.columns[name] = Column(pointed, column.rows)
    for name in steps:
        column = log.columns[name]
        log.columns[name] = Column([c.replace(".", "") for c in column.objects], column.rows)
        log.notes.append(f"{shown(name)} has '.' between thousands")
    log.notes.append("numbers have decimal commas")


def read_percentages(log: Log) -> None:
    """Columns of which every number has a percent sign, without it."""
    found: list[str] = []
    for name, column in log.columns.items():
        if column.numeric is not None:
            continue
        cells = (cell for cell in column.each() if isinstance(cell, str) and _word(cell))
        first = next(cells, "")
        if all(cell.endswith("%") and is_number(cell[:-1]) for cell in chain([first], cells)):
            bare = [cell and cell.rstrip("%") for cell in column.objects]
            log.columns[name] = Column(bare, column.rows)
            log.notes.append(f"{shown(name)} is in percent")
            found.append(name)
    for name in found:
        others = (other for other in log.columns if other not in found)
        if (other := next((n for n in others if _is_share(log, n, name)), None)) is not None:
            log.notes.append(f"{shown(name)} is in percent, but {shown(other)} is not")


def _is_share(log: Log, name: str, of: str) -> bool:
    """Whether a column has the same metric in shares of 1."""
    alike = meaning(name).metric == meaning(of).metric and not is_position(name)
    values = log.columns[name].numbers(name).values if alike else np.empty(0)
    return len(values) > 0 and bool((np.abs(values) <= 1).all())


@lru_cache(64)
def _header(line: str, told: str | None) -> tuple[str | None, list[str]]:
    """Delimiter, None where columns are apart by blanks, and names of the columns."""
    if len(line) > _LONGEST_HEADER:
        raise LogError(f"the first line has {len(line)} characters, too many for a header", 1)
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
        raise LogError(f"not a valid table row: {error}") from error
    return [cell.strip() for cell in cells]


def _row_from(
    i: int, line: str, source: Source, delimiter: str | None, names: Sequence[str]
) -> tuple[list[str], int]:
    """The cells of the row that begins at line ``i``, and the last line that it takes.

    A quoted cell may go on for some lines. Where one of those is a row itself, the quote is a
    stray one, which spoils its own line alone.
    """
    if delimiter is None or line.count('"') % 2 == 0:
        return _cells(line, delimiter), i
    lines = source.lines
    last = next(
        (n for n in range(i, min(i + _QUOTED, len(lines))) if lines[n].count('"') % 2), None
    )
    inner = [] if last is None else lines[i:last]
    if last is None or any(len(_bare(text, delimiter)) == len(names) > 1 for text in inner):
        return _cells(line, delimiter), i
    try:
        cells = _cells("\n".join(lines[i - 1 : last + 1]), delimiter)
    except LogError:
        return _cells(line, delimiter), i
    return (cells, last + 1) if len(cells) == len(names) else (_cells(line, delimiter), i)


def _bare(line: str, delimiter: str) -> list[str]:
    return [] if '"' in line else line.split(delimiter)


def has_columns(source: Source, *patterns: str) -> bool:
    """Whether the header has a column for each regular expression."""
    names = columns(source)
    return all(any(map(re.compile(pattern).fullmatch, names)) for pattern in patterns)


# -- other shapes --------------------------------------------------------------------------------


def wide(log: Log) -> Log:
    """The log with a column for every curve, where its rows tell sets or metrics apart."""
    keys, values = log.named(_METRICS), log.named(_VALUES)
    if keys and values:
        names = [keys[0], *log.named(_VARIANTS)[:1]]
        note = f"one number per row; {' and '.join(map(shown, names))} name the curve"
        note = note if len(names) > 1 else note.replace(" name ", " names ")
        log = _with_nan(log, values[0])
        log = _reshaped(log, _unfolded(log, names, values[0]), note)
    name = _set_column(log)
    if name is None:
        return log
    note = f"{shown(name)} says which data set each row belongs to"
    return _reshaped(log, _labelled(log, name), note)


def _reshaped(log: Log, columns: Iterable[tuple[str, Column]], note: str) -> Log:
    # the rows of one curve may all come before those of the next
    return Log(
        log.lines,
        merged(columns),
        log.name,
        shared=False,
        notes=[*log.notes, note],
        skipped=log.skipped,
    )


def _unfolded(log: Log, keys: Sequence[str], value: str) -> Iterator[tuple[str, Column]]:
    yield from ((name, c) for name, c in log.columns.items() if name not in (*keys, value))
    told = log.told(keys, lambda cells: "/".join(dict.fromkeys(filter(None, map(str, cells)))))
    for curve, rows in grouped(*told):
        yield curve, log.columns[value].within(rows)


def _with_nan(log: Log, value: str) -> Log:
    """The log with NaN where another column says that a value is."""
    marks = log.named((_IS_NAN,))
    if not marks:
        return log
    told = [str(cell).strip().lower() in ("1", "1.0", "true") for cell in log.cells(marks[0])]
    column = log.columns[value]
    columns = {name: cells for name, cells in log.columns.items() if name != marks[0]}
    if any(told):
        rows = column.rows.tolist()
        cells = zip(rows, column.objects, strict=True)
        columns[value] = Column(["nan" if told[row] else cell for row, cell in cells], column.rows)
    return replace(log, columns=columns)


def _set_column(log: Log) -> str | None:
    """A column all of whose cells are the names of sets; whatever its name, if of several sets."""
    for name, column in log.columns.items():
        if column.numeric is not None:
            continue
        first = next(filter(None, map(_word, islice(column.each(), _LOOK))), "")
        if not first or not meaning(first).is_set:
            continue
        words = {*log.told([name], lambda cells: _word(cells[0]))[0]} - {""}
        several = len({meaning(word).role for word in words}) > 1
        # Aim calls it metric.context.subset
        known = several or re.split(r"[./]", name.lower())[-1] in _SET_COLUMNS
        if known and all(meaning(word).is_set for word in words):
            return name
    return None


def _word(cell: Any) -> str:
    return cell.strip() if isinstance(cell, str) and cell.strip().lower() not in BLANK else ""


def _labelled(log: Log, column: str) -> Iterator[tuple[str, Column]]:
    """The columns with the set of a row in front of every name that says none itself."""
    sets = grouped(*log.told([column], lambda cells: _word(cells[0])))
    for name, cells in log.columns.items():
        if name == column:
            continue
        if is_position(name) or meaning(name).role:
            yield name, cells
            continue
        for own, rows in sets:
            part = cells.within(rows)
            if len(part.rows):
                yield f"{own}/{name}" if own else name, part
