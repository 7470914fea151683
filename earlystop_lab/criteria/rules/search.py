"""Rules of optimisers and searches, where a check is an iteration, a generation or a trial.

The error is the value that is minimised; a library that maximises sees its negative. Parameter
names and defaults are those of each library.
"""

import math
from typing import NamedTuple

import numpy as np

from earlystop_lab.criteria.core import criterion
from earlystop_lab.criteria.rules._windows import (
    Window,
    deviation,
    full,
    mean,
    new_window,
    shifted,
    values,
)
from earlystop_lab.criteria.rules.patience import (
    GAIN_AT_LEAST,
    LOWER,
    RELATIVE_TO,
    Knobs,
    Patience,
    patience_rule,
    patience_state,
)
from earlystop_lab.curves import FloatArray

__all__ = [
    "TPOT",
    "BoTorch",
    "HMMLearn",
    "Hyperopt",
    "PyGAD",
    "Pymoo",
    "SkoptDeltaY",
    "SyneTunePlateau",
]


@patience_rule(
    threshold="iteration_stop_count",
    default=20,
    at_least={"iteration_stop_count": 1, "percent_increase": 0},
)
def Hyperopt(*, percent_increase: float = 0.0) -> Patience:
    """``hyperopt.early_stop.no_progress_loss``: the first trial counts as one without progress.

    A loss improves if val < best - abs(best percent_increase / 100). The first is the best and
    counts as bad, though it cannot stop the search: if the first loss is never beaten, the search
    ends after ``iteration_stop_count`` trials, and not after one more. If it is NaN, nothing
    improves on it. The search returns the lowest loss.

    Parameters
    ----------
    iteration_stop_count : int
        Number of trials without progress, at least 1; 1 and 2 differ only after an improvement.
    percent_increase : float
        Gain that is needed, in percent of the best, at least 0.

    Notes
    -----
    Statistic: trials since val < best - abs(best percent_increase / 100), the first included

    Source: hyperopt 0.3.0, ``hyperopt/early_stop.py``.

    Verified: hyperopt 0.3.0

    Examples
    --------
    >>> from earlystop_lab import CurveSet, Hyperopt, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0, 2.0, 2.0]}, {"val": [2.0, 1.0, 1.0, 1.0]}])
    >>> replay(curves, [Hyperopt(2)]).to_frame()["stop"].tolist()
    [2, 4]
    """
    return patience_state(
        Knobs(RELATIVE_TO, first=True, first_bad=True), delta=percent_increase / 100.0
    )


@patience_rule(
    threshold="early_stop",
    passes=">",
    at_least={"early_stop": 0},
    off=("tol",),
)
def TPOT(*, tol: float = 0.001) -> Patience:
    """TPOT's ``early_stop`` with one objective: more than so many generations without a gain.

    A generation improves if best - val >= tol, where the best is the lowest so far, by however
    little it fell: slow gains below ``tol`` stop the search. (With a tolerance of 0, which is an
    error here, every generation improves in the library, so that it never stops.) NaN is bad.

    Parameters
    ----------
    early_stop : int
        Number of generations without a gain that are tolerated, at least 0.
    tol : float
        ``early_stop_tol``: gain that is needed, in units of the objective, above 0.

    Notes
    -----
    Statistic: generations since best - val >= tol

    Source: TPOT 1.1.0, ``tpot/evolvers/base_evolver.py``.

    Verified: tpot 1.1.0

    Examples
    --------
    >>> from earlystop_lab import TPOT, CurveSet, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0, 0.9, 0.8, 0.7, 0.6]}])
    >>> replay(curves, [TPOT(1, tol=0.2), TPOT(1, tol=0.05)]).to_frame()["fired"].tolist()
    [True, False]
    """
    return patience_state(Knobs(GAIN_AT_LEAST, moves=LOWER), delta=tol)


class Reference(NamedTuple):
    """State of pymoo's rule: tolerance, how many are skipped, the reference, moves of it, count."""

    tol: float
    n_skip: int
    reference: float
    moves: int
    #: whether the last generation counted; how many did in a row
    idle: bool
    streak: float


