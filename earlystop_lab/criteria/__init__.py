"""What a stopping criterion is, and all built-in rules: pure functions over recorded curves."""

from typing import TYPE_CHECKING

from earlystop_lab.criteria import checkpoint
from earlystop_lab.criteria.catalogue import (
    Program as Program,
    programs as programs,
    usual as usual,
)
from earlystop_lab.criteria.checkpoint import *
from earlystop_lab.criteria.core import (
    Combination as Combination,
    Criterion as Criterion,
    Family as Family,
    Rule as Rule,
    after as after,
    all_of as all_of,
    any_of as any_of,
    criterion as criterion,
)
from earlystop_lab.criteria.rules.automl import *
from earlystop_lab.criteria.rules.boosting import *
from earlystop_lab.criteria.rules.channels import *
from earlystop_lab.criteria.rules.emerging import *
from earlystop_lab.criteria.rules.keras import *
from earlystop_lab.criteria.rules.limits import *
from earlystop_lab.criteria.rules.older import *
from earlystop_lab.criteria.rules.papers import *
from earlystop_lab.criteria.rules.prechelt import *
from earlystop_lab.criteria.rules.pruning import *
from earlystop_lab.criteria.rules.pruning import PRUNERS as PRUNERS
from earlystop_lab.criteria.rules.schedules import *
from earlystop_lab.criteria.rules.search import *
from earlystop_lab.criteria.rules.sklearn import *
from earlystop_lab.criteria.rules.smoothed import *
from earlystop_lab.criteria.rules.torch import *
from earlystop_lab.criteria.rules.training import *
from earlystop_lab.criteria.table import FAMILIES as FAMILIES, parse as parse

if not TYPE_CHECKING:  # mypy knows the names of the imports, but no list that is computed
    __all__ = [
        "after",
        "all_of",
        "any_of",
        "criterion",
        "parse",
        *FAMILIES,
        *PRUNERS,
        *checkpoint.__all__,
    ]
