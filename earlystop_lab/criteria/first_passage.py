"""First passage: where a statistic first passes its thresholds, with one driver for every rule.

The drivers below are plain functions over a rule's ``step`` (and ``restores``). To bind a driver
to a rule, a copy of the function gets the rule's step as a global. It is compiled by numba if the
step allows it and stays plain Python otherwise (:mod:`_common.compiling`), so the same lines run
in both cases. (``float()`` turns numpy scalars into floats so that the arithmetic is the same in
both cases; in compiled code it has no effect.)

All thresholds of one family with the same parameters are answered together: sorted in the order
in which a rising statistic passes them, they need one comparison per check, and a run is finished
as soon as all have been passed.
"""

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, reduce
from inspect import signature
from itertools import groupby
from operator import attrgetter
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from earlystop_lab._common.compiling import call_bound
from earlystop_lab._common.wording import listed
from earlystop_lab.criteria.core import Criterion, Value
from earlystop_lab.curves import Channel, Checks, FloatArray, Runs, Watched, read_only

Indices = NDArray[np.int32]
#: the curves of one run by channel name, and the positions as ``epoch``
Curves = Mapping[str, FloatArray]
#: index of a check that is never reached
NEVER = -1
_PASSES = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
_JOINS = {"any_of": operator.or_, "all_of": operator.and_}


class Trace(NamedTuple):
    """What a criterion saw of one run, one value per row."""

    #: the statistic; NaN if it is undefined or a channel was not measured
    statistic: FloatArray
    #: whether the statistic passes its threshold (and the warm-up is over)
    holds: NDArray[np.bool_]
    #: epoch whose weights the rule's own library would restore if training had ended here
    restored: FloatArray


class Check(NamedTuple):
    """One row of a :class:`Trace`."""

    statistic: float
    holds: bool
    restored: float


# -- the drivers, and defaults for the parts that a rule need not define ------------------------


class BoundRule(NamedTuple):
    """A rule in the form that :func:`first_passages` takes: its initial state and its limits."""

    start: Any
    #: ascending limits of a rising statistic, see :func:`_limits`
    limits: FloatArray
    #: -1 for a statistic that passes by falling (the limits are already multiplied by it)
    sign: float
    #: the rule cannot stop a run up to and including this epoch
    warmup: float


class Highs(NamedTuple):
    """Where a statistic, turned so that it passes by rising, is higher than ever before.

    Run by run, one after the other; a threshold that is passed at all is passed at one of these.
    """

    value: FloatArray
    #: row of its run
    row: Indices
    run: NDArray[np.int64]


class Passages(NamedTuple):
    """The result of :func:`first_passages`: indices of the rule's checks, (runs, columns)."""

    #: the first check past each threshold, or NEVER
    stop: Indices
    #: the check with the lowest selectable error up to the stop
    best: Indices
    #: the column of the first threshold; the others follow it
    column: int


def step(state: Any, epoch: float, *values: float) -> tuple[Any, float]:
    """The default step, whose statistic is the value of the first channel."""
    return state, values[0]


def restores(state: Any) -> float:
    """The default: the rule's library restores no epoch."""
    return np.nan


def part(channels: Any, first: int, last: int) -> Any:
    """Slice the channels from one index up to another; see :func:`_readers`."""
    raise NotImplementedError


def thinned(channels: Any, stride: int) -> Any:
    """Take every ``stride``-th check of the channels; see :func:`_readers`."""
    raise NotImplementedError


def at(channels: Any, check: int) -> Any:
    """The value of each channel at a check; see :func:`_readers`."""
    raise NotImplementedError


def cannot_pass(state: Any, bound: float, *values: float) -> bool:
    """Whether the next statistic certainly does not pass the limit, found at lower cost."""
    return False


def pass_bound(limit: float) -> float:
    """What ``cannot_pass`` needs to know about a limit: by default the limit itself."""
    return limit


def selectable(strips: Any, check: int) -> bool:
    """Whether ``restore="best"`` may select the check: at the end of a strip, or without strips.

    Without strips every check may be selected; otherwise every k-th check for any k in
    ``strips``, whose first element is the greatest common divisor of the others.
    """
    if strips is None:
        return True
    at_end: bool = strips.size == 1 and (check + 1) % strips[0] == 0
    for k in strips[1:]:
        at_end = at_end or (check + 1) % k == 0
    return at_end


def first_selectable(strips: Any, errors: FloatArray) -> int:
    """The first check that is selectable and not NaN; the number of checks if there is none."""
    check = 0
    while check < errors.size and (np.isnan(errors[check]) or not selectable(strips, check)):
        check += 1
    return check


