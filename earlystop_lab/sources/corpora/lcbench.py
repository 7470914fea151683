"""LCBench's learning curves as drawn from YAHPO Gym's surrogate: a network's draws, not records.

Source: L. Zimmer, M. Lindauer and F. Hutter, "Auto-PyTorch Tabular", IEEE TPAMI 43(9), 2021,
doi 10.1109/TPAMI.2021.3067763; F. Pfisterer et al., "YAHPO Gym", AutoML 2022, arXiv:2109.03670.
"""

from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from earlystop_lab.curves import Channel
from earlystop_lab.sources.corpora.reading import Corpus, Reading, Size, arrays_of, named, set_of

#: arrays of the archive: tasks x configurations x epochs
_CURVES = {
    "val": "val_cross_entropy",
    "seconds": "seconds",
    "val_accuracy": "val_accuracy",
    "val_balanced_accuracy": "val_balanced_accuracy",
    "test_balanced_accuracy": "test_balanced_accuracy",
}
_ABOUT = {
    "epoch": Channel(unit="epoch"),
    "val": Channel(metric="cross-entropy"),
    "seconds": Channel(unit="s"),
    "val_accuracy": Channel(role="val", direction="max", metric="accuracy", upper=100),
    "val_balanced_accuracy": Channel(
        role="val", direction="max", metric="balanced accuracy", upper=1
    ),
    "test_balanced_accuracy": Channel(
        role="test", direction="max", metric="balanced accuracy", upper=1
    ),
}


def read(source: Path) -> Reading:
    """Read ``lcbench_surrogate.npz``, or the folder with it.

    The archive has ``task`` (tasks), ``epoch`` (epochs), ``config`` (tasks x configurations x
    parameters) with ``config_names``, and an array tasks x configurations x epochs per channel.

    Raises ``OSError`` if there is no such file, and ``ValueError`` naming the array that is not of
    that form.
    """
    file = source / "lcbench_surrogate.npz" if source.is_dir() else source
    with named(file):
        curves = set_of(_runs(dict(arrays_of(file))), _ABOUT)
    return Reading(curves, [file], [])


def _runs(arrays: dict[str, NDArray[Any]]) -> list[dict[str, Any]]:
    needed = {"task", "epoch", "config", "config_names", *_CURVES.values()}
    if lacking := sorted(needed - {*arrays}):
        raise ValueError(f"no array {lacking[0]!r}; expected {', '.join(sorted(needed))}")
    tasks, epoch, config = arrays["task"], arrays["epoch"].tolist(), arrays["config"]
    names = arrays["config_names"].tolist()
    shape = (len(tasks), config.shape[1] if config.ndim == 3 else -1, len(epoch))
    for name in _CURVES.values():
        if arrays[name].shape != shape:
            raise ValueError(
                f"{name!r} has shape {arrays[name].shape}; expected tasks x configurations x "
                f"epochs, {shape}"
            )
    if config.shape != (*shape[:2], len(names)):
        raise ValueError(
            f"'config' has shape {config.shape}; expected tasks x configurations x "
            f"{len(names)} parameters"
        )
    return [
        {
            "run": f"{task}/{j}",
            "problem": f"openml-{task}",
            "dataset": f"openml-{task}",
            **dict(zip(names, config[i, j].tolist(), strict=True)),
            "epoch": epoch,
            **{name: arrays[array][i, j] for name, array in _CURVES.items()},
        }
        for i, task in enumerate(tasks.tolist())
        for j in range(shape[1])
    ]


CORPUS = Corpus(
    read,
    "Draws of a surrogate of LCBench: 35 OpenML tasks, 60 settings of a multilayer perceptron "
    "each, 52 epochs. They are smoother than recorded curves and have no seeds: use them for "
    "questions about many tasks, not about noise",
    "https://github.com/slds-lmu/yahpo_data, lcbench/model.onnx, evaluated on 60 random settings "
    "per task: lcbench_surrogate.npz",
    'L. Zimmer et al., "Auto-PyTorch Tabular", IEEE TPAMI 43(9), 2021, '
    'doi 10.1109/TPAMI.2021.3067763; F. Pfisterer et al., "YAHPO Gym", AutoML 2022, '
    "arXiv:2109.03670",
    "Apache-2.0",
    Size(
        runs=2100,
        checks=109200,
        problems=35,
        datasets=35,
        channels="val, seconds, val_accuracy, val_balanced_accuracy, test_balanced_accuracy",
        positions="epoch",
    ),
    {
        "error": "the cross-entropy on the validation set, lower is better. There is no training "
        "curve. The test set has a balanced accuracy only: the surrogate's test cross-entropy is "
        "left out, since it cannot be compared with that of validation (it seems to be taken of "
        "a second softmax)",
        "position": "`epoch`, 1 to 52. `seconds` is a surrogate's too and falls between "
        "neighbouring epochs in 0.5% of the steps",
        "end of the record": "52 epochs for every run",
        "cluster": "`dataset`, the OpenML task; task 167083 is not in the description of the "
        "surrogate and is less reliable",
    },
)
