"""What the explorer of the page knows: some runs, and where every rule stops them.

Stops are replayed and statistics traced here, for every member of every sweep; the page only looks
them up. Embedded are a few runs a problem. Of long records not every check is drawn: the picture
is divided into columns, evenly in log(1 + epoch), and of the checks in one column the first, the
last, the lowest and the highest are kept (M4: a line looks the same), with them every check that
a rule keeps, and of a statistic every check at which it stops training and the one before.

Source of M4: U. Jugel et al., PVLDB 7 (2014) 797-808, doi:10.14778/2732951.2732953.
"""

import base64
import gzip
import json
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from jinja2.utils import htmlsafe_json_dumps
from numpy.typing import NDArray
from tsdownsample import M4Downsampler

from earlystop_lab.criteria import Criterion, first_passage
from earlystop_lab.curves import Curve, CurveSet, FloatArray, Runs, facts_of
from earlystop_lab.engine.replaying import Restore, replay
from earlystop_lab.measures.hindsight import regrets
from earlystop_lab.report.charts import short
from earlystop_lab.studies.comparison import OnCorpus

#: most runs of a problem, and of a corpus
RUNS_A_PROBLEM, RUNS = 3, 36
#: columns of the picture of a curve, and of a statistic
COLUMNS, STATISTIC_COLUMNS = 400, 150
#: stands for infinity, which JSON does not have
HUGE = 1e300
#: how JSON is written: short, and nothing that it does not have
JSON: dict[str, Any] = {"separators": (",", ":"), "allow_nan": False}
#: the curves by the names that the page gives them
CURVES = {"validation": "val", "training": "train", "test": "test"}
#: of the errors that are drawn, the share that the axis shows: the first ones may be far above,
#: of scores below
SHOWN = 0.97

Checks = NDArray[np.int64]


def explored(found: OnCorpus, restore: Restore, room: int) -> dict[str, Any]:
    """A corpus as the page embeds it; of the sampled runs as many as fit into ``room`` bytes.

    ``rules``: every one with its members, fastest first, and their points on the front; ``runs``,
    at least one: its name, its problem and the ``packed`` rest; ``of`` how many they are a sample.
    """
    curves = CurveSet(found.curves.table.take(sample(facts_of(found.curves).clusters)))
    units = facts_of(curves).clusters
    rules = [
        {
            "name": name,
            "members": sweep["criterion"].tolist(),
            "threshold": sweep["member"].iloc[0].family.threshold,
            "passes": sweep["member"].iloc[0].family.passes,
            "thresholds": short([member.threshold for member in sweep["member"]], None),
            **{column: short(sweep[column]) for column in ("time", "regret", "low", "high")},
        }
        for name, sweep in found.sweeps.items()
    ]
    room -= embedded_size(rules)
    runs: list[dict[str, str]] = []
    for unit, (run, packed) in zip(units, _packed(found, restore, curves), strict=False):
        problem = "" if units.name == "run" else str(unit)
        one = {"run": run, "problem": problem, "packed": packed}
        room -= embedded_size(one)
        if runs and room < 0:
            break
        runs.append(one)
    return {"rules": rules, "runs": runs, "of": len(found.curves)}


def embedded_size(value: Any) -> int:
    """Bytes that the value takes in the page."""
    return len(htmlsafe_json_dumps(value, **JSON))


def sample(units: pd.Index) -> list[int]:
    """Which runs to show: of every problem one, then a second, then a third, evenly spaced.

    >>> sample(pd.Index(["a", "a", "a", "b"]))
    [0, 3, 1, 2]
    """
    every = [np.flatnonzero(units == name) for name in units.unique()]
    # where each run is a problem of its own, these are spaced evenly, too
    chosen = [_even(every[j], RUNS_A_PROBLEM) for j in _even(np.arange(len(every)), RUNS)]
    turns = [mine[turn] for turn in range(RUNS_A_PROBLEM) for mine in chosen if turn < len(mine)]
    return turns[:RUNS]


def _even(rows: Checks, most: int) -> list[int]:
    """At most so many of them, evenly spaced."""
    at = np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(np.int64)
    return [int(row) for row in rows[at]]


