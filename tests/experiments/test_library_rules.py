"""The table of library rules is what the rules do, and some of it was worked by hand."""

from io import StringIO

import pandas as pd
import pytest

from earlystop_lab.report.as_tables import as_csv
from experiments.library_rules import OUT, PATIENCE, rules, shown


@pytest.fixture(scope="module")
def table():
    return pd.read_csv(OUT, keep_default_na=False, dtype=str).set_index("rule")


def test_the_committed_table_is_what_the_rules_do_today(table):
    again = pd.read_csv(StringIO(as_csv(shown())), keep_default_na=False, dtype=str)
    pd.testing.assert_frame_equal(again.set_index("rule"), table)


def test_every_rule_has_the_same_patience():
    assert {plain.threshold for _, plain, _ in rules()} == {PATIENCE}
    assert len(rules()) >= 19


@pytest.mark.parametrize(
    ("rule", "column", "expected"),
    [
        # the first check is the best, then three that are no better
        ("Keras", "plateau", "4.0"),
        # more than three
        ("Flax", "plateau", "5.0"),
        # a tie is no worse than the best
        ("MMEngine", "plateau", ""),
        # nothing is below a NaN that was taken as the best
        ("Keras", "nan_first", "4.0"),
        # the best is infinite at first
        ("Keras2", "nan_first", ""),
        # the check of finite values
        ("Lightning", "nan_first", "1.0"),
        ("Lightning", "nan_later", "3.0"),
        # not (NaN > best - tol): counts as an improvement
        ("SklearnMLP", "nan_later", ""),
        # it is no lower than the one before where it is counted
        ("Weka", "never_below_best", ""),
        # the best moves with each gain of half of the least one
        ("HuggingFace", "small_gains", "4.0"),
        ("Keras", "small_gains", ""),
        # of ties, the last
        ("Ultralytics", "kept_of_ties", "4.0"),
        ("Keras", "kept_of_ties", "2.0"),
    ],
)
def test_rows_worked_by_hand(table, rule, column, expected):
    assert table.loc[rule, column] == expected
