"""The stopper: live it decides what the replay does, whatever the rule, also saved and restored."""

import json
import math
import re
import tracemalloc

import numpy as np
import pytest
from adapters import LowRate, patience_stop
from log_samples import genuine_folder
from restated import RULES
from strategies import CHANNELS, random_errors

from earlystop_lab import (
    Channel,
    CurveSet,
    Keras,
    MaxEpochs,
    ModelCheckpoint,
    after,
    any_of,
    criterion,
    parse,
    read_curves,
    read_logs,
    replay,
)
from earlystop_lab.criteria import FAMILIES
from earlystop_lab.live import Stopper

#: parameters of the rules that ``restated`` does not have
MORE = {
    "GL": {"alpha": [0, 2, 5, 20], "k": [1, 2, 5]},
    "PQ": {"alpha": [0, 0.5, 2], "k": [1, 2, 5]},
    "UP": {"s": [1, 2, 3], "k": [1, 2, 5]},
    "Progress": {"level": [0.1, 5, 50], "k": [2, 5]},
    "MaxEpochs": {"n": [1, 5, 20]},
    "TerminateOnNaN": {},
    "PowerLaw": {"fraction": [0.01, 0.1, 1]},
    "RateDecayed": {"ratio": [0.1, 0.5, 1]},
    "MultiPowerLaw": {
        "fraction": [0.001, 0.1, 1],
        "plan": ["constant", "cosine", "linear", "exponential", "step"],
        "start": [0, 10],
        "end": [20, 40],
    },
}
GRIDS = {**{name: grid for name, (_, grid) in RULES.items()}, **MORE}
COMBINED = [
    "any_of(GL(5, k=2), UP(2, k=3), MaxEpochs(20))",
    "all_of(GL(2, k=1), Keras(2))",
    "any_of(all_of(Lightning(2), GL(1, k=1)), Slope(window=3))",
    "after(7, UP(1, k=1))",
    "after(4, any_of(SpaCy(3), Keras2(4)))",
    "all_of(SpaCy(2), Keras2(1))",
    "all_of(Keras2(1), after(5, Keras(1)))",
]
RESTORES = ["best", "lowest", "own", "last", ModelCheckpoint(save_best_only=True, ties="last")]


def runs(seed, count):
    """Random curves, with positions of all kinds."""
    rng = np.random.default_rng(seed)
    for i in range(count):
        val = random_errors(rng)
        train = [0.9 * e - 0.01 * i for i, e in enumerate(random_errors(rng))]
        epoch = np.cumsum(rng.integers(1, 4, len(val))) if i % 2 else np.arange(1, len(val) + 1)
        train = (train * len(val))[: len(val)]
        others = {name: (random_errors(rng) * len(val))[: len(val)] for name in CHANNELS}
        yield {"run": str(i), "val": val, "train": train, "epoch": epoch.tolist(), **others}


def rules(name):
    """A criterion of a family for each of RESTORES, with random parameters."""
    rng = np.random.default_rng(len(name))
    for _ in RESTORES:
        grid = GRIDS[name].items()
        yield FAMILIES[name](**{key: some[rng.integers(len(some))] for key, some in grid})


def checks(run):
    columns = {name: values for name, values in run.items() if name != "run"}
    return [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]


def lived(stopper, run):
    """Stop, selected epoch and whether it fired, as one that trains sees them."""
    for check in checks(run):
        if stopper.update(**check):
            break
    return check["epoch"], stopper.best_epoch, stopper.stopped


def restored(stopper, rule, restore):
    """Another stopper that goes on from the saved state."""
    again = Stopper(rule, restore=restore)
    again.load_state_dict(json.loads(json.dumps(stopper.state_dict(), allow_nan=False)))
    return again


def require_alike(rule, sample, restore):
    stops = replay(CurveSet.from_runs(sample), [rule], restore=restore)
    for i, run in enumerate(sample):
        found = lived(Stopper(rule, restore=restore), run)
        expected = stops.stop[i, 0], stops.selected[i, 0], stops.fired[i, 0]
        assert found == expected, (rule, restore, run)


