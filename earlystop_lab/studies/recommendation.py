"""Which patience should I use? A recommendation from one's own logs, with its expected effect.

The price of stopping is the test error of the weights that a rule keeps, relative to the test error
of those that the end of training keeps: what stopping costs a user. It may be negative. Without
test errors it is the same of the validation error, whose lowest value is optimistic, so that the
price is overstated: :data:`OPTIMISM`.

The candidates are one path, a patience in round numbers, from the slowest to the fastest. The
recommended one is the fastest such that it, and every slower one, has an upper limit of its price
within the goal. The order of these tests is fixed before the runs are seen, so that one of them can
be wrong no more often than a single test (learn-then-test with a fixed sequence,
:mod:`inference.risk`). The limit is for the mean over as many new data sets as were given, and
counts one more data set that loses what the worst one loses at half the patience: losses are rare
and large, and a few data sets seldom show them. ``experiments/trust_advice.py`` measures how often
it holds.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from itertools import compress
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from earlystop_lab._common.checks import one_of, require
from earlystop_lab._common.wording import spoken
from earlystop_lab.criteria import GL, PQ, UP, Criterion, Keras, MaxEpochs, Program, programs
from earlystop_lab.curves import CurveSet, FloatArray, facts_of, require_curves
from earlystop_lab.engine.replaying import Stops
from earlystop_lab.inference import cluster_means, risk
from earlystop_lab.measures.fronts import at_rate, exchange_rate, undominated, within_time
from earlystop_lab.measures.hindsight import regret, regrets
from earlystop_lab.studies.kept import NOTHING_KEPT, Kept
from earlystop_lab.studies.known import Replays
from earlystop_lab.studies.reasons import Reason
from earlystop_lab.studies.records import (
    Hidden,
    Watched,
    counting,
    differing,
    hidden,
    much,
    of_scores,
    unbounded,
    unit_of,
    unvalidated,
    watched,
)

Verdict = Literal["recommended", "tentative", "declined"]
Error = Literal["test", "val"]

#: the programs whose own version can be asked for
PROGRAMS = (
    "Keras",
    "Lightning",
    "Hugging Face",
    "XGBoost",
    "LightGBM",
    "Ultralytics",
    "scikit-learn SGD",
    "scikit-learn MLP",
)
#: the program of the logs of a format; those of other formats may be of any
_OF_FORMAT = {
    "keras-csv": "Keras",
    "keras-history": "Keras",
    "lightning": "Lightning",
    "huggingface": "Hugging Face",
    "xgboost": "XGBoost",
    "lightgbm": "LightGBM",
    "ultralytics": "Ultralytics",
}
#: with fewer data sets or runs there is no interval, and no recommendation
FEWEST = 6
#: with fewer runs, a recommendation is tentative
FEW = 30
#: 1 to 10, then 12, 15, 20, 25, 30, 40, 50, 60, 80 and ten times these
PATIENCES = [
    *range(1, 11),
    *(10**k * step for k in range(6) for step in (12, 15, 20, 25, 30, 40, 50, 60, 80, 100)),
]
#: rules that are only shown for comparison, and the members of the sweep of each
OTHERS = (GL, PQ, UP, MaxEpochs)
BESIDE = 30
#: the share of a run that a stop at epoch 0 counts as, so that it has a logarithm
LEAST = 1e-6
#: a gain counts as at most this, so that a run that is better by luck does not pay for others
GAIN = 0.5
#: a rule that saves less is no reason to stop early
WORTH = 0.01
#: the default goal: a mean loss of 1%
MAX_LOSS = 0.01
#: runs are copies if no error differs more than this from the first run's, relatively
ALIKE = 1e-3
#: a rise of the test error as a share of that of the validation error, at patiences whose
#: validation error rises by 1 to 3%: the lowest and the highest of six corpora that have both
#: (``data/studies/trust_advice.csv``)
OPTIMISM = (-0.2, 1.1)
_OVERSTATED = {"low": OPTIMISM[0], "high": OPTIMISM[1]}


class Why(StrEnum):
    """What a recommendation depends on."""

    #: there are fewer different ``runs`` than ``needed``; none and one have messages of their own
    NO_RUN = "recommendation.no_run"
    ONE_RUN = "recommendation.one_run"
    TOO_FEW_RUNS = "recommendation.too_few_runs"
    #: all ``runs`` agree within ``alike``
    RUNS_ALIKE = "recommendation.runs_alike"
    #: there are fewer ``runs`` than the ``firm`` ones recommended
    FEW_RUNS = "recommendation.few_runs"
    #: ``left_out`` of the ``runs`` have no relative loss
    NOT_MEASURABLE = "recommendation.not_measurable"
    #: ``left_out`` of the ``runs`` are copies of another
    COPIES = "recommendation.copies"
    #: the distance ``apart`` of checks in the unit of the logs, whose name may be unknown
    SPACING = "recommendation.spacing"
    SPACING_IN = "recommendation.spacing_in"
    #: some ``rules`` divide by an error, and the upper bound of the scores is unknown
    UNBOUNDED = "recommendation.unbounded"
    #: runs are the sample: there is no column ``dataset`` or ``problem``, or too few ``clusters``
    NO_CLUSTERS = "recommendation.no_clusters"
    TOO_FEW_CLUSTERS = "recommendation.too_few_clusters"
    #: ``clusters`` are the sample
    CLUSTERS = "recommendation.clusters"
    #: ``clusters`` problems are the sample, of too few ``datasets``
    PROBLEMS = "recommendation.problems"
    #: not every run has a test error at every check, so the validation error counts
    NO_TEST = "recommendation.no_test"
    #: errors are negative, so that a share of them means nothing
    NO_ZERO = "recommendation.no_zero"
    #: no patience meets the ``goal``
    NOTHING_KEEPS = "recommendation.nothing_keeps"
    #: the upper limit of the rule is beyond the ``goal``
    MAY_BREAK = "recommendation.may_break"
    #: the ``goal`` is a number of positions, whose unit differs between runs
    NO_UNIT = "recommendation.no_unit"


class GoalKind(StrEnum):
    """The kind of a goal."""

    #: a mean loss of at most the limit, as fast as possible
    LOSS = "goal.loss"
    #: the same, in the unit of the error
    ABSOLUTE = "goal.absolute"
    #: at most this many epochs (or other units) per run, with the least loss
    EPOCHS = "goal.epochs"
    #: the best trade-off if 1% lower error is worth this much extra time in percent
    RATE = "goal.rate"


class Goal(NamedTuple):
    """What is required of a rule, and the number in it."""

    kind: GoalKind
    limit: float
    #: the unit of the positions
    unit: str = "epoch"


class Estimate(NamedTuple):
    """A mean, and the 95% interval of the mean over as many new data sets (or runs).

    The upper limit of a loss that was tested against a goal is that goal, or higher: no more was
    tested, and where the runs show hardly any loss, they do not show how rare it is. It is infinite
    if the runs hide how much is lost.
    """

    mean: float
    low: float
    high: float

    def relative(self) -> Estimate:
        """Convert logarithms of 1 + loss to the loss."""
        return Estimate(*(float(np.expm1(value)) for value in self))

    def saved(self) -> Estimate:
        """Convert logarithms of stop / last epoch to the share of epochs saved, from 0 to 1."""
        mean, low, high = (max(0.0, float(-np.expm1(v))) for v in (self.mean, self.high, self.low))
        return Estimate(mean, low, high)


class Price(NamedTuple):
    """What a loss is of."""

    #: the test error, or the validation error for want of it
    error: Error
    #: whether it is a difference in the unit of the error instead of a share of it
    absolute: bool


class InProgram(NamedTuple):
    """The result of one program's own version of a rule."""

    program: Program
    #: in how many runs it stops elsewhere than the rule
    elsewhere: int
    #: the loss with the weights that it keeps
    loss: float


