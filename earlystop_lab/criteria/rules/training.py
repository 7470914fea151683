"""Rules of further libraries that train networks: small ones, and those of one field."""

import math
from typing import NamedTuple

import numpy as np

from earlystop_lab.criteria.core import criterion
from earlystop_lab.criteria.rules._windows import truth
from earlystop_lab.criteria.rules.patience import (
    AT_MOST,
    BETWEEN,
    COUNTED,
    DIFFERENCE,
    GAIN_AT_LEAST,
    SUM,
    Knobs,
    Patience,
    kept_epoch,
    patience_rule,
    patience_state,
    patience_step,
)

__all__ = [
    "AdaptivePatience",
    "Catalyst",
    "Cornac",
    "DeepXDE",
    "EarlyStoppingPyTorch",
    "Flair",
    "OpenNMT",
    "OpenNMTScorer",
    "Paddle",
    "RealMLP",
    "StableBaselines3",
    "TorchTuples",
]


@patience_rule(
    threshold="patience",
    default=7,
    restores=kept_epoch,
    at_least={"patience": 1},
)
def EarlyStoppingPyTorch(*, delta: float = 0.0) -> Patience:
    """``early_stopping_pytorch.EarlyStopping``: NaN is skipped, neither good nor bad.

    A value improves if val < best - delta; the first that is not NaN always does. A check with a
    NaN is no check: it does not count and cannot stop training. With ``restore="own"``, the last
    improvement is selected, whose weights the library writes to a file. (TabPFN's fine-tuning
    skips NaN in the same way.)

    Parameters
    ----------
    patience : int
        Number of checks without improvement, at least 1 (0 behaves like 1 in the library).
    delta : float
        Smallest gain that counts, in units of the error; if negative, worse values improve too.

    Notes
    -----
    Statistic: checks since val < best - delta, NaN aside

    Source: early-stopping-pytorch 1.0.10, ``early_stopping_pytorch/early_stopping.py``.

    Verified: early-stopping-pytorch 1.0.10

    Examples
    --------
    >>> from earlystop_lab import CurveSet, EarlyStoppingPyTorch, LightGBM, replay
    >>> curves = CurveSet.from_runs([{"val": [3.0, float("nan"), 3.0, 3.0]}])
    >>> replay(curves, [EarlyStoppingPyTorch(2), LightGBM(2)]).to_frame()["stop"].tolist()
    [4, 3]
    """
    return patience_state(Knobs(DIFFERENCE, first=True, skips_nan=True), delta=delta)


@patience_rule(threshold="patience", at_least={"patience": 1, "min_delta": 0})
def Catalyst(*, min_delta: float = 1e-6) -> Patience:
    """``catalyst.callbacks.EarlyStoppingCallback``: a gain of just ``min_delta`` is enough.

    A value improves if val <= best - min_delta, so with ``min_delta=0`` a tie does. The first
    value always does; if it is NaN, no later value improves on it. Later, a NaN is bad. The
    library restores nothing.

    Parameters
    ----------
    patience : int
        Number of checks without improvement, at least 1 (0 behaves like 1 in the library).
    min_delta : float
        Gain that counts as an improvement, in units of the error, at least 0.

    Notes
    -----
    Statistic: checks since val <= best - min_delta

    Source: catalyst 22.4, ``catalyst/extras/metric_handler.py`` and ``callbacks/misc.py``.

    Verified: catalyst 22.4

    Examples
    --------
    >>> from earlystop_lab import Catalyst, CurveSet, replay
    >>> curves = CurveSet.from_runs([{"val": [2.0, 1.0, 1.0, 1.0]}])
    >>> replay(curves, [Catalyst(2), Catalyst(2, min_delta=0)]).to_frame()["fired"].tolist()
    [True, False]
    """
    return patience_state(Knobs(AT_MOST, first=True), delta=min_delta)


