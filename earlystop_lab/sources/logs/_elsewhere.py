"""Files that cannot be read, and how to export curves from the programs that write them."""

from collections.abc import Mapping

from earlystop_lab.sources.logs._cells import LogError
from earlystop_lab.sources.logs._reading import Source

_PICKLED = (
    "weights or pickled objects, not opened because loading them could run code; save the history "
    "as CSV or JSON in the training script"
)
#: what a file is and what to do, by the ending of its name
ENDINGS: Mapping[str, str] = {
    ".wandb": "a W&B run file; upload it with 'wandb sync' and export the history: "
    "wandb.Api().run(path).history(samples=10**9).to_csv('history.csv')",
    ".zip": "an archive; unpack it and import the folder",
    ".tar": "an archive; unpack it and import the folder",
    ".tgz": "an archive; unpack it and import the folder",
    **dict.fromkeys((".pkl", ".pickle", ".joblib", ".pt", ".pth", ".ckpt", ".keras"), _PICKLED),
    ".h5": "an HDF5 file; save the history as CSV or JSON in the training script",
    ".npz": "NumPy arrays; save them as a table with a column of positions",
    ".npy": "NumPy arrays; save them as a table with a column of positions",
    ".db": "a database of an unknown program; export its metrics table as CSV",
    ".sqlite": "a database of an unknown program; export its metrics table as CSV",
}


def refuse(source: Source) -> None:
    """Raise :class:`LogError` where nothing can be read of a file by its name."""
    if (said := ENDINGS.get(source.suffix)) is not None:
        raise LogError(said)
