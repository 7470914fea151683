"""Tables and traces -> matplotlib Axes. Reads no files and computes no statistics.

Every function that draws takes ``ax`` (by default the current axes) and returns it. Each family
has the same colour in every figure.
"""

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, NullLocator

from earlystop_lab._common.files import written_whole
from earlystop_lab.curves import Curve, FloatArray, local_minima
from earlystop_lab.engine.replaying import Stops
from earlystop_lab.report.comparison import SHOWN, numbers_of
from earlystop_lab.report.messages import quality, worded
from earlystop_lab.studies.comparison import Bench

#: seaborn's palette "colorblind", which most people tell apart
_PALETTE = (
    "#0173b2",
    "#de8f05",
    "#029e73",
    "#d55e00",
    "#cc78bc",
    "#ca9161",
    "#fbafe4",
    "#949494",
    "#ece133",
    "#56b4e9",
)
_KNOWN = {"GL": _PALETTE[0], "PQ": _PALETTE[1], "UP": _PALETTE[2]}
#: colours of other highlighted rules, in order; the red of local minima is left out
_OTHERS = [_PALETTE[i] for i in (4, 5, 8, 6, 9)]
#: smaller regrets are drawn at this value, since a logarithmic axis has no 0
_FLOOR = 1e-4


def family(criterion: str) -> str:
    """The name of the family in a criterion's text: ``GL`` in ``GL(2)``."""
    return criterion.split("(")[0]


