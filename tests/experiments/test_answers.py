"""Answers follow from their tables, tables from the curves, page and paper from the answers."""

import doctest
import math

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, strategies as st

from earlystop_lab import CurveSet, Keras, replay
from earlystop_lab.curves import facts_of
from earlystop_lab.measures.fronts import exchange_rate
from earlystop_lab.studies.shapes import minima
from experiments import answers, attainable, guesses, seconds, short_studies, studies
from experiments.answers import QUESTIONS, main, page
from experiments.guesses import GUESSES
from experiments.short_studies import TESTED
from experiments.studies import at, corpus, excludes, row, sets_above, study, told

#: questions that need no other corpora than those of a checkout, and are answered in a second
QUICK = ("schedules",)


def test_page_and_table_of_answers_are_those_of_the_committed_tables():
    assert answers.PAGE.read_text(encoding="utf-8") == page()
    pd.testing.assert_frame_equal(study("answers"), answers.answers(), check_dtype=False)


@pytest.mark.parametrize("name", QUICK)
def test_committed_tables_are_those_of_today(name):
    found = QUESTIONS[name].look().reset_index(drop=True)
    pd.testing.assert_frame_equal(found, study(name), check_dtype=False, rtol=1e-4, atol=1e-6)


def test_committed_rows_of_slow_studies_are_those_of_today():
    """Of one corpus, the smallest, and of one law."""
    curves = attainable.positive(short_studies.with_test("modern-nets"))
    sets = facts_of(curves).clusters
    found = attainable.judged("modern-nets", curves, sets, sets, "test")
    kept = study("attainable").set_index(["where", "what"])
    for each in found:
        assert each["value"] == pytest.approx(
            kept.loc[(each["where"], each["what"]), "value"], rel=1e-4, abs=1e-6
        )
    table = study("seconds").set_index(["where", "what"])["value"]
    dense, thin = (seconds.spaced(curves, every) for every in (1, 5))
    for ratio in seconds.RATIOS:
        differ = np.expm1((thin.cost(ratio) - dense.cost(ratio)).mean())
        assert differ == pytest.approx(
            table["modern-nets", f"every 5, evaluation {ratio:g}"], rel=1e-4, abs=1e-6
        )


def test_a_well_chosen_patience_in_seconds_by_hand():
    """Four epochs cost four evaluations, or two if one looks at every second check."""
    loss = pd.DataFrame({0: [0.1, 0.3], 1: [0.0, 0.1]})
    time = pd.DataFrame({0: [-1.0, -1.0], 1: [0.0, 0.0]})
    every, second = (seconds.Costs(loss, time, k) for k in (1, 2))
    rate = math.log(1.01) / math.log(1.5)
    assert every.cost(3.0).tolist() == pytest.approx([0.0, 0.1])
    less = rate * math.log((4 + 2 * 3) / (4 + 4 * 3))
    assert second.cost(3.0).tolist() == pytest.approx([less, 0.1 + less])


@pytest.mark.parametrize("name", QUESTIONS)
def test_an_answer_changes_with_each_number_that_it_tells(name):
    table, asked = study(name), QUESTIONS[name]
    changed = table.assign(value=table["value"] * 1.7 + 0.013)
    before, after = asked.answer(table), asked.answer(changed)
    assert before != after


def test_what_answers_say_without_a_number_holds_in_the_tables():
    t = study("minima")
    assert at(t, "prechelt1997", "lowest below first, every 5")["value"] < -0.011
    t = study("defaults")
    rules = [what for what in t["what"].unique() if what.endswith(": loss")]
    # no rule is within 1% of the end everywhere at less than two thirds of the time
    for rule in rules:
        part = t[t["what"] == rule]
        time = t[t["what"] == rule.replace("loss", "time")]
        assert part["value"].max() > 0.01 or time["value"].max() > 2 / 3, rule
    t = study("attainable")
    what = "fitted against best rule"
    below = [name for name in (*TESTED, "taskset") if at(t, name, what)["high"] < 0]
    assert below == ["taskset"]
    t = study("overstated")
    for name in ("boosting", "modern-nets"):
        halves = [at(t, name, f"second half, {error}")["value"] for error in ("validation", "test")]
        assert halves[0] < halves[1] < 0


