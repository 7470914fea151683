"""The comparison as a figure for a paper."""

from __future__ import annotations

from typing import TYPE_CHECKING

from earlystop_lab.report.comparison import SHOWN, numbers_of
from earlystop_lab.report.messages import worded
from earlystop_lab.studies.comparison import Bench

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def fronts(bench: Bench) -> Figure:
    """A panel a corpus: regret against time of the new rule, with its band, and of known ones."""
    from matplotlib.figure import Figure  # slow to import

    from earlystop_lab.report.axes import plot_front

    # not pyplot's: nobody has to close it
    figure = Figure(figsize=(5.2 * len(bench.corpora), 4.2), layout="constrained")
    axes = figure.subplots(1, len(bench.corpora), squeeze=False)
    for ax, found in zip(axes[0], bench.corpora, strict=True):
        plot_front(found.front, ax, rules=(bench.rule, *SHOWN), bands=(bench.rule,))
        title = "{corpus}: {error:error} error, {clusters} {unit}s"
        ax.set_title(worded(title, numbers_of(found)), fontsize="medium")
    return figure
