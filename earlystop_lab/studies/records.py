"""What recorded runs are of, and what they hide, whatever is asked of them."""

from collections.abc import Iterable
from enum import StrEnum
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np

from earlystop_lab.criteria import Family, Rule
from earlystop_lab.curves import CurveSet, Mode, facts_of
from earlystop_lab.engine.thresholds import watched_by
from earlystop_lab.studies.reasons import Reason

#: how the column of what Ultralytics stops by begins
FITNESS = "fitness"

R = TypeVar("R", bound=Family | Rule)


class Hidden(StrEnum):
    """Why losses measured on some records are lower bounds."""

    #: ``stopped`` of the ``ended`` runs that ended before the longest did so by a ``patience``
    STOPPED = "records.stopped"
    #: a ``share`` of the runs has its lowest error (best of ``scores``) in the last tenth
    LATE = "records.late"


class Recorded(StrEnum):
    """What is not one in all runs, or is not what it seems."""

    #: in ``stand_ins`` of the ``runs`` a training curve is in the place of a validation curve
    STAND_INS = "records.stand_ins"
    #: ``lacking`` of the ``runs`` have none at all
    UNVALIDATED = "records.unvalidated"
    #: the ``error`` is of several ``metrics``
    METRICS = "records.metrics"
    #: positions are counted in ``units``, texts with the number of runs
    UNITS = "records.units"


class Watched(NamedTuple):
    """What the records are of: texts and the lines to paste name it."""

    #: checks of the longest
    checks: int
    #: whether they are scores, which may have been negated
    scores: bool
    #: the column that was monitored, where all runs say the same, and which way
    monitor: str = "val_loss"
    mode: Mode = "min"
    #: what positions are counted in; None where runs differ
    unit: str | None = "epoch"
    #: the metric and the data set, where all runs say the same
    metric: str | None = None
    data: str | None = None

    @property
    def is_fitness(self) -> bool:
        """Whether it is what Ultralytics stops by."""
        return self.monitor.startswith(FITNESS)


def watched(curves: CurveSet) -> Watched:
    """What these records are of.

    >>> from earlystop_lab import Channel
    >>> about = {"val": Channel(direction="max", source="val_auc"), "epoch": Channel(unit="step")}
    >>> watched(CurveSet.from_runs([{"val": [0.5, 0.75]}], channels=about))
    Watched(checks=2, scores=True, monitor='val_auc', mode='max', unit='step', metric=None, \
data=None)
    """
    mode: Mode = curves.about("val").direction or "min"
    source, metric, data = (_said(curves, f"val.{fact}") for fact in ("source", "metric", "data"))
    unnamed = "val_score" if mode == "max" else "val_loss"
    # as Keras calls the metric of a validation set; some have names of several words
    named = f"val_{metric[0]}" if len(metric) == 1 and metric[0].isidentifier() else unnamed
    return Watched(
        checks=int(facts_of(curves).counts("val").max()),
        scores=of_scores(curves),
        # what boosting prints, valid_0's auc, is no name that other programs have
        monitor=source[0] if len(source) == 1 and not data else named,
        mode=mode,
        unit=unit_of(curves),
        metric=metric[0] if len(metric) == 1 else None,
        data=data[0] if len(data) == 1 else None,
    )


def of_scores(curves: CurveSet) -> bool:
    """Whether validation scores are recorded, or errors that must be negated ones.

    >>> [of_scores(CurveSet.from_runs([{"val": [value]}])) for value in (0.5, -0.5)]
    [False, True]
    """
    is_score = curves.about("val").direction == "max"
    return is_score or bool((facts_of(curves).lowest("val").value < 0).any())


def unit_of(curves: CurveSet) -> str | None:
    """What positions are counted in: epochs where nothing is said; None where runs differ.

    >>> runs = [{"val": [1.0], "epoch.unit": "step"}, {"val": [1.0], "epoch.unit": "round"}]
    >>> unit_of(CurveSet.from_runs(runs)), unit_of(CurveSet.from_runs(runs[:1]))
    (None, 'step')
    """
    units = facts_of(curves).units
    return None if len(units) > 1 else next(iter(units), None) or "epoch"


