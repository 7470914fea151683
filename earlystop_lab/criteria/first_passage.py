"""First passage: where a statistic passes its thresholds, for every rule by one driver.

The drivers below are plain functions over a rule's ``step`` (and ``own``). They are bound to a
rule by giving a copy of the function its step as a global, compiled by numba where the step
allows it, and left plain otherwise (:mod:`_common.compiling`): the same lines run in both cases.
(``float()`` makes numpy scalars plain floats, so that the arithmetic is the same in both;
compiled, it does nothing.)

Thresholds of one family and parameters are answered together: sorted in the order in which a
rising statistic passes them, they need one look at each check, and a run is left as soon as
all have passed.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from inspect import signature
from itertools import groupby
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from earlystop_lab._common.compiling import call_bound
from earlystop_lab.criteria.core import Criterion, Family, Value
from earlystop_lab.curves import Channel, CurveSet, FloatArray, read_only

Indices = NDArray[np.int32]
#: index of a check that never comes
NEVER = -1
_PASSES = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
_JOINS = {"any_of": operator.or_, "all_of": operator.and_}


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
    offsets: NDArray[np.int64]
    #: with offsets of its own, since a run may lack it
    train: Channel
    has_train: NDArray[np.bool_]

    def name(self, index: int) -> str:
        """Id of one run."""
        name: str = self.curves.table["run"][index].as_py()
        return name

    def epochs(self, index: int) -> FloatArray:
        """Positions of the checks of one run."""
        length = self.offsets[index + 1] - self.offsets[index]
        return self.epoch[self.starts[index] : self.starts[index] + length]

    def one(self, index: int) -> dict[str, FloatArray]:
        """The channels of one run by name, those that it has."""
        val = self.val[self.offsets[index] : self.offsets[index + 1]]
        found = {"epoch": self.epochs(index), "val": val}
        if self.has_train[index]:
            values, offsets = self.train
            found["train"] = values[offsets[index] : offsets[index + 1]]
        return found


class Trace(NamedTuple):
    """What a criterion saw of one run, one value a check."""

    #: the statistic; NaN where it is undefined
    statistic: FloatArray
    #: where it passes its threshold (and the warm-up is over)
    holds: NDArray[np.bool_]
    #: epoch whose weights the rule's own library would restore, had training ended here
    own: FloatArray


class Seen(NamedTuple):
    """One check of a :class:`Trace`."""

    statistic: float
    holds: bool
    own: float


# -- the drivers, and what stands in for the parts that a rule does not give -------------------


def step(state: Any, epoch: float, val: float, train: float) -> tuple[Any, float]:
    """The rule's step; as it is, the statistic is what comes as ``train``."""
    return state, train


def own(state: Any) -> float:
    """The epoch that the rule's library would restore: none."""
    return np.nan


def idle(state: Any, room: float, val: float, train: float) -> bool:
    """Whether the next check's statistic surely does not pass the limit, told at less cost."""
    return False


def room(limit: float) -> float:
    """What ``idle`` needs to know of a limit: itself."""
    return limit


def seen(strips: Any, check: int) -> bool:
    """Whether the check is at the end of a strip; every check is where there are none.

    That is every k-th check, for any k in ``strips``, whose greatest common divisor comes first.
    """
    if strips is None:
        return True
    at_end: bool = strips.size == 1 and (check + 1) % strips[0] == 0
    for k in strips[1:]:
        at_end = at_end or (check + 1) % k == 0
    return at_end


def first_seen(strips: Any, errors: FloatArray) -> int:
    """The first check that is seen and not NaN; their number where there is none."""
    check = 0
    while check < errors.size and (np.isnan(errors[check]) or not seen(strips, check)):
        check += 1
    return check


