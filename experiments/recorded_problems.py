"""What the recorders of small problems share: the problems, and the facts of data cards."""

import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from earlystop_lab._common.files import written_text
from earlystop_lab.curves import CurveSet, FloatArray
from earlystop_lab.curves.facts import facts_of
from earlystop_lab.sources.corpora.reading import sha256

#: of the generators; the runs' own seeds only split what they made
DATA_SEED = 20261124


class Problem(NamedTuple):
    """How to get a data set: a function of ``sklearn.datasets``, its options and label noise."""

    source: str
    options: Mapping[str, Any]
    #: 0: regression
    classes: int
    label_noise: float = 0.0


def measured(unit: str, metric: str) -> dict[str, str]:
    """What a run says of its curves: the unit of their positions, the metric of its errors."""
    return {"epoch.unit": unit, **{f"{part}.metric": metric for part in ("train", "val", "test")}}


class Part(NamedTuple):
    """The examples of one part: inputs, and classes 0, 1, ... or real targets."""

    inputs: FloatArray
    targets: NDArray[Any]


def _made(name: str, classes: int, label_noise: float = 0.0, **options: Any) -> Problem:
    options = {"n_samples": 800, "random_state": DATA_SEED, **options}
    return Problem(f"make_{name}", options, classes, label_noise)


_SHIPPED = {"return_X_y": True}
_CLUSTERED = {"n_features": 20, "n_informative": 5, "flip_y": 0.0}
PROBLEMS = {
    "breast_cancer": Problem("load_breast_cancer", _SHIPPED, 2),
    "breast_cancer-noise20": Problem("load_breast_cancer", _SHIPPED, 2, 0.2),
    "wine": Problem("load_wine", _SHIPPED, 3),
    "wine-noise20": Problem("load_wine", _SHIPPED, 3, 0.2),
    "iris": Problem("load_iris", _SHIPPED, 3),
    "digits": Problem("load_digits", _SHIPPED, 10),
    "diabetes": Problem("load_diabetes", _SHIPPED, 0),
    "synthetic-clusters": _made("classification", 2, **_CLUSTERED),
    "synthetic-clusters-noise20": _made("classification", 2, 0.2, **_CLUSTERED),
    "synthetic-hastie": _made("hastie_10_2", 2),
    "synthetic-quantiles": _made("gaussian_quantiles", 3, n_features=8, n_classes=3),
    "synthetic-moons": _made("moons", 2, noise=0.4),
    "synthetic-friedman1": _made("friedman1", 0, noise=2.0),
    "synthetic-friedman3": _made("friedman3", 0, noise=0.2),
    "synthetic-linear": _made("regression", 0, n_features=20, n_informative=8, noise=60.0),
    "synthetic-sparse": _made("sparse_uncorrelated", 0, n_features=10),
}


def split(problem: Problem, seed: int, largest: int) -> dict[str, Part]:
    """Half of the examples, ``largest`` at most, to train on, a quarter each as val and test.

    Real targets are scaled to mean 0 and variance 1 of the training set. Label noise replaces
    that share of the training labels by another class; validation and test stay clean.
    """
    from sklearn import datasets

    inputs, targets = getattr(datasets, problem.source)(**problem.options)
    if problem.classes:  # some generators name the classes -1 and 1
        targets = np.unique(targets, return_inverse=True)[1]
    whole = Part(inputs, targets)
    return divided(whole, problem.classes, seed, largest, noise=problem.label_noise)


def divided(
    whole: Part, classes: int, seed: int, largest: int, *, noise: float = 0.0
) -> dict[str, Part]:
    """These examples divided as in :func:`split`."""
    inputs, targets = whole
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(targets))
    quarter = len(order) // 4
    rows = {
        "val": order[:quarter],
        "test": order[quarter : 2 * quarter],
        "train": order[2 * quarter :][:largest],
    }
    parts = {name: Part(inputs[chosen], targets[chosen]) for name, chosen in rows.items()}
    train = parts["train"].targets
    if noise:
        wrong = rng.random(len(train)) < noise
        train[wrong] = (train + rng.integers(1, classes, len(train)))[wrong] % classes
    if not classes:
        mean, scale = train.mean(), train.std()
        parts = {name: Part(x, (y - mean) / scale) for name, (x, y) in parts.items()}
    return parts


def write_card(folder: Path, card: str, curves: CurveSet, *packages: str, **more: object) -> None:
    """Write the data card of a recording, from its text with places for facts.

    Where there is one, it stays: it tells of the recording, not of a later call.
    """
    if (folder / "README.md").exists():
        return
    made = [f"{name} {version(name)}" for name in (*packages, "numpy", "pyarrow")]
    files = [f"| `{file.name}` | `{sha256(file)}` |" for file in sorted(folder.glob("*.parquet"))]
    text = card.format(
        **counts(curves),
        data_seed=DATA_SEED,
        made_with=f"Python {platform.python_version()}, {', '.join(made)}, {platform.machine()}",
        files="\n".join(files),
        **more,
    )
    written_text(folder / "README.md", text)


def counts(curves: CurveSet) -> dict[str, int]:
    """What a data card counts."""
    known, lengths = facts_of(curves), curves.lengths
    lowest = known.lowest("val", finite=True)
    last = curves.at("val", (lengths[:, None] - 1).astype(np.int32))[:, 0]
    return {
        "runs": len(curves),
        "checks": int(lengths.sum()),
        "problems": int(curves.meta["problem"].nunique()),
        "shortest": int(lengths.min()),
        "longest": int(lengths.max()),
        "late": known.endings.late,
        "rising": int((last > 1.05 * lowest.value).sum()),
        "diverged": sum(
            not all(
                np.isfinite(part).all() for part in (c.train, c.val, c.test) if part is not None
            )
            for c in curves
        ),
    }
