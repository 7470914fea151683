"""How often intervals over clusters hold the true mean, and how often tests reject a true null.

    python -m experiments.interval_coverage [--replications 4000] [--out data/studies]

simulates tables of 12 and 40 clusters whose mean is known: normal, t with 3 degrees of freedom,
skewed, mostly without an effect, and problems like those of a recorded corpus: one of them drawn at
random with normal noise, which is a kernel density of problems (Scott's bandwidth). Where problems
are drawn with no more noise than that of their runs, one of twelve often carries the whole effect,
and a third of the samples are without it: no interval can know, and that is shown apart.

Writes ``coverage.csv`` (a row a population, size and method), ``coverage_pairs.csv`` (the default,
at 12 clusters, for every pair of the study's criteria) and ``coverage_tests.csv`` (the size of
tests: the default, Student's t and sign flips), from which ``make figures`` draws
``figures/coverage``. Takes a few minutes.

Methods are those of :func:`earlystop_lab.inference.bootstrap` and, for comparison, the equal-tailed
bootstrap-t and what takes every run for a unit of its own.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray
from scipy import stats

from earlystop_lab import CurveSet, read_curves, replay
from earlystop_lab.inference import METHODS, intervals
from earlystop_lab.inference.bootstrap import (
    FEWEST_CLUSTERS,
    ROUNDING,
    resampled_weights,
    studentized,
    upper_quantile,
)
from earlystop_lab.inference.tables import checked, unit_of
from earlystop_lab.report.style import series
from experiments.studies import ROOT, STUDIES, written_csv

FloatArray = NDArray[np.float64]
#: clusters, replications -> values of shape (clusters, replications)
Draw = Callable[[np.random.Generator, int, int], FloatArray]

CORPUS = ROOT / "data" / "curves" / "prechelt1997"
#: pairs of rules whose log ratio of test errors is a population, by problem
CONTRASTS = (
    ("Keras(10)", "GL(2)"),
    ("UP(2)", "GL(5)"),
    ("PQ(0.5)", "Keras(50)"),
    ("Keras(10)", "Keras(100)"),
)
STUDY = (
    "GL(1)",
    "GL(2)",
    "GL(3)",
    "GL(5)",
    "PQ(0.5)",
    "PQ(0.75)",
    "PQ(1)",
    "PQ(2)",
    "PQ(3)",
    "UP(2)",
    "UP(3)",
    "UP(4)",
    "UP(6)",
    "UP(8)",
)
CLUSTERS = (12, 40)
#: for the size of tests
SIZES = (6, 8, 12, 24, 40)
RESAMPLES = 2000
#: replications in one table, so that memory stays bounded
BLOCK = 500
#: with fewer clusters no interval for a ratio of totals covers what it says
FEWEST_FOR_TOTALS = 40
#: a contrast that one problem carries, shown also without a density
CARRIED = CONTRASTS[2]
ATOMS = "these 12 problems only"
#: how problems are drawn
KINDS = ("problems", ATOMS)
#: runs of a cluster, where they are taken for units
RUNS = 108
DEFAULT = METHODS[0]
#: what the default has to cover
LOWEST, HIGHEST = 0.93, 0.975


class Population(NamedTuple):
    """Clusters whose mean is known."""

    draw: Draw
    mean: float
    #: variance of a cluster's runs about its value
    within: float


# -- populations ---------------------------------------------------------------------------


def populations(curves: CurveSet) -> dict[str, Population]:
    """By name; runs vary within made-up clusters as much as clusters do."""
    found = {
        "normal": Population(lambda rng, *shape: rng.standard_normal(shape), 0.0, 1.0),
        "t, 3 degrees of freedom": Population(
            lambda rng, *shape: rng.standard_t(3, shape), 0.0, 3.0
        ),
        "exponential": Population(lambda rng, *shape: rng.exponential(size=shape), 1.0, 1.0),
        "60% none, 40% exponential": Population(_mostly_none, 0.4, 0.64),
    }
    for one, other in CONTRASTS:
        means, within = contrast(curves, one, other)
        density = _drawn(means, means.std(ddof=1) * len(means) ** -0.2)
        found[f"problems: {one} / {other}"] = Population(
            density, float(means.mean()), float(within.mean())
        )
        if (one, other) == CARRIED:
            noise = np.sqrt(within / RUNS)
            found[f"{ATOMS}: {one} / {other}"] = Population(
                _drawn(means, noise), float(means.mean()), float(within.mean())
            )
    return found


def contrast(curves: CurveSet, one: str, other: str) -> tuple[FloatArray, FloatArray]:
    """Mean and variance over the runs of each problem of the log ratio of test errors."""
    stops = replay(curves, [one, other])
    runs = pd.Series(np.log(stops.test[:, 0] / stops.test[:, 1]))
    by_problem = runs.groupby(curves.meta["problem"].to_numpy())
    return by_problem.mean().to_numpy(), by_problem.var(ddof=1).to_numpy()


def _mostly_none(rng: np.random.Generator, *shape: int) -> FloatArray:
    return np.where(rng.random(shape) < 0.6, 0.0, rng.exponential(size=shape))


def _drawn(means: FloatArray, noise: FloatArray | float) -> Draw:
    spread = np.broadcast_to(noise, means.shape)

    def draw(rng: np.random.Generator, *shape: int) -> FloatArray:
        which = rng.integers(len(means), size=shape)
        return means[which] + spread[which] * rng.standard_normal(shape)

    return draw


# -- coverage ------------------------------------------------------------------------------


def coverage(name: str, population: Population, n: int, replications: int, seed: int) -> list[dict]:
    """A row a method: share of intervals that hold the mean, and their widths over t's."""
    rng = np.random.default_rng(seed)
    ends: dict[str, list[FloatArray]] = {}
    for start in range(0, replications, BLOCK):
        values = population.draw(rng, n, min(BLOCK, replications - start))
        table = pd.DataFrame(values).rename_axis("cluster")
        for method in METHODS:
            found = intervals(table, method=method, resamples=RESAMPLES, seed=start)
            ends.setdefault(method, []).append(found[["low", "high"]].to_numpy(float).T)
        ends.setdefault("equal-tailed bootstrap-t", []).append(_equal_tailed(values, rng))
        ends.setdefault("t, runs as units", []).append(_runs_as_units(values, population.within))
    bounds = {method: np.concatenate(parts, axis=1) for method, parts in ends.items()}
    width = np.median(np.diff(bounds["t"], axis=0))
    return [
        {
            "population": name,
            "clusters": n,
            "method": method,
            "covered": ((low <= population.mean) & (population.mean <= high)).mean(),
            "width_over_t": np.median(high - low) / width,
            "unbounded": np.isinf(high).mean(),
            "replications": replications,
        }
        for method, (low, high) in bounds.items()
    ]


