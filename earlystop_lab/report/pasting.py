"""A patience rule as the code that other programs take: only rules that they have.

Off by one is the usual mistake: scikit-learn's networks stop after *more than* so many epochs,
its SGD and all others here after so many. The other one is to keep the weights of the last epoch,
which is what most callbacks do by themselves: the code here keeps the best ones wherever the
program can. Each comes with the criterion that is just that program's rule and the weights that it
keeps, so that it can be replayed; the tests drive the programs themselves with the code.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from earlystop_lab.criteria import (
    Criterion,
    HuggingFace,
    Keras,
    LightGBM,
    Lightning,
    SklearnMLP,
    SklearnSGD,
    XGBoost,
)

#: scikit-learn counts a tie as a gain unless a tolerance asks for more than one
_TINY = 1e-10


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
    if rule.family is not Keras or rule.warmup:
        raise ValueError(f"{rule}: only Keras(patience, min_delta) has lines for other programs")
    params = dict(rule.params)
    if params["baseline"] is not None or params["start_from_epoch"]:
        raise ValueError(f"{rule}: baseline and start_from_epoch have no line in other programs")
    # a patience of 0 is one of 1
    p, delta = max(int(rule.threshold), 1), abs(float(str(params["min_delta"])))
    # a record is no shorter than the patience that it shows to be enough; nor may training be
    epochs = max(epochs, p + 1)
    more = f", min_delta={delta!r}" if delta else ""
    way = f'monitor="{monitor}", mode="{mode}"'
    gain = f", early_stopping_threshold={delta!r}" if delta else ""
    tol = delta or _TINY
    # Trainer names every metric of an evaluation so
    metric = f"eval_{monitor.removeprefix('val_').removeprefix('eval_')}"
    rounds = f"num_boost_round={epochs}"
    score = "watches a score of its own (accuracy or R^2): patience and tol fit only roughly"
    found = [
        Line(
            "Keras",
            f"keras.callbacks.EarlyStopping({way}, patience={p}{more}, restore_best_weights=True)",
            Keras(p, min_delta=delta),
            "own",
            f"epochs={epochs}",
        ),
        Line(
            "Lightning",
            f"checkpoint = lightning.pytorch.callbacks.ModelCheckpoint({way}, save_top_k=1)\n"
            f"callbacks = [lightning.pytorch.callbacks.EarlyStopping({way}, patience={p}{more}), "
            "checkpoint]",
            Lightning(p, min_delta=delta),
            "best",
            f"max_epochs={epochs}; then load the weights in checkpoint.best_model_path",
        ),
        Line(
            "Hugging Face",
            'args = transformers.TrainingArguments(output_dir="checkpoints", '
            'eval_strategy="epoch", save_strategy="epoch", load_best_model_at_end=True, '
            f'metric_for_best_model="{metric}", greater_is_better={mode == "max"}, '
            f"num_train_epochs={epochs})\n"
            f"callbacks = [transformers.EarlyStoppingCallback(early_stopping_patience={p}{gain})]",
            HuggingFace(p, threshold=delta),
            "best",
            "Trainer(args=args, callbacks=callbacks)",
        ),
        Line(
            "XGBoost",
            f"xgboost.callback.EarlyStopping(rounds={p}{more}, maximize={mode == 'max'}, "
            "save_best=True)",
            XGBoost(p, min_delta=delta),
            "own",
            rounds,
        ),
        Line(
            "LightGBM",
            f"lightgbm.early_stopping(stopping_rounds={p}{more})",
            LightGBM(p, min_delta=delta),
            "own",
            rounds,
        ),
        Line(
            "scikit-learn SGD",
            f"SGDClassifier(early_stopping=True, n_iter_no_change={p}, tol={tol!r}, "
            f"max_iter={epochs})",
            SklearnSGD(p, tol=tol),
            "last",
            score,
        ),
    ]
    if p > 1:
        network = Line(
            "scikit-learn MLP",
            f"MLPClassifier(early_stopping=True, n_iter_no_change={p - 1}, tol={tol!r}, "
            f"max_iter={epochs})",
            SklearnMLP(p - 1, tol=tol),
            "own",
            score,
        )
        found.append(network)
    return found