@pytest.mark.parametrize("name", FAMILIES)
def test_live_is_replay(name):
    for part, (rule, restore) in enumerate(zip(rules(name), RESTORES, strict=True)):
        require_alike(rule, list(runs([len(name), part], 50)), restore)


@pytest.mark.parametrize("text", COMBINED)
def test_live_is_replay_of_combinations(text):
    for part, restore in enumerate(RESTORES):
        require_alike(parse(text), list(runs([len(text), part], 50)), restore)


@pytest.mark.parametrize("name", [*FAMILIES, *COMBINED])
def test_saved_and_restored_at_every_epoch(name):
    some = rules(name) if name in FAMILIES else [parse(name)] * len(RESTORES)
    for part, (rule, restore) in enumerate(zip(some, RESTORES, strict=True)):
        for run in runs([len(name), 9, part], 2):
            straight, stopper = Stopper(rule, restore=restore), Stopper(rule, restore=restore)
            for check in checks(run):
                stopper = restored(stopper, rule, restore)
                assert stopper.update(**check) == straight.update(**check)
                assert repr(vars_of(stopper)) == repr(vars_of(straight))


def vars_of(stopper):
    known = ("stop_epoch", "reason", "best_epoch", "keep", "statistics")
    return [getattr(stopper, name) for name in known]


@pytest.mark.parametrize("name", [*FAMILIES, *COMBINED])
def test_the_weights_kept_are_those_selected(name):
    some = rules(name) if name in FAMILIES else [parse(name)] * len(RESTORES)
    for part, (rule, restore) in enumerate(zip(some, RESTORES, strict=True)):
        for run in runs([len(name), 5, part], 10):
            stopper, copy = Stopper(rule, restore=restore), None
            for check in checks(run):
                stops, weights = stopper.update(**check), check["epoch"]
                if stopper.keep:
                    copy = weights
                assert stopper.best_epoch in (weights, copy)
                if stops:
                    break


# -- worked by hand ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "errors", "reason"),
    [
        # 100 (1.0231 / 1 - 1)
        ("GL(2, k=1)", [2, 1, 1.0231], "GL 2.31% > 2 at epoch 3; best epoch 2"),
        ("Keras(2)", [1, 2, 2], "Keras 2 >= 2 at epoch 3; best epoch 1"),
        ("Lightning(9)", [1, float("inf")], "Lightning inf >= 9 at epoch 2; best epoch 1"),
        ("Slope(window=2)", [1, 2], "Slope(2) holds at epoch 2; best epoch 1"),
        (
            "any_of(GL(90, k=1), MaxEpochs(3))",
            [1, 1.5, 1.5],
            "MaxEpochs 3 >= 3 at epoch 3; best epoch 1",
        ),
        (
            "all_of(GL(20, k=1), Keras(1))",
            [1, 1.1, 1.5],
            "GL 50% > 20 and Keras 2 >= 1 at epoch 3; best epoch 1",
        ),
    ],
)
def test_the_reason_in_words(text, errors, reason):
    stopper = Stopper(text)
    assert stopper.reason is None
    assert [stopper.update(val=error) for error in errors][-2:] == [False, True]
    assert stopper.reason == reason
    assert stopper.stop_epoch == len(errors)


def test_what_comes_after_the_stop_is_recorded_and_decides_nothing():
    stopper = Stopper("UP(1, k=1)")
    assert [stopper.update(val=error) for error in (2.0, 3.0, 1.0, 5.0)] == [
        False,
        True,
        True,
        True,
    ]
    assert (stopper.stop_epoch, stopper.best_epoch, stopper.keep) == (2, 1, False)
    assert stopper.history[0].val.tolist() == [2, 3, 1, 5]
    assert stopper.statistics == [("UP(1, k=1)", 1.0, ">=", 1, True)]
    again = Stopper("UP(1, k=1)")
    again.load_state_dict(stopper.state_dict())
    assert (again.stop_epoch, again.best_epoch, again.reason) == (2, 1, stopper.reason)


