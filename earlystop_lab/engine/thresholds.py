"""Sweeps: a rule over the whole range of its thresholds, from stopping at once to never stopping.

The thresholds are derived from the curves. Training stops at the first of the statistic's new highs
that passes the threshold, so only thresholds between the highs of all runs matter. ``replay``
answers a whole sweep in one pass.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earlystop_lab.criteria import Criterion, Family, Rule, first_passage
from earlystop_lab.criteria.first_passage import Highs
from earlystop_lab.curves import CurveSet, FloatArray, Form, Runs, canonical, facts_of, taken

R = TypeVar("R", bound=Family | Criterion)

#: default maximum number of members of a sweep
MEMBERS = 150
#: divisor of the number of members if every member needs a pass of its own
COSTLY = 8


def sweep(rule: Family | Criterion, curves: CurveSet, n: int = MEMBERS) -> list[Criterion]:
    """At most ``n`` criteria of one family, from the fastest to the slowest on these curves.

    The first member stops every run as soon as the family can, and the last one never fires, as
    far as the bounds of the threshold and infinite statistics allow.

    An integer threshold (such as a patience) takes every integer, or geometrically spaced integers
    if these are too many. Any other threshold takes values such that neighbours differ by the same
    mean logarithm of the checks before the stop, rounded to as few digits as keep them distinct. A
    rule without a threshold is swept over its first parameter, in ascending order; each value
    needs a pass, so there are at most ``n // 8``, and larger values need not be slower.

    Parameters
    ----------
    rule : Family or Criterion
        A family with its default parameters, or a criterion whose parameters and warm-up are used.
    curves : CurveSet
        The curves that determine the thresholds.
    n : int
        Maximum number of members, at least 2.

    Returns
    -------
    list of Criterion

    Raises
    ------
    ValueError
        If the set is empty, ``n`` is below 2, the rule is a combination or has no number to sweep
        over, or a run lacks a channel that is needed.

    Examples
    --------

    >>> from earlystop_lab import GL, CurveSet, Keras
    >>> curves = CurveSet.from_runs([{"val": [4.0, 2.0, 3.0, 2.5, 4.0]}])
    >>> sweep(Keras, curves)
    [Keras(0), Keras(1), Keras(2), Keras(3), Keras(4)]
    >>> sweep(GL(5, k=1), curves)
    [GL(0, k=1), GL(50, k=1), GL(101, k=1)]
    """
    if n < 2:
        raise ValueError(f"sweep: n = {n}; expected at least 2 members")
    if not len(curves):
        raise ValueError("sweep: the curve set is empty; expected at least one run")
    rule = _member(rule)
    if rule.family.threshold is None:
        return _over_parameter(rule, curves, max(2, n // COSTLY))
    return Thresholds.of(rule, curves).sweep(n)


def sweeps(
    rules: Iterable[Family | Criterion], curves: CurveSet, n: int = MEMBERS
) -> dict[str, list[Criterion]]:
    """The sweep of each rule by name, for the rules that can be swept on these curves.

    Rules that watch a channel that some run lacks, and rules without a number to sweep over, are
    left out. The name is that of the family, with those parameters that differ from the defaults:
    ``GL``, ``GL(k=1)``.

    Parameters
    ----------
    rules : iterable of Family or Criterion
    curves : CurveSet
    n : int
        Maximum number of members of each sweep.

    Returns
    -------
    dict of str to list of Criterion

    Examples
    --------

    >>> from earlystop_lab import GL, PQ, CurveSet, TerminateOnNaN
    >>> curves = CurveSet.from_runs([{"val": [4.0, 2.0, 3.0]}])
    >>> list(sweeps([GL, GL(1, k=1), PQ, TerminateOnNaN], curves))
    ['GL', 'GL(k=1)']
    """
    return {_name(rule): sweep(rule, curves, n) for rule in swept(rules, curves)}


def swept(rules: Iterable[R], curves: CurveSet) -> list[R]:
    """The rules that can be swept on these curves."""
    return [
        rule
        for rule in rules
        if watchable(rule, curves).all()
        and _swept(rule if isinstance(rule, Family) else rule.family) is not None
    ]


def watched_by(rule: Family | Rule) -> list[tuple[str, Form]]:
    """The channels that a rule watches, and the form in which it takes each.

    >>> from earlystop_lab import GL, Keras
    >>> watched_by(GL), watched_by(Keras(1, val="val_accuracy"))
    ([('val', 'ratio')], [('val_accuracy', 'error')])
    """
    if isinstance(rule, Family):
        return [(canonical(n), f) for n, f in zip(rule.watches, rule.forms, strict=True)]
    return [each for leaf in rule.leaves for each in leaf.watched]


def watchable(rule: Family | Rule, curves: CurveSet) -> NDArray[np.bool_]:
    """Which runs have all channels that a rule watches, in the forms in which it takes them.

    A score with an unknown upper bound has no error to divide by.

    >>> from earlystop_lab import PQ, CurveSet, Keras
    >>> curves = CurveSet.from_runs([{"val": [1.0], "train": [1.0]}, {"val": [1.0]}])
    >>> watchable(PQ, curves).tolist(), watchable(Keras(1, val="val_accuracy"), curves).tolist()
    ([True, False], [False, False])
    """
    has = np.ones(len(curves), np.bool_)
    for name, form in watched_by(rule):
        has &= facts_of(curves).counts(name) > 0
        try:
            taken(np.empty(0), curves.about(name), form, name)
        except ValueError:
            has[:] = False
    return has


class Thresholds(NamedTuple):
    """All thresholds of a rule that matter on some curves, and how long each one trains.

    A statistic, negated if it passes by falling, reaches new finite highs. A threshold above a high
    trains on to the next one.
    """

    rule: Criterion
    highs: Highs
    #: the first high of each run that has one
    first: FloatArray
    #: all highs, ascending
    value: FloatArray
    #: log time that a run gains if the threshold is above this high
    gain: FloatArray
    #: the run of each high
    run: NDArray[np.int64]
    #: log(t / T) of every run at its first high; 0 if it has none
    start: FloatArray

    @classmethod
    def of(cls, rule: Family | Criterion, curves: CurveSet, runs: Runs | None = None) -> Thresholds:
        """Compute the thresholds of a rule that has one; takes one pass over the runs.

        ``runs`` are the curves with all channels that the rule watches, if they are laid out.
        """
        rule = _member(rule)
        runs = curves.laid_out(names=rule.channels) if runs is None else runs
        highs = first_passage.highs(rule, runs)
        value, row, run = highs.value, highs.row, highs.run
        last = runs.lengths - 1
        counts = np.diff(highs.offsets)
        first, begins = np.flatnonzero(counts), highs.offsets[:-1][counts > 0]
        ends = highs.offsets[1:][counts > 0] - 1
        # an epoch of 0 has no logarithm; count rows instead
        counted = np.zeros(len(runs), np.bool_)
        counted[first] = runs.epochs_at(first, row[begins]) <= 0

        def times(run: NDArray[np.int64], row: NDArray[Any]) -> FloatArray:
            at = runs.epochs_at(run, row)
            return np.where(counted[run], row + 1.0, at) if counted.any() else at

        at, whole = times(run, row), times(first, last[first])
        start = np.zeros(len(runs))
        start[first] = np.log(at[begins] / whole)
        # until the next high of the run, or until its end
        until = np.append(at[1:], 0.0)[: len(at)]
        until[ends] = whole
        gain = np.log(until / at)
        del at, until
        order = _ascending(value)
        if not np.isfinite(value).all():  # no threshold can exceed an infinite high
            order = order[np.isfinite(value[order])]
            begins = begins[np.isfinite(value[begins])]
        value_up, gain_up, run_up = (np.take(each, order) for each in (value, gain, run))
        return cls(rule, highs, value[begins], value_up, gain_up, run_up, start)

    @property
    def known(self) -> dict[Any, Highs]:
        """The highs as :func:`engine.replaying.stopped` takes them."""
        return {first_passage.shared(self.rule): self.highs}

    def sweep(self, n: int = MEMBERS) -> list[Criterion]:
        """See :func:`sweep`."""
        values = self._whole(n) if _is_whole(self.rule) else self._real(n)
        return _with_thresholds(self.rule, values)

    def levels(self, weights: FloatArray) -> Levels:
        """How long each threshold trains on average, with weights of the runs that sum to 1."""
        last = np.flatnonzero(np.append(self.value[1:] != self.value[:-1], True)[: len(self.value)])
        steps = np.cumsum(weights[self.run] * self.gain)[last]
        time = float(weights @ self.start) + np.concatenate([[0.0], steps])
        return Levels(self.rule, self.value[last], time, *self._ends())

    def _whole(self, n: int) -> FloatArray:
        """Integer thresholds, ascending: all of them, or geometrically spaced."""
        limits = _Limits.of(self.rule.family)
        low, high = self._ends()
        # including an integer above a high of 15.5
        low, high = math.ceil(low), math.ceil(min(high, limits.high))
        if limits.above and low == limits.low:
            low += 1
        if high > limits.high or (limits.below and high == limits.high):
            high -= 1
        return low + _thinned(max(high - low, 0), n).astype(np.float64)

    def _real(self, n: int) -> FloatArray:
        """Thresholds at equal steps of mean log time, ascending, with as few digits as possible."""
        low, high = self._ends()
        matter = (self.value > low) & (self.gain > 0)
        value, gain = self.value[matter], self.gain[matter]
        inner = value[:0]
        if len(value):
            steps = np.cumsum(gain)
            even = np.linspace(0, steps[-1], n)[1:-1]
            inner = np.unique(value[np.searchsorted(steps, even).clip(max=len(value) - 1)])
        values = inner
        for digits in range(3, 18):
            values = np.unique(np.array([_rounded(each, digits) for each in inner]))
            if len(values) >= 0.9 * len(inner):
                break
        ends = _Limits.of(self.rule.family).hold(np.array([low, high]))
        return np.unique(np.concatenate([ends, values[(values > low) & (values < high)]]))

    def _ends(self) -> tuple[float, float]:
        """The threshold below every run's first high, or the lowest allowed, and one above all."""
        limits = _Limits.of(self.rule.family)
        if not len(self.value):
            low = limits.low if limits.low > -np.inf else min(0.0, limits.high)
            return low, max(low, min(low + 1, limits.high))
        low = limits.low
        if low == -np.inf:
            low = min(-_above(-float(self.first.min())), limits.high)
        return low, max(low, min(_above(float(self.value[-1])), limits.high))


