"""The rules as tables, docs/criteria.md, and what each rule says of itself."""

import re
from pathlib import Path

import pytest

from earlystop_lab import criterion
from earlystop_lab.criteria import FAMILIES
from earlystop_lab.criteria.catalogue import (
    markdown,
    patience_table,
    quirks_markdown,
    rule_table,
)
from earlystop_lab.criteria.libraries import LIBRARIES

ROOT = Path(__file__).parents[2]


def test_the_checked_in_page_is_what_the_command_prints():
    page = (ROOT / "docs" / "criteria.md").read_text(encoding="utf-8")
    assert page == markdown() + "\n", "run make docs"


def test_every_rule_is_a_row_with_nothing_left_empty():
    table = rule_table()
    assert [text.split("(")[0] for text in table["rule"]] == list(FAMILIES)
    assert (table != "").all(axis=None)
    # a field that ran on into the next paragraph would be long
    assert table["statistic"].str.len().max() < 120


@pytest.mark.parametrize(
    ("rule", "row"),
    [
        (
            "HuggingFace(patience=1, threshold=0)",
            [
                "val",
                "evaluations since val < best and abs(val - best) > threshold",
                ">= patience",
                "transformers",
            ],
        ),
        ("PQ(alpha, k=5)", ["val, train", "GL / P_k at strip ends", "> alpha", "by hand"]),
        ("H2O(k, tol=0.001)", ["val", "lowest of MA_1", "when it holds", "h2o"]),
    ],
)
def test_rows_as_one_would_write_them(rule, row):
    found = rule_table().set_index("rule").loc[rule, ["watches", "statistic", "passes", "verified"]]
    for part, text in zip(row, found, strict=True):
        assert part in text


def test_the_knobs_are_those_that_the_rules_run_with():
    table = patience_table().set_index("rule")
    assert table.loc["Keras", "bad checks to stop"] == "patience"
    assert table.loc["Flax", "bad checks to stop"] == "patience + 1"
    assert table.loc["SklearnMLP", ["improves if", "best is updated"]].tolist() == [
        "not v > best - d",
        "on any lower value",
    ]
    assert table.loc["MMEngine", "NaN, infinity"] == "stops"
    kept = table.loc["Ultralytics", ["counted in", "kept among ties"]]
    assert kept.tolist() == ["epochs", "last"]
    # rules within another state are rows, too; rules without patience are none
    assert {"Encog", "EMA", "Median"} <= set(table.index)
    assert not {"GL", "MaxEpochs", "H2O"} & set(table.index)


def test_a_rule_without_a_docstring_is_a_row_all_the_same():
    @criterion(threshold="level", passes=">")
    def Bare(val):
        return val

    assert rule_table({"Bare": Bare}).iloc[0].tolist() == [
        "Bare(level)",
        "val",
        "",
        "> level",
        "",
        "",
    ]


def test_quirks_are_fenced_whole():
    text = quirks_markdown()
    blocks = re.findall(r"^```python\n(.*?)^```$", text, re.M | re.S)
    assert len(blocks) >= 15
    # every example is inside a fence, and no prose is
    assert sum(block.count(">>> ") for block in blocks) == text.count(">>> ")
    assert all(block.startswith(">>> ") and "\n\n" not in block for block in blocks)


def test_the_versions_it_was_verified_against_are_those_of_the_constraints():
    pinned = {*(ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()}
    # of one library, two versions
    pinned |= {f"{row.library}=={row.version}" for row in LIBRARIES if row.how == "verified"}
    for verified in set(rule_table()["verified"]) - {"worked by hand"}:
        # after a comma, what that covers
        version = verified.partition(",")[0]
        assert version.replace(" ", "==") in pinned