def test_higher_is_better():
    with pytest.raises(ValueError, match=r"'val' is a score with an unknown upper bound"):
        Stopper("GL(10, k=1)", mode="max")
    # errors 0.5, 0.2, 0.21 and 0.3
    stopper = Stopper("GL(10, k=1)", mode="max", channels={"val": Channel(upper=1)})
    assert [stopper.update(val=score) for score in (0.5, 0.8, 0.79, 0.7)] == [0, 0, 0, 1]
    assert stopper.best_epoch == 2
    assert stopper.history[0].val.tolist() == [0.5, 0.8, 0.79, 0.7]
    assert stopper.history.error("val").values.tolist() == [-0.5, -0.8, -0.79, -0.7]


def test_history_is_the_run_as_it_was_told():
    stopper = Stopper("GL(2)", run="a")
    with pytest.raises(ValueError, match="run 'a': there is no check yet"):
        stopper.history  # noqa: B018
    stopper.update(val=np.float32(0.1), epoch=2)
    assert stopper.history.table.column_names == ["run", "epoch", "val"]
    stopper.update(val=np.array(0.5), train=1, epoch=4.5)
    curve = stopper.history["a"]
    assert curve.epoch.tolist() == [2, 4.5]
    assert curve.val.tolist() == [float(np.float32(0.1)), 0.5]
    assert np.array_equal(curve.train, [np.nan, 1], equal_nan=True)
    # what is handed out does not change any more
    stopper.update(val=7)
    assert len(curve.val) == 2


def test_the_unit_of_the_positions_is_in_words_record_and_state():
    said = {"epoch": Channel(unit="step"), "val": Channel(metric="logloss", source="valid_0")}
    stopper = Stopper("UP(1, k=1)", channels=said)
    assert not stopper.update(val=1.0, epoch=100)
    with pytest.raises(ValueError, match="step = 100 after 100; expected a larger value"):
        stopper.update(val=1.0, epoch=100)
    assert stopper.update(val=2.0, epoch=300)
    assert stopper.reason == "UP 1 >= 1 at step 300; best step 100"
    assert stopper.history.about("epoch").unit == "step"
    about = stopper.history.about("val")
    assert about == Channel("val", "min", metric="logloss", source="valid_0")
    again = Stopper("UP(1, k=1)")
    again.load_state_dict(json.loads(json.dumps(stopper.state_dict())))
    assert again.reason == stopper.reason
    assert again.state_dict() == stopper.state_dict()


def test_a_channel_that_is_expected_is_to_come():
    rule = "any_of(Keras(9), Keras(1, val='val_loss'))"
    loss = {"val_loss": Channel(direction="min")}
    with pytest.raises(ValueError, match="needs the channel 'val_loss'; pass val_loss as well"):
        Stopper(rule, channels=loss).update(val=1.0)
    stopper = Stopper(rule, channels=loss)
    assert stopper.watched == ["val", "val_loss"]
    stopper.expect("val_loss")
    told = [(1.0, None), (2.0, 3.0), (2.0, None), (0.5, 4.0)]
    assert [stopper.update(val=a, val_loss=b) for a, b in told] == [False, False, False, True]
    curve = stopper.history[0]
    assert curve.measured("val_loss").tolist() == [False, True, False, True]
    # stopped before it ever came, it is replayed all the same
    stopper = Stopper(any_of(LowRate(0), MaxEpochs(2)))
    stopper.expect("learning_rate")
    assert [stopper.update(val=1.0) for _ in range(2)] == [False, True]
    assert replay(stopper.history, [stopper.criterion]).stop[0, 0] == 2
    assert not stopper.history[0].measured("lr").any()


def test_what_is_selected_where_no_strip_has_ended():
    # the last validation error; of NaN the row itself
    for val, selected in ((0.25, 1), (float("nan"), 2)):
        stopper = Stopper("any_of(UP(5, k=3), MaxEpochs(2))")
        stopper.update(val=val)
        assert stopper.keep is (val == val)
        assert stopper.update(lr=0.1)
        stops = replay(stopper.history, [stopper.criterion])
        assert stopper.best_epoch == stops.selected[0, 0] == selected


def test_a_criterion_of_ones_own():
    @criterion(threshold="rise", passes=">")
    def AboveFirst(val):
        return val - val[0]

    stopper = Stopper(AboveFirst(0.5))
    assert [stopper.update(val=error) for error in (1.0, 1.2, 1.6)] == [False, False, True]
    again = Stopper(AboveFirst(0.5))
    again.load_state_dict(stopper.state_dict())
    assert again.reason == "AboveFirst 0.6 > 0.5 at epoch 3; best epoch 1"


