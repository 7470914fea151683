"""Patience: one step with knobs, and Keras' rules, each with the exact semantics of its library.

Every patience rule is a row of settings (:class:`Knobs`) on :func:`patience_step`; the rows of
other libraries are in :mod:`libraries`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from earlystop_lab._compile import Constant
from earlystop_lab.criteria.core import criterion

__all__ = ["Keras", "Keras2", "MaxEpochs", "TerminateOnNaN"]

# When a value v counts as an improvement on the best, with a delta d, each in its library's own
# arithmetic: v + d < best and best - v > d differ by rounding.
SUM, DIFFERENCE, GAIN, GAIN_OR_INFINITE, LOWER_BY, RELATIVE, RELATIVE_SIZE = range(7)
NOT_WORSE, NOT_WITHIN, NOT_WITHIN_RELATIVE, LOWER_OR_ZERO = range(7, 11)
IMPROVES = {
    SUM: "v + d < best",
    DIFFERENCE: "v < best - d",
    GAIN: "best - v > d",
    GAIN_OR_INFINITE: "best - v > d or best infinite",
    LOWER_BY: "v < best and abs(v - best) > d",
    RELATIVE: "v < best - best d",
    RELATIVE_SIZE: "v < best - abs(best) d",
    NOT_WORSE: "not v > best - d",
    NOT_WITHIN: "not v >= best - d",
    NOT_WITHIN_RELATIVE: "not v >= best (1 + d)",
    LOWER_OR_ZERO: "v < best or best = 0",
}

# When the best value moves.
IMPROVED, LOWER, EITHER = range(3)
MOVES = {IMPROVED: "on an improvement", LOWER: "on any lower value", EITHER: "on both"}

# Which checks count as bad, of those that do not reset the count.
OTHERS, WORSE, RISING = range(3)
COUNTS = {OTHERS: "all others", WORSE: "those above the best", RISING: "those not below the last"}

# What a check that improves may do: never stop; stop on the count it leaves; stop on the count
# before it, for a library that tests between the checks, too.
SILENT, COUNTED, BETWEEN = range(3)
AT_GAIN = {SILENT: "no", COUNTED: "if its count is enough", BETWEEN: "on the count before it"}


@dataclass(frozen=True)
class Knobs(Constant):
    """Where the libraries' patience rules differ; one row of settings is one rule."""

    #: when a value counts as an improvement, of IMPROVES
    test: int
    #: the first value always counts as one (otherwise the best starts at infinity)
    first: bool = False
    #: of MOVES
    moves: int = IMPROVED
    #: of COUNTS
    counts: int = OTHERS
    #: of AT_GAIN
    at_gain: int = SILENT
    #: the count is in epochs, not in checks
    epochs: bool = False
    #: a value that is not finite stops at once
    finite: bool = False
    #: of equal best values the last is kept, not the first
    last_tie: bool = False


class Patience(NamedTuple):
    """State of a patience rule: its knobs, limits and what it has seen."""

    knobs: Knobs
    #: min_delta, tolerance or threshold
    delta: float
    #: improvements must also be below it to reset the count; NaN: no such limit
    baseline: float
    #: checks before this epoch are not seen
    first_epoch: float
    #: a value below or above these stops at once; NaN: none
    stop_below: float
    stop_above: float
    #: epoch and value of the last check; NaN and infinity before any
    epoch: float
    last: float
    best: float
    #: epoch at which the best value moved last; NaN: never
    kept: float
    #: checks or epochs in a row that did not reset the count
    bad: float


def patience_state(
    knobs: Knobs,
    *,
    delta: float = 0.0,
    baseline: float = math.nan,
    first_epoch: float = -math.inf,
    stop_below: float | None = None,
    stop_above: float | None = None,
    best: float = math.inf,
) -> Patience:
    """The state of a patience rule that has seen nothing."""
    below, above = (math.nan if x is None else float(x) for x in (stop_below, stop_above))
    limits = (float(delta), baseline, first_epoch, below, above)
    return Patience(knobs, *limits, math.nan, math.inf, best, math.nan, 0.0)


