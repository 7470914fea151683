"""Rules from papers that watch what training records beside the errors: gradients, labels, folds.

The scalar that has to be recorded is named in each rule. ``earlystop_lab.live.torch`` and
``earlystop_lab.live.keras`` record most of them. Rules of which only a summary of the paper could
be read say so under *Source*; they may change.
"""

import math
from typing import NamedTuple

import numpy as np

from earlystop_lab.criteria.core import criterion
from earlystop_lab.criteria.rules._windows import (
    Rolling,
    Window,
    deviation,
    full,
    mean,
    new_window,
    rolled,
    rolling,
    shifted,
    total,
    values,
)
from earlystop_lab.criteria.rules.patience import (
    SUM,
    Knobs,
    Patience,
    kept_epoch,
    patience_state,
    patience_step,
)
from earlystop_lab.curves import FloatArray

__all__ = [
    "DistanceDiagnostic",
    "EvidenceBased",
    "GradES",
    "GradStop",
    "GradientDisparity",
    "LIDTurn",
    "LabelWave",
    "NoisyEarlyStopping",
    "OneStandardError",
    "PflugDiagnostic",
    "ScoreStop",
]


class Increases(NamedTuple):
    """State of gradient disparity: whether a fall begins anew, the value before, the count."""

    consecutive: bool
    last: float
    rises: float


def increases_step(s: Increases, epoch: float, disparity: float) -> tuple[Increases, float]:
    """Checks at which the value rose: since the start, or in a row."""
    rises = s.rises
    if disparity > s.last:
        rises += 1
    elif s.consecutive:
        rises = 0.0
    return Increases(s.consecutive, disparity, rises), rises


@criterion(
    threshold="patience",
    default=5,
    passes=">=",
    whole=True,
    step=increases_step,
    watches=("gradient_disparity",),
    at_least={"patience": 1},
)
def GradientDisparity(*, consecutive: bool = False) -> Increases:
    """Gradient disparity: gradients of different batches have drawn apart ``patience`` times.

    ``gradient_disparity`` is the mean distance ||g_i - g_j|| between the gradients of a few
    batches (5 in the paper), all at the same weights. A check counts if it is above the check
    before. Counted is from the beginning of training, or in a row. A NaN is no rise, and neither is
    what follows it.

    Parameters
    ----------
    patience : int
        Number of rises, at least 1.
    consecutive : bool
        Whether a check without a rise begins the count anew.

    Notes
    -----
    Statistic: checks at which the gradient disparity rose

    Source: Forouzesh, Thiran, "Disparity between batches as a signal for early stopping", ECML
    PKDD 2021, arXiv 2107.06665 (read in abstract and in a reader's summary).

    Verified: worked by hand

    Examples
    --------
    >>> from earlystop_lab import CurveSet, GradientDisparity, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0] * 5, "gradient_disparity": [3, 4, 2, 3, 4]}])
    >>> rules = [GradientDisparity(2), GradientDisparity(2, consecutive=True)]
    >>> replay(curves, rules).to_frame()["stop"].tolist()
    [4, 5]
    """
    return Increases(bool(consecutive), math.nan, 0.0)


def recorded_step(s: tuple[int], epoch: float, value: float) -> tuple[tuple[int], float]:
    """The recorded value itself."""
    return s, value


@criterion(
    threshold="level",
    default=0.0,
    passes=">",
    step=recorded_step,
    watches=("evidence",),
)
def EvidenceBased() -> tuple[int]:
    """Evidence-based criterion: the gradient is no larger than its noise explains.

    ``evidence`` is 1 - (B / D) sum_j g_j^2 / S_j, with the mean gradient g of a batch of B samples,
    the variance S_j of each of its D components over those samples, and a small number added to
    it. Above 0, the gradients are what they would be at the minimum of the true loss.

    Parameters
    ----------
    level : float
        Training stops above this.

    Notes
    -----
    Statistic: the recorded evidence

    Source: Mahsereci, Balles, Lassner, Hennig, "Early stopping without a validation set", 2017,
    arXiv 1703.09580. The recorded value is as in cockpit (``cockpit/quantities/early_stopping.py``,
    which names the paper's equation 7, and says that it is meant for SGD without momentum).

    Verified: worked by hand

    Examples
    --------
    >>> from earlystop_lab import CurveSet, EvidenceBased, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0] * 3, "evidence": [-5.0, 0.0, 0.1]}])
    >>> replay(curves, [EvidenceBased()]).to_frame()["stop"][0]
    np.int64(3)
    """
    return (0,)


