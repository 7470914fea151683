"""The networks of Prechelt's study, trained by RPROP, with every epoch's errors recorded.

A network is fully connected with all shortcuts: each unit sees the bias, all inputs and all
units of the layers before its own. The activations of a batch form one matrix ``units`` of shape
(1 + inputs + hidden + outputs, examples), whose first row is the bias 1. The rows of a layer are
computed from all rows above them, so the network is one product per layer.

All arithmetic is float64, compiled by numba without reordering of sums and without BLAS: the bytes
of a run depend on its data set, settings and seed, and not on the processor model, the number of
jobs or the memory layout.

Sources: L. Prechelt, Technical Report 21/94, Universitaet Karlsruhe, 1994, section 3 (networks
and error measure); M. Riedmiller and H. Braun, "A direct adaptive method for faster
backpropagation learning: the RPROP algorithm", ICNN 1993, doi 10.1109/ICNN.1993.298623.
"""

import hashlib
import math
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from earlystop_lab._common.compiling import compiled
from earlystop_lab.curves import FloatArray
from earlystop_lab.sources.proben1 import DATASETS, DataSet, Examples, read_dt
from earlystop_lab.sources.recording import Job

Output = Literal["linear", "sigmoid"]
#: a data set's file, and the digest of its contents when the jobs were made
Source = tuple[Path, str]

#: the study's hidden layers
TOPOLOGIES: tuple[tuple[int, ...], ...] = (
    (2,),
    (4,),
    (8,),
    (16,),
    (24,),
    (32,),
    (2, 2),
    (4, 2),
    (4, 4),
    (8, 4),
    (8, 8),
    (16, 8),
)
#: the study's runs for each data set and topology, by kind of output units
RUNS: dict[Output, int] = {"linear": 2, "sigmoid": 1}


@dataclass(frozen=True)
class Rprop:
    """RPROP's settings; the defaults are those of the study.

    ``eta_plus`` and ``eta_minus`` are the factors for a step whose gradient kept or changed its
    sign, ``delta0`` is the range of the uniformly drawn initial steps, and ``delta_min`` and
    ``delta_max`` bound every step. Initial weights are uniform in -init..init.

    Raises ``ValueError`` for a value that is not allowed.
    """

    eta_plus: float = 1.1
    eta_minus: float = 0.5
    delta0: tuple[float, float] = (0.05, 0.2)
    delta_min: float = 0.0
    delta_max: float = 50.0
    init: float = 0.5

    def __post_init__(self) -> None:
        low, high = self.delta0
        allowed = {
            "eta_plus": (1 <= self.eta_plus < math.inf, "a finite number, at least 1"),
            "eta_minus": (0 < self.eta_minus < 1, "a number between 0 and 1"),
            "delta0": (0 < low <= high < math.inf, "two positive numbers, the lower first"),
            "delta_min": (0 <= self.delta_min <= low, "between 0 and the initial steps"),
            "delta_max": (high <= self.delta_max < math.inf, "finite, above the initial steps"),
            "init": (0 <= 2 * self.init < math.inf, "a finite number, at least 0"),
        }
        for name, (fine, expected) in allowed.items():
            if not fine:
                raise ValueError(f"RPROP: {name} = {getattr(self, name)}; expected {expected}")


STUDY_RPROP = Rprop()

#: the data set of a problem, where it has another name: hearta has the examples of heart with
#: another output, heartc and heartac have a part of them
_DATASETS = {"hearta": "heart", "heartc": "heart", "heartac": "heart", "diabetes": "pima"}


def weight_count(inputs: int, hidden: tuple[int, ...], outputs: int) -> int:
    """Number of weights, including biases, of a network with all shortcuts.

    >>> weight_count(9, (16, 8), 6)  # glass 16+8, table 7 of the technical report
    572
    """
    count, sources = 0, 1 + inputs
    for units in (*hidden, outputs):
        count += units * sources
        sources += units
    return count


def train(
    data: DataSet,
    hidden: tuple[int, ...],
    *,
    linear: bool,
    epochs: int,
    rng: np.random.Generator,
    rprop: Rprop = STUDY_RPROP,
) -> dict[str, NDArray[np.float32]]:
    """Train one network and return ``train``, ``val`` and ``test`` error of every epoch.

    Errors are squared error percentages, E = 100 / (outputs examples) sum (o - t)^2. As in the
    study, the training error of an epoch is measured before its update, validation and test
    error after it. ``linear`` chooses the activation of the output units: the identity, or
    x / (1 + abs(x)) as in the hidden units. Weights and initial steps are drawn from ``rng``.
    """
    layers = np.array([*hidden, data.train.targets.shape[1]], np.int64)
    size = weight_count(data.train.inputs.shape[1], hidden, int(layers[-1]))
    weights = rng.uniform(-rprop.init, rprop.init, size)
    steps = rng.uniform(*rprop.delta0, size)
    parts = [(_units(part, layers), np.ascontiguousarray(part.targets.T)) for part in data[1:]]
    bounds = (rprop.eta_plus, rprop.eta_minus, rprop.delta_min, rprop.delta_max)
    errors = _train(weights, steps, bounds, layers, linear, epochs, *parts)
    with np.errstate(over="ignore"):  # a diverged run is recorded as infinite
        narrow = errors.astype(np.float32)
    return dict(zip(("train", "val", "test"), narrow, strict=True))


