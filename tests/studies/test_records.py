"""What curves are is known to the last line: scores, units of positions, stand-ins, metrics.

A set of scores is studied beside its negated twin, a set with an upper bound beside upper - score.
"""

import re
import sys

import numpy as np
import pandas as pd
import pytest
from log_samples import genuine_folder
from strategies import CHANNELS

from earlystop_lab import (
    GL,
    PQ,
    UP,
    Channel,
    CurveSet,
    Keras,
    MaxEpochs,
    TerminateOnNaN,
    calibrate,
    check_criterion,
    cli,
    criterion,
    read_curves,
    recommend,
    replay,
    simulate,
    tradeoff,
)
from earlystop_lab.criteria import FAMILIES, usual
from earlystop_lab.curves.facts import facts_of, info
from earlystop_lab.engine.thresholds import sweeps
from earlystop_lab.measures.fronts import front, replay_sweeps
from earlystop_lab.measures.hindsight import regrets
from earlystop_lab.report import in_words
from earlystop_lab.sources.logs import read_logs
from earlystop_lab.studies.calibration import RefusedError
from earlystop_lab.studies.comparison import bench
from earlystop_lab.studies.conformance import ConformanceError, check_on
from earlystop_lab.studies.recommendation import Why
from earlystop_lab.studies.records import Recorded, differing, hidden
from earlystop_lab.studies.surveys import survey

ERRORS = ("val", "test", "train")
SCORE, SHARE = Channel(direction="max"), Channel(direction="max", upper=1)
#: rules that see nothing of a score but that higher is better
ORDERED = [f for f in FAMILIES.values() if f.takes == "error"]


def scores(seed, count=24):
    """Runs of scores that rise, level off and fall again, of eight problems."""
    rng = np.random.default_rng(seed)
    runs = []
    for i in range(count):
        t = np.arange(1, int(rng.integers(20, 40)) + 1)
        rise = 0.5 + 0.4 * (1 - np.exp(-t / rng.integers(2, 9)))
        val = rise - rng.random() * 0.006 * t + 0.02 * rng.random(len(t))
        run = {"val": val, "test": val - 0.02 * rng.random(len(t)), "train": rise}
        # exact as 1 - score, too
        exact = {name: np.round(1024 * values) / 1024 for name, values in run.items()}
        runs.append({"run": f"r{i}", "problem": f"p{i % 8}", **exact})
    return runs


def told(runs, about):
    return CurveSet.from_runs(runs, channels=dict.fromkeys(ERRORS, about))


def turned(runs, turn):
    return CurveSet.from_runs({**run, **{n: turn(run[n]) for n in ERRORS}} for run in runs)


def pair(seed):
    """Scores without a known bound, and their negatives."""
    runs = scores(seed)
    return told(runs, SCORE), turned(runs, lambda values: -values)


@pytest.fixture(scope="module", params=[0, 1])
def twins(request):
    return pair(request.param)


@pytest.fixture(scope="module")
def bounded():
    """Scores of at most 1, and the errors that they are."""
    runs = scores(2)
    return told(runs, SHARE), turned(runs, lambda values: 1 - values)


def same(a, b):
    """Whether two answers are equal, tables and NaN in them included."""
    if isinstance(a, pd.DataFrame):
        pd.testing.assert_frame_equal(a, b)
    elif isinstance(a, tuple) and hasattr(a, "_asdict"):
        assert type(a) is type(b)
        for one, other in zip(a, b, strict=True):
            same(one, other)
    elif isinstance(a, (list, tuple)):
        assert len(a) == len(b)
        for one, other in zip(a, b, strict=True):
            same(one, other)
    elif isinstance(a, dict):
        assert list(a) == list(b)
        same(list(a.values()), list(b.values()))
    elif isinstance(a, (float, np.ndarray)):
        np.testing.assert_array_equal(a, b)
    elif not isinstance(a, CurveSet):
        assert a == b


# -- scores ----------------------------------------------------------------------------------