@criterion(
    threshold="tau",
    passes="<",
    step=recorded_step,
    watches=("largest_gradient",),
    above={"tau": 0},
)
def GradES() -> tuple[int]:
    """GradES in the form of a norm: every weight matrix has a small gradient.

    ``largest_gradient`` is the largest, over the weight matrices, of the sum of the absolute values
    of a matrix' gradient. The paper freezes each matrix alone, once its norm is below ``tau``; this
    rule ends training where all are below it at the same check. For the paper's grace period, write
    ``after(n, GradES(tau))``.

    Parameters
    ----------
    tau : float
        Training stops at a norm below this, above 0; it depends on the model.

    Notes
    -----
    Statistic: the largest norm of a matrix' gradient

    Source: Wen, Zeng, Zhou et al., "GradES: Significantly faster training in transformers with
    gradient-based early stopping", 2025, arXiv 2509.01842 (read in abstract).

    Verified: worked by hand

    Examples
    --------
    >>> from earlystop_lab import CurveSet, GradES, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0] * 3, "largest_gradient": [9.0, 1.0, 0.5]}])
    >>> replay(curves, [GradES(1)]).to_frame()["stop"][0]
    np.int64(3)
    """
    return (0,)


class Wave(NamedTuple):
    """State of Label Wave: the last numbers of changes, and the patience on their mean."""

    changes: Rolling
    rule: Patience


def wave_step(s: Wave, epoch: float, changed: float) -> tuple[Wave, float]:
    """Checks since the moving average was lowest; NaN before there is one."""
    changes = rolled(s.changes, changed)
    if not full(changes.last):
        return Wave(changes, s.rule), math.nan
    rule, bad = patience_step(s.rule, epoch, total(changes) / changes.last.length)
    return Wave(changes, rule), bad


def wave_epoch(s: Wave) -> float:
    """The epoch of the lowest moving average; NaN before there is one."""
    return s.rule.kept


@criterion(
    threshold="patience",
    default=10,
    passes=">=",
    whole=True,
    step=wave_step,
    restores=wave_epoch,
    watches=("changed_predictions",),
    at_least={"patience": 1, "window": 1},
)
def LabelWave(*, window: int = 3) -> Wave:
    """Label Wave: the first lasting minimum of how many predictions changed.

    ``changed_predictions`` is the number, or share, of training samples whose predicted label
    differs from that at the check before. It falls while the network learns what labels have in
    common, and rises again once it fits wrong ones. Training stops ``patience`` checks after the
    lowest moving average; with ``restore="own"``, that check is selected.

    Parameters
    ----------
    patience : int
        Number of checks without a lower average, at least 1.
    window : int
        Number of checks that are averaged, at least 1.

    Notes
    -----
    Statistic: checks since the mean of the last window numbers of changes was lowest

    Source: Yuan, Feng, Liu, "Early stopping against label noise without validation data", ICLR
    2024, arXiv 2502.07551, and its code for the recorded number (the test read in abstract;
    ``window`` and ``patience`` are ours).

    Verified: worked by hand

    Examples
    --------
    >>> from earlystop_lab import CurveSet, LabelWave, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0] * 5, "changed_predictions": [9, 5, 3, 6, 7]}])
    >>> stops = replay(curves, [LabelWave(2, window=1)], restore="own")
    >>> stops.to_frame()[["stop", "selected"]]
       stop  selected
    0     5         3
    """
    return Wave(rolling(window), patience_state(Knobs(SUM)))


@criterion(
    threshold="level",
    default=1.6448536269514722,
    passes="<",
    step=recorded_step,
    watches=("score_z",),
)
def ScoreStop() -> tuple[int]:
    """ScoreStop: the next step no longer helps significantly, by a test on validation data.

    ``score_z`` is sqrt(n) mean(s) / sd(s) of the n products s_i = -g_i h_i of validation sample i:
    g_i the derivative of its loss by its prediction, h_i what the step (a tree) adds to it. In the
    minimum of the true loss it is a standard normal number, whatever the scale of the step.
    Training stops where the test does not reject that: the default is its one-sided 5% quantile.

    Parameters
    ----------
    level : float
        Training stops below this.

    Notes
    -----
    Statistic: the recorded z

    Source: Hines, Hines, "ScoreStop: Gradient-based early stopping using functional score tests",
    2026, arXiv 2606.02740 (read in abstract: level and side of the test are ours).

    Verified: worked by hand

    Examples
    --------
    >>> from earlystop_lab import CurveSet, ScoreStop, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0] * 3, "score_z": [9.0, 2.0, 1.5]}])
    >>> replay(curves, [ScoreStop()]).to_frame()["stop"][0]
    np.int64(3)
    """
    return (0,)