class Safer(NamedTuple):
    """A slower rule that loses less, and what it costs: it saves less."""

    criterion: Criterion
    loss: Estimate
    saved: Estimate


class Advice(NamedTuple):
    """The rule for one goal, and its expected effect."""

    goal: Goal
    criterion: Criterion
    price: Price
    #: geometric mean of the error relative to that at the end, minus 1 (if absolute: the mean
    #: difference)
    loss: Estimate
    #: 1 minus the geometric mean of stop / last epoch
    saved: Estimate
    #: arithmetic mean of the stops, in the unit of the positions; None if that differs
    epochs: Estimate | None
    #: arithmetic means of the seconds up to the stop and of the whole run, where they are recorded
    seconds: tuple[float, float] | None
    #: number of data sets (or runs) that the means are over
    sample: int
    #: largest loss of a run
    worst: float
    #: share of the runs that are stopped before their lowest validation error
    early: float
    #: a slower rule, if there is one that saves something
    safer: Safer | None
    #: the programs that have the rule
    programs: list[InProgram]
    watched: Watched
    #: why the goal may be missed, if so
    doubt: Why | None


class Unmet(NamedTuple):
    """A goal that no patience meets, or that is undefined."""

    goal: Goal
    criterion: None = None
    doubt: Why = Why.NOTHING_KEEPS


