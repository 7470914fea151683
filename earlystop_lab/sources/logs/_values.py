"""Numbers that stand for NaN or infinity, as loggers write them that have no word for either."""

from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache

import numpy as np
import pyarrow as pa

from earlystop_lab.curves import FloatArray
from earlystop_lab.sources.logs._cells import shown
from earlystop_lab.sources.logs._channels import Choice, meaning, words
from earlystop_lab.sources.logs._columns import Column, IntArray, Log

#: the largest float, which MLflow's database keeps in place of infinity
_LARGEST = 1.797e308
#: what ClearML calls a scalar; it writes NaN and infinity as 0
_OF_CLEARML = "training_stats_scalar"
#: a 0 is suspicious between values above this share of the usual one
_FAR = 0.5


def as_meant(log: Log, choice: Choice) -> Log:
    """The log with NaN and infinity where its numbers stand for them, and notes that say where.

    A 0 in the validation error that nothing explains, far below the values beside it, stays: a
    note names it, since it would be the best check.
    """
    errors = [name for name in (choice.val, choice.train, choice.test) if name is not None]
    gradients = [n for n in log.columns if _is_gradient(n)]
    of_clearml = _OF_CLEARML in log.cells("type")[:1]
    notes: list[str] = []
    columns = dict(log.columns)
    for name in log.columns:
        if name not in errors and meaning(name).kind not in ("loss", "error", "higher"):
            continue
        rows, values, wrong = log.numbers(name)
        meant = _infinite(log, name, rows, values, notes)
        if name not in choice.higher and meaning(name).kind != "higher":
            for gradient in gradients:
                at = log.numbers(gradient)
                lost = np.intersect1d(at.rows[~np.isfinite(at.values)], rows[meant == 0])
                meant = _nan_at(
                    log, name, rows, meant, lost, f" where {shown(gradient)} is not finite", notes
                )
            zeros = rows[meant == 0 if of_clearml else _alone(meant)]
            if of_clearml:
                meant = _nan_at(
                    log, name, rows, meant, zeros, ", which is how ClearML writes NaN", notes
                )
            elif name == choice.val and len(zeros):
                notes.append(_doubt(log, name, zeros))
        if meant is not values and not wrong:
            columns[name] = Column(pa.array(meant), rows)
    return replace(log, columns=columns, notes=[*log.notes, *notes]) if notes else log


@lru_cache(4096)
def _is_gradient(name: str) -> bool:
    said = words(name)
    return "gnorm" in said or ({"grad", "gradient"} & {*said} and "norm" in said) != set()


def _infinite(
    log: Log, name: str, rows: IntArray, values: FloatArray, notes: list[str]
) -> FloatArray:
    huge = np.abs(values) >= _LARGEST
    if not huge.any() or not (huge := huge & np.isfinite(values)).any():
        return values
    notes.append(
        f"{_lines(log, rows[huge])}: {shown(name)} is the largest float, which is read as infinity"
    )
    return np.where(huge, np.copysign(np.inf, values), values)


def _nan_at(
    log: Log,
    name: str,
    rows: IntArray,
    values: FloatArray,
    lost: IntArray,
    why: str,
    notes: list[str],
) -> FloatArray:
    if not len(lost):
        return values
    notes.append(f"{_lines(log, lost)}: {shown(name)} is 0{why}; read as NaN")
    return np.where(np.isin(rows, lost), np.nan, values)


def _alone(values: FloatArray) -> np.ndarray:
    """Where a value is exactly 0 though those before and after it are far above."""
    zero = values == 0
    if not zero.any():
        return zero
    usual = np.abs(values[np.isfinite(values) & ~zero])
    if not len(usual) or zero.sum() > len(usual):
        return np.zeros(len(values), bool)
    far = np.flatnonzero(~zero & ~(np.abs(values) < _FAR * np.median(usual)))
    others = np.flatnonzero(~zero)
    # of several in a row the values beside the first and the last count
    at = np.searchsorted(others, np.arange(len(values)))
    before = (at == 0) | np.isin(others[np.maximum(at - 1, 0)], far)
    after = (at == len(others)) | np.isin(others[np.minimum(at, len(others) - 1)], far)
    return np.asarray(zero & before & after)


def _doubt(log: Log, name: str, zeros: IntArray) -> str:
    return (
        f"{_lines(log, zeros)}: {shown(name)} is exactly 0, far below its neighbours; some loggers "
        "write NaN as 0. It is kept and would be the best check; correct the log if it is NaN"
    )


def _lines(log: Log, rows: Sequence[int] | IntArray) -> str:
    more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
    return f"line {log.lines[rows[0]]}{more}"
