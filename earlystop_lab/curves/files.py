"""Curve sets in files larger than memory, read in units that any process can open by itself."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from earlystop_lab.curves.sets import CurveSet, curve_files
from earlystop_lab.curves.storing import groups, naming, read_group

#: number of checks that are processed together: 16 MB of two channels
CHECKS = 2**20
#: the same for a unit of an Arrow file, whose groups may be as large as the file
_UNIT = 8 * CHECKS
#: maximum number of stops in a unit of an Arrow file: about 200 MB while they are written
_STOPS = 2**20


class Unit(NamedTuple):
    """Some runs of a file: a row group of a Parquet file, or part of a batch of an Arrow file."""

    file: Path
    group: int
    start: int
    runs: int
    #: approximate number of bytes per run
    width: int


def units(path: Path, criteria: int = 1) -> list[Unit]:
    """The units of the curve set at ``path``, a file or a folder of files, in order.

    With many criteria, the units of Arrow files are smaller, since each has a stop for every run.
    Only the footers of the files are read. Raises ``OSError`` if a file cannot be read, and
    ``ValueError`` naming the file if it is neither Parquet nor Arrow.
    """
    return [unit for file in curve_files(path) for unit in _units(file, _STOPS // criteria)]


def chunks(unit: Unit, size: int | None = None) -> Iterator[CurveSet]:
    """The runs of a unit, ``size`` at a time; by default about a million checks."""
    size = size or max(1, 16 * CHECKS // max(1, unit.width))
    for table in read_group(unit.file, unit.group, unit.start, unit.runs, size):
        with naming(unit.file):
            curves = CurveSet(table)
        yield curves


def _units(file: Path, most: int) -> Iterator[Unit]:
    for i, (runs, width) in enumerate(groups(file)):
        step = max(1, min(most, 16 * _UNIT // max(1, width))) if file.suffix == ".arrow" else runs
        for start in range(0, runs, max(1, step)):
            yield Unit(file, i, start, min(step, runs - start), width)
