"""Rules of other libraries: against plain restatements always, against the library where it is."""

import importlib
import math

import library_drivers
import numpy as np
import pytest

from earlystop_lab import CurveSet, replay
from earlystop_lab.criteria import FAMILIES

INF = math.inf
DELTAS = [0.0, 0.0, 0.01, 0.05, 0.1, 0.2, 1e-4]
COUNTS = [1, 2, 3, 4, 5]
#: rule -> the module of its library, and what to choose its parameters from
RULES = {
    "Lightning": ("lightning", {
        "patience": [0, *COUNTS], "min_delta": [*DELTAS, -0.1], "check_finite": [True, False],
        "stopping_threshold": [None, None, 0.2, 0.5],
        "divergence_threshold": [None, None, 1.5, 3.0],
    }),
    "Ignite": ("ignite", {
        "patience": COUNTS, "threshold": DELTAS, "threshold_mode": ["abs", "rel"],
        "cumulative": [False, True],
    }),
    "HuggingFace": ("transformers", {"patience": [0, *COUNTS], "threshold": DELTAS}),
    "Skorch": ("skorch", {
        "patience": COUNTS, "threshold": DELTAS, "threshold_mode": ["rel", "abs"],
    }),
    "SklearnMLP": ("sklearn", {"n_iter_no_change": COUNTS, "tol": DELTAS}),
    "SklearnSGD": ("sklearn", {"n_iter_no_change": COUNTS, "tol": DELTAS}),
    "SklearnHGB": ("sklearn", {"n_iter_no_change": COUNTS, "tol": DELTAS}),
    "SklearnGB": ("sklearn", {"n_iter_no_change": COUNTS, "tol": DELTAS}),
    "OptunaPatient": ("optuna", {"patience": [0, *COUNTS], "min_delta": DELTAS}),
    "XGBoost": ("xgboost", {"rounds": [0, *COUNTS], "min_delta": DELTAS}),
    "LightGBM": ("lightgbm", {"stopping_rounds": COUNTS, "min_delta": DELTAS}),
}  # fmt: skip


def random_errors(rng):
    """Walks, ties, plateaus, creeping gains, negative values; in some, NaN and infinities."""
    n, digits = int(rng.integers(1, 31)), int(rng.integers(1, 3))
    t = np.arange(n)
    kinds = [
        np.round(np.cumsum(rng.normal(0, 0.2, n)) + 2, digits),
        rng.integers(0, 5, n) / 10,
        np.round(np.repeat(np.exp(-t / 3), rng.integers(1, 5, n))[:n], digits),
        np.round(1 - 0.05 * t - 0.01 * rng.integers(0, 3, n), 2),
        np.round((t - n / 2) ** 2 / n + rng.normal(0, 0.1, n), digits),
        rng.normal(1, 1, n),
        np.full(n, float(rng.integers(0, 3))) - 0.1 * (rng.random(n) < 0.2),
        -np.round(np.log1p(t) / 3 + rng.normal(0, 0.05, n), digits),
    ]
    errors = [float(x) for x in kinds[rng.integers(len(kinds))]]
    if rng.random() < 0.4:
        for _ in range(int(rng.integers(1, 4))):
            errors[int(rng.integers(n))] = [math.nan, math.nan, INF, -INF][int(rng.integers(4))]
    return errors


def trials(name):
    """240 random lists of errors with random parameters of the rule."""
    rng = np.random.default_rng(len(name))
    for _ in range(240):
        choose = {key: some[rng.integers(len(some))] for key, some in RULES[name][1].items()}
        yield random_errors(rng), choose


def replayed(name, errors, params):
    """Stop and restored check of our rule, as indices from 0; None where it does not stop."""
    stops = replay(CurveSet.from_runs([{"val": errors}]), [FAMILIES[name](**params)], restore="own")
    stop = int(stops.stop[0, 0]) - 1 if stops.fired[0, 0] else None
    return stop, int(stops.selected[0, 0]) - 1


# -- plain restatements: (stop, restored) of a list -----------------------------------------


def lightning(vs, patience, min_delta, check_finite, stopping_threshold, divergence_threshold):
    best, wait = INF, 0
    for i, v in enumerate(vs):
        if check_finite and not math.isfinite(v):
            return i, None
        if stopping_threshold is not None and v < stopping_threshold:
            return i, None
        if divergence_threshold is not None and v > divergence_threshold:
            return i, None
        if v + min_delta < best:
            best, wait = v, 0
        else:
            wait += 1
            if wait >= patience:
                return i, None
    return None, None


def ignite(vs, patience, threshold, threshold_mode, cumulative):
    best, n = vs[0], 0
    for i, v in enumerate(vs[1:], start=1):
        limit = best - threshold if threshold_mode == "abs" else best * (1 + threshold)
        if v < limit or math.isnan(v) or math.isnan(limit):
            best, n = v, 0
            continue
        n += 1
        if v < best and not cumulative:
            best = v
        if n >= patience:
            return i, None
    return None, None


def huggingface(vs, patience, threshold):
    best, kept, n = None, None, 0
    for i, v in enumerate(vs):
        n = 0 if best is None or (v < best and abs(v - best) > threshold) else n + 1
        best = INF if best is None else best
        if v < best:
            best, kept = v, i
        if n >= patience:
            return i, kept
    return None, kept


