"""Commands that draw figures: one kind of figure each."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import earlystop_lab as es
from earlystop_lab._common.checks import one_of
from earlystop_lab._common.terminal import say
from earlystop_lab._common.wording import listed
from earlystop_lab.cli._given import ending, share
from earlystop_lab.cli.curves import curves_or_logs

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from earlystop_lab.curves import Curve, CurveSet

Curves = Annotated[
    list[Path],
    typer.Argument(metavar="CURVES", help="A curve set, or training logs or folders of logs."),
]
Out = Annotated[
    Path, typer.Option("-o", "--out", help="The figure: a file ending in .pdf, .png or .svg.")
]
Width = Annotated[
    str,
    typer.Option(help="Width as printed: column (3.25 inches), page (6.75) or a number of inches."),
]
Look = Annotated[
    str,
    typer.Option(help="paper (text of 6.5 to 7.5 points), screen (larger text), or grey."),
]
Criteria = Annotated[
    list[str] | None,
    typer.Option(
        "-c", "--criterion", help="A criterion such as 'GL(2)' or 'Keras(10)'; repeatable."
    ),
]
Rules = Annotated[
    list[str] | None,
    typer.Option(
        "-c",
        "--criterion",
        help="A rule that is swept over its thresholds: a family such as Keras, or a criterion "
        "such as 'GL(1, k=1)' whose parameters are kept; repeatable.",
    ),
]


def plot_run_command(
    paths: Curves,
    criteria: Annotated[
        list[str],
        typer.Option("-c", "--criterion", help="A criterion such as 'GL(5)'; repeatable."),
    ],
    out: Out,
    run: Annotated[
        str | None, typer.Option(help="The run to draw, by its name; by default the first.")
    ] = None,
    width: Width = "page",
    style: Look = "paper",
) -> None:
    """One run: its errors, where criteria stop it, and the statistics and thresholds that did.

    For example: earlystop plot run my_log.csv -c "GL(5)" -o run.pdf
    """
    with _figure(out, style, width) as axes:
        from earlystop_lab.report.plots import plot_run

        axes += plot_run(_run(curves_or_logs(paths), run), criteria)


def plot_tradeoff_command(
    paths: Curves,
    out: Out,
    criteria: Criteria = None,
    reference: Annotated[
        str | None,
        typer.Option(help="The criterion that others are relative to; by default GL(2)."),
    ] = None,
    width: Width = "page",
    style: Look = "paper",
) -> None:
    """Training time against test error of criteria, relative to one of them, with intervals."""
    with _figure(out, style, width) as axes:
        from earlystop_lab.report.plots import USUAL, plot_tradeoff_of

        curves = curves_or_logs(paths)
        axes.append(plot_tradeoff_of(curves, criteria or USUAL, reference=reference))


def plot_front_command(
    paths: Curves,
    out: Out,
    rules: Rules = None,
    width: Width = "page",
    style: Look = "paper",
) -> None:
    """Regret against training time of rules over all their thresholds, with bands."""
    with _figure(out, style, width) as axes:
        from earlystop_lab.report.plots import RULES, plot_front_of

        axes.append(plot_front_of(curves_or_logs(paths), rules or RULES))


def plot_profiles_command(
    paths: Curves,
    out: Out,
    criteria: Criteria = None,
    width: Width = "page",
    style: Look = "paper",
) -> None:
    """Share of runs that end near their own lowest error: by how near, and by when."""
    with _figure(out, style, width) as axes:
        from earlystop_lab.report.plots import PROFILED, plot_profiles

        axes += plot_profiles(curves_or_logs(paths), criteria or PROFILED)


def plot_ranks_command(
    paths: Curves,
    out: Out,
    rules: Rules = None,
    width: Width = "page",
    style: Look = "paper",
) -> None:
    """Mean rank of rules by regret where they take the same time, with intervals."""
    with _figure(out, style, width) as axes:
        from earlystop_lab.report.plots import RULES, plot_ranks_of

        axes.append(plot_ranks_of(curves_or_logs(paths), rules or RULES))


def plot_calibration_command(
    paths: Curves,
    out: Out,
    rule: Annotated[
        str, typer.Option("-c", "--criterion", help="The rule whose threshold is calibrated.")
    ] = "Keras",
    at_most: Annotated[str, typer.Option(help="The mean loss of a new run.")] = "2%",
    width: Width = "page",
    style: Look = "paper",
) -> None:
    """Mean loss and its bound at every threshold of a rule; the calibrated one is marked."""
    with _figure(out, style, width) as axes:
        from earlystop_lab.report.plots import families, plot_calibration

        curves = curves_or_logs(paths)
        (family,) = families([rule]).values()
        found = es.calibrate(curves, family, share("--at-most", at_most))
        axes.append(plot_calibration(curves, found))


def plot_gallery_command(
    paths: Curves,
    out: Out,
    width: Width = "page",
    style: Look = "paper",
) -> None:
    """The validation errors of all runs: one panel per problem, with median and quantiles."""
    with _figure(out, style, width) as axes:
        from earlystop_lab.report.plots import plot_gallery

        path = paths[0].resolve()
        name = path.stem if path.is_file() else path.name
        axes += plot_gallery(curves_or_logs(paths), name)


@contextmanager
def _figure(out: Path, style: str, width: str) -> Iterator[list[Axes]]:
    """Axes are made inside, in the style; afterwards their figure is written."""
    ending(out, ".pdf", ".png", ".svg")
    import matplotlib

    matplotlib.use("agg")
    from earlystop_lab.report.style import drawn, save

    axes: list[Axes] = []
    with drawn(style, width):  # type: ignore[arg-type]
        yield axes
        figure = axes[0].get_figure(root=True)
        assert figure is not None
        save(figure, out)
    say(str(out))


def _run(curves: CurveSet, name: str | None) -> Curve:
    """The run of that name, or the first; says on stderr if there are others."""
    import sys

    if name is not None:
        return curves[curves.runs.index(one_of("--run", name, curves.runs))]
    if len(curves) > 1:
        others = listed(curves.runs[1:], 4)
        say(f"drawing run {curves.runs[0]!r}; choose with --run: {others}", to=sys.stderr)
    return curves[0]
