"""Cells of untrusted files: the numbers in them, and how messages show them."""

import math
import re
from collections.abc import Iterable
from decimal import Decimal

from earlystop_lab._common.errors import EarlystopError
from earlystop_lab._common.wording import cut

#: cells that say "not measured", as loggers and spreadsheets write them
BLANK = frozenset(
    {"", "-", "--", "---", "—", "na", "n/a", "#n/a", "<na>", "none", "null", "missing", "no log"}
)
_NUMBER = re.compile(r"[+-]?(?:\d++(?:\.\d*+)?|\.\d++)(?:e[+-]?\d++)?", re.ASCII | re.IGNORECASE)
_SPECIAL = re.compile(r"(?P<sign>[+-]?)(?:(?P<nan>nan)|inf|infinity)", re.IGNORECASE)
#: the same as C and C++ print them: -nan(ind), 1.#INF, -1.#IND00
_OF_C = re.compile(
    r"(?P<sign>[+-]?)(?:(?P<nan>nan\(\w{0,20}\)|1\.#(?:QNAN|SNAN|IND)\d*)|1\.#INF\d*)",
    re.IGNORECASE,
)
#: characters of a cell above which it is no number
LONGEST_NUMBER = 400
#: one number as it is printed by who forgot to take it out: tensor(0.5, device='cuda:0'), [0.5]
_WRAPPED = re.compile(
    r"(?:(?:\w+\.)?(?:tensor|array|float\d*)\(\[?|\[)\s*(?P<inner>[^\s\[\](),]{1,40})\s*"
    r"(?:\]|\]?(?:,\s*[a-z_]+=[^\n]*)?\))",
    re.IGNORECASE,
)


class LogError(EarlystopError, ValueError):
    """A file, or one line of it, cannot be imported."""

    def __init__(self, reason: str, line: int | None = None) -> None:
        super().__init__(reason)
        self.line = line


def number(cell: object) -> float | None:
    """The number in a cell, None where nothing was measured; :class:`LogError` for the rest.

    NaN and infinities count only where they are spelled out: a number too large for a float is
    refused, and so is Python's ``1_000``. A single number may come as a tensor or in brackets.

    >>> number(" 1.5e-3 "), number("nan"), number("NA"), number("tensor(0.5, device='cuda:0')")
    (0.0015, nan, None, 0.5)
    """
    if cell is None or type(cell) is float:
        return cell
    if isinstance(cell, int) and not isinstance(cell, bool) and abs(cell) < 10**300:
        return float(cell)
    if isinstance(cell, Decimal):  # as Parquet has them
        return float(cell)
    if isinstance(cell, str):
        text = cell.strip()
        if len(text) <= LONGEST_NUMBER and _NUMBER.fullmatch(text):
            value = float(text)
            if math.isfinite(value):
                return value
            raise LogError(f"{shown(text)} is too large for a float")
        if text.lower() in BLANK:
            return None
        if special := _SPECIAL.fullmatch(text) or _OF_C.fullmatch(text):
            return math.nan if special["nan"] else float(f"{special['sign']}inf")
        if wrapped := _WRAPPED.fullmatch(text):
            return number(wrapped["inner"])
    raise LogError(f"{shown(cell)} is not a number")


def is_number(cell: object) -> bool:
    """Whether the cell holds a number, NaN and infinity included."""
    try:
        return number(cell) is not None
    except LogError:
        return False


def shown(value: object) -> str:
    """A value as an error message shows it: quoted, one line, not too long."""
    text = repr(value[:60] if isinstance(value, str) else value)
    return text if len(text) <= 64 else cut(text, 63)


def looks_cut(last: str, others: Iterable[str]) -> bool:
    """Whether a number at the end of a file has fewer decimals than any number before it.

    >>> looks_cut("0.61", ["0.6931", "0.6502"]), looks_cut("0.6", ["0.7", "0.65"])
    (True, False)
    """
    if last[-1:] in (".", "e", "E", "+", "-"):
        return True
    before = [_decimals(other) for other in others if is_number(other)]
    return len(before) > 1 and is_number(last) and _decimals(last) < min(before, default=0) > 1


def cut_off(line: int, last: str) -> str:
    """What to say of such a number."""
    return f"line {line} has no line ending; its last value {shown(last)} looks cut off"


def _decimals(text: str) -> int:
    return len(text.strip().partition(".")[2])


def listed(names: Iterable[str], most: int = 12) -> str:
    """Names as an error message lists them."""
    every = [shown(name)[1:-1] for name in names]
    rest = f" and {len(every) - most} more" if len(every) > most else ""
    return (", ".join(every[:most]) or "nothing") + rest


def repeated(names: Iterable[str]) -> str | None:
    """The first name that comes a second time."""
    seen: set[str] = set()
    for name in names:
        if name in seen:
            return name
        seen.add(name)
    return None


def is_curve(value: object) -> bool:
    """Whether a JSON value is a list of numbers; gaps and damaged ones are no reason against."""
    return (
        isinstance(value, list)
        and any(
            is_number(cell) or (isinstance(cell, str) and cell.strip()[:1].isdigit())
            for cell in value
        )
        and not any(isinstance(cell, (list, dict)) for cell in value)
    )
