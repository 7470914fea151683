"""Simulated curves whose optimum is known. See :func:`simulate`."""

from collections.abc import Callable
from inspect import signature
from typing import Any

import numpy as np

from earlystop_lab._common.checks import require, require_count
from earlystop_lab.curves import CurveSet
from earlystop_lab.sources.synthetic._runs import require_kind
from earlystop_lab.sources.synthetic.fitting import fit_parametric
from earlystop_lab.sources.synthetic.linear import (
    Examples,
    descent_curves,
    double_descent,
    double_descent_risk,
    gradient_flow,
)
from earlystop_lab.sources.synthetic.parametric_curves import clean_curve, parametric
from earlystop_lab.sources.synthetic.resampling import resample

__all__ = [
    "FAMILIES",
    "Examples",
    "clean_curve",
    "descent_curves",
    "double_descent",
    "double_descent_risk",
    "fit_parametric",
    "gradient_flow",
    "parametric",
    "resample",
    "simulate",
]

#: every simulator by name: ``family(n, rng, **params) -> CurveSet``
FAMILIES: dict[str, Callable[..., CurveSet]] = {
    "gradient_flow": gradient_flow,
    "double_descent": double_descent,
    "parametric": parametric,
    "resample": resample,
}


def simulate(family: str, n: int, *, seed: int, **params: Any) -> CurveSet:
    """Simulate ``n`` runs whose optimum is known.

    ==============  =======================================================  ==================
    family          curves                                                   source
    ==============  =======================================================  ==================
    gradient_flow   linear regression by gradient descent, exact             arXiv:1810.10082
    double_descent  the same with fast and slow features: two minima         arXiv:2007.10099
    parametric      decay, overfitting, noise, plateaus, spikes, divergence  Domhan et al. 2015
    resample        trends of given ``curves`` with bootstrapped residuals   Künsch 1989
    ==============  =======================================================  ==================

    In every family, ``test`` is the noiseless curve: the true risk, or the validation curve without
    its noise. The metadata ``optimum`` is the epoch at which it is lowest (the earliest of ties),
    ``optimum_error`` its value there, ``optimum_censored`` whether that is the last check, so that
    the true optimum may be later, and ``problem`` the cluster for statistics.

    Parameters
    ----------
    family : str
        One of the families above.
    n : int
        Number of runs. Run i is the same for every ``n`` > i.
    seed : int
        Random seed. The same seed gives the same bytes (with one build of numpy and scipy on one
        kind of processor; elsewhere the last digits may differ).
    **params
        Parameters of the family, see its docstring.

    Returns
    -------
    CurveSet

    Raises
    ------
    ValueError
        If the family or a parameter is unknown, or a value is not allowed.

    Examples
    --------

    >>> curves = simulate("gradient_flow", 2, seed=1, epochs=300, noise=0.5)
    >>> curves.runs, curves.meta["optimum"].tolist() == [c.test.argmin() + 1 for c in curves]
    (['gradient_flow-0', 'gradient_flow-1'], True)
    """
    require("family", family, family in [*FAMILIES], f"one of {', '.join(FAMILIES)}")
    require_count("seed", seed, least=0)
    known = dict(list(signature(FAMILIES[family]).parameters.items())[2:])
    if unknown := set(params) - set(known):
        raise ValueError(
            f"{family}: unknown parameter {min(unknown)!r}; expected one of {', '.join(known)}"
        )
    for name, parameter in known.items():
        if parameter.default is parameter.empty and name not in params:
            raise ValueError(f"{family}: missing parameter {name!r}")
        if name in params:
            require_kind(name, params[name], parameter.annotation)
    return FAMILIES[family](n, np.random.default_rng(seed), **params)
