"""JSON that nobody vouches for, and records of records."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping
from typing import Any

from earlystop_lab.sources.logs._values import LogError, repeated, shown


def parse_json(text: str, first_line: int = 1) -> Any:
    """A JSON document; NaN and Infinity as Python's writer spells them are numbers.

    A dictionary as Python prints it is read, too. A key that is there twice is refused (either
    value could be the wrong one), a number too large for a float stays text, which
    :func:`number` refuses where it is used.

    >>> parse_json("{'loss': np.float64(0.5), 'val_loss': nan, 'best': None}")
    {'loss': 0.5, 'val_loss': nan, 'best': None}
    """
    printed = len(text) <= _LONGEST_PRINTED and _PRINTED.match(text)
    try:
        return _DECODER.decode(_as_json(text) if printed else text)
    except json.JSONDecodeError as error:
        line = first_line + error.lineno - 1
        cut = " (the file looks cut off)" if error.pos >= len(text.rstrip()) else ""
        raise LogError(f"not valid JSON: {error.msg} at column {error.colno}{cut}", line) from error
    except RecursionError as error:
        raise LogError("JSON nested too deeply for a log") from error


#: begins as a dictionary that Python printed: JSON has no single quotes
_PRINTED = re.compile(r"[\[{\s]*[\[{]\s*'")
_LONGEST_PRINTED = 500_000
_TOKEN = re.compile(
    r"(?P<text>'(?:[^'\\\n]|\\.)*'|\"(?:[^\"\\\n]|\\.)*\")"
    r"|(?P<number>\d+\.?\d*(?:e[+-]?\d+)?)"
    r"|(?P<call>(?:\w+\.)?(?:float\d+|array|tensor)\((?P<inner>[^()'\"=]*?)(?:,\s*[a-z_]+=[^()]*)?\))"
    r"|(?P<word>[a-z_][\w.]*)",
    re.IGNORECASE,
)
_WORDS = {
    "None": "null",
    "True": "true",
    "False": "false",
    "nan": "NaN",
    "np.nan": "NaN",
    "inf": "Infinity",
    "np.inf": "Infinity",
}


def _as_json(text: str) -> str:
    """What Python printed, spelled as JSON; what JSON has no word for stays, to be refused."""

    def spelled(match: re.Match[str]) -> str:
        if match["text"]:
            inner = match["text"][1:-1]
            if match["text"][0] == "'":
                inner = inner.replace("\\'", "'").replace('"', '\\"')
            return f'"{inner}"'
        if match["number"]:  # numpy prints 1. for 1.0
            return re.sub(r"\.(?!\d)", ".0", match["number"])
        if match["call"]:
            return _TOKEN.sub(spelled, match["inner"])
        return _WORDS.get(match["word"], match[0])

    return _TOKEN.sub(spelled, text)


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    twice = repeated(name for name, _ in pairs)
    if twice is not None:
        raise LogError(f"JSON with the key {shown(twice)} twice in one object; remove one")
    return dict(pairs)


def _float(text: str) -> float | str:
    value = float(text)
    return value if math.isfinite(value) else text


def _int(text: str) -> int | str:
    return int(text) if len(text) <= 300 else text


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_float=_float, parse_int=_int)


def flat(record: Mapping[str, Any], levels: int = 3) -> dict[str, Any]:
    """A record with its inner objects unfolded: ``{"val": {"loss": 1}}`` has ``val/loss``.

    Objects that are more levels down stay as they are.
    """
    cells: dict[str, Any] = {}
    for name, cell in record.items():
        if isinstance(cell, dict) and levels:
            for inner, value in flat(cell, levels - 1).items():
                cells.setdefault(f"{name}/{inner}", value)
        else:
            cells[name] = cell
    return cells
