"""Real curves against simulated ones: are they alike in what stopping rules meet?

    python -m experiments.simulated_curves [CURVES ...] [--out data/studies]

For each curve set (by default those of ``data/curves`` that are no variant of another) as many
runs are simulated by ``parametric`` with the parameters that ``fit_parametric`` finds, and by
``resample``. They are compared by number of local minima, depth of overfitting, position of the
optimum and noise (see ``curve_features``). Writes ``simulated_distances.csv``, the
Kolmogorov-Smirnov distances (the largest distance of two cumulative shares, 0 to 1), and
``simulated_curves.csv``, quantiles from which ``make figures`` draws ``figures/simulated_curves``.

Runs that ``fit_parametric`` leaves out, with fewer than 12 checks or an error of 0, are left out of
all three.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator, PercentFormatter
from scipy.stats import ks_2samp

from earlystop_lab import Curve, CurveSet, read_curves
from earlystop_lab.curves import FloatArray, local_minima
from earlystop_lab.report.style import series
from earlystop_lab.sources.synthetic import fit_parametric, parametric, resample
from earlystop_lab.sources.synthetic.smoothing import smooth
from experiments.studies import ROOT, STUDIES, written_csv

CORPORA = ("prechelt1997", "boosting", "modern-nets")
#: what is compared, its words, and the floor of its logarithmic axis (0: a linear one)
FEATURES = {
    "minima": ("local minima per run", 0.7),
    "depth": ("overfitting: last error\nover the lowest, less 1", 1e-4),
    "position": ("lowest error at this\nshare of the run", 0.0),
    "noise": ("relative noise", 1e-5),
}
SEED = 0
#: quantiles that the figure shows
LEVELS = 150
COLUMNS = ("checks", "minima", "optimum", "position", "depth", "noise")


def curve_features(curves: CurveSet) -> pd.DataFrame:
    """The shape of each run's validation curve, a row a run, in the set's order.

    | column | meaning |
    |---|---|
    | run, problem | the run, and its cluster where the set has them |
    | checks | checks with a finite error; only those count below |
    | minima | local minima: lower than the check before, not above the one after |
    | optimum | epoch of the lowest error, the earliest of ties |
    | position | ``optimum`` / last epoch recorded, in (0, 1] where epochs count from 1 |
    | depth | overfitting: last error / lowest error - 1, at least 0 |
    | noise | relative: 1.4826 times the median absolute residual of ln(error) around its trend |

    ``noise`` is a standard deviation where residuals are normal; 0.01 is 1%. ``depth`` and
    ``noise`` are NaN where an error is 0 or below. A run that ended in an error that is not
    finite has infinite ``depth``; a run with no finite error has NaN for all but ``checks`` and
    ``minima``.

    Source: the number of local minima and their depth are what L. Prechelt, "Early Stopping -
    but when?", 1998, doi 10.1007/3-540-49430-8_3, describes real curves by.
    """
    rows = [{"run": curve.run, **shape_of(curve)} for curve in curves]
    table = pd.DataFrame(rows, columns=["run", *COLUMNS])
    if "problem" in curves.table.column_names:
        table.insert(1, "problem", curves.meta["problem"].to_numpy())
    return table


def shape_of(curve: Curve) -> dict[str, Any]:
    finite = np.isfinite(curve.val)
    val, epoch = curve.val[finite], curve.epoch[finite]
    shape = {"checks": len(val), "minima": len(local_minima(val))}
    if not len(val):
        return {**dict.fromkeys(COLUMNS, np.nan), **shape}
    best = int(val.argmin())
    positive = bool(val[best] > 0)
    final = val[-1] if finite[-1] else np.inf
    return {
        **shape,
        "optimum": epoch[best],
        "position": epoch[best] / curve.epoch[-1],
        "depth": final / val[best] - 1 if positive else np.nan,
        "noise": noise_of(np.log(val)) if positive else np.nan,
    }


def noise_of(logs: FloatArray) -> float:
    return float(1.4826 * np.median(np.abs(logs - smooth(logs))))


def features(curves: CurveSet, seed: int = SEED) -> dict[str, pd.DataFrame]:
    """The shape of the real runs, and of as many simulated in both ways."""
    fits = fit_parametric(curves)
    curves = curves.select(np.isin(curves.runs, fits["run"]))
    fitted = parametric(
        len(curves), np.random.default_rng(seed), params=fits.drop(columns=["run", "misfit"])
    )
    drawn = resample(len(curves), np.random.default_rng(seed), curves=curves)
    return {
        "real": curve_features(curves),
        "fitted": curve_features(fitted),
        "resampled": curve_features(drawn),
    }


def distances(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Kolmogorov-Smirnov distance of each feature to the real runs: a row a way to simulate."""
    real, *others = tables
    rows = [
        {
            "curves": other,
            "runs": len(tables[other]),
            **{
                name: ks_2samp(tables[real][name], tables[other][name], nan_policy="omit").statistic
                for name in FEATURES
            },
        }
        for other in others
    ]
    return pd.DataFrame(rows)


