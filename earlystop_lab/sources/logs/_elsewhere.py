"""Files that are not read, with the way to get curves out of their program."""

from collections.abc import Mapping

from earlystop_lab.sources.logs._cells import LogError
from earlystop_lab.sources.logs._reading import Source

_PICKLED = (
    "weights, or objects whose loading would run code, so that it is not opened; write the history "
    "as CSV or JSON where it was trained"
)
#: what a file is and what to do, by the ending of its name
ENDINGS: Mapping[str, str] = {
    ".wandb": "W&B's record of a run; upload it with 'wandb sync' and export the history: "
    "wandb.Api().run(path).history(samples=10**9).to_csv('history.csv')",
    ".zip": "an archive; unpack it and import the folder",
    ".tar": "an archive; unpack it and import the folder",
    ".tgz": "an archive; unpack it and import the folder",
    **dict.fromkeys((".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt", ".keras"), _PICKLED),
    ".h5": "an HDF5 file; write the history as CSV or JSON where it was trained",
    ".npz": "numpy arrays; write them as a table with a column of positions",
    ".npy": "numpy arrays; write them as a table with a column of positions",
    ".db": "a database of no program known here; export its table of metrics as CSV",
    ".sqlite": "a database of no program known here; export its table of metrics as CSV",
}


def refuse(source: Source) -> None:
    """Raise :class:`LogError` where nothing can be read of a file by its name."""
    if (said := ENDINGS.get(source.suffix)) is not None:
        raise LogError(said)
