"""Text that a training script prints, as nanoGPT and its kin do: a position and losses a line.

step 500: train loss 4.2927, val loss 4.2780
iter 500: loss 4.3010, time 250.10ms
step:250/5100 val_loss:6.3097 train_time:100ms
s:250 tel:6.3097
250 val 6.3097
Epoch 3/10 ... loss: 0.4 - val_loss: 0.5
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from earlystop_lab.sources.logs._channels import meaning
from earlystop_lab.sources.logs._reading import Log, LogError, Row, Source, is_number

#: anything in front of the position is a time stamp or a logger's name
_PREFIX = r"(?:[^A-Za-z]{0,40}(?:\b(?:INFO|DEBUG)\b[^A-Za-z]{0,10})?)"
_POSITION = re.compile(
    _PREFIX + r"(?P<name>step|iter|iteration|global_step|epoch|ep|s)\s?[:=#\[]?\s*(?P<at>\d+)"
    r"(?![\d.]*[A-Za-z])(?:\s*/\s*\d+)?\]?",
    re.IGNORECASE,
)
_BARE = re.compile(r"(?P<at>\d+)\s+(?P<name>val|train|test)\s+(?P<value>\S+)\s*")
_PAIR = re.compile(r"([A-Za-z][A-Za-z_/]*(?: [A-Za-z_/]{1,20}){0,2})\s?[:= ]\s?([^\s,;|()]+)")
_LONGEST = 4000


def recognises(source: Source) -> bool:
    table = source.path.suffix in (".csv", ".tsv")
    return not table and next(_rows(source.lines), None) is not None


def read(source: Source) -> list[Log]:
    """The lines that hold a position and a loss; all others are talk."""
    rows = list(_rows(source.lines))
    if not rows:
        raise LogError("no line with a position and a loss, such as 'step 250: val loss 3.2'")
    log = Log(rows)
    log.skipped += [
        LogError(f"a line of {len(line)} characters; expected at most {_LONGEST}", i)
        for i, line in enumerate(source.lines, start=1)
        if len(line) > _LONGEST
    ]
    if rows[-1][0] == len(source.lines):
        log.notes.append(f"line {rows[-1][0]} has no line end: its last value may be cut off")
    return [log]


def _rows(lines: list[str]) -> Iterator[Row]:
    epoch: dict[str, str] = {}
    for i, line in enumerate(lines, start=1):
        if len(line) > _LONGEST:
            continue
        if cells := _row(line):
            yield i, cells
        elif (match := _POSITION.match(line)) and match["name"].lower() in ("epoch", "ep"):
            epoch = {"epoch": match["at"]}  # Keras prints it on a line of its own
        elif epoch and (cells := _pairs(line)):
            yield i, {**epoch, **cells}


def _row(line: str) -> dict[str, str]:
    """The position and losses of one line; nothing where it is not such a line."""
    if match := _BARE.fullmatch(line):
        return {"step": match["at"], match["name"]: match["value"]}
    match = _POSITION.match(line)
    if match is None:
        return {}
    name = "epoch" if match["name"].lower() in ("epoch", "ep") else "step"
    cells = _pairs(line[match.end() :])
    return {name: match["at"], **cells} if cells else {}


def _pairs(text: str) -> dict[str, str]:
    """What looks like ``name value`` with the name of a metric."""
    found = {}
    for name, value in _PAIR.findall(text):
        about = meaning(name)
        if (about.rank is not None and (about.role or about.metric)) or about.kind == "higher":
            found[name.strip()] = value.rstrip("%.")
    return found if any(map(is_number, found.values())) else {}
