"""The rules as tables: what ``earlystop criteria`` prints, and docs/criteria.md.

Everything is read from the rules themselves: signature, curves, threshold and the fields
``Statistic:``, ``Source:`` and ``Verified:`` of their docstrings.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from typing import Any

import pandas as pd

from earlystop_lab.criteria import quirks
from earlystop_lab.criteria.core import Family
from earlystop_lab.criteria.rules.patience import AT_GAIN, COUNTS, IMPROVES, MOVES, Knobs
from earlystop_lab.criteria.table import FAMILIES


def catalogue(families: Mapping[str, Family] = FAMILIES) -> pd.DataFrame:
    """One row a rule: rule with its defaults, watches, statistic, passes, source, verified.

    >>> from earlystop_lab.criteria.catalogue import catalogue
    >>> catalogue().set_index("rule").loc["MaxEpochs(n)", ["statistic", "passes"]].tolist()
    ['the epoch', '>= n']
    """
    return pd.DataFrame([_row(family) for family in families.values()])


def patience_table(families: Mapping[str, Family] = FAMILIES) -> pd.DataFrame:
    """Where the patience rules differ, one row a rule at its default parameters: the knobs.

    >>> from earlystop_lab.criteria.catalogue import patience_table
    >>> patience_table().set_index("rule").loc["Flax", "bad to stop"]
    'patience + 1'
    """
    rows = []
    for family in families.values():
        if family.start and (knobs := _knobs(family.start())):
            rows.append(_knob_row(family, knobs[0], knobs[-1]))
    return pd.DataFrame(rows)


def markdown() -> str:
    """docs/criteria.md: the rules, the patience rules side by side, and what surprises."""
    return "\n\n".join(
        [
            "# Stopping criteria",
            "Made by `earlystop criteria --markdown` from the rules themselves. A rule stops "
            "training at the first check at which its statistic passes its threshold; a statistic "
            "that is undefined never does. *Verified* names the version of the library whose own "
            'code decided alike on random curves. `help("earlystop_lab.Keras")` says all of a '
            "rule. They combine: `any_of(GL(5), MaxEpochs(500))`, `all_of(GL(2), UP(3))`, "
            "`after(50, UP(3))`.",
            catalogue().to_markdown(index=False),
            "## Patience rules, knob by knob",
            "`v` is what the rule compares (the validation error; to Ultralytics -(1 - error), to "
            "`EMA` and `Median` the smoothed one, to Encog that at its looks), `d` the delta; one "
            "row of settings is one rule.",
            patience_table().to_markdown(index=False),
            quirks_markdown(),
        ]
    )


def quirks_markdown() -> str:
    """The module :mod:`quirks` as Markdown, its examples fenced."""
    text = inspect.cleandoc(quirks.__doc__ or "")
    return re.sub(r"^(>>> .*?)$(?=\n\n|\Z)", r"```python\n\1\n```", text, flags=re.M | re.S)


def _row(family: Family) -> dict[str, str]:
    return {
        "rule": signature(family),
        "watches": ", ".join(family.watches) or "epoch",
        "statistic": _field(family, "Statistic"),
        "passes": f"{family.passes} {family.threshold}" if family.threshold else "where it holds",
        "source": _field(family, "Source").rstrip("."),
        "verified": _field(family, "Verified"),
    }


def signature(family: Family) -> str:
    """The rule as one writes it, with the defaults: ``Keras(patience=0, min_delta=0, ...)``."""
    nothing = inspect.Parameter.empty
    slots = [
        name if default is nothing else f"{name}={_shown(default)}"
        for name, default in family.defaults.items()
    ]
    return f"{family.name}({', '.join(slots)})"


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else repr(value)


def _field(family: Family, name: str) -> str:
    """A field of the docstring in one line; empty where it has none, as a user's rule may."""
    found = re.search(rf"^{name}: (.*?)(?=\n\n|\Z)", family.__doc__ or "", re.M | re.S)
    return " ".join(found[1].split()).replace("``", "") if found else ""


def _knobs(state: Any) -> list[Knobs]:
    """The knobs in a rule's state: of the rule itself, then of what is restored."""
    if isinstance(state, Knobs):
        return [state]
    parts = state if isinstance(state, tuple) else ()
    return [knobs for part in parts for knobs in _knobs(part)]


def _knob_row(family: Family, knobs: Knobs, restored: Knobs) -> dict[str, str]:
    return {
        "rule": family.name,
        "improves where": IMPROVES[knobs.test],
        "first value": "always improves" if knobs.first else "improves on infinity",
        "best moves": MOVES[knobs.moves],
        "bad are": COUNTS[knobs.counts],
        "counted in": "epochs" if knobs.epochs else "checks",
        "bad to stop": f"{family.threshold}{' + 1' if family.passes == '>' else ''}",
        "stops while improving": AT_GAIN[knobs.at_gain],
        "NaN, infinity": "stops" if knobs.finite else "compared",
        "of ties keeps": "last" if restored.last_tie else "first",
    }
