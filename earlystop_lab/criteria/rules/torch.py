"""Patience rules of PyTorch's trainers and of related frameworks, Flax and spaCy."""

from typing import Literal

from earlystop_lab.criteria.core import criterion
from earlystop_lab.criteria.rules.patience import (
    BETWEEN,
    COUNTED,
    DIFFERENCE,
    EITHER,
    GAIN_OR_INFINITE,
    IMPROVED,
    LOWER,
    LOWER_BY,
    LOWER_OR_ZERO,
    NOT_WITHIN,
    NOT_WITHIN_RELATIVE,
    NOT_WORSE,
    RELATIVE,
    SUM,
    Knobs,
    Patience,
    kept_epoch,
    patience_rule,
    patience_state,
    saved_epoch,
    saved_step,
)

__all__ = [
    "Fastai",
    "Flax",
    "HuggingFace",
    "Ignite",
    "Lightning",
    "MMEngine",
    "Skorch",
    "SpaCy",
    "Ultralytics",
]


@patience_rule(
    threshold="patience",
    default=3,
    recorded=("stopping_threshold", "divergence_threshold"),
    at_least={"patience": 0},
)
def Lightning(
    *,
    min_delta: float = 0.0,
    check_finite: bool = True,
    stopping_threshold: float | None = None,
    divergence_threshold: float | None = None,
) -> Patience:
    """``lightning.pytorch.callbacks.EarlyStopping``: ``patience`` checks without improvement.

    A value improves if val + min_delta < best. The library restores nothing.

    Parameters
    ----------
    patience : int
        Number of checks without improvement, at least 0.
    min_delta : float
        Smallest gain that counts, in units of the error; if negative, worse values improve too.
    check_finite : bool
        Stop at once at a value that is not finite. If False, a NaN is only not an improvement.
    stopping_threshold : float, optional
        Stop at once at a value strictly better than this, given on the recorded scale.
    divergence_threshold : float, optional
        Stop at once at a value strictly worse than this, given on the recorded scale.

    Notes
    -----
    Statistic: checks since val + min_delta < best; infinite beyond a threshold

    Source: Lightning 2.6.6, ``lightning/pytorch/callbacks/early_stopping.py``.

    Verified: lightning 2.6.6

    Examples
    --------
    >>> from earlystop_lab import CurveSet, Lightning, replay
    >>> curves = CurveSet.from_runs([{"val": [3.0, 2.0, 2.5, float("nan"), 1.0]}])
    >>> rules = [Lightning(3), Lightning(3, check_finite=False)]
    >>> replay(curves, rules).to_frame()["fired"].tolist()
    [True, False]
    """
    knobs = Knobs(SUM, finite=check_finite)
    return patience_state(
        knobs, delta=min_delta, stop_below=stopping_threshold, stop_above=divergence_threshold
    )


@patience_rule(
    threshold="patience",
    at_least={"patience": 1, "threshold": 0},
)
def Ignite(
    *,
    threshold: float = 0.0,
    threshold_mode: Literal["abs", "rel"] = "abs",
    cumulative: bool = False,
) -> Patience:
    """``ignite.handlers.EarlyStopping`` with score = -error: ``patience`` checks without a gain.

    A NaN counts as a gain and becomes the best value, and the value after it also counts as a
    gain. The library restores nothing.

    Parameters
    ----------
    patience : int
        Number of checks without a gain, at least 1.
    threshold : float
        A gain must exceed this, at least 0.
    threshold_mode : {"abs", "rel"}
        Whether the threshold is absolute or relative to the best. Relative to a negative score the
        test becomes more lenient: an error below best (1 + threshold) still counts as a gain.
    cumulative : bool
        If False, the best value is also updated on gains too small to count, so slow improvement
        stops training. If True it is not, and small gains add up.

    Notes
    -----
    Statistic: checks since not val >= best - threshold

    Source: PyTorch-Ignite 0.5.5, ``ignite/handlers/early_stopping.py``.

    Verified: pytorch-ignite 0.5.5

    Examples
    --------
    >>> from earlystop_lab import CurveSet, Ignite, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0, 0.95, 0.9, 0.85, 0.8]}])
    >>> rules = [Ignite(2, threshold=0.08), Ignite(2, threshold=0.08, cumulative=True)]
    >>> replay(curves, rules).to_frame()["fired"].tolist()
    [True, False]
    """
    test = NOT_WITHIN if threshold_mode == "abs" else NOT_WITHIN_RELATIVE
    moves = IMPROVED if cumulative else EITHER
    return patience_state(Knobs(test, first=True, moves=moves), delta=threshold)


