"""The figures of Prechelt's study."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from earlystop_lab._common.wording import counted, spoken
from earlystop_lab.curves import Curve, CurveSet
from earlystop_lab.engine.replaying import Stops, trace
from earlystop_lab.measures.prechelt import run_ratios, tradeoff
from earlystop_lab.report.axes import (
    colour,
    family,
    legend_of_families,
    log_axis,
    plot_curve,
    plot_spread,
    plot_statistic,
    plot_tradeoff,
)
from earlystop_lab.report.messages import MESSAGES
from earlystop_lab.studies.prechelt1997 import (
    CRITERIA,
    REFERENCE,
    SMALL,
    Reproduction,
    typical_run,
)

T = TypeVar("T")
#: how an interval is drawn, behind the points
BAR: dict[str, Any] = {"lw": 4, "alpha": 0.22, "solid_capstyle": "butt", "zorder": 0}


def figures(found: Reproduction) -> Iterator[tuple[str, Figure]]:
    """Every figure of the study with its file name."""
    study, stops = found.replayed, found.replayed.stops
    row = typical_run(study)
    ends = dict(zip(stops.criteria, stops.stop[row], strict=True))
    yield "run", one_run(study.curves[row], ends)
    yield "slowness_by_problem", spread(stops, "slowness", "epochs")
    yield "badness_by_problem", spread(stops, "badness", "test error")
    yield "tradeoff", points(found.tables["tradeoff"])
    yield "tradeoff_by_problem", points_by_problem(found.tables["table1_by_problem"])
    yield "topologies", topologies(stops)


def one_run(curve: Curve, stops: dict[str, float]) -> Figure:
    """One real validation curve, where each criterion stops, and the statistics below it."""
    fig, axes = plt.subplots(
        4, 1, figsize=(8, 9), sharex=True, height_ratios=[3, 1.2, 1.2, 1.2], layout="constrained"
    )
    # the training error leaves the range of the validation error within the first epochs
    shown = CurveSet(curve.alone().table.drop_columns("train"))[0]
    plot_curve(shown, stops, axes[0], strip=5, until=1.1 * max(stops.values()))
    axes[0].set(xlabel="", ylabel="squared error percentage")
    labels = {"GL": "GL (%)", "PQ": "GL / P$_5$", "UP": "successive\nincreases"}
    for ax, (name, label) in zip(axes[1:], labels.items(), strict=True):
        levels = {text: r.threshold for text, r in CRITERIA.items() if r.family.name == name}
        statistic = trace(CRITERIA[next(iter(levels))], curve).statistic
        plot_statistic(curve.epoch, statistic, levels, ax, label)
        ax.set_ylim(0, 1.6 * max(levels.values()))
        if ax is not axes[-1]:
            ax.set_xlabel("")
    fig.suptitle(
        f"Run {curve.run}: where each criterion, or $P_5 < 0.1$ before it, ends training",
        fontsize="medium",
    )
    return fig


def spread(stops: Stops, measure: str, what: str) -> Figure:
    """One measure per criterion and problem: quartiles and the 5% to 95% range of runs."""
    values = getattr(run_ratios(stops, REFERENCE), f"{measure}_ref")

    def draw(part: Any, ax: Axes) -> None:
        plot_spread(pd.DataFrame(part, columns=stops.criteria), ax)
        ax.axhline(1, color="0.5", lw=0.7, ls="--", zorder=0)
        if not ax.get_subplotspec().is_last_row():  # type: ignore[union-attr]
            ax.set_xticks([])
        if measure == "slowness":
            log_axis(ax, "y")
        ax.tick_params(axis="y", labelsize="small")

    groups = stops.meta.groupby("problem", sort=False).indices
    parts = {f"{name} ({len(rows)} runs)": values[rows] for name, rows in groups.items()}
    fig = _panels(parts, draw, hspace=0.16)
    fig.supylabel(f"{measure}: {what} against {REFERENCE}")
    fig.suptitle(
        "Bar: quartiles of the runs; line: 5% to 95%; circle: median; cross: mean",
        fontsize="small",
    )
    return fig


def points(table: pd.DataFrame) -> Figure:
    """Badness and share of good runs against slowness, with intervals: one point per criterion."""
    estimates = table.pivot(index="criterion", columns="measure", values="estimate")
    fig, axes = plt.subplots(1, 2, figsize=(10, 4.6), layout="constrained")
    pool = MESSAGES["prechelt1997.pool"]
    for ax, y, label in (
        (axes[0], "badness_GL2", f"badness: mean test error against {REFERENCE}"),
        (axes[1], "p_good", f"share of runs with the best result\nof {pool}"),
    ):
        for row in table[table["measure"] == y].to_dict("records"):
            name = row["criterion"]
            at = estimates["slowness_GL2"][name]
            ax.plot([at, at], [row["low"], row["high"]], color=colour(family(name)), **BAR)
        plot_tradeoff(estimates.reset_index(), "slowness_GL2", y, ax)
        ax.margins(x=0.12, y=0.04)
        log_axis(ax, "x")
        ax.set(xlabel=f"slowness: mean training time against {REFERENCE}", ylabel=label)
    legend_of_families(axes[1], list(estimates.index), loc="lower right")
    clusters = counted(table["clusters"].iloc[0], spoken(table["unit"].iloc[0]))
    fig.suptitle(
        f"Lines: 95% intervals over {clusters}, each by itself"
        if table["low"].notna().any()
        else f"No intervals: only {clusters}",
        fontsize="small",
    )
    return fig


def points_by_problem(problems: pd.DataFrame) -> Figure:
    """The trade-off on every problem: geometric means, one point per criterion."""

    def draw(part: pd.DataFrame, ax: Axes) -> None:
        plot_tradeoff(part, "slowness_ref_geometric", "badness_ref_geometric", ax, labels=False)
        ax.set(xlabel="", ylabel="")
        ax.ticklabel_format(axis="y", useOffset=False)
        ax.tick_params(labelsize="small")
        log_axis(ax, "x")

    parts = {str(name): part for name, part in problems.groupby("problem", sort=False)}
    fig = _panels(parts, draw)
    legend_of_families(fig.axes[0], list(problems["criterion"]), fontsize="x-small")
    fig.supxlabel("slowness: training time against GL(2), geometric mean over the problem's runs")
    fig.supylabel("badness: test error against GL(2), geometric mean")
    return fig


def topologies(stops: Stops) -> Figure:
    """The trade-off for small and for large networks."""
    small = stops.meta["topology"].isin(SMALL)
    sized = stops.with_meta(stops.meta.assign(size=np.where(small, "small", "large")))
    table = tradeoff(sized, REFERENCE, by="size")
    fig, axes = plt.subplots(1, 2, figsize=(10, 4.8), layout="constrained")
    time = "slowness_ref_geometric"
    for ax, y, label in (
        (axes[0], "badness_ref_geometric", "badness: test error against GL(2), geometric mean"),
        (axes[1], "p_good", "share of good runs"),
    ):
        for size, marker in (("small", "o"), ("large", "s")):
            part = table[table["size"] == size]
            plot_tradeoff(part, time, y, ax, labels=size == "large", marker=marker)
        ax.set(xlabel="slowness: training time against GL(2), geometric mean", ylabel=label)
        log_axis(ax, "x")
    handles = [
        Line2D([], [], color="black", marker=m, ls="none", label=text)
        for m, text in (
            ("o", f"small: {', '.join(SMALL)} hidden units ({small.sum()} runs)"),
            ("s", f"large: all others ({(~small).sum()} runs)"),
        )
    ]
    fig.legend(handles=handles, loc="outside lower center", ncol=2, fontsize="small")
    return fig


def _panels(
    parts: Mapping[str, T], draw: Callable[[T, Axes], None], hspace: float = 0.25
) -> Figure:
    """One panel per part, placed by hand because measuring all labels takes most of the time."""
    fig, axes = plt.subplots(4, 3, figsize=(10, 11))
    fig.subplots_adjust(left=0.09, right=0.98, bottom=0.08, top=0.94, wspace=0.2, hspace=hspace)
    for ax, (title, part) in zip(axes.flat, parts.items(), strict=False):
        draw(part, ax)
        ax.set_title(title, fontsize="small")
    for ax in axes.flat[len(parts) :]:
        ax.set_axis_off()
    return fig
