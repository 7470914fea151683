"""What the page shows, as JSON, whose size does not depend on the length of a run."""

import math
import time
from typing import Any

import numpy as np
from tsdownsample import MinMaxDownsampler

from earlystop_lab.curves import FloatArray
from earlystop_lab.live.watch.runs import Board, Run, Verdict

#: points of a curve; if there are more, the lowest and highest of each stretch are shown
POINTS = 800


def overview(board: Board, folder: str) -> dict[str, Any]:
    """Summary of every run, the most recently begun first."""
    runs = sorted(board.runs.values(), key=lambda run: (-run.began, run.name))
    return {
        "folder": folder,
        "criteria": board.criteria,
        "refused": board.refused,
        "refusal": board.refusal,
        "trouble": board.trouble,
        "unread": [reason for reasons in board.unread.values() for reason in reasons[:5]],
        "runs": [_summary(run) for run in runs if len(run)],
    }


def detail(run: Run) -> dict[str, Any]:
    """The curves of a run and the statistics of its criteria, thinned."""
    epoch = run.curve("epoch")
    names = [name for name in ("val", "train") if name in run.names]
    sources = {name: run.about(name).source for name in ("val", "train")}
    return {
        **_summary(run),
        "version": run.version,
        "channels": {
            **sources,
            "mode": run.about("val").direction,
            "stand_in": bool(run.about("val").stand_in),
        },
        "notes": run.notes,
        "curves": {name: _thinned(epoch, run.curve(name)) for name in names},
        "not_finite": {name: _not_finite(epoch, run.masked(name)) for name in names},
        "verdicts": [_verdict(verdict, epoch, run.curve("val")) for verdict in run.verdicts],
    }


def _summary(run: Run) -> dict[str, Any]:
    last = run.last
    return {
        "run": run.name,
        "checks": len(run),
        "unit": run.about("epoch").unit or "epoch",
        "epoch": last["epoch"],
        "val": _number(last["val"]),
        "train": _number(last.get("train")),
        "best": run.best and {"epoch": run.best[0], "val": _number(run.best[1])},
        "silent": max(0.0, round(time.time() - run.changed, 1)),
        "stops": [each.stopper and each.stopper.stop_epoch for each in run.verdicts],
    }


def _verdict(verdict: Verdict, epoch: FloatArray, val: FloatArray) -> dict[str, Any]:
    stopper = verdict.stopper
    selected = None if stopper is None else stopper.best_epoch
    at = None if selected is None else int(np.searchsorted(epoch, selected))
    return {
        "criterion": verdict.criterion,
        "stop": stopper and stopper.stop_epoch,
        "reason": stopper and stopper.reason,
        #: the best check that it sees, which need not be the best of all
        "selected": selected,
        "selected_val": None if at is None else _number(float(val[at])),
        "problem": verdict.problem,
        #: number of checks that it has not seen yet
        "waiting": 0 if verdict.done else len(epoch) - verdict.seen,
        "statistics": [
            {
                "criterion": last.criterion,
                "passes": last.passes,
                "threshold": last.threshold,
                "value": _number(last.value),
                "holds": last.holds,
                "curve": _thinned(epoch[: len(values)], np.array(values)),
            }
            for last, values in zip(verdict.last, verdict.values, strict=True)
        ],
    }


def _thinned(epoch: FloatArray, values: FloatArray) -> dict[str, list[float | None]]:
    """The points of a curve, thinned such that no peak or trough is lost; always with the last."""
    if len(values) > POINTS:
        thin = MinMaxDownsampler()  # type: ignore[no-untyped-call]
        shown = thin.downsample(values, n_out=POINTS).astype(np.intp)
        shown = np.unique(np.append(shown, len(values) - 1))
        epoch, values = epoch[shown], values[shown]
    return {"epoch": epoch.tolist(), "value": [_number(value) for value in values.tolist()]}


def _not_finite(epoch: FloatArray, values: Any) -> dict[str, Any]:
    """How many measured values are NaN or infinite, and where the first and others are."""
    found = epoch[~np.ma.getmaskarray(values) & ~np.isfinite(values.data)]
    shown = np.unique(np.linspace(0, len(found) - 1, min(len(found), POINTS // 4)).astype(int))
    return {"count": len(found), "epoch": found[shown].tolist()}


def _number(value: float | None) -> float | None:
    """The value for JSON: None for NaN, infinities, and values that were not measured."""
    return value if value is not None and math.isfinite(value) else None
