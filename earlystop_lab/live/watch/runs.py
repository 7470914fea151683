"""The runs that are watched: their curves as they grow, and what each criterion says of them."""

import time
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from itertools import count
from typing import Any

import numpy as np

from earlystop_lab.curves import Curve, FloatArray
from earlystop_lab.live.stopper import Statistic, Stopper
from earlystop_lab.live.watch.posts import (
    MOST_METRICS,
    Asked,
    Channels,
    Post,
    PostError,
    channels,
)

#: what one server keeps in memory: runs, and checks of all of them together
MOST_RUNS = 200
MOST_CHECKS = 3_000_000
#: seconds without a post after which a run may make room for another; its file stays
SILENT = 3600
_CURVES = ("epoch", "val", "train")
#: what a post does to a run, as it goes into the journal; see :meth:`Run.apply`
Event = dict[str, Any]


class Verdict:
    """What one criterion says of a run: its statistics at every check, and where it stopped."""

    def __init__(self, criterion: str) -> None:
        self.criterion = criterion
        self.reset()

    def reset(self) -> None:
        """Begin again: nothing has been seen."""
        self.stopper = Stopper(self.criterion)
        #: for each part of the criterion, at the last check
        self.last: list[Statistic] = []
        #: for each part of the criterion, its statistic at every check seen
        self.values: list[array[float]] = []
        self.seen = 0
        #: why it can say nothing of this run
        self.problem: str | None = None

    @property
    def done(self) -> bool:
        """Whether further checks change nothing: a rule that has stopped a run has ended it."""
        return self.stopper.stopped or self.problem is not None

    def see(self, epoch: float, val: float, train: float | None) -> None:
        """The next check."""
        try:
            self.stopper.update(epoch=epoch, val=val, train=train)
        except Exception as error:  # a rule of the user's own may raise anything
            self.problem = str(error) or type(error).__name__
            return
        self.last = self.stopper.statistics
        if not self.values:
            self.values = [array("d") for _ in self.last]
        for values, each in zip(self.values, self.last, strict=True):
            values.append(each.value)
        self.seen += 1


class Run:
    """One run: its curves so far and the verdict of every criterion.

    It changes by events: ``metrics`` are new ones, ``channels`` says which are the curves, ``keep``
    cuts these to so many checks, ``check`` is one more. The same events, read again, make the same
    run.
    """

    def __init__(self, called: str, number: int, criteria: Sequence[str]) -> None:
        #: what the run calls itself, and which of those that do it is, from 1
        self.called, self.number = called, number
        self.verdicts = [Verdict(criterion) for criterion in criteria]
        self.began = self.changed = time.time()
        #: rises with every change
        self.version = 0
        self.notes: list[str] = []
        self.channels: Channels | None = None
        #: epoch and error of the lowest validation error
        self.best: tuple[float, float] | None = None
        self._metrics: set[str] = set()
        self._arrays = tuple(array("d") for _ in _CURVES)

    @property
    def name(self) -> str:
        """What no other run is called."""
        return name_of(self.called, self.number)

    def __len__(self) -> int:
        return len(self._arrays[0])

    @property
    def has_train(self) -> bool:
        """Whether training errors belong to this run."""
        return self.channels is not None and self.channels.train is not None

    def curve(self, name: str) -> FloatArray:
        """One curve so far, copied: what grows must not be shared."""
        return np.array(self._arrays[_CURVES.index(name)])

    @property
    def last(self) -> tuple[float, ...]:
        """Epoch, validation and training error of the last check."""
        return tuple(values[-1] for values in self._arrays)

    def begins_anew(self, post: Post) -> bool:
        """Whether the epoch is back at where this run began: then it is another run."""
        return len(self) > 1 and post.epoch <= self._arrays[0][0]

    def event(self, post: Post, asked: Asked) -> Event:
        """What a post means for this run; nothing changes yet."""
        event: Event = {}
        known, kept = self.channels, len(self)
        chosen, new = known, sorted(post.metrics.keys() - self._metrics)
        if chosen is None or new:
            metrics = sorted(self._metrics.union(new))
            if len(metrics) > MOST_METRICS:
                raise PostError(f"run {self.name}: more than {MOST_METRICS} metrics in all")
            chosen = channels(metrics, asked)
            event["metrics"] = new
        if chosen != known:
            event["channels"] = chosen._asdict()
            if known is None or (chosen.val, chosen.mode) != (known.val, known.mode):
                kept = event["keep"] = 0
        check = chosen.check(post)
        if check is not None:
            event["check"] = check
            if kept and post.epoch <= self._arrays[0][kept - 1]:
                event["keep"] = bisect_left(self._arrays[0], post.epoch)
        return event

    def apply(self, event: Event) -> None:
        """Let an event happen; cheap, what it means to the criteria is for :meth:`evaluate`."""
        self._metrics.update(event.get("metrics", ()))
        chosen = Channels.read(event["channels"]) if "channels" in event else self.channels
        check = [[value] for value in event["check"]] if "check" in event else []
        self._change(chosen, event.get("keep", len(self)), check)

    def follow(self, curve: Curve, chosen: Channels, notes: list[str]) -> None:
        """Become the curve of a log file that may have grown or changed."""
        kept, (epoch, val, train) = self.agrees(curve), _errors(curve)
        if kept == len(self) == len(val) and (chosen, notes) == (self.channels, self.notes):
            return
        self.notes = notes
        self._metrics.update(filter(None, (chosen.val, chosen.train, *chosen.higher)))
        train = np.full(len(val), np.nan) if train is None else train
        self._change(chosen, kept, [each[kept:] for each in (epoch, val, train)])

    def agrees(self, curve: Curve) -> int:
        """How many of the first checks are those of the curve."""
        epoch, val, train = _errors(curve)
        train = train if self.has_train else None
        most = min(len(self), len(val))
        same = np.ones(most, bool)
        for name, values in zip(_CURVES, (epoch, val, train), strict=True):
            if values is not None:
                mine = self.curve(name)[:most]
                same &= (mine == values[:most]) | (np.isnan(mine) & np.isnan(values[:most]))
        return most if same.all() else int(np.argmin(same))

    def _change(self, chosen: Channels | None, kept: int, more: Sequence[Iterable[float]]) -> None:
        """Have other channels, only so many of the checks, and after these more of them."""
        self.channels = chosen
        start = len(self)
        if kept < start:
            start, self.best = 0, None
            for values in self._arrays:
                del values[kept:]
            for verdict in self.verdicts:
                if verdict.seen > kept or verdict.problem:
                    verdict.reset()
        for values, added in zip(self._arrays, more, strict=False):
            values.extend(added)
        # the lowest error, the earliest of ties; NaN is none
        errors = np.array(self._arrays[1][start:])
        if not np.isnan(errors).all():
            at = int(np.nanargmin(errors))
            if self.best is None or errors[at] < self.best[1]:
                self.best = self._arrays[0][start + at], float(errors[at])
        self.changed = time.time()
        self.version += 1

    # -- the criteria --------------------------------------------------------------------------

    @property
    def waiting(self) -> int:
        """How many checks no criterion that goes on has seen yet."""
        return max((len(self) - v.seen for v in self.verdicts if not v.done), default=0)

    def evaluate(self, seconds: float) -> None:
        """Show the criteria checks that they have not seen, for about so long."""
        end = time.perf_counter() + seconds
        while going := [v for v in self.verdicts if v.seen < len(self) and not v.done]:
            for verdict in going:
                epoch, val, train = (values[verdict.seen] for values in self._arrays)
                verdict.see(epoch, val, train if self.has_train else None)
            self.version += 1
            if time.perf_counter() > end:
                return


