"""TensorBoard event files: scalars stored as simple values or as tensors (version 2).

All event files in a folder belong to one run. So do the folders ``train``, ``validation`` and the
like inside it, which Keras writes, and ``Loss_train``, which PyTorch's ``add_scalars`` writes:
their tags are prefixed with the folder's name.
"""

import re
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from earlystop_lab.sources.logs._cells import LogError
from earlystop_lab.sources.logs._columns import Column, Log
from earlystop_lab.sources.logs._event_file import SCALAR, is_setting, read_scalars
from earlystop_lab.sources.logs._reading import Source, read_bytes

_PART = re.compile(r"(?P<tag>.*_)?(?:train|validation|val|valid|eval|test)")


class _Piece(NamedTuple):
    """What one file gave; the part is the folder below the run's that it was in."""

    part: str
    #: of :data:`SCALAR`
    rows: NDArray[Any]


def owner(path: Path) -> Path | None:
    """The run's folder."""
    if "tfevents" not in path.name:
        return None
    folder = path.parent
    part = _PART.fullmatch(folder.name)
    if part is None or not folder.parent.name:
        return folder
    # PyTorch's add_scalars puts "Loss_train" beside the run's own file
    own = not part["tag"] or any("tfevents" in file.name for file in folder.parent.iterdir())
    return folder.parent if own else folder


@np.errstate(invalid="ignore")  # a time or a value may be infinite or NaN
def read(source: Source) -> list[Log]:
    """Every scalar; the files in the order in which they were begun."""
    pieces: list[_Piece] = []
    names: dict[str, int] = {}
    settings: set[int] = set()
    began: list[float] = []
    notes: list[str] = []
    skipped: list[LogError] = []
    for path in sorted(source.files, key=lambda path: path.name):
        part = path.parent.name if path.parent != source.path and source.path.is_dir() else ""
        try:
            found = read_scalars(read_bytes(path))
        except LogError as error:
            skipped.append(LogError(f"{path.name}: {error}"))
            continue
        if found.error is not None:
            skipped.append(LogError(f"{path.name}: {found.error}"))
        own = [names.setdefault(_name(part, tag), len(names)) for tag in found.tags]
        settings.update(i for i, tag in zip(own, found.tags, strict=True) if is_setting(tag))
        found.rows["tag"] = np.array(own, np.int32)[found.rows["tag"]]
        began.append(found.began)
        pieces.append(_Piece(part, found.rows))
        if found.starts:
            valid = _valid(pieces, found.starts)
            if sum(len(rows) for _, rows in valid) < sum(len(rows) for _, rows in pieces):
                notes.append(
                    f"{path.name} restarts at step {min(step for _, step in found.starts)}; values "
                    "recorded earlier from that step on are left out"
                )
            pieces = valid
    rows = np.concatenate([np.empty(0, SCALAR), *(piece.rows for piece in pieces)])
    pieces.clear()  # or they would be held twice
    scalars = rows[~np.isin(rows["tag"], [*settings])] if settings else rows
    if not len(scalars):
        raise skipped[0] if skipped else LogError("the event files contain no scalars")
    if len(scalars) < len(rows) and len(np.unique(scalars["tag"])) == len(scalars):
        raise LogError("only hyperparameters and final results (add_hparams), no curves")
    every = np.arange(len(scalars))
    columns = {
        "step": Column(pa.array(scalars["step"]), every),
        **_columns(scalars, list(names)),
    }
    columns.setdefault("seconds", Column(pa.array(scalars["time"] - np.fmin.reduce(began)), every))
    return [Log(every + 1, columns, shared=False, notes=notes, skipped=skipped)]


def _name(part: str, tag: str) -> str:
    """The column; a tag may be any text, and "step" is where the position goes."""
    name = f"{part}/{tag}" if part else tag
    return "step " if name == "step" else name


def _valid(pieces: list[_Piece], starts: list[tuple[int, int]]) -> list[_Piece]:
    """The pieces without what the session starts of the last one make void in its part."""
    part, last = pieces[-1]
    # the lowest step at which a session starts that comes after so many rows of the last piece
    lowest = np.full(len(last) + 1, np.inf)
    for before, step in starts:
        lowest[before] = min(lowest[before], step)
    lowest = np.minimum.accumulate(lowest[::-1])[::-1]
    return [
        *(
            _Piece(name, rows[rows["step"] < lowest[0]] if name == part else rows)
            for name, rows in pieces[:-1]
        ),
        _Piece(part, last[last["step"] < lowest[1:]]),
    ]


def _columns(scalars: NDArray[Any], names: list[str]) -> dict[str, Column]:
    """The scalars of each tag and the rows that they are in."""
    order = np.argsort(scalars["tag"], kind="stable")
    ends = np.cumsum(np.bincount(scalars["tag"], minlength=len(names)))
    parts = zip(names, np.split(order, ends[:-1]), strict=True)
    return {n: Column(pa.array(scalars["value"][rows]), rows) for n, rows in parts if len(rows)}
