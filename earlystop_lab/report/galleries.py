"""A gallery of a curve set: how the validation error of every problem's runs goes.

A panel a problem shows the median and two quantile bands over all runs, and ten runs, evenly
spaced in the order of the set. Nothing is padded: a run counts as long as it was recorded, with
its last value before a position, and the bands end where fewer than half of the runs go on. A
NaN error counts as infinitely high.
"""

from collections.abc import Sequence
from textwrap import fill, wrap
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import EngFormatter, LogLocator, MaxNLocator, NullFormatter

from earlystop_lab._common.wording import counted, cut
from earlystop_lab.curves import Curve, CurveSet, FloatArray
from earlystop_lab.report.axes import log_axis
from earlystop_lab.report.style import colour, in_grey, per_line, small

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
SAMPLES = 10
#: positions at which a panel's quantiles are taken
POINTS = 150
#: records of more checks than this happen early: their positions are drawn on a log axis
LONG = 1000
#: fewer runs than this have no quantiles worth a band
FEWEST = 5
#: inches of width that a panel needs, and of height that it has; inches for all rows on a page
PANEL, HIGH, PAGE = 1.6, 1.35, 8.2


class Bands(NamedTuple):
    """Quantiles of the validation error over runs."""

    position: FloatArray
    #: one row a level of :data:`LEVELS`, infinite where that many runs are
    quantiles: FloatArray


