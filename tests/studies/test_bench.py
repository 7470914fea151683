"""A new rule against the known ones: a copy, a better one, one that peeks, one that cannot be."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from earlystop_lab import (
    GL,
    H2O,
    PQ,
    UP,
    CurveSet,
    Discrepancy,
    Keras,
    LightGBM,
    MaxEpochs,
    TerminateOnNaN,
    XGBoost,
    criterion,
    read_curves,
    replay,
    simulate,
)
from earlystop_lab.cli.rules import bench_command
from earlystop_lab.curves.datasets import SHARED
from earlystop_lab.engine.thresholds import Thresholds
from earlystop_lab.inference import intervals
from earlystop_lab.measures.hindsight import regrets
from earlystop_lab.report import answer_as_json, in_words, page
from earlystop_lab.report.comparison import table, words_of
from earlystop_lab.report.messages import reason
from earlystop_lab.studies import comparison
from earlystop_lab.studies.comparison import (
    Event,
    Incomparable,
    Verdict,
    bench,
    compared,
)
from earlystop_lab.studies.conformance import ConformanceError
from earlystop_lab.studies.kept import NOTHING_KEPT, Kept

NETS = Path(__file__).resolve().parents[2] / "data" / "curves" / "modern-nets"


@criterion(threshold="checks", passes=">=")
def Waiting(val):
    """Checks since the lowest error: Keras' patience, as one writes it in numpy."""
    best = np.fmin.accumulate(val)
    new = np.concatenate([[True], best[1:] < best[:-1]])
    at = np.maximum.accumulate(np.where(new, np.arange(len(val)), 0))
    return np.arange(len(val)) - at


@criterion(threshold="rise", passes=">")
def Seer(train):
    """Rise of the noiseless curve, which the simulated runs have as their training error."""
    best = np.fmin.accumulate(train)
    return np.divide(train - best, np.abs(best), out=np.zeros(len(train)), where=best != 0)


@criterion(threshold="level", passes=">")
def Peeking(val):
    """The lowest error of the whole run is not known before it ends."""
    return val - val.min()


def planted(family, n, seed):
    """Simulated runs whose training error is the noiseless curve."""
    curves = simulate(family, n, seed=seed)
    return CurveSet.from_runs(
        {"run": c.run, "val": c.val, "train": c.test, "test": c.test, "problem": problem}
        for c, problem in zip(curves, curves.meta["problem"], strict=True)
    )


@pytest.fixture(scope="module")
def flow():
    return planted("gradient_flow", 60, 1)


def test_a_copy_under_another_name_is_no_different(flow):
    found = bench(Waiting, {"flow": flow}, known=[Keras])
    assert found.same == ["Keras"]
    answer = words_of(found).answer
    assert answer == [
        "Waiting behaves exactly like Keras on flow: they are the same rule under different names."
    ]
    # its thresholds need not be whole numbers, and one criterion stands for its family
    assert words_of(bench(Waiting(10), {"flow": flow}, known=[Keras])).answer == answer
    assert found.corpora[0].comparisons["verdict"].tolist() == [Verdict.SAME]
    several = words_of(bench(Waiting, {"flow": flow, "part": flow[:30]}, known=[Keras, GL])).answer
    assert "Waiting behaves exactly like Keras" in several[0]
    assert several[-1] == "It behaves exactly like Keras on every corpus."
    assert not any("Against Keras" in sentence for sentence in several)


@pytest.mark.parametrize(("family", "seed"), [("gradient_flow", 2), ("parametric", 2)])
def test_a_rule_that_sees_the_noiseless_curve_is_better(family, seed):
    found = bench(Seer, {family: planted(family, 120, seed)}, known=[Keras, UP])
    assert found.corpora[0].comparisons["verdict"].tolist() == [Verdict.BETTER] * 2
    assert words_of(found).answer == [f"Seer is better than Keras and UP on {family}."]


def test_a_rule_that_looks_ahead_is_refused_with_the_epoch(flow):
    with pytest.raises(ConformanceError, match=r"not causal.*at epoch 1"):
        bench(Peeking, {"flow": flow})