@criterion(
    threshold="level",
    default=0.5,
    passes=">=",
    step=recorded_step,
    watches=("credibility",),
    above={"level": 0},
    at_most={"level": 1},
)
def GradStop() -> tuple[int]:
    """GRADSTOP: the weights are as credible as a draw from the posterior.

    ``credibility`` is the posterior mass of all weights that are less likely than the present
    ones, in [0, 1], as the paper estimates it from the gradients of the samples. Of a draw from the
    posterior it is uniform, so that the paper draws ``level`` at random; here it is a number that
    is given.

    Parameters
    ----------
    level : float
        Training stops at this credibility, in (0, 1].

    Notes
    -----
    Statistic: the recorded credibility

    Source: Jamshidi, Seppäläinen, Haitsiukevich et al., "GRADSTOP: Early stopping of gradient
    descent via posterior sampling", 2025, arXiv 2508.19028 (read in abstract and summary).

    Verified: worked by hand

    Examples
    --------
    >>> from earlystop_lab import CurveSet, GradStop, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0] * 3, "credibility": [0.0, 0.2, 0.7]}])
    >>> replay(curves, [GradStop()]).to_frame()["stop"][0]
    np.int64(3)
    """
    return (0,)


def accuracy_step(s: Patience, epoch: float, accuracy: float) -> tuple[Patience, float]:
    """Checks since the accuracy was highest."""
    return patience_step(s, epoch, -accuracy)


@criterion(
    threshold="patience",
    default=10,
    passes=">=",
    whole=True,
    step=accuracy_step,
    restores=kept_epoch,
    watches=("val_accuracy",),
    at_least={"patience": 1},
)
def NoisyEarlyStopping() -> Patience:
    """Noisy early stopping: patience on the accuracy on validation data with noisy labels.

    With wrong labels in the validation set, too, the accuracy there still orders networks as the
    accuracy on clean labels does, where the loss does not. ``val_accuracy`` is higher-is-better, as
    recorded. The first of the highest accuracies is kept with ``restore="own"``. (This is Keras'
    patience on another channel.)

    Parameters
    ----------
    patience : int
        Number of checks without a higher accuracy, at least 1.

    Notes
    -----
    Statistic: checks since val_accuracy > the highest

    Source: Toner, Storkey, "Noisy early stopping for noisy labels", 2024, arXiv 2409.06830 (read in
    abstract; ``patience`` is ours).

    Verified: worked by hand

    Examples
    --------
    >>> from earlystop_lab import CurveSet, NoisyEarlyStopping, replay
    >>> curves = CurveSet.from_runs([{"val": [3.0, 2.0, 1.0], "val_accuracy": [0.5, 0.4, 0.5]}])
    >>> replay(curves, [NoisyEarlyStopping(2)], restore="own").to_frame()[["stop", "selected"]]
       stop  selected
    0     3         1
    """
    return patience_state(Knobs(SUM))


class Within(NamedTuple):
    """State of the rule of one standard error: its scale, the kept value less its error, count."""

    scale: float
    limit: float
    kept: float
    bad: float


def within_step(s: Within, epoch: float, val: float, se: float) -> tuple[Within, float]:
    """Checks since a mean was more than a standard error below the one that is kept."""
    if val < s.limit:
        return Within(s.scale, val - s.scale * se, epoch, 0.0), math.nan
    return Within(s.scale, s.limit, s.kept, s.bad + 1), s.bad + 1


def within_epoch(s: Within) -> float:
    """The epoch that is kept; NaN if no mean was below infinity."""
    return s.kept


