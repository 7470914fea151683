"""Rules that see other runs: those of search libraries, and of a paper on cross-validation.

:mod:`criteria.pruners` says what such a rule is.
"""

import math
from bisect import bisect_left, insort
from collections.abc import Mapping
from typing import Literal, NamedTuple

import numpy as np

from earlystop_lab.criteria.pruners import Pruner, Report, pruner

__all__ = [
    "AxPercentile",
    "FoldStopping",
    "OptunaHalving",
    "OptunaPercentile",
    "OptunaWilcoxon",
    "SyneTuneASHA",
    "SyneTuneMedian",
]

# -- Syne Tune --------------------------------------------------------------------------------


class Ranks(NamedTuple):
    """What was reported at each position, in order, and how often it was NaN."""

    grace: float
    least: int
    averages: bool
    found: dict[float, list[float]]
    missing: dict[float, int]


def rank_at_position(memory: Ranks, now: Report) -> float:
    """The share of the results at this position that are better."""
    at = float(now.positions[-1])
    value = float(np.mean(now.values) if memory.averages else now.values[-1])
    found = memory.found.setdefault(at, [])
    if math.isnan(value):
        index = len(found)
        memory.missing[at] = memory.missing.get(at, 0) + 1
    else:
        index = bisect_left(found, value)
        insort(found, value)
    seen = len(found) + memory.missing.get(at, 0)
    return math.nan if seen < memory.least or at < memory.grace else index / seen


@pruner(
    judge=rank_at_position,
    threshold="rank_cutoff",
    default=0.5,
    passes=">",
    at_least={"rank_cutoff": 0, "grace_population": 0},
)
def SyneTuneMedian(
    *, grace_time: float = 1, grace_population: int = 5, running_average: bool = True
) -> Ranks:
    """Median stopping: the mean error so far ranks in the worse half of all at this position.

    The mean of a run's errors so far is compared with the means of all other runs that have
    reported at the same position, those that were stopped included. The statistic is the share of
    these, and the run itself, that are lower; equal ones are not. A NaN is worse than any error.

    Parameters
    ----------
    rank_cutoff : float
        Threshold of the share, at least 0; 0.5 is the median.
    grace_time : float
        Nothing is stopped at positions before this one.
    grace_population : int
        Nothing is stopped while fewer runs have reported at this position.
    running_average : bool
        Whether means are compared; otherwise the errors at this position.

    Notes
    -----
    Statistic: share of the runs at this position whose mean of val is lower

    Source: Golovin et al., Google Vizier, KDD 2017, doi:10.1145/3097983.3098043; syne-tune 0.16.0,
    ``optimizer/schedulers/median_stopping_rule.py``. Ray's rule of that name compares other things.

    Verified: syne-tune 0.16.0

    Examples
    --------
    >>> from earlystop_lab import CurveSet, replay
    >>> curves = CurveSet.from_runs([{"val": [1.0, level, level]} for level in (0.5, 0.6, 0.9)])
    >>> replay(curves, ["SyneTuneMedian(0.5, grace_population=3)"]).stop[:, 0]
    array([3., 3., 2.])
    """
    return Ranks(float(grace_time), int(grace_population), running_average, {}, {})


class Rungs(NamedTuple):
    """The errors with which runs reached each rung."""

    eta: float
    #: the position of each rung
    at: list[float]
    end: float
    found: list[list[float]]
    #: the rungs that a run has reached, by its number
    reached: dict[int, set[int]]


def asha_rung(memory: Rungs, now: Report) -> float:
    """1 if the run is not among the best of its rung."""
    at, value = float(now.positions[-1]), float(now.values[-1])
    if at >= memory.end:
        return 1.0
    reached = memory.reached.setdefault(now.run, set())
    due = [k for k, milestone in enumerate(memory.at) if at >= milestone and k not in reached]
    if not due:
        return 0.0
    reached.add(due[-1])
    found = memory.found[due[-1]]
    found.append(value)
    # as the library does it: Python leaves a NaN anywhere, and NumPy looks for all together
    below = int(np.searchsorted(sorted(found), found)[-1])
    # the first one of a rung goes on
    return float(len(found) > 1 and below / len(found) > 1 / memory.eta)