def test_a_rule_that_fails_or_looks_ahead_on_real_runs_is_refused_first():
    runs = CurveSet.from_runs([{"run": "long", "val": 1 + np.sin(np.arange(600.0))}])

    @criterion(threshold="level", passes=">")
    def Late(val):
        if len(val) > 500:
            raise RuntimeError("boom\nboom")
        return val

    said = []
    with pytest.raises(ConformanceError) as error:
        bench(Late, {"short": runs, "mine": runs}, known=[Keras], said=said.append)
    assert str(error.value).endswith("RuntimeError on the run 'long' of short: boom boom")
    assert not said

    @criterion(threshold="level", passes=">")
    def Ahead(val):
        return np.where(np.arange(len(val)) >= 450, val[-1], val)

    with pytest.raises(ConformanceError, match="not causal: on the run 'long' of mine"):
        bench(Ahead, {"mine": runs}, known=[Keras])


@pytest.mark.parametrize(
    ("given", "message"), [({"n_jobs": 0}, "n_jobs = 0"), ({"worth": 0}, "exchange rate")]
)
def test_a_mistake_in_the_options_is_noticed_first(flow, given, message):
    # before the rule, which breaks a promise, is looked at
    with pytest.raises(ValueError, match=message):
        bench(Peeking, {"flow": flow}, **given)


@pytest.mark.parametrize("inside", [False, True])
def test_a_file_in_place_of_the_folder_is_noticed_first(tmp_path, inside):
    file = tmp_path / "taken"
    file.touch()
    out = file / "report" if inside else file
    (tmp_path / "mine.py").write_text("from earlystop_lab import GL\nOther = GL\n")
    with pytest.raises(ValueError, match="is inside or equal to a file"):
        # nor is the corpus read
        bench_command(
            f"{tmp_path}/mine.py:Other", [tmp_path / "none"], out=out, formats=["csv"], n_jobs=1
        )


@criterion(threshold="level", passes=">")
def Nothing(val):
    """Is defined where runs begin below 1 only, and rises there."""
    return np.where(val[0] < 1, np.arange(len(val)), np.nan)


def test_a_rule_that_stops_nothing_is_not_compared(flow):
    high = CurveSet.from_runs({"val": c.val + 2, "problem": c.run} for c in flow[:8])
    low = CurveSet.from_runs({"val": c.val / c.val[0] / 2, "problem": c.run} for c in flow[:8])
    nothing = "Nothing stops no run of high before its last check, so high was skipped."
    with pytest.raises(ValueError, match=nothing):
        bench(Nothing, {"high": high}, known=[Keras, GL])
    found = bench(Nothing, {"high": high, "low": low}, known=[Keras, GL])
    assert [each.corpus for each in found.corpora] == ["low"]
    assert found.incomparable == [
        (Incomparable.STOPS_NOTHING, {"rule": "Nothing", "corpus": "high"})
    ]
    assert words_of(found).answer[-1] == nothing
    assert words_of(found).question.endswith("(high and low)")


def test_rules_that_meet_at_the_first_check_and_the_last_alone_are_not_compared(flow):
    @criterion(threshold="level", passes=">")
    def AtOnce(val):
        """Stops at the first check, or never."""
        return np.zeros(len(val))

    with pytest.raises(ValueError, match="none takes the same time, except for stops at every"):
        bench(AtOnce, {"flow": flow}, known=[Keras, XGBoost])


def test_rules_that_stop_elsewhere_are_not_the_same_though_no_error_differs():
    t = np.arange(1.0, 101)
    rising = CurveSet.from_runs(
        {"val": first + t / 100, "problem": f"p{i}"} for i, first in enumerate([1, 2] * 6)
    )

    @criterion(threshold="checks", passes=">=")
    def Uneven(val):
        """Ten checks earlier or later, by how high a run begins."""
        return np.arange(len(val)) + np.where(val[0] > 2, -10, 10)

    found = bench(Uneven, {"rising": rising}, known=[MaxEpochs])
    rows = found.corpora[0].comparisons
    # the difference is 0 everywhere, which is equivalence, but not identity
    assert rows[["tied", "p", "verdict", "alike"]].to_numpy().tolist() == [
        [12, 1, "equivalent", False]
    ]
    assert found.same == []
    assert "same" not in str(words_of(found).answer)