def test_the_page_of_guesses_is_that_of_the_committed_table():
    text = guesses.page()
    assert guesses.PAGE.read_text(encoding="utf-8") == text
    assert (
        len({(each.source, each.what) for each in GUESSES}) == len(GUESSES) == len(study("guesses"))
    )
    # first looks of others, and more of our own
    own = [each for each in GUESSES if np.isnan(each.first)]
    assert min(len(own), len(GUESSES) - len(own)) >= 10
    missed = text.split("## Near")[0]
    assert sum(f"| {each.what} |" in missed for each in own) >= 8


def test_guesses_are_drawn_where_they_are_off():
    plt.switch_backend("Agg")
    figure = guesses.draw(study("guesses"))
    ratios = [
        line.get_xdata()[0] for ax in figure.axes for line in ax.lines if line.get_marker() == "o"
    ]
    plt.close(figure)
    table = study("guesses").set_index(["where", "what"])["value"]
    off = [table[each.source, each.what] / each.guess for each in GUESSES if each.guess]
    # the axis ends at 32 times
    assert sorted(ratios) == pytest.approx(sorted(np.clip(off, 1 / 32, 32)))


def test_shares_and_bounds_of_the_front_are_in_order():
    shares = study("front_shares").set_index(["corpus", "rule"])["share"]
    bounds = study("front_bounds")
    rate = bounds["worth"].map(exchange_rate)
    bounds = bounds.assign(cost=np.log1p(bounds["regret"]) + rate * np.log(bounds["time"]))
    for name in shares.index.unique("corpus"):
        part = shares[name]
        assert part.drop("hindsight").max() == pytest.approx(1)
        assert part["hindsight"] > 1
        costs = bounds[bounds["corpus"] == name].pivot(index="worth", columns="line", values="cost")
        assert (costs["hindsight"] < costs["policy"]).all()


def test_guessed_facts_of_a_checkout_are_those_of_today():
    table = study("guesses").set_index(["where", "what"])
    for found in [*guesses.look_at_nets(), *guesses.look_at_boosting()]:
        kept = table.loc[(found["where"], found["what"])]
        for name in ("value", "low", "high", "runs", "clusters"):
            assert found[name] == pytest.approx(kept[name], rel=1e-4, abs=1e-6), found["what"]


def test_a_run_is_killed_if_it_is_stopped_before_it_reached_its_target(monkeypatch):
    about = {"ended": "target", "benchmark": "b", "round": "5", "submitter": "s"}
    runs = [
        {"val": [5.0, 6.0, 4.0], "system": "x", **about},
        {"val": [5.0, 4.5, 4.0], "system": "y", **about},
        {"val": [5.0, 4.0, 6.0], "system": "y", **about, "ended": "aborted"},
    ]
    monkeypatch.setattr(guesses, "corpus", lambda name: CurveSet.from_runs(runs))
    shares, systems = guesses.killed("any", "b", 1)
    assert shares.tolist() == [1.0, 0.0]
    assert systems.tolist() == ["5/s/x", "5/s/y"]


# -- the numbers ----------------------------------------------------------------------------


def naive_minima(val):
    found = [i for i in range(1, len(val) - 1) if val[i] < val[i - 1] and not val[i] > val[i + 1]]
    lowest = min(range(len(val)), key=lambda i: val[i])
    return found, lowest


@given(st.lists(st.integers(1, 6), min_size=1, max_size=30), st.integers(1, 4))
def test_minima_are_those_of_a_loop(val, every):
    found = minima(CurveSet.from_runs([{"val": [float(v) for v in val]}]), every=every)
    seen = val[every - 1 :: every]
    if not seen:
        assert found["minima"].tolist() == [0]
        return
    expected, lowest = naive_minima(seen)
    assert found["minima"].tolist() == [len(expected)]
    if expected:
        (one,) = found.itertuples()
        assert (one.first, one.lowest) == (seen[expected[0]], seen[lowest])
        assert (one.first_at, one.lowest_at) == (every * (expected[0] + 1), every * (lowest + 1))


