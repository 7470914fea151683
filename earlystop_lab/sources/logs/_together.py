"""The runs of all logs as one set: ids that differ, and one direction and unit a channel."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from earlystop_lab.curves import Channel, CurveSet
from earlystop_lab.sources.logs._about import upper_bound
from earlystop_lab.sources.logs._finding import clean
from earlystop_lab.sources.logs._reading import Skipped

#: what a channel has in all runs of a set
_OF_SET = ("role", "direction", "unit")
#: what may differ from run to run
_OF_RUN = ("metric", "data", "source", "stand_in")


class Run(NamedTuple):
    """A run as :meth:`CurveSet.from_runs` takes it, and what its channels are."""

    cells: dict[str, Any]
    about: Mapping[str, Channel]


def together(runs: Sequence[Run]) -> tuple[CurveSet, list[Skipped]]:
    """The set of the runs, and those that do not belong into one with the others."""
    known = _of_most(runs)
    kept, skipped = [], []
    for run in runs:
        apart = _apart(run, known)
        if "val" in apart:
            own, most = run.about["val"].direction, known["val"].direction
            reason = (
                f"'val' is {run.about['val'].source} ({_better(own)} is better), but in most runs "
                f"{_better(most)} is better; import this log separately"
            )
            skipped.append(Skipped(run.cells["file"], None, clean(reason)))
            continue
        kept.append(dict(_told(run, apart)))
    left = {name for cells in kept for name in cells}
    channels = {
        name: about._replace(upper=_upper(name, about, kept))
        for name, about in known.items()
        if name in left
    }
    return CurveSet.from_runs(_distinct(kept), channels=channels), skipped


def _of_most(runs: Sequence[Run]) -> dict[str, Channel]:
    """What each channel is in most of the runs that say it."""
    said: dict[str, Counter[tuple[Any, ...]]] = {}
    for run in runs:
        for name, about in run.about.items():
            told = tuple(getattr(about, fact) for fact in _OF_SET)
            said.setdefault(name, Counter())[told] += 1
    known = {}
    for name, counts in said.items():
        facts = {}
        for k, fact in enumerate(_OF_SET):
            each: Counter[Any] = Counter()
            for told, times in counts.items():
                each[told[k]] += times
            del each[None]
            if each:
                facts[fact] = each.most_common(1)[0][0]
        known[name] = Channel(**facts)
    return known


def _apart(run: Run, known: Mapping[str, Channel]) -> set[str]:
    """The channels with another direction or unit than in most runs."""
    return {
        name
        for name, about in run.about.items()
        for fact in ("direction", "unit")
        if getattr(about, fact) not in (None, getattr(known[name], fact))
    }


def _told(run: Run, apart: set[str]) -> Iterator[tuple[str, Any]]:
    """The run with a column for what may differ from run to run."""
    for name, cell in run.cells.items():
        if name not in apart:
            yield name, cell
    for name, about in run.about.items():
        for fact in _OF_RUN:
            if name not in apart and (value := getattr(about, fact)) is not None:
                yield f"{name}.{fact}", clean(value) if isinstance(value, str) else value


def _upper(name: str, about: Channel, runs: Sequence[Mapping[str, Any]]) -> float | None:
    if about.direction != "max":
        return None
    metrics = {run.get(f"{name}.metric") for run in runs if name in run} - {None}
    values = [np.ma.filled(run[name], np.nan) for run in runs if name in run]
    # shares in some runs and percentages in others have no bound in common
    highest = {float(np.nanmax(own)) for own in values if not np.isnan(own).all()}
    bounds = {upper_bound(str(metric), top) for metric in metrics for top in highest or {np.inf}}
    return bounds.pop() if len(bounds) == 1 else None


def _better(direction: str | None) -> str:
    return "higher" if direction == "max" else "lower"


def _distinct(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Runs with different ids; a second one of a name gets a number."""
    seen: dict[str, int] = {}
    for run in runs:
        name = run["run"]
        while run["run"] in seen:
            seen[name] += 1
            run["run"] = f"{name} ({seen[name]})"
        seen[run["run"]] = 1
    return runs