def test_known_rules_that_stop_alike_are_one_row(flow):
    # XGBoost also stops at the first check, where no rule differs from another
    found = bench(Seer, {"flow": flow}, known=[Keras, XGBoost, GL, LightGBM]).corpora[0]
    rows = found.comparisons
    assert rows["rules"].tolist() == [["Keras", "XGBoost", "LightGBM"], ["GL"]]
    assert rows["earliest"].gt(0).all()
    assert rows["latest"].lt(1).all()
    # which costs nothing in the adjustment
    alone = bench(Seer, {"flow": flow}, known=[Keras, GL]).corpora[0].comparisons
    assert rows["p_adjusted"].tolist() == alone["p_adjusted"].tolist()
    assert "Keras (also XGBoost, LightGBM)" in table(rows)["known rule"].tolist()


def test_one_run_is_spoken_of_as_one():
    runs = CurveSet.from_runs([{"val": [*np.geomspace(1, 0.1, 20), *np.geomspace(0.1, 1, 20)]}])
    text = in_words(bench(Waiting, {"mine": runs}, known=[GL, UP]))
    assert "mine: 1 run, validation error." in text
    assert "1 run is too few for an interval." in text
    assert "1 runs" not in text
    assert "a run's runs" not in text


def test_the_numbers_are_those_of_a_loop(flow):
    found = bench(Seer, {"flow": flow}, known=[GL, H2O]).corpora[0]
    row = found.comparisons.set_index("rule").loc["GL"]
    # at the time of GL(5): the two thresholds of the new rule around it, mixed
    weights = np.full(60, 1 / 60)  # five runs a problem
    used = regrets(replay(flow, [GL(5)], restore="lowest"), flow)
    moment = np.log(used.time[:, 0]).mean()
    around = Thresholds.of(Seer, flow).levels(weights).around([moment])
    near = regrets(replay(flow, around), flow)
    times = np.log(near.time).mean(axis=0)
    assert times[0] <= moment <= times[-1]
    share = (moment - times[0]) / (times[-1] - times[0])
    losses = np.log1p(near.test).mean(axis=0)
    mixed = losses[0] + share * (losses[-1] - losses[0])
    expected = mixed - np.log1p(used.test[:, 0]).mean()
    assert row["default_difference"] == pytest.approx(expected, abs=1e-9)
    assert row["difference"] == pytest.approx(found.by_cluster["GL"].mean())
    assert set(found.comparisons["rule"]) == {"GL", "H2O"}
    # interval and p are those of the differences by problem
    alone = intervals(found.by_cluster[["GL", "H2O"]]).loc["GL"]
    assert row[["low", "high", "p"]].tolist() == alone[["low", "high", "p"]].tolist()
    signs = np.sign(found.by_cluster["GL"])
    assert (row["better"], row["worse"]) == ((signs < 0).sum(), (signs > 0).sum())


def test_the_whole_answer_is_said_and_repeats(flow):
    one, again = (bench(Seer, {"a": flow, "b": flow[:30]}, known=[Keras, UP]) for _ in range(2))
    text = in_words(one)
    assert text == in_words(again)
    assert "a: 60 runs, 12 problems, test error." in text
    assert "Against Keras: better on" in text
    # the true size of the test stands beside its p values
    assert "rejects in 2.5% to 6.4% of simulated studies without any effect" in text
    assert table(one.corpora[0].comparisons)["known rule"].isin(["Keras", "UP"]).all()
    # two corpora: twice the p, at most 1
    for each in one.corpora:
        once = compared(each.by_cluster)
        expected = (2 * once["p_adjusted"]).clip(upper=1)
        pd.testing.assert_series_equal(each.comparisons["p_adjusted"], expected)


def test_what_no_corpus_can_show_by_itself_all_together_can():
    corpora = {}
    for seed in (2, 3, 4):
        curves = planted("gradient_flow", 50, seed)
        corpora[f"c{seed}"] = CurveSet.from_runs(
            # five problems, too few for p < .05 whatever the rule does
            c.as_run() | {"problem": f"{seed}: {i % 5}"}
            for i, c in enumerate(curves)
        )
    found = bench(Seer, corpora, known=[Keras, UP, GL])
    assert found.pooled["verdict"].tolist() == [Verdict.BETTER] * 3
    words = words_of(found)
    assert words.answer[0] == (
        "Over all 3 corpora and 15 problems (one that several corpora have counts once), at equal "
        "time, adjusted for 3 different known rules: Seer is better than Keras, UP and GL."
    )
    assert words.answer[1].startswith("Against Keras: better on 15, tied on 0 and worse on 0 of 15")
    assert words.answer[-2:] == [
        "Secondary analysis of each corpus separately:",
        "No difference that matters between Seer and any known rule is shown on these corpora.",
    ]
    few = "5 problems are too few to show a difference from Keras, UP and GL."
    assert all(few in each for each in words.found)