def unvalidated(curves: CurveSet) -> list[Reason]:
    """Which runs cannot say when to stop: a validation curve was not recorded.

    >>> runs = [{"val": [1.0], "val.stand_in": True}, {"train": [1.0]}, {"val": [1.0]}]
    >>> [dict(each.numbers) for each in unvalidated(CurveSet.from_runs(runs))]
    [{'stand_ins': 1, 'runs': 3}, {'lacking': 1, 'runs': 3}]
    """
    facts, runs = facts_of(curves), len(curves)
    found = []
    if stand_ins := int(facts.stand_ins.sum()):
        found.append(Reason(Recorded.STAND_INS, {"stand_ins": stand_ins, "runs": runs}))
    if lacking := int((~facts.validated & ~facts.stand_ins).sum()):
        found.append(Reason(Recorded.UNVALIDATED, {"lacking": lacking, "runs": runs}))
    return found


def differing(curves: CurveSet, error: Literal["val", "test"] = "val") -> list[Reason]:
    """What is not one in all runs: metrics of an error, units of positions.

    >>> differing(CurveSet.from_runs([{"val": [1.0]}]))
    []
    """
    found = []
    if len(metrics := _said(curves, f"{error}.metric")) > 1:
        found.append(Reason(Recorded.METRICS, {"error": error, "metrics": metrics}))
    if len(units := facts_of(curves).units) > 1:
        texts = [f"{unit or 'an unknown unit'} ({runs})" for unit, runs in units.items()]
        found.append(Reason(Recorded.UNITS, {"units": texts}))
    return found


def unbounded(rules: Iterable[R], curves: CurveSet) -> list[R]:
    """The rules that divide by an error, where scores without a known upper bound have none.

    >>> from earlystop_lab import GL, Channel, Keras
    >>> scores = CurveSet.from_runs([{"val": [0.5]}], channels={"val": Channel(direction="max")})
    >>> [rule.name for rule in unbounded([GL, Keras], scores)]
    ['GL']
    """
    found = []
    for rule in rules:
        divided = [curves.about(name) for name, form in watched_by(rule) if form == "ratio"]
        if any(about.direction == "max" and about.upper is None for about in divided):
            found.append(rule)
    return found


def counting(rules: Iterable[R], curves: CurveSet) -> list[R]:
    """The rules that look at positions alone, where runs count these in different units.

    >>> from earlystop_lab import Keras, MaxEpochs
    >>> runs = [{"val": [1.0], "epoch.unit": "step"}, {"val": [1.0], "epoch.unit": "round"}]
    >>> [rule.name for rule in counting([Keras, MaxEpochs], CurveSet.from_runs(runs))]
    ['MaxEpochs']
    """
    return [] if unit_of(curves) else [rule for rule in rules if not watched_by(rule)]


def hidden(curves: CurveSet) -> list[Reason]:
    """What these records hide of what more training would have found.

    >>> hidden(CurveSet.from_runs([{"val": [3.0, 2.0, 1.0, 2.0]}]))
    []
    """
    facts = facts_of(curves)
    late = float((facts.lowest("val").epoch > 0.9 * facts.last).mean())
    numbers = {"share": late, "scores": of_scores(curves)}
    return [*_stopped(curves), *([Reason(Hidden.LATE, numbers)] if late > 0 else [])]


def much(reason: Reason) -> bool:
    """Whether so much is hidden that an answer is only a guide."""
    return reason.what is Hidden.STOPPED or reason.numbers["share"] > 1 / 3


def _said(curves: CurveSet, column: str) -> list[Any]:
    """The different values of a column of the runs, where there is one."""
    if not curves.has(column):
        return []
    values: list[Any] = curves.scalars[column].drop_null().unique().to_pylist()
    return values


def _stopped(curves: CurveSet) -> list[Reason]:
    """What shows that a patience had stopped the runs: as many checks after the best in most."""
    checks, after = facts_of(curves).counts("val"), facts_of(curves).checks_after_lowest
    ended = after[checks < checks.max()]
    if len(ended) < 3:
        return []
    values, counts = np.unique(ended, return_counts=True)
    patience, stopped = int(values[counts.argmax()]), int(counts.max())
    if patience < 1 or stopped < 3 or stopped / len(ended) < 0.5:
        return []
    numbers = {"stopped": stopped, "ended": len(ended), "patience": patience}
    return [Reason(Hidden.STOPPED, {**numbers, "scores": of_scores(curves)})]
