"""The chosen criterion in training: it stops where the replay of the run's curves does.

:class:`Stopper` is what every adapter asks; there is one module a framework, which imports that
framework, such as :mod:`earlystop_lab.live.keras`.
"""

from earlystop_lab.live.stopper import Statistic, Stopper

__all__ = ["Statistic", "Stopper"]