class Recommendation(NamedTuple):
    """An answer, its certainty, and the reasons. ``report.in_words`` renders it as text."""

    verdict: Verdict
    #: facts about the logs that the answer depends on, the reason for the verdict first
    reasons: list[Reason]
    advice: list[Advice | Unmet]
    #: the non-dominated rules and thresholds: criterion, native, epochs (NaN if units differ),
    #: saved and loss with intervals; empty if there are too few runs
    front: pd.DataFrame
    #: the unit of the positions; None if it differs between runs
    unit: str | None = "epoch"
    #: the program that the answer is for; None if it is for all
    framework: str | None = None


class _Path(NamedTuple):
    """The patiences from the fastest to the slowest on every run: arrays (runs, patiences)."""

    replays: Replays
    #: the cluster of each run
    clusters: pd.Index
    price: Price
    #: whether the runs hide how much is lost
    hidden: bool
    rules: list[Criterion]
    stops: Stops
    #: log(1 + loss), or the loss if it is absolute
    lost: FloatArray
    #: log(stop / last)
    time: FloatArray

    @property
    def curves(self) -> CurveSet:
        return self.replays.curves

    def at(self, values: FloatArray) -> FloatArray:
        """The means over each cluster."""
        return cluster_means(values, self.clusters).to_numpy()


def recommend(
    curves: CurveSet,
    *,
    max_loss: float | None = None,
    max_epochs: float | None = None,
    rate: float | None = None,
    absolute: bool = False,
    framework: str | None = None,
    kept: Kept = NOTHING_KEPT,
) -> Recommendation:
    """The patience for runs like these: one recommendation for each goal.

    With E the test error (:data:`Error`: the validation error if some run has no test error), the
    loss of a run is E(selected) / E(selected by the end of the run) - 1. Its mean is geometric
    over runs, data sets have equal weight, and a gain counts as at most a half. For scores, the
    loss is the share of the score at the end that was lost.

    Parameters
    ----------
    curves : CurveSet
        The runs. If there is a column ``dataset`` with at least 6 values, the limits are for the
        mean over other data sets; otherwise, if there is a column ``problem`` with at least 6
        values, over other problems of the same data sets; otherwise over other runs like these.
    max_loss : float, optional
        Goal: the fastest rule with a mean loss of at most this. The default goal is 0.01.
    max_epochs : float, optional
        Goal: the rule with the least loss that trains for at most this many epochs per run on
        average (or other units of the positions).
    rate : float, optional
        Goal: the best trade-off if 1% lower error is worth ``rate`` % more training time.
    absolute : bool
        Losses are differences E(selected) - E(selected by the end), in the unit of the error:
        for errors whose zero is arbitrary, such as log-likelihoods. ``max_loss`` is required.
    framework : str, optional
        A program of :func:`criteria.programs`: its own version of each rule is judged, with the
        weights that it keeps.
    kept : Kept, optional
        Where the stops of rules are kept between calls, so that another goal takes less time. The
        answer is the same.

    Returns
    -------
    Recommendation

    Raises
    ------
    ValueError
        If the set is empty, a goal is out of range, or there is no such program.

    Notes
    -----
    Some runs are excluded: those that diverged or reach an error of 0, for which a relative loss
    is undefined, copies of other runs, and runs without a validation curve or with a training
    curve in its place. ``reasons`` says so, first about the missing validation curves. If
    positions have different units, no mean of positions is given, and ``max_epochs`` is undefined.

    There is no recommendation for fewer than 6 different runs, for runs that are all alike, and for
    goals that no patience meets. A recommendation is tentative

    - with fewer than 30 runs;
    - if the upper limit of the loss is beyond the goal for every patience that saves at least 1%;
      the rule is then the fastest whose mean, and that of every slower one, meets it;
    - if a third of the runs have their lowest error in the last tenth, or ended at a target
      (losses are then lower bounds, and have no upper limit);
    - if training had already been stopped by a patience: among the runs shorter than the longest,
      at least 3, half or more end the same number of checks after their lowest error. (A
      ``min_delta`` blurs this sign.)
    - if a tenth of the runs had to be excluded;
    - if errors are negative, so that shares of them mean nothing: use ``absolute``.

    No interval can account for large losses that are so rare that the given runs have none.
    ``data/studies/trust_advice.csv`` has how often goals and limits were broken on other data sets.

    Examples
    --------

    >>> from earlystop_lab import simulate
    >>> answer = recommend(simulate("gradient_flow", 40, seed=1), max_loss=0.02)
    >>> answer.verdict, answer.advice[0].criterion.family.name, answer.advice[0].doubt
    ('recommended', 'Keras', None)
    """
    answer, path = advised(
        curves,
        max_loss=max_loss,
        max_epochs=max_epochs,
        rate=rate,
        absolute=absolute,
        framework=framework,
        kept=kept,
    )
    return answer if path is None else answer._replace(front=_front(path))


