"""Numbers that stand for NaN or infinity, as loggers write them that have no word for either."""

from collections.abc import Iterator, Sequence
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
#: metrics that are shares of 1 or percentages
_SHARES = frozenset({"accuracy", "acc", "error", "err", "errors", "rate", "top", "top1", "top5"})
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
            if name == choice.val and len(lone := rows[_alone_below(meant)]):
                notes.append(
                    f"{_lines(log, lone)}: {shown(name)} is -1, and all other values are above 0; "
                    "it is kept and would be the best check; if it stands for 'not measured', "
                    "leave it out of the log"
                )
        if meant is not values and not wrong:
            columns[name] = Column(pa.array(meant), rows)
    return replace(log, columns=columns, notes=[*log.notes, *notes]) if notes else log


def doubts(name: str, at: FloatArray, values: FloatArray, unit: str) -> Iterator[str]:
    """Why the values of a validation curve may not be what was measured at its checks.

    ``name`` is that of its column, ``at`` the positions of the checks.
    """
    if every := _carried_every(values):
        yield (
            f"{shown(name)} keeps each of its values for {every} checks: they may be carried on "
            "from one evaluation to the next, and a patience counts every check"
        )
    if is_share(name) and (i := _percent_from(values)):
        units = ["percent", "a share of 1"]
        before, after = units if values[i] <= 1 else units[::-1]
        yield (
            f"{shown(name)} changes from {values[i - 1]:g} to {values[i]:g} at {unit} {at[i]:g}, "
            f"as from {before} to {after}; it is kept as recorded"
        )


def is_share(name: str) -> bool:
    """Whether a metric is a share, which some write as a number up to 1 and others in percent."""
    metric = {*meaning(name).metric}
    return bool(metric) and metric <= _SHARES


def _carried_every(values: FloatArray) -> int:
    """The length of the blocks of equal values, if all are of one length; 0 if they are not."""
    changes = np.flatnonzero(values[1:] != values[:-1]) + 1
    lengths = np.diff([0, *changes])
    if len(changes) < 3 or lengths[0] < 2 or (lengths != lengths[0]).any():
        return 0
    return int(lengths[0]) if len(values) - changes[-1] <= lengths[0] else 0


def _percent_from(values: FloatArray) -> int:
    """Where values that were shares of 1 become percentages, or the other way; 0 if nowhere."""
    whole = values > 1
    (changes,) = np.nonzero(whole[1:] != whole[:-1])
    if len(changes) != 1 or not np.isfinite(values).all() or values.min() <= 0:
        return 0
    at = int(changes[0]) + 1
    low, high = sorted(values[at - 1 : at + 1])
    return at if 2 <= at <= len(values) - 2 and 50 <= high / low <= 200 else 0


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
    if not len(usual):
        return np.zeros(len(values), bool)
    far = np.flatnonzero(~zero & ~(np.abs(values) < _FAR * np.median(usual)))
    others = np.flatnonzero(~zero)
    # of several in a row the values beside the first and the last count
    at = np.searchsorted(others, np.arange(len(values)))
    before = (at == 0) | np.isin(others[np.maximum(at - 1, 0)], far)
    # most may be 0 at the end of a run, but not between values that are far above
    ends = (at == len(others)) & (zero.sum() <= len(usual))
    after = ends | ((at < len(others)) & np.isin(others[np.minimum(at, len(others) - 1)], far))
    return np.asarray(zero & before & after)


def _alone_below(values: FloatArray) -> np.ndarray:
    """Where a value is exactly -1, and all others are above 0."""
    low = values == -1
    others = values[~low & ~np.isnan(values)]
    return low if len(others) and (others > 0).all() else np.zeros(len(values), bool)


def _doubt(log: Log, name: str, zeros: IntArray) -> str:
    return (
        f"{_lines(log, zeros)}: {shown(name)} is exactly 0, far below its neighbours; some loggers "
        "write NaN, or what was not measured, as 0. It is kept and would be the best check; "
        "correct the log if it is one of these"
    )


def _lines(log: Log, rows: Sequence[int] | IntArray) -> str:
    more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
    return f"line {log.lines[rows[0]]}{more}"
