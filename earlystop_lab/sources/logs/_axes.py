"""One axis for all rows of a log whose fields count steps in some rows and epochs in others."""

from dataclasses import replace

import numpy as np
import pyarrow as pa

from earlystop_lab.sources.logs._cells import shown
from earlystop_lab.sources.logs._channels import is_epoch, is_position
from earlystop_lab.sources.logs._columns import Column, IntArray, Log, Numbers

#: the share of rows that have to agree
_MOST = 0.9
#: columns by which rows are told apart before their kinds are numbered anew
_BITS = 30


def one_axis(log: Log) -> Log:
    """The log with every position in the column that counts it.

    MMEngine's training rows have a step and an epoch, its validation rows have the epoch alone, in
    the column of the steps. Other programs give steps to training rows and epochs to validation
    rows, or the number of the evaluation in place of the step.
    """
    if not log.shared:
        return log
    positions = [name for name in log.columns if is_position(name)]
    epochs = [name for name in positions if is_epoch(name)]
    for name in positions:
        if name in epochs or not len(log.numbers(name).rows):
            continue
        if epochs and (found := _epochs_among_steps(log, name, epochs[0])) is not None:
            return found
        if not epochs and (found := _numbers_among_steps(log, name)) is not None:
            return found
    steps = [name for name in positions if name not in epochs]
    if len(steps) == len(epochs) == 1:
        return _epochs_of_the_next(log, steps[0], epochs[0])
    return log


def _epochs_among_steps(log: Log, name: str, epoch: str) -> Log | None:
    """Rows without an epoch, whose step is that of the epoch of the row before."""
    steps, epochs = log.numbers(name), log.numbers(epoch)
    has_step, has_epoch = (numbers.in_rows(len(log))[1] for numbers in (steps, epochs))
    alone, both = np.flatnonzero(has_step & ~has_epoch), np.flatnonzero(has_step & has_epoch)
    before = np.searchsorted(both, alone) - 1
    alone, before = alone[before >= 0], both[before[before >= 0]]
    if not len(alone):
        return None
    own, step, at = _at(steps, alone), _at(steps, before), _at(epochs, before)
    if (own == step).all() or np.mean(own - at == (own - at)[0]) < _MOST:
        return None
    if (own - at)[0] not in (0, 1):
        return None
    moved = {**dict(zip(epochs.rows.tolist(), epochs.values.tolist(), strict=True))}
    moved |= zip(alone.tolist(), (own - (own - at)[0]).tolist(), strict=True)
    left = np.setdiff1d(steps.rows, alone, assume_unique=True)
    note = f"{shown(name)} contains the epoch in rows without {shown(epoch)}"
    return _with(log, note, {epoch: moved, name: dict(zip(left, _at(steps, left), strict=True))})


def _numbers_among_steps(log: Log, name: str) -> Log | None:
    """Rows of columns of their own that are numbered 1, 2, 3 ... between steps that go on."""
    steps = log.numbers(name)
    rows, at = steps.rows, steps.values
    back = np.flatnonzero(np.diff(at) < 0) + 1
    if not len(back) or len(rows) < 4:
        return None
    kinds = kinds_of_rows(log)[rows]
    numbered = np.isin(kinds, kinds[back])
    own, others = at[numbered], at[~numbered]
    if len(own) < 2 or len(others) < 2 or not (np.diff(own) == 1).all() or own[0] > 1:
        return None
    before = np.searchsorted(rows[~numbered], rows[numbered]) - 1
    if (np.diff(others) <= 0).any() or (before < 0).any() or (others[before] < own).any():
        return None
    placed = {**dict(zip(rows[~numbered].tolist(), others.tolist(), strict=True))}
    placed |= zip(rows[numbered].tolist(), others[before].tolist(), strict=True)
    note = f"{shown(name)} is not the step in some rows; these rows are assigned the preceding step"
    return _with(log, note, {name: placed})


def _epochs_of_the_next(log: Log, name: str, epoch: str) -> Log:
    """Rows with a step alone are of the epoch that the next row, which has no step, says."""
    steps, epochs = log.numbers(name), log.numbers(epoch)
    has_step, has_epoch = (numbers.in_rows(len(log))[1] for numbers in (steps, epochs))
    if not has_epoch.any() or (has_step & has_epoch).any():
        return log
    after = np.searchsorted(epochs.rows, steps.rows)
    known = after < len(epochs.rows)
    if not known.any() or (np.diff(epochs.values) < 0).any():
        return log
    moved = dict(zip(epochs.rows.tolist(), epochs.values.tolist(), strict=True))
    moved |= zip(steps.rows[known].tolist(), epochs.values[after[known]].tolist(), strict=True)
    note = (
        f"rows with {shown(name)} only are assigned the {shown(epoch)} of the next row that has one"
    )
    return _with(log, note, {epoch: moved})


def _at(numbers: Numbers, rows: IntArray) -> np.ndarray:
    return numbers.values[np.searchsorted(numbers.rows, rows)]


def kinds_of_rows(log: Log) -> IntArray:
    """A number for each row by the columns that it has."""
    kinds = np.zeros(len(log), np.int64)
    for k, name in enumerate(log.columns):
        if k and k % _BITS == 0:
            kinds = np.unique(kinds, return_inverse=True)[1].ravel()
        there = np.zeros(len(log), np.int64)
        there[log.numbers(name).rows] = 1
        kinds = 2 * kinds + there
    return kinds


def _with(log: Log, note: str, positions: dict[str, dict[int, float]]) -> Log:
    columns = dict(log.columns)
    for name, placed in positions.items():
        rows = np.array(sorted(placed), np.int64)
        columns[name] = Column(pa.array([float(placed[row]) for row in rows.tolist()]), rows)
    return replace(log, columns=columns, notes=[*log.notes, note])
