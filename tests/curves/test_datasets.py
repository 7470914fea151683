"""Names of data sets in several corpora: the same data only where the table says so."""

from collections import Counter

import pandas as pd
import pytest

from earlystop_lab import read_curves
from earlystop_lab.curves.datasets import ALIASES, SHARED, across
from earlystop_lab.sources.corpora import algoperf, gluon, mlperf


def test_every_name_that_two_known_corpora_have_is_in_the_table(recorded):
    names = [set(read_curves(folder).meta["dataset"]) for folder in sorted(recorded.iterdir())]
    names += [
        set(algoperf.WORKLOADS),
        set(gluon._DATASETS.values()),
        {known.dataset for known in mlperf.BENCHMARKS.values()},
        {"imdb"},  # of TaskSet
    ]
    canonical = [{ALIASES.get(name, name) for name in each} for each in names]
    several = {name for name, count in Counter(n for each in canonical for n in each).items()
               if count > 1}  # fmt: skip
    assert several <= set(SHARED)
    # both studies of PROBEN1, scikit-learn's in two corpora, and what several public ones have
    assert {"pima", "heart", "diabetes", "wine", "imagenet", "criteo", "imdb"} <= several


def test_the_diabetes_of_proben1_and_of_scikit_learn_are_two_clusters(recorded):
    proben1, nets = (
        across(name, pd.Index(read_curves(recorded / name).meta["dataset"].unique()))
        for name in ("prechelt1997", "modern-nets")
    )
    assert "pima" in proben1
    assert "diabetes" in nets
    assert not set(proben1) & set(nets)


@pytest.mark.parametrize("alias", ALIASES)
def test_an_alias_is_a_name_of_its_own_for_data_of_the_table(alias):
    assert alias not in SHARED
    assert ALIASES[alias] in SHARED


def test_names_that_are_not_in_the_table_are_of_one_corpus():
    one, other = (across(name, pd.Index(["sales", "iris"], name="dataset")) for name in "ab")
    assert one.tolist() == ["a: sales", "iris"]
    assert set(one) & set(other) == {"iris"}
    assert one.name == "dataset"
