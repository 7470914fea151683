"""Optuna: a pruner that ends a trial where the criterion stops."""

from pathlib import Path
from typing import Any

from earlystop_lab._common.names import file_in
from earlystop_lab.criteria import Rule
from earlystop_lab.curves import Channel, CurveSet, Mode
from earlystop_lab.engine.replaying import replay, rule_of
from earlystop_lab.live._adapters import library

with library("optuna"):
    from optuna.pruners import BasePruner
    from optuna.study import StudyDirection


class StopPruner(BasePruner):
    """Prune an Optuna trial by any criterion, at the report at which its replay stops.

    The reported values are validation errors, or scores in a study that maximizes. The position is
    the step plus 1, since Optuna counts from 0. The pruner keeps no state but replays what was
    reported, so it works with every storage and any number of processes. Rules that need training
    errors cannot be used, because a trial reports a single value.

    Parameters
    ----------
    criterion : criterion or str
    upper : float, optional
        Upper bound of the scores, for rules that divide by an error, such as GL.
    record : str or Path, optional
        A folder in which :meth:`record_trial`, passed to the study as a callback, writes every
        finished trial as a run named after the study and the trial's number.

    Examples
    --------

    >>> import optuna
    >>> optuna.logging.set_verbosity(optuna.logging.WARNING)
    >>> study = optuna.create_study(pruner=StopPruner("UP(1, k=1)"))
    >>> trial = study.ask()
    >>> for step, error in enumerate([3.0, 2.0, 2.5]):
    ...     trial.report(error, step)
    ...     print(trial.should_prune())
    False
    False
    True
    """

    def __init__(
        self,
        criterion: Rule | str,
        *,
        upper: float | None = None,
        record: str | Path | None = None,
    ) -> None:
        self.criterion = rule_of(criterion)
        for leaf in self.criterion.leaves:
            if others := [name for name in leaf.channels if name != "val"]:
                what = "training errors" if others == ["train"] else f"the channel {others[0]!r}"
                raise ValueError(f"{leaf} needs {what}, which an Optuna trial cannot report")
        self.upper = upper
        self.record = None if record is None else Path(record)

    def prune(self, study: Any, trial: Any) -> bool:
        """Whether the criterion stops a run with the values reported so far."""
        if not trial.intermediate_values:
            return False
        return bool(replay(self._curve(study, trial), [self.criterion]).fired[0, 0])

    def record_trial(self, study: Any, trial: Any) -> None:
        """Write a finished trial: ``study.optimize(..., callbacks=[pruner.record_trial])``."""
        if self.record is not None and trial.intermediate_values:
            curves = self._curve(study, trial)
            curves.write(file_in(self.record, curves.runs[0]))

    def _curve(self, study: Any, trial: Any) -> CurveSet:
        """What the trial reported, as a run."""
        steps = sorted(trial.intermediate_values)
        run = {
            "run": f"{study.study_name}-{trial.number}",
            "epoch": [step + 1 for step in steps],
            "val": [float(trial.intermediate_values[step]) for step in steps],
        }
        mode: Mode = "max" if study.direction == StudyDirection.MAXIMIZE else "min"
        about = Channel(direction=mode, upper=self.upper)
        return CurveSet.from_runs([run], channels={"val": about})