def test_a_recommendation_is_that_of_the_negated_twin(twins):
    a, b = (recommend(curves, max_loss=0.02, max_epochs=15, rate=20) for curves in twins)
    for one, other in zip(a.advice, b.advice, strict=True):
        assert one.watched.mode == "max"
        same(one._replace(watched=other.watched), other)
    # beside it there are fewer rules, which is said
    assert [r.what for r in a.reasons if r not in b.reasons] == [Why.UNBOUNDED]
    assert "GL and PQ were excluded: they divide by an error" in in_words(a)
    own = b.front[~b.front["rule"].isin(["GL", "PQ"])]
    assert set(own["criterion"]) <= set(a.front["criterion"])
    text = in_words(a)
    assert "score at the end of the run" in text
    assert 'monitor="val_score", mode="max"' in text
    assert "error" not in text.replace("divide by an error", "")
    assert "have their best score in the last tenth" in text


def calibrated(curves, rule, **options):
    """The answer, or in words what it would take."""
    try:
        return calibrate(curves, rule, **{"unit": "run", **options})
    except RefusedError as error:
        return str(error)


def test_a_calibration_is_that_of_the_negated_twin(twins):
    for options in ({}, {"exceed": 0.01, "at_most": 0.2}, {"confidence": 0.5, "at_most": 0.05}):
        for rule in (Keras, UP):
            a, b = (calibrated(curves, rule, **{"at_most": 0.05, **options}) for curves in twins)
            if isinstance(b, str):
                assert a == b
                continue
            same(a._replace(watched=b.watched), b)
            assert "of its size below each run's own best" in in_words(a)
    assert not isinstance(calibrated(twins[0], Keras, at_most=0.05), str)
    with pytest.raises(ValueError, match="a score with an unknown upper bound"):
        calibrate(twins[0], GL)


def test_a_comparison_is_that_of_the_negated_twin(twins):
    known = [family for family in ORDERED if family.name != "Keras"][:12]
    rule = Keras(3)
    a, b = (bench(rule, {"x": curves}, known=known) for curves in twins)
    for name in ("front", "comparisons", "by_cluster", "regret_profile", "time_profile", "ranks"):
        same(getattr(a.corpora[0], name), getattr(b.corpora[0], name))
    words = in_words(a)
    assert "test score" in words
    assert "test error" not in words


def test_fronts_and_regrets_are_those_of_the_negated_twin(twins):
    a, b = (front(replay_sweeps(c, sweeps(ORDERED[:8], c, 20), error="test")) for c in twins)
    same(a, b)
    a, b = (regrets(replay(c, ["Keras(3)", "UP(1)"]), c) for c in twins)
    same(a, b)
    a, b = (tradeoff(replay(c, ["Keras(3)", "UP(1)"]), reference="UP(1)") for c in twins)
    same(a, b)


def test_a_survey_is_that_of_the_negated_twin(twins):
    a, b = (survey(c, [usual(family) for family in ORDERED]) for c in twins)
    same(a, b)
    whole = survey(twins[0]).set_index("criterion")
    divide = [str(usual(f)) for f in FAMILIES.values() if f.takes == "ratio"]
    assert len(divide) > 2
    others = [str(usual(f)) for f in FAMILIES.values() if {*f.watches} & {*CHANNELS}]
    assert (whole["runs"] == 0).tolist() == whole.index.isin([*divide, *others]).tolist()


def test_rules_look_at_scores_as_at_their_negated_twin():
    # what a rule sees of one run does not depend on the others: a few are enough
    for curves in pair(0):
        for family in ORDERED:
            check_on(family, curves[:4], "x")


def test_studies_of_bounded_scores_look_at_the_distance_from_the_bound(bounded):
    share, error = bounded
    rules = [usual(f) for f in FAMILIES.values() if f.takes == "ratio"]
    columns = ["criterion", "runs", "fired", "epochs", "time", "too_early"]
    same(survey(share, rules)[columns], survey(error, rules)[columns])
    groups = [sweeps([GL, PQ(1, k=2)], curves, 30) for curves in bounded]
    assert groups[0] == groups[1]
    assert Why.UNBOUNDED not in {reason.what for reason in recommend(share).reasons}
    assert calibrate(share, GL, unit="run").criterion.family is GL
    for family in FAMILIES.values():
        check_on(family, share[:4], "x")


# -- units -----------------------------------------------------------------------------------


def in_unit(unit, apart, seed=5, count=20):
    """Runs of errors with checks that far apart in a unit."""
    runs = [c.as_run() for c in simulate("gradient_flow", count, seed=seed, epochs=60)]
    extra = {} if unit is None else {"epoch.unit": unit}
    return [
        {**run, "run": f"{unit} {i}", "epoch": apart * run["epoch"], **extra}
        for i, run in enumerate(runs)
    ]


