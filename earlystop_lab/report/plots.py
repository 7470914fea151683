"""Figures of recorded runs, from the runs to the axes: what ``earlystop plot`` draws.

Every function takes runs and rules, computes what it shows by the public functions of the package,
makes one new figure and returns its axes. Style and width are those of the surrounding
:func:`drawn`; :func:`save` writes a figure in which all fonts are embedded:

>>> from earlystop_lab import simulate
>>> from earlystop_lab.report.plots import drawn, plot_run, save
>>> with drawn("paper", "column"):
...     axes = plot_run(simulate("gradient_flow", 1, seed=1)[0], ["GL(5)"])
>>> axes[0].get_ylabel(), axes[1].get_title(loc="left")
('error', 'GL: generalization loss, %')
>>> save(axes[0].figure, "fig.pdf")  # doctest: +SKIP
"""

from collections.abc import Mapping, Sequence
from textwrap import fill
from typing import Literal, TypeVar

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from earlystop_lab._common.wording import counted, cut, listed, spoken
from earlystop_lab.criteria import FAMILIES, Criterion, Family, Rule
from earlystop_lab.criteria.catalogue import statistic_of
from earlystop_lab.criteria.first_passage import combined
from earlystop_lab.criteria.text import passed, short_number
from earlystop_lab.curves import Curve, CurveSet, facts_of
from earlystop_lab.engine.replaying import Stops, replay, rule_of, trace
from earlystop_lab.engine.thresholds import sweeps
from earlystop_lab.inference import cluster_means, ranks, risk
from earlystop_lab.inference.bootstrap import FEWEST_CLUSTERS
from earlystop_lab.measures.fronts import SweepMeans, equal_time, front, replay_sweeps
from earlystop_lab.measures.hindsight import regrets
from earlystop_lab.measures.prechelt import tradeoff, tradeoff_intervals
from earlystop_lab.measures.profiles import (
    ended_well,
    profile_bands,
    regret_profile,
    time_profile,
)
from earlystop_lab.report.axes import (
    LONGEST,
    log_axis,
    plot_curve,
    plot_front,
    plot_profile,
    plot_ranks,
    plot_risk,
    plot_statistic,
    plot_tradeoff,
)
from earlystop_lab.report.galleries import plot_gallery as plot_gallery
from earlystop_lab.report.messages import said, share_of
from earlystop_lab.report.style import drawn as drawn, per_line, save as save, small
from earlystop_lab.studies.calibration import Calibrated, calibrate, measured

T = TypeVar("T")
#: criteria of a trade-off and of profiles where none are given
USUAL = (
    "GL(1)", "GL(2)", "GL(5)", "UP(2)", "UP(4)", "UP(8)", "Keras(5)", "Keras(10)", "Keras(30)",
)  # fmt: skip
PROFILED = ("GL(2)", "UP(3)", "Keras(10)", "Keras(30)", "Keras(100)")
#: rules of a front and of ranks where none are given
RULES = ("Keras", "UP", "GL")
#: most statistics below one run
PANELS = 6
#: most lines of a figure that are told apart, and points with a name an inch
LINES, POINTS = 12, 6
#: times of the ranks, and regrets and times of the profiles, as shares
TIMES = (0.02, 0.05, 0.1, 0.2, 0.5)
WITHIN = np.geomspace(1e-4, 1, 81)
SPENT = np.geomspace(1e-3, 1, 91)
#: words for statistics that have a short one
STATISTICS = {
    "GL": "generalization loss, %",
    "PQ": "generalization loss over training progress",
    "UP": "successive increases",
}


