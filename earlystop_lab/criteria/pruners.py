"""Rules that see other runs: whether a run goes on depends on how others did, as in a search.

A family (:mod:`core`) sees one run. A *pruner* sees a set of runs in the order in which they
arrive: at each report of a run, told what was reported before, it says whether that run is
stopped. With the number of workers, the order of arrival says what was reported before: one
worker trains the runs one after another, as many workers as runs train all of them at once.

A pruner is a family whose scan goes over the reports of a whole set: a start, the *memory*, and
``judge(memory, report)``, which returns the statistic and writes into the memory what later
reports are compared with. ``completed(memory, report)`` is told the last report of each run that
was not stopped. Parameters, thresholds and the text form are those of any family.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from earlystop_lab.criteria.core import Criterion, Family, Passes, Value, criterion
from earlystop_lab.criteria.first_passage import NEVER, Indices, holds, watched_by
from earlystop_lab.curves import FloatArray, Runs

#: the parameters of every pruner, as its documentation describes them
_ARRIVAL = """
workers : int, optional
    How many runs are trained at the same time; all by default.
seed : int, optional
    Seed of a random order of arrival; by default the runs arrive in the order of the set.
"""


class Report(NamedTuple):
    """What a run has reported up to now: the last element is the new one."""

    #: the number of the run in the order of arrival, from 0
    run: int
    positions: FloatArray
    #: errors; lower is better
    values: FloatArray


@dataclass(frozen=True, eq=False, repr=False)
class Pruner:
    """A rule that sees other runs; call it to give it its parameters.

    Made by the decorator :func:`pruner`, not directly. ``workers`` and ``seed`` are parameters of
    every pruner: how many runs are trained at the same time (by default all), and the seed of a
    random order of arrival (by default the order of the curve set).
    """

    family: Family
    #: told the last report of a run that was not stopped
    completed: Callable[[Any, Report], None] | None = None
    __doc__: str | None = field(default=None)

    def __call__(self, *values: Value, **named: Value) -> Pruning:
        """The pruner with the given threshold and parameters."""
        return Pruning(self, self.family(*values, **named))

    @property
    def name(self) -> str:
        """The name of the rule."""
        return self.family.name

    def __reduce__(self) -> Any:
        # importable ones are pickled by name, as families are
        if getattr(sys.modules.get(self.__module__), self.name, None) is self:
            return self.name
        return Pruner, (self.family, self.completed, self.__doc__)

    def __repr__(self) -> str:
        return f"<pruner {self.name}({', '.join(self.family.slots)})>"


@dataclass(frozen=True, repr=False)
class Pruning:
    """A pruner with its parameters; ``str`` is the text from which ``replay`` makes it."""

    pruner: Pruner
    criterion: Criterion
    #: what tells it from combinations of criteria
    how: Literal["pruner"] = "pruner"

    def __str__(self) -> str:
        return str(self.criterion)

    __repr__ = __str__

    @property
    def leaves(self) -> tuple[Criterion, ...]:
        """What has the channels that it watches: one criterion."""
        return (self.criterion,)

    def strips(self, select: str = "val") -> frozenset[int]:
        """See :meth:`Criterion.strips`."""
        return self.criterion.strips(select)

    @property
    def seed(self) -> Value:
        """The seed of the order of arrival; None for the order of the set."""
        return dict(self.criterion.params)["seed"]

    def with_seed(self, seed: int) -> Pruning:
        """The same with a random order of arrival."""
        params = dict(self.criterion.params) | {"seed": seed}
        return replace(self, criterion=replace(self.criterion, params=tuple(params.items())))


def pruner(
    *,
    judge: Callable[[Any, Report], float],
    completed: Callable[[Any, Report], None] | None = None,
    threshold: str | None = None,
    default: float | None = None,
    passes: Passes = ">=",
    at_least: Mapping[str, float] | None = None,
    above: Mapping[str, float] | None = None,
    at_most: Mapping[str, float] | None = None,
) -> Callable[[Callable[..., Any]], Pruner]:
    """Make a pruner of a function that takes the parameters and returns the first memory.

    ``judge`` and ``completed`` are explained at the head of this module, the others are those of
    :func:`criterion`. The documentation of the function ends its parameters with ``workers`` and
    ``seed``, which are added here, if its section "Notes" follows them.
    """

    def made(function: Callable[..., Any]) -> Pruner:
        family = criterion(
            threshold=threshold,
            default=default,
            passes=passes,
            at_least={**(at_least or {}), "workers": 1, "seed": 0},
            above=above,
            at_most=at_most,
            step=judge,
        )(function)
        arrival = {"workers": None, "seed": None}
        kinds = {**family.kinds, "workers": int | None, "seed": int | None}
        text = (family.__doc__ or "").replace("\n\nNotes\n", f"{_ARRIVAL}\nNotes\n", 1)
        defaults = {**family.defaults, **arrival}
        family = replace(family, defaults=defaults, kinds=kinds, __doc__=text)
        found = Pruner(family, completed, text)
        for each in (family, found):
            object.__setattr__(each, "__module__", function.__module__)
        return found

    return made


def pruned(rule: Pruning, runs: Runs, sets: NDArray[np.int64] | None = None) -> Indices:
    """The row at which a pruner stops each run, or NEVER.

    Runs are compared with those of the same set: those with the same number in ``sets``, or all.
    Raises ``ValueError`` if a run lacks the channel that the rule watches.
    """
    watched = watched_by(rule.criterion, runs)
    checks = np.full((len(runs), 1), NEVER, np.int32)
    of_run = np.zeros(len(runs), np.int64) if sets is None else sets
    for number in dict.fromkeys(of_run.tolist()):
        members = np.flatnonzero(of_run == number)
        if rule.seed is not None:
            members = np.random.default_rng([int(str(rule.seed)), number]).permutation(members)
        seen = [watched.checks.run(i) for i in members.tolist()]
        arrived = [(epoch, values[0]) for epoch, values in seen]
        for i, check in zip(members.tolist(), stopped_checks(rule, arrived), strict=True):
            checks[i] = check
    rows: Indices = watched.to_rows(checks)[:, 0]
    return rows


def stopped_checks(rule: Pruning, runs: Sequence[tuple[FloatArray, FloatArray]]) -> list[int]:
    """The check at which each run is stopped, or NEVER; runs in the order of arrival.

    A run is pairs of positions and errors. A worker takes the next run as soon as its run ends. A
    run reports at a time that its position says, counted from its start: every unit of the position
    is assumed to take the same time. Reports at the same time come in the order of arrival.
    """
    family, told = rule.criterion.family, dict(rule.criterion.params)
    workers, _ = told.pop("workers"), told.pop("seed")
    assert family.start is not None
    assert family.step is not None
    memory, judge, completed = family.start(**told), family.step, rule.pruner.completed
    checks = [NEVER] * len(runs)
    waiting = iter(range(len(runs)))
    #: (time of the next report, number of the run, its check, time of its start)
    due: list[tuple[float, int, int, float]] = []

    def begin(now: float) -> None:
        for number in waiting:
            if len(runs[number][0]):
                heappush(due, (now + float(runs[number][0][0]), number, 0, now))
                return

    for _ in range(len(runs) if workers is None else int(str(workers))):
        begin(0.0)
    while due:
        time, number, check, began = heappop(due)
        positions, values = runs[number]
        report = Report(number, positions[: check + 1], values[: check + 1])
        if holds(rule.criterion, time, judge(memory, report)):
            checks[number] = check
            begin(time)
        elif check + 1 < len(positions):
            heappush(due, (began + float(positions[check + 1]), number, check + 1, began))
        else:
            if completed is not None:
                completed(memory, report)
            begin(time)
    return checks
