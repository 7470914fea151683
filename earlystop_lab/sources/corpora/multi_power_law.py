"""Validation losses of language models under nine learning-rate schedules, with the rates.

Source: K. Luo et al., "A Multi-Power Law for Loss Curve Prediction Across Learning Rate Schedules",
ICLR 2025, arXiv:2503.12811.
"""

from itertools import groupby
from pathlib import Path

import pyarrow as pa

from earlystop_lab.curves import Channel
from earlystop_lab.sources.corpora.reading import Corpus, Reading, Size, columns_of, named, set_of

_TYPES = {
    "model": pa.string(),
    "schedule": pa.string(),
    "step": pa.float64(),
    "lr": pa.float64(),
    "loss": pa.float64(),
}


def read(source: Path) -> Reading:
    """Read ``curves.csv``, a table of model, schedule, step, lr and loss, or the folder with it.

    Raises ``OSError`` if there is no such file, and ``ValueError`` naming file, row and value.
    """
    file = source / "curves.csv" if source.is_dir() else source
    with named(file):
        columns = columns_of(file, _TYPES)
        rows = zip(*(columns[name].tolist() for name in _TYPES), strict=True)
        runs = []
        for (model, schedule), group in groupby(rows, key=lambda row: row[:2]):
            _, _, step, rate, loss = map(list, zip(*group, strict=True))
            facts = {"run": f"{model}/{schedule}", "problem": model, "dataset": "multi-power-law"}
            runs.append({**facts, "schedule": schedule, "epoch": step, "val": loss, "lr": rate})
        about = {"epoch": Channel(unit="step"), "val": Channel(metric="cross-entropy")}
        curves = set_of(runs, about)
    return Reading(curves, [file], [])


CORPUS = Corpus(
    read,
    "27 language models: three sizes (25M, 100M and 400M parameters) under nine learning-rate "
    "schedules",
    "https://github.com/thu-yao-01-luo/MultiPowerLaw, loss_curve_repo/csv_{25,100,400}/*.csv: "
    "joined into one table curves.csv with columns model, schedule, step, lr, loss",
    'K. Luo et al., "A Multi-Power Law for Loss Curve Prediction Across Learning Rate Schedules", '
    "ICLR 2025, arXiv:2503.12811",
    "MIT",
    Size(runs=27, checks=6265, problems=3, datasets=1, channels="val, lr", positions="step"),
    {
        "error": "the validation loss in nats per token, lower is better; one run per model and "
        "schedule, so no seeds",
        "position": "`epoch` is the optimiser step; the record begins after warm-up, at step 2160 "
        "or later. `lr` is the learning rate at that step",
        "end of the record": "the end of the schedule",
        "cluster": "`problem`, the size of the model; `dataset` is the same for all, and curves "
        "of one size partly share their first part, so there is one cluster",
    },
)