class Board:
    """All runs of a server by name; a run that begins again under its name is another one."""

    def __init__(self, criteria: Sequence[str], asked: Asked) -> None:
        self.criteria = list(criteria)
        self.asked = asked
        self.runs: dict[str, Run] = {}
        #: names of those whose curves are read from a log file
        self.followed: set[str] = set()
        #: how many posts were refused, and why the last one was
        self.refused = 0
        self.refusal = ""
        #: of each path with log files, why something there is no run
        self.unread: dict[str, list[str]] = {}
        #: what is wrong at the moment
        self.trouble = ""

    def add(self, run: Run) -> None:
        """Take in a run; :class:`PostError` where there is no room."""
        if len(self.runs) >= MOST_RUNS:
            oldest = min(self.runs.values(), key=lambda each: each.changed)
            if time.time() - oldest.changed < SILENT:
                raise PostError(f"there are {MOST_RUNS} runs already; try again later", 429)
            # its file stays
            del self.runs[oldest.name]
        self.runs[run.name] = run

    def current(self, name: str) -> Run | None:
        """The run that goes on under a name: the last of those that call themselves so."""
        runs = (run for run in self.runs.values() if run.called == name)
        return max(runs, key=lambda run: run.number, default=None)

    def another(self, name: str, taken: Callable[[str], bool]) -> Run:
        """A new run, not yet taken in: ``name``, or ``name (2)`` where that is taken, ..."""
        runs = (Run(name, number, self.criteria) for number in count(1))
        return next(run for run in runs if run.name not in self.runs and not taken(run.name))

    def has_room(self, run: Run) -> bool:
        """Whether a run can be taken in without making another one go."""
        return len(self.runs) < MOST_RUNS and self._checks + len(run) <= MOST_CHECKS

    def require_room(self, more: int) -> None:
        """Raise :class:`PostError` where so many checks more are too many."""
        if self._checks + more > MOST_CHECKS:
            raise PostError(f"there are {MOST_CHECKS} checks already; start another server", 507)

    @property
    def _checks(self) -> int:
        return sum(map(len, self.runs.values()))


def _errors(curve: Curve) -> tuple[FloatArray, FloatArray, FloatArray | None]:
    """Positions and errors, lower better, of a run at the checks of its validation error."""
    at = curve.measured("val")
    val, train = (
        None
        if name not in curve.channels
        else (-curve[name] if curve.about[name].direction == "max" else curve[name])[at]
        for name in ("val", "train")
    )
    assert val is not None, "only runs with a validation error are watched"
    return curve.epoch[at], val, train


def name_of(called: str, number: int) -> str:
    """The name of the first, second ... of the runs that call themselves so."""
    return called if number == 1 else f"{called} ({number})"