@patience_rule(
    threshold="patience",
    default=1,
    restores=kept_epoch,
    at_least={"patience": 0},
)
def HuggingFace(*, threshold: float = 0.0) -> Patience:
    """``transformers.EarlyStoppingCallback``: ``patience`` evaluations without a gain.

    The Trainer updates its best value on any gain, so slow improvement by less than ``threshold``
    stops training. With ``restore="own"``, the first of the lowest errors is selected, as with
    ``load_best_model_at_end``.

    Parameters
    ----------
    patience : int
        Number of evaluations without a gain, at least 0; 0 stops at the first evaluation.
    threshold : float
        A gain is an error below the best by more than this.

    Notes
    -----
    Statistic: evaluations since val < best and abs(val - best) > threshold

    Source: transformers 5.24.0, ``trainer_callback.py`` and ``trainer.py``.

    Verified: transformers 5.24.0

    Examples
    --------
    >>> from earlystop_lab import CurveSet, HuggingFace, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0, 0.99, 0.98, 0.97]}])
    >>> replay(curves, [HuggingFace(3, threshold=0.02)]).to_frame()[["stop", "selected"]]
       stop  selected
    0     4         4
    """
    return patience_state(
        Knobs(LOWER_BY, first=True, moves=LOWER, at_gain=COUNTED), delta=threshold
    )


@patience_rule(
    threshold="patience",
    default=5,
    restores=kept_epoch,
    at_least={"patience": 1},
)
def Skorch(*, threshold: float = 1e-4, threshold_mode: Literal["rel", "abs"] = "rel") -> Patience:
    """``skorch.callbacks.EarlyStopping``: ``patience`` epochs without a gain.

    A value improves if val < best - threshold, or if val < best - best threshold in mode
    ``"rel"``. A NaN is not an improvement. With ``restore="own"``, the last improvement is
    selected, as with ``load_best=True``.

    Parameters
    ----------
    patience : int
        Number of epochs without a gain, at least 1; 0, which in the library stops at the
        first epoch that improves, is an error.
    threshold : float
        Smallest gain that counts as an improvement.
    threshold_mode : {"rel", "abs"}
        Whether the threshold is relative to the best value or absolute. For negative errors the
        relative test is more lenient.

    Notes
    -----
    Statistic: epochs since val < best - threshold best

    Source: skorch 1.4.0, ``skorch/callbacks/training.py``.

    Verified: skorch 1.4.0

    Examples
    --------
    >>> from earlystop_lab import CurveSet, Skorch, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0, 0.99995, 0.9999, 0.5]}])
    >>> replay(curves, [Skorch(2), Skorch(2, threshold=0)]).to_frame()["stop"].tolist()
    [3, 4]
    """
    test = RELATIVE if threshold_mode == "rel" else DIFFERENCE
    return patience_state(Knobs(test), delta=threshold)


@patience_rule(
    threshold="patience",
    default=1,
    at_least={"patience": 0},
)
def Fastai(*, min_delta: float = 0.0) -> Patience:
    """``fastai.callback.tracker.EarlyStoppingCallback``: ``patience`` epochs without improvement.

    A value improves if val + min_delta < best. An epoch that improves never stops training, and a
    NaN is not an improvement. The library restores nothing.

    Parameters
    ----------
    patience : int
        Number of epochs without improvement, at least 0; 0 and 1 behave alike.
    min_delta : float
        Smallest gain that counts; if negative, the test is more lenient.

    Notes
    -----
    Statistic: epochs since val + min_delta < best

    Source: fastai 2.8.12, ``fastai/callback/tracker.py``.

    Verified: fastai 2.8.12

    Examples
    --------
    >>> from earlystop_lab import CurveSet, Fastai, replay
    >>> curves = CurveSet.from_runs([{"val": [3.0, 2.0, 1.9, 1.0]}])
    >>> replay(curves, [Fastai(1, min_delta=0.5)]).to_frame()["stop"][0]
    np.int64(3)
    """
    return patience_state(Knobs(SUM), delta=min_delta)


def fitness_step(
    s: tuple[Patience, Patience], epoch: float, fitness: float
) -> tuple[tuple[Patience, Patience], float]:
    """Patience on the negated fitness."""
    return saved_step(s, epoch, -fitness)