def thinned(
    epoch: FloatArray, values: FloatArray, columns: int, keep: Checks | None = None
) -> Checks:
    """The checks to draw: of every column the first, last, lowest and highest, and ``keep``.

    Columns divide log(1 + epoch) evenly; all checks are drawn where they are no more than four a
    column. A value that is NaN is not drawn.

    >>> epoch, values = np.arange(1.0, 101), np.zeros(100)
    >>> values[60], values[61] = 5.0, np.nan
    >>> thinned(epoch, values, columns=2, keep=np.array([3, 61])).tolist()
    [0, 3, 12, 13, 60, 99]
    """
    defined = np.flatnonzero(~np.isnan(values))
    if len(defined) <= 4 * columns:
        return defined
    place = np.log1p(epoch[defined])
    sampler = M4Downsampler()  # type: ignore[no-untyped-call]
    drawn = defined[sampler.downsample(place, values[defined], n_out=4 * columns)]
    extra = defined[:0] if keep is None else keep
    return np.union1d(drawn, extra[~np.isnan(values[extra])])


# -- the runs ------------------------------------------------------------------------------


def _packed(found: OnCorpus, restore: Restore, curves: CurveSet) -> Iterator[tuple[str, str]]:
    """The name of each run, and all else of it: compressed JSON in base64."""
    sweeps = [list(rows["member"]) for rows in found.sweeps.values()]
    stops = replay(curves, [member for members in sweeps for member in members], restore=restore)
    losses = getattr(regrets(stops, curves), found.error)
    runs = curves.laid_out()
    for i, curve in enumerate(curves):
        rules, column = [], 0
        for members in sweeps:
            mine = slice(column, column + len(members))
            column = mine.stop
            rules.append(
                {
                    "stop": short(stops.stop[i, mine], None),
                    "selected": short(stops.selected[i, mine], None),
                    "fired": stops.fired[i, mine].astype(int).tolist(),
                    "error": short(stops.val[i, mine]),
                    "regret": short(losses[i, mine]),
                    **_statistics(members, runs, i, _checks(curve, stops.stop[i, mine])),
                }
            )
        kept = np.unique(_checks(curve, stops.selected[i]))
        first, last = short(curve.epoch[[0, -1]], None)
        one = {"first": first, "last": last, **_drawn(curve, kept), "rules": rules}
        text = json.dumps(one, **JSON)
        # no time in the header: the same bytes every time
        yield curve.run, base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()


def _checks(curve: Curve, epochs: FloatArray) -> Checks:
    """The checks, counted from 0, at some of the recorded epochs."""
    return np.searchsorted(curve.epoch, epochs)


def _statistics(
    members: Sequence[Criterion], runs: Runs, index: int, stops: Checks
) -> dict[str, Any]:
    """What the rule saw: a series for all members that differ in the threshold only."""
    epoch = runs.epochs(index)
    alike: dict[Any, list[int]] = {}
    for j, member in enumerate(members):
        alike.setdefault((member.params, member.channels), []).append(j)
    which, statistics = [0] * len(members), []
    for series, mine in enumerate(alike.values()):
        seen = np.clip(first_passage.trace(members[mine[0]], runs, index).statistic, -HUGE, HUGE)
        at = stops[mine]
        drawn = thinned(epoch, seen, STATISTIC_COLUMNS, np.union1d(at, np.maximum(at - 1, 0)))
        statistics.append({"epoch": short(epoch[drawn], None), "value": short(seen[drawn])})
        for j in mine:
            which[j] = series
    return {"series": which, "statistics": statistics}


def _drawn(curve: Curve, kept: Checks) -> dict[str, Any]:
    """The curves of a run, and the errors between which they are drawn."""
    curves, errors = {}, []
    for name, column in CURVES.items():
        if column not in curve.channels:
            continue
        values = curve[column]
        values = np.where(np.isfinite(values), values, np.nan)
        at = thinned(curve.epoch, values, COLUMNS, kept)
        curves[name] = {"epoch": short(curve.epoch[at], None), "error": short(values[at])}
        errors.append(values[at])
    every = np.concatenate(errors)
    if curve.about["val"].direction == "max":
        return {"curves": curves, "low": float(np.quantile(every, 1 - SHOWN)), "high": every.max()}
    return {"curves": curves, "low": every.min(), "high": float(np.quantile(every, SHOWN))}