# -- a genuine log ------------------------------------------------------------------------------


def test_a_genuine_trainer_state_stops_live_where_its_import_and_its_record_do():
    path = next((genuine_folder() / "hf_trainer_state").glob("*trainer_state.json"))
    rows = {}
    for entry in json.loads(path.read_text())["log_history"]:
        rows.setdefault(entry["step"], {}).update(entry)
    assert len(rows) == 700
    names = {"val": "eval_loss", "train": "loss", "lr": "learning_rate", "eval_rougeL": None}
    said = {"eval_rougeL": Channel(direction="max"), "epoch": Channel(unit="step")}
    curves = read_logs(path).curves
    scores = [row["eval_rougeL"] for row in rows.values() if "eval_rougeL" in row]
    stopped = patience_stop(scores, 4, lambda value, best: value > best)
    metrics = any_of(Keras(20), Keras(4, val="eval_rougeL"))
    for rule in (metrics, any_of(Keras(60), LowRate(2e-4)), after(1000, LowRate(2e-4))):
        stopper = Stopper(rule, channels=said)
        stopper.expect(*names)
        for step, row in rows.items():
            told = {name: row.get(logged or name) for name, logged in names.items()}
            if stopper.update(epoch=step, **told):
                break
        assert stopper.stopped
        stops = replay(stopper.history, [rule])
        assert stops.stop[0, 0] == stopper.stop_epoch == step
        assert stops.selected[0, 0] == stopper.best_epoch
        assert f"at step {step}" in stopper.reason
        if rule is metrics:
            assert step == 100 * stopped
            # the import has the same checks, a row an evaluation
            imported = replay(curves, [rule])
            assert imported.fired[0, 0]
            at = curves[0].epoch.tolist().index(imported.stop[0, 0])
            assert curves[0]["step"][at] == step


# -- what is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("made", "words"),
    [
        ({"criterion": "GL(-1)"}, "alpha = -1; expected at least 0"),
        ({"criterion": 3}, "3 is not a criterion"),
        ({"criterion": ModelCheckpoint()}, "a checkpoint stops nothing"),
        ({"mode": "auto"}, "mode = 'auto'; expected 'min'"),
        ({"restore": "first"}, "restore = 'first'; expected 'best'"),
        ({"run": "a/b"}, "run = 'a/b'; expected a name that a file can have"),
        ({"run": ""}, "run = ''; expected a name"),
        ({"run": "a\ud800"}, "expected a name"),
        ({"run": 3}, "run = 3; expected a name"),
    ],
)
def test_refused_when_made(made, words):
    with pytest.raises(ValueError, match=re.escape(words)):
        Stopper(**{"criterion": "GL(2)", **made})