@criterion(
    threshold="patience",
    default=50,
    passes=">=",
    whole=True,
    step=fitness_step,
    takes="score",
    restores=saved_epoch,
    off=("patience",),
)
def Ultralytics() -> tuple[Patience, Patience]:
    """``ultralytics.utils.torch_utils.EarlyStopping``: ``patience`` epochs since the best.

    The fitness is the score as recorded, or 1 - error for an error, whose rounding decides what
    is a tie. It improves if it is above the best or if the best is 0, so training never stops
    while the fitness stays at 0. If the first value is NaN, no later value improves on it. With
    ``restore="own"``, the *last* epoch with the best fitness is selected, which ``best.pt`` holds,
    although the count starts at the first.

    Parameters
    ----------
    patience : int
        Number of epochs since the best, above 0.

    Notes
    -----
    Statistic: epochs since fitness > best

    Source: Ultralytics 8.4.190, ``ultralytics/utils/torch_utils.py`` and ``engine/trainer.py``.

    Verified: ultralytics 8.4.190

    Examples
    --------
    >>> from earlystop_lab import CurveSet, Ultralytics, replay
    >>> curves = CurveSet.from_runs([{"val": [0.5, 0.25, 0.25, 0.5]}, {"val": [1.0] * 9}])
    >>> replay(curves, [Ultralytics(2)], restore="own").to_frame()[["stop", "selected", "fired"]]
       stop  selected  fired
    0     4         3   True
    1     9         9  False
    """
    rule = patience_state(Knobs(LOWER_OR_ZERO, first=True, epochs=True), best=0.0)
    return rule, patience_state(Knobs(DIFFERENCE, first=True, last_tie=True))


@patience_rule(
    threshold="patience",
    default=0,
    passes=">",
    at_least={"patience": 0},
)
def Flax(*, min_delta: float = 0.0) -> Patience:
    """``flax.training.early_stopping.EarlyStopping``: *more than* ``patience`` without a gain.

    A value improves if best - val > min_delta, or if the best is infinite. The count is tested
    before it is incremented, so training stops after patience + 1 checks without improvement. If
    the first value is NaN, no later value improves on it. The library restores nothing.

    Parameters
    ----------
    patience : int
        Number of checks without improvement that are tolerated, at least 0.
    min_delta : float
        A gain must exceed this, in units of the error.

    Notes
    -----
    Statistic: checks since best - val > min_delta

    Source: flax 0.12.8, ``flax/training/early_stopping.py``.

    Verified: flax 0.12.8

    Examples
    --------
    >>> from earlystop_lab import CurveSet, Flax, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0] * 5}])
    >>> replay(curves, [Flax(2)]).to_frame()["stop"][0]
    np.int64(4)
    """
    return patience_state(Knobs(GAIN_OR_INFINITE), delta=min_delta)


@patience_rule(
    threshold="patience",
    default=5,
    at_least={"patience": 0},
)
def MMEngine(*, min_delta: float = 0.1) -> Patience:
    """``mmengine.hooks.EarlyStoppingHook``: ``patience`` checks without improvement.

    A check is bad if val > best - min_delta, so a gain of exactly ``min_delta`` is an improvement,
    and so is a tie with ``min_delta=0``. A value that is not finite stops training at once. The
    library restores nothing.

    Parameters
    ----------
    patience : int
        Number of bad checks, at least 0.
    min_delta : float
        Smallest gain that counts as an improvement. The default of 0.1 is that of the code; the
        library's documentation says 0.01.

    Notes
    -----
    Statistic: checks since not best - min_delta < val; infinite if val is not finite

    Source: mmengine 0.10.7, ``mmengine/hooks/early_stopping_hook.py``.

    Verified: mmengine 0.10.7

    Examples
    --------
    >>> from earlystop_lab import CurveSet, MMEngine, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0, 0.95, 0.92, 0.5]}])
    >>> replay(curves, [MMEngine(2), MMEngine(2, min_delta=0)]).to_frame()["stop"].tolist()
    [3, 4]
    """
    return patience_state(Knobs(NOT_WORSE, finite=True), delta=min_delta)


@patience_rule(
    threshold="patience",
    default=1600,
    restores=kept_epoch,
    tests_between_checks=True,
    off=("patience",),
)
def SpaCy() -> Patience:
    """``spacy train``'s patience: number of *steps* since the best evaluation.

    Steps are the positions of the curve: record each evaluation with its step. The library tests
    at every step, also between evaluations, and stops there; the replay stops at the next recorded
    check, even if that one improves. If the first value is NaN, no later value improves on it.
    With ``restore="own"``, the *last* of the lowest errors is selected, which ``model-best`` holds,
    although the count starts at the first.

    Parameters
    ----------
    patience : int
        Number of steps since the best evaluation, above 0.

    Notes
    -----
    Statistic: steps since val < best; reset only after a check that improves

    Source: spaCy 3.8.18, ``spacy/training/loop.py``.

    Verified: spacy 3.8.18

    Examples
    --------
    >>> from earlystop_lab import CurveSet, SpaCy, replay
    >>> curves = CurveSet.from_runs([{"val": [3.0, 2.0, 2.0, 1.0], "epoch": [0, 200, 400, 600]}])
    >>> replay(curves, [SpaCy(200), SpaCy(300), SpaCy(400)]).to_frame()["stop"].tolist()
    [400, 600, 600]
    """
    return patience_state(
        Knobs(DIFFERENCE, first=True, at_gain=BETWEEN, epochs=True, last_tie=True)
    )