@patience_rule(threshold="patience", at_least={"patience": 0, "min_delta": 0})
def Cornac(*, min_delta: float = 0.0) -> Patience:
    """``cornac.models.Recommender.early_stop``: ties improve, NaN does not.

    A value improves if best - val >= min_delta, where the best starts at infinity. With the
    default of 0 a plateau never stops training, and a NaN is bad. The library keeps no weights.

    Parameters
    ----------
    patience : int
        Number of epochs without improvement, at least 0; 0 and 1 behave alike.
    min_delta : float
        Gain that counts as an improvement, in units of the error, at least 0.

    Notes
    -----
    Statistic: epochs since best - val >= min_delta

    Source: cornac 3.0.1, ``cornac/models/recommender.py``.

    Verified: cornac 3.0.1

    Examples
    --------
    >>> from earlystop_lab import Cornac, CurveSet, replay
    >>> nan = float("nan")
    >>> curves = CurveSet.from_runs([{"val": [1.0, 1.0, 1.0, 1.0]}, {"val": [1.0, nan, nan]}])
    >>> replay(curves, [Cornac(2)]).to_frame()["fired"].tolist()
    [False, True]
    """
    return patience_state(Knobs(GAIN_AT_LEAST), delta=min_delta)


@patience_rule(
    threshold="patience",
    default=10,
    restores=kept_epoch,
    at_least={"patience": 0},
)
def TorchTuples(*, min_delta: float = 0.0) -> Patience:
    """``torchtuples.callbacks.EarlyStopping``, so pycox: keeps the last of tied values.

    A value improves if val < best - min_delta, where the best starts at infinity; a tie is bad.
    With ``restore="own"``, the last check that equals the best is selected, whose weights the
    library loads. If every value is NaN it loads the untrained weights, which are no epoch's.

    Parameters
    ----------
    patience : int
        Number of epochs without improvement, at least 0; 0 stops at the first epoch.
    min_delta : float
        Smallest gain that counts, in units of the error; if negative, worse values improve too.

    Notes
    -----
    Statistic: epochs since val < best - min_delta

    Source: torchtuples 0.2.2, ``torchtuples/callbacks.py``.

    Verified: torchtuples 0.2.2

    Examples
    --------
    >>> from earlystop_lab import CurveSet, TorchTuples, replay
    >>> curves = CurveSet.from_runs([{"val": [2.0, 1.0, 1.0, 1.5, 1.5]}])
    >>> replay(curves, [TorchTuples(3)], restore="own").to_frame()[["stop", "selected"]]
       stop  selected
    0     5         3
    """
    return patience_state(Knobs(DIFFERENCE, at_gain=COUNTED, last_tie=True), delta=min_delta)


@patience_rule(
    threshold="patience",
    default=0,
    restores=kept_epoch,
    recorded=("baseline",),
    at_least={"patience": 0},
)
def Paddle(*, min_delta: float = 0.0, baseline: float | None = None) -> Patience:
    """``paddle.callbacks.EarlyStopping``: as Keras 2, but also tested where a value improves.

    A value improves if val + abs(min_delta) < best, where the best starts at infinity or at
    ``baseline``. The count is compared after every evaluation, so patience 0, the default, stops
    at the first one. With ``restore="own"``, the last improvement is selected, which the library
    saves as its best model.

    Parameters
    ----------
    patience : int
        Number of evaluations without improvement, at least 0; 0 stops at the first.
    min_delta : float
        Smallest gain that counts as an improvement, in units of the error; its sign is ignored.
    baseline : float, optional
        The first best value: what is not better than it is bad.

    Notes
    -----
    Statistic: evaluations since val + abs(min_delta) < best

    Source: paddlepaddle 3.3.1, ``paddle/hapi/callbacks.py``.

    Verified: paddlepaddle 3.3.1

    Examples
    --------
    >>> from earlystop_lab import CurveSet, Keras, Paddle, replay
    >>> curves = CurveSet.from_runs([{"val": [3.0, 2.0, 1.0]}])
    >>> replay(curves, [Paddle(0), Keras(0)]).to_frame()["stop"].tolist()
    [1, 3]
    """
    return patience_state(
        Knobs(SUM, at_gain=COUNTED),
        delta=abs(min_delta),
        best=math.inf if baseline is None else float(baseline),
    )


class Delayed(NamedTuple):
    """State of a rule whose count begins late: checks so far, checks before it, the patience."""

    seen: int
    least: int
    rule: Patience