def levels(studies: Mapping[str, Mapping[str, pd.DataFrame]]) -> pd.DataFrame:
    """What the figure shows: quantiles of each feature, a row a corpus, kind of curves and level.

    Levels are the middles of :data:`LEVELS` equal parts. Values that are NaN count nowhere.
    """
    parts = []
    at = (np.arange(LEVELS) + 0.5) / LEVELS
    for corpus, tables in studies.items():
        for which, table in tables.items():
            columns = {
                name: np.quantile(table[name].dropna(), at, method="inverted_cdf")
                for name in FEATURES
            }
            of = {"corpus": corpus, "curves": which, "runs": len(table)}
            parts.append(pd.DataFrame({**of, **columns}, index=range(LEVELS)))
    return pd.concat(parts, ignore_index=True)


def draw(table: pd.DataFrame) -> Figure:
    """A row a corpus, a column a feature: the share of runs up to each value."""
    corpora = table.groupby("corpus", sort=False)
    wide, rows = plt.rcParams["figure.figsize"][0], corpora.ngroups
    figure, axes = plt.subplots(
        rows,
        len(FEATURES),
        figsize=(wide, 1.6 * rows + 0.6),
        layout="constrained",
        squeeze=False,
        sharey=True,
    )
    for place, (corpus, part) in enumerate(corpora):
        row = axes[place]
        for ax, (name, (words, floor)) in zip(row, FEATURES.items(), strict=True):
            kinds = part.groupby("curves", sort=False)
            samples = {str(which): mine[name].to_numpy(float) for which, mine in kinds}
            plot_shares(samples, ax, label=words, floor=floor)
            ax.set_ylabel("")
            if place < rows - 1:
                ax.set_xlabel("")
            ax.get_legend().remove()
        row[0].set_ylabel(f"{corpus}\n{part['runs'].iloc[0]} runs, share of runs")
    handles, names = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper left", ncols=3)
    return figure


def plot_shares(
    samples: Mapping[str, FloatArray], ax: Axes | None = None, *, label: str = "", floor: float = 0
) -> Axes:
    """Samples of one quantity, a line each: the share of values of at most x.

    NaN values count nowhere, infinite ones beyond any x: their line ends below 1. With a
    ``floor`` above 0 the axis is logarithmic, and what is below is drawn there.
    """
    ax = ax or plt.gca()
    looks = series(list(samples))
    for name, values in samples.items():
        known = np.sort(values[~np.isnan(values)])
        finite = known[np.isfinite(known)]
        finite = np.maximum(finite, floor) if floor else finite
        share, seen = np.arange(1, len(finite) + 1) / len(known), looks[name]
        style = {"color": seen.colour, "ls": seen.line, "lw": 1.1}
        ax.step(finite, share, where="post", label=name, **style)
    ax.set(ylim=(0, 1), xlabel=label, ylabel="share of runs")
    if floor:
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(numticks=3))
        ax.xaxis.set_major_formatter("{x:g}")
        ax.xaxis.set_minor_locator(NullLocator())
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.legend()
    return ax


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Compare real with simulated curves.")
    parser.add_argument("curves", nargs="*", type=Path, help="curve sets: files or folders")
    parser.add_argument("--out", type=Path, default=STUDIES, help="folder for the tables")
    asked = parser.parse_args(arguments)
    paths = asked.curves or [ROOT / "data" / "curves" / name for name in CORPORA]
    studies = {path.resolve().stem: features(read_curves(path)) for path in paths}
    found = pd.concat([distances(tables).assign(corpus=name) for name, tables in studies.items()])
    found.insert(0, "corpus", found.pop("corpus"))
    written_csv(asked.out / "simulated_distances.csv", found)
    written_csv(asked.out / "simulated_curves.csv", levels(studies))
    print(found.round(3).to_string(index=False))


if __name__ == "__main__":
    main()