def _ascending(values: FloatArray) -> NDArray[np.intp]:
    """The order of the values, the first of equal ones first, like a stable sort but faster.

    >>> _ascending(np.array([2.0, 1.0, 2.0, -1.0])).tolist()
    [3, 1, 0, 2]
    """
    with np.errstate(invalid="ignore"):
        small = values.astype(np.uint16)
    if np.array_equal(small, values):
        return np.argsort(small, kind="stable")  # sorts by digits
    order = np.argsort(values)
    ranked = values[order]
    fresh = ranked[1:] != ranked[:-1]
    if not fresh.all():
        group = len(values) * np.concatenate([[0], np.cumsum(fresh)])
        order = np.sort(group + order) - group
    return order


class Levels(NamedTuple):
    """The mean log time, log(t_s / T), of every threshold of a rule that matters on some curves."""

    rule: Criterion
    #: the distinct highs of all runs, negated if the rule passes by falling, ascending
    value: FloatArray
    #: the time if the threshold is above none of them, one, two, ... all of them, ascending
    time: FloatArray
    #: the threshold, negated likewise, that is passed at every run's first high, and one that is
    #: above all
    low: float
    high: float

    def ends(self) -> tuple[float, float]:
        """The shortest and the longest time."""
        low, high = (self.rule.family.sign * end for end in (self.low, self.high))
        return self.of(low), self.of(high)

    def of(self, threshold: float) -> float:
        """The time of one threshold."""
        side: Literal["left", "right"] = "right" if _is_strict(self.rule) else "left"
        return float(
            self.time[np.searchsorted(self.value, self.rule.family.sign * threshold, side)]
        )

    def nearest(self, times: ArrayLike) -> FloatArray:
        """The distinct times of thresholds that are nearest to the given times.

        >>> from earlystop_lab import GL, CurveSet
        >>> curves = CurveSet.from_runs([{"val": [4.0, 2.0, 3.0, 2.5, 4.0]}])
        >>> levels = Thresholds.of(GL(5, k=1), curves).levels(np.ones(1))
        >>> np.exp(levels.nearest(np.log([0.5, 0.7])))
        array([0.6])
        """
        low, high = self.ends()
        inner = self.time[slice(*np.searchsorted(self.time, [np.nextafter(low, np.inf), high]))]
        wanted = np.asarray(times, np.float64)
        # only a few elements are read of arrays that may be mapped
        at = np.searchsorted(inner, wanted) + (wanted > low) + (wanted > high)
        below, above = (
            np.array([low if i == 0 else high if i > len(inner) else inner[i - 1] for i in each])
            for each in ((at - 1).clip(0, len(inner)), at.clip(1, len(inner) + 1))
        )
        return np.unique(np.where(wanted - below <= np.abs(above - wanted), below, above))

    def around(self, times: ArrayLike) -> list[Criterion]:
        """The members that train exactly that long or next shorter, and those next longer.

        >>> from earlystop_lab import GL, CurveSet
        >>> curves = CurveSet.from_runs([{"val": [4.0, 2.0, 3.0, 2.5, 4.0]}])
        >>> Thresholds.of(GL(5, k=1), curves).levels(np.ones(1)).around([np.log(0.7)])
        [GL(0, k=1), GL(50, k=1)]
        """
        below = np.searchsorted(self.time, np.asarray(times) + 1e-9, "right") - 1
        wanted = np.unique(np.concatenate([below, below + 1]).clip(0, len(self.time) - 1))
        # the threshold of a level is the last high below it, or the next one: to be at least that
        # one, the statistic must have passed the last
        strict, count = _is_strict(self.rule), len(self.value)
        values = np.full(len(wanted), self.low)
        inside = wanted > 0
        values[inside] = self.value[(wanted[inside] - strict).clip(max=count - 1)]
        if not strict and count:
            values[wanted == count] = self.high
        if _is_whole(self.rule):
            values = np.floor(values) if strict else np.ceil(values)
        return _with_thresholds(self.rule, np.unique(_Limits.of(self.rule.family).hold(values)))


