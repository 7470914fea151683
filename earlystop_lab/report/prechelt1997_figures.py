"""The figures of Prechelt's study."""

from collections.abc import Callable, Iterator, Mapping
from textwrap import wrap
from typing import Any, TypeVar

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from earlystop_lab._common.wording import counted, spoken
from earlystop_lab.curves import Curve, CurveSet, facts_of
from earlystop_lab.engine.replaying import Stops, trace
from earlystop_lab.measures.over_runs import intervals_over_runs
from earlystop_lab.measures.prechelt import run_ratios, tradeoff
from earlystop_lab.report.axes import (
    legend_of_families,
    log_axis,
    plot_curve,
    plot_spread,
    plot_statistic,
    plot_tradeoff,
)
from earlystop_lab.report.messages import MESSAGES, measure_in_words
from earlystop_lab.report.style import drawn, small
from earlystop_lab.studies.prechelt1997 import (
    CRITERIA,
    REFERENCE,
    SMALL,
    Reproduction,
    typical_run,
)

T = TypeVar("T")
#: what the columns of the study's tables are against
AGAINST = {"reference": REFERENCE}


def figures(found: Reproduction) -> Iterator[tuple[str, Figure]]:
    """Every figure of the study with its file name, as wide as a page."""
    study, stops = found.replayed, found.replayed.stops
    row = typical_run(study)
    ends = dict(zip(stops.criteria, stops.stop[row], strict=True))
    problems = found.tables["table1_by_problem"]
    made: dict[str, Callable[[], Figure]] = {
        "run": lambda: one_run(study.curves[row], ends),
        "slowness_by_problem": lambda: spread(stops, "slowness"),
        "badness_by_problem": lambda: spread(stops, "badness"),
        "tradeoff": lambda: points(found.tables["tradeoff"]),
        "tradeoff_by_problem": lambda: points_by_problem(problems, stops),
        "topologies": lambda: topologies(stops, facts_of(study.curves).clusters),
    }
    for name, draw in made.items():
        with drawn("paper", "page"):  # ticks are placed when it is written
            yield name, draw()


def one_run(curve: Curve, stops: dict[str, float]) -> Figure:
    """One real validation curve, where each criterion stops, and the statistics below it."""
    fig, axes = plt.subplots(
        4, 1, figsize=(_wide(), 6.6), sharex=True, height_ratios=[3, 1.2, 1.2, 1.2]
    )
    # the training error leaves the range of the validation error within the first epochs
    shown = CurveSet(curve.alone().table.drop_columns("train"))[0]
    plot_curve(shown, stops, axes[0], strip=5, until=1.1 * max(stops.values()))
    axes[0].set(xlabel="", ylabel="validation error\n(squared error percentage)")
    labels = {
        "GL": "generalization\nloss GL, %",
        "PQ": "GL over\ntraining progress",
        "UP": "successive\nincreases",
    }
    for ax, (name, label) in zip(axes[1:], labels.items(), strict=True):
        levels = {text: r.threshold for text, r in CRITERIA.items() if r.family.name == name}
        statistic = trace(CRITERIA[next(iter(levels))], curve).statistic
        plot_statistic(curve.epoch, statistic, levels, ax, label)
        ax.set_ylim(0, 1.6 * max(levels.values()))
        if ax is not axes[-1]:
            ax.set_xlabel("")
    fig.suptitle(
        f"Run {curve.run}: where each criterion, or training progress below 0.1, ends training"
    )
    return fig


def spread(stops: Stops, measure: str) -> Figure:
    """One measure per criterion and problem: quartiles and the 5% to 95% range of runs."""
    values = getattr(run_ratios(stops, REFERENCE), f"{measure}_ref")

    def draw(part: Any, ax: Axes) -> None:
        plot_spread(pd.DataFrame(part, columns=stops.criteria), ax)
        ax.axhline(1, color="0.5", lw=0.6, ls="--", zorder=0)
        if not ax.get_subplotspec().is_last_row():  # type: ignore[union-attr]
            ax.set_xticks([])
        if measure == "slowness":
            log_axis(ax, "y")

    groups = stops.meta.groupby("problem", sort=False).indices
    parts = {f"{name} ({len(rows)} runs)": values[rows] for name, rows in groups.items()}
    fig = _panels(parts, draw, bottom=0.75, top=0.5)
    fig.supylabel(measure_in_words(f"{measure}_ref", AGAINST).removeprefix("mean "))
    words = "Bar: quartiles of the runs; line: 5% to 95%; circle: median; cross: mean"
    fig.suptitle(words, y=1 - 0.05 / fig.get_size_inches()[1], va="top")
    return fig


def points(table: pd.DataFrame) -> Figure:
    """Badness and share of good runs against slowness, with intervals: one point per criterion."""
    estimates = table.pivot(index="criterion", columns="measure", values="estimate")
    fig, axes = plt.subplots(1, 2, figsize=(_wide(), 3.1))
    time = measure_in_words("slowness_ref", AGAINST)
    pool = MESSAGES["prechelt1997.pool"]
    for ax, y, label in (
        (axes[0], "badness_GL2", measure_in_words("badness_ref", AGAINST)),
        (axes[1], "p_good", f"share of runs with the best result\nof {pool}"),
    ):
        rows = estimates.reset_index()
        ends = table[table["measure"] == y]
        plot_tradeoff(rows, "slowness_GL2", y, ax, intervals=ends)
        ax.margins(x=0.12, y=0.04)
        log_axis(ax, "x")
        ax.set(xlabel=time, ylabel=label)
    legend_of_families(axes[1], list(estimates.index), loc="lower right")
    clusters = counted(table["clusters"].iloc[0], spoken(table["unit"].iloc[0]))
    fig.suptitle(
        f"Bars: 95% intervals over {clusters}, each by itself"
        if table["low"].notna().any()
        else f"No intervals: only {clusters}"
    )
    return fig


