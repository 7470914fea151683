"""Keras 3: a callback for ``model.fit``."""

import warnings
from collections.abc import Mapping
from typing import Any, Unpack

import numpy as np

from earlystop_lab.criteria import Rule
from earlystop_lab.curves import Mode
from earlystop_lab.live._adapters import (
    CurrentStopper,
    RunOptions,
    Training,
    by_names,
    library,
    metric_of,
    never_checked,
    no_metric,
    told,
)
from earlystop_lab.live.predictions import ChangedPredictions

with library("keras"):
    from keras import ops
    from keras.callbacks import Callback, EarlyStopping


class StopCallback(Callback):
    """Stop ``model.fit`` by any criterion, at the epoch at which its replay stops.

    The training error is the metric named like ``monitor`` without ``val_``. A criterion may watch
    other metrics by their names in Keras' logs: ``Keras(9, val="val_accuracy")`` with
    ``channels={"val_accuracy": Channel(direction="max")}``, or a rule on ``learning_rate``, which
    is available if a callback before this one changes it. With ``validation_freq`` above 1, epochs
    without validation are not checks of validation metrics. Every ``fit`` is a new run, unless a
    state was loaded before it or it continues an interrupted run, as ``BackupAndRestore`` does:
    the run of this callback, or that of the record if ``record`` and ``run`` name it.

    Parameters
    ----------
    criterion : criterion or str
    monitor : str
        The validation metric.
    restore_best_weights : bool
        Restore the weights of the selected epoch when training ends, stopped or not; ``restore``
        says which epoch that is. With ``use_ema=True`` in the optimizer, these are the weights
        that were validated, averaged by ``SwapEMAWeights`` or not.
    mode : {"min", "max"}, optional
        Whether higher values are better, by default as Keras' ``EarlyStopping`` infers it.
    **options
        Other arguments of :class:`Stopper`, which is the attribute :attr:`stopper`.

    Raises
    ------
    ValueError
        In the first epoch (for a validation metric, the first epoch with validation), if there is
        no such metric or Keras does not know which values are better.

    Examples
    --------
    >>> callback = StopCallback("GL(5)", monitor="val_loss")
    >>> callback.stopper.criterion
    GL(5)
    """

    stopper = CurrentStopper()

    def __init__(
        self,
        criterion: Rule | str,
        *,
        monitor: str = "val_loss",
        restore_best_weights: bool = True,
        mode: Mode | None = None,
        **options: Unpack[RunOptions],
    ) -> None:
        super().__init__()
        self.monitor, self.mode = monitor, mode
        self.restore_best_weights = restore_best_weights
        train = monitor.removeprefix("val_")
        known = by_names(monitor, train, stand_in=train == monitor)
        self._training = Training(criterion, known, mode=mode or "min", **options)
        self._named = options.get("run") is not None
        #: whether an epoch of this ``fit`` has begun; whether the previous ``fit`` did not end
        self._begun, self._interrupted = False, False
        #: the weights that are validated, if they may be averages
        self._validated: Any = None

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Begin a run, once the first epoch is known."""
        self._begun = False

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Begin a run, or continue the one that was loaded or interrupted."""
        self._validated = None
        if not self._begun:
            self._begin(epoch)
        self._begun = self._interrupted = True

    def _begin(self, seen: int) -> None:
        mode = self.mode or _direction(self.monitor, self.model)
        stopper, resumed = self.stopper, self._training.resumed
        interrupted = self._interrupted and stopper.epoch is not None and stopper.epoch >= seen
        if seen and interrupted and not resumed:
            stopper.go_on(stopper.history, seen)
            return
        self._training.begin(mode=mode)
        if not seen or resumed:
            return
        if self._named and (recorded := self.stopper.recorded()) is not None:
            self.stopper.go_on(recorded, seen)
        elif stopper.epoch is None:
            warnings.warn(
                f"training begins at epoch {seen + 1} of an unknown run; to continue it, pass "
                "its record=... and run=..., or load a state",
                stacklevel=2,
            )

    def on_test_batch_begin(self, batch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Copy the weights that are validated if they differ from those at the end of the epoch."""
        averaged = self.restore_best_weights and _averages(self.model.optimizer)
        if averaged and self._validated is None:
            self._validated = self.model.get_weights()

    def on_epoch_end(self, epoch: int, logs: Mapping[str, Any] | None = None) -> None:
        """Pass the errors of the epoch to the stopper."""
        logs = logs or {}
        others = self._training.others
        for name in (self.monitor, *others):
            if metric_of(name, logs) is None and self._is_due(name, logs):
                raise no_metric(name, logs)
        check = told(others, logs)
        if self.monitor in logs:
            check["val"] = logs[self.monitor]
            check["train"] = logs.get(self.monitor.removeprefix("val_"))
        if not check:
            return
        take = self._weights if self.restore_best_weights else None
        if self._training.update(take, epoch=epoch + 1, **check):
            self.model.stop_training = True

    def _weights(self) -> Any:
        return self.model.get_weights() if self._validated is None else self._validated

    def on_train_end(self, logs: Mapping[str, Any] | None = None) -> None:
        """Restore the weights of the selected epoch, and record the run."""
        self._interrupted, self._validated = False, None
        never_checked(self.stopper, self.monitor)
        if self.restore_best_weights:
            self._training.weights.restore(self.stopper, self.model.set_weights)
        self.stopper.close()

    def state_dict(self) -> dict[str, Any]:
        """What the stopper has seen, for JSON; save the weights in a checkpoint of the model."""
        return self.stopper.state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Continue a saved run in the next ``fit(initial_epoch=...)``."""
        if self.mode is None and state.get("mode") in ("min", "max"):
            self._training.begin(mode=state["mode"])
        self.stopper.load_state_dict(state)
        self._training.resumed = True

    def _is_due(self, name: str, logs: Mapping[str, Any]) -> bool:
        """Whether a metric must be available: a validation metric only if there was validation."""
        validated = any(each.startswith("val_") for each in logs)
        return validated or not name.startswith("val_")


class RecordChannels(Callback):
    """Add what rules of other channels watch to the logs of every epoch.

    Placed before :class:`StopCallback`: ``changed_predictions``, how many predicted labels of the
    samples ``x`` differ from those of the epoch before (:data:`LabelWave`), and ``distance``, the
    distance of the trained weights from those at the beginning (:data:`DistanceDiagnostic`).

    Parameters
    ----------
    x : array-like, optional
        Inputs whose labels are predicted after every epoch: the highest output, or whether a single
        output is above a half. By default no predictions are made.

    Examples
    --------
    >>> callbacks = [RecordChannels(), StopCallback("DistanceDiagnostic()")]
    """

    def __init__(self, x: Any = None) -> None:
        super().__init__()
        self.x = x

    def on_train_begin(self, logs: Mapping[str, Any] | None = None) -> None:
        """Begin with the weights and the predictions of the model as it is."""
        self._start = self._weights()
        if self.x is not None:
            self._changed = ChangedPredictions(self._labels())

    def on_epoch_end(self, epoch: int, logs: dict[str, Any] | None = None) -> None:
        """Add the channels to the logs."""
        if logs is None:
            return
        if self.x is not None:
            logs["changed_predictions"] = self._changed(self._labels())
        pairs = zip(self._weights(), self._start, strict=True)
        logs["distance"] = float(np.sqrt(sum(np.square(a - b).sum() for a, b in pairs)))

    def _weights(self) -> list[Any]:
        return [np.array(ops.convert_to_numpy(each)) for each in self.model.trainable_variables]

    def _labels(self) -> Any:
        found = np.asarray(self.model.predict(self.x, verbose=0))
        return found.argmax(axis=-1) if found.shape[-1] > 1 else found > 0.5


def _direction(monitor: str, model: Any) -> Mode:
    """Whether higher values are better, as Keras' own early stopping infers it."""
    own = EarlyStopping(monitor)
    own.set_model(model)
    own.on_train_begin()
    try:
        own.on_epoch_end(0, {monitor: 0.0})
    except ValueError as error:
        raise ValueError(
            f"mode: Keras does not know whether higher values of {monitor} are better; pass "
            "mode='min' or mode='max'"
        ) from error
    return "max" if bool(own.monitor_op(2.0, 1.0)) else "min"


def _averages(optimizer: Any) -> bool:
    """Whether an optimizer, or one inside it, averages the weights."""
    inside = [getattr(optimizer, "inner_optimizer", None), *getattr(optimizer, "optimizers", [])]
    return getattr(optimizer, "use_ema", False) or any(_averages(o) for o in inside if o)
