"""ClearML offline sessions: the scalars in ``metrics.jsonl``, which has a list of events per line.

A session is a folder, or the ZIP archive that ClearML makes of it.
"""

import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from earlystop_lab.sources.logs._cells import LogError, shown
from earlystop_lab.sources.logs._columns import Log, Row, log_of_rows
from earlystop_lab.sources.logs._reading import Source, decode, parse_json, require_size

_METRICS = "metrics.jsonl"
_SCALAR = "training_stats_scalar"
#: the iteration of what was reported once, for the whole run
_SINGLE = -(2**31)
#: bytes in which the first event is
_BEGINNING = 10_000


def owner(path: Path) -> Path | None:
    """The folder of a session."""
    folder = path.parent
    if path.name in (_METRICS, "log.jsonl", "task.json") and (folder / "task.json").is_file():
        return folder if (folder / _METRICS).is_file() else None
    return None


def recognises(source: Source) -> bool:
    if source.data.startswith(b"PK"):
        return _packed(source) is not None
    beginning = source.data[:_BEGINNING]
    return beginning.lstrip()[:1] in (b"[", b"{") and _SCALAR.encode() in beginning


def _packed(source: Source) -> bytes | None:
    """The scalars in an archive; None where there are none."""
    try:
        with zipfile.ZipFile(io.BytesIO(source.data)) as archive:
            require_size(archive.getinfo(_METRICS).file_size, packed=True)
            return archive.read(_METRICS)
    except LogError:
        raise
    except Exception:  # a damaged archive raises errors of many kinds
        return None


def read(source: Source) -> list[Log]:
    if source.path.is_dir():
        source = Source(source.path / _METRICS)
    if source.data.startswith(b"PK"):
        data = _packed(source)
        if data is None:
            raise LogError(f"the archive has no {_METRICS}, so it is not a ClearML offline session")
        lines = decode(data)[0].split("\n")
    else:
        lines = source.lines
    skipped: list[LogError] = []
    once: dict[str, None] = {}
    rows = list(_rows(lines, once, skipped))
    if not rows:
        raise skipped[0] if skipped else LogError("the ClearML session contains no scalars")
    log = log_of_rows(rows)
    if once:
        log.notes.append(f"values reported once for the whole run are left out: {', '.join(once)}")
    return [replace(log, shared=False, skipped=skipped)]


def _rows(lines: list[str], once: dict[str, None], skipped: list[LogError]) -> Iterator[Row]:
    for i, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            events = parse_json(line)
            for event in events if isinstance(events, list) else [events]:
                metric, variant, at, value = _scalar(event)
                name = metric if variant in ("", metric) else f"{metric}/{variant}"
                if at == _SINGLE:
                    once[name] = None
                elif metric:
                    # by its type a 0 that ClearML wrote for NaN is known
                    yield i, {"iter": at, name: value, "type": _SCALAR}
        except LogError as error:
            skipped.append(LogError(str(error), i))


def _scalar(event: Any) -> tuple[str, str, Any, Any]:
    """Metric, variant, iteration and value of a scalar; no metric for events of other kinds."""
    if not isinstance(event, dict):
        raise LogError(f"expected an event object, found {shown(event)}")
    if event.get("type") != _SCALAR:
        return "", "", None, None
    metric, variant = str(event.get("metric", "")), str(event.get("variant", ""))
    return metric, variant, event.get("iter"), event.get("value")
