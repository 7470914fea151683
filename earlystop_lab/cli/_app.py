"""The table of commands, and the handling of user errors."""

import sys
from typing import Annotated

import typer

from earlystop_lab.cli import answers, curves, live, rules

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # paragraphs are wrapped to the width of the screen
    context_settings={"help_option_names": ["-h", "--help"]},
)
train = typer.Typer(no_args_is_help=True, help="Train networks and record their learning curves.")
app.add_typer(train, name="train")
corpus = typer.Typer(no_args_is_help=True, help="Read and describe corpora of learning curves.")
app.add_typer(corpus, name="corpus")
#: every command, in the order of the help
for group, name, command in (
    (app, "reproduce", answers.reproduce_command),
    (app, "replay", curves.replay_command),
    (app, "criteria", rules.criteria_command),
    (app, "check", rules.check_command),
    (app, "bench", rules.bench_command),
    (app, "import", curves.import_command),
    (app, "recommend", answers.recommend_command),
    (app, "survey", answers.survey_command),
    (app, "simulate", curves.simulate_command),
    (app, "watch", live.watch_command),
    (train, "proben1", curves.train_proben1),
    (corpus, "list", curves.corpus_list),
    (corpus, "info", curves.corpus_info),
    (corpus, "build", curves.corpus_build),
):
    group.command(name)(command)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        print(f"earlystop_lab {version('earlystop_lab')}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", callback=_version, is_eager=True, help="Show the version and exit."
        ),
    ] = False,
) -> None:
    """When should training stop? Replay stopping criteria over recorded learning curves."""


def main() -> None:
    """Run the command line; a user error is one message on stderr and exit code 2."""
    try:
        app(prog_name="earlystop")  # also for python -m
    except (ValueError, OSError, MemoryError) as error:
        print(f"earlystop: {_message(error)}", file=sys.stderr)
        sys.exit(2)


def _message(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return f"not enough memory for this command ({error})"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if "channels={" in str(error):  # which no option can give
        return (
            f"{error}; in Python: read_curves('in.parquet', channels=...).write('out.parquet'), "
            "then give that file to this command"
        )
    return str(error)
