"""The experiment on the size and power of comparisons, on differences whose truth is known."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from earlystop_lab import CurveSet
from experiments import trust, trust_bench
from experiments.check_spacing import cost
from experiments.trust_bench import NULL, PLANTED, SHOWN, rows

ROOT = Path(__file__).resolve().parents[2]


def losses(spread, n=12, rules=4):
    rng = np.random.default_rng(0)
    index = pd.Index([f"d{i}" for i in range(n)], name="dataset")
    values = rng.normal(0, spread, (n, rules)) + np.linspace(0, 0.02, rules)
    return pd.DataFrame(values, index, columns=[f"rule{j}" for j in range(rules)])


def shares(table):
    found = rows("made", table, seed=2, studies=16).set_index("what")
    assert (found["replications"] == 16).all()
    return found["value"]


def test_an_advantage_is_found_where_the_spread_allows_it_and_not_where_it_does_not():
    narrow, wide = shares(losses(0.005)), shares(losses(0.1))
    assert narrow[PLANTED] >= 0.9
    assert wide[f"{PLANTED} than the best"] <= 0.5
    assert narrow[SHOWN] < 0.02 < wide[SHOWN]
    for found in (narrow, wide):
        assert found[NULL] <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / 16)


def test_studies_do_not_depend_on_the_number_of_jobs():
    table = losses(0.02)
    one, two = (rows("made", table, seed=3, studies=4, n_jobs=jobs) for jobs in (1, 2))
    pd.testing.assert_frame_equal(one, two)


@pytest.mark.parametrize("n", [1, 5])
def test_a_corpus_of_few_data_sets_has_no_rows(n):
    assert rows("few", losses(0.01, n), seed=0, studies=10).empty


def test_the_cost_of_checking_less_often_is_that_of_the_checks_that_are_left():
    # the lowest errors are at checks 3 and 4; with k = 2 checks 2, 4, ... are seen
    runs = [
        {"val": [4.0, 3.0, 1.0, 2.0], "test": [4.0, 3.0, 1.0, 2.0], "dataset": "a"},
        {"val": [4.0, 3.0, 2.0, 1.0], "test": [4.0, 3.0, 2.0, 1.0], "dataset": "b"},
    ]
    found = cost("made", CurveSet.from_runs(runs)).set_index("every")
    assert found.loc[2, "estimate"] == pytest.approx(np.sqrt(2) - 1)
    assert found.loc[2, ["unit", "clusters", "runs"]].tolist() == ["dataset", 2, 2]


def test_the_page_of_statistics_names_the_committed_costs_of_checking_less_often():
    table = pd.read_csv(ROOT / "data" / "studies" / "check_spacing.csv")
    five = table[table["every"] == 5].set_index("corpus")["estimate"]
    said = [f"{100 * cost:.2g}% on `{corpus}`" for corpus, cost in five.items()]
    sentence = f"costs {', '.join(said[:-1])} and {said[-1]}"
    assert sentence in re.sub(r"\s+", " ", (ROOT / "docs/statistics.md").read_text("utf-8"))


def test_the_page_of_statistics_shows_what_was_measured_of_comparisons():
    text = (ROOT / "docs/statistics.md").read_text("utf-8")
    begin, end = "<!-- trust bench -->\n", "<!-- end of trust bench -->"
    assert text.split(begin)[1].split(end)[0].strip() == trust_bench.shown(trust_bench.measured())


def test_what_is_promised_of_comparisons_was_measured():
    table = trust_bench.measured()
    null, planted = (table[table["what"] == what].set_index("corpus") for what in (NULL, PLANTED))
    corpora = {"prechelt1997", "boosting", "modern-nets", "tabular-nets", "algoperf"}
    assert set(null.index) == corpora
    assert (null["value"] <= 0.05 + 2 * null["standard_error"]).all()
    shown = table[table["what"] == SHOWN].set_index("corpus")["value"]
    # the spread allows it where the planted advantage is clearly above what would be shown
    allowed = planted[1.2 * shown < 0.02]
    assert len(allowed)
    assert (allowed["value"] >= 0.8 - 2 * allowed["standard_error"]).all()


def test_one_table_has_the_rows_of_all_answers(capsys):
    trust.main()
    lines = capsys.readouterr().out
    assert {word for word in ("bench", "recommend", "calibrate") if f" {word} " in lines} == {
        "bench",
        "recommend",
        "calibrate",
    }
