"""Search libraries' own rules that see other runs, told one report after another.

Each class is made with the rule's parameters. ``report(run, position, error)`` says whether the
library stops the run; ``done(run)`` tells it that the run came to its end.
"""

from types import SimpleNamespace


class _Optuna:
    def __init__(self, pruner):
        import optuna

        optuna.logging.set_verbosity(optuna.logging.ERROR)
        self.study = optuna.create_study(pruner=pruner)
        self.trials, self.pruned = {}, optuna.trial.TrialState.PRUNED

    def report(self, run, position, error):
        if run not in self.trials:
            self.trials[run] = self.study.ask(), []
        trial, errors = self.trials[run]
        errors.append(error)
        trial.report(error, position - 1)  # Optuna counts from 0
        if trial.should_prune():
            self.study.tell(trial, state=self.pruned)
            return True
        return False

    def done(self, run):
        self.study.tell(self.trials[run][0], 0.0)


class OptunaPercentile(_Optuna):
    def __init__(self, percentile, **params):
        from optuna.pruners import PercentilePruner

        super().__init__(PercentilePruner(percentile, **params))


class OptunaHalving(_Optuna):
    def __init__(self, **params):
        from optuna.pruners import SuccessiveHalvingPruner

        super().__init__(SuccessiveHalvingPruner(**params))


class OptunaWilcoxon(_Optuna):
    def __init__(self, **params):
        from optuna.pruners import WilcoxonPruner

        super().__init__(WilcoxonPruner(**params))

    def done(self, run):
        # the mean, as in Optuna's own example; a trial whose value is NaN has failed
        trial, errors = self.trials[run]
        mean = sum(errors) / len(errors)
        if mean == mean:
            self.study.tell(trial, mean)
        else:
            from optuna.trial import TrialState

            self.study.tell(trial, state=TrialState.FAIL)


class _SyneTune:
    def report(self, run, position, error):
        from syne_tune.optimizer.scheduler import SchedulerDecision

        if run not in self.trials:
            from datetime import datetime

            from syne_tune.backend.trial_status import Trial

            self.trials[run] = Trial(run, {"x": 0.5}, datetime.now())
            self.add(self.trials[run])
        told = {"error": error, "epoch": position}
        decision = self.rule.on_trial_result(self.trials[run], told)
        return decision == SchedulerDecision.STOP

    def add(self, trial):
        pass

    def done(self, run):
        pass


class SyneTuneMedian(_SyneTune):
    def __init__(self, **params):
        from syne_tune.optimizer.scheduler import SchedulerDecision
        from syne_tune.optimizer.schedulers.median_stopping_rule import MedianStoppingRule

        goes_on = SimpleNamespace(
            metric="error", on_trial_result=lambda trial, result: SchedulerDecision.CONTINUE
        )
        self.trials, self.rule = {}, MedianStoppingRule(goes_on, "epoch", **params)


class SyneTuneASHA(_SyneTune):
    def __init__(self, **params):
        from syne_tune.config_space import uniform
        from syne_tune.optimizer.schedulers.asha import AsynchronousSuccessiveHalving

        self.trials = {}
        self.rule = AsynchronousSuccessiveHalving(
            {"x": uniform(0, 1)}, "error", time_attr="epoch", random_seed=0, **params
        )

    def add(self, trial):
        self.rule.on_trial_add(trial)


class AxPercentile:
    """The strategy itself, on what it asks of an experiment."""

    def __init__(self, n_best_trials_to_complete, **params):
        import logging

        from ax.core.trial_status import TrialStatus
        from ax.early_stopping.strategies import PercentileEarlyStoppingStrategy

        for each in ("base", "percentile", "utils"):
            logging.getLogger(f"ax.early_stopping.strategies.{each}").setLevel(logging.ERROR)
        self.rule = PercentileEarlyStoppingStrategy(
            metric_signatures=["error"],
            n_best_trials_to_complete=n_best_trials_to_complete or None,
            **params,
        )
        self.completed, self.rows, self.status = set(), [], TrialStatus

    def report(self, run, position, error):
        from ax.core.data import Data
        from pandas import DataFrame

        self.rows.append((run, position, error))
        frame = DataFrame(self.rows, columns=["trial_index", "step", "mean"])
        names = {"metric_name": "error", "metric_signature": "error", "sem": float("nan")}
        data = Data(df=frame.assign(arm_name=frame["trial_index"].map("{}_0".format), **names))
        metric = SimpleNamespace(name="error", signature="error", lower_is_better=True)
        experiment = SimpleNamespace(
            lookup_data=lambda: data,
            trials={},
            trial_indices_by_status={self.status.COMPLETED: self.completed},
            signature_to_metric={"error": metric},
        )
        return run in self.rule.should_stop_trials_early({run}, experiment)

    def done(self, run):
        self.completed.add(run)


#: rule -> the module that has to be there, its package, what drives it
DRIVEN = {
    "OptunaPercentile": ("optuna", "optuna", OptunaPercentile),
    "OptunaHalving": ("optuna", "optuna", OptunaHalving),
    "OptunaWilcoxon": ("optuna", "optuna", OptunaWilcoxon),
    "SyneTuneMedian": ("syne_tune", "syne-tune", SyneTuneMedian),
    "SyneTuneASHA": ("syne_tune", "syne-tune", SyneTuneASHA),
    "AxPercentile": ("ax", "ax-platform", AxPercentile),
}
