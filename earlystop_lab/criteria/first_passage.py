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
#: the curves of one run by name, and the positions as ``epoch``
Curves = Mapping[str, FloatArray]
#: index of a check that never comes
NEVER = -1
_PASSES = {">": operator.gt, ">=": operator.ge, "<": operator.lt, "<=": operator.le}
_JOINS = {"any_of": operator.or_, "all_of": operator.and_}


class Trace(NamedTuple):
    """What a criterion saw of one run, one value a row."""

    #: the statistic; NaN where it is undefined, or a channel was not measured
    statistic: FloatArray
    #: where it passes its threshold (and the warm-up is over)
    holds: NDArray[np.bool_]
    #: epoch whose weights the rule's own library would restore, had training ended here
    restored: FloatArray


class Check(NamedTuple):
    """One row of a :class:`Trace`."""

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
    """What :func:`first_passages` fills in: checks as the rule counts them, (runs, columns)."""

    #: the first check past each threshold, or NEVER
    stop: Indices
    #: the check of the lowest error that is selectable up to there
    best: Indices
    #: where the first of the thresholds is answered, the others behind it
    column: int


def step(state: Any, epoch: float, *values: float) -> tuple[Any, float]:
    """The rule's step; as it is, the statistic is the value of the first channel."""
    return state, values[0]


def restores(state: Any) -> float:
    """The epoch that the rule's library would restore: none."""
    return np.nan


def part(channels: Any, first: int, last: int) -> Any:
    """The channels from one place to before another; see :func:`_readers`."""
    raise NotImplementedError


def thinned(channels: Any, stride: int) -> Any:
    """The channels at every ``stride``-th check; see :func:`_readers`."""
    raise NotImplementedError


def at(channels: Any, check: int) -> Any:
    """A value of each channel; see :func:`_readers`."""
    raise NotImplementedError


def cannot_pass(state: Any, bound: float, *values: float) -> bool:
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
    rule: BoundRule, stride, strips, checks: Checks, errors, passages: Passages
):
    """Fill ``passages`` with the first check past each threshold, or NEVER.

    The rule's step is taken at every ``stride``-th check, at every one where that is None. (These
    are arguments of their own since numba drops the branches not taken where an argument is None,
    but not where a field is: without a stride it compiles to plain arrays.)

    The lowest of ``errors``, one a check, is that up to the passage (up to the end of a run that
    never passes), the earliest of ties; where none was selectable, the last check itself. Of the
    checks at which a step is taken those at the end of a strip are selectable, see
    :func:`selectable`; only one of ``stride`` and ``strips`` is given.
    """
    limits, sign, warmup = rule.limits, rule.sign, rule.warmup
    epoch, starts, offsets, channels = checks.epoch, checks.starts, checks.offsets, checks.values
    count = limits.size
    columns = slice(passages.column, passages.column + count)
    every = 1 if stride is None else stride
    for run in range(offsets.size - 1):
        # slices, since indices from 0 need no look at whether they are negative
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
        # NaN is never the lowest, infinity is where nothing else is
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
                # the statistic is not asked for, so that compiled it is not computed
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


def scan(start, stride, epoch, channels, statistic, restored):  # type: ignore[no-untyped-def]
    """Fill the statistic and the restored epoch of every check of one run, as above."""
    every = 1 if stride is None else stride
    state = start
    for check in range(epoch.size):
        statistic[check] = np.nan
        if (check + 1) % every == 0:
            state, statistic[check] = step(state, float(epoch[check]), *at(channels, check))
        restored[check] = restores(state)


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


def stops(
    criteria: Sequence[Criterion], runs: Runs, select: str = "val"
) -> tuple[Indices, Indices]:
    """Where each criterion stops each run, and the lowest error up to there: (runs, criteria).

    Both are rows of the runs. The first is NEVER where it does not stop; the second is that of the
    lowest selectable error of the channel ``select`` up to its stop or the run's end (see
    :meth:`Criterion.strips`), where all of them were NaN the stop or the end itself.

    One pass over the runs for those that share family, parameters and channels, whatever their
    number of thresholds; they come :func:`in_order`. Raises ``ValueError`` where a run lacks a
    channel that a rule watches, or an array rule returns something else than asked.
    """
    # in one piece, which is large enough for large pages of memory
    stop, best = np.empty((2, len(runs), len(criteria)), np.int32)
    column = 0
    for _, group in groupby(criteria, key=_shared):
        members = list(group)
        _answer(members, runs, select, Passages(stop, best, column))
        column += len(members)
    return stop, best


def _answer(members: Sequence[Criterion], runs: Runs, select: str, passages: Passages) -> None:
    """Fill in the rows for criteria that are answered in one pass."""
    rule = members[0]
    family, watched = rule.family, watched_by(rule, runs)
    checks = watched.checks
    if family.step is None:
        # the stand-in step passes on the statistic itself
        statistics = [
            _array_statistic(rule, _curves(rule, watched, i), runs.about, runs.name(i))
            for i in range(len(runs))
        ]
        checks = checks._replace(values=(read_only(np.concatenate(statistics)),))
    errors, nowhere_else, everywhere = runs.errors_at(watched, select)
    looks = _looks(rule, select)
    # strips are of the checks at which the error was measured
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


