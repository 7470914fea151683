"""The data of the page's explorer: a sample of runs, and where every rule stops them.

Stops are replayed and statistics traced here, for every member of every sweep; the page only looks
them up. A few runs per problem are embedded. In long runs, not every check is drawn: the plot is
divided into columns, evenly in log(1 + epoch), and in each column the first, last, lowest and
highest checks are kept (M4: the line looks the same). Also kept are every check that a rule
selects and, for a statistic, every check at which it stops training and the one before.

Source of M4: U. Jugel et al., PVLDB 7 (2014) 797-808, doi:10.14778/2732951.2732953.
"""

import base64
import json
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tsdownsample import M4Downsampler

from earlystop_lab._common.parallel import each_of
from earlystop_lab.criteria import Criterion, first_passage
from earlystop_lab.curves import Curve, CurveSet, FloatArray, Runs
from earlystop_lab.engine.replaying import Restore, Stops, replay
from earlystop_lab.measures.hindsight import regrets
from earlystop_lab.report.embedding import JSON, embedded_size, short
from earlystop_lab.studies.comparison import OnCorpus
from earlystop_lab.studies.kept import NOTHING_KEPT, Arrays, Kept

#: maximum number of runs per problem, and per corpus
RUNS_A_PROBLEM, RUNS = 3, 36
#: number of columns of the plot of a curve, and of a statistic
COLUMNS, STATISTIC_COLUMNS = 400, 150
#: represents infinity, which JSON does not have
HUGE = 1e300
#: the names that the page uses for the curves
CURVES = {"validation": "val", "training": "train", "test": "test"}
#: the share of errors that the axis shows: the first errors may be far above the others, and the
#: first scores far below
SHOWN = 0.97

Checks = NDArray[np.int64]


def explored(found: OnCorpus, packed: Iterable[Mapping[str, str]], room: int) -> dict[str, Any]:
    """The data of one corpus; contains as many of the packed runs as fit into ``room`` bytes.

    ``rules`` has every rule with its members, fastest first, and their points on the front.
    ``runs`` has at least one run. ``of`` is the number of runs from which they were sampled.
    """
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
    runs: list[Mapping[str, str]] = []
    for run in packed:
        room -= embedded_size(run)
        if runs and room < 0:
            break
        runs.append(run)
    return {"rules": rules, "runs": runs, "of": len(found.curves)}


def packed(
    corpora: Iterable[OnCorpus], restore: Restore, kept: Kept, n_jobs: int
) -> Iterator[list[dict[str, str]]]:
    """The sampled runs of one corpus after the other, by as many processes as there are jobs.

    Each is its name, its problem, and the rest ``packed``: compressed JSON in base64.
    """
    asked = []
    for found in corpora:
        curves, (own, *others) = _sampled(found.curves), found.sweeps.values()
        new, known = (_Seen(found, restore, curves, rows) for rows in ([own], others))
        asked.append((curves, new, known, kept if found.digest else NOTHING_KEPT))
    return each_of(_packed, asked, n_jobs=n_jobs, prefer="processes")


def _sampled(curves: CurveSet) -> CurveSet:
    return CurveSet(curves.table.take(sample(_problems(curves))))


def _problems(curves: CurveSet) -> pd.Index:
    """The problem of each run, or the run itself."""
    return pd.Index(curves.meta["problem"].map(str) if curves.has("problem") else curves.runs)


def sample(units: pd.Index) -> list[int]:
    """Which runs to show: one of every problem, then a second, then a third, evenly spaced.

    >>> sample(pd.Index(["a", "a", "a", "b"]))
    [0, 3, 1, 2]
    """
    every = [np.flatnonzero(units == name) for name in units.unique()]
    # if each run is a problem of its own, these are evenly spaced as well
    chosen = [_even(every[j], RUNS_A_PROBLEM) for j in _even(np.arange(len(every)), RUNS)]
    turns = [mine[turn] for turn in range(RUNS_A_PROBLEM) for mine in chosen if turn < len(mine)]
    return turns[:RUNS]


def _even(rows: Checks, most: int) -> list[int]:
    """At most ``most`` of the rows, evenly spaced."""
    at = np.linspace(0, len(rows) - 1, min(most, len(rows))).round().astype(np.int64)
    return [int(row) for row in rows[at]]


