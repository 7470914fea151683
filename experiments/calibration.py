"""Is what `calibrate` promises kept, what does it save, and what breaks it?

    python -m experiments.calibration [--splits 250] [--out data/studies]

draws calibration sets of runs from the corpora of ``data/curves`` and from simulated curves, and
looks at the runs that were not drawn. Writes ``calibration.csv`` (conformal risk control, a row a
corpus, rule, size and cap), ``calibration_tests.csv`` (learn-then-test) and
``calibration_broken.csv`` (what happens where the runs to come are not like those calibrated on),
from which ``make figures`` draws ``figures/calibration``. Takes a few minutes.

A corpus is the population here. Conformal sets are drawn without replacement, so that the rest are
new runs; for learn-then-test with replacement, so that the risk of the choice is known.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from earlystop_lab import (
    GL,
    UP,
    CurveSet,
    Keras,
    MaxEpochs,
    RefusedError,
    calibrate,
    read_curves,
    replay,
    simulate,
)
from earlystop_lab.curves.facts import facts_of
from earlystop_lab.inference.tables import cluster_means
from earlystop_lab.measures.hindsight import regrets
from earlystop_lab.report.labels import Label, label_points
from earlystop_lab.report.style import BESIDE, Look, series, small
from earlystop_lab.studies.calibration import Measured, chosen, measured
from experiments.studies import ROOT, STUDIES, written_csv

CORPORA = ("prechelt1997", "prechelt1997-init005", "boosting", "modern-nets")
#: rules with strips of one epoch, so that their slowest threshold sees what the run's end does
RULES = {"Keras": Keras, "UP(k=1)": UP(1, k=1), "GL(k=1)": GL(1, k=1)}
AT_MOST = 0.02
SIZES = (50, 200)
CAPS = (0.1, 0.2, 0.5, 1.0)
CONFIDENCE = 0.9
#: rules, runs calibrated on, and cap, of learn-then-test
TESTED = ("Keras", "GL(k=1)")
TESTS = ((50, 0.2), (200, 0.2), (200, 1.0))
#: patiences that had stopped the logs, epochs of short records
STOPPED = (20, 50, 100)
SHORT = 300


def populations(simulated: int = 2000) -> dict[str, CurveSet]:
    """The corpora, without runs that diverged, and simulated curves."""
    found = {name: read_curves(ROOT / "data" / "curves" / name) for name in CORPORA}
    found["simulated"] = simulate("parametric", simulated, seed=20, epochs=600)
    return {name: curves.select(facts_of(curves).measurable()) for name, curves in found.items()}


# -- what is promised ----------------------------------------------------------------------


def conformal(seen: Measured, n: int, cap: float, splits: int, seed: int = 0) -> dict[str, float]:
    """Calibrated on ``n`` runs, what the others lose and save: means over random splits."""
    rng = np.random.default_rng(seed)
    capped = np.minimum(seen.losses, cap)
    rows = []
    for _ in range(splits):
        order = rng.permutation(len(capped))
        mine, others = order[:n], order[n:]
        at, _, _ = chosen(capped[mine], seen.time[mine], AT_MOST, cap)
        if at is None:  # refused: every run to its end
            rows.append((0.0, 0.0, 0.0, True))
            continue
        rows.append(
            (
                capped[others, at].mean(),
                seen.losses[others, at].mean(),
                1 - seen.time[others, at].mean(),
                False,
            )
        )
    lost, uncapped, saved, refused = np.array(rows, float).T
    return {
        "n": n,
        "cap": cap,
        "lost": lost.mean(),
        "standard_error": lost.std(ddof=1) / np.sqrt(splits),
        "uncapped": uncapped.mean(),
        "saved": saved.mean(),
        "refused": refused.mean(),
        "sets_above": (lost > AT_MOST).mean(),
        "kept": lost.mean() <= AT_MOST + 2 * lost.std(ddof=1) / np.sqrt(splits),
    }


def learn_then_test(
    seen: Measured, n: int, cap: float, draws: int, seed: int = 0
) -> list[dict[str, float | str]]:
    """How often the choice's mean loss is above the limit, and what it saves: a row a p value."""
    rng = np.random.default_rng(seed)
    capped = np.minimum(seen.losses, cap)
    risk, saves = capped.mean(axis=0), 1 - seen.time.mean(axis=0)
    found: dict[str, list[int | None]] = {"betting": [], "Hoeffding-Bentkus": []}
    for draw in range(draws):
        mine = rng.integers(len(capped), size=n)
        at, _, beside = chosen(capped[mine], seen.time[mine], AT_MOST, cap, CONFIDENCE, draw)
        found["betting"].append(at)
        found["Hoeffding-Bentkus"].append(beside)
    return [
        {
            "p": name,
            "n": n,
            "cap": cap,
            "violated": np.mean([at is not None and risk[at] > AT_MOST for at in each]),
            "saved": np.mean([0.0 if at is None else saves[at] for at in each]),
            "refused": np.mean([at is None for at in each]),
        }
        for name, each in found.items()
    ]


