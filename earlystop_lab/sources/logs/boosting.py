"""XGBoost ``evals_result()`` and LightGBM ``record_evaluation``, saved as JSON."""

import re
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from earlystop_lab.sources.logs._cells import is_curve, shown
from earlystop_lab.sources.logs._channels import is_position, is_run, meaning
from earlystop_lab.sources.logs._columns import Log, log_of_lists
from earlystop_lab.sources.logs._reading import Source

_LIGHTGBM = re.compile(r"training|valid_\d+")
#: what lightgbm.cv returns; without a set before the metric it is validation's
_FOLDS = re.compile(r".+-(?:mean|stdv)")
_NUMBERED = re.compile(r"validation_\d+(?=-)")


def _sets(source: Source) -> dict[str, dict[str, list[object]]]:
    document = source.document
    if not isinstance(document, dict):
        return {}
    sets = {
        name: curves
        for name, metrics in document.items()
        if isinstance(metrics, dict)
        and (curves := {metric: cells for metric, cells in metrics.items() if is_curve(cells)})
        and not any(map(is_position, curves))
    }
    # scripts also write metrics of sets
    inner = dict.fromkeys(name for curves in sets.values() for name in curves)
    if any(meaning(name).is_set for name in sets) or not all(meaning(n).is_set for n in inner):
        return sets
    return {of: {m: curves[of] for m, curves in sets.items() if of in curves} for of in inner}


def is_lightgbm(source: Source) -> bool:
    return any(map(_LIGHTGBM.fullmatch, _sets(source))) or _is_folds(source)


def _is_folds(source: Source) -> bool:
    document = source.document
    return (
        isinstance(document, dict)
        and len(document) > 1
        and all(map(_FOLDS.fullmatch, document))
        and all(map(is_curve, document.values()))
    )


def is_xgboost(source: Source) -> bool:
    return bool(_sets(source))


def read_lightgbm(source: Source) -> list[Log]:
    if not _is_folds(source):
        return [_read(source, "{}'s {}")]
    log = replace(log_of_lists(source.document), unit="round")
    log.sets = {n: "val" for n in log.columns if not n.startswith(("train ", "valid "))}
    return [log]


def read_xgboost(source: Source) -> list[Log]:
    log, sets = _read(source, "{}-{}"), _sets(source)
    return [settled(log, {f"{name}-{metric}": name for name in sets for metric in sets[name]})]


def printed(log: Log) -> Log:
    """The log of lines that boosting may have printed, with the sets that it tells by order."""
    names = [n for n in log.columns if not (is_position(n) or is_run(n))]
    of_xgboost = "iteration" in log.columns and all("-" in name for name in names)
    of_catboost = "iteration" in log.columns and {*names} <= {"learn", "val", "best"}
    log.rounds = of_xgboost or of_catboost
    if "iteration" in log.columns and any("'s " in name for name in names):
        log.unit = "round"  # LightGBM
    if of_catboost and _is_score(log):
        log.modes = dict.fromkeys(names, "max")
    return settled(log, {name: name.rpartition("-")[0] for name in names} if of_xgboost else {})


def _is_score(log: Log) -> bool:
    """Whether the best value so far, which CatBoost prints, shows that higher is better."""
    told = [log.numbers(name) for name in ("best", "val")]
    _, *at = np.intersect1d(told[0].rows, told[1].rows, assume_unique=True, return_indices=True)
    best, val = (numbers.values[i] for numbers, i in zip(told, at, strict=True))
    if (best == val).all():  # it got better all the time
        return len(best) > 0 and best[-1] > best[0]
    return bool((best > val).any())


def settled(log: Log, sets: Mapping[str, str]) -> Log:
    """Of sets whose names say nothing the last is validation, by which XGBoost stops.

    ``sets`` has the set of every column of XGBoost. Where they are only numbered CatBoost does the
    same, whose training set has a name.
    """
    log.measures = {name: (of, name[len(of) + 1 :]) for name, of in sets.items()}
    names = dict.fromkeys(sets.values())
    roles = {name: meaning(name).role for name in names}
    if len(names) > 1 and not {"val", "test"} & {*roles.values()}:
        first = next((name for name in names if roles[name] == "train"), next(iter(names)))
        *_, last = [name for name in names if name != first]
        meant = {**dict.fromkeys(names, "other"), first: "train", last: "val"}
        log.sets = {column: meant[name] for column, name in sets.items()}
        log.notes.append(
            f"{shown(first)} is used as train and {shown(last)}, the last data set, as val"
        )
    numbered = dict.fromkeys(m[0] for name in log.columns if (m := _NUMBERED.match(name)))
    others = {n.split("-")[0] for n in log.columns if not (is_position(n) or _NUMBERED.match(n))}
    if len(numbered) > 1 and others <= {"learn"}:
        first, *_, last = [*others, *numbered]
        meant = {first: "train", last: "val"}
        log.sets = {name: meant.get(name.split("-")[0], "other") for name in log.columns}
        log.notes.append(
            f"the data sets are only numbered; {first} is used as train and {last}, which early "
            "stopping monitors, as val"
        )
    return log


def _read(source: Source, name: str) -> Log:
    sets = _sets(source)
    lists = {name.format(s, m): cells for s in sets for m, cells in sets[s].items()}
    measures = {name.format(s, m): (s, m) for s in sets for m in sets[s]}
    return replace(log_of_lists(lists), measures=measures, unit="round")
