"""Lightning: a callback for its ``Trainer``."""

import math
import warnings
from collections.abc import Mapping
from typing import Any, Unpack

from earlystop_lab.criteria import Rule, after
from earlystop_lab.curves import Mode, canonical
from earlystop_lab.live._adapters import (
    CurrentStopper,
    RunOptions,
    StopperOptions,
    Training,
    by_names,
    library,
    metric_of,
    mode_of,
    never_checked,
    no_metric,
)

with library("lightning"):
    from lightning.pytorch import callbacks
    from lightning.pytorch.callbacks import Callback
    from lightning.pytorch.trainer.states import TrainerFn

from earlystop_lab.live.torch import copied

#: not every version has all of them
_AVERAGING = tuple(
    getattr(callbacks, name)
    for name in ("WeightAveraging", "StochasticWeightAveraging")
    if hasattr(callbacks, name)
)


class StopCallback(Callback):
    """Stop Lightning's ``Trainer`` by any criterion, at the check at which its replay stops.

    A criterion may watch other logged metrics by name: ``Keras(9, val="val_acc")`` with
    ``channels={"val_acc": Channel(direction="max")}``, or a rule on ``grad_norm``. Every validation
    is a check, at the end of an epoch or inside it; the training error is measured at the ends of
    epochs. Positions are epochs, or steps if the training data have no length. All ranks get the
    metrics of rank 0, so they stop together and keep the same weights; only rank 0 records.

    At the end, the module gets the weights of the selected epoch, which are kept in main memory. If
    a callback of Lightning averages weights, they are those that were validated. ``restore="last"``
    keeps no copy, which suits a ``ModelCheckpoint`` or sharded models. Checkpoints of the
    ``Trainer`` contain the state, which only ``fit`` loads; a warning says if a checkpoint has no
    state of this criterion. ``min_epochs`` of the ``Trainer`` is a warm-up, ``after(min_epochs - 1,
    criterion)``.

    Parameters
    ----------
    criterion : criterion or str
    monitor : str
        The validation metric, as logged by the module.
    train : str, optional
        The training metric, as logged by the module.
    mode : {"min", "max"}, optional
        Whether higher values are better, by default as the name of the metric says: for an
        accuracy, an AUC and the like they are.
    **options
        Other arguments of :class:`Stopper`, which is the attribute :attr:`stopper`.

    Raises
    ------
    ValueError
        After the first validation if there is no such metric; for ``min_steps``; and for
        ``min_epochs`` if epochs have no length.

    Examples
    --------

    >>> callback = StopCallback("GL(5)", monitor="val_loss", train="train_loss")
    >>> callback.stopper.criterion
    GL(5)
    """

    stopper = CurrentStopper()

    def __init__(
        self,
        criterion: Rule | str,
        *,
        monitor: str = "val_loss",
        train: str | None = None,
        mode: Mode | None = None,
        **options: Unpack[RunOptions],
    ) -> None:
        super().__init__()
        self.monitor, self.train = monitor, train
        self._known = by_names(monitor, train)
        self._options: StopperOptions = {**options, "mode": mode or mode_of(monitor)}
        self._training = Training(criterion, self._known, **self._options)
        self._rule = self.stopper.criterion
        #: the stage that the ``Trainer`` is set up for
        self._stage: str | None = None
        #: a check at the end of an epoch that waits for its training metrics
        self._waiting: dict[str, Any] | None = None
        #: the weights that are validated, if they are averages
        self._validated: dict[str, Any] | None = None

    @property
    def state_key(self) -> str:
        """Distinguishes this callback's state from that of others in a checkpoint."""
        return self._generate_state_key(monitor=self.monitor, criterion=self._rule)

    def setup(self, trainer: Any, pl_module: Any, stage: str) -> None:
        """Take the minimum length of the training from the ``Trainer``."""
        self._stage = stage
        if stage != "fit":
            return
        if trainer.min_steps:
            raise ValueError(
                f"min_steps = {trainer.min_steps}: training would continue after the stop; use "
                "min_epochs, or a criterion with a warm-up, after(epochs, criterion)"
            )
        rule, least = self._rule, trainer.min_epochs or 0
        if least > 1:
            # a check inside the last of these epochs cannot end it, but the one at its end can
            inside = trainer.val_check_interval != 1.0
            rule = after(least - (1e-6 if inside else 1), rule)
        if rule != self.stopper.criterion:
            self._training = Training(rule, self._known, **self._options)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin a run, or continue the one that was loaded."""
        unit = "epoch" if math.isfinite(trainer.num_training_batches) else "step"
        if unit == "step" and (trainer.min_epochs or 0) > 1:
            raise ValueError(
                f"min_epochs = {trainer.min_epochs}, but the training data have no length; use a "
                "criterion with a warm-up, after(steps, criterion)"
            )
        self._training.begin(by_names(self.monitor, self.train, unit))
        if self.train is not None:
            self.stopper.expect("train")
        if not trainer.is_global_zero:
            self.stopper.record = None
        self._waiting = self._validated = None
        # for example from a checkpoint at which it had stopped
        trainer.should_stop = trainer.should_stop or self.stopper.stopped

    def on_validation_batch_start(
        self, trainer: Any, pl_module: Any, batch: Any, batch_idx: int, dataloader_idx: int = 0
    ) -> None:
        """Copy the weights that are validated if they are replaced after the validation."""
        fitting = trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking
        first = batch_idx == dataloader_idx == 0
        if fitting and first and _averages(trainer) and self.stopper.restore != "last":
            self._validated = copied(pl_module)

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Make the check of the validation, unless it waits for training metrics of the epoch."""
        if trainer.state.fn != TrainerFn.FITTING or trainer.sanity_checking:
            return
        if not trainer.is_last_batch:
            done = (trainer.fit_loop.batch_idx + 1) / trainer.num_training_batches
            self._check(trainer, pl_module, trainer.current_epoch + done)
            return
        of_training = _of_epoch(trainer)
        known = self.monitor in trainer.callback_metrics and self.monitor not in of_training
        if known and self.train is None and not self._training.others:
            self._check(trainer, pl_module, trainer.current_epoch + 1)
        else:
            # for a checkpoint that is saved before the end of the epoch
            row = self._row(trainer, {**trainer.callback_metrics, **of_training})
            self._waiting = {"epoch": trainer.current_epoch + 1, **row}
            if self._validated is None and self.stopper.restore != "last":
                self._validated = copied(pl_module)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Make the waiting check of the epoch, or one of training metrics."""
        if self._waiting is not None or not trainer.enable_validation:
            self._check(trainer, pl_module, trainer.current_epoch + 1)

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Restore the weights of the selected epoch, and record the run."""
        never_checked(self.stopper, self.monitor)
        if not _averages(trainer):
            self._training.weights.restore(self.stopper, pl_module.load_state_dict)
        self.stopper.close()

    def on_fit_end(self, trainer: Any, pl_module: Any) -> None:
        """Restore them again after callbacks that end by setting averages."""
        if _averages(trainer):
            self._training.weights.restore(self.stopper, pl_module.load_state_dict)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Record the run up to the exception."""
        self.stopper.close()

    def state_dict(self) -> dict[str, Any]:
        """What the stopper has seen, and the kept weights."""
        stopper, weights = self.stopper, self._training.weights
        if self._waiting is not None:
            stopper, weights = self._training.after(lambda: self._validated, **self._waiting)
        return {**stopper.state_dict(), **weights.state_dict()}

    def on_load_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: dict[str, Any]) -> None:
        """Warn if the checkpoint has no state of this criterion."""
        states = checkpoint.get("callbacks", {})
        if self._stage == "fit" and self.state_key not in states:
            own = [s["criterion"] for key, s in states.items() if key.startswith("StopCallback{")]
            there = f"; the checkpoint is of {', '.join(own)}" if own else ""
            warnings.warn(
                f"resumed without a state of {self._rule} on {self.monitor}, so the criterion "
                f"starts again{there}",
                stacklevel=2,
            )

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Continue a saved run in this ``fit``; other uses of a checkpoint change nothing."""
        if self._stage not in (None, "fit"):
            return
        self.stopper.load_state_dict(state_dict)
        self._training.weights.load_state_dict(state_dict)
        self._training.resumed = True

    def _row(self, trainer: Any, metrics: Mapping[str, Any]) -> dict[str, float]:
        """The values of a check."""
        told = {"val": metrics[self.monitor]} if self.monitor in metrics else {}
        if self.train is not None and self.train in metrics:
            told["train"] = metrics[self.train]
        for name in self._training.others:
            if (own := metric_of(name, metrics)) is not None:
                told[name] = metrics[own]
        return {name: float(value) for name, value in told.items()}

    def _check(self, trainer: Any, pl_module: Any, epoch: float) -> None:
        metrics = trainer.callback_metrics
        finite = math.isfinite(trainer.num_training_batches)
        at_end = epoch == trainer.current_epoch + 1 or not finite
        for name in (self.monitor, self.train if at_end else None, *self._training.others):
            if name is not None and metric_of(canonical(name), metrics) is None:
                raise no_metric(name, metrics)
        row = self._row(trainer, metrics)
        if not at_end:
            # inside an epoch, this is the value of a step, or of the previous epoch
            row.pop("train", None)
        # for a loader without a length, the fraction of an epoch is unknown
        position = epoch if finite else trainer.global_step
        row = trainer.strategy.broadcast(row)
        validated, self._validated, self._waiting = self._validated, None, None
        take = (lambda: copied(pl_module)) if validated is None else (lambda: validated)
        if self._training.update(take, epoch=position, **row):
            trainer.should_stop = True


def _of_epoch(trainer: Any) -> dict[str, Any]:
    """The training metrics reduced over the epoch, which are logged at its end."""
    metrics: dict[str, Any] = trainer.fit_loop.epoch_loop._results.metrics(on_step=False)[
        "callback"
    ]
    return metrics


def _averages(trainer: Any) -> bool:
    """Whether a callback validates, or finally sets, averages of the weights."""
    return any(isinstance(each, _AVERAGING) for each in trainer.callbacks)