def evaluations_step(s: Delayed, epoch: float, val: float) -> tuple[Delayed, float]:
    """Evaluations without a new best; NaN among the first, which count nothing."""
    rule, bad = patience_step(s.rule, epoch, val)
    if s.seen < s.least:
        limits = (rule.delta, rule.baseline, rule.first_epoch, rule.stop_below, rule.stop_above)
        rule = Patience(rule.knobs, *limits, rule.epoch, rule.last, rule.best, rule.kept, 0.0)
        bad = math.nan
    return Delayed(s.seen + 1, s.least, rule), bad


def delayed_epoch(s: Delayed) -> float:
    """The epoch of the best value; NaN if there was none."""
    return s.rule.kept


@criterion(
    threshold="max_no_improvement_evals",
    passes=">",
    whole=True,
    step=evaluations_step,
    restores=delayed_epoch,
    at_least={"max_no_improvement_evals": 0, "min_evals": 0},
)
def StableBaselines3(*, min_evals: int = 0) -> Delayed:
    """``StopTrainingOnNoModelImprovement``: more than so many evaluations without a new best.

    The first ``min_evals`` evaluations set the best, but do not count as bad. A NaN and a tie are
    bad. With ``restore="own"``, the first of the lowest errors is selected, the best model that
    the library's ``EvalCallback`` saves.

    Parameters
    ----------
    max_no_improvement_evals : int
        Number of evaluations without a new best that are tolerated, at least 0.
    min_evals : int
        Number of evaluations before counting begins, at least 0.

    Notes
    -----
    Statistic: evaluations since val < best, without the first min_evals

    Source: stable-baselines3 2.9.2, ``stable_baselines3/common/callbacks.py``.

    Verified: stable-baselines3 2.9.2

    Examples
    --------
    >>> from earlystop_lab import CurveSet, StableBaselines3, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0, 2.0, 2.0, 2.0, 2.0]}])
    >>> rules = [StableBaselines3(1), StableBaselines3(1, min_evals=3)]
    >>> replay(curves, rules).to_frame()["stop"].tolist()
    [3, 5]
    """
    return Delayed(0, min_evals, patience_state(Knobs(DIFFERENCE)))


class Adaptive(NamedTuple):
    """State of a patience that grows with the best round: its parameters, best and its round."""

    a: float
    b: float
    least: float
    most: float
    best: float
    #: round of the best value, 0 before there is one; NaN for what is kept
    best_round: float
    kept: float


def adaptive_step(s: Adaptive, epoch: float, val: float) -> tuple[Adaptive, float]:
    """1 where no value was best for as many rounds as the best round's patience."""
    if val < s.best:
        return Adaptive(s.a, s.b, s.least, s.most, val, epoch, epoch), math.nan
    # Python rounds half to even, as numpy does
    patience = float(np.rint(s.a * s.best_round + s.b))
    patience = min(max(patience, s.least), s.most)
    return s, truth(epoch - s.best_round >= patience)


def adaptive_epoch(s: Adaptive) -> float:
    """The epoch of the best value; NaN if there was none."""
    return s.kept


