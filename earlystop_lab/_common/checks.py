"""Checks of arguments (modes, numbers, names) that raise errors with a clear message."""

from collections.abc import Iterable
from decimal import Decimal
from numbers import Integral, Real
from typing import Any, TypeVar

from earlystop_lab._common.wording import nearest

T = TypeVar("T")


def require(name: str, value: object, fine: object, expected: str) -> None:
    """Raise ``ValueError`` naming parameter, value and what is expected, unless ``fine``.

    >>> require("width", 2, 2 < 1, "a number below 1")
    Traceback (most recent call last):
    ValueError: width = 2; expected a number below 1
    """
    if not fine:
        raise ValueError(f"{name} = {value!r}; expected {expected}")


def require_count(name: str, value: object, least: int = 1) -> None:
    """Raise ``ValueError`` unless ``value`` is an integer of at least ``least``."""
    whole = is_number(value, Integral) and int(value) >= least  # type: ignore[call-overload]
    require(name, value, whole, f"an integer >= {least}")


def require_jobs(name: str, n_jobs: object) -> None:
    """Raise ``ValueError`` unless ``n_jobs`` is a number of parallel jobs, or -1.

    >>> require_jobs("replay: n_jobs", -5)
    Traceback (most recent call last):
    ValueError: replay: n_jobs = -5; expected an integer >= 1, or -1 for all cores
    """
    whole = is_number(n_jobs, Integral) and (n_jobs == -1 or int(n_jobs) >= 1)  # type: ignore[call-overload]
    require(name, n_jobs, whole, "an integer >= 1, or -1 for all cores")


def require_mode(mode: object) -> None:
    """Raise ``ValueError`` unless ``mode`` says which values of a metric are better."""
    if mode not in ("min", "max"):
        raise ValueError(f"mode = {mode!r}; expected 'min' (errors) or 'max' (higher is better)")


def one_of(name: str, text: object, allowed: Iterable[T]) -> T:
    """The allowed value that equals the text; ``ValueError`` if there is none."""
    names = list(allowed)
    if text not in names:
        near = nearest(str(text), map(str, names))
        raise ValueError(f"{name} {text!r}: {near}expected one of {', '.join(map(str, names))}")
    return names[names.index(text)]


def is_number(value: Any, kind: Any = (Real, Decimal)) -> bool:
    """Whether the value is a number of that kind; True and False are not.

    >>> is_number(1.5), is_number(1.5, Integral), is_number(True), is_number("1.5")
    (True, False, False, False)
    """
    return isinstance(value, kind) and not isinstance(value, bool)


def as_number(value: Any) -> float | None:
    """The value as a float, for example of a 0-d array; None for strings, bools and other types.

    >>> as_number(2), as_number("2"), as_number(True), as_number([2, 3])
    (2.0, None, None, None)
    """
    if type(value) is float:  # the usual case, and called often during training
        return value
    if isinstance(value, (str, bytes, bool)):
        return None
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None
