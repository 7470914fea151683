"""The command line: ``earlystop ...``. Thin: every command calls the package and prints."""

from __future__ import annotations

import ast
import importlib.util
import re
import sys
import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape

from earlystop_lab._common.checks import one_of
from earlystop_lab._common.files import written_whole
from earlystop_lab._common.wording import counted, listed
from earlystop_lab.criteria import Combination, Criterion, Family, Rule
from earlystop_lab.curves import CurveSet, is_curves, read_curves
from earlystop_lab.sources.logs import LogImport, read_logs

if TYPE_CHECKING:
    from earlystop_lab.studies.comparison import Bench


app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # a paragraph is as wide as the screen, not as the source
    help="When should training stop? Stopping criteria replayed over recorded learning curves.",
)
train_app = typer.Typer(no_args_is_help=True, help="Train networks and record their curves.")
app.add_typer(train_app, name="train")
corpus_app = typer.Typer(no_args_is_help=True, help="Public corpora of learning curves.")
app.add_typer(corpus_app, name="corpus")

Jobs = Annotated[
    int, typer.Option("--n-jobs", help="Jobs at once; -1 takes every core. Never changes results.")
]


@train_app.command("proben1")
def train_proben1(
    data: Annotated[Path, typer.Option(help="Folder with PROBEN1's .dt files.")],
    output_path: Annotated[
        Path,
        typer.Option("-o", "--out", help="x.parquet writes one file, anything else a folder."),
    ],
    datasets: Annotated[str, typer.Option(help="Such as cancer1,glass2; all 36 by default.")] = "",
    hidden: Annotated[
        str, typer.Option(help="Hidden layers, such as 8+4,16 or none; all 12 by default.")
    ] = "",
    output: Annotated[str, typer.Option(help="Kinds of output units.")] = "linear,sigmoid",
    runs: Annotated[
        int | None,
        typer.Option(
            min=1, help="Runs a data set x topology x output; 2 linear and 1 sigmoid by default."
        ),
    ] = None,
    epochs: Annotated[int, typer.Option(min=1, help="Epochs a run.")] = 3000,
    eta_plus: Annotated[float, typer.Option(help="Growth of RPROP's steps.")] = 1.1,
    eta_minus: Annotated[float, typer.Option(help="Shrinkage of RPROP's steps.")] = 0.5,
    delta0: Annotated[tuple[float, float], typer.Option(help="Range of RPROP's first steps.")] = (
        0.05,
        0.2,
    ),
    delta_min: Annotated[float, typer.Option(help="Smallest step.")] = 0.0,
    delta_max: Annotated[float, typer.Option(help="Largest step.")] = 50.0,
    init: Annotated[float, typer.Option(help="First weights in -init..init.")] = 0.5,
    seed: Annotated[int, typer.Option(min=0, max=2**63 - 1, help="Seed of all runs.")] = 0,
    n_jobs: Jobs = -1,
) -> None:
    """Record Prechelt's runs, or others like them, from the .dt files.

    Interrupted at any moment, the same command goes on where it was.
    """
    from earlystop_lab.sources.proben1 import DATASETS
    from earlystop_lab.sources.recording import record
    from earlystop_lab.sources.training import RUNS, TOPOLOGIES, Rprop, proben1_jobs

    jobs = proben1_jobs(
        data,
        datasets=[_dataset(text) for text in _split("--datasets", datasets)] or DATASETS,
        topologies=[_hidden(text) for text in _split("--hidden", hidden)] or TOPOLOGIES,
        outputs=[one_of("--output", text, RUNS) for text in _split("--output", output)] or [*RUNS],
        runs=runs,
        epochs=epochs,
        rprop=Rprop(eta_plus, eta_minus, delta0, delta_min, delta_max, init),
        seed=seed,
    )
    curves = record(jobs, output_path, n_jobs=n_jobs, progress=sys.stderr.isatty())
    print(f"{output_path}: {curves!r}")


@app.command()
def reproduce(
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for tables and figures; default: results/ of the checkout."),
    ] = None,
    corpus: Annotated[
        str, typer.Option(help="A corpus of data/curves/ recorded like the study.")
    ] = "prechelt1997",
) -> None:
    """Rerun Prechelt's 1997 study from recorded curves: tables, figures, comparison with print."""
    from earlystop_lab.studies.prechelt1997 import reproduce as rerun

    rerun(out, corpus)


