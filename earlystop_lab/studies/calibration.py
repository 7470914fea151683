"""A threshold with a guarantee for runs that are still to come, from recorded ones.

The guarantees hold for any rule and any curves, of finitely many runs, and of nothing but this:
the runs to come are drawn like the recorded ones. What they say is in :mod:`inference.risk`.
"""

from enum import StrEnum
from typing import Literal, NamedTuple

import numpy as np
import pandas as pd

from earlystop_lab._common.checks import require
from earlystop_lab._common.errors import EarlystopError
from earlystop_lab._common.wording import counted
from earlystop_lab.criteria import Criterion, Family, MaxEpochs
from earlystop_lab.curves import CurveSet, FloatArray, facts_of, require_curves
from earlystop_lab.engine.replaying import replay
from earlystop_lab.engine.thresholds import sweep
from earlystop_lab.inference import cluster_means, risk
from earlystop_lab.measures.hindsight import regret, regrets
from earlystop_lab.studies.reasons import Reason
from earlystop_lab.studies.records import Watched, counting, differing, hidden, watched

#: members of the sweep, about 2% of the epochs apart where records have thousands
MEMBERS = 400
#: the cap where none is given, as a multiple of ``at_most``
CAP = 10


class RefusedError(EarlystopError, ValueError):
    """No threshold that saves anything can be guaranteed; the text says what it would take."""


class Caution(StrEnum):
    """What to know before relying on a guarantee, beside what records hide."""

    #: without the ``cap`` the ``mean`` loss is above ``at_most``
    CAPPED = "calibration.capped"
    #: of so many ``runs`` some are ``copies`` of another
    COPIES = "calibration.copies"


class Promise(NamedTuple):
    """What is guaranteed: of which loss, how much of it at most, and how surely."""

    at_most: float
    #: the largest loss that counts; 1 for the share of losses above ``exceed``
    cap: float
    exceed: float | None
    #: with what probability over calibration sets; None for on average over them
    confidence: float | None
    #: runs or problems that were calibrated on
    unit: Literal["run", "problem"]


class Calibrated(NamedTuple):
    """A criterion, what is promised of it, and what it did on the calibration runs.

    ``report.in_words`` makes a text of it.
    """

    criterion: Criterion
    promise: Promise
    #: how many runs or problems were calibrated on
    units: int
    #: what had to be at most ``at_most``, or as a p value at most 1 - confidence
    reached: float
    #: mean of the losses as they count, of the losses themselves, and the largest of a run
    mean: float
    mean_uncapped: float
    largest: float
    #: mean share of the positions saved, against each run to its end
    saved: float
    #: mean validation regret against each run's own lowest error, without a cap
    excess: float
    #: of learn-then-test, what Hoeffding-Bentkus p values choose; None where they choose nothing
    hoeffding_bentkus: Criterion | None
    #: what to know before relying on it
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
    unit: Literal["run", "problem"] = "run",
    seed: int = 0,
) -> Calibrated:
    """The fastest threshold of a family whose loss on a new run is kept, with a guarantee.

    The loss is min(r, ``cap``), and its guarantee by the arguments given:

    - by default r is the validation regret (:mod:`measures.hindsight`), E_va(selected) over the
      lowest of the run's record, less 1, and E[min(r, cap)] <= ``at_most`` for a new run: conformal
      risk control;
    - ``exceed=x``: P(r > x) <= ``at_most`` for a new run;
    - ``confidence=c``: r is the test error's, max(0, E_te(selected) / E_te(what the run's own end
      selects) - 1), which may rise as well as fall with the threshold. With a probability of at
      least c over calibration sets, E[min(r, cap)] (with ``exceed``, P(r > x)) is at most
      ``at_most``: learn-then-test by betting; what Hoeffding-Bentkus would choose is beside it.

    Kept are the weights of the lowest validation error seen; of thresholds that stop these runs
    alike the slowest is chosen. ``cap`` decides everything and must be fixed before the runs are
    seen: by default 10 * ``at_most``. A small one hides risk, so the mean and the maximum without
    it are beside, with a warning where the former is above ``at_most``. ``unit="problem"``: the
    promise is for the runs of a new problem (on average over these), each problem one loss, the
    mean of its runs'. ``seed`` is the order in which losses are bet on; without ``confidence``
    nothing is random.

    Raises :class:`RefusedError`, a ``ValueError``, where only a threshold that stops no run early
    would be sure: with fewer than ``cap / at_most - 1`` units always; it names the number needed;
    and where in some run a training curve stands in for a validation curve.
    ``ValueError`` for arguments out of range, a run without the error that is needed, and a family
    whose parameter is no threshold where the loss has to fall with it.

    Read this before relying on it:

    - The guarantee is an average over calibration sets: of those of 50 recorded runs, three in
      ten chose a patience that loses more than ``at_most`` (2%, cap 0.2), while their mean kept it.
    - It holds for runs drawn like these. Patience calibrated on the runs of 11 problems lost 5.7
      times ``at_most`` on the twelfth in the worst case, and more than it on 4 of 12; on logs that
      a patience had stopped already 1.4 to 2.3 times; on records of 300 epochs, for runs of 3000,
      2.3 times. A changed training recipe is such a case too.
    - It does not hold where cap, limit or family were chosen by what came out on the same runs: the
      cap of four that saved most lost 1.2 times ``at_most``.

    Measured by ``experiments/calibration.py``, on data/curves/prechelt1997.

    >>> from earlystop_lab import Keras, simulate
    >>> kept = calibrate(simulate("gradient_flow", 60, seed=1), Keras)
    >>> kept.units, kept.promise.cap, kept.reached <= 0.02, kept.criterion.family.name
    (60, 0.2, True, 'Keras')
    """
    require_curves("calibrate", curves)
    promise = _promised(curves, at_most, cap, confidence, exceed, unit)
    facts = facts_of(curves)
    if stand_ins := int(facts.stand_ins.sum()):
        raise RefusedError(
            f"calibrate: {stand_ins} of {counted(len(curves), 'run')} have no validation curve but "
            "a training curve in its place, of which nothing can be guaranteed; leave them out"
        )
    error: Literal["val", "test"] = "val" if confidence is None else "test"
    seen = measured(curves, family, error)
    clusters = facts.clusters if unit == "problem" else pd.Index(curves.runs, name="run")
    losses = (
        np.minimum(seen.losses, promise.cap) if exceed is None else seen.losses > exceed
    ).astype(np.float64)
    if unit == "problem":
        # the mean of numbers at the cap may round to one above it
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
    """A family's sweep over some curves: arrays of shape (runs, members), fastest first."""

    members: list[Criterion]
    #: what is to be kept small, without a cap
    losses: FloatArray
    #: stop over last epoch
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
            f"{name}: it looks at positions alone, which these runs count in different units; "
            "give runs of one unit"
        )
    members = sweep(family, curves, MEMBERS)
    if error == "val" and members[0].family.threshold is None:
        raise ValueError(
            f"{members[0].family.name} has no threshold with which validation regret could only "
            "fall; give confidence, for a guarantee of the test error"
        )
    stops = replay(curves, members)
    every = regrets(stops, curves)
    losses = every.val
    if error == "test":
        last = MaxEpochs(max(1, int(np.ceil(facts_of(curves).last.max()))))
        losses = np.maximum(regret(stops.error("test"), replay(curves, [last]).error("test")), 0)
    if (unknown := np.isnan(losses).any(axis=1)).any():
        raise ValueError(
            f"{unknown.sum()} of {len(curves)} runs have no known {error} error at some stop, the "
            f"first is {curves.runs[int(unknown.argmax())]!r}; leave them out"
        )
    return Measured(members, losses, every.time, every.val)


