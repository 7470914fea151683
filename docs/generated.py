"""What pages take from the package when they are built: tables, commands, pictures of rules."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import pandas as pd

from earlystop_lab import Curve, Keras, read_curves
from earlystop_lab._common.wording import counted
from earlystop_lab.criteria import FAMILIES, Family, catalogue
from earlystop_lab.inference.bootstrap import FEWEST_CLUSTERS
from earlystop_lab.report.plots import drawn, plot_run
from earlystop_lab.sources.corpora import CORPORA, RECORDED
from earlystop_lab.sources.corpora.reading import Size

ROOT = Path(__file__).resolve().parents[1]


def _linked(rule: str) -> str:
    """A rule as a link to its entry in the reference."""
    return f"{{py:func}}`{rule} <earlystop_lab.{rule.partition('(')[0]}>`"


def which_rule() -> str:
    """One row per rule: the program and its version, the rule here, how it was verified."""
    table = catalogue.rule_table()
    names = table["rule"].str.partition("(")
    shown = {
        "program, version, file": table["source"],
        "rule": names[0].map(_linked),
        "parameters, defaults": "`" + names[2].str.removesuffix(")") + "`",
        "compared with": table["verified"],
    }
    return pd.DataFrame(shown).replace("``", "").to_markdown(index=False)


def the_same_patience() -> str:
    """The programs that have Keras' patience, each with the parameters that make it equal."""
    rows = [
        (each.program, f"`{each.criterion}`", f"`{each.keeps}`")
        for each in catalogue.programs(Keras(10))
    ]
    return pd.DataFrame(rows, columns=["program", "criterion", "keeps"]).to_markdown(index=False)


def corpora() -> str:
    """One row per corpus: what it is, how large, its licence and where it comes from."""
    rows = [
        {
            "corpus": f"[{name}]({name}.md)",
            "what it is, and its source": f"{corpus.description}. *{corpus.citation}*",
            "runs": f"{corpus.size.runs:,}",
            "checks": f"{corpus.size.checks:,}",
            "problems": corpus.size.problems,
            "data sets": corpus.size.datasets,
            "channels": corpus.size.channels,
            "costs in": corpus.size.costs,
            "licence": corpus.licence,
        }
        for name, corpus in (RECORDED | CORPORA).items()
    ]
    return pd.DataFrame(rows).to_markdown(index=False)


def card(name: str) -> str:
    """A public corpus on a page of its own: what it has, how to get it, what it cannot answer."""
    corpus = CORPORA[name]
    size = corpus.size
    rows = {
        "runs": f"{size.runs:,}, with {size.checks:,} checks",
        "problems": f"{size.problems} on {counted(size.datasets, 'data set')}",
        "channels": ", ".join(f"`{each}`" for each in size.channels.split(", ")),
        "costs in": size.costs,
        **corpus.record,
        "source": re.sub(r"[*<]", r"\\\g<0>", corpus.source),
        "citation": corpus.citation,
        "licence": corpus.licence,
    }
    numbers = "These are the numbers of the copy that was described; others may have more or less."
    table = pd.DataFrame(rows.items(), columns=["what", "value"]).to_markdown(index=False)
    build = f"```console\n$ earlystop corpus build {name} SOURCE -o {name}\n```"
    made = (
        "`SOURCE` is the path of your copy, with the files that *source* names. The folder gets "
        "the curve set, its checksums, and a data card with the numbers of that copy."
    )
    cannot = "\n".join(f"- {each}" for each in _unanswered(size))
    return "\n\n".join(
        [
            *(f"# {name}", f"{corpus.description}.", table, numbers),
            *("## How to build it", build, made),
            *("## What it cannot answer", cannot),
        ]
    )


def _unanswered(size: Size) -> Iterator[str]:
    """What needs data sets or channels that a corpus does not have."""
    there = size.channels.split(", ")
    if size.datasets < FEWEST_CLUSTERS:
        yield (
            f"What holds for new data sets: it has {counted(size.datasets, 'data set')}, and an "
            f"interval needs at least {FEWEST_CLUSTERS}."
        )
    lacks = {
        "test": "What a rule costs in test error: its loss is one in `val`, by which it chose.",
        "train": "What rules do that watch the training error, such as `PQ`.",
        "seconds": f"What a rule saves in seconds: time is counted in another unit ({size.costs}).",
        "lr": "What rules do that heed the learning rate, such as `RateDecayed`.",
    }
    yield from (text for name, text in lacks.items() if name not in there)
    yield "What came after the record (*end of the record*): a loss against it is a lower bound."


def gallery(picture: Path) -> str:
    """The picture of a corpus' curves, with what it shows."""
    name = picture.stem.removeprefix("gallery-")
    size = (RECORDED | CORPORA)[name].size
    return f"""## How its curves go

```{{figure}} ../../figures/{picture.name}
:alt: {counted(size.problems, "panel")}, one per problem, with validation errors by training time

The validation errors of {name}, a panel a problem: at each point of training (across; its unit
stands below), the median over the problem's runs (thick line), the middle half of them (dark) and
the range from 5% to 95% (light), as long as at least half of the runs go on; and up to ten single
runs (thin). Errors are on a logarithmic scale of each panel's own, and what lies far above where
runs settle is cut off.
```"""


def commands() -> str:
    """Every command with its arguments and options, as its own help says it."""
    from typer.main import get_command

    from earlystop_lab.cli import app

    return "\n\n".join(_described(get_command(app), "earlystop"))


def _described(command: Any, name: str) -> Iterator[str]:
    """A section a command: what it does, its usage, and a table of its options."""
    if subcommands := getattr(command, "commands", {}):
        for word, each in subcommands.items():
            yield from _described(each, f"{name} {word}")
        return
    context = command.make_context(name, [], resilient_parsing=True)
    usage = " ".join([name, *command.collect_usage_pieces(context)])
    rows = [
        (f"`{record[0]}`", _in_code(re.sub(r"\s+", " ", record[1]).replace("|", r"\|")))
        for record in (each.get_help_record(context) for each in command.params)
        if record is not None
    ]
    yield f"## {name}\n\n{_in_code(command.help or '')}\n\n```text\n{usage}\n```"
    yield pd.DataFrame(rows, columns=["option", "what it does"]).to_markdown(index=False)


def _in_code(text: str) -> str:
    """The text with options as code: typography would make a dash of two hyphens."""
    return re.sub(r"(?<![`\w])(--[a-z][\w-]*)", r"`\1`", text)


TEXTS: dict[str, Callable[[], str]] = {
    "which rule": which_rule,
    "the same patience": the_same_patience,
    "corpora": corpora,
    "commands": commands,
    **{f"card of {name}": partial(card, name) for name in CORPORA},
    **{
        f"gallery of {path.stem.removeprefix('gallery-')}": partial(gallery, path)
        for path in sorted((ROOT / "figures").glob("gallery-*.png"))
    },
}

# -- pictures ----------------------------------------------------------------------------------

#: the run that pictures of rules show
_FILE, _RUN = ROOT / "data" / "curves" / "modern-nets" / "digits-noise20.parquet", 0


@cache
def _run() -> Curve:
    return read_curves(_FILE)[_RUN]


def has_picture(family: Family) -> bool:
    """Whether the run has the channels that a rule watches."""
    return {*family.watches} <= {*_run().channels}


def picture(name: str) -> None:
    """Draw one recorded run, where a rule stops it and why, and the rule's statistic below."""
    with drawn("screen", 6.75):
        plot_run(_run(), [catalogue.usual(FAMILIES[name])])
