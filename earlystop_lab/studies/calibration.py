"""A threshold, calibrated on recorded runs, with a guarantee for future runs.

The guarantees hold for finite numbers of runs, for any rule and any curves, under a single
assumption: future runs are drawn from the same distribution as the recorded ones. See
:mod:`inference.risk` for the guarantees.
"""

from contextlib import suppress
from enum import StrEnum
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd

from earlystop_lab._common.checks import require
from earlystop_lab._common.errors import EarlystopError
from earlystop_lab._common.wording import counted, spoken
from earlystop_lab.criteria import Criterion, Family, MaxEpochs
from earlystop_lab.curves import CurveSet, FloatArray, facts_of, require_curves
from earlystop_lab.engine.replaying import replay
from earlystop_lab.engine.thresholds import sweep
from earlystop_lab.inference import cluster_means, risk
from earlystop_lab.measures.hindsight import regret, regrets
from earlystop_lab.studies.reasons import Reason
from earlystop_lab.studies.recommendation import PATIENCES
from earlystop_lab.studies.records import Watched, counting, differing, hidden, watched

#: members of the sweep, about 2% of the epochs apart in runs of thousands of epochs
MEMBERS = 400
#: the thresholds of learn-then-test that are not whole numbers, whatever the runs are
LEVELS = [float(f"{step}e{k}") for k in range(-4, 5) for step in ("1", "1.5", "2", "3", "5", "7")]
#: the default cap, as a multiple of ``at_most``
CAP = 10


class RefusedError(EarlystopError, ValueError):
    """No threshold that saves anything can be guaranteed; the message says what would help."""


class Caution(StrEnum):
    """Warnings about a guarantee, in addition to what the recorded runs hide."""

    #: without the ``cap``, the ``mean`` loss is above ``at_most``
    CAPPED = "calibration.capped"
    #: ``copies`` of the ``runs`` are copies of another run
    COPIES = "calibration.copies"


class Promise(NamedTuple):
    """A guarantee: the loss, its bound, and the confidence."""

    at_most: float
    #: the largest loss that counts; 1 if the loss is the share of runs above ``exceed``
    cap: float
    exceed: float | None
    #: probability over calibration sets; None if the guarantee is an average over them
    confidence: float | None
    #: what was calibrated on: runs, or data sets by the column that names them
    unit: Literal["run", "dataset", "problem"]


class Calibrated(NamedTuple):
    """A criterion, its guarantee, and its results on the calibration runs.

    ``report.in_words`` renders it as text.
    """

    criterion: Criterion
    promise: Promise
    #: number of runs or data sets used for calibration
    units: int
    #: the quantity that had to be at most ``at_most``, or a p value of at most 1 - confidence
    reached: float
    #: mean loss with the cap, mean loss without it, and the largest loss of a run
    mean: float
    mean_uncapped: float
    largest: float
    #: mean share of the positions saved, relative to training each run to its end
    saved: float
    #: mean validation regret relative to each run's own lowest error, without a cap
    excess: float
    #: for learn-then-test, the choice by Hoeffding-Bentkus p values; None if they allow nothing
    hoeffding_bentkus: Criterion | None
    #: what to know before relying on the guarantee
    warnings: tuple[Reason, ...]
    watched: Watched


