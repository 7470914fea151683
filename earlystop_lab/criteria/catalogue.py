"""The catalogue of rules: as tables, at usual thresholds, and as other programs spell them.

``earlystop criteria`` and docs/criteria.md show these tables. They are generated from the rules
themselves: their signature, the channels they watch, their threshold, and the fields
``Statistic:``, ``Source:`` and ``Verified:`` of their docstrings.
"""

import inspect
import re
from collections.abc import Mapping
from typing import Any, Literal, NamedTuple

import pandas as pd

from earlystop_lab.criteria import quirks
from earlystop_lab.criteria.compared import compared_table
from earlystop_lab.criteria.core import Criterion, Family
from earlystop_lab.criteria.libraries import library_table
from earlystop_lab.criteria.rules.boosting import LightGBM, XGBoost
from earlystop_lab.criteria.rules.keras import Keras
from earlystop_lab.criteria.rules.patience import AT_GAIN, COUNTS, IMPROVES, MOVES, Knobs
from earlystop_lab.criteria.rules.pruning import PRUNERS
from earlystop_lab.criteria.rules.sklearn import SklearnMLP, SklearnSGD
from earlystop_lab.criteria.rules.torch import HuggingFace, Lightning, Ultralytics
from earlystop_lab.criteria.table import FAMILIES

#: a usual threshold (or first parameter, for a rule without a threshold) for every rule whose
#: library has no default, or whose default is 0, which stops at the first check without a gain
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
    "NGBoost": 10,
    "Catalyst": 10,
    "Cornac": 10,
    "Paddle": 10,
    "StableBaselines3": 10,
    "OpenNMT": 4,
    "OpenNMTScorer": 4,
    "DeepXDE": 10000,  # iterations, of which the library looks at every thousandth
    "TPOT": 10,
    "PyGAD": 10,
    "SkoptDeltaY": 0.01,
    "SyneTunePlateau": 1,
    "OptunaPatient": 10,
    "H2O": 5,
    "DL4J": 10,
    "Slope": 20,
    "PlateauStd": 0.01,
    "Discrepancy": 0.01,  # should be the noise level, which depends on the data
    "RelativePatience": 10,
    "SuccessiveStrips": 3,
    "EMA": 10,
    "Median": 10,
    "EMAGL": 5,
    "MedianGL": 5,
    "GradES": 1e-3,  # should be a small share of the first norm, which depends on the model
    "PowerLaw": 0.01,
    "MultiPowerLaw": 0.001,
}

#: scikit-learn counts a tie as an improvement unless the tolerance is above 0
_TINY = 1e-10


class Program(NamedTuple):
    """A program that implements a rule, and the criterion equal to its implementation."""

    program: str
    criterion: Criterion
    #: the weights that the program keeps, in the terms of ``restore`` of :func:`replay`
    keeps: Literal["own", "best", "last"]


def rule_table(families: Mapping[str, Family] = FAMILIES) -> pd.DataFrame:
    """One row per rule: rule with its defaults, watches, statistic, passes, source, verified.

    >>> from earlystop_lab.criteria.catalogue import rule_table
    >>> rule_table().set_index("rule").loc["MaxEpochs(n)", ["statistic", "passes"]].tolist()
    ['the epoch', '>= n']
    """
    return pd.DataFrame([_row(family) for family in families.values()])


def pruner_table() -> pd.DataFrame:
    """One row per rule that sees other runs, with the columns of :func:`rule_table`.

    >>> from earlystop_lab.criteria.catalogue import pruner_table
    >>> pruner_table()["rule"].str.partition("(")[0].tolist()[:3]
    ['SyneTuneMedian', 'SyneTuneASHA', 'AxPercentile']
    """
    return rule_table({name: pruner.family for name, pruner in PRUNERS.items()})


def patience_table(families: Mapping[str, Family] = FAMILIES) -> pd.DataFrame:
    """One row per patience rule at its default parameters, one column per setting they differ in.

    >>> from earlystop_lab.criteria.catalogue import patience_table
    >>> patience_table().set_index("rule").loc["Flax", "bad checks to stop"]
    'patience + 1'
    """
    begin = {f: f.start for f in families.values() if f.threshold}
    states = {family: _knobs(start()) for family, start in begin.items() if start}
    return pd.DataFrame([_knob_row(f, knobs[0], knobs[-1]) for f, knobs in states.items() if knobs])


