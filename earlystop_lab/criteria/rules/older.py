"""Rules of older libraries and of libraries in other languages."""

import math
from typing import NamedTuple

from earlystop_lab.criteria.core import criterion
from earlystop_lab.criteria.rules._windows import (
    Highest,
    Window,
    full,
    highest,
    new_window,
    oldest,
    raised,
    shifted,
    top,
    truth,
)
from earlystop_lab.criteria.rules.patience import (
    DIFFERENCE,
    GAIN,
    RISING,
    WORSE,
    Knobs,
    Patience,
    kept_epoch,
    patience_rule,
    patience_state,
    patience_step,
    saved_epoch,
    saved_step,
)

__all__ = ["DL4J", "Encog", "MatlabMaxFail", "PyBrain", "Weka"]


@criterion(
    threshold="n",
    passes=">=",
    whole=True,
    step=saved_step,
    restores=saved_epoch,
    at_least={"n": 0, "min_improvement": 0},
)
def DL4J(*, min_improvement: float = 0.0) -> tuple[Patience, Patience]:
    """DL4J's ``ScoreImprovementEpochTerminationCondition``: ``n`` epochs without improvement.

    A score improves if best - val > min_improvement; the first score always does. If the first
    score is NaN, no later score improves on it. An epoch that improves never stops training. With
    ``restore="own"``, the first of the lowest errors is selected, which the model saver keeps; if
    the first error is NaN, it is the first epoch.

    Parameters
    ----------
    n : int
        Number of epochs without improvement, at least 0.
    min_improvement : float
        Smallest gain that counts as an improvement, in units of the error, at least 0.

    Notes
    -----
    Statistic: epochs since best - val > min_improvement

    Source: Deeplearning4j 1.0, ``ScoreImprovementEpochTerminationCondition.java``.

    Verified: worked by hand

    Examples
    --------
    >>> from earlystop_lab import DL4J, CurveSet, replay
    >>> curves = CurveSet.from_runs([{"val": [3.0, 2.0, 1.5, 1.6]}])
    >>> replay(curves, [DL4J(2, min_improvement=0.5)]).to_frame()["stop"][0]
    np.int64(4)
    """
    rule = patience_state(Knobs(GAIN, first=True, epochs=True), delta=min_improvement)
    return rule, patience_state(Knobs(DIFFERENCE, first=True))


@patience_rule(
    threshold="E",
    default=20,
    passes=">",
    restores=kept_epoch,
    at_least={"E": 0},
)
def Weka() -> Patience:
    """WEKA's ``MultilayerPerceptron -V -E``: more than ``E`` epochs not below the one before.

    An epoch counts if its error is not below that of the *previous* epoch. An error below the
    previous one that is not a new best leaves the count unchanged; only a new best resets it.
    With ``restore="own"``, the epoch with the best error is selected, which WEKA restores.

    Parameters
    ----------
    E : int
        Number of such epochs that are tolerated.

    Notes
    -----
    Statistic: epochs with val >= the one before, since the last new best

    Source: WEKA 3.8, ``weka/classifiers/functions/MultilayerPerceptron.java``.

    Verified: worked by hand

    Examples
    --------
    >>> from earlystop_lab import CurveSet, Weka, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0, 3.0, 2.0, 2.5, 2.0, 2.1]}])
    >>> replay(curves, [Weka(1), Weka(2)]).to_frame()["stop"].tolist()
    [4, 6]
    """
    return patience_state(Knobs(DIFFERENCE, counts=RISING))


@patience_rule(
    threshold="max_fail",
    default=6,
    passes=">",
    restores=kept_epoch,
    at_least={"max_fail": 0},
)
def MatlabMaxFail() -> Patience:
    """MATLAB's ``max_fail``, as in Octave's nnet: more than ``max_fail`` errors above the best.

    An error above the best counts, a tie leaves the count unchanged, and a new best resets it.
    (MATLAB's documentation describes its own rule in two different ways, and its code is not
    public.) With ``restore="own"``, the first of the lowest errors is selected, whose net is
    returned.

    Parameters
    ----------
    max_fail : int
        Number of errors above the best that are tolerated.

    Notes
    -----
    Statistic: checks with val > best, since val < best

    Source: the nnet package of Octave Forge, ``__trainlm.m``.

    Verified: worked by hand

    Examples
    --------
    >>> from earlystop_lab import CurveSet, MatlabMaxFail, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0, 2.0, 1.0, 1.0, 2.0]}])
    >>> replay(curves, [MatlabMaxFail(1)]).to_frame()["stop"][0]
    np.int64(5)
    """
    return patience_state(Knobs(DIFFERENCE, first=True, counts=WORSE))


