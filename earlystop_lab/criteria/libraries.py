"""The patience rules of other libraries: rows of knobs on one step (see :mod:`patience`).

Parameter names and defaults are each library's own, the waiting count first. All are given for
errors, lower is better; a rule that its library defines for scores sees score = -error. Counts
are in checks, one for each recorded validation error. ``restore="own"`` is what the library
restores where it is asked to; a library that never restores keeps its rule's best value.
"""

from __future__ import annotations

from typing import Literal

from earlystop_lab.criteria.core import criterion
from earlystop_lab.criteria.patience import (
    DIFFERENCE,
    EITHER,
    GAIN,
    IMPROVED,
    LOWER,
    NOT_WITHIN,
    NOT_WITHIN_RELATIVE,
    NOT_WORSE,
    RELATIVE,
    SUM,
    Knobs,
    Patience,
    kept_epoch,
    patience_state,
    patience_step,
)


@criterion(
    threshold="patience", passes=">=", whole=True, step=patience_step, at_least={"patience": 0}
)
def Lightning(
    *,
    min_delta: float = 0.0,
    check_finite: bool = True,
    stopping_threshold: float | None = None,
    divergence_threshold: float | None = None,
) -> Patience:
    """``lightning.pytorch.callbacks.EarlyStopping``: ``patience`` checks without improvement.

    A value improves where val + min_delta < best; a negative ``min_delta`` lets worse values
    improve. At once it stops at a value that is not finite (``check_finite``), below
    ``stopping_threshold`` or above ``divergence_threshold``, all strict; with
    ``check_finite=False`` a NaN is just no improvement. It restores nothing.

    Source: Lightning 2.6.6, ``lightning/pytorch/callbacks/early_stopping.py``.

    >>> from earlystop_lab import CurveSet, Lightning, replay
    >>> curves = CurveSet.from_runs([{"val": [3.0, 2.0, 2.5, float("nan"), 1.0]}])
    >>> rules = [Lightning(3), Lightning(3, check_finite=False)]
    >>> replay(curves, rules).to_frame()["fired"].tolist()
    [True, False]
    """
    knobs = Knobs(SUM, first=False, moves=IMPROVED, fires_improving=False, finite=check_finite)
    return patience_state(
        knobs, delta=min_delta, stop_below=stopping_threshold, stop_above=divergence_threshold
    )


@criterion(
    threshold="patience", passes=">=", whole=True, step=patience_step, at_least={"patience": 1}
)
def Ignite(
    *,
    threshold: float = 0.0,
    threshold_mode: Literal["abs", "rel"] = "abs",
    cumulative: bool = False,
) -> Patience:
    """``ignite.handlers.EarlyStopping`` with score = -error: ``patience`` checks without a gain.

    A gain is more than ``threshold``, absolute or relative. Relative to a negative score it
    loosens instead: an error below best (1 + threshold) still counts as a gain. The best value
    also moves on gains too small to count, so a slow creep stops; with ``cumulative=True`` it
    does not, and gains add up. A NaN counts as a gain and becomes the best, and so does the
    value after it. It restores nothing.

    Source: PyTorch-Ignite 0.5.5, ``ignite/handlers/early_stopping.py``.

    >>> from earlystop_lab import CurveSet, Ignite, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0, 0.95, 0.9, 0.85, 0.8]}])
    >>> rules = [Ignite(2, threshold=0.08), Ignite(2, threshold=0.08, cumulative=True)]
    >>> replay(curves, rules).to_frame()["fired"].tolist()
    [True, False]
    """
    test = NOT_WITHIN if threshold_mode == "abs" else NOT_WITHIN_RELATIVE
    moves = IMPROVED if cumulative else EITHER
    knobs = Knobs(test, first=True, moves=moves, fires_improving=False, finite=False)
    return patience_state(knobs, delta=threshold)


@criterion(
    threshold="patience",
    passes=">=",
    whole=True,
    step=patience_step,
    own=kept_epoch,
    at_least={"patience": 0},
)
def HuggingFace(*, threshold: float = 0.0) -> Patience:
    """``transformers.EarlyStoppingCallback``: ``patience`` evaluations without a gain.

    A gain is an error below the best by more than ``threshold``; the Trainer moves its best on
    any gain, so a creep below the threshold stops. ``patience=0`` stops at the first
    evaluation. ``restore="own"``: the first of the lowest, as ``load_best_model_at_end`` does.

    Source: transformers 5.23.0, ``trainer_callback.py`` and ``trainer.py``.

    >>> from earlystop_lab import CurveSet, HuggingFace, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0, 0.99, 0.98, 0.97]}])
    >>> replay(curves, [HuggingFace(3, threshold=0.02)]).to_frame()[["stop", "selected"]]
       stop  selected
    0     4         4
    """
    knobs = Knobs(GAIN, first=True, moves=LOWER, fires_improving=True, finite=False)
    return patience_state(knobs, delta=threshold)


