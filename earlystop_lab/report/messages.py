"""The one table of messages: every sentence that an answer may hold, with places for numbers.

A place is worded as :class:`str.format` does, or by one of :data:`WORDINGS`: ``{loss:percent}``,
``{names:listed}``, ``{runs:counted run}``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from string import Formatter
from typing import Any

from earlystop_lab._common.wording import counted, listed, percent, signed, too_few
from earlystop_lab.studies.reasons import Reason

#: how a place words its value; what follows the name goes to it, too
WORDINGS: dict[str, Callable[..., str]] = {
    "percent": percent,
    "signed": signed,
    "listed": listed,
    "counted": counted,
    "too_few": too_few,
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
