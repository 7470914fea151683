"""First passage: where a statistic passes its thresholds, for every rule by one driver.

The drivers below are plain functions over a rule's ``step`` (and ``own``). They are bound to a
rule by giving a copy of the function its step as a global, compiled by numba where the step
allows it, and left plain otherwise (:mod:`_compile`): the same lines run in both cases.
(``float()`` makes numpy scalars plain floats, so that the arithmetic is the same in both;
compiled, it does nothing.)

Thresholds of one family and parameters are answered together: sorted in the order in which a
rising statistic passes them, they need one look at each check, and a run is left as soon as
all have passed.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from inspect import signature
from itertools import groupby
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from earlystop_lab._compile import call_bound
from earlystop_lab.criteria.core import Criterion, Family, Value
from earlystop_lab.curves import CurveSet, FloatArray, read_only

Indices = NDArray[np.int32]
#: index of a check that never comes
NEVER = -1


class Runs(NamedTuple):
    """The channels of some runs, laid out flat; see :class:`curves.Channel`.

    All arrays are read-only, so that numba sees one type and compiles once.
    """

    curves: CurveSet
    #: positions of the checks; one ramp 1, 2, 3 ... for all runs where none were given
    epoch: FloatArray
    #: where each run's positions begin in ``epoch``
    starts: NDArray[np.int64]
    val: FloatArray
    #: NaN throughout a run without training errors
    train: FloatArray
    offsets: NDArray[np.int64]
    has_train: NDArray[np.bool_]

    def epochs(self, index: int) -> FloatArray:
        """Positions of the checks of one run."""
        length = self.offsets[index + 1] - self.offsets[index]
        return self.epoch[self.starts[index] : self.starts[index] + length]

    def one(self, index: int) -> dict[str, FloatArray]:
        """The channels of one run by name."""
        part = slice(self.offsets[index], self.offsets[index + 1])
        return {"epoch": self.epochs(index), "val": self.val[part], "train": self.train[part]}


class Trace(NamedTuple):
    """What a criterion saw of one run, one value a check."""

    #: the statistic; NaN where it is undefined
    statistic: FloatArray
    #: where it passes its threshold (and the warm-up is over)
    holds: NDArray[np.bool_]
    #: epoch whose weights the rule's own library would restore, had training ended here
    own: FloatArray


# -- the drivers, bound to a rule's step and own ---------------------------------------------


def step(state: Any, epoch: float, val: float, train: float) -> tuple[Any, float]:
    """Stand-in for the rule's step; as it is, the statistic is what comes as ``train``."""
    return state, train


def own(state: Any) -> float:
    """Stand-in for the epoch that the rule's library would restore: it keeps none."""
    return np.nan


def first_passages(  # type: ignore[no-untyped-def]
    start, thresholds, sign, warmup, strips, epoch, starts, val, train, offsets,
    base, stop, best,
):  # fmt: skip
    """Fill ``stop`` (runs, columns) with the first check past each threshold, or NEVER.

    ``thresholds`` (see :func:`_limits`) are ascending and already multiplied by ``sign``, which is
    -1 for a statistic that passes by falling; the first is answered in column ``base``, and so on.

    ``best`` gets the check of the lowest error seen up to there (up to the end of a run that
    never passes), the earliest of ties; where none was seen, the last check itself. Every k-th
    check is seen, for any k in ``strips``, whose greatest common divisor comes first.
    """
    count = thresholds.size
    stride = strips[0]
    for run in range(offsets.size - 1):
        # slices, since indices from 0 need no look at whether they are negative
        errors = val[offsets[run] : offsets[run + 1]]
        trained = train[offsets[run] : offsets[run + 1]]
        positions = epoch[starts[run] : starts[run] + errors.size]
        state = start
        passed = 0
        left = stride
        found, lowest = NEVER, np.inf
        limit = thresholds[0]
        begin = 0
        while begin < errors.size and positions[begin] <= warmup:
            begin += 1
        for check in range(errors.size):
            error = float(errors[check])
            left -= 1
            if left == 0:
                left = stride
                # infinity is an error like any other, NaN never the lowest
                if error < lowest or (found == NEVER and error == lowest):
                    seen = strips.size == 1
                    for k in strips[1:]:
                        seen = seen or (check + 1) % k == 0
                    if seen:
                        found, lowest = check, error
            at = float(positions[check])
            state, statistic = step(state, at, error, float(trained[check]))
            value = sign * statistic
            if value > limit and check >= begin:
                while passed < count and value > thresholds[passed]:
                    stop[run, base + passed] = check
                    best[run, base + passed] = check if found == NEVER else found
                    passed += 1
                if passed == count:
                    break
                limit = thresholds[passed]
        if found == NEVER:
            found = errors.size - 1
        for later in range(base + passed, base + count):
            stop[run, later] = NEVER
            best[run, later] = found


