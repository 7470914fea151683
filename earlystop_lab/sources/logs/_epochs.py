"""Steps as epochs, where a log has both."""

import numpy as np

from earlystop_lab.curves import FloatArray

#: decimals with which epochs are written at most, where they are rounded
_DECIMALS = 6


def epochs_of(
    at: FloatArray, steps: FloatArray, epochs: FloatArray, told: float | None = None
) -> FloatArray | None:
    """The epochs at some steps, by the pairs of both that a log has; None where these do not tell.

    After the last step of an epoch, that epoch is whole: 1 epoch after the first, whether the log
    counts from 0 or from 1. ``told`` are the steps of an epoch where the format has them.

    >>> epochs_of(np.array([49.0, 99]), np.array([0.0, 49, 50, 99]), np.array([0.0, 0, 1, 1]))
    array([1., 2.])
    """
    pairs = np.unique(np.stack([steps, epochs]), axis=1)
    steps, epochs = pairs[:, np.isfinite(pairs).all(axis=0)]
    if len(steps) < 2 or (np.diff(epochs) < 0).any():
        return None
    if (epochs % 1).any():
        return _by_parts(at, steps, epochs, told)
    found = []
    for first in (0, 1) if steps[0] else (0,):
        length, at_ends = _epoch_length(steps + 1 - first, epochs)
        if length is not None:
            # the first step that is logged is mostly not the first
            found.append((not at_ends, (first == 0) == (steps[0] == 1), first, length))
    if not found:
        return None
    *_, first, length = min(found)
    return (at + 1 - first) / length


def _by_parts(
    at: FloatArray, steps: FloatArray, epochs: FloatArray, told: float | None
) -> FloatArray | None:
    """Of epochs with fractions: as recorded where those tell all steps apart, else computed.

    What is rounded is computed by the steps of an epoch that fit all of it within a step: batches
    that fill no step at the end of an epoch go missing.
    """
    if (np.diff(epochs) > 0).all() and (np.diff(steps) > 0).all() and np.isin(at, steps).all():
        return epochs[np.searchsorted(steps, at)]
    decimals = next((k for k in range(_DECIMALS) if (np.round(epochs, k) == epochs).all()), None)
    half = 1e-9 if decimals is None else 0.5000001 * 10.0**-decimals
    low, later = ((steps - 1) / (epochs + half)).max(), epochs > half
    high = ((steps[later] + 1) / (epochs[later] - half)).min()
    if told is not None and low <= told <= high:
        return at / told
    whole = np.round((low + high) / 2)
    return at / whole if low <= whole <= high and whole > 0 else None


def _epoch_length(done: FloatArray, epochs: FloatArray) -> tuple[int | None, bool]:
    """The steps of an epoch, and whether the last ones of all epochs are multiples of it.

    ``done`` are the steps made so far, this one included. None where several lengths fit and the
    last steps do not tell.
    """
    part = epochs - (epochs[0] if epochs[0] <= 1 else 0)
    low = int(((done - 1) // (part + 1)).max()) + 1
    later = part > 0
    if not later.any():
        return None, False
    high = int(((done[later] - 1) // part[later]).min())
    last = np.append(part[1:] > part[:-1], True)
    lengths = done[last] / (part[last] + 1)
    # the last epoch may be a part of one; a single whole one could be of any length
    alike = lengths == lengths[0]
    at_ends = alike[:-1].all() and alike.sum() > 1 and lengths[0] % 1 == 0
    if at_ends and low <= lengths[0] <= high:
        return int(lengths[0]), True
    return (low if low == high else None), False
