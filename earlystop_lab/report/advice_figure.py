"""The picture of a recommendation: what every rule costs and takes, and where the goal is."""

import io
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from earlystop_lab._common.files import written_whole
from earlystop_lab.report.axes import colour, family, log_axis, percent
from earlystop_lab.report.messages import ERRORS, said
from earlystop_lab.studies.recommendation import Advice, GoalKind, Recommendation

#: the endings of pictures, and what would make their bytes differ from day to day
FORMATS = {
    ".png": {"Software": None},
    ".pdf": {"CreationDate": None},
    ".svg": {"Date": None},
}


def draw_recommendation(answer: Recommendation) -> Figure:
    """Loss against the share of the run that is trained, with limits; the advice is marked.

    Parameters
    ----------
    answer : Recommendation
        With at least one piece of advice.

    Returns
    -------
    Figure

    Raises
    ------
    ValueError
        If nothing was recommended, so that there is nothing to draw.
    """
    given = [each for each in answer.advice if isinstance(each, Advice)]
    if not given:
        raise ValueError("nothing was recommended, so there is no picture; leave out --out")
    price, table = given[0].price, answer.front
    scale = 1 if price.absolute else 100
    figure, ax = plt.subplots(figsize=(8, 5), layout="constrained")
    for name, part in table.groupby(table["criterion"].map(family), sort=False):
        x, y = 1 - part["saved"], scale * part["loss"]
        high = part["loss_high"].where(np.isfinite(part["loss_high"]), part["loss"])
        reach = scale * np.array([part["loss"] - part["loss_low"], high - part["loss"]])
        ax.errorbar(x, y, reach, fmt="o", ms=4, lw=0.8, alpha=0.7, color=colour(name), label=name)
    for each in given:
        ax.plot(
            1 - each.saved.mean, scale * each.loss.mean, "*", ms=16, color="black", zorder=4,
            label=f"{each.criterion}: {said(each.goal.kind, each.goal._asdict())}",
        )  # fmt: skip
        if each.goal.kind in (GoalKind.LOSS, GoalKind.ABSOLUTE):
            ax.axhline(scale * each.goal.limit, color="black", lw=0.8, ls="--")
    most = max(2 * scale * max(each.loss.mean, each.goal.limit if each.goal.kind in (
        GoalKind.LOSS, GoalKind.ABSOLUTE) else 0, 1 / scale) for each in given)  # fmt: skip
    lowest = float(scale * table["loss"].min())
    ax.set_ylim(min(-most / 2, 1.2 * lowest), 2 * most)
    log_axis(ax, "x")
    ax.xaxis.set_major_formatter(FuncFormatter(percent))
    unit = "" if price.absolute else ", %"
    ax.set(xlabel="share of the run that is trained", ylabel=f"{ERRORS[price.error]} loss{unit}")
    ax.set_title(said(f"verdict.{answer.verdict}", {}), fontsize="medium")
    ax.legend(fontsize="small")
    return figure


def save_picture(figure: Figure, path: Path) -> None:
    """Write a figure in the format of the name of the file, always with the same bytes."""
    drawn = io.BytesIO()
    with plt.rc_context({"svg.hashsalt": "earlystop"}):
        figure.savefig(drawn, format=path.suffix[1:], dpi=150, metadata=FORMATS[path.suffix])
    plt.close(figure)
    with written_whole(path) as temporary:
        temporary.write_bytes(drawn.getvalue())