@criterion(
    threshold="patience",
    default=10,
    passes=">=",
    whole=True,
    step=within_step,
    restores=within_epoch,
    watches=("val", "val_se"),
    at_least={"patience": 1, "scale": 0},
)
def OneStandardError(*, scale: float = 1.0) -> Within:
    """The one-standard-error rule on folds: a gain has to exceed the error of the mean.

    ``val`` is the mean over the folds of a cross-validation, and ``val_se`` its standard error:
    the standard deviation over k folds divided by sqrt(k). A check improves if its mean is below
    the kept one by more than ``scale`` times the kept one's standard error, so that every mean
    seen is at most that much below the check that is kept, and fewer rounds are preferred. A NaN
    standard error of the kept check is never exceeded. With ``restore="own"``, it is selected.

    Parameters
    ----------
    patience : int
        Number of checks without such a gain, at least 1.
    scale : float
        Number of standard errors, at least 0; 0 is plain patience.

    Notes
    -----
    Statistic: checks since val < kept val - scale val_se

    Source: Breiman, Friedman, Olshen, Stone, "Classification and Regression Trees", 1984 (the rule
    that picks the smallest tree within one standard error of the best); as a rule of stopping,
    this package.

    Verified: worked by hand

    Examples
    --------
    >>> from earlystop_lab import CurveSet, OneStandardError, replay
    >>> folds = {"val": [3.0, 2.0, 1.9, 1.8], "val_se": [0.5, 0.5, 0.5, 0.5]}
    >>> stops = replay(CurveSet.from_runs([folds]), [OneStandardError(2)], restore="own")
    >>> stops.to_frame()[["stop", "selected"]]
       stop  selected
    0     4         2
    """
    return Within(float(scale), math.inf, math.nan, 0.0)


class Products(NamedTuple):
    """State of Pflug's diagnostic: checks that are not summed, checks so far, the sum."""

    burn_in: int
    seen: int
    sum: float


def products_step(s: Products, epoch: float, product: float) -> tuple[Products, float]:
    """The running sum of the inner products; NaN during the burn-in."""
    if s.seen < s.burn_in:
        return Products(s.burn_in, s.seen + 1, s.sum), math.nan
    after = s.sum + product
    return Products(s.burn_in, s.seen + 1, after), after


@criterion(
    threshold="level",
    default=0.0,
    passes="<",
    step=products_step,
    watches=("gradient_product",),
    at_least={"burn_in": 0},
)
def PflugDiagnostic(*, burn_in: int = 1) -> Products:
    """Pflug's diagnostic: successive stochastic gradients point away from each other.

    ``gradient_product`` is the inner product of the gradient with the one before. While the
    weights travel to a minimum the products are mostly positive; once they move about it at a
    constant learning rate, negative. Training (or a learning rate) ends where their running sum is
    below ``level``. A NaN makes the sum NaN for good.

    Parameters
    ----------
    level : float
        Training stops at a sum below this.
    burn_in : int
        Number of products at the beginning that are not summed, at least 0.

    Notes
    -----
    Statistic: the sum of the inner products of successive gradients

    Source: Pflug, "Non-asymptotic confidence bounds for stochastic approximation algorithms with
    constant step size", Monatshefte für Mathematik 110, 1990; Chee, Toulis, "Convergence
    diagnostics for stochastic gradient descent with constant learning rate", AISTATS 2018, arXiv
    1710.06382 (read in abstract). That a running sum below 0 ends it, is as in the documentation of
    ``SuccessiveGradientsAreUncorrelated`` of TensorFlow Probability 0.25, which by default takes an
    exponential mean in place of the sum, and judges nothing before the 20th step.

    Verified: worked by hand

    Examples
    --------
    >>> from earlystop_lab import CurveSet, PflugDiagnostic, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0] * 4, "gradient_product": [5, 1, -0.5, -0.75]}])
    >>> replay(curves, [PflugDiagnostic()]).to_frame()["stop"][0]
    np.int64(4)
    """
    return Products(burn_in, 0, 0.0)


class Distances(NamedTuple):
    """State of the diagnostic of distances: the ratio of checks that are compared, and the last."""

    q: float
    seen: int
    #: the number of checks after which it looks next, its power of q, the logarithm at the last
    due: float
    power: int
    before: float


def distances_step(s: Distances, epoch: float, distance: float) -> tuple[Distances, float]:
    """Slope of the squared distance in logarithms; NaN between the checks that it looks at."""
    seen = s.seen + 1
    if seen < s.due:
        return Distances(s.q, seen, s.due, s.power, s.before), math.nan
    now = 2 * math.log(distance) if 0 < distance < math.inf else math.nan
    slope = (now - s.before) / math.log(s.q)
    due, power = s.due, s.power
    while due <= seen:
        power += 1
        due = math.ceil(s.q**power)
    return Distances(s.q, seen, due, power, now), slope


