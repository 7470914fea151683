"""NGBoost's ``evals_result``, saved as JSON: scores per data set (lower is better)."""

from dataclasses import replace
from typing import Any

from earlystop_lab.curves import Mode, Role
from earlystop_lab.sources.logs._cells import LogError, is_curve
from earlystop_lab.sources.logs._columns import Log, log_of_lists
from earlystop_lab.sources.logs._reading import Source

#: what NGBoost calls its proper scoring rules, which it minimises
_SCORES = frozenset({"LOGSCORE", "CRPSCORE", "CRPS"})


def _sets(source: Source) -> dict[str, dict[str, Any]]:
    document = source.document
    if not isinstance(document, dict) or not {*document} <= {"train", "val"}:
        return {}
    told = all(isinstance(scores, dict) and scores for scores in document.values())
    return document if told and all({*s} <= _SCORES for s in document.values()) else {}


def recognises(source: Source) -> bool:
    return bool(_sets(source))


def read(source: Source) -> list[Log]:
    sets = _sets(source)
    lists = {
        f"{of}/{score}": values
        for of, scores in sets.items()
        for score, values in scores.items()
        if is_curve(values)
    }
    if not lists:
        raise LogError("expected NGBoost's scores LOGSCORE or CRPSCORE for train and val")
    log = replace(log_of_lists(lists), unit="round")
    roles: dict[Role, str] = {}
    for role in ("val", "train"):
        names = [name for name in lists if name.startswith(f"{role}/")]
        roles |= {role: names[0]} if names else {}
    modes: dict[str, Mode] = dict.fromkeys(lists, "min")
    measures = {f"{of}/{score}": (of, score.lower()) for of in sets for score in sets[of]}
    return [replace(log, roles=roles, modes=modes, measures=measures)]
