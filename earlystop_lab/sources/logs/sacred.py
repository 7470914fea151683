"""Sacred's file storage: one folder per run with ``run.json`` and ``metrics.json``.

Every metric keeps its own steps: lists of steps, values and times.
"""

from dataclasses import replace
from pathlib import Path
from typing import Any

from earlystop_lab.sources.logs._cells import LogError, shown
from earlystop_lab.sources.logs._columns import Log, joined, log_of_lists
from earlystop_lab.sources.logs._reading import Source

_METRICS = "metrics.json"
_NAMES = (_METRICS, "run.json", "config.json", "info.json", "cout.txt")


def owner(path: Path) -> Path | None:
    """The folder of a run that recorded metrics."""
    folder = path.parent
    if path.name in _NAMES and all((folder / name).is_file() for name in _NAMES[:2]):
        return folder
    return None


def _metrics(source: Source) -> dict[str, Any]:
    """The metrics by name; none where the file is something else."""
    document = source.document
    told = isinstance(document, dict) and all(
        isinstance(metric, dict) and {"steps", "values", "timestamps"} <= metric.keys()
        for metric in document.values()
    )
    return document if told else {}


def recognises(source: Source) -> bool:
    return bool(_metrics(source))


def read(source: Source) -> list[Log]:
    path = source.path / _METRICS if source.path.is_dir() else source.path
    logs: list[Log] = []
    skipped: list[LogError] = []
    for name, metric in _metrics(Source(path)).items():
        try:
            logs.append(log_of_lists({"step": metric["steps"], name: metric["values"]}))
        except LogError as error:
            skipped.append(LogError(f"metric {shown(name)}: {error}"))
    if not logs:
        raise (
            skipped[0] if skipped else LogError("the file contains no metric with steps and values")
        )
    log = joined(logs)
    return [replace(log, shared=False, skipped=skipped)]