def improves(test: int, val: float, best: float, delta: float) -> bool:
    """Whether a value counts as an improvement on the best; see IMPROVES."""
    if test == SUM:
        return val + delta < best
    if test == DIFFERENCE:
        return val < best - delta
    if test == GAIN:
        return best - val > delta
    if test == GAIN_OR_INFINITE:
        return best - val > delta or math.isinf(best)
    if test == LOWER_BY:
        return val < best and abs(val - best) > delta
    if test in (RELATIVE, RELATIVE_SIZE):
        # before any value the limit is infinity itself, where the formula would give NaN
        size = best if test == RELATIVE else abs(best)
        return val < (best - size * delta if best < math.inf else best)
    if test == NOT_WORSE:
        return not val > best - delta
    if test == NOT_WITHIN:
        return not val >= best - delta
    if test == NOT_WITHIN_RELATIVE:
        return not val >= best * (1 + delta)
    return val < best or best == 0


def patience_step(s: Patience, epoch: float, val: float, train: float) -> tuple[Patience, float]:
    """Checks in a row without improvement; NaN where the library cannot fire, inf where it must."""
    k = s.knobs
    if epoch < s.first_epoch:
        return s, math.nan
    if (k.finite and not math.isfinite(val)) or val < s.stop_below or val > s.stop_above:
        return s, math.inf
    falling = val < s.last
    improved = (k.first and math.isnan(s.epoch)) or improves(k.test, val, s.best, s.delta)
    if k.counts == RISING:
        improved = improved and falling
    resets = improved and (math.isnan(s.baseline) or val + s.delta < s.baseline)
    moved = (improved and k.moves != LOWER) or (val < s.best and k.moves != IMPROVED)
    best = val if moved else s.best
    kept = epoch if (val == best if k.last_tie else moved) else s.kept
    passed = epoch - s.epoch if k.epochs else 1.0
    above = k.counts == WORSE and val > best
    if k.counts == OTHERS or above or (k.counts == RISING and not falling):
        bad = s.bad + passed
    else:
        bad = s.bad
    if resets:
        bad = 0.0
    count = bad
    if improved and k.at_gain == SILENT:
        count = math.nan
    elif improved and k.at_gain == BETWEEN:
        # above a whole threshold only where the check before this one would be
        count = s.bad + passed - 0.5
    limits = (s.delta, s.baseline, s.first_epoch, s.stop_below, s.stop_above)
    return Patience(k, *limits, epoch, val, best, kept, bad), count


def kept_epoch(s: Patience) -> float:
    """The epoch at which the best value moved last; NaN where it never did."""
    return s.kept


#: makes a family of a row of knobs: :func:`criterion` with what all of them share
patience_rule = partial(criterion, whole=True, step=patience_step)


@patience_rule(
    threshold="patience",
    default=0,
    own=kept_epoch,
    at_least={"patience": 0, "start_from_epoch": 0},
)
def Keras(
    *, min_delta: float = 0.0, baseline: float | None = None, start_from_epoch: int = 0
) -> Patience:
    """``keras.callbacks.EarlyStopping``: stop after ``patience`` epochs without improvement.

    A value improves where val + abs(min_delta) < best; the first value always does. An epoch
    that improves never stops; ``patience`` 0 and 1 behave alike.

    ``min_delta`` is in units of the error, absolute. ``baseline``: the wait is reset only by an
    improvement that also has val + abs(min_delta) < baseline, and an improving epoch above it
    neither resets nor stops: a curve that keeps improving above its baseline never stops.
    Epochs before ``start_from_epoch`` (counted from 0, as in Keras) are not seen at all.

    A NaN counts as no improvement, but as the *first* value it becomes the best, which nothing
    improves on: training stops after ``patience`` epochs. ``restore="own"``: the last
    significant improvement, what ``restore_best_weights=True`` restores. Keras compares in
    float32 where its backend does; here it is float64.

    Statistic: epochs since val + abs(min_delta) < best

    Source: Keras 3.9 to 3.15, ``keras/src/callbacks/early_stopping.py``

    Verified: keras 3.15.1

    >>> from earlystop_lab import CurveSet, Keras, replay
    >>> curves = CurveSet.from_runs([{"val": [3.0, 2.0, 1.95, 2.5, 2.6, 1.0]}])
    >>> frame = replay(curves, [Keras(2), Keras(2, min_delta=0.1)], restore="own").to_frame()
    >>> frame[["criterion", "stop", "selected"]]
                     criterion  stop  selected
    0                 Keras(2)     5         3
    1  Keras(2, min_delta=0.1)     4         2
    """
    return patience_state(
        Knobs(SUM, first=True),
        delta=abs(min_delta),
        baseline=math.nan if baseline is None else float(baseline),
        first_epoch=start_from_epoch + 1.0 if start_from_epoch else -math.inf,
    )