@app.command("replay")
def replay_command(
    curves: Annotated[
        Path, typer.Argument(help="A curve set: a Parquet or Arrow file, or a folder.")
    ],
    criteria: Annotated[
        list[str], typer.Option("-c", "--criterion", help="Such as 'GL(2)' or 'Keras(10)'.")
    ],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Write the stops: .parquet or .csv.")
    ] = None,
    restore: Annotated[
        str,
        typer.Option(help="Weights that are kept: best, last, own or ModelCheckpoint(...)."),
    ] = "best",
    n_jobs: Jobs = 1,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a Dask scheduler, such as tcp://host:8786.")
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
) -> None:
    """Find where each criterion would have stopped each run.

    With --out, interrupted at any moment, the same command goes on where it was.
    """
    from earlystop_lab.engine.into_files import replay_to_file
    from earlystop_lab.engine.replaying import replay

    if out is not None and out.suffix not in (".parquet", ".csv"):
        raise ValueError(f"--out {out}: expected a name ending in .parquet or .csv")
    progress = sys.stderr.isatty() and not quiet
    with _workers(scheduler) as jobs:
        options = {"restore": restore, "n_jobs": jobs or n_jobs, "progress": progress}
        if out is None:
            stops = replay(curves.resolve() if scheduler else curves, criteria, **options)  # type: ignore[arg-type]
            print(stops.to_frame().to_string(max_rows=40))
            return
        try:
            rows = replay_to_file(curves, criteria, out, **options)  # type: ignore[arg-type]
        except KeyboardInterrupt:
            print("earlystop: interrupted; the same command goes on here", file=sys.stderr)
            raise typer.Exit(130) from None
    print(f"{out}: {rows} stops")


@contextmanager
def _workers(scheduler: str | None) -> Iterator[int | None]:
    """Send the parallel work to a Dask scheduler, where one is given."""
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

    # it logs a lost connection with its traceback; one line is said below
    logging.getLogger("distributed.client").setLevel(logging.CRITICAL)
    try:
        client = Client(scheduler, timeout=10)  # type: ignore[no-untyped-call]
    except (OSError, ValueError) as error:
        raise ValueError(
            f"--scheduler {scheduler}: no scheduler answers there ({error})"
        ) from error
    with client, joblib.parallel_config(backend="dask", client=client):
        try:
            yield -1
        except FutureCancelledError as error:
            raise OSError(
                f"--scheduler {scheduler}: the connection was lost; give the same command again, "
                "which with --out goes on where it was"
            ) from error


@app.command("criteria")
def criteria_command(
    markdown: Annotated[
        bool, typer.Option("--markdown", help="As docs/criteria.md, with what surprises.")
    ] = False,
) -> None:
    """Show every rule: what it watches, its statistic, when it passes, source and verification."""
    from earlystop_lab.criteria import catalogue

    if markdown:
        print(catalogue.markdown())
        return
    from rich.box import ASCII, HEAVY_HEAD
    from rich.console import Console
    from rich.table import Table

    frame = catalogue.rule_table()
    plain = "utf" not in (sys.stdout.encoding or "").lower()
    table = Table(show_lines=True, box=ASCII if plain else HEAVY_HEAD)
    for column in frame.columns:
        table.add_column(column, overflow="fold")
    for row in frame.itertuples(index=False):
        table.add_row(*map(escape, row))
    # a pipe has no width of its own
    Console(width=None if sys.stdout.isatty() else 240).print(table)


@app.command()
def check(
    rule: Annotated[str, typer.Argument(metavar="FILE.py:NAME", help="Such as my_rules.py:Flat.")],
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random curves.")] = 0,
) -> None:
    """Check a rule of your own: causal, pure, deterministic, safe with NaN, replayed alike.

    NAME is a family, or a criterion with its parameters. FILE.py is run.
    """
    from earlystop_lab.studies.conformance import check_criterion

    made = _from_file(rule)
    with _no_exit(rule):
        check_criterion(made, seed=seed)
    print(f"{rule}: keeps every promise")


