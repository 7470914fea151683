"""scikit-learn: training by ``partial_fit``, stopped by any criterion."""

import copy
from collections.abc import Callable, Mapping
from typing import Any

from earlystop_lab._common.checks import require
from earlystop_lab.curves import canonical
from earlystop_lab.live._adapters import Weights, all_told, library
from earlystop_lab.live.stopper import Stopper

with library("scikit-learn"):
    from sklearn.metrics import check_scoring


def fit_until(
    stopper: Stopper,
    estimator: Any,
    X: Any,  # noqa: N803  (as scikit-learn names it)
    y: Any,
    *,
    validation_data: tuple[Any, Any],
    max_iter: int,
    scoring: str | Callable[..., float] | None = None,
    functions: Mapping[str, Callable[[Any], float]] | None = None,
    **fit_params: Any,
) -> Any:
    """Train by one ``partial_fit`` an epoch until the stopper stops, or for ``max_iter`` epochs.

    ``scoring`` is what scikit-learn takes (by default the estimator's own score), higher is
    better, so the stopper has ``mode="max"``; rules that divide by an error, such as GL, have to
    know the highest possible score, ``channels={"val": Channel(upper=0)}`` of
    ``"neg_log_loss"``. It is also taken on the training data. ``functions`` are those of other
    channels that the criterion may watch, by name; they get the estimator: ``{"accuracy": lambda
    model: model.score(x_val, y_val)}`` for ``Keras(9, val="accuracy")``. ``fit_params``, such as
    ``classes``, go to ``partial_fit``.

    Returns the estimator of the selected epoch, a copy of it where that was not the last, and
    records the run. Raises ``ValueError`` for a stopper of mode "min" or one that has seen a run,
    or that watches a channel without a function, or ``max_iter`` below 1.

    >>> import numpy as np
    >>> from earlystop_lab.live import Stopper
    >>> from sklearn.linear_model import SGDClassifier
    >>> x = np.linspace(-1, 1, 40).reshape(-1, 1)
    >>> y = x.ravel() > 0
    >>> stopper = Stopper("Keras(2)", mode="max")
    >>> model = fit_until(stopper, SGDClassifier(random_state=0), x[::2], y[::2],
    ...                   validation_data=(x[1::2], y[1::2]), max_iter=50, classes=[False, True])
    >>> stopper.stop_epoch - stopper.best_epoch
    2
    """
    if stopper.mode != "max" or stopper.epoch is not None:
        raise ValueError(
            f"stopper: mode {stopper.mode!r}, {'a' if stopper.epoch else 'no'} run seen; expected "
            "a new one with mode='max', since scores are higher where better"
        )
    require("max_iter", max_iter, max_iter >= 1, "at least 1")
    named = {canonical(name): function for name, function in (functions or {}).items()}
    all_told((name for name in stopper.watched if name not in ("val", "train")), named)
    score = check_scoring(estimator, scoring)
    weights = Weights()
    with stopper:
        for epoch in range(1, max_iter + 1):
            estimator.partial_fit(X, y, **fit_params)
            val, train = score(estimator, *validation_data), score(estimator, X, y)
            others = {name: function(estimator) for name, function in named.items()}
            stops = stopper.update(val=val, train=train, epoch=epoch, **others)
            weights.keep(stopper, lambda: copy.deepcopy(estimator))
            if stops:
                break
    kept = weights.restore(stopper, lambda copied: copied)
    return estimator if kept is None else kept