def advised(
    curves: CurveSet,
    *,
    max_loss: float | None = None,
    max_epochs: float | None = None,
    rate: float | None = None,
    absolute: bool = False,
    framework: str | None = None,
    kept: Kept = NOTHING_KEPT,
) -> tuple[Recommendation, _Path | None]:
    """The answer of :func:`recommend` without its front, and what it was chosen on, if anything."""
    require_curves("recommend", curves)
    asked = _goals(max_loss, max_epochs, rate, absolute)
    if framework is not None:
        one_of("framework", framework, PROGRAMS)
    if not len(curves):
        raise ValueError("recommend: the curve set is empty")
    first = unvalidated(curves)
    usable, reasons, firm = _usable(curves.select(facts_of(curves).validated), absolute)
    if (declined := _declined(usable)) is not None:
        every = [*first, declined, *reasons]
        return Recommendation("declined", every, [], pd.DataFrame(), framework=framework), None
    goals = [goal._replace(unit=unit_of(usable) or "position") for goal in asked]
    path, scope = _path(Replays(usable, kept), absolute, framework)
    about = [] if path.price.error == "test" else [Reason(Why.NO_TEST, _OVERSTATED)]
    if len(usable) < FEW:
        reasons.insert(0, Reason(Why.FEW_RUNS, {"runs": len(usable), "firm": FEW}))
        firm = False
    if not absolute and _without_zero(usable):
        reasons.insert(0, Reason(Why.NO_ZERO, {}))
        firm = False
    advice = _advice(goals, path, framework)
    doubts = [Reason(each.doubt, {"goal": each.goal}) for each in advice if each.doubt is not None]
    verdict: Verdict = "recommended" if firm and not doubts else "tentative"
    if all(each.criterion is None for each in advice):
        verdict = "declined"
    every = [*first, *doubts, *reasons, *about, scope]
    unit = unit_of(usable)
    return Recommendation(verdict, every, advice, pd.DataFrame(), unit, framework), path


def by_framework(curves: CurveSet) -> dict[str | None, CurveSet]:
    """The runs of each program that wrote their logs, None if that is unknown; most runs first.

    >>> runs = [{"val": [1.0], "format": "lightgbm"}, {"val": [2.0], "format": "csv"}]
    >>> {name: len(part) for name, part in by_framework(CurveSet.from_runs(runs)).items()}
    {'LightGBM': 1, None: 1}
    """
    if not curves.has("format"):
        return {None: curves}
    # what Ultralytics stops by has no other program
    if len(curves) and watched(curves).is_fitness:
        return {"Ultralytics": curves}
    names = [_OF_FORMAT.get(each) for each in curves.meta["format"]]
    return {
        name: curves.select(np.array([each == name for each in names]))
        for name, _ in Counter(names).most_common()
    }


