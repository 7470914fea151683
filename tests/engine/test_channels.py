"""Rules over any channels: null and NaN apart, scores as recorded, bound by name.

The oracles are plain loops, the replay of the same run without what was not measured, and the
replay of the negated twin.
"""

import math

import numpy as np
import pytest
from hypothesis import given, settings, strategies as st
from numba.core.event import install_recorder
from strategies import CHANNELS, small

from earlystop_lab import (
    GL,
    PQ,
    UP,
    Channel,
    CurveSet,
    Keras,
    Lightning,
    MaxEpochs,
    ModelCheckpoint,
    RayPlateau,
    Ultralytics,
    after,
    all_of,
    any_of,
    check_criterion,
    criterion,
    parse,
    read_logs,
    replay,
    trace,
)
from earlystop_lab.criteria import FAMILIES
from earlystop_lab.live import Stopper

SCORE = Channel(role="val", direction="max")
PERCENT = Channel(role="val", direction="max", upper=100)


EVERY = [small(family) for family in FAMILIES.values()]
SMALL = [
    Keras(2),
    Lightning(2),
    UP(1, k=1),
    GL(10, k=2),
    PQ(0.5, k=2),
    MaxEpochs(4),
    Ultralytics(3),
]

numbers = st.sampled_from([0.25, 0.5, 0.5, 0.75, 1.0, 2.0, math.nan])
cells = st.none() | numbers


@st.composite
def tables(draw, names=("val", "train", "val_accuracy")):
    """Some runs with holes in every channel."""
    runs = []
    for i in range(draw(st.integers(1, 3))):
        n = draw(st.integers(1, 12))
        lists = {name: draw(st.lists(cells, min_size=n, max_size=n)) for name in names}
        steps = draw(st.lists(st.integers(1, 3), min_size=n, max_size=n))
        runs.append({"run": f"r{i}", "epoch": np.cumsum(steps), **lists})
    return runs


def made(runs, **about):
    return CurveSet.from_runs(runs, channels={"val_accuracy": SCORE, **about})


def stop_of(curves, rule, **options):
    """Position, selected position and whether it fired, a run."""
    stops = replay(curves, [rule], **options)
    return list(zip(stops.stop[:, 0], stops.selected[:, 0], stops.fired[:, 0], strict=True))


# -- what was not measured -------------------------------------------------------------------


@settings(max_examples=60)
@given(tables(), st.sampled_from(SMALL))
def test_a_rule_sees_a_run_as_if_only_its_own_checks_were_recorded(runs, rule):
    found = stop_of(made(runs), rule, restore="last")
    for run, (stop, _, fired) in zip(runs, found, strict=True):
        kept = [
            i for i in range(len(run["epoch"])) if all(run[n][i] is not None for n in rule.channels)
        ]
        alone = {name: [run[name][i] for i in kept] for name in ("epoch", *rule.channels)}
        expected = (run["epoch"][-1], False)
        if kept and rule.channels:
            stops = replay(CurveSet.from_runs([alone]), [rule])
            if stops.fired[0, 0]:
                expected = (stops.stop[0, 0], True)
        elif not rule.channels:
            beyond = [e for e in run["epoch"] if e >= rule.threshold]
            expected = (beyond[0], True) if beyond else expected
        assert (stop, fired) == expected


@pytest.mark.parametrize("rule", EVERY, ids=str)
def test_null_at_every_second_check_is_no_check_for_any_rule(rule):
    rng = np.random.default_rng(5)
    val = np.round(1 / np.arange(1, 41) + 0.1 * rng.random(40) + 0.01 * np.arange(40), 2)
    run = {"val": val, "train": 0.9 / np.arange(1.0, 41)}
    run |= {name: rng.random(40) for name in CHANNELS}
    holed = {name: [v for value in values for v in (value, None)] for name, values in run.items()}
    holed["epoch"] = [i / 2 + 1 for i in range(80)]
    whole = replay(CurveSet.from_runs([run]), [rule], restore="own")
    holes = replay(CurveSet.from_runs([holed]), [rule], restore="own")
    if rule.channels:
        assert holes.fired[0, 0] == whole.fired[0, 0]
        if whole.fired[0, 0]:
            assert (holes.stop[0, 0], holes.selected[0, 0]) == (
                whole.stop[0, 0],
                whole.selected[0, 0],
            )


