"""MLflow's file store: one folder per run with ``meta.yaml`` and ``metrics/<name>``.

Each line of a metric's file is ``timestamp value step`` (older files have no step; it is 0 if none
was logged). Metrics keep their own steps: training may count batches and validation epochs.
"""

import re
from itertools import accumulate
from pathlib import Path

from earlystop_lab.sources.logs._cells import LogError, cut_off
from earlystop_lab.sources.logs._columns import Log, Row, log_of_rows
from earlystop_lab.sources.logs._reading import Source, decode, read_bytes

#: time, step for the order, and the number that the value has in its metric, with step and value
Point = tuple[int, float, Row]
_FACT = re.compile(r"^(run_name|lifecycle_stage): *+'?+([^'\n]++)'?+[ \t\r]*+$", re.MULTILINE)


def owner(path: Path) -> Path | None:
    """The run's folder, for a file under its ``metrics``."""
    for folder in path.parents if "metrics" in path.parts else ():
        if folder.name == "metrics" and (folder.parent / "meta.yaml").is_file():
            # the metrics of a logged model repeat those of its run
            return None if folder.parent.parent.name == "models" else folder.parent
    return None


def read(source: Source) -> list[Log]:
    if not source.path.is_dir():
        raise LogError(
            "not a run of a file store; pass the folder that contains meta.yaml and metrics/"
        )
    timed: list[Point] = []
    notes: list[str] = []
    skipped: list[LogError] = []
    for path in source.files:
        name = path.relative_to(source.path / "metrics").as_posix()
        try:
            text, of_text = decode(read_bytes(path))
        except LogError as error:
            skipped.append(LogError(f"metric {name}: {error}"))
            continue
        notes += [f"metric {name}: {note}" for note in of_text]
        lines = [(i, line.split()) for i, line in enumerate(text.split("\n"), 1) if line.strip()]
        for i, words in lines:
            if len(words) not in (2, 3) or not words[0].isdecimal() or len(words[0]) > 20:
                skipped.append(
                    LogError(
                        f"metric {name}: expected 'timestamp value step', found "
                        f"{' '.join(words)[:60]!r}",
                        i,
                    )
                )
                continue
            at = words[2] if len(words) == 3 else None
            order = float(at) if at and at.isdecimal() and len(at) < 20 else 0.0
            timed.append((int(words[0]), order, (i, {"step": at, name: words[1]})))
        if lines and not text.endswith("\n"):
            *above, (i, last) = lines
            if {len(words) for _, words in above} - {len(last)}:
                notes.append(f"metric {name}: {cut_off(i, last[-1])}")
    if not timed:
        raise LogError("the run contains no metrics" + (f"; {skipped[0]}" if skipped else ""))
    log = log_of_points(timed)
    log.notes, log.skipped = _about(source.path) + notes + log.notes, skipped
    return [log]


def log_of_points(points: list[Point], name: str = "") -> Log:
    """The run of numbers that were logged one by one."""
    # within a metric the time says which value came later
    rows = [row for *_, row in sorted(points, key=lambda point: (*point[:2], point[2][0]))]
    uncounted = max(i for i, _ in rows) > 1 and len({cells["step"] for _, cells in rows}) == 1
    log = log_of_rows(_counted(rows) if uncounted else rows, name)
    if uncounted:
        log.notes.append("logged without steps; checks are numbered instead")
    log.shared = False
    return log


def _counted(rows: list[Row]) -> list[Row]:
    """Rows in order of time by number, those of rarer metrics by that of the commonest so far."""
    numbers = accumulate((i for i, _ in rows), max)
    return [
        (k, {name: cell for name, cell in cells.items() if name != "step"})
        for k, (_, cells) in zip(numbers, rows, strict=True)
    ]


def _about(folder: Path) -> list[str]:
    """What ``meta.yaml`` says of the run in its plain lines."""
    text, _ = decode(read_bytes(folder / "meta.yaml"))
    about = dict(_FACT.findall(text))
    notes = [f"run name {about['run_name']!r}"] if "run_name" in about else []
    if about.get("lifecycle_stage") == "deleted":
        raise LogError("the run was deleted; restore it in MLflow to import it")
    return notes