def test_data_that_two_corpora_have_counts_once_if_the_table_knows_its_name(flow):
    known = dict(zip(flow.meta["problem"].unique(), SHARED, strict=False))
    assert len(known) == 12
    shared = CurveSet.from_runs(
        c.as_run() | {"dataset": known[name]}
        for c, name in zip(flow, flow.meta["problem"], strict=True)
    )
    twice = bench(Seer, {"a": shared, "b": shared}, known=[Keras, UP])
    once = bench(Seer, {"a": shared}, known=[Keras, UP])
    assert once.pooled is None
    assert "a: 60 runs, 12 data sets, test error." in in_words(once)
    assert words_of(twice).answer[0].startswith("Over all 2 corpora and 12 data sets (one that")
    twice = twice.pooled
    assert twice["clusters"].tolist() == [12, 12]
    for name in ("difference", "low", "high", "p"):
        assert twice[name].tolist() == pytest.approx(once.corpora[0].comparisons[name].tolist())


def test_equal_names_that_the_table_does_not_know_are_other_data(flow):
    found = bench(Seer, {"a": flow, "b": flow}, known=[Keras]).pooled
    assert found["clusters"].tolist() == [24]


def test_problems_of_one_data_set_are_one_cluster(flow):
    names = [f"d{int(name.split('-')[1]) % 7}" for name in flow.meta["problem"]]
    runs = [c.as_run() | {"dataset": name} for c, name in zip(flow, names, strict=True)]
    found = bench(Seer, {"flow": CurveSet.from_runs(runs)}, known=[Keras]).corpora[0]
    assert found.comparisons["unit"].tolist() == ["dataset"]
    assert found.by_cluster.index.tolist() == list(dict.fromkeys(names))
    # each data set has equal weight, however many problems were made from it
    renamed = [c.as_run() | {"problem": name} for c, name in zip(flow, names, strict=True)]
    as_problems = bench(Seer, {"flow": CurveSet.from_runs(renamed)}, known=[Keras]).corpora[0]
    np.testing.assert_array_equal(found.by_cluster, as_problems.by_cluster)


def test_runs_of_one_data_set_say_nothing_about_others(flow):
    runs = [c.as_run() | {"dataset": "imdb"} for c in flow]
    found = bench(Seer, {"flow": CurveSet.from_runs(runs)}, known=[Keras, GL])
    rows = found.corpora[0].comparisons
    assert rows["verdict"].tolist() == [Verdict.NOT_SHOWN] * 2
    assert rows[["low", "high", "p", "p_adjusted"]].isna().all(axis=None)
    assert "All runs are of one data set, so nothing can be said about others" in in_words(found)


def without_problems(curves):
    return CurveSet.from_runs(curve.as_run() for curve in curves)


def test_runs_of_two_corpora_are_other_runs_whatever_their_names(flow):
    mine, yours = (without_problems(planted("gradient_flow", 20, seed)) for seed in (1, 2))
    assert mine.runs == yours.runs
    found = bench(Seer, {"mine": mine, "yours": yours}, known=[Keras])
    assert found.pooled["clusters"].tolist() == [40]
    assert words_of(found).answer[0].startswith("Over all 2 corpora and 40 runs")


def test_problems_stand_for_data_sets_beside_a_corpus_that_names_them(flow):
    other = CurveSet.from_runs(
        c.as_run() | {"dataset": name} for c, name in zip(flow, flow.meta["problem"], strict=True)
    )
    found = bench(Seer, {"flow": flow, "other": other}, known=[Keras])
    assert (found.pooled["unit"][0], found.pooled["clusters"][0]) == ("dataset", 24)
    said = "Without a column 'dataset', every problem counts as a data set: flow."
    assert said in words_of(found).answer


def test_a_corpus_without_problems_is_one_problem_among_those_with_them(flow):
    mine = without_problems(planted("gradient_flow", 20, 2))
    found = bench(Seer, {"flow": flow, "mine": mine}, known=[Keras])
    assert found.pooled["clusters"].tolist() == [13]
    of_runs = found.corpora[1].by_cluster["Keras"]
    of_all = [*found.corpora[0].by_cluster["Keras"], of_runs.mean()]
    assert found.pooled["difference"][0] == pytest.approx(np.mean(of_all))
    alone = "A corpus without a column 'dataset' or 'problem' counts as a single problem: mine."
    assert alone in words_of(found).answer


