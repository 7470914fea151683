"""A growing channel: its values and which of them were measured, in little memory."""

import math
from array import array
from bisect import bisect_left
from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from earlystop_lab.curves import FloatArray


class Growing:
    """The values of a channel so far (NaN if not measured), and where it was measured.

    >>> channel = Growing(missing=1)
    >>> channel.append(0.5)
    >>> channel.append(None)
    >>> channel.tolist()
    [None, 0.5, None]
    """

    def __init__(self, missing: int = 0) -> None:
        self._values = array("d", [math.nan]) * missing
        self._measured = array("b", [False]) * missing

    @classmethod
    def of(cls, values: Iterable[float | None]) -> Self:
        """Make one from a list; None means not measured."""
        made = cls()
        for value in values:
            made.append(value)
        return made

    def __len__(self) -> int:
        return len(self._values)

    def __getitem__(self, at: int) -> float | None:
        return self._values[at] if self._measured[at] else None

    def tolist(self) -> list[float | None]:
        """All values as a list; None means not measured."""
        there = zip(self._values, self._measured, strict=True)
        return [value if measured else None for value, measured in there]

    def since(self, start: int) -> FloatArray:
        """A copy of the values from there on, because a growing array must not be shared."""
        return np.array(self._values[start:])

    @property
    def measured(self) -> NDArray[np.bool_]:
        """A copy of the mask of measured values."""
        return np.array(self._measured, np.bool_)

    def masked(self) -> Any:
        """All values as an array, masked where not measured."""
        return np.ma.array(self.since(0), mask=~self.measured)

    def append(self, value: float | None) -> None:
        """Append a value; None means not measured."""
        self._values.append(math.nan if value is None else value)
        self._measured.append(value is not None)

    def extend(self, values: ArrayLike, measured: ArrayLike) -> None:
        """Append values, with a mask of those that were measured."""
        self._values.frombytes(np.asarray(values, np.float64).tobytes())
        self._measured.frombytes(np.asarray(measured, np.int8).tobytes())

    def cut(self, kept: int) -> None:
        """Keep only the first ``kept`` values."""
        del self._values[kept:], self._measured[kept:]

    def position(self, value: float) -> int:
        """The index of a value in an increasing channel, or where it would be inserted."""
        return bisect_left(self._values, value)