# -- the recorded runs ---------------------------------------------------------------------


def _usable(curves: CurveSet, absolute: bool) -> tuple[CurveSet, list[Reason], bool]:
    """The usable runs, the remarks about them, and whether the answer can be firm."""
    facts, reasons, firm = facts_of(curves), [], True
    measurable = ~facts.diverged if absolute else facts.measurable()
    if left_out := int((~measurable).sum()):
        numbers = {"left_out": left_out, "runs": len(curves), "scores": of_scores(curves)}
        reasons.append(Reason(Why.NOT_MEASURABLE, numbers))
        firm = left_out <= 0.1 * len(curves)
    if copies := int((measurable & facts.copies).sum()):
        reasons.append(Reason(Why.COPIES, {"left_out": copies, "runs": int(measurable.sum())}))
    usable = curves.select(measurable & ~facts.copies)
    doubts = hidden(usable) if len(usable) else []
    firm = firm and not any(map(much, doubts))
    if divide := unbounded(OTHERS, usable):
        reasons.append(Reason(Why.UNBOUNDED, {"rules": [rule.name for rule in divide]}))
    return usable, [*doubts, *reasons, *differing(usable), *_spacing(usable)], firm


def _without_zero(curves: CurveSet) -> bool:
    """Whether a constant could be added to the errors: they are negative, and no usual scores."""
    values, direction = curves.channel("val").values, curves.about("val").direction
    lowest, highest = float(values.min()), float(values.max())
    if direction == "max":
        return lowest < 0
    # errors from -1 to 0 are scores from 0 to 1, as older curve sets have them
    return lowest < 0 and (highest > 0 or lowest < -1)


def _spacing(curves: CurveSet) -> list[Reason]:
    """A remark if the positions do not count checks but, for example, steps."""
    facts = facts_of(curves)
    gaps = facts.counts("val") - 1
    several = gaps > 0
    if not several.any() or facts.lasts is None:
        return []
    first, last = facts.ends("val")
    apart = float(np.median((last - first)[several] / gaps[several]))
    if 2 / 3 < apart < 3 / 2:
        return []
    if (unit := next(iter(facts.units))) is None:
        return [Reason(Why.SPACING, {"apart": apart})]
    return [Reason(Why.SPACING_IN, {"apart": apart, "unit": unit})]


def _declined(curves: CurveSet) -> Reason | None:
    """Why nothing can be learned from these runs, if so."""
    if len(curves) < FEWEST:
        what = {0: Why.NO_RUN, 1: Why.ONE_RUN}.get(len(curves), Why.TOO_FEW_RUNS)
        return Reason(what, {"runs": len(curves), "needed": FEWEST})
    errors, lengths = curves.channel("val").values, facts_of(curves).counts("val")
    if (lengths == lengths[0]).all():
        first = errors[: lengths[0]]
        # a single run with noise in the last digits
        if np.allclose(errors.reshape(len(curves), -1), first, rtol=ALIKE, atol=0):
            return Reason(Why.RUNS_ALIKE, {"runs": len(curves), "alike": ALIKE})
    return None


def _clusters(curves: CurveSet) -> tuple[pd.Index, Reason]:
    """What is the sample, and how far the answer generalises."""
    runs, clusters = pd.Index(curves.runs, name="run"), facts_of(curves).clusters
    if clusters.name == "run":
        return runs, Reason(Why.NO_CLUSTERS, {})
    count = clusters.nunique()
    numbers = {"clusters": count, "unit": spoken(str(clusters.name))}
    if count >= FEWEST:
        return clusters, Reason(Why.CLUSTERS, numbers)
    if curves.has("problem") and not curves.meta["problem"].isna().any():
        problems = pd.Index(curves.meta["problem"].astype(str), name="problem")
        if problems.nunique() >= FEWEST:
            numbers = {"clusters": problems.nunique(), "datasets": count}
            return problems, Reason(Why.PROBLEMS, numbers)
    return runs, Reason(Why.TOO_FEW_CLUSTERS, numbers)


# -- the path ------------------------------------------------------------------------------


