"""What recorded runs hide of what more training would have found, whatever is asked of them."""

from enum import StrEnum

import numpy as np

from earlystop_lab.curves import CurveSet, facts_of
from earlystop_lab.studies.reasons import Reason


class Hidden(StrEnum):
    """Why losses measured on some records are lower bounds."""

    #: ``stopped`` of the ``ended`` runs that ended before the longest did so by a ``patience``
    STOPPED = "records.stopped"
    #: a ``share`` of the runs has its lowest error in the last tenth of the record
    LATE = "records.late"


def hidden(curves: CurveSet) -> list[Reason]:
    """What these records hide of what more training would have found.

    >>> hidden(CurveSet.from_runs([{"val": [3.0, 2.0, 1.0, 2.0]}]))
    []
    """
    facts = facts_of(curves)
    late = float((facts.lowest("val").epoch > 0.9 * facts.last).mean())
    return [*_stopped(curves), *([Reason(Hidden.LATE, {"share": late})] if late > 0 else [])]


def much(reason: Reason) -> bool:
    """Whether so much is hidden that an answer is only a guide."""
    return reason.what is Hidden.STOPPED or reason.numbers["share"] > 1 / 3


def _stopped(curves: CurveSet) -> list[Reason]:
    """What shows that a patience had stopped the runs: as many checks after the best in most."""
    lengths, lowest = curves.lengths, facts_of(curves).lowest("val")
    after = np.where(lowest.row < 0, 0, lengths - 1 - lowest.row)
    ended = after[lengths < lengths.max()]
    if len(ended) < 3:
        return []
    values, counts = np.unique(ended, return_counts=True)
    patience, stopped = int(values[counts.argmax()]), int(counts.max())
    if patience < 1 or stopped < 3 or stopped / len(ended) < 0.5:
        return []
    return [Reason(Hidden.STOPPED, {"stopped": stopped, "ended": len(ended), "patience": patience})]
