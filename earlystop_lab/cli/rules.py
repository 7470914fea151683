"""Commands about rules: list them, check one, and compare one with the others."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from itertools import chain
from pathlib import Path
from shutil import get_terminal_size
from typing import TYPE_CHECKING, Annotated

import typer

import earlystop_lab as es
from earlystop_lab._common.checks import one_of
from earlystop_lab._common.files import held, written_text
from earlystop_lab._common.terminal import say
from earlystop_lab._common.wording import visible
from earlystop_lab.cli._given import Jobs, Json, NoCache, Out, TableOut, ending, kept_results, show
from earlystop_lab.cli.curves import curves_or_logs

if TYPE_CHECKING:
    import pandas as pd

    from earlystop_lab.criteria import Family, Rule
    from earlystop_lab.studies.comparison import Bench
    from earlystop_lab.studies.kept import Kept


FORMATS = ("html", "md", "tex", "typ", "csv")


def criteria_command(
    markdown: Annotated[
        bool,
        typer.Option("--markdown", help="Print docs/criteria.md, which includes the quirks."),
    ] = False,
    library: Annotated[
        str | None,
        typer.Option(help="The rule of this library instead: its setting, ours, what differs."),
    ] = None,
    out: TableOut = None,
    json: Json = False,
) -> None:
    """List every rule: what it watches, its statistic, threshold, source and verification.

    With `--library pytorch-tabnet`, say which rule is that of a library, and what it keeps.
    """
    from earlystop_lab.criteria import catalogue, libraries
    from earlystop_lab.report import as_csv, as_json

    ending(out, ".csv", ".json", ".txt")
    if markdown and library is not None:
        raise ValueError("--markdown is the page of all libraries; leave out --library")
    frame = catalogue.rule_table() if library is None else libraries.library_table(library)
    show(
        catalogue.markdown if markdown else lambda: _as_table(frame),
        lambda: as_json(frame),
        json=json,
        out=out,
        forms={".csv": lambda: as_csv(frame)},
    )


def _as_table(frame: pd.DataFrame) -> str:
    """The rows in a frame of lines, as wide as the screen."""
    from rich.box import ASCII, HEAVY_HEAD
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Column, Table

    plain = "utf" not in (sys.stdout.encoding or "").lower()
    columns = [Column(str(name), overflow="fold") for name in frame]
    table = Table(*columns, show_lines=True, box=ASCII if plain else HEAVY_HEAD)
    for row in frame.fillna("none").itertuples(index=False):
        table.add_row(*map(escape, row))
    # a pipe has no width of its own
    written = StringIO()
    wide = get_terminal_size().columns if sys.stdout.isatty() else 240
    Console(file=written, width=wide, color_system=None).print(table)
    return written.getvalue().rstrip("\n")


def check_command(
    rule: Annotated[
        str, typer.Argument(metavar="FILE.py:NAME", help="For example my_rules.py:Flat.")
    ],
    seed: Annotated[int, typer.Option(min=0, help="Seed of the random curves.")] = 0,
    out: Out = None,
    json: Json = False,
) -> None:
    """Check that your own rule is causal, pure, deterministic, safe with NaN, and replays alike.

    NAME is a family, or a criterion with its parameters. FILE.py is executed.
    """
    from earlystop_lab.report import as_json

    ending(out, ".txt", ".json")
    made = _from_file(rule)
    with _no_exit(rule):
        es.check_criterion(made, seed=seed)
    data = {"rule": rule, "seed": seed, "passed": True}
    show(
        lambda: f"{visible(rule)}: all conformance checks passed",
        lambda: as_json(data),
        json=json,
        out=out,
    )


def bench_command(
    rule: Annotated[
        str, typer.Argument(metavar="FILE.py:NAME", help="For example my_rules.py:Flat.")
    ],
    corpora: Annotated[
        list[Path] | None,
        typer.Option(
            "--corpus",
            help="A curve set or training logs; repeatable. By default every recorded corpus that "
            "is there.",
        ),
    ] = None,
    worth: Annotated[
        float,
        typer.Option(
            help="Extra training time (%) you would accept for 1% lower error; used to choose "
            "the thresholds that are drawn in profiles."
        ),
    ] = 50,
    margin: Annotated[
        float,
        typer.Option(
            help="Difference in error (%) that does not matter: rules whose difference is shown to "
            "lie within it are equivalent."
        ),
    ] = 0.5,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="Folder for the report; by default bench-NAME."),
    ] = None,
    formats: Annotated[
        list[str] | None,
        typer.Option(
            "--format",
            help="html, md, tex (LaTeX), typ (Typst) or csv; repeatable. By default html, or md "
            "without the extra report.",
        ),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option(
            min=1, help="In tables other than html: only so many of the best known rules."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Seed of curves and of the bootstrap.")] = 0,
    json: Json = False,
    n_jobs: Jobs = -1,
    no_cache: NoCache = False,
) -> None:
    """Compare your own rule with every known one: is it better, and where?

    Rules are compared over data sets at equal time, and all keep the weights of the lowest
    validation error at any check. FILE.py is executed. This takes some minutes. The command prints
    the answer and writes the report and a figure of the fronts.
    """
    from earlystop_lab.criteria import Combination, Family
    from earlystop_lab.report import answer_as_json, in_words, require
    from earlystop_lab.report.messages import reason
    from earlystop_lab.studies.comparison import bench

    asked = [one_of("--format", text, FORMATS) for text in formats or []]
    made = _from_file(rule)
    if isinstance(made, Combination):
        raise ValueError(f"{rule}: a combination has no threshold to sweep; expected a single rule")
    if "html" in asked:
        require()
    paths = corpora or _recorded()
    asked = asked or _usual_format()
    if twice := {path.name for path in paths if [p.name for p in paths].count(path.name) > 1}:
        raise ValueError(f"--corpus: two curve sets are named {min(twice)}; rename one")
    folder = out or Path(f"bench-{(made if isinstance(made, Family) else made.family).name}")
    if not next(path for path in (folder, *folder.absolute().parents) if path.exists()).is_dir():
        raise ValueError(f"--out {folder}: is inside or equal to a file; expected a new folder")
    kept = kept_results(no_cache)
    with held(folder), _no_exit(rule):
        found = bench(
            made,
            {path.name: curves_or_logs([path]) for path in paths},
            worth=worth,
            margin=margin,
            seed=seed,
            n_jobs=n_jobs,
            kept=kept,
            said=lambda event: say(f"earlystop: {reason(event)}", to=sys.stderr),
        )
        show(lambda: in_words(found), lambda: answer_as_json(found), json=json)
        files = _write_report(found, folder, asked, kept, top, n_jobs)
    # beside JSON nothing else is printed
    say(*map(str, files), to=sys.stderr if json else sys.stdout)


def _usual_format() -> list[str]:
    """The page, where what it needs is installed; else the tables, and a line that says so."""
    from earlystop_lab.report import require

    try:
        require()
    except ValueError as error:
        say(f"earlystop: {error}; writing report.md instead", to=sys.stderr)
        return ["md"]
    return ["html"]


@contextmanager
def _no_exit(rule: str) -> Iterator[None]:
    """Turn a SystemExit raised by the rule into an error message."""
    try:
        yield
    except SystemExit as error:
        raise ValueError(
            f"{rule}: it calls sys.exit({error.code!r}) when it is evaluated"
        ) from error


def _write_report(
    found: Bench, folder: Path, formats: list[str], kept: Kept, top: int | None, n_jobs: int
) -> list[Path]:
    """Write the report in each format, and the figure next to it."""
    from earlystop_lab._common.parallel import each_of
    from earlystop_lab.report import page, tables
    from earlystop_lab.studies.comparison import processes_for

    folder.mkdir(parents=True, exist_ok=True)
    jobs = processes_for([each.curves for each in found.corpora], n_jobs)
    figures = each_of(_save_fronts, [(found, folder)], n_jobs=jobs, prefer="processes")
    files = [
        written_text(
            folder / f"report.{each}",
            page(found, kept, n_jobs) if each == "html" else tables(found, each, top=top),  # type: ignore[arg-type]
        )
        for each in formats
    ]
    return [*files, *chain(*figures)]


def _save_fronts(found: Bench, folder: Path) -> list[Path]:
    from earlystop_lab.report.axes import fronts
    from earlystop_lab.report.style import save

    return save(fronts(found), folder / "fronts")


def _recorded() -> list[Path]:
    """Every recorded corpus that is there; says where it is only the one in the package."""
    from earlystop_lab.sources.corpora.fetching import SMALL, VARIABLE, all_recorded

    found = all_recorded()
    if not found:
        raise ValueError(
            f"{VARIABLE} names no folder with curves/; pass one or more curve sets with --corpus"
        )
    if [path.name for path in found] == [SMALL]:
        say(
            f"earlystop: compared on {SMALL} alone, the 36 runs in the package; for all recorded "
            f"corpora, set {VARIABLE} to the folder or the URL of a copy of the project's data",
            to=sys.stderr,
        )
    return found


def _from_file(text: str) -> Family | Rule:
    """The rule that FILE.py:NAME names; errors in the file are reported with their line."""
    import runpy

    from earlystop_lab.criteria import Combination, Criterion, Family

    path, _, name = text.rpartition(":")
    file = Path(path)
    if not path.endswith(".py") or not name.isidentifier():
        raise ValueError(f"{text!r}: expected FILE.py:NAME, for example my_rules.py:Flat")
    if not file.is_file():
        raise FileNotFoundError(f"{file} does not exist; expected a Python file with the rule")
    # appended, so that the file's neighbours can be imported but shadow nothing
    sys.path.append(str(file.resolve().parent))
    # a name that no module has or will have, so that workers are sent the rule itself
    module = f"rules_of_{file.stem}"
    with _named(file):
        there = runpy.run_path(str(file.resolve()), run_name=module)
    found, kinds = there.get(name), (Family, Criterion, Combination)
    if not issubclass(type(found), kinds):
        rules = [
            key
            for key, value in there.items()
            if issubclass(type(value), kinds[1:])
            or (type(value) is Family and value.__module__ == module)
        ]
        raise ValueError(
            f"{file}: {name} is {'not a rule' if name in there else 'not defined'}; "
            + (f"rules in it: {', '.join(rules)}" if rules else "make one with @criterion(...)")
        )
    assert isinstance(found, kinds)
    return found


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """Turn any exception of a user's file into one message with its line."""
    try:
        yield
    except (Exception, SystemExit) as error:
        import traceback

        frames = traceback.extract_tb(error.__traceback__)
        own = str(file.resolve())
        lines = [frame.lineno for frame in frames if frame.filename == own]
        if isinstance(error, SyntaxError) and error.filename == own:
            lines = [error.lineno]
        at = f", line {lines[-1]}" if lines and lines[-1] else ""
        raise ValueError(f"{file}{at}: {type(error).__name__}: {error}") from error
