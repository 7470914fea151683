"""PyTorch-Ignite: a handler for its engines."""

from collections.abc import Callable, Mapping
from typing import Any, Unpack

from earlystop_lab.criteria import Rule
from earlystop_lab.curves import Channel, Mode, canonical
from earlystop_lab.live._adapters import (
    CurrentStopper,
    RunOptions,
    Training,
    all_told,
    library,
)

with library("pytorch-ignite"):
    import ignite.distributed as idist
    from ignite.engine import Events

from earlystop_lab.live.torch import copied, of_rank_0


class StopHandler:
    """Terminate Ignite's trainer by any criterion, at the check at which its replay stops.

    To be added to the evaluator: ``evaluator.add_event_handler(Events.COMPLETED, handler)``. As in
    Ignite's ``EarlyStopping`` the ``score_function`` gets the evaluator's engine; with
    ``mode="max"``, the default there, a higher score is better.
    ``train_function`` gets the trainer's and returns the training score, on the same scale.
    ``functions`` are those of other channels that a criterion may watch, by name; they get the
    evaluator's engine: ``{"accuracy": lambda engine: engine.state.metrics["accuracy"]}`` for
    ``Keras(9, val="accuracy")``, with ``channels={"accuracy": Channel(direction="max")}``.
    Where the evaluator is also run on other data, ``data`` is the one of its runs that are checks.
    Positions are in epochs. With a ``model`` it gets the weights of the selected epoch when the
    trainer ends, kept in main memory. All ranks get the values of rank 0, which
    alone records. The other arguments are those of :class:`Stopper`, which is :attr:`stopper`. A
    ``trainer.run`` from the start is a run of its own; one that Ignite resumes is not. Raises
    ``ValueError`` for a criterion that watches a channel without a function, and at the second
    evaluation at one position of the trainer.

    >>> from ignite.engine import Engine
    >>> trainer = Engine(lambda engine, batch: None)
    >>> handler = StopHandler("Keras(5)", lambda engine: -engine.state.metrics["loss"], trainer)
    >>> handler.stopper.criterion
    Keras(5)
    """

    stopper = CurrentStopper()

    def __init__(
        self,
        criterion: Rule | str,
        score_function: Callable[[Any], Any],
        trainer: Any,
        *,
        train_function: Callable[[Any], Any] | None = None,
        functions: Mapping[str, Callable[[Any], Any]] | None = None,
        data: Any = None,
        model: Any = None,
        mode: Mode = "max",
        **options: Unpack[RunOptions],
    ) -> None:
        self.score_function, self.train_function = score_function, train_function
        self.trainer, self.model, self.data = trainer, model, data
        self.functions = {canonical(name): each for name, each in (functions or {}).items()}
        self._training = Training(criterion, _known, mode=mode, **options)
        all_told(self._training.others, self.functions)
        trainer.add_event_handler(Events.STARTED, self._begin)
        trainer.add_event_handler(Events.COMPLETED, self._end)
        trainer.add_event_handler(Events.EXCEPTION_RAISED, self._failed)

    def __call__(self, engine: Any) -> None:
        """Make a check of the evaluation that the engine has completed."""
        if self.data is not None and engine.state.dataloader is not self.data:
            return
        state = self.trainer.state
        position = state.iteration / state.epoch_length if state.epoch_length else None
        if position is not None and position == self.stopper.epoch:
            raise ValueError(
                f"a second evaluation at epoch {position:g}: an evaluator that is run on several "
                "data sets needs data=..., the one to check, or another evaluator"
            )
        train = None if self.train_function is None else self.train_function(self.trainer)
        take = None if self.model is None else lambda: copied(self.model)
        others = {name: function(engine) for name, function in self.functions.items()}
        check = {"val": self.score_function(engine), "train": train, **others}
        if self._training.update(take, epoch=position, **of_rank_0(check)):
            self.trainer.terminate()

    def state_dict(self) -> dict[str, Any]:
        """What the stopper has seen, and the weights kept, for Ignite's ``Checkpoint``."""
        return {**self.stopper.state_dict(), **self._training.weights.state_dict()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Go on with a saved run in the next ``trainer.run``."""
        self.stopper.load_state_dict(state_dict)
        self._training.weights.load_state_dict(state_dict)

    def _begin(self, engine: Any) -> None:
        if engine.state.iteration == 0:
            self._training.begin()
        if idist.get_rank() != 0:
            self.stopper.record = None

    def _end(self, engine: Any) -> None:
        if self.model is not None:
            self._training.weights.restore(self.stopper, self.model.load_state_dict)
        self.stopper.close()

    def _failed(self, engine: Any, error: BaseException) -> None:
        self.stopper.close()
        raise error


def _known(name: str) -> Channel:
    return Channel(unit="epoch") if name == "epoch" else Channel()