def first_passages(  # type: ignore[no-untyped-def]
    rule: BoundRule, stride, strips, checks: Checks, errors, passages: Passages
):
    """Fill ``passages`` with the first check past each threshold, or NEVER.

    The rule's step is taken at every ``stride``-th check, or at every check if that is None.
    (These are separate arguments because numba drops the branches that are not taken if an
    argument is None, but not if a field is: without a stride it compiles to plain arrays.)

    ``errors`` has one value per check. Its lowest value is taken up to the passage, or up to the
    end of a run that never passes; the earliest of ties wins, and if no check was selectable it is
    the last check itself. A check at which a step is taken is selectable if it is at the end of a
    strip, see :func:`selectable`. Only one of ``stride`` and ``strips`` is given.
    """
    limits, sign, warmup = rule.limits, rule.sign, rule.warmup
    epoch, starts, offsets, channels = checks.epoch, checks.starts, checks.offsets, checks.values
    count = limits.size
    columns = slice(passages.column, passages.column + count)
    every = 1 if stride is None else stride
    for run in range(offsets.size - 1):
        # slices, since indices that start at 0 need no test for negative values
        selected = errors[offsets[run] : offsets[run + 1]]
        positions = epoch[starts[run] : starts[run] + selected.size]
        values = part(channels, offsets[run], offsets[run + 1])
        last = selected.size - 1
        if stride is not None:
            selected, positions = selected[stride - 1 :: stride], positions[stride - 1 :: stride]
            values = thinned(values, stride)
        stops, bests = passages.stop[run, columns], passages.best[run, columns]
        state = rule.start
        passed = 0
        # NaN is never the lowest; infinity is if there is nothing else
        best, lowest = first_selectable(strips, selected), np.inf
        left = 0 if strips is None else strips[0]
        limit = float(limits[0])
        bound = pass_bound(sign * limit)
        for i in range(selected.size):
            error = float(selected[i])
            if strips is None:
                if error < lowest:
                    best, lowest = i, error
            else:
                left -= 1
                if left == 0:
                    left = strips[0]
                    if error < lowest and (strips.size == 1 or selectable(strips, i)):
                        best, lowest = i, error
            told = at(values, i)
            if cannot_pass(state, bound, *told):
                # the statistic is unused here, so compiled code does not compute it
                state = step(state, float(positions[i]), *told)[0]
                continue
            state, statistic = step(state, float(positions[i]), *told)
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


def record_highs(  # type: ignore[no-untyped-def]
    rule: BoundRule, stride, checks: Checks, value: FloatArray, check: Indices, count
):
    """Fill in the highs of every run, packed, each with its check, and their number by run."""
    sign, warmup = rule.sign, rule.warmup
    epoch, starts, offsets, channels = checks.epoch, checks.starts, checks.offsets, checks.values
    every = 1 if stride is None else stride
    found = 0
    for run in range(offsets.size - 1):
        size = offsets[run + 1] - offsets[run]
        positions = epoch[starts[run] : starts[run] + size]
        values = part(channels, offsets[run], offsets[run + 1])
        if stride is not None:
            positions = positions[stride - 1 :: stride]
            values = thinned(values, stride)
        state = rule.start
        high, before = -np.inf, found
        bound = pass_bound(sign * high)
        for i in range(positions.size):
            told = at(values, i)
            if cannot_pass(state, bound, *told):
                state = step(state, float(positions[i]), *told)[0]
                continue
            state, statistic = step(state, float(positions[i]), *told)
            if sign * statistic > high and positions[i] > warmup:
                high = sign * statistic
                bound = pass_bound(sign * high)
                value[found], check[found] = high, every * (i + 1) - 1
                found += 1
        count[run] = found - before


def scan(start, stride, epoch, channels, statistic, restored):  # type: ignore[no-untyped-def]
    """Fill in the statistic and the restored epoch of every check of one run, as above."""
    every = 1 if stride is None else stride
    state = start
    for check in range(epoch.size):
        statistic[check] = np.nan
        if (check + 1) % every == 0:
            state, statistic[check] = step(state, float(epoch[check]), *at(channels, check))
        restored[check] = restores(state)


# -- public functions of this module -----------------------------------------------------------


def in_order(criteria: Iterable[Criterion]) -> list[Criterion]:
    """The criteria in the order :func:`stops` takes: grouped by pass, thresholds ascending.

    Ascending means the order in which a rising statistic passes the thresholds.
    """
    groups: dict[Any, list[Criterion]] = {}
    for each in criteria:
        groups.setdefault(_shared(each), []).append(each)
    return [
        each
        for (family, *_), group in groups.items()
        for each in sorted(group, key=attrgetter("threshold"), reverse=family.sign < 0)
    ]


