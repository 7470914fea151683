"""First passage: where a statistic passes its thresholds, for every rule by one driver.

The drivers below are plain functions over a rule's ``step`` (and ``restores``). They are bound to a
rule by giving a copy of the function its step as a global, compiled by numba where the step
allows it, and left plain otherwise (:mod:`_common.compiling`): the same lines run in both cases.
(``float()`` makes numpy scalars plain floats, so that the arithmetic is the same in both;
compiled, it does nothing.)

Thresholds of one family and parameters are answered together: sorted in the order in which a
rising statistic passes them, they need one look at each check, and a run is left as soon as
all have passed.
"""

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import reduce
from inspect import signature
from itertools import groupby
from operator import attrgetter
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from earlystop_lab._common.compiling import call_bound
from earlystop_lab.criteria.core import Criterion, Family, Value
from earlystop_lab.curves import Checks, FloatArray, Runs, read_only

Indices = NDArray[np.int32]
#: index of a check that never comes
NEVER = -1
_PASSES = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
_JOINS = {"any_of": operator.or_, "all_of": operator.and_}


class Trace(NamedTuple):
    """What a criterion saw of one run, one value a check."""

    #: the statistic; NaN where it is undefined
    statistic: FloatArray
    #: where it passes its threshold (and the warm-up is over)
    holds: NDArray[np.bool_]
    #: epoch whose weights the rule's own library would restore, had training ended here
    restored: FloatArray


class Check(NamedTuple):
    """One check of a :class:`Trace`."""

    statistic: float
    holds: bool
    restored: float


# -- the drivers, and what stands in for the parts that a rule does not give -------------------


class BoundRule(NamedTuple):
    """A rule as :func:`first_passages` takes it: its first state, and what it has to pass."""

    start: Any
    #: ascending limits of a rising statistic, see :func:`_limits`
    limits: FloatArray
    #: -1 for a statistic that passes by falling, which the limits are already multiplied by
    sign: float
    #: the epoch up to and including which nothing passes
    warmup: float


class Passages(NamedTuple):
    """What :func:`first_passages` fills in: checks, (runs, columns)."""

    #: the first check past each threshold, or NEVER
    stop: Indices
    #: the check of the lowest error that is selectable up to there
    best: Indices
    #: where the first of the thresholds is answered, the others behind it
    column: int


def step(state: Any, epoch: float, val: float, train: float) -> tuple[Any, float]:
    """The rule's step; as it is, the statistic is what comes as ``train``."""
    return state, train


def restores(state: Any) -> float:
    """The epoch that the rule's library would restore: none."""
    return np.nan


def cannot_pass(state: Any, bound: float, val: float, train: float) -> bool:
    """Whether the next check's statistic surely does not pass the limit, told at less cost."""
    return False


def pass_bound(limit: float) -> float:
    """What ``cannot_pass`` needs to know of a limit: itself."""
    return limit


def selectable(strips: Any, check: int) -> bool:
    """Whether ``restore="best"`` may select the check: at the end of a strip, or without strips.

    That is every k-th check, for any k in ``strips``, whose greatest common divisor comes first.
    """
    if strips is None:
        return True
    at_end: bool = strips.size == 1 and (check + 1) % strips[0] == 0
    for k in strips[1:]:
        at_end = at_end or (check + 1) % k == 0
    return at_end


def first_selectable(strips: Any, errors: FloatArray) -> int:
    """The first check that is selectable and not NaN; their number where there is none."""
    check = 0
    while check < errors.size and (np.isnan(errors[check]) or not selectable(strips, check)):
        check += 1
    return check