def scan(start, epoch, val, train, statistic, kept):  # type: ignore[no-untyped-def]
    """Fill the statistic and the own epoch of every check of one run."""
    state = start
    for check in range(val.size):
        state, statistic[check] = step(
            state, float(epoch[check]), float(val[check]), float(train[check])
        )
        kept[check] = own(state)


# -- what the rest of the package calls ------------------------------------------------------


def in_order(criteria: Iterable[Criterion]) -> list[Criterion]:
    """The criteria as :func:`stops` takes them: those that share a pass together, ascending.

    Ascending are the thresholds in the order in which a rising statistic passes them.
    """
    groups: dict[Any, list[Criterion]] = {}
    for each in criteria:
        groups.setdefault(_shared(each), []).append(each)
    return [
        each
        for group in groups.values()
        for each in sorted(group, key=lambda c: _sign(c.family) * c.threshold)
    ]


def stops(criteria: Sequence[Criterion], runs: Runs) -> tuple[Indices, Indices]:
    """Where each criterion stops each run, and the lowest error seen: checks, (runs, criteria).

    The first is NEVER where it does not stop; the second is the check of the lowest validation
    error that it has seen up to its stop or the run's end (see :attr:`Criterion.strips`), the
    last check where all were NaN.

    One pass over the runs for those that share family and parameters, whatever their number of
    thresholds; they come :func:`in_order`. Raises ``ValueError`` where a run lacks a curve that a
    rule watches, or an array rule returns something else than asked.
    """
    # in one piece, which is large enough for large pages of memory
    found, best = np.empty((2, len(runs.curves), len(criteria)), np.int32)
    column = 0
    for (family, params, warmup), group in groupby(criteria, key=_shared):
        members = list(group)
        _require_train(family, runs, slice(None))
        sign = _sign(family)
        train = runs.train
        if family.step is None:
            # the stand-in step passes on what comes as train: the statistic itself
            count = range(len(runs.curves))
            statistics = [_array_statistic(family, params, runs, i) for i in count]
            train = read_only(np.concatenate(statistics))
        call_bound(
            *(first_passages, family.step or step, own),
            *(_start(family, params), _limits(members), sign, _gate(warmup)),
            _strides(members[0].strips),
            *(runs.epoch, runs.starts, runs.val, train, runs.offsets),
            *(column, found, best),
        )
        column += len(members)
    return found, best


def _shared(criterion: Criterion) -> tuple[Family, tuple[tuple[str, Value], ...], float]:
    """What criteria that are answered in one pass have in common."""
    return criterion.family, criterion.params, criterion.warmup


def _sign(family: Family) -> float:
    return 1.0 if family.passes in (">", ">=") else -1.0


def lowest_errors(runs: Runs, strips: frozenset[int], stop: Indices) -> Indices:
    """Check of the lowest validation error seen up to one stop of each run.

    ``strips`` says which checks are seen (:attr:`Criterion.strips`); the stop itself where every
    error seen was NaN.
    """
    # the statistic, which the stand-in step passes on, is 1 at the stop
    marks = np.zeros(len(runs.val))
    marks[runs.offsets[:-1] + stop] = 1
    found, best = np.empty((2, len(stop), 1), np.int32)
    call_bound(
        *(first_passages, step, own, (0,), np.zeros(1), 1.0, -math.inf, _strides(strips)),
        *(runs.epoch, runs.starts, runs.val, read_only(marks), runs.offsets),
        *(0, found, best),
    )
    return best[:, 0]


