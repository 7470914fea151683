"""Limits of training that do not depend on any error."""

from earlystop_lab.criteria.core import criterion

__all__ = ["MaxEpochs"]


def epoch_step(s: tuple[int], epoch: float) -> tuple[tuple[int], float]:
    """The epoch itself."""
    return s, epoch


@criterion(threshold="n", passes=">=", whole=True, step=epoch_step, watches=(), at_least={"n": 1})
def MaxEpochs() -> tuple[int]:
    """A fixed budget: stop at the first check at epoch ``n`` or later.

    A run recorded for exactly ``n`` epochs fires at its end; a shorter one is censored.

    Parameters
    ----------
    n : int
        The budget, in the unit of the positions, at least 1.

    Notes
    -----
    Statistic: the epoch

    Source: any training loop.

    Verified: worked by hand

    Examples
    --------
    >>> from earlystop_lab import CurveSet, MaxEpochs, replay
    >>> replay(CurveSet.from_runs([{"val": [3.0, 2.0, 1.0]}]), [MaxEpochs(2)]).to_frame()["stop"][0]
    np.int64(2)
    """
    return (0,)
