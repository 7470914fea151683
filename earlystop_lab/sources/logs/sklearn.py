"""scikit-learn: fitted curves (``loss_curve_``, ``validation_scores_`` ...) saved as JSON.

The names are those of ``MLPClassifier``, ``MLPRegressor`` (a loss, and validation scores of
which higher is better), ``HistGradientBoosting*`` (scores of both sets, the first
before any tree) and ``GradientBoosting*`` (a training loss only).
"""

from dataclasses import replace

import numpy as np
import pyarrow as pa

from earlystop_lab.curves import Mode, Role
from earlystop_lab.sources.logs._cells import LogError, is_curve
from earlystop_lab.sources.logs._columns import Column, Log, log_of_lists
from earlystop_lab.sources.logs._reading import Source

_VAL = ("validation_scores_", "validation_score_")
_TRAIN = ("loss_curve_", "train_score_")


def recognises(source: Source) -> bool:
    document = source.document
    return isinstance(document, dict) and any(
        is_curve(document.get(name)) for name in (*_VAL, *_TRAIN)
    )


def read(source: Source) -> list[Log]:
    if not recognises(source):
        raise LogError(f"expected an object with one of {', '.join((*_VAL, *_TRAIN))}")
    curves = {n: source.document[n] for n in (*_VAL, *_TRAIN) if is_curve(source.document.get(n))}
    log = log_of_lists(curves)
    val = next((name for name in _VAL if name in curves), None)
    train = next((name for name in _TRAIN if name in curves), None)
    # HistGradientBoosting has it also where it did not validate: an empty one
    of_trees = "validation_score_" in source.document
    scores = {*_VAL, "train_score_"} if of_trees else {*_VAL}
    modes: dict[str, Mode] = {name: "max" if name in scores else "min" for name in curves}
    roles: dict[Role, str] = {"val": val or train or ""}
    if val is None:
        log.notes.append(f"no validation curve; the training curve {train} is used as val")
    elif train is not None:
        roles["train"] = train
    if modes[roles["val"]] == "max":
        log.notes.append(f"{roles['val']} contains scores (higher is better)")
    if of_trees:  # the first score is that before the first tree
        rows = np.arange(len(log))
        log.columns["iteration"] = Column(pa.array(rows), rows)
    return [replace(log, roles=roles, modes=modes, unit="round" if of_trees else "epoch")]