def first_passages(  # type: ignore[no-untyped-def]
    start,
    thresholds,
    sign,
    warmup,
    stride,
    strips,
    epoch,
    starts,
    val,
    train,
    offsets,
    base,
    stop,
    best,
):
    """Fill ``stop`` (runs, columns) with the first check past each threshold, or NEVER.

    ``thresholds`` (see :func:`_limits`) are ascending and already multiplied by ``sign``, which is
    -1 for a statistic that passes by falling; the first is answered in column ``base``, and so on.
    The rule's step is taken at every ``stride``-th check, at every one where that is None, which
    compiles to plain arrays. Where ``train`` is None the step is told NaN; else every run has it.

    ``best`` gets the check of the lowest error seen up to there (up to the end of a run that
    never passes), the earliest of ties; where none was seen, the last check itself. Of the checks
    at which a step is taken those at the end of a strip are seen, see :func:`seen`; only one of
    ``stride`` and ``strips`` is given.
    """
    count = thresholds.size
    every = 1 if stride is None else stride
    for run in range(offsets.size - 1):
        # slices, since indices from 0 need no look at whether they are negative
        errors = val[offsets[run] : offsets[run + 1]]
        positions = epoch[starts[run] : starts[run] + errors.size]
        last = errors.size - 1
        if train is not None:
            trained = train[offsets[run] : offsets[run + 1]]
        if stride is not None:
            errors, positions = errors[stride - 1 :: stride], positions[stride - 1 :: stride]
            if train is not None:
                trained = trained[stride - 1 :: stride]
        stops, bests = stop[run, base : base + count], best[run, base : base + count]
        state = start
        passed = 0
        # NaN is never the lowest, infinity is where nothing else is
        found, lowest = first_seen(strips, errors), np.inf
        left = 0 if strips is None else strips[0]
        limit = float(thresholds[0])
        room_now = room(sign * limit)
        for i in range(errors.size):
            error = float(errors[i])
            train_error = np.nan if train is None else float(trained[i])
            if strips is None:
                if error < lowest:
                    found, lowest = i, error
            else:
                left -= 1
                if left == 0:
                    left = strips[0]
                    if error < lowest and (strips.size == 1 or seen(strips, i)):
                        found, lowest = i, error
            if idle(state, room_now, error, train_error):
                # the statistic is not asked for, so that compiled it is not computed
                state = step(state, float(positions[i]), error, train_error)[0]
                continue
            state, statistic = step(state, float(positions[i]), error, train_error)
            value = sign * statistic
            if value > limit and positions[i] > warmup:
                first = passed
                while passed < count and value > thresholds[passed]:
                    passed += 1
                stops[first:passed] = every * (i + 1) - 1
                bests[first:passed] = every * (min(i, found) + 1) - 1
                if passed == count:
                    break
                limit = float(thresholds[passed])
                room_now = room(sign * limit)
        stops[passed:] = NEVER
        bests[passed:] = min(every * (found + 1) - 1, last)