def with_own_thresholds(
    curves: CurveSet, rule: str, n: int, cap: float, draws: int
) -> dict[str, float | str]:
    """As :func:`learn_then_test`, all of ``calibrate``: also the thresholds come from the draw."""
    rng = np.random.default_rng(0)
    last, end = facts_of(curves).last, MaxEpochs(int(curves.lengths.max()))
    reference = replay(curves, [end]).test
    lost, saved = [], []
    for draw in range(draws):
        mine = rng.integers(len(curves), size=n)
        table = curves.table.take(mine)
        column = table.column_names.index("run")
        table = table.set_column(column, "run", [[f"{i}" for i in range(n)]])
        try:
            found = calibrate(
                CurveSet(table), RULES[rule], AT_MOST, cap=cap, confidence=CONFIDENCE, seed=draw
            )
        except RefusedError:
            lost.append(0.0)
            saved.append(0.0)
            continue
        stops = replay(curves, [found.criterion])
        lost.append(np.minimum(np.maximum(stops.test / reference - 1, 0), cap).mean())
        saved.append(1 - (stops.stop[:, 0] / last).mean())
    return {
        "p": "betting, thresholds of the draw",
        "n": n,
        "cap": cap,
        "violated": np.mean(np.array(lost) > AT_MOST),
        "saved": np.mean(saved),
        "refused": np.mean(np.array(saved) == 0),
    }


# -- what breaks it ------------------------------------------------------------------------


def other_problems(curves: CurveSet, seen: Measured, cap: float) -> pd.DataFrame:
    """Each problem's loss at what all runs of the others choose, as runs and as problems."""
    problems = curves.meta["problem"].to_numpy()
    capped = np.minimum(seen.losses, cap)
    means = cluster_means(capped, pd.Index(problems))
    rows = []
    for name in means.index:
        rest = problems != name
        for unit, losses in (("run", capped[rest]), ("problem", means.drop(name).to_numpy())):
            at, _, _ = chosen(losses, seen.time[rest], AT_MOST, cap)
            lost = 0.0 if at is None else capped[~rest, at].mean()
            saved = 0.0 if at is None else 1 - seen.time[~rest, at].mean()
            rows.append({"problem": name, "unit": unit, "lost": lost, "saved": saved})
    return pd.DataFrame(rows)


def cut(curves: CurveSet, until: Callable[[int], int]) -> CurveSet:
    """The records up to so many checks of each run."""
    return CurveSet.from_runs(
        {"run": c.run, "val": c.val[: until(i)], "problem": p}
        for i, (c, p) in enumerate(zip(curves, curves.meta["problem"], strict=True))
    )


def on_cut_records(
    whole: CurveSet, short: CurveSet, n: int, cap: float, splits: int
) -> tuple[float, float]:
    """Calibrated on short records: what others lose on their whole ones, and save."""
    seen = measured(short, Keras)
    truth = regrets(replay(whole, seen.members), whole)
    counted, capped = np.minimum(seen.losses, cap), np.minimum(truth.val, cap)
    rng = np.random.default_rng(0)
    lost, saved = [], []
    for _ in range(splits):
        order = rng.permutation(len(counted))
        mine, others = order[:n], order[n:]
        at, _, _ = chosen(counted[mine], seen.time[mine], AT_MOST, cap)
        lost.append(0.0 if at is None else capped[others, at].mean())
        saved.append(0.0 if at is None else 1 - truth.time[others, at].mean())
    return float(np.mean(lost)), float(np.mean(saved))


def chosen_on_the_same_runs(
    sweeps: Mapping[str, Measured], caps: tuple[float, ...], n: int, cap: float, splits: int
) -> tuple[float, float]:
    """Of several rules and caps the one that saves most on the calibration runs: its new loss.

    The loss is of new runs, with the given cap.
    """
    rng = np.random.default_rng(0)
    total = len(next(iter(sweeps.values())).losses)
    lost, saved = [], []
    for _ in range(splits):
        order = rng.permutation(total)
        mine, others = order[:n], order[n:]
        best = (0.0, 0.0, 0.0)
        for seen in sweeps.values():
            for tried in caps:
                counted = np.minimum(seen.losses[mine], tried)
                at, _, _ = chosen(counted, seen.time[mine], AT_MOST, tried)
                if at is not None and 1 - seen.time[mine, at].mean() > best[0]:
                    best = (
                        1 - seen.time[mine, at].mean(),
                        np.minimum(seen.losses[others, at], cap).mean(),
                        1 - seen.time[others, at].mean(),
                    )
        lost.append(best[1])
        saved.append(best[2])
    return float(np.mean(lost)), float(np.mean(saved))


