import os
import subprocess
import sys

import numpy as np
import pytest

from earlystop_lab.sources.proben1 import DATASETS, DataSet, Examples
from earlystop_lab.sources.training import (
    TOPOLOGIES,
    Rprop,
    backward,
    forward,
    proben1_jobs,
    rprop_update,
    squared_error_percentage,
    train,
    weight_count,
)

NETWORKS = [(), (3,), (4, 2), (2, 3, 2)]
STUDY = Rprop()
STUDY_BOUNDS = (1.1, 0.5, 0.0, 50.0)


def make_data(inputs=3, outputs=2, parts=(17, 9, 6), seed=0):
    rng = np.random.default_rng(seed)
    pieces = [Examples(rng.uniform(-1, 1, (n, inputs)), rng.random((n, outputs))) for n in parts]
    return DataSet("toy1", *pieces)


def unit_matrix(inputs, hidden, outputs):
    """Bias, inputs, then garbage in the rows that ``forward`` must fill."""
    units = np.full((1 + inputs.shape[1] + sum(hidden) + outputs, len(inputs)), 99.0)
    units[0] = 1
    units[1 : 1 + inputs.shape[1]] = inputs.T
    return units


def layer_sizes(hidden, outputs):
    return np.array([*hidden, outputs], np.int64)


# -- independent implementations -------------------------------------------------------------


def forward_by_unit(weights, hidden, outputs, linear, example):
    """One example through the network, a unit at a time, in plain Python."""
    weight = iter(weights)
    seen = [1.0, *example]
    for size in (*hidden, outputs):
        is_output = len(seen) == 1 + len(example) + sum(hidden)
        nets = [sum(next(weight) * value for value in seen) for _ in range(size)]
        seen += nets if is_output and linear else [x / (1 + abs(x)) for x in nets]
    return seen[-outputs:]


def outputs_and_gradient(weights, hidden, linear, inputs, targets):
    """Forward-mode differentiation: every unit carries its derivative by every weight."""
    values = [np.ones(len(inputs)), *inputs.T]
    slopes = [np.zeros((len(weights), len(inputs))) for _ in values]
    used = 0
    for layer, size in enumerate((*hidden, targets.shape[1])):
        seen = len(values)
        for _ in range(size):
            net, slope = np.zeros(len(inputs)), np.zeros((len(weights), len(inputs)))
            for value, inner in zip(values[:seen], slopes[:seen], strict=True):
                net = net + weights[used] * value
                slope = slope + weights[used] * inner
                slope[used] += value
                used += 1
            if layer < len(hidden) or not linear:
                slope = slope / (1 + np.abs(net)) ** 2
                net = net / (1 + np.abs(net))
            values.append(net)
            slopes.append(slope)
    outputs = np.array(values[-targets.shape[1] :])
    misses = outputs - targets.T
    gradient = sum(s @ m for s, m in zip(slopes[-len(misses) :], misses, strict=True))
    return outputs, gradient


def errors_by_epoch(data, hidden, linear, epochs, rng, rprop=STUDY):
    size = weight_count(data.train.inputs.shape[1], hidden, data.train.targets.shape[1])
    weights = rng.uniform(-rprop.init, rprop.init, size)
    steps = rng.uniform(*rprop.delta0, size)
    previous = np.zeros(size)

    def run(part):
        outputs, gradient = outputs_and_gradient(weights, hidden, linear, *part)
        return 100 * np.mean((outputs.T - part.targets) ** 2), gradient

    errors = {"train": [], "val": [], "test": []}
    for _ in range(epochs):
        error, gradient = run(data.train)
        same, changed = gradient * previous > 0, gradient * previous < 0
        steps[same] = np.minimum(steps[same] * rprop.eta_plus, rprop.delta_max)
        steps[changed] = np.maximum(steps[changed] * rprop.eta_minus, rprop.delta_min)
        previous = np.where(changed, 0, gradient)
        weights = weights - np.sign(previous) * steps
        errors["train"].append(error)
        errors["val"].append(run(data.val)[0])
        errors["test"].append(run(data.test)[0])
    return errors