@pytest.mark.parametrize("unit", ["step", "round", "iteration", None])
def test_texts_name_the_unit_of_positions(unit):
    curves = CurveSet.from_runs(in_unit(unit, 1))
    text = in_words(recommend(curves, max_loss=0.05, max_epochs=30))
    word = unit or "epoch"
    assert f"of the {word}s (geometric mean)" in text
    assert f"train at most 30 {word}s per run" in text
    assert re.search(rf"rule\s+{word}s\s+saved", text)
    kept = in_words(calibrate(curves, Keras, 0.1))
    assert f"% of the {word}s;" in kept
    if unit is not None:
        pasted = r"epochs=\d+|max_epochs|num_train_epochs|strategy=.epoch.|one check per epoch"
        assert "epoch" not in re.sub(pasted, "", f"{text}{kept}")


def test_checks_that_are_apart_are_so_in_their_unit():
    answer = recommend(CurveSet.from_runs(in_unit("step", 250)))
    assert (Why.SPACING_IN, {"apart": 250, "unit": "step"}) in answer.reasons
    assert "checks are about 250 steps apart: a patience counts checks" in in_words(answer)


@pytest.fixture(scope="module")
def mixed():
    """Half of the runs in steps, half in epochs."""
    return CurveSet.from_runs([*in_unit("step", 250), *in_unit("epoch", 1, seed=6)])


def test_positions_of_different_units_have_no_mean(mixed):
    one = recommend(mixed, max_loss=0.05, max_epochs=30)
    loss, epochs = one.advice
    assert loss.epochs is None
    assert epochs.doubt is Why.NO_UNIT
    assert one.front["epochs"].isna().all()
    assert "MaxEpochs" not in set(one.front["rule"])
    text = in_words(one)
    assert "are in different units (step (20) and epoch (20)), so averages are of shares" in text
    assert "of each run (geometric mean)" in text
    assert "a run then takes" not in text
    assert "Goal: train at most 30 positions per run, on average\n  The positions of these" in text
    # shares of records are the same whatever they are counted in
    runs = [{**run, "epoch.unit": "epoch"} for run in in_unit("step", 1)]
    other = recommend(CurveSet.from_runs([*runs, *in_unit("epoch", 1, seed=6)]), max_loss=0.05)
    assert (loss.criterion, loss.saved) == (other.advice[0].criterion, other.advice[0].saved)
    kept = in_words(calibrate(mixed, Keras, 0.1))
    assert "% of each run;" in kept
    with pytest.raises(ValueError, match="MaxEpochs depends only on positions, and those of"):
        calibrate(mixed, MaxEpochs)
    columns = ["slowness_best_total", "slowness_ref_total"]
    whole, one = (
        tradeoff(replay(curves, ["Keras(3)", "UP(2)"]), reference="UP(2)")
        for curves in (mixed, mixed[:20])
    )
    assert whole[columns].isna().all(axis=None)
    assert one[columns].notna().all(axis=None)
    assert whole["slowness_ref"].notna().all()
    # seconds are seconds, whatever positions are counted in
    seconds = [
        {**curve.as_run(), "seconds": curve.epoch, "epoch.unit": curve.run[:4]} for curve in mixed
    ]
    timed = replay(CurveSet.from_runs(seconds), ["Keras(3)", "UP(2)"])
    assert tradeoff(timed, "UP(2)", time="seconds")[columns].notna().all(axis=None)
    assert "positions of the runs are in different units" in kept


def test_a_comparison_does_not_count_in_different_units(mixed):
    (found,) = bench(UP(2), {"x": mixed}, known=[Keras, MaxEpochs]).corpora
    assert found.front["epochs"].isna().all()
    assert (found.counting, found.counted_in) == (["MaxEpochs"], "position")
    text = in_words(bench(UP(2), {"x": mixed}, known=[Keras, MaxEpochs]))
    why = "Not compared because the positions of the runs are in different units: MaxEpochs."
    assert why in text
    assert "The positions of the runs are in different units (step (20) and epoch (20))" in text
    with pytest.raises(ValueError, match="MaxEpochs depends only on positions, but those of"):
        bench(MaxEpochs(9), {"x": mixed}, known=[Keras])
    (found,) = bench(UP(2), {"x": mixed[:20]}, known=[Keras, MaxEpochs]).corpora
    assert (found.counting, found.counted_in) == ([], "step")
    assert found.front["epochs"].notna().all()