class Looks(NamedTuple):
    """State of Encog's rule: checks between looks, checks left, and its patience in looks."""

    between: int
    left: int
    looks: Patience


def look_step(s: Looks, epoch: float, val: float) -> tuple[Looks, float]:
    """Checks without improvement, evaluated only at the checks that Encog looks at."""
    if s.left > 1:
        return Looks(s.between, s.left - 1, s.looks), math.nan
    looks, bad = patience_step(s.looks, epoch, val)
    return Looks(s.between, s.between, looks), bad * s.between


def looked_epoch(s: Looks) -> float:
    """The epoch of the lowest error among the checks looked at."""
    return s.looks.kept


@criterion(
    threshold="allowed_stagnant",
    default=50,
    passes=">",
    whole=True,
    step=look_step,
    restores=looked_epoch,
    at_least={"allowed_stagnant": 0, "check_frequency": 0},
)
def Encog(*, check_frequency: int = 5) -> Looks:
    """Encog's ``EarlyStoppingStrategy``: more than ``allowed_stagnant`` iterations without a gain.

    It looks at the first check and then at every (check_frequency + 1)-th. If a look shows no
    improvement, all iterations since the previous look count as stagnant. A value that is not
    finite stops training. The library's ``minimumImprovement`` has no effect and is left out.
    With ``restore="own"``, the first of the lowest errors among the checks looked at is selected,
    which ``saveBest`` keeps.

    Parameters
    ----------
    allowed_stagnant : int
        Number of stagnant iterations that are tolerated.
    check_frequency : int
        Number of checks skipped between two looks, at least 0.

    Notes
    -----
    Statistic: checks since val < best, looking only at every (check_frequency + 1)-th

    Source: Encog 3, ``EarlyStoppingStrategy.java``.

    Verified: worked by hand

    Examples
    --------
    >>> from earlystop_lab import CurveSet, Encog, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0] * 9}])
    >>> replay(curves, [Encog(3, check_frequency=1)]).to_frame()["stop"][0]
    np.int64(5)
    """
    return Looks(check_frequency + 1, 1, patience_state(Knobs(DIFFERENCE, first=True, finite=True)))


class Halves(NamedTuple):
    """State of PyBrain's rule: the last c errors, the c before them, the best since training."""

    last: Window
    before: Window
    #: of the negated last c
    lowest: Highest
    #: of the c before
    highest: Highest
    best: float
    kept: float


def halves_step(s: Halves, epoch: float, val: float) -> tuple[Halves, float]:
    """1 where the last c errors are all above the c before them; NaN until there are 2 c."""
    leaves, began = full(s.last), s.last.seen == 1
    leaving = oldest(s.last) if leaves else math.nan
    before, most = shifted(s.before, leaving, leaves), raised(s.highest, leaving, leaves)
    last, least = shifted(s.last, val), raised(s.lowest, -val)
    holds = math.nan
    if full(before):
        # Python's min and max of a NaN in first place are NaN
        known = not (math.isnan(oldest(last)) or math.isnan(oldest(before)))
        holds = truth(known and -top(least) > top(most))
    better = began or val < s.best
    best, kept = (val, epoch) if better else (s.best, s.kept)
    return Halves(last, before, least, most, best, kept), holds


def kept_since_training(s: Halves) -> float:
    """Epoch of the lowest error since training began, at first that of the first update."""
    return s.kept


@criterion(step=halves_step, restores=kept_since_training, at_least={"continue_epochs": 1})
def PyBrain(*, continue_epochs: int = 10) -> Halves:
    """PyBrain's ``trainUntilConvergence``: the last c errors are all above the c before them.

    Holds if min(last c) > max(the c before), with c = ``continue_epochs``. The first error is the
    one before training. Minimum and maximum are those of Python, which return NaN if the first
    element is NaN. With ``restore="own"``, the lowest error after the first update is selected,
    which always counts.

    Parameters
    ----------
    continue_epochs : int
        Length c of each of the two windows, at least 1.

    Notes
    -----
    Statistic: lowest of the last c > highest of the c before

    Source: PyBrain3 3.0.4, ``pybrain/supervised/trainers/backprop.py``.

    Verified: PyBrain3 3.0.4

    Examples
    --------
    >>> from earlystop_lab import CurveSet, PyBrain, replay
    >>> curves = CurveSet.from_runs([{"val": [2.0, 1.0, 2.5, 3.0, 3.0]}])
    >>> replay(curves, [PyBrain(2)], restore="own").to_frame()[["stop", "selected"]]
       stop  selected
    0     4         2
    """
    c = continue_epochs
    return Halves(new_window(c), new_window(c), highest(c), highest(c), math.nan, math.nan)
