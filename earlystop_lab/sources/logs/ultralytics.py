"""Ultralytics' ``results.csv``, in the layouts of YOLOv5 and of v8 and later.

Ultralytics monitors its fitness for early stopping. The fitness is not recorded but is computed
from the metrics, and is the validation curve. The loss is recorded in parts that are already
weighted (box, obj, cls, dfl, seg ...), so the loss that training minimises is their sum.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from earlystop_lab.curves import Mode, Role
from earlystop_lab.sources.logs._cells import is_number
from earlystop_lab.sources.logs._columns import Column, Log
from earlystop_lab.sources.logs._reading import Source
from earlystop_lab.sources.logs.tables import has_columns, read_table

_MAP50 = r"metrics/mAP_?(?:50|0\.5)(?:\([A-Z]\))?"
_MAP = r"metrics/mAP_?(?:50-95|0\.5:0\.95)(?:\([A-Z]\))?"
_TOP = r"metrics/accuracy_top[15]"
#: the weights in the fitness up to Ultralytics 8.3.197, YOLOv5 included, and from 8.3.198 on
_WEIGHTS = {_MAP50: 0.1, _MAP: 0.9, _TOP: 0.5}
_LATER_WEIGHTS = {_MAP: 1.0, _TOP: 0.5}
#: the fitness of other versions, where nothing says which it is
_LATER = "fitness (mAP50-95)"


#: bytes of the settings that are looked at
_SETTINGS = 2**16


def recognises(source: Source) -> bool:
    return has_columns(source, "epoch", "train/.*loss", "val/.*loss", "metrics/.*")


def read(source: Source) -> list[Log]:
    log = read_table(source)
    roles: dict[Role, str] = {}
    of_set: dict[Role, list[str]] = {
        role: [n.partition("/")[2] for n in log.columns if re.fullmatch(f"{role}/.*loss", n)]
        for role in ("train", "val")
    }
    shared = [part for part in of_set["train"] if part in of_set["val"]]
    lone = [f"{role}/{p}" for role, parts in of_set.items() for p in parts if p not in shared]
    if shared and lone:
        log.notes.append(f"left out of the loss, recorded for one data set only: {', '.join(lone)}")
    for role, own in of_set.items():
        parts = [f"{role}/{part}" for part in shared or own]
        roles[role] = total = "+".join(parts)
        if len(parts) > 1:
            log.columns[total] = _sum(log, parts)
            log.notes.append(f"the {role} loss is the sum of its weighted parts {', '.join(parts)}")
    if repeated := _repeated(log, [f"val/{part}" for part in of_set["val"]]):
        log.notes.append(
            f"the validation losses of {repeated} of {len(log)} epochs are those of the epoch "
            "before, as after an epoch without a step of the optimizer: Ultralytics accumulates "
            "the gradients of 64 images (nbs) for one step, and its patience counts these epochs"
        )
    measures: dict[str, tuple[str | None, str]] = dict.fromkeys(roles.values(), (None, "loss"))
    # YOLOv5 spells it otherwise
    is_later = False if "metrics/mAP_0.5" in log.columns else _is_later(source.path)
    weights = _fitness(log, _LATER_WEIGHTS if is_later else _WEIGHTS)
    if weights:
        # boxes with masks or poses beside them: a sum of fitnesses, above 1 at best
        several = sum(weights.values()) > 1.5
        metric = "fitness of boxes and more" if several else "fitness"
        log.columns["fitness"] = _sum(log, list(weights), list(weights.values()))
        measures["fitness"] = (None, metric)
        roles["val"] = "fitness"
        later = _fitness(log, _LATER_WEIGHTS)
        release = " (8.3.198 and later)" if is_later and weights != _fitness(log, _WEIGHTS) else ""
        log.notes.append(f"val is Ultralytics' fitness, {_formula(weights)}{release}")
        if is_later is None and later != weights:
            log.columns[_LATER] = _sum(log, list(later), list(later.values()))
            measures[_LATER] = (None, metric)
            log.notes.append(
                "no args.yaml in the folder shows the version; from Ultralytics 8.3.198 on, the "
                f"fitness is mAP50-95 alone (--val {_LATER!r} --mode max)"
            )
    modes: dict[str, Mode] = {"fitness": "max", _LATER: "max"}
    sets = {"fitness": "val", _LATER: "val"}
    units = {"time": "s"}
    return [replace(log, roles=roles, sets=sets, modes=modes, measures=measures, units=units)]


def _is_later(path: Path) -> bool | None:
    """Whether a version wrote the log whose fitness is mAP50-95 alone; None if nothing says it.

    The settings beside the log have ``compile`` from 8.3.196 on, two releases before the change.
    """
    try:
        text = (path.parent / "args.yaml").read_bytes()[:_SETTINGS]
    except OSError:
        return None
    return re.search(rb"^compile:", text, re.MULTILINE) is not None


def _repeated(log: Log, losses: Sequence[str]) -> int:
    """At how many rows all of these losses are those of the row before."""
    parts = [log.numbers(name) for name in losses]
    if not parts or any(each.wrong for each in parts):
        return 0
    # a value that is missing is NaN, which equals nothing
    values = np.array([each.in_rows(len(log))[0] for each in parts])
    return int(np.all(values[:, 1:] == values[:, :-1], axis=0).sum())


def _formula(weights: Mapping[str, float]) -> str:
    parts = (f"{name.removeprefix('metrics/')}" for name in weights)
    return " + ".join(f"{w:g} {name}" for w, name in zip(weights.values(), parts, strict=True))


def _fitness(log: Log, known: Mapping[str, float]) -> dict[str, float]:
    """The columns of which Ultralytics makes the fitness that it stops by, with their weights.

    Those of masks or poses are added to those of boxes; of a classifier the fitness is the mean of
    the top-1 and the top-5 accuracy. None where mAP50 alone is there.
    """
    found = {
        name: weight
        for name in log.columns
        for pattern, weight in known.items()
        if re.fullmatch(pattern, name)
    }
    return found if any(re.fullmatch(f"{_MAP}|{_TOP}", name) for name in found) else {}


def _sum(log: Log, parts: Sequence[str], weights: Sequence[float] = ()) -> Column:
    """The sum of the parts; a part that is no number stands for it, to be refused by name."""
    numbers = [log.numbers(part) for part in parts]
    total = np.zeros(len(log))
    for each, weight in zip(numbers, weights or [1.0] * len(parts), strict=True):
        total += weight * each.in_rows(len(log))[0]
    whole = np.all([each.in_rows(len(log))[1] for each in numbers], axis=0)
    cells = pa.array(total, mask=~whole)
    rows = np.arange(len(log))
    wrong = {row for each in numbers for row in each.wrong}
    if not wrong:
        return Column(cells, rows)
    summed = cells.to_pylist()
    stand = [log.cells(part) for part in parts]
    for row in wrong:
        summed[row] = next(of[row] for of in stand if not is_number(of[row]))
    return Column(summed, rows)