def _promised(
    curves: CurveSet,
    at_most: float,
    cap: float | None,
    confidence: float | None,
    exceed: float | None,
    unit: Literal["run", "problem"],
) -> Promise:
    """What is to be guaranteed, once all arguments make sense."""
    limited = 0 < at_most < (1 if exceed is not None else np.inf)
    require("at_most", at_most, limited, "a share above 0, such as 0.02")
    if exceed is not None:
        if cap is not None:
            raise ValueError(f"cap = {cap} and exceed = {exceed}; give one: exceed needs no cap")
        require("exceed", exceed, 0 <= exceed < np.inf, "a regret of at least 0, such as 0.05")
    bound = 1.0 if exceed is not None else CAP * at_most if cap is None else cap
    require("cap", cap, at_most < bound < np.inf, f"a number above at_most = {at_most}")
    if confidence is not None:
        require("confidence", confidence, 0 < confidence < 1, "one between 0 and 1, such as 0.9")
    require("unit", unit, unit in ("run", "problem"), "'run' or 'problem'")
    if unit == "problem" and not curves.has("problem"):
        raise ValueError("unit = 'problem', but the curves have no column 'problem'")
    return Promise(at_most, bound, exceed, confidence, unit)


def chosen(
    losses: FloatArray,
    time: FloatArray,
    at_most: float,
    bound: float,
    confidence: float | None = None,
    seed: int = 0,
) -> tuple[int | None, float, int | None]:
    """The member that :func:`calibrate` chooses, what it reached, and Hoeffding-Bentkus' choice.

    ``losses`` (units, members) are from 0 to ``bound``, ``time`` is of every run. None where
    nothing that stops a run before its end is sure.

    >>> losses, time = np.array([[0.2, 0.0, 0.0]] * 9), np.array([[0.1, 0.5, 1.0]] * 9)
    >>> chosen(losses, time, 0.02, 0.2), chosen(losses[1:], time[1:], 0.02, 0.2)[0]
    ((1, 0.02, None), None)
    """

    def fastest(values: FloatArray, limit: float) -> int | None:
        at = risk.fastest_kept(values, limit)
        if at is None or (time[:, at] >= 1).all():
            return None
        # of those that stop these runs alike the slowest, which costs nothing
        alike = (time[:, at:] == time[:, [at]]).all(axis=0)
        return at + int(np.flatnonzero(alike)[-1])

    beside = None
    if confidence is None:
        reached, limit = risk.conformal_risk(losses, bound), at_most
    else:
        limit = 1 - confidence
        # recorded runs come sorted by how they were made
        mixed = np.random.default_rng(seed).permutation(losses)
        reached = risk.betting(mixed, at_most, bound, limit)
        beside = fastest(risk.hoeffding_bentkus(losses, at_most, bound), limit)
    at = fastest(reached, limit)
    return at, np.nan if at is None else float(reached[at]), beside


def _refusal(family: str, n: int, promise: Promise) -> str:
    at_most, cap, _, confidence, unit = promise
    needed = (
        risk.fewest_conformal(at_most, cap)
        if confidence is None
        else risk.fewest_betting(at_most, cap, 1 - confidence)
    )
    why = (
        f"on these {n} {unit}s no threshold of {family} that stops a run before its end is sure to "
        f"lose at most {at_most:g}"
    )
    if n < needed:
        why = (
            f"{n} {unit}s are too few for at most {at_most:g} with losses up to {cap:g}: even "
            f"without any loss {needed} are needed"
        )
    return f"calibrate: {why}; record more {unit}s, allow more, or set a lower cap beforehand"
