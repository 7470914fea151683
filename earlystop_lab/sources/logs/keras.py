"""Keras: the ``CSVLogger`` callback, and ``History.history`` dumped as JSON."""

from __future__ import annotations

from typing import Any

from earlystop_lab.sources.logs._channels import meaning
from earlystop_lab.sources.logs._reading import Log, LogError, Source, is_curve, log_of_lists, shown
from earlystop_lab.sources.logs.tables import columns


def is_csv(source: Source) -> bool:
    return columns(source)[:1] == ["epoch"] and "loss" in columns(source)


def _history(source: Source) -> Any:
    document = source.document
    if isinstance(document, dict) and isinstance(document.get("history"), dict):
        return document["history"]
    return document


def is_history(source: Source) -> bool:
    history = _history(source)
    return isinstance(history, dict) and any(map(is_curve, history.values()))


def read_history(source: Source) -> list[Log]:
    """One list a metric. With ``validation_freq`` those of validation are shorter."""
    lists = {name: cells for name, cells in _history(source).items() if is_curve(cells)}
    told = [name for name in lists if meaning(name).kind in ("loss", "error", "higher")]
    longest = max(len(lists[name]) for name in told or lists)
    notes = []
    # a list of something else, such as layer sizes, has its own length
    for name in [n for n in lists if n not in told and len(lists[n]) != longest]:
        notes.append(f"{shown(name)} left out: {len(lists.pop(name))} values, others {longest}")
    for name, cells in lists.items():
        if len(cells) < longest:
            every = _frequency(name, len(cells), longest)
            sparse: list[Any] = [None] * longest
            sparse[every - 1 : every * len(cells) : every] = cells
            lists[name] = sparse
            notes.append(f"{shown(name)}: measured every {every} epochs")
    log = log_of_lists(lists)
    log.notes += notes
    return [log]


def _frequency(name: str, measured: int, epochs: int) -> int:
    fits = [f for f in range(2, epochs + 1) if epochs // f == measured]
    # a single division that works out can only be validation_freq
    if len(fits) != 1 or not name.startswith("val_"):
        raise LogError(
            f"{shown(name)} has {measured} values, others have {epochs}: nothing says which belong "
            "together; expected equally many, or one every validation_freq epochs"
        )
    return fits[0]
