"""Survey: every rule at its usual threshold, over one corpus, as one table.

It gives a first impression of what rules do on some curves; :mod:`measures.fronts` covers all their
thresholds. Positions are counted in checks here, since corpora count in epochs, steps or
evaluations: a patience of 10 means ten checks in each, and means do not depend on the units.
"""

from collections.abc import Iterable
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd

from earlystop_lab._common.checks import require_jobs
from earlystop_lab._common.parallel import each_of, jobs_of
from earlystop_lab._common.progress import followed
from earlystop_lab.criteria import FAMILIES, Rule, parse, usual
from earlystop_lab.curves import CurveSet, facts_of, require_curves
from earlystop_lab.curves.files import Unit, chunks, units
from earlystop_lab.engine.replaying import plan, replay
from earlystop_lab.engine.thresholds import watchable
from earlystop_lab.measures.hindsight import regrets
from earlystop_lab.studies.kept import NOTHING_KEPT, Arrays, Kept, digest_of
from earlystop_lab.studies.known import all_built_in

#: runs of a set in memory that are replayed together, as many as in a unit of a Parquet file
_RUNS = 1024
#: the column of sums with the index of a rule
_RULE = "rule"
#: a stop more than this share before the lowest validation error is too early
_TOO_EARLY = 0.1
_SUMS = [
    "runs",
    "fired",
    "epochs",
    "time",
    "too_early",
    "late",
    "censored",
    "at_target",
    "diverged",
    "stand_ins",
    "val_runs",
    "val_regret",
    "test_runs",
    "test_regret",
]
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
    "late",
    "censored",
    "at_target",
    "diverged",
    "stand_ins",
]


