"""What a stopping criterion is, and every rule: pure functions over recorded curves."""

from earlystop_lab.criteria import checkpoint, rules
from earlystop_lab.criteria.checkpoint import *
from earlystop_lab.criteria.core import Combination as Combination
from earlystop_lab.criteria.core import Criterion as Criterion
from earlystop_lab.criteria.core import Family as Family
from earlystop_lab.criteria.core import Rule as Rule
from earlystop_lab.criteria.core import after, all_of, any_of, criterion
from earlystop_lab.criteria.rules import *
from earlystop_lab.criteria.table import FAMILIES as FAMILIES
from earlystop_lab.criteria.table import parse

__all__ = ["after", "all_of", "any_of", "criterion", "parse"]
__all__ += rules.__all__
__all__ += checkpoint.__all__