@app.command("bench")
def bench_command(
    rule: Annotated[str, typer.Argument(metavar="FILE.py:NAME", help="Such as my_rules.py:Flat.")],
    corpora: Annotated[
        list[Path] | None,
        typer.Option("--corpus", help="A curve set; repeatable. Default: all of data/curves."),
    ] = None,
    worth: Annotated[
        float,
        typer.Option(help="1% of error is worth so many % of time, where thresholds are chosen."),
    ] = 50,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Folder for the report; default: bench-NAME.")
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option("--format", help="html, md, tex or csv; repeatable. Default: html."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of curves, swaps and intervals.")] = 0,
    n_jobs: Jobs = 1,
) -> None:
    """Compare a rule of your own with every known one: is it better, and where?

    At equal time, problem by problem, and at thresholds chosen on the other problems. FILE.py is
    run. Takes some minutes; prints the answer, and writes the report and the figure of fronts.
    """
    from earlystop_lab.report import require
    from earlystop_lab.studies.comparison import bench

    asked = [one_of("--format", text, FORMATS) for text in formats or ["html"]]
    if "html" in asked:
        require()
    made = _from_file(rule)
    if isinstance(made, Combination):
        raise ValueError(f"{rule}: a combination has no threshold to sweep; expected one rule")
    paths = corpora or _recorded()
    if twice := {path.name for path in paths if [p.name for p in paths].count(path.name) > 1}:
        raise ValueError(f"--corpus: two curve sets are named {min(twice)}; rename one")
    folder = out or Path(f"bench-{(made if isinstance(made, Family) else made.family).name}")
    if not next(path for path in (folder, *folder.absolute().parents) if path.exists()).is_dir():
        raise ValueError(f"--out {folder}: there is a file; expected a folder, which is made")
    with _no_exit(rule):
        found = bench(
            made,
            {path.name: read_curves(path) for path in paths},
            worth=worth,
            seed=seed,
            n_jobs=n_jobs,
            said=lambda text: print(f"earlystop: {text}", file=sys.stderr),
        )
    print(found)
    for file in _write_report(found, folder, asked):
        print(file)


@contextmanager
def _no_exit(rule: str) -> Iterator[None]:
    """Turn an exit of the rule itself into a message."""
    try:
        yield
    except SystemExit as error:
        raise ValueError(
            f"{rule}: it calls sys.exit({error.code!r}) where it is evaluated"
        ) from error


FORMATS = ("html", "md", "tex", "csv")


def _write_report(found: Bench, folder: Path, formats: list[str]) -> list[Path]:
    """Write the report in each format, and the figure beside it."""
    from earlystop_lab.report import fronts, page, tables
    from earlystop_lab.report.axes import save

    folder.mkdir(parents=True, exist_ok=True)
    files = []
    for each in formats:
        files.append(folder / f"report.{each}")
        text = page(found) if each == "html" else tables(found, each)  # type: ignore[arg-type]
        with written_whole(files[-1]) as temporary:
            temporary.write_text(text, encoding="utf-8")
    return [*files, *save(fronts(found), folder / "fronts")]


def _recorded() -> list[Path]:
    """The corpora of the checkout around the current folder."""
    folders = sorted(path for path in (_checkout() / "data" / "curves").iterdir() if path.is_dir())
    if not folders:
        raise ValueError("no corpus in data/curves/; name one with --corpus")
    return folders


@app.command("import")
def import_logs(
    paths: Annotated[list[str], typer.Argument(metavar="PATHS", help="Logs, or folders of them.")],
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Curve set: .parquet or .arrow.")
    ] = None,
    val: Annotated[str | None, typer.Option(help="Column of the validation error.")] = None,
    train: Annotated[str | None, typer.Option(help="Column of the training error.")] = None,
    test: Annotated[str | None, typer.Option(help="Column of the test error.")] = None,
    epoch: Annotated[str | None, typer.Option(help="Column of the position.")] = None,
    run: Annotated[str | None, typer.Option(help="Column that tells runs apart.")] = None,
    log_format: Annotated[
        str | None, typer.Option("--format", help="Format of all files; recognised by default.")
    ] = None,
    mode: Annotated[
        str | None, typer.Option(help="max: higher is better in the validation column.")
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Only show what would be read.")] = False,
) -> None:
    """Read training logs of other programs into a curve set.

    Shows which column became which curve. What cannot be used is named, the rest is imported.
    """
    if out is not None:
        _check_curves_file(out)
    elif not dry_run:
        raise ValueError("say where to with -o, a name ending in .parquet or .arrow, or --dry-run")
    if "" in paths:  # as a path it would be the current folder
        raise ValueError("a path is empty; expected logs, or folders of them")
    found = read_logs(
        paths,
        **{"val": val, "train": train, "test": test, "epoch": epoch, "run": run},
        format=log_format,
        mode=mode,  # type: ignore[arg-type]
    )
    _report(found)
    if not len(found.curves):
        raise ValueError("nothing was imported; the lines above say why")
    print(found.plan.to_string(index=False))
    if out is not None and not dry_run:
        found.curves.write(out)
        print(f"{out}: {found.curves!r}")


def _check_curves_file(out: Path) -> None:
    if out.suffix not in (".parquet", ".arrow"):
        raise ValueError(f"--out {out}: expected a name ending in .parquet or .arrow")


def _report(found: LogImport) -> None:
    """What was repaired, assumed or left out, on stderr: what is said of many files once."""
    notes: dict[str, list[str]] = {}
    for note in found.notes:
        notes.setdefault(note.text, []).append(note.file)
    for text, files in notes.items():
        print(f"note: {listed(files, most=1)}: {text}", file=sys.stderr)
    for file, line, reason in found.skipped:
        at = "" if line is None else f", line {line}"
        print(f"skipped: {file}{at}: {reason}", file=sys.stderr)


@app.command("recommend")
def recommend_command(
    paths: Annotated[
        list[Path], typer.Argument(help="A curve set, or training logs and folders of them.")
    ],
    max_loss: Annotated[
        str | None, typer.Option(help="Goal: lose at most this, such as 1%; the default.")
    ] = None,
    max_epochs: Annotated[
        float | None, typer.Option(help="Goal: at most so many epochs a run, on average.")
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="Goal: the best bargain at 1% of error for so much % time.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of the intervals.")] = 0,
) -> None:
    """Say which patience to use for runs like these, what it saves and loses, and how surely.

    Each goal gets one recommendation, with the lines to paste into Keras, Lightning, Hugging
    Face, XGBoost, LightGBM and scikit-learn. To decline is an answer, too: exit code 0.
    """
    from earlystop_lab.studies.recommendation import recommend

    limit = None if max_loss is None else _share("--max-loss", max_loss)
    curves = _curves_or_logs(paths)
    print(recommend(curves, max_loss=limit, max_epochs=max_epochs, rate=rate, seed=seed))


