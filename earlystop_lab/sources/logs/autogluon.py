"""AutoGluon's ``learning_curves.json``: one run per model, with curves by metric and data set.

A predictor's folder has the curves of each model in ``models/NAME/curves.json``, without the metric
that was optimised and without whether errors or scores were recorded.
"""

from dataclasses import replace
from typing import Any

from earlystop_lab.curves import Mode, Role
from earlystop_lab.sources.logs._cells import LogError, shown
from earlystop_lab.sources.logs._columns import Log, log_of_lists
from earlystop_lab.sources.logs._reading import Source


def recognises(source: Source) -> bool:
    return _is_saved(source.document) or _is_model(source.document)


def _is_saved(document: Any) -> bool:
    """True for what ``TabularPredictor.learning_curves`` returns."""
    return (
        isinstance(document, list)
        and len(document) == 2
        and all(isinstance(part, dict) for part in document)
        and "models" in document[0]
    )


def _is_model(document: Any) -> bool:
    """True for the curves of one model: names of data sets, names of metrics, lists of lists."""
    return (
        isinstance(document, list)
        and len(document) == 3
        and all(map(_is_list, document))
        and all(isinstance(name, str) for names in document[:2] for name in names)
        and all(map(_is_list, document[2]))
    )


def read(source: Source) -> list[Log]:
    """Read the metric that was optimised if it was recorded, otherwise the first one."""
    if _is_model(source.document):
        return [_model("", source.document, {})]
    if not _is_saved(source.document):
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
    described = about.get("models")
    options = described.get(name) if isinstance(described, dict) else None
    options = options.get("ag_args_fit") if isinstance(options, dict) else None
    errors = isinstance(options, dict) and options.get("use_error_for_curve_metrics") is True
    mode: Mode = "min" if errors else "max"
    if errors:
        log.notes.append("recorded as errors (use_error_for_curve_metrics)")
    elif about:
        log.notes.append("recorded as scores (higher is better)")
    else:
        log.notes.append(
            f"assumed that {shown(metric)} was optimised and recorded as a score (higher is "
            "better), which the file does not say; use --val and --mode otherwise, or save "
            "TabularPredictor.learning_curves() as JSON, which says both"
        )
    # of a score its distance from the best one is recorded then, under the name of the score
    measures = {f"{s}/{m}": (s, f"{m}_error" if errors else m) for m in metrics for s in sets}
    return replace(log, roles=roles, modes=dict.fromkeys(lists, mode), measures=measures)


def _is_list(value: object) -> bool:
    return isinstance(value, list) and bool(value)
