"""First passage: where a statistic first passes its thresholds, with one driver for every rule.

The driver, :func:`record`, is a plain function over a rule's ``step`` (and ``restores``). To bind
it to a rule, a copy of the function gets the rule's step as a global. It is compiled by numba if
the step allows it and plain Python otherwise, or if that takes less time than compiling
(:mod:`_common.compiling`), so the same lines run in both cases. (``float()`` turns numpy scalars
into floats so that the arithmetic is the same in both cases; in compiled code it has no effect.)
Each rule is compiled once, whatever is asked of it: the driver only records the highs of its
statistic, and everything else is computed from them by functions that do not depend on the rule.

All thresholds of one family with the same parameters are answered together: only new highs of the
statistic between the lowest and the highest threshold matter, and a run is finished as soon as all
have been passed.
"""

import math
import operator
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, lru_cache, reduce
from inspect import signature
from itertools import groupby
from operator import attrgetter, itemgetter
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
#: index of a check before the first
NOWHERE = -2
#: steps by which plain Python is tried
TRIED = 20_000
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


class Asked(NamedTuple):
    """Which checks :func:`record` records."""

    #: -1 for a statistic that passes by falling, so that all statistics pass by rising
    sign: float
    #: nothing up to and including this epoch is recorded
    warmup: float
    #: highs up to ``low`` are not recorded; a run ends with the first one above ``high``
    low: float
    high: float
    #: record every check, not only new highs
    every: bool


#: of highs that are not in stretches
_ALONE = read_only(np.empty(0, np.int32))


class Highs(NamedTuple):
    """Where a statistic, turned so that it passes by rising, is higher than ever before.

    Run by run, one after the other; a threshold that is passed at all is passed at one of these.
    """

    value: FloatArray
    #: row of its run
    row: Indices
    #: where each run's highs begin, and where those of the last run end
    offsets: NDArray[np.int64]
    #: if these are only the beginnings of stretches, the number of highs in each; see :func:`brief`
    length: Indices = _ALONE
    #: how many rows apart two highs of a stretch are
    apart: int = 1

    @property
    def run(self) -> NDArray[np.int64]:
        """The run of each high."""
        return np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))


#: no highs, by what :func:`shared` returns
NONE_KNOWN: Mapping[Any, Highs] = {}


class Recorded(NamedTuple):
    """What :func:`record` fills in: recorded checks, packed, and their number by run."""

    value: FloatArray
    #: index of the rule's check within its run
    check: Indices
    #: epoch that the rule's library would restore there; of no length if that is not needed
    restored: FloatArray
    number: NDArray[np.int64]


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
    start,
    stride,
    asked: tuple[Any, ...],
    checks: tuple[Any, ...],
    recorded: tuple[Any, ...],
):
    """Record the highs of the statistic.

    The rule's step is taken at every ``stride``-th check, or at every check if that is None.
    (That is an argument of its own because numba drops the branches that are not taken if an
    argument is None, but not if a field is.) The others are an :class:`Asked`, :class:`Checks` and
    a :class:`Recorded` as plain tuples, whose types numba finds out many times faster.
    """
    sign, warmup, low, high, every = asked
    epoch, starts, offsets, channels = checks
    into_value, into_check, into_restored, number = recorded
    apart = 1 if stride is None else stride
    found = 0
    for run in range(offsets.size - 1):
        # slices, since indices that start at 0 need no test for negative values
        first, last, begin = offsets[run], offsets[run + 1], starts[run]
        positions = thinned(epoch, begin, begin + last - first, stride)
        values = part(channels, first, last, stride)
        state, before, limit = start, found, low
        bound = pass_bound(sign * limit)
        for i in range(positions.size):
            told = at(values, i)
            if not every and cannot_pass(state, bound, *told):
                # the statistic is unused here, so compiled code does not compute it
                state = step(state, float(positions[i]), *told)[0]
                continue
            state, statistic = step(state, float(positions[i]), *told)
            value = sign * statistic
            if every or (value > limit and positions[i] > warmup):
                into_value[found], into_check[found] = value, apart * (i + 1) - 1
                if into_restored.size:
                    into_restored[found] = restores(state)
                found, limit = found + 1, value
                if limit > high:
                    break
                bound = pass_bound(sign * limit)
        number[run] = found - before


# -- what does not depend on the rule ----------------------------------------------------------