def _share(option: str, text: str) -> float:
    """A share from ``1%`` or ``0.01``."""
    try:
        return float(text.removesuffix("%")) / (100 if text.endswith("%") else 1)
    except ValueError:
        raise ValueError(f"{option} {text!r}: expected a share such as 1% or 0.01") from None


def _curves_or_logs(paths: list[Path]) -> CurveSet:
    """A curve set, or what training logs become; what could not be read goes to stderr."""
    if len(paths) == 1 and is_curves(paths[0]):
        return read_curves(paths[0])
    found = read_logs(paths)
    _report(found)
    if any("no validation loss among" in skipped.reason for skipped in found.skipped):
        print(
            "note: to choose a column, such as an accuracy: earlystop import "
            f"{' '.join(map(str, paths))} --val val_accuracy --mode max -o curves.parquet; then "
            "earlystop recommend curves.parquet",
            file=sys.stderr,
        )
    if not len(found.curves):
        raise ValueError(f"{paths[0]}: no curve set and no training log that could be read")
    return found.curves


@app.command("survey")
def survey_command(
    curves: Annotated[Path, typer.Argument(help="A curve set: a file or a folder.")],
    corpus: Annotated[
        str | None,
        typer.Option(help="CURVES is a copy of this corpus, of those that corpus list shows."),
    ] = None,
    out: Annotated[Path | None, typer.Option("-o", "--out", help="Write the table: .csv.")] = None,
    n_jobs: Jobs = -1,
) -> None:
    """Replay every rule at a usual threshold: share stopped, time, regret, a row a rule.

    A check counts as an epoch. Says how many runs are censored (their lowest validation error is
    at their last check) and how many diverged (an error is NaN or infinite).
    """
    from earlystop_lab.sources.corpora import read_corpus
    from earlystop_lab.studies.surveys import survey

    if out is not None and out.suffix != ".csv":
        raise ValueError(f"--out {out}: expected a name ending in .csv")
    found = survey(curves if corpus is None else read_corpus(corpus, curves).curves, n_jobs=n_jobs)
    print(found.to_string(index=False, float_format="{:.4g}".format))
    whole = found.iloc[int(found["runs"].argmax())]
    print(
        f"{counted(len(found), 'rule')} over {counted(whole['runs'], 'run')}, of which "
        f"{whole['censored']} censored and {whole['diverged']} diverged; regret over the "
        f"{whole['val_runs']} (test: {whole['test_runs']}) whose errors are all finite and not 0"
    )
    if out is not None:
        with written_whole(out) as temporary:
            found.to_csv(temporary, index=False)