def scan(start, stride, epoch, val, train, statistic, kept):  # type: ignore[no-untyped-def]
    """Fill the statistic and the own epoch of every check of one run, as above."""
    every = 1 if stride is None else stride
    state = start
    for check in range(val.size):
        statistic[check] = np.nan
        if (check + 1) % every == 0:
            train_error = np.nan if train is None else float(train[check])
            state, statistic[check] = step(
                state, float(epoch[check]), float(val[check]), train_error
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
        train = _told(family, runs.train.values)
        if family.step is None:
            # the stand-in step passes on what comes as train: the statistic itself
            count = range(len(runs.curves))
            names = runs.curves.runs
            statistics = [array_statistic(family, params, runs.one(i), names[i]) for i in count]
            train = read_only(np.concatenate(statistics))
        call_bound(
            *(first_passages, {"step": family.step, "idle": family.idle, "room": family.room}),
            *(start(family, params), _limits(members), sign, _gate(warmup)),
            *_looks(members[0]),
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
        *(first_passages, {}, (0,), np.zeros(1), 1.0, -math.inf, None, strides(strips)),
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


def strides(strips: frozenset[int]) -> NDArray[np.int64] | None:
    """Strip lengths as the driver takes them."""
    if 1 in strips or not strips:
        return None
    return np.array([*strips] if len(strips) == 1 else [math.gcd(*strips), *strips], np.int64)


def trace(criterion: Criterion, runs: Runs, index: int) -> Trace:
    """What the criterion sees of run ``index``: its statistic, where it passes, its own epoch."""
    family = criterion.family
    _require_train(family, runs, slice(index, index + 1))
    one = runs.one(index)
    if family.step is None:
        return array_trace(criterion, one, runs.name(index))
    statistic, kept = np.empty_like(one["val"]), np.empty_like(one["val"])
    call_bound(
        *(scan, {"step": family.step, "own": family.own}),
        *(start(family, criterion.params), _looks(criterion)[0]),
        *(one["epoch"], one["val"], _told(family, one.get("train")), statistic, kept),
    )
    return Trace(statistic, holds(criterion, one["epoch"], statistic), kept)


def array_trace(criterion: Criterion, curves: Mapping[str, FloatArray], run: str) -> Trace:
    """As :func:`trace`, of a rule that is an array function and the curves of one run by name."""
    family, params = criterion.family, criterion.params
    statistic = array_statistic(family, params, curves, run)
    kept = np.full(len(statistic), np.nan)
    if family.own is not None:
        kept[:] = _called(family.own, params, curves)
    return Trace(statistic, holds(criterion, curves["epoch"], statistic), kept)


def holds(criterion: Criterion, epoch: Any, statistic: Any) -> Any:
    """Whether the statistic passes and the warm-up is over: at one check, or at each of many."""
    passed = _PASSES[criterion.family.passes](statistic, criterion.threshold)
    return passed & (epoch > _gate(criterion.warmup))


def combined(how: Literal["any_of", "all_of"], members: Iterable[Any]) -> Any:
    """Whether a combination holds, of whether its members do: at one check, or at each of many."""
    return reduce(_JOINS[how], members)


def keeps_own(criterion: Criterion) -> bool:
    """Whether ``restore="own"`` is anything else than the lowest error seen."""
    family = criterion.family
    return family.own is not None or family.between or family.own_if_stopped


def kept_at(criterion: Criterion, at: Seen, before: float, stops: bool) -> float:
    """Epoch whose weights the rule's library restores where training ends at this check.

    ``before`` is the epoch that it would have restored at the check before; ``stops`` says that
    training is stopped here, not merely over. NaN: none, the weights are those of this check.
    """
    family = criterion.family
    if family.own_if_stopped and not at.holds:
        return math.nan
    # of a check that the library never makes, it knows nothing
    unseen = stops and family.between and at.holds and at.statistic > criterion.threshold
    return before if unseen else at.own


def laid_out(curves: CurveSet) -> Runs:
    """The channels of a curve set as the drivers take them."""
    val, train = curves.channel("val"), curves.channel("train")
    if curves.has("epoch"):
        epoch, starts = curves.channel("epoch").values, val.offsets[:-1]
    else:
        epoch = np.arange(1.0, np.diff(val.offsets).max(initial=0) + 1)
        starts = np.zeros(len(curves), np.int64)
    return Runs(
        *(curves, read_only(epoch), read_only(starts), val.values, read_only(val.offsets)),
        *(train, np.diff(train.offsets) > 0),
    )


def start(family: Family, params: tuple[tuple[str, Value], ...]) -> Any:
    """The state of a rule that has seen nothing."""
    return family.start(**dict(params)) if family.start else (0,)


# -- inside --------------------------------------------------------------------------------


def _looks(criterion: Criterion) -> tuple[int | None, NDArray[np.int64] | None]:
    """At which checks steps are taken, and which of these are seen, as the driver takes them."""
    if criterion.family.at_ends:
        return (None if criterion.stride == 1 else criterion.stride), None
    return None, strides(criterion.strips)


def _told(family: Family, train: FloatArray | None) -> FloatArray | None:
    """The training errors where the rule watches them."""
    return train if "train" in family.watches else None


def _require_train(family: Family, runs: Runs, part: slice) -> None:
    if "train" in family.watches and not runs.has_train[part].all():
        run = runs.name((part.start or 0) + int(np.argmin(runs.has_train[part])))
        raise ValueError(
            f"{family.name} needs training errors; run {run!r} has none (column 'train')"
        )


def array_statistic(
    family: Family,
    params: tuple[tuple[str, Value], ...],
    curves: Mapping[str, FloatArray],
    run: str,
) -> FloatArray:
    """The statistic of an array function at every check of one run."""
    assert family.array is not None
    result = np.asarray(_called(family.array, params, curves))
    expected = len(curves["val"])
    if result.shape != (expected,) or result.dtype.kind not in "fiub":
        raise ValueError(
            f"{family.name}: returned {result.dtype} of shape {result.shape} for run "
            f"{run!r}; expected {expected} numbers, one a check"
        )
    return result.astype(np.float64)


def _called(
    function: Callable[..., Any],
    params: tuple[tuple[str, Value], ...],
    curves: Mapping[str, FloatArray],
) -> Any:
    """An array function of one run: the curves that it names, and the parameters."""
    asked = signature(function).parameters
    named = {name: values for name, values in curves.items() if name in asked}
    return function(**named, **dict(params))
