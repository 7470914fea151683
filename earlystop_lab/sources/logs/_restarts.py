"""Runs that were written into one log one after the other, and rows that were written twice."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
import pandas as pd
import pyarrow as pa

from earlystop_lab.sources.logs._axes import kinds_of_rows
from earlystop_lab.sources.logs._cells import shown
from earlystop_lab.sources.logs._channels import Choice, meaning
from earlystop_lab.sources.logs._columns import Column, IntArray, Log

#: what positions that start again at the first one of the log mean: another run, or the same one
#: trained on, whose positions then go on
Restart = Literal["run", "continue"]


def runs_of(log: Log, choice: Choice, restart: Restart) -> tuple[list[Log], list[str]]:
    """The runs in a log, and what to say of them all.

    A new one begins where positions start again at the first one of the log.

    Where they start again further on, training was resumed, which is no new run. Rows that repeat
    others exactly, as two processes write them, are taken once.
    """
    if choice.epoch is None or choice.val is None:
        return [log], []
    if log.shared:
        log = _without_repeats(log, choice)
        starts = _starts(log, choice, [choice.val, choice.train])
        piece = np.searchsorted(starts, np.arange(len(log)), side="right")
    else:
        starts = _starts(log, choice, [choice.val])
        piece = _pieces(log, choice, starts)
    if not len(starts):
        return [log], []
    again = log.numbers(choice.epoch)
    at = f"{again.values[np.searchsorted(again.rows, starts[0])]:g}"
    where = f"line {log.lines[starts[0]]}"
    more = f" and {len(starts) - 1} more" if len(starts) > 1 else ""
    begins = f"{shown(choice.epoch)} restarts at {at} on {where}{more}"
    if restart == "continue":
        said = [f"{begins}; read as one continued run, as requested"]
        return [_continued(log, choice.epoch, piece)], said
    note = (
        f"{begins}; read as {len(starts) + 1} runs. If it is one continued run, pass "
        "restart='continue' (earlystop import --restart continue)"
    )
    name = f"{log.name} " if log.name else ""
    parts = [
        replace(log.take(np.flatnonzero(piece == k)), name=f"{name}{k + 1}", notes=[], skipped=[])
        for k in range(len(starts) + 1)
    ]
    parts[0].skipped = log.skipped
    return parts, [*log.notes, note]


def _without_repeats(log: Log, choice: Choice) -> Log:
    """The log without rows that are there twice, where all that is there again is the same."""
    assert choice.epoch is not None, "nothing repeats without positions"
    rows, at, _ = log.numbers(choice.epoch)
    if not (np.diff(at) <= 0).any():
        return log
    measured = [n for n in log.columns if meaning(n).kind in ("loss", "error", "higher")]
    chosen = [n for n in (choice.val, choice.train, choice.test) if n is not None]
    place = pd.DataFrame({"at": at, "kind": kinds_of_rows(log)[rows]})
    again = place.duplicated()
    if not again.any():
        return log
    values = {n: log.numbers(n).in_rows(len(log))[0][rows] for n in {*measured, *chosen}}
    if not place.assign(**values).duplicated()[again].all():
        return log
    if (np.diff(at[~again.to_numpy()]) < 0).any():  # training began anew, with equal values
        return log
    left_out = rows[again.to_numpy()]
    kept = log.take(np.setdiff1d(np.arange(len(log)), left_out, assume_unique=True))
    return replace(
        kept, notes=[*log.notes, f"{len(left_out)} rows repeat other rows and are read only once"]
    )


def _starts(log: Log, choice: Choice, columns: Sequence[str | None]) -> IntArray:
    """The rows with which a further run begins."""
    assert choice.epoch is not None, "nothing starts again without positions"
    if (np.diff(log.numbers(choice.epoch).values) >= 0).all():
        return np.array([], np.int64)
    places, placed = log.numbers(choice.epoch).in_rows(len(log))
    measured = np.zeros(len(log), bool)
    for name in columns:
        measured[log.numbers(name).rows if name is not None else []] = True
    rows = np.flatnonzero(measured & placed)
    at = places[rows]
    starts: list[int] = []
    begin = 0
    for i in (np.flatnonzero(np.diff(at) < 0) + 1).tolist():
        if _is_restart(at, begin, i) and not _says_again(log, choice, rows[i:]):
            starts.append(int(rows[i]))
            begin = i
    return np.array(starts, np.int64)


def _is_restart(at: np.ndarray, begin: int, i: int) -> bool:
    """Whether the rows from ``i`` on begin where those from ``begin`` on did, or before."""
    first = at[begin]
    if at[i] == first:
        return True
    return bool(at[i] < first and len(np.intersect1d(at[begin:i], at[i:])) > 1)


def _says_again(log: Log, choice: Choice, rest: IntArray) -> bool:
    """Whether one last row only repeats a value of ``val``, as of the weights that were kept."""
    assert choice.val is not None, "there is no value without a column"
    val = log.numbers(choice.val)
    if len(rest) > 1 or not (there := np.flatnonzero(val.rows == rest[0])).size:
        return False
    return bool((val.values[: there[0]] == val.values[there[0]]).any())


def _pieces(log: Log, choice: Choice, starts: IntArray) -> IntArray:
    """The run of each row of a log whose columns keep their own steps."""
    piece = np.searchsorted(starts, np.arange(len(log)), side="right")
    if not len(starts):
        return piece
    for name in log.columns:
        own = _starts(log, choice, [name]) if len(log.numbers(name).rows) else starts
        if len(own) == len(starts) and name not in (choice.epoch, choice.epochs):
            rows = log.numbers(name).rows
            piece[rows] = np.searchsorted(own, rows, side="right")
    return piece


def _continued(log: Log, name: str, piece: IntArray) -> Log:
    """The log with positions that go on where those of the run before end."""
    positions = log.numbers(name)
    at = positions.values.copy()
    of = piece[positions.rows]
    end = 0.0
    for k in range(int(piece.max(initial=0)) + 1):
        here = of == k
        if k:
            apart = np.diff(np.unique(at[here]))
            lowest = at[here].min(initial=np.inf)
            at[here] += end + (0 if lowest > 0 else float(np.median(apart)) if len(apart) else 1.0)
        end = at[here].max(initial=end)
    column = Column(pa.array(at), positions.rows)
    return replace(log, columns={**log.columns, name: column})
