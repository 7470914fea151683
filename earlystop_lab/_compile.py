"""Compiling with numba, in one place."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


def compiled(function: Callable[..., Any], *, cache: bool = True) -> Callable[..., Any]:
    """The function compiled without the GIL and, where a folder for that can be written, cached.

    No option here lets the compiler reorder sums: the bits do not depend on the processor.
    """
    from numba import njit  # importing numba costs more than this package

    try:
        made: Callable[..., Any] = njit(nogil=True, cache=cache)(function)
    except RuntimeError:  # nowhere to keep the cache
        made = njit(nogil=True)(function)
    return made
