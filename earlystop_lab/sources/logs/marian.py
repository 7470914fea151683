"""Marian's logs: lines ``Ep. 3 : Up. 16000 : ...`` of training and, marked ``[valid]``, validation.

Every validation metric has a line of its own. Marian stops by the first one, which is the
validation curve here where lower is better in it.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from earlystop_lab.curves import Mode, Role
from earlystop_lab.sources.logs._cells import LogError
from earlystop_lab.sources.logs._columns import Log, Row, log_of_rows
from earlystop_lab.sources.logs._reading import Source

_LINE = re.compile(r"\bEp\. (?P<epoch>[\d.]+) : Up\. (?P<update>[\d,]+) : (?P<rest>.{1,1000})")
_METRIC = re.compile(r"(?P<name>[\w-]+) : (?P<value>[^\s:]+)")
_COST = re.compile(r"\bCost (?P<value>\S+)")
_HIGHER = re.compile(r"bleu|chrf|accuracy|comet|translation|valid-script")


def recognises(source: Source) -> bool:
    return b"Ep. " in source.data and re.search(rb"\bEp\. [\d.]+ : Up\. ", source.data) is not None


def read(source: Source) -> list[Log]:
    """Positions are updates; the cost of training is that of the updates since the line before."""
    log = log_of_rows(_rows(source))
    if not len(log):
        raise LogError("no line of Marian with a metric, such as 'Ep. 1 : Up. 500 : bleu : 20.1'")
    names = [name for name in log.columns if name.startswith("valid/")]
    modes: dict[str, Mode] = {name: "max" if _HIGHER.search(name) else "min" for name in names}
    lower = [name for name in names if modes[name] == "min"]
    roles: dict[Role, str] = {}
    if lower:
        roles["val"] = lower[0]
    if lower and lower[0] != names[0]:
        log.notes.append(f"Marian stops by the first metric, {names[0]!r}: val={names[0]!r}")
    if "cost" in log.columns:
        roles["train"], modes["cost"] = "cost", "min"
    measures = {name: ("valid", name.removeprefix("valid/")) for name in names}
    return [
        replace(
            log,
            roles=roles,
            modes=modes,
            sets={**dict.fromkeys(names, "val"), "cost": "train"},
            measures=measures,
            position="update",
            shared=False,
        )
    ]


def _rows(source: Source) -> Iterator[Row]:
    for i, line in enumerate(source.each_line(), start=1):
        if (match := _LINE.search(line)) is None:
            continue
        validated = "[valid]" in line[: match.start()]
        at = {"update": match["update"].replace(",", ""), "epoch": match["epoch"]}
        if validated and (metric := _METRIC.match(match["rest"])):
            yield i, {**at, f"valid/{metric['name']}": metric["value"]}
        elif not validated and (cost := _COST.search(match["rest"])):
            yield i, {**at, "cost": cost["value"]}
