"""What stopping some runs of a set for the sake of others saves, and how often it stops the best.

A search trains many runs to find the best one. A rule that sees other runs
(:mod:`criteria.pruners`) may stop that very run.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from earlystop_lab._common.checks import require_count
from earlystop_lab.criteria.pruners import Pruning
from earlystop_lab.curves import CurveSet, facts_of, read_curves, require_curves
from earlystop_lab.engine.replaying import Asked, Stops, plan, replay


def prune(
    curves: CurveSet | str | Path,
    criteria: Iterable[Asked] | Mapping[str, Asked],
    *,
    orders: int = 20,
    seed: int = 0,
) -> pd.DataFrame:
    """What each rule saves in a search, and how often it stops the run that would be the best.

    The runs of a problem (metadata column ``problem``; without it, all runs) are one search. A rule
    that sees other runs is replayed in ``orders`` random orders of arrival, or if it names a
    ``seed`` of its own, in that order; other rules do not depend on it.

    Parameters
    ----------
    curves : CurveSet, str or Path
    criteria : iterable of criteria or str, or dict
        As for :func:`replay`, for example ``["SyneTuneASHA(3, workers=4)", "Keras(10)"]``.
    orders : int
        Number of random orders of arrival.
    seed : int
        Seed of the orders.

    Returns
    -------
    DataFrame
        One row per rule. Columns: ``criterion``; ``problems``; ``runs``; ``orders``; ``stopped``,
        the share of the runs that are stopped; ``saved``, the share of all training that is not
        done, in positions, over all problems; ``killed``, the share of searches, over problems and
        orders, in which the best run is stopped before its lowest validation error (of several
        best, all of them); ``loss``, the mean over these of the lowest validation error that is
        reached less that of all runs, and ``regret``, the same over the latter, NaN unless all
        lowest errors are above 0. A run whose errors are all NaN is never the best.

    Raises
    ------
    ValueError
        As :func:`replay`; or if ``orders`` is not a number of orders.

    Examples
    --------
    >>> from earlystop_lab import CurveSet, prune
    >>> curves = CurveSet.from_runs([{"val": v} for v in ([0.9, 0.5], [0.8, 0.6], [0.7, 0.7])])
    >>> found = prune(curves, ["SyneTuneASHA(2, max_t=3)"], orders=4)
    >>> found[["stopped", "saved", "killed"]].to_numpy().round(3)
    array([[0.167, 0.042, 0.25 ]])
    """
    require_curves("prune", curves, paths=True)
    require_count("prune: orders", orders)
    require_count("prune: seed", seed, 0)
    known = curves if isinstance(curves, CurveSet) else read_curves(curves)
    asked = plan(criteria)
    problem = known.meta["problem"].map(str) if known.has("problem") else pd.Series("", known.runs)
    rows = []
    for text, column in zip(asked.texts, asked.columns, strict=True):
        rule = asked.rules[column]
        some = [rule]
        if isinstance(rule, Pruning) and rule.seed is None:
            some = [rule.with_seed(seed + k) for k in range(orders)]
        stops = replay(known, {str(k): each for k, each in enumerate(some)})
        rows.append({"criterion": text, **_row(known, stops, problem.to_numpy(str))})
    return pd.DataFrame(rows)


def _row(curves: CurveSet, stops: Stops, problem: NDArray[np.str_]) -> dict[str, float]:
    """The numbers of one rule; the stops have a column an order."""
    facts = facts_of(curves)
    lowest = facts.lowest("val")
    reached = stops.error("val")
    searches = []
    for name in dict.fromkeys(problem.tolist()):
        mine = (problem == name) & ~np.isnan(lowest.value)
        if not mine.any():
            continue
        best = lowest.value[mine].min()
        its = mine & (lowest.value == best)
        killed = (stops.stop[its] < lowest.epoch[its][:, None]).all(axis=0)
        found = np.nanmin(np.where(np.isnan(reached[mine]), np.inf, reached[mine]), axis=0)
        searches += [
            (k, loss, loss / best if best > 0 else np.nan)
            for k, loss in zip(killed.tolist(), (found - best).tolist(), strict=True)
        ]
    killed_share, loss, regret = np.mean(searches, axis=0) if searches else (np.nan,) * 3
    return {
        "problems": len(set(problem.tolist())),
        "runs": len(curves),
        "orders": stops.stop.shape[1],
        "stopped": float(stops.fired.mean()),
        "saved": float(1 - stops.stop.mean(axis=1).sum() / facts.last.sum()),
        "killed": float(killed_share),
        "loss": float(loss),
        "regret": float(regret),
    }