def test_nan_is_a_check_and_null_is_none():
    # wait                    0     1         2       stop
    val = [1.0, math.nan, 2.0]
    assert stop_of(CurveSet.from_runs([{"val": val}]), Keras(2)) == [(3, 1, True)]
    # wait   0    -     1
    val = [1.0, None, 2.0]
    assert stop_of(CurveSet.from_runs([{"val": val}]), Keras(2)) == [(3, 1, False)]
    # Lightning stops at what is not finite, and not at what was not measured
    for missing, stop in ((math.nan, (2, 1, True)), (None, (3, 1, False))):
        assert stop_of(CurveSet.from_runs([{"val": [1.0, missing, 2.0]}]), Lightning(9)) == [stop]


def test_a_trace_has_a_value_a_row():
    curve = CurveSet.from_runs([{"val": [4.0, None, 2.0, None, 3.0]}])[0]
    seen = trace(GL(10, k=1), curve)
    np.testing.assert_array_equal(seen.statistic, [0, math.nan, 0, math.nan, 50])
    assert seen.holds.tolist() == [False, False, False, False, True]


@settings(max_examples=60)
@given(
    tables(), st.sampled_from([Keras(2), UP(1, k=1), MaxEpochs(4), Keras(1, val="val_accuracy")])
)
def test_the_lowest_error_of_any_channel_is_selected(runs, rule):
    for select in ("val", "train", "val_accuracy"):
        found = stop_of(made(runs), rule, select=select)
        for run, (stop, selected, _) in zip(runs, found, strict=True):
            sign = -1 if select == "val_accuracy" else 1
            seen = [
                (sign * value, at)
                for at, value in zip(run["epoch"], run[select], strict=True)
                if at <= stop and value is not None and not math.isnan(value)
            ]
            assert selected == (min(seen)[1] if seen else stop)


# -- several channels ------------------------------------------------------------------------


def bad_at(values, patience, better):
    """Keras' rule as a loop: the rows at which it holds."""
    best, wait, rows = None, 0, []
    for row, value in enumerate(values):
        if value is None:
            continue
        wait += 1
        if best is None or better(value, best):
            best, wait = value, 0
        elif wait >= patience:
            rows.append(row)
    return rows


@settings(max_examples=100)
@given(tables())
def test_two_patiences_on_two_columns_stop_where_a_loop_over_both_does(runs):
    rule = any_of(Keras(2), Keras(3, val="val_accuracy"))
    both = all_of(Keras(1), Keras(1, val="val_accuracy"))
    curves = made(runs)
    for run, (stop, _, fired) in zip(runs, stop_of(curves, rule), strict=True):
        rows = [
            *bad_at(run["val"], 2, lambda v, best: v < best),
            *bad_at(run["val_accuracy"], 3, lambda v, best: v > best),
        ]
        first = min(rows, default=None)
        assert fired == (first is not None)
        assert stop == run["epoch"][-1 if first is None else first]
    for run, (stop, _, fired) in zip(runs, stop_of(curves, both), strict=True):
        lower = bad_at(run["val"], 1, lambda v, best: v < best)
        higher = bad_at(run["val_accuracy"], 1, lambda v, best: v > best)
        row = next((row for row in lower if row in higher), None)
        assert (fired, stop) == (row is not None, run["epoch"][-1 if row is None else row])
    for each in (rule, both):
        assert parse(str(each)) == each


@criterion(threshold="level", passes="<", at_least={"window": 1})
def Fades(grad_norm, *, window: int = 2):
    """The largest gradient norm of the last ``window`` checks."""
    return np.array([grad_norm[max(0, t - window) : t].max() for t in range(1, len(grad_norm) + 1)])


