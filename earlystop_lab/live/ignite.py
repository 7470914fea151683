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

    Add it to the evaluator: ``evaluator.add_event_handler(Events.COMPLETED, handler)``. Positions
    are epochs. All ranks get the values of rank 0, and only rank 0 records. A ``trainer.run`` from
    the start is a new run; one that Ignite resumes is not.

    Parameters
    ----------
    criterion : criterion or str
    score_function : callable
        Returns the validation score, given the evaluator's engine, as in Ignite's
        ``EarlyStopping``. By default, a higher score is better.
    trainer : Engine
        The trainer that is terminated.
    mode : {"max", "min"}
        ``"min"`` means that ``score_function`` returns an error.
    model : Module, optional
        Gets the weights of the selected epoch when the trainer ends. They are kept in main memory.
    train_function : callable, optional
        Returns the training score on the same scale, given the trainer's engine.
    functions : dict of str to callable, optional
        Functions for other channels that a criterion may watch, given the evaluator's engine:
        ``{"accuracy": lambda engine: engine.state.metrics["accuracy"]}`` for ``Keras(9,
        val="accuracy")``, with ``channels={"accuracy": Channel(direction="max")}``.
    data : optional
        If the evaluator is also run on other data, the data whose evaluations are checks.
    **options
        Other arguments of :class:`Stopper`, which is the attribute :attr:`stopper`.

    Raises
    ------
    ValueError
        If the criterion watches a channel without a function, or at a second evaluation at the
        same position of the trainer.

    Examples
    --------

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
                f"a second evaluation at epoch {position:g}: if the evaluator is run on several "
                "data sets, pass the one to check as data=..., or use another evaluator"
            )
        train = None if self.train_function is None else self.train_function(self.trainer)
        take = None if self.model is None else lambda: copied(self.model)
        others = {name: function(engine) for name, function in self.functions.items()}
        check = {"val": self.score_function(engine), "train": train, **others}
        if self._training.update(take, epoch=position, **of_rank_0(check)):
            self.trainer.terminate()

    def state_dict(self) -> dict[str, Any]:
        """What the stopper has seen, and the kept weights, for Ignite's ``Checkpoint``."""
        return {**self.stopper.state_dict(), **self._training.weights.state_dict()}

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Continue a saved run in the next ``trainer.run``."""
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
