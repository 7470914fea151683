"""The watched runs: their curves as they grow, and the verdict of each criterion on them."""

import math
import time
from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import count
from typing import Any

import numpy as np

from earlystop_lab.criteria import Rule
from earlystop_lab.curves import Channel, Curve, FloatArray
from earlystop_lab.engine.replaying import rule_of
from earlystop_lab.live.growing import Growing
from earlystop_lab.live.stopper import Statistic, Stopper
from earlystop_lab.live.watch.posts import (
    MOST_METRICS,
    Asked,
    Channels,
    Post,
    PostError,
    channels,
    check_of,
    from_json,
    to_json,
)
from earlystop_lab.sources.logs._about import upper_bound

#: what one server keeps in memory: runs, and checks of all runs together
MOST_RUNS = 200
MOST_CHECKS = 3_000_000
#: seconds without a post after which a run may be dropped for another; its file stays
SILENT = 3600
#: a run has ended if it is silent for longer than this many of its epochs and seconds
_EPOCHS, _SECONDS = 3, 1.0
#: what a post does to a run, in the form of the journal; see :meth:`Run.apply`
Event = dict[str, Any]


class Verdict:
    """What one criterion says about a run: its statistic at every check, and where it stopped."""

    def __init__(self, criterion: Rule | str) -> None:
        self.criterion = str(criterion)
        self.rule = rule_of(criterion)
        self.reset({})

    def reset(self, about: Channels) -> None:
        """Start again: nothing has been seen of a run with these channels."""
        self.stopper: Stopper | None = None
        #: for each part of the criterion, at the last check
        self.last: list[Statistic] = []
        #: for each part of the criterion, its statistic at every check seen
        self.values: list[array[float]] = []
        self.seen = 0
        #: why it cannot evaluate this run
        self.problem: str | None = None
        if about:
            try:
                self.stopper = Stopper(self.rule, channels=about)
                self.stopper.expect(*about)
            except ValueError as error:
                self.problem = str(error)

    @property
    def done(self) -> bool:
        """Whether further checks change nothing: a rule that has stopped a run is done."""
        return self.problem is not None or (self.stopper is not None and self.stopper.stopped)

    def see(self, check: Mapping[str, float | None]) -> None:
        """Evaluate the next check; None means not measured."""
        assert self.stopper is not None, "a run has channels before it has checks"
        try:
            self.stopper.update(**check)
        except Exception as error:  # a user's own rule may raise anything
            self.problem = str(error) or type(error).__name__
            return
        self.last = self.stopper.statistics
        if not self.values:
            self.values = [array("d") for _ in self.last]
        for values, each in zip(self.values, self.last, strict=True):
            values.append(each.value)
        self.seen += 1


