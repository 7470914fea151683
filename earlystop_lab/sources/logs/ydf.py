"""YDF (Yggdrasil Decision Forests): the training log, as printed or from ``describe("text")``.

Training prints only some iterations; ``training_logs()`` of the model has all of them.
"""

import re
from collections.abc import Iterator
from dataclasses import replace

from earlystop_lab.sources.logs._cells import LogError
from earlystop_lab.sources.logs._columns import Log, Row, log_of_rows
from earlystop_lab.sources.logs._reading import Source

_LINE = re.compile(
    r"(?:Train tree (?P<tree>\d+)/\d+|\bIter:(?P<iter>\d+))"
    r"(?P<rest>(?:\s+[\w-]{1,60}:[^\s\[:]{1,40})+)"
)
_PAIR = re.compile(r"(?<![\w-])([\w-]+):(\S+)")


def recognises(source: Source) -> bool:
    line = rb"(?:Train tree \d+/\d+|\bIter:\d+) +train-"
    # most files have not even that word, which is found faster
    return b" train-" in source.data and re.search(line, source.data) is not None


def read(source: Source) -> list[Log]:
    """Read the losses and metrics; iterations are rounds, numbered from 1."""
    log = log_of_rows(_rows(source))
    if not len(log):
        raise LogError("no YDF line such as 'Train tree 1/300 train-loss:1.2 valid-loss:1.3'")
    at = log.numbers("iteration").values
    if len(at) and at.max() > len(set(at.tolist())):
        log.notes.append("YDF printed only some iterations; model.training_logs() has all of them")
    return [replace(log, unit="round")]


def _rows(source: Source) -> Iterator[Row]:
    for i, line in enumerate(source.each_line(), start=1):
        if len(line) < 2000 and (match := _LINE.search(line)):
            cells = dict(_PAIR.findall(match["rest"]))
            yield i, {"iteration": match["tree"] or match["iter"], **cells}
