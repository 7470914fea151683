"""Commands that draw figures: one kind of figure each."""

import sys
from collections.abc import Callable, Sequence
from functools import wraps
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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


def figure(command: Callable[..., "Sequence[Axes]"]) -> Callable[..., None]:
    """A command that writes the figure of the axes, with the options that all figures have.

    The axes are made in the style and width that are asked for, by a command that imports what
    draws them only when it is called.
    """

    @wraps(command)
    def drawing(*, out: Path, width: str, style: str, **given: Any) -> None:
        ending(out, ".pdf", ".png", ".svg")
        import matplotlib

        matplotlib.use("agg")
        from earlystop_lab.report.style import drawn, save

        with drawn(style, width):  # type: ignore[arg-type]
            made = command(**given)[0].get_figure(root=True)
            assert made is not None
            save(made, out)
        say(str(out))

    shared = {"out": (Out, Parameter.empty), "width": (Width, "page"), "style": (Look, "paper")}
    option = Parameter.KEYWORD_ONLY
    drawing.__signature__ = Signature(  # type: ignore[attr-defined]
        [
            *(each.replace(kind=option) for each in signature(command).parameters.values()),
            *(
                Parameter(name, option, annotation=type_, default=default)
                for name, (type_, default) in shared.items()
            ),
        ]
    )
    # typer would look up the names in these, one of which is there for type checkers only
    drawing.__annotations__ = {}
    return drawing


@figure
def plot_run_command(
    paths: Curves,
    criteria: Annotated[
        list[str],
        typer.Option("-c", "--criterion", help="A criterion such as 'GL(5)'; repeatable."),
    ],
    run: Annotated[
        str | None, typer.Option(help="The run to draw, by its name; by default the first.")
    ] = None,
) -> "Sequence[Axes]":
    """One run: its errors, where criteria stop it, and the statistics and thresholds that did.

    For example: earlystop plot run my_log.csv -c "GL(5)" -o run.pdf
    """
    from earlystop_lab.report.plots import plot_run

    return plot_run(_run(curves_or_logs(paths), run), criteria)


@figure
def plot_tradeoff_command(
    paths: Curves,
    criteria: Criteria = None,
    reference: Annotated[
        str | None,
        typer.Option(help="The criterion that others are relative to; by default GL(2)."),
    ] = None,
) -> "Sequence[Axes]":
    """Training time against test error of criteria, relative to one of them, with intervals."""
    from earlystop_lab.report.plots import USUAL, plot_tradeoff_of

    return [plot_tradeoff_of(curves_or_logs(paths), criteria or USUAL, reference=reference)]


@figure
def plot_front_command(paths: Curves, rules: Rules = None) -> "Sequence[Axes]":
    """Regret against training time of rules over all their thresholds, with bands."""
    from earlystop_lab.report.plots import RULES, plot_front_of

    return [plot_front_of(curves_or_logs(paths), rules or RULES)]


@figure
def plot_profiles_command(paths: Curves, criteria: Criteria = None) -> "Sequence[Axes]":
    """Share of runs that end near their own lowest error: by how near, and by when."""
    from earlystop_lab.report.plots import PROFILED, plot_profiles

    return plot_profiles(curves_or_logs(paths), criteria or PROFILED)


@figure
def plot_ranks_command(paths: Curves, rules: Rules = None) -> "Sequence[Axes]":
    """Mean rank of rules by regret where they take the same time, with intervals."""
    from earlystop_lab.report.plots import RULES, plot_ranks_of

    return [plot_ranks_of(curves_or_logs(paths), rules or RULES)]


@figure
def plot_calibration_command(
    paths: Curves,
    rule: Annotated[
        str, typer.Option("-c", "--criterion", help="The rule whose threshold is calibrated.")
    ] = "Keras",
    at_most: Annotated[str, typer.Option(help="Limit of the mean loss of new runs.")] = "2%",
) -> "Sequence[Axes]":
    """Mean loss and its bound at every threshold of a rule; the calibrated one is marked."""
    from earlystop_lab.report.plots import families, plot_calibration

    curves = curves_or_logs(paths)
    (family,) = families([rule]).values()
    return [plot_calibration(curves, es.calibrate(curves, family, share("--at-most", at_most)))]


@figure
def plot_gallery_command(paths: Curves) -> "Sequence[Axes]":
    """The validation errors of all runs: one panel per problem, with median and quantiles."""
    from earlystop_lab.report.plots import plot_gallery

    path = paths[0].resolve()
    return plot_gallery(curves_or_logs(paths), path.stem if path.is_file() else path.name)


def _run(curves: "CurveSet", name: str | None) -> "Curve":
    """The run of that name, or the first; says on stderr if there are others."""
    if name is not None:
        return curves[curves.runs.index(one_of("--run", name, curves.runs))]
    if len(curves) > 1:
        others = listed(curves.runs[1:], 4)
        say(f"drawing run {curves.runs[0]!r}; choose with --run: {others}", to=sys.stderr)
    return curves[0]
