"""When should training stop? Stopping criteria replayed over recorded learning curves."""

from earlystop_lab import criteria as _criteria
from earlystop_lab.criteria import *
from earlystop_lab.criteria.rates import reduce_lr_on_plateau, step_decay
from earlystop_lab.curves import Curve, CurveSet, read_curves
from earlystop_lab.engine.replaying import Stops, replay, trace
from earlystop_lab.measures.prechelt import tradeoff
from earlystop_lab.sources.logs import read_logs
from earlystop_lab.sources.synthetic import simulate
from earlystop_lab.studies.calibration import Calibrated, RefusedError, calibrate
from earlystop_lab.studies.conformance import check_criterion
from earlystop_lab.studies.recommendation import recommend

__all__ = [
    "Calibrated",
    "Curve",
    "CurveSet",
    "RefusedError",
    "Stops",
    "calibrate",
    "check_criterion",
    "read_curves",
    "read_logs",
    "recommend",
    "reduce_lr_on_plateau",
    "replay",
    "simulate",
    "step_decay",
    "trace",
    "tradeoff",
]
__all__ += _criteria.__all__