# -- networks ------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("inputs", "hidden", "outputs", "count"),
    [
        # table 7 of the technical report
        pytest.param(9, (16, 8), 6, 572, id="glass 16+8"),
        pytest.param(9, (4, 2), 2, 100, id="cancer 4+2"),
        pytest.param(51, (32,), 2, 1832, id="card 32+0"),
        pytest.param(5, (), 3, 18, id="linear"),
    ],
)
def test_weight_count(inputs, hidden, outputs, count):
    assert weight_count(inputs, hidden, outputs) == count


@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize("hidden", NETWORKS)
def test_forward_is_the_network_computed_unit_by_unit(hidden, linear):
    rng = np.random.default_rng(1)
    inputs, outputs = rng.uniform(-1, 1, (5, 3)), 2
    weights = rng.normal(size=weight_count(3, hidden, outputs))
    units = unit_matrix(inputs, hidden, outputs)
    forward(weights, layer_sizes(hidden, outputs), linear, units)
    expected = [forward_by_unit(weights, hidden, outputs, linear, row) for row in inputs]
    np.testing.assert_allclose(units[-outputs:].T, expected, rtol=1e-13)


@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize("hidden", NETWORKS)
def test_gradient_is_the_central_difference_of_half_the_squared_error(hidden, linear):
    rng = np.random.default_rng(2)
    inputs, targets = rng.uniform(-1, 1, (7, 3)), rng.random((7, 2))
    weights = rng.normal(size=weight_count(3, hidden, 2))
    layers = layer_sizes(hidden, 2)
    units = unit_matrix(inputs, hidden, 2)

    def half_squared_error(weights):
        forward(weights, layers, linear, units)
        return np.sum((units[-2:].T - targets) ** 2) / 2

    expected = np.empty_like(weights)
    for i in range(len(weights)):
        step = np.zeros_like(weights)
        step[i] = 1e-6
        rise = half_squared_error(weights + step) - half_squared_error(weights - step)
        expected[i] = rise / 2e-6

    half_squared_error(weights)
    gradient = np.full_like(weights, 99.0)
    back, across = np.full_like(units, 99.0), units.T.copy()
    target_rows = np.ascontiguousarray(targets.T)
    # twice, because scratch from the epoch before must not leak into the next
    for _ in range(2):
        backward(weights, layers, linear, units, target_rows, back, across, gradient)
        np.testing.assert_allclose(gradient, expected, rtol=1e-6, atol=1e-8)


def test_squared_error_percentage_by_hand():
    units = np.array([[1.0, 1.0], [7.0, 8.0], [0.5, 1.0], [0.0, 2.0]])
    targets = np.array([[0.0, 1.0], [0.0, 1.0]])
    # misses 0.5, 0, 0, 1 over 2 outputs x 2 examples
    assert squared_error_percentage(units, targets) == 100 * (0.25 + 1) / 4


# -- RPROP against torch.optim.Rprop ---------------------------------------------------------

# The expected values are what torch 2.13.0 printed for
#
#   def rprop(gradients, lr, step_sizes):
#       w = torch.zeros(len(gradients[0]), dtype=torch.float64, requires_grad=True)
#       opt = torch.optim.Rprop([w], lr=lr, etas=(0.5, 1.1), step_sizes=step_sizes)
#       for g in gradients:
#           w.grad = torch.tensor(g, dtype=torch.float64)
#           opt.step()
#           print(w.tolist(), opt.state[w]["step_size"].tolist())


def rprop_path(gradients, first_step, delta_min, delta_max):
    weights, previous = np.zeros(len(gradients[0])), np.zeros(len(gradients[0]))
    steps = np.full(len(gradients[0]), first_step)
    for gradient in np.array(gradients):
        rprop_update(weights, gradient, previous, steps, (1.1, 0.5, delta_min, delta_max))
        yield weights.copy(), steps.copy()