def plot_run(
    curve: Curve, criteria: Sequence[Rule | str], *, restore: Literal["best", "last"] = "best"
) -> list[Axes]:
    """One run, where criteria stop it, and below it the statistic of each with its threshold.

    Above the figure stands why each criterion stops, and which weights it keeps.

    Parameters
    ----------
    curve : Curve
        The run, such as ``curves[0]`` or ``read_logs("log.csv").curves[0]``.
    criteria : sequence of criteria or str
        At least one; together they may have at most 6 different statistics.
    restore : {"best", "last"}
        Which weights are kept, as in :func:`replay`.

    Returns
    -------
    list of Axes
        That of the errors, then one per statistic.

    Raises
    ------
    ValueError
        If the run lacks a channel that a criterion watches or has no validation error that is a
        number, or there are too many statistics.
    """
    if not np.isfinite(curve.val).any():
        raise ValueError(f"plot run: no validation error of run {curve.run!r} is a number")
    rules = [rule_of(each) for each in _few("run", criteria)]
    stops = replay(curve.alone(), rules, restore=restore)
    leaves = dict.fromkeys(leaf for rule in rules for leaf in rule.leaves)
    panels: dict[object, list[Criterion]] = {}
    for leaf in leaves:
        panels.setdefault((leaf.family, leaf.params, leaf.channels), []).append(leaf)
    if len(panels) > PANELS:
        raise ValueError(
            f"plot run: these criteria have {len(panels)} different statistics; a figure has room "
            f"for {PANELS}"
        )
    wide = _wide()
    lines = [
        fill(why_stopped(rule, curve, stops, i), per_line(wide), subsequent_indent="  ")
        for i, rule in enumerate(rules)
    ]
    titles = [_label(members[0].family, wide) for members in panels.values()]
    ends = {
        text: float(stop)
        for text, stop, fired in zip(stops.criteria, stops.stop[0], stops.fired[0], strict=True)
        if fired
    }
    # in inches: lines of text above the panels, and several names that stand upright at stops
    text = 0.0175 * plt.rcParams["font.size"] * sum(1 + x.count("\n") for x in [*lines, *titles])
    names = [
        sum(len(cut(n, LONGEST)) + 2 for n in ends if ends[n] == at) for at in {*ends.values()}
    ]
    upright = 0.008 * small() * max(names) if len(names) > 1 else 0
    fig, grid = plt.subplots(
        1 + len(panels),
        1,
        figsize=(wide, 2.5 + 1.02 * len(panels) + text + upright),
        height_ratios=[2.2, *[1] * len(panels)],
        sharex=True,
        squeeze=False,
        layout="constrained",
    )
    axes = list(grid[:, 0])
    last = float(curve.epoch[-1])
    until = min(last, 1.25 * max(ends.values())) if ends else last
    plot_curve(curve, ends, axes[0], until=until).set_xlabel("")
    # what lies in the axes would cover the curves where these are short
    axes[0].get_legend().remove()
    columns = 3 if per_line(wide) > 60 else 2
    fig.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=columns)
    unit = curve.alone().about("epoch").unit or "epoch"
    for ax, members, title in zip(axes[1:], panels.values(), titles, strict=True):
        name = members[0].family.name
        seen = trace(members[0], curve).statistic
        levels = {str(m): m.threshold for m in members if m.family.threshold is not None}
        plot_statistic(curve.epoch, seen, levels, ax, unit=unit, rule=name)
        ax.set_title(title)
        if not levels:
            # it holds or does not
            ax.set(ylim=(-0.1, 1.1), yticks=[0, 1])
        shown = seen[(curve.epoch <= until) & np.isfinite(seen)]
        if levels and len(shown):
            limits = [*levels.values(), float(shown.min())]
            # what soars at the start or after the stop must not flatten the rest
            most = max(2 * max(limits), float(np.quantile(shown, 0.75)))
            low, high = min(limits), max(*levels.values(), min(float(shown.max()), most))
            room = 0.12 * (high - low or 1)
            ax.set_ylim(low - room, high + room)
        if ax is not axes[-1]:
            ax.set_xlabel("")
    fig.suptitle("\n".join(lines), ha="left", x=0.01, linespacing=1.3)
    return axes


def why_stopped(rule: Rule, curve: Curve, stops: Stops, column: int) -> str:
    """Where a criterion stops a run and why, and which weights it keeps, in one sentence."""
    unit = curve.alone().about("epoch").unit or "epoch"
    numbers = {
        "criterion": str(rule),
        "unit": unit,
        "stop": short_number(float(stops.stop[0, column])),
        "selected": short_number(float(stops.selected[0, column])),
    }
    if not stops.fired[0, column]:
        return said("plot.goes_on", numbers)
    row = int(np.searchsorted(curve.epoch, stops.stop[0, column]))
    return said("plot.stops", {**numbers, "why": _why(rule, curve, row)})