@pytest.mark.parametrize(
    ("check", "words"),
    [
        ({"val": "0.5"}, "val = '0.5'; expected a number"),
        ({"val": None, "train": None}, "nothing was measured; pass val"),
        ({"val": True}, "val = True; expected a number"),
        ({"val": 1 + 2j}, "val = (1+2j); expected a number"),
        ({"val": [1.0, 2.0]}, "val = [1.0, 2.0]; expected a number"),
        ({"val": 1.0, "train": "x"}, "train = 'x'; expected a number"),
        ({"val": 1.0, "run": 1.0}, "'run' is reserved for the run id; rename the channel"),
        ({"val": 1.0, "epoch": 1}, "epoch = 1 after 1; expected a larger value"),
        ({"val": 1.0, "epoch": float("nan")}, "epoch = nan after 1; expected a larger value"),
    ],
)
def test_a_refused_check_was_not_seen(check, words):
    stopper = Stopper("any_of(UP(1, k=1), PQ(2, k=1))", run="a")
    stopper.update(val=1.0, train=1.0)
    before = stopper.state_dict()
    with pytest.raises(ValueError, match=re.escape(words)):
        stopper.update(**{"train": 1.0, **check})
    assert stopper.state_dict() == before
    assert stopper.update(val=2.0, train=1.0)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"criterion": "GL(3)"},
            "the saved state has criterion = 'GL(3)', but this stopper has 'GL(2)'",
        ),
        ({"mode": "max"}, "the saved state has mode = 'max'"),
        (
            {"about": {"val": {"direction": "max", "upper": None}}},
            "the saved state has about = {'val': {'direction': 'max',",
        ),
        (
            {"channels": {"epoch": [1.0, 2.0], "val": [1.0]}},
            "not the saved state of a Stopper: run 'a': column 'epoch' has 2 values",
        ),
        ({"channels": {"epoch": [2.0, 1.0], "val": [1.0, 2.0]}}, "epochs must increase"),
        (
            {"channels": {"epoch": [1.0, 2.0], "val": ["x", 1.0]}},
            "not the saved state of a Stopper: expected a number, found str",
        ),
        ({"channels": None}, "not the saved state of a Stopper"),
        ({"run": "../a"}, "run = '../a'"),
        ({"run": None}, "run = None"),
        ({"unit": 3}, "unit = 3; expected a string"),
        ({"run": "c"}, "the saved state is damaged: its checksum differs"),
        ({"checksum": None}, "the saved state is damaged"),
        *(
            ({"channels": {"epoch": [1.0, 2.0], "val": [1.0, value]}}, "expected a number, found")
            for value in (10**400, 10**5000, [1.0], {}, True, "1_0", "NaN", b"1")
        ),
        *(
            ({"channels": {"epoch": [1.0, value], "val": [1.0, 2.0]}}, "not the saved state of a")
            for value in (math.nan, math.inf, None, 1.0, 0.5, "nan", 10**400)
        ),
        ({"channels": {"val": [1.0, 2.0]}}, "not the saved state of a Stopper"),
        ({"channels": {"epoch": [1.0], "val": [1.0, 2.0]}}, "not the saved state of a Stopper"),
        ({"channels": {"epoch": [1.0], "run": [1.0]}}, "not the saved state of a Stopper"),
        ({"channels": {3: [1.0]}}, "not the saved state of a Stopper"),
        ({"channels": [1.0]}, "not the saved state of a Stopper"),
        ({"channels": {"epoch": 1.0}}, "not the saved state of a Stopper"),
    ],
)
def test_a_state_that_is_none_changes_nothing(change, words):
    stopper, other = Stopper("GL(2)", run="a"), Stopper("GL(2)", run="b")
    for each in (stopper, other):
        each.update(val=1.0)
        each.update(val=2.0)
    before = other.state_dict()
    with pytest.raises(ValueError, match=re.escape(words)):
        other.load_state_dict({**stopper.state_dict(), **change})
    with pytest.raises(ValueError, match="the saved state has criterion = None"):
        other.load_state_dict({})
    for nothing in (None, 10**400, [], "state"):
        with pytest.raises(ValueError, match="is not the saved state of a Stopper"):
            other.load_state_dict(nothing)
    assert other.state_dict() == before


def test_any_damage_to_a_state_is_noticed():
    stopper = Stopper("PQ(2, k=1)", run="a")
    for val, train in ((3.0, 2.5), (2.0, math.nan), (math.inf, 1.0)):
        stopper.update(val=val, train=train)
    state = json.loads(json.dumps(stopper.state_dict()))
    text, rng, refused = json.dumps(state), np.random.default_rng(1), 0
    for _ in range(2000):
        at = int(rng.integers(len(text)))
        damaged = text[:at] + chr(rng.integers(32, 127)) + text[at + 1 :]
        try:
            changed = json.loads(damaged)
        except ValueError:
            continue
        other = Stopper("PQ(2, k=1)", run="b")
        try:
            other.load_state_dict(changed)
        except ValueError:
            refused += 1
        else:  # 3.0 may be written 30e-1; a key of another name is no checksum
            assert other.state_dict() == state
    assert refused > 500


def test_a_state_of_an_earlier_version_has_no_checksum():
    stopper, other = Stopper("GL(2)", run="a"), Stopper("GL(2)", run="b")
    stopper.update(val=1.0)
    state = stopper.state_dict()
    del state["checksum"]
    other.load_state_dict(state)
    assert other.state_dict() == stopper.state_dict()