def stops(
    criteria: Sequence[Criterion], runs: Runs, select: str = "val"
) -> tuple[Indices, Indices]:
    """Where each criterion stops each run, and the lowest error up to there: (runs, criteria).

    Both results are rows of the runs. The first is NEVER if the criterion does not stop the run.
    The second is the row of the lowest selectable error of the channel ``select`` up to the stop
    or the end of the run (see :meth:`Criterion.strips`), or that last row itself if all selectable
    errors were NaN.

    Criteria that share family, parameters and channels take one pass over the runs, whatever the
    number of their thresholds; they must be sorted by :func:`in_order`. Raises ``ValueError`` if a
    run lacks a channel that a rule watches, or if an array rule returns an invalid result.
    """
    # one allocation, large enough for huge pages
    stop, best = np.empty((2, len(runs), len(criteria)), np.int32)
    column = 0
    for _, group in groupby(criteria, key=_shared):
        members = list(group)
        _answer(members, runs, select, Passages(stop, best, column))
        column += len(members)
    return stop, best


def _answer(members: Sequence[Criterion], runs: Runs, select: str, passages: Passages) -> None:
    """Fill in the rows of criteria that are answered in one pass."""
    rule = members[0]
    family, watched = rule.family, watched_by(rule, runs)
    checks = _told(rule, watched, runs)
    errors, nowhere_else, everywhere = runs.errors_at(watched, select)
    looks = _looks(rule, select)
    # strips are counted in the checks at which the error was measured
    whole = nowhere_else and (everywhere or looks == (None, None))
    bound = BoundRule(start(rule, runs.about), _limits(members), family.sign, _gate(rule.warmup))
    parts = {name: getattr(family, name) for name in ("step", "cannot_pass", "pass_bound")}
    arguments = (bound, *looks, checks, errors, passages)
    _drive(first_passages, parts, len(checks.values), *arguments, rule=family.name)
    columns = slice(passages.column, passages.column + len(members))
    stop, best = passages.stop[:, columns], passages.best[:, columns]
    if watched.rows is None and whole:
        return
    stop[:] = watched.to_rows(stop)
    ended = np.where(stop == NEVER, runs.lengths[:, None] - 1, stop)
    if whole:
        rows = watched.to_rows(best)
        best[:] = np.where(runs.is_number(select, rows), rows, ended)
        return
    for j in range(len(members)):
        best[:, j] = lowest_errors(runs, rule.strips(select), ended[:, j], select)


def highs(criterion: Criterion, runs: Runs) -> Highs:
    """The highs of the criterion's statistic in every run, whatever its threshold."""
    family, watched = criterion.family, watched_by(criterion, runs)
    checks = _told(criterion, watched, runs)
    bound = BoundRule(
        start(criterion, runs.about), np.empty(0), family.sign, _gate(criterion.warmup)
    )
    value, check = np.empty(checks.offsets[-1]), np.empty(checks.offsets[-1], np.int32)
    count = np.empty(len(runs), np.int64)
    parts = {name: getattr(family, name) for name in ("step", "cannot_pass", "pass_bound")}
    arguments = (bound, _looks(criterion, "val")[0], checks, value, check, count)
    _drive(record_highs, parts, len(checks.values), *arguments, rule=family.name)
    run = np.repeat(np.arange(len(runs)), count)
    row = check[: len(run)]
    if watched.rows is not None:
        row = (watched.rows[checks.offsets[run] + row] - runs.offsets[run]).astype(np.int32)
    return Highs(value[: len(run)].copy(), row, run)


def _told(criterion: Criterion, watched: Watched, runs: Runs) -> Checks:
    """What the rule's step is told; of an array rule, whose step stands in, the statistic."""
    if criterion.family.step is not None:
        return watched.checks
    statistics = [
        _array_statistic(criterion, _curves(criterion, watched, i), runs.about, runs.name(i))
        for i in range(len(runs))
    ]
    return watched.checks._replace(values=(read_only(np.concatenate(statistics)),))


def watched_by(criterion: Criterion, runs: Runs) -> Watched:
    """The rule's channels at the rows where all were measured; ``ValueError`` if one is missing."""
    for name in criterion.channels:
        lacking = runs.lacks(name)
        if lacking is not None:
            kinds = {"train": "training errors", "val": "validation errors", "test": "test errors"}
            raise ValueError(
                f"{criterion.family.name} needs {kinds.get(name, f'the channel {name!r}')}, but "
                f"run {lacking!r} has no column {name!r}; the set has {listed([*runs.about], 20)}"
            )
    try:
        return runs.watched(criterion.watched)
    except ValueError as error:
        raise ValueError(f"{criterion.family.name}: {error}") from error