class _Limits(NamedTuple):
    """The thresholds that a family allows, negated like its highs."""

    low: float
    high: float
    #: whether the ends themselves are excluded
    above: bool
    below: bool

    @classmethod
    def of(cls, family: Family, name: str | None = None) -> _Limits:
        """The limits of the threshold, or of another parameter, which is not negated."""
        sign = 1.0 if name else family.sign
        name = name or _threshold(family)
        ends = {words: limits[name] for words, limits in family.bounds.items() if name in limits}
        low = max(ends.get("at least", -np.inf), ends.get("more than", -np.inf))
        high = min(ends.get("at most", np.inf), ends.get("less than", np.inf))
        above = ends.get("more than", -np.inf) == low > -np.inf
        below = ends.get("less than", np.inf) == high < np.inf
        if sign < 0:
            return cls(-high, -low, below, above)
        return cls(low, high, above, below)

    def hold(self, values: FloatArray) -> FloatArray:
        """The values that are allowed."""
        low = values > self.low if self.above else values >= self.low
        high = values < self.high if self.below else values <= self.high
        return values[low & high]


def _with_thresholds(rule: Criterion, values: FloatArray) -> list[Criterion]:
    """The rule with other thresholds, which are negated if it passes by falling."""
    return [rule.with_threshold(float(value)) for value in rule.family.sign * values]