def _why(rule: Rule, curve: Curve, row: int) -> str:
    """The statistic of every criterion that contributes to the stop at a row."""
    if isinstance(rule, Criterion):
        return passed(rule, float(trace(rule, curve).statistic[row]))
    return " and ".join(
        _why(member, curve, row) for member in rule.members if _holds(member, curve, row)
    )


def _holds(rule: Rule, curve: Curve, row: int) -> bool:
    if isinstance(rule, Criterion):
        return bool(trace(rule, curve).holds[row])
    return bool(combined(rule.how, [_holds(member, curve, row) for member in rule.members]))


def _label(family: Family, width: float) -> str:
    """The statistic of a family above a panel of so many inches."""
    words = STATISTICS.get(family.name) or statistic_of(family) or "its statistic"
    if family.threshold is None:
        words += " (1 where it holds)"
    return fill(f"{family.name}: {words}", per_line(0.85 * width))


def plot_tradeoff_of(
    curves: CurveSet, criteria: Sequence[Rule | str] = USUAL, *, reference: str | None = None
) -> Axes:
    """Training time against test error of criteria, relative to one of them, with intervals.

    Means over runs of their ratios (:func:`tradeoff`). Bars are 95% intervals of the error over
    data sets, each by itself; with fewer than 6 data sets there are none. Without test errors,
    the validation error is shown.

    Parameters
    ----------
    curves : CurveSet
    criteria : sequence of criteria or str
    reference : str, optional
        The criterion that the others are relative to: by default ``GL(2)`` if it is among them,
        else the first.

    Returns
    -------
    Axes
    """
    stops = replay(curves, criteria)
    _few("tradeoff", stops.criteria, int(POINTS * _wide() * 6.5 / small()))
    first = "GL(2)" if "GL(2)" in stops.criteria else stops.criteria[0]
    against = first if reference is None else str(rule_of(reference))
    error = "val" if np.isnan(stops.test).all() else "test"
    table = tradeoff(stops, against, error=error)
    clusters = facts_of(curves).clusters
    ends = tradeoff_intervals(stops, clusters, against, error=error)
    ends = ends[ends["measure"] == "badness_ref"]
    table.attrs["error"] = {"val": "validation"}.get(error, error)
    ax = _axes(0.75)
    plot_tradeoff(table, ax=ax, intervals=ends)
    log_axis(ax, "x")
    return _fitted(ax, _intervals("plot.bars", clusters, len(curves)))


def plot_front_of(curves: CurveSet, rules: Sequence[Family | Criterion | str] = RULES) -> Axes:
    """Regret against training time over the whole sweep of each rule, with simultaneous bands.

    Over the runs whose errors are finite; see :func:`measures.fronts.front`.

    Parameters
    ----------
    curves : CurveSet
    rules : sequence of families, criteria or str
        Families by name, or criteria whose parameters are kept.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        If no rule can be swept on these curves, or no run has finite errors.
    """
    kept, means = _swept("front", curves, rules, fewest=1)
    names = list(dict.fromkeys(means.rules))
    ax = _axes(0.75)
    plot_front(front(means), ax, rules=names, bands=names)
    _legend_below(ax)
    return _fitted(ax, _intervals("plot.bands", facts_of(kept).clusters, len(kept)))