def reference_step(s: Reference, epoch: float, val: float) -> tuple[Reference, float]:
    """Generations in a row whose gain on the reference is within the tolerance."""
    if s.moves > 0 and s.moves % (s.n_skip + 1) != 0:
        moved, idle = True, s.idle
    elif s.moves == 0:
        moved, idle = True, False
    else:
        gain = s.reference - val if s.reference - val > 0 else 0.0
        gain = math.inf if s.reference == math.inf or val == math.inf else gain
        moved = not gain <= s.tol
        # the progress that the library takes for a gain is 1 if this rounds to it
        idle = not moved or 1 / (1 + (gain - s.tol)) >= 1
    count = s.streak + 1 if idle else 0.0
    if moved:
        return Reference(s.tol, s.n_skip, val, s.moves + 1, idle, count), count
    return Reference(s.tol, s.n_skip, s.reference, s.moves, idle, count), count


@criterion(
    threshold="period",
    default=30,
    passes=">=",
    whole=True,
    step=reference_step,
    at_least={"period": 1, "tol": 0, "n_skip": 0},
)
def Pymoo(*, tol: float = 1e-6, n_skip: int = 0) -> Reference:
    """pymoo's ``RobustTermination`` of an objective: ``period`` generations without a gain.

    The gain is max(0, reference - val), and the reference moves only where it is above ``tol``,
    so that slow gains add up. An infinite value is a gain, a NaN is none. After a gain, the next
    ``n_skip`` generations are not judged: they count as the one before did, and move the reference
    all the same.

    Parameters
    ----------
    period : int
        Number of generations in a row without a gain, at least 1.
    tol : float
        ``ftol``: a gain is above this, in units of the objective, at least 0.
    n_skip : int
        Number of generations that are not judged after each gain, at least 0.

    Notes
    -----
    Statistic: generations in a row with a gain of at most tol

    Source: pymoo 0.6.2, ``pymoo/termination/delta.py``, ``robust.py`` and ``ftol.py``.

    Verified: pymoo 0.6.2, on finite values

    Examples
    --------
    >>> from earlystop_lab import CurveSet, Pymoo, replay
    >>> curves = CurveSet.from_runs([{"val": [3.0, 2.9, 2.8, 2.8, 2.8]}])
    >>> replay(curves, [Pymoo(2, tol=0.15), Pymoo(2, tol=0.5)]).to_frame()["stop"].tolist()
    [5, 3]
    """
    return Reference(float(tol), n_skip, math.nan, 0, False, 0.0)


class Weighted(NamedTuple):
    """State of BoTorch's rule: the weights, the oldest first, and one more value than weights."""

    weights: FloatArray
    last: Window


def weighted_step(s: Weighted, epoch: float, val: float) -> tuple[Weighted, float]:
    """Relative decrease of the weighted mean; NaN until the window was full once before."""
    after = Weighted(s.weights, shifted(s.last, val))
    if not full(after.last):
        return after, math.nan
    newest = values(after.last)
    old = new = 0.0
    for i in range(s.weights.size):
        old += float(s.weights[i]) * float(newest[i])
        new += float(s.weights[i]) * float(newest[i + 1])
    fall = old - new
    if old == 0:
        return after, fall * math.inf if fall != 0 else math.nan
    return after, fall / abs(old)