@pruner(judge=asha_rung, above={"reduction_factor": 1, "grace_period": 0, "max_t": 0})
def SyneTuneASHA(
    *, reduction_factor: float = 3, grace_period: float = 1, max_t: float = 100
) -> Rungs:
    """Asynchronous successive halving: at each rung, a run goes on if it is among the best third.

    Rungs are at grace_period, and at reduction_factor times the one before, below max_t. The first
    error at or past a rung is compared with those with which other runs had reached it: the run is
    stopped if the share that is lower is above 1 / reduction_factor. The first run of a rung goes
    on. A report that passes several rungs counts for the highest, and the next report for the one
    below. At max_t, every run is stopped. With a NaN in a rung, ranks are arbitrary: the
    library sorts the errors with Python.

    Parameters
    ----------
    reduction_factor : float
        About one of so many runs goes on at each rung; above 1.
    grace_period : float
        The position of the first rung.
    max_t : float
        The position at which training ends: the length of the runs, unless they are to be shorter.

    Notes
    -----
    Statistic: 1 if too many runs had a lower val at this rung, or at max_t

    Source: Li et al., A System for Massively Parallel Hyperparameter Tuning, MLSys 2020,
    arXiv:1810.05934; syne-tune 0.16.0, ``optimizer/schedulers/asha.py``, one bracket.

    Verified: syne-tune 0.16.0

    Examples
    --------
    >>> from earlystop_lab import CurveSet, replay
    >>> curves = CurveSet.from_runs([{"val": [level] * 5} for level in (0.6, 0.5, 0.9)])
    >>> replay(curves, ["SyneTuneASHA(2)", "SyneTuneASHA(2, max_t=4)"]).stop
    array([[5., 4.],
           [5., 4.],
           [1., 1.]])
    """
    eta, first, end = float(reduction_factor), float(grace_period), float(max_t)
    rungs = int(np.log(end / first) / np.log(eta) + 1) if end >= first else 0
    at = [first * eta**k for k in range(rungs)]
    return Rungs(eta, at, end, [[] for _ in at], {})


# -- Optuna -----------------------------------------------------------------------------------


class Completed(NamedTuple):
    """What the runs that were not stopped had reported, by position, and their number."""

    percentile: float
    startup: int
    warmup: int
    interval: int
    least: int
    found: dict[float, list[float]]
    runs: list[int]


def optuna_percentile(memory: Completed, now: Report) -> float:
    """1 if the best so far is worse than that percentile of the completed runs."""
    steps = now.positions - 1
    step = float(steps[-1])
    if not memory.runs or len(memory.runs) < memory.startup or step < memory.warmup:
        return 0.0
    before = float(steps[-2]) if len(steps) > 1 else -1.0
    if before >= (step - memory.warmup) // memory.interval * memory.interval + memory.warmup:
        return 0.0
    measured = now.values[~np.isnan(now.values)]
    if not len(measured):
        return 1.0
    found = memory.found.get(float(now.positions[-1]), [])
    if len(found) < memory.least or all(map(math.isnan, found)):
        return 0.0
    return float(measured.min() > np.nanpercentile(found, memory.percentile))


def keep_completed(memory: Completed, last: Report) -> None:
    """Keep the reports of a run that was not stopped."""
    memory.runs.append(last.run)
    for position, value in zip(last.positions.tolist(), last.values.tolist(), strict=True):
        memory.found.setdefault(position, []).append(value)


