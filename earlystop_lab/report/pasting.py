"""A patience rule as the code that other programs take: only rules that they have.

Which program has which is :func:`catalogue.programs`. A usual mistake is to keep the weights of
the last epoch, which is what most callbacks do by themselves: the code here keeps the best ones
wherever the program can. Each comes with the criterion that is just that program's rule and the
weights that it keeps, so that it can be replayed; the tests drive the programs with the code.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from earlystop_lab.criteria import Criterion
from earlystop_lab.criteria.catalogue import programs


class Line(NamedTuple):
    """One program's code, and the criterion that it is."""

    program: str
    #: one line, or some
    code: str
    criterion: Criterion
    #: the weights that are left in the end, as :func:`replay` calls them
    keeps: Literal["own", "best", "last"]
    #: what else there is to do or to know
    note: str


def lines(
    rule: Criterion,
    *,
    epochs: int = 1000,
    monitor: str = "val_loss",
    mode: Literal["min", "max"] = "min",
) -> list[Line]:
    """``Keras(patience, min_delta)`` in each program's own words, for up to ``epochs`` epochs.

    One check an epoch, or a boosting round: a patience counts checks in all of them.

    Without ``min_delta`` all stop where the rule does, whatever the finite errors. With one,
    XGBoost and LightGBM do, but for rounding; Hugging Face and scikit-learn have another rule,
    whose best also moves on gains below it: replay :attr:`Line.criterion` to see where it stops.
    scikit-learn's networks have no patience of 1, and its SGD keeps the last weights whatever is
    asked of it. ``monitor`` and ``mode`` are used where a program asks for them. Raises
    ``ValueError`` for a rule that is not Keras' patience.

    >>> from earlystop_lab import Keras
    >>> print(lines(Keras(10))[0].code)
    keras.callbacks.EarlyStopping(monitor="val_loss", mode="min", patience=10, \
restore_best_weights=True)
    >>> print(lines(Keras(10))[4].code)
    lightgbm.early_stopping(stopping_rounds=10)
    """
    versions = programs(rule)
    keras = versions[0].criterion
    delta = float(str(dict(keras.params)["min_delta"]))
    # a record is no shorter than the patience that it shows to be enough; nor may training be
    epochs = max(epochs, int(keras.threshold) + 1)
    more = f", min_delta={delta!r}" if delta else ""
    way = f'monitor="{monitor}", mode="{mode}"'
    gain = f", early_stopping_threshold={delta!r}" if delta else ""
    # Trainer names every metric of an evaluation so
    metric = f"eval_{monitor.removeprefix('val_').removeprefix('eval_')}"
    rounds = f"num_boost_round={epochs}"
    score = "watches a score of its own (accuracy or R^2): patience and tol fit only roughly"
    written = []
    for program, criterion, keeps in versions:
        p, tol = int(criterion.threshold), dict(criterion.params).get("tol")
        sklearn = f"early_stopping=True, n_iter_no_change={p}, tol={tol!r}, max_iter={epochs}"
        code, note = {
            "Keras": (
                f"keras.callbacks.EarlyStopping({way}, patience={p}{more}, "
                "restore_best_weights=True)",
                f"epochs={epochs}",
            ),
            "Lightning": (
                f"checkpoint = lightning.pytorch.callbacks.ModelCheckpoint({way}, save_top_k=1)\n"
                f"callbacks = [lightning.pytorch.callbacks.EarlyStopping({way}, "
                f"patience={p}{more}), checkpoint]",
                f"max_epochs={epochs}; then load the weights in checkpoint.best_model_path",
            ),
            "Hugging Face": (
                'args = transformers.TrainingArguments(output_dir="checkpoints", '
                'eval_strategy="epoch", save_strategy="epoch", load_best_model_at_end=True, '
                f'metric_for_best_model="{metric}", greater_is_better={mode == "max"}, '
                f"num_train_epochs={epochs})\n"
                "callbacks = [transformers.EarlyStoppingCallback("
                f"early_stopping_patience={p}{gain})]",
                "Trainer(args=args, callbacks=callbacks)",
            ),
            "XGBoost": (
                f"xgboost.callback.EarlyStopping(rounds={p}{more}, maximize={mode == 'max'}, "
                "save_best=True)",
                rounds,
            ),
            "LightGBM": (f"lightgbm.early_stopping(stopping_rounds={p}{more})", rounds),
            "scikit-learn SGD": (f"SGDClassifier({sklearn})", score),
            "scikit-learn MLP": (f"MLPClassifier({sklearn})", score),
        }[program]
        written.append(Line(program, code, criterion, keeps, note))
    return written
