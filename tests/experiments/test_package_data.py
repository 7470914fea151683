"""The small corpus in the package is a part of the whole that no curve was looked at to choose."""

from collections import Counter
from pathlib import Path

import numpy as np

from earlystop_lab import read_curves
from experiments.package_data import chosen

CURVES = Path(__file__).resolve().parents[2] / "data" / "curves"


def test_the_small_corpus_has_the_chosen_runs_unchanged():
    whole = read_curves(CURVES / "prechelt1997")
    small = read_curves(CURVES / "prechelt1997-small")
    assert small.runs == chosen(whole)
    same = whole.select(np.isin(whole.runs, small.runs))
    assert small.table.equals(same.table, check_metadata=True)


def test_every_data_set_comes_once_and_every_topology_three_times():
    meta = read_curves(CURVES / "prechelt1997-small").meta
    assert (meta.groupby("problem")["permutation"].agg(sorted).map(tuple) == (1, 2, 3)).all()
    assert set(Counter(meta["topology"]).values()) == {3}
    assert len(set(meta["topology"])) == 12
    kinds = Counter(zip(meta["output"], meta["repeat"], strict=True))
    assert kinds == {("linear", 1): 12, ("linear", 2): 12, ("sigmoid", 1): 12}
