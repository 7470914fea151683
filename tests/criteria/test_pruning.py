"""Rules that see other runs: against plain loops, goldens and the libraries' own code."""

import doctest
import importlib.util
import math
import os
from importlib.metadata import version
from itertools import pairwise

import numpy as np
import pruner_drivers
import pytest

from earlystop_lab import Channel, CurveSet, Keras, any_of, parse, replay
from earlystop_lab.criteria import PRUNERS
from earlystop_lab.criteria.pruners import pruner
from earlystop_lab.engine.into_files import replay_to_file

#: sets that a rule is tried on: 240 in make verify
SETS = int(os.environ.get("EARLYSTOP_SETS", "80"))
#: fewer in a usual run where a test takes long: with ties, SciPy tries all signs of the differences
FEWER = {"OptunaWilcoxon": int(os.environ.get("EARLYSTOP_SETS", "10"))}
#: the parameters that each is tried with
GRIDS = {
    "SyneTuneMedian": {
        "rank_cutoff": [0.25, 0.5, 0.75],
        "grace_time": [0, 1, 3],
        "grace_population": [0, 2, 5],
        "running_average": [True, False],
    },
    "SyneTuneASHA": {
        "reduction_factor": [2, 3, 4],
        "grace_period": [1, 2, 3],
        "max_t": [3, 9, 20, 100],
    },
    "AxPercentile": {
        "percentile_threshold": [25, 50, 75],
        "min_progression": [2, 3, 5],
        "max_progression": [None, 7],
        "min_curves": [0, 1, 3],
        "patience": [0, 1, 2],
        "n_best_trials_to_complete": [0, 1, 2],
    },
    "OptunaPercentile": {
        "percentile": [0, 25, 50, 75, 100],
        "n_startup_trials": [0, 1, 3],
        "n_warmup_steps": [0, 1, 3],
        "interval_steps": [1, 2, 3],
        "n_min_trials": [1, 2],
    },
    "OptunaHalving": {
        "reduction_factor": [2, 3, 4],
        "min_resource": [1, 2, 3],
        "min_early_stopping_rate": [0, 1],
        "bootstrap_count": [0, 1, 2],
    },
    "OptunaWilcoxon": {"p_threshold": [0.0, 0.1, 0.3, 0.5], "n_startup_steps": [0, 2, 4]},
    "FoldStopping": {"excess": [0, 0.125], "kind": ["forgiving", "aggressive"]},
}


def random_set(rng, most):
    """Up to so many runs and reports, most of one length: ties are common, some are NaN."""
    length = int(rng.integers(1, most + 1))
    step = int(rng.integers(1, 3)) if rng.random() < 0.3 else 1
    runs = []
    for _ in range(int(rng.integers(1, most + 1))):
        n = length if rng.random() < 0.7 else int(rng.integers(1, length + 1))
        fall = 1 / (1 + np.arange(n) * rng.random()) + rng.random()
        # eighths, so that sums and interpolated values are exact
        errors = np.round(8 * (fall + rng.choice([0.0, 0.1, 0.4]) * rng.random(n))) / 8
        errors[rng.random(n) < rng.choice([0.0, 0.0, 0.15])] = np.nan
        positions = np.arange(1, n + 1) * step
        if rng.random() < 0.15:  # leaves some out
            kept = np.sort(rng.choice(n, int(rng.integers(1, n + 1)), replace=False))
            positions, errors = positions[kept], errors[kept]
        runs.append((positions.tolist(), errors.tolist()))
    return runs


def trials(name):
    rng = np.random.default_rng(len(name))
    for _ in range(FEWER.get(name, SETS)):
        params = {key: some[rng.integers(len(some))] for key, some in GRIDS[name].items()}
        most = (
            8 if name == "AxPercentile" else 12
        )  # which takes some hundredths of a second a report
        yield random_set(rng, most), params, [None, 1, 2, 3][rng.integers(4)]


def replayed(name, runs, params, workers):
    """The number of reports after which each run is stopped; None where it is not."""
    curves = CurveSet.from_runs([{"epoch": at, "val": errors} for at, errors in runs])
    stops = replay(curves, [PRUNERS[name](**params, workers=workers)])
    return [
        curves[i].epoch.tolist().index(stops.stop[i, 0]) + 1 if stops.fired[i, 0] else None
        for i in range(len(runs))
    ]


