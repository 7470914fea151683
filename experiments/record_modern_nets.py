"""Record the corpus ``modern-nets``: small networks trained by mini-batches, every epoch's errors.

MLPs and tiny convolutional networks on data that scikit-learn ships and on synthetic data of
fixed seeds, by optimizer, learning rate and its schedule, dropout, label noise and seed. Wide
networks trained long past fitting noisy labels show epoch-wise double descent: their test error
falls, rises and falls again.

    python -m experiments.record_modern_nets [--out DIR] [--jobs N]

writes one Parquet file a problem and the data card; called again after an interruption, it
trains only what is missing. Needs torch and scikit-learn: the extra ``libraries``.

Source of the phenomenon: P. Nakkiran et al., "Deep Double Descent", ICLR 2020, arXiv:1912.02292.
"""

from __future__ import annotations

import argparse
import itertools
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from time import process_time
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from earlystop_lab import Curve
from earlystop_lab.curves import FloatArray
from earlystop_lab.sources.recording import Job, record
from experiments.recorded_problems import PROBLEMS, measured, split, write_card

if TYPE_CHECKING:
    import torch

ROOT = Path(__file__).resolve().parents[1]


class Recipe(NamedTuple):
    """How to train: ``momentum`` is SGD with momentum 0.9."""

    optimizer: str
    learning_rate: float
    dropout: float
    schedule: str


class Group(NamedTuple):
    """Runs of every combination; ``n_train`` at most, fewer where the data set has fewer."""

    problem: str
    #: the problem's options and its label noise come from here
    data: str
    label_noise: float
    n_train: int
    epochs: int
    batch: int
    squared: bool
    architectures: tuple[str, ...]
    recipes: tuple[Recipe, ...]
    seeds: tuple[int, ...]


RECIPES = (
    Recipe("sgd", 0.1, 0.0, "constant"),
    Recipe("momentum", 0.03, 0.0, "cosine"),
    Recipe("momentum", 0.03, 0.3, "step"),
    Recipe("momentum", 0.05, 0.0, "restarts"),
    # too fast on purpose: noisy, and with squared error it may diverge
    Recipe("momentum", 0.3, 0.0, "constant"),
    Recipe("adam", 0.001, 0.0, "constant"),
    Recipe("adam", 0.003, 0.5, "constant"),
    Recipe("adam", 0.003, 0.0, "warmup"),
)
#: squared error on one-hot targets: with log loss a second descent drowns in ever surer mistakes
LONG = Recipe("adam", 0.003, 0.0, "constant")
GROUPS = (
    *(
        Group(
            name,
            name,
            PROBLEMS[name].label_noise,
            400,
            300,
            32,
            not PROBLEMS[name].classes,
            ("mlp-16", "mlp-64-64"),
            RECIPES,
            (1, 2),
        )
        for name in (
            "breast_cancer",
            "breast_cancer-noise20",
            "wine-noise20",
            "diabetes",
            "synthetic-clusters-noise20",
            "synthetic-quantiles",
            "synthetic-moons",
            "synthetic-friedman1",
        )
    ),
    *(
        Group(
            name,
            "digits",
            noise,
            300,
            200,
            32,
            False,
            ("mlp-32", "mlp-128", "conv-4-8"),
            RECIPES,
            (1, 2),
        )
        for name, noise in (("digits", 0.0), ("digits-noise20", 0.2), ("digits-noise40", 0.4))
    ),
    Group(
        "digits-noise20-squared",
        "digits",
        0.2,
        800,
        700,
        64,
        True,
        ("mlp-128-128", "mlp-256-256"),
        (LONG,),
        (1, 2, 3, 4, 5, 6),
    ),
    Group(
        "digits-noise10-squared",
        "digits",
        0.1,
        800,
        700,
        64,
        True,
        ("mlp-128-128",),
        (LONG,),
        (1, 2, 3, 4, 5, 6),
    ),
)


def jobs(groups: Sequence[Group] = GROUPS) -> list[Job]:
    """The runs of the corpus, or of a part of it."""
    return [
        _job(group, architecture, recipe, seed)
        for group in groups
        for architecture, recipe, seed in itertools.product(
            group.architectures, group.recipes, group.seeds
        )
    ]


