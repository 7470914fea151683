"""Curve sets in files larger than memory: read in units that any process can open by itself."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pyarrow as pa
import pyarrow.parquet as pq

from earlystop_lab.curves.sets import CurveSet, curve_files, not_curves

#: checks that are looked at together: 16 MB of two channels
CHECKS = 2**20
#: ... and in a unit of an Arrow file, whose groups may be as large as the file
_UNIT = 8 * CHECKS
#: most stops that a unit of an Arrow file has, some 200 MB while they are written
_STOPS = 2**20


class Unit(NamedTuple):
    """Some runs of a file: a row group of a Parquet file, a part of one of an Arrow file."""

    file: Path
    group: int
    start: int
    runs: int
    #: bytes of a run, more or less
    width: int


def units(path: Path, criteria: int = 1) -> list[Unit]:
    """The units of the curve set at ``path``, a file or a folder of them, in order.

    With many criteria those of Arrow files are smaller, since each has a stop for every run. Only
    the files' footers are read. Raises ``OSError`` where nothing can be read, ``ValueError``
    naming the file where it is neither Parquet nor Arrow.
    """
    found: list[Unit] = []
    for file in curve_files(path):
        with not_curves(file):
            if file.suffix == ".arrow":
                found.extend(_arrow_units(file, max(1, _STOPS // criteria)))
            else:
                found.extend(_parquet_units(file))
    return found


def chunks(unit: Unit, size: int | None = None) -> Iterator[CurveSet]:
    """The runs of a unit, ``size`` at a time; by default about a million checks."""
    size = size or max(1, 16 * CHECKS // max(1, unit.width))
    with not_curves(unit.file):
        if unit.file.suffix == ".arrow":
            # mapped for this unit alone, so that what was read does not stay resident
            with pa.memory_map(str(unit.file)) as source:
                table = pa.table(pa.ipc.open_file(source).get_batch(unit.group))
                for start in range(unit.start, unit.start + unit.runs, size):
                    length = min(size, unit.start + unit.runs - start)
                    yield CurveSet(table.slice(start, length))
            return
        # a buffer, and not the whole group at once, which may be as large as the file
        file = pq.ParquetFile(unit.file, pre_buffer=False, buffer_size=CHECKS)
        for batch in file.iter_batches(size, row_groups=[unit.group]):
            yield CurveSet(pa.table(batch))


def _parquet_units(file: Path) -> Iterator[Unit]:
    metadata = pq.read_metadata(file)
    for i in range(metadata.num_row_groups):
        group = metadata.row_group(i)
        if group.num_rows:
            yield Unit(file, i, 0, group.num_rows, group.total_byte_size // group.num_rows)


def _arrow_units(file: Path, most: int) -> Iterator[Unit]:
    with pa.memory_map(str(file)) as source:
        reader = pa.ipc.open_file(source)
        for i in range(reader.num_record_batches):
            batch = reader.get_batch(i)
            width = batch.nbytes // max(1, batch.num_rows)
            step = max(1, min(most, 16 * _UNIT // max(1, width)))
            for start in range(0, batch.num_rows, step):
                yield Unit(file, i, start, min(step, batch.num_rows - start), width)