def _equal_tailed(values: FloatArray, rng: np.random.Generator) -> FloatArray:
    """m - q(0.975) s and m - q(0.025) s, the quantiles of (m* - m) / s*, signs kept."""
    n = len(values)
    drawn = rng.integers(n, size=(RESAMPLES, n)) + n * np.arange(RESAMPLES)[:, None]
    shares = np.bincount(drawn.ravel(), minlength=RESAMPLES * n).reshape(RESAMPLES, n) / n
    mean, error = values.mean(axis=0), values.std(axis=0, ddof=1) / np.sqrt(n)
    centred = values - mean
    m = shares @ centred
    variance = shares @ centred**2 - m**2
    with np.errstate(divide="ignore", invalid="ignore"):
        t = m / np.sqrt(variance / (n - 1))
    t[~(variance > 1e-12 * n * error**2)] = np.inf
    # no spread is no end on its side, and where all clusters are the same no width
    t[np.isinf(t) & (m < 0)] = -np.inf
    low, high = np.quantile(t, [0.025, 0.975], axis=0, method="nearest")
    with np.errstate(invalid="ignore"):
        found = np.stack([mean - high * error, mean - low * error])
    return np.where(error > 0, found, mean)


def _runs_as_units(values: FloatArray, within: float) -> FloatArray:
    """Student's t where every cluster's runs vary about its value and count as independent."""
    n, total = len(values), len(values) * RUNS
    mean = values.mean(axis=0)
    squares = RUNS * ((values - mean) ** 2).sum(axis=0) + n * (RUNS - 1) * within
    half = stats.t.ppf(0.975, total - 1) * np.sqrt(squares / (total - 1) / total)
    return np.stack([mean - half, mean + half])


