"""Which patience should I use? A recommendation from one's own logs, with its expected effect.

The recommended rule is one that frameworks have: a patience in round numbers, with or without
``min_delta``. Other rules are shown on the front. A rule that just meets a limit on the runs used
for the choice misses it on other runs about every second time, so a candidate must meet the limit
with its mean plus :data:`SURE` standard errors. Losses and savings are estimated on held-out data:
for each data set (or run, if there are too few data sets), the rule is chosen on the others, and
the mean of its results on the held-out ones is reported. Nothing is tuned on that mean: if it
misses the goal, the answer says so.
"""

from __future__ import annotations

from collections import Counter
from enum import StrEnum
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from earlystop_lab._common.checks import require
from earlystop_lab._common.wording import spoken
from earlystop_lab.criteria import GL, PQ, UP, Criterion, Keras, MaxEpochs, Program, programs
from earlystop_lab.curves import CurveSet, FloatArray, facts_of, require_curves
from earlystop_lab.engine.replaying import replay
from earlystop_lab.engine.thresholds import sweeps
from earlystop_lab.inference import cluster_means, intervals
from earlystop_lab.measures.fronts import (
    SweepMeans,
    at_rate,
    exchange_rate,
    sweep_means,
    undominated,
    within_loss,
    within_time,
    without_each,
)
from earlystop_lab.measures.hindsight import Regrets, regrets
from earlystop_lab.studies.reasons import Reason
from earlystop_lab.studies.records import (
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

#: with fewer data sets or runs there is no interval, and no recommendation
FEWEST = 6
#: with fewer runs, a recommendation is tentative
FEW = 30
#: number of folds if there are many clusters
FOLDS = 10
#: values of min_delta, relative to the median of the runs' lowest errors
DELTAS = (0.001, 0.01)
#: 1 to 10, then 12, 15, 20, 25, 30, 40, 50, 60, 80 and ten times these
PATIENCES = [
    *range(1, 11),
    *(10**k * step for k in range(6) for step in (12, 15, 20, 25, 30, 40, 50, 60, 80, 100)),
]
#: rules that are only shown for comparison, and the members of the sweep of each
OTHERS = (GL, PQ, UP, MaxEpochs)
BESIDE = 60
#: standard errors above its mean at which a candidate must still meet the goal: 95%, one-sided
SURE = 1.645
#: the share of a run that a stop at epoch 0 counts as, so that it has a logarithm
LEAST = 1e-6
#: the default goal: a mean loss of 1%
MAX_LOSS = 0.01
#: runs are copies if no error differs more than this from the first run's, relatively
ALIKE = 1e-3


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
    #: runs are bootstrapped: there is no column ``dataset`` or ``problem``, or too few ``clusters``
    NO_CLUSTERS = "recommendation.no_clusters"
    TOO_FEW_CLUSTERS = "recommendation.too_few_clusters"
    #: ``clusters`` are held out and bootstrapped
    CLUSTERS = "recommendation.clusters"
    #: no patience meets the ``goal``
    NOTHING_KEEPS = "recommendation.nothing_keeps"
    #: on held-out data, the rule's mean misses the ``goal``, or may miss it
    BREAKS = "recommendation.breaks"
    MAY_BREAK = "recommendation.may_break"
    #: the ``goal`` is a number of positions, whose unit differs between runs
    NO_UNIT = "recommendation.no_unit"


class GoalKind(StrEnum):
    """The kind of a goal."""

    #: a mean loss of at most the limit, as fast as possible
    LOSS = "goal.loss"
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
    """A mean on held-out data sets (or runs), and its 95% interval."""

    mean: float
    low: float
    high: float

    def loss(self) -> Estimate:
        """Convert logarithms of 1 + regret to the regret, which is never below 0."""
        return Estimate(*(max(0.0, float(np.expm1(value))) for value in self))

    def saved(self) -> Estimate:
        """Convert logarithms of stop / last epoch to the share of epochs saved, from 0 to 1."""
        if not np.isfinite(self.high):
            return Estimate(float(-np.expm1(self.mean)), np.nan, np.nan)
        mean, low, high = (max(0.0, float(-np.expm1(v))) for v in (self.mean, self.high, self.low))
        return Estimate(mean, low, high)


class InProgram(NamedTuple):
    """The result of one program's own version of a rule on the runs used for the choice."""

    program: Program
    #: in how many runs it stops elsewhere than the rule
    elsewhere: int
    #: the loss with the weights that it keeps
    loss: float


class Advice(NamedTuple):
    """The rule for one goal, and its expected effect."""

    goal: Goal
    criterion: Criterion
    #: geometric mean of 1 + regret of the validation error, minus 1
    loss: Estimate
    #: the same for the test error; None if it was not recorded in every run
    test_loss: Estimate | None
    #: 1 minus the geometric mean of stop / last epoch
    saved: Estimate
    #: arithmetic mean of the stops, in the unit of the positions; None if that differs
    epochs: Estimate | None
    #: the loss on the runs used for the choice, which is optimistic
    seen_loss: float
    #: largest validation regret of a run
    worst: float
    #: what was chosen when some clusters were held out, and how often
    chosen: dict[str, int]
    #: the programs that have the rule
    programs: list[InProgram]
    watched: Watched
    #: why the goal may be missed on held-out data, if so
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
    #: saved and loss with intervals, all geometric means; empty if there are too few runs
    front: pd.DataFrame
    #: the unit of the positions; None if it differs between runs
    unit: str | None = "epoch"


class _Candidates(NamedTuple):
    """Every candidate on every run: arrays of shape (runs, candidates)."""

    curves: CurveSet
    #: the cluster of each run, which is held out and bootstrapped
    clusters: pd.Index
    criteria: list[Criterion]
    #: how many of them (the first ones) frameworks have
    native: int
    stop: FloatArray
    regrets: Regrets
    #: the means over each cluster
    means: SweepMeans


def recommend(
    curves: CurveSet,
    *,
    max_loss: float | None = None,
    max_epochs: float | None = None,
    rate: float | None = None,
    seed: int = 0,
) -> Recommendation:
    """The patience for runs like these: one recommendation for each goal.

    The loss is the validation regret against each run's own lowest error
    (:mod:`measures.hindsight`); its mean is geometric over runs, and data sets have equal weight.
    For scores, the loss is the share of the best score that was lost.

    Parameters
    ----------
    curves : CurveSet
        The runs. If there is a column ``dataset`` (else ``problem``) with at least 6 values, data
        sets are held out and bootstrapped. Otherwise runs are, and the answer holds only for runs
        like these.
    max_loss : float, optional
        Goal: the fastest rule with a mean loss of at most this. The default goal is 0.01.
    max_epochs : float, optional
        Goal: the rule with the least loss that trains for at most this many epochs per run on
        average (or other units of the positions).
    rate : float, optional
        Goal: the best trade-off if 1% lower error is worth ``rate`` % more training time.
    seed : int
        Seed of the folds and the bootstrap.

    Returns
    -------
    Recommendation

    Raises
    ------
    ValueError
        If the set is empty or a goal is out of range.

    Notes
    -----
    Some runs are excluded: those that diverged or reach an error of 0, for which a relative loss
    is undefined, copies of other runs, and runs without a validation curve or with a training
    curve in its place. ``reasons`` says so, first about the missing validation curves. If
    positions have different units, no mean of positions is given, and ``max_epochs`` is undefined.

    There is no recommendation for fewer than 6 different runs, for runs that are all alike, and for
    goals that no patience meets. A recommendation is tentative

    - with fewer than 30 runs;
    - if the goal may be missed on held-out data (the 95% interval of the mean there does not end
      below the limit);
    - if a third of the runs have their lowest error in the last tenth (losses are then lower
      bounds);
    - if training had already been stopped by a patience: among the runs shorter than the longest,
      at least 3, half or more end the same number of checks after their lowest error. (A
      ``min_delta`` blurs this sign.)
    - if a tenth of the runs had to be excluded.

    No interval can account for large losses that are so rare that the given runs have none. Out of
    60 samples of 40 runs of modern-nets, with a limit of 1%, 2 got a firm recommendation, and both
    lost more on the other runs (as did 62% of all 60; 1.29% was predicted and 1.25% lost on
    average). Out of 60 samples of 100 runs of prechelt1997, to 600 epochs, 4 got one, and none
    lost more (of all 60, 5% did).

    Examples
    --------

    >>> from earlystop_lab import simulate
    >>> answer = recommend(simulate("gradient_flow", 40, seed=1), max_loss=0.02)
    >>> answer.verdict, answer.advice[0].criterion.family.name, answer.advice[0].doubt
    ('recommended', 'Keras', None)
    """
    require_curves("recommend", curves)
    asked = _goals(max_loss, max_epochs, rate)
    if not len(curves):
        raise ValueError("recommend: the curve set is empty")
    first = unvalidated(curves)
    usable, reasons, firm = _usable(curves.select(facts_of(curves).validated))
    if (declined := _declined(usable)) is not None:
        return Recommendation("declined", [*first, declined, *reasons], [], pd.DataFrame())
    goals = [goal._replace(unit=unit_of(usable) or "position") for goal in asked]
    clusters, scope = _clusters(usable)
    if len(usable) < FEW:
        reasons.insert(0, Reason(Why.FEW_RUNS, {"runs": len(usable), "firm": FEW}))
        firm = False
    candidates = _candidates(usable, clusters)
    advice = _advice(goals, candidates, seed)
    doubts = [Reason(each.doubt, {"goal": each.goal}) for each in advice if each.doubt is not None]
    verdict: Verdict = "recommended" if firm and not doubts else "tentative"
    if all(each.criterion is None for each in advice):
        verdict = "declined"
    every = [*first, *doubts, *reasons, scope]
    return Recommendation(verdict, every, advice, _front(candidates, seed), unit_of(usable))


# -- the recorded runs ---------------------------------------------------------------------


def _usable(curves: CurveSet) -> tuple[CurveSet, list[Reason], bool]:
    """The usable runs, the remarks about them, and whether the answer can be firm."""
    facts, reasons, firm = facts_of(curves), [], True
    measurable = facts.measurable()
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
    """What is held out and bootstrapped, and how far the answer generalises."""
    runs, clusters = pd.Index(curves.runs, name="run"), facts_of(curves).clusters
    if clusters.name == "run":
        return runs, Reason(Why.NO_CLUSTERS, {})
    count = clusters.nunique()
    numbers = {"clusters": count, "unit": spoken(str(clusters.name))}
    if count < FEWEST:
        return runs, Reason(Why.TOO_FEW_CLUSTERS, numbers)
    return clusters, Reason(Why.CLUSTERS, numbers)


# -- the candidates ------------------------------------------------------------------------


def _candidates(curves: CurveSet, clusters: pd.Index) -> _Candidates:
    patiences = [p for p in PATIENCES if p <= int(facts_of(curves).counts("val").max())]
    scale = float(np.median(np.abs(facts_of(curves).lowest("val").value)))
    # Ultralytics, which alone stops by its fitness, has none
    shares = () if watched(curves).is_fitness else DELTAS
    deltas = [0.0, *(float(f"{share * scale:.0e}") for share in shares)]
    native = {
        f"Keras(min_delta={delta!r})" if delta else "Keras": [
            Keras(patience, min_delta=delta) for patience in patiences
        ]
        for delta in deltas
    }
    counted = counting(OTHERS, curves)
    others = [rule for rule in OTHERS if rule not in counted]
    groups = {**native, **sweeps(others, curves, BESIDE)}
    rules = [name for name, members in groups.items() for _ in members]
    criteria = [each for members in groups.values() for each in members]
    count = sum(map(len, native.values()))
    stops = [
        replay(curves, criteria[:count], restore="own"),
        replay(curves, criteria[count:], restore="best"),
    ]
    parts = zip(*(regrets(each, curves) for each in stops), strict=True)
    every = Regrets(*(np.concatenate(part, axis=1) for part in parts))
    texts, ends = [str(each) for each in criteria], facts_of(curves).lasts
    return _Candidates(
        curves=curves,
        clusters=clusters,
        criteria=criteria,
        native=count,
        stop=np.concatenate([each.stop for each in stops], axis=1),
        regrets=every,
        means=sweep_means(clusters, rules, texts, every.time, every.val, ends),
    )


def _front(candidates: _Candidates, seed: int) -> pd.DataFrame:
    """The non-dominated points, fastest first, each with its own intervals."""
    means = candidates.means
    time, loss = means.time.mean().to_numpy(), means.loss.mean().to_numpy()
    best = np.flatnonzero(undominated(time, loss))
    best = best[np.lexsort((loss[best], time[best]))]
    # one of the thresholds that stop at the same checks
    best = best[np.unique(np.stack([time[best], loss[best]]), axis=1, return_index=True)[1]]
    rules = [means.rules[j] for j in best]
    table = pd.DataFrame(
        {
            "rule": rules,
            "criterion": [means.criteria[j] for j in best],
            # every framework has a maximum number of epochs
            "native": (best < candidates.native) | (np.array(rules) == MaxEpochs.name),
            "epochs": np.exp(time[best] + means.record.mean()),
        }
    )
    saved = _estimates(means.time.iloc[:, best].clip(lower=np.log(LEAST)), seed)
    table[["saved", "saved_low", "saved_high"]] = [each.saved() for each in saved]
    lost = _estimates(means.loss.iloc[:, best], seed)
    table[["loss", "loss_low", "loss_high"]] = [each.loss() for each in lost]
    return table


# -- the choice ----------------------------------------------------------------------------


def _goals(max_loss: float | None, max_epochs: float | None, rate: float | None) -> list[Goal]:
    if max_loss is None and max_epochs is None and rate is None:
        max_loss = MAX_LOSS
    if max_loss is not None:
        fine = 0 <= max_loss < np.inf
        require("max_loss", max_loss, fine, "a share of at least 0, such as 0.01")
    if max_epochs is not None:
        require("max_epochs", max_epochs, 0 < max_epochs < np.inf, "a number above 0")
    if rate is not None:
        exchange_rate(rate)  # raises if out of range
    given = zip(GoalKind, (max_loss, max_epochs, rate), strict=True)
    return [Goal(kind, limit) for kind, limit in given if limit is not None]


def _choice(goal: Goal, time: FloatArray, loss: FloatArray) -> int:
    """Index of the candidate that is best for a goal, or -1 if none meets it.

    Both arrays have shape (clusters, candidates): the mean number of epochs if the goal limits it,
    else the mean logarithm of the time; and the mean logarithm of 1 + regret.
    """
    if goal.kind is GoalKind.LOSS:
        return within_loss(time.mean(axis=0), _upper(loss), goal.limit)
    if goal.kind is GoalKind.RATE:
        return at_rate(time.mean(axis=0), loss.mean(axis=0), exchange_rate(goal.limit))
    return within_time(np.log(np.maximum(_upper(time), LEAST)), loss.mean(axis=0), goal.limit)


def _upper(values: FloatArray) -> FloatArray:
    """The mean of each column plus :data:`SURE` standard errors."""
    error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    return values.mean(axis=0) + SURE * error


def _chosen(goal: Goal, candidates: _Candidates, seed: int) -> NDArray[np.intp]:
    """Among the rules that frameworks have, the choice on all clusters, then without each one."""
    native = candidates.means.first(candidates.native)
    time, loss = native.time.to_numpy(), native.loss.to_numpy()
    if goal.kind is GoalKind.EPOCHS:
        stop = candidates.stop[:, : candidates.native]
        time = cluster_means(stop, candidates.clusters).to_numpy()
    n = len(loss)
    without = without_each(
        lambda others: _choice(goal, time[others], loss[others]),
        n,
        FOLDS if n > 2 * FOLDS else None,
        seed,
    )
    return np.array([_choice(goal, time, loss), *without])


def _versions(
    rules: list[Criterion], candidates: _Candidates
) -> dict[Program, tuple[FloatArray, float]]:
    """Stops and mean loss of the programs' versions of some rules, in one replay per ``keeps``."""
    fitness = watched(candidates.curves).is_fitness
    having = list(dict.fromkeys(p for rule in rules for p in programs(rule, fitness=fitness)))
    versions: dict[Program, tuple[FloatArray, float]] = {}
    for keeps in dict.fromkeys(each.keeps for each in having):
        alike = [each for each in having if each.keeps == keeps]
        stops = replay(candidates.curves, [each.criterion for each in alike], restore=keeps)
        lost = np.log1p(regrets(stops, candidates.curves).val)
        losses = np.expm1(cluster_means(lost, candidates.clusters).mean())
        versions |= zip(alike, zip(stops.stop.T, losses, strict=True), strict=True)
    return versions


def _advice(goals: list[Goal], candidates: _Candidates, seed: int) -> list[Advice | Unmet]:
    """The advice for each goal; the programs' versions of all rules are replayed at once."""
    countable = unit_of(candidates.curves) is not None
    asked = [goal for goal in goals if countable or goal.kind is not GoalKind.EPOCHS]
    chosen = {goal: _chosen(goal, candidates, seed) for goal in asked}
    kept = {goal: each for goal, each in chosen.items() if (each >= 0).all()}
    versions = _versions([candidates.criteria[each[0]] for each in kept.values()], candidates)
    return [
        _advised(goal, kept[goal], candidates, versions, seed)
        if goal in kept
        else Unmet(goal, doubt=Why.NOTHING_KEEPS if goal in chosen else Why.NO_UNIT)
        for goal in goals
    ]


def _advised(
    goal: Goal,
    chosen: NDArray[np.intp],
    candidates: _Candidates,
    versions: dict[Program, tuple[FloatArray, float]],
    seed: int,
) -> Advice:
    at, without, means = chosen[0], chosen[1:], candidates.means
    rule, stop, records = candidates.criteria[at], candidates.stop, watched(candidates.curves)
    val, test, time, _ = candidates.regrets
    logs = {"loss": np.log1p(val), "saved": np.log(np.maximum(time, LEAST))}
    if records.unit is not None:
        logs["epochs"] = stop
    if np.isfinite(test).all():
        logs["test_loss"] = np.log1p(test)
    # for each run, what was chosen without its cluster
    columns = pd.Series(without, index=means.loss.index).loc[candidates.clusters].to_numpy()
    runs = {name: every[np.arange(len(columns)), columns] for name, every in logs.items()}
    held_out = cluster_means(pd.DataFrame(runs), candidates.clusters)
    worth = dict(zip(logs, _estimates(held_out, seed), strict=True))
    loss, epochs = worth["loss"].loss(), worth.get("epochs")
    return Advice(
        goal=goal,
        criterion=rule,
        loss=loss,
        test_loss=worth["test_loss"].loss() if "test_loss" in worth else None,
        saved=worth["saved"].saved(),
        epochs=epochs,
        seen_loss=float(np.expm1(means.loss.iloc[:, at].mean())),
        worst=float(val[:, at].max()),
        chosen=dict(Counter(means.criteria[j] for j in without).most_common()),
        programs=[
            InProgram(each, int((stops != stop[:, at]).sum()), float(lost))
            for each in programs(rule, fitness=records.is_fitness)
            for stops, lost in [versions[each]]
        ],
        watched=records,
        doubt=_doubt(goal, epochs if epochs and goal.kind is GoalKind.EPOCHS else loss),
    )


def _doubt(goal: Goal, reached: Estimate) -> Why | None:
    """Why the goal may be missed on held-out data; a trade-off cannot miss its goal."""
    if goal.kind is GoalKind.RATE or reached.high < goal.limit:
        return None
    return Why.MAY_BREAK if reached.mean <= goal.limit else Why.BREAKS


def _estimates(means: pd.DataFrame, seed: int) -> list[Estimate]:
    """The mean and interval of every column, with one row per cluster."""
    table = intervals(means, seed=seed)
    return [Estimate(*row) for row in table[["estimate", "low", "high"]].to_numpy(float)]
