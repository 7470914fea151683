"""The verdicts on the page of rules are those that were measured, and are made again alike."""

import io

import pandas as pd
import pytest

from earlystop_lab.criteria import FAMILIES
from earlystop_lab.criteria.compared import COMPARED, Compared
from experiments import compare_rules


def test_the_page_has_the_rows_of_the_table():
    table = pd.read_csv(compare_rules.OUT, keep_default_na=False)
    assert [Compared(*row) for row in table.itertuples(index=False)] == [*COMPARED]
    assert [row.rule for row in COMPARED] == [name for name in FAMILIES if name in {*table["rule"]}]


def test_rules_that_are_not_named_stay(tmp_path, monkeypatch):
    monkeypatch.setattr(compare_rules, "OUT", tmp_path / "compared.csv")
    monkeypatch.setattr(compare_rules, "row", lambda name: {"rule": name, "better": len(name)})
    for names in (["NGBoost"], ["Hyperopt", "EBM"], ["EBM"]):
        compare_rules.main(names)
    found = pd.read_csv(io.StringIO((tmp_path / "compared.csv").read_text()))
    assert found["rule"].tolist() == ["NGBoost", "EBM", "Hyperopt"]


@pytest.mark.parametrize("row", COMPARED, ids=lambda row: row.rule)
def test_names_are_as_many_as_are_counted(row):
    assert len(row.better_than.split()) >= row.better
    assert len(row.worse_than.split()) >= row.worse