class Run:
    """One run: its channels so far, as measured, and the verdict of every criterion.

    It changes by events: ``metrics`` are new ones, ``channels`` describes the channels, ``keep``
    truncates them to a number of checks, and ``check`` is one more. Replaying the same events gives
    the same run.
    """

    def __init__(self, called: str, number: int, criteria: Sequence[Rule | str]) -> None:
        #: the name the run was posted under, and its number among those with that name, from 1
        self.called, self.number = called, number
        self.verdicts = [Verdict(criterion) for criterion in criteria]
        self.began = self.changed = time.time()
        #: the epoch that was posted last, with or without a check, and when
        self.posted, self.heard = math.nan, self.began
        #: seconds between its last two posts
        self._pause = math.nan
        #: increases with every change
        self.version = 0
        self.notes: list[str] = []
        self.channels: Channels | None = None
        #: epoch and value of the best validation error or score
        self.best: tuple[float, float] | None = None
        self._metrics: set[str] = set()
        #: values by channel, including ``epoch``, one per check
        self._columns = {"epoch": Growing()}
        #: the highest value of each score so far
        self._highest: dict[str, float] = {}

    @property
    def name(self) -> str:
        """The unique name of the run."""
        return name_of(self.called, self.number)

    def __len__(self) -> int:
        return len(self._columns["epoch"])

    @property
    def names(self) -> list[str]:
        """The channels that it has, the position first."""
        return [*self._columns]

    def curve(self, name: str) -> FloatArray:
        """A copy of one channel so far; NaN if not measured."""
        return self._columns[name].since(0)

    def masked(self, name: str) -> Any:
        """The same, masked where not measured."""
        return self._columns[name].masked()

    def about(self, name: str) -> Channel:
        """The description of a channel; for ``epoch``, the unit of the positions."""
        return (self.channels or {}).get(name, Channel())

    @property
    def last(self) -> dict[str, float | None]:
        """What was measured at the last check."""
        return self._check(len(self) - 1)

    def _check(self, at: int) -> dict[str, float | None]:
        return {name: column[at] for name, column in self._columns.items()}

    def begins_anew(self, post: Post) -> bool:
        """Whether the epoch is back at where this run began, so that it is another run.

        The very check that it began with, posted again, is not another run.
        """
        if not len(self) or post.epoch > self._epoch(0):
            return False
        check = check_of(post, self.channels or {})
        return len(self) > 1 or (check is not None and not _alike(check, self._check(0)))

    def goes_on_with(self, post: Post) -> bool:
        """Whether the epoch is the one after the last posted one."""
        last = self._epoch(len(self) - 1) if math.isnan(self.posted) and len(self) else self.posted
        return post.epoch == last + 1

    def has_taken(self, post: Post) -> None:
        """Remember the last epoch that was posted."""
        now = time.time()
        if not math.isnan(self.posted):
            self._pause = now - self.heard
        self.posted, self.heard = post.epoch, now

    def trains_beside(self, newest: "Run") -> bool:
        """Whether it has posted since another run of its name began, and not long ago."""
        # it has ended if several of its epochs would have been posted by now
        ended = time.time() - self.heard > _EPOCHS * self._pause + _SECONDS
        return self.heard > newest.began and not ended

    def note(self, text: str) -> None:
        """Add a remark about the run, once."""
        if text not in self.notes:
            self.notes = [*self.notes, text]
            self.version += 1

    def _epoch(self, at: int) -> float:
        epoch = self._columns["epoch"][at]
        assert epoch is not None, "every check has a position"
        return epoch

    def event(self, post: Post, asked: Asked) -> Event:
        """What a post means for this run; nothing changes yet."""
        event: Event = {}
        known, kept = self.channels, len(self)
        chosen, new = known, sorted(post.metrics.keys() - self._metrics)
        if chosen is None or new:
            metrics = sorted(self._metrics.union(new))
            if len(metrics) > MOST_METRICS:
                raise PostError(f"run {self.name}: more than {MOST_METRICS} metrics in all")
            watched = watched_by(verdict.rule for verdict in self.verdicts)
            chosen = channels(metrics, asked, sorted(watched.union(known or ())))
            event["metrics"] = new
        check = check_of(post, chosen)
        chosen = self._bounded(chosen, check or {})
        if chosen != known:
            event["channels"] = to_json(chosen)
            if known is None or not _same(chosen["val"], known["val"]):
                kept = event["keep"] = 0
        if check is not None:
            event["check"] = check
            if kept and post.epoch <= self._epoch(kept - 1):
                event["keep"] = self._columns["epoch"].position(post.epoch)
        return event

    def _bounded(self, chosen: Channels, check: Mapping[str, float]) -> Channels:
        """The channels with the upper bounds of scores, inferred as for log files."""
        bounded = {}
        for name, about in chosen.items():
            goes_on = _same(about, self.about(name))
            upper = self.about(name).upper if goes_on else None
            value = check.get(name, math.nan)
            if about.direction == "max" and about.metric is not None and not math.isnan(value):
                highest = self._highest.get(name, value) if goes_on else value
                upper = upper_bound(about.metric, max(value, highest))
            bounded[name] = about._replace(upper=upper)
        return bounded

    def apply(self, event: Event) -> None:
        """Apply an event; cheap, since :meth:`evaluate` runs the criteria."""
        self._metrics.update(event.get("metrics", ()))
        chosen = from_json(event["channels"]) if "channels" in event else self.channels
        start = self._keep(chosen, event.get("keep", len(self)))
        if "check" in event:
            for name, column in self._columns.items():
                column.append(event["check"].get(name))
        self._grown(start)

    def follow(self, curve: Curve, chosen: Channels, notes: list[str]) -> None:
        """Become the curve of a log file that may have grown or changed."""
        known = self.channels or {}
        goes_on = all(n in known and _same(about, known[n]) for n, about in chosen.items())
        kept, at = self.agrees(curve) if goes_on else 0, curve.measured("val")
        checks = int(at.sum())
        if kept == len(self) == checks and (chosen, notes) == (self.channels, self.notes):
            return
        self.notes = notes
        self._metrics.update(filter(None, (about.source for about in chosen.values())))
        start = self._keep(chosen, kept)
        for name, column in self._columns.items():
            values, measured = np.full(len(at), np.nan), np.zeros(len(at), np.bool_)
            if name in ("epoch", *curve.channels):
                values = curve[name]
                measured = curve.measured(name) if name != "epoch" else at
            column.extend(values[at][kept:], measured[at][kept:])
        self._grown(start)

    def agrees(self, curve: Curve) -> int:
        """How many of the first checks equal those of the curve."""
        at = curve.measured("val")
        most = min(len(self), int(at.sum()))
        same = np.ones(most, bool)
        for name, column in self._columns.items():
            if name in ("epoch", *curve.channels):
                mine, values = column.since(0)[:most], curve[name][at][:most]
                same &= (mine == values) | (np.isnan(mine) & np.isnan(values))
                if name != "epoch":
                    same &= column.measured[:most] == curve.measured(name)[at][:most]
        return most if same.all() else int(np.argmin(same))

    def _keep(self, chosen: Channels | None, kept: int) -> int:
        """Set these channels, and keep only this many checks.

        Returns the first check that the best and the highest values do not cover.
        """
        known, about = self.channels or {}, chosen or {}
        self.channels, cut = chosen, kept < len(self)
        if cut:
            for column in self._columns.values():
                column.cut(kept)
        if about != known:
            self._columns = {
                # the name may have stood for something else
                name: self._columns[name]
                if name in self._columns and _same(about.get(name), known.get(name))
                else Growing(kept)
                for name in dict.fromkeys(["epoch", *about])
            }
        for verdict in self.verdicts:
            if about != known or verdict.seen > kept or (verdict.problem and cut):
                verdict.reset(about)
        if cut or kept == 0:
            self.best, self._highest = None, {}
        return 0 if cut else kept

    def _grown(self, start: int) -> None:
        """The run has changed; update the best and the highest values from that check on."""
        for name, about in (self.channels or {}).items():
            values = self._columns[name].since(start)
            numbers = values[~np.isnan(values)]
            if about.direction is None or not len(numbers):
                continue
            highest = float(numbers.max())
            self._highest[name] = max(self._highest.get(name, highest), highest)
            if name == "val":
                # the earliest of ties
                best = highest if about.direction == "max" else float(numbers.min())
                sign = -1 if about.direction == "max" else 1
                if self.best is None or sign * best < sign * self.best[1]:
                    at = start + int(np.argmax(values == best))
                    self.best = self._epoch(at), best
        self.changed = time.time()
        self.version += 1

    # -- the criteria --------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """How many checks no running criterion has seen yet."""
        return max((len(self) - v.seen for v in self.verdicts if not v.done), default=0)

    def evaluate(self, seconds: float) -> None:
        """Show the criteria checks that they have not seen, for about this long."""
        end = time.perf_counter() + seconds
        while going := [v for v in self.verdicts if v.seen < len(self) and not v.done]:
            for verdict in going:
                verdict.see(self._check(verdict.seen))
            self.version += 1
            if time.perf_counter() > end:
                return


