"""Hugging Face Trainer: the ``log_history`` of ``trainer_state.json``, or its printed entries.

Every checkpoint repeats the history so far, so the longest history in an output folder is read.
"""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from earlystop_lab.sources.logs._cells import LogError, is_number, number
from earlystop_lab.sources.logs._columns import IntArray, Log, log_of_entries
from earlystop_lab.sources.logs._reading import Source, object_of


def owner(path: Path) -> Path | None:
    """The output folder of a checkpoint's state."""
    if path.name == "trainer_state.json":
        return path.parent.parent if re.match(r"checkpoint-\d+$", path.parent.name) else path.parent
    return None


#: what the Trainer adds to the entries of an evaluation and of the end of training
_RUNTIMES = ("eval_runtime", "train_runtime")
_NOT_THERE = object()


def recognises(source: Source) -> bool:
    if source.records is not None:
        return not source.records.columns.keys().isdisjoint(_RUNTIMES)
    return _entries(source) is not None


def _entries(source: Source) -> list[Any] | None:
    document = source.document
    entries = document.get("log_history") if isinstance(document, dict) else None
    return entries if isinstance(entries, list) else None


def _history(source: Source) -> Log | None:
    """The entries, numbered; None where it is something else."""
    if not recognises(source):
        return None
    if (entries := _entries(source)) is None:
        return source.records
    wrong = "an entry of 'log_history' is not an object"
    return log_of_entries(enumerate(entries, start=1), lambda entry: object_of(entry, wrong))


def read(source: Source) -> list[Log]:
    """Read the longest history among the files; rows are numbered by entry."""
    histories: list[tuple[Source, Log]] = []
    notes: list[str] = []
    failure = LogError("no 'log_history' found; expected a Trainer's trainer_state.json")
    for path in source.files:
        state = source if source.path == path else Source(path)
        try:
            if (history := _history(state)) is not None:
                histories.append((state, history))
        except LogError as error:
            failure = error
            notes.append(f"{path.parent.name}/{path.name}: {error}")
    if not histories:
        raise failure
    if len(source.files) > 1:
        notes.append(f"{len(source.files)} checkpoints of one run; the longest history is read")
    state, history = max(histories, key=lambda item: len(item[1]))
    kept = _checks(history)
    if after := len(history) - len(kept):
        notes.append(f"entries recorded after the end of training are left out: {after}")
        history = history.take(kept)
    log = replace(history, notes=[*state.notes, *notes], epoch_steps=_epoch_steps(state))
    if "loss" in log.columns:
        # "train_loss" is one average over the whole training, recorded at its end
        log.roles = {"train": "loss"}
    return [log]


def _epoch_steps(state: Source) -> float | None:
    """The steps of an epoch, by those of the whole training."""
    document = state.document if isinstance(state.document, dict) else {}
    told = [document.get(name) for name in ("max_steps", "num_train_epochs")]
    steps, epochs = ((number(cell) or 0.0) if is_number(cell) else 0.0 for cell in told)
    return steps / epochs if steps > 0 and epochs > 0 else None


def _checks(log: Log) -> IntArray:
    """The rows but those made when training had ended.

    An evaluation then is of the model that was kept, which may be an earlier one.
    """
    # printed entries have no step
    steps, epochs = log.cells("step", _NOT_THERE), log.cells("epoch")
    ends = set(log.columns["train_runtime"].rows.tolist() if "train_runtime" in log.columns else ())
    kept: list[int] = []
    ended: list[object] = []
    for row, (step, epoch) in enumerate(zip(steps, epochs, strict=True)):
        at = epoch if step is _NOT_THERE else step
        if row in ends:
            ended = [at]
        elif at in ended:
            continue
        else:
            ended = []
        kept.append(row)
    return np.array(kept, np.int64)