def skorch(vs, patience, threshold, threshold_mode):
    limit, misses, kept = INF, 0, None
    for i, v in enumerate(vs):
        if v < limit:
            limit = v - (threshold * v if threshold_mode == "rel" else threshold)
            misses, kept = 0, i
        else:
            misses += 1
        if misses == patience:
            return i, kept
    return None, kept


def sklearn_mlp(vs, n_iter_no_change, tol, more=1):
    best, kept, count = INF, None, 0
    for i, v in enumerate(vs):
        count = count + 1 if v > best - tol else 0
        if v < best:
            best, kept = v, i
        if count >= n_iter_no_change + more:
            return i, kept
    return None, kept


def sklearn_sgd(vs, n_iter_no_change, tol):
    return sklearn_mlp(vs, n_iter_no_change, tol, more=0)[0], None


def sklearn_hgb(vs, n_iter_no_change, tol):
    n = n_iter_no_change
    for i in range(n, len(vs)):
        if not any(-vs[j] > -vs[i - n] + tol for j in range(i - n + 1, i + 1)):
            return i, None
    return None, None


def sklearn_gb(vs, n_iter_no_change, tol):
    for i, v in enumerate(vs):
        last = ([INF] * n_iter_no_change + vs[:i])[-n_iter_no_change:]
        if math.isnan(v) or v + tol >= max(last):
            return i, None
    return None, None


def optuna_patient(vs, patience, min_delta):
    for i in range(len(vs)):
        before = [v for v in vs[: max(0, i - patience)] if v == v]
        window = [v for v in vs[max(0, i - patience) : i + 1] if v == v]
        if before and window and min(before) + min_delta < min(window):
            return i, None
    return None, None


def xgboost(vs, rounds, min_delta):
    best, kept, n = None, None, 0
    for i, v in enumerate(vs):
        if best is None or v < best - min_delta:
            best, kept, n = v, i, 0
        else:
            n += 1
        if n >= rounds:
            return i, kept
    return None, kept


def lightgbm(vs, stopping_rounds, min_delta):
    return xgboost(vs, stopping_rounds, min_delta)


RESTATED = {
    "Lightning": lightning, "Ignite": ignite, "HuggingFace": huggingface, "Skorch": skorch,
    "SklearnMLP": sklearn_mlp, "SklearnSGD": sklearn_sgd, "XGBoost": xgboost,
    "LightGBM": lightgbm, "SklearnHGB": sklearn_hgb, "SklearnGB": sklearn_gb,
    "OptunaPatient": optuna_patient,
}  # fmt: skip


def assert_agrees(name, decide):
    for errors, params in trials(name):
        stop, restored = decide(list(errors), **params)
        found = replayed(name, errors, params)
        assert found[0] == stop, (errors, params)
        if restored is not None:
            assert found[1] == restored, (errors, params)


@pytest.mark.parametrize("name", RULES)
def test_the_rule_is_its_restatement(name):
    assert_agrees(name, RESTATED[name])


@pytest.mark.parametrize("name", RULES)
@pytest.mark.filterwarnings("ignore")  # a library's own warnings are not ours to fix
def test_the_rule_is_the_library_s_own(name):
    module = RULES[name][0]
    try:
        importlib.import_module(module)
    except ImportError:
        pytest.skip(f"{module} is not installed: make verify installs it")
    assert_agrees(name, getattr(library_drivers, name))


@pytest.mark.parametrize(
    ("rule", "errors", "stop"),
    [
        # n bad checks for SGD, one more for MLP; a tie is bad at tol > 0
        ("SklearnSGD(2)", [1, 1, 1, 1, 1], 3),
        ("SklearnMLP(2)", [1, 1, 1, 1, 1], 4),
        # at tol = 0 a tie resets the count: a plateau never stops
        ("SklearnMLP(2, tol=0)", [1] * 9, None),
        # best creeps down by .05, never by more than .08: counted bad, unless gains add up
        ("Ignite(2, threshold=0.08)", [1, 0.95, 0.9, 0.85], 3),
        ("Ignite(2, threshold=0.08, cumulative=True)", [1, 0.95, 0.9, 0.85], None),
        # a NaN counts as a gain, and so does what follows it
        ("Ignite(1)", [1, math.nan, 2, 2], 4),
        # relative to a negated score the threshold loosens
        ("Ignite(1, threshold=0.1, threshold_mode='rel')", [1, 1.05], None),
        ("HuggingFace(0)", [1, 0.5], 1),
        ("XGBoost(0)", [1, 0.5], 1),
        ("XGBoost(2)", [math.nan, 3, 2], 3),
        ("Lightning(3)", [1, math.nan], 2),
        ("Lightning(3, stopping_threshold=0.5)", [1, 0.5, 0.4], 3),
        ("Lightning(1, min_delta=-0.5)", [1, 1.25, 1.5], None),
        # the reference is the score n iterations ago, the worst of the last n, all before
        ("SklearnHGB(2)", [1, 3, 2, 2.5], 3),
        ("SklearnGB(2)", [1, 3, 2, 2.5, 2.5], 5),
        ("OptunaPatient(1)", [1, 1, 1, 1, 1], None),
        ("Skorch(1)", [-1, -1.00005], None),
    ],
)
def test_what_surprises(rule, errors, stop):
    stops = replay(CurveSet.from_runs([{"val": [float(e) for e in errors]}]), [rule])
    assert (stops.stop[0, 0] if stops.fired[0, 0] else None) == stop