def first_passages(  # type: ignore[no-untyped-def]
    rule: BoundRule, stride, strips, checks: Checks, train, passages: Passages
):
    """Fill ``passages`` with the first check past each threshold, or NEVER.

    The rule's step is taken at every ``stride``-th check, at every one where that is None. Where
    ``train`` is None the step is told NaN; else every run has it. (These are arguments of their
    own since numba drops the branches not taken where an argument is None, but not where a field
    is: without a stride it compiles to plain arrays.)

    The lowest error is that up to the passage (up to the end of a run that never passes), the
    earliest of ties; where none was selectable, the last check itself. Of the checks at which a
    step is taken those at the end of a strip are selectable, see :func:`selectable`; only one of
    ``stride`` and ``strips`` is given.
    """
    limits, sign, warmup = rule.limits, rule.sign, rule.warmup
    epoch, starts, val, offsets = checks.epoch, checks.starts, checks.val, checks.offsets
    count = limits.size
    columns = slice(passages.column, passages.column + count)
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
        stops, bests = passages.stop[run, columns], passages.best[run, columns]
        state = rule.start
        passed = 0
        # NaN is never the lowest, infinity is where nothing else is
        best, lowest = first_selectable(strips, errors), np.inf
        left = 0 if strips is None else strips[0]
        limit = float(limits[0])
        bound = pass_bound(sign * limit)
        for i in range(errors.size):
            error = float(errors[i])
            train_error = np.nan if train is None else float(trained[i])
            if strips is None:
                if error < lowest:
                    best, lowest = i, error
            else:
                left -= 1
                if left == 0:
                    left = strips[0]
                    if error < lowest and (strips.size == 1 or selectable(strips, i)):
                        best, lowest = i, error
            if cannot_pass(state, bound, error, train_error):
                # the statistic is not asked for, so that compiled it is not computed
                state = step(state, float(positions[i]), error, train_error)[0]
                continue
            state, statistic = step(state, float(positions[i]), error, train_error)
            value = sign * statistic
            if value > limit and positions[i] > warmup:
                first = passed
                while passed < count and value > limits[passed]:
                    passed += 1
                stops[first:passed] = every * (i + 1) - 1
                bests[first:passed] = every * (min(i, best) + 1) - 1
                if passed == count:
                    break
                limit = float(limits[passed])
                bound = pass_bound(sign * limit)
        stops[passed:] = NEVER
        bests[passed:] = min(every * (best + 1) - 1, last)


def scan(start, stride, train, epoch, val, trace: Trace):  # type: ignore[no-untyped-def]
    """Fill the statistic and the restored epoch of every check of one run, as above."""
    every = 1 if stride is None else stride
    state = start
    for check in range(val.size):
        trace.statistic[check] = np.nan
        if (check + 1) % every == 0:
            train_error = np.nan if train is None else float(train[check])
            state, trace.statistic[check] = step(
                state, float(epoch[check]), float(val[check]), train_error
            )
        trace.restored[check] = restores(state)


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
        for (family, *_), group in groups.items()
        for each in sorted(group, key=attrgetter("threshold"), reverse=family.sign < 0)
    ]


def stops(criteria: Sequence[Criterion], runs: Runs) -> tuple[Indices, Indices]:
    """Where each criterion stops each run, and the lowest error up to there: (runs, criteria).

    The first is NEVER where it does not stop; the second is the check of the lowest selectable
    validation error up to its stop or the run's end (see :attr:`Criterion.strips`), the last
    check where all were NaN.

    One pass over the runs for those that share family and parameters, whatever their number of
    thresholds; they come :func:`in_order`. Raises ``ValueError`` where a run lacks a curve that a
    rule watches, or an array rule returns something else than asked.
    """
    # in one piece, which is large enough for large pages of memory
    stop, best = np.empty((2, len(runs.ids), len(criteria)), np.int32)
    column = 0
    for (family, params, warmup), group in groupby(criteria, key=_shared):
        members = list(group)
        _require_train(family, runs, 0, len(runs.ids))
        train = _told(family, runs.train.values)
        if family.step is None:
            # the stand-in step passes on what comes as train: the statistic itself
            statistics = [
                _array_statistic(family, params, runs.one(i), runs.name(i))
                for i in range(len(runs.ids))
            ]
            train = read_only(np.concatenate(statistics))
        parts = {name: getattr(family, name) for name in ("step", "cannot_pass", "pass_bound")}
        rule = BoundRule(start(family, params), _limits(members), family.sign, _gate(warmup))
        passages = Passages(stop, best, column)
        arguments = (rule, *_looks(members[0]), runs.checks, train, passages)
        call_bound(first_passages, parts, *arguments, rule=family.name)
        column += len(members)
    return stop, best


def _shared(criterion: Criterion) -> tuple[Family, tuple[tuple[str, Value], ...], float]:
    """What criteria that are answered in one pass have in common."""
    return criterion.family, criterion.params, criterion.warmup


def lowest_errors(runs: Runs, strips: frozenset[int], stop: Indices) -> Indices:
    """Check of the lowest selectable validation error up to one stop of each run.

    ``strips`` says which are selectable (:attr:`Criterion.strips`); the stop itself where all
    of them were NaN.
    """
    # the statistic, which the stand-in step passes on, is 1 at the stop
    marks = np.zeros(len(runs.checks.val))
    marks[runs.checks.offsets[:-1] + stop] = 1
    nowhere, best = np.empty((2, len(stop), 1), np.int32)
    passages = Passages(nowhere, best, 0)
    rule = BoundRule((0,), np.zeros(1), 1.0, -math.inf)
    arguments = (rule, None, strides(strips), runs.checks, read_only(marks), passages)
    call_bound(first_passages, {}, *arguments, rule="any_of")
    return best[:, 0]


