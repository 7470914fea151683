"""What every simulator shares: streams, checks of parameters, and how a run is put together."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Integral, Real
from typing import Any

import numpy as np

from earlystop_lab.curves import CurveSet, FloatArray

Run = dict[str, Any]


def require(name: str, value: object, fine: object, expected: str) -> None:
    """Raise ``ValueError`` naming parameter, value and what is allowed, unless it is fine."""
    if not fine:
        raise ValueError(f"{name} = {value!r}; expected {expected}")


def require_count(name: str, value: object, least: int = 1) -> None:
    """Raise ``ValueError`` unless ``value`` is a whole number, at least ``least``."""
    whole = isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= least
    require(name, value, whole, f"a whole number, at least {least}")


def require_kind(name: str, value: object, kind: str) -> None:
    """Raise ``ValueError`` unless ``value`` is of the kind that a parameter's annotation says."""
    if kind == "int":
        require(name, value, is_number(value, Integral), "a whole number")
    elif kind == "float":
        require(name, value, is_number(value, Real), "a number")
    elif kind.startswith("tuple"):
        parts = value if isinstance(value, (tuple, list)) else ()
        fine = len(parts) == 2 and all(is_number(part, Real) for part in parts)
        require(name, value, fine, "two numbers")
    elif kind.startswith("ArrayLike"):
        try:
            fine = value is None or np.asarray(value, dtype=float).ndim == 1
        except (TypeError, ValueError, OverflowError):
            fine = False
        require(name, value, fine, "a list of numbers")


def is_number(value: Any, kind: type) -> bool:
    """A number that numpy can hold, too."""
    fine = isinstance(value, kind) and not isinstance(value, bool)
    return fine and (
        isinstance(value, float) or abs(value) < 2 ** (31 if kind is Integral else 999)
    )


def require_between(name: str, value: float, low: float, high: float = np.inf) -> None:
    """Raise ``ValueError`` unless ``low < value < high``."""
    allowed = f"above {low:g}" if high == np.inf else f"between {low:g} and {high:g}"
    require(name, value, low < value < high, f"a number {allowed}")


def streams(n: int, rng: np.random.Generator) -> list[np.random.Generator]:
    """A stream a run; the first ones are the same for every ``n``."""
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
    """``n`` runs, dealt in turn to ``problems`` clusters; ``make(stream, shared)`` makes one.

    Each problem and each run has a stream of its own, spawned from ``rng`` in an order in which
    ``n`` plays no part: the first runs of a longer simulation are those of a shorter one.
    """
    require_count("problems", problems)
    (root,) = streams(1, rng)
    own = streams(n, rng)
    runs = []
    with np.errstate(over="ignore", invalid="ignore"):  # with_optimum notices
        common = [shared(stream) for stream in root.spawn(min(problems, n))]
        for i, stream in enumerate(own):
            problem = i % problems
            made = make(stream, common[problem])
            named = {"run": f"{family}-{i}", "problem": f"{family}-{problem}", "family": family}
            runs.append({**named, **made})
    return CurveSet.from_runs(runs)


def with_optimum(curves: Run, epoch: FloatArray) -> Run:
    """The run and where its noiseless curve, ``test``, is lowest: the earliest of ties.

    NaN, not measured, is never lowest; an optimum after which nothing was measured is censored.
    """
    truth = curves["test"]
    if not np.isfinite(truth).any():
        raise ValueError("no error of a simulated run is finite; expected smaller parameters")
    best = int(np.nanargmin(truth))
    last = np.flatnonzero(~np.isnan(truth))[-1]
    return {
        **curves,
        "optimum": float(epoch[best]),
        "optimum_error": float(truth[best]),
        "optimum_censored": bool(best == last),
    }