def arrivals(runs, workers, report, done):
    """The reports in the order of their times, by looking at all clocks at every tick.

    ``report(run, position, error)`` says whether the run is stopped; ``done(run)`` is told of those
    that are not. Positions are whole numbers.
    """
    waiting, at_work = list(range(len(runs))), {}
    stopped = [None] * len(runs)
    clock = 0
    while waiting or at_work:
        while waiting and (workers is None or len(at_work) < workers):
            at_work[waiting.pop(0)] = clock
        for run in sorted(at_work):
            positions, errors = runs[run]
            if clock - at_work[run] in positions:
                check = positions.index(clock - at_work[run])
                if report(run, positions[check], errors[check]):
                    stopped[run] = check + 1
                elif check + 1 == len(positions):
                    done(run)
                else:
                    continue
                del at_work[run]
                if waiting:
                    at_work[waiting.pop(0)] = clock
        clock += 1
    return stopped


# -- the same rules again, as plainly as they can be said -------------------------------------


class Median:
    def __init__(self, rank_cutoff, grace_time, grace_population, running_average):
        self.params = rank_cutoff, grace_time, grace_population
        self.average, self.seen, self.own = running_average, {}, {}

    def report(self, run, position, error):
        cutoff, time, population = self.params
        own = self.own.setdefault(run, [])
        own.append(error)
        value = sum(own) / len(own) if self.average else error
        others = self.seen.setdefault(position, [])
        better = sum(1 for each in others if each < value or (value != value and each == each))
        others.append(value)
        if len(others) < population or position < time:
            return False
        return better / len(others) > cutoff

    def done(self, run):
        pass


class ASHA:
    def __init__(self, reduction_factor, grace_period, max_t):
        self.eta, self.end = reduction_factor, max_t
        self.rungs = {}
        milestone = grace_period
        while milestone <= max_t:
            self.rungs[milestone] = {}
            milestone *= reduction_factor

    def report(self, run, position, error):
        if position >= self.end:
            return True
        open_ = [at for at, found in self.rungs.items() if at <= position and run not in found]
        if not open_:
            return False
        rung = self.rungs[max(open_)]
        rung[run] = error
        better = sum(1 for each in rung.values() if each < error)
        return len(rung) > 1 and better / len(rung) > 1 / self.eta

    def done(self, run):
        pass


class AxRule:
    def __init__(self, **params):
        self.__dict__.update(params)
        self.reports, self.complete = {}, 0

    def at(self, run, position):
        """The error of a run at a position, interpolated between two of its own; None outside."""
        known = sorted((p, e) for p, e in self.reports[run] if e == e)
        for p, e in known:
            if p == position:
                return e
        for (p, e), (q, f) in pairwise(known):
            if p < position < q:
                return e + (f - e) * (position - p) / (q - p)
        return None

    def report(self, run, position, error):
        self.reports.setdefault(run, []).append((position, error))
        own = [p for p, e in self.reports[run] if e == e]
        if self.complete < self.min_curves or not own or own[-1] < self.min_progression:
            return False
        if self.max_progression is not None and own[-1] > self.max_progression:
            return False
        all_positions = {p for reports in self.reports.values() for p, _ in reports}
        window = [p for p in all_positions if own[-1] - self.patience <= p <= own[-1]]
        for p in window:
            row = {r: self.at(r, p) for r in self.reports}
            row = {r: e for r, e in row.items() if e is not None}
            if len(row) < self.min_curves or run not in row:
                return False
            if len({e for e in row.values() if e <= row[run]}) <= self.n_best_trials_to_complete:
                return False
            ordered = sorted(row.values())
            place = (len(ordered) - 1) * (1 - self.percentile_threshold / 100)
            low, part = int(place), place - int(place)
            high = min(low + 1, len(ordered) - 1)
            if not row[run] > ordered[low] + part * (ordered[high] - ordered[low]):
                return False
        return True

    def done(self, run):
        self.complete += 1


