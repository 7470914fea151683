"""How data are written into a page: compact JSON that cannot end the element that it is in."""

from typing import Any

import numpy as np
from jinja2.utils import htmlsafe_json_dumps
from markupsafe import Markup
from numpy.typing import ArrayLike

#: significant digits of drawn values; printed values, such as epochs, keep all digits
DIGITS = 6
#: JSON options: compact, and strictly standard
JSON: dict[str, Any] = {"separators": (",", ":"), "allow_nan": False}


def short(values: ArrayLike, digits: int | None = DIGITS) -> list[float | None]:
    """The numbers with that many significant digits, as integers if all are whole.

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
        # for very small and very large numbers, the power of ten under- or overflows
        some = np.abs(place) < 290
        power = 10.0 ** (digits - 1 - place[some])
        known[some] = np.round(known[some] * power) / power
    padded = np.full(len(numbers), None)
    padded[finite] = known
    return padded.tolist()


def embedded(value: Any) -> Markup:
    """The value as JSON.

    >>> "<" in embedded("</script>")
    False
    """
    return htmlsafe_json_dumps(value, **JSON)


def embedded_size(value: Any) -> int:
    """The number of bytes that the value takes in the page."""
    return len(embedded(value))