def _limits(members: Sequence[Criterion]) -> FloatArray:
    """The thresholds as a rising statistic has to be above them.

    To be at least t is to be above the number before t.
    """
    family = members[0].family
    limits = _sign(family) * np.array([each.threshold for each in members], np.float64)
    return limits if family.passes in (">", "<") else np.nextafter(limits, -np.inf)


def _gate(warmup: float) -> float:
    """The epoch after which a rule may stop; without a warm-up it always may."""
    return float(warmup) if warmup else -math.inf


def _strides(strips: frozenset[int]) -> NDArray[np.int64]:
    """Strip lengths as the driver takes them; every check is seen where there are none."""
    some = sorted(strips or {1})
    return np.array(some if len(some) == 1 else [math.gcd(*some), *some], np.int64)


def trace(criterion: Criterion, runs: Runs, index: int) -> Trace:
    """What the criterion sees of run ``index``: its statistic, where it passes, its own epoch."""
    family = criterion.family
    _require_train(family, runs, slice(index, index + 1))
    one = runs.one(index)
    epoch = one["epoch"]
    statistic, kept = np.empty(len(epoch)), np.full(len(epoch), np.nan)
    if family.step is None:
        statistic[:] = _array_statistic(family, criterion.params, runs, index)
        if family.own is not None:
            kept[:] = _called(family.own, family, criterion.params, runs, index)
    else:
        call_bound(
            *(scan, family.step, family.own or own),
            *(_start(family, criterion.params), epoch, one["val"], one["train"]),
            *(statistic, kept),
        )
    compare = {">": np.greater, ">=": np.greater_equal, "<": np.less, "<=": np.less_equal}
    holds = compare[family.passes](statistic, criterion.threshold) & (
        epoch > _gate(criterion.warmup)
    )
    return Trace(statistic, holds, kept)


def laid_out(curves: CurveSet) -> Runs:
    """The channels of a curve set as the drivers take them."""
    val, train = curves.channel("val"), curves.channel("train")
    lengths = np.diff(val.offsets)
    has_train = np.diff(train.offsets) > 0
    values = train.values
    if not has_train.all():
        values = np.full(len(val.values), np.nan)
        values[np.repeat(has_train, lengths)] = train.values
    if curves.has("epoch"):
        epoch, starts = curves.channel("epoch").values, val.offsets[:-1]
    else:
        epoch = np.arange(1.0, lengths.max(initial=0) + 1)
        starts = np.zeros(len(curves), np.int64)
    return Runs(
        *(curves, read_only(epoch), read_only(starts), read_only(val.values), read_only(values)),
        *(read_only(val.offsets), has_train),
    )


# -- inside --------------------------------------------------------------------------------


def _require_train(family: Family, runs: Runs, part: slice) -> None:
    if "train" in family.watches and not runs.has_train[part].all():
        run = runs.curves.runs[part][int(np.argmin(runs.has_train[part]))]
        raise ValueError(
            f"{family.name} needs training errors; run {run!r} has none (column 'train')"
        )


def _start(family: Family, params: tuple[tuple[str, Value], ...]) -> Any:
    return family.start(**dict(params)) if family.start else (0,)


def _array_statistic(
    family: Family, params: tuple[tuple[str, Value], ...], runs: Runs, index: int
) -> FloatArray:
    assert family.array is not None
    result = np.asarray(_called(family.array, family, params, runs, index))
    expected = int(runs.offsets[index + 1] - runs.offsets[index])
    if result.shape != (expected,) or result.dtype.kind not in "fiub":
        raise ValueError(
            f"{family.name}: returned {result.dtype} of shape {result.shape} for run "
            f"{runs.curves.runs[index]!r}; expected {expected} numbers, one a check"
        )
    return result.astype(np.float64)


def _called(
    function: Callable[..., Any],
    family: Family,
    params: tuple[tuple[str, Value], ...],
    runs: Runs,
    index: int,
) -> Any:
    """An array function of one run: the curves that it names, and the parameters."""
    asked = signature(function).parameters
    curves = {name: values for name, values in runs.one(index).items() if name in asked}
    return function(**curves, **dict(params))