def broken(
    curves: CurveSet, sweeps: Mapping[str, Measured], splits: int, n: int = 200, cap: float = 0.2
) -> pd.DataFrame:
    """What is lost, as multiples of the limit, where the promise does not hold: a row a way."""
    rows = []
    by_problem = other_problems(curves, sweeps["Keras"], cap)
    for unit, part in by_problem.groupby("unit", sort=False):
        words = "runs of 11 others" if unit == "run" else "11 others as units"
        for _, row in part.iterrows():
            rows.append((f"a new problem, {words}: {row['problem']}", row["lost"], row["saved"]))
        above = (part["lost"] > AT_MOST).sum()
        rows.append((f"a new problem, {words}: mean", part["lost"].mean(), part["saved"].mean()))
        rows.append((f"a new problem, {words}: {above} above", part["lost"].max(), np.nan))
    stops = replay(curves, [Keras(p) for p in STOPPED]).stop.astype(int)
    for j, patience in enumerate(STOPPED):
        short = cut(curves, lambda i, j=j: stops[i, j])
        found = on_cut_records(curves, short, n, cap, splits)
        rows.append((f"logs that Keras({patience}) had stopped", *found))
    found = on_cut_records(curves, cut(curves, lambda i: SHORT), n, cap, splits)
    rows.append((f"records of {SHORT} epochs", *found))
    found = chosen_on_the_same_runs(sweeps, (cap,), 50, cap, splits)
    rows.append((f"best of {len(sweeps)} rules on the same 50 runs", *found))
    found = chosen_on_the_same_runs({"Keras": sweeps["Keras"]}, CAPS, 50, cap, splits)
    rows.append((f"best of {len(CAPS)} caps on the same 50 runs", *found))
    last = MaxEpochs(int(curves.lengths.max()))
    end = regrets(replay(curves, [last]), curves).test
    rows.append(("test error at the run's end, over its lowest", end.mean(), 0.0))
    table = pd.DataFrame(rows, columns=["where", "lost", "saved"])
    return table.assign(times_at_most=table["lost"] / AT_MOST)


# -- all of it -----------------------------------------------------------------------------


def study(curves: Mapping[str, CurveSet], splits: int) -> dict[str, pd.DataFrame]:
    """The three tables; the first of the populations is the one that is broken."""
    cells, tests, broke = [], [], pd.DataFrame()
    for name, population in curves.items():
        sweeps = {rule: measured(population, family) for rule, family in RULES.items()}
        for rule, seen in sweeps.items():
            for n in SIZES:
                for cap in CAPS:
                    found = conformal(seen, n, cap, splits)
                    cells.append({"corpus": name, "rule": rule, **found})
        for rule in TESTED:
            seen = measured(population, RULES[rule], "test")
            for n, cap in TESTS:
                for found in learn_then_test(seen, n, cap, splits):
                    tests.append({"corpus": name, "rule": rule, **found})
            if name == "simulated":
                found = with_own_thresholds(population, rule, 200, 0.2, min(splits, 100))
                tests.append({"corpus": name, "rule": rule, **found})
        if name == next(iter(curves)):
            broke = broken(population, sweeps, splits)
    return {
        "calibration": pd.DataFrame(cells),
        "calibration_tests": pd.DataFrame(tests),
        "calibration_broken": broke,
    }


