"""The stopper of PyTorch loops against replay, and its weights against an evaluation."""

import copy
import io
import math

import numpy as np
import pytest
from adapters import Fades, LowRate, at, noisy, require_replayed, run_examples, run_page
from ranks import run_in_ranks

from earlystop_lab import Channel, Keras, any_of, read_curves

torch = pytest.importorskip("torch")
from earlystop_lab.live.predictions import (  # noqa: E402
    ChangedPredictions,
    local_dimension,
    score_z,
)
from earlystop_lab.live.torch import (  # noqa: E402
    GradientTrace,
    TorchStopper,
    evidence,
    gradient_disparity,
    largest_gradient,
)


class Training:
    """A small network and full-batch epochs, the same every time."""

    def __init__(self, width=64):
        torch.manual_seed(0)
        self.model = torch.nn.Sequential(
            torch.nn.Linear(8, width), torch.nn.Tanh(), torch.nn.Linear(width, 1)
        )
        self.optimizer = torch.optim.Adam(self.model.parameters(), lr=0.02)
        self.data = [[torch.tensor(part) for part in noisy(seed=seed)] for seed in (0, 1)]

    def error(self, part):
        x, y = self.data[part]
        return torch.nn.functional.mse_loss(self.model(x), y)

    def epoch(self):
        loss = self.error(0)
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss

    def validate(self):
        with torch.no_grad():
            return self.error(1)


def trained(stopper, training, epochs):
    for epoch in epochs:
        train = training.epoch()
        if stopper.update(val=training.validate(), train=train, epoch=epoch):
            break


@pytest.mark.parametrize("rule", ["GL(5, k=1)", "PQ(0.5)", "UP(2)", "Keras(5, min_delta=0.05)"])
@pytest.mark.parametrize("restore", ["best", "own", "last"])
def test_it_stops_where_its_replay_does_and_has_those_weights(tmp_path, rule, restore):
    training = Training()
    with TorchStopper(rule, training.model, restore=restore, record=tmp_path) as stopper:
        trained(stopper, training, range(1, 300))
    curve = require_replayed(stopper, tmp_path)
    assert curve.epoch[-1] > 1
    assert float(training.validate()) == at(curve, "val", stopper.best_epoch)


@pytest.mark.trained("PyTorch", "several metrics")
def test_rules_of_other_channels_by_keyword(tmp_path):
    training = Training()
    rule = any_of(Keras(99), Fades(0.05), LowRate(1e-9))
    with TorchStopper(rule, training.model, record=tmp_path) as stopper:
        for epoch in range(1, 300):
            training.epoch()
            norm = torch.nn.utils.get_total_norm(p.grad for p in training.model.parameters())
            told = {"grad_norm": norm, "learning_rate": training.optimizer.param_groups[0]["lr"]}
            if stopper.update(val=training.validate(), epoch=epoch, **told):
                break
    curve = require_replayed(stopper, tmp_path)
    assert curve["grad_norm"][-1] < 0.05 <= curve["grad_norm"][:-1].min()
    assert curve["lr"].tolist() == [0.02] * len(curve)
    assert float(training.validate()) == at(curve, "val", stopper.best_epoch)


@pytest.mark.trained("PyTorch", "averaged weights")
def test_an_average_that_is_validated_is_the_model(tmp_path):
    training = Training()
    average = torch.optim.swa_utils.AveragedModel(
        training.model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.8)
    )

    def validate():
        x, y = training.data[1]
        with torch.no_grad():
            return torch.nn.functional.mse_loss(average(x), y)

    with TorchStopper("Keras(6)", average, record=tmp_path) as stopper:
        for epoch in range(1, 300):
            training.epoch()
            average.update_parameters(training.model)
            if stopper.update(val=validate(), epoch=epoch):
                break
    curve = require_replayed(stopper, tmp_path)
    assert float(validate()) == at(curve, "val", stopper.best_epoch) < curve.val[-1]


@pytest.mark.trained("PyTorch", "checking less often")
def test_checks_in_some_of_the_epochs(tmp_path):
    training = Training()
    with TorchStopper("Keras(2)", training.model, record=tmp_path) as stopper:
        for epoch in range(1, 300):
            training.epoch()
            if epoch % 3 == 0 and stopper.update(val=training.validate(), epoch=epoch):
                break
    curve = require_replayed(stopper, tmp_path)
    assert curve.epoch.tolist() == [3 * i for i in range(1, len(curve) + 1)]
    assert float(training.validate()) == at(curve, "val", stopper.best_epoch)