def passages(
    value: FloatArray,
    row: Indices,
    offsets: NDArray[np.int64],
    length: Indices,
    apart: int,
    limits: FloatArray,
    stop: Indices,
    column: int,
) -> None:
    """Fill in the row at which each run passes each of ascending limits, or NEVER.

    The limits have the columns of ``stop`` from ``column`` on.
    """
    for run in range(offsets.size - 1):
        stops = stop[run, column : column + limits.size]
        i, end = offsets[run], offsets[run + 1]
        at, first, more = NEVER, -math.inf, 0
        for j in range(limits.size):
            while not limits[j] < first + more:
                if i == end:
                    at, first, more = NEVER, math.inf, 0
                    break
                at, first = row[i], float(value[i])
                more = length[i] - 1 if length.size else 0
                i += 1
            stops[j] = at
            if more and first <= limits[j]:
                after = math.floor(limits[j] - first) + 1
                # the difference may have been rounded
                after -= first + (after - 1) > limits[j]
                stops[j] += apart * after


def lowest(
    errors: FloatArray,
    offsets: NDArray[np.int64],
    strips: NDArray[np.int64],
    until: Indices,
    best: Indices,
    first: int,
    last: int,
) -> None:
    """Fill in the check of the lowest selectable error of each run, up to each of some checks.

    These are in the columns from ``first`` up to ``last`` of ``until``; NEVER stands for the end of
    the run, and :data:`NOWHERE` for no check at all. The earliest of ties wins. NaN is never the
    lowest, and infinity is if there is nothing else; if no error was selectable, it is the last
    check itself. See :func:`strides` for the checks that are selectable.
    """
    longest = 0
    for run in range(offsets.size - 1):
        longest = max(longest, offsets[run + 1] - offsets[run])
    apart, alone = strips[0], strips.size == 1
    # the lowest among the first so many ends of strips
    lows = np.empty(longest // apart + 1, np.int32)
    lows[0] = NEVER
    for run in range(offsets.size - 1):
        untils, kept = until[run, first:last], best[run, first:last]
        ends = errors[offsets[run] + apart - 1 : offsets[run + 1] : apart]
        at, low, seen = NEVER, np.inf, 0
        # the checks of one rule ascend, and neighbours are often the same
        asked, found = NOWHERE, NOWHERE
        for j in range(untils.size):
            if untils[j] != asked:
                asked = untils[j]
                check = offsets[run + 1] - offsets[run] - 1 if asked == NEVER else asked
                number = max(check + 1, 0) // apart
                # as far as nothing before has looked
                for i in range(seen, number):
                    error, end = float(ends[i]), apart * (i + 1) - 1
                    if not alone and not selectable(strips, end):
                        error = np.nan
                    lower = (error < low) | ((at == NEVER) & (error == error))
                    # without branches, since where errors are noisy none can be predicted
                    at = max(at, (end + 1) * lower - 1)
                    low = error if error < low else low
                    lows[i + 1] = at
                seen = max(seen, number)
                found = lows[number] if lows[number] >= 0 else check
            kept[j] = found


def selectable(strips: NDArray[np.int64], check: int) -> bool:
    """Whether ``restore="best"`` may select the check; see :func:`strides`."""
    if strips.size == 1:
        return bool((check + 1) % strips[0] == 0)
    at_end = False
    for k in strips[1:]:
        at_end = at_end or (check + 1) % k == 0
    return at_end


# -- public functions of this module -----------------------------------------------------------


def in_order(criteria: Iterable[Criterion]) -> list[Criterion]:
    """The criteria in the order :func:`stops` takes: grouped by pass, thresholds ascending.

    Ascending means the order in which a rising statistic passes the thresholds.
    """
    groups: dict[Any, list[Criterion]] = {}
    for each in criteria:
        groups.setdefault(shared(each), []).append(each)
    # what reads most channels first: the other passes then find them in the processor's cache
    passes = sorted(groups.items(), key=lambda each: -len(each[0][-1]))
    return [
        each
        for (family, *_), group in passes
        for each in sorted(group, key=attrgetter("threshold"), reverse=family.sign < 0)
    ]


def stops(
    criteria: Sequence[Criterion],
    runs: Runs,
    select: str = "val",
    known: Mapping[Any, Highs] = NONE_KNOWN,
) -> tuple[Indices, Indices]:
    """Where each criterion stops each run, and the lowest error up to there: (runs, criteria).

    Both results are rows of the runs. The first is NEVER if the criterion does not stop the run.
    The second is the row of the lowest selectable error of the channel ``select`` up to the stop
    or the end of the run (see :meth:`Criterion.strips`), or that last row itself if all selectable
    errors were NaN.

    Criteria that share family, parameters and channels take one pass over the runs, whatever the
    number of their thresholds; they must be sorted by :func:`in_order`. ``known`` holds the highs
    of those for which :func:`highs` has computed them, by :func:`shared`. Raises ``ValueError`` if
    a run lacks a channel that a rule watches, or if an array rule returns an invalid result.
    """
    # one allocation, large enough for huge pages
    stop, best = np.empty((2, len(runs), len(criteria)), np.int32)
    column = 0
    passes: list[tuple[frozenset[int], int]] = []
    for key, group in groupby(criteria, key=shared):
        members = list(group)
        limits = _limits(members)
        found = known.get(key) or _highs(members[0], runs, float(limits[0]), float(limits[-1]))
        value, row, offsets, length, apart = found
        arguments = (
            *(read_only(each) for each in (value, row, offsets, length)),
            apart,
            read_only(limits),
            stop,
            column,
        )
        work = len(found.value) + len(runs)
        call_bound(passages, {}, *arguments, rule="thresholds", work=work)
        column += len(members)
        passes.append((members[0].strips(select), len(members)))
    column = 0
    for strips, alike in groupby(passes, key=itemgetter(0)):
        columns = slice(column, column + sum(number for _, number in alike))
        lowest_errors(runs, strips, stop, best, columns, select)
        column = columns.stop
    return stop, best


def highs(criterion: Criterion, runs: Runs) -> Highs:
    """The highs of the criterion's statistic in every run, whatever its threshold."""
    found = _highs(criterion, runs)
    # room for a high at every check is not kept
    return found._replace(value=found.value.copy(), row=found.row.copy())


def brief(highs: Highs, apart: int) -> Highs:
    """The same highs in stretches, in which each is higher by 1 and ``apart`` rows further on.

    A statistic that counts checks goes on like that for most of a run.

    >>> value, row = np.array([1.0, 2.0, 3.0, 5.0]), np.array([4, 5, 6, 9])
    >>> found = brief(Highs(value, row, np.array([0, 4])), 1)
    >>> found.value.tolist(), found.row.tolist(), found.length.tolist(), found.offsets.tolist()
    ([1.0, 5.0], [4, 9], [3, 1], [0, 2])
    """
    value, row, offsets = highs.value, highs.row, highs.offsets
    if not len(value) or not (np.array_equal(value, np.floor(value)) and np.isfinite(value).all()):
        return highs
    fresh = np.concatenate([[True], (np.diff(value) != 1) | (np.diff(row) != apart)])
    fresh[offsets[:-1][np.diff(offsets) > 0]] = True
    begins = np.flatnonzero(fresh)
    if len(begins) == len(value):
        return highs
    length = np.diff(begins, append=len(value)).astype(np.int32)
    return Highs(value[begins], row[begins], np.searchsorted(begins, offsets), length, apart)


def _highs(
    criterion: Criterion, runs: Runs, low: float = -math.inf, high: float = math.inf
) -> Highs:
    """The highs above ``low``, up to the first above ``high``."""
    watched = watched_by(criterion, runs)
    (value, row, _, number), checks = _record(criterion, watched, runs, low=low, high=high)
    offsets = np.concatenate([[0], np.cumsum(number)])
    value, row = value[: offsets[-1]], row[: offsets[-1]]
    if watched.rows is not None:
        begins = np.repeat(checks.offsets[:-1], number), np.repeat(runs.offsets[:-1], number)
        row = (watched.rows[begins[0] + row] - begins[1]).astype(np.int32)
    return Highs(value, row, offsets)


def _record(
    criterion: Criterion,
    watched: Watched,
    runs: Runs,
    *,
    low: float = -math.inf,
    high: float = math.inf,
    every: bool = False,
    restored: bool = False,
) -> tuple[Recorded, Checks]:
    """Record the highs of the statistic above ``low``, up to the first above ``high``.

    With ``every``, its value at every check at which a step is taken; with ``restored``, also what
    its library would restore there.
    """
    family, checks = criterion.family, _told(criterion, watched, runs)
    begin, warmup = start(criterion, runs.about), _gate(criterion.warmup)
    asked = (*Asked(family.sign, warmup, low, high, every),)
    size = int(checks.offsets[-1])
    recorded = Recorded(
        np.empty(size),
        np.empty(size, np.int32),
        np.empty(size if restored else 0),
        np.empty(len(checks.offsets) - 1, np.int64),
    )
    named = ("step", "cannot_pass", "pass_bound", "restores")
    parts = {name: getattr(family, name) for name in named} if family.step else {}
    apart = criterion.stride
    stride = None if apart == 1 else apart
    readers = _readers(len(checks.values), stride is not None)
    found, runs_done = 0, 0
    for last in _portions(checks.offsets, TRIED * apart):
        mine = slice(runs_done, last)
        some = checks._replace(
            starts=checks.starts[mine], offsets=checks.offsets[runs_done : last + 1]
        )
        number = recorded.number[mine]
        into = recorded.value[found:], recorded.check[found:], recorded.restored[found:], number
        work = int(some.offsets[-1] - some.offsets[0]) // apart
        arguments = begin, stride, asked, (*some,), into
        call_bound(record, {**parts, **readers}, *arguments, rule=family.name, work=work)
        found, runs_done = found + int(number.sum()), last
    return recorded, checks


def _portions(offsets: NDArray[np.int64], checks: int) -> list[int]:
    """The number of runs with about so many checks, at least one run, and that of all runs."""
    every = len(offsets) - 1
    few = int(np.searchsorted(offsets, offsets[0] + checks, "right")) - 1
    return sorted({min(max(few, 1), every), every})


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


def shared(criterion: Criterion) -> tuple[Any, ...]:
    """What criteria that are answered in one pass have in common."""
    return criterion.family, criterion.params, criterion.warmup, criterion.channels


def lowest_errors(
    runs: Runs,
    strips: frozenset[int],
    stop: Indices,
    best: Indices,
    columns: slice,
    select: str = "val",
) -> None:
    """Fill in the row of the lowest selectable error of a channel up to given stop rows.

    ``stop`` and ``best`` are of shape (runs, criteria), and these columns are filled in. NEVER
    stands for the end of the run; ``strips`` says which checks are selectable
    (:meth:`Criterion.strips`). The result is the stop itself if all selectable errors were NaN.
    """
    watched, errors = runs.selectable(select)
    every = strides(strips)

    def fill_in(until: Indices, found: Indices, first: int, last: int) -> None:
        places = errors, watched.checks.offsets, every, until, found, first, last
        call_bound(lowest, {}, *places, rule="selection", work=len(errors) // int(every[0]))

    if watched.rows is None:
        fill_in(stop, best, columns.start, columns.stop)
        return
    stop = stop[:, columns]
    ended = np.where(stop == NEVER, runs.lengths[:, None] - 1, stop)
    last = watched.last_checks(ended)
    found = np.empty(last.shape, np.int32)
    fill_in(np.where(last < 0, NOWHERE, last).astype(np.int32), found, 0, last.shape[1])
    rows = watched.to_rows(found)
    best[:, columns] = np.where((last >= 0) & runs.is_number(select, rows), rows, ended)


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


def strides(strips: frozenset[int]) -> NDArray[np.int64]:
    """Strip lengths in the form that :func:`lowest` takes.

    Every k-th check is selectable for any k among them; the first is their greatest common divisor,
    and stands alone if it is itself one of them, or if every check is selectable.
    """
    apart = math.gcd(*strips) or 1
    alone = not strips or apart in strips
    return np.array([apart] if alone else [apart, *sorted(strips)], np.int64)


def traces(criterion: Criterion, runs: Runs) -> Trace:
    """What the criterion sees of all runs: its statistic, where it passes, its own epoch."""
    watched = watched_by(criterion, runs)
    if criterion.family.step is not None:
        seen = _traced(criterion, watched, runs)
    else:
        each = [
            array_trace(criterion, _curves(criterion, watched, i), runs.about, runs.name(i))
            for i in range(len(runs))
        ]
        seen = Trace(*map(np.concatenate, zip(*each, strict=True)))
    return seen if watched.rows is None else _at_rows(seen, watched)


def _traced(criterion: Criterion, watched: Watched, runs: Runs) -> Trace:
    """What a scan sees at its checks."""
    family, restores = criterion.family, criterion.family.restores
    found, checks = _record(
        criterion,
        watched,
        runs,
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
    return Trace(statistic, holds(criterion, epoch, statistic), restored)


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
    differs = family.tests_between_checks or family.restores_only_if_stopped
    return family.restores is not None and differs


def restores_otherwise(criterion: Criterion) -> bool:
    """Whether ``restore="own"`` can differ from the lowest error."""
    return criterion.family.restores is not None


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
    """The initial state of a rule, given descriptions of its channels.

    Raises ``ValueError`` if there is not enough memory for the window that it remembers.
    """
    first = criterion.family.start
    try:
        return first(**_params(criterion, about)) if first else (0,)
    except MemoryError as error:
        raise ValueError(f"{criterion}: its window does not fit into memory ({error})") from error


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
    asked = _asked(function)
    named = {name: values for name, values in curves.items() if name in asked}
    return function(**named, **params)


@lru_cache(64)
def _asked(function: Callable[..., Any]) -> frozenset[str]:
    """The names of a function's parameters."""
    return frozenset(signature(function).parameters)
