"""AutoGluon's ``learning_curves.json``: one run per model, with curves by metric and data set."""

from dataclasses import replace
from typing import Any

from earlystop_lab.curves import Mode, Role
from earlystop_lab.sources.logs._cells import LogError, shown
from earlystop_lab.sources.logs._columns import Log, log_of_lists
from earlystop_lab.sources.logs._reading import Source


def recognises(source: Source) -> bool:
    document = source.document
    return (
        isinstance(document, list)
        and len(document) == 2
        and all(isinstance(part, dict) for part in document)
        and "models" in document[0]
    )


def read(source: Source) -> list[Log]:
    """Read the metric that was optimised if it was recorded, otherwise the first one."""
    if not recognises(source):
        raise LogError("expected a list of two objects, the first with 'models'")
    about, models = source.document
    logs, failed = [], []
    for name, curves in models.items():
        try:
            logs.append(_model(name, curves, about))
        except LogError as error:
            failed.append(LogError(f"model {shown(name)}: {error}"))
    if not logs:
        raise failed[0] if failed else LogError("the file contains no models")
    logs[0].skipped += failed
    return logs


def _model(name: str, curves: Any, about: dict[str, Any]) -> Log:
    if not (isinstance(curves, list) and len(curves) == 3 and all(map(_is_list, curves))):
        raise LogError("expected three lists: data sets, metrics and curves")
    sets, metrics, values = curves
    if len(values) != len(metrics) or any(
        not _is_list(of_metric) or len(of_metric) != len(sets) for of_metric in values
    ):
        raise LogError("expected one curve for each metric and data set")
    lists = {f"{s}/{m}": values[j][i] for j, m in enumerate(metrics) for i, s in enumerate(sets)}
    log = log_of_lists(lists, name)
    optimised = about.get("eval_metric")
    metric = optimised if optimised in metrics else metrics[0]
    roles: dict[Role, str] = {r: f"{r}/{metric}" for r in ("val", "train", "test") if r in sets}
    options = about["models"].get(name) if isinstance(about["models"], dict) else None
    options = options.get("ag_args_fit") if isinstance(options, dict) else None
    errors = isinstance(options, dict) and options.get("use_error_for_curve_metrics") is True
    mode: Mode = "min" if errors else "max"
    log.notes.append(
        "recorded as errors (use_error_for_curve_metrics)"
        if errors
        else "recorded as scores (higher is better)"
    )
    # of a score its distance from the best one is recorded then, under the name of the score
    measures = {f"{s}/{m}": (s, f"{m}_error" if errors else m) for m in metrics for s in sets}
    return replace(log, roles=roles, modes=dict.fromkeys(lists, mode), measures=measures)


def _is_list(value: object) -> bool:
    return isinstance(value, list) and bool(value)
