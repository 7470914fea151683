"""Lightning: a callback for its ``Trainer``."""

import math
from typing import Any, Unpack

from earlystop_lab.criteria import Rule
from earlystop_lab.live._adapters import (
    CurrentStopper,
    StopperOptions,
    Training,
    all_told,
    by_names,
    library,
    never_checked,
    no_metric,
)

with library("lightning"):
    from lightning.pytorch.callbacks import Callback
    from lightning.pytorch.trainer.states import TrainerFn

from earlystop_lab.live.torch import copied


class StopCallback(Callback):
    """Stop Lightning's ``Trainer`` by any criterion, at the check at which its replay stops.

    ``monitor`` and ``train`` name metrics logged by the module; ``train``, the training error, may
    be left out. A criterion may watch other logged metrics by their names: ``Keras(9,
    val="val_acc")`` with ``channels={"val_acc": Channel(direction="max")}``, or a rule of
    ``grad_norm``. Checks are made at the end of each training epoch with validation, where all
    are known, and after each validation inside an epoch; positions are in epochs, of training
    data without a length in steps. All ranks stop
    where one wants to; rank 0 alone records. At the end the module gets the weights of the
    selected epoch, kept in main memory; ``restore="last"`` keeps none, as suits a
    ``ModelCheckpoint`` or sharded models. Checkpoints of the ``Trainer`` hold the state. The other
    arguments are those of :class:`Stopper`, which is :attr:`stopper`.

    Raises ``ValueError`` after the first validation where there is no such metric.

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
        **options: Unpack[StopperOptions],
    ) -> None:
        super().__init__()
        self.monitor, self.train = monitor, train
        self._training = Training(criterion, by_names(monitor, train), **options)
        self._validated = False

    @property
    def state_key(self) -> str:
        """What tells this callback's state from that of others in a checkpoint."""
        return self._generate_state_key(monitor=self.monitor, criterion=self.stopper.criterion)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        """Begin a run, or go on with the one that was loaded."""
        unit = "epoch" if math.isfinite(trainer.num_training_batches) else "step"
        self._training.begin(by_names(self.monitor, self.train, unit))
        self._validated = False

    def on_validation_end(self, trainer: Any, pl_module: Any) -> None:
        """Make the check of a validation inside an epoch."""
        if trainer.state.fn != TrainerFn.FITTING or trainer.sanity_checking:
            return
        if trainer.is_last_batch:
            self._validated = True
        else:
            done = (trainer.fit_loop.batch_idx + 1) / trainer.num_training_batches
            self._check(trainer, pl_module, trainer.current_epoch + done)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Make the check of the epoch."""
        if self._validated or not trainer.enable_validation:
            self._check(trainer, pl_module, trainer.current_epoch + 1)
        self._validated = False

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        """Put back the weights of the selected epoch, and record the run."""
        never_checked(self.stopper, self.monitor)
        self._training.weights.restore(self.stopper, pl_module.load_state_dict)
        self._close(trainer)

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        """Record the run as far as it got."""
        self._close(trainer)

    def state_dict(self) -> dict[str, Any]:
        """What the stopper has seen, and the weights kept."""
        return {**self.stopper.state_dict(), **self._training.weights.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on with a saved run in this ``fit``."""
        self.stopper.load_state_dict(state_dict)
        self._training.weights.load_state_dict(state_dict)
        self._training.resumed = True

    def _check(self, trainer: Any, pl_module: Any, epoch: float) -> None:
        metrics = trainer.callback_metrics
        for name in filter(None, (self.monitor, self.train)):
            if name not in metrics:
                raise no_metric(name, metrics)
        check = {"val": metrics[self.monitor], **all_told(self._training.others, metrics)}
        if self.train is not None:
            check["train"] = metrics[self.train]
        # of a loader without a length nothing tells how far an epoch is
        position = epoch if math.isfinite(trainer.num_training_batches) else trainer.global_step
        numbers = {name: value.item() for name, value in check.items()}
        stops = self._training.update(lambda: copied(pl_module), epoch=position, **numbers)
        stops = trainer.strategy.reduce_boolean_decision(stops, all=False)
        trainer.should_stop = trainer.should_stop or stops

    def _close(self, trainer: Any) -> None:
        if trainer.is_global_zero:
            self.stopper.close()
