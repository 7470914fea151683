"""The table of commands, and the handling of user errors."""

import errno
import io
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from earlystop_lab._common.progress import progress_shown
from earlystop_lab._common.terminal import flush, say
from earlystop_lab._common.wording import visible
from earlystop_lab.cli import answers, cache, curves, live, plot, pruning, rules

#: whichever library typer parses with
_UsageError: Any = typer.BadParameter.__base__


class _Group(TyperGroup):
    """Commands whose usage errors show the words of the user as text."""

    def make_context(self, *args: Any, **kwargs: Any) -> Any:
        with _visible_errors():
            return super().make_context(*args, **kwargs)

    def invoke(self, ctx: Any) -> Any:
        with _visible_errors():
            return super().invoke(ctx)


@contextmanager
def _visible_errors() -> Iterator[None]:
    try:
        yield
    except _UsageError as error:
        error.message = visible(error.message)
        raise


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # paragraphs are wrapped to the width of the screen
    context_settings={"help_option_names": ["-h", "--help"]},
)
train = typer.Typer(no_args_is_help=True, help="Train networks and record their learning curves.")
app.add_typer(train, name="train")
corpus = typer.Typer(no_args_is_help=True, help="Read and describe corpora of learning curves.")
app.add_typer(corpus, name="corpus")
figures = typer.Typer(no_args_is_help=True, help="Draw figures for papers, one kind each.")
app.add_typer(figures, name="plot")
#: every command, in the order of the help
for group, name, command in (
    (app, "reproduce", answers.reproduce_command),
    (app, "replay", curves.replay_command),
    (app, "criteria", rules.criteria_command),
    (app, "check", rules.check_command),
    (app, "bench", rules.bench_command),
    (app, "cache", cache.cache_command),
    (app, "import", curves.import_command),
    (app, "recommend", answers.recommend_command),
    (app, "calibrate", answers.calibrate_command),
    (app, "survey", answers.survey_command),
    (app, "prune", pruning.prune_command),
    (app, "simulate", curves.simulate_command),
    (app, "watch", live.watch_command),
    (figures, "run", plot.plot_run_command),
    (figures, "tradeoff", plot.plot_tradeoff_command),
    (figures, "front", plot.plot_front_command),
    (figures, "profiles", plot.plot_profiles_command),
    (figures, "ranks", plot.plot_ranks_command),
    (figures, "calibration", plot.plot_calibration_command),
    (figures, "gallery", plot.plot_gallery_command),
    (train, "proben1", curves.train_proben1),
    (corpus, "list", curves.corpus_list),
    (corpus, "info", curves.corpus_info),
    (corpus, "build", curves.corpus_build),
):
    group.command(name)(command)


_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def _version(asked: bool) -> None:
    if asked:
        from importlib.metadata import version

        say(f"earlystop_lab {version('earlystop_lab')}")
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
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # as stderr is
    try:
        try:
            with progress_shown(sys.stderr.isatty()):
                app(prog_name="earlystop")  # also for python -m
        finally:
            flush()
    except Exception as error:
        # Arrow's exceptions are of many types
        users = isinstance(error, (ValueError, OSError, MemoryError))
        if not users and not type(error).__module__.startswith("pyarrow"):
            raise
        first, *more = _message(error).split("\n")
        # indented, so that no line of a message looks like another one
        say(f"earlystop: {first}", *(f"  {line}" for line in more), to=sys.stderr)
        sys.exit(2)


def _message(error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return f"not enough memory for this command ({error})"
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    if isinstance(error, OSError) and error.errno in _FULL:  # of a file, its name is known
        return f"standard output: {error.strerror}"
    if "channels={" in str(error):  # which no option can give
        return (
            f"{error}; in Python: read_curves('in.parquet', channels=...).write('out.parquet'), "
            "then give that file to this command"
        )
    return str(error)
