"""First passage: where a statistic first passes its thresholds, with one driver for every rule.

The driver, :func:`record`, is a plain function over a rule's ``step`` (and ``restores``). To bind
it to a rule, a copy of the function gets the rule's step as a global. It is compiled by numba if
the step allows it and stays plain Python otherwise (:mod:`_common.compiling`), so the same lines
run in both cases. (``float()`` turns numpy scalars into floats so that the arithmetic is the same
in both cases; in compiled code it has no effect.) Each rule is compiled once, whatever is asked of
it: the driver records the highs of its statistic, and everything else is computed from them.

All thresholds of one family with the same parameters are answered together: only new highs of the
statistic between the lowest and the highest threshold matter, and a run is finished as soon as all
have been passed.
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
    """A rule in the form that :func:`record` takes, and which checks are recorded."""

    start: Any
    #: -1 for a statistic that passes by falling, so that all statistics pass by rising
    sign: float
    #: nothing up to and including this epoch is recorded
    warmup: float
    #: record every check, not only new highs
    every: bool


class Highs(NamedTuple):
    """Where a statistic, turned so that it passes by rising, is higher than ever before.

    Run by run, one after the other; a threshold that is passed at all is passed at one of these.
    """

    value: FloatArray
    #: row of its run
    row: Indices
    run: NDArray[np.int64]


class Recorded(NamedTuple):
    """What :func:`record` fills in: recorded checks, packed, and their number by run."""

    value: FloatArray
    #: index of the rule's check within its run
    check: Indices
    #: epoch that the rule's library would restore there; of no length if that is not needed
    restored: FloatArray
    number: NDArray[np.int64]


class Asked(NamedTuple):
    """The passages that are asked for."""

    #: ascending limits of a rising statistic, see :func:`_limits`; none if no passage is asked for
    limits: FloatArray
    #: the error of which the lowest is selected, one value per check
    errors: FloatArray


class Passages(NamedTuple):
    """The result of :func:`record`: indices of the rule's checks, (runs, columns)."""

    #: the first check past each threshold, or NEVER
    stop: Indices
    #: the check with the lowest selectable error up to the stop
    best: Indices
    #: the column of the first limit; the others follow it
    column: int


def step(state: Any, epoch: float, *values: float) -> tuple[Any, float]:
    """The default step, whose statistic is the value of the first channel."""
    return state, values[0]


def restores(state: Any) -> float:
    """The default: the rule's library restores no epoch."""
    return np.nan


def part(channels: Any, first: int, last: int, stride: Any) -> Any:
    """The checks of a run at which steps are taken, of each channel; see :func:`_readers`."""
    raise NotImplementedError


def thinned(values: FloatArray, first: int, last: int, stride: Any) -> FloatArray:
    """These checks of a single array; see :func:`_readers`."""
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


def record(  # type: ignore[no-untyped-def]
    rule: BoundRule,
    stride,
    strips,
    checks: Checks,
    recorded: Recorded,
    asked: Asked,
    passages: Passages,
):
    """Find the passages that are asked for, or else record the highs of the statistic.

    The rule's step is taken at every ``stride``-th check, or at every check if that is None. A
    passage is the first check past a limit, or NEVER. The lowest error is taken up to the passage,
    or up to the end of a run that never passes; the earliest of ties wins, and if no check was
    selectable it is the last check itself. A check at which a step is taken is selectable if it is
    at the end of a strip, see :func:`selectable`. Only one of ``stride`` and ``strips`` is given.
    (These are separate arguments because numba drops the branches that are not taken if an
    argument is None, but not if a field is: without strips there is nothing to count.)
    """
    sign, warmup, every = rule.sign, rule.warmup, rule.every
    epoch, starts, offsets, channels = checks.epoch, checks.starts, checks.offsets, checks.values
    limits = asked.limits
    apart = 1 if stride is None else stride
    found = 0
    for run in range(offsets.size - 1):
        # slices, since indices that start at 0 need no test for negative values
        first, last, begin = offsets[run], offsets[run + 1], starts[run]
        positions = thinned(epoch, begin, begin + last - first, stride)
        selected = thinned(asked.errors, first, last, stride)
        values = part(channels, first, last, stride)
        state, before, passed = rule.start, found, 0
        # NaN is never the lowest; infinity is if there is nothing else
        best, lowest = first_selectable(strips, selected), np.inf
        left = 0 if strips is None else strips[0]
        limit = limits[0] if limits.size else -np.inf
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
            if not every and cannot_pass(state, bound, *told):
                # the statistic is unused here, so compiled code does not compute it
                state = step(state, float(positions[i]), *told)[0]
                continue
            state, statistic = step(state, float(positions[i]), *told)
            value = sign * statistic
            if every or (value > limit and positions[i] > warmup):
                check = apart * (i + 1) - 1
                if limits.size:
                    kept = apart * (min(i, best) + 1) - 1
                    passed = passing(value, passed, check, kept, run, limits, passages)
                    if passed == limits.size:
                        break
                    limit = limits[passed]
                else:
                    recorded.value[found], recorded.check[found] = value, check
                    if recorded.restored.size:
                        recorded.restored[found] = restores(state)
                    found, limit = found + 1, value
                bound = pass_bound(sign * limit)
        if limits.size:
            kept = min(apart * (best + 1), last - first) - 1
            passing(np.inf, passed, NEVER, kept, run, limits, passages)
        else:
            recorded.number[run] = found - before