@app.command()
def simulate(
    family: Annotated[
        str, typer.Argument(help="gradient_flow, double_descent, parametric or resample.")
    ],
    out: Annotated[Path, typer.Option("-o", "--out", help="Curve set: .parquet or .arrow.")],
    n: Annotated[int, typer.Option("-n", min=1, help="Number of runs.")] = 1000,
    seed: Annotated[int, typer.Option(min=0, help="Seed of all runs.")] = 0,
    curves: Annotated[
        Path | None, typer.Option(help="For resample: the curve set to draw from.")
    ] = None,
    params: Annotated[
        list[str] | None, typer.Option("-p", "--param", help="Such as epochs=500; repeatable.")
    ] = None,
) -> None:
    """Simulate runs whose true optimum is known."""
    from earlystop_lab.sources.synthetic import simulate as simulated

    _check_curves_file(out)
    given = dict(_assignment(text) for text in params or [])
    if own := given.keys() & {"family", "n", "seed", "curves"}:
        raise ValueError(f"--param {min(own)}: it is said without --param; see --help")
    if curves is not None:
        given["curves"] = read_curves(curves)
    found = simulated(family, n, seed=seed, **given)
    found.write(out)
    print(f"{out}: {found!r}")


@app.command()
def watch(
    paths: Annotated[
        list[Path] | None, typer.Argument(help="Growing logs to follow, or folders of them.")
    ] = None,
    criteria: Annotated[
        list[str] | None,
        typer.Option("-c", "--criterion", help="GL(5), UP(3) and Keras(10) by default."),
    ] = None,
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder where runs are saved, as Parquet.")
    ] = Path("runs"),
    host: Annotated[
        str, typer.Option(help="Address to listen at; 0.0.0.0 for every one.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 for any free one.")] = 8600,
    val: Annotated[str | None, typer.Option(help="Metric that is the validation error.")] = None,
    train: Annotated[str | None, typer.Option(help="Metric that is the training error.")] = None,
    mode: Annotated[
        str | None, typer.Option(help="max: higher is better in the validation metric.")
    ] = None,
) -> None:
    """Show live runs in the browser, and where each criterion stops them.

    Takes the posts of Keras' RemoteMonitor and follows growing logs, until interrupted. Runs are
    saved on the way; the next start shows them again. Other machines reach it with --host.
    """
    try:
        from earlystop_lab.live.watch.posts import Asked
        from earlystop_lab.live.watch.server import serve
    except ImportError as error:
        raise ValueError(
            f'watch needs the package {error.name}: pip install "earlystop_lab[watch]"'
        ) from error
    better = None if mode is None else one_of("--mode", mode, ("min", "max"))
    asked = Asked(val, train, better)  # type: ignore[arg-type]
    chosen = criteria or ["GL(5)", "UP(3)", "Keras(10)"]
    serve(out, chosen, paths or (), asked=asked, host=host, port=port)


@corpus_app.command("list")
def corpus_list() -> None:
    """Show the public corpora that can be read."""
    from earlystop_lab.sources.corpora import CORPORA

    for name, corpus in CORPORA.items():
        print(f"{name}: {corpus.description}\n    {corpus.citation}\n    {corpus.licence}")


@corpus_app.command("info")
def corpus_info(
    curves: Annotated[Path, typer.Argument(help="A curve set: a file or a folder.")],
) -> None:
    """Show the facts of a curve set, a row a problem."""
    from earlystop_lab.curves.facts import info

    print(info(curves).to_string(index=False, max_colwidth=None))


@corpus_app.command("build")
def corpus_build(
    name: Annotated[str, typer.Argument(help="Of those that earlystop corpus list shows.")],
    source: Annotated[Path, typer.Argument(help="Where a copy of the corpus lies.")],
    out: Annotated[Path, typer.Option("-o", "--out", help="New folder for curves and card.")],
    file_format: Annotated[
        str, typer.Option("--format", help="Of the curves: parquet or arrow.")
    ] = "parquet",
) -> None:
    """Read a copy of a public corpus into a curve set with its data card."""
    from earlystop_lab.sources.corpora import build

    suffix = one_of("--format", file_format, ("parquet", "arrow"))
    facts = build(name, source, out, suffix=suffix)  # type: ignore[arg-type]
    print(facts.to_string(index=False, max_colwidth=None))
    print(f"{out}: {facts['runs'].sum()} runs")