# -- recorded -----------------------------------------------------------------------------------


def test_runs_are_recorded_in_a_folder_that_can_be_read(tmp_path):
    for run, errors in {"a": [1.0, 2.0], "b": [3.0, 2.0]}.items():
        with Stopper("MaxEpochs(9)", record=tmp_path / "runs", run=run) as stopper:
            for error in errors:
                stopper.update(val=error, train=error / 2)
    curves = read_curves(tmp_path / "runs")
    assert curves.runs == ["a", "b"]
    assert curves["b"].val.tolist() == [3, 2]
    assert curves["b"].train.tolist() == [1.5, 1]


def test_runs_have_names_of_their_own(tmp_path):
    for _ in range(20):
        with Stopper("GL(2)", record=tmp_path) as stopper:
            stopper.update(val=1.0)
    assert len(read_curves(tmp_path)) == 20


def test_recorded_also_where_training_fails(tmp_path):
    def train():
        with Stopper("GL(2)", record=tmp_path / "a.arrow") as stopper:
            stopper.update(val=1.0)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train()
    assert read_curves(tmp_path / "a.arrow")[0].val.tolist() == [1]


def test_the_record_is_there_during_training(tmp_path, monkeypatch):
    stopper = Stopper("GL(2)", record=tmp_path, run="a")
    for i in range(1, 4):
        stopper.update(val=1 / i)
        assert len(read_curves(tmp_path)["a"].val) == i
    # of a run that takes long to write not at every check
    now, written = [0.0], []
    monkeypatch.setattr("time.monotonic", lambda: now[0])
    monkeypatch.setattr(Stopper, "close", lambda self: (written.append(now[0]), _pass(now, 0.6)))
    slow = Stopper("GL(2)", record=tmp_path, run="b")
    for i in range(1, 101):
        slow.update(val=1.0)
        assert len(written) == i
    _pass(now, 2000.0)
    for _ in range(300):
        slow.update(val=1.0)
        _pass(now, 1.0)
        assert 0.6 * len(written) < 1 + 0.05 * now[0] + 0.6
    assert len(written) > 150


def _pass(now, seconds):
    now[0] += seconds


def test_a_disk_that_is_full_does_not_end_training(tmp_path, monkeypatch):
    stopper = Stopper("GL(2)", record=tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(CurveSet, "write", _raises)
        assert stopper.update(val=1.0) is False
        with pytest.raises(OSError, match="No space left"):
            stopper.close()
    stopper.close()
    assert len(read_curves(tmp_path)[0].val) == 1


def _raises(curves, path):
    raise OSError(28, "No space left on device", str(path))


def test_a_run_without_a_check_is_no_record(tmp_path):
    with Stopper("GL(2)", record=tmp_path / "runs"):
        pass
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_restored_run_knows_which_channels_there_were():
    first, again = Stopper("PQ(2, k=2)"), Stopper("PQ(2, k=2)")
    first.update(val=1.0, train=1.0)
    again.load_state_dict(first.state_dict())
    assert not again.update(val=0.5)
    with pytest.raises(ValueError, match="needs training errors"):
        Stopper("PQ(2, k=2)").update(val=0.5)


def test_a_restored_run_is_one_record(tmp_path):
    with Stopper("GL(2)", record=tmp_path) as stopper:
        stopper.update(val=1.0)
    with Stopper("GL(2)", record=tmp_path) as again:
        again.load_state_dict(stopper.state_dict())
        again.update(val=0.5)
    assert read_curves(tmp_path)[0].val.tolist() == [1, 0.5]


def test_a_folder_that_cannot_be_made_is_told_before_training(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        Stopper("GL(2)", record=tmp_path / "file" / "runs")


# -- its cost -----------------------------------------------------------------------------------


def test_a_check_is_kept_in_little_memory():
    stopper = Stopper("GL(500)")
    stopper.update(val=1.0, train=1.0)
    tracemalloc.start()
    try:
        for i in range(20_000):
            stopper.update(val=1 / (i + 1), train=0.5)
        used, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # three channels of 9 bytes a check, and room to grow
    assert used / 20_000 < 40
