"""Hyperparameter searches: one row per trial, which is not a learning curve."""

import re
from collections.abc import Sequence
from itertools import pairwise

from earlystop_lab.sources.logs._cells import LogError
from earlystop_lab.sources.logs._channels import is_position
from earlystop_lab.sources.logs._columns import Log

#: columns by which a program's table of trials is known, in lower case
_BY_COLUMNS: Sequence[tuple[str, frozenset[str]]] = (
    ("FLAML", frozenset({"record_id", "learner"})),
    ("FLAML", frozenset({"iter_per_learner"})),
    ("Optuna", frozenset({"number", "value", "state"})),
    ("Optuna", frozenset({"datetime_start", "datetime_complete"})),
    ("Optuna", frozenset({"op_code", "worker_id"})),
    ("Hyperopt", frozenset({"tid", "misc/tid"})),
    ("Ax", frozenset({"arm_name", "trial_index"})),
    ("AutoGluon's leaderboard", frozenset({"model", "score_val", "pred_time_val"})),
    ("H2O's leaderboard", frozenset({"model_id", "mean_per_class_error"})),
)
#: columns of scikit-learn's cv_results_
_OF_SKLEARN = re.compile(r"(?:rank|mean|std)_test_\w+|mean_fit_time|params?(?:_.+)?")
#: columns of settings
_SETTING = re.compile(r"(?:config|params?|hparams|hp|hyperparameters?)[_/.].+", re.IGNORECASE)
_BY_TEXT = (
    ("Optuna", re.compile(r"\bTrial \d+ (?:finished with values?|pruned)\b")),
    ("Keras Tuner", re.compile(r"^Trial \d+ Complete\b", re.MULTILINE)),
    ("scikit-learn", re.compile(r"^\[CV(?: \d+/\d+)?\]", re.MULTILINE)),
    ("FLAML", re.compile(r"\[flaml\.")),
    ("Hyperopt", re.compile(r"\btrial/s, best loss:")),
)
#: the share of rows with other settings than the row before from which on each is a trial
_MOST = 0.8


def refuse(log: Log) -> None:
    """Raise :class:`LogError` where each row of a log is a trial of a search."""
    names = {name.lower() for name in log.columns}
    program = next((program for program, known in _BY_COLUMNS if known <= names), None)
    if program is None and sum(_OF_SKLEARN.fullmatch(name) is not None for name in names) > 2:
        program = "scikit-learn's cv_results_"
    if program is not None or _is_of_trials(log):
        raise reason(program)


def refuse_text(text: str) -> None:
    """The same of what a search printed."""
    for program, line in _BY_TEXT:
        if line.search(text):
            raise reason(program)


def reason(program: str | None) -> LogError:
    """Why a search is refused, and what to import instead."""
    by = f" ({program})" if program else ""
    way = "import the training logs of single trials instead"
    if program == "Optuna":
        way += ", or a table with trial, step and value made from each trial's intermediate_values"
    return LogError(
        f"a hyperparameter search{by} with one row per trial and no learning curves; {way}"
    )


def _is_of_trials(log: Log) -> bool:
    """Whether almost every row has other settings than the one before."""
    settings = [name for name in log.columns if _SETTING.fullmatch(name) and not is_position(name)]
    if not settings or len(log) < 3:
        return False
    rows = [*zip(*(map(str, log.cells(name)) for name in settings), strict=True)]
    changes = sum(one != other for one, other in pairwise(rows))
    return changes >= _MOST * (len(rows) - 1)
