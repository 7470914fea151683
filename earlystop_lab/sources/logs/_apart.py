"""Logs whose files each hold one set, which the name of the file or of its folder says.

``train_loss.csv`` and ``val_loss.csv``, or ``train/log.csv`` and ``val/log.csv``, are one run.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from earlystop_lab.sources.logs._channels import is_position, meaning
from earlystop_lab.sources.logs._columns import Log
from earlystop_lab.sources.logs._reading import suffix

#: what a file can be that holds the curves of one set
_SUFFIXES = frozenset({".csv", ".tsv", ".json", ".jsonl", ".ndjson", ".log", ".txt", ".out"})
#: the column of a table that holds one curve, which the file's name says
_VALUE = frozenset({"value", "values", "data", "y"})


def owner(path: Path) -> Path | None:
    """The run of a file that has another set beside it: a folder, or in it what the names share."""
    if suffix(path) not in _SUFFIXES:
        return None
    own, rest = _split(path)
    if own is not None:
        same = {meaning(o).role for o, r in map(_split, _files(path.parent)) if o and r == rest}
        if len(same) > 1:
            return path.parent / rest[0] if rest[0] else path.parent
    folder = path.parent
    if not meaning(folder.name).is_set or not folder.parent.name:
        return None
    others = [each for each in _folders(folder.parent) if meaning(each.name).is_set]
    others = [each for each in others if path.name in {file.name for file in _files(each)}]
    if len({meaning(each.name).role for each in others}) < 2:
        return None
    stem = path.name.partition(".")[0]
    shared = {file.name for each in others for file in _files(each) if suffix(file) in _SUFFIXES}
    of_metric = meaning(stem).kind in ("loss", "error", "higher")
    return folder.parent if of_metric or len(shared) == 1 else folder.parent / stem


def labelled(log: Log, path: Path) -> Log:
    """The log with the set of its file, or folder, before every name that says none itself."""
    own, rest = _split(path)
    if own is None and meaning(path.parent.name).is_set:
        own = path.parent.name
    if own is None:
        return log
    bare = [name for name in log.columns if not is_position(name) and not meaning(name).role]
    stem = path.name.partition(".")[0]
    named = {name: name for name in log.columns} | {name: f"{own}/{name}" for name in bare}
    if len(values := [name for name in bare if name.lower() in _VALUE]) == 1 and rest[0]:
        named[values[0]] = stem
    return replace(log, columns={named[name]: cells for name, cells in log.columns.items()})


def _split(path: Path) -> tuple[str | None, tuple[str, str]]:
    """The word of a file's name that says its set, and what is left of the name and its ending."""
    stem, _, ending = path.name.partition(".")
    parts = re.split(r"([_\- ]+)", stem)
    for i in range(0, len(parts), 2):
        if meaning(parts[i]).is_set:
            rest = "".join(parts[: max(i - 1, 0)] + parts[i + 1 + (i == 0) :])
            return parts[i], (rest, ending)
    return None, (stem, ending)


@lru_cache(64)
def _files(folder: Path) -> tuple[Path, ...]:
    return tuple(path for path in _inside(folder) if path.is_file())


@lru_cache(64)
def _folders(folder: Path) -> tuple[Path, ...]:
    return tuple(path for path in _inside(folder) if path.is_dir())


def _inside(folder: Path) -> Iterator[Path]:
    try:
        yield from sorted(folder.iterdir())
    except OSError:
        return


def forget() -> None:
    """Look at the folders anew: files come and go."""
    _files.cache_clear()
    _folders.cache_clear()
