"""Keras: the ``CSVLogger`` callback, and ``History.history`` saved as JSON."""

from dataclasses import replace
from typing import Any

from earlystop_lab.sources.logs._cells import LogError, is_curve, shown
from earlystop_lab.sources.logs._channels import meaning
from earlystop_lab.sources.logs._columns import Log, log_of_lists
from earlystop_lab.sources.logs._reading import Source
from earlystop_lab.sources.logs.tables import columns, read_table


def is_csv(source: Source) -> bool:
    return columns(source)[:1] == ["epoch"] and "loss" in columns(source)


def read_csv(source: Source) -> list[Log]:
    """The table; Keras counts epochs from 0, also where a file begins with a later one."""
    return [replace(read_table(source), from_zero=True)]


def _histories(source: Source) -> dict[str, dict[str, list[Any]]]:
    """The curves of every history in the file by its name: one, or one a fold."""
    document = source.document
    if isinstance(document, dict) and isinstance(document.get("history"), dict):
        document = document["history"]
    if isinstance(document, list):
        numbered = enumerate(document, start=1)
        document = {str(k): p for k, p in numbered if isinstance(p, list) or _curves(p)}
    if not isinstance(document, dict) or {"columns", "data"} <= document.keys():
        return {}  # the latter are rows, as pandas writes them
    if curves := _curves(document):
        return {"": curves}
    histories = {name: curves for name, part in document.items() if _told(curves := _curves(part))}
    # metrics that name their sets: what XGBoost writes has the sets outside
    if not any(meaning(name).role == "val" for curves in histories.values() for name in curves):
        return {}
    return {"": next(iter(histories.values()))} if len(histories) == 1 else histories


def _curves(history: Any) -> dict[str, list[Any]]:
    """The lists of numbers in a history; pandas writes them as objects by row number."""
    if not isinstance(history, dict):
        return {}
    lists = {name: _as_list(cells) for name, cells in history.items()}
    return {name: cells for name, cells in lists.items() if is_curve(cells)}


def _as_list(cells: Any) -> Any:
    if isinstance(cells, dict) and cells and list(cells) == [str(k) for k in range(len(cells))]:
        return list(cells.values())
    return cells


def _told(curves: dict[str, list[Any]]) -> list[str]:
    """Those whose name is a metric's."""
    return [name for name in curves if meaning(name).kind in ("loss", "error", "higher")]


def is_history(source: Source) -> bool:
    return bool(_histories(source))


def read_history(source: Source) -> list[Log]:
    return [_log(curves, name) for name, curves in _histories(source).items()]


def _log(lists: dict[str, list[Any]], run: str) -> Log:
    """One list a metric. With ``validation_freq`` those of validation are shorter."""
    told = _told(lists)
    longest = max(len(lists[name]) for name in told or lists)
    notes = []
    # a list of something else, such as layer sizes, has its own length
    for name in [n for n in lists if n not in told and len(lists[n]) != longest]:
        notes.append(
            f"{shown(name)} is left out: it has {len(lists.pop(name))} values, others {longest}"
        )
    for name, cells in lists.items():
        if len(cells) < longest:
            every = _frequency(name, len(cells), longest)
            sparse: list[Any] = [None] * longest
            sparse[every - 1 : every * len(cells) : every] = cells
            lists[name] = sparse
            notes.append(f"{shown(name)} was measured every {every} epochs")
    log = log_of_lists(lists, run)
    log.notes += notes
    return replace(log, unit="epoch")


def _frequency(name: str, measured: int, epochs: int) -> int:
    fits = [f for f in range(2, epochs + 1) if epochs // f == measured]
    # a single division that works out can only be validation_freq
    if len(fits) != 1 or not name.startswith("val_"):
        raise LogError(
            f"{shown(name)} has {measured} values, but others have {epochs}, and they cannot be "
            "aligned; expected equal lengths, or one value every validation_freq epochs"
        )
    return fits[0]
