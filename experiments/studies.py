"""What studies share: their tables in ``data/studies``, the corpora they look at, how they tell.

The table of a study has one row per number: ``where`` (a corpus, or a part of one), ``what``,
``value`` with its 95% interval ``low`` and ``high`` over clusters, the ``unit`` of these, their
number ``clusters``, and the number of ``runs``. Below 6 clusters there is no interval.
"""

import os
from collections.abc import Callable, Sequence
from functools import cache
from pathlib import Path
from textwrap import fill
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from numpy.typing import ArrayLike

from earlystop_lab import CurveSet, read_curves
from earlystop_lab._common.files import written_text
from earlystop_lab._common.wording import counted, percent, signed, spoken
from earlystop_lab.inference import cluster_means, intervals
from earlystop_lab.report.axes import log_axis
from earlystop_lab.report.style import look, per_line
from earlystop_lab.sources.corpora import read_corpus

ROOT = Path(__file__).resolve().parents[1]
STUDIES = ROOT / "data" / "studies"
CURVES = ROOT / "data" / "curves"
#: corpora of a checkout
RECORDED = ("prechelt1997", "prechelt1997-init005", "boosting", "modern-nets", "tabular-nets")
#: corpora that are not part of it, and the folder of each in EARLYSTOP_CORPORA
COPIES = {
    "algoperf": "algoperf",
    "gluon": "gluon_logs",
    "lcbench-surrogate": "lcbench_surrogate",
    "mlperf-losses": "mlperf",
    "mlperf-scores": "mlperf",
    "multi-power-law": "multi_power_law",
    "nanogpt-speedruns": "modded_nanogpt",
    "rl-evaluations": "rl_eval_curves",
    "taskset": "taskset",
}

Row = dict[str, Any]


class Study(NamedTuple):
    """A question, how it is looked into, and how the answer is told and drawn."""

    question: str
    #: makes the table from recorded corpora
    look: Callable[[], pd.DataFrame]
    #: the answer in a few sentences, from the table alone
    answer: Callable[[pd.DataFrame], str]
    draw: Callable[[pd.DataFrame], Figure]
    #: where the numbers come from: runs, what is averaged over, seeds
    basis: str
    #: processor time of table and figure, measured in a run of all questions
    takes: str


# -- tables --------------------------------------------------------------------------------


def written_csv(path: Path, table: pd.DataFrame) -> None:
    """Write a table with six digits, all or nothing."""
    text: str = table.to_csv(index=False, float_format="%.6g", lineterminator="\n")
    written_text(path, text)


def study(name: str) -> pd.DataFrame:
    """A table of ``data/studies``."""
    return pd.read_csv(STUDIES / f"{name}.csv")


def row(
    where: str,
    what: str,
    values: ArrayLike,
    clusters: pd.Index,
    *,
    log: bool = False,
    within: tuple[float, float] = (-np.inf, np.inf),
) -> Row:
    """The mean over clusters of the means over their runs, with its interval, as a row.

    With ``log`` the values are logarithms and the row has exp(mean) - 1. ``within`` are the least
    and the largest possible value: an interval ends there.

    >>> clusters = pd.Index(["a", "a", "b"], name="dataset")
    >>> found = row("nets", "time", [1.0, 3.0, 4.0], clusters)
    >>> float(found["value"]), int(found["clusters"]), found["runs"]
    (3.0, 2, 3)
    """
    means = cluster_means(pd.DataFrame({"value": np.asarray(values, float)}), clusters)
    found = intervals(means).iloc[0]
    ends = found[["estimate", "low", "high"]].to_numpy(float)
    value, low, high = np.expm1(ends) if log else ends
    return {
        "where": where,
        "what": what,
        "value": value,
        "low": max(low, within[0]),
        "high": min(high, within[1]),
        "unit": found["unit"],
        "clusters": found["clusters"],
        "runs": len(np.asarray(values)),
    }


def sets_above(where: str, what: str, values: ArrayLike, clusters: pd.Index) -> Row:
    """In how many clusters the mean is above 0: a row whose value is that number.

    >>> sets_above("nets", "slower", [1.0, -3.0, 4.0], pd.Index(["a", "a", "b"]))["value"]
    1
    """
    means = cluster_means(pd.DataFrame({"value": np.asarray(values, float)}), clusters)
    found = row(where, what, values, clusters) | {"low": np.nan, "high": np.nan}
    return found | {"value": int((means["value"] > 0).sum())}


# -- corpora -------------------------------------------------------------------------------


def copy_of(name: str) -> Path:
    """The folder with the copy of a corpus; ``FileNotFoundError`` if there is none."""
    place = os.environ.get("EARLYSTOP_CORPORA")
    folder = Path(place or "", COPIES.get(name, name))
    if place is None or not folder.is_dir():
        raise FileNotFoundError(
            f"{name} is not part of a checkout: set EARLYSTOP_CORPORA to a folder with a copy in "
            f"{folder.name}/"
        )
    return folder


def corpus(name: str) -> CurveSet:
    """A corpus by its name, read once; ``FileNotFoundError`` if it is not there."""
    return _read(name, CURVES / name if name in RECORDED else copy_of(name))


