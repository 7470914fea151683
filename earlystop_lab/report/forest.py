"""The picture of a comparison that a page begins with: differences with intervals, rule by rule.

It is a table whose rows have a small picture each, so that it can be read aloud and shown on a
narrow screen. Known rules of one kin, such as all that count checks without improvement, are
folded: the one that comes off best stands for them.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from earlystop_lab._common.wording import signed
from earlystop_lab.criteria import FAMILIES
from earlystop_lab.curves import FloatArray
from earlystop_lab.report.comparison import COLUMNS, label
from earlystop_lab.report.messages import worded
from earlystop_lab.studies.comparison import Verdict

#: kin of known rules, by the module of their definition
KINS = {
    "prechelt": "rules of Prechelt's study",
    "limits": "limits",
    "patience": "patience rules",
    "keras": "rules of Keras",
    "torch": "rules of PyTorch libraries",
    "sklearn": "rules of scikit-learn",
    "boosting": "rules of boosting libraries",
    "automl": "rules of AutoML and tuning libraries",
    "older": "rules of older packages",
    "papers": "rules of papers",
    "smoothed": "rules on smoothed curves",
    "emerging": "new rules",
}
#: what all other rules are
OTHERS = "other rules"
#: how each verdict is marked
MARKS = {
    Verdict.BETTER: "circle",
    Verdict.WORSE: "square",
    Verdict.EQUIVALENT: "bar",
    Verdict.RANKS: "triangle",
    Verdict.NOT_SHOWN: "diamond",
    Verdict.SAME: "cross",
}
#: the axis shows all intervals up to this quantile of their ends
SHOWN = 0.85
#: room at both ends of the axis, as a share
ROOM = 0.04


class Row(NamedTuple):
    """A known rule: its places on the axis are percentages of the axis' width."""

    rule: str
    difference: str
    verdict: str
    mark: str
    at: float
    low: float
    high: float
    #: whether the interval goes on beyond the ends of the axis
    cut: tuple[bool, bool]


class Kin(NamedTuple):
    """Known rules of one kind, the one that comes off best first."""

    name: str
    rows: list[Row]


def kin_of(rule: str) -> str:
    """What kind of rule a known rule is.

    >>> kin_of("Lightning"), kin_of("Lightning(patience=3)"), kin_of("Mine")
    ('patience rules', 'patience rules', 'other rules')
    """
    family = FAMILIES.get(rule.split("(")[0])
    made = None if family is None else family.step or family.array
    return OTHERS if made is None else KINS.get(made.__module__.split(".")[-1], OTHERS)


def forest_of(comparisons: pd.DataFrame) -> dict[str, Any]:
    """What the page draws: ``zero`` and ``ticks`` of the axis, and ``kins``, the strongest first.

    Parameters
    ----------
    comparisons : DataFrame
        Those of all corpora (``Bench.pooled``), or of one; a row of the same results has all their
        rules.

    Returns
    -------
    dict
    """
    rows = comparisons.sort_values("difference", ascending=False, kind="stable")
    ends = np.expm1(rows[["difference", "low", "high"]].to_numpy(float))
    low, high = _limits(ends)
    kins: dict[str, list[Row]] = {}
    for row, shares in zip(rows.to_dict("records"), ends, strict=True):
        at, start, end = _placed(shares, low, high)
        made = Row(
            rule=label(row),
            difference=worded(COLUMNS["difference at equal time"], row),
            verdict=str(row["verdict"]),
            mark=MARKS[row["verdict"]],
            at=at,
            low=at if np.isnan(shares[1]) else start,
            high=at if np.isnan(shares[2]) else end,
            cut=(bool(shares[1] < low), bool(shares[2] > high)),
        )
        kins.setdefault(kin_of(str(row["rules"][0])), []).append(made)
    ticks = _ticks(low, high)
    places = _placed(ticks, low, high)
    return {
        "zero": float(_placed([0.0], low, high)[0]),
        "ticks": [
            {"at": at, "text": signed(value)} for at, value in zip(places, ticks, strict=True)
        ],
        "kins": [Kin(name, mine) for name, mine in kins.items()],
    }


def _limits(ends: FloatArray) -> tuple[float, float]:
    """The ends of the axis: zero and most of the intervals lie within."""
    finite = ends[np.isfinite(ends)]
    most = float(np.quantile(np.abs(finite), SHOWN)) if finite.size else 0.0
    most = 1.3 * max(most, 1e-4)
    low, high = max(float(finite.min(initial=0)), -most), min(float(finite.max(initial=0)), most)
    # differences that are rounding are drawn on the axis of no difference at all
    room = ROOM * (high - low if high - low > 1e-9 * most else most)
    return low - room, high + room


def _placed(values: Sequence[float] | FloatArray, low: float, high: float) -> list[float]:
    """Places on the axis in percent, those beyond at its ends."""
    shares = (np.asarray(values, float) - low) / (high - low)
    return [float(share) for share in np.round(100 * np.clip(shares, 0, 1), 2)]


def _ticks(low: float, high: float) -> list[float]:
    """Round numbers within the axis, zero among them, whose words have room."""
    rough = (high - low) / 4
    power = 10.0 ** np.floor(np.log10(rough))
    step = power * min((1, 2, 5, 10), key=lambda size: abs(size * power - rough))
    counts = range(int(np.ceil(low / step)), int(np.floor(high / step)) + 1)
    every = [float(step * count) for count in counts]
    places = _placed(every, low, high)
    return [tick for tick, at in zip(every, places, strict=True) if 5 <= at <= 95]