def _is_whole(rule: Criterion) -> bool:
    return rule.family.kinds[_threshold(rule.family)] is int


def _is_strict(rule: Criterion) -> bool:
    return rule.family.passes in (">", "<")


def _above(value: float) -> float:
    """A number with few digits above the value; for an integer, the next integer."""
    if value == math.floor(value) and abs(value) < 1e6:
        return value + 1
    unit = 10.0 ** (math.floor(math.log10(abs(value))) - 2)
    rounded = _rounded(value + unit, 3)
    return rounded if rounded > value else value + math.ulp(value)


def _rounded(value: float, digits: int) -> float:
    return float(f"{value:.{digits}g}")


def _thinned(last: int, n: int) -> NDArray[np.int64]:
    """At most ``n`` of 0 .. last, including both ends, with geometrically growing gaps."""
    if last < n:
        return np.arange(last + 1)
    thinned = np.array([0, last])
    # several points may round to the same integer: increase the number until there are too many
    for points in range(n, 20 * n):
        more = np.unique(np.geomspace(1, last + 1, points).round().astype(np.int64)) - 1
        if len(more) > n:
            break
        thinned = more
    return thinned


def _over_parameter(rule: Criterion, curves: CurveSet, n: int) -> list[Criterion]:
    """A rule without a threshold over its first parameter, up to the length of the runs."""
    family = rule.family
    name = _swept(family)
    if name is None:
        raise ValueError(f"sweep: {rule} has neither a threshold nor a numeric first parameter")
    limits = _Limits.of(family, name)
    low = 0.0 if limits.low == -np.inf else limits.low
    low = math.floor(low) + 1 if limits.above else math.ceil(low)
    longest = int(curves.lengths.max())
    given: dict[str, Any] = {
        **dict(rule.params),
        **dict(zip(family.watches, rule.channels, strict=True)),
    }
    return [
        family(**{**given, name: int(low + value)}) for value in _thinned(max(longest - low, 0), n)
    ]


