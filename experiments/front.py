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
from matplotlib.figure import Figure

from earlystop_lab import CurveSet, read_curves, replay
from earlystop_lab.criteria import FAMILIES
from earlystop_lab.engine.thresholds import sweeps
from earlystop_lab.measures.fronts import equal_time_table, front, hypervolumes, knee, points
from earlystop_lab.measures.hindsight import measurable, regret_profile, regrets, time_profile
from earlystop_lab.report.axes import plot_front, plot_profile, save

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
    curves = curves.select(measurable(curves))
    found = points(curves, sweeps(FAMILIES.values(), curves))
    times = regrets(replay(curves, PROFILED), curves)
    return {
        "front": front(found),
        "equal_time": equal_time_table(found, TIMES),
        "hypervolume": hypervolumes(found),
        "profile": regret_profile(times.val, list(PROFILED), WITHIN),
        "time_profile": time_profile(times.val, times.time, list(PROFILED), SPENT),
    }


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
        print(
            f"{name}: {(~measurable(curves)).sum()} of {len(curves)} runs left out, they diverged"
        )
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