def plot_profiles(curves: CurveSet, criteria: Sequence[Rule | str] = PROFILED) -> list[Axes]:
    """Share of runs near their own lowest error: by how near, and by when (regret up to 1%).

    Bands are 95% for a whole line, over data sets; with fewer than 6 data sets there are none.

    Parameters
    ----------
    curves : CurveSet
    criteria : sequence of criteria or str

    Returns
    -------
    list of Axes
        By regret, and by training time.
    """
    kept = _measurable(curves)
    stops = replay(kept, criteria)
    _few("profiles", stops.criteria)
    lost = regrets(stops, kept)
    names, clusters = stops.criteria, facts_of(kept).clusters
    well = ended_well(lost.val, lost.time)
    tables = (
        regret_profile(lost.val, names, WITHIN),
        time_profile(lost.val, lost.time, names, SPENT),
    )
    bands = (
        profile_bands(lost.val, clusters, names, WITHIN),
        profile_bands(well, clusters, names, SPENT),
    )
    wide = _wide()
    shape, high = ((1, 2), 0.42 * wide) if wide > 5 else ((2, 1), 1.4 * wide)
    fig, axes = plt.subplots(*shape, figsize=(wide, high), layout="constrained")
    for ax, table, around in zip(axes.flat, tables, bands, strict=True):
        plot_profile(table, ax, bands=around)
    axes.flat[1].get_legend().remove()
    _legend_below(axes.flat[0])
    axes.flat[1].set_ylabel("share of runs, regret up to 1%")
    title = fill(_intervals("plot.bands", clusters, len(kept)), per_line(wide))
    fig.suptitle(title, ha="left", x=0.01)
    return list(axes.flat)


def plot_ranks_of(curves: CurveSet, rules: Sequence[Family | Criterion | str] = RULES) -> Axes:
    """Mean rank of rules by regret where they take the same time, with 95% intervals.

    At equal times (shares of the whole run), over the data sets; see :func:`inference.ranks`.
    Parameters, return value and errors are those of :func:`plot_front_of`.
    """
    kept, means = _swept("ranks", curves, rules, fewest=2)
    tables = equal_time(means, TIMES)
    parts = []
    for time in TIMES:
        costs = pd.DataFrame({name: each[time] for name, each in tables.items()}).dropna(axis=1)
        if costs.shape[1] > 1:
            found = ranks(costs)[["estimate", "low", "high"]].rename_axis("rule").reset_index()
            parts.append(found.assign(time=time))
    if not parts:
        raise ValueError("plot ranks: no two of these rules take the same time on these runs")
    ax = _axes(0.75, len(tables))
    plot_ranks(pd.concat(parts), ax, rules=list(tables))
    return _fitted(ax, _intervals("plot.bars", facts_of(kept).clusters, len(kept)))


def plot_calibration(
    curves: CurveSet, found: Calibrated | None = None, rule: Family | Criterion | str = "Keras"
) -> Axes:
    """Mean loss and its bound at every threshold of a calibrated rule; the choice is marked.

    Parameters
    ----------
    curves : CurveSet
        The runs that were calibrated on.
    found : Calibrated, optional
        What :func:`calibrate` found on them; by default that of ``rule`` with its other defaults.
    rule : family, criterion or str
        Used only without ``found``.

    Returns
    -------
    Axes

    Raises
    ------
    ValueError
        As :func:`calibrate`, which may refuse.
    """
    if found is None:
        found = calibrate(curves, next(iter(families([rule]).values())))
    promise, chosen = found.promise, found.criterion
    tested = promise.confidence is not None
    seen = measured(curves, chosen, "test" if tested else "val")
    losses = (
        np.minimum(seen.losses, promise.cap)
        if promise.exceed is None
        else (seen.losses > promise.exceed).astype(float)
    )
    units = pd.Index(curves.runs) if promise.unit == "run" else facts_of(curves).clusters
    by_unit = np.minimum(cluster_means(losses, units).to_numpy(float), promise.cap)
    bound = (
        np.full(len(seen.members), np.nan) if tested else risk.conformal_risk(by_unit, promise.cap)
    )
    table = pd.DataFrame(
        {
            "criterion": list(map(str, seen.members)),
            "time": seen.time.mean(axis=0),
            "loss": by_unit.mean(axis=0),
            "bound": bound,
        }
    )
    ax = plot_risk(table, promise.at_most, str(chosen), _axes(0.75))
    numbers = {"units": found.units, "unit": spoken(promise.unit), "cap": promise.cap}
    ax.set_xlabel(f"mean training time, share {share_of(found.watched.unit)}")
    if promise.exceed is not None:
        ax.set_ylabel(f"share of runs with a loss above {promise.exceed:.3g}")
    return _fitted(ax, said("plot.calibrated", numbers))