def fade_step(s, epoch, grad_norm, lr):
    """The gradient norm times the learning rate; the state counts."""
    return s + 1, grad_norm * lr


@criterion(threshold="level", passes="<", step=fade_step, watches=("grad_norm", "learning_rate"))
def FadesBy():
    """The step that the gradient asks for."""
    return 0


NORMS = CurveSet.from_runs(
    [{"grad_norm": [4.0, None, 2.0, 0.5, 0.5, 0.25], "lr": [1.0, 1.0, 0.1, 0.1, 0.1, 0.01]}]
)


def test_a_set_needs_no_validation_error_where_no_rule_asks_for_it():
    stops = replay(NORMS, [Fades(1), FadesBy(0.05), any_of(Fades(1), MaxEpochs(3))])
    assert stops.stop.tolist() == [[5, 6, 3]]  # of FadesBy 4, 0.2, 0.05, 0.05, 0.0025
    assert stops.selected.tolist() == stops.stop.tolist()
    assert stops["grad_norm"].tolist() == [[0.5, 0.25, 2.0]]
    assert stops.to_frame()["lr"].tolist() == [0.1, 0.01, 0.1]
    assert np.isnan(stops.val).all()


def test_the_learning_rate_has_two_names():
    curves = CurveSet.from_runs([{"val": [1.0, 2.0], "learning_rate": [0.5, 0.25]}])
    assert curves.names == ["val", "lr"]
    assert curves[0]["learning_rate"].tolist() == curves[0]["lr"].tolist() == [0.5, 0.25]
    assert FadesBy(1) == FadesBy(1, learning_rate="lr")


@pytest.mark.parametrize(
    "rule", [Fades(1), FadesBy(0.1), Keras(2, val="val_loss"), PQ(1, train="x")]
)
def test_rules_of_any_channels_keep_every_promise(rule):
    check_criterion(rule)


def test_a_channel_that_is_not_there_is_named():
    with pytest.raises(
        ValueError, match=r"Keras needs the channel 'val_acc'.*'0'.*grad_norm and lr"
    ):
        replay(NORMS, [Keras(2, val="val_acc")])
    with pytest.raises(ValueError, match=r"Keras needs validation errors, but run '0' has no"):
        replay(NORMS, [Keras(2)])
    with pytest.raises(ValueError, match=r"Keras: .*'grad_norm' has no known direction"):
        replay(NORMS, [Keras(2, val="grad_norm")])
    with pytest.raises(ValueError, match=r"select = 'test': run '0' has no such channel"):
        replay(NORMS, [Fades(1)], select="test")


@pytest.mark.parametrize("restore", ["best", "own", "last"])
def test_what_cannot_be_selected_by_is_named(restore):
    curves = CurveSet.from_runs([{"epoch": [1], "val": [1.0], "lr": [1.0]}, {"val": [1.0]}])
    for select in ("", "epoch", "run", 3):
        with pytest.raises(ValueError, match=r"select = .*; expected the name of a channel"):
            replay(curves, [Keras(1)], select=select, restore=restore)
    for select, run in (("test", "0"), ("learning_rate", "1")):
        with pytest.raises(ValueError, match=rf"run '{run}' has no such channel.* has val and lr"):
            replay(curves, [Keras(1)], select=select, restore=restore)


def test_many_channels_are_no_burden():
    many = {f"channel {i}": [1.0, 2.0] for i in range(300)}
    frame = replay(CurveSet.from_runs([{"val": [1.0, 2.0], **many}]), [Keras(1)]).to_frame()
    assert frame.columns[-1] == "channel 299"


