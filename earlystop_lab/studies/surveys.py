"""Survey: every rule, at a threshold as people use it, over one corpus, as one table.

A first look at what rules do to some curves; :mod:`measures.fronts` has all their thresholds.
A check counts as an epoch here, since corpora count in epochs, steps or evaluations: a patience
of 10 is ten checks of any of them.
"""

from collections.abc import Iterable
from pathlib import Path

import joblib
import numpy as np
import pandas as pd

from earlystop_lab._common.checks import require
from earlystop_lab.criteria import FAMILIES, Rule, parse, usual
from earlystop_lab.curves import CurveSet, facts_of
from earlystop_lab.curves.files import Unit, chunks, units
from earlystop_lab.engine.replaying import plan, replay
from earlystop_lab.measures.hindsight import regrets

#: runs of a set in memory that are replayed together, as many as in a unit of a Parquet file
_RUNS = 1024
#: a stop more than this share before the lowest validation error is too early
_TOO_EARLY = 0.1
_COLUMNS = [
    "criterion",
    "runs",
    "fired",
    "epochs",
    "time",
    "too_early",
    "val_regret",
    "test_regret",
    "val_runs",
    "test_runs",
    "censored",
    "diverged",
]


def survey(
    curves: CurveSet | str | Path,
    criteria: Iterable[Rule | str] | None = None,
    *,
    n_jobs: int = 1,
) -> pd.DataFrame:
    """What each criterion does to the runs of a corpus: one row a criterion, over all runs.

    ``curves`` is a curve set or the path of one, which is read part by part; ``criteria`` are by
    default all rules at their :func:`usual` thresholds. Positions are checks, counted from 1.
    Columns:

    - ``criterion``; ``runs``, those with the curves that it watches;
    - ``fired``, the share of them that it stops;
    - ``epochs``, geometric mean of its stops; ``time``, the same of stop over the run's last
      check, in (0, 1]; ``too_early``, the share stopped more than a tenth before their lowest
      validation error;
    - ``val_regret`` and ``test_regret``, exp(mean log(1 + r)) - 1 of the loss r against the run's
      own lowest error (see :mod:`measures.hindsight`), over the ``val_runs`` and ``test_runs``
      in which all such errors are finite and none is 0; NaN where there are none;
    - ``censored`` and ``diverged``, how many of the runs have their lowest validation error at
      their last check, so that no rule could be too late, and how many an error that is NaN or
      infinite (see :func:`earlystop_lab.curves.facts.outcomes`).

    The result is the same for any ``n_jobs``. Raises ``ValueError`` for a set without runs, a
    text that is no criterion, a run that is there twice, and as :func:`replay`.

    >>> curves = CurveSet.from_runs([{"val": [4.0, 2.0, 3.0, 3.0]}, {"val": [4.0, 3.0, 2.0, 1.0]}])
    >>> table = survey(curves, ["Keras(1)", "GL(99, k=1)"])
    >>> table[["criterion", "fired", "time", "val_regret", "censored"]]
         criterion  fired      time  val_regret  censored
    0     Keras(1)    0.5  0.866025         0.0         1
    1  GL(99, k=1)    0.0  1.000000         0.0         1
    """
    asked = map(usual, FAMILIES.values()) if criteria is None else criteria
    rules = [parse(item) if isinstance(item, str) else item for item in asked]
    names = plan(rules).texts
    require("survey: n_jobs", n_jobs, n_jobs != 0, "a number of jobs, or -1 for every core")
    tasks: list[CurveSet] | list[Unit]
    if isinstance(curves, CurveSet):
        tasks = [curves[i : i + _RUNS] for i in range(0, len(curves), _RUNS)]
    else:
        tasks = units(Path(curves))
    # to start a process takes longer than a small corpus
    jobs = max(1, min(joblib.effective_n_jobs(n_jobs), len(tasks)))
    parts: list[tuple[list[str], pd.DataFrame]] = joblib.Parallel(jobs, prefer="processes")(
        joblib.delayed(_surveyed)(task, rules) for task in tasks
    )
    name = "the curve set" if isinstance(curves, CurveSet) else curves
    runs = pd.Series([run for ids, _ in parts for run in ids])
    if not len(runs):
        raise ValueError(f"survey: {name} is empty; there is nothing to replay")
    if (twice := runs.duplicated()).any():
        raise ValueError(f"{name}: run {runs[twice.argmax()]!r} is there twice")
    sums = pd.concat([part for _, part in parts]).groupby(level=0).sum()
    # a rule that no run could be replayed with has sums over no runs
    return _table(sums.reindex(names, fill_value=0))


def _surveyed(task: CurveSet | Unit, rules: list[Rule]) -> tuple[list[str], pd.DataFrame]:
    """The run ids of a part of a corpus, and sums over its runs, a row a criterion."""
    ids, sums = [], []
    for chunk in [task] if isinstance(task, CurveSet) else chunks(task):
        ids += chunk.runs
        counted = CurveSet(chunk.table.drop_columns("epoch")) if chunk.has("epoch") else chunk
        trained = facts_of(chunk).counts("train") > 0
        for watched, part in ((True, counted.select(trained)), (False, counted)):
            mine = [rule for rule in rules if _watches_train(rule) is watched]
            if mine and len(part):
                sums.append(_sums(part, mine))
    return ids, pd.concat(sums)


def _watches_train(rule: Rule) -> bool:
    return any("train" in leaf.channels for leaf in rule.leaves)


def _sums(curves: CurveSet, rules: list[Rule]) -> pd.DataFrame:
    """Sums over runs that the columns of the table are made of, a row a criterion."""
    stops, known = replay(curves, rules), facts_of(curves)
    every = regrets(stops, curves)
    sums = {
        "runs": len(curves),
        "fired": stops.fired.sum(axis=0),
        "epochs": np.log(stops.stop).sum(axis=0),
        "time": np.log(every.time).sum(axis=0),
        "too_early": (every.early > _TOO_EARLY).sum(axis=0),
        "censored": known.censored.sum(),
        "diverged": known.diverged.sum(),
    }
    for error in ("val", "test"):
        kept = known.measurable(error)
        lost = np.log1p(getattr(every, error)[kept]).sum(axis=0)
        sums |= {f"{error}_runs": kept.sum(), f"{error}_regret": lost}
    return pd.DataFrame(sums, index=stops.criteria)


def _table(sums: pd.DataFrame) -> pd.DataFrame:
    """The means of sums over all runs, in the order of the documented columns."""
    runs = sums["runs"]
    table = sums.assign(
        criterion=sums.index,
        fired=sums["fired"] / runs,
        epochs=np.exp(sums["epochs"] / runs),
        time=np.exp(sums["time"] / runs),
        too_early=sums["too_early"] / runs,
        val_regret=np.expm1(sums["val_regret"] / sums["val_runs"]),
        test_regret=np.expm1(sums["test_regret"] / sums["test_runs"]),
    )
    return table[_COLUMNS].reset_index(drop=True)
