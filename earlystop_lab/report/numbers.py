"""Numbers as the page embeds them: short, and None where JSON has no such number."""

import numpy as np
from numpy.typing import ArrayLike

#: digits of what is drawn; of what is printed, such as epochs, all
DIGITS = 6


def short(values: ArrayLike, digits: int | None = DIGITS) -> list[float | None]:
    """The numbers with so many significant digits, as integers where all are whole.

    >>> short([1.0, 20.0]), short([0.12345678, float("nan"), 1e300]), short([1.23456789], None)
    ([1, 20], [0.123457, None, 1e+300], [1.23456789])
    """
    numbers = np.asarray(values, np.float64)
    finite = np.isfinite(numbers)
    known = numbers[finite]  # a copy
    if finite.all() and (known == np.floor(known)).all() and (np.abs(known) < 2**53).all():
        return known.astype(np.int64).tolist()
    if digits is not None:
        with np.errstate(divide="ignore"):
            place = np.floor(np.log10(np.abs(known)))
        # of very small and very large ones the power of ten is no number
        some = np.abs(place) < 290
        power = 10.0 ** (digits - 1 - place[some])
        known[some] = np.round(known[some] * power) / power
    found: list[float | None] = [None] * len(numbers)
    for at, value in zip(np.flatnonzero(finite).tolist(), known.tolist(), strict=True):
        found[at] = value
    return found
