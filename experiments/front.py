"""The front of time and regret of every rule on every corpus, and performance profiles.

    python experiments/front.py [--corpus NAME ...] [--out results]

replays whole sweeps of all rules over the corpora of ``data/curves`` and writes, for each corpus,
``results/front-<name>.csv`` (a row a criterion), ``equal_time-<name>.csv`` (a row a rule and
time), ``hypervolume-<name>.csv`` and ``profile-<name>.csv``, and for all of them
``figures/front`` and ``figures/profiles`` as PNG and PDF.

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
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from numpy.typing import ArrayLike

from earlystop_lab import CurveSet, read_curves, replay
from earlystop_lab.criteria import FAMILIES
from earlystop_lab.curves import FloatArray
from earlystop_lab.curves.facts import facts_of
from earlystop_lab.engine.thresholds import sweeps
from earlystop_lab.inference import intervals
from earlystop_lab.measures.fronts import SweepMeans, equal_time, front, replay_sweeps
from earlystop_lab.measures.hindsight import regrets
from earlystop_lab.measures.profiles import regret_profile, time_profile
from earlystop_lab.report.axes import percent, plot_front, save, tones_of

ROOT = Path(__file__).resolve().parents[1]
CORPORA = ("prechelt1997", "prechelt1997-init005", "boosting", "modern-nets")
#: rules that are drawn in colour, the first with its band
SHOWN = ("Keras", "UP", "GL", "PQ")
#: rules of the profiles
PROFILED = ("GL(2)", "PQ(0.5)", "UP(3)", "Keras(10)", "Keras(30)", "Keras(100)")
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


def draw_fronts(tables: dict[str, pd.DataFrame]) -> Figure:
    """A panel a corpus: the front of every rule, some with their band."""
    figure, axes = _panels(len(tables), 2, (5.2, 4.1))
    for ax, (name, table) in zip(axes, tables.items(), strict=False):
        plot_front(table, ax, rules=SHOWN, bands=SHOWN[:1])
        ax.set_title(f"{name}: {table['rule'].nunique()} rules", fontsize="medium")
    figure.suptitle(
        "Validation regret against time, geometric means, problems weighted alike\n"
        "(band of Keras: 95% for its whole line, problems resampled; grey: all other rules; "
        "rules with strips keep what they see, every fifth epoch)",
        fontsize="medium",
    )
    return figure


def plot_profile(table: pd.DataFrame, ax: Axes | None = None) -> Axes:
    """Performance profiles: the share of runs, a line a criterion, over the table's index.

    As :func:`measures.hindsight.regret_profile` and ``time_profile`` give them. The axis is
    logarithmic; an index of 0 is left out.
    """
    ax = ax or plt.gca()
    tones = tones_of(list(table.columns))
    shown = table[table.index > 0]
    for name in table.columns:
        # a step: the share at an x holds until the next
        ax.step(shown.index, shown[name], where="post", color=tones.get(name, "0.6"), label=name)
    words = {
        "within": "regret of at most",
        "time": "time spent, share of the run to its end",
    }
    label = words.get(str(table.index.name), str(table.index.name))
    ax.set(xscale="log", ylim=(0, 1), xlabel=label, ylabel="share of runs")
    ax.xaxis.set_major_formatter(percent)
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.legend(fontsize="small")
    return ax


def draw_profiles(tables: dict[str, dict[str, pd.DataFrame]]) -> Figure:
    """A column a corpus: share of runs near their own best, against how near and how soon."""
    figure, axes = plt.subplots(
        2,
        len(tables),
        figsize=(3.6 * len(tables), 6.2),
        sharey=True,
        layout="constrained",
        squeeze=False,
    )
    for column, (name, found) in zip(axes.T, tables.items(), strict=True):
        plot_profile(found["profile"], column[0]).set_title(name, fontsize="medium")
        plot_profile(found["time_profile"], column[1])
        column[1].set_title("regret of at most 1%", fontsize="small")
    for ax in axes.flat:
        ax.get_legend().remove()
    for ax in axes[:, 1:].flat:
        ax.set_ylabel("")
    axes[0, 0].legend(fontsize="x-small", loc="upper left")
    return figure


def _panels(count: int, columns: int, size: tuple[float, float]) -> tuple[Figure, Sequence]:
    rows = -(-count // columns)
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(size[0] * columns, size[1] * rows),
        layout="constrained",
        squeeze=False,
    )
    for ax in axes.flat[count:]:
        ax.axis("off")
    return figure, axes.flat


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
    save(
        draw_fronts({name: found["front"] for name, found in studies.items()}),
        ROOT / "figures" / "front",
    )
    save(draw_profiles(studies), ROOT / "figures" / "profiles")


if __name__ == "__main__":
    main()
