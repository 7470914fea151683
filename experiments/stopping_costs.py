"""What stopping costs, and what it could: every rule's loss and time against hindsight.

    python -m experiments.stopping_costs

replays every rule at its usual threshold and sweeps some families over all their thresholds, on
four recorded corpora, and writes ``data/studies/stopping_costs.csv``: a row a corpus and choice.
Losses are of the test error, in logarithms, against what is kept when training runs to its end (the
epoch with the lowest validation error), averaged over runs, problems and then data sets, with
intervals over data sets. Times are shares of the record, in geometric mean. The kinds of choices:

- ``usual``: a rule at its usual threshold, or the one that its library has as its default;
- ``best``: the fastest threshold of a family whose mean loss is at most 1%. It is chosen by the
  test errors of the same runs, so that its loss is no estimate for others, but its time is a bound
  on what a well-chosen threshold saves;
- ``hindsight``: training ends at the epoch with the lowest validation error, the least time that
  loses nothing; and the lowest test error at any epoch is kept, which nobody knows.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from earlystop_lab import CurveSet, read_curves, replay
from earlystop_lab._common.files import written_text
from earlystop_lab.criteria import FAMILIES, Criterion
from earlystop_lab.criteria.catalogue import usual
from earlystop_lab.curves import FloatArray, facts_of
from earlystop_lab.curves.facts import Lowest
from earlystop_lab.engine.thresholds import sweeps, watchable
from earlystop_lab.inference import cluster_means, mean_over_clusters
from earlystop_lab.report.as_tables import as_csv

Row = dict[str, Any]

ROOT = Path(__file__).resolve().parents[1]
OUT = ROOT / "data" / "studies" / "stopping_costs.csv"
CORPORA = ("prechelt1997", "boosting", "modern-nets", "tabular-nets")
#: families whose thresholds are swept
SWEPT = ("GL", "PQ", "UP", "Keras", "EMA", "SklearnMLP")
#: mean loss of the choice ``best``
GOAL = 0.01


#: rules that say nothing about when an error has stopped to fall
NO_RULES = ("MaxEpochs", "TerminateOnNaN")


def costs(curves: CurveSet) -> pd.DataFrame:
    """All rows of one corpus."""
    facts = facts_of(curves)
    curves = curves.select(facts.measurable() & facts.measurable("test"))
    facts = facts_of(curves)
    rows = [
        _row("hindsight", "stop at the lowest validation error", curves, facts.lowest("val")),
        _row("hindsight", "keep the lowest test error", curves, facts.lowest("test")),
    ]
    for family in FAMILIES.values():
        if family.name not in NO_RULES and watchable(family, curves).all():
            rows.append(_replayed("usual", [usual(family)], curves)[0])
    for sweep in sweeps([FAMILIES[name] for name in SWEPT], curves).values():
        kept = [row for row in _replayed("best", sweep, curves) if row["loss"] <= GOAL]
        if kept:
            rows.append(min(kept, key=lambda row: row["time"]))
    return pd.DataFrame(rows)


def _replayed(kind: str, criteria: list[Criterion], curves: CurveSet) -> list[Row]:
    stops = replay(curves, criteria)
    return [
        _of(kind, rule, curves, stops.stop[:, j], stops.error("test")[:, j])
        | {"fired": stops.fired[:, j].mean()}
        for j, rule in enumerate(stops.criteria)
    ]


def _row(kind: str, rule: str, curves: CurveSet, at: Lowest) -> Row:
    test = curves.at("test", at.row[:, None].astype(np.int32), "error")[:, 0]
    return _of(kind, rule, curves, at.epoch, test)


def _of(kind: str, rule: str, curves: CurveSet, stop: FloatArray, test: FloatArray) -> Row:
    facts = facts_of(curves)
    end = facts.lowest("val").row[:, None].astype(np.int32)
    kept = curves.at("test", end, "error")[:, 0]
    logs = pd.DataFrame({"loss": np.log(test / kept), "time": np.log(stop / facts.last)})
    means = _over_data_sets(logs, curves)
    loss, time = (mean_over_clusters(means[name]) for name in ("loss", "time"))
    return {
        "kind": kind,
        "rule": rule,
        "loss": np.expm1(loss.estimate),
        "loss_low": np.expm1(loss.low),
        "loss_high": np.expm1(loss.high),
        "time": np.exp(time.estimate),
        "time_low": np.exp(time.low),
        "time_high": min(np.exp(time.high), 1.0),
        "clusters": loss.clusters,
        "runs": len(curves),
    }


def _over_data_sets(values: pd.DataFrame, curves: CurveSet) -> pd.DataFrame:
    """Means over the problems of each data set, of means over the runs of a problem."""
    problems = curves.meta["problem"]
    means = cluster_means(values, problems)
    datasets = pd.Series(facts_of(curves).clusters, index=problems)
    return cluster_means(means, datasets[~datasets.index.duplicated()][means.index])


def main() -> None:
    parts = [costs(read_curves(ROOT / "data" / "curves" / name)) for name in CORPORA]
    table = pd.concat(parts, keys=CORPORA, names=["corpus", None]).reset_index("corpus")
    written_text(OUT, as_csv(table.round(5)))


if __name__ == "__main__":
    main()
