# /// script
# dependencies = ["optuna==5.0.0"]
# [tool.earlystop]
# formats = ["optuna"]
# ///
"""Optuna's journal, its database and its table of trials: none is a learning curve."""

import optuna
from _numbers import VAL, arguments, done, kept
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

folder = arguments()
optuna.logging.set_verbosity(optuna.logging.WARNING)


def objective(trial):
    for step, value in enumerate(VAL):
        trial.report(value, step)
    return trial.suggest_float("lr", 0, 1)


journal = JournalStorage(JournalFileBackend(str(folder / "journal.log")))
for storage in (journal, f"sqlite:///{folder}/optuna.db"):
    study = optuna.create_study(storage=storage, study_name="tiny")
    study.optimize(objective, n_trials=3)
    study.trials_dataframe().to_csv(folder / "trials.csv")
refused = "a hyperparameter search (Optuna)"
done(*[kept(name, refused=refused) for name in ("journal.log", "optuna.db", "trials.csv")])
