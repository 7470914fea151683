"""What all simulators share: random streams, checks of parameters, and assembling runs."""

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import numpy as np

from earlystop_lab._common.checks import is_number, require, require_count
from earlystop_lab.curves import CurveSet, FloatArray

Run = dict[str, Any]


def require_kind(name: str, value: object, kind: str) -> None:
    """Raise ``ValueError`` unless ``value`` is of the kind that a parameter's annotation says."""
    if kind == "int":
        require(name, value, numpy_holds(value, Integral), "an integer")
    elif kind == "float":
        require(name, value, numpy_holds(value, Real), "a number")
    elif kind.startswith("tuple"):
        parts = value if isinstance(value, (tuple, list)) else ()
        fine = len(parts) == 2 and all(numpy_holds(part, Real) for part in parts)
        require(name, value, fine, "two numbers")
    elif kind.startswith("ArrayLike"):
        try:
            fine = value is None or np.asarray(value, dtype=float).ndim == 1
        except (TypeError, ValueError, OverflowError):
            fine = False
        require(name, value, fine, "a list of numbers")


def numpy_holds(value: Any, kind: type) -> bool:
    """Whether the value is a number of that kind that numpy can represent."""
    most = 2 ** (31 if kind is Integral else 999)
    return is_number(value, kind) and (isinstance(value, float) or abs(value) < most)


def require_between(name: str, value: float, low: float, high: float = np.inf) -> None:
    """Raise ``ValueError`` unless ``low < value < high``."""
    allowed = f"above {low:g}" if high == np.inf else f"between {low:g} and {high:g}"
    require(name, value, low < value < high, f"a number {allowed}")


def streams(n: int, rng: np.random.Generator) -> list[np.random.Generator]:
    """One random stream per run; the first ones are the same for every ``n``."""
    require_count("n", n)
    require("rng", rng, isinstance(rng, np.random.Generator), "a numpy.random.Generator")
    return rng.spawn(n)


def collect(
    family: str,
    n: int,
    rng: np.random.Generator,
    problems: int,
    shared: Callable[[np.random.Generator], Any],
    make: Callable[[np.random.Generator, Any], Run],
) -> CurveSet:
    """Make ``n`` runs, assigned in turn to ``problems`` clusters, each with ``make``.

    Each problem and each run has its own stream, spawned from ``rng`` in an order that does not
    depend on ``n``: the first runs of a longer simulation are those of a shorter one.
    """
    require_count("problems", problems)
    (root,) = streams(1, rng)
    own = streams(n, rng)
    runs = []
    with np.errstate(over="ignore", invalid="ignore"):  # with_optimum detects it
        common = [shared(stream) for stream in root.spawn(min(problems, n))]
        for i, stream in enumerate(own):
            problem = i % problems
            made = make(stream, common[problem])
            named = {"run": f"{family}-{i}", "problem": f"{family}-{problem}", "family": family}
            runs.append({**named, **made})
    return CurveSet.from_runs(runs)


def with_optimum(curves: Run, epoch: FloatArray) -> Run:
    """Add where the noiseless curve, ``test``, is lowest: the earliest of ties.

    NaN (not measured) is never the lowest. An optimum after which nothing was measured is censored.
    """
    truth = curves["test"]
    if not np.isfinite(truth).any():
        raise ValueError("all errors of a simulated run are infinite; use smaller parameters")
    best = int(np.nanargmin(truth))
    last = np.flatnonzero(~np.isnan(truth))[-1]
    return {
        **curves,
        "optimum": float(epoch[best]),
        "optimum_error": float(truth[best]),
        "optimum_censored": bool(best == last),
    }
