"""Learning-rate rules as traces: the rate that each epoch of a recorded run would have had.

A replay of them is exact only up to the first cut: from there on a real run trains with the
smaller rate and its errors differ from the recorded ones, so later cuts are those of a run
that ignored the first.
"""

from __future__ import annotations

import math
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike

from earlystop_lab.criteria.patience import DIFFERENCE, SUM, improves
from earlystop_lab.curves import FloatArray


def reduce_lr_on_plateau(
    val: ArrayLike,
    *,
    lr: float,
    library: Literal["keras", "torch"] = "keras",
    factor: float = 0.1,
    patience: int = 10,
    min_delta: float = 1e-4,
    relative: bool | None = None,
    cooldown: int = 0,
    min_lr: float = 0.0,
    eps: float = 1e-8,
) -> FloatArray:
    """The rate of every epoch where the rate is multiplied by ``factor`` on a plateau.

    ``val``: validation errors, one an epoch. Element i of the result is the rate with which
    epoch i + 1 was trained, so the first is ``lr`` and a cut at the end of an epoch shows in
    the next. Exact only up to the first cut, see the module.

    Keras: a value improves where val + min_delta < best, the first always does; the rate falls
    with the ``patience``-th bad epoch (0 acts like 1); a cooldown epoch is counted before the
    comparison. No cut at or below ``min_lr``, which is compared in float32.

    PyTorch: val < best (1 - min_delta), or best - min_delta with ``relative=False``; the rate
    falls with bad epoch patience + 1; a cooldown epoch is counted after the comparison. A cut of
    at most ``eps`` is not made, but counts as one.

    A NaN is a bad epoch; as Keras' first value it becomes the best, which nothing improves on.
    Raises ``ValueError`` for a parameter that the library refuses, or has not.

    Source: Keras 3.15, ``keras/src/callbacks/reduce_lr_on_plateau.py``; PyTorch 2.13,
    ``torch/optim/lr_scheduler.py``.

    >>> from earlystop_lab import reduce_lr_on_plateau
    >>> reduce_lr_on_plateau([3.0, 2.0, 2.0, 2.0, 2.0], lr=0.1, patience=2)
    array([0.1 , 0.1 , 0.1 , 0.1 , 0.01])
    >>> reduce_lr_on_plateau([3.0, 2.0, 2.0, 2.0, 2.0], lr=0.1, patience=2, library="torch")
    array([0.1, 0.1, 0.1, 0.1, 0.1])
    """
    errors = np.asarray(val, dtype=np.float64)
    if errors.ndim != 1:
        raise ValueError(f"reduce_lr_on_plateau: val of shape {errors.shape}; expected one run")
    if library not in ("keras", "torch"):
        raise ValueError(
            f"reduce_lr_on_plateau: library = {library!r}; expected 'keras' or 'torch'"
        )
    if library == "keras" and relative:
        raise ValueError("reduce_lr_on_plateau: relative = True; Keras has absolute gains only")
    for name, value, allowed, holds in (
        ("lr", lr, "above 0", lr > 0),
        ("factor", factor, "in [0, 1)", 0 <= factor < 1),
        ("patience", patience, "at least 0", patience >= 0),
        ("min_delta", min_delta, "a finite number", math.isfinite(min_delta)),
        ("cooldown", cooldown, "at least 0", cooldown >= 0),
        ("min_lr", min_lr, "at least 0", min_lr >= 0),
        ("eps", eps, "at least 0", eps >= 0),
    ):
        if not holds:
            raise ValueError(f"reduce_lr_on_plateau: {name} = {value!r}; expected {allowed}")
    rates = np.full(len(errors), float(lr))
    best, bad, cooling = math.inf, 0, 0
    for i, v in enumerate(errors.tolist()[:-1]):
        rate = rates[i]
        was_cooling = cooling > 0
        if library == "keras" and was_cooling:
            cooling, bad = cooling - 1, 0
        if (library == "keras" and i == 0) or _gains(v, best, min_delta, library, relative):
            best, bad = v, 0
        elif library == "torch" or cooling == 0:
            bad += 1
        if library == "torch" and was_cooling:
            cooling, bad = cooling - 1, 0
        lower = max(rate * factor, min_lr)
        if library == "keras" and 0 < max(patience, 1) <= bad and rate > np.float32(min_lr):
            rate, cooling, bad = lower, cooldown, 0
        elif library == "torch" and bad > patience:
            rate, cooling, bad = lower if rate - lower > eps else rate, cooldown, 0
        rates[i + 1 :] = rate
    return rates


def _gains(val: float, best: float, delta: float, library: str, relative: bool | None) -> bool:
    if library == "keras":
        return improves(SUM, val, best, delta)
    if relative is False:
        return improves(DIFFERENCE, val, best, delta)
    return val < best * (1 - delta)  # not best - best delta: PyTorch rounds this way


def step_decay(epochs: int, *, lr: float, factor: float = 0.5, every: int = 10) -> FloatArray:
    """The rate of every epoch where it is multiplied by ``factor`` every so many epochs.

    Epoch e, from 1, has lr factor^floor((e - 1) / every). It looks at no curve, so unlike
    :func:`reduce_lr_on_plateau` it is what the run had, if it was trained so.

    Source: PyTorch 2.13, ``torch.optim.lr_scheduler.StepLR``; as a function for Keras'
    ``LearningRateScheduler``.

    >>> from earlystop_lab import step_decay
    >>> step_decay(5, lr=1.0, every=2)
    array([1.  , 1.  , 0.5 , 0.5 , 0.25])
    """
    for name, value, allowed, holds in (
        ("epochs", epochs, "at least 0", epochs >= 0),
        ("lr", lr, "above 0", lr > 0),
        ("factor", factor, "above 0", factor > 0),
        ("every", every, "at least 1", every >= 1),
    ):
        if not holds:
            raise ValueError(f"step_decay: {name} = {value!r}; expected {allowed}")
    cuts = np.arange(epochs) // every
    return np.asarray(lr * float(factor) ** cuts, dtype=np.float64)