def _swept(family: Family) -> str | None:
    """What a sweep varies: the threshold, or the first parameter if it is a number."""
    if family.threshold:
        return family.threshold
    first = next(iter(family.slots), None)
    return first if first is not None and family.kinds.get(first) in (int, float) else None


def _threshold(family: Family) -> str:
    if family.threshold is None:
        raise ValueError(f"{family.name} has no threshold to vary")
    return family.threshold


def _member(rule: Family | Criterion) -> Criterion:
    """The criterion, or one of the family with its default parameters and any threshold."""
    if isinstance(rule, Criterion):
        return rule
    if not isinstance(rule, Family):
        raise ValueError(f"sweep: {rule!r} is not a family or a criterion of one, such as GL")
    family = rule
    name = _swept(family)
    nothing = inspect.Parameter.empty
    if name is None or family.defaults[name] is not nothing:
        return family()
    limits = _Limits.of(family, name)
    inner = [limits.low + limits.above, limits.high - limits.below, 0.0]
    return family(next(value for value in inner if math.isfinite(value)))


def _name(rule: Family | Criterion) -> str:
    """The rule's text without the number that is swept."""
    if isinstance(rule, Family):
        return rule.name
    swept = _swept(rule.family)
    given = [
        f"{name}={value!r}"
        for name, value in rule.params
        if name != swept and value != rule.family.defaults[name]
    ]
    text = f"{rule.family.name}({', '.join(given)})" if given else rule.family.name
    return f"after({rule.warmup:g}, {text})" if rule.warmup else text
