"""What any framework can record of predictions and representations, as arrays in main memory."""

import math
from typing import Any

import numpy as np


class ChangedPredictions:
    """Counts the predicted labels that differ from those at the check before.

    It is the channel ``changed_predictions`` of :data:`LabelWave`. The samples have to come in the
    same order at every check.

    Parameters
    ----------
    labels : array-like
        The labels that are predicted before the first check, in main memory.

    Examples
    --------
    >>> changed = ChangedPredictions([0, 1, 1])
    >>> changed([0, 0, 1]), changed([1, 1, 1])
    (1, 2)
    """

    def __init__(self, labels: Any) -> None:
        self._last = np.asarray(labels).copy()

    def __call__(self, labels: Any) -> int:
        """The number of changes.

        Parameters
        ----------
        labels : array-like
            The predicted label of every sample, in main memory.

        Raises
        ------
        ValueError
            If there are more or fewer samples than before.
        """
        now, last = np.asarray(labels).copy(), self._last
        if now.shape != last.shape:
            raise ValueError(
                f"changed predictions: {now.shape} labels after {last.shape}; expected those of "
                "the same samples at every check"
            )
        self._last = now
        return int((now != last).sum())


def score_z(gradients: Any, steps: Any) -> float:
    """How clearly a step helps the validation samples: the channel of :data:`ScoreStop`.

    sqrt(n) mean(s) / sd(s) of the products s_i = -gradients_i steps_i, with the standard deviation
    over n - 1. If all products are equal, it is infinite with the sign of their mean, and 0 if that
    is 0.

    Parameters
    ----------
    gradients : array-like
        The derivative of each sample's loss by its prediction, before the step.
    steps : array-like
        What the step, such as the newest tree, adds to each prediction.

    Raises
    ------
    ValueError
        If there are fewer than two samples, or not as many steps as gradients.

    Examples
    --------
    Of squared errors, the derivative is twice the prediction less the target:

    >>> round(score_z([-2.0, -2.0, -2.0], [0.5, 1.5, 1.0]), 3)
    3.464
    """
    g, h = np.asarray(gradients, float), np.asarray(steps, float)
    if g.shape != h.shape or g.ndim != 1 or len(g) < 2:
        raise ValueError(
            f"score_z: gradients of shape {g.shape} and steps of shape {h.shape}; expected one "
            "number of each for at least two samples"
        )
    products = -g * h
    mean, spread = float(products.mean()), float(products.std(ddof=1))
    if spread == 0:
        return math.copysign(math.inf, mean) if mean else 0.0
    return math.sqrt(len(g)) * mean / spread


def local_dimension(representations: Any, *, k: int = 20) -> float:
    """Mean local intrinsic dimensionality of a batch: the channel ``lid`` of :data:`LIDTurn`.

    With the distances r_1 <= ... <= r_k of a sample to its nearest others in the batch, that of
    the sample is k / sum_i log(r_k / r_i): infinite if all k are equally far, NaN if k others are
    equal to it. The authors take the mean over ten batches of 128 samples.

    Parameters
    ----------
    representations : array-like
        One row per sample: the output of a late layer.
    k : int
        Number of neighbours, at least 2; fewer if the batch has fewer others.

    Raises
    ------
    ValueError
        If there are fewer than three samples, or k is below 2.

    Examples
    --------
    >>> round(local_dimension([[0.0], [1.0], [3.0]]), 3)  # of distances 1 3, 1 2 and 2 3
    3.213
    """
    rows = np.asarray(representations, float)
    rows = rows.reshape(len(rows), -1)
    if len(rows) < 3 or k < 2:
        raise ValueError(
            f"local_dimension: {len(rows)} samples, k = {k}; expected at least 3 samples and k >= 2"
        )
    k = min(k, len(rows) - 1)
    far = np.sort([np.delete(np.linalg.norm(rows - row, axis=1), i) for i, row in enumerate(rows)])
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.mean(k / np.log(far[:, k - 1 : k] / far[:, :k]).sum(axis=1)))