def calibrate(
    curves: CurveSet,
    family: Family | Criterion,
    at_most: float = 0.02,
    *,
    cap: float | None = None,
    confidence: float | None = None,
    exceed: float | None = None,
    unit: Literal["run", "dataset"] | None = None,
    seed: int = 0,
) -> Calibrated:
    """The fastest threshold of a family whose loss on a new run is bounded, with a guarantee.

    The loss is min(r, ``cap``). The arguments determine r and the guarantee:

    - By default, r is the validation regret (:mod:`measures.hindsight`), E_va(selected) divided by
      the lowest validation error of the run, minus 1, and E[min(r, cap)] <= ``at_most`` for a new
      run: conformal risk control.
    - With ``exceed=x``: P(r > x) <= ``at_most`` for a new run.
    - With ``confidence=c``, r is max(0, E_te(selected) / E_te(what the end of the run selects) -
      1), in terms of the test error, which may rise as well as fall with the threshold. With
      probability at least c over calibration sets, E[min(r, cap)] (with ``exceed``, P(r > x)) is
      at most ``at_most``: learn-then-test by betting. The choice by Hoeffding-Bentkus p values is
      reported as well. The thresholds are a fixed list (:func:`sequence`), because the order of the
      tests must not depend on the runs.

    The selected weights are those with the lowest validation error seen. Among thresholds that
    stop these runs at the same checks, the slowest is chosen.

    Parameters
    ----------
    curves : CurveSet
        The calibration runs.
    family : Family or Criterion
        The family whose threshold is chosen; the parameters of a criterion are kept.
    at_most : float
        Bound of the expected loss, or of the probability if ``exceed`` is given; above 0.
    cap : float, optional
        Largest loss that counts, by default 10 * ``at_most``. It must be fixed before looking at
        the runs. A small cap hides risk: mean and maximum without the cap are reported, with a
        warning if the mean is above ``at_most``.
    confidence : float, optional
        Probability over calibration sets, in (0, 1). See above.
    exceed : float, optional
        Bound the probability of a larger regret instead of its mean. Excludes ``cap``.
    unit : {"run", "dataset"}, optional
        What is new: by default ``"dataset"`` if the runs are of several, else ``"run"``. With
        ``"dataset"``, the guarantee is for a new data set, averaged over its runs, and each data
        set has one loss, the mean of those of its runs. Without a column ``dataset``, problems are
        taken for data sets.
    seed : int
        Seed of the order in which losses are bet on. Without ``confidence``, nothing is random.

    Returns
    -------
    Calibrated

    Raises
    ------
    RefusedError
        A ``ValueError``. Only a threshold that stops no run early could be guaranteed, which is
        always so with fewer than ``cap / at_most - 1`` units (the message has the number needed);
        or a training curve stands in for the validation curve of some run.
    ValueError
        If an argument is out of range, a run lacks the error that is needed, or the family has no
        threshold with which the loss must fall.

    Notes
    -----
    Before relying on a guarantee, note that:

    - It is an average over calibration sets. Among sets of 50 recorded runs, three in ten chose a
      patience that loses more than ``at_most`` (2%, cap 0.2), while their mean met it.
    - It holds for runs drawn from the same distribution. A patience calibrated on the runs of 11
      problems lost up to 5.7 times ``at_most`` on the twelfth, and more than ``at_most`` on 4 of
      12; on logs of runs that a patience had already stopped, 1.4 to 2.3 times; calibrated on runs
      of 300 epochs and applied to runs of 3000, 2.3 times. A changed training recipe is such a
      case, too.
    - It does not hold if cap, bound or family were chosen by looking at the results on the same
      runs: of four caps, the one that saved most lost 1.2 times ``at_most``.

    These numbers were measured by ``experiments/calibration.py`` on data/curves/prechelt1997.

    Examples
    --------

    >>> from earlystop_lab import Keras, simulate
    >>> kept = calibrate(simulate("gradient_flow", 60, seed=1), Keras)
    >>> kept.units, kept.promise.cap, kept.reached <= 0.02, kept.criterion.family.name
    (12, 0.2, True, 'Keras')
    """
    require_curves("calibrate", curves)
    facts = facts_of(curves)
    if unit is None:
        several = facts.clusters.name != "run" and facts.clusters.nunique() > 1
        unit = "dataset" if several else "run"
    promise = _promised(curves, at_most, cap, confidence, exceed, unit)
    if stand_ins := int(facts.stand_ins.sum()):
        raise RefusedError(
            f"calibrate: {stand_ins} of {counted(len(curves), 'run')} have a training curve in "
            "place of a validation curve, for which there is no guarantee; leave them out"
        )
    error: Literal["val", "test"] = "val" if confidence is None else "test"
    seen = measured(curves, family, error)
    clusters = facts.clusters if unit == "dataset" else pd.Index(curves.runs, name="run")
    losses = (
        np.minimum(seen.losses, promise.cap) if exceed is None else seen.losses > exceed
    ).astype(np.float64)
    if unit == "dataset":
        # rounding may put the mean of losses at the cap above the cap
        losses = np.minimum(cluster_means(losses, clusters).to_numpy(), promise.cap)
    at, reached, other = chosen(losses, seen.time, at_most, promise.cap, confidence, seed)
    if at is None:
        raise RefusedError(_refusal(seen.members[0].family.name, len(losses), promise))
    every = np.stack([seen.losses[:, at], 1 - seen.time[:, at], seen.excess[:, at]], axis=1)
    lost, saved, excess = cluster_means(every, clusters, infinite=True).to_numpy().T
    warnings = [*hidden(curves), *differing(curves, error)]
    if copies := int(facts.copies.sum()):
        warnings.append(Reason(Caution.COPIES, {"copies": copies, "runs": len(curves)}))
    if exceed is None and lost.mean() > at_most:
        numbers = {"cap": promise.cap, "mean": float(lost.mean()), "at_most": at_most}
        warnings.insert(0, Reason(Caution.CAPPED, numbers))
    return Calibrated(
        criterion=seen.members[at],
        promise=promise,
        units=len(losses),
        reached=reached,
        mean=float(losses[:, at].mean()),
        mean_uncapped=float(lost.mean()),
        largest=float(seen.losses[:, at].max()),
        saved=float(saved.mean()),
        excess=float(excess.mean()),
        hoeffding_bentkus=None if other is None else seen.members[other],
        warnings=tuple(warnings),
        watched=watched(curves),
    )