def watched_by(criterion: Criterion, runs: Runs) -> Watched:
    """The channels of the rule, where all were measured; ``ValueError`` where a run lacks one."""
    for name in criterion.channels:
        lacking = runs.lacks(name)
        if lacking is not None:
            kinds = {"train": "training errors", "val": "validation errors", "test": "test errors"}
            raise ValueError(
                f"{criterion.family.name} needs {kinds.get(name, f'the channel {name!r}')}; run "
                f"{lacking!r} has none (column {name!r}); the set has {listed([*runs.about], 20)}"
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
    """Row of the lowest selectable error of a channel up to one stop, a row, of each run.

    ``strips`` says which are selectable (:meth:`Criterion.strips`); the stop itself where all
    of them were NaN.
    """
    watched, errors = runs.selectable(select)
    last = watched.last_checks(stop)
    # the statistic, which the stand-in step passes on, is 1 at the last check up to the stop
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
    """Call a driver with a rule's parts and with what reads that many channels."""
    call_bound(driver, {**parts, **_readers(channels)}, *arguments, rule=rule)


@cache
def _readers(channels: int) -> dict[str, Any]:
    """The functions that read a tuple of that many channels.

    Written out, since numba makes no tuple in a loop; they know nothing of which channels these
    are, so that binding other ones compiles nothing anew.
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
    """A trace of a rule's checks as one of the rows of the run."""
    count = int(runs.lengths[index])
    rows = watched.rows_of(index)
    statistic, passes = np.full(count, np.nan), np.zeros(count, np.bool_)
    statistic[rows], passes[rows] = seen.statistic, seen.holds
    # what would be restored stays so until the next check
    before = np.searchsorted(rows, np.arange(count), side="right") - 1
    restored = np.append(seen.restored, np.nan)[before]
    return Trace(statistic, passes, restored)


def array_trace(
    criterion: Criterion, curves: Curves, about: Mapping[str, Channel], run: str
) -> Trace:
    """As :func:`trace`, of a rule that is an array function and the curves of one run.

    ``curves`` are those at its checks, by the names that its function knows them by.
    """
    statistic = _array_statistic(criterion, curves, about, run)
    restored = np.full(len(statistic), np.nan)
    if (restores := criterion.family.restores) is not None:
        restored[:] = _called(restores, _params(criterion, about), curves)
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


def start(criterion: Criterion, about: Mapping[str, Channel]) -> Any:
    """The state of a rule that has seen nothing, told what the channels are."""
    first = criterion.family.start
    return first(**_params(criterion, about)) if first else (0,)


# -- inside --------------------------------------------------------------------------------


def _params(criterion: Criterion, about: Mapping[str, Channel]) -> dict[str, Value]:
    """The parameters as the rule's function takes them, which sees every score negated."""
    params = dict(criterion.params)
    if criterion.family.recorded:
        (name, form), *_ = criterion.watched
        if form == "error" and about[name].direction == "max":
            for each in criterion.family.recorded:
                value = params[each]
                params[each] = value if value is None else -value  # type: ignore[operator]
    return params


def _looks(criterion: Criterion, select: str) -> tuple[int | None, NDArray[np.int64] | None]:
    """At which checks steps are taken, and which are selectable, as the driver takes them."""
    if criterion.family.at_ends:
        return (None if criterion.stride == 1 else criterion.stride), None
    return None, strides(criterion.strips(select))


def _curves(criterion: Criterion, watched: Watched, index: int) -> Curves:
    """The curves of one run by the names that the rule's function knows them by."""
    epoch, values = watched.checks.run(index)
    return {"epoch": epoch, **dict(zip(criterion.family.watches, values, strict=True))}


def _array_statistic(
    criterion: Criterion, curves: Curves, about: Mapping[str, Channel], run: str
) -> FloatArray:
    """The statistic of an array function at every check of one run."""
    family = criterion.family
    assert family.array is not None
    expected = len(curves["epoch"])
    if not expected:  # never measured: there is nothing to be called with
        return np.empty(0)
    result = np.asarray(_called(family.array, _params(criterion, about), curves))
    if result.shape != (expected,) or result.dtype.kind not in "fiub":
        raise ValueError(
            f"{family.name}: returned {result.dtype} of shape {result.shape} for run "
            f"{run!r}; expected {expected} numbers, one a check"
        )
    return result.astype(np.float64)


def _called(function: Callable[..., Any], params: Mapping[str, Value], curves: Curves) -> Any:
    """An array function of one run: the curves that it names, and the parameters."""
    asked = signature(function).parameters
    named = {name: values for name, values in curves.items() if name in asked}
    return function(**named, **params)