@criterion(
    threshold="patience",
    passes=">=",
    whole=True,
    step=patience_step,
    own=kept_epoch,
    at_least={"patience": 1},
)
def Skorch(*, threshold: float = 1e-4, threshold_mode: Literal["rel", "abs"] = "rel") -> Patience:
    """``skorch.callbacks.EarlyStopping``: ``patience`` epochs without a gain.

    A value improves where val < best - threshold, or val < best - best threshold in mode
    ``"rel"``, which loosens for negative errors. A NaN is no improvement. The library's
    ``patience=0``, which stops at the first epoch that improves, is not offered.
    ``restore="own"``: the last improvement, as ``load_best=True`` does.

    Source: skorch 1.4.0, ``skorch/callbacks/training.py``.

    >>> from earlystop_lab import CurveSet, Skorch, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0, 0.99995, 0.9999, 0.5]}])
    >>> replay(curves, [Skorch(2), Skorch(2, threshold=0)]).to_frame()["stop"].tolist()
    [3, 4]
    """
    test = RELATIVE if threshold_mode == "rel" else DIFFERENCE
    knobs = Knobs(test, first=False, moves=IMPROVED, fires_improving=False, finite=False)
    return patience_state(knobs, delta=threshold)


@criterion(
    threshold="n_iter_no_change",
    passes=">",
    whole=True,
    step=patience_step,
    own=kept_epoch,
    at_least={"n_iter_no_change": 1, "tol": 0},
)
def SklearnMLP(*, tol: float = 1e-4) -> Patience:
    """``sklearn.neural_network.MLP*``: *more than* ``n_iter_no_change`` epochs without a gain.

    A check counts as bad where val > best - tol, so with ``tol=0`` a tie resets the count, as
    does a NaN always. The best moves on any gain, also below ``tol``. ``restore="own"``: the
    first of the lowest, as with ``early_stopping=True``. Without it (the default) the same
    test watches the training loss and nothing is restored.

    Source: scikit-learn 1.9.1, ``sklearn/neural_network/_multilayer_perceptron.py``.

    >>> from earlystop_lab import CurveSet, SklearnMLP, SklearnSGD, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0] * 6}])
    >>> replay(curves, [SklearnMLP(2), SklearnSGD(2)]).to_frame()["stop"].tolist()
    [4, 3]
    """
    knobs = Knobs(NOT_WORSE, first=False, moves=LOWER, fires_improving=False, finite=False)
    return patience_state(knobs, delta=tol)


@criterion(
    threshold="n_iter_no_change",
    passes=">=",
    whole=True,
    step=patience_step,
    at_least={"n_iter_no_change": 1, "tol": 0},
)
def SklearnSGD(*, tol: float = 1e-3) -> Patience:
    """``sklearn.linear_model.SGD*``: ``n_iter_no_change`` epochs without a gain.

    The test of :data:`SklearnMLP`, one check sooner. It restores nothing.

    Source: scikit-learn 1.9.1, ``sklearn/linear_model/_sgd_fast``.

    >>> from earlystop_lab import CurveSet, SklearnSGD, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0, 0.9995, 0.999, 0.9985, 0.5]}])
    >>> replay(curves, [SklearnSGD(3)]).to_frame()["stop"][0]
    np.int64(4)
    """
    knobs = Knobs(NOT_WORSE, first=False, moves=LOWER, fires_improving=False, finite=False)
    return patience_state(knobs, delta=tol)


@criterion(
    threshold="rounds",
    passes=">=",
    whole=True,
    step=patience_step,
    own=kept_epoch,
    at_least={"rounds": 0, "min_delta": 0},
)
def XGBoost(*, min_delta: float = 0.0) -> Patience:
    """``xgboost.callback.EarlyStopping``: ``rounds`` rounds without improvement.

    A value improves where val < best - min_delta; the first always does, and a NaN among the
    first is never improved on. ``rounds=0`` stops at the first round. ``restore="own"``: the
    library's ``best_iteration``, to which ``save_best=True`` cuts the model.

    Source: xgboost 3.2.0, ``xgboost/callback.py``.

    >>> from earlystop_lab import CurveSet, XGBoost, replay
    >>> curves = CurveSet.from_runs([{"val": [3.0, 2.0, 2.0, 2.0, 1.0]}])
    >>> replay(curves, [XGBoost(2)], restore="own").to_frame()[["stop", "selected"]]
       stop  selected
    0     4         2
    """
    knobs = Knobs(DIFFERENCE, first=True, moves=IMPROVED, fires_improving=True, finite=False)
    return patience_state(knobs, delta=min_delta)


@criterion(
    threshold="stopping_rounds",
    passes=">=",
    whole=True,
    step=patience_step,
    own=kept_epoch,
    at_least={"stopping_rounds": 1, "min_delta": 0},
)
def LightGBM(*, min_delta: float = 0.0) -> Patience:
    """``lightgbm.early_stopping``: ``stopping_rounds`` iterations without improvement.

    The test of :data:`XGBoost`; the library switches off at ``stopping_rounds=0``, which is an
    error here. ``restore="own"``: the library's best iteration, to which the model is cut.

    Source: LightGBM 4.7.0, ``lightgbm/callback.py``.

    >>> from earlystop_lab import CurveSet, LightGBM, replay
    >>> curves = CurveSet.from_runs([{"val": [3.0, 2.0, 1.5, 1.75, 1.4]}])
    >>> replay(curves, [LightGBM(2, min_delta=1)], restore="own").to_frame()[["stop", "selected"]]
       stop  selected
    0     5         3
    """
    knobs = Knobs(DIFFERENCE, first=True, moves=IMPROVED, fires_improving=True, finite=False)
    return patience_state(knobs, delta=min_delta)