def test_a_binding_is_part_of_a_criterion_and_of_its_text():
    rule = Keras(10, val="val_accuracy", min_delta=0.5)
    assert str(rule) == "Keras(10, min_delta=0.5, val='val_accuracy')"
    assert parse(str(rule)) == rule != Keras(10, min_delta=0.5)
    assert parse("any_of(GL(2), PQ(1, train='loss'))") == any_of(GL(2), PQ(1, train="loss"))
    assert Keras(1, val="val") == Keras(1)
    assert str(Keras(1, val=np.str_("loss"))) == "Keras(1, val='loss')"
    assert rule.with_threshold(3) == Keras(3, val="val_accuracy", min_delta=0.5)
    assert after(3, rule).channels == ("val_accuracy",)
    for wrong in ("", "run", "epoch", 3, None):
        with pytest.raises(ValueError, match=r"val = .*; expected the name of a channel"):
            Keras(1, val=wrong)
    with pytest.raises(ValueError, match=r"unknown parameter 'train' .* its channels are val"):
        Keras(1, train="loss")


def test_binding_another_channel_compiles_nothing():
    names = ("val", "test", "other", "another")
    curves = CurveSet.from_runs(
        [{name: [1.0, 2.0, 3.0] for name in names}],
        channels=dict.fromkeys(names[2:], Channel(direction="min")),
    )
    replay(curves, [Keras(1)])
    with install_recorder("numba:compile") as compiled:
        stops = replay(curves, [Keras(1, val=name) for name in names])
    assert stops.stop.tolist() == [[2, 2, 2, 2]]
    assert not compiled.buffer


# -- scores ----------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [rule for rule in EVERY if rule.family.takes == "error"], ids=str)
def test_scores_stop_where_their_negated_twin_does(rule):
    rng = np.random.default_rng(3)
    scores = np.round(rng.random((20, 30)).cumsum(axis=1) ** 0.3 + 0.2 * rng.random((20, 30)), 2)
    others = {"train": np.ones(30), **{name: rng.random(30) for name in CHANNELS}}
    runs = [{"val": row, **others} for row in scores]
    twin = CurveSet.from_runs([{"val": -row, **others} for row in scores])
    recorded = CurveSet.from_runs(runs, channels={"val": SCORE})
    for restore in ("best", "own", "last"):
        a, b = (replay(c, [rule], restore=restore) for c in (recorded, twin))
        for name in ("stop", "selected", "fired"):
            np.testing.assert_array_equal(getattr(a, name), getattr(b, name))
        np.testing.assert_array_equal(a.val, -b.val)
        np.testing.assert_array_equal(a.error("val"), b.val)


@pytest.mark.parametrize("rule", [GL(5, k=1), GL(5, k=3), PQ(0.5, k=2), parse("EMAGL(2)")])
def test_a_rule_that_divides_by_an_error_takes_the_distance_of_a_score_from_its_bound(rule):
    rng = np.random.default_rng(4)
    scores = 100 * np.clip(rng.random((10, 20)), 0.1, 0.9)
    train = rng.random(20)
    runs = [{"val": row, "train": train} for row in scores]
    errors = CurveSet.from_runs([{"val": 100 - row, "train": train} for row in scores])
    bounded = CurveSet.from_runs(runs, channels={"val": PERCENT})
    assert stop_of(bounded, rule) == stop_of(errors, rule)
    with pytest.raises(ValueError, match=r"'val' is a score with an unknown upper bound"):
        replay(CurveSet.from_runs(runs, channels={"val": SCORE}), [rule])


def test_parameters_that_are_values_of_the_metric_are_on_its_scale():
    curves = CurveSet.from_runs([{"val": [0.5, 0.8, 0.9, 0.7]}], channels={"val": SCORE})
    assert stop_of(curves, Lightning(9, stopping_threshold=0.85)) == [(3, 3, True)]
    assert stop_of(curves, Lightning(9, divergence_threshold=0.6)) == [(1, 1, True)]
    # never above the baseline: the wait is not reset, and an improving epoch does not stop
    assert stop_of(curves, Keras(2, baseline=0.95)) == [(4, 3, True)]
    assert stop_of(curves, Keras(2, baseline=0.4)) == [(4, 3, False)]
    assert stop_of(curves, RayPlateau(1, num_results=2, grace_period=2)) == [(2, 2, True)]
    above = RayPlateau(1, num_results=2, grace_period=2, metric_threshold=0.85)
    assert stop_of(curves, above) == [(3, 3, True)]
    policy = ModelCheckpoint(save_best_only=True, initial_value_threshold=0.95)
    assert stop_of(curves, MaxEpochs(3), restore=policy) == [(3, 3, True)]
    policy = ModelCheckpoint(save_best_only=True, initial_value_threshold=0.6)
    assert stop_of(curves, MaxEpochs(4), restore=policy) == [(4, 3, True)]


