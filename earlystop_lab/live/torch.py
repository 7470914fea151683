"""PyTorch: a stopper for your own training loop, and what rules on gradients watch.

The functions return numbers for ``stopper.update``, under the name of the channel:

>>> import torch
>>> model = torch.nn.Linear(1, 1, bias=False)
>>> batches = [torch.tensor([[1.0]]), torch.tensor([[3.0]])]
>>> gradient_disparity(model, (model(x).sum() for x in batches))
2.0
"""

import math
from collections.abc import Iterable, Mapping
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
    for name, value in told.items():
        if isinstance(value, torch.Tensor) and value.numel() != 1:
            raise ValueError(f"{name} = a tensor of shape {tuple(value.shape)}; expected a number")
    values = [v.item() if isinstance(v, torch.Tensor) else v for v in told.values()]
    if _ranks() > 1:
        distributed.broadcast_object_list(values, src=0)
    return dict(zip(told, values, strict=True))


def _gradient(model: Any, loss: Any, *, again: bool = False) -> Any:
    """The gradient of a loss by all parameters that are trained; its graph may be used again."""
    trained = [each for each in model.parameters() if each.requires_grad]
    parts = torch.autograd.grad(
        loss, trained, retain_graph=again, allow_unused=True, materialize_grads=True
    )
    return torch.cat([part.reshape(-1) for part in parts])


def gradient_disparity(model: Any, losses: Iterable[Any]) -> float:
    """Mean distance between the gradients of batches: the channel of :data:`GradientDisparity`.

    Parameters
    ----------
    model : torch.nn.Module
    losses : iterable of Tensor
        The loss of each batch, of which the paper takes five, computed anew at the same weights; a
        generator keeps one graph at a time.

    Raises
    ------
    ValueError
        If there are fewer than two batches.
    """
    parts = [_gradient(model, loss) for loss in losses]
    if len(parts) < 2:
        raise ValueError(f"gradient_disparity: {len(parts)} batches; expected at least 2")
    pairs = [(a - b).norm() for i, a in enumerate(parts) for b in parts[:i]]
    return float(torch.stack(pairs).mean())


def evidence(model: Any, losses: Iterable[Any], *, eps: float = 1e-5) -> float:
    """1 - (B / D) sum_j g_j^2 / (S_j + eps): the channel of :data:`EvidenceBased`.

    Parameters
    ----------
    model : torch.nn.Module
    losses : iterable of Tensor
        The loss of each of the B samples of a batch, for example ``reduction="none"``. Every one is
        differentiated alone, which takes the time of B batches.
    eps : float
        Added to the variance S_j of each component of the gradient, over the samples.

    Raises
    ------
    ValueError
        If there are fewer than two samples.
    """
    # the graph of a batch is shared by its samples
    count, total, squares = 0, torch.zeros(()), torch.zeros(())
    for loss in losses:
        one = _gradient(model, loss, again=True).double()
        # Welford's sums, which do not cancel
        count += 1
        before = one - total
        total = total + before / count
        squares = squares + before * (one - total)
    if count < 2:
        raise ValueError(f"evidence: {count} samples; expected at least 2")
    noise = squares / (count - 1) + eps
    return float(1 - count * (total * total / noise).mean())


def largest_gradient(model: Any) -> float:
    """Largest sum of absolute gradients of a weight matrix: the channel of :data:`GradES`.

    Reads the gradients that ``backward`` left; NaN if no matrix has one.

    Parameters
    ----------
    model : torch.nn.Module
    """
    norms = [
        float(each.grad.abs().sum())
        for each in model.parameters()
        if each.grad is not None and each.ndim > 1
    ]
    return max(norms, default=math.nan)


class GradientTrace:
    """The channels of :data:`PflugDiagnostic` and :data:`DistanceDiagnostic`.

    Call :meth:`step` after each ``backward``, and pass ``**trace.channels()`` to the stopper: the
    sum of the products of successive gradients since the last check, and the distance from the
    weights at the beginning.

    >>> import torch
    >>> model = torch.nn.Linear(1, 1, bias=False)
    >>> trace = GradientTrace(model)
    >>> for x in (1.0, 3.0):
    ...     model.zero_grad()
    ...     model(torch.tensor([[x]])).sum().backward()
    ...     trace.step()
    >>> trace.channels()
    {'gradient_product': 3.0, 'distance': 0.0}
    """

    def __init__(self, model: Any) -> None:
        self.model = model
        self._start = [each.detach().clone() for each in model.parameters()]
        self._last: list[Any] | None = None
        self._product = math.nan

    def step(self) -> None:
        """Add the product of the gradient with the one before."""
        now = [
            None if each.grad is None else each.grad.detach().clone()
            for each in self.model.parameters()
        ]
        if self._last is not None:
            pairs = zip(now, self._last, strict=True)
            found = (float((a * b).sum()) for a, b in pairs if a is not None and b is not None)
            before = 0.0 if math.isnan(self._product) else self._product
            self._product = before + sum(found)
        self._last = now

    def channels(self) -> dict[str, float]:
        """The values of a check; the product is NaN if there was none since the last."""
        product, self._product = self._product, math.nan
        pairs = zip(self.model.parameters(), self._start, strict=True)
        squares = sum(float((now.detach() - then).square().sum()) for now, then in pairs)
        return {"gradient_product": product, "distance": math.sqrt(squares)}


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