def _path(replays: Replays, absolute: bool, framework: str | None) -> tuple[_Path, Reason]:
    """Every patience on every run, and how far the answer generalises."""
    curves = replays.curves
    facts = facts_of(curves)
    checks = int(facts.counts("val").max())
    # the slowest never stops a run
    rules: list[Criterion] = [Keras(p) for p in [*(p for p in PATIENCES if p < checks), checks]]
    own, keeps = rules, "best"
    if framework is not None:
        versions = [(rule, _version(rule, framework, curves)) for rule in rules]
        rules = [rule for rule, version in versions if version is not None]
        having = [version for _, version in versions if version is not None]
        own, keeps = [each.criterion for each in having], having[0].keeps
    clusters, scope = _clusters(curves)
    tested = facts.measured_with("test", "val")
    if tested.all():
        finite = np.isfinite(curves.channel("test").values).all()
        tested = np.array([finite]) if absolute else facts.measurable("test")
    price = Price("test" if tested.all() else "val", absolute)
    stops = replays.stops(own, keeps)
    return _Path(
        replays=replays,
        clusters=clusters,
        price=price,
        hidden=any(each.what in Hidden and much(each) for each in hidden(curves)),
        rules=rules,
        stops=stops,
        lost=_lost(stops, replays, price),
        time=_time(stops, curves),
    ), scope


def _version(rule: Criterion, framework: str, curves: CurveSet) -> Program | None:
    """A program's version of a rule; None if it has none."""
    having = programs(rule, fitness=watched(curves).is_fitness)
    return next((each for each in having if each.program == framework), None)


def _lost(stops: Stops, replays: Replays, price: Price) -> FloatArray:
    """What is lost in every run against the weights that the end of the run selects."""
    if price.error == "val" and not price.absolute:
        return np.log1p(regrets(stops, replays.curves).val)
    last = facts_of(replays.curves).last.max()
    end = replays.stops([MaxEpochs(max(1, int(np.ceil(last))))])
    kept, best = stops.error(price.error), end.error(price.error)
    if price.absolute:
        return kept - best
    return np.log1p(np.maximum(regret(kept, best), -GAIN))


def _time(stops: Stops, curves: CurveSet) -> FloatArray:
    return np.log(np.maximum(regrets(stops, curves).time, LEAST))