def test_ultralytics_gets_the_fitness_itself():
    fitness = [0.0] * 9
    curves = CurveSet.from_runs([{"val": fitness}], channels={"val": SCORE})
    assert stop_of(curves, Ultralytics(2)) == [(9, 1, False)]
    curves = CurveSet.from_runs([{"val": [0.5, 0.75, 0.75, 0.5]}], channels={"val": SCORE})
    assert stop_of(curves, Ultralytics(2), restore="own") == [(4, 3, True)]


# -- live ------------------------------------------------------------------------------------


@settings(max_examples=60)
@given(
    tables(("val", "train", "val_accuracy", "grad_norm")),
    st.sampled_from(
        [
            any_of(Keras(2), Keras(3, val="val_accuracy")),
            all_of(Keras(1), UP(1, k=1, val="val_accuracy")),
            PQ(0.5, k=2),
            Fades(0.6),
            any_of(Fades(0.3), GL(10, k=2)),
            Ultralytics(2, val="val_accuracy"),
        ]
    ),
    st.sampled_from(["best", "own", "last"]),
)
def test_a_live_stop_is_the_stop_of_the_replay(runs, rule, restore):
    for run in runs:
        live = {name: run[name] for name in ("val", "train", "val_accuracy", "grad_norm")}
        stopper = Stopper(rule, restore=restore, channels={"val_accuracy": SCORE})
        stopper.expect(*live)
        for i, at in enumerate(run["epoch"]):
            row = {name: values[i] for name, values in live.items()}
            if any(value is not None for value in row.values()) and stopper.update(epoch=at, **row):
                break
        kept = [i for i in range(len(run["epoch"])) if any(live[n][i] is not None for n in live)]
        if not kept:
            continue
        rows = {name: [values[i] for i in kept] for name, values in live.items()}
        told = {"epoch": run["epoch"][kept], **rows}
        stops = replay(made([told]), [rule], restore=restore)
        assert stopper.stopped == stops.fired[0, 0]
        assert stopper.epoch == stops.stop[0, 0]
        assert stopper.best_epoch == stops.selected[0, 0]
        again = Stopper(rule, restore=restore, channels={"val_accuracy": SCORE})
        again.load_state_dict(stopper.state_dict())
        assert (again.stopped, again.best_epoch) == (stopper.stopped, stopper.best_epoch)


def test_a_run_that_goes_on_knows_what_was_measured_before():
    about = {"acc": SCORE}
    rule = any_of(Keras(2), Keras(1, val="acc"))
    stopper, again = Stopper(rule, channels=about), Stopper(rule, channels=about)
    stopper.update(val=1.0, acc=0.5)
    again.load_state_dict(stopper.state_dict())
    for row in ({"val": 2.0}, {"acc": 0.4}):
        assert again.update(**row) == stopper.update(**row)
    assert again.stopped


@pytest.mark.parametrize(
    "channel", ["max", Channel(direction="up"), Channel(direction="max", upper=math.nan)]
)
def test_what_no_channel_can_be_is_named_live_too(channel):
    with pytest.raises(ValueError, match="channel 'val'"):
        Stopper(Keras(1), channels={"val": channel})


# -- what it cost ----------------------------------------------------------------------------


