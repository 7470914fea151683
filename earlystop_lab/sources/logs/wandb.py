"""W&B exports: a run's history (CSV, JSON, JSON Lines), or a chart of many runs (CSV)."""

import re

from earlystop_lab.sources.logs import generic
from earlystop_lab.sources.logs._channels import is_position
from earlystop_lab.sources.logs._reading import Log, LogError, Source
from earlystop_lab.sources.logs.tables import columns, read_table

_CHART = re.compile(r"(?P<run>.+) - (?P<metric>.+?)(?P<band>__MIN|__MAX)?")


def _is_chart(source: Source) -> bool:
    names = columns(source)
    # bands stand beside every curve, whatever the axis is
    return not {f"{name}__MIN" for name in names}.isdisjoint(names) or (
        bool(names) and is_position(names[0]) and any(map(_CHART.fullmatch, names))
    )


def recognises(source: Source) -> bool:
    if (rows := generic.json_rows(source)) is not None:
        return any("_step" in cells for _, cells in rows.rows[:20])
    names = columns(source)
    return "_step" in names or {"Name", "State"} <= {*names} or _is_chart(source)


def read(source: Source) -> list[Log]:
    if (log := generic.json_rows(source)) is not None:
        return [log]
    table = read_table(source)
    if {"Name", "State"} <= {*table.columns}:
        raise LogError("a table of runs, a row each: it holds no curves; export a chart or history")
    return (_is_chart(source) and _chart(table)) or [table]


def _chart(table: Log) -> list[Log]:
    """A chart has one column a run, named ``run - metric``, and bands around it."""
    by_run: dict[str, dict[str, str]] = {}
    for column in table.columns:
        match = _CHART.fullmatch(column)
        if match and not match["band"]:
            by_run.setdefault(match["run"], {})[column] = match["metric"]
    axis = next((name for name in table.columns if not _CHART.fullmatch(name)), "")
    return [
        Log(
            [
                (i, {axis: cells.get(axis), **{m: cells.get(c) for c, m in chosen.items()}})
                for i, cells in table.rows
            ],
            run,
            notes=list(table.notes),
            skipped=list(table.skipped) if k == 0 else [],
        )
        for k, (run, chosen) in enumerate(by_run.items())
    ]