def thinned(
    epoch: FloatArray, values: FloatArray, columns: int, keep: Checks | None = None
) -> Checks:
    """The checks to draw: in every column the first, last, lowest and highest, and ``keep``.

    Columns divide log(1 + epoch) evenly. If there are at most four checks per column, all of them
    are drawn. NaN values are not drawn.
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


class _Seen:
    """Where rules stop sampled runs, and what they see of them."""

    def __init__(
        self, found: OnCorpus, restore: Restore, curves: CurveSet, sweeps: list[pd.DataFrame]
    ) -> None:
        self._digest, self._error, self._restore = found.digest, found.error, restore
        self._curves = curves
        self._sweeps: list[list[Criterion]] = [list(rows["member"]) for rows in sweeps]
        self._names = [[str(member) for member in members] for members in self._sweeps]

    def kept(self, i: int, kept: Kept) -> Arrays:
        """The same as :meth:`of`, with the rules as a compressed part of JSON, computed or kept."""

        def compressed() -> Arrays:
            rules, selected = self.of(i)
            text = "".join(f",{json.dumps(rule, **JSON)}" for rule in rules)
            return {"rules": np.frombuffer(_deflated(text), np.uint8), "selected": selected}

        settings = [self._digest, self._error, str(self._restore), self._names]
        return kept.arrays(["explored run", self._curves.runs[i], *settings], compressed)

    @cached_property
    def _replayed(self) -> tuple[Stops, FloatArray, Runs]:
        members = [member for members in self._sweeps for member in members]
        stops = replay(self._curves, members, restore=self._restore)
        losses = getattr(regrets(stops, self._curves), self._error)
        return stops, losses, self._curves.laid_out()

    @cached_property
    def _series(self) -> list[list[tuple[list[int], FloatArray]]]:
        """Of each sweep the members that differ only in their threshold, and what they see.

        That is the statistic at every row of the runs, one after the other.
        """
        *_, runs = self._replayed
        series = []
        for members in self._sweeps:
            alike: dict[Any, list[int]] = {}
            for j, member in enumerate(members):
                alike.setdefault(first_passage.shared(member), []).append(j)
            seen = (first_passage.traces(members[mine[0]], runs) for mine in alike.values())
            series.append([(m, s.statistic) for m, s in zip(alike.values(), seen, strict=True)])
        return series

    def of(self, i: int) -> tuple[list[dict[str, Any]], FloatArray]:
        """What is said of each rule on a run, and the positions that they select."""
        stops, losses, runs = self._replayed
        rules, column = [], 0
        for members, series in zip(self._sweeps, self._series, strict=True):
            mine = slice(column, column + len(members))
            column = mine.stop
            at = _checks(self._curves[i], stops.stop[i, mine])
            rule = {
                "stop": short(stops.stop[i, mine], None),
                "selected": short(stops.selected[i, mine], None),
                "fired": stops.fired[i, mine].astype(int).tolist(),
                "error": short(stops.val[i, mine]),
                "regret": short(losses[i, mine]),
                **_statistics(series, runs, i, at),
            }
            rules.append(rule)
        return rules, np.unique(stops.selected[i])


def _packed(curves: CurveSet, new: _Seen, known: _Seen, kept: Kept) -> list[dict[str, str]]:
    """Runs for the page.

    What is said of the known rules does not depend on the new one, and is kept compressed.
    """
    problems, runs = _problems(curves) if curves.has("problem") else [""] * len(curves), []
    for i, curve in enumerate(curves):
        before, (own_rules, selected) = known.kept(i, kept), new.of(i)
        first, last = short(curve.epoch[[0, -1]], None)
        selected = np.union1d(selected, before["selected"])
        drawn = _drawn(curve, _checks(curve, selected))
        start = json.dumps({"first": first, "last": last, **drawn, "rules": own_rules}, **JSON)
        parts = _deflated(start[:-2]), before["rules"].tobytes(), _deflated("]}", last=True)
        packed = base64.b64encode(b"".join(parts)).decode()
        runs.append({"run": curve.run, "problem": problems[i], "packed": packed})
    return runs


def _deflated(text: str, *, last: bool = False) -> bytes:
    """A part of what is compressed: other parts can follow it, unless it is the last."""
    made = zlib.compressobj(6, wbits=-zlib.MAX_WBITS)
    return made.compress(text.encode()) + made.flush(zlib.Z_FINISH if last else zlib.Z_FULL_FLUSH)


def _checks(curve: Curve, epochs: FloatArray) -> Checks:
    """The checks, counted from 0, at given recorded epochs."""
    return np.searchsorted(curve.epoch, epochs)


def _statistics(
    series: Sequence[tuple[list[int], FloatArray]], runs: Runs, index: int, stops: Checks
) -> dict[str, Any]:
    """What a rule saw of a run: one series for all members that differ only in their threshold."""
    epoch, rows = runs.epochs(index), slice(*runs.offsets[index : index + 2])
    which, statistics = [0] * len(stops), []
    for number, (mine, statistic) in enumerate(series):
        seen = np.clip(statistic[rows], -HUGE, HUGE)
        at = stops[mine]
        drawn = thinned(epoch, seen, STATISTIC_COLUMNS, np.union1d(at, np.maximum(at - 1, 0)))
        statistics.append({"epoch": short(epoch[drawn], None), "value": short(seen[drawn])})
        for j in mine:
            which[j] = number
    return {"series": which, "statistics": statistics}


def _drawn(curve: Curve, kept: Checks) -> dict[str, Any]:
    """The curves of a run, and the range of errors that is drawn."""
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