def test_what_training_took_is_read_at_the_stop_not_at_the_selected_check(tmp_path):
    runs = [
        {"run": "a", "val": [3.0, 1.0, 2.0, 2.5, 0.5], "seconds": [10, 20, None, 40, 50]},
        {"run": "b", "val": [3.0, 2.0], "seconds": [1.5, 3.5]},
    ]
    curves = CurveSet.from_runs(runs, channels={"seconds": Channel(unit="s")})
    curves.write(tmp_path / "x.arrow")
    for each in (curves, tmp_path / "x.arrow"):
        stops = replay(each, [Keras(2), Keras(1), MaxEpochs(9)])
        np.testing.assert_array_equal(stops.cost("seconds"), [[40, math.nan, 50], [3.5, 3.5, 3.5]])
        np.testing.assert_array_equal(stops["seconds"], [[20, 20, 50], [3.5, 3.5, 3.5]])
        assert stops.cost().tolist() == stops.stop.tolist() == [[4, 3, 5], [2, 2, 2]]
        with pytest.raises(ValueError, match="'val' is an error or a score; expected a cost"):
            stops.cost("val")
        with pytest.raises(KeyError, match="no channel 'dollars'; available are val and seconds"):
            stops.cost("dollars")


def test_channels_may_have_the_names_of_columns():
    names = ["stop", "fired", "selected", "criterion"]
    run = {"val": [2.0, 1.0, 3.0], **{name: [7.0, 8.0, 9.0] for name in names}}
    stops = replay(CurveSet.from_runs([run]), [Keras(1)])
    row = stops.to_frame().iloc[0]
    assert (row["criterion"], row["stop"], row["selected"], row["fired"]) == (
        "Keras(1)",
        3,
        2,
        True,
    )
    assert [row[f"{name}_recorded"] for name in names] == [8.0] * 4


# -- a log of one's own ----------------------------------------------------------------------


def test_two_columns_of_a_keras_log_stop_where_a_loop_over_the_file_does(tmp_path):
    rng = np.random.default_rng(8)
    loss = 1 / np.sqrt(np.arange(1, 81)) + 0.05 * rng.random(80) + 0.002 * np.arange(80)
    accuracy = np.round(1 - loss / 2 + 0.05 * rng.random(80), 2)
    lines = ["epoch,accuracy,learning_rate,loss,val_accuracy,val_loss"]
    lines += [f"{i},0.5,0.01,0.5,{accuracy[i]},{loss[i]}" for i in range(80)]
    (tmp_path / "history.csv").write_text("\n".join(lines) + "\n")
    curves = read_logs(tmp_path / "history.csv").curves
    stops = replay(
        curves, [any_of(Keras(5), Keras(10, val="val_accuracy")), Fades(1, grad_norm="lr")]
    )
    rows = [line.split(",") for line in lines[1:]]
    by_loss = min(bad_at([float(row[5]) for row in rows], 5, lambda v, best: v < best))
    by_accuracy = min(bad_at([float(row[4]) for row in rows], 10, lambda v, best: v > best))
    # epochs count from 1
    assert stops.stop[0].tolist() == [1 + min(by_loss, by_accuracy), 1]
    assert stops["val_accuracy"][0, 0] == accuracy[int(stops.selected[0, 0]) - 1]


def test_a_channel_goes_by_the_column_that_it_was_read_from(tmp_path):
    rows = ["epoch,loss,val_loss", "0,1.0,3.0", "1,0.5,2.0", "2,0.4,2.5", "3,0.3,2.6"]
    (tmp_path / "a.csv").write_text("\n".join(rows) + "\n")
    curves = read_logs(tmp_path / "a.csv").curves
    rules = [Keras(2, val="val_loss"), Keras(1, val="loss")]
    for select in (None, "val_loss"):
        assert replay(curves, rules, select=select).stop.tolist() == [[4, 4]]
    assert curves.channel("val_loss").values.tolist() == [3.0, 2.0, 2.5, 2.6]
    assert curves[0]["val_loss"].tolist() == curves[0].val.tolist()
    # not where runs were read from different columns, or a column became two channels
    other = CurveSet.from_runs([{"run": "b", "val": [1.0, 2.0], "val.source": "eval_loss"}])
    with pytest.raises(ValueError, match=r"Keras needs the channel 'val_loss', but run 'a\.csv'"):
        replay(curves + other, rules[:1])
