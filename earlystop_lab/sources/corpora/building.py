"""The table of known corpora, and how curve sets with data cards are made from them."""

import hashlib
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Literal

import pandas as pd
import pyarrow as pa

from earlystop_lab._common.files import held, written_whole
from earlystop_lab.curves.facts import facts_of, info
from earlystop_lab.sources.corpora import (
    algoperf,
    gluon,
    lcbench,
    mlperf,
    multi_power_law,
    reinforcement,
    speedruns,
    taskset,
)
from earlystop_lab.sources.corpora.reading import Corpus, Reading, checked_sums, sha256

#: every known corpus by its name
CORPORA: dict[str, Corpus] = {
    "algoperf": algoperf.CORPUS,
    "gluon": gluon.CORPUS,
    "lcbench-surrogate": lcbench.CORPUS,
    "mlperf-losses": mlperf.LOSSES,
    "mlperf-scores": mlperf.SCORES,
    "multi-power-law": multi_power_law.CORPUS,
    "nanogpt-speedruns": speedruns.CORPUS,
    "rl-evaluations": reinforcement.CORPUS,
    "taskset": taskset.CORPUS,
}


def read_corpus(name: str, source: str | Path) -> Reading:
    """Read the copy of a known corpus at ``source``.

    Raises ``ValueError`` for an unknown name, or if it is not that corpus, and ``OSError`` if
    nothing can be read.
    """
    if name not in CORPORA:
        raise ValueError(f"unknown corpus {name!r}; expected one of {', '.join(CORPORA)}")
    source = Path(source)
    if not source.exists():
        raise FileNotFoundError(
            f"{source} does not exist; expected a copy of {name}: {CORPORA[name].source}"
        )
    reading = CORPORA[name].read(source)
    if not len(reading.curves):
        raise ValueError(f"{source}: no runs; expected a copy of {name}: {CORPORA[name].source}")
    return reading


def build(
    name: str,
    source: str | Path,
    out: str | Path,
    *,
    suffix: Literal["parquet", "arrow"] = "parquet",
) -> pd.DataFrame:
    """Make a curve set with its data card from the copy of a corpus at ``source``.

    The folder ``out`` gets ``<name>.parquet`` (small) or ``<name>.arrow`` (fast), ``README.md``,
    the data card, and ``read.sha256`` with the checksums of all that was read. It is there once
    it is whole; the same copy gives the same bytes. Returns the facts, as :func:`info`.

    Raises ``ValueError`` for an unknown name or format, for what is no such corpus, and where a
    file is not what the corpus' own checksums say; ``FileExistsError`` where ``out`` exists.
    """
    if suffix not in ("parquet", "arrow"):
        raise ValueError(f"format {suffix!r}: expected 'parquet' or 'arrow'")
    source, out = Path(source), Path(out)
    there = f"{out} exists already; remove it or choose another folder"
    if not out.name:
        raise FileExistsError(there)
    with held(out):
        if out.exists():
            raise FileExistsError(there)
        return _built(name, source, out, suffix)


def _built(name: str, source: Path, out: Path, suffix: str) -> pd.DataFrame:
    reading = read_corpus(name, source)
    root = source if source.is_dir() else source.parent
    sums, confirmed = checked_sums(root, reading.files)
    listed = {file.relative_to(root).as_posix(): total for file, total in sums.items()}
    facts = info(reading.curves)
    with written_whole(out) as folder:
        folder.mkdir()
        file = folder / f"{name}.{suffix}"
        reading.curves.write(file)
        listing = "".join(f"{total}  {path}\n" for path, total in listed.items())
        (folder / "read.sha256").write_text(listing, encoding="utf-8", newline="\n")
        card = _card(name, reading, facts, listed, confirmed, file)
        (folder / "README.md").write_text(card, encoding="utf-8", newline="\n")
    return facts


# -- the data card ---------------------------------------------------------------------------


def _card(
    name: str,
    reading: Reading,
    facts: pd.DataFrame,
    sums: Mapping[str, str],
    confirmed: int,
    file: Path,
) -> str:
    corpus = CORPORA[name]
    totals = facts[["runs", "censored", "diverged", "never_finite", "repeated", "one_check"]].sum()
    checks, ends = reading.curves.lengths, facts_of(reading.curves).endings
    shortest = sorted({checks.min(), checks.max()})
    shares = facts["last_tenth"].map("{:.3f}".format)
    problems = facts.drop(columns="channels").assign(last_tenth=shares)
    rows = {
        "source": corpus.source,
        "citation": corpus.citation,
        "licence": f"{corpus.licence}, of the corpus and so of this copy",
        "runs": f"{totals['runs']} on {len(facts)} problems",
        "checks": f"{checks.sum()}; {' to '.join(map(str, shortest))} a run",
        "curves": ", ".join(dict.fromkeys(", ".join(facts["channels"]).split(", "))),
        **corpus.record,
        "censored": f"{totals['censored']} runs: the lowest validation error is at the last "
        "check, and a longer record might be lower",
        "lower bounds": f"{ends.late} runs ({ends.share('late'):.0%} of those with a finite "
        "error): the lowest one is in the last tenth, so that a loss against it is a lower bound; "
        f"{ends.at_target} runs are known to have ended at a target",
        "single check": f"{totals['one_check']} runs",
        "diverged": f"{totals['diverged']} runs: a validation error is NaN or infinite; "
        f"{totals['never_finite']} have no finite one",
        "repeated": f"{totals['repeated']} runs have the checks of an earlier run: leave "
        "them out where runs count as independent",
        "sums of what was read": f"{len(sums)} files, {_combined(sums)}; {confirmed} confirmed "
        "by the corpus' own checksums, all listed in `read.sha256`",
        "made with": f"earlystop_lab {version('earlystop_lab')}, pyarrow {pa.__version__}: "
        f"`earlystop corpus build {name}`",
    }
    return "\n".join(
        [
            f"# Data card: {name}\n",
            f"{corpus.description}.\n",
            _markdown(["what", "value"], rows.items()),
            *(f"{note}\n" for note in reading.notes),
            "Problems; `last_tenth` is the share of runs whose lowest validation error is in the "
            "last tenth of the record:\n",
            _markdown(list(problems.columns), problems.itertuples(index=False)),
            _markdown(["file", "SHA-256"], [(f"`{file.name}`", f"`{sha256(file)}`")]),
        ]
    )


def _combined(sums: Mapping[str, str]) -> str:
    """One checksum for many files: of the text that lists theirs."""
    if len(sums) <= 4:
        return ", ".join(f"`{path}` `{total}`" for path, total in sums.items())
    listing = "".join(f"{total}  {path}\n" for path, total in sums.items())
    return f"SHA-256 of their list `{hashlib.sha256(listing.encode()).hexdigest()}`"


def _markdown(header: list[str], rows: object) -> str:
    lines = [header, ["---"] * len(header), *rows]  # type: ignore[misc]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)