@criterion(
    step=adaptive_step,
    restores=adaptive_epoch,
    at_least={"min_patience": 0, "max_patience": 0},
)
def AdaptivePatience(
    *,
    a: float = 0.3,
    b: float = 10.0,
    min_patience: int | None = None,
    max_patience: int | None = None,
) -> Adaptive:
    """AutoGluon's ``AdaptiveES``: the patience is ``a`` times the best round, plus ``b``.

    Holds where epoch - best round >= round(a best round + b), half to even, kept between
    ``min_patience`` and ``max_patience``. The best round is that of the first of the lowest errors,
    0 before there is one, and a round that improves never stops training. Rounds are the recorded
    positions: counted from 0 or from 1, training may end one round apart, in the library as here.
    With ``restore="own"``, the best round is selected.

    Parameters
    ----------
    a : float
        ``adaptive_rate``: rounds of patience a round. If negative, patience shrinks.
    b : float
        ``adaptive_offset``: the patience, in rounds, of a best round of 0.
    min_patience, max_patience : int, optional
        Bounds of the patience, in rounds, at least 0; by default there are none.

    Notes
    -----
    Statistic: epoch - best round >= round(a best round + b)

    Source: autogluon.core 1.6.3, ``autogluon/core/utils/early_stopping.py``.

    Verified: autogluon.core 1.6.3

    Examples
    --------
    >>> from earlystop_lab import AdaptivePatience, CurveSet, replay
    >>> curves = CurveSet.from_runs([{"val": [5.0, 4.0, 3.0, 2.0, 3.0, 3.0, 3.0, 3.0]}])
    >>> replay(curves, [AdaptivePatience(0.5, b=1)], restore="own").to_frame()[["stop", "selected"]]
       stop  selected
    0     7         4
    """
    least = -math.inf if min_patience is None else float(min_patience)
    most = math.inf if max_patience is None else float(max_patience)
    return Adaptive(float(a), float(b), least, most, math.inf, 0.0, math.nan)


def multiplied_step(s: Adaptive, epoch: float, val: float) -> tuple[Adaptive, float]:
    """1 beyond a multiple of the best epoch; the value of that check is not looked at."""
    if epoch > s.a * s.best_round + s.b:
        return s, 1.0
    if val <= s.best:
        s = Adaptive(s.a, s.b, s.least, s.most, val, epoch, epoch)
    return s, 0.0


@criterion(
    step=multiplied_step,
    restores=adaptive_epoch,
    at_least={"multiplicative_patience": 0, "additive_patience": 0},
)
def RealMLP(*, multiplicative_patience: float = 2.0, additive_patience: float = 20.0) -> Adaptive:
    """pytabkit's RealMLP: epoch > multiplicative_patience best epoch + additive_patience.

    The best epoch is that of the *last* of the lowest errors, 0 before there is one. The test comes
    before the error is looked at, so that of the check that stops is never the best. A NaN is
    never the best. With ``restore="own"``, the best epoch is selected, as in the library.

    Parameters
    ----------
    multiplicative_patience : float
        Epochs that training may last, in multiples of the best epoch, at least 0.
    additive_patience : float
        Epochs on top of that, at least 0.

    Notes
    -----
    Statistic: epoch > multiplicative_patience best epoch + additive_patience

    Source: pytabkit 1.8.0, ``pytabkit/models/training/lightning_modules.py``.

    Verified: pytabkit 1.8.0

    Examples
    --------
    >>> from earlystop_lab import CurveSet, RealMLP, replay
    >>> curves = CurveSet.from_runs([{"val": [3.0, 2.0, 2.0, 2.5, 2.5, 2.5, 2.5, 1.0]}])
    >>> rule = RealMLP(2, additive_patience=1)
    >>> replay(curves, [rule], restore="own").to_frame()[["stop", "selected"]]
       stop  selected
    0     8         3
    """
    rates = float(multiplicative_patience), float(additive_patience)
    return Adaptive(*rates, -math.inf, math.inf, math.inf, 0.0, math.nan)


class Counters(NamedTuple):
    """State of OpenNMT's rule: the best of every scorer, two counts, the best epoch."""

    val: float
    accuracy: float
    worse: float
    stalled: float
    kept: float


def counters_step(s: Counters, epoch: float, val: float, accuracy: float) -> tuple[Counters, float]:
    """The larger of the counts of checks that are worse and of checks that are neither."""
    if val < s.val and accuracy > s.accuracy:
        return Counters(val, accuracy, 0.0, 0.0, epoch), 0.0
    if val > s.val and accuracy < s.accuracy:
        after = Counters(s.val, s.accuracy, s.worse + 1, s.stalled, s.kept)
    else:
        after = Counters(s.val, s.accuracy, s.worse, s.stalled + 1, s.kept)
    return after, max(after.worse, after.stalled)


def counters_epoch(s: Counters) -> float:
    """The last epoch at which every scorer improved; NaN if there was none."""
    return s.kept


