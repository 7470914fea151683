"""Time versus generalisation: the cost and the error of criteria, as tables.

With t_s the stop epoch, t_m the selected epoch, E_va and E_te the errors at t_m, and x either
the best criterion of the same run or a reference criterion:

- slowness S_x = t_s / t_s(x),
- badness B_x = E_te / E_te(x),
- redundancy r = t_s / t_m - 1,
- a criterion is *good* in a run if its E_va equals the lowest E_va of all criteria there.

The best criterion of a run is the one with the lowest E_va; ties are broken by the smaller t_s.
For scores, E is their negative: badness is then the ratio of the scores, and higher is better.

Best and good are relative to the criteria in the given ``Stops``.

Source: L. Prechelt, "Early Stopping - but when?", Springer 1998.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from earlystop_lab._common.wording import nearest
from earlystop_lab.curves import FloatArray
from earlystop_lab.engine.replaying import Stops
from earlystop_lab.measures.over_runs import intervals_over_runs

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class RunRatios(NamedTuple):
    """Prechelt's measures of every run and criterion: arrays of shape (runs, criteria)."""

    slowness_best: FloatArray
    slowness_ref: FloatArray
    redundancy: FloatArray
    badness_best: FloatArray
    badness_ref: FloatArray
    good: NDArray[np.bool_]


def run_ratios(
    stops: Stops, reference: str, *, time: str = "epoch", error: str = "test"
) -> RunRatios:
    """Slowness, badness, redundancy and goodness of every run and criterion.

    Parameters
    ----------
    stops : Stops
    reference : str
        The text of one of the criteria.
    time : str
        The cost of a stop: ``"epoch"`` for its position, or a channel that is a cost, such as
        ``"seconds"``.
    error : str
        The error channel for badness.

    Returns
    -------
    RunRatios

    Raises
    ------
    ValueError
        If ``reference`` is not one of the criteria, or a time or an error that is needed is NaN;
        select the runs that have them first.
    """
    if not isinstance(stops, Stops):
        raise TypeError(
            f"tradeoff takes the Stops that replay returns, not a {type(stops).__name__}"
        )
    if reference not in stops.criteria:
        raise ValueError(
            f"reference {reference!r} is not among the criteria: {', '.join(stops.criteria)}"
        )
    for name in ("val", error):
        if (missing := np.isnan(stops[name]).any(axis=1)).any():
            run = stops.meta["run"].iloc[int(missing.argmax())]
            raise ValueError(
                f"{missing.sum()} of {len(stops)} runs have no {name} error at a selected epoch, "
                f"the first is run {run!r}; leave them out"
                + ("" if name == "val" else ", or pass error='val'")
            )
    spent, until = stops.cost(time), stops.selected if time == "epoch" else stops[time]
    if not (above := np.minimum(spent, until) > 0).all():
        run = stops.meta["run"].iloc[int((~above).any(axis=1).argmax())]
        if time == "epoch":
            raise ValueError(f"run {run!r} selects epoch 0 or less; ratios need epochs from 1 on")
        raise ValueError(
            f"run {run!r} has no {time} above 0 where it stops or at a selected epoch; leave it out"
        )
    best = _best(stops)
    ref = stops.criteria.index(reference)
    val, test = stops.error("val"), stops.error(error)
    return RunRatios(
        slowness_best=spent / np.take_along_axis(spent, best, 1),
        slowness_ref=spent / spent[:, [ref]],
        redundancy=spent / until - 1,
        badness_best=_ratio(test, np.take_along_axis(test, best, 1)),
        badness_ref=_ratio(test, test[:, [ref]]),
        good=val == val.min(axis=1, keepdims=True),
    )


class TradeoffTable(pd.DataFrame):
    """The table of :func:`tradeoff`: a DataFrame that can be drawn.

    A selection of it is a plain ``DataFrame`` again.
    """

    def plot(  # type: ignore[override]
        self, x: str = "slowness_ref", y: str = "badness_ref", ax: Axes | None = None
    ) -> Axes:
        """Draw one point per criterion, time against generalisation.

        ``x`` and ``y`` name columns. Draws in a new figure if ``ax`` is not given, and returns the
        axes. Raises ``ValueError`` for a table made with ``by``, which has several
        rows per criterion, and for a column that is not there.
        """
        if self["criterion"].duplicated().any():
            raise ValueError(
                "plot: the table has several rows per criterion; call tradeoff without by, on the "
                "stops of the runs of interest"
            )
        if missing := [name for name in (x, y) if name not in self.columns]:
            raise ValueError(
                f"plot: there is no column {missing[0]!r}; {nearest(missing[0], self.columns)}"
                f"columns: {', '.join(self.columns)}"
            )
        from earlystop_lab.report.axes import new_axes, plot_tradeoff

        return plot_tradeoff(self, x, y, ax or new_axes())