# columns: agreement then a change; change, agreement, zero; a change later; zero between equal
# signs; a change followed by zero
MIXED = [
    [1.0, 1.0, -2.0, 0.5, -1.0],
    [2.0, -0.5, -1.0, 0.0, 1.0],
    [0.1, -0.25, 3.0, 0.5, 0.0],
    [3.0, 0.75, 1.5, -0.25, 1.0],
    [-1.0, 0.5, 2.0, -0.125, 2.0],
    [-1.0, 0.0, -1.0, 2.0, -1.0],
]
MIXED_WEIGHTS = [
    [-0.1, -0.1, 0.1, -0.1, 0.1],
    [-0.21000000000000002, -0.1, 0.21000000000000002, -0.1, 0.1],
    [-0.33100000000000007, -0.05, 0.21000000000000002, -0.2, 0.1],
    [-0.46410000000000007, -0.05, 0.15500000000000003, -0.2, 0.05],
    [-0.46410000000000007, -0.07500000000000001, 0.09450000000000001, -0.15, -0.005],
    [-0.39755000000000007, -0.07500000000000001, 0.09450000000000001, -0.15, -0.005],
]
MIXED_STEPS = [
    [0.1, 0.1, 0.1, 0.1, 0.1],
    [0.11000000000000001, 0.05, 0.11000000000000001, 0.1, 0.05],
    [0.12100000000000002, 0.05, 0.05500000000000001, 0.1, 0.05],
    [0.13310000000000002, 0.025, 0.05500000000000001, 0.05, 0.05],
    [0.06655000000000001, 0.025, 0.06050000000000001, 0.05, 0.05500000000000001],
    [0.06655000000000001, 0.025, 0.030250000000000006, 0.025, 0.027500000000000004],
]
RPROP_CASES = [
    pytest.param(MIXED, 0.1, (0, 50), MIXED_WEIGHTS, MIXED_STEPS, id="signs and zeros"),
    pytest.param(
        [[1.0]] * 5,
        40.0,
        (0, 50),
        [[-40.0], [-84.0], [-132.4], [-182.4], [-232.4]],
        [[40.0], [44.0], [48.400000000000006], [50.0], [50.0]],
        id="largest step",
    ),
    pytest.param(
        [[1.0], [-1.0], [-1.0], [1.0], [1.0], [1.0]],
        0.1,
        (0.04, 50),
        [[-0.1], [-0.1], [-0.05], [-0.05], [-0.09], [-0.134]],
        [[0.1], [0.05], [0.05], [0.04], [0.04], [0.044000000000000004]],
        id="smallest step",
    ),
]


@pytest.mark.parametrize(("gradients", "lr", "bounds", "weights", "steps"), RPROP_CASES)
def test_rprop_update_takes_the_steps_of_torch(gradients, lr, bounds, weights, steps):
    path = list(rprop_path(gradients, lr, *map(float, bounds)))
    np.testing.assert_allclose([w for w, _ in path], weights, rtol=1e-14)
    np.testing.assert_allclose([s for _, s in path], steps, rtol=1e-14)


def test_rprop_minimises_a_quadratic_like_torch():
    # a = torch.tensor([1.0, 10.0, 100.0], dtype=torch.float64)
    # w = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64, requires_grad=True)
    # opt = torch.optim.Rprop([w], lr=0.1, etas=(0.5, 1.1), step_sizes=(0, 50))
    # for _ in range(40):
    #     opt.zero_grad(); (a * w * w).sum().backward(); opt.step()
    # print(w.tolist(), opt.state[w]["step_size"].tolist())
    curvature = np.array([1.0, 10.0, 100.0])
    weights, previous, steps = np.array([1.0, -2.0, 3.0]), np.zeros(3), np.full(3, 0.1)
    for _ in range(40):
        rprop_update(weights, 2 * curvature * weights, previous, steps, STUDY_BOUNDS)
    np.testing.assert_allclose(
        weights,
        [-2.3898922123542977e-06, -0.00010231587686577778, -6.557494276863573e-05],
        rtol=1e-9,
    )
    np.testing.assert_allclose(
        steps,
        [4.214198259757205e-05, 0.000246800306884421, 0.00010198359788612437],
        rtol=1e-12,
    )


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        *(("eta_plus", value) for value in (0.9, np.nan, np.inf)),
        *(("eta_minus", value) for value in (0.0, -0.5, 1.1, np.nan)),
        *(("delta0", value) for value in ((0.2, 0.05), (-0.1, 0.1), (0.1, np.inf), (np.nan, 0.1))),
        *(("delta_min", value) for value in (-0.1, np.nan)),
        *(("delta_max", value) for value in (0.0, -1.0, np.nan)),
        *(("init", value) for value in (-0.5, np.nan, np.inf)),
    ],
)
def test_settings_that_cannot_train_are_refused_by_name(setting, value):
    with pytest.raises(ValueError, match=setting):
        Rprop(**{setting: value})


# -- train ---------------------------------------------------------------------------------

