"""Runs as files: each a curve set of one run in Parquet, written whole."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import pyarrow as pa
import pyarrow.parquet as pq

from earlystop_lab._common.files import written_whole
from earlystop_lab.curves import CurveSet, FloatArray, read_curves
from earlystop_lab.live.watch.journal import sync_folder
from earlystop_lab.live.watch.posts import Channels
from earlystop_lab.live.watch.runs import Run

#: where a file says that it was written here, and what it holds
_MARK = b"earlystop watch"
#: characters of a run's name that a file's name has as they are
_PLAIN = " ()+,=@"
_LONGEST = 150


class Snapshot(NamedTuple):
    """A run at one moment; nothing in it changes any more."""

    called: str
    number: int
    name: str
    channels: Channels
    epoch: FloatArray
    val: FloatArray
    train: FloatArray | None


def snapshot(run: Run) -> Snapshot:
    """The run as it is now."""
    assert run.channels is not None, "a run has channels before it has checks"
    train = run.curve("train") if run.has_train else None
    curves = (run.curve("epoch"), run.curve("val"), train)
    return Snapshot(run.called, run.number, run.name, run.channels, *curves)


def file_of(folder: Path, run: str) -> Path:
    """The file of a run: named as the run, whatever that is."""
    name = quote(run, safe=_PLAIN)
    if len(name) > _LONGEST:
        name = f"{name[:_LONGEST]}-{hashlib.sha256(run.encode()).hexdigest()[:16]}"
    return folder / f"{name}.parquet"


def save(run: Snapshot, folder: Path, segment: int) -> None:
    """Write the run; it holds all that the journal says of it up to that segment."""
    row: dict[str, Any] = {"run": run.name, "epoch": run.epoch, "val": run.val}
    row |= {"val_channel": run.channels.val, "mode": run.channels.mode}
    if run.train is not None:
        row |= {"train": run.train, "train_channel": run.channels.train}
    table = CurveSet.from_runs([row]).table
    about = {"called": run.called, "number": run.number, "channels": run.channels._asdict()}
    mark = {"segment": segment, **about}
    curves = CurveSet(table.replace_schema_metadata({_MARK: json.dumps(mark)}))
    with written_whole(file_of(folder, run.name)) as temporary:
        curves.write(temporary)
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
    sync_folder(folder)


def saved(folder: Path) -> Iterator[Path]:
    """The files that were written by :func:`save`, the last changed first."""
    for path in sorted(folder.glob("*.parquet"), key=lambda path: -path.stat().st_mtime_ns):
        if _mark(path) is not None:
            yield path


def load(path: Path, criteria: Sequence[str]) -> tuple[Run, int]:
    """The run in a file, and the last segment of the journal that it holds.

    Raises ``ValueError`` or ``OSError`` where it cannot be read.
    """
    mark = _mark(path)
    if mark is None:
        raise ValueError(f"{path}: not a run saved by earlystop watch")
    run = Run(mark["called"], mark["number"], criteria)
    run.follow(read_curves(path)[0], Channels(**mark["channels"]), [])
    run.began = run.changed = path.stat().st_mtime
    return run, mark["segment"]


def _mark(path: Path) -> dict[str, Any] | None:
    try:
        mark: dict[str, Any] = json.loads((pq.read_schema(path).metadata or {})[_MARK])
    except (pa.ArrowException, OSError, KeyError, ValueError):
        return None
    return mark