def _alike(check: Mapping[str, float], known: Mapping[str, float | None]) -> bool:
    """Whether the same was measured."""
    return all(
        value == known.get(name) or (math.isnan(value) and known.get(name) != known.get(name))
        for name, value in check.items()
    )


class Board:
    """All runs of a server by name; a run that starts again under its name is another one."""

    def __init__(self, criteria: Sequence[str], asked: Asked) -> None:
        self.criteria = list(criteria)
        #: the channels that the criteria watch, besides validation and training errors
        self.watched = sorted(watched_by(criteria) - {"val", "train"})
        self.asked = asked
        self.runs: dict[str, Run] = {}
        #: names of those whose curves are read from a log file
        self.followed: set[str] = set()
        #: how many posts were rejected, and why the last one was
        self.refused = 0
        self.refusal = ""
        #: for each path of log files, why something there is not a run
        self.unread: dict[str, list[str]] = {}
        #: what is currently wrong
        self.trouble = ""

    def add(self, run: Run) -> None:
        """Add a run; :class:`PostError` if there is no room."""
        if len(self.runs) >= MOST_RUNS:
            oldest = min(self.runs.values(), key=lambda each: each.changed)
            if time.time() - oldest.changed < SILENT:
                raise PostError(f"there are already {MOST_RUNS} runs; try again later", 429)
            # its file stays
            del self.runs[oldest.name]
        self.runs[run.name] = run

    def current(self, name: str) -> Run | None:
        """The current run under a name: the last one posted under it."""
        runs = (run for run in self.runs.values() if run.called == name)
        return max(runs, key=lambda run: run.number, default=None)

    def going_on(self, name: str, post: Post) -> tuple[Run | None, list[Run]]:
        """The run that a post continues, None for a new one, and runs that it may mix up.

        Two trainings may post under one name, and only the epoch in a post distinguishes them. If
        a post has not the next epoch of the newest run but that of an earlier one, both train at
        once. Then, and if several runs could continue, epochs may be mixed up.
        """
        runs = sorted(
            (run for run in self.runs.values() if run.called == name), key=lambda run: run.number
        )
        if not runs:
            return None, []
        *before, newest = runs
        following = [run for run in before if run.goes_on_with(post)]
        if newest.goes_on_with(post):
            # earlier runs that have ended are silent since the newest began
            following = [run for run in following if run.trains_beside(newest)]
            if not following:
                return newest, []
            return min([*following, newest], key=lambda run: run.heard), [*following, newest]
        if following:
            # the newest has this epoch, or it is far from there
            return following[-1], [following[-1], newest]
        return (None if newest.begins_anew(post) else newest), []

    def another(self, name: str, taken: Callable[[str], bool]) -> Run:
        """A new run, not yet added: ``name``, or ``name (2)`` if that is taken, ..."""
        runs = (Run(name, number, self.criteria) for number in count(1))
        return next(run for run in runs if run.name not in self.runs and not taken(run.name))

    def has_room(self, run: Run) -> bool:
        """Whether a run can be added without dropping another one."""
        return len(self.runs) < MOST_RUNS and self._checks + len(run) <= MOST_CHECKS

    def require_room(self, more: int) -> None:
        """Raise :class:`PostError` if this many additional checks are too many."""
        if self._checks + more > MOST_CHECKS:
            raise PostError(f"there are already {MOST_CHECKS} checks; start another server", 507)

    @property
    def _checks(self) -> int:
        return sum(map(len, self.runs.values()))


def watched_by(criteria: Iterable[Rule | str]) -> set[str]:
    """The channels that criteria watch."""
    leaves = (leaf for criterion in criteria for leaf in rule_of(criterion).leaves)
    return {name for leaf in leaves for name in leaf.channels}


def _same(one: Channel | None, other: Channel | None) -> bool:
    """Whether both are the same metric, read the same way."""
    one, other = one or Channel(), other or Channel()
    return (one.source, one.direction) == (other.source, other.direction)


def name_of(called: str, number: int) -> str:
    """The name of the first, second ... of the runs posted under a name."""
    return called if number == 1 else f"{called} ({number})"
