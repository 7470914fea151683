"""The catalogue of the rules: as tables, at usual thresholds, and in other programs.

The tables are what ``earlystop criteria`` prints, and docs/criteria.md. They are read from the
rules themselves: signature, curves, threshold and the fields ``Statistic:``, ``Source:`` and
``Verified:`` of their docstrings.
"""

import inspect
import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import pandas as pd

from earlystop_lab.criteria import quirks
from earlystop_lab.criteria.core import Criterion, Family
from earlystop_lab.criteria.rules.boosting import LightGBM, XGBoost
from earlystop_lab.criteria.rules.keras import Keras
from earlystop_lab.criteria.rules.patience import AT_GAIN, COUNTS, IMPROVES, MOVES, Knobs
from earlystop_lab.criteria.rules.sklearn import SklearnMLP, SklearnSGD
from earlystop_lab.criteria.rules.torch import HuggingFace, Lightning
from earlystop_lab.criteria.table import FAMILIES

#: a usual threshold (of a rule without one, its first parameter) of every rule whose library
#: has no default, or 0, which stops at the first check without a gain
USUAL: dict[str, float] = {
    "GL": 5,
    "PQ": 0.5,
    "UP": 3,
    "Progress": 0.1,
    "MaxEpochs": 100,
    "Keras": 10,
    "Keras2": 10,
    "Ignite": 10,
    "Flax": 10,
    "SklearnGB": 10,
    "XGBoost": 10,
    "LightGBM": 10,
    "CatBoostIncToDec": 0.001,
    "OptunaPatient": 10,
    "H2O": 5,
    "DL4J": 10,
    "Slope": 20,
    "PlateauStd": 0.01,
    "Discrepancy": 0.01,  # should be the noise level, which only the data knows
    "RelativePatience": 10,
    "SuccessiveStrips": 3,
    "EMA": 10,
    "Median": 10,
    "EMAGL": 5,
    "MedianGL": 5,
    "PowerLaw": 0.01,
}

#: scikit-learn counts a tie as a gain unless a tolerance asks for more than one
_TINY = 1e-10


class Program(NamedTuple):
    """A program that has a rule, and the criterion that its own version of the rule is."""

    program: str
    criterion: Criterion
    #: the weights that are left in the end, as :func:`replay` calls them
    keeps: Literal["own", "best", "last"]


def rule_table(families: Mapping[str, Family] = FAMILIES) -> pd.DataFrame:
    """One row a rule: rule with its defaults, watches, statistic, passes, source, verified.

    >>> from earlystop_lab.criteria.catalogue import rule_table
    >>> rule_table().set_index("rule").loc["MaxEpochs(n)", ["statistic", "passes"]].tolist()
    ['the epoch', '>= n']
    """
    return pd.DataFrame([_row(family) for family in families.values()])


def patience_table(families: Mapping[str, Family] = FAMILIES) -> pd.DataFrame:
    """Where the patience rules differ, one row a rule at its default parameters: the knobs.

    >>> from earlystop_lab.criteria.catalogue import patience_table
    >>> patience_table().set_index("rule").loc["Flax", "bad to stop"]
    'patience + 1'
    """
    states = {family: _knobs(family.start()) for family in families.values() if family.start}
    return pd.DataFrame([_knob_row(f, knobs[0], knobs[-1]) for f, knobs in states.items() if knobs])


def usual(family: Family) -> Criterion:
    """The family at a usual threshold: that of :data:`USUAL`, else its library's defaults.

    Raises ``ValueError`` naming the family where neither says one.

    >>> from earlystop_lab import GL, Lightning
    >>> usual(GL), usual(Lightning)
    (GL(5), Lightning(3))
    """
    if FAMILIES.get(family.name) is family and family.name in USUAL:
        return family(USUAL[family.name])
    try:
        return family()
    except ValueError as error:
        raise ValueError(
            f"{family.name}: no usual threshold is known ({error}); choose one, such as "
            f"{family.name}(1)"
        ) from error


def programs(rule: Criterion) -> list[Program]:
    """The programs that have Keras' patience, with the parameters that make it theirs.

    Off by one is the usual mistake: scikit-learn's networks stop after *more than* so many epochs,
    its SGD and all others here after so many. scikit-learn's networks have no patience of 1.

    Without ``min_delta`` all stop where the rule does, whatever the finite errors. With one,
    XGBoost and LightGBM do, but for rounding; Hugging Face and scikit-learn have another rule,
    whose best also moves on gains below it. Raises ``ValueError`` for a rule that is not Keras'
    patience.

    >>> programs(Keras(10))[5]
    Program(program='scikit-learn SGD', criterion=SklearnSGD(10, tol=1e-10), keeps='last')
    """
    if rule.family is not Keras or rule.warmup:
        raise ValueError(f"{rule}: only Keras(patience, min_delta) has lines for other programs")
    params = dict(rule.params)
    if params["baseline"] is not None or params["start_from_epoch"]:
        raise ValueError(f"{rule}: baseline and start_from_epoch have no line in other programs")
    # a patience of 0 is one of 1
    p, delta = max(int(rule.threshold), 1), abs(float(str(params["min_delta"])))
    tol = delta or _TINY
    having = [
        Program("Keras", Keras(p, min_delta=delta), "own"),
        Program("Lightning", Lightning(p, min_delta=delta), "best"),
        Program("Hugging Face", HuggingFace(p, threshold=delta), "best"),
        Program("XGBoost", XGBoost(p, min_delta=delta), "own"),
        Program("LightGBM", LightGBM(p, min_delta=delta), "own"),
        Program("scikit-learn SGD", SklearnSGD(p, tol=tol), "last"),
    ]
    if p > 1:
        having.append(Program("scikit-learn MLP", SklearnMLP(p - 1, tol=tol), "own"))
    return having


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
            rule_table().to_markdown(index=False),
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