def colour(criterion: str) -> Any:
    """The colour of a criterion's family: fixed for Prechelt's, grey for any other."""
    return _KNOWN.get(family(criterion), _PALETTE[7])


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
        ax.plot(curve.epoch[seen], curve.train[seen], color="0.6", lw=1, label=what)
    what = quality("val", about["val"].direction)
    ax.plot(epoch, val, color="black", lw=1.2, label=what)
    is_score = about["val"].direction == "max"
    best, extrema = (local_minima(-val), "maxima") if is_score else (local_minima(val), "minima")
    ax.plot(
        epoch[best],
        val[best],
        "o",
        ms=3,
        color=_PALETTE[3],
        label=f"its {len(best)} local {extrema} at strip ends"
        if strip > 1
        else f"its local {extrema}",
    )
    unit = curve.alone().about("epoch").unit or "epoch"
    ax.set(xlabel=unit, ylabel=what.split()[-1], xlim=(0, until or curve.epoch[-1]))
    later = val[len(val) // 10 :]
    finite = later[np.isfinite(later)]
    if len(finite) and np.ptp(finite) > 0:
        room = 0.15 * np.ptp(finite)
        below, above = (2 * room, room) if is_score else (room, 2 * room)
        ax.set_ylim(finite.min() - below, finite.max() + above)
    _mark_stops(ax, stops)
    ax.legend(loc="upper right", fontsize="small")
    return ax


def plot_statistic(
    epoch: FloatArray,
    statistic: FloatArray,
    thresholds: Mapping[str, float],
    ax: Axes | None = None,
    label: str = "",
    unit: str = "epoch",
) -> Axes:
    """A criterion's statistic with its thresholds, at the checks where it is defined.

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

    Returns
    -------
    matplotlib Axes
    """
    ax = ax or plt.gca()
    defined = np.isfinite(statistic)
    tone = colour(next(iter(thresholds), ""))
    ax.plot(epoch[defined], statistic[defined], color=tone, lw=1, marker=".", ms=3)
    for name, threshold in thresholds.items():
        ax.axhline(threshold, color="0.5", lw=0.7, ls="--")
        ax.annotate(
            name,
            (1, threshold),
            xycoords=("axes fraction", "data"),
            xytext=(3, 0),
            textcoords="offset points",
            va="center",
            fontsize="xx-small",
        )
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
    import seaborn as sns  # only here, since to import it takes as long as all the rest

    ax = ax or plt.gca()
    names = list(map(str, values))
    data = values.melt(var_name="criterion", value_name="value")
    data["family"] = data["criterion"].map(family)
    x, y = ("value", "criterion") if rows else ("criterion", "value")
    shared = {"data": data, "x": x, "y": y, "order": names, "linestyle": "none", "ax": ax}
    tones = {name: colour(name) for name in dict.fromkeys(data["family"])}
    shared |= {"hue": "family", "palette": tones, "estimator": "median", "legend": False}
    thick = {"linewidth": 5, "alpha": 0.55}
    sns.pointplot(**shared, markers="none", errorbar=("pi", 50), err_kws=thick)
    circle = {"markerfacecolor": "white", "markeredgecolor": "black", "markeredgewidth": 0.8}
    sns.pointplot(
        **shared, markers="o", errorbar=("pi", 90), err_kws={"linewidth": 1}, ms=4, **circle
    )
    # seaborn leaves out what is not finite without a word
    finite = np.isfinite(values.to_numpy(np.float64))
    counts = finite.sum(axis=0)
    labels = [
        name if count == len(values) else f"{name}\n{count} of {len(values)} runs finite"
        for name, count in zip(names, counts, strict=True)
    ]
    places, means = np.arange(len(names)), values.where(finite).mean().to_numpy()
    x_of, y_of = (means, places) if rows else (places, means)
    ax.scatter(x_of, y_of, color="black", marker="x", s=16, lw=1, zorder=3)
    if rows:
        ax.set(xlabel=label, ylabel="")
        ax.set_yticks(places, labels)
    else:
        ax.set(xlabel="", ylabel=label)
        ax.set_xticks(places, labels)
        ax.tick_params(axis="x", rotation=90, labelsize="x-small")
    return ax


def new_axes() -> Axes:
    """The axes of a new figure whose layout leaves room for all labels."""
    return plt.subplots(layout="constrained")[1]


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
    table = pd.DataFrame(stops.stop, columns=stops.criteria)
    ax = plot_spread(table, ax, f"stop ({unit})", rows=True)
    for i, fired in enumerate(stops.fired.mean(axis=0)):
        ax.annotate(
            f"{fired:.0%} stopped",
            (1, i),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize="x-small",
        )
    return ax


def plot_tradeoff(
    table: pd.DataFrame,
    x: str = "slowness_ref",
    y: str = "badness_ref",
    ax: Axes | None = None,
    *,
    labels: bool = True,
    marker: str = "o",
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
    marker : str
        Marker of the points.

    Returns
    -------
    matplotlib Axes
    """
    ax = ax or plt.gca()
    for name, part in table.groupby(table["criterion"].map(family), sort=False):
        part = part.sort_values(x)
        tone = colour(str(name))
        ax.plot(part[x], part[y], color=tone, lw=1, marker=marker, ms=5, label=name)
        for row in part.to_dict("records") if labels else []:
            ax.annotate(
                row["criterion"],
                (row[x], row[y]),
                xytext=(4, 4),
                textcoords="offset points",
                fontsize="x-small",
                color=tone,
            )
    ax.margins(x=0.09, y=0.08)
    ax.set(xlabel=x, ylabel=y)
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
    tones = tones_of(rules)
    for name, part in table.groupby("rule", sort=False):
        part = part[part["best_of_rule"] & (part["time"] > 0)].sort_values("time")
        tone = tones.get(str(name))
        line = {"color": "0.75", "lw": 0.7, "zorder": 1} if tone is None else {"color": tone}
        ax.plot(
            part["time"], part["regret"].clip(lower=_FLOOR), label=name if tone else None, **line
        )
        if tone is not None and name in bands:
            high = part["high"].replace(np.inf, np.nan).clip(lower=_FLOOR)
            low = part["low"].clip(lower=_FLOOR)
            ax.fill_between(part["time"], low, high, color=tone, alpha=0.15, lw=0)
    ax.set(
        xscale="log",
        yscale="log",
        ylim=(_FLOOR, 1),
        xlim=(None, 1),
        xlabel="time, share of the run to its end",
        ylabel="regret, over the run's own lowest error",
    )
    ax.xaxis.set_major_formatter(percent)
    ax.yaxis.set_major_formatter(percent)
    ax.legend(fontsize="small")
    return ax


def fronts(bench: Bench) -> Figure:
    """One panel per corpus: regret against time, of the new rule with its band and known rules."""
    # a Figure of its own rather than pyplot's, so that nobody has to close it
    wide, high, panels = 5.2 * len(bench.corpora), 4.2, len(bench.corpora)
    figure = Figure(figsize=(wide, high))
    axes = figure.subplots(1, panels, squeeze=False)
    # in inches; a computed layout would take as long as drawing
    figure.subplots_adjust(
        left=0.75 / wide,
        right=1 - 0.25 / wide,
        bottom=0.55 / high,
        top=1 - 0.35 / high,
        wspace=0.9 * panels / (wide - 0.9 * panels),
    )
    for ax, found in zip(axes[0], bench.corpora, strict=True):
        plot_front(found.front, ax, rules=(bench.rule, *SHOWN), bands=(bench.rule,))
        title = "{corpus}: {what}, {clusters} {unit}s"
        ax.set_title(worded(title, numbers_of(found)), fontsize="medium")
    return figure


def tones_of(rules: Sequence[str]) -> dict[str, Any]:
    """A colour for each rule: that of its family if there is one, else the next free colour."""
    free = iter(_OTHERS)
    used: dict[str, Any] = {}
    for name in rules:
        tone = _KNOWN.get(family(name))
        if tone is None or tone in used.values():
            tone = next(free, None)
        if tone is not None:
            used[name] = tone
    return used


def percent(value: float, position: float) -> str:
    """A share as a percentage with as few digits as possible."""
    return f"{100 * value:g}%"


def save(figure: Figure, *stems: str | Path) -> list[Path]:
    """Write a figure as PNG and PDF and close it; the bytes are always the same.

    Parameters
    ----------
    figure : matplotlib Figure
    *stems : str or Path
        Paths without a suffix; both formats are written for each.

    Returns
    -------
    list of Path
        The files.
    """
    files = []
    for suffix, metadata in (("png", {"Software": None}), ("pdf", {"CreationDate": None})):
        drawn = io.BytesIO()
        figure.savefig(drawn, format=suffix, dpi=150, metadata=metadata)
        # the layout is computed once and reused by the second format
        figure.set_layout_engine(None)
        for stem in stems:
            files.append(Path(f"{stem}.{suffix}"))
            with written_whole(files[-1]) as temporary:
                temporary.write_bytes(drawn.getvalue())
    plt.close(figure)
    return files


def log_axis(ax: Axes, which: Literal["x", "y"]) -> None:
    """Make axis ``"x"`` or ``"y"`` logarithmic, with few enough plain numbers to be readable.

    Call it after drawing everything, because the numbers depend on the range.
    """
    getattr(ax, f"set_{which}scale")("log")
    low, high = getattr(ax, f"get_{which}lim")()
    axis = getattr(ax, f"{which}axis")
    axis.set_major_locator(LogLocator(subs=(1, 2, 5) if high > 8 * low else (1, 1.5, 2, 3, 5, 7)))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_locator(NullLocator())
    ax.tick_params(axis=which, labelsize="small")


def legend_of_families(ax: Axes, criteria: Sequence[str], **options: Any) -> None:
    """A legend with one entry per family."""
    names = list(dict.fromkeys(family(name) for name in criteria))
    handles = [Line2D([], [], color=colour(name), marker="o", ms=5, lw=1) for name in names]
    ax.legend(handles, names, **options)


def _mark_stops(ax: Axes, stops: Mapping[str, float]) -> None:
    """A line at each stop epoch, labelled above the axes, in several rows where crowded."""
    together: dict[float, list[str]] = {}
    for name, epoch in sorted(stops.items(), key=lambda item: item[1]):
        together.setdefault(epoch, []).append(name)
    width = ax.get_xlim()[1]
    row_ends = [-width] * 8
    for epoch, names in together.items():
        text = " ".join(names)
        row = next((i for i, end in enumerate(row_ends) if end < epoch), 0)
        row_ends[row] = epoch + 0.0115 * width * len(text)
        tone = colour(names[0]) if len({family(name) for name in names}) == 1 else "black"
        ax.axvline(epoch, color=tone, lw=0.8, ls="--")
        ax.annotate(
            text,
            (epoch, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 3 + 9 * row),
            textcoords="offset points",
            ha="left",
            fontsize="x-small",
            color=tone,
        )