def _assignment(text: str) -> tuple[str, Any]:
    """Name and value of ``name=value``; a value that Python cannot read is a text."""
    name, sign, value = text.partition("=")
    if not sign or not name.isidentifier():
        raise ValueError(f"--param {text!r}: expected name=value, such as epochs=500")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def _from_file(text: str) -> Family | Rule:
    """The rule that FILE.py:NAME names; a mistake in the file is named with its line."""
    path, _, name = text.rpartition(":")
    file = Path(path)
    if not path.endswith(".py") or not name.isidentifier():
        raise ValueError(f"{text!r}: expected FILE.py:NAME, such as my_rules.py:Flat")
    if not file.is_file():
        raise FileNotFoundError(f"{file} does not exist; expected a Python file with the rule")
    # a name that no installed module has; its neighbours can be imported after all others
    spec = importlib.util.spec_from_file_location(f"rules_of_{file.stem}", file.resolve())
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[module.__name__] = module
    sys.path.append(str(file.resolve().parent))
    try:
        with _named(file):
            spec.loader.exec_module(module)
    finally:
        # nobody can import it by that name; without it workers are sent the rule itself
        del sys.modules[module.__name__]
    found = vars(module).get(name)
    kinds = (Family, Criterion, Combination)
    if not issubclass(type(found), kinds):
        rules = [
            key
            for key, value in vars(module).items()
            if issubclass(type(value), kinds[1:])
            or (type(value) is Family and value.__module__ == module.__name__)
        ]
        raise ValueError(
            f"{file}: {name} is {'no rule' if name in vars(module) else 'not there'}; "
            + (f"rules there: {', '.join(rules)}" if rules else "make one with @criterion(...)")
        )
    assert isinstance(found, kinds)
    return found


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """Turn whatever a user's file raises into one message with its line."""
    try:
        yield
    except (Exception, SystemExit) as error:
        frames = traceback.extract_tb(error.__traceback__)
        own = str(file.resolve())
        lines = [frame.lineno for frame in frames if frame.filename == own]
        if isinstance(error, SyntaxError) and error.filename == own:
            lines = [error.lineno]
        at = f", line {lines[-1]}" if lines and lines[-1] else ""
        raise ValueError(f"{file}{at}: {type(error).__name__}: {error}") from error


def _checkout() -> Path:
    """The checkout to work in: around the current folder, else around the package."""
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / "data" / "curves").is_dir():
            return folder
    return Path(__file__).resolve().parents[2]


def _split(option: str, text: str) -> list[str]:
    names = [name.strip() for name in text.split(",")] if text else []
    if twice := {name for name in names if names.count(name) > 1}:
        raise ValueError(f"{option} {text!r}: {', '.join(sorted(twice))} is there twice")
    return names


def _dataset(text: str) -> str:
    if not re.fullmatch(r"[\w-]+", text):
        raise ValueError(f"--datasets {text!r}: expected names such as cancer1,glass2")
    return text


def _hidden(text: str) -> tuple[int, ...]:
    """Hidden layers from their text: ``8+4`` is (8, 4), ``none`` is ()."""
    parts = [] if text == "none" else text.split("+")
    if not all(re.fullmatch("[1-9][0-9]{0,4}", part) for part in parts):
        raise ValueError(f"--hidden {text!r}: expected layer sizes such as 8+4 or 16, or none")
    return tuple(map(int, parts))


def _message(error: BaseException) -> str:
    if isinstance(error, OSError) and error.filename is not None:
        return f"{error.filename}: {error.strerror}"
    return str(error)


def main() -> None:
    """Run the command line; a user's mistake is one message on stderr and exit code 2."""
    try:
        app(prog_name="earlystop")  # however it was started
    except (ValueError, OSError) as error:
        print(f"earlystop: {_message(error)}", file=sys.stderr)
        sys.exit(2)
    except MemoryError as error:
        print(f"earlystop: not enough memory for what was asked ({error})", file=sys.stderr)
        sys.exit(2)
