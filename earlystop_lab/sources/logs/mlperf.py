"""MLPerf Training: the ``:::MLLOG`` lines of a result file; other lines are ignored.

The evaluations are ``eval_accuracy``, which is a loss in some benchmarks; the training loss is part
of ``tracked_stats``. The position of an evaluation is in samples, epochs or steps.
"""

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from earlystop_lab.curves import Mode, Role
from earlystop_lab.sources.logs._cells import LogError, is_number, number, shown
from earlystop_lab.sources.logs._channels import meaning
from earlystop_lab.sources.logs._columns import Log, Row, log_of_rows
from earlystop_lab.sources.logs._reading import Source, parse_json

_MARK = ":::MLLOG"
#: benchmarks whose eval_accuracy is a loss
_LOSS = re.compile(r"(?:gpt3|llama|flux|deepseek|gpt_oss).*")
#: where a check is, and its unit
_PLACES = {"samples_count": "sample", "epoch_num": "epoch", "step_num": "step", "step": "step"}
#: no benchmark trains for so many epochs: some write samples as epoch_num
_MOST_EPOCHS = 10_000


def recognises(source: Source) -> bool:
    return _MARK.encode() in source.data


def read(source: Source) -> list[Log]:
    """Read one run for every ``run_start``; lines repeated by other ranks are read once."""
    runs: list[list[tuple[int, dict[str, Any]]]] = [[]]
    benchmark, benchmarks = None, list[Any]()
    skipped, seen = list[LogError](), set[tuple[str, ...]]()
    for i, line in enumerate(source.each_line(), start=1):
        _, mark, text = line.partition(_MARK)
        if not mark:
            continue
        try:
            record = parse_json(text.strip())
        except LogError as error:
            skipped.append(LogError(str(error), i))
            continue
        if not isinstance(record, dict) or not isinstance(record.get("key"), str):
            skipped.append(LogError(f"expected an object with a 'key', found {shown(text)}", i))
            continue
        if record["key"] == "run_start" and any(map(_is_measured, (r for _, r in runs[-1]))):
            runs.append([])
            seen.clear()
        said = record["key"], str(record.get("value")), str(_metadata(record))
        if said in seen:
            continue
        seen.add(said)
        if record["key"] == "submission_benchmark":
            benchmark = record.get("value")
        if _is_measured(record) and len(benchmarks) < len(runs):
            benchmarks.append(benchmark)
        runs[-1].append((i, record))
    if not benchmarks:
        raise LogError("the MLPerf lines contain no eval_accuracy, so no evaluation was logged")
    logs = [_log(*run) for run in zip(runs, benchmarks, strict=False)]
    for k, log in enumerate(logs[1:], start=2):
        log.name = str(k)
    logs[0].skipped += skipped
    return logs


def _metadata(record: dict[str, Any]) -> dict[str, Any]:
    about = record.get("metadata")
    return about if isinstance(about, dict) else {}


def _is_measured(record: dict[str, Any]) -> bool:
    return record["key"] == "eval_accuracy"


def _log(records: list[tuple[int, dict[str, Any]]], benchmark: object) -> Log:
    measured = [_metadata(record) for _, record in records if _is_measured(record)]
    place = next((p for p in _PLACES if all(is_number(m.get(p)) for m in measured)), None)
    if place is None:
        raise LogError(
            f"eval_accuracy has no position; expected one of {', '.join(_PLACES)} in its metadata"
        )
    began = next((r.get("time_ms") for _, r in records if r["key"] == "run_start"), None)
    ended = next((r.get("time_ms") for _, r in records if r["key"] == "run_stop"), None)
    rows = list(_rows(records, place, began, ended))
    log = log_of_rows(rows)
    tracked = sum(r["key"] == "tracked_stats" for _, r in records)
    if lost := tracked + len(measured) - len(rows):
        log.notes.append(
            f"{lost} tracked_stats are left out: no {place}, the position of the evaluations"
        )
    unit = _PLACES[place]
    if unit == "epoch" and max(number(m[place]) or 0 for m in measured) > _MOST_EPOCHS:
        unit = "sample"
        log.notes.append(f"{place} counts samples")
    log = replace(log, position=place, unit=unit, shared=False)
    return _settled(log, benchmark)


def _rows(
    records: list[tuple[int, dict[str, Any]]], place: str, began: Any, ended: Any
) -> Iterator[Row]:
    """What was measured, by line; ``began`` and ``ended`` are the times of the training."""
    for i, record in records:
        key, value, about = record["key"], record.get("value"), _metadata(record)
        if key not in ("eval_accuracy", "tracked_stats") or place not in about:
            continue
        cells = {place: about[place]}
        if key == "eval_accuracy":
            cells[str(about.get("metric", key))] = value
        elif isinstance(value, dict):
            cells |= {name: cell for name, cell in (about | value).items() if is_number(cell)}
            cells.pop("lineno", None)
        at = record.get("time_ms")
        # some benchmarks evaluate when training has ended
        late = isinstance(at, int) and isinstance(ended, int) and at > ended
        if isinstance(began, int) and isinstance(at, int) and at >= began and not late:
            cells["seconds"] = (at - began) / 1000
        yield i, cells


def _settled(log: Log, benchmark: object) -> Log:
    names = [n for n in ("eval_accuracy", "FID", "CLIP") if n in log.columns]
    is_loss = isinstance(benchmark, str) and _LOSS.fullmatch(benchmark) is not None
    modes: dict[str, Mode] = {"eval_accuracy": "min" if is_loss else "max"}
    log.modes = {
        n: mode for n, mode in {**modes, "FID": "min", "CLIP": "max"}.items() if n in names
    }
    log.sets = dict.fromkeys(names, "val")
    metric = "loss" if is_loss else "accuracy"
    log.measures = {"eval_accuracy": (None, metric)} if "eval_accuracy" in names else {}
    losses = (n for n in log.columns if n not in names and meaning(n).kind == "loss")
    roles: dict[Role, str] = {"val": names[0]} if names else {}
    if train := next(losses, None):
        roles["train"] = train
        log.sets = {**log.sets, train: "train"}
    log.roles = roles
    if benchmark is None and "eval_accuracy" in names:
        log.notes.append(
            "no submission_benchmark; eval_accuracy is read as a score (if it is a loss, pass "
            "mode='min')"
        )
    return log
