"""PyTorch: a stopper for your own training loop, which also restores the weights."""

from collections.abc import Mapping
from types import TracebackType
from typing import Any, Unpack

from earlystop_lab.criteria import Rule
from earlystop_lab.live._adapters import StopperOptions, Weights, library
from earlystop_lab.live.stopper import Stopper

with library("torch"):
    import torch
    from torch import distributed


def copied(model: Any) -> dict[str, Any]:
    """The model's parameters and buffers, copied to main memory."""
    state = model.state_dict()
    return {
        name: value.detach().to("cpu", copy=True) if isinstance(value, torch.Tensor) else value
        for name, value in state.items()
    }


def _ranks() -> int:
    """How many processes train together."""
    grouped = distributed.is_available() and distributed.is_initialized()
    return distributed.get_world_size() if grouped else 1


def of_rank_0(told: Mapping[str, Any]) -> dict[str, Any]:
    """The values of rank 0, in all processes that train together."""
    values = [v.item() if isinstance(v, torch.Tensor) else v for v in told.values()]
    if _ranks() > 1:
        distributed.broadcast_object_list(values, src=0)
    return dict(zip(told, values, strict=True))


class TorchStopper(Stopper):
    """A :class:`Stopper` that keeps the weights of a ``torch.nn.Module``.

    Used as a context manager, it restores the weights of the selected epoch at the end of the
    block, unless the block ends by an exception, and records the run. The copy is in main memory;
    ``restore="last"`` makes no copy. If you validate an average of the weights, such as
    ``torch.optim.swa_utils.AveragedModel``, pass that average as ``model``.

    In a process group of ``torch.distributed``, all ranks get the errors of rank 0, so they stop
    together; only rank 0 records. The other arguments are those of :class:`Stopper`.

    >>> import torch
    >>> model = torch.nn.Linear(1, 1)
    >>> with TorchStopper("UP(1, k=1)", model) as stopper:
    ...     for epoch, error in enumerate([0.5, 0.4, 0.6, 0.3], start=1):
    ...         if stopper.update(val=torch.tensor(error), epoch=epoch):
    ...             break
    >>> stopper.reason
    'UP 1 >= 1 at epoch 3; best epoch 2'
    """

    def __init__(
        self,
        criterion: Rule | str,
        model: Any,
        **options: Unpack[StopperOptions],
    ) -> None:
        super().__init__(criterion, **options)
        self.model = model
        self._weights = Weights()

    def update(
        self, *, val: Any = None, train: Any = None, epoch: Any = None, **channels: Any
    ) -> bool:
        """Like :meth:`Stopper.update`; 0-d tensors are accepted."""
        told = {"val": val, "train": train, **channels}
        stops = super().update(epoch=epoch, **of_rank_0(told))
        self._weights.keep(self, lambda: copied(self.model))
        return stops

    def close(self) -> None:
        """Like :meth:`Stopper.close`, only on rank 0."""
        if _ranks() == 1 or distributed.get_rank() == 0:
            super().close()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self._weights.restore(self, self.model.load_state_dict)
        self.close()

    def state_dict(self) -> dict[str, Any]:
        """Like :meth:`Stopper.state_dict`, with the kept weights: for ``torch.save``."""
        return {**super().state_dict(), **self._weights.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Like :meth:`Stopper.load_state_dict`, with the kept weights."""
        super().load_state_dict(state)
        self._weights.load_state_dict(state)