@pruner(
    judge=optuna_percentile,
    completed=keep_completed,
    at_least={
        "percentile": 0,
        "n_startup_trials": 0,
        "n_warmup_steps": 0,
        "interval_steps": 1,
        "n_min_trials": 1,
    },
    at_most={"percentile": 100},
)
def OptunaPercentile(
    *,
    percentile: float = 50,
    n_startup_trials: int = 5,
    n_warmup_steps: int = 0,
    interval_steps: int = 1,
    n_min_trials: int = 1,
) -> Completed:
    """Percentile pruner: the lowest error so far is worse than a percentile of completed runs.

    The lowest error of a run is compared with the errors at exactly this position of the runs that
    were trained to their end, and a run whose errors are all NaN is stopped. Optuna's
    ``MedianPruner`` is that of 50. Trained all at once, no run is stopped before the first ones are
    complete.

    Parameters
    ----------
    percentile : float
        Errors above this percentile are stopped: of 25, a quarter of the runs would go on.
    n_startup_trials : int
        Nothing is stopped while fewer runs are complete.
    n_warmup_steps : int
        Nothing is stopped at a step below this one; the step is the position less 1.
    interval_steps : int
        Runs are judged once in so many steps, counted from the warm-up.
    n_min_trials : int
        Nothing is stopped at a position that fewer complete runs have reported.

    Notes
    -----
    Statistic: 1 if the lowest val is above the percentile of completed runs at this position

    Source: Optuna 5.0.0, ``pruners/_percentile.py``, ``pruners/_median.py``

    Verified: optuna 5.0.0

    Examples
    --------
    >>> from earlystop_lab import CurveSet, replay
    >>> curves = CurveSet.from_runs([{"val": [level] * 3} for level in (0.5, 0.6, 0.9)])
    >>> replay(curves, ["OptunaPercentile(50, n_startup_trials=2, workers=1)"]).stop[:, 0]
    array([3., 3., 1.])
    """
    params = n_startup_trials, n_warmup_steps, interval_steps, n_min_trials
    startup, warmup, interval, least = map(int, params)
    return Completed(float(percentile), startup, warmup, interval, least, {}, [])


class Halvings(NamedTuple):
    """The errors with which runs reached each rung, in order."""

    first: int
    factor: int
    rate: int
    bootstrap: int
    found: dict[int, list[float]]
    #: the next rung of a run, by its number
    rung: dict[int, int]


