"""Downloads from TensorBoard: one scalar per file, as CSV (Wall time, Step, Value) or JSON.

The file name contains the run and the tag, ``run-fit_validation-tag-epoch_loss.csv``. The files of
one run are read as one log, including those of its folders ``train`` and ``validation``. Of a
longer scalar TensorBoard offers a random 1000 values, which a note says.
"""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np

from earlystop_lab.curves import FloatArray
from earlystop_lab.sources.logs._cells import LogError
from earlystop_lab.sources.logs._channels import meaning
from earlystop_lab.sources.logs._columns import Log, joined, log_of_rows
from earlystop_lab.sources.logs._reading import Source, suffix
from earlystop_lab.sources.logs.tables import columns, read_table

_COLUMNS = ["Wall time", "Step", "Value"]
#: the most values of a scalar that TensorBoard shows unless told otherwise (--samples_per_plugin)
_MOST = 1000
_NAME = re.compile(r"run-(?P<run>.*?)(?:(?<![A-Za-z])(?P<set>[A-Za-z]+))?-tag-(?P<tag>.+)")


def owner(path: Path) -> Path | None:
    """What stands for the run, in the folder of its files."""
    match = _NAME.fullmatch(_stem(path))
    if match is None or suffix(path) not in (".csv", ".json"):
        return None
    return path.with_name(f"run-{match['run']}{'' if _set(match) else match['set'] or ''}")


def recognises(source: Source) -> bool:
    return columns(source) == _COLUMNS


def read(source: Source) -> list[Log]:
    """Read each file as a column named by its tag."""
    return [replace(joined([_read(Source(path)) for path in source.files]), shared=False)]


def _read(source: Source) -> Log:
    log = _whole(source)
    return replace(log, notes=[*log.notes, *_sampled(source.path, log.numbers("step").values)])


def _sampled(path: Path, steps: FloatArray) -> list[str]:
    """A note where a file has as many values as TensorBoard keeps, at steps that are not even."""
    if len(steps) != _MOST or len(np.unique(np.diff(steps))) == 1:
        return []
    return [
        f"{path.name} has {_MOST} values at uneven steps: TensorBoard offers that many, chosen at "
        "random, of a longer curve, so checks are missing, perhaps the best one; import the event "
        f"files, or start it with --samples_per_plugin scalars={100 * _MOST}"
    ]


def _whole(source: Source) -> Log:
    match = _NAME.fullmatch(_stem(source.path))
    name = match["tag"] if match else _stem(source.path)
    if match and _set(match):
        name = f"{match['set']}/{name}"
    if columns(source) == _COLUMNS:
        table = read_table(source)
        # none are there where no row could be read
        called = {"Step": "step", "Value": name}
        known = {called[c]: cells for c, cells in table.columns.items() if c in called}
        return replace(table, columns=known)
    points = source.document if suffix(source.path) == ".json" else None
    if not isinstance(points, list) or not all(isinstance(p, list) and len(p) == 3 for p in points):
        raise LogError(f"{source.path.name}: expected {', '.join(_COLUMNS)}")
    return log_of_rows((i, {"step": at, name: value}) for i, (_, at, value) in enumerate(points, 1))


def _stem(path: Path) -> str:
    return path.name.removesuffix(".gz").rpartition(".")[0]


def _set(match: re.Match[str]) -> bool:
    """Whether the run's name ends with the name of a set."""
    return meaning(match["set"] or "").is_set
