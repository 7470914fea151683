"""Tables and traces -> matplotlib Axes. Reads no files and computes no statistics.

Every function that draws takes ``ax`` (by default the current axes) and returns it. Colours,
markers, lines and sizes are those of :mod:`report.style`.
"""

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, NullLocator, PercentFormatter

from earlystop_lab._common.wording import cut
from earlystop_lab.curves import Curve, FloatArray, local_minima
from earlystop_lab.engine.replaying import Stops
from earlystop_lab.report.comparison import SHOWN, numbers_of
from earlystop_lab.report.labels import Label, label_margin, label_points
from earlystop_lab.report.messages import measure_in_words, quality, worded
from earlystop_lab.report.style import (
    BESIDE,
    FAINT,
    Look,
    colour,
    drawn,
    family,
    lines_of,
    look,
    small,
)
from earlystop_lab.studies.comparison import Bench

#: smaller regrets are drawn at this value, since a logarithmic axis has no 0
_FLOOR = 1e-4
#: most characters of a criterion beside a line
LONGEST = 24


def plot_curve(
    curve: Curve,
    stops: Mapping[str, float],
    ax: Axes | None = None,
    *,
    strip: int = 1,
    until: float | None = None,
) -> Axes:
    """One run's validation and training error, its local minima, and where criteria stop.

    Scores are shown as recorded, with local maxima marked.

    Parameters
    ----------
    curve : Curve
        The run.
    stops : dict of str to float
        The stop epoch of each criterion.
    ax : matplotlib Axes, optional
        The axes to draw on; by default the current ones.
    strip : int
        Show the validation error at every ``strip``-th check, as rules with strips see it.
    until : float, optional
        Last position shown. The error axis is cut above the level reached after the first tenth
        of the positions (for scores, below it), so that the start does not flatten the rest.

    Returns
    -------
    matplotlib Axes
        The axis of positions is labelled with their unit, or ``epoch`` if it is unknown.
    """
    ax = ax or plt.gca()
    checks = curve.measured("val")
    epoch, val = (each[checks][strip - 1 :: strip] for each in (curve.epoch, curve.val))
    shown = epoch <= (until or curve.epoch[-1])
    epoch, val = epoch[shown], val[shown]
    about = curve.about
    if curve.train is not None:
        seen, what = curve.measured("train"), quality("train", about["train"].direction)
        train: dict[str, Any] = {"color": BESIDE, "lw": 0.8, "ls": (0, (4, 1.5))}
        ax.plot(curve.epoch[seen], curve.train[seen], label=what, **train)
    what = quality("val", about["val"].direction)
    ax.plot(epoch, val, color="black", lw=1, label=what)
    is_score = about["val"].direction == "max"
    best, extrema = (local_minima(-val), "maxima") if is_score else (local_minima(val), "minima")
    ax.plot(
        epoch[best],
        val[best],
        "o",
        ms=2.5 if len(best) <= 50 else 1.2,
        color="black",
        mfc="white",
        mec="black",
        mew=0.6 if len(best) <= 50 else 0.4,
        label=f"its {len(best)} local {extrema} at strip ends"
        if strip > 1
        else f"its local {extrema}",
    )
    unit = curve.alone().about("epoch").unit or "epoch"
    shown_as = what if curve.train is None else what.split()[-1]
    ax.set(xlabel=unit, ylabel=shown_as, xlim=(0, until or curve.epoch[-1]))
    later = val[len(val) // 10 :]
    finite = later[np.isfinite(later)]
    if len(finite) and np.ptp(finite) > 0:
        room = 0.15 * np.ptp(finite)
        below, above = (2 * room, room) if is_score else (room, 2 * room)
        ax.set_ylim(finite.min() - below, finite.max() + above)
    _mark_stops(ax, stops)
    ax.legend(loc="best")
    return ax


def plot_statistic(
    epoch: FloatArray,
    statistic: FloatArray,
    thresholds: Mapping[str, float],
    ax: Axes | None = None,
    label: str = "",
    unit: str = "epoch",
    rule: str = "",
) -> Axes:
    """A criterion's statistic with its thresholds, at the checks where it is defined.

    A line joins those that are next to each other, or that are strips apart; where the statistic is
    not defined for longer, the line is broken.

    Parameters
    ----------
    epoch, statistic : ndarray
        Positions, and the statistic at each.
    thresholds : dict of str to float
        The threshold of each criterion.
    ax : matplotlib Axes, optional
        The axes to draw on; by default the current ones.
    label : str
        Label of the axis of the statistic.
    unit : str
        Unit of the positions.
    rule : str
        The family whose colour the line has; by default that of the first threshold.

    Returns
    -------
    matplotlib Axes
    """
    ax = ax or plt.gca()
    defined = np.flatnonzero(np.isfinite(statistic))
    apart = np.diff(defined)
    breaks = np.flatnonzero(apart > apart.min(initial=len(statistic))) + 1
    x, y = (np.insert(np.asarray(of, float)[defined], breaks, np.nan) for of in (epoch, statistic))
    tone = colour(rule or next(iter(thresholds), ""))
    # with many checks larger marks would be a band; those without neighbours need one
    size = 2.5 if len(defined) <= 150 else 1.0
    ax.plot(x, y, color=tone, lw=0.9, marker=".", ms=size)
    for threshold in thresholds.values():
        ax.axhline(threshold, color=BESIDE, lw=0.6, ls="--")
    label_margin(ax, "right", [(cut(n, LONGEST), at, tone) for n, at in thresholds.items()])
    ax.set(xlabel=unit, ylabel=label)
    return ax


def plot_spread(
    values: pd.DataFrame, ax: Axes | None = None, label: str = "", *, rows: bool = False
) -> Axes:
    """Distribution of one measure over runs, for each criterion.

    A bar spans the quartiles and a thin line the 5% and 95% quantiles; a circle is the median and
    a cross the mean. They are those of the finite values: where some are not, the label says how
    many are.

    Parameters
    ----------
    values : DataFrame
        One row per run, one column per criterion.
    ax : matplotlib Axes, optional
        The axes to draw on; by default the current ones.
    label : str
        Label of the axis of the measure.
    rows : bool
        Whether criteria are below each other instead of side by side.

    Returns
    -------
    matplotlib Axes
    """
    ax = ax or plt.gca()
    names, finite = list(map(str, values)), np.isfinite(values.to_numpy(np.float64))
    known = values.where(finite)
    quantiles = known.quantile([0.05, 0.25, 0.5, 0.75, 0.95]).to_numpy()
    places = np.arange(len(names))

    def turned(across: Any, along: Any) -> tuple[Any, Any]:
        return (along, across) if rows else (across, along)

    for name, place, (low, first, _, third, high) in zip(names, places, quantiles.T, strict=True):
        tone = colour(name)
        ax.plot(*turned([place] * 2, [first, third]), color=tone, lw=4, alpha=0.55)
        ax.plot(*turned([place] * 2, [low, high]), color=tone, lw=0.9)
    (circles,) = ax.plot(*turned(places, quantiles[2]), "o", ms=3, mew=0.7, zorder=3)
    circles.set(markerfacecolor="white", markeredgecolor="black")
    means = turned(places, known.mean().to_numpy())
    ax.scatter(*means, color="black", marker="x", s=12, lw=0.8, zorder=3)
    counts = finite.sum(axis=0)
    labels = [
        name if count == len(values) else f"{name}\n{count} of {len(values)} runs finite"
        for name, count in zip(names, counts, strict=True)
    ]
    if rows:
        ax.set(xlabel=label, ylabel="", ylim=(len(names) - 0.5, -0.5))
        ax.set_yticks(places, labels)
    else:
        ax.set(xlabel="", ylabel=label, xlim=(-0.5, len(names) - 0.5))
        ax.set_xticks(places, labels)
        ax.tick_params(axis="x", rotation=90)
    return ax


def new_axes(rows: int = 0) -> Axes:
    """The axes of a new figure whose layout leaves room for all labels, and for rows of text."""
    wide, high = plt.rcParams["figure.figsize"]
    needed = 0.025 * plt.rcParams["font.size"] * rows + 0.8
    return plt.subplots(figsize=(wide, max(high, needed)), layout="constrained")[1]


def plot_stops(stops: Stops, ax: Axes | None = None) -> Axes:
    """Where each criterion stops the runs, one row per criterion.

    Bars, lines and marks are those of :func:`plot_spread`. A run that a criterion does not stop
    counts with its last position. The share of runs that are stopped stands on the right.

    Parameters
    ----------
    stops : Stops
        What :func:`replay` returns.
    ax : Axes, optional
        Where to draw; by default on the current axes.

    Returns
    -------
    Axes
    """
    units = stops.meta["epoch.unit"].dropna().unique() if "epoch.unit" in stops.meta else ["epoch"]
    unit = units[0] if len(units) == 1 else "position"
    table = pd.DataFrame(stops.stop, columns=[cut(name, LONGEST) for name in stops.criteria])
    ax = plot_spread(table, ax, f"stop ({unit})", rows=True)
    for i, fired in enumerate(stops.fired.mean(axis=0)):
        ax.annotate(
            f"{fired:.0%} stopped",
            (1, i),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=small(),
        )
    return ax


def plot_tradeoff(
    table: pd.DataFrame,
    x: str = "slowness_ref",
    y: str = "badness_ref",
    ax: Axes | None = None,
    *,
    labels: bool = True,
    marker: str | None = None,
    intervals: pd.DataFrame | None = None,
) -> Axes:
    """One point per criterion, coloured by family; the thresholds of a family are connected.

    Parameters
    ----------
    table : DataFrame
        One row per criterion, with a column ``criterion`` and the columns ``x`` and ``y``.
    x, y : str
        Columns to draw.
    ax : matplotlib Axes, optional
        The axes to draw on; by default the current ones.
    labels : bool
        Whether to write each criterion next to its point.
    marker : str, optional
        Marker of the points, by default that of each family.
    intervals : DataFrame, optional
        Intervals of ``y``, one row per criterion: columns ``criterion``, ``low`` and ``high``.

    Returns
    -------
    matplotlib Axes
    """
    ax = ax or plt.gca()
    lines, bars, named = [], list[Line2D](), []
    ends = None if intervals is None else intervals.set_index("criterion")
    for name, part in table.groupby(table["criterion"].map(family), sort=False):
        part, seen = part.sort_values(x), look(str(name))
        line = {"color": seen.colour, "ls": seen.line, "marker": marker or seen.marker}
        lines += ax.plot(part[x], part[y], lw=0.9, ms=3.5, label=name, **line)
        if ends is not None:
            low, high = ends.loc[part["criterion"], ["low", "high"]].to_numpy(float).T
            bars += [
                Line2D([at, at], [a, b], transform=ax.transData)
                for at, a, b in zip(part[x], low, high, strict=True)
            ]
            ax.vlines(part[x], low, high, color=seen.colour, lw=2.2, alpha=0.25, zorder=1)
        named += [
            Label(cut(row["criterion"], LONGEST), row[x], row[y], seen.colour)
            for row in part.to_dict("records")
        ]
    ax.margins(x=0.09, y=0.08)
    ax.set(xlabel=measure_in_words(x, table.attrs), ylabel=measure_in_words(y, table.attrs))
    if labels:
        label_points(ax, named, [*lines, *bars])
    return ax


def plot_front(
    table: pd.DataFrame,
    ax: Axes | None = None,
    *,
    rules: Sequence[str] = ("Keras", "UP"),
    bands: Sequence[str] = ("Keras",),
) -> Axes:
    """Regret against time over whole sweeps, as returned by :func:`measures.fronts.front`.

    Each rule is a line through the points that no other point of the rule dominates. Both axes are
    logarithmic; regrets below 0.01% are drawn at 0.01%.

    Parameters
    ----------
    table : DataFrame
        The front of each rule.
    ax : matplotlib Axes, optional
        The axes to draw on; by default the current ones.
    rules : sequence of str
        Rules drawn in colour; all others are thin and grey.
    bands : sequence of str
        Those of ``rules`` whose band is drawn.

    Returns
    -------
    matplotlib Axes
    """
    ax = ax or plt.gca()
    for name, part in table.groupby("rule", sort=False):
        part = part[part["best_of_rule"] & (part["time"] > 0)].sort_values("time")
        regret, seen = part["regret"].clip(lower=_FLOOR), look(str(name))
        if name not in rules:
            ax.plot(part["time"], regret, color=FAINT, lw=0.5, zorder=1)
            continue
        line = {"color": seen.colour, "ls": seen.line, "label": cut(str(name), LONGEST)}
        ax.plot(part["time"], regret, **line)
        if name in bands:
            high = part["high"].replace(np.inf, np.nan).clip(lower=_FLOOR)
            low = part["low"].clip(lower=_FLOOR)
            band = ax.fill_between(part["time"], low, high, ls=seen.line, lw=0.4)
            band.set(facecolor=(seen.colour, 0.09), edgecolor=seen.colour)
    ax.set(
        xscale="log",
        yscale="log",
        ylim=(_FLOOR, 1),
        xlim=(None, 1),
        xlabel="training time, share of the whole run",
        ylabel="regret: error above the run's own lowest",
    )
    _shares(ax.xaxis, *ax.get_xlim())
    _shares(ax.yaxis, *ax.get_ylim())
    ax.legend(loc="lower left")
    return ax


def plot_profile(
    table: pd.DataFrame,
    ax: Axes | None = None,
    *,
    bands: Mapping[str, pd.DataFrame] = MappingProxyType({}),
) -> Axes:
    """Performance profiles: the share of runs over the table's index, one line per criterion.

    Parameters
    ----------
    table : DataFrame
        From :func:`measures.profiles.regret_profile` or ``time_profile``. The axis of the index is
        logarithmic; an index of 0 is left out.
    ax : matplotlib Axes, optional
        The axes to draw on; by default the current ones.
    bands : dict of str to DataFrame
        Bands of criteria, from :func:`measures.profiles.profile_bands`, drawn behind their lines.

    Returns
    -------
    matplotlib Axes
    """
    ax = ax or plt.gca()
    shown, names = table[table.index > 0], list(map(str, table.columns))
    for name, line in zip(names, lines_of(names), strict=True):
        # a step: the share at an x holds until the next
        style = {"color": line.colour, "ls": line.line, "label": cut(name, LONGEST)}
        ax.step(shown.index, shown[name], where="post", **style)
        if name in bands:
            band = bands[name][bands[name].index > 0]
            area = ax.fill_between(band.index, band["low"], band["high"], step="post", lw=0)
            area.set(facecolor=(line.colour, 0.07), zorder=1)
    words = {
        "within": "regret of at most",
        "time": "training time, share of the whole run",
    }
    label = words.get(str(table.index.name), str(table.index.name))
    ax.set(
        xscale="log",
        xlim=(shown.index.min(), shown.index.max()),
        ylim=(0, 1),
        xlabel=label,
        ylabel="share of runs",
    )
    _shares(ax.xaxis, *ax.get_xlim())
    ax.yaxis.set_major_formatter(PercentFormatter(1))
    ax.legend(loc="best")
    return ax


def plot_ranks(
    table: pd.DataFrame, ax: Axes | None = None, *, rules: Sequence[str] = SHOWN
) -> Axes:
    """Mean rank of each rule by regret at equal times: one line per rule, rank 1 at the top.

    Parameters
    ----------
    table : DataFrame
        Columns ``rule``, ``time`` (a share of the whole run) and ``estimate``, the mean rank, with
        its interval ``low`` and ``high``, which may be NaN.
    ax : matplotlib Axes, optional
        The axes to draw on; by default the current ones.
    rules : sequence of str
        Rules drawn in colour, with their intervals; all others are thin and grey.

    Returns
    -------
    matplotlib Axes
    """
    ax = ax or plt.gca()
    beside: list[tuple[str, float, str]] = []
    chosen = [name for name in dict.fromkeys(table["rule"]) if name in rules]
    for name, part in table.groupby("rule", sort=False):
        part, seen = part.sort_values("time"), look(str(name))
        if name not in chosen:
            ax.plot(
                part["time"], part["estimate"], color=FAINT, lw=0.5, marker=".", ms=1.5, zorder=1
            )
            continue
        # side by side, so that no interval covers another
        time = part["time"] * 1.05 ** (chosen.index(name) - (len(chosen) - 1) / 2)
        style = {"color": seen.colour, "ls": seen.line, "marker": seen.marker}
        ax.plot(time, part["estimate"], ms=3.5, lw=0.9, label=name, **style)
        ax.vlines(time, part["low"], part["high"], color=seen.colour, lw=2.2, alpha=0.25)
        beside.append((cut(str(name), LONGEST), float(part["estimate"].iloc[-1]), seen.colour))
    ax.set(
        xscale="log",
        xlabel="training time, share of the whole run",
        ylabel="mean rank (1: lowest regret)",
    )
    ax.set_xticks(sorted(set(table["time"])))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_formatter(percent)
    ax.invert_yaxis()
    label_margin(ax, "right", beside)
    return ax


def plot_risk(table: pd.DataFrame, at_most: float, chosen: str, ax: Axes | None = None) -> Axes:
    """The loss that each threshold of a rule has on calibration runs, its bound, and the choice.

    Parameters
    ----------
    table : DataFrame
        One row per threshold: ``criterion``, ``time`` (mean share of the run that is trained),
        ``loss`` (mean of the capped losses) and ``bound`` (what must be at most ``at_most``; NaN if
        there is none).
    at_most : float
        The bound that was asked for.
    chosen : str
        The criterion that was chosen.
    ax : matplotlib Axes, optional
        The axes to draw on; by default the current ones.

    Returns
    -------
    matplotlib Axes
    """
    ax = ax or plt.gca()
    seen, rows = look(chosen), table.sort_values("time")
    ax.plot(rows["time"], rows["loss"], color=seen.colour, label="mean loss of these runs")
    if rows["bound"].notna().any():
        ax.plot(rows["time"], rows["bound"], color=seen.colour, ls=":", label="bound for a new one")
        ax.fill_between(
            rows["time"], rows["loss"], rows["bound"], color=seen.colour, alpha=0.13, lw=0
        )
    ax.axhline(at_most, color=BESIDE, lw=0.8, ls="--", label=f"at most {percent(at_most, 0)}")
    time, loss = map(float, table.set_index("criterion").loc[chosen, ["time", "loss"]])
    ax.plot(time, loss, seen.marker, color=seen.colour, ms=5)
    ax.set(
        xlabel="mean training time, share of the whole run",
        ylabel="mean loss",
        ylim=(0, max(3 * at_most, 1.5 * loss)),
    )
    ax.xaxis.set_major_formatter(percent)
    ax.yaxis.set_major_formatter(percent)
    label_points(ax, [Label(cut(chosen, LONGEST), time, loss, seen.colour)], ax.lines[:3])
    ax.legend(loc="upper right")
    return ax


def fronts(bench: Bench) -> Figure:
    """One panel per corpus: regret against time, of the new rule with its band and known rules."""
    panels = len(bench.corpora)
    columns, lines = min(panels, 2), -(-panels // 2)
    by_hand: Any = {"figure.constrained_layout.use": False}
    with drawn("paper", "page" if panels > 1 else "column"), plt.rc_context(by_hand):
        wide, high = plt.rcParams["figure.figsize"][0], 2.7 * lines
        # a Figure of its own rather than pyplot's, so that nobody has to close it
        figure = Figure(figsize=(wide, high))
        axes = figure.subplots(lines, columns, squeeze=False).flat
        # in inches; a computed layout would take as long as drawing
        figure.subplots_adjust(
            left=0.6 / wide,
            right=1 - 0.15 / wide,
            bottom=0.4 / high,
            top=1 - 0.25 / high,
            wspace=0.65 * columns / (wide - 0.65 * columns),
            hspace=0.7 * lines / (high - 0.7 * lines),
        )
        for ax, found in zip(axes, bench.corpora, strict=False):
            plot_front(found.front, ax, rules=(bench.rule, *SHOWN), bands=(bench.rule,))
            title = "{corpus}: {what}, {clusters} {unit}s"
            ax.set_title(worded(title, numbers_of(found)))
        for ax in axes[panels:]:
            ax.set_axis_off()
    return figure


def percent(value: float, position: float) -> str:
    """A share as a percentage with as few digits as possible."""
    return f"{100 * value:g}%"


def _shares(axis: Axis, low: float, high: float) -> None:
    """Percentages on a logarithmic axis, each power of ten or, on short ones, more."""
    if high < 30 * low:
        axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axis.set_major_formatter(percent)
    axis.set_minor_formatter(NullFormatter())


def log_axis(ax: Axes, which: Literal["x", "y"]) -> None:
    """Make axis ``"x"`` or ``"y"`` logarithmic, with few enough plain numbers to be readable.

    Call it after drawing everything, because the numbers depend on the range.
    """
    getattr(ax, f"set_{which}scale")("log")
    low, high = getattr(ax, f"get_{which}lim")()
    axis = getattr(ax, f"{which}axis")
    if high > 2 * low:
        steps = (1, 2, 5) if high > 8 * low else (1, 1.5, 2, 3, 5, 7)
        axis.set_major_locator(LogLocator(subs=steps))
    else:  # where a locator of logarithms would have as many as there are
        axis.set_major_locator(MaxNLocator(4))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_locator(NullLocator())


def legend_of_families(ax: Axes, criteria: Iterable[str], **options: Any) -> None:
    """A legend with one entry per family."""
    names = list(dict.fromkeys(family(name) for name in criteria))
    ax.legend([_handle(look(name)) for name in names], names, **options)


def _handle(seen: Look) -> Line2D:
    return Line2D([], [], color=seen.colour, marker=seen.marker, ls=seen.line, ms=3.5, lw=0.9)


def _mark_stops(ax: Axes, stops: Mapping[str, float]) -> None:
    """A line at each stop epoch, labelled above the axes."""
    together: dict[float, list[str]] = {}
    for name, epoch in sorted(stops.items(), key=lambda item: item[1]):
        together.setdefault(epoch, []).append(name)
    marked = []
    for epoch, names in together.items():
        one = len({family(name) for name in names}) == 1
        ax.axvline(
            epoch,
            color=colour(names[0]) if one else "black",
            lw=0.8,
            ls=look(names[0]).line if one else "-",
        )
        words = ", ".join(cut(name, LONGEST) for name in names)
        marked.append((words, epoch, colour(names[0]) if one else "black"))
    label_margin(ax, "top", marked)
