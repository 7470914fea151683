"""The front of time and regret of every rule on every corpus, and performance profiles.

    python -m experiments.front [--corpus NAME ...] [--out results]

replays whole sweeps of all rules over the corpora of ``data/curves`` and writes, for each corpus,
``results/front-<name>.csv`` (a row a criterion), ``equal_time-<name>.csv`` (a row a rule and
time), ``hypervolume-<name>.csv`` and ``profile-<name>.csv``, and for all of them what is drawn:
``data/studies/front.csv``, ``front_bounds.csv``, ``front_shares.csv`` and ``profiles.csv``.
``make figures`` draws ``figures/front`` and ``figures/profiles`` from these.

Rules without a threshold (SklearnHGB, PyBrain and their like) need a pass for each value of their
parameter, over windows as long as the record; on records of thousands of checks they and CatBoost
take nearly all of the time.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import ArrayLike

from earlystop_lab import CurveSet, read_curves, replay
from earlystop_lab.criteria import FAMILIES
from earlystop_lab.curves import FloatArray
from earlystop_lab.curves.facts import facts_of
from earlystop_lab.engine.thresholds import sweeps
from earlystop_lab.inference import cluster_means, intervals
from earlystop_lab.measures.fronts import (
    SweepMeans,
    equal_time,
    exchange_rate,
    front,
    replay_sweeps,
)
from earlystop_lab.measures.hindsight import regrets
from earlystop_lab.measures.profiles import regret_profile, time_profile
from earlystop_lab.report.axes import plot_front, plot_profile
from earlystop_lab.report.style import look
from earlystop_lab.studies.attainable import attained, bounds, decisions, policies
from experiments.studies import written_csv

ROOT = Path(__file__).resolve().parents[1]
CORPORA = ("prechelt1997", "prechelt1997-init005", "boosting", "modern-nets")
#: rules that are drawn in colour, the first with its band
SHOWN = ("Keras", "UP", "GL", "PQ")
#: rules of the profiles
PROFILED = ("GL(2)", "PQ(0.5)", "UP(3)", "Keras(10)", "Keras(30)", "Keras(100)")
#: percentages of time that 1% of error is worth: one for shares of the attainable, some for bounds
WORTH, WORTHS = 50, (5, 10, 20, 50, 100, 200, 500)
#: times at which rules are compared, as shares of the record
TIMES = np.array([0.02, 0.05, 0.1, 0.2, 0.5])
#: regrets and times of the profiles
WITHIN = np.geomspace(1e-4, 1, 81)
SPENT = np.geomspace(1e-3, 1, 91)


def study(curves: CurveSet) -> dict[str, pd.DataFrame]:
    """All tables of one corpus, over the runs that did not diverge."""
    curves = curves.select(facts_of(curves).measurable())
    means = replay_sweeps(curves, sweeps(FAMILIES.values(), curves))
    times = regrets(replay(curves, PROFILED), curves)
    return {
        "front": front(means),
        "front_bounds": bound_table(curves),
        "front_shares": share_table(curves, means),
        "equal_time": equal_time_table(means, TIMES),
        "hypervolume": hypervolumes(means),
        "profile": regret_profile(times.val, list(PROFILED), WITHIN),
        "time_profile": time_profile(times.val, times.time, list(PROFILED), SPENT),
    }


# -- numbers of a front --------------------------------------------------------------------


def equal_time_table(means: SweepMeans, times: ArrayLike, *, seed: int = 0) -> pd.DataFrame:
    """Regret of every rule at the same times, the headline: one row a rule and time.

    Columns ``rule``, ``time``, ``regret`` and its interval over problems ``low`` and ``high``
    (each by itself), NaN where the sweep does not reach.
    """
    rows = []
    for name, table in equal_time(means, times).items():
        bounds = np.full((3, table.shape[1]), np.nan)
        reached = np.isfinite(table.to_numpy()).all(axis=0)
        if reached.any():
            found = intervals(table.loc[:, reached], seed=seed)
            bounds[:, reached] = found[["estimate", "low", "high"]].to_numpy(float).T
        regret, low, high = np.expm1(bounds)
        # no regret is below 0
        part = pd.DataFrame(
            {"time": table.columns, "regret": regret, "low": low.clip(min=0), "high": high}
        )
        part.insert(0, "rule", name)
        rows.append(part)
    return pd.concat(rows, ignore_index=True)


def bound_table(curves: CurveSet) -> pd.DataFrame:
    """Mean time and regret of fitted policies and of hindsight: a row for each exchange rate.

    Of the policies fitted on other data sets and on other runs of the same problem, the better.
    """
    clusters = facts_of(curves).clusters
    weights = 1 / clusters.value_counts().loc[clusters].to_numpy(float)
    rows = []
    for worth in WORTHS:
        rate = exchange_rate(worth)
        seen = decisions(curves, rate, error="val")
        every = np.arange(len(curves))
        found = [
            (seen.costs(stops), seen.time[every, stops])
            for stops in policies(curves, seen, clusters, weights).values()
        ]
        points = {
            "policy": min((_mean(cost, time, rate, clusters) for cost, time in found), key=sum),
            "hindsight": _mean(seen.hindsight, seen.hindsight_time, rate, clusters),
        }
        rows += [
            {"line": line, "worth": worth, "time": np.exp(time / rate), "regret": np.expm1(loss)}
            for line, (time, loss) in points.items()
        ]
    return pd.DataFrame(rows)


def _mean(
    cost: FloatArray, time: FloatArray, rate: float, clusters: pd.Index
) -> tuple[float, float]:
    """The mean over clusters of what time costs, and of the log of 1 + regret."""
    found = cluster_means(pd.DataFrame({"time": rate * time, "loss": cost - rate * time}), clusters)
    return float(found["time"].mean()), float(found["loss"].mean())


def share_table(curves: CurveSet, means: SweepMeans) -> pd.DataFrame:
    """What every rule takes of the attainable (:func:`studies.attainable.attained`)."""
    rate = exchange_rate(WORTH)
    costs = means.loss.to_numpy() + rate * means.time.to_numpy()
    names = np.array(means.rules)
    rules = {name: costs[:, names == name] for name in dict.fromkeys(means.rules)}
    found = attained(bounds(curves, rate, error="val"), rules, rate)
    if found is None:
        return pd.DataFrame({"rule": [], "share": []})
    every = {**found.rules, "policy": found.fitted, "hindsight": found.hindsight}
    return pd.DataFrame({"rule": list(every), "share": list(every.values())})


def knee(table: pd.DataFrame) -> pd.Series:
    """The row of one rule's front furthest below the line between the front's ends.

    Both axes are logarithmic, log(time) and log(1 + regret), and stretched to the front's own
    range, so the knee depends on where the sweep ends: a description, not a recommendation.

    Source: V. Satopää et al., ICDCS Workshops 2011, 166-171, doi:10.1109/ICDCSW.2011.20.

    >>> table = pd.DataFrame({"time": [0.01, 0.1, 1.0], "regret": [0.5, 0.02, 0.0]})
    >>> int(knee(table.assign(best_of_rule=True)).name)
    1
    """
    kept = table[table["best_of_rule"] & np.isfinite(table["regret"]) & (table["time"] > 0)]
    if kept.empty:
        raise ValueError("knee: no point of the front is finite")
    kept = kept.sort_values("time")
    x, y = np.log(kept["time"].to_numpy()), np.log1p(kept["regret"].to_numpy())
    x, y = ((v - v.min()) / (np.ptp(v) or 1) for v in (x, y))
    row: pd.Series = kept.iloc[int((x + y).argmin())]
    return row


def hypervolume(
    time: FloatArray, loss: FloatArray, *, within: float = 0.05, log_time: bool = True
) -> float:
    """Area between a front and a reference point: the end of the record, and a regret ``within``.

    ``time`` and ``loss`` are mean logarithms of the criteria of one rule. The area lies in
    log(time) (in time where ``log_time`` is False) and log(1 + regret), each regret as a share of
    the reference's, so that 1 is a rule without regret over a factor e of time (or all of the
    record). A criterion counts up to the next better one. What wins depends on the reference:
    never print one without the other, see :func:`hypervolumes`.

    >>> round(hypervolume(np.log([0.1, 0.5]), np.log1p([0.05, 0.0])), 3)
    0.693
    """
    limit = np.log1p(within)
    x = time if log_time else np.exp(time)
    end = 0.0 if log_time else 1.0
    order = np.argsort(x, kind="stable")
    x, height = x[order], np.maximum.accumulate(np.maximum(0, limit - loss[order])) / limit
    useful = (height > 0) & (x < end)
    x, height = x[useful], height[useful]
    return float((np.diff(np.append(x, end)) * height).sum())


def hypervolumes(
    means: SweepMeans, within: Sequence[float] = (0.05, 0.01, 0.02, 0.1)
) -> pd.DataFrame:
    """Hypervolume of every rule under several conventions: a row a rule and convention.

    Columns ``rule``, ``reference`` (in words), ``hypervolume``, ``rank`` (1 is the largest). The
    first convention is the usual one, the others are its sensitivity: other regrets, and linear
    time.
    """
    rows = []
    for log_time in (True, False):
        for limit in within:
            words = f"end of record, {limit:.0%} regret, {'log' if log_time else 'linear'} time"
            for name in dict.fromkeys(means.rules):
                mine = means.of(name)
                area = hypervolume(
                    mine.time.mean().to_numpy(),
                    mine.loss.mean().to_numpy(),
                    within=limit,
                    log_time=log_time,
                )
                rows.append({"rule": name, "reference": words, "hypervolume": area})
    table = pd.DataFrame(rows)
    ranks = table.groupby("reference", sort=False)["hypervolume"].rank(
        ascending=False, method="min"
    )
    return table.assign(rank=ranks.astype(int))


# -- figures -------------------------------------------------------------------------------


def drawn_of(studies: dict[str, dict[str, pd.DataFrame]]) -> dict[str, pd.DataFrame]:
    """What the figures show of all corpora: two tables, rounded to five digits."""
    fronts, profiles = [], []
    for name, found in studies.items():
        rows = found["front"].query("best_of_rule and time > 0")
        rows = rows[["rule", "time", "regret", "low", "high"]].assign(corpus=name)
        # only the band of the first is drawn
        rows.loc[rows["rule"] != SHOWN[0], ["low", "high"]] = np.nan
        fronts += [_thinned(part) for _, part in rows.groupby("rule", sort=False)]
        for kind in ("profile", "time_profile"):
            table = found[kind].rename_axis("x").reset_index()
            profiles.append(table.assign(corpus=name, profile=found[kind].index.name))
    both = {
        name: pd.concat(each[name].assign(corpus=corpus) for corpus, each in studies.items())
        for name in ("front_bounds", "front_shares")
    }
    return {"front": pd.concat(fronts), "profiles": pd.concat(profiles), **both}


def _thinned(rows: pd.DataFrame, most: int = 40) -> pd.DataFrame:
    """A line by time; one that is drawn thin and grey with fewer points, its ends among them."""
    rows = rows.sort_values("time")
    if rows["rule"].iloc[0] in SHOWN:
        return rows
    at = np.unique(np.linspace(0, len(rows) - 1, min(len(rows), most)).round().astype(int))
    return rows.iloc[at]


def draw_fronts(table: pd.DataFrame, bounds: pd.DataFrame, shares: pd.DataFrame) -> Figure:
    """A panel a corpus: the front of every rule and the bounds; below, shares of the attainable."""
    names = list(table["corpus"].unique())
    wide, rows = plt.rcParams["figure.figsize"][0], -(-len(names) // 2)
    figure = plt.figure(figsize=(wide, 2.5 * rows + 1.9), layout="constrained")
    grid = figure.add_gridspec(rows + 1, 2, height_ratios=[*[2.5] * rows, 1.2])
    for i, name in enumerate(names):
        ax = figure.add_subplot(grid[divmod(i, 2)])
        part = table[table["corpus"] == name].assign(best_of_rule=True)
        known = bounds[bounds["corpus"] == name]
        for line, mark in (("policy", "o"), ("hindsight", "v")):
            points = known[known["line"] == line]
            ax.plot(
                points["time"],
                points["regret"],
                mark,
                ms=3.5,
                mfc="white",
                mec="black",
                label=f"fitted {line}" if line == "policy" else line,
                zorder=3,
            )
        plot_front(part, ax, rules=SHOWN, bands=SHOWN[:1])
        ax.set_title(f"{name}: {part['rule'].nunique()} rules")
    _draw_shares(shares, figure.add_subplot(grid[rows, :]))
    figure.suptitle(
        f"Validation regret, geometric means over problems. Band of {SHOWN[0]}: 95% for its whole "
        "line,\nproblems resampled. Grey: all other rules. Rules with strips keep what they see, "
        "every fifth check.\nA fitted policy was fitted on other runs, one for each exchange rate."
    )
    return figure


def _draw_shares(shares: pd.DataFrame, ax: plt.Axes) -> None:
    """A row a corpus, a mark a rule."""
    names = list(shares["corpus"].unique())
    for y, name in enumerate(names):
        part = shares[shares["corpus"] == name].set_index("rule")["share"].clip(lower=-0.25)
        others = part.drop([*SHOWN, "policy", "hindsight"], errors="ignore")
        ax.plot(others, np.full(len(others), y), "|", color="0.6", ms=7, mew=0.7, label="others")
        for rule in SHOWN:
            seen = look(rule)
            ax.plot(part[rule], y, seen.marker, color=seen.colour, ms=4.5, label=rule)
        ax.plot(part["policy"], y, "o", mfc="white", mec="black", ms=3.5)
        ax.plot(part["hindsight"], y, "v", mfc="white", mec="black", ms=3.5)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(len(names) - 0.5, -0.5)
    ax.set_xlabel(
        "share of the attainable: 0 is stopping all runs at the same check, 100% the best policy "
        f"or rule found\n(1% of error worth {WORTH}% of time; below -25% at the left edge)"
    )
    ax.xaxis.set_major_formatter(PercentFormatter(1))
    # those of the first row stand for all
    handles, words = ax.get_legend_handles_labels()
    several = 1 + len(SHOWN)
    ax.legend(handles[:several], words[:several], loc="upper right", ncols=3)


def draw_profiles(table: pd.DataFrame) -> Figure:
    """A row a corpus: share of runs near their own best, against how near and how soon."""
    names = list(table["corpus"].unique())
    wide = plt.rcParams["figure.figsize"][0]
    figure, axes = plt.subplots(
        len(names),
        2,
        figsize=(wide, 2.2 * len(names)),
        sharey=True,
        layout="constrained",
        squeeze=False,
    )
    for row, name in zip(axes, names, strict=True):
        for ax, kind in zip(row, ("within", "time"), strict=True):
            part = table[(table["corpus"] == name) & (table["profile"] == kind)]
            shares = part.set_index("x")[list(PROFILED)].rename_axis(kind)
            plot_profile(shares, ax)
            if name != names[0] or kind == "time":
                ax.get_legend().remove()
        row[0].set_title(name)
        row[1].set(title=f"{name}, regret of at most 1%", ylabel="")
        if name != names[-1]:
            row[0].set_xlabel("")
            row[1].set_xlabel("")
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--corpus", action="append", help="of data/curves; all by default")
    parser.add_argument("--out", type=Path, default=ROOT / "results")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    studies = {}
    for name in asked.corpus or CORPORA:
        curves = read_curves(ROOT / "data" / "curves" / name)
        studies[name] = study(curves)
        left = (~facts_of(curves).measurable()).sum()
        print(f"{name}: {left} of {len(curves)} runs left out, they diverged")
        for table, frame in studies[name].items():
            frame.to_csv(asked.out / f"{table}-{name}.csv", index=frame.index.name is not None)
        print("  knees, which depend on where the sweeps end:")
        fronts = studies[name]["front"]
        for rule in SHOWN:
            if (mine := fronts[fronts["rule"] == rule]).size:
                at = knee(mine)
                print(
                    f"  {at['criterion']}: {at['time']:.1%} of the time, {at['regret']:.2%} regret"
                )
        at_tenth = studies[name]["equal_time"].query("time == 0.1").nsmallest(5, "regret")
        print(at_tenth.round(4).to_string(index=False))
    for name, table in drawn_of(studies).items():
        written_csv(ROOT / "data" / "studies" / f"{name}.csv", table)


if __name__ == "__main__":
    main()
