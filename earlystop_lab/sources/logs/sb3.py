"""Stable-Baselines3: the EvalCallback's ``evaluations.npz`` and the Monitor's ``monitor.csv``.

Both count environment steps. A monitor has one row per training episode: its reward ``r``, its
length ``l`` and its time ``t``. Files numbered 0, 1, ... are the environments of one training run.
"""

import io
import re
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from earlystop_lab.sources.logs._cells import LogError, is_number, number
from earlystop_lab.sources.logs._columns import Column, Log, log_of_rows
from earlystop_lab.sources.logs._reading import Source, parse_json, require_size
from earlystop_lab.sources.logs.tables import read_table

_EVALUATIONS = "evaluations.npz"
_ARRAYS = ("timesteps", "results")
_MEANS = {"results": "mean_reward", "ep_lengths": "mean_ep_length", "successes": "success_rate"}
_NUMBERED = re.compile(r"\d+\.monitor\.csv")


def owns_evaluations(path: Path) -> Path | None:
    return path if path.name == _EVALUATIONS else None


def is_evaluations(source: Source) -> bool:
    return source.data.startswith(b"PK") and {*_ARRAYS} <= {*_arrays(source.data)}


def _arrays(data: bytes) -> dict[str, int]:
    """The arrays in an archive of numpy's and their bytes; none where it is something else."""
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
    except Exception:  # a damaged archive raises errors of many kinds
        return {}
    return {m.filename.removesuffix(".npy"): m.file_size for m in members}


def read_evaluations(source: Source) -> list[Log]:
    """Read the mean over the episodes of each evaluation, as EvalCallback computes it."""
    sizes = _arrays(source.data)
    if not {*_ARRAYS} <= {*sizes}:
        raise LogError(f"expected NumPy arrays {' and '.join(_ARRAYS)} with one row per evaluation")
    require_size(sum(sizes.values()), packed=True)
    try:
        with np.load(io.BytesIO(source.data), allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in ("timesteps", *_MEANS) if name in archive}
    except Exception as error:  # a damaged archive raises errors of many kinds
        raise LogError(f"the NumPy arrays cannot be read: {error}") from error
    steps = arrays.pop("timesteps")
    for name, values in arrays.items():
        fits = values.ndim == 2 and values.shape[1:] != (0,) and len(values) == len(steps)
        if steps.ndim != 1 or not fits or values.dtype.kind not in "biuf":
            raise LogError(
                f"{name} has shape {values.shape} and timesteps has shape {steps.shape}; expected "
                "one row of episodes per evaluation"
            )
    rows = np.arange(len(steps))
    with np.errstate(invalid="ignore", over="ignore"):  # a reward may be infinite
        means = {_MEANS[name]: values.mean(axis=1, dtype=float) for name, values in arrays.items()}
    columns = {"timesteps": steps, **means}
    log = Log(rows + 1, {name: Column(pa.array(cells), rows) for name, cells in columns.items()})
    measures = {name: (None, name.removeprefix("mean_")) for name in means}
    return [
        replace(
            log,
            roles={"val": "mean_reward"},
            modes={"mean_reward": "max"},
            sets=dict.fromkeys(means, "val"),
            measures=measures,
            position="timesteps",
        )
    ]


def owns_monitor(path: Path) -> Path | None:
    """The file, or the folder of the environments of one training."""
    if _NUMBERED.fullmatch(path.name):
        return path.parent
    return path if path.name.endswith("monitor.csv") else None


def is_monitor(source: Source) -> bool:
    lines = source.data[:10_000].split(b"\n", 2)
    return len(lines) > 1 and lines[0].startswith(b"#{") and lines[1].startswith(b"r,l,t")


def read_monitor(source: Source) -> list[Log]:
    """Read the episodes in the order in which they ended, as ``load_results`` does."""
    notes: list[str] = []
    skipped: list[LogError] = []
    episodes = []
    for path in source.files:
        monitor = Source(path)
        if not is_monitor(monitor):
            raise LogError(f"{path.name}: expected a line '#{{...}}' and the columns r, l, t")
        table = read_table(monitor)
        of = f"{path.name}: " if len(source.files) > 1 else ""
        notes += [of + note for note in table.notes]
        skipped += [LogError(of + str(error), error.line) for error in table.skipped]
        began = _began(monitor)
        for i, cells in table.rows():
            if all(is_number(cells.get(name)) for name in "rlt"):
                episodes.append((began + (number(cells["t"]) or 0.0), i, cells))
            else:
                skipped.append(LogError(f"{of}expected numbers for r, l and t", i))
    if not episodes:
        raise skipped[0] if skipped else LogError("the monitor file contains no episodes")
    episodes.sort(key=lambda episode: episode[0])
    first = min(time - (number(cells["t"]) or 0.0) for time, _, cells in episodes)
    steps = np.cumsum([number(cells["l"]) for *_, cells in episodes]).tolist()
    log = log_of_rows(
        (i, {"timesteps": at, **cells, "t": time - first})
        for at, (time, i, cells) in zip(steps, episodes, strict=True)
    )
    if len(source.files) > 1:
        notes.append(f"{len(source.files)} environments of one training run")
    notes.append("no validation curve; the reward of the training episodes is used as val")
    log.notes, log.skipped = notes, skipped
    return [
        replace(
            log,
            roles={"val": "r"},
            modes={"r": "max"},
            sets={"r": "train"},
            measures={"r": (None, "reward")},
            units={"t": "s"},
            position="timesteps",
        )
    ]


def _began(monitor: Source) -> float:
    """The time at which a monitor was made, which its first line says."""
    try:
        about = parse_json(monitor.text.split("\n", 1)[0].lstrip("#"))
    except LogError:
        return 0.0
    began = about.get("t_start") if isinstance(about, dict) else None
    return float(began) if isinstance(began, (int, float)) else 0.0
