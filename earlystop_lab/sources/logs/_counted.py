"""The order of rows that say no position: as they come, by their times, or curve by curve."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa

from earlystop_lab.curves import FloatArray
from earlystop_lab.sources.logs._cells import listed, shown
from earlystop_lab.sources.logs._channels import Choice, is_position, words
from earlystop_lab.sources.logs._columns import Column, Log

#: the last words of the names of columns that say when a row was written
_TIMES = frozenset({"timestamp", "datetime", "date", "time", "created", "at"})
#: seconds since 1970 above which a number is a time and not how long something took
_LONG_AGO = 1e8


def in_order(log: Log, choice: Choice) -> tuple[Log, Choice]:
    """The log with a column of positions where the order of its rows is not that of its checks.

    Of rows without positions that say when they were written, as in a table that begins with the
    newest ones, the times say the order. Curves that were written one after the other, each in a
    block of rows, are numbered each from 1.
    """
    if choice.epoch is not None or choice.val is None:
        return log, choice
    for name in log.columns:
        if (times := _times(log, name)) is None:
            continue
        if (np.diff(times) >= 0).all():
            return log, choice
        places = np.empty(len(log))
        places[np.argsort(times, kind="stable")] = np.arange(1.0, len(log) + 1)
        note = f"{shown(name)} goes back from row to row; the checks are numbered in its order"
        return _with(log, choice, f"order of {name}", places, note)
    return (log, choice) if log.shared else _by_curve(log, choice)


def _times(log: Log, name: str) -> FloatArray | None:
    """When each row was written; None where a column does not say it for all."""
    if not _TIMES & {*words(name)[-1:]} or len(log.columns[name].rows) < len(log):
        return None
    numbers = log.numbers(name)
    if len(numbers.rows) == len(log):
        values = numbers.values
        return values if np.isfinite(values).all() and values.min() > _LONG_AGO else None
    cells = pd.Series([str(cell) for cell in log.columns[name].objects])
    read = pd.to_datetime(cells, format="ISO8601", errors="coerce", utc=True)
    if read.isna().any():
        return None
    # of the distances in time the order is all that counts
    return np.asarray(read.rank(method="dense"), np.float64)


def _by_curve(log: Log, choice: Choice) -> tuple[Log, Choice]:
    """Curves that each have a block of rows, numbered each from 1; others stay as they are."""
    rows = {n: log.numbers(n).rows for n in log.columns if _is_curve(log, n)}
    blocks = sorted((r for r in rows.values() if len(r)), key=lambda r: int(r[0]))
    is_long = choice.val in rows and len(blocks) > 1
    if not is_long or any(a[-1] >= b[0] for a, b in pairwise(blocks)):
        return log, choice
    checks = len(rows[choice.val or ""])
    apart = [name for name, its in rows.items() if len(its) != checks]
    note = "the rows of each curve are in a block of their own; each is numbered from 1"
    if apart:
        note += f"; without positions {listed(apart)} cannot be aligned and are left out"
        columns = {name: column for name, column in log.columns.items() if name not in apart}
        train, test = (None if n in apart else n for n in (choice.train, choice.test))
        log, choice = replace(log, columns=columns), replace(choice, train=train, test=test)
    places = np.zeros(len(log))
    for its in rows.values():
        places[its] = np.arange(1.0, len(its) + 1)
    return _with(log, choice, "row of its curve", places, note)


def _is_curve(log: Log, name: str) -> bool:
    """Whether a column holds numbers of some rows only, as those of a long table do."""
    numbers = log.numbers(name)
    return numbers.prevail and len(numbers.rows) < len(log) and not is_position(name)


def _with(log: Log, choice: Choice, name: str, places: FloatArray, note: str) -> tuple[Log, Choice]:
    rows = np.flatnonzero(places)
    columns = {**log.columns, name: Column(pa.array(places[rows]), rows)}
    notes = [*log.notes, note]
    return replace(log, columns=columns, unit="check", notes=notes), replace(choice, epoch=name)
