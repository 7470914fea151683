"""PyTorch: a stopper for a training loop of one's own, which also restores the weights."""

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
    """The values that rank 0 has, in all processes that train together."""
    values = [v.item() if isinstance(v, torch.Tensor) else v for v in told.values()]
    if _ranks() > 1:
        distributed.broadcast_object_list(values, src=0)
    return dict(zip(told, values, strict=True))


class TorchStopper(Stopper):
    """A :class:`Stopper` that keeps the weights of a ``torch.nn.Module``.

    As a context manager it puts back the weights of the selected epoch at the end of the block,
    unless that ends by an exception, and records the run. The copy is in main memory.
    ``restore="last"`` copies nothing. Where an average of the weights is validated, as of
    ``torch.optim.swa_utils.AveragedModel``, ``model`` is that average.

    In a process group of ``torch.distributed`` all ranks get the errors of rank 0, and so stop
    together; rank 0 alone records. The arguments are otherwise those of :class:`Stopper`.

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
        """As :meth:`Stopper.update`; also 0-d tensors will do."""
        told = {"val": val, "train": train, **channels}
        stops = super().update(epoch=epoch, **of_rank_0(told))
        self._weights.keep(self, lambda: copied(self.model))
        return stops

    def close(self) -> None:
        """As :meth:`Stopper.close`, on rank 0 alone."""
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
        """As :meth:`Stopper.state_dict`, and the weights kept: for ``torch.save``."""
        return {**super().state_dict(), **self._weights.state_dict()}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """As :meth:`Stopper.load_state_dict`, with the weights kept."""
        super().load_state_dict(state)
        self._weights.load_state_dict(state)
