"""The command that replays a search: what rules save that stop some runs for the sake of others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import earlystop_lab as es
from earlystop_lab._common.wording import counted
from earlystop_lab.cli._given import Json, TableOut, ending, show
from earlystop_lab.cli.curves import curves_or_logs

if TYPE_CHECKING:
    import pandas as pd


def prune_command(
    paths: Annotated[
        list[Path], typer.Argument(help="A curve set, or training logs or folders of logs.")
    ],
    criteria: Annotated[
        list[str],
        typer.Option(
            "-c",
            "--criterion",
            help="A rule such as 'SyneTuneASHA(3, workers=4)' or 'Keras(10)'; repeatable.",
        ),
    ],
    orders: Annotated[
        int, typer.Option(min=1, help="Number of random orders in which the runs arrive.")
    ] = 20,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the orders.")] = 0,
    out: TableOut = None,
    json: Json = False,
) -> None:
    """Replay rules that see other runs: what each saves, and how often it stops the best run.

    The runs of a problem are one search, trained by as many workers as a rule names, by default all
    at once.
    """
    from earlystop_lab.report import as_csv, as_json

    ending(out, ".csv", ".json", ".txt")
    found = es.prune(curves_or_logs(paths), criteria, orders=orders, seed=seed)
    show(
        lambda: _in_words(found),
        lambda: as_json(found),
        json=json,
        out=out,
        forms={".csv": lambda: as_csv(found)},
    )


def _in_words(found: pd.DataFrame) -> str:
    """The table, and what its numbers are over."""
    runs, problems = (int(found[name].iloc[0]) for name in ("runs", "problems"))
    shown = found.drop(columns=["problems", "runs"])
    if found["killed"].isna().any():
        unknown = "; killed, loss and regret are NaN, as no run has a validation error"
    elif found["regret"].isna().any():
        unknown = "; regret is NaN, as the lowest error of a search is not above 0"
    else:
        unknown = ""
    return (
        f"{shown.to_string(index=False, float_format='{:.4g}'.format)}\n"
        f"{counted(runs, 'run')} of {counted(problems, 'problem')}, each "
        "of which is one search; saved is the share of all training that is not done, killed the "
        "share of searches in which the best run is stopped before its lowest validation error, "
        f"loss and regret what that costs on average{unknown}"
    )
