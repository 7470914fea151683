"""AlgoPerf: the public logs of the MLCommons benchmark of training algorithms.

The source is a tree of the benchmark's own ``eval_measurements.csv`` files, one per run, or a long
table of all runs with its index. The error is the workload's loss: every workload records one,
lower is better in all of them, and it is what training minimises. For most workloads, the
benchmark's targets (:data:`WORKLOADS`) are other metrics, in some of which higher is better.

Source: G. E. Dahl et al., "Benchmarking Neural Network Training Algorithms", 2023,
arXiv:2306.07179.
"""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from earlystop_lab._common.progress import followed
from earlystop_lab.curves import CurveSet
from earlystop_lab.sources.corpora.reading import Corpus, Reading, Size, columns_of, named


class Workload(NamedTuple):
    """A workload: the metric of its curves, and the target of the benchmark."""

    column: str
    loss: str
    target: str


#: by the start of a problem's name; variants of a workload record the same metric
WORKLOADS: dict[str, Workload] = {
    "criteo1tb": Workload("loss", "binary cross-entropy", "loss, lower is better"),
    "fastmri": Workload("loss", "mean absolute error", "ssim, higher is better"),
    "imagenet": Workload("loss", "cross-entropy", "accuracy, higher is better"),
    "librispeech": Workload("ctc_loss", "CTC loss", "wer, lower is better"),
    "mnist": Workload("loss", "cross-entropy", "none: a test of the scoring code"),
    "ogbg": Workload("loss", "binary cross-entropy", "mean_average_precision, higher is better"),
    "wmt": Workload("loss", "cross-entropy", "bleu, higher is better"),
}
_FILE = "eval_measurements.csv"
_PATH = re.compile(
    r"(?:(?P<version>[^/]+)/logs/(?P<ruleset>[^/]+)/(?P<submission>[^/]+)/)?"
    r"(?P<study>study_\d+)/(?:(?P<workload>(?!study_\d+/)[^/]+)/)?(?P<trial>trial_\d+)$"
)
_LONG = {
    "run_path": pa.int64(),
    "split_metric_loss": pa.string(),
    "step": pa.int64(),
    "train_loss": pa.float64(),
    "valid_loss": pa.float64(),
    "test_loss": pa.float64(),
}
_INDEX = {"run_id": pa.int64(), "path": pa.string(), "n_evals": pa.int64()}
_EMPTY = (
    "An empty cell is how the logs write NaN; a run with one in its validation loss counts as "
    "diverged."
)


def read(source: Path) -> Reading:
    """Read a long table, a folder with one, or a tree of ``eval_measurements.csv``.

    A long table is ``*curves_long.csv`` or ``.csv.gz`` with columns run_path, split_metric_loss,
    step, train_loss, valid_loss, test_loss, next to ``*run_index.csv`` or ``.csv.gz`` with
    run_id, path, n_evals. If a folder has both forms, the long table is read.

    Raises ``OSError`` if nothing can be read, and ``ValueError`` naming file, row and value if it
    is not such a log.
    """
    if source.is_file() and source.name != _FILE:
        return _read_long(source)
    tables = _tables(source, "curves_long")
    if len(tables) > 1:
        raise ValueError(f"{source}: has {len(tables)} long tables; pass one of {_names(tables)}")
    return _read_long(tables[0]) if tables else _read_tree(source)


def run_facts(path: str, loss: str) -> dict[str, Any]:
    """A run's id and metadata, derived from its path in the tree of logs.

    ``problem`` is the workload without its framework, and ``dataset`` is what its variants share.
    The problem of a run whose path names no workload is ``librispeech_unnamed`` if its loss is the
    CTC loss, which only speech has, and ``unnamed`` otherwise. Raises ``ValueError`` if it is not a
    path of AlgoPerf.

    >>> facts = run_facts("algoperf_v05/logs/self_tuning/sinv6/study_0/wmt_jax/trial_1", "loss")
    >>> facts["problem"], facts["framework"], facts["submission"], facts["study"], facts["trial"]
    ('wmt', 'jax', 'sinv6', 'study_0', 'trial_1')
    """
    match = _PATH.search(path)
    if match is None:
        raise ValueError(
            f"path {path!r} is not one of AlgoPerf; expected "
            ".../logs/<ruleset>/<submission>/study_<n>/<workload>/trial_<n>"
        )
    facts: dict[str, Any] = match.groupdict()
    workload = facts.pop("workload")
    unnamed = "librispeech_unnamed" if loss == "ctc_loss" else "unnamed"
    problem, framework = workload or unnamed, None
    if cut := re.fullmatch(r"(.+)_(jax|pytorch)", problem):
        problem, framework = cut[1], cut[2]
    dataset = next((name for name in WORKLOADS if problem.startswith(name)), problem)
    names = {"run": match[0], "problem": problem, "dataset": dataset, "framework": framework}
    return {**names, **facts, "loss": loss, "epoch.unit": "step"}


# -- the tree of logs ------------------------------------------------------------------------


def _read_tree(source: Path) -> Reading:
    files = [source] if source.is_file() else sorted(source.rglob(_FILE))
    if not files:
        raise FileNotFoundError(
            f"{source}: no AlgoPerf logs; expected {_FILE} somewhere below, or *curves_long.csv.gz"
        )
    runs = []
    for file in followed(files, "reading logs", len(files), "files"):
        with named(file):
            # one run per set, so that errors name the file
            runs.append(CurveSet.from_runs([_run(file)]).table)
    with named(source):
        curves = CurveSet(pa.concat_tables(runs, promote_options="permissive"))
    return Reading(curves, files, [_EMPTY])