def draw(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """What is promised is kept (above), what it saves (middle), and what breaks it (below)."""
    wide = plt.rcParams["figure.figsize"][0]
    figure = plt.figure(figsize=(wide, 7.4), layout="constrained")
    above, middle, below = figure.subfigures(3, 1, height_ratios=[1, 1.05, 0.85])
    cells, tests = tables["calibration"], tables["calibration_tests"]
    looks = series(list(cells["corpus"].unique()))
    _draw_cells(above.subplots(), cells, looks)
    left, right = middle.subplots(1, 2)
    _draw_tests(left, tests)
    _draw_caps(right, cells, looks)
    _draw_broken(below.subplots(), tables["calibration_broken"])
    return figure


def _draw_cells(ax: Axes, cells: pd.DataFrame, looks: Mapping[str, Look]) -> None:
    groups = list(cells.groupby(["n", "cap"], sort=False))
    for x, (_, part) in enumerate(groups):
        places = x + np.linspace(-0.36, 0.36, len(part))
        for place, row in zip(places, part.to_dict("records"), strict=True):
            seen = looks[row["corpus"]]
            ax.errorbar(
                place,
                row["lost"] / AT_MOST,
                2 * row["standard_error"] / AT_MOST,
                color=seen.colour,
                fmt=seen.marker,
                ms=2.2,
                lw=0.7,
            )
    for name, seen in looks.items():
        ax.plot([], [], seen.marker, color=seen.colour, ms=3, label=name)
    ax.axhline(1, color="black", lw=0.7, ls="--")
    ax.set_xticks(range(len(groups)), [f"{n} runs\ncap {cap:g}" for (n, cap), _ in groups])
    ax.set(ylabel="mean loss of new runs,\nas a multiple of the limit", ylim=(0, 1.2))
    kept = f"{cells['kept'].sum()} of {len(cells)} within two standard errors (lines)"
    ax.set_title(f"Conformal risk control, at most {AT_MOST:.0%}: {kept}")
    ax.legend(ncols=len(looks), loc="upper center", bbox_to_anchor=(0.5, -0.22))


def _draw_tests(ax: Axes, tests: pd.DataFrame) -> None:
    looks = series(list(tests["p"].unique()))
    for name, part in tests.groupby("p", sort=False):
        seen = looks[str(name)]
        style = {"marker": seen.marker, "color": seen.colour, "ls": "none", "mfc": "none"}
        ax.plot(part["saved"], part["violated"], ms=3.2, mew=0.7, label=name, **style)
    ax.axhline(1 - CONFIDENCE, color="black", lw=0.7, ls="--")
    ax.set(
        xlabel="share of the epochs saved",
        ylabel="share of calibration sets\nwhose choice loses more",
        ylim=(-0.004, 2.1 * (1 - CONFIDENCE)),
    )
    ax.set_title(f"Learn-then-test, test error, confidence {CONFIDENCE:.0%}")
    ax.legend(loc="upper left")


def _draw_caps(ax: Axes, cells: pd.DataFrame, looks: Mapping[str, Look]) -> None:
    part = cells[(cells["rule"] == "Keras") & (cells["n"] == SIZES[0])]
    lines, labels = [], []
    for name, mine in part.groupby("corpus", sort=False):
        seen, lost = looks[str(name)], mine["uncapped"] / AT_MOST
        style = {"color": seen.colour, "marker": seen.marker, "ls": seen.line}
        lines += ax.plot(mine["saved"], lost, ms=3, lw=0.9, **style)
        labels += [
            Label(f"{cap:g}", x, y, seen.colour)
            for cap, x, y in zip(mine["cap"], mine["saved"], lost, strict=True)
        ]
    ax.axhline(1, color="black", lw=0.7, ls="--")
    ax.set(
        yscale="log",
        xlabel="share of the epochs saved",
        ylabel="mean loss of new runs without the\ncap, as a multiple of the limit",
    )
    ax.margins(0.1)
    ax.yaxis.set_major_formatter("{x:g}")
    label_points(ax, labels, lines)
    ax.set_title(f"Patience, {SIZES[0]} runs, by cap (numbers)")


def _draw_broken(ax: Axes, table: pd.DataFrame) -> None:
    shown = table[~table["where"].str.contains(": mean|: .* above")].iloc[::-1]
    groups = shown["where"].str.split(": ").str[0]
    names = list(dict.fromkeys(groups))
    for y, name in enumerate(names):
        part = shown[groups == name]
        times = part["times_at_most"].clip(lower=0.01)
        ax.plot(times, [y] * len(part), "o", ms=3.2, mfc="none", mew=0.8, color="black")
        worst = part.loc[part["times_at_most"].idxmax()]
        if len(part) > 1:
            ax.annotate(
                worst["where"].split(": ")[1],
                (worst["times_at_most"], y),
                xytext=(5, 0),
                textcoords="offset points",
                va="center",
                fontsize=small(),
            )
    ax.axvline(1, color=BESIDE, lw=0.7, ls="--")
    ax.set_yticks(range(len(names)), names)
    ax.set(
        xscale="log",
        xlabel="mean loss, as a multiple of the limit (below 0.01 drawn there)",
        ylim=(-0.6, len(names) - 0.4),
    )
    ax.margins(x=0.08)
    ax.xaxis.set_major_formatter("{x:g}")
    ax.set_title("Patience, cap 0.2: where runs to come are not like those calibrated on")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--splits", type=int, default=250)
    parser.add_argument("--out", type=Path, default=STUDIES)
    asked = parser.parse_args()
    tables = study(populations(), asked.splits)
    for name, table in tables.items():
        written_csv(asked.out / f"{name}.csv", table)
    cells, tests = tables["calibration"], tables["calibration_tests"]
    print(f"conformal: {cells['kept'].sum()} of {len(cells)} cells kept")
    print(cells[cells["rule"] == "Keras"].round(4).to_string(index=False))
    print(f"learn-then-test: violated in {tests['violated'].min()} to {tests['violated'].max()}")
    print(tests.groupby(["p", "n", "cap"], sort=False)[["violated", "saved", "refused"]].mean())
    print(tables["calibration_broken"].round(3).to_string(index=False))


if __name__ == "__main__":
    main()