def optuna_rung(memory: Halvings, now: Report) -> float:
    """1 if the run is not among the best of its rung."""
    step, value = float(now.positions[-1]) - 1, float(now.values[-1])
    while True:
        rung = memory.rung.get(now.run, 0)
        if step < memory.first * memory.factor ** (memory.rate + rung):
            return 0.0
        if math.isnan(value):
            return 1.0
        found = memory.found.setdefault(rung, [])
        insort(found, value)
        memory.rung[now.run] = rung + 1
        if len(found) <= memory.bootstrap or value > found[max(len(found) // memory.factor, 1) - 1]:
            return 1.0


@pruner(
    judge=optuna_rung,
    at_least={
        "reduction_factor": 2,
        "min_resource": 1,
        "min_early_stopping_rate": 0,
        "bootstrap_count": 0,
    },
)
def OptunaHalving(
    *,
    reduction_factor: int = 4,
    min_resource: int = 1,
    min_early_stopping_rate: int = 0,
    bootstrap_count: int = 0,
) -> Halvings:
    """Successive halving of Optuna: at each rung, a run goes on if it is among the best quarter.

    Rung k is at the step min_resource reduction_factor^(min_early_stopping_rate + k). The first
    error at or past it is compared with those with which other runs had reached this rung: of n,
    the run itself included, the floor(n / reduction_factor) lowest go on, but at least one, and so
    does a tie with them. A run that passes several rungs at once has to go on at each. A NaN at a
    rung is stopped. (Optuna's ``min_resource="auto"`` is not offered: it depends on which run ends
    first.)

    Parameters
    ----------
    reduction_factor : int
        About one of so many runs goes on at each rung; at least 2.
    min_resource : int
        The step of the first rung; the step is the position less 1.
    min_early_stopping_rate : int
        How many rungs are left out at the beginning.
    bootstrap_count : int
        At each rung, the first so many runs are stopped.

    Notes
    -----
    Statistic: 1 if too many runs had a lower val at this rung

    Source: Li et al., A System for Massively Parallel Hyperparameter Tuning, MLSys 2020,
    arXiv:1810.05934; Optuna 5.0.0, ``pruners/_successive_halving.py``

    Verified: optuna 5.0.0

    Examples
    --------
    >>> from earlystop_lab import CurveSet, replay
    >>> curves = CurveSet.from_runs([{"val": [level] * 5} for level in (0.6, 0.5, 0.9)])
    >>> replay(curves, ["OptunaHalving(2)"]).stop[:, 0]
    array([5., 5., 2.])
    """
    params = min_resource, reduction_factor, min_early_stopping_rate, bootstrap_count
    first, factor, rate, bootstrap = map(int, params)
    return Halvings(first, factor, rate, bootstrap, {}, {})


class Incumbent(NamedTuple):
    """The best run that was trained to its end: its only element, or none."""

    least: int
    best: list[tuple[float, Report]]


def keep_best(memory: Incumbent, last: Report) -> None:
    """Keep the run if the mean of its errors is lower than that of the best one."""
    mean = float(np.mean(last.values))
    if mean == mean and not (memory.best and memory.best[0][0] <= mean):
        memory.best[:] = [(mean, last)]


def signed_rank_p(memory: Incumbent, now: Report) -> float:
    """The p value of the run being worse than the best one; NaN where that is not asked."""
    from scipy.stats import wilcoxon

    if not memory.best or not np.isfinite(now.values).all():
        return math.nan
    best = memory.best[0][1]
    if not np.isfinite(best.values).all():
        return math.nan
    _, own, its = np.intersect1d(now.positions, best.positions, return_indices=True)
    lower = sum(best.values) / len(best.values) >= sum(now.values) / len(now.values)
    if lower or len(own) < max(2, memory.least):
        return math.nan
    away = now.values[own] - best.values[its]
    return float(wilcoxon(away, alternative="greater", zero_method="zsplit").pvalue)


@pruner(
    judge=signed_rank_p,
    completed=keep_best,
    threshold="p_threshold",
    default=0.1,
    passes="<",
    at_least={"p_threshold": 0, "n_startup_steps": 0},
)
def OptunaWilcoxon(*, n_startup_steps: int = 2) -> Incumbent:
    """Wilcoxon pruner: a signed-rank test says that the run is worse than the best complete one.

    For errors that do not converge but are averaged, such as one a fold, a question or an instance,
    which is the position. The errors are compared with those of the best run so far at the same
    positions, one-sided, zeros split. The best run is the one whose errors have the lowest mean of
    those trained to their end. The statistic is the p value, and undefined while the mean of the
    run is not higher, for fewer than two pairs, and where an error is not finite.

    Parameters
    ----------
    p_threshold : float
        Threshold of the p value, at least 0.
    n_startup_steps : int
        Nothing is stopped while there are fewer pairs.

    Notes
    -----
    Statistic: p value of Wilcoxon's signed-rank test of val against the best complete run

    Source: Optuna 5.0.0, ``pruners/_wilcoxon.py``

    Verified: optuna 5.0.0

    Examples
    --------
    >>> from earlystop_lab import CurveSet, replay
    >>> folds = [[0.1, 0.2, 0.3, 0.2, 0.1], [0.2, 0.3, 0.5, 0.4, 0.2]]
    >>> curves = CurveSet.from_runs([{"val": errors} for errors in folds])
    >>> replay(curves, ["OptunaWilcoxon(0.1, workers=1)"]).stop[:, 0]
    array([5., 4.])
    """
    return Incumbent(int(n_startup_steps), [])


# -- Ax ---------------------------------------------------------------------------------------


class Aligned(NamedTuple):
    """The errors of all runs by position, interpolated where a run passed one that others have."""

    percentile: float
    first: float
    last: float
    curves: int
    patience: float
    protected: int
    #: all positions, in order
    grid: list[float]
    at: dict[float, dict[int, float]]
    seen: dict[int, Report]
    complete: list[int]


def align(memory: Aligned, now: Report) -> None:
    """Add a report; NaN is as if it had not been made, but for its position."""
    position, value = float(now.positions[-1]), float(now.values[-1])
    if position not in memory.at:
        insort(memory.grid, position)
        memory.at[position] = {}
        for run, report in memory.seen.items():
            if run != now.run:
                _fill(memory, run, report, position)
    measured = ~np.isnan(now.values)
    memory.seen[now.run] = Report(now.run, now.positions[measured], now.values[measured])
    if not math.isnan(value):
        memory.at[position][now.run] = value
        before = memory.seen[now.run].positions[-2:-1]
        if len(before):
            between = slice(
                bisect_left(memory.grid, float(before[0])) + 1, bisect_left(memory.grid, position)
            )
            for passed in memory.grid[between]:
                _fill(memory, now.run, memory.seen[now.run], passed)


def _fill(memory: Aligned, run: int, report: Report, position: float) -> None:
    """Interpolate a run at a position between two of its own."""
    after = int(np.searchsorted(report.positions, position))
    if 0 < after < len(report.positions):
        near = slice(after - 1, after + 1)
        value = float(np.interp(position, report.positions[near], report.values[near]))
        memory.at[position][run] = value


def ax_percentile(memory: Aligned, now: Report) -> float:
    """1 if the run is below the percentile at all positions of the window."""
    align(memory, now)
    own = memory.seen[now.run]
    if len(memory.complete) < memory.curves or not len(own.positions):
        return 0.0
    end = float(own.positions[-1])
    if not memory.first <= end <= memory.last:
        return 0.0
    window = memory.grid[bisect_left(memory.grid, end - memory.patience) :]
    rows = [memory.at[position] for position in window if position <= end]
    if any(len(row) < memory.curves for row in rows):
        return 0.0
    if memory.protected and any(
        now.run in row and _dense_rank(row, now.run) <= memory.protected for row in rows
    ):
        return 0.0
    percent = (1 - memory.percentile / 100) * 100
    return float(all(_worse(row, now.run, percent) for row in rows))


def _dense_rank(row: Mapping[int, float], run: int) -> int:
    """The rank from 1, in which ties count as one."""
    return len({value for value in row.values() if value <= row[run]})


def _worse(row: Mapping[int, float], run: int, percent: float) -> bool:
    return run in row and row[run] > float(np.percentile([*row.values()], percent))


def count_complete(memory: Aligned, last: Report) -> None:
    """Count a run that was not stopped."""
    memory.complete.append(last.run)


@pruner(
    judge=ax_percentile,
    completed=count_complete,
    at_least={
        "percentile_threshold": 0,
        "min_curves": 0,
        "patience": 0,
        "n_best_trials_to_complete": 0,
    },
    at_most={"percentile_threshold": 100},
)
def AxPercentile(
    *,
    percentile_threshold: float = 50,
    min_progression: float = 10,
    max_progression: float | None = None,
    min_curves: int = 5,
    patience: float = 0,
    n_best_trials_to_complete: int = 0,
) -> Aligned:
    """Percentile stopping of Ax: the error is worse than a percentile of all runs at its position.

    The last error of the run is compared with the errors at the same position of all runs, itself
    and those that were stopped included; an error between two reports of another run is
    interpolated. With ``percentile_threshold=25``, the worst quarter is stopped. NaN is left out.
    Each report is judged when it is made, as if Ax were polled after each. (Ax' ``interval``,
    ``normalize_progressions`` and ``check_safe`` are not offered.)

    Parameters
    ----------
    percentile_threshold : float
        The share of the runs, in percent, that is stopped.
    min_progression : float
        Nothing is stopped at positions before this one.
    max_progression : float, optional
        Nothing is stopped at positions after this one.
    min_curves : int
        Nothing is stopped while fewer runs are complete, or fewer have an error at this position.
    patience : float
        The error has to be worse at all positions from so much before the last one on.
    n_best_trials_to_complete : int
        A run that is among so many best at any of these positions is not stopped.

    Notes
    -----
    Statistic: 1 if val is above the percentile of all runs at this position

    Source: ax-platform 1.3.1, ``early_stopping/strategies/percentile.py``

    Verified: ax-platform 1.3.1

    Examples
    --------
    >>> from earlystop_lab import CurveSet, replay
    >>> curves = CurveSet.from_runs([{"val": [level] * 4} for level in (0.5, 0.6, 0.9)])
    >>> rule = "AxPercentile(50, min_progression=2, min_curves=2, workers=1)"
    >>> replay(curves, [rule]).stop[:, 0]
    array([4., 4., 2.])
    """
    last = math.inf if max_progression is None else float(max_progression)
    span = float(percentile_threshold), float(min_progression), last, int(min_curves)
    return Aligned(*span, float(patience), int(n_best_trials_to_complete), [], {}, {}, [])


# -- papers -----------------------------------------------------------------------------------


class Folds(NamedTuple):
    """The best complete run, and with what of it a run is compared."""

    forgiving: bool
    incumbent: Incumbent


def folds_hold(memory: Folds, now: Report) -> float:
    """The mean so far less the value to beat."""
    if not memory.incumbent.best:
        return math.nan
    mean, best = memory.incumbent.best[0]
    beat = float(best.values.max()) if memory.forgiving else mean
    return float(np.mean(now.values)) - beat


def keep_best_folds(memory: Folds, last: Report) -> None:
    """Keep the run if it is the best."""
    keep_best(memory.incumbent, last)


@pruner(judge=folds_hold, completed=keep_best_folds, threshold="excess", default=0, passes=">=")
def FoldStopping(*, kind: Literal["forgiving", "aggressive"] = "forgiving") -> Folds:
    """Stop cross-validation: the mean of the folds so far is worse than the best complete run.

    A run is one configuration, its positions are folds, and val is the error on each. Forgiving:
    the mean so far is at least the error on the worst fold of the best run so far. Aggressive: it
    is at least the mean of that run. The best run is the one with the lowest mean of those whose
    folds were all tried.

    Parameters
    ----------
    excess : float
        Threshold of the difference, in the unit of the error.
    kind : {"forgiving", "aggressive"}
        With what the mean is compared.

    Notes
    -----
    Statistic: mean of val so far - worst val (or mean) of the best complete run

    Source: Bergman, Purucker, Hutter, Don't Waste Your Time: Early Stopping Cross-Validation,
    AutoML 2024, arXiv:2405.03389

    Verified: worked by hand

    Examples
    --------
    >>> from earlystop_lab import CurveSet, replay
    >>> folds = [[0.1, 0.2, 0.3], [0.25, 0.25, 0.25], [0.35, 0.2, 0.2]]
    >>> curves = CurveSet.from_runs([{"val": errors} for errors in folds])
    >>> rules = ["FoldStopping(workers=1)", "FoldStopping(kind='aggressive', workers=1)"]
    >>> replay(curves, rules).stop
    array([[3., 3.],
           [3., 1.],
           [1., 1.]])
    """
    return Folds(kind == "forgiving", Incumbent(0, []))


#: every pruner by its name; a new one is one more line
PRUNERS: dict[str, Pruner] = {
    each.name: each
    for each in (
        SyneTuneMedian,
        SyneTuneASHA,
        AxPercentile,
        OptunaPercentile,
        OptunaHalving,
        OptunaWilcoxon,
        FoldStopping,
    )
}