def _limits(path: _Path) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Mean loss of every patience, and its limits over as many new clusters."""
    means = path.at(path.lost)
    patience = np.array([rule.threshold for rule in path.rules])
    half = np.maximum(np.searchsorted(patience, patience / 2, side="right") - 1, 0)
    low, high = risk.mean_of_new(means, risk.worst_so_far(means)[half])
    if path.hidden:
        high = np.full_like(high, np.inf)
    return means.mean(axis=0), low, high


# -- the front -----------------------------------------------------------------------------


def _front(path: _Path) -> pd.DataFrame:
    """The non-dominated points, fastest first, each with its own intervals."""
    curves = path.curves
    counted = counting(OTHERS, curves)
    beside = path.replays.sweeps([rule for rule in OTHERS if rule not in counted], BESIDE)
    criteria, lost, time = path.rules, path.lost, path.time
    if beside:
        stops = path.replays.stops(beside)
        their_lost, their_time = _lost(stops, path.replays, path.price), _time(stops, curves)
        # one that stops a run where no error was measured has no loss
        known = np.asarray(np.isfinite(their_lost).all(axis=0))
        criteria = [*criteria, *compress(beside, known)]
        lost = np.concatenate([lost, their_lost[:, known]], axis=1)
        time = np.concatenate([time, their_time[:, known]], axis=1)
    lost, time = path.at(lost), path.at(time)
    mean_time, mean_loss = time.mean(axis=0), lost.mean(axis=0)
    best = np.flatnonzero(undominated(mean_time, mean_loss))
    best = best[np.lexsort((mean_loss[best], mean_time[best]))]
    # one of the thresholds that stop at the same checks
    best = best[
        np.unique(np.stack([mean_time[best], mean_loss[best]]), axis=1, return_index=True)[1]
    ]
    rules = [criteria[j].family.name for j in best]
    ends = facts_of(curves).lasts
    record = np.nan if ends is None else path.at(np.log(ends)[:, None]).mean()
    table = pd.DataFrame(
        {
            "rule": rules,
            "criterion": [str(criteria[j]) for j in best],
            # every framework has a maximum number of epochs
            "native": np.isin(rules, [Keras.name, MaxEpochs.name]),
            "epochs": np.exp(mean_time[best] + record),
        }
    )
    table[["saved", "saved_low", "saved_high"]] = [
        each.saved() for each in _estimates(time[:, best])
    ]
    lost_there = _estimates(lost[:, best])
    table[["loss", "loss_low", "loss_high"]] = [
        each if path.price.absolute else each.relative() for each in lost_there
    ]
    if path.hidden:
        table["loss_high"] = np.inf
    return table


# -- the choice ----------------------------------------------------------------------------


def _goals(
    max_loss: float | None, max_epochs: float | None, rate: float | None, absolute: bool
) -> list[Goal]:
    if absolute and max_loss is None:
        raise ValueError(
            "absolute: a loss in the unit of the error has no usual limit; pass max_loss, too"
        )
    if absolute and rate is not None:
        raise ValueError("rate: an exchange rate is of relative losses; leave out absolute")
    if max_loss is None and max_epochs is None and rate is None:
        max_loss = MAX_LOSS
    if max_loss is not None:
        fine = 0 <= max_loss < np.inf
        unit = "a number of at least 0" if absolute else "a share of at least 0, such as 0.01"
        require("max_loss", max_loss, fine, unit)
    if max_epochs is not None:
        require("max_epochs", max_epochs, 0 < max_epochs < np.inf, "a number above 0")
    if rate is not None:
        exchange_rate(rate)  # raises if out of range
    kinds = (GoalKind.ABSOLUTE if absolute else GoalKind.LOSS, GoalKind.EPOCHS, GoalKind.RATE)
    given = zip(kinds, (max_loss, max_epochs, rate), strict=True)
    return [Goal(kind, limit) for kind, limit in given if limit is not None]


def _choice(goal: Goal, path: _Path) -> tuple[int | None, Why | None]:
    """Which patience is best for a goal, None if none meets it; and why it may miss the goal."""
    mean, _, high = _limits(path)
    time = path.at(path.time).mean(axis=0)
    if goal.kind is GoalKind.RATE:
        return at_rate(time, mean, exchange_rate(goal.limit)), None
    if goal.kind is GoalKind.EPOCHS:
        stop = path.at(path.stops.stop)
        least, most = (np.log(np.maximum(each, LEAST)) for each in (stop.mean(axis=0), _most(stop)))
        for taken, doubt in ((most, None), (least, Why.MAY_BREAK)):
            if (at := within_time(taken, mean, goal.limit)) >= 0:
                return at, doubt
        return None, Why.NOTHING_KEEPS
    limit = goal.limit if path.price.absolute else float(np.log1p(goal.limit))
    for reached, doubt in ((high, None), (mean, Why.MAY_BREAK)):
        if doubt is None and goal.limit == 0:
            continue  # no number of runs without a loss says that there is none
        kept = risk.fastest_kept(reached, limit)
        if kept is not None and -np.expm1(time[kept]) >= WORTH:
            return kept, doubt
    return None, Why.NOTHING_KEEPS


def _most(values: FloatArray) -> FloatArray:
    return risk.mean_of_new(values)[1]


def _versions(path: _Path, rules: list[Criterion]) -> dict[Program, tuple[FloatArray, float]]:
    """Stops and mean loss of the programs' versions of some rules, in one replay per ``keeps``."""
    fitness = watched(path.curves).is_fitness
    having = list(dict.fromkeys(p for rule in rules for p in programs(rule, fitness=fitness)))
    versions: dict[Program, tuple[FloatArray, float]] = {}
    for keeps in dict.fromkeys(each.keeps for each in having):
        alike = [each for each in having if each.keeps == keeps]
        stops = path.replays.stops([each.criterion for each in alike], keeps)
        losses = path.at(_lost(stops, path.replays, path.price)).mean(axis=0)
        if not path.price.absolute:
            losses = np.expm1(losses)
        versions |= zip(alike, zip(stops.stop.T, losses, strict=True), strict=True)
    return versions


