"""Stopping criteria, and the one table of their names."""

from earlystop_lab.criteria import text as _text
from earlystop_lab.criteria.core import (
    Combination,
    Criterion,
    Family,
    Rule,
    after,
    all_of,
    any_of,
    criterion,
)
from earlystop_lab.criteria.libraries import (
    HuggingFace,
    Ignite,
    LightGBM,
    Lightning,
    SklearnMLP,
    SklearnSGD,
    Skorch,
    XGBoost,
)
from earlystop_lab.criteria.patience import Keras, Keras2, MaxEpochs, TerminateOnNaN
from earlystop_lab.criteria.prechelt import GL, PQ, UP, Progress
from earlystop_lab.criteria.windows import OptunaPatient, SklearnGB, SklearnHGB

__all__ = [
    "FAMILIES", "GL", "PQ", "UP", "Combination", "Criterion", "Family", "HuggingFace", "Ignite",
    "Keras", "Keras2", "LightGBM", "Lightning", "MaxEpochs", "OptunaPatient", "Progress",
    "Rule", "SklearnGB", "SklearnHGB", "SklearnMLP", "SklearnSGD", "Skorch", "TerminateOnNaN",
    "XGBoost", "after", "all_of", "any_of", "criterion", "parse",
]  # fmt: skip

#: every rule of the toolkit by its name; a new one is one more entry
FAMILIES: dict[str, Family] = {
    family.name: family
    for family in (
        GL,
        PQ,
        UP,
        Progress,
        MaxEpochs,
        Keras,
        Keras2,
        TerminateOnNaN,
        Lightning,
        Ignite,
        HuggingFace,
        Skorch,
        SklearnMLP,
        SklearnSGD,
        XGBoost,
        LightGBM,
        SklearnHGB,
        SklearnGB,
        OptunaPatient,
    )
}


def parse(text: str, families: dict[str, Family] = FAMILIES) -> Rule:
    """The criterion that a text says; the inverse of ``str``.

    ``families`` are the names that may be used. Raises ``ValueError`` where the text cannot be
    read, or names an unknown criterion or parameter or a value that is not allowed.

    >>> parse("any_of(PQ(0.50, k=5), MaxEpochs(3000))")
    any_of(PQ(0.5), MaxEpochs(3000))
    """
    return _text.parse(text, families)