def _shared(criterion: Criterion) -> tuple[Any, ...]:
    """What criteria that are answered in one pass have in common."""
    return criterion.family, criterion.params, criterion.warmup, criterion.channels


def lowest_errors(
    runs: Runs, strips: frozenset[int], stop: Indices, select: str = "val"
) -> Indices:
    """For each run, the row of the lowest selectable error of a channel up to a given stop row.

    ``strips`` says which checks are selectable (:meth:`Criterion.strips`). The result is the stop
    itself if all selectable errors were NaN.
    """
    watched, errors = runs.selectable(select)
    last = watched.last_checks(stop)
    # the default step returns the statistic, which is 1 at the last check up to the stop
    marks = np.zeros(len(errors))
    marks[(watched.checks.offsets[:-1] + last)[last >= 0]] = 1
    nowhere, best = np.empty((2, len(stop), 1), np.int32)
    rule = BoundRule((0,), np.zeros(1), 1.0, -math.inf)
    checks = watched.checks._replace(values=(read_only(marks),))
    arguments = (rule, None, strides(strips), checks, errors, Passages(nowhere, best, 0))
    _drive(first_passages, {}, 1, *arguments, rule="any_of")
    rows = watched.to_rows(best)[:, 0]
    found = (last >= 0) & runs.is_number(select, rows[:, None])[:, 0]
    return np.where(found, rows, stop).astype(np.int32)


def _drive(
    driver: Any, parts: Mapping[str, Any], channels: int, *arguments: Any, rule: str
) -> None:
    """Call a driver with a rule's parts and with readers for that many channels."""
    call_bound(driver, {**parts, **_readers(channels)}, *arguments, rule=rule)


@cache
def _readers(channels: int) -> dict[str, Any]:
    """The functions that read a tuple of that many channels.

    They are generated because numba cannot build a tuple in a loop. They do not depend on which
    channels these are, so binding other channels does not compile anything again.
    """
    reads = {
        "part": ("first, last", "channels[{}][first:last]"),
        "thinned": ("stride", "channels[{}][stride - 1 :: stride]"),
        "at": ("check", "float(channels[{}][check])"),
    }
    made = {}
    for name, (arguments, read) in reads.items():
        parts = "".join(f"{read.format(k)}, " for k in range(channels))
        made[name] = eval(f"lambda channels, {arguments}: ({parts})", globals())
    return made


def _limits(members: Sequence[Criterion]) -> FloatArray:
    """The thresholds as limits that a rising statistic has to exceed.

    ``statistic >= t`` is the same as exceeding the largest number below t.
    """
    family = members[0].family
    limits = family.sign * np.array([each.threshold for each in members], np.float64)
    return limits if family.passes in (">", "<") else np.nextafter(limits, -np.inf)


def _gate(warmup: float) -> float:
    """The epoch after which a rule may stop; minus infinity without a warm-up."""
    return float(warmup) if warmup else -math.inf


def strides(strips: frozenset[int]) -> NDArray[np.int64] | None:
    """Strip lengths in the form that the driver takes."""
    if 1 in strips or not strips:
        return None
    return np.array([*strips] if len(strips) == 1 else [math.gcd(*strips), *strips], np.int64)


def trace(criterion: Criterion, runs: Runs, index: int) -> Trace:
    """What the criterion sees of run ``index``: its statistic, where it passes, its own epoch."""
    family, watched = criterion.family, watched_by(criterion, runs)
    if family.step is None:
        curves = _curves(criterion, watched, index)
        seen = array_trace(criterion, curves, runs.about, runs.name(index))
    else:
        epoch, values = watched.checks.run(index)
        statistic, restored = np.empty((2, len(epoch)))
        parts = {"step": family.step, "restores": family.restores}
        state, stride = start(criterion, runs.about), _looks(criterion, "val")[0]
        arguments = (state, stride, epoch, values, statistic, restored)
        _drive(scan, parts, len(values), *arguments, rule=family.name)
        seen = Trace(statistic, holds(criterion, epoch, statistic), restored)
    return seen if watched.rows is None else _at_rows(seen, runs, watched, index)


def _at_rows(seen: Trace, runs: Runs, watched: Watched, index: int) -> Trace:
    """Expand a trace over a rule's checks to the rows of the run."""
    count = int(runs.lengths[index])
    rows = watched.rows_of(index)
    statistic, passes = np.full(count, np.nan), np.zeros(count, np.bool_)
    statistic[rows], passes[rows] = seen.statistic, seen.holds
    # the restored epoch does not change until the next check
    before = np.searchsorted(rows, np.arange(count), side="right") - 1
    restored = np.append(seen.restored, np.nan)[before]
    return Trace(statistic, passes, restored)