def points_by_problem(problems: pd.DataFrame, stops: Stops) -> Figure:
    """The trade-off on every problem: geometric means with intervals, one point per criterion."""
    runs = pd.Index(stops.meta["run"], name="run")

    def draw(part: pd.DataFrame, ax: Axes) -> None:
        mine = (stops.meta["problem"] == part["problem"].iloc[0]).to_numpy()
        ends = _ends(stops, "badness_ref_geometric", mine, runs)
        x, y = "slowness_ref_geometric", "badness_ref_geometric"
        plot_tradeoff(part, x, y, ax, labels=False, intervals=ends)
        ax.set(xlabel="", ylabel="")
        ax.ticklabel_format(axis="y", useOffset=False)
        log_axis(ax, "x")

    parts = {str(name): part for name, part in problems.groupby("problem", sort=False)}
    fig = _panels(parts, draw, top=0.5)
    legend_of_families(fig.axes[0], list(problems["criterion"]))
    words = "Bars: 95% intervals over the runs on the problem, each by itself"
    fig.suptitle(words, y=1 - 0.05 / fig.get_size_inches()[1], va="top")
    fig.supxlabel(measure_in_words("slowness_ref_geometric", AGAINST))
    fig.supylabel(measure_in_words("badness_ref_geometric", AGAINST))
    return fig


def topologies(stops: Stops, clusters: pd.Index) -> Figure:
    """The trade-off for small and for large networks, with intervals over the clusters."""
    small_nets = stops.meta["topology"].isin(SMALL)
    sized = stops.with_meta(stops.meta.assign(size=np.where(small_nets, "small", "large")))
    table = tradeoff(sized, REFERENCE, by="size")
    fig, axes = plt.subplots(2, 2, figsize=(_wide(), 5.4), sharex=True, sharey="row")
    time = "slowness_ref_geometric"
    sizes = {
        "small": f"small: {', '.join(SMALL)} hidden units ({small_nets.sum()} runs)",
        "large": f"large: all others ({(~small_nets).sum()} runs)",
    }
    for row, y in zip(axes, ("badness_ref_geometric", "p_good"), strict=True):
        for ax, (size, words) in zip(row, sizes.items(), strict=True):
            mine = small_nets.to_numpy() == (size == "small")
            ends = _ends(stops, y, mine, clusters) if mine.any() else None
            plot_tradeoff(table[table["size"] == size], time, y, ax, intervals=ends)
            log_axis(ax, "x")
            ax.set_xlabel("" if y != "p_good" else measure_in_words(time, AGAINST))
            ax.set_ylabel("" if size == "large" else _broken(measure_in_words(y, AGAINST)))
            if y != "p_good":
                ax.set_title(words)
    legend_of_families(axes[1, 1], list(table["criterion"]), loc="lower right")
    sample = counted(clusters.nunique(), spoken(str(clusters.name)))
    fig.suptitle(f"Bars: 95% intervals over {sample}, each by itself")
    return fig


def _ends(stops: Stops, measure: str, rows: NDArray[np.bool_], clusters: pd.Index) -> pd.DataFrame:
    """Intervals of a column of :func:`measures.prechelt.tradeoff` over clusters of some runs."""
    name = measure.removesuffix("_geometric")
    of_runs = run_ratios(stops, REFERENCE)
    share = name == "p_good"
    values = of_runs.good if share else np.log(getattr(of_runs, name))
    columns = pd.DataFrame(values[rows].astype(float), columns=stops.criteria)
    ends = intervals_over_runs(columns, clusters[rows])[["low", "high"]]
    ends = ends.clip(0, 1) if share else ends.apply(np.exp)
    return ends.rename_axis("criterion").reset_index()


def _wide() -> float:
    """The width of figures in inches."""
    return float(plt.rcParams["figure.figsize"][0])


def _broken(words: str) -> str:
    """The words in lines that fit beside a panel."""
    return "\n".join(wrap(words, 36))


def _panels(
    parts: Mapping[str, T], draw: Callable[[T, Axes], None], bottom: float = 0.5, top: float = 0.2
) -> Figure:
    """One panel per part, placed by hand because measuring all labels takes most of the time.

    ``bottom`` and ``top`` are the room for labels below and above, in inches.
    """
    columns = 3
    rows = -(-len(parts) // columns)
    wide, high = _wide(), 1.75 * rows + bottom + top
    fig, axes = plt.subplots(rows, columns, figsize=(wide, high), squeeze=False, layout="none")
    fig.subplots_adjust(
        left=0.65 / wide,
        right=1 - 0.08 / wide,
        bottom=bottom / high,
        top=1 - top / high,
        wspace=0.22,
        hspace=0.3,
    )
    for ax, (title, part) in zip(axes.flat, parts.items(), strict=False):
        draw(part, ax)
        ax.set_title(title, fontsize=small())
    for ax in axes.flat[len(parts) :]:
        ax.set_axis_off()
    return fig
