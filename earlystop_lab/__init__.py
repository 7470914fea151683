"""When should training stop? Stopping criteria replayed over recorded learning curves."""

from earlystop_lab.conformance import check_criterion
from earlystop_lab.criteria import (
    GL,
    PQ,
    UP,
    HuggingFace,
    Ignite,
    Keras,
    Keras2,
    LightGBM,
    Lightning,
    MaxEpochs,
    OptunaPatient,
    Progress,
    SklearnGB,
    SklearnHGB,
    SklearnMLP,
    SklearnSGD,
    Skorch,
    TerminateOnNaN,
    XGBoost,
    after,
    all_of,
    any_of,
    criterion,
    parse,
)
from earlystop_lab.curves import Curve, CurveSet, read_curves
from earlystop_lab.replay import Stops, replay, trace
from earlystop_lab.tradeoff import tradeoff

__all__ = [
    "GL", "PQ", "UP", "Curve", "CurveSet", "HuggingFace", "Ignite", "Keras", "Keras2", "LightGBM",
    "Lightning", "MaxEpochs", "OptunaPatient", "Progress", "SklearnGB", "SklearnHGB", "SklearnMLP",
    "SklearnSGD", "Skorch", "Stops",
    "TerminateOnNaN", "XGBoost", "after", "all_of", "any_of", "check_criterion", "criterion",
    "parse", "read_curves", "replay", "trace", "tradeoff",
]  # fmt: skip