@pytest.mark.trained("PyTorch", "several sets", "continued training")
def test_another_loop_of_the_model_selects_by_one_of_several_sets(tmp_path):
    training = Training()
    with TorchStopper("MaxEpochs(2)", training.model) as stopper:
        trained(stopper, training, range(1, 300))
    sets = {"second": Channel(direction="min")}
    settings = {"select": "second", "channels": sets, "record": tmp_path}
    rule = Keras(5, val="second")
    with TorchStopper(rule, training.model, **settings) as stopper:
        for epoch in range(3, 300):
            training.epoch()
            with torch.no_grad():
                if stopper.update(val=training.error(0), second=training.validate(), epoch=epoch):
                    break
    (curve,) = read_curves(tmp_path)
    assert stopper.stopped
    assert float(training.validate()) == curve["second"].min()


@pytest.mark.trained("PyTorch", "interrupted")
def test_weights_stay_the_last_ones_where_training_fails(tmp_path):
    training = Training()

    def fail():
        with TorchStopper("GL(5, k=1)", training.model, record=tmp_path) as stopper:
            trained(stopper, training, range(1, 300))
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    curve = read_curves(tmp_path)[0]
    assert float(training.validate()) == curve.val[-1] > curve.val.min()


@pytest.mark.trained("PyTorch", "resumed")
def test_saved_and_restored_with_the_weights(tmp_path):
    straight, training = Training(), Training()
    with TorchStopper("UP(3, k=1)", straight.model) as expected:
        trained(expected, straight, range(1, 300))
    stop = expected.stop_epoch
    # saved after the best epoch, before the stop
    first = TorchStopper("UP(3, k=1)", training.model)
    trained(first, training, range(1, stop))
    assert first.best_epoch < stop - 1
    file = io.BytesIO()
    torch.save(first.state_dict(), file)
    file.seek(0)
    with TorchStopper("UP(3, k=1)", training.model) as again:
        again.load_state_dict(torch.load(file, weights_only=True))
        trained(again, training, range(stop, 300))
    assert again.reason == expected.reason
    assert float(training.validate()) == float(straight.validate())


def test_a_tensor_of_several_numbers_is_named():
    stopper = TorchStopper("Keras(1)", Training().model)
    assert not stopper.update(val=torch.tensor([0.5]))
    with pytest.raises(ValueError, match=r"val = a tensor of shape \(2,\); expected a number"):
        stopper.update(val=torch.tensor([0.5, 0.25]))


def test_without_the_weights_of_the_best_epoch_it_says_so():
    training = Training()
    first = TorchStopper("UP(3, k=1)", training.model)
    trained(first, training, range(1, 300))
    last = copy.deepcopy(training.model.state_dict())
    state = {**first.state_dict(), "kept": None, "kept_epoch": None}
    again = TorchStopper("UP(3, k=1)", training.model)
    again.load_state_dict(state)
    with pytest.warns(UserWarning, match="weights of the best epoch"), again:
        pass
    assert all(
        torch.equal(last[name], value) for name, value in training.model.state_dict().items()
    )


RANKS = """
import sys, torch
from torch import distributed
from earlystop_lab.live.torch import TorchStopper
distributed.init_process_group("gloo")
rank, model = distributed.get_rank(), torch.nn.Linear(1, 1)
with TorchStopper("UP(1, k=1)", model, record=sys.argv[1 + rank]) as stopper:
    for epoch in range(1, 5):
        torch.nn.init.constant_(model.weight, epoch)
        # rank 1 alone would go on
        val = [3.0, 2.0, 2.5, 1.0][epoch - 1] if rank == 0 else 1 / epoch
        if stopper.update(val=torch.tensor(val), epoch=epoch):
            break
print(f"{stopper.reason}; weight {model.weight.item()}")
distributed.destroy_process_group()
"""


@pytest.mark.trained("PyTorch", "distributed")
def test_ranks_stop_together_and_one_records(tmp_path):
    said = run_in_ranks(RANKS, tmp_path, tmp_path / "runs0", tmp_path / "runs1")
    assert said == ["UP 1 >= 1 at epoch 3; best epoch 2; weight 2.0\n"] * 2
    assert read_curves(tmp_path / "runs0")[0].val.tolist() == [3, 2, 2.5]
    assert list((tmp_path / "runs1").iterdir()) == []


# -- what rules on gradients watch -----------------------------------------------------------

ROWS = torch.tensor([[1.0, 2.0], [3.0, -1.0], [0.5, 4.0]])


def linear():
    """A network whose gradient is its input."""
    model = torch.nn.Linear(2, 1, bias=False)
    return model, model(ROWS).squeeze()


def test_the_disparity_is_the_mean_distance_of_the_inputs():
    model, losses = linear()
    expected = torch.pdist(ROWS).mean().item()
    assert gradient_disparity(model, (model(x).sum() for x in ROWS)) == pytest.approx(expected)
    with pytest.raises(ValueError, match="1 batches; expected at least 2"):
        gradient_disparity(model, [losses[0]])