# -- what does not depend on the rule ----------------------------------------------------------


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


def passing(
    value: float,
    passed: int,
    stop: int,
    best: int,
    run: int,
    limits: FloatArray,
    passages: Passages,
) -> int:
    """Fill in the stop and the best check of the limits that a value passes, after the first ones.

    Returns how many have been passed. There may be many more limits than are passed at once.
    """
    low, high, apart = passed, passed, 1
    while high < limits.size and value > limits[high]:
        low, high, apart = high + 1, high + apart, 2 * apart
    high = min(high, limits.size)
    while low < high:
        middle = (low + high) // 2
        if value > limits[middle]:
            low = middle + 1
        else:
            high = middle
    stops = passages.stop[run, passages.column + passed : passages.column + low]
    bests = passages.best[run, passages.column + passed : passages.column + low]
    for j in range(stops.size):
        stops[j] = stop
    for j in range(bests.size):
        bests[j] = best
    return low


#: where no passages are found
_NOWHERE = Passages(np.empty((0, 0), np.int32), np.empty((0, 0), np.int32), 0)


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
    watched, limits = watched_by(rule, runs), _limits(members)
    errors, nowhere_else, everywhere = runs.errors_at(watched, select)
    asked, strips = Asked(limits, errors), _strips(rule, select)
    # strips are counted in the checks at which the error was measured
    counts = strips is None and rule.stride == 1
    whole = nowhere_else and (everywhere or counts)
    _record(rule, watched, runs, strips, asked, passages)
    if watched.rows is None and whole:
        return
    columns = slice(passages.column, passages.column + len(members))
    stop, best = passages.stop[:, columns], passages.best[:, columns]
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
    watched = watched_by(criterion, runs)
    (value, check, _, number), checks = _record(criterion, watched, runs, _strips(criterion))
    run = np.repeat(np.arange(len(runs)), number)
    row = check[: len(run)]
    if watched.rows is not None:
        row = (watched.rows[checks.offsets[run] + row] - runs.offsets[run]).astype(np.int32)
    return Highs(value[: len(run)].copy(), row, run)


def _record(
    criterion: Criterion,
    watched: Watched,
    runs: Runs,
    strips: NDArray[np.int64] | None,
    asked: Asked | None = None,
    passages: Passages = _NOWHERE,
    *,
    every: bool = False,
    restored: bool = False,
) -> tuple[Recorded, Checks]:
    """Find the passages that are asked for, or else record the highs of the statistic.

    With ``every``, its value at every check at which a step is taken; with ``restored``, also what
    its library would restore there.
    """
    family, checks = criterion.family, _told(criterion, watched, runs)
    rule = BoundRule(start(criterion, runs.about), family.sign, _gate(criterion.warmup), every)
    size = 0
    if asked is None:  # then no error is selected either
        size = int(checks.offsets[-1])
        asked = Asked(np.empty(0), read_only(np.zeros(size)))
    recorded = Recorded(
        np.empty(size),
        np.empty(size, np.int32),
        np.empty(size if restored else 0),
        np.empty(len(checks.offsets) - 1, np.int64),
    )
    named = ("step", "cannot_pass", "pass_bound", "restores")
    parts = {name: getattr(family, name) for name in named} if family.step else {}
    stride = None if criterion.stride == 1 else criterion.stride
    readers = _readers(len(checks.values), stride is not None)
    arguments = (rule, stride, strips, checks, recorded, asked, passages)
    call_bound(record, {**parts, **readers}, *arguments, rule=family.name)
    return recorded, checks


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
    nowhere, best = np.empty((2, len(stop), 1), np.int32)
    # the default step returns the statistic, which is 1 at the last check up to the stop
    marks = np.zeros(len(errors))
    marks[(watched.checks.offsets[:-1] + last)[last >= 0]] = 1
    rule = BoundRule((0,), 1.0, -math.inf, False)
    checks = watched.checks._replace(values=(read_only(marks),))
    one, number = np.empty(1, np.int32), np.empty(len(stop), np.int64)
    recorded = Recorded(np.empty(1), one, np.empty(0), number)
    asked = Asked(np.zeros(1), errors)
    arguments = (rule, None, strides(strips), checks, recorded, asked, Passages(nowhere, best, 0))
    call_bound(record, _readers(1, False), *arguments, rule="any_of")
    rows = watched.to_rows(best)[:, 0]
    found = (last >= 0) & runs.is_number(select, rows[:, None])[:, 0]
    return np.where(found, rows, stop).astype(np.int32)