class Percentile:
    def __init__(self, percentile, n_startup_trials, n_warmup_steps, interval_steps, n_min_trials):
        self.percentile, self.startup, self.warmup = percentile, n_startup_trials, n_warmup_steps
        self.interval, self.least = interval_steps, n_min_trials
        self.reports, self.complete = {}, []

    def report(self, run, position, error):
        own = self.reports.setdefault(run, {})
        # the interval that a step belongs to, counted from the warm-up
        intervals = [(step - self.warmup) // self.interval for step in own]
        step = position - 1
        own[step] = error
        if not self.complete or len(self.complete) < self.startup or step < self.warmup:
            return False
        if (step - self.warmup) // self.interval in intervals:
            return False
        numbers = [e for e in own.values() if e == e]
        if not numbers:
            return True
        there = [self.reports[r][step] for r in self.complete if step in self.reports[r]]
        others = sorted(e for e in there if e == e)
        if len(there) < self.least or not others:
            return False
        place = (len(others) - 1) * self.percentile / 100
        low, part = int(place), place - int(place)
        high = min(low + 1, len(others) - 1)
        return min(numbers) > others[low] + part * (others[high] - others[low])

    def done(self, run):
        self.complete.append(run)


class Halving:
    def __init__(self, reduction_factor, min_resource, min_early_stopping_rate, bootstrap_count):
        self.eta, self.first = reduction_factor, min_resource
        self.rate, self.bootstrap = min_early_stopping_rate, bootstrap_count
        self.rungs, self.next = {}, {}

    def report(self, run, position, error):
        while position - 1 >= self.first * self.eta ** (self.rate + self.next.get(run, 0)):
            if error != error:
                return True
            rung = self.rungs.setdefault(self.next.get(run, 0), [])
            rung.append(error)
            self.next[run] = self.next.get(run, 0) + 1
            go_on = sorted(rung)[: max(len(rung) // self.eta, 1)]
            if len(rung) <= self.bootstrap or error > go_on[-1]:
                return True
        return False

    def done(self, run):
        pass


class Wilcoxon:
    """The exact distribution of the sum of ranks, by trying all signs; ties and zeros by hand."""

    def __init__(self, p_threshold, n_startup_steps):
        self.level, self.least = p_threshold, n_startup_steps
        self.reports, self.best = {}, None

    def report(self, run, position, error):
        own = self.reports.setdefault(run, {})
        own[position] = error
        if self.best is None or not all(map(math.isfinite, [*own.values(), *self.best.values()])):
            return False
        away = np.array([own[p] - self.best[p] for p in sorted(own) if p in self.best])
        if len(away) < max(2, self.least):
            return False
        if sum(own.values()) / len(own) <= sum(self.best.values()) / len(self.best):
            return False
        ranks = [
            sum(abs(o) < abs(a) for o in away) + (1 + sum(abs(o) == abs(a) for o in away)) / 2
            for a in away
        ]
        # zeros count half on either side, the others have either sign
        sums = [sum(r for r, a in zip(ranks, away, strict=True) if a == 0) / 2]
        above = sums[0] + sum(r for r, a in zip(ranks, away, strict=True) if a > 0)
        for r, a in zip(ranks, away, strict=True):
            sums = [s + add for s in sums for add in (0, r)] if a else sums
        p = sum(s >= above for s in sums) / len(sums)
        return bool(p < self.level)

    def done(self, run):
        values = list(self.reports[run].values())
        mean = sum(values) / len(values)
        known = self.best and sum(self.best.values()) / len(self.best)
        if mean == mean and (self.best is None or mean < known):
            self.best = self.reports[run]


class Fold:
    def __init__(self, excess, kind):
        self.excess, self.kind = excess, kind
        self.reports, self.best = {}, None

    def report(self, run, position, error):
        own = self.reports.setdefault(run, [])
        own.append(error)
        if self.best is None:
            return False
        beat = max(self.best) if self.kind == "forgiving" else sum(self.best) / len(self.best)
        return sum(own) / len(own) - beat >= self.excess

    def done(self, run):
        own = self.reports[run]
        mean = sum(own) / len(own)
        if mean == mean and (self.best is None or mean < sum(self.best) / len(self.best)):
            self.best = own


PLAIN = {
    "SyneTuneMedian": Median,
    "SyneTuneASHA": ASHA,
    "AxPercentile": AxRule,
    "OptunaPercentile": Percentile,
    "OptunaHalving": Halving,
    "OptunaWilcoxon": Wilcoxon,
    "FoldStopping": Fold,
}


@pytest.mark.parametrize("name", PRUNERS)
def test_the_rule_is_its_restatement(name):
    tried = 0
    for runs, params, workers in trials(name):
        if name == "SyneTuneASHA" and any(e != e for _, errors in runs for e in errors):
            continue  # what it does with NaN cannot be said plainly
        plain = PLAIN[name](**params)
        expected = arrivals(runs, workers, plain.report, plain.done)
        assert replayed(name, runs, params, workers) == expected, (runs, params, workers)
        tried += 1
    assert tried >= FEWER.get(name, SETS) / 5


@pytest.mark.parametrize("name", pruner_drivers.DRIVEN)
@pytest.mark.filterwarnings("ignore")  # a library's own warnings are not ours to fix
def test_the_rule_is_the_library_s_own(name, record_property):
    module, package, driver = pruner_drivers.DRIVEN[name]
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed: make verify installs it")
    found, tried = [], FEWER.get(name, SETS)
    for runs, params, workers in trials(name):
        library = driver(**params)
        expected = arrivals(runs, workers, library.report, library.done)
        if replayed(name, runs, params, workers) != expected:
            found.append((runs, params, workers, expected))
    record_property("verified", (package, version(package), name, tried, len(found)))
    assert found == []


# -- what holds for every one -----------------------------------------------------------------

#: runs of ten epochs that end in the order of their names, each parallel to the others
PARALLEL = [{"run": f"run {k}", "val": [2 - t / 10 + k for t in range(10)]} for k in range(4)]


@pytest.mark.parametrize("name", PRUNERS)
def test_the_example_of_its_documentation(name):
    text = PRUNERS[name].__doc__
    examples = doctest.DocTestParser().get_doctest(text, {}, name, None, 0)
    assert examples.examples
    report = []
    doctest.DocTestRunner(verbose=False).run(examples, out=report.append)
    assert report == []


@pytest.mark.parametrize("name", PRUNERS)
def test_the_text_form_is_read_back(name):
    for _, params, workers in [*trials(name)][:20]:
        rule = PRUNERS[name](**params, workers=workers, seed=3)
        assert parse(str(rule), PRUNERS) == rule
    bound = PRUNERS[name](val="val_loss")
    assert str(bound).endswith("val='val_loss')")
    assert parse(str(bound), PRUNERS) == bound


@pytest.mark.parametrize("name", PRUNERS)
def test_nothing_later_matters(name):
    """What a run reports after it was stopped, and what comes after a run, changes nothing."""
    rng = np.random.default_rng(3)
    for runs, params, workers in [*trials(name)][:30]:
        stopped = replayed(name, runs, params, workers)
        later = [
            (at, [e if n is None or i < n else float(rng.random()) for i, e in enumerate(errors)])
            for (at, errors), n in zip(runs, stopped, strict=True)
        ]
        assert replayed(name, later, params, workers) == stopped
        if workers == 1 and len(runs) > 1:
            assert replayed(name, runs[:-1], params, workers) == stopped[:-1]


@pytest.mark.parametrize("name", PRUNERS)
def test_scores_are_negated_errors(name):
    for runs, params, workers in [*trials(name)][:10]:
        params = {key: value for key, value in params.items() if key != "excess"}
        rule = PRUNERS[name](**params, workers=workers)
        errors = CurveSet.from_runs([{"epoch": at, "val": values} for at, values in runs])
        scores = CurveSet.from_runs(
            [{"epoch": at, "val": [-v for v in values]} for at, values in runs],
            channels={"val": Channel(direction="max")},
        )
        assert np.array_equal(replay(errors, [rule]).stop, replay(scores, [rule]).stop)


def test_problems_are_searches_of_their_own():
    some = [
        {**run, "run": f"{problem} {run['run']}", "problem": problem}
        for problem in ("a", "b")
        for run in PARALLEL
    ]
    rule = "SyneTuneMedian(0.5, grace_population=2)"
    stops = replay(CurveSet.from_runs(some), [rule]).stop[:, 0]
    alone = replay(CurveSet.from_runs(PARALLEL), [rule]).stop[:, 0]
    assert stops.tolist() == [*alone, *alone]
    assert alone.tolist() == [10, 10, 1, 1]


def test_what_workers_change():
    curves = CurveSet.from_runs(PARALLEL[::-1])
    rules = [f"OptunaPercentile(50, n_startup_trials=1{w})" for w in ("", ", workers=1")]
    # the worst comes first, so one after another are all better than the median so far
    assert replay(curves, rules).stop.T.tolist() == [[10] * 4, [10] * 4]
    curves = CurveSet.from_runs(PARALLEL)
    assert replay(curves, rules).stop.T.tolist() == [[10] * 4, [10, 1, 1, 1]]
    # two begin together, and each next one when a worker is free
    both = replay(curves, ["OptunaPercentile(50, n_startup_trials=1, workers=2)"]).stop
    assert both[:, 0].tolist() == [10, 10, 1, 1]


def test_one_call_has_both_kinds_of_rules():
    curves = CurveSet.from_runs(PARALLEL)
    rules = [Keras(2), "SyneTuneMedian(0.5, grace_population=2)", "any_of(Keras(1), GL(5, k=1))"]
    together = replay(curves, rules)
    for j, rule in enumerate(rules):
        alone = replay(curves, [rule])
        assert np.array_equal(together.stop[:, j], alone.stop[:, 0])
        assert np.array_equal(together.selected[:, j], alone.selected[:, 0])
    assert together.criteria == list(map(str, rules))


@pytest.mark.parametrize("restore", ["best", "lowest", "last", "own", "ModelCheckpoint()"])
def test_which_weights_are_kept(restore):
    curves = CurveSet.from_runs([{"val": [3, 1, 2]}, {"val": [4, 4, 5]}])
    rule = "SyneTuneMedian(0.4, grace_time=3, grace_population=2)"
    stops = replay(curves, [rule], restore=restore)
    assert stops.stop[:, 0].tolist() == [3, 3]
    assert stops.fired[:, 0].tolist() == [False, True]
    best = restore in ("best", "lowest", "own")
    assert stops.selected[:, 0].tolist() == ([2, 1] if best else [3, 3])


def test_the_path_of_a_set_gives_the_same(tmp_path):
    curves = CurveSet.from_runs(PARALLEL)
    curves.write(tmp_path / "curves.parquet")
    rule = "SyneTuneMedian(0.5, grace_population=2, workers=2)"
    there = replay(tmp_path / "curves.parquet", [rule], chunk_size=1, n_jobs=2)
    assert np.array_equal(there.stop, replay(curves, [rule]).stop)
    with pytest.raises(ValueError, match=r"SyneTuneMedian\(.*\) sees other runs"):
        replay_to_file(tmp_path / "curves.parquet", [rule], tmp_path / "stops.csv")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: PRUNERS["SyneTuneASHA"](1), "reduction_factor = 1; expected more than 1"),
        (lambda: PRUNERS["SyneTuneASHA"](2, workers=0), "workers = 0; expected at least 1"),
        (lambda: PRUNERS["SyneTuneASHA"](2, seed=-1), "seed = -1; expected at least 0"),
        (lambda: PRUNERS["FoldStopping"](kind="mild"), "expected one of 'forgiving', 'aggressive'"),
        (lambda: PRUNERS["AxPercentile"](101), "expected at most 100"),
        (lambda: any_of(PRUNERS["SyneTuneASHA"](2), Keras(2)), "is not a criterion"),
        (lambda: parse("SyneTuneASHA(2)"), "SyneTuneASHA sees other runs"),
        (lambda: parse("any_of(SyneTuneASHA(2), GL(2))"), "SyneTuneASHA sees other runs"),
        (
            lambda: replay(CurveSet.from_runs(PARALLEL), [PRUNERS["SyneTuneASHA"]]),
            "SyneTuneASHA has no parameters yet",
        ),
        (
            lambda: replay(CurveSet.from_runs(PARALLEL), ["SyneTuneASHA(2, val='loss')"]),
            "needs the channel 'loss'",
        ),
    ],
)
def test_what_is_wrong_is_said(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_a_pruner_of_ones_own():
    def far(memory, now):
        memory.append(float(now.values[-1]))
        return now.values[-1] - min(memory)

    @pruner(judge=far, threshold="most", passes=">")
    def Far():
        """The error is far above the lowest that any run has reported."""
        return []

    curves = CurveSet.from_runs(PARALLEL)
    assert replay(curves, [Far(1.5)]).stop[:, 0].tolist() == [10, 10, 1, 1]
    assert str(Far(1.5, workers=2)) == "Far(1.5, workers=2)"
