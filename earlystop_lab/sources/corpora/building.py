"""The table of known corpora, and how curve sets with data cards are made from them."""

import hashlib
from collections.abc import Callable, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Literal, NamedTuple

import pandas as pd
import pyarrow as pa

from earlystop_lab._common.files import held, written_whole
from earlystop_lab.curves.facts import info
from earlystop_lab.sources.corpora import algoperf, taskset
from earlystop_lab.sources.corpora.reading import Reading, checked_sums, sha256


class Corpus(NamedTuple):
    """A public corpus: how to read it, and the facts for its data card."""

    #: reads a copy of it at a path
    read: Callable[[Path], Reading]
    description: str
    #: where it comes from, and which path to pass to ``build``
    source: str
    citation: str
    licence: str
    #: how it was recorded: what the errors and positions are
    record: Mapping[str, str]


_ALGOPERF_ERRORS = "; ".join(
    f"{name}: `{load.column}`, {load.loss} (the benchmark's target: {load.target})"
    for name, load in algoperf.WORKLOADS.items()
)

#: every known corpus by its name
CORPORA: dict[str, Corpus] = {
    "algoperf": Corpus(
        algoperf.read,
        "Runs of the AlgoPerf benchmark, 4,379 in all: many training algorithms on eight "
        "workloads and their variants",
        "https://github.com/mlcommons/submissions_algorithms, "
        "previous_leaderboards/algoperf_v05/logs and algoperf_v06/logs: a tree of "
        "eval_measurements.csv, or a long table of them with its run index",
        'G. E. Dahl et al., "Benchmarking Neural Network Training Algorithms", 2023, '
        "arXiv:2306.07179",
        "Apache-2.0",
        {
            "error": "the loss on the training, validation and test split, lower is better. "
            "By the start of a problem's name, " + _ALGOPERF_ERRORS,
            "position": "`epoch` is the global step as logged, the first is 1. Submissions "
            "lawa_queue and lawa_ema (669 of all runs) log much coarser steps, their records end "
            "at about 1% of the others' steps: compare positions within a run, not across them",
            "end of the record": "a validation target or a budget reached: many runs are cut "
            "while they improve",
            "cluster": "`problem`, the workload without its framework; a variant of a workload is "
            "a problem of its own. Runs whose place names no workload are `librispeech_unnamed` "
            "(their loss is CTC) or `unnamed`; `mnist` is test data of the scoring code",
        },
    ),
    "taskset": Corpus(
        taskset.read,
        "Runs of TaskSet, 12,000 in all: twelve recurrent text classifiers, 1,000 settings of "
        "Adam each",
        "https://github.com/releaunifreiburg/DPL, data/taskset: *.json, or an .npz archive of them",
        'L. Metz et al., "Using a thousand optimization tasks to learn hyperparameter search '
        'strategies", 2020, arXiv:2002.11887; redistributed by A. Kadra et al., "Scaling Laws '
        'for Hyperparameter Optimization", NeurIPS 2023, arXiv:2302.00441',
        "Apache-2.0",
        {
            "error": "cross-entropy on batches of the training, validation and test split, lower "
            "is better; divergence also shows as errors up to 1e34",
            "position": "checks are counted 1 to 51, the files record no step; TaskSet measures "
            "at step 0 and every 200 of 10,000 steps",
            "end of the record": "the budget of 10,000 steps for every run, none ended early; "
            "once NaN, a run is NaN to its end",
            "cluster": "`problem`, the task",
        },
    ),
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
    return CORPORA[name].read(source)


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
    checks = reading.curves.lengths
    ends = sorted({checks.min(), checks.max()})
    shares = facts["last_tenth"].map("{:.3f}".format)
    problems = facts.drop(columns="channels").assign(last_tenth=shares)
    rows = {
        "source": corpus.source,
        "citation": corpus.citation,
        "licence": f"{corpus.licence}, of the corpus and so of this copy",
        "runs": f"{totals['runs']} on {len(facts)} problems",
        "checks": f"{checks.sum()}; {' to '.join(map(str, ends))} a run",
        "curves": ", ".join(dict.fromkeys(", ".join(facts["channels"]).split(", "))),
        **corpus.record,
        "censored": f"{totals['censored']} runs: the lowest validation error is at the last "
        "check, and a longer record might be lower",
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
