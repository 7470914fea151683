"""Optuna's study database: a hyperparameter search, which is recognised and refused."""

from earlystop_lab.sources.logs._columns import Log
from earlystop_lab.sources.logs._reading import Source
from earlystop_lab.sources.logs._searches import reason
from earlystop_lab.sources.logs._sqlite import columns


def recognises(source: Source) -> bool:
    return {"trials.study_id", "studies.study_name"} <= columns(source)


def read(source: Source) -> list[Log]:
    raise reason("Optuna")