@criterion(
    threshold="rel_tol",
    default=1e-5,
    passes="<",
    step=weighted_step,
    at_least={"n_window": 1},
)
def BoTorch(*, n_window: int = 10, eta: float = 1.0) -> Weighted:
    """``botorch.optim.ExpMAStoppingCriterion``: the weighted mean hardly falls, or rises.

    The mean of the last ``n_window`` values, with weights that rise to the newest by the factor
    exp(eta), is compared with the mean one check before. The statistic is its fall over its size;
    any rise passes, however short. (The library computes in the precision of the values, and has
    a largest number of iterations, which is :data:`MaxEpochs` here.)

    Parameters
    ----------
    rel_tol : float
        Training stops at a relative fall below this.
    n_window : int
        Number of values that are averaged, at least 1.
    eta : float
        Logarithm of the newest weight over the oldest.

    Notes
    -----
    Statistic: relative fall of the weighted mean of the last n_window values

    Source: botorch 0.18.1, ``botorch/optim/stopping.py``.

    Verified: botorch 0.18.1, on finite values

    Examples
    --------
    >>> from earlystop_lab import BoTorch, CurveSet, replay
    >>> curves = CurveSet.from_runs([{"val": [4.0, 3.0, 2.0, 2.5, 1.0]}])
    >>> replay(curves, [BoTorch(n_window=1), BoTorch(n_window=3)]).to_frame()["fired"].tolist()
    [True, False]
    """
    weights = np.exp(np.linspace(-eta, 0, n_window))
    return Weighted(weights / weights.sum(), new_window(n_window + 1))


class Lowest(NamedTuple):
    """State of scikit-optimize's rule: the lowest values of the whole run, in order."""

    lowest: FloatArray
    kept: int


def lowest_step(s: Lowest, epoch: float, val: float) -> tuple[Lowest, float]:
    """How far the lowest values lie apart; NaN before there are as many."""
    lowest, size = s.lowest, s.lowest.size
    value = math.inf if math.isnan(val) else val
    place = min(s.kept, size - 1)
    if s.kept < size or value < lowest[place]:
        while place > 0 and lowest[place - 1] > value:
            lowest[place] = lowest[place - 1]
            place -= 1
        lowest[place] = value
    kept = min(s.kept + 1, size)
    apart = float(lowest[size - 1]) - float(lowest[0]) if kept == size else math.nan
    return Lowest(lowest, kept), apart


@criterion(
    threshold="delta",
    passes="<",
    step=lowest_step,
    at_least={"delta": 0, "n_best": 1},
)
def SkoptDeltaY(*, n_best: int = 5) -> Lowest:
    """``skopt.callbacks.DeltaYStopper``: the lowest values found so far lie close together.

    Holds where the ``n_best`` lowest values of the whole run, in whatever order they came, differ
    by less than ``delta``. NaN is the worst of all. With a delta of 0 it never holds.

    Parameters
    ----------
    delta : float
        The search stops at a distance below this, in units of the value, at least 0.
    n_best : int
        Number of lowest values, at least 1.

    Notes
    -----
    Statistic: n_best-th lowest value - lowest value

    Source: scikit-optimize 0.10.2, ``skopt/callbacks.py``.

    Verified: scikit-optimize 0.10.2, on finite values

    Examples
    --------
    >>> from earlystop_lab import CurveSet, SkoptDeltaY, replay
    >>> curves = CurveSet.from_runs([{"val": [5.0, 1.0, 3.0, 1.2, 4.0]}])
    >>> replay(curves, [SkoptDeltaY(0.5, n_best=2)]).to_frame()["stop"][0]
    np.int64(4)
    """
    return Lowest(np.empty(n_best), 0)


def unchanged_step(
    s: tuple[float, float], epoch: float, val: float
) -> tuple[tuple[float, float], float]:
    """Values in a row that equal the one before."""
    count = s[1] + 1 if val == s[0] else 0.0
    return (val, count), count


@criterion(
    threshold="saturate",
    passes=">=",
    whole=True,
    step=unchanged_step,
    off=("saturate",),
)
def PyGAD() -> tuple[float, float]:
    """PyGAD's ``stop_criteria="saturate_n"``: the best fitness did not change for n generations.

    Only exact equality with the generation before counts: a fitness that falls, oscillates or
    creeps never stops the search, whatever the best one was. The first value is that of the initial
    population.

    Parameters
    ----------
    saturate : int
        Number of generations in a row without a change, above 0.

    Notes
    -----
    Statistic: generations in a row with val equal to the one before

    Source: pygad 3.9.2, ``pygad/utils/engine.py``.

    Verified: pygad 3.9.2, on finite values

    Examples
    --------
    >>> from earlystop_lab import CurveSet, PyGAD, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0, 2.0, 1.0, 2.0, 3.0, 3.0, 3.0]}])
    >>> replay(curves, [PyGAD(2)]).to_frame()["stop"][0]
    np.int64(7)
    """
    return math.nan, 0.0


