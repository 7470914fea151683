"""The rules, one file a kin, by where people meet them."""

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
