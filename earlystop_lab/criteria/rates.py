"""Learning-rate schedules as traces: the rate that each epoch of a recorded run would have had.

The replay of a schedule is exact only up to the first reduction. From there on, a real run trains
with the lower rate and its errors differ from the recorded ones, so later reductions are those
of a run in which the first one had no effect.
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
    """The learning rate of every epoch if it is multiplied by ``factor`` on a plateau.

    Keras: a value improves if val + min_delta < best, and the first one always does. The rate
    falls at the ``patience``-th bad epoch (0 acts like 1), and a cooldown epoch is counted before
    the comparison. There is no reduction at or below ``min_lr``, which is compared in float32.

    PyTorch: a value improves if val < best (1 - min_delta), or val < best - min_delta with
    ``relative=False``. The rate falls at bad epoch patience + 1, and a cooldown epoch is counted
    after the comparison. A reduction by at most ``eps`` is not made, but counts as one.

    A NaN is a bad epoch. As the first value in Keras it becomes the best, on which nothing
    improves. The result is exact only up to the first reduction (see the module docstring).

    Parameters
    ----------
    val : array_like, shape (n_epochs,)
        Validation errors of one run, one per epoch.
    lr : float
        Initial learning rate, above 0.
    library : {"keras", "torch"}
        Whose schedule: ``ReduceLROnPlateau`` of Keras or of PyTorch.
    factor : float
        Factor of a reduction, in [0, 1).
    patience : int
        Number of bad epochs before a reduction, at least 0.
    min_delta : float
        Smallest gain that counts as an improvement.
    relative : bool, optional
        Whether ``min_delta`` is relative to the best value. PyTorch only, where the default is
        True.
    cooldown : int
        Number of epochs after a reduction in which bad epochs are not counted.
    min_lr : float
        Lower bound of the learning rate.
    eps : float
        Smallest reduction that PyTorch makes.

    Returns
    -------
    ndarray, shape (n_epochs,)
        Element i is the rate with which epoch i + 1 was trained. The first element is ``lr``, and
        a reduction at the end of an epoch shows in the next one.

    Raises
    ------
    ValueError
        If a parameter has a value that the library refuses, or does not exist there.

    Notes
    -----
    Source: Keras 3.15, ``keras/src/callbacks/reduce_lr_on_plateau.py``; PyTorch 2.13,
    ``torch/optim/lr_scheduler.py``.

    Examples
    --------
    >>> from earlystop_lab import reduce_lr_on_plateau
    >>> reduce_lr_on_plateau([3.0, 2.0, 2.0, 2.0, 2.0], lr=0.1, patience=2)
    array([0.1 , 0.1 , 0.1 , 0.1 , 0.01])
    >>> reduce_lr_on_plateau([3.0, 2.0, 2.0, 2.0, 2.0], lr=0.1, patience=2, library="torch")
    array([0.1, 0.1, 0.1, 0.1, 0.1])
    """
    errors = np.asarray(val, dtype=np.float64)
    if errors.ndim != 1:
        raise ValueError(
            f"reduce_lr_on_plateau: val has shape {errors.shape}; expected one dimension, one run"
        )
    if library not in ("keras", "torch"):
        raise ValueError(
            f"reduce_lr_on_plateau: library = {library!r}; expected 'keras' or 'torch'"
        )
    if library == "keras" and relative:
        raise ValueError(
            "reduce_lr_on_plateau: relative = True, but min_delta is always absolute in Keras"
        )
    _require(
        "reduce_lr_on_plateau",
        ("lr", lr, "a number above 0", lambda x: x > 0),
        ("factor", factor, "a number in [0, 1)", lambda x: 0 <= x < 1),
        ("patience", patience, "an integer >= 0", lambda x: x >= 0 and x == int(x)),
        ("min_delta", min_delta, "a finite number", lambda x: True),
        ("cooldown", cooldown, "an integer >= 0", lambda x: x >= 0 and x == int(x)),
        ("min_lr", min_lr, "a number >= 0", lambda x: x >= 0),
        ("eps", eps, "a number >= 0", lambda x: x >= 0),
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
    """The learning rate of every epoch if it is multiplied by ``factor`` every ``every`` epochs.

    Epoch e, counted from 1, has the rate lr factor^floor((e - 1) / every). The schedule does not
    depend on any curve, so unlike :func:`reduce_lr_on_plateau` it is exact for the whole run.

    Parameters
    ----------
    epochs : int
        Number of epochs, at least 0.
    lr : float
        Initial learning rate, above 0.
    factor : float
        Factor of a reduction, above 0.
    every : int
        Number of epochs between reductions, at least 1.

    Returns
    -------
    ndarray, shape (epochs,)
        The rate of every epoch.

    Notes
    -----
    Source: PyTorch 2.13, ``torch.optim.lr_scheduler.StepLR``; as a function for Keras'
    ``LearningRateScheduler``.

    Examples
    --------
    >>> from earlystop_lab import step_decay
    >>> step_decay(5, lr=1.0, every=2)
    array([1.  , 1.  , 0.5 , 0.5 , 0.25])
    """
    _require(
        "step_decay",
        ("epochs", epochs, "an integer >= 0", lambda x: x >= 0 and x == int(x)),
        ("lr", lr, "a number above 0", lambda x: x > 0),
        ("factor", factor, "a number above 0", lambda x: x > 0),
        ("every", every, "an integer >= 1", lambda x: x >= 1 and x == int(x)),
    )
    cuts = np.arange(epochs) // every
    return np.asarray(lr * float(factor) ** cuts, dtype=np.float64)


def _require(name: str, *asked: tuple[str, Any, str, Callable[[Any], bool]]) -> None:
    """Raise ``ValueError`` for the first parameter whose value is not allowed."""
    for parameter, value, allowed, holds in asked:
        number = is_number(value, Real) and math.isfinite(value)
        require(f"{name}: {parameter}", value, number and holds(value), allowed)