def gain_step(s: tuple[float], epoch: float, train: float) -> tuple[tuple[float], float]:
    """What the error fell by since the check before; NaN at the first."""
    return (train,), s[0] - train


@criterion(
    threshold="tol",
    default=0.01,
    passes="<",
    step=gain_step,
    watches=("train",),
)
def HMMLearn() -> tuple[float]:
    """``hmmlearn``'s ``ConvergenceMonitor``: one step gained less than ``tol``.

    The negated log likelihood of the training data is compared with that of the iteration before;
    one that rises stops training as well. (The largest number of iterations is
    :data:`MaxEpochs`.)

    Parameters
    ----------
    tol : float
        Training stops at a gain below this, in units of the log likelihood.

    Notes
    -----
    Statistic: the training error before - the training error

    Source: hmmlearn 0.3.3, ``hmmlearn/base.py``.

    Verified: hmmlearn 0.3.3

    Examples
    --------
    >>> from earlystop_lab import CurveSet, HMMLearn, replay
    >>> curves = CurveSet.from_runs([{"train": [9.0, 8.0, 7.995, 7.0], "val": [1.0] * 4}])
    >>> replay(curves, [HMMLearn()]).to_frame()["stop"][0]
    np.int64(3)
    """
    return (math.nan,)


class Plateau(NamedTuple):
    """State of Syne Tune's rule: the limit, the best so far, the last bests, plateaus in a row."""

    std: float
    best: float
    begun: bool
    last: Window
    room: FloatArray
    streak: float


def plateau_step(s: Plateau, epoch: float, val: float) -> tuple[Plateau, float]:
    """Trials in a row at which the last bests hardly vary; NaN where they vary."""
    best = val if not s.begun or val < s.best else s.best
    last, flat = shifted(s.last, best), False
    if full(last):
        flat = deviation(values(last), mean(values(last)), s.room) <= s.std
    count = s.streak + 1 if flat else 0.0
    after = Plateau(s.std, best, True, last, s.room, count)
    return after, count if flat else math.nan


@criterion(
    threshold="patience",
    default=0,
    passes=">=",
    whole=True,
    step=plateau_step,
    at_least={"patience": 0, "num_trials": 2},
    above={"std": 0},
)
def SyneTunePlateau(*, std: float = 0.001, num_trials: int = 10) -> Plateau:
    """``syne_tune.stopping_criterion.PlateauStopper``: the best so far hardly moved.

    Looks at the standard deviation, not of the last ``num_trials`` values, but of the best so far
    after each of them. It has to be at most ``std`` at ``patience`` trials in a row. If the first
    value is NaN it remains the best, and the rule never holds.

    Parameters
    ----------
    patience : int
        Number of trials in a row, at least 0; 0 and 1 behave alike.
    std : float
        Largest population standard deviation, in units of the value, above 0.
    num_trials : int
        Number of trials in the window, at least 2.

    Notes
    -----
    Statistic: trials in a row with standard deviation of the last num_trials bests <= std

    Source: syne-tune 0.16.0, ``syne_tune/stopping_criterion.py``, asked once a trial.

    Verified: syne-tune 0.16.0, on finite values

    Examples
    --------
    >>> from earlystop_lab import CurveSet, SyneTunePlateau, replay
    >>> curves = CurveSet.from_runs([{"val": [2.0, 1.0, 5.0, 3.0, 4.0]}])
    >>> replay(curves, [SyneTunePlateau(2, num_trials=2)]).to_frame()["stop"][0]
    np.int64(4)
    """
    return Plateau(float(std), math.nan, False, new_window(num_trials), np.empty(num_trials), 0.0)
