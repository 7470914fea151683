"""The one table of messages: every sentence that an answer may hold, with places for numbers.

A place is worded as :class:`str.format` does, or by one of :data:`WORDINGS`: ``{loss:percent}``,
``{names:listed}``, ``{runs:counted run}``. What a wording needs beside may be a place itself:
``{clusters:counted {unit}}``, ``{difference:difference {low} to {high}}``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from string import Formatter
from typing import Any

import numpy as np

from earlystop_lab._common.wording import counted, listed, percent, signed, too_few
from earlystop_lab.studies.reasons import Reason

#: the errors of a curve set by the names that people give them
ERRORS = {"val": "validation", "test": "test"}


def difference(value: float, interval: str = "") -> str:
    """A difference of logarithms as a relative one, with its interval; empty where there is none.

    >>> difference(0.0213), difference(0.0, "-0.01 to 0.02"), difference(float("nan"))
    ('+2.2%', '0% (-1% to +2%)', '')
    >>> difference(0.0, "nan to nan"), difference(0.0, "-inf to inf")
    ('0% (no interval)', '0% (unbounded)')
    """
    if np.isnan(value):
        return ""
    text = signed(np.expm1(value))
    if not interval:
        return text
    low, high = map(float, interval.split(" to "))
    if not np.isfinite(low):
        return f"{text} ({'no interval' if np.isnan(low) else 'unbounded'})"
    return f"{text} ({signed(np.expm1(low))} to {signed(np.expm1(high))})"


def p_value(value: float) -> str:
    """A p value in two digits, as papers print it; empty where there is none.

    >>> p_value(0.0123), p_value(1.0), p_value(2e-5), p_value(float("nan"))
    ('.012', '1', '<.0001', '')
    """
    if np.isnan(value):
        return ""
    return "<.0001" if value < 1e-4 else f"{value:.2g}".replace("0.", ".", 1)


#: how a place words its value; what follows the name goes to it, too
WORDINGS: dict[str, Callable[..., str]] = {
    "percent": percent,
    "signed": signed,
    "listed": listed,
    "counted": counted,
    "too_few": too_few,
    "difference": difference,
    "p": p_value,
    "error": ERRORS.__getitem__,
}

#: the sentence of every reason and of every part of an answer
MESSAGES: dict[str, str] = {}


class _Wording(Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        name, _, more = format_spec.partition(" ")
        if name in WORDINGS:
            return WORDINGS[name](value, *filter(None, [more]))
        return str(super().format_field(value, format_spec))


def said(what: str, numbers: Mapping[str, Any]) -> str:
    """The message of that name with its numbers.

    >>> MESSAGES["example"] = "{runs:counted run} lose {loss:percent}"
    >>> said("example", {"runs": 1, "loss": 0.021})
    '1 run lose 2.1%'
    >>> del MESSAGES["example"]
    """
    return _Wording().vformat(MESSAGES[what], (), numbers)


def reason(given: Reason) -> str:
    """The sentence of a reason."""
    return said(given.what, given.numbers)