class Measured(NamedTuple):
    """A family's sweep over a curve set: arrays of shape (runs, members), fastest first."""

    members: list[Criterion]
    #: the losses to be bounded, without a cap
    losses: FloatArray
    #: stop divided by last epoch
    time: FloatArray
    #: validation regret
    excess: FloatArray


def measured(
    curves: CurveSet, family: Family | Criterion, error: Literal["val", "test"] = "val"
) -> Measured:
    """The losses of :func:`calibrate` at every threshold, without a cap.

    >>> from earlystop_lab import Keras
    >>> seen = measured(CurveSet.from_runs([{"val": [4.0, 2.0, 3.0, 1.0]}]), Keras)
    >>> seen.members, seen.losses.tolist()
    ([Keras(0), Keras(1), Keras(2)], [[1.0, 1.0, 0.0]])
    """
    if counting([family], curves):
        name = family.name if isinstance(family, Family) else str(family)
        raise ValueError(
            f"{name} depends only on positions, and those of these runs are in different units; "
            "pass runs with one unit"
        )
    members = sweep(family, curves, MEMBERS) if error == "val" else sequence(family, curves)
    if error == "val" and members[0].family.threshold is None:
        raise ValueError(
            f"{members[0].family.name} has no threshold with which the validation regret must "
            "fall; pass confidence, for a guarantee of the test error"
        )
    stops = replay(curves, members)
    every = regrets(stops, curves)
    losses = every.val
    if error == "test":
        last = MaxEpochs(max(1, int(np.ceil(facts_of(curves).last.max()))))
        losses = np.maximum(regret(stops.error("test"), replay(curves, [last]).error("test")), 0)
    if (unknown := np.isnan(losses).any(axis=1)).any():
        raise ValueError(
            f"{unknown.sum()} of {len(curves)} runs have an unknown {error} error at some stop, "
            f"the first is run {curves.runs[int(unknown.argmax())]!r}; leave them out"
        )
    return Measured(members, losses, every.time, every.val)


def sequence(rule: Family | Criterion, curves: CurveSet) -> list[Criterion]:
    """The criteria that learn-then-test tests, fastest first, whatever the errors of the runs are.

    Patiences are round numbers, other thresholds 1, 1.5, 2, 3, 5 and 7 times powers of ten, as far
    as the family takes them. A rule without a threshold is swept over its first parameter, whose
    values depend on the lengths of the runs alone.

    >>> from earlystop_lab import GL
    >>> runs = CurveSet.from_runs([{"val": [2.0, 1.0]}])
    >>> [str(each) for each in sequence(GL(1, k=1), runs)[22:26]]
    ['GL(0.5, k=1)', 'GL(0.7, k=1)', 'GL(1, k=1)', 'GL(1.5, k=1)']
    """
    member = sweep(rule, curves, 2)[0]
    name = member.family.threshold
    if name is None:
        return sweep(rule, curves, MEMBERS)
    levels = PATIENCES if member.family.kinds.get(name) is int else LEVELS
    found = []
    for level in levels if member.family.passes.startswith(">") else levels[::-1]:
        with suppress(ValueError):  # out of the bounds of the threshold
            found.append(member.with_threshold(level))
    return found


