"""TaskSet: text classifiers with many optimiser settings, as redistributed by the DPL repository.

The runs of a task differ in eight hyperparameters of Adam. TaskSet trains for 10,000 steps and
measures at step 0 and every 200 steps: 51 checks. The files only count the checks, and so do the
curves here (check c is step 200 (c - 1)).

Source: L. Metz et al., "Using a thousand optimization tasks to learn hyperparameter search
strategies", 2020, arXiv:2002.11887; A. Kadra et al., "Scaling Laws for Hyperparameter
Optimization", NeurIPS 2023, arXiv:2302.00441.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from earlystop_lab._common.progress import followed
from earlystop_lab.curves import CurveSet
from earlystop_lab.sources.corpora.reading import Corpus, Reading, Size, arrays_of, json_of, named

#: the splits in the files, in the order of the archive, and the names of their curves
SPLITS = {"train": "train", "valid": "val", "test": "test"}
_TAKEN = {"run", "problem", "dataset", "epoch", *SPLITS.values()}
Runs = list[dict[str, Any]]


def read(source: Path) -> Reading:
    """Read an archive (``.npz``), files (``.json``, ``.json.gz``) or a folder with either.

    An archive has one array per task, runs x (train, valid, test) x checks. A file has one task, a
    list of ``{"hp": {...}, "train": {"loss": [...]}, "valid": ..., "test": ...}``, and its name is
    that of the task. If a folder has a task in both, the curves must agree in float32; those of
    the archive are used, with the hyperparameters of the file as metadata.

    Raises ``OSError`` if nothing can be read, and ``ValueError`` naming file, task and run if it is
    not such a record.
    """
    files = [source] if source.is_file() else _files(source)
    archives = [file for file in files if file.suffix == ".npz"]
    if len(archives) > 1:
        raise ValueError(f"{source}: has {len(archives)} archives (.npz); pass one of them")
    tasks: dict[str, Runs] = {}
    notes = []
    for file in archives:
        with named(file):
            tasks.update((task, _array_runs(task, array)) for task, array in arrays_of(file))
    others = sorted(set(files) - set(archives))
    for file in followed(others, "reading tasks", len(others), "files"):
        task = file.name.removesuffix(".gz").removesuffix(".json")
        with named(file):
            if task in tasks:
                tasks[task] = _with_settings(tasks[task], _task(file, task))
                notes.append(f"`{file.name}` has the archive's curves to float32.")
            else:
                tasks[task] = _task(file, task)
    with named(source):
        curves = CurveSet.from_runs(run for task in sorted(tasks) for run in tasks[task])
    return Reading(curves, files, notes)


def _files(source: Path) -> list[Path]:
    files = [file for kind in ("npz", "json", "json.gz") for file in source.glob(f"*.{kind}")]
    if not files:
        raise FileNotFoundError(
            f"{source}: no TaskSet record; expected a .npz archive or .json or .json.gz files"
        )
    return sorted(files)


def _array_runs(task: str, array: NDArray[Any]) -> Runs:
    if not isinstance(array, np.ndarray):
        raise ValueError(f"{task!r} in the archive is not an array")
    if array.ndim != 3 or array.shape[1] != len(SPLITS) or array.dtype.kind != "f":
        raise ValueError(
            f"task {task!r}: {array.dtype} of shape {array.shape}; expected floats, runs x "
            f"{len(SPLITS)} ({', '.join(SPLITS)}) x checks"
        )
    return [
        _named(task, i, dict(zip(SPLITS.values(), run, strict=True))) for i, run in enumerate(array)
    ]


def _task(file: Path, task: str) -> Runs:
    entries = json_of(file)
    if not isinstance(entries, list) or not entries:
        raise ValueError(f"expected a list of runs, got {type(entries).__name__} or an empty list")
    return [_entry(task, i, entry) for i, entry in enumerate(entries)]


def _entry(task: str, i: int, entry: Any) -> dict[str, Any]:
    settings = entry.get("hp") if isinstance(entry, Mapping) else None
    if not isinstance(settings, Mapping):
        raise ValueError(f"run {i}: no 'hp'; expected hp, {', '.join(SPLITS)}")
    for name, value in settings.items():
        if name in _TAKEN or isinstance(value, bool) or not isinstance(value, (int, float)):
            raise ValueError(f"run {i}: hp {name!r} is {value!r}; expected a named number")
    curves = {}
    for split, channel in SPLITS.items():
        part = entry.get(split)
        if not isinstance(part, Mapping) or not isinstance(part.get("loss"), list):
            raise ValueError(f"run {i}: no list {split}.loss")
        curves[channel] = part["loss"]
    return _named(task, i, {**curves, **settings})


def _named(task: str, i: int, run: Mapping[str, Any]) -> dict[str, Any]:
    # FixedTextRNNClassification_imdb_patch128_LSTM128_bs64
    told = re.fullmatch(r"FixedTextRNNClassification_([^_]+)_.*", task)
    return {"run": f"{task}/{i}", "problem": task, "dataset": told[1] if told else task, **run}


def _with_settings(archived: Runs, read: Runs) -> Runs:
    """The archive's runs with the file's hyperparameters, after checking that the curves agree."""
    if len(archived) != len(read):
        raise ValueError(f"{len(read)} runs, but the archive has {len(archived)} of this task")
    for mine, other in zip(archived, read, strict=True):
        for channel in SPLITS.values():
            same = np.asarray(other[channel], np.float32)
            if not np.array_equal(mine[channel], same, equal_nan=True):
                raise ValueError(
                    f"run {mine['run']!r}, {channel}: differs from the curve in the archive"
                )
    return [{**other, **mine} for mine, other in zip(archived, read, strict=True)]


CORPUS = Corpus(
    read,
    "Runs of TaskSet, 12,000 in all: twelve recurrent text classifiers, 1,000 settings of "
    "Adam each",
    "https://github.com/releaunifreiburg/DPL, data/taskset: *.json, or an .npz archive of them",
    'L. Metz et al., "Using a thousand optimization tasks to learn hyperparameter search '
    'strategies", 2020, arXiv:2002.11887; redistributed by A. Kadra et al., "Scaling Laws '
    'for Hyperparameter Optimization", NeurIPS 2023, arXiv:2302.00441',
    "Apache-2.0",
    Size(
        runs=12000,
        checks=612000,
        problems=12,
        datasets=1,
        channels="val, train, test",
        positions="check",
    ),
    {
        "error": "cross-entropy on batches of the training, validation and test split, lower "
        "is better; divergence also shows as errors up to 1e34",
        "position": "checks are counted 1 to 51, the files record no step; TaskSet measures "
        "at step 0 and every 200 of 10,000 steps",
        "end of the record": "the budget of 10,000 steps for every run, none ended early; "
        "once NaN, a run is NaN to its end",
        "cluster": "`dataset`, which is IMDB for all twelve tasks, so there is one cluster; "
        "`problem` is the task",
    },
)
