"""The rules, one file a kin, by where people meet them."""

from earlystop_lab.criteria.rules import (
    automl,
    boosting,
    emerging,
    keras,
    limits,
    older,
    papers,
    prechelt,
    sklearn,
    smoothed,
    torch,
)
from earlystop_lab.criteria.rules.automl import *
from earlystop_lab.criteria.rules.boosting import *
from earlystop_lab.criteria.rules.emerging import *
from earlystop_lab.criteria.rules.keras import *
from earlystop_lab.criteria.rules.limits import *
from earlystop_lab.criteria.rules.older import *
from earlystop_lab.criteria.rules.papers import *
from earlystop_lab.criteria.rules.prechelt import *
from earlystop_lab.criteria.rules.sklearn import *
from earlystop_lab.criteria.rules.smoothed import *
from earlystop_lab.criteria.rules.torch import *

__all__: list[str] = []
__all__ += automl.__all__
__all__ += boosting.__all__
__all__ += emerging.__all__
__all__ += keras.__all__
__all__ += limits.__all__
__all__ += older.__all__
__all__ += papers.__all__
__all__ += prechelt.__all__
__all__ += sklearn.__all__
__all__ += smoothed.__all__
__all__ += torch.__all__