def tradeoff(
    stops: Stops,
    reference: str = "GL(2)",
    by: str | None = None,
    *,
    time: str = "epoch",
    error: str = "test",
) -> TradeoffTable:
    """Time and generalisation of each criterion: one row per criterion, means over runs.

    Parameters
    ----------
    stops : Stops
    reference : str
        The text of one of the criteria, to which ``_ref`` columns are relative.
    by : str, optional
        A metadata column; the table then has one row for each of its values and each criterion.
    time, error : str
        As in :func:`run_ratios`. ``table.attrs`` records them.

    Returns
    -------
    TradeoffTable
        A DataFrame with its own ``plot``. Columns: ``slowness_best``, ``slowness_ref``,
        ``redundancy``, ``badness_best`` and ``badness_ref`` (means of the runs' ratios); the same
        with ``_median``, ``_geometric`` and ``_total`` (ratio of totals over runs, in which each
        run counts by its size; NaN for times in several units); ``p_good`` and ``fired`` (shares
        of runs); ``runs``. Means of ratios, medians and ratios of totals can rank criteria
        differently. The range of geometric means
        does not depend on the reference.

    Raises
    ------
    ValueError
        As :func:`run_ratios`, or if a run has no value in the column ``by``.

    Examples
    --------

    >>> from earlystop_lab import CurveSet, GL, replay, tradeoff
    >>> curves = CurveSet.from_runs([{"val": [2.0, 1.0, 1.5, 0.5], "test": [2.0, 1.0, 2.0, 0.8]}])
    >>> table = tradeoff(replay(curves, [GL(1, k=1), GL(90, k=1)]), reference="GL(1, k=1)")
    >>> table[["criterion", "slowness_ref", "badness_ref", "p_good"]].round(2)
         criterion  slowness_ref  badness_ref  p_good
    0   GL(1, k=1)          1.00          1.0     0.0
    1  GL(90, k=1)          1.33          0.8     1.0
    """
    ratios = run_ratios(stops, reference, time=time, error=error)
    ref, best = stops.criteria.index(reference), _best(stops)
    parts = []
    for label, rows in _groups(stops.meta, by):
        table: dict[str, object] = {"criterion": stops.criteria}
        for name in RunRatios._fields[:-1]:
            values = getattr(ratios, name)[rows]
            table[name] = values.mean(axis=0)
            table[f"{name}_median"] = np.median(values, axis=0)
            if name != "redundancy":
                with np.errstate(divide="ignore", invalid="ignore"):  # errors of 0 and infinity
                    table[f"{name}_geometric"] = np.exp(np.log(values).mean(axis=0))
        for name, values in (
            ("slowness", stops.cost(time)[rows]),
            ("badness", stops.error(error)[rows]),
        ):
            totals, of_best = values.sum(axis=0), np.take_along_axis(values, best[rows], 1).sum()
            if name == "slowness" and time == "epoch" and _in_several_units(stops.meta[rows]):
                totals = np.full_like(totals, np.nan)
            table[f"{name}_best_total"] = _ratio(totals, of_best)
            table[f"{name}_ref_total"] = _ratio(totals, totals[ref])
        table["p_good"] = ratios.good[rows].mean(axis=0)
        table["fired"] = stops.fired[rows].mean(axis=0)
        table["runs"] = int(rows.sum())
        parts.append(pd.DataFrame(table))
        if by is not None:
            parts[-1].insert(0, by, label)
    whole = TradeoffTable(pd.concat(parts, ignore_index=True))
    whole.attrs = {"time": time, "error": error, "reference": reference}
    return whole


def tradeoff_intervals(
    stops: Stops,
    clusters: pd.Index,
    reference: str = "GL(2)",
    *,
    time: str = "epoch",
    error: str = "test",
) -> pd.DataFrame:
    """Time, error and p_good of each criterion against a reference, with intervals over clusters.

    Means are over all runs, as in :func:`tradeoff`; intervals are those of
    :func:`measures.over_runs.intervals_over_runs`, those of a share cut at 0 and 1.

    Parameters
    ----------
    stops : Stops
    clusters : Index
        What each run is a sample of, such as ``facts_of(curves).clusters``: data sets,
        problems or runs.
    reference, time, error
        As in :func:`run_ratios`.

    Returns
    -------
    DataFrame
        One row per criterion and measure: ``criterion``, ``measure`` (``slowness_ref``,
        ``badness_ref``, ``p_good``), ``estimate``, ``low``, ``high``, ``clusters``, ``unit``,
        ``method``. With fewer than 6 clusters, ``low`` and ``high`` are NaN.
    """
    ratios = run_ratios(stops, reference, time=time, error=error)
    parts = []
    for name, values in (
        ("slowness_ref", ratios.slowness_ref),
        ("badness_ref", ratios.badness_ref),
        ("p_good", ratios.good.astype(float)),
    ):
        found = intervals_over_runs(pd.DataFrame(values, columns=stops.criteria), clusters)
        found = found.rename_axis("criterion").reset_index()
        if name == "p_good":
            found[["low", "high"]] = found[["low", "high"]].clip(0, 1)
        parts.append(found.assign(measure=name))
    columns = ["criterion", "measure", "estimate", "low", "high", "clusters", "unit", "method"]
    return pd.concat(parts, ignore_index=True)[columns]


def _groups(meta: pd.DataFrame, by: str | None) -> Iterator[tuple[Any, NDArray[np.bool_]]]:
    """Each value of a metadata column, and which runs have it; without a column, all runs."""
    if by is None:
        yield None, np.ones(len(meta), bool)
        return
    if by not in meta.columns:
        raise ValueError(f"no metadata column {by!r}; expected one of {', '.join(meta.columns)}")
    if (missing := meta[by].isna()).any():
        run = meta["run"][missing.to_numpy()].iloc[0]
        raise ValueError(f"run {run!r} has no value in column {by!r}; add one or leave the run out")
    for value in meta[by].unique():
        yield value, (meta[by] == value).to_numpy()


def _in_several_units(meta: pd.DataFrame) -> bool:
    """Whether the positions of these runs have different units; an unknown unit counts as one."""
    return "epoch.unit" in meta and meta["epoch.unit"].nunique(dropna=False) > 1


def _best(stops: Stops) -> NDArray[np.intp]:
    """The best criterion of each run: lowest validation error, then first to stop."""
    val = stops.error("val")
    lowest = val == val.min(axis=1, keepdims=True)
    return np.where(lowest, stops.stop, np.inf).argmin(axis=1, keepdims=True)


def _ratio(a: FloatArray, b: FloatArray | np.float64) -> FloatArray:
    """a / b; 1 if both are equal, including zeros and infinities."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(a == b, 1.0, a / b)