@criterion(
    threshold="slope",
    default=0.6,
    passes="<",
    step=distances_step,
    watches=("distance",),
    at_least={"first": 0},
    above={"q": 1},
)
def DistanceDiagnostic(*, q: float = 1.5, first: int = 5) -> Distances:
    """The distance from the start grows like a random walk's, or not at all.

    ``distance`` is ||w - w_0||, from the weights at the start. It is looked at after ceil(q^k)
    checks, k = ``first``, ``first`` + 1, ...; the statistic is how much the logarithm of its square
    grew since the look before, over log(q): 2 on a straight way, 1 for a random walk, 0 where the
    weights stay about a point.

    Parameters
    ----------
    slope : float
        Training (or a learning rate) ends at a slope below this.
    q : float
        Ratio of the numbers of checks that are compared, above 1.
    first : int
        The first power of q that is looked at, at least 0.

    Notes
    -----
    Statistic: growth of log ||w - w_0||^2 over log(q)

    Source: Pesme, Dieuleveut, Flammarion, "On convergence-diagnostic based step sizes for
    stochastic gradient descent", ICML 2020, arXiv 2007.00534 (read in abstract; ``q``, ``first``
    and the default of ``slope`` are to be checked against its text).

    Verified: worked by hand

    Examples
    --------
    >>> from earlystop_lab import CurveSet, DistanceDiagnostic, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0] * 8, "distance": [1, 2, 3, 4, 4, 4, 4, 4]}])
    >>> replay(curves, [DistanceDiagnostic(q=2, first=0)]).to_frame()["stop"][0]
    np.int64(8)
    """
    return Distances(float(q), 0, float(math.ceil(float(q) ** first)), first, math.nan)


class Turn(NamedTuple):
    """State of the turn of the dimension: the window before, and room for intermediate results."""

    last: Window
    room: FloatArray


def turn_step(s: Turn, epoch: float, lid: float) -> tuple[Turn, float]:
    """How many standard deviations it lies above the mean of the window before it."""
    above = math.nan
    if full(s.last):
        middle = mean(values(s.last))
        spread = deviation(values(s.last), middle, s.room)
        if spread > 0:
            above = (lid - middle) / spread
        elif spread == 0 and lid != middle:
            above = math.copysign(math.inf, lid - middle) if not math.isnan(lid) else lid
        elif spread == 0:
            above = 0.0
    return Turn(shifted(s.last, lid), s.room), above


@criterion(
    threshold="deviations",
    default=2.0,
    passes=">",
    step=turn_step,
    watches=("lid",),
    at_least={"window": 2},
)
def LIDTurn(*, window: int = 5) -> Turn:
    """Dimensionality-driven learning: the local dimension of the representations turns up.

    ``lid`` is the mean local intrinsic dimensionality of the representations of the training
    samples (from the distances to their nearest neighbours in a batch). It falls while the network
    learns, and rises once it fits wrong labels. The statistic is how far it lies above the mean of
    the ``window`` checks before, in their population standard deviations. The authors' code looks
    at it once an epoch, and begins with the eleventh value: ``after(10, LIDTurn())``. Training
    there goes on from the weights of the epoch before, with another loss; this rule selects nothing
    of its own.

    Parameters
    ----------
    deviations : float
        Training stops above this many standard deviations.
    window : int
        Number of checks before that are averaged, at least 2.

    Notes
    -----
    Statistic: standard deviations of lid above the mean of the window checks before

    Source: Ma, Wang, Houle et al., "Dimensionality-driven learning with noisy labels", ICML 2018,
    arXiv 1806.02612: as in ``callback_util.py`` and ``util.py`` of the authors' code,
    https://github.com/xingjunm/dimensionality-driven-learning (the paper's text was not at hand).

    Verified: worked by hand

    Examples
    --------
    >>> from earlystop_lab import CurveSet, LIDTurn, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0] * 4, "lid": [3.0, 2.0, 2.0, 4.0]}])
    >>> replay(curves, [LIDTurn(window=2)]).to_frame()["stop"][0]
    np.int64(4)
    """
    return Turn(new_window(window), np.empty(window))