def _promised(
    curves: CurveSet,
    at_most: float,
    cap: float | None,
    confidence: float | None,
    exceed: float | None,
    unit: Literal["run", "dataset"],
) -> Promise:
    """The guarantee; ``ValueError`` if the arguments are inconsistent."""
    limited = 0 < at_most < (1 if exceed is not None else np.inf)
    require("at_most", at_most, limited, "a share above 0, such as 0.02")
    if exceed is not None:
        if cap is not None:
            raise ValueError(f"cap = {cap} and exceed = {exceed}: pass only one of them")
        require("exceed", exceed, 0 <= exceed < np.inf, "a regret of at least 0, such as 0.05")
    bound = 1.0 if exceed is not None else CAP * at_most if cap is None else cap
    require("cap", cap, at_most < bound < np.inf, f"a number above at_most = {at_most}")
    if confidence is not None:
        require("confidence", confidence, 0 < confidence < 1, "a number in (0, 1), such as 0.9")
    require("unit", unit, unit in ("run", "dataset"), "'run' or 'dataset'")
    if unit == "run":
        return Promise(at_most, bound, exceed, confidence, "run")
    column: Any = facts_of(curves).clusters.name
    if column == "run":
        raise ValueError("unit = 'dataset', but the curves have no column 'dataset' or 'problem'")
    return Promise(at_most, bound, exceed, confidence, column)


def chosen(
    losses: FloatArray,
    time: FloatArray,
    at_most: float,
    bound: float,
    confidence: float | None = None,
    seed: int = 0,
) -> tuple[int | None, float, int | None]:
    """The member that :func:`calibrate` chooses, its statistic, and Hoeffding-Bentkus' choice.

    ``losses`` has shape (units, members) and values from 0 to ``bound``; ``time`` has one row per
    run. The choice is None if nothing that stops a run before its end can be guaranteed.

    >>> losses, time = np.array([[0.2, 0.0, 0.0]] * 9), np.array([[0.1, 0.5, 1.0]] * 9)
    >>> chosen(losses, time, 0.02, 0.2), chosen(losses[1:], time[1:], 0.02, 0.2)[0]
    ((1, 0.02, None), None)
    """

    def fastest(values: FloatArray, limit: float) -> int | None:
        at = risk.fastest_kept(values, limit)
        if at is None or (time[:, at] >= 1).all():
            return None
        # among members that stop these runs at the same checks, the slowest, at no cost
        alike = (time[:, at:] == time[:, [at]]).all(axis=0)
        return at + int(np.flatnonzero(alike)[-1])

    beside = None
    if confidence is None:
        reached, limit = risk.conformal_risk(losses, bound), at_most
    else:
        limit = 1 - confidence
        # recorded runs are sorted by how they were made
        mixed = np.random.default_rng(seed).permutation(losses)
        reached = risk.betting(mixed, at_most, bound, limit)
        beside = fastest(risk.hoeffding_bentkus(losses, at_most, bound), limit)
    at = fastest(reached, limit)
    return at, np.nan if at is None else float(reached[at]), beside


def _refusal(family: str, n: int, promise: Promise) -> str:
    at_most, cap, _, confidence, column = promise
    unit = spoken(column)
    needed = (
        risk.fewest_conformal(at_most, cap)
        if confidence is None
        else risk.fewest_betting(at_most, cap, 1 - confidence)
    )
    why = (
        f"no threshold of {family} that stops a run before its end is guaranteed to lose at most "
        f"{at_most:g} with these {n} {unit}s"
    )
    if n < needed:
        why = (
            f"{n} {unit}s are too few for a loss of at most {at_most:g} with a cap of {cap:g}: "
            f"even without any loss, {needed} are needed"
        )
    return f"calibrate: {why}; record more {unit}s, raise at_most, or fix a lower cap in advance"
