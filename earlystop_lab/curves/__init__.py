"""Recorded learning curves: validated curve sets, in memory and in files."""

from earlystop_lab.curves.channels import (
    ERRORS,
    Channel,
    Form,
    Mode,
    Role,
    canonical,
    checked,
    concatenated,
    is_recorded,
    one_below_the_other,
    same_channels,
    taken,
)
from earlystop_lab.curves.facts import facts_of
from earlystop_lab.curves.flat import (
    Checks,
    FloatArray,
    Recorded,
    Runs,
    Watched,
    local_minima,
    read_only,
)
from earlystop_lab.curves.sets import (
    Curve,
    CurveSet,
    curve_files,
    is_curves,
    read_curves,
    require_curves,
)

__all__ = [
    "ERRORS",
    "Channel",
    "Checks",
    "Curve",
    "CurveSet",
    "FloatArray",
    "Form",
    "Mode",
    "Recorded",
    "Role",
    "Runs",
    "Watched",
    "canonical",
    "checked",
    "concatenated",
    "curve_files",
    "facts_of",
    "is_curves",
    "is_recorded",
    "local_minima",
    "one_below_the_other",
    "read_curves",
    "read_only",
    "require_curves",
    "same_channels",
    "taken",
]
