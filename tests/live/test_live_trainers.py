"""The callbacks of Lightning and Hugging Face against replay, and their weights against one."""

import csv
import json
import warnings
from pathlib import Path

import pytest
from adapters import (
    Fades,
    LowRate,
    assert_ranks_agree,
    at,
    noisy,
    patience_stop,
    require_imported,
    require_replayed,
    run_examples,
    run_page,
)
from ranks import run_in_ranks

from earlystop_lab import Channel, Keras, any_of, read_curves, replay

torch = pytest.importorskip("torch")
X, Y, X_VAL, Y_VAL = (torch.tensor(part) for seed in (0, 1) for part in noisy(seed=seed))


def network():
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(8, 64), torch.nn.Tanh(), torch.nn.Linear(64, 1))


def validated(model):
    with torch.no_grad():
        return torch.nn.functional.mse_loss(model(X_VAL), Y_VAL).item()


# -- Lightning ----------------------------------------------------------------------------------

# Lightning's own: with a recent PyTorch, and about loaders as small as these
lightning_warnings = pytest.mark.filterwarnings(
    "ignore:.isinstance.treespec, LeafSpec.. is deprecated:FutureWarning",
    "ignore:.*does not have many workers",
    "ignore:The number of training batches .* is smaller than the logging interval",
)


@pytest.fixture
def lightning():
    return pytest.importorskip("lightning.pytorch")


def module(lightning):
    class Module(lightning.LightningModule):
        def __init__(self):
            super().__init__()
            self.network = network()

        def training_step(self, batch, index):
            loss = torch.nn.functional.mse_loss(self.network(batch[0]), batch[1])
            self.log("train_loss", loss, on_step=False, on_epoch=True)
            return loss

        def validation_step(self, batch, index):
            loss = torch.nn.functional.mse_loss(self.network(batch[0]), batch[1])
            self.log("val_loss", loss)
            self.log("val_worst_error", (self.network(batch[0]) - batch[1]).abs().max())

        def on_before_optimizer_step(self, optimizer):
            norm = torch.nn.utils.get_total_norm(p.grad for p in self.parameters())
            self.log("grad_norm", norm)

        def configure_optimizers(self):
            return torch.optim.Adam(self.parameters(), lr=0.01)

    return Module()