OTHER = Rprop(
    eta_plus=1.3, eta_minus=0.4, delta0=(0.1, 0.15), delta_min=0.02, delta_max=0.2, init=0.3
)


@pytest.mark.parametrize("rprop", [STUDY, OTHER], ids=["study", "other settings"])
@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize("hidden", [(), (3,), (3, 2)])
def test_every_epoch_of_train_agrees_with_a_naive_network(hidden, linear, rprop):
    # training error before the epoch's update, the others after it, or nothing agrees
    data = make_data()
    expected = errors_by_epoch(data, hidden, linear, 20, np.random.default_rng(3), rprop)
    rng = np.random.default_rng(3)
    found = train(data, hidden, linear=linear, epochs=20, rng=rng, rprop=rprop)
    assert list(found) == ["train", "val", "test"]
    for name, errors in expected.items():
        assert found[name].dtype == np.float32
        # as close as float32 can be
        np.testing.assert_allclose(found[name], errors, rtol=1.2e-7)


@pytest.mark.parametrize("linear", [True, False])
@pytest.mark.parametrize("hidden", [(), (3, 2)])
def test_train_is_its_parts_stepped_by_hand(hidden, linear):
    data = make_data()
    layers, size = layer_sizes(hidden, 2), weight_count(3, hidden, 2)
    rng = np.random.default_rng(4)
    weights, steps = rng.uniform(-0.5, 0.5, size), rng.uniform(0.05, 0.2, size)
    gradient, previous = np.zeros(size), np.zeros(size)
    units = [unit_matrix(part.inputs, hidden, 2) for part in data[1:]]
    targets = [np.ascontiguousarray(part.targets.T) for part in data[1:]]
    back, across = np.zeros_like(units[0]), units[0].T.copy()

    def error(part):
        forward(weights, layers, linear, units[part])
        return squared_error_percentage(units[part], targets[part])

    stepped = []
    for _ in range(20):
        before = error(0)
        backward(weights, layers, linear, units[0], targets[0], back, across, gradient)
        rprop_update(weights, gradient, previous, steps, STUDY_BOUNDS)
        stepped.append([before, error(1), error(2)])

    naive = errors_by_epoch(data, hidden, linear, 20, np.random.default_rng(4))
    np.testing.assert_allclose(np.transpose(stepped), list(naive.values()), rtol=1e-9)
    found = train(data, hidden, linear=linear, epochs=20, rng=np.random.default_rng(4))
    np.testing.assert_array_equal(
        np.array(list(found.values())), np.transpose(stepped).astype(np.float32)
    )


def test_first_weights_and_steps_come_from_the_settings():
    # from weights 0 every output is 0, and the first update is one step down every gradient
    data = make_data()
    rprop = Rprop(init=0.0, delta0=(0.125, 0.125))
    found = train(data, (), linear=True, epochs=1, rng=np.random.default_rng(0), rprop=rprop)
    inputs, targets = data.train
    assert found["train"][0] == np.float32(100 * np.mean(targets**2))
    design = np.column_stack([np.ones(len(inputs)), inputs])
    weights = 0.125 * np.sign(design.T @ targets)
    outputs = weights[0] + data.val.inputs @ weights[1:]
    assert found["val"][0] == pytest.approx(100 * np.mean((outputs - data.val.targets) ** 2))


def test_a_linear_network_converges_to_least_squares():
    data = make_data(inputs=4, outputs=2, parts=(40, 5, 5))
    inputs, targets = data.train
    design = np.column_stack([np.ones(len(inputs)), inputs])
    best = 100 * np.mean((design @ np.linalg.lstsq(design, targets)[0] - targets) ** 2)
    found = train(data, (), linear=True, epochs=1000, rng=np.random.default_rng(5))
    assert found["train"][-1] == pytest.approx(best, rel=1e-6)
    assert found["train"][0] > 1.5 * best


def curve_bytes(curves):
    return {name: np.asarray(values).tobytes() for name, values in curves.items()}


def test_the_same_rng_gives_the_same_bytes_and_another_does_not():
    data = make_data()
    one, same, other = (
        train(data, (3,), linear=True, epochs=15, rng=np.random.default_rng(seed))
        for seed in (6, 6, 7)
    )
    assert curve_bytes(one) == curve_bytes(same)
    assert all(curve_bytes(one)[name] != curve_bytes(other)[name] for name in one)