def _job(group: Group, architecture: str, recipe: Recipe, seed: int) -> Job:
    settings = "-".join(map(str, recipe))
    n_train = len(_parts(group, 1)["train"][1])
    meta = {
        "run": f"{group.problem}-{architecture}-{settings}-{seed}",
        "problem": group.problem,
        "dataset": group.data.split("-noise")[0],
        "library": "torch",
        "version": _torch_version(),
        "architecture": architecture,
        **recipe._asdict(),
        "label_noise": group.label_noise,
        "batch": group.batch,
        "n_train": n_train,
        "seed": seed,
        **measured("epoch", "squared error" if group.squared else "log loss"),
    }
    cost = float(group.epochs * n_train * (3 if "256" in architecture else 1))
    return Job(meta, cost, train, (group, architecture, recipe, seed))


def _torch_version() -> str:
    return version("torch").split("+")[0]  # without the kind of build


def _parts(group: Group, seed: int) -> dict[str, tuple[FloatArray, NDArray[Any]]]:
    """Inputs, scaled, and targets: real values, classes, or for squared error one-hot rows."""
    problem = PROBLEMS[group.data]._replace(label_noise=group.label_noise)
    parts = split(problem, seed, group.n_train)
    train = parts["train"].inputs
    # pixels share one scale; those that are nearly always 0 would otherwise be blown up
    mean, scale = (0.0, 16.0) if group.data == "digits" else (train.mean(axis=0), train.std(axis=0))
    scaled = {}
    for name, (inputs, targets) in parts.items():
        if not problem.classes:
            targets = targets[:, None]
        elif group.squared:
            targets = np.eye(problem.classes)[targets]
        scaled[name] = ((inputs - mean) / scale, targets)
    return scaled


# -- training --------------------------------------------------------------------------------


def train(
    group: Group, architecture: str, recipe: Recipe, seed: int
) -> dict[str, NDArray[np.float32]]:
    """Errors of every part after every epoch, without dropout, and its learning rate.

    All arithmetic is float64 on one thread. Weights, dropout and the order of the examples come
    from torch's generator, seeded with ``seed``.
    """
    import torch

    curves = fitted(
        _parts(group, seed),
        PROBLEMS[group.data].classes or 1,
        squared_error if group.squared else torch.nn.functional.cross_entropy,
        architecture,
        recipe,
        group.epochs,
        group.batch,
        seed,
    )
    del curves["seconds"]
    return curves


def fitted(
    examples: Mapping[str, tuple[FloatArray, NDArray[Any]]],
    outputs: int,
    loss: Callable[[torch.Tensor, torch.Tensor], torch.Tensor],
    architecture: str,
    recipe: Recipe,
    epochs: int,
    batch: int,
    seed: int,
) -> dict[str, NDArray[np.float32]]:
    """The same for any examples and loss; ``seconds`` is the processor time, with measuring."""
    import torch

    parts = {name: tuple(map(torch.from_numpy, part)) for name, part in examples.items()}
    with _alone(seed):
        inputs, targets = parts["train"]
        net = _network(architecture, inputs.shape[1], outputs, recipe.dropout).double()
        optimizer = _optimizer(recipe, net)
        errors: dict[str, list[float]] = {name: [] for name in parts}
        rates, seconds, began = learning_rates(recipe, epochs), list[float](), process_time()
        for rate in rates:
            optimizer.param_groups[0]["lr"] = rate
            net.train()
            for rows in torch.randperm(len(inputs)).split(batch):
                optimizer.zero_grad()
                loss(net(inputs[rows]), targets[rows]).backward()
                optimizer.step()
            net.eval()
            with torch.no_grad():
                for name, (x, y) in parts.items():
                    errors[name].append(loss(net(x), y).item())
            seconds.append(process_time() - began)
    with np.errstate(over="ignore"):  # a diverged run is recorded as infinite
        recorded = {**errors, "lr": rates, "seconds": seconds}
        return {name: np.array(values).astype(np.float32) for name, values in recorded.items()}