@cache
def _read(name: str, folder: Path) -> CurveSet:
    return read_curves(folder) if name in RECORDED else read_corpus(name, folder).curves


# -- telling -------------------------------------------------------------------------------

#: how numbers of each kind are written
WRITTEN: dict[str, Callable[[float], str]] = {
    "share": percent,
    "change": signed,
    "factor": lambda x: f"{x:.2g}" if x < 100 else f"{x:.0f}",
    "number": lambda x: f"{x:.3g}",
    "points": lambda x: f"{100 * x:+.2g}",
}


def at(table: pd.DataFrame, where: str, what: str) -> pd.Series:
    """The row of a table; ``KeyError`` if there is none or several."""
    found = table[(table["where"] == where) & (table["what"] == what)]
    if len(found) != 1:
        raise KeyError(f"{where!r}, {what!r}: {len(found)} rows")
    return found.iloc[0]


def told(table: pd.DataFrame, where: str, what: str, kind: str = "share") -> str:
    """A value in words, with its interval in brackets or the reason why there is none.

    >>> row = {"where": "nets", "what": "lost", "value": 0.02, "low": 0.01, "high": 0.03}
    >>> told(pd.DataFrame([row | {"unit": "dataset", "clusters": 8}]), "nets", "lost")
    '2% (1% to 3%)'
    """
    found, write = at(table, where, what), WRITTEN[kind]
    if np.isnan(found["low"]):
        number = counted(int(found["clusters"]), spoken(found["unit"]))
        return f"{write(found['value'])} ({number}, no interval)"
    if np.isinf(found["high"]) and np.isinf(found["low"]):
        return f"{write(found['value'])} (too few {spoken(found['unit'])}s differ for an interval)"
    return f"{write(found['value'])} ({write(found['low'])} to {write(found['high'])})"


def value(table: pd.DataFrame, where: str, what: str, kind: str = "share") -> str:
    """A value in words without its interval, where a sentence has several."""
    return WRITTEN[kind](float(at(table, where, what)["value"]))


def excludes(table: pd.DataFrame, where: str, what: str, neutral: float = 0) -> bool:
    """Whether the interval of a row is known and does not contain ``neutral``."""
    found = at(table, where, what)
    return bool(found["low"] > neutral or found["high"] < neutral)


def out_of(table: pd.DataFrame, where: str, what: str) -> str:
    """The number of clusters of :func:`sets_above` in words: "12 of 13 data sets"."""
    found = at(table, where, what)
    return f"{found['value']:.0f} of {counted(int(found['clusters']), spoken(found['unit']))}"


def draw_estimates(
    table: pd.DataFrame, panels: dict[str, tuple[str, str]], *, wide: Sequence[float] | None = None
) -> Figure:
    """A panel per ``what``, named by a label and a kind of :data:`WRITTEN`: estimates, intervals.

    One row per ``where``, the first at the top. Factors have a logarithmic axis. A row without
    interval is a hollow point; an interval that goes on beyond the axis ends in an arrow.
    """
    names = list(dict.fromkeys(table["where"]))
    width, colour = plt.rcParams["figure.figsize"][0], look("GL").colour
    figure, axes = plt.subplots(
        1,
        len(panels),
        figsize=(width, 0.19 * len(names) + 0.85),
        sharey=True,
        squeeze=False,
        layout="constrained",
        width_ratios=wide,
    )
    for ax, (what, (label, kind)) in zip(axes[0], panels.items(), strict=True):
        part = table[table["what"] == what].set_index("where").reindex(names)
        y, x = np.arange(len(names)), part["value"].to_numpy(float)
        # an unbounded interval says as little as none
        known = np.isfinite(part[["low", "high"]]).all(axis=1).to_numpy()
        neutral = 1.0 if kind == "factor" else 0.0
        shown = np.append(x[~np.isnan(x)], neutral)
        room = 1.2 * np.ptp(shown)
        first, last = shown.min() - room, shown.max() + room
        if kind == "factor":
            room = 1.2 * np.ptp(np.log(shown))
            first, last = shown.min() / np.exp(room), shown.max() * np.exp(room)
        low, high = (part[end].to_numpy(float).clip(first, last) for end in ("low", "high"))
        ax.axvline(neutral, color="0.8", lw=0.6, zorder=0)
        ax.hlines(y[known], low[known], high[known], color=colour, lw=1)
        for end, at_end, mark in ((low, first, "<"), (high, last, ">")):
            cut = known & (end == at_end)
            ax.plot(end[cut], y[cut], mark, color=colour, ms=3)
        ax.plot(x[known], y[known], "o", color=colour, ms=3.5)
        ax.plot(x[~known], y[~known], "o", color=colour, ms=3.5, mfc="white")
        ax.set_xlabel(fill(label, per_line(0.8 * width / len(panels))))
        if kind == "factor":
            log_axis(ax, "x")
        elif kind in ("share", "change"):
            ax.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{100 * v:.3g}%"))
        ax.set_yticks(y, names)
        ax.tick_params(axis="y", length=0)
    axes[0, 0].set_ylim(len(names) - 0.5, -0.5)
    return figure
