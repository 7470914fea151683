"""What a corpus holds: its lengths, and how its runs end."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import pandas as pd

from earlystop_lab.curves.sets import ERRORS, CurveSet, read_curves


def outcomes(curves: CurveSet) -> pd.DataFrame:
    """How every run's record ends, a row a run.

    Columns: ``run``, ``problem`` (``curves`` where none is recorded), ``checks``, ``best_epoch``
    (position of the lowest finite validation error, the earliest of ties; NaN where none is
    finite), ``last_epoch``, and four that are true or false: ``censored``, the lowest error is
    at the last check, so that a longer record might be lower; ``diverged``, some validation
    error is NaN or infinite; ``never_finite``, all of them are; ``repeated``, the run has more
    than one check and an earlier run of the set has the same, position and error.

    >>> runs = [{"run": "a", "val": [3.0, 2.0, 2.5]}, {"run": "b", "val": [4.0, float("nan")]}]
    >>> table = outcomes(CurveSet.from_runs(runs))
    >>> table[["run", "best_epoch", "censored", "diverged"]]
      run  best_epoch  censored  diverged
    0   a         2.0     False     False
    1   b         1.0     False      True
    """
    val, epoch = curves.channel("val"), curves.channel("epoch")
    starts, ends = val.offsets[:-1], val.offsets[1:]
    finite = np.isfinite(val.values)
    lengths = np.diff(val.offsets)
    error = np.where(finite, val.values, np.inf)
    low = np.minimum.reduceat(error, starts) if len(curves) else error
    # the earliest check of each run that has its lowest error
    lowest = np.flatnonzero(error == np.repeat(low, lengths))
    best = lowest[np.searchsorted(lowest, starts)]
    never = np.isinf(low)
    bad = np.concatenate([[0], np.cumsum(~finite)])
    problem = curves.meta["problem"].map(str) if curves.has("problem") else "curves"
    return pd.DataFrame(
        {
            "run": curves.runs,
            "problem": problem,
            "checks": lengths,
            "best_epoch": np.where(never, np.nan, epoch.values[best]),
            "last_epoch": epoch.values[ends - 1],
            "censored": (best == ends - 1) & ~never,
            "diverged": bad[ends] > bad[starts],
            "never_finite": never,
            "repeated": _repeated(curves),
        }
    )


def _repeated(curves: CurveSet) -> list[bool]:
    seen: set[bytes] = set()
    found = []
    for curve in curves:
        key = hashlib.sha256(curve.epoch.tobytes() + curve.val.tobytes()).digest()
        found.append(len(curve.val) > 1 and key in seen)
        seen.add(key)
    return found


def info(curves: CurveSet | str | Path) -> pd.DataFrame:
    """The facts of a curve set, or of the one at a path, a row a problem.

    Columns: ``problem``, ``runs``, ``checks_min``, ``checks_max``, ``last_tenth`` (share of the
    runs with a finite error whose lowest is in the last tenth of the record: best epoch > 0.9 x
    last epoch; NaN where there is no such run), the numbers of runs ``censored``, ``diverged``,
    ``never_finite`` and ``repeated`` (see :func:`outcomes`), ``one_check`` (runs of a single
    check, which cannot say when to stop) and ``channels``, the curves that any run has.

    Raises ``OSError`` or ``ValueError`` as :func:`earlystop_lab.curves.read_curves`.

    >>> info(CurveSet.from_runs([{"val": [2.0, 1.0]}, {"val": [1.0, 2.0]}])).iloc[0].to_dict()
    ... # doctest: +NORMALIZE_WHITESPACE
    {'problem': 'curves', 'runs': 2, 'checks_min': 2, 'checks_max': 2, 'last_tenth': 0.5,
     'censored': 1, 'diverged': 0, 'never_finite': 0, 'repeated': 0, 'one_check': 0,
     'channels': 'val'}
    """
    if not isinstance(curves, CurveSet):
        curves = read_curves(curves)
    runs = outcomes(curves)
    runs["last_tenth"] = (runs["best_epoch"] > 0.9 * runs["last_epoch"]).where(
        ~runs["never_finite"]
    )
    runs["one_check"] = runs["checks"] == 1
    for name in ERRORS:
        runs[name] = np.diff(curves.channel(name).offsets) > 0
    groups = runs.groupby("problem", sort=True)
    table = groups.agg(
        runs=("run", "size"),
        checks_min=("checks", "min"),
        checks_max=("checks", "max"),
        last_tenth=("last_tenth", lambda share: share.astype(float).mean()),
        censored=("censored", "sum"),
        diverged=("diverged", "sum"),
        never_finite=("never_finite", "sum"),
        repeated=("repeated", "sum"),
        one_check=("one_check", "sum"),
    )
    recorded = groups[list(ERRORS)].any()
    table["channels"] = [
        ", ".join(name for name in ERRORS if row[name]) for row in recorded.to_dict("records")
    ]
    return table.reset_index()