def learning_rates(recipe: Recipe, epochs: int) -> list[float]:
    """The learning rate of every epoch."""
    progress = (epoch / epochs for epoch in range(epochs))
    return [recipe.learning_rate * factor(recipe.schedule, done) for done in progress]


def factor(schedule: str, progress: float) -> float:
    """What the learning rate is multiplied by when ``progress``, 0 to 1, of the epochs are done."""
    if schedule == "constant":
        return 1.0
    if schedule == "cosine":
        return (1 + math.cos(math.pi * progress)) / 2
    if schedule == "step":
        return 1.0 if progress < 0.5 else 0.1 if progress < 0.75 else 0.01
    if schedule == "restarts":  # four times the cosine
        return (1 + math.cos(math.pi * (4 * progress % 1))) / 2
    if schedule == "onecycle":  # up in three tenths, then down, both as cosines
        up = progress / 0.3 if progress < 0.3 else 1 - (progress - 0.3) / 0.7
        return 0.04 + 0.96 * (1 - math.cos(math.pi * up)) / 2
    if schedule == "warmup":  # up in a tenth, then straight down
        return min(0.01 + progress / 0.1, (1 - progress) / 0.9)
    raise ValueError(f"no schedule {schedule!r}")


def squared_error(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Summed over outputs, mean over examples."""
    return (outputs - targets).square().sum(dim=1).mean()


def _network(architecture: str, inputs: int, outputs: int, dropout: float) -> torch.nn.Module:
    """``mlp-16-8``: hidden layers of 16 and 8 units; ``conv-4-8``: 4 and 8 channels of 3 x 3."""
    from torch import nn

    kind, *numbers = architecture.split("-")
    layers: list[nn.Module] = []
    if kind == "conv":
        side, channels = math.isqrt(inputs), 1
        layers.append(nn.Unflatten(1, (1, side, side)))
        for width in map(int, numbers):
            layers += [nn.Conv2d(channels, width, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2)]
            channels, side = width, side // 2
        layers += [nn.Flatten(), nn.Dropout(dropout)]
        inputs = channels * side**2
    else:
        for width in map(int, numbers):
            layers += [nn.Linear(inputs, width), nn.ReLU(), nn.Dropout(dropout)]
            inputs = width
    return nn.Sequential(*layers, nn.Linear(inputs, outputs))


def _optimizer(recipe: Recipe, net: torch.nn.Module) -> torch.optim.Optimizer:
    import torch

    if recipe.optimizer == "adam":
        return torch.optim.Adam(net.parameters(), lr=recipe.learning_rate)
    momentum = {"sgd": 0.0, "momentum": 0.9}[recipe.optimizer]
    return torch.optim.SGD(net.parameters(), lr=recipe.learning_rate, momentum=momentum)


@contextmanager
def _alone(seed: int) -> Iterator[None]:
    """One thread, deterministic and seeded; as it was afterwards."""
    import torch

    threads, strict = torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            yield
    finally:
        torch.use_deterministic_algorithms(strict)
        torch.set_num_threads(threads)


# -- double descent --------------------------------------------------------------------------


def descends_twice(curve: Curve, *, window: int = 25, share: float = 0.1) -> bool:
    """Whether the smoothed test error has two minima: it falls, rises, then falls again.

    Smoothed by a running median over ``window`` epochs. The rise from the lowest value before
    a peak and the fall after it must both be at least ``share`` of that lowest value.
    """
    assert curve.test is not None, "recorded with a test error"
    if len(curve.test) < window or not np.isfinite(curve.test).all():
        return False
    smooth = np.median(np.lib.stride_tricks.sliding_window_view(curve.test, window), axis=1)
    before = np.minimum.accumulate(smooth)
    after = np.minimum.accumulate(smooth[::-1])[::-1]
    return bool(((smooth - np.maximum(before, after)) >= share * before).any())


# -- data card -------------------------------------------------------------------------------

CARD = """\
# Data card: modern-nets

{runs} training runs of small MLPs and convolutional networks on {problems} problems, trained by
mini-batches and recorded at every epoch, for replaying stopping criteria.

| what | value |
|---|---|
| runs | {problems} problems with their architectures, recipes and seeds: `GROUPS` and `RECIPES` \
of the command's file; {runs} in all |
| record | {shortest} to {longest} epochs by problem, none ended early; `train`, `val` and `test` \
error of every epoch as float32; {checks} checks in all |
| error | log loss (natural logarithm, mean over examples); for diabetes and \
synthetic-friedman1 mean squared error, targets scaled to variance 1 of the training set; for \
`-squared` problems squared error against one-hot targets, summed over outputs, mean over examples |
| when measured | after the epoch, on all examples of each part, without dropout |
| networks | `mlp-A-B`: hidden layers of A and B rectified linear units; `conv-A-B`: two \
convolutions 3 x 3 of A and B channels, each followed by ReLU and 2 x 2 max pooling; dropout after \
each hidden layer, in `conv` before the output; initial weights are torch's defaults |
| training | batches of 32 (64 for `-squared` problems), shuffled every epoch; `sgd`, \
`momentum` (SGD, momentum 0.9) or `adam`, no weight decay; learning rate `constant`, `cosine` \
to 0, `step` (a tenth at 50% and 75%), `restarts` (four cosines) or `warmup` (up in 10%, linearly \
down to 0) |
| problems | of `sklearn.datasets`: digits, breast_cancer, wine, diabetes; `synthetic-...`: its \
generators, 800 examples, random_state {data_seed}; options in `PROBLEMS` of \
`experiments/recorded_problems.py` |
| label noise | `-noiseNN`: each training label is replaced, with probability NN%, by another \
class; validation and test labels are unchanged |
| split | random permutation by the seed: a quarter validation, a quarter test, and the first \
`n_train` of the other examples for training; inputs scaled to mean 0, variance 1 of the \
training set, digits to 0..1 |
| learning rate | `lr` is that of every epoch as float32; `learning_rate` is the initial value \
of its schedule |
| metadata | `problem`, `dataset` (the cluster for statistics, shared by problems that differ \
only in \
label noise or loss), `library`, `version`, `architecture`, `optimizer`, `learning_rate`, \
`dropout`, `schedule`, `label_noise`, `batch`, `n_train`, `seed`; `val.metric` etc., \
`epoch.unit` |
| random numbers | split and label noise: `numpy.random.default_rng(seed)`; weights, batches and \
dropout: `torch.manual_seed(seed)`; seeds 1 and 2, or 1 to 6 for the `-squared` problems |
| command | `python -m experiments.record_modern_nets` |
| made with | {made_with}; arithmetic is float64 on one thread |
| recorded | November 2026 |
| licence | own recordings, CC0-1.0; the problems' data, not included, have their own terms |

Of the {runs} runs, {late} have their best validation error in the last tenth of the record, where
it may be censored, and {rising} end with a validation error more than 5% above their best;
{diverged} diverged (a value that is not finite).

Epoch-wise double descent: in {twice} of the {long} runs of the `-squared` problems, and in
{twice_others} of the others, the test error, smoothed by a running median over 25 epochs, falls,
rises by at least 10% of its lowest value so far, and falls again by as much. The second minimum of
the `-squared` runs lies above the first. Most of the others have a learning rate that is too high
(0.3), falls in steps or restarts: another cause than fitting noisy labels.

| file | SHA-256 |
|---|---|
{files}
"""


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="Record the corpus of small networks.")
    parser.add_argument("--out", type=Path, default=ROOT / "data" / "curves" / "modern-nets")
    parser.add_argument("--jobs", type=int, default=1, help="number of processes")
    options = parser.parse_args(arguments)
    curves = record(jobs(), options.out, n_jobs=options.jobs, progress=True)
    twice = np.array([descends_twice(curve) for curve in curves])
    long = curves.meta["problem"].str.endswith("-squared").to_numpy()
    write_card(
        options.out,
        CARD,
        curves,
        "torch",
        "scikit-learn",
        twice=int(twice[long].sum()),
        long=int(long.sum()),
        twice_others=int(twice[~long].sum()),
    )
    print(options.out)


if __name__ == "__main__":
    main()