def loaders(parts=2):
    """Batches that are the same in every epoch, and all of the validation data at once."""
    data = [torch.utils.data.TensorDataset(*pair) for pair in ((X, Y), (X_VAL, Y_VAL))]
    sizes = (len(X) // parts, len(X_VAL))
    return [torch.utils.data.DataLoader(d, size) for d, size in zip(data, sizes, strict=True)]


def trainer(lightning, *callbacks, epochs=100, **settings):
    return lightning.Trainer(
        **{
            "max_epochs": epochs,
            "accelerator": "cpu",
            "logger": False,
            "callbacks": [*callbacks],
            "enable_progress_bar": False,
            "enable_model_summary": False,
            "enable_checkpointing": False,
            **settings,
        }
    )


def lightning_callback(*args, **kwargs):
    from earlystop_lab.live.lightning import StopCallback

    return StopCallback(*args, **kwargs)


@lightning_warnings
@pytest.mark.parametrize(
    ("rule", "restore"), [("GL(5, k=1)", "best"), ("PQ(0.1, k=2)", "best"), ("Keras(4)", "last")]
)
def test_lightning_stops_where_its_replay_does(lightning, tmp_path, rule, restore):
    callback = lightning_callback(rule, train="train_loss", restore=restore, record=tmp_path)
    model = module(lightning)
    training = trainer(lightning, callback)
    training.fit(model, *loaders())
    curve = require_replayed(callback.stopper, tmp_path)
    assert training.current_epoch == callback.stopper.stop_epoch == len(curve.val)
    assert curve.train[-1] < curve.train[0]
    best = at(curve, "val", callback.stopper.best_epoch)
    assert validated(model.network) == pytest.approx(best, rel=1e-6)
    first = callback.stopper.run
    trainer(lightning, callback, epochs=1).fit(model, *loaders())
    assert callback.stopper.run != first


@lightning_warnings
def test_lightning_validates_inside_epochs(lightning, tmp_path):
    callback = lightning_callback("UP(2, k=1)", record=tmp_path)
    model = module(lightning)
    trainer(lightning, callback, val_check_interval=0.25).fit(model, *loaders(4))
    curve = require_replayed(callback.stopper, tmp_path)
    assert curve.epoch[:5].tolist() == [0.25, 0.5, 0.75, 1, 1.25]
    best = at(curve, "val", callback.stopper.best_epoch)
    assert validated(model.network) == pytest.approx(best, rel=1e-6)
    # inside an epoch the training metric is that of a step, or of the epoch before
    callback = lightning_callback("MaxEpochs(2)", train="train_loss")
    trainer(lightning, callback, val_check_interval=0.25).fit(module(lightning), *loaders(4))
    measured = callback.stopper.history[0].measured("train")
    assert measured.tolist() == [False, False, False, True] * 2


def lower(value, best):
    return value < best


@lightning_warnings
@pytest.mark.trained("Lightning", "several metrics")
def test_lightning_rules_of_other_metrics(lightning, tmp_path):
    rule = any_of(Keras(99), Keras(6, val="val_worst_error"), Fades(1e-9))
    error = {"val_worst_error": Channel(direction="min")}
    callback = lightning_callback(rule, channels=error, record=tmp_path)
    logger = pytest.importorskip("lightning.pytorch.loggers").CSVLogger(tmp_path / "logs")
    training = trainer(lightning, callback, logger=logger, log_every_n_steps=1)
    model = module(lightning)
    training.fit(model, *loaders())
    curve = require_replayed(callback.stopper, tmp_path)
    best = at(curve, "val", callback.stopper.best_epoch)
    assert validated(model.network) == pytest.approx(best, rel=1e-6)
    require_imported(callback.stopper, Path(logger.log_dir) / "metrics.csv")
    assert callback.stopper.stop_epoch == patience_stop(curve["val_worst_error"], 6, lower) < 100
    assert curve["grad_norm"].min() > 0
    about = read_curves(tmp_path).about
    known = {"metric": "loss", "source": "val_loss", "stand_in": False}
    assert about("val") == Channel("val", "min", **known)
    assert about("epoch").unit == "epoch"
    with pytest.raises(ValueError, match=r"'val_acc': no such .* grad_norm, .*val_loss"):
        trainer(
            lightning,
            lightning_callback(
                "Keras(1, val='val_acc')", channels={"val_acc": Channel(direction="max")}
            ),
        ).fit(module(lightning), *loaders())


@lightning_warnings
@pytest.mark.filterwarnings("ignore:.*Consider setting .persistent_workers")
def test_lightning_counts_steps_where_nothing_says_how_long_an_epoch_is(lightning, tmp_path):
    class Endless(torch.utils.data.IterableDataset):
        def __iter__(self):
            while True:
                yield X, Y

    callback = lightning_callback("UP(2, k=1)", record=tmp_path)
    train = torch.utils.data.DataLoader(Endless(), batch_size=None)
    training = trainer(lightning, callback, val_check_interval=5, max_epochs=-1, max_steps=500)
    training.fit(module(lightning), train, loaders()[1])
    curve = require_replayed(callback.stopper, tmp_path)
    assert curve.epoch[:3].tolist() == [5, 10, 15]
    assert f"at step {training.global_step}; best step" in callback.stopper.reason
    assert read_curves(tmp_path).about("epoch").unit == "step"


@lightning_warnings
@pytest.mark.filterwarnings("ignore:The dirpath has changed")
def test_lightning_resumes_from_its_checkpoint(lightning, tmp_path):
    expected = lightning_callback("UP(2, k=1)", train="train_loss")
    straight = module(lightning)
    trainer(lightning, expected).fit(straight, *loaders())
    stop = int(expected.stopper.stop_epoch)
    first, model = lightning_callback("UP(2, k=1)", train="train_loss"), module(lightning)
    saved = [lightning.callbacks.ModelCheckpoint(tmp_path / str(i), save_last=True) for i in (0, 1)]
    before = trainer(lightning, saved[0], first, epochs=stop - 1, enable_checkpointing=True)
    before.fit(model, *loaders())
    again, resumed = lightning_callback("UP(2, k=1)", train="train_loss"), module(lightning)
    trainer(lightning, saved[1], again, enable_checkpointing=True).fit(
        resumed, *loaders(), ckpt_path=tmp_path / "0" / "last.ckpt"
    )
    assert again.stopper.run == first.stopper.run
    assert again.stopper.reason == expected.stopper.reason
    assert again.stopper.history[0].val.tolist() == expected.stopper.history[0].val.tolist()
    assert validated(resumed.network) == validated(straight.network)


saves_often = pytest.mark.filterwarnings(
    "ignore:The dirpath has changed",
    "ignore:Checkpoint dir",
    "ignore:Be aware that when using .ckpt_path",
)


@lightning_warnings
@saves_often
@pytest.mark.trained("Lightning", "resumed", "checking less often")
@pytest.mark.parametrize(
    ("rule", "train", "settings"),
    [
        ("UP(3, k=1)", None, {"check_val_every_n_epoch": 2}),
        ("UP(3, k=1)", None, {"val_check_interval": 0.5}),
        ("UP(3, k=1)", "train_loss", {}),
        ("PQ(0.001, k=2)", "train_loss", {"check_val_every_n_epoch": 2}),
        ("PQ(0.001, k=2)", "train_loss", {"val_check_interval": 0.5}),
    ],
)
def test_lightning_resumes_from_every_checkpoint(lightning, tmp_path, settings, train, rule):
    """Which is saved after a validation, before or at the end of the epoch."""
    parts = 4
    whole, straight = lightning_callback(rule, train=train), module(lightning)
    saves = lightning.callbacks.ModelCheckpoint(tmp_path, save_top_k=-1, monitor="val_loss")
    full = trainer(lightning, whole, saves, enable_checkpointing=True, **settings)
    full.fit(straight, *loaders(parts))
    checkpoints = sorted(tmp_path.glob("*.ckpt"), key=lambda path: path.stat().st_mtime_ns)
    expected = whole.stopper.history[0]
    assert whole.stopper.stopped
    assert len(checkpoints) == len(expected)
    # inside an epoch Lightning itself cannot go on with loaders such as these
    whole_epochs = [i for i, epoch in enumerate(expected.epoch[:-1]) if epoch == int(epoch)]
    for i in (whole_epochs[0], whole_epochs[-1]):
        again, resumed = lightning_callback(rule, train=train), module(lightning)
        going_on = trainer(lightning, again, **settings)
        going_on.fit(resumed, *loaders(parts), ckpt_path=checkpoints[i])
        curve = again.stopper.history[0]
        assert curve.epoch.tolist() == expected.epoch.tolist()
        assert curve.val.tolist() == expected.val.tolist()
        if train is not None:
            assert curve.measured("train").tolist() == expected.measured("train").tolist()
            assert curve.train == pytest.approx(expected.train, nan_ok=True)
        assert again.stopper.reason == whole.stopper.reason
        assert validated(resumed.network) == validated(straight.network)
    # one at which it had stopped is trained no further
    again = lightning_callback(rule, train=train)
    going_on = trainer(lightning, again, **settings)
    going_on.fit(module(lightning), *loaders(parts), ckpt_path=checkpoints[-1])
    assert again.stopper.history[0].epoch.tolist() == expected.epoch.tolist()


@lightning_warnings
@saves_often
def test_lightning_validates_a_checkpoint_without_a_change_of_the_run(lightning, tmp_path):
    callback, model = lightning_callback("Lightning(3)"), module(lightning)
    saves = lightning.callbacks.ModelCheckpoint(tmp_path, monitor="val_loss")
    training = trainer(lightning, callback, saves, enable_checkpointing=True)
    training.fit(model, *loaders())
    reason, epoch = callback.stopper.reason, callback.stopper.epoch
    assert reason is not None
    training.validate(model, loaders()[1], ckpt_path="best", verbose=False)
    assert (callback.stopper.reason, callback.stopper.epoch) == (reason, epoch)
    # the next training begins anew
    trainer(lightning, callback, epochs=2).fit(module(lightning), *loaders())
    assert callback.stopper.history[0].epoch.tolist() == [1, 2]


@lightning_warnings
@saves_often
def test_lightning_resumed_with_another_criterion_says_so(lightning, tmp_path):
    saves = lightning.callbacks.ModelCheckpoint(tmp_path, save_last=True)
    first = trainer(
        lightning, lightning_callback("UP(3)"), saves, epochs=3, enable_checkpointing=True
    )
    first.fit(module(lightning), *loaders())
    callback = lightning_callback("UP(4)")
    words = r"without a state of UP\(4\) on val_loss, .*; the checkpoint is of UP\(3\)"
    with pytest.warns(UserWarning, match=words):
        trainer(lightning, callback, epochs=5).fit(
            module(lightning), *loaders(), ckpt_path=tmp_path / "last.ckpt"
        )
    assert callback.stopper.history[0].epoch.tolist() == [4, 5]


@lightning_warnings
@pytest.mark.parametrize("interval", [1.0, 0.5])
def test_lightning_trains_its_least_epochs_and_keeps_the_best_of_them(
    lightning, tmp_path, interval
):
    early = lightning_callback("UP(1, k=1)")
    settings = {"val_check_interval": interval}
    trainer(lightning, early, **settings).fit(module(lightning), *loaders(4))
    least = int(early.stopper.stop_epoch) + 7
    callback, model = lightning_callback("UP(1, k=1)", record=tmp_path), module(lightning)
    training = trainer(lightning, callback, min_epochs=least, **settings)
    training.fit(model, *loaders(4))
    curve, stopper = require_replayed(callback.stopper, tmp_path), callback.stopper
    assert training.current_epoch == stopper.stop_epoch >= least
    assert at(curve, "val", stopper.best_epoch) == curve.val.min()
    assert validated(model.network) == pytest.approx(curve.val.min(), rel=1e-6)
    with pytest.raises(ValueError, match="min_steps = 9: training would continue after the stop"):
        trainer(lightning, lightning_callback("UP(1)"), min_steps=9).fit(model, *loaders())


@lightning_warnings
@pytest.mark.trained("Lightning", "averaged weights")
@pytest.mark.filterwarnings("ignore:Swapping scheduler", "ignore:SWA is currently only supported")
@pytest.mark.parametrize("own_first", [True, False])
@pytest.mark.parametrize("kind", ["WeightAveraging", "EMAWeightAveraging", "swa"])
def test_lightning_keeps_the_weights_that_were_validated(lightning, tmp_path, kind, own_first):
    if kind == "swa":
        averages = lightning.callbacks.StochasticWeightAveraging(0.01, swa_epoch_start=5)
    else:
        settings = {"decay": 0.8} if kind == "EMAWeightAveraging" else {}
        averages = getattr(lightning.callbacks, kind)(**settings)
    callback, model = lightning_callback("Keras(6)", record=tmp_path), module(lightning)
    both = [callback, averages] if own_first else [averages, callback]
    trainer(lightning, *both, epochs=300).fit(model, *loaders())
    curve = require_replayed(callback.stopper, tmp_path)
    best = at(curve, "val", callback.stopper.best_epoch)
    assert validated(model.network) == pytest.approx(best, rel=1e-6)


@lightning_warnings
@pytest.mark.trained("Lightning", "continued training")
def test_lightning_trains_a_module_further(lightning, tmp_path):
    model = module(lightning)
    trainer(lightning, lightning_callback("MaxEpochs(2)")).fit(model, *loaders())
    callback = lightning_callback("Keras(3)", record=tmp_path)
    trainer(lightning, callback).fit(model, *loaders())
    curve = require_replayed(callback.stopper, tmp_path)
    best = at(curve, "val", callback.stopper.best_epoch)
    assert validated(model.network) == pytest.approx(best, rel=1e-6)


@lightning_warnings
@pytest.mark.trained("Lightning", "several sets")
def test_lightning_watches_one_of_several_sets(lightning, tmp_path):
    model, (train, val) = module(lightning), loaders()
    single = type(model).validation_step
    type(model).validation_step = lambda self, batch, index, dataloader_idx=0: single(
        self, batch, index
    )
    callback = lightning_callback("Keras(4)", monitor="val_loss/dataloader_idx_1", record=tmp_path)
    trainer(lightning, callback).fit(model, train, [train, val])
    curve = require_replayed(callback.stopper, tmp_path)
    best = at(curve, "val", callback.stopper.best_epoch)
    assert validated(model.network) == pytest.approx(best, rel=1e-6)


LIGHTNING_RANKS = """
import os, sys, warnings
import lightning.pytorch as lightning, torch
from earlystop_lab.live.lightning import StopCallback

class Module(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def training_step(self, batch, index):
        return (self.weight - 1).square().sum()

    def validation_step(self, batch, index):
        # rank 1 alone would go on; not synchronized
        errors = [3.0, 2.0, 2.5, 1.0] if self.global_rank == 0 else [4.0, 3.0, 2.0, 1.0]
        self.log("val_loss", errors[self.current_epoch], sync_dist=False)

    def on_validation_end(self):
        self.seen = {**getattr(self, "seen", {}), self.current_epoch + 1: self.weight.item()}

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 0.1)

warnings.simplefilter("ignore")
data = torch.utils.data.DataLoader(torch.zeros(8, 1), 2)
callback, module = StopCallback("UP(1, k=1)", record=sys.argv[1]), Module()
trainer = lightning.Trainer(
    accelerator="cpu", devices=2, strategy="ddp", max_epochs=4, logger=False,
    enable_progress_bar=False, enable_checkpointing=False, enable_model_summary=False,
    num_sanity_val_steps=0, callbacks=[callback])
trainer.fit(module, data, data)
right = module.weight.item() == module.seen[2] != module.seen[3]
print(f"{callback.stopper.reason}; {right}")
"""


@pytest.mark.trained("Lightning", "distributed")
def test_lightning_ranks_stop_together_and_one_records(lightning, tmp_path):
    assert_ranks_agree(LIGHTNING_RANKS, tmp_path)


@lightning_warnings
def test_lightning_watches_a_training_metric_at_the_ends_of_epochs(lightning, tmp_path):
    callback = lightning_callback("MaxEpochs(3)", monitor="train_loss", record=tmp_path)
    logger = pytest.importorskip("lightning.pytorch.loggers").CSVLogger(tmp_path / "logs")
    training = trainer(lightning, callback, logger=logger, log_every_n_steps=1)
    training.fit(module(lightning), *loaders())
    values = callback.stopper.history[0].val
    with (Path(logger.log_dir) / "metrics.csv").open(newline="") as file:
        logged = [float(row["train_loss"]) for row in csv.DictReader(file) if row["train_loss"]]
    assert values.tolist() == pytest.approx(logged)
    assert read_curves(tmp_path / f"{callback.stopper.run}.parquet").about("val").stand_in


@lightning_warnings
def test_lightning_names_what_is_there(lightning):
    with pytest.raises(ValueError, match=r"monitor = 'loss': no such .* train_loss, .*val_loss"):
        trainer(lightning, lightning_callback("GL(2)", monitor="loss")).fit(
            module(lightning), *loaders()
        )


@lightning_warnings
@pytest.mark.trained("Lightning", "interrupted")
def test_lightning_records_where_training_fails(lightning, tmp_path):
    class Fails(lightning.Callback):
        def on_train_epoch_start(self, trainer, pl_module):
            if trainer.current_epoch == 3:
                raise FloatingPointError

    callback = lightning_callback("Keras(99)", record=tmp_path)
    with pytest.raises(FloatingPointError):
        trainer(lightning, callback, Fails()).fit(module(lightning), *loaders())
    assert len(read_curves(tmp_path)[0].val) == 3


# -- Hugging Face -------------------------------------------------------------------------------


@pytest.fixture
def transformers():
    pytest.importorskip("accelerate")
    return pytest.importorskip("transformers")


class Regression(torch.nn.Module):
    """What a ``Trainer`` trains: it gives its own loss."""

    def __init__(self):
        super().__init__()
        self.network = network()

    def forward(self, x, labels):
        predicted = self.network(x)
        return {"loss": torch.nn.functional.mse_loss(predicted, labels), "logits": predicted}


def arguments(transformers, folder, **settings):
    return transformers.TrainingArguments(
        **{
            "output_dir": str(folder),
            "report_to": "none",
            "use_cpu": True,
            "disable_tqdm": True,
            "eval_strategy": "epoch",
            "logging_strategy": "epoch",
            "save_strategy": "no",
            "num_train_epochs": 60,
            "per_device_train_batch_size": 12,
            "learning_rate": 0.01,
            "per_device_eval_batch_size": 24,
            "lr_scheduler_type": "constant",
            "train_sampling_strategy": "sequential",
            **settings,
        }
    )


def hugging_face(transformers, folder, *callbacks, model=None, **settings):
    data = [
        [{"x": x, "labels": y} for x, y in zip(*pair, strict=True)]
        for pair in ((X, Y), (X_VAL, Y_VAL))
    ]
    made = transformers.Trainer(
        Regression() if model is None else model,
        arguments(transformers, folder, **settings),
        train_dataset=data[0],
        eval_dataset=data[1],
        callbacks=[*callbacks],
    )
    made.remove_callback(transformers.PrinterCallback)
    return made


def hugging_face_callback(*args, **kwargs):
    from earlystop_lab.live.huggingface import StopCallback

    return StopCallback(*args, **kwargs)


@pytest.mark.parametrize(("rule", "restore"), [("PQ(0.1, k=2)", "best"), ("GL(5, k=1)", "last")])
def test_hugging_face_stops_where_its_replay_does(transformers, tmp_path, rule, restore):
    callback = hugging_face_callback(rule, restore=restore, record=tmp_path / "runs")
    training = hugging_face(transformers, tmp_path, callback)
    training.train()
    curve = require_replayed(callback.stopper, tmp_path / "runs")
    assert training.state.epoch == callback.stopper.stop_epoch < 60
    assert curve.train[-1] < curve.train[0]
    best = at(curve, "val", callback.stopper.best_epoch)
    assert validated(training.model.network) == pytest.approx(best, rel=1e-6)
    # an evaluation that is not part of the training is no check
    assert training.evaluate()["eval_loss"] == pytest.approx(best, rel=1e-6)
    assert callback.stopper.epoch == callback.stopper.stop_epoch


def largest(predicted):
    return {"worst_error": float(abs(predicted.predictions - predicted.label_ids).max())}


@pytest.mark.trained("Hugging Face", "several metrics")
def test_hugging_face_rules_of_other_metrics(transformers, tmp_path):
    rule = any_of(Keras(99), Keras(5, val="eval_worst_error"))
    error = {"eval_worst_error": Channel(direction="min")}
    callback = hugging_face_callback(rule, channels=error, record=tmp_path / "runs")
    training = hugging_face(transformers, tmp_path, callback)
    training.compute_metrics = largest
    training.train()
    curve = require_replayed(callback.stopper, tmp_path / "runs")
    evaluations = [each for each in training.state.log_history if "eval_loss" in each]
    assert curve["eval_worst_error"].tolist() == [each["eval_worst_error"] for each in evaluations]
    best = at(curve, "val", callback.stopper.best_epoch)
    assert validated(training.model.network) == pytest.approx(best, rel=1e-6)
    training.state.save_to_json(str(tmp_path / "trainer_state.json"))
    require_imported(callback.stopper, tmp_path / "trainer_state.json")
    assert callback.stopper.stop_epoch == patience_stop(curve["eval_worst_error"], 5, lower) < 60
    about = read_curves(tmp_path / "runs").about
    known = {"metric": "loss", "source": "eval_loss", "stand_in": False}
    assert about("val") == Channel("val", "min", **known)
    assert about("train").source == "loss"
    assert about("eval_worst_error").role == "val"


@pytest.mark.parametrize("strategy", ["epoch", "steps"])
@pytest.mark.parametrize("level", [2.5, 0.0])
def test_hugging_face_rules_of_logs_step_at_every_log(transformers, tmp_path, strategy, level):
    rule = any_of(Keras(6), Fades(level), LowRate(1e-9))
    callback = hugging_face_callback(rule, record=tmp_path / "runs")
    often = {"logging_strategy": "steps", "logging_steps": 3, "per_device_train_batch_size": 2}
    settings = {"eval_strategy": strategy, "eval_steps": 8, "max_steps": 200, **often}
    training = hugging_face(transformers, tmp_path, callback, **settings)
    training.train()
    stopper = callback.stopper
    curve = require_replayed(stopper, tmp_path / "runs")
    # a row a step at which something was logged or evaluated, up to the stop
    rows = {}
    for entry in training.state.log_history:
        if "train_runtime" not in entry and entry["epoch"] <= stopper.stop_epoch:
            rows.setdefault(entry["step"], {}).update(entry)
    rows = list(rows.values())
    assert curve.epoch.tolist() == [each["epoch"] for each in rows]
    for name, logged in (("grad_norm", "grad_norm"), ("val", "eval_loss"), ("lr", "learning_rate")):
        measured = [logged in each for each in rows]
        if level == 0 or logged != "eval_loss":
            assert curve.measured(name).tolist() == measured
            assert curve[name][measured].tolist() == [e[logged] for e in rows if logged in e]
    if level:
        assert curve["grad_norm"][-1] < level
        assert "Fades" in stopper.reason
        assert training.state.epoch == stopper.stop_epoch


def test_hugging_face_logs_that_come_later_than_evaluations(transformers, tmp_path):
    callback = hugging_face_callback(any_of(Keras(99), Fades(2.5)), record=tmp_path / "runs")
    settings = {"logging_strategy": "steps", "logging_steps": 5}
    hugging_face(transformers, tmp_path, callback, **settings).train()
    curve = require_replayed(callback.stopper, tmp_path / "runs")
    assert curve.measured("grad_norm").tolist()[:3] == [False, False, True]
    # logged at the end of an epoch, evaluated at the step before it: one row
    callback = hugging_face_callback(any_of(Keras(4), Fades(0)))
    settings = {"logging_strategy": "epoch", "eval_strategy": "steps", "eval_steps": 1}
    hugging_face(transformers, tmp_path, callback, **settings).train()
    curve = callback.stopper.history[0]
    assert curve.epoch[:4].tolist() == [0.5, 1, 1.5, 2]
    assert curve.measured("grad_norm").tolist()[:4] == [False, True, False, True]


@pytest.mark.trained("Hugging Face", "several sets")
def test_hugging_face_metrics_of_several_data_sets(transformers, tmp_path):
    callback = hugging_face_callback(
        any_of(Keras(99), Keras(5, val="eval_b_loss")),
        monitor="eval_a_loss",
        channels={"eval_b_loss": Channel(direction="min")},
        record=tmp_path / "runs",
    )
    training = hugging_face(transformers, tmp_path, callback)
    training.eval_dataset = {"a": training.train_dataset, "b": training.eval_dataset}
    training.train()
    curve = require_replayed(callback.stopper, tmp_path / "runs")
    assert patience_stop(curve["eval_b_loss"], 5, lower) == callback.stopper.stop_epoch < 60
    assert curve.val[-1] < curve["eval_b_loss"][-1]
    best = curve["eval_b_loss"][curve.epoch.tolist().index(callback.stopper.best_epoch)]
    assert validated(training.model.network) == pytest.approx(best, rel=1e-6)


def test_hugging_face_makes_the_callback_again_with_its_channels():
    error = {"eval_worst_error": Channel(direction="min", metric="worst_error")}
    first = hugging_face_callback(
        "Keras(5, val='eval_worst_error')", select="eval_worst_error", channels=error
    )
    first.stopper.update(val=1.0, eval_worst_error=2.0)
    state = json.loads(json.dumps(first.state()))
    again = type(first)(**state["args"])
    again.seen = state["attributes"]["seen"]
    assert again.state() == first.state()
    assert again.stopper.history.about("eval_worst_error").metric == "worst_error"


@pytest.mark.trained("Hugging Face", "resumed")
def test_hugging_face_resumes_from_its_checkpoint(transformers, tmp_path):
    settings = {"save_strategy": "epoch", "restore_callback_states_from_checkpoint": True}
    expected = hugging_face_callback("UP(2, k=1)", restore="last")
    hugging_face(transformers, tmp_path / "a", expected).train()
    stop = int(expected.stopper.stop_epoch)
    first = hugging_face_callback("UP(2, k=1)", restore="last")
    hugging_face(transformers, tmp_path / "b", first, **settings, num_train_epochs=stop - 1).train()
    # the Trainer takes another object in place of the one that is given
    given = hugging_face_callback("UP(2, k=1)", restore="last")
    training = hugging_face(transformers, tmp_path / "b", given, **settings)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that other arguments are used than before
        training.train(resume_from_checkpoint=True)
    (again,) = [each for each in training.callback_handler.callbacks if hasattr(each, "stopper")]
    assert again is not given
    assert again.stopper is given.stopper
    assert given.stopper.run == first.stopper.run
    assert given.stopper.reason == expected.stopper.reason
    assert given.stopper.history[0].val.tolist() == expected.stopper.history[0].val.tolist()
    best = at(given.stopper.history[0], "val", given.stopper.best_epoch)
    assert validated(training.model.network) == pytest.approx(best, rel=1e-6)
    # of two Trainers each has its own
    assert first.stopper is not given.stopper


@pytest.mark.trained("Hugging Face", "resumed")
@pytest.mark.parametrize("moved", [False, True])
@pytest.mark.parametrize("often", [False, True])
def test_hugging_face_resumes_after_its_best_evaluation(transformers, tmp_path, often, moved):
    settings = {"save_strategy": "epoch", "restore_callback_states_from_checkpoint": True}
    if often:
        # the epoch is logged after the checkpoint of its last step is saved
        steps = {"eval_strategy": "steps", "eval_steps": 1, "save_strategy": "steps"}
        settings |= {**steps, "save_steps": 1}
    whole = hugging_face_callback("UP(3, k=1)")
    straight = hugging_face(transformers, tmp_path / "a", whole, **settings)
    straight.train()
    epochs = whole.stopper.history[0].epoch.tolist()
    best, stop = whole.stopper.best_epoch, whole.stopper.stop_epoch
    assert best < epochs[-2]
    folder = tmp_path / "a"
    if moved:
        folder = (tmp_path / "a").rename(tmp_path / "b")
    given = hugging_face_callback("UP(3, k=1)", record=tmp_path / "runs")
    training = hugging_face(transformers, folder, given, **settings)
    # two steps an epoch
    checkpoint = folder / f"checkpoint-{int(2 * epochs[-2])}"
    training.train(resume_from_checkpoint=str(checkpoint))
    assert given.stopper.reason == whole.stopper.reason
    assert given.stopper.history[0].epoch.tolist() == epochs
    assert given.stopper.history[0].val.tolist() == whole.stopper.history[0].val.tolist()
    assert given.stopper.stop_epoch == stop
    assert validated(training.model.network) == validated(straight.model.network)
    assert validated(training.model.network) == pytest.approx(
        at(whole.stopper.history[0], "val", best), rel=1e-6
    )


def test_hugging_face_resumed_with_another_criterion_says_so(transformers, tmp_path):
    settings = {"save_strategy": "epoch", "restore_callback_states_from_checkpoint": True}
    first = hugging_face_callback("UP(9)")
    hugging_face(transformers, tmp_path, first, **settings, num_train_epochs=1).train()
    given = hugging_face_callback("UP(8)")
    training = hugging_face(transformers, tmp_path, given, **settings, num_train_epochs=2)
    with pytest.warns(UserWarning, match=r"with UP\(9\) on eval_loss from .* not with UP\(8\) on"):
        training.train(resume_from_checkpoint=True)
    assert str(given.stopper.criterion) == "UP(9)"
    assert given.stopper.epoch == 2


@pytest.mark.trained("Hugging Face", "interrupted")
def test_hugging_face_records_what_was_interrupted(transformers, tmp_path):
    class Interrupts(transformers.TrainerCallback):
        def on_epoch_begin(self, args, state, control, **kwargs):
            if state.epoch == 3:
                raise KeyboardInterrupt

    callback = hugging_face_callback("Keras(99)", record=tmp_path / "runs")
    training = hugging_face(transformers, tmp_path, callback, Interrupts())
    with pytest.raises(KeyboardInterrupt):
        training.train()
    assert read_curves(tmp_path / "runs")[0].epoch.tolist() == [1, 2, 3]


@pytest.mark.trained("Hugging Face", "continued training")
def test_hugging_face_trained_again_is_another_run(transformers, tmp_path):
    callback = hugging_face_callback("MaxEpochs(2)")
    training = hugging_face(transformers, tmp_path, callback)
    training.train()
    first = callback.stopper.run
    again = hugging_face_callback("Keras(3)", record=tmp_path / "runs")
    training = hugging_face(transformers, tmp_path, again, model=training.model)
    training.train()
    curve = require_replayed(again.stopper, tmp_path / "runs")
    assert again.stopper.run != first
    best = at(curve, "val", again.stopper.best_epoch)
    assert validated(training.model.network) == pytest.approx(best, rel=1e-6)


@pytest.mark.trained("Hugging Face", "checking less often")
def test_hugging_face_evaluates_less_often(transformers, tmp_path):
    callback = hugging_face_callback("Keras(2)", record=tmp_path / "runs")
    settings = {"eval_strategy": "steps", "eval_steps": 6, "learning_rate": 0.02}
    training = hugging_face(transformers, tmp_path, callback, **settings)
    training.train()
    curve = require_replayed(callback.stopper, tmp_path / "runs")
    # two steps an epoch
    assert curve.epoch.tolist() == [3 * i for i in range(1, len(curve) + 1)]
    best = at(curve, "val", callback.stopper.best_epoch)
    assert validated(training.model.network) == pytest.approx(best, rel=1e-6)


@pytest.mark.trained("Hugging Face", "several sets")
def test_hugging_face_evaluations_of_one_s_own_are_no_checks(transformers, tmp_path):
    class Own(transformers.TrainerCallback):
        def on_epoch_end(self, args, state, control, **kwargs):
            training.evaluate(training.train_dataset, metric_key_prefix="train")
            # which an evaluation inside cancels
            control.should_evaluate = True

    callback = hugging_face_callback("Keras(3)", record=tmp_path / "runs")
    training = hugging_face(transformers, tmp_path, callback, Own())
    training.train()
    curve = require_replayed(callback.stopper, tmp_path / "runs")
    assert curve.epoch.tolist() == list(range(1, len(curve) + 1))
    best = at(curve, "val", callback.stopper.best_epoch)
    assert validated(training.model.network) == pytest.approx(best, rel=1e-6)


def test_hugging_face_resumed_without_its_state_says_so(transformers, tmp_path):
    first = hugging_face(transformers, tmp_path, save_strategy="epoch", num_train_epochs=1)
    first.train()
    training = hugging_face(
        transformers, tmp_path, hugging_face_callback("GL(5)"), num_train_epochs=2
    )
    with pytest.warns(UserWarning, match="restore_callback_states_from_checkpoint=True"):
        training.train(resume_from_checkpoint=True)


HUGGING_FACE_RANKS = """
import sys, warnings
import torch, transformers
from earlystop_lab.live.huggingface import StopCallback

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.network = torch.nn.Sequential(
            torch.nn.Linear(8, 64), torch.nn.Tanh(), torch.nn.Linear(64, 1))

    def forward(self, x, labels):
        error = torch.nn.functional.mse_loss(self.network(x), labels)
        return {"loss": error, "logits": self.network(x)}

warnings.simplefilter("ignore")
torch.set_num_threads(1)
record, file, out = sys.argv[1:]
x, y, x_val, y_val = (torch.tensor(part) for part in torch.load(file))
sets = [[{"x": a, "labels": b} for a, b in zip(*each)] for each in ((x, y), (x_val, y_val))]
callback, model = StopCallback("Keras(3)", record=record), Model()
args = transformers.TrainingArguments(
    out, report_to="none", use_cpu=True, disable_tqdm=True, eval_strategy="epoch",
    logging_strategy="epoch", save_strategy="no", num_train_epochs=60, learning_rate=0.02,
    lr_scheduler_type="constant", per_device_train_batch_size=6, ddp_backend="gloo",
    per_device_eval_batch_size=12)
trainer = transformers.Trainer(
    model, args, train_dataset=sets[0], eval_dataset=sets[1], callbacks=[callback])
trainer.train()
with torch.no_grad():
    error = torch.nn.functional.mse_loss(model.network(x_val), y_val).item()
print(f"{callback.stopper.reason}; {error!r}")
"""


@pytest.mark.trained("Hugging Face", "distributed")
def test_hugging_face_ranks_stop_together_and_one_records(transformers, tmp_path):
    file = tmp_path / "data.pt"
    torch.save([part.tolist() for part in (X, Y, X_VAL, Y_VAL)], file)
    said = run_in_ranks(HUGGING_FACE_RANKS, tmp_path, tmp_path / "runs", file, tmp_path / "out")
    # the trainer prints its progress before
    last = [text.splitlines()[-1] for text in said]
    words, errors = zip(*(line.split("; best epoch ") for line in last), strict=True)
    assert words[0] == words[1]
    assert errors[0] == errors[1]
    curves = read_curves(tmp_path / "runs")
    stops = replay(curves, ["Keras(3)"])
    assert len(curves) == 1
    assert words[0].endswith(f"at epoch {stops.stop[0, 0]:g}")
    best, error = errors[0].split("; ")
    assert float(best) == stops.selected[0, 0]
    assert float(error) == pytest.approx(at(curves[0], "val", float(best)), rel=1e-5)


def test_hugging_face_names_what_is_there(transformers, tmp_path):
    callback = hugging_face_callback("GL(5)", monitor="eval_los")
    with pytest.raises(ValueError, match=r"monitor = 'eval_los': no such metric; .* eval_loss"):
        hugging_face(transformers, tmp_path, callback).train()


MONITORED = [
    ("{}_loss", None, "min"),
    ("{}_accuracy", None, "max"),
    ("{}_accuracy", "min", "min"),
    ("{}_top5_error", None, "min"),
    ("{}_perplexity", None, "min"),
    ("{}_loss", "max", "max"),
]


@pytest.mark.parametrize(("monitor", "mode", "expected"), MONITORED)
def test_lightning_knows_which_values_are_better_by_the_name(lightning, monitor, mode, expected):
    callback = lightning_callback("Keras(1)", monitor=monitor.format("val"), mode=mode)
    assert callback.stopper.mode == expected


@pytest.mark.parametrize(("monitor", "mode", "expected"), MONITORED)
def test_hugging_face_knows_which_values_are_better(transformers, monitor, mode, expected):
    callback = hugging_face_callback("Keras(1)", monitor=monitor.format("eval"), mode=mode)
    assert callback.stopper.mode == expected
    # the callback that a Trainer makes from a checkpoint
    again = hugging_face_callback(**callback.state()["args"])
    assert (again.monitor, again.stopper.mode) == (callback.monitor, expected)


# -- what the pages and docstrings say ----------------------------------------------------------


@lightning_warnings
@pytest.mark.parametrize("name", ["lightning", "huggingface"])
def test_examples(name):
    pytest.importorskip("transformers" if name == "huggingface" else name)
    run_examples(name)


@lightning_warnings
def test_page_of_lightning(lightning, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    model, (train, val) = module(lightning), loaders()
    callback = run_page("lightning", {"module": model, "train_loader": train, "val_loader": val})[
        "callback"
    ]
    curve = require_replayed(callback.stopper, "runs")
    best = at(curve, "val", callback.stopper.best_epoch)
    assert validated(model.network) == pytest.approx(best, rel=1e-6)


def test_page_of_hugging_face(transformers, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    training = hugging_face(transformers, "out")
    names = {
        "model": training.model,
        "train_data": training.train_dataset,
        "eval_data": training.eval_dataset,
    }
    callback = run_page("huggingface", names)["callback"]
    curve = read_curves("runs")[0]
    stops = replay(read_curves("runs"), ["GL(5, k=1)"])
    assert stops.stop[0, 0] == curve.epoch[-1] == callback.stopper.epoch