def proben1_jobs(
    folder: str | Path,
    *,
    datasets: Sequence[str] = DATASETS,
    topologies: Sequence[tuple[int, ...]] = TOPOLOGIES,
    outputs: Sequence[Output] = ("linear", "sigmoid"),
    runs: int | None = None,
    epochs: int = 3000,
    rprop: Rprop = STUDY_RPROP,
    seed: int = 0,
) -> list[Job]:
    """The runs of the study, or of a similar one, for :func:`recording.record`.

    ``folder`` has the ``.dt`` files; ``runs`` is the number for each data set, topology and
    output, by default that of the study. A run's random numbers depend only on ``seed`` and the
    run's id, so a part of the study has the same runs as the whole.

    Raises what :func:`proben1.read_dt` raises; every file is read before any run starts.
    """
    jobs = []
    for dataset in datasets:
        path = Path(folder) / f"{dataset}.dt"
        source = (path, hashlib.sha256(path.read_bytes()).hexdigest())
        data = _read_once(source)
        for hidden in topologies:
            for output in outputs:
                for repeat in range(1, 1 + (RUNS[output] if runs is None else runs)):
                    jobs.append(_job(source, data, hidden, output, repeat, epochs, rprop, seed))
    return jobs


def _job(
    source: Source,
    data: DataSet,
    hidden: tuple[int, ...],
    output: Output,
    repeat: int,
    epochs: int,
    rprop: Rprop,
    seed: int,
) -> Job:
    topology = "+".join(map(str, hidden)) or "none"
    run = f"{data.name}-{topology}-{output}-{repeat}"
    weights = weight_count(data.train.inputs.shape[1], hidden, data.train.targets.shape[1])
    low, high = rprop.delta0
    meta = {
        "run": run,
        "problem": data.problem,
        "dataset": _DATASETS.get(data.problem, data.problem),
        "data_file": data.name,
        "permutation": data.permutation,
        "topology": topology,
        "output": output,
        "repeat": repeat,
        "seed": seed,
        "weights": weights,
        "epochs": epochs,
        "init": rprop.init,
        "eta_plus": rprop.eta_plus,
        "eta_minus": rprop.eta_minus,
        "delta0_low": low,
        "delta0_high": high,
        "delta_min": rprop.delta_min,
        "delta_max": rprop.delta_max,
        "data_sha256": source[1],
        "epoch.unit": "epoch",
        **{f"{part}.metric": "squared error percentage" for part in ("train", "val", "test")},
    }
    cost = float(weights * len(data.train.inputs) * epochs)
    return Job(meta, cost, _train_job, (source, hidden, output, epochs, rprop, seed, run))


def _train_job(
    source: Source,
    hidden: tuple[int, ...],
    output: Output,
    epochs: int,
    rprop: Rprop,
    seed: int,
    run: str,
) -> dict[str, NDArray[np.float32]]:
    # crc32, unlike hash(), is the same in every process
    rng = np.random.default_rng([seed, zlib.crc32(run.encode())])
    linear = output == "linear"
    return train(_read_once(source), hidden, linear=linear, epochs=epochs, rng=rng, rprop=rprop)


@lru_cache(maxsize=2 * len(DATASETS))
def _read_once(source: Source) -> DataSet:
    return read_dt(source[0])


def _units(part: Examples, layers: NDArray[np.int64]) -> FloatArray:
    """The activation matrix with bias and inputs filled in, and all other rows 0."""
    examples, inputs = part.inputs.shape
    units = np.zeros((1 + inputs + int(layers.sum()), examples))
    units[0] = 1.0
    units[1 : 1 + inputs] = part.inputs.T
    return units


@compiled
def _train(weights, steps, bounds, layers, linear, epochs, train, val, test):  # type: ignore[no-untyped-def]
    units, targets = train
    back = np.zeros_like(units)
    across = units.T.copy()
    gradient = np.zeros_like(weights)
    previous = np.zeros_like(weights)
    errors = np.empty((3, epochs))
    for epoch in range(epochs):
        forward(weights, layers, linear, units)
        errors[0, epoch] = squared_error_percentage(units, targets)
        backward(weights, layers, linear, units, targets, back, across, gradient)
        rprop_update(weights, gradient, previous, steps, bounds)
        forward(weights, layers, linear, val[0])
        errors[1, epoch] = squared_error_percentage(val[0], val[1])
        forward(weights, layers, linear, test[0])
        errors[2, epoch] = squared_error_percentage(test[0], test[1])
    return errors


