"""Linear regression by gradient descent, for which all error curves have a closed form.

Labels are y = x . teacher + noise, x normal with covariance diag(spectrum). From weights 0, full
batches and learning rate eta, with X'X / n = V diag(lambda) V' and b = V' X'y / n, the weights
after t updates are

    w(t) = V (b g(t)),    g_j(t) = (1 - (1 - eta lambda_j)^t) / lambda_j

and a new example's expected squared error, the true risk, is

    R(t) = noise^2 + sum_j spectrum_j (w_j(t) - teacher_j)^2.

where b_j is 0 wherever lambda_j is. So the optimal epoch of a run is known, not estimated. All
errors are mean squared errors; epoch t is measured after t updates.

Products are sums by einsum: BLAS reorders them by the number of its threads, which would make a
run's last digits depend on what else the process is doing.

Sources: A. Ali, J. Z. Kolter, R. J. Tibshirani, "A Continuous-Time View of Early Stopping for
Least Squares Regression", AISTATS 2019, arXiv:1810.10082; R. Heckel, F. F. Yilmaz, "Early Stopping
in Deep Networks: Double Descent and How to Eliminate it", ICLR 2021, arXiv:2007.10099; related: C.
Stephenson, T. Lee, "When and how epochwise double descent happens", arXiv:2108.12006.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from earlystop_lab._common.checks import require, require_count
from earlystop_lab.curves import CurveSet, FloatArray
from earlystop_lab.sources.synthetic._runs import (
    Run,
    collect,
    require_between,
    with_optimum,
)


class Examples(NamedTuple):
    """Inputs, shape (examples, features), and their labels, shape (examples,)."""

    x: FloatArray
    y: FloatArray


def descent_curves(
    train: Examples,
    val: Examples,
    teacher: ArrayLike,
    spectrum: ArrayLike,
    *,
    noise: float,
    learning_rate: float,
    epochs: int,
) -> dict[str, FloatArray]:
    """Compute the training, validation and true risk after 1, 2 ... ``epochs`` updates.

    The formulas are in the docstring of this module.

    Parameters
    ----------
    train, val : Examples
        Training and validation sets.
    teacher : array-like, shape (features,)
        True weights.
    spectrum : array-like, shape (features,)
        Eigenvalues of the covariance of the inputs.
    noise : float
        Standard deviation of the label noise.
    learning_rate : float
        Learning rate, below 2 / the largest eigenvalue of X'X / n.
    epochs : int
        Number of updates.

    Returns
    -------
    dict of str to array
        ``train``, ``val`` and ``test`` (the true risk), each of shape (epochs,).

    Raises
    ------
    ValueError
        If gradient descent diverges at this ``learning_rate``.

    Examples
    --------
    >>> data = Examples(np.array([[1.0], [1.0]]), np.array([2.0, 4.0]))
    >>> curves = descent_curves(data, data, [3.0], [1.0], noise=0.0, learning_rate=0.5, epochs=3)
    >>> curves["test"]  # weights 1.5, 2.25, 2.625
    array([2.25    , 0.5625  , 0.140625])
    """
    x, y = train
    values, vectors = np.linalg.eigh(np.einsum("ij,ik->jk", x, x) / len(x))
    values = np.maximum(values, 0.0)
    limit = 2.0 / values[-1] if values[-1] else np.inf
    require(
        "learning_rate",
        learning_rate,
        0 < learning_rate < limit,
        f"a number above 0 and below {limit:.6g}, 2 / the largest eigenvalue of X'X / n: "
        "gradient descent diverges from there on",
    )
    along = np.einsum("ij,i->j", vectors, np.einsum("ki,k->i", x, y / len(x)))
    learnt = along[:, None] * _progress(values, learning_rate, epochs)
    weights = np.einsum("ij,jt->it", vectors, learnt)
    off = weights - np.asarray(teacher, float)[:, None]
    return {
        "train": _mean_square(train, weights),
        "val": _mean_square(val, weights),
        "test": noise**2 + np.einsum("i,it->t", np.asarray(spectrum, float), off**2),
    }


def _progress(values: FloatArray, learning_rate: float, epochs: int) -> FloatArray:
    """g_j(t), shape (eigenvalues, epochs), without loss of digits at small eigenvalues."""
    t = np.arange(1.0, epochs + 1)
    step = learning_rate * values[:, None]
    slow = step < 0.5
    learnt = np.where(
        slow, -np.expm1(t * np.log1p(-np.where(slow, step, 0.0))), 1 - (1 - step) ** t
    )
    return learnt / np.where(values > 0, values, 1.0)[:, None]


def _mean_square(examples: Examples, weights: FloatArray) -> FloatArray:
    x, y = examples
    if len(x) > x.shape[1] + 1:  # a triangle with the same errors: cheaper at every epoch
        triangle = np.asarray(np.linalg.qr(np.column_stack([x, y]), mode="r"))
        x, y = triangle[:, :-1], triangle[:, -1]
    off: FloatArray = np.einsum("ij,jt->it", x, weights) - y[:, None]
    squares: FloatArray = np.einsum("it,it->t", off, off)
    return squares / len(examples.y)


def gradient_flow(
    n: int,
    rng: np.random.Generator,
    *,
    spectrum: ArrayLike | None = None,
    noise: float = 0.7,
    samples: int = 60,
    validation: int = 60,
    learning_rate: float = 0.5,
    epochs: int = 1000,
    problems: int = 12,
) -> CurveSet:
    """Simulate runs of linear regression, each on its own sample, with exactly known optimum.

    ``test`` is the run's true risk R(t) in the docstring of this module, without sampling error.
    The metadata ``optimum`` and ``optimum_error`` are the epoch in 1 ... ``epochs`` at which it is
    lowest and its value there; ``optimum_censored`` is whether that is the last epoch.

    Parameters
    ----------
    n : int
        Number of runs.
    rng : numpy.random.Generator
        Random number generator.
    spectrum : array-like, optional
        Eigenvalues of the covariance of the inputs, by default k^-1.2 for k = 1 ... 40.
    noise : float
        Standard deviation of the label noise. The noiseless labels have variance 1.
    samples, validation : int
        Sizes of the training and validation sets of a run.
    learning_rate : float
        Learning rate of gradient descent.
    epochs : int
        Number of updates, which is the length of a run.
    problems : int
        Number of problems. Runs of one problem share their teacher, a random direction.

    Returns
    -------
    CurveSet

    Raises
    ------
    ValueError
        If a parameter is not allowed. Whether ``learning_rate`` diverges depends on the sample,
        so a rate close to the limit may be refused for some runs only.

    References
    ----------
    Ali, Kolter and Tibshirani 2019, arXiv:1810.10082.

    Examples
    --------
    >>> curves = gradient_flow(3, np.random.default_rng(0), epochs=200)
    >>> curves
    CurveSet: 3 runs, 200 checks each, val, train, test; metadata: problem, family, optimum, \
