"""W&B exports: the history of a run (CSV, JSON, JSON Lines), or a chart of several runs (CSV)."""

import re

import numpy as np

from earlystop_lab.sources.logs import generic
from earlystop_lab.sources.logs._cells import LogError, shown
from earlystop_lab.sources.logs._channels import is_position
from earlystop_lab.sources.logs._columns import Log
from earlystop_lab.sources.logs._reading import Source
from earlystop_lab.sources.logs.tables import columns, read_table

_CHART = re.compile(r"(?P<run>.+) - (?P<metric>.+?)(?P<band>__MIN|__MAX)?", re.DOTALL)


def _is_chart(source: Source) -> bool:
    names = columns(source)
    # bands stand beside every curve, whatever the axis is
    return not {f"{name}__MIN" for name in names}.isdisjoint(names) or (
        bool(names) and is_position(names[0]) and any(map(_CHART.fullmatch, names))
    )


def recognises(source: Source) -> bool:
    if (rows := generic.json_rows(source)) is not None:
        return "_step" in rows.columns and bool((rows.columns["_step"].rows < 20).any())
    names = columns(source)
    return "_step" in names or {"Name", "State"} <= {*names} or _is_chart(source)


def read(source: Source) -> list[Log]:
    if (log := generic.json_rows(source)) is not None:
        return [log]
    table = read_table(source)
    if {"Name", "State"} <= {*table.columns}:
        raise LogError(
            "a table with one row per run and no curves; export a chart or a run's history"
        )
    return (_is_chart(source) and _chart(table)) or [table]


def _chart(table: Log) -> list[Log]:
    """A chart has one column a run, named ``run - metric``, and bands around it."""
    by_run: dict[str, dict[str, str]] = {}
    for column in table.columns:
        match = _CHART.fullmatch(column)
        if match and not match["band"]:
            by_run.setdefault(match["run"], {})[match["metric"]] = column
    notes = [*table.notes, *_averaged(table)]
    axis = [name for name in table.columns if not _CHART.fullmatch(name)][:1]
    return [
        Log(
            table.lines,
            {m: table.columns[c] for m, c in [*zip(axis, axis, strict=True), *chosen.items()]},
            run,
            notes=list(notes),
            skipped=list(table.skipped) if k == 0 else [],
        )
        for k, (run, chosen) in enumerate(by_run.items())
    ]


def _averaged(table: Log) -> list[str]:
    """A note where the bands of a chart are apart: its values are then means."""
    for column in table.columns:
        bands = [f"{column}{end}" for end in ("__MIN", "__MAX")]
        if not {*bands} <= {*table.columns}:
            continue
        low, high = (table.columns[band].numbers(band) for band in bands)
        _, *at = np.intersect1d(low.rows, high.rows, assume_unique=True, return_indices=True)
        apart = low.values[at[0]] < high.values[at[1]]
        if apart.any():
            return [
                f"{shown(column)} has a minimum below its maximum in {int(apart.sum())} of "
                f"{len(apart)} rows: the chart shows means, of the runs of a group or of "
                "neighbouring steps; a run's history has the values themselves"
            ]
    return []