def usual(family: Family) -> Criterion:
    """Return the family at its usual threshold: the one in :data:`USUAL`, else the default.

    Raises ``ValueError`` naming the family if there is neither.

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
            f"{family.name}: has no usual threshold ({error}); choose one, for example "
            f"{family.name}(1)"
        ) from error


def programs(rule: Criterion, *, fitness: bool = False) -> list[Program]:
    """List the programs that implement Keras' patience, with equivalent parameters for each.

    Ultralytics stops by its own ``fitness`` and by nothing else: where the rule watches that, it is
    the only program, and otherwise none of them. It has no ``min_delta``, and of equal values it
    keeps the last.

    Off-by-one errors are common here: scikit-learn's MLP stops after *more than*
    ``n_iter_no_change`` epochs, its SGD and all other programs in the list after exactly that
    many. scikit-learn's MLP therefore cannot express a patience of 1.

    Without ``min_delta``, all of them stop at the same check as the rule for any finite errors.
    With ``min_delta``, XGBoost and LightGBM still do, up to rounding; Hugging Face and
    scikit-learn use a different rule, in which the best value also moves on gains below
    ``min_delta``. Raises ``ValueError`` for a rule that is not Keras' patience.

    >>> programs(Keras(10))[5]
    Program(program='scikit-learn SGD', criterion=SklearnSGD(10, tol=1e-10), keeps='last')
    """
    if rule.family is not Keras or rule.warmup:
        raise ValueError(f"{rule}: only Keras(patience, min_delta) translates to other programs")
    params = dict(rule.params)
    if params["baseline"] is not None or params["start_from_epoch"]:
        raise ValueError(f"{rule}: other programs have no baseline and no start_from_epoch")
    # Keras treats a patience of 0 like 1
    p, delta = max(int(rule.threshold), 1), abs(float(str(params["min_delta"])))
    tol = delta or _TINY
    if fitness:
        return [] if delta else [Program("Ultralytics", Ultralytics(p), "own")]
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
    """The contents of docs/criteria.md: rules, patience rules compared, libraries, and quirks."""
    return "\n\n".join(
        [
            "# Stopping criteria",
            "Generated from the rules themselves by `earlystop criteria --markdown`. A rule stops "
            "training at the first check at which its statistic passes its threshold; an undefined "
            "statistic never passes. *Verified* names the library version whose own code made the "
            "same decisions on random curves of the values that it compares, or says that the rule "
            "was worked by hand. If this does not cover every training, what it covers follows "
            'after a comma. `help("earlystop_lab.Keras")` shows the full documentation of a rule. '
            "Rules can be combined: `any_of(GL(5), MaxEpochs(500))`, `all_of(GL(2), UP(3))`, "
            "`after(50, UP(3))`.",
            rule_table().to_markdown(index=False),
            "## How the patience rules differ",
            "`v` is the value that the rule compares: the validation error, except that "
            "Ultralytics compares -(1 - error), `EMA` and `Median` compare the smoothed error, "
            "and Encog compares only the errors at the checks it looks at. `d` is the delta.",
            patience_table().to_markdown(index=False),
            "## New rules beside the known ones",
            "What `bench` says of rules that were added lately, at equal training time: than how "
            "many of the other rules the new one is better or worse, to how many it is equivalent "
            "within 0.5% of the error, with which it is the same, and from how many no difference "
            "of the means is shown, though of some their ranks differ; over the data sets of the "
            "corpora, adjusted for all comparisons. *Not shown* is no verdict of equality. `PyGAD` "
            "never stops a run without ties, and was compared with few rules. `MultiPowerLaw` has "
            "the constants of language models here, and no plan. The curves of `lcbench-surrogate` "
            "are those of a surrogate, without noise of their own. No corpus has the channels of "
            f"{unmeasured()}: they were not compared.",
            compared_table().to_markdown(index=False),
            "## Rules that see other runs",
            "They compare the reports of a run with those of others, as in a search for the best "
            "run. `workers` is the number of runs that are trained at the same time, by default "
            "all, and `seed` that of a random order of arrival. `replay` takes them beside other "
            "rules, and `prune` says what they save and how often they stop the best run.",
            pruner_table().to_markdown(index=False),
            "## Which rule is my library's?",
            "The early stopping of libraries as their users write it, at values that show which "
            "parameter is which, and the rule that is the same or the closest; what differs from "
            "it, or is easily overlooked, is said beside it. *Verified*: the code of that version "
            "decided the same on 240 random curves, with ties and, unless it says otherwise, with "
            "NaN and infinity, apart from what is said to differ: the stop, and what the code "
            "itself keeps. *Read*: taken from its source or documentation. "
            "`earlystop criteria --library NAME` shows the rows of one library.",
            library_table().fillna("none").to_markdown(index=False),
            quirks_markdown(),
        ]
    )


def unmeasured() -> str:
    """The rules that watch more than errors and were not compared, by name, in words."""
    compared = {*compared_table()["rule"]}
    watching = [name for name, family in FAMILIES.items() if {*family.watches} - {"val", "train"}]
    names = [f"`{name}`" for name in watching if name not in compared]
    return f"{', '.join(names[:-1])} and {names[-1]}"


def quirks_markdown() -> str:
    """Render the docstring of :mod:`quirks` as Markdown, with its examples fenced."""
    text = inspect.cleandoc(quirks.__doc__ or "")
    return re.sub(r"^(>>> .*?)$(?=\n\n|\Z)", r"```python\n\1\n```", text, flags=re.M | re.S)


def _row(family: Family) -> dict[str, str]:
    return {
        "rule": signature(family),
        "watches": ", ".join(family.watches) or "epoch",
        "statistic": statistic_of(family),
        "passes": f"{family.passes} {family.threshold}" if family.threshold else "when it holds",
        "source": _field(family, "Source").rstrip("."),
        "verified": _field(family, "Verified"),
    }


def statistic_of(family: Family) -> str:
    """What the statistic of a family is, as its documentation says it; empty if it does not.

    >>> from earlystop_lab import MaxEpochs
    >>> statistic_of(MaxEpochs)
    'the epoch'
    """
    return _field(family, "Statistic")


def signature(family: Family) -> str:
    """The rule as users write it, with its defaults: ``Keras(patience=0, min_delta=0, ...)``."""
    nothing = inspect.Parameter.empty
    slots = [
        name if default is nothing else f"{name}={_shown(default)}"
        for name, default in family.defaults.items()
    ]
    return f"{family.name}({', '.join(slots)})"


def _shown(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else repr(value)


def _field(family: Family, name: str) -> str:
    """A field of the docstring on one line; empty if absent, as it may be for a user's rule."""
    found = re.search(rf"^{name}: (.*?)(?=\n\n|\Z)", family.__doc__ or "", re.M | re.S)
    return " ".join(found[1].split()).replace("``", "") if found else ""