def test_an_unknown_unit_is_another_than_a_known_one():
    known, unknown = in_unit("step", 1, count=3), in_unit(None, 1, count=4)
    curves = CurveSet.from_runs([*known, *unknown])
    assert facts_of(curves).units == {"step": 3, None: 4}
    assert facts_of(curves).lasts is None
    (reason,) = differing(curves)
    assert reason == (Recorded.UNITS, {"units": ["step (3)", "an unknown unit (4)"]})
    whole = front(replay_sweeps(curves, {"Keras": [Keras(3)]}))
    assert whole["epochs"].isna().all()
    assert whole["time"].notna().all()


# -- stand-ins and metrics -------------------------------------------------------------------


def standing_in(count, of=30):
    """Runs of which the first have a training curve in place of a validation curve."""
    return [
        {**run, "val.stand_in": i < count, "val.source": "loss" if i < count else "val_loss"}
        for i, run in enumerate(in_unit("epoch", 1, seed=8, count=of))
    ]


@pytest.fixture(params=["memory", "parquet", "arrow"])
def kept(request, tmp_path):
    """A set as it is, or after a round trip through a file."""

    def through(runs):
        curves = CurveSet.from_runs(runs)
        if request.param == "memory":
            return curves
        curves.write(tmp_path / f"x.{request.param}")
        return read_curves(tmp_path / f"x.{request.param}")

    return through


def test_a_training_curve_is_never_praised_as_validation_error(kept):
    answer = recommend(kept(standing_in(8, of=8)))
    assert answer.verdict == "declined"
    assert answer.advice == []
    assert answer.reasons[0] == (Recorded.STAND_INS, {"stand_ins": 8, "runs": 8})
    assert in_words(answer).split("\n")[0] == (
        "No recommendation. 8 of 8 runs were excluded: they have a training curve in place of a "
        "validation curve, which cannot say when to stop."
    )


def test_runs_without_any_validation_curve_are_left_out_and_said_to_be():
    runs = in_unit("epoch", 1, seed=8, count=30)
    bare = [{"run": run["run"], "train": run["val"]} for run in runs[:4]]
    answer = recommend(CurveSet.from_runs([*bare, *runs[4:]]), max_loss=0.05)
    assert "4 of 30 runs were excluded: they have no validation curve." in in_words(answer)
    same(answer.advice[0], recommend(CurveSet.from_runs(runs[4:]), max_loss=0.05).advice[0])
    none = recommend(CurveSet.from_runs(bare))
    assert in_words(none).startswith("No recommendation. 4 of 4 runs were excluded")
    assert "diverged" not in in_words(none)
    with pytest.raises(ValueError, match="No run of bare has a validation curve"):
        bench(UP(2), {"bare": CurveSet.from_runs(bare)}, known=[Keras])
    table = info(CurveSet.from_runs(bare)).iloc[0]
    assert (table["never_finite"], table["checks_max"]) == (0, 0)
    assert np.isnan(table["last_tenth"])


def test_the_other_runs_are_answered_and_the_first_line_says_so(kept):
    runs = standing_in(3)
    answer = recommend(kept(runs), max_loss=0.05)
    assert "3 of 30 runs were excluded" in in_words(answer).split("\n")[0]
    without = recommend(CurveSet.from_runs(runs[3:]), max_loss=0.05)
    same(answer.advice[0], without.advice[0])
    assert answer.advice[0].watched.monitor == "val_loss"
    assert answer.reasons[1:] == without.reasons


def test_nothing_is_guaranteed_of_stand_ins(kept):
    with pytest.raises(RefusedError, match="1 of 30 runs have a training curve in place"):
        calibrate(kept(standing_in(1)), Keras)


def test_what_looks_ahead_does_so_at_a_position_in_its_unit():
    @criterion(threshold="level", passes=">")
    def Ahead(val):
        return val - val.min()

    with pytest.raises(ConformanceError, match=r"not causal: on the run .* at step 250 is"):
        check_on(Ahead, CurveSet.from_runs(in_unit("step", 250, count=3)), "x")


