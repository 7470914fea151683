"""Criteria during training: a run stops where the replay of its curves would stop.

:class:`Stopper` is used by every adapter. There is one module per framework, such as
:mod:`earlystop_lab.live.keras`, which imports that framework.
"""

from earlystop_lab.live.stopper import Statistic, Stopper

__all__ = ["Statistic", "Stopper"]
