"""Every figure of ``figures/``, drawn from committed data.

    python -m experiments.figures [NAME ...]

draws the figures of that name, by default all, as wide as a page. Galleries are made from
``data/curves``, the others from the tables in ``data/studies`` that the experiments write. The
figures of the 1997 study are those of ``earlystop reproduce``. Galleries of corpora that are not
part of a checkout need a folder with their copies in EARLYSTOP_CORPORA; without it they are left as
they are.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

from earlystop_lab.report.plots import drawn, plot_gallery, save
from experiments import calibration, front, guesses, interval_coverage, simulated_curves
from experiments.answers import QUESTIONS
from experiments.studies import RECORDED, ROOT, corpus, study

FIGURES = ROOT / "figures"
#: corpora that are not part of a checkout and have a gallery
ELSEWHERE = ("algoperf", "taskset")


def tables(*names: str) -> dict[str, pd.DataFrame]:
    return {name: study(name) for name in names}


def of_calibration() -> Figure:
    return calibration.draw(tables("calibration", "calibration_tests", "calibration_broken"))


def of_coverage() -> Figure:
    return interval_coverage.draw(tables("coverage", "coverage_pairs", "coverage_tests"))


def of_question(name: str) -> Figure:
    return QUESTIONS[name].draw(study(name))


def gallery(name: str) -> Figure:
    """A panel a problem; ``FileNotFoundError`` if the corpus is not there."""
    axes = plot_gallery(corpus(name), name)
    figure = axes[0].get_figure(root=True)
    assert figure is not None
    return figure


DRAWN: dict[str, Callable[[], Figure]] = {
    "front": lambda: front.draw_fronts(
        study("front"), study("front_bounds"), study("front_shares")
    ),
    "profiles": lambda: front.draw_profiles(study("profiles")),
    "calibration": of_calibration,
    "coverage": of_coverage,
    "simulated_curves": lambda: simulated_curves.draw(study("simulated_curves")),
    **{name: partial(of_question, name) for name in QUESTIONS},
    "guesses": lambda: guesses.draw(study("guesses")),
    **{f"gallery-{name}": partial(gallery, name) for name in (*RECORDED, *ELSEWHERE)},
}


def figure(name: str) -> Figure:
    """One of the figures, in the style of the paper."""
    with drawn("paper", "page"):
        return DRAWN[name]()


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Draw the figures of the repository.")
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(DRAWN))
    parser.add_argument("--out", type=Path, default=FIGURES, help="folder for the figures")
    asked = parser.parse_args(arguments)
    if unknown := sorted({*asked.names} - {*DRAWN}):
        parser.error(f"no figure {', '.join(unknown)}; expected some of {', '.join(DRAWN)}")
    matplotlib.use("agg")
    for name in asked.names or DRAWN:
        try:
            made = figure(name)
        except FileNotFoundError as error:
            print(f"{name}: left as it is: {error}")
            continue
        # as PDF, the thousands of lines of a gallery would take megabytes; questions are for pages
        pixels = name.startswith("gallery-") or name in (*QUESTIONS, "guesses")
        paths = [f"{name}.png"] if pixels else [name]
        with drawn("paper", "page"):  # ticks are placed when it is written
            print(*save(made, *(asked.out / path for path in paths)), sep="\n")


if __name__ == "__main__":
    main()
