"""DVCLive: a folder ``plots/metrics`` with one TSV per metric, in a subfolder per data set.

``train/loss.tsv`` has the columns step and loss. The files of one such folder are one run.
"""

from dataclasses import replace
from pathlib import Path

from earlystop_lab.sources.logs._cells import LogError
from earlystop_lab.sources.logs._columns import Log, joined
from earlystop_lab.sources.logs._reading import Source, suffix
from earlystop_lab.sources.logs.tables import columns, read_table


def owner(path: Path) -> Path | None:
    """The folder of the run, for a TSV under its ``plots/metrics``, and for its last values."""
    if path.name == "metrics.json" and (path.parent / "plots" / "metrics").is_dir():
        return path.parent
    if suffix(path) == ".tsv":
        for folder in path.parents:
            if folder.name == "metrics" and folder.parent.name == "plots":
                return folder.parent.parent
    return None


def read(source: Source) -> list[Log]:
    """Read each file as a column named by its path; each keeps its own steps."""
    logs: list[Log] = []
    skipped: list[LogError] = []
    for path in (path for path in source.files if suffix(path) == ".tsv"):
        name = path.relative_to(_metrics(path)).as_posix().removesuffix(".gz").removesuffix(".tsv")
        try:
            logs.append(_metric(Source(path), name))
        except LogError as error:
            skipped.append(LogError(f"metric {name}: {error}"))
    if not logs:
        raise skipped[0] if skipped else LogError("the folder contains no plots/metrics/*.tsv")
    log = joined(logs)
    return [replace(log, shared=False, skipped=[*skipped, *log.skipped])]


def _metrics(path: Path) -> Path:
    """The folder ``metrics`` below which a file's path says its set and its metric."""
    at = next((folder for folder in path.parents if folder.name == "metrics"), None)
    return path.parent if at is None else at


def _metric(source: Source, name: str) -> Log:
    # a time or a name of the user's own may stand beside them
    last = name.rpartition("/")[2]
    if not {"step", last} <= {*columns(source)}:
        raise LogError(f"expected the columns step and {last}")
    table = read_table(source)
    notes = [f"metric {name}: {note}" for note in table.notes]
    skipped = [LogError(f"metric {name}: {error}", error.line) for error in table.skipped]
    # none are there where no row could be read
    called = {"step": "step", last: name}
    cells = {called[column]: c for column, c in table.columns.items() if column in called}
    return replace(table, columns=cells, notes=notes, skipped=skipped)
