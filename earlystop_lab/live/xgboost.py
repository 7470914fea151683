"""XGBoost: a callback for ``xgboost.train``, ``cv`` and its scikit-learn estimators."""

import json
from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any, Unpack

from earlystop_lab.criteria import Rule
from earlystop_lab.curves import Mode
from earlystop_lab.live._adapters import (
    CurrentStopper,
    Measure,
    RunOptions,
    Training,
    all_told,
    by_measures,
    in_rounds,
    library,
    mode_of,
    no_metric,
)

with library("xgboost"):
    from xgboost import Booster, collective
    from xgboost.callback import EarlyStopping, TrainingCallback


class StopCallback(TrainingCallback):
    """Stop boosting by any criterion, at the round at which its replay stops.

    A criterion may watch other metrics, named as XGBoost prints them: ``Keras(9, val="val-auc")``
    with ``channels={"val-auc": Channel(direction="max")}``. At the end, the model is truncated to
    the selected round; ``restore="last"`` keeps all rounds. The model gets no ``best_iteration``,
    because a model that is trained further would keep it and predict only with its first rounds;
    use all rounds of a truncated model. With ``booster="dart"`` and ``"gblinear"``, which change
    earlier rounds later, a copy of the model at the selected round is kept instead. The table of
    ``cv`` ends with the selected round. Every training is a new run. With several processes, only
    rank 0 records.

    Parameters
    ----------
    criterion : criterion or str
    metric_name, data_name : str, optional
        The metric and data set to watch, by default the last of each, as in XGBoost's own
        ``EarlyStopping``.
    train_name : str, optional
        The data set whose metric is the training error.
    mode : {"min", "max"}, optional
        Whether higher values of the metric are better. By default they are for AUC, precision, MAP
        and NDCG, as in XGBoost's ``EarlyStopping``, and for metrics that their names say are
        scores, such as ``interval-regression-accuracy``, which XGBoost takes for errors.
    **options
        Other arguments of :class:`Stopper`, which is the attribute :attr:`stopper`.

    Raises
    ------
    ValueError
        In the first round, if there is no such data set or metric.

    Examples
    --------

    >>> import numpy as np, xgboost
    >>> x = np.arange(20.0).reshape(-1, 1)
    >>> data = xgboost.DMatrix(x, x.ravel() % 2)
    >>> callback = StopCallback("MaxEpochs(3)")
    >>> model = xgboost.train({}, data, 9, evals=[(data, "val")], verbose_eval=False,
    ...                       callbacks=[callback])
    >>> callback.stopper.reason
    'MaxEpochs 3 >= 3 at round 3; best round 3'
    """

    stopper = CurrentStopper()

    def __init__(
        self,
        criterion: Rule | str,
        *,
        data_name: str | None = None,
        metric_name: str | None = None,
        train_name: str | None = None,
        mode: Mode | None = None,
        **options: Unpack[RunOptions],
    ) -> None:
        super().__init__()
        self.data_name, self.metric_name, self.train_name = data_name, metric_name, train_name
        self.mode = mode
        self._training = Training(criterion, in_rounds, mode=mode or "min", **options)
        self._before, self._begun, self._copies = 0, False, False

    def before_training(self, model: Any) -> Any:
        """Begin a run; for a model that is trained further, after its rounds."""
        self._training.begin()
        self._begun = False
        self._before = model.num_boosted_rounds()
        if isinstance(model, Booster):
            # left by the training that it continues
            model.set_attr(best_iteration=None, best_score=None)
            self._copies = _booster(model) != "gbtree"
        return model

    def after_iteration(self, model: Any, epoch: int, evals_log: dict[str, Any]) -> bool:
        """Pass the errors of the round to the stopper."""
        now = _last(evals_log)
        val = self._val(now)
        if not self._begun:
            mode = self.mode or _direction(val)
            recorded = {} if collective.get_rank() == 0 else {"record": None}
            known = by_measures(now, val, self.train_name)
            self._training.begin(known, mode=mode, **recorded)
            self._begun = True
        measured = {each.name: value for each, value in now.items()}
        check = {"val": measured[val.name], **all_told(self._training.others, measured)}
        if self.train_name is not None:
            train = f"{self.train_name}-{val.metric}"
            check["train"] = all_told([train], measured)[train]
        # later models contain these rounds unchanged
        copies = isinstance(model, Booster) and self._copies and self.stopper.restore != "last"
        take = model.copy if copies else None
        stops = self._training.update(take, epoch=self._before + epoch + 1, **check)
        if stops and not isinstance(model, Booster):
            # where cv() truncates its table
            model.set_attr(best_iteration=str(int(self.stopper.best_epoch or 0) - 1))
        return stops

    def after_training(self, model: Any) -> Any:
        """Truncate the model to the selected round, and record the run."""
        stopper = self.stopper
        stopper.close()
        best = stopper.best_epoch
        if not isinstance(model, Booster) or best is None or stopper.restore == "last":
            return model
        if self._copies:
            kept = self._training.weights.restore(stopper, lambda copied: copied)
            return model if kept is None else kept
        model = model[: int(best)]
        model.set_attr(best_iteration=None, best_score=None)
        return model

    def _val(self, now: Mapping[Measure, float]) -> Measure:
        """What is watched: by default the last metric of the last data set."""
        there = list(now)
        data = self.data_name or (there[-1].data if there else "")
        of_it = [each.metric for each in there if each.data == data]
        metric = self.metric_name or (of_it[-1] if of_it else "")
        if (val := Measure(data, metric)) not in now:
            wanted = f"{data or 'any data set'}-{metric or 'any metric'}"
            raise no_metric(wanted, [each.name for each in there])
        return val


def _booster(model: Booster) -> str:
    """The kind of model: gbtree, dart or gblinear."""
    name: str = json.loads(model.save_config())["learner"]["gradient_booster"]["name"]
    return name


def _direction(val: Measure) -> Mode:
    """Whether higher values are better, as in XGBoost's own early stopping or by the name."""
    own = EarlyStopping(rounds=1)
    nothing = SimpleNamespace(set_attr=lambda **attributes: None)
    own.after_iteration(nothing, 0, {val.data: {val.metric: [0.0]}})
    return "max" if own.maximize else mode_of(val.metric)


def _last(evals_log: Mapping[str, Mapping[str, Sequence[Any]]]) -> dict[Measure, float]:
    """What was measured in the last round; for cross-validation, the means."""
    values = {
        Measure(data, metric): series[-1]
        for data, metrics in evals_log.items()
        for metric, series in metrics.items()
    }
    return {
        measure: float(value[0] if isinstance(value, tuple) else value)
        for measure, value in values.items()
    }
