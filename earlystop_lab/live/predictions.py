"""What any framework can record of predictions: how many changed."""

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
