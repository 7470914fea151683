"""What was recorded: curve sets, validated, in memory and in files."""

from earlystop_lab.curves.facts import facts_of
from earlystop_lab.curves.sets import (
    ERRORS,
    Channel,
    Checks,
    Curve,
    CurveSet,
    FloatArray,
    Mode,
    Runs,
    curve_files,
    is_curves,
    local_minima,
    not_curves,
    read_curves,
    read_only,
)

__all__ = [
    "ERRORS",
    "Channel",
    "Checks",
    "Curve",
    "CurveSet",
    "FloatArray",
    "Mode",
    "Runs",
    "curve_files",
    "facts_of",
    "is_curves",
    "local_minima",
    "not_curves",
    "read_curves",
    "read_only",
]