@cache
def _readers(channels: int, strided: bool) -> dict[str, Any]:
    """The functions that read a tuple of that many channels, every check or every so many.

    They are generated because numba cannot build a tuple in a loop. They do not depend on which
    channels these are, so binding other channels does not compile anything again.
    """
    run = "first + stride - 1 : last : stride" if strided else "first:last"
    reads = {
        "part": ("first, last, stride", f"channels[{{}}][{run}]"),
        "at": ("check", "float(channels[{}][check])"),
    }
    made = {"thinned": eval(f"lambda values, first, last, stride: values[{run}]", globals())}
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


def _strips(criterion: Criterion, select: str = "val") -> NDArray[np.int64] | None:
    """Strip lengths, in that form, among the checks at which steps are taken."""
    return None if criterion.family.at_ends else strides(criterion.strips(select))


def trace(criterion: Criterion, runs: Runs, index: int) -> Trace:
    """What the criterion sees of run ``index``: its statistic, where it passes, its own epoch."""
    watched = watched_by(criterion, runs)
    if criterion.family.step is None:
        seen = array_trace(
            criterion, _curves(criterion, watched, index), runs.about, runs.name(index)
        )
        return seen if watched.rows is None else _at_rows(seen, watched.alone(index))
    return _traced(criterion, watched.alone(index), runs)


def traces(criterion: Criterion, runs: Runs) -> Trace:
    """What the criterion sees of all runs, one after the other, in one pass."""
    if criterion.family.step is not None:
        return _traced(criterion, watched_by(criterion, runs), runs)
    each = [trace(criterion, runs, i) for i in range(len(runs))]
    return Trace(*map(np.concatenate, zip(*each, strict=True)))


def _traced(criterion: Criterion, watched: Watched, runs: Runs) -> Trace:
    """What a scan sees of the checks watched."""
    family, restores = criterion.family, criterion.family.restores
    found, checks = _record(
        criterion,
        watched,
        runs,
        _strips(criterion),
        every=True,
        restored=restores is not None,
    )
    counts, taken = np.diff(checks.offsets), int(found.number.sum())
    first = np.repeat(checks.offsets[:-1], counts)
    epoch = checks.epoch[np.repeat(checks.starts, counts) + np.arange(len(first)) - first]
    statistic, restored = np.full((2, len(first)), np.nan)
    steps = np.repeat(checks.offsets[:-1], found.number) + found.check[:taken]
    statistic[steps] = family.sign * found.value[:taken]
    if restores is not None:
        begun = restores(start(criterion, runs.about))
        restored[:] = _carried(found.restored[:taken], steps, checks.offsets, begun)
    seen = Trace(statistic, holds(criterion, epoch, statistic), restored)
    return seen if watched.rows is None else _at_rows(seen, watched)


def _carried(
    values: FloatArray, places: NDArray[Any], offsets: NDArray[np.int64], begun: float
) -> FloatArray:
    """Values at some places of every run, carried on to the next place; ``begun`` before them."""
    number = np.zeros(offsets[-1], np.int64)
    number[places] = 1
    number = np.cumsum(number)
    before = np.concatenate([[0], number])[offsets[:-1]]
    some = number > np.repeat(before, np.diff(offsets))
    return np.where(some, np.append(values, begun)[number - 1], begun)


def _at_rows(seen: Trace, watched: Watched) -> Trace:
    """Expand a trace over a rule's checks to the rows of the runs."""
    rows = watched.rows
    assert rows is not None
    size = int(watched.offsets[-1])
    statistic, passes = np.full(size, np.nan), np.zeros(size, np.bool_)
    statistic[rows], passes[rows] = seen.statistic, seen.holds
    # the restored epoch does not change until the next check
    return Trace(statistic, passes, _carried(seen.restored, rows, watched.offsets, math.nan))


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