def array_trace(
    criterion: Criterion, curves: Curves, about: Mapping[str, Channel], run: str
) -> Trace:
    """Like :func:`trace`, for an array rule and the curves of one run.

    ``curves`` holds the values at its checks, by the names that its function uses.
    """
    statistic = _array_statistic(criterion, curves, about, run)
    restored = np.full(len(statistic), np.nan)
    if (restores := criterion.family.restores) is not None:
        restored[:] = _called(restores, _params(criterion, about), curves)
    return Trace(statistic, holds(criterion, curves["epoch"], statistic), restored)


def holds(criterion: Criterion, epoch: Any, statistic: Any) -> Any:
    """Whether the statistic passes and the warm-up is over, at one check or at many."""
    passed = _PASSES[criterion.family.passes](statistic, criterion.threshold)
    return passed & (epoch > _gate(criterion.warmup))


def combined(how: Literal["any_of", "all_of"], members: Iterable[Any]) -> Any:
    """Whether a combination holds, given whether its members do, at one check or at many."""
    return reduce(_JOINS[how], members)


def restores_by_stop(criterion: Criterion) -> bool:
    """Whether the epoch that the library restores depends on whether and why training stopped."""
    family = criterion.family
    return family.tests_between_checks or family.restores_only_if_stopped


def restores_otherwise(criterion: Criterion) -> bool:
    """Whether ``restore="own"`` can differ from the lowest error."""
    return criterion.family.restores is not None or restores_by_stop(criterion)


def restored_at(criterion: Criterion, check: Check, before: float, stops: bool) -> float:
    """Epoch whose weights the rule's library restores if training ends at this check.

    ``before`` is the epoch that it would have restored at the previous check. ``stops`` says
    whether the rule stops training here or the run merely ends. NaN means that nothing is
    restored: the weights are those of this check.
    """
    family = criterion.family
    if family.restores_only_if_stopped and not check.holds:
        return math.nan
    # the library never reaches this check, so it knows nothing about it
    above = check.holds and check.statistic > criterion.threshold
    return before if stops and family.tests_between_checks and above else check.restored


def start(criterion: Criterion, about: Mapping[str, Channel]) -> Any:
    """The initial state of a rule, given descriptions of its channels."""
    first = criterion.family.start
    return first(**_params(criterion, about)) if first else (0,)


# -- internal ------------------------------------------------------------------------------


def _params(criterion: Criterion, about: Mapping[str, Channel]) -> dict[str, Value]:
    """The parameters as the rule's function takes them: it sees every score negated."""
    params = dict(criterion.params)
    if criterion.family.recorded:
        (name, form), *_ = criterion.watched
        if form == "error" and about[name].direction == "max":
            for each in criterion.family.recorded:
                value = params[each]
                params[each] = value if value is None else -value  # type: ignore[operator]
    return params


def _looks(criterion: Criterion, select: str) -> tuple[int | None, NDArray[np.int64] | None]:
    """At which checks steps are taken and which are selectable, in the form the driver takes."""
    if criterion.family.at_ends:
        return (None if criterion.stride == 1 else criterion.stride), None
    return None, strides(criterion.strips(select))


def _curves(criterion: Criterion, watched: Watched, index: int) -> Curves:
    """The curves of one run, by the names that the rule's function uses."""
    epoch, values = watched.checks.run(index)
    return {"epoch": epoch, **dict(zip(criterion.family.watches, values, strict=True))}


def _array_statistic(
    criterion: Criterion, curves: Curves, about: Mapping[str, Channel], run: str
) -> FloatArray:
    """The statistic of an array function at every check of one run."""
    family = criterion.family
    assert family.array is not None
    expected = len(curves["epoch"])
    if not expected:  # never measured, so there is nothing to call the function with
        return np.empty(0)
    result = np.asarray(_called(family.array, _params(criterion, about), curves))
    if result.shape != (expected,) or result.dtype.kind not in "fiub":
        raise ValueError(
            f"{family.name}: returned an array of {result.dtype} and shape {result.shape} for run "
            f"{run!r}; expected {expected} numbers, one per check"
        )
    return result.astype(np.float64)


def _called(function: Callable[..., Any], params: Mapping[str, Value], curves: Curves) -> Any:
    """Call an array function on one run, with the curves that it names and its parameters."""
    asked = signature(function).parameters
    named = {name: values for name, values in curves.items() if name in asked}
    return function(**named, **params)
