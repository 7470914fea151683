"""What the recorded runs measure, and what they hide, whatever the question."""

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
    """Why losses measured on some recorded runs are lower bounds."""

    #: ``stopped`` of the ``ended`` runs that ended before the longest were stopped by ``patience``
    STOPPED = "records.stopped"
    #: a ``share`` of the runs has its lowest error (best of ``scores``) in the last tenth, and
    #: ``censored`` has it at the last check
    LATE = "records.late"
    #: a ``share`` of the runs ended because they had reached a target
    TARGET = "records.target"


class Recorded(StrEnum):
    """Properties that differ between runs, or that are not what they seem."""

    #: ``stand_ins`` of the ``runs`` have a training curve in place of a validation curve
    STAND_INS = "records.stand_ins"
    #: ``lacking`` of the ``runs`` have neither
    UNVALIDATED = "records.unvalidated"
    #: the ``error`` has several ``metrics``
    METRICS = "records.metrics"
    #: positions have several ``units``: strings with the number of runs
    UNITS = "records.units"


class Watched(NamedTuple):
    """What the recorded runs measure, as texts and code to paste name it."""

    #: number of checks of the longest run
    checks: int
    #: whether they are scores, possibly recorded negated
    scores: bool
    #: the monitored column, if it is the same in all runs, and its direction
    monitor: str = "val_loss"
    mode: Mode = "min"
    #: the unit of the positions; None if it differs between runs
    unit: str | None = "epoch"
    #: the metric and the data set, where all runs say the same
    metric: str | None = None
    data: str | None = None

    @property
    def is_fitness(self) -> bool:
        """Whether it is what Ultralytics stops by."""
        return self.monitor.startswith(FITNESS)


def watched(curves: CurveSet) -> Watched:
    """What these runs measure.

    >>> from earlystop_lab import Channel
    >>> about = {"val": Channel(direction="max", source="val_auc"), "epoch": Channel(unit="step")}
    >>> watched(CurveSet.from_runs([{"val": [0.5, 0.75]}], channels=about))
    Watched(checks=2, scores=True, monitor='val_auc', mode='max', unit='step', metric=None, \
data=None)
    """
    mode: Mode = curves.about("val").direction or "min"
    source, metric, data = (_said(curves, f"val.{fact}") for fact in ("source", "metric", "data"))
    unnamed = "val_score" if mode == "max" else "val_loss"
    # the name that Keras gives to a metric of the validation set; a metric may have several words
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
    """Whether validation scores are recorded, or errors that must be negated scores.

    >>> [of_scores(CurveSet.from_runs([{"val": [value]}])) for value in (0.5, -0.5)]
    [False, True]
    """
    is_score = curves.about("val").direction == "max"
    return is_score or bool((facts_of(curves).lowest("val").value < 0).any())


def unit_of(curves: CurveSet) -> str | None:
    """The unit of the positions: ``epoch`` if unspecified, None if it differs between runs.

    >>> runs = [{"val": [1.0], "epoch.unit": "step"}, {"val": [1.0], "epoch.unit": "round"}]
    >>> unit_of(CurveSet.from_runs(runs)), unit_of(CurveSet.from_runs(runs[:1]))
    (None, 'step')
    """
    units = facts_of(curves).units
    return None if len(units) > 1 else next(iter(units), None) or "epoch"


def unvalidated(curves: CurveSet) -> list[Reason]:
    """Which runs have no validation curve, and so cannot say when to stop.

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
    """Properties that differ between runs: metrics of an error, units of positions.

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
    """The rules that divide by an error, if scores have no known upper bound.

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
    """The rules that depend only on positions, if these have different units.

    >>> from earlystop_lab import Keras, MaxEpochs
    >>> runs = [{"val": [1.0], "epoch.unit": "step"}, {"val": [1.0], "epoch.unit": "round"}]
    >>> [rule.name for rule in counting([Keras, MaxEpochs], CurveSet.from_runs(runs))]
    ['MaxEpochs']
    """
    return [] if unit_of(curves) else [rule for rule in rules if not watched_by(rule)]


def hidden(curves: CurveSet) -> list[Reason]:
    """What these runs do not show about further training.

    >>> hidden(CurveSet.from_runs([{"val": [3.0, 2.0, 1.0, 2.0]}]))
    []
    """
    ends, found = facts_of(curves).endings, _stopped(curves)
    if ends.at_target:
        found.append(Reason(Hidden.TARGET, {"share": ends.share("at_target")}))
    if ends.late:
        shares = {"share": ends.share("late"), "censored": ends.share("censored")}
        found.append(Reason(Hidden.LATE, {**shares, "scores": of_scores(curves)}))
    return found


def much(reason: Reason) -> bool:
    """Whether so much is hidden that an answer can only be a guide."""
    return reason.what is Hidden.STOPPED or reason.numbers["share"] > 1 / 3


def _said(curves: CurveSet, column: str) -> list[Any]:
    """The distinct values of a column of the runs; empty if there is no such column."""
    if not curves.has(column):
        return []
    values: list[Any] = curves.scalars[column].drop_null().unique().to_pylist()
    return values


def _stopped(curves: CurveSet) -> list[Reason]:
    """Evidence that a patience stopped the runs: most end equally many checks after their best."""
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
