"""A patience rule as the code that other programs take: only rules that they have.

Which program has the rule, with which parameters, is in :func:`criteria.catalogue.programs`. The
usual mistake beside being off by one is to keep the weights of the last epoch, which is what most
callbacks do by themselves: the code here keeps the best ones wherever the program can. The tests
drive the programs themselves with the code.
"""

from typing import Literal, NamedTuple

from earlystop_lab.criteria import Criterion, programs
from earlystop_lab.studies.records import FITNESS

_SCORE = "watches a score of its own (accuracy or R^2): patience and tol fit only roughly"
_ROUNDS = "num_boost_round={epochs}"
#: each program's code, and what else there is to do or to know
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
        "max_epochs={epochs}; then load the weights in checkpoint.best_model_path",
    ),
    "Hugging Face": (
        'args = transformers.TrainingArguments(output_dir="checkpoints", eval_strategy="epoch", '
        'save_strategy="epoch", load_best_model_at_end=True, metric_for_best_model="{metric}", '
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
    """One program's code, and the criterion that it is."""

    program: str
    criterion: Criterion
    #: the weights that are left in the end, as :func:`replay` calls them
    keeps: Literal["own", "best", "last"]
    #: one line, or some
    code: str
    #: what else there is to do or to know
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
    """``Keras(patience, min_delta)`` in each program's own words, for up to ``epochs`` epochs.

    One check an epoch, or a boosting round: a patience counts checks in all of them. scikit-learn's
    SGD keeps the last weights whatever is asked of it. ``monitor`` and ``mode`` are used where a
    program asks for them; ``metric`` and the ``data`` set in XGBoost and LightGBM, which otherwise
    watch the last metric of the last set, and whichever metric stalls first. Raises ``ValueError``
    for a rule that is not Keras' patience.

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
        "watched": f'monitor="{monitor}", mode="{mode}"',
        # Trainer names every metric of an evaluation so
        "metric": f"eval_{monitor.removeprefix('val_').removeprefix('eval_')}",
        "higher": mode == "max",
        # a record is no shorter than the patience that it shows to be enough; nor may training be
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
    of_set = f', data_name="{data}"' if data else ""
    its = f'the set that evals= names "{data}"' if data else "the last set of evals="
    sets = f'"{data}"' if data else "one"
    return {
        "of_metric": f', metric_name="{of_xgboost}"{of_set}',
        "named": f"; watches {of_xgboost} on {its}",
        "first_only": ", first_metric_only=True",
        "only": f"; it stops on whichever metric and set stalls first, so {of_lightgbm} has to be "
        f'the only metric or the first, metric=["{of_lightgbm}", ...], and {sets} the only set '
        "beside that of training",
    }
