"""trackio: the SQLite database of a project, or the output of ``trackio get metric --json``."""

from collections import Counter

from earlystop_lab.sources.logs._cells import LogError
from earlystop_lab.sources.logs._columns import Log, Row, log_of_entries, log_of_rows
from earlystop_lab.sources.logs._reading import Source, flat, object_of, parse_json
from earlystop_lab.sources.logs._sqlite import columns, opened

_METRIC = {"project", "run", "metric", "values"}


def is_database(source: Source) -> bool:
    return {"metrics.run_name", "metrics.step", "metrics.metrics"} <= columns(source)


def read_database(source: Source) -> list[Log]:
    """Every run of the project, its rows in the order in which they were logged."""
    if not is_database(source):
        raise LogError("not a trackio SQLite database; expected the table metrics")
    # before 0.20 a run was known by its name alone
    run = "run_id" if "metrics.run_id" in columns(source) else "run_name"
    rows: dict[tuple[str, str], list[Row]] = {}
    skipped: list[LogError] = []
    with opened(source) as database:
        query = f"SELECT {run}, run_name, step, metrics FROM metrics ORDER BY id"
        for i, (key, name, step, text) in enumerate(database.execute(query), start=1):
            try:
                record = parse_json(text.decode() if isinstance(text, bytes) else str(text))
                cells = object_of(record, "expected an object of metrics")
            except (LogError, UnicodeDecodeError) as error:
                skipped.append(LogError(f"run {name}: {error}", i))
                continue
            rows.setdefault((str(key), str(name)), []).append((i, {**flat(cells), "step": step}))
    times = Counter(name for _, name in rows)
    logs = [
        log_of_rows(found, name if times[name] == 1 else f"{name} {key[:8]}")
        for (key, name), found in rows.items()
    ]
    if not logs:
        raise skipped[0] if skipped else LogError("the trackio database contains no metrics")
    logs[0].skipped += skipped
    return logs


def is_metric(source: Source) -> bool:
    document = source.document
    return isinstance(document, dict) and document.keys() >= _METRIC


def read_metric(source: Source) -> list[Log]:
    """The one metric of a run, a column of its name."""
    if not is_metric(source) or not isinstance(source.document["values"], list):
        raise LogError(f"expected an object with {', '.join(sorted(_METRIC))}")
    metric = str(source.document["metric"])

    def read(entry: object) -> dict[str, object]:
        cells = object_of(entry, "a value is not an object")
        return {"step": cells.get("step"), metric: cells.get("value")}

    return [log_of_entries(enumerate(source.document["values"], start=1), read)]
