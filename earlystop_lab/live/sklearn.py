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
    """Train by one ``partial_fit`` per epoch until the stopper stops, or for ``max_iter`` epochs.

    Records the run.

    Parameters
    ----------
    stopper : Stopper
        A new stopper with ``mode="max"``, since scores are better if higher. Rules that divide by
        an error, such as GL, need the upper bound of the score: ``channels={"val":
        Channel(upper=0)}`` for ``"neg_log_loss"``.
    estimator : estimator
        Any estimator with ``partial_fit``.
    X, y : array_like
        Training data.
    validation_data : tuple of array_like
        Validation data.
    max_iter : int
        Maximum number of epochs.
    scoring : str or callable, optional
        As in scikit-learn, by default the estimator's own score. It is evaluated on the validation
        data and on the training data.
    functions : dict of str to callable, optional
        Functions for other channels that the criterion may watch, given the estimator:
        ``{"accuracy": lambda model: model.score(x_val, y_val)}`` for ``Keras(9, val="accuracy")``.
    **fit_params
        Arguments of ``partial_fit``, such as ``classes``.

    Returns
    -------
    estimator
        The estimator of the selected epoch; a copy if that was not the last one.

    Raises
    ------
    ValueError
        If the stopper has mode "min" or has seen a run, the criterion watches a channel without a
        function, or ``max_iter`` is below 1.

    Examples
    --------

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
            "a new stopper with mode='max', since scores are better if higher"
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