def _advice(goals: list[Goal], path: _Path, framework: str | None) -> list[Advice | Unmet]:
    """The advice for each goal; the programs' versions of all rules are replayed at once."""
    countable = unit_of(path.curves) is not None
    chosen: dict[Goal, tuple[int | None, Why | None]] = {
        goal: _choice(goal, path)
        if countable or goal.kind is not GoalKind.EPOCHS
        else (None, Why.NO_UNIT)
        for goal in goals
    }
    rules = [path.rules[at] for at, _ in chosen.values() if at is not None]
    versions = _versions(path, rules)
    if framework is not None:
        versions = {each: found for each, found in versions.items() if each.program == framework}
    return [
        Unmet(goal, doubt=doubt or Why.NOTHING_KEEPS)
        if at is None
        else _advised(goal, at, path, versions, doubt)
        for goal, (at, doubt) in chosen.items()
    ]


def _advised(
    goal: Goal,
    at: int,
    path: _Path,
    versions: dict[Program, tuple[FloatArray, float]],
    doubt: Why | None,
) -> Advice:
    rule, stop, records = path.rules[at], path.stops.stop, watched(path.curves)
    lost = path.lost[:, at] if path.price.absolute else np.expm1(path.lost[:, at])
    known = regrets(path.stops, path.curves)
    return Advice(
        goal=goal,
        criterion=rule,
        price=path.price,
        loss=_loss(path, at, goal.limit if _is_tested(goal) and doubt is None else 0),
        saved=_saved(path, at),
        epochs=None if records.unit is None else _estimates(path.at(stop[:, [at]]))[0],
        seconds=_seconds(path, at),
        sample=path.clusters.nunique(),
        worst=float(lost.max()),
        early=float((known.early[:, at] > 0).mean()),
        safer=_safer(goal, at, path, doubt),
        programs=[
            InProgram(each, int((stops != stop[:, at]).sum()), float(loss))
            for each in programs(rule, fitness=records.is_fitness)
            if each in versions
            for stops, loss in [versions[each]]
        ],
        watched=records,
        doubt=doubt,
    )


def _is_tested(goal: Goal) -> bool:
    """Whether the goal limits the loss."""
    return goal.kind in (GoalKind.LOSS, GoalKind.ABSOLUTE)


def _loss(path: _Path, at: int, goal: float = 0) -> Estimate:
    """What a rule loses; the upper limit is the goal if that was tested, or higher."""
    found = Estimate(*(float(each[at]) for each in _limits(path)))
    found = found if path.price.absolute else found.relative()
    return found._replace(high=max(found.high, goal))


def _saved(path: _Path, at: int) -> Estimate:
    return _estimates(path.at(path.time[:, [at]]))[0].saved()


def _seconds(path: _Path, at: int) -> tuple[float, float] | None:
    """Mean seconds up to the stop and of the whole run; None if some run does not have them."""
    curves = path.curves
    name = next((name for name in curves.names if curves.about(name).unit == "s"), None)
    if name is None or not facts_of(curves).measured_with(name, "val").all():
        return None
    taken = [path.stops.cost(name)[:, [at]], path.replays.stops([path.rules[-1]]).cost(name)]
    stopped, whole = (path.at(each).mean() for each in taken)
    return float(stopped), float(whole)


def _safer(goal: Goal, at: int, path: _Path, doubt: Why | None) -> Safer | None:
    """The fastest rule with an upper limit within the goal (half the goal, if it already is)."""
    _, _, high = _limits(path)
    time = path.at(path.time).mean(axis=0)
    if not _is_tested(goal):
        return None
    limit = goal.limit if doubt is not None else goal.limit / 2
    within = risk.fastest_kept(high, limit if path.price.absolute else float(np.log1p(limit)))
    if within is None:
        # nothing is sure: twice the patience
        limit = 0
        patience = np.array([rule.threshold for rule in path.rules])
        within = int(np.searchsorted(patience, 2 * patience[at]))
    if not at < within < len(time) or -np.expm1(time[within]) < WORTH:
        return None
    return Safer(path.rules[within], _loss(path, within, limit), _saved(path, within))


def _estimates(means: FloatArray) -> list[Estimate]:
    """The mean of every column with its limits, one row per cluster."""
    low, high = risk.mean_of_new(means)
    return [Estimate(*map(float, each)) for each in zip(means.mean(axis=0), low, high, strict=True)]