def test_fewer_epochs_are_the_beginning_of_more():
    data = make_data()
    short, long = (
        train(data, (3,), linear=False, epochs=epochs, rng=np.random.default_rng(8))
        for epochs in (6, 15)
    )
    assert curve_bytes(short) == curve_bytes({name: long[name][:6] for name in long})


def at_offset(array, words):
    """A copy that begins ``words`` float64 after a 64-byte boundary."""
    buffer = np.empty(array.size + 16)
    start = -buffer.ctypes.data // 8 % 8 + words
    copy = buffer[start : start + array.size].reshape(array.shape)
    copy[...] = array
    assert copy.ctypes.data % 64 == 8 * words % 64
    return copy


@pytest.mark.parametrize(
    "layout",
    [
        pytest.param(np.asfortranarray, id="by column"),
        pytest.param(lambda a: np.repeat(a, 2, axis=1)[:, ::2], id="strided"),
        *(pytest.param(lambda a, w=w: at_offset(a, w), id=f"offset {w}") for w in (1, 3, 6)),
    ],
)
def test_memory_layout_of_the_data_does_not_change_a_byte(layout):
    data = make_data(inputs=5, parts=(37, 11, 6))
    moved = DataSet("toy1", *(Examples(layout(x), layout(t)) for x, t in data[1:]))
    results = [
        train(d, (4, 2), linear=False, epochs=30, rng=np.random.default_rng(9))
        for d in (data, moved)
    ]
    assert curve_bytes(results[0]) == curve_bytes(results[1])


def test_alignment_of_the_work_arrays_does_not_change_a_byte():
    # vector code treats the head of an unaligned array apart; the sums must not notice
    rng = np.random.default_rng(10)
    hidden, layers = (4, 2), layer_sizes((4, 2), 2)
    units = unit_matrix(rng.uniform(-1, 1, (37, 5)), hidden, 2)
    weights, targets = rng.normal(size=weight_count(5, hidden, 2)), rng.random((2, 37))
    seen = set()
    for words in range(8):
        w, u, t = (at_offset(array, words) for array in (weights, units, targets))
        forward(w, layers, True, u)
        back, across = at_offset(np.zeros_like(u), words), at_offset(u.T, words)
        gradient = at_offset(np.zeros_like(w), words)
        backward(w, layers, True, u, t, back, across, gradient)
        seen.add((u.tobytes(), gradient.tobytes(), squared_error_percentage(u, t)))
    assert len(seen) == 1


@pytest.mark.parametrize(
    ("inputs", "init", "expected"),
    [
        # finite in float64, beyond float32
        pytest.param(1.0, 1e25, np.isposinf, id="beyond float32"),
        pytest.param(1.0, 1e200, np.isposinf, id="infinite error"),
        # infinite hidden units are inf / inf
        pytest.param(1e300, 1e200, np.isnan, id="undefined error"),
    ],
)
def test_a_diverged_run_is_recorded_without_warning(inputs, init, expected):
    data = make_data()
    data = DataSet("toy1", *(Examples(np.full_like(x, inputs), t) for x, t in data[1:]))
    rng = np.random.default_rng(11)
    found = train(data, (2,), linear=True, epochs=5, rng=rng, rprop=Rprop(init=init))
    for errors in found.values():
        assert errors.shape == (5,)
        assert expected(errors).all()


