"""TensorBoard event files: scalars, as simple values and as the tensors of version 2.

All event files of one folder are one run, and so are the folders ``train``, ``validation`` and
the like inside it, which Keras writes, or ``Loss_train``, which PyTorch's ``add_scalars`` does:
their tags get the folder's name in front.
"""

import math
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from earlystop_lab.sources.logs._cells import LogError, shown
from earlystop_lab.sources.logs._columns import Log, Row, log_of_rows
from earlystop_lab.sources.logs._reading import Source, read_bytes

#: a session's status in the event files, where its writer was told to purge
_START = 1
#: tags under which PyTorch's add_hparams keeps the settings of a run, in a folder of their own
_SETTINGS = "_hparams_/"
_PART = re.compile(r"(?P<tag>.*_)?(?:train|validation|val|valid|eval|test)")


class _Scalar(NamedTuple):
    """One recorded value; the part is the folder below the run's that it was in."""

    part: str
    step: int
    tag: str
    value: float

    @property
    def name(self) -> str:
        """The column: a tag may be any text, and "step" is where the position goes."""
        name = f"{self.part}/{self.tag}" if self.part else self.tag
        return "step " if name == "step" else name


def owner(path: Path) -> Path | None:
    """The run's folder."""
    if "tfevents" not in path.name:
        return None
    folder = path.parent
    part = _PART.fullmatch(folder.name)
    if part is None or not folder.parent.name:
        return folder
    # PyTorch's add_scalars puts "Loss_train" beside the run's own file
    own = not part["tag"] or any("tfevents" in file.name for file in folder.parent.iterdir())
    return folder.parent if own else folder


def read(source: Source) -> list[Log]:
    """Every scalar; the files in the order in which they were begun.

    Raises :class:`LogError`, naming the extra to install, where TensorBoard's reader is missing.
    """
    kept: list[_Scalar] = []
    notes: list[str] = []
    skipped: list[LogError] = []
    for path in sorted(source.files, key=lambda path: path.name):
        part = path.parent.name if path.parent != source.path and source.path.is_dir() else ""
        try:
            for step, tag, value in _scalars(path):
                if tag is None:
                    kept = _purged(kept, part, step, path, notes)
                else:
                    kept.append(_Scalar(part, step, tag, value))
        except LogError as error:
            skipped.append(LogError(f"{path.name}: {error}"))
    scalars = [each for each in kept if not each.tag.startswith(_SETTINGS)]
    if not scalars:
        raise skipped[0] if skipped else LogError("no scalars in these event files")
    if len(scalars) < len(kept) and len({each.name for each in scalars}) == len(scalars):
        raise LogError("settings and results of a run, each once (add_hparams): no curves")
    rows: list[Row] = [
        (i, {"step": each.step, each.name: each.value}) for i, each in enumerate(scalars, start=1)
    ]
    log = log_of_rows(rows)
    log.shared, log.notes, log.skipped = False, notes, skipped
    return [log]


def _purged(
    kept: list[_Scalar], part: str, step: int, path: Path, notes: list[str]
) -> list[_Scalar]:
    """The scalars but those of the same part from the step on, where a new session begins."""
    left = [each for each in kept if each.part != part or each.step < step]
    if len(left) < len(kept):
        notes.append(
            f"{path.name} begins anew at step {step}: what was recorded from there on before is "
            "left out"
        )
    return left


def _scalars(path: Path) -> Iterator[tuple[int, str | None, float]]:
    """Step, tag and value; no tag where a session starts at a step, and so drops later ones.

    Settings have no value that is read: NaN.
    """
    try:
        loader = import_module("tensorboard.backend.event_processing.event_file_loader")
        tensors = import_module("tensorboard.util.tensor_util")
    except ImportError as error:
        raise LogError(
            "event files are read with TensorBoard's own reader; install it: "
            "pip install 'earlystop_lab[logs]'"
        ) from error
    data = read_bytes(path)
    if not data:
        raise LogError("the file is empty")
    events = 0
    try:
        for event in loader.EventFileLoader(str(path)).Load():
            events += 1
            if event.HasField("session_log") and event.session_log.status == _START:
                yield int(event.step), None, math.nan
            for value in event.summary.value:
                scalar = _scalar(value, tensors.make_ndarray)
                if value.tag.startswith(_SETTINGS):
                    yield int(event.step), str(value.tag), math.nan
                elif scalar is not None:
                    yield int(event.step), str(value.tag), scalar
    except Exception as error:  # a damaged record may break that reader in any way
        raise LogError(
            f"a damaged record; what comes after it is lost ({type(error).__name__}: "
            f"{str(error)[:80]})"
        ) from error
    # that reader checks every record and ends at the first damaged one without a word
    if not _is_whole(data, events):
        raise LogError(f"record {events + 1} is damaged or cut off; it and what follows is lost")


def _is_whole(data: bytes, events: int) -> bool:
    """Whether the records, each a length and its checksum, bytes and theirs, fill the file."""
    at = 0
    for _ in range(events):
        at += 16 + int.from_bytes(data[at : at + 8], "little")
    return at == len(data)


def _scalar(value: Any, make_ndarray: Any) -> float | None:
    if value.WhichOneof("value") != "tensor" or len(value.tensor.tensor_shape.dim) > 1:
        return None
    array = make_ndarray(value.tensor)
    if array.size != 1 or array.dtype.kind not in "fiu":
        return None
    number = float(array.reshape(()))
    if math.isfinite(number) or array.dtype.kind == "f":
        return number
    raise LogError(f"{shown(value.tag)}: {array} is too large")