@criterion(
    threshold="tolerance",
    passes=">=",
    whole=True,
    step=counters_step,
    restores=counters_epoch,
    watches=("val", "val_accuracy"),
    off=("tolerance",),
)
def OpenNMT() -> Counters:
    """``early_stopping`` of OpenNMT-py and eole, with their two scorers and their two counts.

    A validation improves if the perplexity is below its best *and* the accuracy above its best;
    only then do the bests move and both counts begin anew. It is worse if both are worse, and
    stalled otherwise, so also where one of them is a tie or NaN. Training stops as soon as either
    count has reached the tolerance: a perplexity that keeps falling stops training where the
    accuracy is flat. With ``restore="own"``, the last validation at which both improved is
    selected, which the libraries log as the best step.

    Parameters
    ----------
    tolerance : int
        Number of worse, or of stalled, validations, above 0; 0, which switches the libraries'
        rule off, is an error.

    Notes
    -----
    Statistic: the larger of the counts of worse and of stalled validations

    Source: OpenNMT-py 3.5.1, ``onmt/utils/earlystopping.py``, and eole 0.6.4,
    ``eole/utils/earlystopping.py``. ``val_accuracy`` is higher-is-better, as recorded.

    Verified: worked by hand

    Examples
    --------
    >>> from earlystop_lab import CurveSet, OpenNMT, replay
    >>> curves = CurveSet.from_runs([{"val": [9.0, 8.0, 7.0], "val_accuracy": [0.5, 0.5, 0.5]}])
    >>> replay(curves, [OpenNMT(2)]).to_frame()["stop"][0]
    np.int64(3)
    """
    return Counters(math.inf, -math.inf, 0.0, 0.0, math.nan)


def counter_step(s: Counters, epoch: float, val: float) -> tuple[Counters, float]:
    """The same of one scorer."""
    return counters_step(s, epoch, val, -val)


@criterion(
    threshold="tolerance",
    passes=">=",
    whole=True,
    step=counter_step,
    restores=counters_epoch,
    off=("tolerance",),
)
def OpenNMTScorer() -> Counters:
    """:data:`OpenNMT` with one scorer (``early_stopping_criteria``): worse and tied count apart.

    An error below the best improves, one above it is worse; a tie or a NaN is stalled. Either
    count has to reach the tolerance by itself, so that twice the tolerance less one checks may
    pass without an improvement. With ``restore="own"``, the last improvement is selected.

    Parameters
    ----------
    tolerance : int
        Number of worse, or of stalled, validations, above 0; 0, which switches the libraries'
        rule off, is an error.

    Notes
    -----
    Statistic: the larger of the counts of worse and of stalled validations

    Source: OpenNMT-py 3.5.1, ``onmt/utils/earlystopping.py``, and eole 0.6.4,
    ``eole/utils/earlystopping.py``.

    Verified: opennmt-py 3.5.1

    Examples
    --------
    >>> from earlystop_lab import CurveSet, OpenNMTScorer, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0, 1.0, 2.0, 1.0, 2.0]}])
    >>> replay(curves, [OpenNMTScorer(2)]).to_frame()["stop"][0]
    np.int64(4)
    """
    return Counters(math.inf, -math.inf, 0.0, 0.0, math.nan)


def iterations_step(s: Patience, epoch: float, val: float) -> tuple[Patience, float]:
    """Iterations without improvement; the loss before the first one is seen at the first."""
    return patience_step(s, max(epoch, 1.0), val)


