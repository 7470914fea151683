"""Learning-rate rules as traces: the rate that each epoch of a recorded run would have had.

A replay of them is exact only up to the first cut: from there on a real run trains with the
smaller rate and its errors differ from the recorded ones, so later cuts are those of a run
that ignored the first.
"""

import math
from collections.abc import Callable
from numbers import Real
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike

from earlystop_lab._common.checks import is_number, require
from earlystop_lab.criteria.rules.patience import DIFFERENCE, SUM, improves
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
    _require(
        "reduce_lr_on_plateau",
        ("lr", lr, "a number above 0", lambda x: x > 0),
        ("factor", factor, "a number in [0, 1)", lambda x: 0 <= x < 1),
        ("patience", patience, "a whole number, at least 0", lambda x: x >= 0 and x == int(x)),
        ("min_delta", min_delta, "a finite number", lambda x: True),
        ("cooldown", cooldown, "a whole number, at least 0", lambda x: x >= 0 and x == int(x)),
        ("min_lr", min_lr, "a number, at least 0", lambda x: x >= 0),
        ("eps", eps, "a number, at least 0", lambda x: x >= 0),
    )
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
        if library == "keras" and bad >= max(patience, 1) and rate > np.float32(min_lr):
            rate, cooling, bad = lower, cooldown, 0
        elif library == "torch" and bad > patience:
            rate, cooling, bad = lower if rate - lower > eps else rate, cooldown, 0
        rates[i + 1] = rate
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
    _require(
        "step_decay",
        ("epochs", epochs, "a whole number, at least 0", lambda x: x >= 0 and x == int(x)),
        ("lr", lr, "a number above 0", lambda x: x > 0),
        ("factor", factor, "a number above 0", lambda x: x > 0),
        ("every", every, "a whole number, at least 1", lambda x: x >= 1 and x == int(x)),
    )
    cuts = np.arange(epochs) // every
    return np.asarray(lr * float(factor) ** cuts, dtype=np.float64)


def _require(name: str, *asked: tuple[str, Any, str, Callable[[Any], bool]]) -> None:
    """``ValueError`` for the first parameter that is not what it has to be."""
    for parameter, value, allowed, holds in asked:
        number = is_number(value, Real) and math.isfinite(value)
        require(f"{name}: {parameter}", value, number and holds(value), allowed)