def _limits(members: Sequence[Criterion]) -> FloatArray:
    """The thresholds as a rising statistic has to be above them.

    To be at least t is to be above the number before t.
    """
    family = members[0].family
    limits = family.sign * np.array([each.threshold for each in members], np.float64)
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
    family, params = criterion.family, criterion.params
    _require_train(family, runs, index, index + 1)
    curves = runs.one(index)
    if family.step is None:
        return array_trace(criterion, curves, runs.name(index))
    epoch, val = curves["epoch"], curves["val"]
    seen = Trace(np.empty_like(val), np.empty(len(val), np.bool_), np.empty_like(val))
    stride, train = _looks(criterion)[0], _told(family, curves.get("train"))
    parts = {"step": family.step, "restores": family.restores}
    state = start(family, params)
    call_bound(scan, parts, state, stride, train, epoch, val, seen, rule=family.name)
    return seen._replace(holds=holds(criterion, epoch, seen.statistic))


def array_trace(criterion: Criterion, curves: Mapping[str, FloatArray], run: str) -> Trace:
    """As :func:`trace`, of a rule that is an array function and the curves of one run by name."""
    family, params = criterion.family, criterion.params
    statistic = _array_statistic(family, params, curves, run)
    restored = np.full(len(statistic), np.nan)
    if family.restores is not None:
        restored[:] = _called(family.restores, params, curves)
    return Trace(statistic, holds(criterion, curves["epoch"], statistic), restored)


def holds(criterion: Criterion, epoch: Any, statistic: Any) -> Any:
    """Whether the statistic passes and the warm-up is over: at one check, or at each of many."""
    passed = _PASSES[criterion.family.passes](statistic, criterion.threshold)
    return passed & (epoch > _gate(criterion.warmup))


def combined(how: Literal["any_of", "all_of"], members: Iterable[Any]) -> Any:
    """Whether a combination holds, of whether its members do: at one check, or at each of many."""
    return reduce(_JOINS[how], members)


def restores_by_stop(criterion: Criterion) -> bool:
    """Whether what the rule's library restores depends on whether and why training stopped."""
    family = criterion.family
    return family.tests_between_checks or family.restores_only_if_stopped


def restores_otherwise(criterion: Criterion) -> bool:
    """Whether ``restore="own"`` is anything else than the lowest error."""
    return criterion.family.restores is not None or restores_by_stop(criterion)


def restored_at(criterion: Criterion, check: Check, before: float, stops: bool) -> float:
    """Epoch whose weights the rule's library restores where training ends at this check.

    ``before`` is the epoch that it would have restored at the check before; ``stops`` says that
    training is stopped here, not merely over. NaN: none, the weights are those of this check.
    """
    family = criterion.family
    if family.restores_only_if_stopped and not check.holds:
        return math.nan
    # of a check that the library never makes, it knows nothing
    above = check.holds and check.statistic > criterion.threshold
    return before if stops and family.tests_between_checks and above else check.restored


def start(family: Family, params: tuple[tuple[str, Value], ...]) -> Any:
    """The state of a rule that has seen nothing."""
    return family.start(**dict(params)) if family.start else (0,)


# -- inside --------------------------------------------------------------------------------


def _looks(criterion: Criterion) -> tuple[int | None, NDArray[np.int64] | None]:
    """At which checks steps are taken, and which are selectable, as the driver takes them."""
    if criterion.family.at_ends:
        return (None if criterion.stride == 1 else criterion.stride), None
    return None, strides(criterion.strips)


def _told(family: Family, train: FloatArray | None) -> FloatArray | None:
    """The training errors where the rule watches them."""
    return train if "train" in family.watches else None


def _require_train(family: Family, runs: Runs, first: int, end: int) -> None:
    """``ValueError`` where one of these runs lacks the training errors that the rule watches."""
    if "train" in family.watches:
        lacking = np.flatnonzero(np.diff(runs.train.offsets[first : end + 1]) == 0)
        if len(lacking):
            raise ValueError(
                f"{family.name} needs training errors; run {runs.name(first + int(lacking[0]))!r} "
                "has none (column 'train')"
            )


def _array_statistic(
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
