"""What an answer depends on, as data: an enumerated reason and its numbers."""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, NamedTuple


class Reason(NamedTuple):
    """One thing that an answer depends on. The room :mod:`report` has a message for each."""

    #: a member of an enumeration of its study
    what: StrEnum
    #: the numbers and names in the message
    numbers: Mapping[str, Any]
