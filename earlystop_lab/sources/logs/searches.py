"""Hyperparameter searches: a row a trial is no learning curve, so they are refused by name."""

from earlystop_lab.sources.logs import generic
from earlystop_lab.sources.logs._cells import LogError
from earlystop_lab.sources.logs._columns import Log
from earlystop_lab.sources.logs._reading import Source
from earlystop_lab.sources.logs._sqlite import columns as columns_of_database
from earlystop_lab.sources.logs.tables import columns

_OPTUNA = "for the curves of its trials write trial.intermediate_values with trial, step and value"
#: the program, columns by which its searches are known, and how to get curves
_SEARCHES = (
    ("Optuna", {"trials.study_id", "studies.study_name"}, _OPTUNA),
    ("Optuna", {"op_code", "worker_id"}, _OPTUNA),
    ("Optuna", {"number", "datetime_start", "datetime_complete", "state"}, _OPTUNA),
    ("FLAML", {"record_id", "learner", "trial_time"}, "train its best model and record that"),
    (
        "scikit-learn",
        {"params", "mean_test_score", "rank_test_score"},
        "train its best estimator and record that",
    ),
)


def recognises(source: Source) -> bool:
    return _search(source) is not None


def read(source: Source) -> list[Log]:
    if (found := _search(source)) is None:
        raise LogError("no hyperparameter search of a known program")
    program, way = found
    raise LogError(
        f"a hyperparameter search of {program}, whose rows are trials and no learning curve; {way}"
    )


def _search(source: Source) -> tuple[str, str] | None:
    """The program that searched, and how to get curves; None where it is something else."""
    names = {*columns_of_database(source)}
    if not names:
        rows = generic.json_rows(source) if source.is_json else None
        names = {*(columns(source) if rows is None else rows.columns)}
    return next(((program, way) for program, told, way in _SEARCHES if told <= names), None)
