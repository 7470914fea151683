"""What stopping costs: committed rows against a naive loop, and against the code of today."""

import numpy as np
import pandas as pd
import pytest

from earlystop_lab import read_curves
from experiments import stopping_costs
from experiments.stopping_costs import CORPORA, GOAL, OUT, ROOT, costs

TABLE = pd.read_csv(OUT)


@pytest.fixture(scope="module")
def nets():
    return read_curves(ROOT / "data" / "curves" / "modern-nets")


def rows(kind, rule):
    return TABLE[(TABLE["kind"] == kind) & (TABLE["rule"] == rule)].set_index("corpus")


def naive(curves, patience):
    """Mean log loss and log time of a patience: runs, then problems, then data sets."""
    found = []
    for curve, meta in zip(curves, curves.meta.to_dict("records"), strict=True):
        val, test = curve.val, curve.test
        if not np.isfinite(val).all() or not np.isfinite(test).all() or not val.min() * test.min():
            continue
        best, waited, stop = 0, 0, len(val)
        for i in range(1, len(val)):
            best, waited = (i, 0) if val[i] < val[best] else (best, waited + 1)
            if waited >= patience:
                stop = i + 1
                break
        loss = np.log(test[best] / test[val.argmin()])
        found.append((meta["dataset"], meta["problem"], loss, np.log(stop / len(val))))
    table = pd.DataFrame(found, columns=["dataset", "problem", "loss", "time"])
    means = table.groupby(["dataset", "problem"]).mean().groupby("dataset").mean().mean()
    return np.expm1(means["loss"]), np.exp(means["time"])


def test_a_patience_costs_what_a_loop_over_the_runs_says(nets):
    row = rows("usual", "Keras(10)").loc["modern-nets"]
    assert (row["loss"], row["time"]) == pytest.approx(naive(nets, 10), abs=1e-5)
    best = TABLE[(TABLE["corpus"] == "modern-nets") & TABLE["rule"].str.startswith("Keras(")]
    (chosen,) = best[best["kind"] == "best"].itertuples()
    patience = int(chosen.rule[6:-1])
    assert (chosen.loss, chosen.time) == pytest.approx(naive(nets, patience), abs=1e-5)
    # the one below loses more
    assert naive(nets, patience - 1)[0] > GOAL


def test_the_committed_rows_are_those_of_today(nets, monkeypatch):
    few = {name: stopping_costs.FAMILIES[name] for name in ("GL", "Keras", "MMEngine")}
    monkeypatch.setattr(stopping_costs, "FAMILIES", few)
    monkeypatch.setattr(stopping_costs, "SWEPT", ("Keras",))
    found = costs(nets).round(5).set_index(["kind", "rule"])
    kept = TABLE[TABLE["corpus"] == "modern-nets"].set_index(["kind", "rule"])
    assert len(found) == 6
    numbers = found.select_dtypes("number").columns
    pd.testing.assert_frame_equal(
        found[numbers], kept.loc[found.index, numbers], check_dtype=False, atol=2e-5
    )


def test_hindsight_loses_nothing_and_no_epoch_has_a_lower_test_error():
    stop = rows("hindsight", "stop at the lowest validation error")
    lowest = rows("hindsight", "keep the lowest test error")
    assert list(stop.index) == list(lowest.index) == list(CORPORA)
    assert (stop["loss"] == 0).all()
    for corpus, part in TABLE.groupby("corpus"):
        assert (part["loss"] >= lowest.loc[corpus, "loss"]).all()
    assert (TABLE.loc[TABLE["kind"] == "best", "loss"] <= GOAL).all()
