"""Commands that make, describe and replay curve sets."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import earlystop_lab as es
from earlystop_lab._common.checks import one_of
from earlystop_lab._common.progress import progress_shown
from earlystop_lab._common.terminal import say
from earlystop_lab._common.wording import counted, listed
from earlystop_lab.cli._given import (
    Jobs,
    Json,
    Out,
    assignment,
    ending,
    layers,
    matching,
    names,
    show,
)

if TYPE_CHECKING:
    from earlystop_lab.curves import CurveSet
    from earlystop_lab.sources.logs import LogImport


def replay_command(
    curves: Annotated[
        Path,
        typer.Argument(
            help="A curve set (see earlystop import) or training logs: a file or a folder."
        ),
    ],
    criteria: Annotated[
        list[str],
        typer.Option(
            "-c", "--criterion", help="A criterion such as 'GL(2)' or 'Keras(10)'; repeatable."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="Write the stops to this .parquet or .csv file."),
    ] = None,
    restore: Annotated[
        str,
        typer.Option(
            help="Which weights to keep: best (of the lowest error at the checks that the rule "
            "sees), lowest (at any check), last, own (as the rule's library does) or "
            "ModelCheckpoint(...)."
        ),
    ] = "best",
    select: Annotated[
        str | None,
        typer.Option(
            help="Channel whose lowest error --restore best or lowest keeps; by default val."
        ),
    ] = None,
    n_jobs: Jobs = 1,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Address of a Dask scheduler, for example tcp://host:8786."),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="Show no progress bar.")] = False,
    json: Json = False,
) -> None:
    """Find where each criterion would have stopped each run.

    With --out, you can rerun the same command to resume after an interruption.
    """
    from earlystop_lab.engine.into_files import replay_to_file
    from earlystop_lab.report import as_json

    ending(out, ".parquet", ".csv")
    if json and out is not None:
        raise ValueError("--json prints the stops; give it without --out")
    shown = progress_shown(sys.stderr.isatty() and not quiet)
    with shown, _workers(scheduler) as jobs, _as_curves(curves) as source:
        options = {"restore": restore, "select": select, "n_jobs": jobs or n_jobs}
        if out is None:
            stops = es.replay(source.resolve() if scheduler else source, criteria, **options)  # type: ignore[arg-type]
            frame = stops.to_frame()
            show(lambda: frame.to_string(max_rows=40), lambda: as_json(frame), json=json)
            return
        try:
            rows = replay_to_file(source, criteria, out, **options)  # type: ignore[arg-type]
        except KeyboardInterrupt:
            say("earlystop: interrupted; rerun the same command to resume", to=sys.stderr)
            raise typer.Exit(130) from None
    say(f"{out}: {rows} stops")


@contextmanager
def _as_curves(path: Path) -> Iterator[Path]:
    """The file or folder of a curve set; for logs, that of a temporary one made of them."""
    from tempfile import TemporaryDirectory

    from earlystop_lab.curves import is_curves

    path = named(path)
    if is_curves(path) or not path.exists():
        yield path
        return
    with TemporaryDirectory() as folder:
        made = Path(folder) / "curves.arrow"
        curves_or_logs([path]).write(made)
        yield made


@contextmanager
def _workers(scheduler: str | None) -> Iterator[int | None]:
    """Send the parallel work to a Dask scheduler, if one is given."""
    if scheduler is None:
        yield None
        return
    try:
        from distributed import Client
        from distributed.client import FutureCancelledError
    except ImportError as error:
        raise ValueError(
            '--scheduler needs the package distributed: pip install "earlystop_lab[distributed]"'
        ) from error
    import logging

    import joblib

    # distributed would log a lost connection with a traceback; the message below is enough
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    try:
        client = Client(scheduler, timeout=10)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise ValueError(
            f"--scheduler {scheduler}: cannot connect ({error}); check the address"
        ) from error
    with client, joblib.parallel_config(backend="dask", client=client):
        try:
            yield -1
        except FutureCancelledError as error:
            raise OSError(
                f"--scheduler {scheduler}: the connection was lost; rerun the same command, which "
                "resumes if --out is given"
            ) from error


def import_command(
    paths: Annotated[
        list[str], typer.Argument(metavar="PATHS", help="Training logs, or folders of them.")
    ],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="Write the curve set to this .parquet or .arrow file."),
    ] = None,
    val: Annotated[str | None, typer.Option(help="Column of the validation error.")] = None,
    train: Annotated[str | None, typer.Option(help="Column of the training error.")] = None,
    test: Annotated[str | None, typer.Option(help="Column of the test error.")] = None,
    epoch: Annotated[str | None, typer.Option(help="Column of the epoch or step.")] = None,
    run: Annotated[str | None, typer.Option(help="Column of the run id.")] = None,
    log_format: Annotated[
        str | None,
        typer.Option("--format", help="Format of all files; by default it is recognised."),
    ] = None,
    mode: Annotated[
        str | None,
        typer.Option(help="Direction of the validation column; max means higher is better."),
    ] = None,
    restart: Annotated[
        str,
        typer.Option(
            help="What it means if positions start again from the first one: run for another run, "
            "continue for the same run trained further."
        ),
    ] = "run",
    between: Annotated[
        str,
        typer.Option(
            help="What a check keeps of a training curve that is logged more often than the "
            "validation error: last for the last value, mean for the mean since the previous check."
        ),
    ] = "last",
    largest: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Maximum size of a file in bytes, also unpacked; by default 1 GiB, or 256 MiB "
            "unpacked.",
        ),
    ] = None,
    dry_run: Annotated[
        bool, typer.Option(help="Show what would be read, and write nothing.")
    ] = False,
) -> None:
    """Convert training logs of other programs to a curve set.

    Shows which column became which curve, and the source, meaning and direction of every channel.
    Reports what cannot be used and imports the rest.
    """
    ending(out, ".parquet", ".arrow")
    if out is None and not dry_run:
        raise ValueError(
            "no output file; pass -o with a name ending in .parquet or .arrow, or --dry-run"
        )
    if "" in paths:  # as a path, it would mean the current folder
        raise ValueError("a path is empty; expected logs or folders of them")
    found = es.read_logs(
        paths,
        **{"val": val, "train": train, "test": test, "epoch": epoch, "run": run},
        format=log_format,
        mode=mode,  # type: ignore[arg-type]
        restart=restart,  # type: ignore[arg-type]
        between=between,  # type: ignore[arg-type]
        largest=largest,
    )
    _report(found)
    if not len(found.curves):
        raise ValueError("nothing was imported; the lines above say why")
    written = None if dry_run else out
    if written is not None:  # first, in case the reader closes the pipe of the output
        found.curves.write(written)
    say(*found.plan.to_string(index=False).split("\n"), "")
    say(*_channels(found.curves).split("\n"))
    if written is not None:
        say(f"{written}: {found.curves!r}")


def _channels(curves: CurveSet) -> str:
    """One line per channel: its source, meaning, direction, unit, and number of values."""
    table = curves.channels.reset_index()
    table["column"] = table["source"].where(table["source"].notna(), table["channel"])
    names = ["channel", "column", "role", "metric", "data", "direction", "unit", "runs", "values"]
    shown = table[names].astype(object)
    return str(shown.where(shown.notna(), "").to_string(index=False))


def _report(found: LogImport) -> None:
    """Report on stderr what was repaired, assumed or left out, in one line for many files."""
    notes: dict[str, list[str]] = {}
    for note in found.notes:
        notes.setdefault(note.text, []).append(note.file)
    for text, files in notes.items():
        say(f"note: {listed(files, most=1)}: {text}", to=sys.stderr)
    for file, line, reason in found.skipped:
        at = "" if line is None else f", line {line}"
        say(f"skipped: {file}{at}: {reason}", to=sys.stderr)


def named(path: Path) -> Path:
    """The folder of a recorded corpus, where there is no such path but a corpus of that name."""
    if path.exists():
        return path
    from earlystop_lab.sources.corpora import RECORDED, fetch

    return fetch(str(path)) if str(path) in RECORDED else path


def curves_or_logs(paths: list[Path]) -> CurveSet:
    """A curve set, or training logs converted to one; reports on stderr what cannot be read."""
    from earlystop_lab.curves import is_curves

    paths = [named(path) for path in paths]
    if len(paths) == 1 and (is_curves(paths[0]) or not paths[0].exists()):
        return es.read_curves(paths[0])
    if sets := [path for path in paths if is_curves(path)]:
        raise ValueError(
            f"{sets[0]}: a curve set beside other paths; expected one curve set alone, or training "
            "logs only"
        )
    found = es.read_logs(paths)
    _report(found)
    if any("no validation loss found" in skipped.reason for skipped in found.skipped):
        say(
            "note: to use a score such as an accuracy, run earlystop import "
            f"{' '.join(map(str, paths))} --val val_accuracy --mode max -o curves.parquet and pass "
            "curves.parquet instead",
            to=sys.stderr,
        )
    if not len(found.curves):
        why = _no_curve_set(paths[0]) if len(paths) == 1 else ""
        raise ValueError(
            f"{paths[0]}: neither a curve set nor a training log that can be read{why}"
        )
    return found.curves


def _no_curve_set(path: Path) -> str:
    """The reason why there is no curve set, as the end of a message; none for names of logs."""
    if path.is_file() and path.suffix not in (".arrow", ".parquet"):
        return ""
    try:
        es.read_curves(path)
    except (ValueError, OSError) as error:
        return f" (as a curve set: {error})"
    return ""


def simulate_command(
    family: Annotated[
        str,
        typer.Argument(
            help="What to simulate: gradient_flow, double_descent, parametric or resample."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option("-o", "--out", help="Write the curve set to this .parquet or .arrow file."),
    ],
    n: Annotated[int, typer.Option("-n", min=1, help="Number of runs.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Random seed.")] = 0,
    curves: Annotated[
        Path | None, typer.Option(help="For resample: the curve set or logs to resample from.")
    ] = None,
    params: Annotated[
        list[str] | None,
        typer.Option("-p", "--param", help="A parameter such as epochs=500; repeatable."),
    ] = None,
) -> None:
    """Simulate runs whose true optimum is known.

    The parameters of each family are those of the Python function simulate.
    """
    ending(out, ".parquet", ".arrow")
    given: dict[str, Any] = {}
    for name, value in map(assignment, params or []):
        if name in given:
            raise ValueError(
                f"--param {name}: given as {given[name]!r} and {value!r}; expected one value"
            )
        given[name] = value
    if own := given.keys() & {"family", "n", "seed", "curves"}:
        raise ValueError(
            f"--param {min(own)}: this has an option or argument of its own; see --help"
        )
    if curves is not None:
        given["curves"] = curves_or_logs([curves])
    found = es.simulate(family, n, seed=seed, **given)
    found.write(out)
    say(f"{out}: {found!r}")


def train_proben1(
    data: Annotated[Path, typer.Option(help="Folder with PROBEN1's .dt files.")],
    output_path: Annotated[
        Path,
        typer.Option("-o", "--out", help="A file if it ends in .parquet, otherwise a folder."),
    ],
    datasets: Annotated[
        str, typer.Option(help="Data sets, for example cancer1,glass2; by default all 36.")
    ] = "",
    hidden: Annotated[
        str,
        typer.Option(help="Hidden layers, for example 8+4,16 or none; by default all 12."),
    ] = "",
    output: Annotated[
        str, typer.Option(help="Activations of the output units.")
    ] = "linear,sigmoid",
    runs: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Runs per data set, topology and output; by default 2 linear and 1 sigmoid.",
        ),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs per run.")] = 3000,
    eta_plus: Annotated[float, typer.Option(help="Factor by which RPROP increases a step.")] = 1.1,
    eta_minus: Annotated[float, typer.Option(help="Factor by which RPROP decreases a step.")] = 0.5,
    delta0: Annotated[tuple[float, float], typer.Option(help="Range of RPROP's initial steps.")] = (
        0.05,
        0.2,
    ),
    delta_min: Annotated[float, typer.Option(help="Smallest step.")] = 0.0,
    delta_max: Annotated[float, typer.Option(help="Largest step.")] = 50.0,
    init: Annotated[float, typer.Option(help="Initial weights are in [-init, init].")] = 0.5,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Random seed.")] = 0,
    n_jobs: Jobs = -1,
) -> None:
    """Record Prechelt's runs, or similar ones, from PROBEN1's .dt files.

    If interrupted, rerun the same command to resume.
    """
    from earlystop_lab.sources.proben1 import DATASETS
    from earlystop_lab.sources.recording import record
    from earlystop_lab.sources.training import RUNS, TOPOLOGIES, Rprop, proben1_jobs

    jobs = proben1_jobs(
        data,
        datasets=[
            matching("--datasets", text, r"[\w-]+", "names such as cancer1,glass2")
            for text in names("--datasets", datasets)
        ]
        or DATASETS,
        topologies=[layers(text) for text in names("--hidden", hidden)] or TOPOLOGIES,
        outputs=[one_of("--output", text, RUNS) for text in names("--output", output)] or [*RUNS],
        runs=runs,
        epochs=epochs,
        rprop=Rprop(eta_plus, eta_minus, delta0, delta_min, delta_max, init),
        seed=seed,
    )
    curves = record(jobs, output_path, n_jobs=n_jobs, progress=sys.stderr.isatty())
    say(f"{output_path}: {curves!r}")


def corpus_list(out: Out = None, json: Json = False) -> None:
    """List the public corpora that can be read, then those that we recorded (data/curves)."""
    from earlystop_lab.report import as_json
    from earlystop_lab.sources.corpora import CORPORA, RECORDED

    ending(out, ".txt", ".json")
    facts = ("description", "citation", "licence")
    known = {
        name: {
            **{fact: getattr(corpus, fact) for fact in facts},
            **corpus.size._asdict(),
            "costs": corpus.size.costs,
        }
        for name, corpus in (CORPORA | RECORDED).items()
    }
    lines = [
        f"{name}: {of['description']}\n    {of['runs']:,} runs, {of['checks']:,} checks, "
        f"{counted(of['problems'], 'problem')}, {counted(of['datasets'], 'data set')}; channels "
        f"{of['channels']}; costs in {of['costs']}\n    {of['citation']}\n    {of['licence']}"
        for name, of in known.items()
    ]
    runs = sum(of["runs"] for of in known.values())
    lines.append(f"{len(known)} corpora, {runs:,} runs")
    show(lambda: "\n".join(lines), lambda: as_json(known), json=json, out=out)


def corpus_info(
    curves: Annotated[
        Path, typer.Argument(help="A curve set or training logs: a file or a folder.")
    ],
    out: Out = None,
    json: Json = False,
) -> None:
    """Describe a curve set: one row per problem, and every channel.

    last_tenth is the share of runs whose lowest validation error is in the last tenth of the run.
    The next columns count runs: censored, the lowest error is at the last check; at_target, ended
    because a target was reached; diverged, a validation error is NaN or infinite; never_finite, all
    of them are; repeated, a copy of an earlier run; one_check, a single check.
    """
    from earlystop_lab.curves.facts import info
    from earlystop_lab.report import as_json

    ending(out, ".txt", ".json")
    read = curves_or_logs([curves])
    problems, channels = info(read), read.channels.reset_index().astype(object)
    known = channels.where(channels.notna(), "")
    tables = [each.to_string(index=False, max_colwidth=None) for each in (problems, known)]
    data = {"problems": problems, "channels": channels}
    show(lambda: "\n\n".join(tables), lambda: as_json(data), json=json, out=out)


def corpus_build(
    name: Annotated[str, typer.Argument(help="Name of a corpus listed by earlystop corpus list.")],
    source: Annotated[Path, typer.Argument(help="Folder with a copy of the corpus.")],
    out: Annotated[
        Path, typer.Option("-o", "--out", help="New folder for the curves and the data card.")
    ],
    file_format: Annotated[
        str, typer.Option("--format", help="Format of the curves: parquet or arrow.")
    ] = "parquet",
) -> None:
    """Convert a copy of a public corpus to a curve set with a data card."""
    from earlystop_lab.sources.corpora import build

    suffix = one_of("--format", file_format, ("parquet", "arrow"))
    facts = build(name, source, out, suffix=suffix)  # type: ignore[arg-type]
    say(*facts.to_string(index=False, max_colwidth=None).split("\n"))
    say(f"{out}: {facts['runs'].sum()} runs")