def test_runs_of_two_problems_show_nothing(flow):
    two = flow.select(flow.meta["problem"].isin(flow.meta["problem"].unique()[:2]).to_numpy())
    found = bench(Seer, {"flow": two}, known=[Keras])
    assert found.corpora[0].comparisons["verdict"].tolist() == [Verdict.NOT_SHOWN]
    assert "2 problems are too few for an interval." in in_words(found)


def test_without_problems_it_speaks_of_these_runs():
    runs = [{"val": c.val} for c in simulate("parametric", 12, seed=1, params={"diverges": 0.0})]
    found = bench(Waiting, {"mine": CurveSet.from_runs(runs)}, known=[GL])
    assert "mine: 12 runs, validation error" in in_words(found)
    assert "the answer holds only for runs like these" in in_words(found)


def test_a_rule_without_a_threshold_is_compared_at_its_own_time(flow):
    @criterion()
    def Middle(val):
        """Holds from check 300 on."""
        return (np.arange(len(val)) >= 299).astype(float)

    found = bench(Middle, {"flow": flow}, known=[Keras, H2O]).corpora[0]
    assert found.sweeps["Middle"]["criterion"].tolist() == ["Middle()"]
    assert "Keras" in set(found.comparisons["rule"])


@pytest.mark.parametrize(
    ("rule", "corpora", "message"),
    [
        (Seer, {}, "corpora is empty"),
        (Keras(10), None, "a known rule has this name"),
        (
            Seer,
            {"zero": CurveSet.from_runs([{"val": [0.0], "train": [1.0]}])},
            "zero: none of its 1 run",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused(flow, rule, corpora, message):
    with pytest.raises(ValueError, match=message):
        bench(rule, {"flow": flow} if corpora is None else corpora)


def test_rules_that_cannot_be_swept_here_are_left_out(flow):
    runs = CurveSet.from_runs(
        {"val": c.val, "problem": p} for c, p in zip(flow, flow.meta["problem"], strict=True)
    )
    found = bench(Waiting, {"flow": runs}, known=[Keras, TerminateOnNaN, Discrepancy, GL])
    assert "TerminateOnNaN" not in set(found.corpora[0].comparisons["rule"])


def test_a_difference_that_few_problems_carry_is_one_of_ranks(flow):
    first = flow.meta["problem"][0]
    runs = []
    for curve, problem in zip(flow, flow.meta["problem"], strict=True):
        excess = (curve.test - curve.test.min()) * (100 if problem == first else 1)
        runs.append(curve.as_run() | {"test": curve.test.min() + excess, "problem": problem})
    found = bench(Seer, {"flow": CurveSet.from_runs(runs)}, known=[Keras])
    (row,) = found.corpora[0].comparisons.to_dict("records")
    assert row["verdict"] == Verdict.RANKS
    # p of 10 of 12 is .039
    assert (row["better"], row["worse"]) == (10, 2)
    assert row["low"] < 0 < row["high"]
    assert "It differs in sign from Keras on nearly all problems" in in_words(found)
    whole = bench(Seer, {"flow": flow}, known=[Keras]).corpora[0].comparisons
    assert (whole["verdict"][0], whole["high"][0] < 0) == (Verdict.BETTER, True)


def test_what_goes_on_is_told_as_data(flow):
    told = []
    bench(Seer, {"a": flow, "b": flow[:1]}, known=[Keras, UP], said=told.append)
    assert told == [
        (Event.KEEPS_PROMISES, {"rule": "Seer"}),
        (Event.CORPUS_BEGINS, {"corpus": "a", "runs": 60, "known": 2}),
        (Event.CORPUS_BEGINS, {"corpus": "b", "runs": 1, "known": 2}),
    ]
    assert [reason(event) for event in told] == [
        "Seer passed all conformance checks, including those on a sample of runs of every corpus",
        "a: comparing with 2 known rules on 60 runs",
        "b: comparing with 2 known rules on 1 run",
    ]


def test_the_sweeps_are_rows_of_the_front_with_their_criteria(flow):
    found = bench(Seer, {"flow": flow}, known=[Keras, H2O]).corpora[0]
    assert list(found.sweeps) == ["Seer", "Keras", "H2O"]
    for rule, rows in found.sweeps.items():
        assert list(map(str, rows["member"])) == rows["criterion"].tolist()
        assert {member.family.name for member in rows["member"]} == {rule}
        # of each rule the threshold of least cost: 1% of error is worth 50% of time
        costs = np.log1p(rows["regret"]) + np.log(1.01) / np.log(1.5) * np.log(rows["time"])
        assert rows.loc[rows["chosen"], "criterion"].tolist() == [
            rows.loc[costs.idxmin(), "criterion"]
        ]
    chosen = found.front.loc[found.front["chosen"], "criterion"].tolist()
    assert list(found.regret_profile) == list(found.time_profile) == chosen


def test_runs_that_are_left_out_are_counted(flow):
    runs = [{"val": c.val, "problem": f"p{i % 3}"} for i, c in enumerate(flow[:9])]
    zero = {"val": [1.0, 0.0], "problem": "p1"}
    found = bench(Waiting, {"mine": CurveSet.from_runs([*runs, zero])}, known=[GL])
    assert (found.corpora[0].left_out, len(found.corpora[0].curves)) == (1, 9)
    assert words_of(found).found[0][0] == (
        "mine: 9 runs, 3 problems, validation error (1 of 10 runs excluded: they diverged or reach "
        "an error of 0)."
    )


def differences(**columns):
    index = pd.Index([f"d{i}" for i in range(12)], name="dataset")
    return pd.DataFrame(columns, index)


NOISE = np.random.default_rng(3).normal(0, 0.004, 12)
NOISE -= NOISE.mean()


def test_a_verdict_follows_from_the_interval_and_the_adjusted_p():
    carried = np.r_[-0.4, np.full(11, -0.0001)]
    table = compared(
        differences(
            better=NOISE - 0.03,
            worse=NOISE + 0.03,
            close=NOISE / 10 + 0.001,
            unsure=5 * NOISE + 0.004,
            carried=carried,
            same=np.zeros(12),
        ),
        {"same"},
    ).set_index("rule")
    assert table["verdict"].to_dict() == {
        "better": Verdict.BETTER,
        "worse": Verdict.WORSE,
        "close": Verdict.EQUIVALENT,
        "unsure": Verdict.NOT_SHOWN,
        "carried": Verdict.RANKS,
        "same": Verdict.SAME,
    }
    for sign, verdict in ((-1, "better"), (1, "worse")):
        assert (np.sign(table.loc[verdict, ["low", "high"]].astype(float)) == sign).all()
    # what does not matter is a choice
    assert compared(differences(close=NOISE / 10 + 0.001), margin=1e-3)["verdict"][0] == "worse"


def test_the_best_known_rule_is_asked_about_first():
    # one difference among many that are noise
    rng = np.random.default_rng(0)
    noise = {f"k{i}": rng.normal(0.02, 0.02, 12) for i in range(30)}
    one = {"best": NOISE * 3 - 0.02}
    alone, among = (compared(differences(**each)) for each in (one, {**one, **noise}))
    p = alone["p"][0]
    assert alone["p_adjusted"][0] == p
    # 30 others are better than the new rule, so the one that it beats is not asked about first
    assert among["p_adjusted"][0] > 2 * p
    beaten = {name: value - 0.1 for name, value in noise.items()}
    first = compared(differences(**one, **beaten))
    assert first["p_adjusted"][0] == pytest.approx(2 * p)
    assert (first["verdict"] == Verdict.BETTER).all()


def test_an_advantage_as_large_as_detectable_is_declared_in_four_of_five_studies():
    rng = np.random.default_rng(1)
    declared, needed = [], []
    for seed in range(50):
        known = {f"k{i}": rng.normal(0, 0.02, 12) for i in range(5)}
        table = compared(differences(**known), seed=seed)
        needed.append(table["detectable"].mean())
    needed = np.median(needed)
    for seed in range(50):
        known = {f"k{i}": rng.normal(-needed, 0.02, 12) for i in range(5)}
        declared.append((compared(differences(**known), seed=seed)["verdict"] == "better").mean())
    assert 0.75 <= np.mean(declared) <= 0.97


def test_clusters_that_a_rule_lacks_are_left_out():
    table = differences(whole=NOISE - 0.03, part=NOISE - 0.03)
    table.loc["d0":"d3", "part"] = np.nan
    found = compared(table).set_index("rule")
    assert found["clusters"].to_dict() == {"whole": 12, "part": 8}
    assert found.loc["part", "difference"] == pytest.approx(table["part"][4:].mean())


def test_regret_on_runs_that_end_at_their_best_is_called_a_lower_bound(flow):
    falling = CurveSet.from_runs(
        {"val": 1 / np.arange(1.0, 41) if i < 3 else c.val, "problem": f"p{i % 3}"}
        for i, c in enumerate(flow[:12])
    )
    (found,) = bench(Waiting, {"mine": falling}, known=[GL]).corpora
    late = [reason(each) for each in found.hidden]
    share = np.mean([c.val.argmin() + 1 > 0.9 * len(c.val) for c in falling])
    assert share >= 0.25
    assert late[0].startswith(f"{share:.0%} of the runs have their lowest error in the last tenth")
    assert "lower bound" in late[0]
    assert f"{late[0]}." in in_words(bench(Waiting, {"mine": falling}, known=[GL]))


def test_a_known_rule_without_its_strips_is_no_better_rule():
    @criterion(threshold="alpha", passes=">", at_least={"alpha": 0})
    def EveryGL(val):
        """GL at every check."""
        with np.errstate(all="ignore"):
            return 100 * (val / np.fmin.accumulate(val) - 1)

    curves = read_curves(NETS)
    # the data set on which the checks between the strips matter most, and others
    some = curves.select(np.arange(len(curves)) % 4 == 0)
    known = [GL, PQ, UP, Keras]
    found = bench(EveryGL, {"nets": some}, known=known).corpora[0].comparisons.set_index("rule")
    assert Verdict.BETTER not in set(found["verdict"])
    # where a rule with strips keeps only what it looked at, it seems to be
    charged = bench(EveryGL, {"nets": some}, known=known, restore="best").corpora[0]
    before = charged.comparisons.set_index("rule")["difference"]
    assert before["GL"] < -0.02
    assert abs(found.loc["GL", "difference"]) < 0.02


def test_known_rules_of_other_times_are_named(flow):
    found = bench(Seer, {"flow": flow}, known=[Keras])
    (one,) = found.corpora
    apart = found._replace(corpora=[one._replace(apart=["UP", "GL"])])
    assert (
        "Not compared because they have no times in common: UP and GL." in words_of(apart).found[0]
    )


def test_two_corpora_have_the_same_answer_for_any_number_of_jobs(flow, monkeypatch, tmp_path):
    others = simulate("double_descent", 16, seed=2, epochs=120)
    both = {"flow": flow, "descent": others}

    def found(jobs, kept):
        answer = bench(Seer, both, known=[GL, Keras], n_jobs=jobs, kept=kept)
        members = [each.members for each in answer.corpora]
        return answer_as_json(answer), page(answer, kept, jobs), members

    one = found(1, NOTHING_KEPT)
    monkeypatch.setattr(comparison, "MANY", 1)  # so few checks are not worth a process
    assert found(2, Kept(tmp_path)) == one
    # the rules themselves, not copies, so that what was compiled of them is used
    assert one[2][0][0].family is Seer
    assert one[2][0][-1].family is Keras


def test_a_rule_that_breaks_a_promise_ends_the_processes(flow, monkeypatch):
    @criterion(threshold="gap", passes=">")
    def Later(val):
        return np.append(val[1:], 0.0)

    monkeypatch.setattr(comparison, "MANY", 1)
    with pytest.raises(ConformanceError):
        bench(Later, {"flow": flow, "again": flow}, known=[GL], n_jobs=2)


def test_a_rule_that_exits_ends_the_bench(flow, monkeypatch):
    def left(*_):
        raise SystemExit("the rule has had enough")

    monkeypatch.setattr(comparison._Study, "on", left)
    with pytest.raises(SystemExit, match="enough"):
        bench(Seer, {"flow": flow, "again": flow}, known=[GL], n_jobs=2)


@pytest.mark.parametrize(("below", "above"), [(0, 0), (3, 3), (9, 1), (0, 7), (40, 61)])
def test_the_sign_test_is_the_binomial_one(below, above):
    p = stats.binomtest(below, below + above).pvalue if below + above else 1.0
    assert comparison._sign_p(below, above) == pytest.approx(p, rel=1e-13)