@patience_rule(
    threshold="patience",
    default=0,
    own=kept_epoch,
    own_if_stopped=True,
    at_least={"patience": 0},
)
def Keras2(*, min_delta: float = 0.0, baseline: float | None = None) -> Patience:
    """``EarlyStopping`` of Keras 2.2: as :data:`Keras`, with another baseline and first value.

    The best value starts at ``baseline``, or at infinity, so a NaN first value is just no
    improvement, and epochs that improve without beating the baseline use up patience. The
    first epoch can stop training. A negative ``min_delta`` loosens the test: val + min_delta <
    best. ``restore="own"``: the last improvement; the last epoch where there was none, or where
    it was not this rule that stopped the run.

    Statistic: epochs since val + min_delta < best, which starts at the baseline

    Source: Keras 2.2.0 to 2.3.1, ``keras/callbacks.py``.

    Verified: worked by hand

    >>> from earlystop_lab import CurveSet, Keras, Keras2, replay
    >>> curves = CurveSet.from_runs([{"val": [3.0, 2.5, 2.0, 1.5]}])
    >>> replay(curves, [Keras2(2, baseline=1.0), Keras(2, baseline=1.0)]).to_frame()["stop"]
    0    2
    1    4
    Name: stop, dtype: int64
    """
    best = math.inf if baseline is None else float(baseline)
    return patience_state(Knobs(SUM), delta=min_delta, best=best)


def epoch_step(s: tuple[int], epoch: float, val: float, train: float) -> tuple[tuple[int], float]:
    """The epoch itself."""
    return s, epoch


@criterion(threshold="n", passes=">=", whole=True, step=epoch_step, watches=(), at_least={"n": 1})
def MaxEpochs() -> tuple[int]:
    """A fixed budget: stop at the first check at epoch ``n`` or later.

    A run recorded to exactly ``n`` epochs fires at its end; a shorter one is censored.

    Statistic: the epoch

    Source: any training loop.

    Verified: worked by hand

    >>> from earlystop_lab import CurveSet, MaxEpochs, replay
    >>> replay(CurveSet.from_runs([{"val": [3.0, 2.0, 1.0]}]), [MaxEpochs(2)]).to_frame()["stop"][0]
    np.int64(2)
    """
    return (0,)


def not_finite_step(
    s: tuple[int], epoch: float, val: float, train: float
) -> tuple[tuple[int], float]:
    """1 where the training error is NaN or infinite."""
    return s, 0.0 if math.isfinite(train) else 1.0


@criterion(step=not_finite_step, watches=("train",))
def TerminateOnNaN() -> tuple[int]:
    """``keras.callbacks.TerminateOnNaN``: stop when the training error is NaN or infinite.

    It never looks at validation. Keras tests every batch, a recorded curve has one value a
    check, so the replay stops at the check that shows it.

    Statistic: the training error is NaN or infinite

    Source: Keras 3.15, ``keras/src/callbacks/terminate_on_nan.py``.

    Verified: keras 3.15.1

    >>> from earlystop_lab import CurveSet, TerminateOnNaN, replay
    >>> curves = CurveSet.from_runs([{"val": [2.0, 1.0], "train": [1.0, float("inf")]}])
    >>> replay(curves, [TerminateOnNaN()]).to_frame()[["criterion", "stop", "fired"]]
              criterion  stop  fired
    0  TerminateOnNaN()     2   True
    """
    return (0,)