def _knobs(state: Any) -> list[Knobs]:
    """The knobs in a rule's state: those of the rule itself, then those of its model saver."""
    if isinstance(state, Knobs):
        return [state]
    parts = state if isinstance(state, tuple) else ()
    return [knobs for part in parts for knobs in _knobs(part)]


def _knob_row(family: Family, knobs: Knobs, restored: Knobs) -> dict[str, str]:
    return {
        "rule": family.name,
        "improves if": IMPROVES[knobs.test],
        "first value": _first(knobs),
        "best is updated": MOVES[knobs.moves],
        "counts as bad": COUNTS[knobs.counts],
        "counted in": "epochs" if knobs.epochs else "checks",
        "bad checks to stop": f"{family.threshold}{' + 1' if family.passes == '>' else ''}",
        "can stop while improving": AT_GAIN[knobs.at_gain],
        "NaN, infinity": _special(knobs),
        "kept among ties": "last" if restored.last_tie else "first",
    }


def _first(knobs: Knobs) -> str:
    improves = "always improves" if knobs.first else "improves on infinity"
    return f"{improves}, but counts as bad" if knobs.first_bad else improves


def _special(knobs: Knobs) -> str:
    if knobs.finite:
        return "stops"
    return "NaN is skipped" if knobs.skips_nan else "compared"
