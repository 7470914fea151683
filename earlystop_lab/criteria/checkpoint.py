"""Which weights a checkpoint callback would have kept: a policy for ``replay(restore=...)``."""

from __future__ import annotations

import math
from typing import Literal, NamedTuple

from earlystop_lab.criteria.core import criterion
from earlystop_lab.criteria.patience import (
    DIFFERENCE,
    Knobs,
    Patience,
    patience_state,
    patience_step,
)

__all__ = ["ModelCheckpoint"]


class Saved(NamedTuple):
    """State of a checkpoint: whether it saves every epoch, the last epoch, the best so far."""

    always: bool
    epoch: float
    best: Patience


def saved_step(s: Saved, epoch: float, val: float, train: float) -> tuple[Saved, float]:
    """It sees the epoch and never stops training."""
    best, _ = patience_step(s.best, epoch, val, train)
    return Saved(s.always, epoch, best), math.nan


def saved_epoch(s: Saved) -> float:
    """The epoch saved last; NaN where none was."""
    return s.epoch if s.always else s.best.kept


@criterion(step=saved_step, own=saved_epoch)
def ModelCheckpoint(
    *,
    save_best_only: bool = False,
    initial_value_threshold: float | None = None,
    ties: Literal["first", "last"] = "first",
) -> Saved:
    """``keras.callbacks.ModelCheckpoint`` as a selection policy: it keeps weights, it never stops.

    Give it as ``restore`` to :func:`replay`. By default every epoch is saved and the last one
    kept. With ``save_best_only`` an epoch is saved where its error is strictly below the best;
    ``ties="last"`` saves equal errors, too, as other libraries do. The first error always counts
    as the best, a NaN included, which nothing is below; with ``initial_value_threshold``, in
    units of the error, the best starts there instead. Where nothing was saved, the weights are
    those at the stop.

    Source: Keras 3.15, ``keras/src/callbacks/model_checkpoint.py``.

    Verified: keras 3.15.1

    >>> from earlystop_lab import CurveSet, MaxEpochs, ModelCheckpoint, replay
    >>> curves = CurveSet.from_runs([{"val": [0.9, 0.5, 0.5, 0.7]}])
    >>> for ties in ("first", "last"):
    ...     policy = ModelCheckpoint(save_best_only=True, ties=ties)
    ...     print(replay(curves, [MaxEpochs(4)], restore=policy).selected[0, 0])
    2.0
    3.0
    """
    first = initial_value_threshold is None
    best = math.inf if initial_value_threshold is None else float(initial_value_threshold)
    knobs = Knobs(DIFFERENCE, first=first, last_tie=ties == "last")
    return Saved(not save_best_only, math.nan, patience_state(knobs, best=best))
