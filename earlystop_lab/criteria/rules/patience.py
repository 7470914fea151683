"""Patience: one step function with settings ("knobs"). Each library's patience rule is one row.

Parameter names and defaults are those of each library, with the patience first. All rules are
stated for errors (lower is better); a rule that its library defines for scores sees score = -error.
Counts are in checks, one for each recorded validation error, unless stated otherwise.
``restore="own"`` selects what the library restores when asked to. For a library that restores
nothing, or that restores the lowest error, it is the lowest error seen.
"""

import math
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

from earlystop_lab._common.settings import Constant
from earlystop_lab.criteria.core import criterion

# When a value v counts as an improvement on the best, given a delta d, in each library's own
# arithmetic: v + d < best and best - v > d differ by rounding.
SUM, DIFFERENCE, GAIN, GAIN_OR_INFINITE, LOWER_BY, RELATIVE, RELATIVE_SIZE = range(7)
NOT_WORSE, NOT_WITHIN, NOT_WITHIN_RELATIVE, LOWER_OR_ZERO = range(7, 11)
AT_MOST, GAIN_AT_LEAST, RELATIVE_TO = range(11, 14)
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
    AT_MOST: "v <= best - d",
    GAIN_AT_LEAST: "best - v >= d",
    RELATIVE_TO: "v < best - abs(best d)",
}

# When the best value is updated.
IMPROVED, LOWER, EITHER = range(3)
MOVES = {IMPROVED: "on an improvement", LOWER: "on any lower value", EITHER: "on both"}

# Which checks count as bad, among those that do not reset the count.
OTHERS, WORSE, RISING = range(3)
COUNTS = {OTHERS: "all others", WORSE: "errors above the best", RISING: "no lower than the last"}

# Whether a check that improves can stop training: never; if the count that it leaves is enough; or
# if the count before it was enough, for a library that also tests between checks.
SILENT, COUNTED, BETWEEN = range(3)
AT_GAIN = {SILENT: "no", COUNTED: "if the count is enough", BETWEEN: "if the count before was"}


@dataclass(frozen=True)
class Knobs(Constant):
    """The settings in which the libraries' patience rules differ; one row is one rule."""

    #: when a value counts as an improvement, one of IMPROVES
    test: int
    #: the first value always counts as an improvement (otherwise the best starts at infinity)
    first: bool = False
    #: when the best value is updated, one of MOVES
    moves: int = IMPROVED
    #: which checks count as bad, one of COUNTS
    counts: int = OTHERS
    #: whether a check that improves can stop training, one of AT_GAIN
    at_gain: int = SILENT
    #: whether the count is in epochs rather than in checks
    epochs: bool = False
    #: whether a value that is not finite stops at once
    finite: bool = False
    #: whether the last of equal best values is kept rather than the first
    last_tie: bool = False
    #: whether a NaN is no check at all
    skips_nan: bool = False
    #: whether the first value, which becomes the best, counts as bad all the same
    first_bad: bool = False


class Patience(NamedTuple):
    """State of a patience rule: its knobs, its limits and what it has seen."""

    knobs: Knobs
    #: min_delta, tolerance or threshold
    delta: float
    #: improvements must also be below this to reset the count; NaN: no such limit
    baseline: float
    #: checks before this epoch are ignored
    first_epoch: float
    #: a value below or above these limits stops at once; NaN: no limit
    stop_below: float
    stop_above: float
    #: epoch and value of the last check; NaN and infinity before the first
    epoch: float
    last: float
    best: float
    #: epoch at which the best value was last updated; NaN: never
    kept: float
    #: successive checks or epochs that did not reset the count
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
    """The initial state of a patience rule."""
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
        # before the first value the limit is infinity itself, where the formula would give NaN
        size = best if test == RELATIVE else abs(best)
        return val < (best - size * delta if best < math.inf else best)
    if test == NOT_WORSE:
        return not val > best - delta
    if test == NOT_WITHIN:
        return not val >= best - delta
    if test == NOT_WITHIN_RELATIVE:
        return not val >= best * (1 + delta)
    if test == AT_MOST:
        return val <= best - delta
    if test == GAIN_AT_LEAST:
        return best - val >= delta
    if test == RELATIVE_TO:
        return val < best - abs(best * delta)
    return val < best or best == 0


def patience_step(s: Patience, epoch: float, val: float) -> tuple[Patience, float]:
    """Successive checks without improvement; NaN if the library cannot stop, inf if it must."""
    k = s.knobs
    if epoch < s.first_epoch or (k.skips_nan and math.isnan(val)):
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
        bad = 1.0 if k.first_bad and math.isnan(s.epoch) else 0.0
    count = bad
    if improved and k.at_gain == SILENT:
        count = math.nan
    elif improved and k.at_gain == BETWEEN:
        # exceeds an integer threshold only if the check before this one would have
        count = s.bad + passed - 0.5
    limits = (s.delta, s.baseline, s.first_epoch, s.stop_below, s.stop_above)
    return Patience(k, *limits, epoch, val, best, kept, bad), count


def kept_epoch(s: Patience) -> float:
    """The epoch at which the best value was last updated; NaN if it never was."""
    return s.kept


#: makes a family from a row of knobs: :func:`criterion` with the arguments that all rows share
patience_rule = partial(criterion, whole=True, step=patience_step)


def saved_step(
    s: tuple[Patience, Patience], epoch: float, val: float
) -> tuple[tuple[Patience, Patience], float]:
    """Patience, together with the epoch that a model saver keeps."""
    rule, bad = patience_step(s[0], epoch, val)
    saved, _ = patience_step(s[1], epoch, val)
    return (rule, saved), bad


def saved_epoch(s: tuple[Patience, Patience]) -> float:
    """The epoch that the model saver keeps."""
    return s[1].kept