def _run(file: Path) -> dict[str, Any]:
    with file.open("rb") as stream:
        header = stream.readline().decode("utf-8", "replace").strip().split(",")
    loss = next((name for name in ("ctc_loss", "loss") if f"validation/{name}" in header), None)
    if loss is None:
        raise ValueError(
            "no column validation/loss or validation/ctc_loss; it has " + ", ".join(header)[:300]
        )
    channels = {"train": f"train/{loss}", "val": f"validation/{loss}", "test": f"test/{loss}"}
    present = {key: name for key, name in channels.items() if name in header}
    columns = columns_of(
        file, {"global_step": pa.int64(), **dict.fromkeys(present.values(), pa.float64())}
    )
    curves = {key: columns[name] for key, name in present.items()}
    facts = run_facts(file.resolve().parent.as_posix(), loss)
    return {**facts, "epoch": columns["global_step"], **curves}


# -- the long table --------------------------------------------------------------------------


def _read_long(file: Path) -> Reading:
    indices = _tables(file.parent, "run_index")
    if len(indices) != 1:
        raise FileNotFoundError(
            f"{file}: expected one *run_index.csv or .csv.gz next to it, which describes its runs; "
            f"found {_names(indices) or 'none'}"
        )
    with named(indices[0]):
        index = columns_of(indices[0], _INDEX)
    with named(file):
        columns = columns_of(file, _LONG)
        curves = CurveSet.from_runs(_long_runs(columns, index))
    digits = "The long table gives losses to 6 digits, so small differences appear as ties."
    return Reading(curves, [file, indices[0]], [digits, _EMPTY])


def _long_runs(
    columns: Mapping[str, NDArray[Any]], index: Mapping[str, NDArray[Any]]
) -> Iterator[dict[str, Any]]:
    ids, losses = columns["run_path"], columns["split_metric_loss"]
    starts = np.flatnonzero(np.append(True, ids[1:] != ids[:-1])) if len(ids) else ids
    ends = np.append(starts[1:], len(ids))
    places = {run: (path, n) for run, path, n in zip(*index.values(), strict=True)}
    _check_index(ids, starts, index)
    parts = zip(starts.tolist(), ends.tolist(), strict=True)
    for start, end in followed(parts, "reading runs", len(starts), "runs"):
        path, checks = places[ids[start]]
        if end - start != checks:
            raise ValueError(
                f"run_path {ids[start]}, from row {start + 2}: {end - start} rows, but the index "
                f"says {checks}"
            )
        part = slice(start, end)
        if (other := losses[part] != losses[start]).any():
            row = start + int(other.argmax())
            raise ValueError(
                f"row {row + 2}: split_metric_loss is {losses[row]!r} after {losses[start]!r}; "
                "expected the same loss in all rows of a run"
            )
        yield {
            **run_facts(path, losses[start]),
            "epoch": columns["step"][part],
            "train": columns["train_loss"][part],
            "val": columns["valid_loss"][part],
            "test": columns["test_loss"][part],
        }


def _check_index(
    ids: NDArray[np.int64], starts: NDArray[np.int64], index: Mapping[str, NDArray[Any]]
) -> None:
    first, count = np.unique(ids[starts], return_counts=True)
    if (count > 1).any():
        again = first[count.argmax()]
        row = starts[ids[starts] == again][1]
        raise ValueError(
            f"row {row + 2}: run_path {again} again; expected all rows of a run to be adjacent"
        )
    if len(differ := np.setxor1d(first, index["run_id"])):
        raise ValueError(
            f"run_path {differ[0]} is in only one of the table and its index; "
            "expected the same runs in both"
        )


# -- files -----------------------------------------------------------------------------------


def _tables(folder: Path, ending: str) -> list[Path]:
    """CSV files of the folder whose stem has that ending, compressed or not."""
    return sorted(file for kind in ("csv", "csv.gz") for file in folder.glob(f"*{ending}.{kind}"))


def _names(files: list[Path]) -> str:
    return ", ".join(file.name for file in files)


_ALGOPERF_ERRORS = "; ".join(
    f"{name}: `{load.column}`, {load.loss} (the benchmark's target: {load.target})"
    for name, load in WORKLOADS.items()
)

CORPUS = Corpus(
    read,
    "Runs of the AlgoPerf benchmark, 4,379 in all: many training algorithms on eight "
    "workloads and their variants",
    "https://github.com/mlcommons/submissions_algorithms, "
    "previous_leaderboards/algoperf_v05/logs and algoperf_v06/logs: a tree of "
    "eval_measurements.csv, or a long table of them with its run index",
    'G. E. Dahl et al., "Benchmarking Neural Network Training Algorithms", 2023, arXiv:2306.07179',
    "Apache-2.0",
    Size(
        runs=4379,
        checks=304052,
        problems=20,
        datasets=7,
        channels="val, train, test",
        positions="step",
    ),
    {
        "error": "the loss on the training, validation and test split, lower is better. "
        "By the start of a problem's name, " + _ALGOPERF_ERRORS,
        "position": "`epoch` is the global step as logged, the first is 1. Submissions "
        "lawa_queue and lawa_ema (669 of all runs) log much coarser steps, their records end "
        "at about 1% of the others' steps: compare positions within a run, not across them",
        "end of the record": "a validation target or a budget reached: many runs are cut "
        "while they improve",
        "cluster": "`dataset`, the data of a workload; `problem`, the workload without its "
        "framework, counts variants apart. Runs whose place names no workload are "
        "`librispeech_unnamed` (their loss is CTC) or `unnamed`; `mnist` is test data of the "
        "scoring code",
    },
)
