"""Answers in words: what a study found, as text."""

from functools import singledispatch
from typing import Any


@singledispatch
def in_words(found: Any) -> str:
    """What a study found, as text: the answer first, then on what it rests.

    ``found`` is what :func:`recommend`, :func:`calibrate`, ``bench`` or ``replay_study`` return.
    Raises ``TypeError`` for anything else.
    """
    raise TypeError(f"{type(found).__name__} is no answer of a study; expected such as recommend()")