def test_a_comparison_leaves_stand_ins_out_corpus_by_corpus(kept):
    some, every = kept(standing_in(3)), CurveSet.from_runs(standing_in(8, of=8))
    compared = bench(UP(2), {"some": some, "every": every}, known=[Keras])
    (found,) = compared.corpora
    assert found.unvalidated == [(Recorded.STAND_INS, {"stand_ins": 3, "runs": 30})]
    assert (found.left_out, len(found.curves)) == (0, 27)
    first = next(line for line in in_words(compared).split("\n") if line.startswith("some:"))
    assert "(3 of 30 runs were excluded: they have a training curve in place" in first
    words = "No run of every has a validation curve (8 have a training curve in its place)"
    assert words in in_words(compared)
    with pytest.raises(ValueError, match="No run of every has a validation curve"):
        bench(UP(2), {"every": every}, known=[Keras])


def test_a_survey_counts_stand_ins(kept):
    assert survey(kept(standing_in(3)), ["Keras(2)"])["stand_ins"].tolist() == [3]


def test_several_metrics_are_said_to_be_averaged():
    runs = in_unit("epoch", 1, seed=9)
    for i, run in enumerate(runs):
        run["val.metric"] = ["logloss", "mse", None][i % 3]
        run["test.metric"] = "mse"
    curves = CurveSet.from_runs(runs)
    reason = (Recorded.METRICS, {"error": "val", "metrics": ["logloss", "mse"]})
    assert reason in recommend(curves).reasons
    words = "validation metric differs between runs (logloss and mse)"
    assert words in in_words(recommend(curves))
    assert words in in_words(calibrate(curves, Keras, 0.1))
    # compared is the test error, of one metric
    assert "metric differs" not in in_words(bench(UP(2), {"x": curves}, known=[Keras]))
    runs[0]["test.metric"] = "mae"
    text = in_words(bench(UP(2), {"x": CurveSet.from_runs(runs)}, known=[Keras]))
    assert "The test metric differs between runs (mae and mse)" in text


@pytest.mark.parametrize(
    ("about", "watched"),
    [
        ({}, ("val_loss", "min")),
        ({"val": SCORE}, ("val_score", "max")),
        ({"val": Channel(metric="mae")}, ("val_mae", "min")),
        ({"val": Channel(metric="log loss")}, ("val_loss", "min")),
        ({"val": Channel(direction="max", metric="auc", source="valid_auc")}, ("valid_auc", "max")),
    ],
)
def test_the_lines_to_paste_watch_what_was_analysed(about, watched):
    curves = CurveSet.from_runs(in_unit("epoch", 1), channels=about)
    (advice,) = recommend(curves, max_loss=0.5).advice
    assert (advice.watched.monitor, advice.watched.mode) == watched
    assert 'monitor="{}", mode="{}"'.format(*watched) in in_words(advice)


# -- any channels ----------------------------------------------------------------------------


@criterion(threshold="level", passes="<=")
def Cooled(lr):
    """The learning rate once it is below its highest: schedules warm up."""
    return np.where(lr < np.maximum.accumulate(lr), lr, np.nan)


def test_what_was_not_measured_is_no_check():
    runs = [c.as_run() for c in simulate("gradient_flow", 20, seed=3, epochs=60)]
    holed = []
    for run in runs:
        other = {"run": run["run"], "epoch": np.arange(1, 121)}
        for name in ("val", "test"):
            other[name] = [each for value in run[name] for each in (None, value)]
        holed.append(other)
    whole, holes = CurveSet.from_runs(runs), CurveSet.from_runs(holed)
    a, b = (recommend(curves, max_loss=0.05) for curves in (whole, holes))
    assert a.advice[0].criterion == b.advice[0].criterion
    assert a.advice[0].loss == b.advice[0].loss
    assert a.advice[0].watched == b.advice[0].watched
    assert b.advice[0].saved.mean == pytest.approx(a.advice[0].saved.mean)
    assert (Why.SPACING, {"apart": pytest.approx(2, abs=0.05)}) in b.reasons
    after = facts_of(whole).checks_after_lowest
    assert after.tolist() == facts_of(holes).checks_after_lowest.tolist()
    assert hidden(whole) == hidden(holes)
    # a rule of another channel may stop between two checks, and before the first
    rated = [{**run, "lr": np.linspace(1, 0.01, 120)} for run in holed]
    (found,) = bench(Cooled, {"x": CurveSet.from_runs(rated)}, known=[Keras]).corpora
    assert np.isfinite(found.front["regret"]).all()
    # a test error that is not there at every check is none to compare
    for run in holed:
        run["test"] = [None if i % 4 == 3 else value for i, value in enumerate(run["test"])]
    assert bench(UP(2), {"x": CurveSet.from_runs(holed)}, known=[Keras]).corpora[0].error == "val"
    assert bench(UP(2), {"x": holes}, known=[Keras]).corpora[0].error == "test"


