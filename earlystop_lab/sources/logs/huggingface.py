"""Hugging Face Trainer: the ``log_history`` of ``trainer_state.json``.

Every checkpoint repeats the history so far: of the files of one output folder the longest
history counts.
"""

from __future__ import annotations

import re
from pathlib import Path

from earlystop_lab.sources.logs._json import flat
from earlystop_lab.sources.logs._reading import Log, Row, Source
from earlystop_lab.sources.logs._values import LogError


def owner(path: Path) -> Path | None:
    """The output folder of a checkpoint's state."""
    if path.name == "trainer_state.json":
        return path.parent.parent if re.match(r"checkpoint-\d+$", path.parent.name) else path.parent
    return None


def recognises(source: Source) -> bool:
    return isinstance(source.document, dict) and isinstance(
        source.document.get("log_history"), list
    )


def read(source: Source) -> list[Log]:
    """The longest history among the files; the rows are numbered by entry."""
    found: list[tuple[int, Source]] = []
    notes: list[str] = []
    failure = LogError("no 'log_history' in it; expected a Trainer's trainer_state.json")
    for path in source.files:
        state = Source(path)
        try:
            if recognises(state):
                found.append((len(state.document["log_history"]), state))
        except LogError as error:
            failure = error
            notes.append(f"{path.parent.name}/{path.name}: {error}")
    if not found:
        raise failure
    if len(source.files) > 1:
        notes.append(f"{len(source.files)} checkpoints of one run: the longest history is read")
    _, state = max(found, key=lambda item: item[0])
    rows: list[Row] = []
    skipped = []
    for i, entry in enumerate(state.document["log_history"], start=1):
        if isinstance(entry, dict):
            rows.append((i, flat(entry)))
        else:
            skipped.append(LogError("an entry of 'log_history' that is no object", i))
    rows, after = _checks(rows)
    if after:
        notes.append(f"entries after the end of training left out: {after}")
    log = Log(rows, notes=[*state.notes, *notes], skipped=skipped)
    if "loss" in log.columns:
        # "train_loss" is one average over the whole training, recorded at its end
        log.roles = {"train": "loss"}
    return [log]


def _checks(rows: list[Row]) -> tuple[list[Row], int]:
    """The entries but those made when training had ended, and the number of these.

    An evaluation then is of the model that was kept, which may be an earlier one.
    """
    kept: list[Row] = []
    ended: set[object] = set()
    for i, cells in rows:
        if "train_runtime" in cells:
            ended = {cells.get("step")}
        elif cells.get("step") in ended:
            continue
        kept.append((i, cells))
    return kept, len(rows) - len(kept)