def test_the_evidence_is_its_formula():
    model, losses = linear()
    mean, variance = ROWS.mean(0), ROWS.var(0)
    expected = 1 - 3 * (mean**2 / (variance + 1e-5)).mean().item()
    assert evidence(model, losses) == pytest.approx(expected)
    with pytest.raises(ValueError, match="1 samples; expected at least 2"):
        evidence(model, losses[:1])


def test_the_largest_gradient_is_that_of_a_matrix():
    model = torch.nn.Sequential(torch.nn.Linear(2, 1), torch.nn.Linear(1, 1))
    assert str(largest_gradient(model)) == "nan"
    for parameter, grad in zip(model.parameters(), (2.0, 9.0, -3.0, 9.0), strict=True):
        parameter.grad = torch.full_like(parameter, grad)
    assert largest_gradient(model) == 4.0  # |2| + |2|, and not the biases' 9


def test_a_trace_sums_products_between_checks_and_measures_the_way():
    model, _ = linear()
    trace = GradientTrace(model)
    for i in (0, 1, 2):
        model.zero_grad()
        model(ROWS[i]).sum().backward()
        trace.step()
        if i == 0:
            assert math.isnan(trace.channels()["gradient_product"])
    with torch.no_grad():
        model.weight += torch.tensor([[3.0, 4.0]])
    # 1 3 - 2 1, and 3 .5 - 1 4
    found = trace.channels()
    assert found["gradient_product"] == 1.0 - 2.5
    assert found["distance"] == pytest.approx(5.0)
    assert math.isnan(trace.channels()["gradient_product"])


def test_rules_on_gradients_stop_as_their_replay(tmp_path):
    training = Training()
    trace = GradientTrace(training.model)

    def signs():
        return training.model(training.data[0][0]).detach() > 0

    changed = ChangedPredictions(signs())
    rule = "any_of(GradientDisparity(3), LabelWave(3), PflugDiagnostic(-1e9))"
    with TorchStopper(rule, training.model, record=tmp_path) as stopper:
        for epoch in range(1, 31):
            training.epoch()
            trace.step()
            disparity = gradient_disparity(training.model, (training.error(i) for i in (0, 1)))
            channels = {"changed_predictions": changed(signs()), "gradient_disparity": disparity}
            val = training.validate()
            if stopper.update(val=val, epoch=epoch, **channels, **trace.channels()):
                break
    assert stopper.stopped
    require_replayed(stopper, tmp_path)


def test_changed_predictions_are_of_the_same_samples():
    changed = ChangedPredictions([0, 1])
    with pytest.raises(ValueError, match=r"\(3,\) labels after \(2,\); expected those of the same"):
        changed([0, 1, 1])


def test_score_z_is_the_t_of_the_products():
    # products 2, -1 and 5: their mean is 2, their variance (0 + 9 + 9) / 2 = 9
    assert score_z([1.0, -1.0, 2.0], [-2.0, -1.0, -2.5]) == pytest.approx(3**0.5 * 2 / 3)
    assert score_z([1.0, 1.0], [-1.0, -1.0]) == math.inf
    assert score_z([1.0, 1.0], [1.0, 1.0]) == -math.inf
    assert score_z([0.0, 0.0], [1.0, 2.0]) == 0.0
    with pytest.raises(ValueError, match=r"score_z: gradients of shape \(2,\) and steps of shape"):
        score_z([1.0, 2.0], [1.0])


def test_a_dimension_is_that_of_the_distances_to_the_nearest():
    # on a line at 0, 1, 3, 7, the two nearest of each are 1 3, 1 2, 2 3 and 4 6 away
    line = [[0.0], [1.0], [3.0], [7.0]]
    ratios = [3.0, 2.0, 1.5, 1.5]
    expected = sum(2 / math.log(ratio) for ratio in ratios) / 4
    assert local_dimension(line, k=2) == pytest.approx(expected)
    # in a square, the side twice and the diagonal, the farthest of all three
    square = [[[0.0, 0.0]], [[0.0, 1.0]], [[1.0, 0.0]], [[1.0, 1.0]]]
    assert local_dimension(square) == pytest.approx(3 / math.log(2))
    for rows, k in ((line[:2], 20), (line, 1)):
        with pytest.raises(ValueError, match="expected at least 3 samples and k >= 2"):
            local_dimension(rows, k=k)


def test_the_dimension_of_points_is_that_of_what_they_fill():
    rng = np.random.default_rng(0)
    for dimension in (1, 3):
        found = local_dimension(rng.random((128, dimension)) @ rng.random((dimension, 9)))
        assert found == pytest.approx(dimension, rel=0.3)


def test_examples():
    run_examples("torch")
    run_examples("predictions")


def test_page(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    training = Training()
    names = {"model": training.model, "train_epoch": training.epoch, "evaluate": training.validate}
    stopper = run_page("torch", names)["stopper"]
    curve = require_replayed(stopper, "runs")
    assert float(training.validate()) == at(curve, "val", stopper.best_epoch)