optimum_error, optimum_censored
    >>> float(curves[0].test.min()) == float(curves.meta["optimum_error"][0])
    True
    """
    default = np.arange(1.0, 41.0) ** -1.2
    scales = np.asarray(default if spectrum is None else spectrum, dtype=float)
    fine = scales.ndim == 1 and scales.size and np.all((scales > 0) & np.isfinite(scales))
    require("spectrum", spectrum, fine, "one or more finite numbers above 0")
    _check_sizes(samples, validation, epochs, noise)

    def make(stream: np.random.Generator, teacher: FloatArray) -> Run:
        train, val = (
            _labelled(stream, stream.standard_normal((size, scales.size)) * np.sqrt(scales))
            for size in (samples, validation)
        )
        return _run(train, val, teacher, scales, noise, learning_rate, epochs)

    return collect("gradient_flow", n, rng, problems, lambda s: _teacher(s, scales, 1.0), make)


def double_descent(
    n: int,
    rng: np.random.Generator,
    *,
    features: tuple[int, int] = (60, 20),
    eigenvalues: tuple[float, float] = (1.0, 0.01),
    signal: tuple[float, float] = (0.5, 1.0),
    noise: float = 1.0,
    samples: int = 100,
    validation: int = 500,
    learning_rate: float = 0.1,
    epochs: int = 3000,
    problems: int = 12,
) -> CurveSet:
    """Simulate linear regression on fast and slow features: the true risk has two minima.

    The fast features fit the label noise before the slow ones have learned much, so the risk
    falls, rises and falls again. The training inputs are orthogonal, X'X / n = diag(eigenvalues)
    exactly, which separates the groups and requires at least as many ``samples`` as features.
    :func:`double_descent_risk` is the mean of the risk over runs.

    The two minima are well separated in time, and the second one is lower if, with the variance
    v_g = features_g noise^2 / samples,

        signal_slow^2 / (signal_slow + v_slow) > v_fast^2 / (signal_fast + v_fast).

    The columns are those of :func:`gradient_flow`; ``optimum`` is the recorded epoch with the
    lowest risk. In some runs (about 1 of 15 with the defaults), the second minimum is after the
    end of the record: the risk is still falling there, and the optimum is censored.

    Parameters
    ----------
    n : int
        Number of runs.
    rng : numpy.random.Generator
        Random number generator.
    features : tuple of int
        Numbers of fast and of slow features. In this and the next two, the fast group is first.
    eigenvalues : tuple of float
        Eigenvalues of the covariance. The learning speed is ``learning_rate`` times these.
    signal : tuple of float
        Variance of the labels that each group explains.
    noise : float
        Standard deviation of the label noise.
    samples, validation : int
        Sizes of the training and validation sets of a run.
    learning_rate : float
        Learning rate of gradient descent.
    epochs : int
        Number of updates, which is the length of a run.
    problems : int
        Number of problems. Runs of one problem share their teacher.

    Returns
    -------
    CurveSet

    Raises
    ------
    ValueError
        If a parameter is not allowed.

    References
    ----------
    Heckel and Yilmaz 2021, arXiv:2007.10099.

    Examples
    --------
    >>> risk = double_descent(1, np.random.default_rng(0))[0].test
    >>> inner = (risk[1:-1] < risk[:-2]) & (risk[1:-1] <= risk[2:])
    >>> (2 + np.flatnonzero(inner)).tolist()  # the epochs of its minima
    [4, 1508]
    """
    _check_sizes(samples, validation, epochs, noise)
    _check_pairs(features, eigenvalues, signal)
    require("samples", samples, samples >= sum(features), f"at least the {sum(features)} features")
    scales = np.repeat(np.asarray(eigenvalues, float), features)
    rows = np.split(np.arange(len(scales)), [features[0]])

    def shared(stream: np.random.Generator) -> FloatArray:
        parts = [_teacher(stream, scales[r], s) for r, s in zip(rows, signal, strict=True)]
        return np.concatenate(parts)

    def make(stream: np.random.Generator, teacher: FloatArray) -> Run:
        basis, _ = np.linalg.qr(stream.standard_normal((samples, len(scales))))
        train = _labelled(stream, basis * np.sqrt(samples * scales))
        val = _labelled(stream, stream.standard_normal((validation, len(scales))) * np.sqrt(scales))
        return _run(train, val, teacher, scales, noise, learning_rate, epochs)

    return collect("double_descent", n, rng, problems, shared, make)


def double_descent_risk(
    epoch: ArrayLike,
    *,
    features: tuple[int, int] = (60, 20),
    eigenvalues: tuple[float, float] = (1.0, 0.01),
    signal: tuple[float, float] = (0.5, 1.0),
    noise: float = 1.0,
    samples: int = 100,
    learning_rate: float = 0.1,
) -> FloatArray:
    """Compute the mean over runs of the true risk of :func:`double_descent` at each epoch.

    The mean is

        noise^2 + sum_g signal_g a_g^(2t) + features_g noise^2 / samples (1 - a_g^t)^2

    with a_g = 1 - learning_rate eigenvalues_g: one bias-variance trade-off for each group.

    Parameters
    ----------
    epoch : array-like
        Epochs t >= 0, of any shape.
    features, eigenvalues, signal, noise, samples, learning_rate
        As in :func:`double_descent`.

    Returns
    -------
    array
        The risk, with the shape of ``epoch``.

    Raises
    ------
    ValueError
        If a parameter is not allowed.

    References
    ----------
    Heckel and Yilmaz 2021, arXiv:2007.10099, the risk of early-stopped least squares.

    Examples
    --------
    >>> double_descent_risk([0, 6, 60, 1800]).round(3)
    array([2.5  , 2.261, 2.485, 1.767])
    """
    _check_pairs(features, eigenvalues, signal)
    require_count("samples", samples)
    require_between("learning_rate", learning_rate, 0, 2 / max(eigenvalues))
    t = np.asarray(epoch, dtype=float)
    require("epoch", epoch, np.all(t >= 0), "numbers of at least 0")
    risk = np.full(t.shape, float(noise) ** 2)
    for count, eigenvalue, explained in zip(features, eigenvalues, signal, strict=True):
        left = (1 - learning_rate * eigenvalue) ** t
        risk += explained * left**2 + count * noise**2 / samples * (1 - left) ** 2
    return risk


def _labelled(stream: np.random.Generator, x: FloatArray) -> Examples:
    """Inputs with the labels' noise, of unit size, in the place of the labels."""
    return Examples(x, stream.standard_normal(len(x)))


