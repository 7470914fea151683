"""What an answer depends on, as data: an enumerated reason and its numbers."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple


class Reason(NamedTuple):
    """One thing that an answer depends on. The room :mod:`report` has a sentence for each."""

    #: a member of the enumeration of its study
    what: StrEnum
    #: what the sentence names: counts, shares, names
    numbers: Mapping[str, Any]