def pairs_coverage(curves: CurveSet, n: int, replications: int) -> pd.DataFrame:
    """The default's coverage for every pair of the study's criteria: a row a pair."""
    rows = []
    for k, (one, other) in enumerate(combinations(STUDY, 2)):
        means, within = contrast(curves, one, other)
        row: dict[str, object] = {"one": one, "other": other, "skewness": stats.skew(means)}
        kinds = {"problems": means.std(ddof=1) * len(means) ** -0.2, ATOMS: np.sqrt(within / RUNS)}
        for kind, noise in kinds.items():
            values = _drawn(means, noise)(np.random.default_rng([k, n]), n, replications)
            found = intervals(pd.DataFrame(values), resamples=RESAMPLES // 2, seed=k)
            held = (found["low"] <= means.mean()) & (means.mean() <= found["high"])
            row[kind] = held.mean()
        rows.append(row)
    return pd.DataFrame(rows)


def ratio_of_totals(
    above: pd.DataFrame | pd.Series,
    below: pd.DataFrame | pd.Series,
    *,
    confidence: float = 0.95,
    resamples: int = 10_000,
    seed: int = 0,
) -> pd.DataFrame:
    """An interval for sum(above) / sum(below) over clusters: a row a column of ``above``.

    Both have a row a cluster: totals over its runs, 0 or more; ``below`` may be one column for
    all. The symmetric bootstrap-t of the logarithm, with the delta method's standard error.
    Large clusters rule such a ratio: with fewer than 40 clusters it is marked approximate (at 12
    nothing tried covered 93%). Columns as of ``intervals``.

    >>> epochs = pd.DataFrame({"GL(2)": np.arange(1.0, 8.0), "end": np.arange(2.0, 9.0)})
    >>> ratio_of_totals(epochs[["GL(2)"]], epochs["end"])[["estimate", "note"]].round(2)
           estimate                          note
    GL(2)       0.8  approximate: 7 clusters < 40
    """
    table, of = checked(above), checked(below)
    a, b = table.to_numpy(float), of.to_numpy(float)
    if len(a) != len(b) or b.shape[1] not in (1, a.shape[1]):
        raise ValueError(f"totals of shape {a.shape} over {b.shape}; expected the same clusters")
    if (a < 0).any() or (b < 0).any() or not (a.sum(axis=0).all() and b.sum(axis=0).all()):
        raise ValueError("a ratio of totals needs totals of 0 or more that are not all 0")
    n, unit = len(a), unit_of(table)
    ratio = a.sum(axis=0) / b.sum(axis=0)
    low, high = np.full((2, a.shape[1]), np.nan)
    note = f"approximate: {n} {unit}s < {FEWEST_FOR_TOTALS}" if n < FEWEST_FOR_TOTALS else ""
    if n < FEWEST_CLUSTERS:
        note = f"no interval: {n} {unit}s, at least {FEWEST_CLUSTERS} are needed"
    else:
        half = _half_log_ratio(a, np.broadcast_to(b, a.shape), confidence, resamples, seed)
        low, high = ratio * np.exp(-half), ratio * np.exp(half)
    columns = {
        "estimate": ratio,
        "low": low,
        "high": high,
        "unit": unit,
        "clusters": n,
        "averaged": f"ratio of totals, large {unit}s count more",
        "note": note,
    }
    return pd.DataFrame(columns, index=table.columns)


def _half_log_ratio(
    a: FloatArray, b: FloatArray, confidence: float, resamples: int, seed: int
) -> FloatArray:
    """Half the width of the interval for log(sum(a) / sum(b))."""
    n = len(a)
    a, b = a / a.mean(axis=0), b / b.mean(axis=0)
    error = (a - b).std(axis=0, ddof=1) / np.sqrt(n)
    t = np.empty((resamples, a.shape[1]))
    for rows, weights in resampled_weights(n, resamples, seed):
        wa, wb = weights @ a, weights @ b
        with np.errstate(divide="ignore", invalid="ignore"):
            # a resample whose totals are all 0 has no ratio, and counts as infinite
            ratio = wa / wb
            square = weights @ a**2 - 2 * ratio * (weights @ (a * b)) + ratio**2 * (weights @ b**2)
            log = np.log(ratio)
            t[rows] = studentized(log, log**2 + square / wa**2, n, error)
    half = upper_quantile(t, confidence) * error
    # totals in one proportion in every cluster: no spread but for rounding
    return np.where(error <= ROUNDING, 0.0, half)


def totals_coverage(curves: CurveSet, n: int, replications: int, seed: int) -> dict:
    """Of a ratio of total epochs over problems drawn anew."""
    stops = replay(curves, ["Keras(10)", "GL(2)"])
    sums = pd.DataFrame(stops.stop).groupby(curves.meta["problem"].to_numpy()).sum().to_numpy()
    truth = sums[:, 0].sum() / sums[:, 1].sum()
    rng = np.random.default_rng(seed)
    which = rng.integers(len(sums), size=(n, replications))
    held = []
    for start in range(0, replications, BLOCK):
        part = which[:, start : start + BLOCK]
        above, below = (pd.DataFrame(sums[part, k].astype(float)) for k in (0, 1))
        found = ratio_of_totals(above, below, resamples=RESAMPLES, seed=start)
        held.append(((found["low"] <= truth) & (truth <= found["high"])).to_numpy())
    return {
        "population": "problems: total epochs, Keras(10) / GL(2)",
        "clusters": n,
        "method": "ratio of totals (approximate)",
        "covered": np.concatenate(held).mean(),
        "replications": replications,
    }


# -- size of tests -------------------------------------------------------------------------


def nulls(found: Mapping[str, Population]) -> dict[str, Draw]:
    """Populations of mean 0, most of them asymmetric."""

    def centred(population: Population) -> Draw:
        return lambda rng, *shape: population.draw(rng, *shape) - population.mean

    drawn = {name: centred(population) for name, population in found.items() if ATOMS not in name}
    lognormal = np.exp(0.5)
    return {**drawn, "lognormal": lambda rng, *shape: rng.lognormal(size=shape) - lognormal}


def sizes(
    found: Mapping[str, Population], replications: int, families: int, seed: int = 0
) -> pd.DataFrame:
    """Share of true nulls with p at most 5%, and of families of 13 with any adjusted one."""
    rows = []
    for name, draw_null in nulls(found).items():
        for n in SIZES:
            rng = np.random.default_rng([seed, n])
            p: dict[str, list[FloatArray]] = {DEFAULT: [], "t": [], "sign flips": []}
            for start in range(0, replications, BLOCK):
                values = draw_null(rng, n, min(BLOCK, replications - start))
                tested = intervals(pd.DataFrame(values), resamples=RESAMPLES, seed=start)
                p[DEFAULT].append(tested["p"].to_numpy())
                p["t"].append(_t_test(values))
                p["sign flips"].append(_sign_flips(values, rng))
            lowest = []
            for family in range(families):
                # contrasts against the same known rules hang together
                values = draw_null(rng, n, 13) + draw_null(rng, n, 1)
                tested = intervals(pd.DataFrame(values), resamples=RESAMPLES, seed=family)
                lowest.append(tested["p_adjusted"].min())
            rejected = {name: np.concatenate(each) for name, each in p.items()}
            rejected["families of 13"] = np.array(lowest)
            rows += [
                {
                    "null": name,
                    "clusters": n,
                    "test": test,
                    "rejected": np.mean(each <= 0.05),
                    "replications": len(each),
                }
                for test, each in rejected.items()
            ]
    return pd.DataFrame(rows)


def _t_test(values: FloatArray) -> FloatArray:
    """Student's; 1 without spread."""
    with np.errstate(divide="ignore", invalid="ignore"):
        error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
        t = np.abs(values.mean(axis=0)) / error
    return np.where(error > 0, 2 * stats.t.sf(t, len(values) - 1), 1.0)


def _sign_flips(values: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Two-sided p of each column by sign flips of its sum: all of 12 clusters, else random ones."""
    n = len(values)
    if n <= CLUSTERS[0]:
        signs = 1 - 2.0 * (np.arange(2 ** (n - 1))[:, None] >> np.arange(n) & 1)
    else:
        signs = np.vstack([np.ones(n), rng.choice([-1.0, 1.0], size=(RESAMPLES - 1, n))])
    seen = np.abs(values.sum(axis=0))
    return (np.abs(signs @ values) >= seen * (1 - 1e-9)).mean(axis=0)


# -- all of it -----------------------------------------------------------------------------


def study(curves: CurveSet, replications: int, families: int = 200) -> dict[str, pd.DataFrame]:
    """The tables of coverage and of the size of tests."""
    found = populations(curves)
    rows = []
    for k, (name, population) in enumerate(found.items()):
        for n in CLUSTERS:
            rows += coverage(name, population, n, replications, 100 * k + n)
    rows += [totals_coverage(curves, n, replications, n) for n in CLUSTERS]
    return {
        "coverage": pd.DataFrame(rows),
        "coverage_pairs": pairs_coverage(curves, CLUSTERS[0], max(replications // 4, 1)),
        "coverage_tests": sizes(found, replications, families),
    }


def draw(tables: Mapping[str, pd.DataFrame]) -> Figure:
    """A panel a number of clusters: coverage of every method; below, the size of the tests."""
    wide = plt.rcParams["figure.figsize"][0]
    figure, axes = plt.subplots(
        2, 2, figsize=(wide, 7.2), layout="constrained", height_ratios=[1.25, 1]
    )
    table = tables["coverage"]
    names = [*table["population"].unique(), *(f"every pair, {kind}" for kind in KINDS)][::-1]
    for ax, n in zip(axes[0], CLUSTERS, strict=True):
        _draw_coverage(ax, table[table["clusters"] == n], names)
        ax.set_title(f"{n} clusters")
    for kind in KINDS:
        y = names.index(f"every pair, {kind}") + np.linspace(
            -0.25, 0.25, len(tables["coverage_pairs"])
        )
        axes[0, 0].plot(100 * tables["coverage_pairs"][kind], y, "D", ms=1, color="black")
    axes[0, 1].tick_params(axis="y", labelleft=False)
    _draw_sizes(axes[1, 0], tables["coverage_tests"])
    axes[1, 1].axis("off")
    handles, words = axes[0, 1].get_legend_handles_labels()
    first = axes[1, 1].legend(handles, words, loc="upper left", title="Intervals (above)")
    axes[1, 1].add_artist(first)
    handles, words = axes[1, 0].get_legend_handles_labels()
    axes[1, 1].legend(handles, words, loc="lower left", title="Tests (left)")
    figure.suptitle(
        f"Coverage of nominal 95% intervals for a mean over clusters, "
        f"{table['replications'].max()} replications (shaded: {LOWEST:.0%} to {HIGHEST:.1%}),\n"
        "and how often tests reject what is true"
    )
    return figure


def _draw_coverage(ax: Axes, table: pd.DataFrame, names: list[str]) -> None:
    ax.axvspan(100 * LOWEST, 100 * HIGHEST, color="0.9")
    ax.axvline(95, color="0.5", lw=0.7, ls="--")
    looks = series([name for name in table["method"].unique() if name != DEFAULT])
    for method, part in table.groupby("method", sort=False):
        main = method == DEFAULT
        seen = looks.get(str(method))
        ax.plot(
            100 * part["covered"],
            [names.index(name) for name in part["population"]],
            marker="*" if seen is None else seen.marker,
            ls="none",
            label=f"{method}, symmetric (the default)" if main else method,
            ms=6 if main else 3.5,
            mfc="black" if main else "none",
            color="black" if seen is None else seen.colour,
            zorder=3 if main else 2,
        )
    ax.set_yticks(range(len(names)), names)
    ax.set(xlabel="covered, %", xlim=(15, 101), ylim=(-0.7, len(names) - 0.3))
    ax.grid(axis="y", color="0.9", lw=0.6)


def _draw_sizes(ax: Axes, table: pd.DataFrame) -> None:
    part = table[table["clusters"] == CLUSTERS[0]]
    names = list(part["null"].unique())[::-1]
    looks = series(list(part["test"].unique()))
    ax.axvline(5, color="0.5", lw=0.7, ls="--")
    for k, (test, mine) in enumerate(part.groupby("test", sort=False)):
        y = [names.index(name) + 0.18 * (1.5 - k) for name in mine["null"]]
        error = 200 * np.sqrt(mine["rejected"] * (1 - mine["rejected"]) / mine["replications"])
        seen = looks[str(test)]
        style = {"fmt": seen.marker, "color": seen.colour, "ms": 3, "lw": 0.8}
        ax.errorbar(100 * mine["rejected"], y, xerr=error, label=test, **style)
    ax.set_yticks(range(len(names)), names)
    ax.set_xlabel(f"true nulls rejected at 5%, %\n({CLUSTERS[0]} clusters, two standard errors)")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--replications", type=int, default=4000)
    parser.add_argument("--out", type=Path, default=STUDIES)
    asked = parser.parse_args()
    tables = study(read_curves(CORPUS), asked.replications)
    for name, table in tables.items():
        written_csv(asked.out / f"{name}.csv", table)
    shown = tables["coverage"].pivot_table(
        index=["population", "clusters"], columns="method", values="covered", sort=False
    )
    print((100 * shown).round(1).to_string())
    mine = tables["coverage"].query("method == @DEFAULT")
    promised = mine.loc[~mine["population"].str.startswith(ATOMS), "covered"]
    print(f"default: {promised.min():.1%} to {promised.max():.1%}")
    print(tables["coverage_pairs"][list(KINDS)].describe().round(4).to_string())
    print(tables["coverage_tests"].round(4).to_string(index=False))


if __name__ == "__main__":
    main()