def _run(
    train: Examples,
    val: Examples,
    teacher: FloatArray,
    spectrum: FloatArray,
    noise: float,
    learning_rate: float,
    epochs: int,
) -> Run:
    train, val = (
        Examples(x, np.einsum("ij,j->i", x, teacher) + noise * unit) for x, unit in (train, val)
    )
    curves = descent_curves(
        train, val, teacher, spectrum, noise=noise, learning_rate=learning_rate, epochs=epochs
    )
    return with_optimum(curves, np.arange(1.0, epochs + 1))


def _teacher(stream: np.random.Generator, spectrum: FloatArray, signal: float) -> FloatArray:
    """Weights in a random direction that explain ``signal`` of the labels' variance."""
    direction = stream.standard_normal(len(spectrum))
    return direction * np.sqrt(signal / np.sum(spectrum * direction**2))


def _check_sizes(samples: int, validation: int, epochs: int, noise: float) -> None:
    for name, value in (("samples", samples), ("validation", validation), ("epochs", epochs)):
        require_count(name, value)
    require("noise", noise, 0 <= noise < 1e150, "a finite number, at least 0, below 1e150")


def _check_pairs(
    features: tuple[int, int], eigenvalues: tuple[float, float], signal: tuple[float, float]
) -> None:
    require("features", features, len(features) == 2, "two numbers, fast and slow")
    for count in features:
        require_count("features", count)
    pair = len(eigenvalues) == 2 and 0 < eigenvalues[1] <= eigenvalues[0] < np.inf
    require("eigenvalues", eigenvalues, pair, "two finite numbers above 0, the fast one first")
    pair = len(signal) == 2 and all(0 <= part < np.inf for part in signal)
    require("signal", signal, pair, "two finite numbers of at least 0")