def survey(
    curves: CurveSet | str | Path,
    criteria: Iterable[Rule | str] | None = None,
    *,
    n_jobs: int = 1,
    kept: Kept = NOTHING_KEPT,
) -> pd.DataFrame:
    """What each criterion does to the runs of a corpus: one row per criterion, over all runs.

    Positions are rows of a run, counted from 1; these are checks if the validation error is
    measured at each row.

    Parameters
    ----------
    curves : CurveSet, str or Path
        A curve set, or the path of one, which is read part by part.
    criteria : iterable of criteria or str, optional
        By default all rules at their :func:`usual` thresholds.
    n_jobs : int
        Number of parallel jobs. The result does not depend on it.
    kept : Kept, optional
        Where results of built-in rules are kept between calls. The result is the same.

    Returns
    -------
    DataFrame
        One row per criterion, with the columns

        - ``criterion``; ``runs``, the number of runs with the channels that it watches (none for
          rules that divide by an error, if scores have no known upper bound);
        - ``fired``, the share of these runs that it stops;
        - ``epochs``, the geometric mean of its stops; ``time``, that of the stop divided by the
          run's last check, in (0, 1]; ``too_early``, the share of runs stopped more than a tenth
          before their lowest validation error;
        - ``val_regret`` and ``test_regret``, exp(mean log(1 + r)) - 1 of the loss r against the
          run's own lowest error (see :mod:`measures.hindsight`), over the ``val_runs`` and
          ``test_runs`` in which all such errors are finite and none is 0; NaN if there are none;
        - ``late``, the number of runs whose lowest validation error is in the last tenth of the
          run: a longer run might reach a lower one, so that the regret on them is a lower bound;
          ``censored``, of these it is at the last check, so that no rule could be too late;
          ``at_target``, the number of runs that ended at a target; ``diverged``, the number of
          runs with an error that is NaN or infinite (see
          :func:`earlystop_lab.curves.facts.outcomes`); ``stand_ins``, the number of runs with a
          training curve in place of a validation curve.

    Raises
    ------
    ValueError
        If the set has no runs or a duplicate run id, or a text is not a criterion; also as
        :func:`replay`.

    Examples
    --------

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
    require_curves("survey", curves, paths=True)
    require_jobs("survey: n_jobs", n_jobs)
    tasks: list[CurveSet] | list[Unit]
    if isinstance(curves, CurveSet):
        tasks = [curves[i : i + _RUNS] for i in range(0, len(curves), _RUNS)]
    else:
        tasks = units(Path(curves))
    # starting a process takes longer than a small corpus
    jobs = min(jobs_of(n_jobs), len(tasks)) if len(tasks) > 1 else 1
    done = each_of(
        _surveyed, ((task, rules, kept) for task in tasks), n_jobs=jobs, prefer="processes"
    )
    total = sum(len(task) if isinstance(task, CurveSet) else task.runs for task in tasks)
    parts = [*followed(done, "survey", total, "runs", size=lambda part: len(part[0]))]
    name = "the curve set" if isinstance(curves, CurveSet) else curves
    runs = pd.Series([run for ids, _ in parts for run in ids])
    if not len(runs):
        raise ValueError(f"survey: {name} is empty; expected at least one run")
    if (twice := runs.duplicated()).any():
        raise ValueError(f"{name}: duplicate run id {runs[twice.argmax()]!r}")
    every = [each for _, sums in parts for each in sums]
    # a rule that could not be replayed on any run has sums over no runs
    sums = (
        pd.concat(every).groupby(level=0).sum() if every else pd.DataFrame(columns=_SUMS, dtype=int)
    )
    return _table(sums.reindex(names, fill_value=0))


def _surveyed(
    task: CurveSet | Unit, rules: list[Rule], kept: Kept
) -> tuple[list[str], list[pd.DataFrame]]:
    """The run ids of a part of a corpus, and sums over its runs, one row per criterion."""
    ids, sums = [], []
    texts = [str(rule) for rule in rules]
    keeps = kept if all_built_in(rules) else NOTHING_KEPT
    for chunk in [task] if isinstance(task, CurveSet) else chunks(task):
        ids += chunk.runs
        what = [] if keeps.place is None else ["survey", digest_of(chunk), texts]
        found = keeps.arrays(what, partial(_sums_of, chunk, rules))
        at = found[_RULE]
        columns = {name: found[name] for name in _SUMS}
        sums.append(pd.DataFrame(columns, index=[texts[i] for i in at]))
    return ids, sums


def _sums_of(curves: CurveSet, rules: list[Rule]) -> Arrays:
    """Sums over some runs, and of which rule each is."""
    counted = CurveSet(curves.table.drop_columns("epoch")) if curves.has("epoch") else curves
    # rules that can be applied to the same runs are replayed together
    alike: dict[bytes, list[int]] = {}
    for i, rule in enumerate(rules):
        alike.setdefault(watchable(rule, counted).tobytes(), []).append(i)
    parts = []
    for mask, mine in alike.items():
        part = counted.select(np.frombuffer(mask, bool))
        if len(part):
            parts.append(_sums(part, [rules[i] for i in mine]).assign(**{_RULE: mine}))
    sums = pd.concat(parts) if parts else pd.DataFrame(columns=[*_SUMS, _RULE], dtype=int)
    return {str(name): column.to_numpy() for name, column in sums.items()}


def _sums(curves: CurveSet, rules: list[Rule]) -> pd.DataFrame:
    """Sums over runs from which the columns of the table are computed, one row per criterion."""
    stops, known = replay(curves, rules), facts_of(curves)
    every = regrets(stops, curves)
    sums = {
        "runs": len(curves),
        "fired": stops.fired.sum(axis=0),
        "epochs": np.log(stops.stop).sum(axis=0),
        "time": np.log(every.time).sum(axis=0),
        "too_early": (every.early > _TOO_EARLY).sum(axis=0),
        "late": known.late.sum(),
        "censored": known.censored.sum(),
        "at_target": known.at_target.sum(),
        "diverged": known.diverged.sum(),
        "stand_ins": known.stand_ins.sum(),
    }
    for error in ("val", "test"):
        # the selected weights are those of a check
        kept = known.measurable(error) & known.measured_with(error, "val")
        lost = np.log1p(getattr(every, error)[kept]).sum(axis=0)
        sums |= {f"{error}_runs": kept.sum(), f"{error}_regret": lost}
    return pd.DataFrame(sums, index=stops.criteria)


def _table(sums: pd.DataFrame) -> pd.DataFrame:
    """The means over all runs, in the order of the documented columns."""
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
