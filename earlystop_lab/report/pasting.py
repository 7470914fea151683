"""A patience rule as code for other programs that implement it.

:func:`criteria.catalogue.programs` says which programs have the rule, and with which parameters.
Besides off-by-one errors, the usual mistake is to keep the weights of the last epoch, which is the
default of most callbacks: the code here keeps the best weights wherever the program can. The tests
run the code with the programs themselves.
"""

from typing import Literal, NamedTuple

from earlystop_lab._common.wording import visible
from earlystop_lab.criteria import Criterion, programs
from earlystop_lab.studies.records import FITNESS

_SCORE = "watches its own score (accuracy or R^2), so patience and tol are only approximate"
_ROUNDS = "num_boost_round={epochs}"
#: the code for each program, and what else to do or to know
_CODE = {
    "Keras": (
        "keras.callbacks.EarlyStopping({watched}, patience={patience}{min_delta}, "
        "restore_best_weights=True)",
        "epochs={epochs}",
    ),
    "Lightning": (
        "checkpoint = lightning.pytorch.callbacks.ModelCheckpoint({watched}, save_top_k=1)\n"
        "callbacks = [lightning.pytorch.callbacks.EarlyStopping({watched}, "
        "patience={patience}{min_delta}), checkpoint]",
        "max_epochs={epochs}; afterwards load the weights from checkpoint.best_model_path",
    ),
    "Hugging Face": (
        'args = transformers.TrainingArguments(output_dir="checkpoints", eval_strategy="epoch", '
        'save_strategy="epoch", load_best_model_at_end=True, metric_for_best_model={metric}, '
        "greater_is_better={higher}, num_train_epochs={epochs})\n"
        "callbacks = [transformers.EarlyStoppingCallback("
        "early_stopping_patience={patience}{threshold})]",
        "Trainer(args=args, callbacks=callbacks)",
    ),
    "XGBoost": (
        "xgboost.callback.EarlyStopping(rounds={patience}{min_delta}, maximize={higher}, "
        "save_best=True{of_metric})",
        f"{_ROUNDS}{{named}}",
    ),
    "LightGBM": (
        "lightgbm.early_stopping(stopping_rounds={patience}{min_delta}{first_only})",
        f"{_ROUNDS}{{only}}",
    ),
    "Ultralytics": (
        "model.train(patience={patience}, epochs={epochs})",
        "YOLOv5: python train.py --patience {patience}; best.pt holds the best weights",
    ),
    "scikit-learn SGD": (
        "SGDClassifier(early_stopping=True, n_iter_no_change={patience}, tol={tol!r}, "
        "max_iter={epochs})",
        _SCORE,
    ),
    "scikit-learn MLP": (
        "MLPClassifier(early_stopping=True, n_iter_no_change={patience}, tol={tol!r}, "
        "max_iter={epochs})",
        _SCORE,
    ),
}


#: LightGBM's names of XGBoost's metrics
_LIGHTGBM = {
    "logloss": "binary_logloss",
    "mlogloss": "multi_logloss",
    "error": "binary_error",
    "merror": "multi_error",
    "aucpr": "average_precision",
    "mae": "l1",
    "rmse": "rmse",
    "mape": "mape",
    "auc": "auc",
    "ndcg": "ndcg",
    "map": "map",
    "poisson-nloglik": "poisson",
}


class Line(NamedTuple):
    """The code for one program, and the criterion that it implements."""

    program: str
    criterion: Criterion
    #: the weights that the program keeps, in the terms of ``restore`` of :func:`replay`
    keeps: Literal["own", "best", "last"]
    #: one or several lines
    code: str
    #: what else to do or to know
    note: str


def lines(
    rule: Criterion,
    *,
    epochs: int = 1000,
    monitor: str = "val_loss",
    mode: Literal["min", "max"] = "min",
    metric: str | None = None,
    data: str | None = None,
) -> list[Line]:
    """``Keras(patience, min_delta)`` as code for each program that implements it.

    The code assumes one check per epoch or boosting round, because a patience counts checks in
    all programs. scikit-learn's SGD always keeps the last weights.

    Parameters
    ----------
    rule : Criterion
        ``Keras(patience, min_delta=...)``.
    epochs : int
        Maximum number of epochs.
    monitor : str
        Name of the metric, for programs that ask for one.
    mode : {"min", "max"}
        Direction of the metric, for programs that ask for one.
    metric, data : str, optional
        The metric and data set for XGBoost and LightGBM. By default, XGBoost watches the last
        metric of the last set, and LightGBM whichever metric stalls first.

    Returns
    -------
    list of Line

    Raises
    ------
    ValueError
        If the rule is not Keras' patience.

    Examples
    --------
    >>> from earlystop_lab import Keras
    >>> print(lines(Keras(10))[0].code)
    keras.callbacks.EarlyStopping(monitor="val_loss", mode="min", patience=10, \
restore_best_weights=True)
    >>> print(lines(Keras(10))[4].code)
    lightgbm.early_stopping(stopping_rounds=10)
    """
    having = programs(rule, fitness=monitor.startswith(FITNESS))
    delta = abs(float(str(dict(rule.params)["min_delta"])))
    words = {
        "watched": f'monitor={_quoted(monitor)}, mode="{mode}"',
        # the Trainer adds this prefix to every metric of an evaluation
        "metric": _quoted(f"eval_{monitor.removeprefix('val_').removeprefix('eval_')}"),
        "higher": mode == "max",
        # the limit must not be smaller than the patience
        "epochs": max(epochs, int(rule.threshold) + 1, 2),
        "min_delta": f", min_delta={delta!r}" if delta else "",
        "threshold": f", early_stopping_threshold={delta!r}" if delta else "",
        **_boosted(metric, data),
    }
    made = []
    for each in having:
        own = dict(each.criterion.params) | words | {"patience": int(each.criterion.threshold)}
        code, note = (text.format(**own) for text in _CODE[each.program])
        made.append(Line(*each, code, note))
    return made


def _boosted(metric: str | None, data: str | None) -> dict[str, str]:
    """What names the metric and the data set to XGBoost and LightGBM."""
    known = {**_LIGHTGBM, **{name: name for name in _LIGHTGBM.values()}}
    if metric is None or (data is None and metric.split("@")[0] not in known):
        return dict.fromkeys(("of_metric", "named", "first_only", "only"), "")
    of_xgboost = {name: own for own, name in _LIGHTGBM.items()}.get(metric, metric)
    of_lightgbm = _LIGHTGBM.get(metric, metric)
    of_set = f", data_name={_quoted(data)}" if data else ""
    its = f"the set that evals= names {_quoted(data)}" if data else "the last set of evals="
    sets = _quoted(data) if data else "one"
    return {
        "of_metric": f", metric_name={_quoted(of_xgboost)}{of_set}",
        "named": f"; watches {visible(of_xgboost)} on {its}",
        "first_only": ", first_metric_only=True",
        "only": f"; it stops on whichever metric and set stalls first, so {visible(of_lightgbm)} "
        f"has to be the only metric or the first, metric=[{_quoted(of_lightgbm)}, ...], and {sets} "
        "the only set beside that of training",
    }


def _quoted(name: str) -> str:
    """A name from a log as a string in Python, which cannot end it."""
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{visible(escaped)}"'