def test_minima_refuse_what_is_no_interval_of_checks():
    with pytest.raises(ValueError, match="minima: every = 0; expected at least 1"):
        minima(CurveSet.from_runs([{"val": [1.0]}]), every=0)


def test_the_second_half_of_a_record_by_hand():
    runs = [{"val": [4.0, 2.0, 3.0, 1.0], "test": [4.0, 3.0, 9.0, 6.0]}]
    val, test = short_studies.halves(CurveSet.from_runs(runs))
    assert val.tolist() == pytest.approx([math.log(1 / 2)])
    assert test.tolist() == pytest.approx([math.log(6 / 3)])


def test_a_patience_against_the_end_is_that_of_a_loop():
    curves = corpus("modern-nets")[:6]
    found = short_studies.against_the_end(replay(curves, [Keras(3)]), curves)[:, 0]
    for lost, curve in zip(found, curves, strict=True):
        best, waited = 0, 0
        for i, error in enumerate(curve.val):
            best, waited = (i, 0) if error < curve.val[best] or not i else (best, waited + 1)
            if waited == 3:
                break
        assert lost == pytest.approx(np.log(curve.test[best] / curve.test[curve.val.argmin()]))


def test_costs_by_set_are_means_over_the_runs_of_a_set():
    curves = corpus("modern-nets").select(np.arange(418) % 40 == 0)
    table = short_studies.costs_by_set(curves)
    stops = replay(curves, [Keras(7)], restore="lowest")
    each = short_studies.against_the_end(stops, curves)[:, 0]
    each = each + math.log(1.01) / math.log(1.5) * np.log(stops.stop[:, 0] / facts_of(curves).last)
    sets = pd.Series(each).groupby(curves.meta["dataset"].to_numpy()).mean()
    pd.testing.assert_series_equal(
        table[7].sort_index(), sets, check_names=False, check_index_type=False
    )


# -- the words ------------------------------------------------------------------------------


def test_a_row_has_the_interval_of_cluster_means_and_ends_where_values_end():
    clusters = pd.Index([*"aabbccddeeff"], name="dataset")
    values = np.array([0.0, 0, 0, 0, 0, 0, 0, 0, 0, 0.1, 0.5, 0.7])
    wide, kept = row("x", "y", values, clusters), row("x", "y", values, clusters, within=(0, 1))
    assert wide["low"] < 0 == kept["low"]
    assert (kept["value"], kept["clusters"], kept["runs"]) == (pytest.approx(0.65 / 6), 6, 12)
    assert sets_above("x", "y", values, clusters)["value"] == 2
    log = row("x", "y", np.log1p(values), clusters, log=True)
    assert log["value"] == pytest.approx(math.expm1(np.log1p(values).mean()))


def test_what_is_not_known_is_told():
    one = {"where": "x", "what": "y", "value": 0.5, "low": np.nan, "high": np.nan}
    table = pd.DataFrame([one | {"unit": "dataset", "clusters": 1}])
    assert told(table, "x", "y") == "50% (1 data set, no interval)"
    assert not excludes(table, "x", "y")
    unbounded = table.assign(low=-np.inf, high=np.inf)
    assert told(unbounded, "x", "y") == "50% (too few data sets differ for an interval)"
    with pytest.raises(KeyError, match="'x', 'z': 0 rows"):
        at(table, "x", "z")


@pytest.mark.parametrize("module", [studies, guesses], ids=lambda module: module.__name__)
def test_examples_of_what_studies_share(module):
    found = doctest.testmod(module)
    assert found.attempted > 0 == found.failed


def test_questions_about_absent_corpora_are_left_as_they_are(monkeypatch, capsys):
    monkeypatch.delenv("EARLYSTOP_CORPORA", raising=False)
    before = study("yolo")
    main(["yolo"])
    said = capsys.readouterr().err
    assert said.startswith("yolo: left as it is: yolo_census is not part of a checkout")
    pd.testing.assert_frame_equal(study("yolo"), before)
    with pytest.raises(SystemExit):
        main(["yollo"])
    assert "no question yollo; expected some of minima" in capsys.readouterr().err
