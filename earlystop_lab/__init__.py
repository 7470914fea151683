"""When should training stop? Stopping criteria replayed over recorded learning curves."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from earlystop_lab._common.errors import EarlystopError as EarlystopError
    from earlystop_lab.criteria import *
    from earlystop_lab.criteria.rates import (
        reduce_lr_on_plateau as reduce_lr_on_plateau,
        step_decay as step_decay,
    )
    from earlystop_lab.curves import (
        Channel as Channel,
        Curve as Curve,
        CurveSet as CurveSet,
        read_curves as read_curves,
    )
    from earlystop_lab.engine.replaying import Stops as Stops, replay as replay, trace as trace
    from earlystop_lab.measures.prechelt import tradeoff as tradeoff
    from earlystop_lab.sources.logs import read_logs as read_logs
    from earlystop_lab.sources.synthetic import simulate as simulate
    from earlystop_lab.studies.calibration import (
        Calibrated as Calibrated,
        RefusedError as RefusedError,
        calibrate as calibrate,
    )
    from earlystop_lab.studies.conformance import check_criterion as check_criterion
    from earlystop_lab.studies.pruning import prune as prune
    from earlystop_lab.studies.recommendation import recommend as recommend
else:
    #: where a public name is, beside those of the room :mod:`criteria`
    _PLACES = {
        "Calibrated": "studies.calibration",
        "Channel": "curves",
        "Curve": "curves",
        "CurveSet": "curves",
        "EarlystopError": "_common.errors",
        "RefusedError": "studies.calibration",
        "Stops": "engine.replaying",
        "calibrate": "studies.calibration",
        "check_criterion": "studies.conformance",
        "prune": "studies.pruning",
        "read_curves": "curves",
        "read_logs": "sources.logs",
        "recommend": "studies.recommendation",
        "reduce_lr_on_plateau": "criteria.rates",
        "replay": "engine.replaying",
        "simulate": "sources.synthetic",
        "step_decay": "criteria.rates",
        "trace": "engine.replaying",
        "tradeoff": "measures.prechelt",
    }

    def __getattr__(name: str) -> Any:
        """A public name, imported when it is first asked for; also a room of the package."""
        if name == "__all__":
            return sorted([*_PLACES, *import_module(f"{__name__}.criteria").__all__])
        if not name.startswith("_"):
            place = import_module(f"{__name__}.{_PLACES.get(name, 'criteria')}")
            if name in _PLACES or name in place.__all__:
                return globals().setdefault(name, getattr(place, name))
            try:
                return import_module(f"{__name__}.{name}")
            except ModuleNotFoundError as error:
                if error.name != f"{__name__}.{name}":
                    raise
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __dir__() -> list[str]:
        return sorted({*globals(), *__getattr__("__all__")})
