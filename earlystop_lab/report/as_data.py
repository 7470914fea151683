"""Answers as JSON, for other programs: the numbers in full, beside the words."""

import json
import math
from collections.abc import Mapping
from enum import Enum
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from earlystop_lab.criteria import Combination, Criterion
from earlystop_lab.report.messages import in_words
from earlystop_lab.studies.comparison import Bench
from earlystop_lab.studies.prechelt1997 import Reproduction

#: what a comparison is drawn from, which is large
_DRAWN = {"curves", "front", "pairs", "by_cluster", "regret_profile", "time_profile", "ranks"}


def answer_as_json(found: Any) -> str:
    """What a study found as JSON: ``answer``, the text of :func:`in_words`, and the numbers.

    Of a comparison, what the figures are drawn from is left out; of the 1997 study, everything
    but its tables. The numbers are written as in :func:`as_json`.

    >>> from earlystop_lab import recommend, simulate
    >>> found = recommend(simulate("gradient_flow", 2, seed=1))
    >>> json.loads(answer_as_json(found))["verdict"]
    'declined'
    """
    return as_json(_answered(found))


def answers_as_json(found: list[Any]) -> str:
    """Several answers as a list, each as of :func:`answer_as_json`."""
    return as_json([_answered(each) for each in found])


def _answered(found: Any) -> dict[str, Any]:
    numbers = found._asdict()
    if isinstance(found, Bench):
        numbers["corpora"] = [
            {name: part for name, part in each._asdict().items() if name not in _DRAWN}
            for each in found.corpora
        ]
    elif isinstance(found, Reproduction):
        numbers = {"tables": found.tables}
    return {"answer": in_words(found), **numbers}


def as_json(data: Any) -> str:
    """Tables, named tuples, mappings and lists as JSON, indented, in UTF-8.

    A table is a list of its rows. JSON has neither NaN nor infinity: NaN is null, infinity the
    text "inf" or "-inf".

    >>> print(as_json({"error": float("inf"), "runs": [np.int64(2), None, float("nan")]}))
    {
      "error": "inf",
      "runs": [
        2,
        null,
        null
      ]
    }
    """
    text = json.dumps(_plain(data), indent=2, allow_nan=False, ensure_ascii=False)
    return "".join(char if char.isprintable() or char == "\n" else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    """What JSON has for a character that would otherwise reach a terminal."""
    return json.dumps(char)[1:-1]


def _plain(value: Any) -> Any:
    """The same of what JSON has."""
    if isinstance(value, Enum):
        return _plain(value.value)
    if value is None or value is pd.NA or isinstance(value, (bool, int, str)):
        return None if value is pd.NA else value
    if isinstance(value, float):
        return value if math.isfinite(value) else None if math.isnan(value) else str(value)
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, pd.DataFrame):
        named = value.reset_index() if value.index.name else value
        return [_plain(row) for row in named.to_dict("records")]
    if isinstance(value, (Criterion, Combination, Path)):
        return str(value)
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _plain(value._asdict())
    if isinstance(value, Mapping):
        return {str(_plain(name)): _plain(each) for name, each in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [_plain(each) for each in value]
    raise TypeError(f"{type(value).__name__} has no form in JSON")
