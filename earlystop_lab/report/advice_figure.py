"""The picture of a recommendation: what every rule costs and takes, and where the goal is."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from earlystop_lab.report.axes import log_axis, percent
from earlystop_lab.report.messages import ERRORS, said
from earlystop_lab.report.style import family, look
from earlystop_lab.studies.recommendation import Advice, GoalKind, Recommendation


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
    figure, ax = plt.subplots(layout="constrained")
    for name, part in table.groupby(table["criterion"].map(family), sort=False):
        x, y = 1 - part["saved"], scale * part["loss"]
        high = part["loss_high"].where(np.isfinite(part["loss_high"]), part["loss"])
        reach = scale * np.array([part["loss"] - part["loss_low"], high - part["loss"]])
        seen = look(name)
        ax.errorbar(
            x, y, reach, label=name, fmt=seen.marker, color=seen.colour, ms=3.5, lw=0.7, alpha=0.7
        )
    for each in given:
        ax.plot(
            1 - each.saved.mean, scale * each.loss.mean, "*", ms=12, color="black", zorder=4,
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
    ax.set(
        xlabel="training time, share of the whole run", ylabel=f"{ERRORS[price.error]} loss{unit}"
    )
    ax.set_title(said(f"verdict.{answer.verdict}", {}))
    ax.legend()
    return figure