def families(rules: Sequence[Family | Criterion | str]) -> Mapping[str, Family | Criterion]:
    """Families by name, and criteria by text, as themselves."""
    found: dict[str, Family | Criterion] = {}
    for rule in rules:
        each = FAMILIES.get(rule) if isinstance(rule, str) else rule
        made = rule_of(str(rule)) if each is None else each
        if not isinstance(made, Family | Criterion):
            raise ValueError(f"{rule}: a combination cannot be swept; expected single rules")
        found[made.name if isinstance(made, Family) else str(made)] = made
    return found


def _swept(
    kind: str, curves: CurveSet, rules: Sequence[Family | Criterion | str], *, fewest: int
) -> tuple[CurveSet, SweepMeans]:
    """The runs that can be measured, and means over them of every rule that can be swept."""
    kept, known = _measurable(curves), families(_few(kind, rules))
    swept = sweeps(known.values(), kept)
    if len(swept) < fewest:
        raise ValueError(
            f"plot {kind}: of {listed(list(known))}, {len(swept)} can be swept over these runs; "
            f"expected at least {fewest}"
        )
    return kept, replay_sweeps(kept, swept)


def _measurable(curves: CurveSet) -> CurveSet:
    """The runs whose errors are all finite; ``ValueError`` if there are none."""
    kept = curves.select(facts_of(curves).measurable())
    if not len(kept):
        raise ValueError(
            f"none of {counted(len(curves), 'run')} has validation errors that are all finite and "
            "not 0, which a regret needs"
        )
    return kept


def _axes(aspect: float, names: int = 0) -> Axes:
    """The axes of a new figure as wide as the style says, with room for names in their margin."""
    wide = _wide()
    beside = 0.02 * plt.rcParams["font.size"] * names + 1
    high = max(aspect * min(wide, 4.5), 2.2 * small() / 6.5, beside)
    return plt.subplots(figsize=(wide, high), layout="constrained")[1]


def _few(kind: str, given: Sequence[T], most: int = LINES) -> Sequence[T]:
    """What a figure draws, if it has room for it."""
    if len(given) > most:
        raise ValueError(
            f"plot {kind}: {len(given)} criteria; a figure of this width has room for {most}"
        )
    return given


def _wide() -> float:
    return float(plt.rcParams["figure.figsize"][0])


def _legend_below(ax: Axes) -> None:
    """Move the legend below the figure, which grows by it: in the axes it would cover lines."""
    legend = ax.get_legend()
    assert legend is not None
    legend.remove()
    handles, names = ax.get_legend_handles_labels()
    columns = max(1, int(per_line(_wide()) / (8 + max(map(len, names)))))
    fig, lines = plt.gcf(), -(-len(names) // columns)
    wide, high = fig.get_size_inches()
    fig.set_size_inches(wide, high + 0.024 * plt.rcParams["font.size"] * lines)
    fig.legend(handles, names, loc="outside lower center", ncols=min(columns, len(names)))


def _fitted(ax: Axes, title: str) -> Axes:
    """The only axes of the current figure, with a title; what is longer than they are is broken."""
    wide, high = plt.gcf().get_size_inches()
    # the numbers of an axis, and the label of the other one
    beside = 0.07 * plt.rcParams["font.size"]
    ax.set_title(fill(title, per_line(wide - beside)))
    ax.set_xlabel(fill(ax.get_xlabel(), per_line(wide - beside)))
    ax.set_ylabel(fill(ax.get_ylabel(), per_line(high - beside)))
    return ax


def _intervals(key: str, clusters: pd.Index, runs: int) -> str:
    """What the intervals of a figure are over, or why there are none."""
    count = clusters.nunique()
    numbers = {"runs": runs, "count": count, "unit": spoken(str(clusters.name))}
    return said(key if count >= FEWEST_CLUSTERS else "plot.no_intervals", numbers)