def test_the_same_bytes_without_compilation(write_dt):
    write_dt("toy1", inputs=3, outputs=1, parts=(9, 5, 4))
    folder = write_dt("toy2", inputs=3, outputs=2, parts=(6, 5, 4)).parent
    code = (
        "import sys\n"
        "from earlystop_lab.sources import training\n"
        "assert not hasattr(training.forward, 'py_func'), 'this ran compiled'\n"
        "jobs = training.proben1_jobs(sys.argv[1], datasets=['toy1', 'toy2'],\n"
        "    topologies=[(), (2, 1)], runs=1, epochs=6)\n"
        "for job in jobs:\n"
        "    curves = job.train(*job.arguments)\n"
        "    print(job.meta['run'], *(values.tobytes().hex() for values in curves.values()))\n"
    )
    plain = subprocess.run(
        [sys.executable, "-c", code, str(folder)],
        env={**os.environ, "NUMBA_DISABLE_JIT": "1"},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    compiled = [
        " ".join(
            [job.meta["run"], *(v.tobytes().hex() for v in job.train(*job.arguments).values())]
        )
        for job in proben1_jobs(
            folder, datasets=["toy1", "toy2"], topologies=[(), (2, 1)], runs=1, epochs=6
        )
    ]
    assert plain.splitlines() == compiled
    assert len(compiled) == 8


# -- the study -----------------------------------------------------------------------------


@pytest.fixture
def study_folder(write_dt):
    for name in DATASETS:
        folder = write_dt(name, parts=(4, 2, 2)).parent
    return folder


def test_the_study_has_1296_runs(study_folder):
    jobs = proben1_jobs(study_folder)
    assert len({job.meta["run"] for job in jobs}) == len(jobs) == 1296
    datasets = [job.meta["data_file"] for job in jobs]
    assert {datasets.count(name) for name in DATASETS} == {36}
    outputs = [job.meta["output"] for job in jobs]
    assert (outputs.count("linear"), outputs.count("sigmoid")) == (864, 432)
    topologies = [job.meta["topology"] for job in jobs]
    assert topologies.count("16+8") == topologies.count("2") == 36 * 3
    assert {job.meta["epochs"] for job in jobs} == {3000}


def test_the_study_has_the_topologies_of_the_report():
    one = [(n,) for n in (2, 4, 8, 16, 24, 32)]
    assert list(TOPOLOGIES) == [*one, (2, 2), (4, 2), (4, 4), (8, 4), (8, 8), (16, 8)]


def test_runs_overrides_the_number_of_repeats(study_folder):
    jobs = proben1_jobs(study_folder, datasets=["cancer1"], topologies=[(2,), ()], runs=4)
    repeats = [(j.meta["topology"], j.meta["output"], j.meta["repeat"]) for j in jobs]
    assert sorted(repeats) == sorted(
        (t, o, r) for t in ("2", "none") for o in ("linear", "sigmoid") for r in (1, 2, 3, 4)
    )


def test_metadata_says_what_a_run_is(write_dt):
    folder = write_dt("glass2", inputs=9, outputs=6).parent
    rprop = Rprop(eta_plus=1.2, delta0=(0.1, 0.3), init=0.25)
    (job,) = proben1_jobs(
        folder,
        datasets=["glass2"],
        topologies=[(16, 8)],
        outputs=["sigmoid"],
        epochs=7,
        rprop=rprop,
        seed=5,
    )
    expected = {
        "problem": "glass",
        "dataset": "glass",
        "data_file": "glass2",
        "permutation": 2,
        "topology": "16+8",
        "output": "sigmoid",
        "repeat": 1,
        "seed": 5,
        "weights": 572,
        "epochs": 7,
        "init": 0.25,
        "eta_plus": 1.2,
        "delta0_low": 0.1,
        "delta0_high": 0.3,
    }
    assert job.meta.items() >= expected.items()


def trained(jobs):
    return {job.meta["run"]: curve_bytes(job.train(*job.arguments)) for job in jobs}


def test_a_part_of_a_study_holds_the_same_runs(write_dt):
    write_dt("toy1")
    folder = write_dt("toy2").parent
    whole = trained(
        proben1_jobs(folder, datasets=["toy1", "toy2"], topologies=[(2,), (2, 2)], epochs=8)
    )
    part = trained(
        proben1_jobs(folder, datasets=["toy2"], topologies=[(2, 2)], outputs=["linear"], epochs=8)
    )
    more = trained(proben1_jobs(folder, datasets=["toy2"], topologies=[(2, 2)], runs=3, epochs=8))
    assert len(part) == 2
    for run, curves in part.items():
        assert whole[run] == curves == more[run]
    # no two runs share their random numbers
    assert len({curves["train"] for curves in more.values()}) == len(more) == 6


def test_another_seed_gives_other_runs(write_dt):
    folder = write_dt("toy1").parent
    zero, one = (
        trained(proben1_jobs(folder, datasets=["toy1"], topologies=[(2,)], epochs=8, seed=seed))
        for seed in (0, 1)
    )
    assert zero.keys() == one.keys()
    assert all(zero[run]["val"] != one[run]["val"] for run in zero)


def test_every_file_is_read_before_any_run(write_dt):
    folder = write_dt("toy1").parent
    with pytest.raises(FileNotFoundError, match=r"toy2\.dt"):
        proben1_jobs(folder, datasets=["toy1", "toy2"])