def bands(curves: Sequence[Curve], *, log: bool) -> Bands:
    """Quantiles of the error over the runs still recorded, up to where half of them are."""
    ends = np.array([curve.epoch[-1] for curve in curves])
    start = min(curve.epoch[0] for curve in curves)
    # the last position at which at least half of the runs are recorded
    end = np.sort(ends)[::-1][(len(ends) + 1) // 2 - 1]
    space = np.geomspace if log and start > 0 else np.linspace
    position = space(start, end, POINTS if end > start else 1)
    # rounding must not put the ends outside the record
    position[0], position[-1] = start, end
    values = np.full((len(curves), len(position)), np.nan)
    for row, curve in zip(values, curves, strict=True):
        there = (position >= curve.epoch[0]) & (position <= curve.epoch[-1])
        last = np.searchsorted(curve.epoch, position[there], side="right") - 1
        row[there] = np.where(np.isnan(curve.val[last]), np.inf, curve.val[last])
    return Bands(position, np.array([_recorded_quantiles(column) for column in values.T]).T)


def _recorded_quantiles(column: FloatArray) -> FloatArray:
    recorded = column[~np.isnan(column)]
    # a level of the sample itself: between infinite ones there is nothing to interpolate
    return np.quantile(recorded, LEVELS, method="inverted_cdf")


def plot_gallery(curves: CurveSet, name: str) -> list[Axes]:
    """How the validation error of every problem's runs goes: one panel per problem.

    Parameters
    ----------
    curves : CurveSet
        Without a column ``problem``, all runs share one panel.
    name : str
        What the set is called in the title.

    Returns
    -------
    list of Axes
        One per problem, in the order of their names.

    Raises
    ------
    ValueError
        If no run has a validation curve.
    """
    if not curves.has("val"):
        raise ValueError(f"{name}: these runs have no validation curve (channel val)")
    problems = curves.meta["problem"].to_numpy() if curves.has("problem") else [name] * len(curves)
    groups: dict[str, list[Curve]] = {}
    for problem, curve in zip(problems, curves, strict=True):
        groups.setdefault(str(problem), []).append(curve)
    groups = dict(sorted(groups.items()))
    wide = plt.rcParams["figure.figsize"][0]
    columns = max(1, min(len(groups), int(wide / PANEL)))
    rows = -(-len(groups) // columns)
    # panels of many rows are lower, as low as their numbers have room
    lowest = 0.9 * max(1.0, small() / 6.5)
    high = min(max(HIGH, lowest) * rows, max(PAGE, lowest * rows)) + 0.8
    figure, axes = plt.subplots(
        rows,
        columns,
        figsize=(wide, high),
        squeeze=False,
        layout="constrained",
    )
    shared = _shared(list(groups))
    for ax, (problem, members) in zip(axes.flat, groups.items(), strict=False):
        plot_problem(members, ax)
        ax.set_title(
            _title(problem[shared:], len(members), per_line(wide / columns)), fontsize=small()
        )
    for ax in axes.flat[len(groups) :]:
        ax.axis("off")
    scales = {ax.get_yscale() for ax in axes.flat[: len(groups)]}
    label = "validation error"
    if scales != {"linear"}:
        label += ", logarithmic" + (" where positive" if len(scales) > 1 else "")
    figure.supylabel(fill(label, per_line(high - 0.8)))
    unit = curves.about("epoch").unit or "epoch or step as recorded"
    words = f"{unit.replace(', ', ' or ')}; bands end where fewer than half of the runs go on"
    title = f"{name}: {counted(len(curves), 'run')}"
    broad = wide > 5
    if beside := broad and len(title) < per_line(wide - 0.49 * plt.rcParams["font.size"]):
        figure.suptitle(title, x=0.01, ha="left")
    # else there is no room for the title beside the legend
    figure.supxlabel(fill(words if beside else f"{words}. {title}", per_line(wide)))
    place: Any = "outside upper right" if broad else "outside upper left"
    figure.legend(handles=_legend(), loc=place, ncols=4 if broad else 2)
    return list(axes.flat[: len(groups)])


def _title(problem: str, runs: int, length: int) -> str:
    """The name, broken after underscores and hyphens if it is long, and the number of runs."""
    *above, last = wrap(cut(problem, 3 * length).replace("_", "_ "), length) or [""]
    count = f"({counted(runs, 'run')})"
    ends = [f"{last} {count}"] if len(last) + len(count) < length else [last, count]
    return "\n".join([*above, *ends]).replace("_ ", "_")


def _shared(problems: Sequence[str]) -> int:
    """Length of the words, up to an underscore, with which all the problems' names begin."""
    same = 0
    for i, letters in enumerate(zip(*problems, strict=False)):
        if len(set(letters)) > 1:
            break
        same = i + 1 if letters[0] == "_" else same
    return same if len(problems) > 1 else 0


def plot_problem(curves: Sequence[Curve], ax: Axes) -> Axes:
    """The bands of one problem's runs, and ten of the runs."""
    long = float(np.median([len(curve.val) for curve in curves])) > LONG
    found = bands(curves, log=long)
    samples = [curves[i] for i in _spread(len(curves))]
    for curve in samples:
        alone = "." if len(curve.val) == 1 else None
        ax.plot(curve.epoch, curve.val, color="0.25", lw=0.6, alpha=0.7, marker=alone)
    if len(curves) >= FEWEST:
        _plot_bands(found, ax)
    _limit(ax, found, samples)
    if found.position[-1] == found.position[0]:
        # single checks: an axis of fractions of a step would say nothing
        ax.set_xticks(found.position[:1])
    elif long:
        ax.set_xscale("log")
        ax.xaxis.set_major_locator(LogLocator(numticks=5))
        ax.xaxis.set_minor_locator(LogLocator(subs="auto", numticks=5))
        ax.xaxis.set_minor_formatter(NullFormatter())
    else:
        ax.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    ax.xaxis.set_major_formatter(EngFormatter(sep=""))
    return ax


def _spread(runs: int) -> list[int]:
    chosen: list[int] = np.unique(np.linspace(0, runs - 1, SAMPLES).round().astype(int)).tolist()
    return chosen


def _plot_bands(found: Bands, ax: Axes) -> None:
    finite = np.isfinite(found.quantiles)
    # a quantile that is infinite leaves the panel at the top
    ceiling = 10 * np.max(np.abs(found.quantiles[finite]), initial=1.0)
    low, q1, median, q3, high = np.where(finite, found.quantiles, ceiling)
    ax.fill_between(found.position, low, high, color=_tone(), alpha=0.18, lw=0)
    ax.fill_between(found.position, q1, q3, color=_tone(), alpha=0.3, lw=0)
    ax.plot(found.position, median, color=_tone(), lw=1.6)


def _tone() -> str:
    """The colour of medians and bands."""
    return colour("GL") if not in_grey() else "0.3"


def _limit(ax: Axes, found: Bands, samples: Sequence[Curve]) -> None:
    """Show where the runs settle: high first checks and diverged runs leave the panel at the top.

    From the lowest error of the ten runs and the lowest band to the median after a tenth of the
    positions or the upper quartile of their second half, whichever is higher.
    """
    _, _, median, q3, _ = found.quantiles
    n = len(median)
    seen = np.concatenate([found.quantiles[0], *(curve.val for curve in samples)])
    upper = np.concatenate([median[n // 10 :], q3[n // 2 :]])
    seen, upper = seen[np.isfinite(seen)], upper[np.isfinite(upper)]
    if not len(seen) or not len(upper):
        return
    bottom, top = seen.min(), max(upper.max(), seen.min())
    if bottom <= 0:
        room = 0.05 * max(top - bottom, 1e-12)
        ax.set_ylim(bottom - room, top + 5 * room)
        return
    ratio = max(top / bottom, 1.05)
    ax.set_ylim(bottom / ratio**0.05, top * ratio**0.25)
    log_axis(ax, "y")
    if ratio > 1000:
        # steps of 1, 2 and 5 would not fit
        ax.yaxis.set_major_locator(LogLocator(numticks=6))


def _legend() -> list[Line2D | Patch]:
    return [
        Line2D([], [], color=_tone(), lw=1.6, label="median"),
        Patch(color=_tone(), alpha=0.45, lw=0, label="25% to 75%"),
        Patch(color=_tone(), alpha=0.18, lw=0, label="5% to 95%"),
        Line2D([], [], color="0.25", lw=0.6, label="single runs (up to ten)"),
    ]
