"""Rules that were tried to take what the attainable bound leaves, and what became of them.

    python -m experiments.answers rules_tried

Four statistics that the fitted policies of :mod:`experiments.attainable` look at, each with one
threshold: nothing else in them is fitted. Thresholds are chosen on other data sets than they are
judged on, as those of the known rules that they are compared with.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from earlystop_lab.criteria import Family, criterion
from earlystop_lab.curves import FloatArray, facts_of
from earlystop_lab.inference import cluster_means
from earlystop_lab.studies.attainable import folds_of
from experiments.attainable import BLIND, FOLDS, RULES, costs_of, positive
from experiments.short_studies import TESTED, WORTH, with_test
from experiments.studies import Row, at, draw_estimates, row, told

CORPORA = (*TESTED, "taskset")


def _lowest(val: FloatArray) -> tuple[FloatArray, FloatArray]:
    """The lowest log error so far at each check, and the checks since it."""
    log = np.log(val)
    low = np.minimum.accumulate(log)
    new = np.append(True, log[1:] < low[:-1])
    return low, np.arange(len(log)) - np.maximum.accumulate(np.where(new, np.arange(len(log)), 0))


def _noise(val: FloatArray) -> FloatArray:
    """The root mean square change of the log error between checks so far; NaN at the first."""
    change = np.append(np.nan, np.diff(np.log(val)) ** 2)
    return np.sqrt(np.nancumsum(change) / np.maximum(np.arange(len(val)), 1))


@criterion(threshold="gain", passes="<")
def Doubling(val: FloatArray) -> FloatArray:
    """What the lowest log error gained since half of the checks, over log 2."""
    low, _ = _lowest(val)
    half = np.arange(1, len(val) + 1) // 2
    gained = (low[np.maximum(half - 1, 0)] - low) / np.log(2)
    return np.where(half >= 2, gained, np.nan)


@criterion(threshold="height", passes=">")
def NoisyHeight(val: FloatArray) -> FloatArray:
    """The height of the last log error above the lowest so far, over the run's own noise."""
    low, _ = _lowest(val)
    noise = _noise(val)
    return np.where(noise > 0, (np.log(val) - low) / np.where(noise > 0, noise, 1), np.nan)


@criterion(threshold="share", passes=">")
def ShareAndHeight(val: FloatArray) -> FloatArray:
    """Checks since the lowest as a share of all, and a tenth of the height over the noise."""
    low, since = _lowest(val)
    noise = _noise(val)
    height = np.where(noise > 0, (np.log(val) - low) / np.where(noise > 0, noise, 1), 0.0)
    return np.where(
        np.arange(len(val)) >= 4, since / np.arange(1, len(val) + 1) + 0.1 * height, -1.0
    )


@criterion(threshold="area", passes=">")
def Area(val: FloatArray) -> FloatArray:
    """The sum of heights above the lowest since it was reached, over the run's own noise."""
    low, since = _lowest(val)
    noise, heights = _noise(val), np.log(val) - low
    total = np.cumsum(heights)
    begun = total[np.arange(len(val)) - since]
    return np.where(noise > 0, (total - begun) / np.where(noise > 0, noise, 1), np.nan)


TRIED: tuple[Family, ...] = (Doubling, NoisyHeight, ShareAndHeight, Area)


def look() -> pd.DataFrame:
    rows: list[Row] = []
    for name in CORPORA:
        curves = positive(with_test(name))
        sets = facts_of(curves).clusters
        if sets.nunique() == 1:
            sets = pd.Index(curves.meta["problem"], name="problem")
        fold = folds_of(sets, FOLDS, 0)
        costs = costs_of(RULES, curves, sets, fold, "test")
        costs.pop(BLIND)
        means = {
            key: cluster_means(pd.DataFrame(each), sets)[0].mean() for key, each in costs.items()
        }
        best = min(means, key=lambda key: means[key])
        for key, each in costs_of(TRIED, curves, sets, fold, "test").items():
            rows.append(row(name, f"{key} against best rule", each - costs[best], sets, log=True))
            worst = max(
                float(row(name, key, each - other, sets)["high"]) for other in costs.values()
            )
            # below 0: shown to be better than every known rule
            found = row(name, f"{key} against all", each - costs[best], sets, log=True)
            rows.append(found | {"value": worst, "low": np.nan, "high": np.nan})
    return pd.DataFrame(rows)


def answer(t: pd.DataFrame) -> str:
    better = [
        f"{rule.name} on {name}"
        for rule in TRIED
        for name in CORPORA
        if at(t, name, f"{rule.name} against all")["value"] < 0
    ]
    shown = (
        f"shown to be better than every known rule here: {', '.join(better)}"
        if better
        else "none is shown to be better than every known rule on any corpus"
    )
    parts = [
        f"{rule.name} "
        + ", ".join(
            f"{name} {told(t, name, f'{rule.name} against best rule', 'change')}"
            for name in CORPORA
        )
        for rule in TRIED
    ]
    return (
        f"Of {len(TRIED)} rules that were tried, each with one threshold, {shown}. Costs (in "
        "error, "
        f"1% of which is worth {WORTH}% of time) against the best known rule of each corpus: "
        f"{'; '.join(parts)}."
    )


def draw(t: pd.DataFrame) -> Figure:
    part = t[t["what"].str.endswith("best rule")]
    return draw_estimates(
        part,
        {f"{rule.name} against best rule": (f"{rule.name}, cost", "change") for rule in TRIED},
    )
