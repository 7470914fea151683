"""Stopping in seconds: what evaluation costs, how often to evaluate, and which rules gain by it.

    python -m experiments.answers seconds

The logs of AlgoPerf count the seconds of training and of evaluation apart. What these ratios mean
for rules is computed on our own corpora, where the test error is known at every check: an epoch of
training costs 1 and an evaluation ``ratio``, and a rule that looks at every k-th check pays for one
evaluation in k epochs and keeps the best of what it saw.
"""

from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from earlystop_lab import GL, PQ, UP, CurveSet, Keras, replay
from earlystop_lab.criteria import Criterion
from earlystop_lab.curves import FloatArray, facts_of
from earlystop_lab.engine.thresholds import sweeps
from earlystop_lab.inference import cluster_means
from earlystop_lab.measures.fronts import exchange_rate
from experiments.short_studies import TESTED, WORTH, with_test
from experiments.studies import Row, at, copy_of, draw_estimates, row, told, value

#: time of an evaluation over that of an epoch of training
RATIOS = (0.0, 0.1, 1.0, 3.0)
#: how many checks lie between two evaluations
SPACINGS = (1, 2, 5, 10)
PATIENCES = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50, 75, 100)
#: rules that are ranked: a name, a member of the family, checks per evaluation
RANKED: dict[str, tuple[Criterion, int]] = {
    "patience": (Keras(1), 1),
    "GL, every check": (GL(1, k=1), 1),
    "UP, every check": (UP(1, k=1), 1),
    "GL, every fifth": (GL(1), 5),
    "UP, every fifth": (UP(1), 5),
    "PQ, every fifth": (PQ(1), 5),
}


def look() -> pd.DataFrame:
    rows = logged()
    for name in TESTED:
        curves = with_test(name)
        costs = {every: spaced(curves, every) for every in SPACINGS}
        sets = next(iter(costs.values())).loss.index
        for ratio in RATIOS:
            best = {every: mine.cost(ratio) for every, mine in costs.items()}
            dense = best[1]
            for every in SPACINGS[1:]:
                what = f"every {every}, evaluation {ratio:g}"
                rows.append(
                    row(name, what, best[every] - dense, sets, log=True) | {"runs": len(curves)}
                )
        ranked = {key: swept(curves, *each) for key, each in RANKED.items()}
        for ratio in RATIOS:
            means = {key: mine.cost(ratio) for key, mine in ranked.items()}
            for key in [*RANKED][1:]:
                differ = means[key] - means["patience"]
                what = f"{key}, evaluation {ratio:g}"
                rows.append(row(name, what, differ, sets, log=True) | {"runs": len(curves)})
    return pd.DataFrame(rows)


class Costs(NamedTuple):
    """Losses and times of the members of a rule, a row a data set, in logarithms."""

    loss: pd.DataFrame
    time: pd.DataFrame
    #: checks per evaluation
    every: int

    def cost(self, ratio: float) -> FloatArray:
        """log error + rate * log seconds of the member with the least mean, one per data set."""
        extra = np.log((1 + ratio / self.every) / (1 + ratio))
        total = self.loss + exchange_rate(WORTH) * (self.time + extra)
        found: FloatArray = total.to_numpy()[:, total.mean().to_numpy().argmin()]
        return found


def thinned(curves: CurveSet, every: int) -> CurveSet:
    """The runs as somebody saw them who looked at every so many checks, from the first strip on."""
    if every == 1:
        return curves
    about = curves.meta[["run", "problem", "dataset"]].to_dict("records")
    runs = [
        {
            **facts,
            "epoch": curve.epoch[every - 1 :: every],
            "val": curve.val[every - 1 :: every],
            "test": curve["test"][every - 1 :: every],
        }
        for facts, curve in zip(about, curves, strict=True)
    ]
    return CurveSet.from_runs(runs)


def spaced(curves: CurveSet, every: int) -> Costs:
    """Patience at every so many checks, against keeping the best of all checks of the record."""
    return _costs(curves, thinned(curves, every), [Keras(p) for p in PATIENCES], every)


def swept(curves: CurveSet, rule: Criterion, every: int) -> Costs:
    """A family over all its thresholds."""
    (members,) = sweeps([rule], curves).values()
    return _costs(curves, curves, members, every)


def _costs(whole: CurveSet, seen: CurveSet, rules: list[Criterion], every: int) -> Costs:
    stops = replay(seen, rules)
    facts = facts_of(whole)
    end = whole.at("test", facts.lowest("val").row[:, None].astype(np.int32), "error")
    loss, time = np.log(stops.error("test") / end), np.log(stops.stop / facts.last[:, None])
    clusters = facts.clusters
    return Costs(
        cluster_means(pd.DataFrame(loss), clusters),
        cluster_means(pd.DataFrame(time), clusters),
        every,
    )


def logged() -> list[Row]:
    """Seconds of evaluation over those of training in the logs of AlgoPerf."""
    rows = []
    files = sorted((copy_of("algoperf") / "raw").rglob("eval_measurements.csv"))
    workloads = pd.Series([file.parts[-3].removesuffix("_jax") for file in files])
    for workload, mine in workloads.groupby(workloads):
        last = [pd.read_csv(files[i]).iloc[-1] for i in mine.index]
        shares = [
            np.log(each["accumulated_eval_time"] / each["accumulated_submission_time"])
            for each in last
        ]
        found = row(
            "algoperf", f"evaluation of {workload}", shares, pd.RangeIndex(len(mine), name="run")
        )
        rows.append(found | {key: np.exp(found[key]) for key in ("value", "low", "high")})
    return rows


def answer(t: pd.DataFrame) -> str:
    logs = t[t["where"] == "algoperf"].sort_values("value")
    shares = ", ".join(
        f"{value(t, 'algoperf', what, 'factor')} for {what.split()[-1]}" for what in logs["what"]
    )
    spacing = "every 5, evaluation 3"
    worth = [f"{name} {told(t, name, spacing, 'change')}" for name in TESTED]
    free = [f"{name} {told(t, name, 'every 5, evaluation 0', 'change')}" for name in TESTED]
    changed = [
        f"{key} on {name}"
        for name in TESTED
        for key in [*RANKED][1:]
        if (at(t, name, f"{key}, evaluation 0")["value"] > 0)
        != (at(t, name, f"{key}, evaluation 3")["value"] > 0)
    ]
    moved = (
        "Against patience at every check, these change sides as evaluation grows from free to "
        f"three epochs: {', '.join(changed)}."
        if changed
        else "No rule changes sides against patience as evaluation grows to three epochs."
    )
    return (
        "If an evaluation costs as much as three epochs, looking at every fifth check instead of "
        "at each "
        "changes the cost of a well-chosen patience (in error, 1% of which is worth "
        f"{WORTH}% of time) by {'; '.join(worth)}. If it is free, by {'; '.join(free)}. In the "
        "logs of "
        f"AlgoPerf, the seconds of evaluation over those of training are {shares}. {moved}"
    )


def draw(t: pd.DataFrame) -> Figure:
    part = t[t["where"] != "algoperf"]
    rows = part[part["what"].str.startswith("every")].copy()
    rows["where"] = rows["where"] + ", every " + rows["what"].str.extract(r"every (\d+)")[0]
    rows["what"] = rows["what"].str.extract(r"evaluation ([\d.]+)")[0]
    return draw_estimates(
        rows,
        {
            f"{r:g}": (f"cost against every check, evaluation {r:g} epochs", "change")
            for r in RATIOS
        },
    )
