"""Files of no known logger: CSV, JSON rows or JSON Lines, Parquet; columns by name or as asked."""

from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq

from earlystop_lab.sources.logs._reading import Log, LogError, Source, flat


def json_rows(source: Source) -> Log | None:
    """Rows of JSON Lines or of a JSON list of objects; None where it is something else."""
    if source.path.is_dir():
        return None
    if source.records is not None:
        return source.records
    document = source.document
    if not isinstance(document, list) or not any(isinstance(entry, dict) for entry in document):
        return None
    rows, skipped = [], []
    for i, entry in enumerate(document, start=1):
        if isinstance(entry, dict):
            rows.append((i, flat(entry)))
        else:
            skipped.append(LogError("an entry that is no object", i))
    return Log(rows, skipped=skipped)


def is_json(source: Source) -> bool:
    return json_rows(source) is not None


def read_json(source: Source) -> list[Log]:
    log = json_rows(source)
    if log is None:
        raise LogError("expected JSON Lines or a JSON list of objects, a row each")
    return [log]


def is_parquet(source: Source) -> bool:
    return source.data[:4] == b"PAR1" or source.path.suffix == ".parquet"


def read_parquet(source: Source) -> list[Log]:
    """A Parquet table of one row a check."""
    try:
        table = pq.read_table(io.BytesIO(source.data))
        rows = table.to_pylist()
    except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
        raise LogError(f"not a Parquet file that can be read: {str(error)[:200]}") from error
    if any(pa.types.is_nested(column.type) for column in table.schema):
        raise LogError(
            "a Parquet table with lists in its cells; expected a row a check (a curve set is "
            "read with read_curves)"
        )
    return [Log([(i, row) for i, row in enumerate(rows, start=1)])]
