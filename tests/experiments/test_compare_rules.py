"""The verdicts on the page of rules: those in the package, made again alike."""

import io

import pandas as pd
import pytest

from earlystop_lab.criteria import FAMILIES
from earlystop_lab.criteria.compared import compared_table
from experiments import compare_rules

TABLE = compared_table().to_dict("records")


def test_the_rows_are_in_the_order_of_the_rules():
    names = [row["rule"] for row in TABLE]
    assert names == [name for name in FAMILIES if name in names]


def test_rules_that_are_not_named_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(compare_rules, "COMPARED", tmp_path / "compared.csv")
    monkeypatch.setattr(
        compare_rules, "row", lambda name, lcbench: {"rule": name, "better": len(name)}
    )
    for names in (["NGBoost"], ["Hyperopt", "EBM"], ["EBM"]):
        compare_rules.main(names)
    found = pd.read_csv(io.StringIO((tmp_path / "compared.csv").read_text()))
    assert found["rule"].tolist() == ["NGBoost", "EBM", "Hyperopt"]


@pytest.mark.parametrize(
    ("rule", "corpora"),
    [("Keras", ["modern-nets", "boosting"]), ("RateDecayed", ["modern-nets", "tabular-nets"])],
)
def test_a_rule_is_compared_where_its_channels_are(rule, corpora):
    assert [*compare_rules.corpora_of(FAMILIES[rule], None)] == corpora


def test_a_rule_that_no_recorded_corpus_can_answer_needs_the_public_one():
    with pytest.raises(ValueError, match=r"val_accuracy.*--lcbench"):
        compare_rules.corpora_of(FAMILIES["NoisyEarlyStopping"], None)


def test_of_a_difference_in_ranks_alone_the_direction_is_told():
    rows = pd.DataFrame(
        {
            "rules": [["GL"], ["Lightning", "Keras"]],
            "verdict": ["worse", "different in ranks, mean not shown"],
            "worse": [3, 38],
            "clusters": [4, 40],
        }
    )
    found = compare_rules.beside_keras(rows)
    assert found == "different in ranks, mean not shown; worse on 38 of 40 data sets"
    assert compare_rules.beside_keras(rows[:1]) == ""


@pytest.mark.parametrize("row", TABLE, ids=lambda row: row["rule"])
def test_names_are_as_many_as_are_counted(row):
    assert len(row["better than"].split()) >= row["better"]
    assert len(row["worse than"].split()) >= row["worse"]