@criterion(
    threshold="patience",
    passes=">=",
    whole=True,
    step=iterations_step,
    tests_between_checks=True,
    at_least={"patience": 1, "min_delta": 0},
)
def DeepXDE(*, min_delta: float = 0.0) -> Patience:
    """``deepxde.callbacks.EarlyStopping``: patience in iterations, on a loss that is seldom new.

    The library tests at every iteration, but computes the loss only every ``display_every`` of
    them (1000 by default): in between, the old value is no improvement on itself. With a patience
    below ``display_every`` training therefore ends between the first two values, whatever they
    are. A value improves if val + min_delta < best, where the best starts at infinity.

    Positions have to be iterations: 0 for the loss before training, which the library sees at
    the first iteration, then 1000, 2000, ... The library restores nothing.

    Parameters
    ----------
    patience : int
        Number of iterations without improvement, at least 1 (0 behaves like 1 in the library).
    min_delta : float
        Smallest gain that counts, in units of the error, at least 0.

    Notes
    -----
    Statistic: iterations since val + min_delta < best

    Source: deepxde 1.15.0, ``deepxde/callbacks.py``, without ``baseline`` and
    ``start_from_epoch``.

    Verified: deepxde 1.15.0, with a loss at every iteration

    Examples
    --------
    >>> from earlystop_lab import CurveSet, DeepXDE, replay
    >>> curves = CurveSet.from_runs([{"val": [3.0, 2.0, 1.0], "epoch": [0, 1000, 2000]}])
    >>> replay(curves, [DeepXDE(500), DeepXDE(1000)]).to_frame()["fired"].tolist()
    [True, False]
    """
    begun = patience_state(Knobs(SUM, epochs=True, at_gain=BETWEEN), delta=min_delta)
    # counted from iteration 0 on, also where the first value is no improvement
    return begun._replace(epoch=0.0)


class Annealed(NamedTuple):
    """State of flair's rule: factor and patience, the rate, the best, bad checks, patience now."""

    anneal_factor: float
    patience: float
    rate: float
    best: float
    bad: float
    allowed: float


def annealed_step(s: Annealed, epoch: float, val: float) -> tuple[Annealed, float]:
    """The learning rate after this check."""
    better = val < s.best
    best, bad = (val, 0.0) if better else (s.best, s.bad + 1)
    if bad <= s.allowed:
        after = Annealed(s.anneal_factor, s.patience, s.rate, best, bad, s.allowed)
        return after, s.rate
    rate = s.rate * s.anneal_factor
    # a cut by less than this is none, in the library
    rate = rate if s.rate - rate > 1e-8 else s.rate
    return Annealed(s.anneal_factor, s.patience, rate, best, 0.0, s.patience), rate


@criterion(
    threshold="min_learning_rate",
    default=1e-4,
    passes="<",
    step=annealed_step,
    at_least={"min_learning_rate": 0, "patience": 0, "initial_extra_patience": 0},
    above={"learning_rate": 0, "anneal_factor": 0},
    below={"anneal_factor": 1},
)
def Flair(
    *,
    learning_rate: float = 0.1,
    anneal_factor: float = 0.5,
    patience: int = 3,
    initial_extra_patience: int = 0,
) -> Annealed:
    """flair's ``AnnealingPlugin``: the learning rate is cut on plateaus until it is too small.

    More than ``patience`` checks without a value below the best multiply the learning rate by
    ``anneal_factor``, and the count begins anew; training stops once the rate is below
    ``min_learning_rate``. Ties and NaN are bad. The best is never forgotten, so that with the
    defaults training stops after ten cuts. (Where flair has a score and a loss of the development
    data, it breaks ties of the score by the loss, which this rule does not see.) The library
    restores nothing.

    Parameters
    ----------
    min_learning_rate : float
        Training stops at a learning rate below this, at least 0.
    learning_rate : float
        The rate at the beginning, above 0.
    anneal_factor : float
        The factor of a cut, in (0, 1).
    patience : int
        Number of bad checks that are tolerated before a cut, at least 0.
    initial_extra_patience : int
        Number of further bad checks that are tolerated before the first cut, at least 0.

    Notes
    -----
    Statistic: the learning rate after the cuts so far

    Source: flair 0.15.1, ``flair/training_utils.py`` and
    ``flair/trainers/plugins/functional/anneal_on_plateau.py``.

    Verified: flair 0.15.1

    Examples
    --------
    >>> from earlystop_lab import CurveSet, Flair, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0] * 9}])
    >>> rules = [Flair(0.05, patience=2), Flair(0.06, patience=2)]
    >>> replay(curves, rules).to_frame()["stop"].tolist()
    [7, 4]
    """
    patiences = float(patience), float(patience + initial_extra_patience)
    return Annealed(
        float(anneal_factor), patiences[0], float(learning_rate), math.inf, 0.0, patiences[1]
    )
