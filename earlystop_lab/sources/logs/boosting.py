"""XGBoost ``evals_result()`` and LightGBM ``record_evaluation``: JSON of sets of metrics."""

from __future__ import annotations

import re

from earlystop_lab.sources.logs._reading import Log, Source, is_curve, log_of_lists

_LIGHTGBM = re.compile(r"training|valid_\d+")


def _sets(source: Source) -> dict[str, dict[str, list[object]]]:
    document = source.document
    if not isinstance(document, dict):
        return {}
    return {
        name: curves
        for name, metrics in document.items()
        if isinstance(metrics, dict)
        and (curves := {metric: cells for metric, cells in metrics.items() if is_curve(cells)})
    }


def is_lightgbm(source: Source) -> bool:
    return any(map(_LIGHTGBM.fullmatch, _sets(source)))


def is_xgboost(source: Source) -> bool:
    return bool(_sets(source))


def read_lightgbm(source: Source) -> list[Log]:
    return [_read(source, "{}'s {}")]


def read_xgboost(source: Source) -> list[Log]:
    """Sets that are only numbered: the last is the one by which XGBoost stops."""
    log = _read(source, "{}-{}")
    numbered = [name for name in _sets(source) if re.fullmatch(r"validation_\d+", name)]
    if len(numbered) > 1 and len(numbered) == len(_sets(source)):
        first, last = numbered[0], numbered[-1]
        meant = {first: "train", last: "val"}
        log.sets = {name: meant.get(name.split("-")[0], "other") for name in log.columns}
        log.notes.append(
            f"sets that are only numbered: {first} is taken as train, {last}, by which XGBoost "
            "stops, as val"
        )
    return [log]


def _read(source: Source, name: str) -> Log:
    sets = _sets(source)
    return log_of_lists({name.format(s, m): cells for s in sets for m, cells in sets[s].items()})