@criterion(threshold="level", passes="<")
def Fades(grad_norm):
    """The lowest gradient norm so far."""
    return np.fmin.accumulate(grad_norm)


def with_norms(count=20):
    """Runs with a gradient norm, which falls as the error does."""
    runs = [{**run, "grad_norm": np.sqrt(run["val"])} for run in in_unit("epoch", 1, count=count)]
    return [{name: value for name, value in run.items() if name != "train"} for run in runs]


def test_rules_over_any_channels_are_compared_where_there_are_such():
    curves, bare = CurveSet.from_runs(with_norms()), CurveSet.from_runs(in_unit("epoch", 1))
    check_on(Fades, curves, "norms")
    found = bench(Fades, {"norms": curves, "bare": bare}, known=[Keras, PQ, TerminateOnNaN])
    (on,) = found.corpora
    assert on.corpus == "norms"
    assert on.comparisons["rule"].tolist() == ["Keras"]
    assert on.lacking == ["PQ", "TerminateOnNaN"]
    text = in_words(found)
    assert "Fades watches grad_norm, which some runs of bare do not have" in text
    assert "some runs lack a channel that they watch: PQ and TerminateOnNaN." in text
    with pytest.raises(ValueError, match=r"watches grad_norm, whose direction .* is unknown in"):
        bench(UP(2, val="grad_norm"), {"norms": curves}, known=[Keras])
    assert survey(curves, [Fades(0.5)])["runs"].tolist() == [20]
    assert survey(bare, [Fades(0.5)])["runs"].tolist() == [0]
    assert calibrate(curves, Fades, 0.5).criterion.family is Fades


def test_a_rule_of_the_learning_rate_runs_on_a_genuine_log_in_every_study():
    curves = read_logs([genuine_folder() / "hf_trainer_state"]).curves
    (curve,) = curves
    lr, highest = curve["lr"], np.argmax(curve["lr"])
    level = float(np.median(lr))
    by_hand = curve.epoch[highest + np.argmax(lr[highest:] <= level)]
    assert replay(curves, [Cooled(level)]).stop[0, 0] == by_hand
    check_criterion(Cooled)
    check_on(Cooled, curves, "trainer")
    (found,) = bench(Cooled, {"trainer": curves}, known=[Keras, MaxEpochs]).corpora
    # the rate falls in a straight line, which is to count epochs
    assert found.comparisons.explode("rules").set_index("rules")["alike"]["MaxEpochs"]
    assert survey(curves, [Cooled(level)])["fired"].tolist() == [1]
    assert "there is only 1 run" in in_words(recommend(curves))


def test_a_rule_that_divides_by_a_score_is_compared_where_its_bound_is_known(twins, bounded):
    mine = PQ(1, k=2)
    with pytest.raises(ValueError, match="PQ divides by an error, but the upper bound of the"):
        bench(mine, {"x": twins[0]}, known=[Keras])
    (found,) = bench(mine, {"x": bounded[0]}, known=[Keras, GL]).corpora
    assert found.unbounded == []
    (found,) = bench(UP(2), {"x": twins[0]}, known=[Keras, GL]).corpora
    assert (found.unbounded, found.lacking) == (["GL"], [])


def test_corpus_info_shows_the_channels(tmp_path, monkeypatch, capsys):
    runs = [{**run, "val.metric": "mse"} for run in with_norms(3)]
    CurveSet.from_runs(runs).write(tmp_path / "x.parquet")
    monkeypatch.setattr(sys, "argv", ["earlystop", "corpus", "info", str(tmp_path / "x.parquet")])
    with pytest.raises(SystemExit) as stop:
        cli.main()
    assert not stop.value.code
    facts, channels = capsys.readouterr().out.split("\n\n")
    assert facts.split()[0] == "problem"
    rows = {line.split()[0]: line.split() for line in channels.splitlines()}
    assert rows["channel"][1:8] == [
        *("role", "direction", "unit", "upper", "metric", "data", "source"),
    ]
    assert list(rows) == ["channel", "epoch", "val", "test", "grad_norm"]
    assert rows["val"][1:4] == ["val", "min", "mse"]
    assert rows["epoch"][1] == "epoch"
    assert rows["grad_norm"][-2:] == ["180", "0"]
