"""Training logs of the model zoos of GluonCV and GluonNLP, as one long table.

Source: J. Guo et al., "GluonCV and GluonNLP: Deep Learning in Computer Vision and Natural Language
Processing", JMLR 21(23), 2020.
"""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from earlystop_lab.curves import Channel, FloatArray
from earlystop_lab.sources.corpora.reading import Corpus, Reading, Size, columns_of, named, set_of

_TYPES = {
    "family": pa.string(),
    "file": pa.string(),
    "segment": pa.string(),
    "epoch": pa.float64(),
    "channel": pa.string(),
    "value": pa.float64(),
}
#: channel of a run -> the names that the table may have for it, the first one that is there
_CHANNELS = {
    "val": ("val_loss", "val_err_top1", "val_abs_rel"),
    "val_score": ("val_acc", "val_acc_top1", "val_map", "val_miou", "val_f1", "val_uas"),
    "train": ("train_loss", "train_err-top1"),
    "test": ("test_loss",),
    "test_score": ("test_f1", "test_acc"),
    "lr": ("lr",),
}
_ABOUT = {
    "epoch": Channel(unit="epoch"),
    "val_score": Channel(role="val", direction="max"),
    "test_score": Channel(role="test", direction="max"),
    "seconds": Channel(unit="s"),
}
#: data set -> what the path of a log has; the sentences of SST are those of MR
_DATASETS = {
    "hmdb51": "hmdb51",
    "kinetics400": "kinetics400",
    "sthsthv2": "something-something-v2",
    "ucf101": "ucf101",
    "cifar": "cifar10",
    "classification/imagenet": "imagenet",
    "kitti": "kitti",
    "voc": "pascal-voc",
    "coco": "coco",
    "ade": "ade20k",
    "citys": "cityscapes",
    "mhpv1": "mhp-v1",
    "CR_": "customer-reviews",
    "MPQA_": "mpqa",
    "MR_": "rotten-tomatoes",
    "SST-1_": "rotten-tomatoes",
    "SST-2_": "rotten-tomatoes",
    "Subj_": "subj",
    "TREC_": "trec",
    "sentiment_": "imdb",
    "snli": "snli",
    "wikitext-2": "wikitext-2",
    "ptb": "penn-treebank",
    "named_entity_recognition": "conll2003",
}


def read(source: Path) -> Reading:
    """Read ``curves_long.csv`` or ``.csv.gz``, or the folder with it.

    The table has the columns family, file, segment (a fold or a restart), epoch, channel and value.
    Runs in which nothing was measured on validation data are left out.

    Raises ``OSError`` if there is no such file, and ``ValueError`` naming file, row and value.
    """
    names = ("curves_long.csv.gz", "curves_long.csv")
    found = [file for name in names if (file := source / name).is_file()]
    file = source if source.is_file() else next(iter(found), source / names[0])
    with named(file):
        columns = columns_of(file, _TYPES)
        runs, left_out = _runs(columns)
        curves = set_of(runs, _ABOUT)
    notes = [f"{left_out} logs have no validation curve and are left out."] if left_out else []
    return Reading(curves, [file], notes)


def dataset_of(file: str) -> str:
    """The data set of a log, by its path.

    >>> dataset_of("gluonnlp/logs/sentiment/SST-1_static.log")
    'rotten-tomatoes'
    """
    for part, dataset in _DATASETS.items():
        if re.search(rf"(?:^|[/_.-]){re.escape(part)}", file):
            return dataset
    raise ValueError(f"log {file!r} names no known data set")


def _runs(columns: Mapping[str, NDArray[Any]]) -> tuple[list[dict[str, Any]], int]:
    keys = [columns[name].tolist() for name in ("family", "file", "segment")]
    rows: dict[tuple[str, ...], dict[str, list[int]]] = {}
    for row, (*key, channel) in enumerate(zip(*keys, columns["channel"].tolist(), strict=True)):
        rows.setdefault(tuple(key), {}).setdefault(channel, []).append(row)
    runs, left_out = [], 0
    for (family, file, segment), of_channel in rows.items():
        run = _curves(columns, of_channel)
        if not {"val", "val_score"} & {*run}:
            left_out += 1
            continue
        dataset = dataset_of(file)
        facts = {"problem": f"{family}/{dataset}", "dataset": dataset, "family": family}
        runs.append({"run": f"{file}#{segment}", **facts, "segment": segment, **run})
    return runs, left_out


def _curves(
    columns: Mapping[str, NDArray[Any]], of_channel: Mapping[str, list[int]]
) -> dict[str, Any]:
    """The curves of a run along all of its epochs, masked where they were not measured."""
    taken = {
        channel: name
        for channel, names in _CHANNELS.items()
        if (name := next((name for name in names if name in of_channel), None))
    }
    epoch = np.unique(
        columns["epoch"][[row for name in taken.values() for row in of_channel[name]]]
    )
    run: dict[str, Any] = {"epoch": epoch + (epoch[0] == 0) if len(epoch) else epoch}
    for channel, name in taken.items():
        run[channel] = _placed(columns, of_channel[name], epoch)
        if channel != "lr":
            run[f"{channel}.metric"] = re.sub("^(?:train|val|test)_", "", name)
    if "epoch_seconds" in of_channel:
        seconds = _placed(columns, of_channel["epoch_seconds"], epoch)
        if not np.ma.is_masked(seconds):
            run["seconds"] = np.cumsum(seconds.data)
    return run


def _placed(
    columns: Mapping[str, NDArray[Any]], rows: list[int], epoch: FloatArray
) -> np.ma.MaskedArray[Any, Any]:
    """The values of some rows at these epochs; of an epoch that was logged twice, the last."""
    values, there = np.full(len(epoch), np.nan), np.zeros(len(epoch), bool)
    known = np.isin(columns["epoch"][rows], epoch)
    at = np.searchsorted(epoch, columns["epoch"][rows][known])
    values[at], there[at] = columns["value"][rows][known], True
    return np.ma.MaskedArray(values, ~there)


CORPUS = Corpus(
    read,
    "Training logs of the model zoos of GluonCV and GluonNLP: vision, text classification with "
    "160 folds of cross-validation, tagging, parsing and language models",
    "https://github.com/dmlc/web-data, gluoncv/logs and gluonnlp/logs, as a long table "
    "curves_long.csv.gz with columns family, file, segment, epoch, channel, value",
    'J. Guo et al., "GluonCV and GluonNLP: Deep Learning in Computer Vision and Natural Language '
    'Processing", JMLR 21(23), 2020',
    "Apache-2.0",
    Size(
        runs=359,
        checks=62427,
        problems=24,
        datasets=22,
        channels="val, train, test, val_score, seconds, lr, test_score",
        positions="epoch",
    ),
    {
        "error": "`val` is a loss, the top-1 error or the absolute relative error of depth, lower "
        "is better; `val_score` is the accuracy, mAP, mIoU, F1 or UAS, higher is better, in per "
        "cent or as a share as the log has it. `val.metric` says which. Logs of CIFAR-10, "
        "detection, segmentation and the parser have a score only. On CIFAR-10 the test set was "
        "watched; the test loss of language models was printed only when the validation loss had "
        "improved; with mixup, label smoothing or distillation the training accuracy means "
        "nothing",
        "position": "`epoch`, from 1. `seconds` is the sum of the times of the epochs, if every "
        "epoch has one",
        "end of the record": "the planned number of epochs; the learning rate falls at fixed "
        "epochs in most",
        "cluster": "`dataset`; SST-1, SST-2 and MR are one, since their sentences are the same. "
        "`segment` counts folds and restarts within a log",
    },
)
