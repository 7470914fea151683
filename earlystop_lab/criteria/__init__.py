"""What a stopping criterion is, and every rule: pure functions over recorded curves."""

from earlystop_lab.criteria import checkpoint, rules
from earlystop_lab.criteria.checkpoint import *
from earlystop_lab.criteria.core import Combination as Combination
from earlystop_lab.criteria.core import Criterion as Criterion
from earlystop_lab.criteria.core import Family as Family
from earlystop_lab.criteria.core import Rule as Rule
from earlystop_lab.criteria.core import after, all_of, any_of, criterion
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
from earlystop_lab.criteria.table import FAMILIES as FAMILIES
from earlystop_lab.criteria.table import parse

__all__ = ["after", "all_of", "any_of", "criterion", "parse"]
__all__ += checkpoint.__all__
__all__ += rules.automl.__all__
__all__ += rules.boosting.__all__
__all__ += rules.emerging.__all__
__all__ += rules.keras.__all__
__all__ += rules.limits.__all__
__all__ += rules.older.__all__
__all__ += rules.papers.__all__
__all__ += rules.prechelt.__all__
__all__ += rules.sklearn.__all__
__all__ += rules.smoothed.__all__
__all__ += rules.torch.__all__