@compiled
def forward(weights, layers, linear, units):  # type: ignore[no-untyped-def]
    """Fill the rows of hidden and output units from the rows above them."""
    sources = units.shape[0] - layers.sum()
    used = 0
    for layer in range(layers.size):
        size = layers[layer]
        matrix = weights[used : used + size * sources].reshape(size, sources)
        net = units[sources : sources + size]
        net[:] = 0.0
        add_product(net, matrix, units)
        if layer < layers.size - 1 or not linear:
            for unit in range(size):
                for p in range(net.shape[1]):
                    net[unit, p] /= 1.0 + abs(net[unit, p])
        used += size * sources
        sources += size


@compiled
def backward(weights, layers, linear, units, targets, back, across, gradient):  # type: ignore[no-untyped-def]
    """Gradient of half the summed squared error.

    ``back`` is a work array of the shape of ``units``. ``across`` has the transposed activations;
    its columns of hidden and output units are updated here.
    """
    inputs = units.shape[0] - layers.sum()
    across[:, inputs:] = units[inputs:].T
    gradient[:] = 0.0
    back[inputs:] = 0.0
    end, used = units.shape[0], weights.size
    back[end - layers[-1] :] = units[end - layers[-1] :] - targets
    for layer in range(layers.size - 1, -1, -1):
        size = layers[layer]
        sources = end - size
        used -= size * sources
        delta = back[sources:end]
        if layer < layers.size - 1 or not linear:
            for unit in range(size):
                for p in range(delta.shape[1]):
                    # y = x / (1 + |x|) has the slope (1 - |y|)^2
                    root = 1.0 - abs(units[sources + unit, p])
                    delta[unit, p] *= root * root
        matrix = weights[used : used + size * sources].reshape(size, sources)
        add_product(gradient[used : used + size * sources].reshape(size, sources), delta, across)
        add_product(back[inputs:sources], matrix[:, inputs:].T, delta)
        end = sources


@compiled
def add_product(out, a, b):  # type: ignore[no-untyped-def]
    """out += a @ b, with only those rows and columns of b that a and out have.

    Four terms at a time save three of four passes over ``out``. The order of every sum is written
    out, so the result has the same bits everywhere.
    """
    terms = a.shape[1]
    fours = terms - terms % 4
    for i in range(out.shape[0]):
        row = out[i]
        for k in range(0, fours, 4):
            a0, a1, a2, a3 = a[i, k], a[i, k + 1], a[i, k + 2], a[i, k + 3]
            b0, b1, b2, b3 = b[k], b[k + 1], b[k + 2], b[k + 3]
            for j in range(row.size):
                row[j] += (a0 * b0[j] + a1 * b1[j]) + (a2 * b2[j] + a3 * b3[j])
        for k in range(fours, terms):
            a0 = a[i, k]
            b0 = b[k]
            for j in range(row.size):
                row[j] += a0 * b0[j]


@compiled
def rprop_update(weights, gradient, previous, steps, bounds):  # type: ignore[no-untyped-def]
    """One RPROP update in place.

    If the gradient changed its sign, the step shrinks, the weight stays, and the next sign counts
    as new: RPROP without weight-backtracking, as in ``torch.optim.Rprop``. (With backtracking, the
    last step of that weight would be undone.)
    """
    eta_plus, eta_minus, delta_min, delta_max = bounds
    for i in range(weights.size):
        agreement = gradient[i] * previous[i]
        if agreement > 0.0:
            steps[i] = min(steps[i] * eta_plus, delta_max)
        elif agreement < 0.0:
            steps[i] = max(steps[i] * eta_minus, delta_min)
        if agreement < 0.0:
            previous[i] = 0.0
            continue
        if gradient[i] > 0.0:
            weights[i] -= steps[i]
        elif gradient[i] < 0.0:
            weights[i] += steps[i]
        previous[i] = gradient[i]


@compiled
def squared_error_percentage(units, targets):  # type: ignore[no-untyped-def]
    """100 / (outputs examples) times the sum of (o - t)^2; the targets span 0 to 1."""
    outputs, examples = targets.shape
    first = units.shape[0] - outputs
    total = 0.0
    for i in range(outputs):
        for p in range(examples):
            miss = units[first + i, p] - targets[i, p]
            total += miss * miss
    return 100.0 * total / (outputs * examples)
