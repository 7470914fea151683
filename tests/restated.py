"""Every rule again, as plainly as it can be said: the oracle of the tests.

A restatement takes the list of errors, the rule's parameters and, keyword only, what else the
rule looks at: ``epochs`` (the checks' positions, 1, 2, 3 ... if not given; ON_EPOCHS names those
rules) or ``train`` (ON_TRAIN). It returns two indices from 0: the check at which the rule stops,
None if it never does, and the check that it restores, None where it restores nothing of its own.

Nothing here is shared with the package, and speed does not matter. What matters is that the
comparisons are written as the libraries write them: `v + d < best`, `v < best - d` and
`best - v > d` differ in the last digit and in what they make of NaN and infinities.
"""

import itertools
import math

NAN, INF = math.nan, math.inf


# -- what several restatements need ---------------------------------------------------------


def numbered(vs, epochs):
    """Index, error and position of each check."""
    return list(zip(range(len(vs)), vs, epochs or range(1, len(vs) + 1), strict=True))


def ratio(a, b):
    """Division as IEEE has it, where Python raises."""
    if b != 0:
        return a / b
    return math.copysign(INF, a) * math.copysign(1, b) if abs(a) > 0 else NAN


def mean(vs):
    total = 0.0  # in order: the built-in sum compensates for rounding, since Python 3.12
    for v in vs:
        total += v
    return total / len(vs)


def spread(vs):
    """Population standard deviation; NaN if a value is not finite."""
    if not all(math.isfinite(v) for v in vs):
        return NAN
    middle = mean(vs)
    return math.sqrt(mean([(v - middle) * (v - middle) for v in vs]))


def correlation(xs, ys):
    """Pearson's r; NaN if a value is not finite or one side is constant."""
    if not all(math.isfinite(v) for v in [*xs, *ys]) or len(set(xs)) == 1 or len(set(ys)) == 1:
        return NAN
    dx, dy = [x - mean(xs) for x in xs], [y - mean(ys) for y in ys]
    return ratio(mean([a * b for a, b in zip(dx, dy, strict=True)]), spread(xs) * spread(ys))


def moving(vs, decay):
    """Exponential moving average, NaN at the checks that are NaN and so leave it alone."""
    s, smooth = None, []
    for v in vs:
        if not math.isnan(v):
            s = v if s is None else decay * s + (1 - decay) * v
        smooth.append(NAN if math.isnan(v) else s)
    return smooth


def medians(vs, window):
    """Medians of the last `window` errors, of all where there are fewer; NaN is the worst."""
    smooth = []
    for i in range(len(vs)):
        last = sorted(INF if math.isnan(v) else v for v in vs[max(0, i + 1 - window) : i + 1])
        half = len(last) // 2
        smooth.append(last[half] if len(last) % 2 else (last[half - 1] + last[half]) / 2)
    return smooth


def patient(smooth, patience, min_delta):
    """The test of Keras on a smoothed curve, from a best of infinity on."""
    best, wait = INF, 0
    for i, s in enumerate(smooth):
        if s + min_delta < best:
            best, wait = s, 0
            continue
        wait += 1
        if wait >= patience:
            return i, None
    return None, None


def generalisation_loss(smooth, alpha):
    """Percent above the lowest so far, of its size, at every check."""
    for i, s in enumerate(smooth):
        lowest = min((x for x in smooth[: i + 1] if not math.isnan(x)), default=NAN)
        if s == lowest or math.isnan(s):
            continue
        size = abs(lowest)
        if size in (0, INF) or 100 * (s - lowest) / size > alpha:
            return i, None
    return None, None


# -- patience in the libraries --------------------------------------------------------------


def keras(vs, patience=0, min_delta=0.0, baseline=None, start_from_epoch=0):
    best, kept, wait = None, None, 0
    for i, v in enumerate(vs):
        if i < start_from_epoch:
            continue
        wait += 1
        if best is None or v + abs(min_delta) < best:  # so NaN as first value stays the best
            best, kept = v, i
            if baseline is None or v + abs(min_delta) < baseline:
                wait = 0
        elif wait >= patience:
            return i, kept
    return None, kept


def keras2(vs, patience=0, min_delta=0.0, baseline=None):
    best, kept, wait = INF if baseline is None else baseline, None, 0
    for i, v in enumerate(vs):
        if v + min_delta < best:
            best, kept, wait = v, i, 0
        else:
            wait += 1
            if wait >= patience:
                return i, kept
    return None, None  # what was kept is restored only if the callback itself stopped


def lightning(
    vs,
    patience=3,
    min_delta=0.0,
    check_finite=True,
    stopping_threshold=None,
    divergence_threshold=None,
):
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


def ignite(vs, patience, threshold=0.0, threshold_mode="abs", cumulative=False):
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


def huggingface(vs, patience=1, threshold=0.0):
    best, kept, n = None, None, 0
    for i, v in enumerate(vs):
        n = 0 if best is None or (v < best and abs(v - best) > threshold) else n + 1
        best = INF if best is None else best
        if v < best:
            best, kept = v, i
        if n >= patience:
            return i, kept
    return None, kept


def skorch(vs, patience=5, threshold=1e-4, threshold_mode="rel"):
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


def sklearn_count(vs, tol, allowed):
    """Stops when more than `allowed` checks in a row are above the best less tol."""
    best, kept, count = INF, None, 0
    for i, v in enumerate(vs):
        count = count + 1 if v > best - tol else 0
        if v < best:
            best, kept = v, i
        if count > allowed:
            return i, kept
    return None, kept


def sklearn_mlp(vs, n_iter_no_change=10, tol=1e-4):
    return sklearn_count(vs, tol, n_iter_no_change)


def sklearn_sgd(vs, n_iter_no_change=5, tol=1e-3):
    return sklearn_count(vs, tol, n_iter_no_change - 1)[0], None


def sklearn_hgb(vs, n_iter_no_change=10, tol=1e-7):
    n = n_iter_no_change
    for i in range(n, len(vs)):
        if not any(-vs[j] > -vs[i - n] + tol for j in range(i - n + 1, i + 1)):
            return i, None
    return None, None


def sklearn_gb(vs, n_iter_no_change, tol=1e-4):
    for i, v in enumerate(vs):
        last = ([INF] * n_iter_no_change + vs[:i])[-n_iter_no_change:]
        if math.isnan(v) or v + tol >= max(last):
            return i, None
    return None, None


def optuna_patient(vs, patience, min_delta=0.0):
    for i in range(len(vs)):
        before = [v for v in vs[: max(0, i - patience)] if v == v]
        window = [v for v in vs[max(0, i - patience) : i + 1] if v == v]
        if before and window and min(before) + min_delta < min(window):
            return i, None
    return None, None


def xgboost(vs, rounds, min_delta=0.0):
    best, kept, n = None, None, 0
    for i, v in enumerate(vs):
        if best is None or v < best - min_delta:
            best, kept, n = v, i, 0
        else:
            n += 1
        if n >= rounds:
            return i, kept
    return None, kept


def lightgbm(vs, stopping_rounds, min_delta=0.0):
    return xgboost(vs, stopping_rounds, min_delta)


def catboost_inc_to_dec(vs, od_pval, od_wait=20):
    top, since, rise, kept = None, 0, 0.0, None
    for i, v in enumerate(vs):
        score = -v
        if not math.isnan(v) and (top is None or score > top):
            top, since, kept = score, 0, i
        else:
            since += 1
        rise, weight = rise * 0.99, 1.0
        for old in reversed(vs[max(0, i - 1999) : i + 1]):
            rise = max(rise, weight * (score - -old))  # this max passes NaN by
            weight *= 0.99
        if since >= od_wait and not math.isnan(v):
            p = math.exp(-0.5 / max(rise / max(top - score, 1e-10), 1e-10))
            if p < od_pval:
                return i, kept
    return None, kept


def catboost_iter(vs, od_wait=20):
    # not quite "no improvement for od_wait checks": p can round to 1
    return catboost_inc_to_dec(vs, 1.0, od_wait)


def fastai(vs, patience=1, min_delta=0.0):
    best, wait = INF, 0
    for i, v in enumerate(vs):
        if v + min_delta < best:
            best, wait = v, 0
        else:
            wait += 1
            if wait >= patience:
                return i, None
    return None, None


def ultralytics(vs, patience=50, *, epochs=None):
    best, best_epoch = 0.0, 0  # of the stopper
    saved, kept = None, None  # of the trainer, which writes best.pt
    for i, v, epoch in numbered(vs, epochs):
        fitness = 1 - v
        if saved is None or saved < fitness:
            saved = fitness
        if saved == fitness:
            kept = i
        if fitness > best or best == 0:
            best, best_epoch = fitness, epoch
        if epoch - best_epoch >= patience:
            return i, kept
    return None, kept


def flax(vs, patience=0, min_delta=0.0):
    best, count = INF, 0
    for i, v in enumerate(vs):
        if math.isinf(best) or best - v > min_delta:
            best, count = v, 0
        elif count >= patience:
            return i, None
        else:
            count += 1
    return None, None


def mmengine(vs, patience=5, min_delta=0.1):
    best, wait = INF, 0
    for i, v in enumerate(vs):
        if not math.isfinite(v):
            return i, None
        if best - min_delta < v:
            wait += 1
            if wait >= patience:
                return i, None
        else:
            best, wait = v, 0
    return None, None


def spacy(vs, patience=1600, *, epochs=None):
    results, best_step, kept = [], None, None
    for i, v, step in numbered(vs, epochs):
        if results and step - best_step > patience:
            return i, kept  # it ended between the checks: this one was never made
        results.append((-v, step))
        if -v == max(results)[0]:
            kept = i
        best_step = -max((score, -at) for score, at in results)[1]
        if step - best_step >= patience:
            return i, kept
    return None, kept


def dl4j(vs, n, min_improvement=0.0, *, epochs=None):
    best, best_epoch = None, None  # of the termination condition
    saved, kept = INF, None  # of the trainer
    for i, v, epoch in numbered(vs, epochs):
        if v < saved or (kept is None and not math.isfinite(v)):
            saved, kept = v, i
        if best is None or best - v > min_improvement:
            best, best_epoch = v, epoch
        elif epoch >= best_epoch + n:
            return i, kept
    return None, kept


def encog(vs, allowed_stagnant=50, check_frequency=5):
    best, kept, stagnant, since = None, None, 0, 0
    for i, v in enumerate(vs):
        since += 1
        if best is not None and since <= check_frequency:
            continue
        if not math.isfinite(v):
            return i, kept
        if best is not None and best <= v:
            stagnant += since
            if stagnant > allowed_stagnant:
                return i, kept
        else:
            best, kept, stagnant = v, i, 0
        since = 0
    return None, kept


def weka(vs, E=20):  # noqa: N803 - its option -E
    last, best, kept, drift = INF, INF, None, 0
    for i, v in enumerate(vs):
        if v < last:
            if v < best:  # asked only here: what follows a NaN is no best
                best, kept, drift = v, i, 0
        else:
            drift += 1
        last = v
        if drift > E:
            return i, kept
    return None, kept


def h2o(vs, k, tol=0.001, *, slack=0.0):
    for i in range(2 * k, len(vs)):
        averages = [mean(vs[start : start + k]) for start in range(i + 1 - 2 * k, i + 2 - k)]
        if any(math.isnan(a) for a in averages):
            continue
        if averages[0] == 0:  # the metrics that cannot be below 0 are done there
            return i, None
        if not (min(averages) > 0 or max(averages) < 0):
            continue
        if min(averages[1:]) / averages[0] >= 1 - tol - slack:
            return i, None
    return None, None


def matlab_max_fail(vs, max_fail=6):
    best, kept, fails = vs[0], 0, 0
    for i, v in enumerate(vs):
        if v < best:
            best, kept, fails = v, i, 0
        elif v > best:
            fails += 1
        if fails > max_fail:
            return i, kept
    return None, kept


def pybrain(vs, continue_epochs=10):
    c = continue_epochs
    best, kept = vs[0], 0
    for i, v in enumerate(vs[1:], start=1):
        if i == 1 or v < best:  # one epoch of training is always kept
            best, kept = v, i
        seen = vs[: i + 1]
        if len(seen) >= 2 * c and min(seen[-c:]) > max(seen[-2 * c : -c]):
            return i, kept
    return None, kept


def early_stopping_pytorch(vs, patience=7, delta=0.0):
    best, kept, counter = None, None, 0
    for i, v in enumerate(vs):
        if math.isnan(v):
            continue
        if best is None:
            best, kept = v, i
        elif v < best - delta:
            best, kept, counter = v, i, 0
        else:
            counter += 1
            if counter >= patience:
                return i, kept
    return None, kept


def catalyst(vs, patience, min_delta=1e-6):
    best, bad = None, 0
    for i, v in enumerate(vs):
        if best is None or v <= best - min_delta:
            best, bad = v, 0
        else:
            bad += 1
            if bad >= patience:
                return i, None
    return None, None


def cornac(vs, patience, min_delta=0.0):
    best, wait = -INF, 0
    for i, v in enumerate(vs):
        if -v - best >= min_delta:
            best, wait = -v, 0
        else:
            wait += 1
            if wait >= patience:
                return i, None
    return None, None


def torch_tuples(vs, patience=10, min_delta=0.0):
    best, kept, since = INF, None, 0
    for i, v in enumerate(vs):
        if v < best - min_delta:
            best, since = v, -1
        if v == best:
            kept = i
        since += 1
        if since >= patience:
            return i, kept
    return None, kept


def paddle(vs, patience=0, min_delta=0.0, baseline=None):
    best, kept, wait = INF if baseline is None else baseline, None, 0
    for i, v in enumerate(vs):
        if v + abs(min_delta) < best:
            best, kept, wait = v, i, 0
        else:
            wait += 1
        if wait >= patience:
            return i, kept
    return None, kept


def stable_baselines3(vs, max_no_improvement_evals, min_evals=0):
    best, last_best, kept, bad = -INF, -INF, None, 0
    for i, v in enumerate(vs):
        if -v > best:
            best, kept = -v, i
        if i + 1 > min_evals:
            bad = 0 if best > last_best else bad + 1
            if bad > max_no_improvement_evals:
                return i, kept
        last_best = best
    return None, kept


def adaptive_patience(vs, a=0.3, b=10, min_patience=None, max_patience=None, *, epochs=None):
    best, best_round, kept = INF, 0, None
    for i, v, epoch in numbered(vs, epochs):
        if v < best:
            best, best_round, kept = v, epoch, i
            continue
        patience = round(a * best_round + b)
        if min_patience is not None:
            patience = max(min_patience, patience)
        if max_patience is not None:
            patience = min(max_patience, patience)
        if epoch - best_round >= patience:
            return i, kept
    return None, kept


def real_mlp(vs, multiplicative_patience=2, additive_patience=20, *, epochs=None):
    best, best_epoch, kept = INF, 0, None
    for i, v, epoch in numbered(vs, epochs):
        if epoch > multiplicative_patience * best_epoch + additive_patience:
            return i, kept
        if v <= best:
            best, best_epoch, kept = v, epoch, i
    return None, kept


def open_nmt(vs, tolerance, *, val_accuracy):
    ppl, accuracy, kept = INF, -INF, None
    worse, stalled = tolerance, tolerance
    for i, (v, right) in enumerate(zip(vs, val_accuracy, strict=True)):
        if v < ppl and right > accuracy:
            ppl, accuracy, kept = v, right, i
            worse, stalled = tolerance, tolerance
        elif v > ppl and right < accuracy:
            worse -= 1
        else:
            stalled -= 1
        if worse == 0 or stalled == 0:
            return i, kept
    return None, kept


def open_nmt_scorer(vs, tolerance):
    best, kept = INF, None
    worse, stalled = tolerance, tolerance
    for i, v in enumerate(vs):
        if v < best:
            best, kept, worse, stalled = v, i, tolerance, tolerance
        elif v > best:
            worse -= 1
        else:
            stalled -= 1
        if worse == 0 or stalled == 0:
            return i, kept
    return None, kept


def deepxde(vs, patience, min_delta=0.0, *, epochs=None):
    at = list(epochs or range(1, len(vs) + 1))
    best, wait, shown = INF, 0, INF  # shown: the loss as it was last computed
    for iteration in range(1, at[-1] + 1):
        seen = [i for i in range(len(vs)) if at[i] <= iteration]
        shown = vs[seen[-1]] if seen else INF
        if shown + min_delta < best:
            best, wait = shown, 0
            continue
        wait += 1
        if wait >= patience:
            return next(i for i in range(len(vs)) if at[i] >= iteration), None
    return None, None


def flair(
    vs,
    min_learning_rate=1e-4,
    learning_rate=0.1,
    anneal_factor=0.5,
    patience=3,
    initial_extra_patience=0,
):
    rate, best, bad, allowed = learning_rate, INF, 0, patience + initial_extra_patience
    for i, v in enumerate(vs):
        if v < best:
            best, bad = v, 0
        else:
            bad += 1
        if bad > allowed:
            if rate - rate * anneal_factor > 1e-8:
                rate *= anneal_factor
            bad, allowed = 0, patience
        if rate < min_learning_rate:
            return i, None
    return None, None


def ydf(vs, look_ahead=30, classes=2, initial=10):
    trees_an_iteration = classes if classes > 2 else 1
    best, best_trees, kept = None, None, None
    for i, v in enumerate(vs):
        if i < initial:
            continue
        trees = (i + 1) * trees_an_iteration
        if best is None or v < best:
            best, best_trees, kept = v, trees, i
        if trees - best_trees >= look_ahead:
            return i, kept
    return None, kept


def ngboost(vs, early_stopping_rounds):
    best, r = INF, early_stopping_rounds
    for i, v in enumerate(vs):
        if v < best:
            best = v
        last = vs[max(0, i + 1 - r) : i + 1]
        if i + 1 > r and all(best < each for each in last):
            return i, None
    return None, None


def ebm(vs, early_stopping_rounds=100, tol=1e-5, terms=1):
    circular, least, before = [INF] * (early_stopping_rounds * terms), INF, INF
    for i, v in enumerate(vs):
        room = min(abs(least), abs(before)) * tol
        room = room if math.isfinite(room) else 0.0
        least = min(v, least)
        toss, circular = circular[0], [*circular[1:], v]
        before = min(toss, before)
        lowest = NAN if any(math.isnan(each) for each in circular) else min(circular)
        if before - room <= lowest:
            return i, None
    return None, None


# -- optimisers and searches ----------------------------------------------------------------


def hyperopt(vs, iteration_stop_count=20, percent_increase=0.0):
    best, bad = vs[0], 1
    for i, v in enumerate(vs[1:], start=1):
        if v < best - abs(best * (percent_increase / 100)):
            best, bad = v, 0
        else:
            bad += 1
        if bad >= iteration_stop_count:
            return i, None
    return None, None


def tpot(vs, early_stop, tol=0.001):
    best, bad = -INF, 0
    for i in range(len(vs)):
        ever = max((-v for v in vs[: i + 1] if not math.isnan(v)), default=NAN)
        bad = 0 if ever - best >= tol else bad + 1
        best = max(best, ever)
        if bad > early_stop:
            return i, None
    return None, None


def pymoo(vs, period=30, tol=1e-6, n_skip=0):
    data, counter, progress, history = None, 0, 0.0, []
    for i, v in enumerate(vs):
        moves = True
        if data is None:
            progress = 0.0
        elif counter % (n_skip + 1) == 0:
            delta = INF if INF in (data, v) else max(0, data - v)
            moves = delta > tol
            progress = 1 / (1 + (delta - tol)) if moves else 1.0
        if moves:
            data, counter = v, counter + 1
        history = [*history, progress][-period:]
        if min(history) >= 1:
            return i, None
    return None, None


def botorch(vs, rel_tol=1e-5, n_window=10, eta=1.0, *, slack=0.0):
    steps = [-eta + eta * j / max(1, n_window - 1) for j in range(n_window)]
    weights = [math.exp(step) / sum(map(math.exp, steps)) for step in steps]
    for i in range(n_window, len(vs)):
        old, new = (
            math.sumprod(weights, vs[end - n_window : end])
            if hasattr(math, "sumprod")
            else sum(w * v for w, v in zip(weights, vs[end - n_window : end], strict=True))
            for end in (i, i + 1)
        )
        if ratio(old - new, abs(old)) < rel_tol + slack:
            return i, None
    return None, None


def skopt_delta_y(vs, delta, n_best=5):
    for i in range(n_best - 1, len(vs)):
        known = sorted(v for v in vs[: i + 1] if not math.isnan(v))
        if len(known) >= n_best and known[n_best - 1] - known[0] < delta:
            return i, None
    return None, None


def pygad(vs, saturate):
    unchanged = 0
    for i in range(1, len(vs)):
        unchanged = unchanged + 1 if vs[i] == vs[i - 1] else 0
        if unchanged >= saturate:
            return i, None
    return None, None


def hmmlearn(vs, tol=0.01, *, train):
    for i in range(1, len(vs)):
        if -train[i] - -train[i - 1] < tol:
            return i, None
    return None, None


def syne_tune_plateau(vs, patience=0, std=0.001, num_trials=10, *, slack=0.0):
    bests, plateaus = [], 0
    for i, v in enumerate(vs):
        bests.append(v if not bests or v < bests[-1] else bests[-1])
        top = bests[-num_trials:]
        flat = len(top) == num_trials and spread(top) <= std + slack
        plateaus = plateaus + 1 if flat else 0
        if flat and plateaus >= patience:
            return i, None
    return None, None


# -- papers and packages --------------------------------------------------------------------


def ray_plateau(vs, std=0.01, num_results=4, grace_period=4, metric_threshold=None, *, slack=0.0):
    for i, v in enumerate(vs):
        if i + 1 < grace_period or i + 1 < num_results:
            continue
        if metric_threshold is not None and v > metric_threshold:
            continue
        if spread(vs[i + 1 - num_results : i + 1]) < std + slack:
            return i, None
    return None, None


def cdsc(vs, lam=5, omega=5, mu=0.5, reset=True, *, train, slack=0.0):
    best, kept, count = INF, None, 0
    for i, v in enumerate(vs):
        if v < best:
            best, kept = v, i
        if i + 1 < omega:
            continue
        r = correlation(train[i + 1 - omega : i + 1], vs[i + 1 - omega : i + 1])
        if r < mu + slack:
            count += 1
        elif reset and not math.isnan(r):
            count = 0
        if count >= lam:
            return i, kept
    return None, kept


def eve(vs, patience=1000, smoothing=0.75, min_delta=0.0, baseline=0.0):
    s, record, kept, since = baseline, baseline, None, 0
    for i, v in enumerate(vs):
        s = s * smoothing + (-v - min_delta) * (1 - smoothing)
        since += 1
        if s > record:
            record, kept, since = s, i, 0
        if since > patience:
            return i, kept
    return None, kept


def least_squares_slope(vs, window, slope=0.0, *, slack=0.0):
    for i in range(window - 1, len(vs)):
        last = vs[i + 1 - window : i + 1]
        if not all(math.isfinite(v) for v in last):
            continue
        ts = [t - (window - 1) / 2 for t in range(window)]
        rise = mean([t * v for t, v in zip(ts, last, strict=True)]) / mean([t * t for t in ts])
        if rise >= slope - slack:
            return i, None
    return None, None


def ema(vs, patience, decay=0.6, min_delta=0.0):
    return patient(moving(vs, decay), patience, min_delta)


def median(vs, patience, window=5, min_delta=0.0):
    return patient(medians(vs, window), patience, min_delta)


def ema_gl(vs, alpha, decay=0.6):
    return generalisation_loss(moving(vs, decay), alpha)


def median_gl(vs, alpha, window=5):
    return generalisation_loss(medians(vs, window), alpha)


def relative_patience(vs, patience, min_delta=0.01):
    best, kept, wait = INF, None, 0
    for i, v in enumerate(vs):
        if v < (INF if best == INF else best - min_delta * abs(best)):
            best, kept, wait = v, i, 0
            continue
        wait += 1
        if wait >= patience:
            return i, kept
    return None, kept


def plateau_std(vs, std, window=10, *, slack=0.0):
    for i in range(window - 1, len(vs)):
        last = vs[i + 1 - window : i + 1]
        if ratio(spread(last), abs(mean(last))) < std + slack:
            return i, None
    return None, None


def discrepancy(vs, kappa, *, train):
    for i in range(len(vs)):
        if train[i] <= kappa:
            return i, None
    return None, None


def successive_strips(vs, s, k=5, tol=0.001):
    rises = 0
    for end in range(2 * k, len(vs) + 1, k):  # the first strip has nothing before it
        now, before = vs[end - 1], vs[end - 1 - k]
        rises = rises + 1 if now > before or now > before - tol * abs(before) else 0
        if rises >= s:
            return end - 1, None
    return None, None


# -- other channels -------------------------------------------------------------------------


def gradient_disparity_rule(vs, patience=5, consecutive=False, *, gradient_disparity):
    rises = 0
    for i in range(1, len(gradient_disparity)):
        if gradient_disparity[i] > gradient_disparity[i - 1]:
            rises += 1
        elif consecutive:
            rises = 0
        if rises >= patience:
            return i, None
    return None, None


def first(holds):
    return next((i for i, each in enumerate(holds) if each), None), None


def evidence_based(vs, level=0.0, *, evidence):
    return first(each > level for each in evidence)


def grad_es(vs, tau, *, largest_gradient):
    return first(each < tau for each in largest_gradient)


def score_stop(vs, level=1.6448536269514722, *, score_z):
    return first(z < level for z in score_z)


def grad_stop(vs, level=0.5, *, credibility):
    return first(each >= level for each in credibility)


def label_wave(vs, patience=10, window=3, *, changed_predictions, slack=0.0):
    lowest, kept, since = INF, None, 0
    for i in range(window - 1, len(vs)):
        average = mean(changed_predictions[i + 1 - window : i + 1])
        if average < lowest + slack:
            lowest, kept, since = average, i, 0
            continue
        since += 1
        if since >= patience:
            return i, kept
    return None, kept


def noisy_early_stopping(vs, patience=10, *, val_accuracy):
    best, kept, since = -INF, None, 0
    for i, accuracy in enumerate(val_accuracy):
        if accuracy > best:
            best, kept, since = accuracy, i, 0
            continue
        since += 1
        if since >= patience:
            return i, kept
    return None, kept


def one_standard_error(vs, patience=10, scale=1.0, *, val_se):
    kept, since = None, 0
    for i, v in enumerate(vs):
        if v < INF if kept is None else v < vs[kept] - scale * val_se[kept]:
            kept, since = i, 0
            continue
        since += 1
        if since >= patience:
            return i, kept
    return None, kept


def pflug_diagnostic(vs, level=0.0, burn_in=1, *, gradient_product):
    total = 0.0
    for i, product in enumerate(gradient_product):
        if i >= burn_in:
            total += product
            if total < level:
                return i, None
    return None, None


def distance_diagnostic(vs, slope=0.6, q=1.5, first=5, *, distance):
    looks = sorted({math.ceil(q**k) for k in range(first, 80)})
    for before, now in itertools.pairwise(looks):
        if now > len(distance):
            break
        a, b = distance[before - 1], distance[now - 1]
        if not (0 < a < INF and 0 < b < INF):
            continue
        if (2 * math.log(b) - 2 * math.log(a)) / math.log(q) < slope:
            return now - 1, None
    return None, None


def lid_turn(vs, deviations=2.0, window=5, *, lid, slack=0.0):
    for i in range(window, len(lid)):
        before = lid[i - window : i]
        if (
            lid[i] != mean(before)
            and ratio(lid[i] - mean(before), spread(before)) > deviations + slack
        ):
            return i, None
    return None, None


#: rule -> its restatement
RESTATED = {
    "Keras": keras, "Keras2": keras2, "Lightning": lightning, "Ignite": ignite,
    "HuggingFace": huggingface, "Skorch": skorch, "SklearnMLP": sklearn_mlp,
    "SklearnSGD": sklearn_sgd, "SklearnHGB": sklearn_hgb, "SklearnGB": sklearn_gb,
    "OptunaPatient": optuna_patient, "XGBoost": xgboost, "LightGBM": lightgbm,
    "CatBoostIter": catboost_iter, "CatBoostIncToDec": catboost_inc_to_dec, "Fastai": fastai,
    "Ultralytics": ultralytics, "Flax": flax, "MMEngine": mmengine, "RayPlateau": ray_plateau,
    "SpaCy": spacy, "DL4J": dl4j, "Encog": encog, "Weka": weka, "H2O": h2o,
    "MatlabMaxFail": matlab_max_fail, "PyBrain": pybrain, "CDSC": cdsc, "EVE": eve,
    "Slope": least_squares_slope, "EMA": ema, "Median": median, "EMAGL": ema_gl,
    "MedianGL": median_gl, "RelativePatience": relative_patience, "PlateauStd": plateau_std,
    "Discrepancy": discrepancy, "SuccessiveStrips": successive_strips,
    "EarlyStoppingPyTorch": early_stopping_pytorch, "Catalyst": catalyst, "Cornac": cornac,
    "TorchTuples": torch_tuples, "Paddle": paddle, "StableBaselines3": stable_baselines3,
    "AdaptivePatience": adaptive_patience, "RealMLP": real_mlp, "OpenNMT": open_nmt,
    "OpenNMTScorer": open_nmt_scorer, "DeepXDE": deepxde, "Flair": flair, "YDF": ydf,
    "NGBoost": ngboost, "EBM": ebm, "Hyperopt": hyperopt, "TPOT": tpot, "Pymoo": pymoo,
    "BoTorch": botorch, "SkoptDeltaY": skopt_delta_y, "PyGAD": pygad, "HMMLearn": hmmlearn,
    "SyneTunePlateau": syne_tune_plateau, "GradientDisparity": gradient_disparity_rule,
    "EvidenceBased": evidence_based, "GradES": grad_es, "ScoreStop": score_stop,
    "GradStop": grad_stop, "LabelWave": label_wave, "NoisyEarlyStopping": noisy_early_stopping,
    "OneStandardError": one_standard_error, "PflugDiagnostic": pflug_diagnostic,
    "DistanceDiagnostic": distance_diagnostic, "LIDTurn": lid_turn,
}  # fmt: skip

#: they count in the checks' positions, not in checks
ON_EPOCHS = {"AdaptivePatience", "DL4J", "DeepXDE", "RealMLP", "SpaCy", "Ultralytics"}
#: they look at the training errors
ON_TRAIN = {"CDSC", "Discrepancy", "HMMLearn"}
#: sums over windows, of which no order of summing is the right one: where `slack` of 1e-9, up or
#: down, changes the answer, either is right
SUMMED = {
    "BoTorch", "CDSC", "H2O", "LIDTurn", "LabelWave", "PlateauStd", "RayPlateau", "Slope",
    "SyneTunePlateau",
}  # fmt: skip

DELTAS = [0.0, 0.0, 0.01, 0.05, 0.1, 0.2, 1e-4]
COUNTS = [1, 2, 3, 4, 5]
#: rule -> the module of its library, None where there is none to be driven in Python, and
#: what to choose its parameters from. Not in here: what is "off" in the library.
RULES = {
    # what can be driven of it is driven in test_patience
    "Keras": (None, {
        "patience": [0, *COUNTS], "min_delta": [*DELTAS, -0.1],
        "baseline": [None, None, None, 0.3, 1.0], "start_from_epoch": [0, 0, 0, 1, 4],
    }),
    "Keras2": (None, {
        "patience": [0, *COUNTS], "min_delta": [*DELTAS, -0.1],
        "baseline": [None, None, None, 0.3, 1.0],
    }),
    "Lightning": ("lightning", {
        "patience": [0, *COUNTS], "min_delta": [*DELTAS, -0.1], "check_finite": [True, False],
        "stopping_threshold": [None, None, 0.2, 0.5],
        "divergence_threshold": [None, None, 1.5, 3.0],
    }),
    "Ignite": ("ignite", {
        "patience": COUNTS, "threshold": DELTAS, "threshold_mode": ["abs", "rel"],
        "cumulative": [False, True],
    }),
    "HuggingFace": ("transformers", {
        "patience": [0, *COUNTS], "threshold": [*DELTAS, -0.1],
    }),
    "Skorch": ("skorch", {
        "patience": COUNTS, "threshold": DELTAS, "threshold_mode": ["rel", "abs"],
    }),
    "SklearnMLP": ("sklearn", {"n_iter_no_change": [*COUNTS, 10], "tol": DELTAS}),
    "SklearnSGD": ("sklearn", {"n_iter_no_change": COUNTS, "tol": [*DELTAS, 1e-3]}),
    "SklearnHGB": ("sklearn", {"n_iter_no_change": [*COUNTS, 10], "tol": [*DELTAS, 1e-7]}),
    "SklearnGB": ("sklearn", {"n_iter_no_change": COUNTS, "tol": DELTAS}),
    "OptunaPatient": ("optuna", {"patience": [0, *COUNTS], "min_delta": DELTAS}),
    "XGBoost": ("xgboost", {"rounds": [0, *COUNTS], "min_delta": DELTAS}),
    "LightGBM": ("lightgbm", {"stopping_rounds": COUNTS, "min_delta": DELTAS}),
    "CatBoostIter": ("catboost", {"od_wait": [*COUNTS, 20]}),
    "CatBoostIncToDec": ("catboost", {
        "od_pval": [1e-3, 0.01, 0.1, 0.5, 0.9, 1.0], "od_wait": [*COUNTS, 20],
    }),
    "Fastai": ("fastai", {"patience": [0, *COUNTS], "min_delta": [*DELTAS, -0.1]}),
    "Ultralytics": ("ultralytics", {"patience": [*COUNTS, 50]}),
    "Flax": ("flax", {"patience": [0, *COUNTS], "min_delta": DELTAS}),
    "MMEngine": ("mmengine", {"patience": COUNTS, "min_delta": DELTAS}),
    "RayPlateau": ("ray", {
        "std": [0.01, 0.037, 0.123, 0.4], "num_results": [2, 3, 4, 6],
        "grace_period": [1, 4, 8], "metric_threshold": [None, None, 0.3, 1.0],
    }),
    "SpaCy": ("spacy", {"patience": [*COUNTS, 1600]}),
    "DL4J": (None, {"n": COUNTS, "min_improvement": DELTAS}),
    "Encog": (None, {
        "allowed_stagnant": [0, 1, 3, 4, 6, 50], "check_frequency": [0, 1, 2, 5],
    }),
    "Weka": (None, {"E": [0, *COUNTS, 20]}),
    "H2O": (None, {"k": [1, 2, 3, 5], "tol": [0.0, 0.001, 0.01, 0.1]}),
    "MatlabMaxFail": (None, {"max_fail": [*COUNTS, 6]}),
    "PyBrain": ("pybrain3", {"continue_epochs": [1, 2, 3, 4, 10]}),
    "CDSC": (None, {
        "lam": COUNTS, "omega": [2, 3, 5, 8], "mu": [-0.3, 0.0, 0.5, 0.8],
        "reset": [True, False],
    }),
    "EVE": ("evestop", {
        "patience": [0, *COUNTS, 1000], "smoothing": [0.75, 0.5, 0.9], "min_delta": DELTAS,
        "baseline": [0.0, -0.5, -1.5, -10.0],
    }),
    "Slope": (None, {"window": [2, 3, 5, 8], "slope": [0.0, -0.01, 0.02, -0.1]}),
    "EMA": (None, {"patience": COUNTS, "decay": [0.6, 0.3, 0.9], "min_delta": DELTAS}),
    "Median": (None, {"patience": COUNTS, "window": [1, 2, 3, 5], "min_delta": DELTAS}),
    "EMAGL": (None, {"alpha": [0, 1, 5, 20, 50], "decay": [0.6, 0.3, 0.9]}),
    "MedianGL": (None, {"alpha": [0, 1, 5, 20, 50], "window": [1, 2, 3, 5]}),
    "RelativePatience": (None, {"patience": COUNTS, "min_delta": DELTAS}),
    "PlateauStd": (None, {"std": [0.01, 0.037, 0.123, 0.4], "window": [2, 3, 5, 10]}),
    "Discrepancy": (None, {"kappa": [0.1, 0.3, 0.5, 1.0, 2.0]}),
    "SuccessiveStrips": (None, {"s": [1, 2, 3], "k": [1, 2, 3, 5], "tol": [0.0, 0.001, 0.05]}),
    "EarlyStoppingPyTorch": (None, {"patience": COUNTS, "delta": [*DELTAS, -0.1]}),
    "Catalyst": (None, {"patience": COUNTS, "min_delta": [*DELTAS, 1e-6]}),
    "Cornac": (None, {"patience": [0, *COUNTS], "min_delta": DELTAS}),
    "TorchTuples": (None, {"patience": [0, *COUNTS], "min_delta": [*DELTAS, -0.1]}),
    "Paddle": (None, {
        "patience": [0, *COUNTS], "min_delta": [*DELTAS, -0.1],
        "baseline": [None, None, None, 0.3, 1.0],
    }),
    "StableBaselines3": (None, {
        "max_no_improvement_evals": [0, *COUNTS], "min_evals": [0, 0, 1, 3, 8],
    }),
    "AdaptivePatience": (None, {
        "a": [0.3, 0.5, 1.0, -0.5, 0.0], "b": [0.5, 1, 2.5, 5], "min_patience": [None, None, 2],
        "max_patience": [None, None, 4],
    }),
    "RealMLP": (None, {
        "multiplicative_patience": [0.0, 1.0, 1.5, 2.0], "additive_patience": [0.0, 1.0, 2.5, 8.0],
    }),
    "OpenNMT": (None, {"tolerance": COUNTS}),
    "OpenNMTScorer": (None, {"tolerance": COUNTS}),
    "DeepXDE": (None, {"patience": [*COUNTS, 8], "min_delta": DELTAS}),
    "Flair": (None, {
        "min_learning_rate": [1e-4, 0.02, 0.05, 0.09], "learning_rate": [0.1, 0.05],
        "anneal_factor": [0.5, 0.25], "patience": [0, 1, 2, 3],
        "initial_extra_patience": [0, 0, 2],
    }),
    "YDF": (None, {"look_ahead": [1, 2, 3, 5, 7], "classes": [1, 2, 3, 5], "initial": [0, 1, 4]}),
    "NGBoost": (None, {"early_stopping_rounds": COUNTS}),
    "EBM": (None, {
        "early_stopping_rounds": [1, 2, 3, 5], "tol": [0.0, 1e-5, 0.05, 0.3, -0.05],
        "terms": [1, 1, 2, 3],
    }),
    "Hyperopt": (None, {
        "iteration_stop_count": COUNTS, "percent_increase": [0.0, 0.0, 1.0, 5.0, 20.0],
    }),
    "TPOT": (None, {"early_stop": [0, *COUNTS], "tol": [0.001, 0.01, 0.05, 0.1, 0.2]}),
    "Pymoo": (None, {
        "period": COUNTS, "tol": [*DELTAS, 1e-6], "n_skip": [0, 0, 1, 2],
    }),
    "BoTorch": (None, {
        "rel_tol": [1e-5, 0.01, 0.1, -0.2], "n_window": [1, 2, 3, 5], "eta": [1.0, 0.0, 2.0],
    }),
    "SkoptDeltaY": (None, {"delta": [0.013, 0.07, 0.25], "n_best": [1, 2, 3, 5]}),
    "PyGAD": (None, {"saturate": [1, 2, 3]}),
    "HMMLearn": (None, {"tol": [0.01, 0.1, 0.0, -0.2]}),
    "SyneTunePlateau": (None, {
        "patience": [0, *COUNTS], "std": [0.001, 0.037, 0.123], "num_trials": [2, 3, 6],
    }),
    "GradientDisparity": (None, {"patience": COUNTS, "consecutive": [True, False]}),
    "EvidenceBased": (None, {"level": [0.0, -0.5, 1.0, 1.5]}),
    "GradES": (None, {"tau": [0.1, 0.5, 1.0]}),
    "ScoreStop": (None, {"level": [0.0, 0.5, 1.0]}),
    "GradStop": (None, {"level": [0.1, 0.5, 1.0]}),
    "LabelWave": (None, {"patience": COUNTS, "window": [1, 2, 3, 5]}),
    "NoisyEarlyStopping": (None, {"patience": COUNTS}),
    "OneStandardError": (None, {"patience": COUNTS, "scale": [0.0, 0.1, 0.5, 1.0]}),
    "PflugDiagnostic": (None, {"level": [0.0, -1.0, 1.5], "burn_in": [0, 1, 3]}),
    "DistanceDiagnostic": (None, {
        "slope": [0.6, 0.0, 1.0, -0.2], "q": [1.1, 1.5, 2.0], "first": [0, 1, 3],
    }),
    "LIDTurn": (None, {"deviations": [0.5, 1.0, 2.0], "window": [2, 3, 5]}),
}  # fmt: skip

#: rule, errors (or the curves by name), the check at which it stops and the one it restores, both
#: from 1; None: never, or nothing of its own. Above each, what is to be worked out on the way.
GOLDENS = [
    # best 3 2 2 2, wait 0 0 1 2: a tie is bad, and the first of the tied is kept
    ("Keras(2)", [3, 2, 2, 2.5], 4, 2),
    # best 3 3 2 2 2, wait 0 1 0 1 2: a gain of exactly min_delta is bad
    ("Keras(2, min_delta=0.5)", [3, 2.5, 2, 2, 2], 5, 3),
    # best nan nan nan, wait 0 1 2: as first value it is the best for good
    ("Keras(2)", [NAN, 1, 0.5], 3, 1),
    # best 2 2 1, wait 0 1 0: later it is bad
    ("Keras(2)", [2, NAN, 1], None, 3),
    # best 4 3 3, wait 1 2 3: a best that is not below the baseline does not reset
    ("Keras(3, baseline=1.0)", [4, 3, 3, 0.5], 3, 2),
    # wait 1 2 3, and no stop at what improves
    ("Keras(1, baseline=1.0)", [4, 3, 2], None, 3),
    # 0 is as 1: wait 0 1
    ("Keras()", [1, 1], 2, 1),

    # best 3 2 2 2, wait 0 0 1 2
    ("Keras2(2)", [3, 2, 2, 2.5], 4, 2),
    # best inf 1 1 1, wait 1 0 1 2
    ("Keras2(2)", [NAN, 1, NAN, 1], 4, 2),
    # best 1 1, the baseline: wait 1 2, nothing kept
    ("Keras2(2, baseline=1.0)", [4, 3, 2, 1.5], 2, None),
    # best 1 1.25 1.5 1.5: 1.25-.5 < 1, 1.5-.5 < 1.25, but not 2-.5 < 1.5
    ("Keras2(1, min_delta=-0.5)", [1, 1.25, 1.5, 2], 4, 3),
    # ran out, so restores nothing
    ("Keras2(2)", [2, 1], None, None),

    # best 1 1 1, wait 0 1 2
    ("Lightning(2)", [1, 1, 1], 3, None),
    # best 1 1 .5 .5, wait 0 1 0 1: gains of exactly min_delta are bad, at 2 and 4
    ("Lightning(2, min_delta=0.25)", [1, 0.75, 0.5, 0.25], None, None),
    ("Lightning()", [1, NAN], 2, None),
    # .3 + .1 < .4 is false, though .3 < .4 - .1 = .30000000000000004 is true
    ("Lightning(1, min_delta=0.1)", [0.4, 0.3], 2, None),
    # best inf, wait 1
    ("Lightning(1, check_finite=False)", [NAN, 1], 1, None),
    # at .5 not yet below it
    ("Lightning(3, stopping_threshold=0.5)", [1, 0.5, 0.4], 3, None),
    # 1.25-.5 < 1, 1.5-.5 < 1.25: worse is better
    ("Lightning(1, min_delta=-0.5)", [1, 1.25, 1.5], None, None),

    # limit .92 .87, best 1 .95 .9, n 0 1 2: best moves down by gains that do not count
    ("Ignite(2, threshold=0.08)", [1, 0.95, 0.9, 0.85], 3, None),
    # limit .92 .92 .82, n 0 1 0 1
    ("Ignite(2, threshold=0.08, cumulative=True)", [1, 0.95, 0.9, 0.85], None, None),
    # best 1 nan 2 2: NaN is a gain and so is what follows, n 0 0 0 1
    ("Ignite(1)", [1, NAN, 2, 2], 4, None),
    # limit 1.1: relative to a negated score the threshold loosens
    ("Ignite(1, threshold=0.1, threshold_mode='rel')", [1, 1.05], None, None),
    # limit .5: a gain of exactly the threshold is bad
    ("Ignite(1, threshold=0.5)", [1, 0.5], 2, None),
    # the first value is the best, whatever it is
    ("Ignite(1)", [INF, 5], None, None),

    ("HuggingFace(0)", [1, 0.5], 1, 1),
    # gains .125 .125 from best 1 .875, n 0 1 2: what stops may be what is restored
    ("HuggingFace(2, threshold=0.25)", [1, 0.875, 0.75, 0.5], 3, 3),
    ("HuggingFace()", [1, 1], 2, 1),
    # best inf 3 3 3, n 0 0 1 2
    ("HuggingFace(2)", [NAN, 3, 4, 5], 4, 2),

    # limit -.9999: relative to a negative best the threshold loosens
    ("Skorch(1)", [-1, -1.00005], None, 2),
    # limit .75, misses 0 1 2: a gain of exactly the threshold is bad
    ("Skorch(2, threshold=0.25, threshold_mode='abs')", [1, 0.75, 0.75], 3, 1),
    # limit 3 3 1.875 1.875, misses 0 1 0 1
    ("Skorch(2, threshold=0.25)", [4, 3.5, 2.5, 3], None, 3),
    ("Skorch(2)", [NAN, NAN], 2, None),
    ("Skorch(1)", [1, 1], 2, 1),

    # count 0 1 2 3, and 3 > 2
    ("SklearnMLP(2)", [1, 1, 1, 1, 1], 4, 1),
    # a tie is good at tol 0: count 0 0 0
    ("SklearnMLP(2, tol=0.0)", [1, 1, 1, 1, 1, 1, 1, 1, 1], None, 1),
    # a gain of exactly tol is good: count 0 0 0 1 2
    ("SklearnMLP(1, tol=0.25)", [1, 0.75, 0.5, 0.5, 0.5], 5, 3),
    # count 0 0 1 0 1: NaN resets
    ("SklearnMLP(1)", [2, NAN, 2, NAN, 2], None, 1),

    # count 0 1 2
    ("SklearnSGD(2)", [1, 1, 1, 1, 1], 3, None),
    ("SklearnSGD(2, tol=0.0)", [1, 1, 1, 1, 1, 1, 1, 1, 1], None, None),
    # count 0 0 0 1 2
    ("SklearnSGD(2, tol=0.25)", [1, 0.75, 0.5, 0.5, 0.5], 5, None),
    # count 0 0 1
    ("SklearnSGD(1)", [1, NAN, 1], 3, None),

    # 3, 2 against 1, two before: none is better
    ("SklearnHGB(2)", [1, 3, 2, 2.5], 3, None),
    # 3, 2 against 3 - 2, 2 against 3 - 2, 2 against 2: none
    ("SklearnHGB(2, tol=0.0)", [3, 3, 2, 2, 2, 2], 5, None),
    # 1.5, 1.5 against 2: a gain of exactly tol is none
    ("SklearnHGB(2, tol=0.5)", [2, 1.5, 1.5], 3, None),
    # nothing is better than NaN
    ("SklearnHGB(2)", [NAN, 1, 1], 3, None),
    ("SklearnHGB(1)", [3, 2, 1], None, None),

    # the worst of two before: inf inf 3 3 2.5
    ("SklearnGB(2)", [1, 3, 2, 2.5, 2.5], 5, None),
    # inf inf 2 1.5, and 1 + .5 reaches it
    ("SklearnGB(2, tol=0.5)", [2, 1.5, 1, 1], 4, None),
    ("SklearnGB(1)", [NAN], 1, None),
    ("SklearnGB(1)", [1, NAN], 2, None),
    ("SklearnGB(1)", [3, 2, 1], None, None),

    # a plateau is not worse: 1 < 1 is false
    ("OptunaPatient(1)", [1, 1, 1, 1, 1], None, None),
    # before 1, window 2 2
    ("OptunaPatient(1)", [1, 2, 2], 3, None),
    # 1 + 1 < 2 is false
    ("OptunaPatient(1, min_delta=1.0)", [1, 2, 2], None, None),
    # before nan 1, window nan 2: NaN is passed by, but takes a place
    ("OptunaPatient(1)", [NAN, 1, NAN, 2, 2], 4, None),
    ("OptunaPatient(0)", [1, 2], 2, None),

    ("XGBoost(0)", [1, 0.5], 1, 1),
    # best 3 2 2 2, n 0 0 1 2
    ("XGBoost(2)", [3, 2, 2, 2], 4, 2),
    # best nan, n 0 1 2
    ("XGBoost(2)", [NAN, 3, 2], 3, 1),
    # best 1 1 .5 .5 .5, n 0 1 0 1 2
    ("XGBoost(2, min_delta=0.25)", [1, 0.75, 0.5, 0.5, 0.5], 5, 3),

    # n 0 0 1 2
    ("LightGBM(2)", [3, 2, 2, 2], 4, 2),
    # 2.5 < 2.5 is false
    ("LightGBM(1, min_delta=0.5)", [3, 2.5], 2, 1),
    ("LightGBM(2)", [NAN, 1, 2], 3, 1),
    ("LightGBM(3)", [3, 2, 1], None, 3),

    # since 0 0 1 2; p = exp(-.5 / (.97 / 1e-10)) = 1 - 5e-11 < 1
    ("CatBoostIter(2)", [3, 2, 2, 2], 4, 2),
    # since 0 0 1 2 3 4; p = exp(-.5 / (9.8e6 / 1e-10)) = 1 - 5e-18, which rounds to 1
    ("CatBoostIter(2)", [1e7, 1, 1, 1, 1, 1], None, 2),
    # after a smaller fall 1 - 5e-15 does not
    ("CatBoostIter(2)", [1e4, 1, 1, 1, 1, 1], 4, 2),
    # since 0 1 2 3: NaN is no improvement, but nothing stops there
    ("CatBoostIter(2)", [2, NAN, NAN, 3], 4, 1),
    # since 1 0 0
    ("CatBoostIter(1)", [NAN, 2, 1], None, 3),

    # since 0 0 1 2, rise 0 .99 .98 .97, above the best 0 0 .5 4:
    # p = exp(-.5 * .5 / .98) = .77, then exp(-.5 * 4 / .97) = .13 < .5
    ("CatBoostIncToDec(0.5, od_wait=1)", [2, 1, 1.5, 5], 4, 2),
    ("CatBoostIncToDec(0.01, od_wait=1)", [2, 1, 1.5, 5], None, 2),
    # it never rose: p = exp(-.5 / 1e-10) = 0, since 0 1 2
    ("CatBoostIncToDec(0.01, od_wait=2)", [1, 1, 1], 3, 1),
    # p rounds to 1
    ("CatBoostIncToDec(1.0, od_wait=1)", [1e7, 1, 1], None, 2),
    # since 0 1 2, p - - 0
    ("CatBoostIncToDec(0.5, od_wait=1)", [1, NAN, 1], 3, 1),

    # .3 + .1 < .4 is false, though .3 < .4 - .1 = .30000000000000004 is true
    ("Fastai(1, min_delta=0.1)", [0.4, 0.3], 2, None),
    # best 3 2 2 2, wait 0 0 1 2
    ("Fastai(2)", [3, 2, 2, 2], 4, None),
    # 2.5 + .5 < 3 is false
    ("Fastai(1, min_delta=0.5)", [3, 2.5], 2, None),
    # best inf, wait 1 2
    ("Fastai(2)", [NAN, NAN, 1], 2, None),
    # best 2 1 1, wait 0 0 1
    ("Fastai(0)", [2, 1, 1], 3, None),
    ("Fastai()", [3, 2, 1], None, None),

    # fitness .5 .75 .75 .75, since 0 0 1 2; best.pt is the last of the tied
    ("Ultralytics(2)", [0.5, 0.25, 0.25, 0.25], 4, 4),
    # fitness 0 0 0 0 0: best 0 counts as nothing yet, since 0 0 0 0 0
    ("Ultralytics(2)", [1, 1, 1, 1, 1], None, 5),
    # fitness 0 -1 -2 -3, best 0 -1 -1 -1 to the stopper, for which 0 is none: since 0 0 1 2
    ("Ultralytics(2)", [1, 2, 3, 4], 4, 1),
    # best nan, since 0 1 2; best.pt is never written, NaN not being equal to itself
    ("Ultralytics(2)", [NAN, 0.5, 0.25], 3, None),
    # fitness .5 nan .25, since 0 1 2
    ("Ultralytics(2)", [0.5, NAN, 0.75], 3, 1),
    ("Ultralytics(1)", [0.5, 0.25, 0.125], None, 3),
    # since 0 10 20 epochs
    ("Ultralytics(20)", {"val": [0.5, 0.75, 0.75], "epoch": [10, 20, 30]}, 3, 1),

    # best 2 1 1 1, count before each test - - 0 1
    ("Flax(1)", [2, 1, 1, 1], 4, None),
    # count 0
    ("Flax()", [1, 1], 2, None),
    # 2 - 1.5 > .5 is false: count 0 1
    ("Flax(1, min_delta=0.5)", [2, 1.5, 1.5], 3, None),
    # best nan
    ("Flax()", [NAN, 1], 2, None),
    # as long as best is infinite everything is a gain: best inf inf 2
    ("Flax()", [INF, INF, 2], None, None),

    # best 1 1 1, wait 0 1 2: .9 < 1
    ("MMEngine(2)", [1, 1, 1, 1], 3, None),
    # a tie is good at min_delta 0: wait 0 0 0 0
    ("MMEngine(2, min_delta=0.0)", [1, 1, 1, 1], None, None),
    # so is a gain of exactly min_delta: best 1 .75 .5 .5 .5, wait 0 0 0 1 2
    ("MMEngine(2, min_delta=0.25)", [1, 0.75, 0.5, 0.5, 0.5], 5, None),
    # best 1 1 .5, wait 0 1 0: .875 is .125 better, not .25
    ("MMEngine(2, min_delta=0.25)", [1, 0.875, 0.5], None, None),
    ("MMEngine()", [1, NAN], 2, None),
    ("MMEngine()", [NAN], 1, None),
    ("MMEngine()", [1, -INF, 1], 2, None),

    # deviation - - - 0
    ("RayPlateau()", [1, 1, 1, 1], 4, None),
    # - - - .5 0: .5 < .5 is false
    ("RayPlateau(0.5, num_results=2)", [1, 1, 1, 2, 2], 5, None),
    # 2 is above the threshold, 1 is not: - 0 .5 0
    (
        "RayPlateau(0.5, num_results=2, grace_period=2, metric_threshold=1.0)",
        [2, 2, 1, 1], 4, None,
    ),
    # - nan nan 0
    ("RayPlateau(0.5, num_results=2, grace_period=1)", [1, NAN, 1, 1], 4, None),
    # 1.118
    ("RayPlateau()", [4, 3, 2, 1], None, None),

    # best step 1 2 2 2, since 0 0 1 2; model-best is the last of the tied
    ("SpaCy(2)", [0.5, 0.25, 0.25, 0.25], 4, 4),
    # since 0 10 20: it ended at step 25, before the check at 30 could be best
    ("SpaCy(15)", {"val": [0.5, 0.75, 0.25], "epoch": [10, 20, 30]}, 3, 1),
    # with 5 steps more that check is made in time: since 0 10 0
    ("SpaCy(20)", {"val": [0.5, 0.75, 0.25], "epoch": [10, 20, 30]}, None, 3),
    # or in vain: since 0 10 20
    ("SpaCy(20)", {"val": [0.5, 0.75, 0.75], "epoch": [10, 20, 30]}, 3, 1),
    # as first value it stays the maximum, since 0 1 2, and is never equal to it
    ("SpaCy(2)", [NAN, 0.5, 0.25], 3, None),
    # since 0 1 2
    ("SpaCy(2)", [0.5, NAN, NAN], 3, 1),
    ("SpaCy(1)", [3, 2, 1], None, 3),

    # best 3 2 2 2 of epoch 1 2 2 2, and 4 >= 2 + 2
    ("DL4J(2)", [3, 2, 2, 2], 4, 2),
    # best 3 3 2.25 2.25 2.25 of epoch 1 1 3 3 3: 3 - 2.5 > .5 is false
    ("DL4J(2, min_improvement=0.5)", [3, 2.5, 2.25, 2.25, 2.25], 5, 3),
    # best 3 of epoch 1, though the lowest error is that of the stop
    ("DL4J(2, min_improvement=1.0)", [3, 2.5, 2.25], 3, 3),
    # best nan of epoch 1; so is the saved model
    ("DL4J(2)", [NAN, 1, 0.5], 3, 1),
    # best 1 of epoch 1
    ("DL4J(2)", [1, NAN, 2], 3, 1),
    ("DL4J(1)", [3, 2, 1], None, 3),
    # 15 >= 5 + 10
    ("DL4J(10)", {"val": [1, 2, 2], "epoch": [5, 10, 15]}, 3, 1),

    # looks at 1 3 5 7 9: best 3 2 2 2 2, stagnant 0 0 2 4 6, and 6 > 4
    ("Encog(4, check_frequency=1)", [3, 9, 2, 9, 2, 9, 2, 9, 2], 9, 3),
    # looks at 1 2 3: stagnant 0 0 1
    ("Encog(0, check_frequency=0)", [2, 1, 1], 3, 2),
    # NaN at 2 and 4 is not seen: best 3 2 1
    ("Encog(4, check_frequency=1)", [3, NAN, 2, NAN, 1], None, 5),
    # at 3 it is; the lowest, at 2, was not
    ("Encog(4, check_frequency=1)", [3, 1, NAN], 3, 1),
    ("Encog()", [NAN, 1], 1, None),
    # looks at 1 3: stagnant 0 2
    ("Encog(1, check_frequency=1)", [2, 1, 2], 3, 1),
    # looks at 1, and would at 7
    ("Encog()", [5, 4, 3, 2, 1, 0], None, 1),

    # drift 0 0 1 2, and 2 > 1: a tie with the one before drifts
    ("Weka(1)", [3, 2, 2, 2], 4, 2),
    # drift 0 0 1 1 2: 1.5 is below the one before, but no best
    ("Weka(1)", [3, 1, 2, 1.5, 2], 5, 2),
    # drift 0 1
    ("Weka(0)", [2, 2], 2, 1),
    # drift 1 2: nor is 1 below NaN
    ("Weka(1)", [NAN, 1, 0.5], 2, None),
    # drift 0 1 2 3: so 1, the lowest, was never best, and 1.5 is above it
    ("Weka(2)", [2, NAN, 1, 1.5], 4, 1),
    # drift 0 1 2 0
    ("Weka(2)", [2, NAN, 1, 0.5], None, 4),
    ("Weka(0)", [3, 2, 1], None, 3),

    # means 9 2 | 2 2: the first score is dropped, 2 / 2 >= .999
    ("H2O(1)", [9, 2, 2], 3, None),
    # 2 / 4 >= .5: a gain of exactly tol is none
    ("H2O(1, tol=0.5)", [9, 4, 2], 3, None),
    # 1 / 4
    ("H2O(1, tol=0.5)", [9, 4, 1], None, None),
    # means of two, from check 5 on: 4 4 3 | 4 3 2 | 3 2 2 | 2 2 2
    ("H2O(2)", [9, 4, 4, 4, 2, 2, 2, 2], 8, None),
    # nan 1 | 1 1
    ("H2O(1)", [9, NAN, 1, 1], 4, None),
    # 1 -1 change sign | -1 -2 is a ratio of 2, so it stops as it improves
    ("H2O(1)", [9, 1, -1, -2], 4, None),
    # 1 0 change sign | 0 0 is as low as it gets
    ("H2O(1)", [9, 1, 0, 0], 4, None),

    # fails 0 1 2 3, and 3 > 2
    ("MatlabMaxFail(2)", [2, 3, 3, 3], 4, 1),
    # fails 0 1 1 2: a tie with the best changes nothing
    ("MatlabMaxFail(1)", [2, 3, 2, 3], 4, 1),
    ("MatlabMaxFail(1)", [2, 2, 2, 2], None, 1),
    # fails 0 1 0 1 2
    ("MatlabMaxFail(1)", [2, 3, 1, 2, 2], 5, 3),
    # best nan: nothing is below or above it
    ("MatlabMaxFail(1)", [NAN, 1, 2, 3], None, 1),
    # fails 0 0 1 1 2
    ("MatlabMaxFail(1)", [2, NAN, 3, NAN, 3], 5, 1),
    # fails 0 1 2 3 4 5 6
    ("MatlabMaxFail()", [1, 2, 2, 2, 2, 2, 2], None, 1),

    # 2 > 3, 2 > 2 are false, 2.5 > 2 is true
    ("PyBrain(1)", [3, 2, 2, 2.5], 4, 2),
    # the first epoch is kept although the untrained network was better
    ("PyBrain(1)", [1, 2], 2, 2),
    # min 3 4 > max 1 2
    ("PyBrain(2)", [1, 2, 3, 4], 4, 2),
    # min 2 4 > max 1 2 is false
    ("PyBrain(2)", [1, 2, 2, 4], None, 2),
    # min 2 4 > max 1 3 is false, min 4 5 > max 3 2 is true
    ("PyBrain(2)", [1, 3, 2, 4, 5], 5, 3),
    # min nan > 1, 2 > max nan are false; kept first, NaN is never beaten
    ("PyBrain(1)", [1, NAN, 2], None, 2),
    # min of nan 3 is nan in Python, of 3 nan it is 3
    ("PyBrain(2)", [1, 2, NAN, 3], None, 2),
    ("PyBrain(2)", [1, 2, 3, NAN], 4, 2),

    # r - 1 -1 -1, count 0 0 1 2
    ("CDSC(2, omega=2)", {"val": [4, 3, 3.5, 4], "train": [4, 3, 2, 1]}, 4, 2),
    # r - -1 1 -1, count 0 1 0 1
    ("CDSC(2, omega=2)", {"val": [3, 4, 3, 4], "train": [4, 3, 2, 1]}, None, 1),
    # count 0 1 1 2
    ("CDSC(2, omega=2, reset=False)", {"val": [3, 4, 3, 4], "train": [4, 3, 2, 1]}, 4, 1),
    # r - nan -1: a constant window does not count
    ("CDSC(1, omega=2)", {"val": [3, 3, 4], "train": [3, 2, 1]}, 3, 1),
    # r - -1 nan nan -1, count 0 1 1 1 2: nor does it reset
    ("CDSC(2, omega=2)", {"val": [3, 4, NAN, 5, 6], "train": [5, 4, 3, 2, 1]}, 5, 1),

    # s -.5 -.75 -.875, record 0: losses never beat the baseline, since 1 2 3
    ("EVE(2, smoothing=0.5)", [1, 1, 1], 3, None),
    # s -3 -2 -2.5 -2.75, since 0 0 1 2
    ("EVE(1, smoothing=0.5, baseline=-4.0)", [2, 1, 3, 3], 4, 2),
    # s 1 1.5 1.25, since 0 0 1
    ("EVE(0, smoothing=0.5)", [-2, -2, -1], 3, 2),
    # s 1 nan
    ("EVE(0, smoothing=0.5)", [-2, NAN], 2, 1),
    # s 0, which is no record: 2 less min_delta
    ("EVE(0, smoothing=0.5, min_delta=2.0)", [-2, -4], 1, None),
    # s 1 2.5 5.25
    ("EVE(0, smoothing=0.5)", [-2, -4, -8], None, 3),

    # - - -1 0
    ("Slope(3)", [3, 2, 1, 2], 4, None),
    # - -1 -.5, and that is enough
    ("Slope(2, slope=-0.5)", [3, 2, 1.5], 3, None),
    # - nan nan 0
    ("Slope(2)", [1, NAN, 2, 2], 4, None),
    # no full window
    ("Slope(3)", [1, 2], None, None),

    # s 4 3 3.5 3.75, wait 0 0 1 2
    ("EMA(2, decay=0.5)", [4, 2, 4, 4], 4, None),
    # .3 + .1 < .4 is false, though .3 < .4 - .1 = .30000000000000004 is true
    ("EMA(1, decay=0, min_delta=0.1)", [0.4, 0.3], 2, None),
    # s 4 3: 3 + 1 < 4 is false
    ("EMA(1, decay=0.5, min_delta=1.0)", [4, 2], 2, None),
    # s 4 4 4, wait 0 1 2
    ("EMA(2, decay=0.5)", [4, NAN, NAN, 2], 3, None),
    # s - 4 3, wait 1 0 0
    ("EMA(2, decay=0.5)", [NAN, 4, 2], None, None),
    # s 4 3.5 3.25 3.125: on a plateau it still falls
    ("EMA(1, decay=0.5)", [4, 3, 3, 3], None, None),

    # medians 3 2 3 1 4 4, wait 0 0 1 0 1 2
    ("Median(2, window=3)", [3, 1, 5, 1, 4, 4], 6, None),
    # medians 2 inf, the mean of 2 and inf
    ("Median(1, window=3)", [2, NAN, 1], 2, None),
    # medians 2 1.5 1 1 1, wait 0 1 0 1 2: a gain of exactly min_delta is bad
    ("Median(2, window=2, min_delta=0.5)", [2, 1, 1, 1, 1], 5, None),
    # medians inf inf: not below infinity, where the best starts, wait 1 2
    ("Median(2, window=3)", [NAN, NAN, 1, 1], 2, None),
    # medians 3 2.5 2
    ("Median(1, window=3)", [3, 2, 1], None, None),

    # s 4 3 3.5, 100 (3.5 / 3 - 1) = 16.7
    ("EMAGL(10, decay=0.5)", [4, 2, 4], 3, None),
    # s 4 3 3.5 3.75: 25 > 25 is false
    ("EMAGL(25, decay=0.5)", [4, 2, 4, 4], None, None),
    # s 4 3 3 3.5
    ("EMAGL(10, decay=0.5)", [4, 2, NAN, 4], 4, None),
    # s 1 0 .5: 0 / 0 is none, .5 / 0 is infinite
    ("EMAGL(10, decay=0.5)", [1, -1, 1], 3, None),

    # medians 2 2 2 3, 100 (3 / 2 - 1) = 50
    ("MedianGL(10, window=3)", [2, 2, 3, 3], 4, None),
    ("MedianGL(50, window=3)", [2, 2, 3, 3], None, None),
    # medians 2 inf
    ("MedianGL(10, window=3)", [2, NAN], 2, None),
    # medians 2 2 2 2: one NaN of three is passed by
    ("MedianGL(10, window=3)", [2, 2, NAN, 2], None, None),

    # 3 < 4 - 1 is false
    ("RelativePatience(1, min_delta=0.25)", [4, 3], 2, None),
    # 2.75 < 3, 2.5 < 2.0625 is false
    ("RelativePatience(1, min_delta=0.25)", [4, 2.75, 2.5], 3, None),
    # best - 4 4 4, wait 1 0 1 2
    ("RelativePatience(2, min_delta=0.25)", [NAN, 4, 4, 4], 4, None),
    # -2.5 < -2 - 1 is false: it tightens below 0, too
    ("RelativePatience(1, min_delta=0.5)", [-2, -2.5], 2, None),
    ("RelativePatience(1)", [1, 0.5, 0.25], None, None),

    # - 1/2 0/3: .5 < .5 is false
    ("PlateauStd(0.5, window=2)", [1, 3, 3], 3, None),
    # - 0/0 .5/.5 0/1
    ("PlateauStd(0.1, window=2)", [0, 0, 1, 1], 4, None),
    # - nan nan 0/1
    ("PlateauStd(0.1, window=2)", [1, NAN, 1, 1], 4, None),
    # 1 / |-2|
    ("PlateauStd(0.6, window=2)", [-1, -3], 2, None),
    # no full window
    ("PlateauStd(0.1)", [1, 1, 1, 1, 1, 1, 1, 1, 1], None, None),

    # .5 is enough
    ("Discrepancy(0.5)", {"val": [3, 2, 1], "train": [1, 0.5, 0.25]}, 2, None),
    ("Discrepancy(0.1)", {"val": [3, 2, 1], "train": [1, 0.5, 0.25]}, None, None),
    ("Discrepancy(0.5)", {"val": [3, 2], "train": [NAN, 0.4]}, 2, None),
    ("Discrepancy(1.0)", {"val": [3, 2], "train": [1, 2]}, 1, None),

    # rises - 0 1
    ("SuccessiveStrips(1, k=1, tol=0.0)", [1, 1, 2], 3, None),
    # 1 > .999: a tie is a rise
    ("SuccessiveStrips(1, k=1)", [1, 1], 2, None),
    # 1 > 2 - 1 is false
    ("SuccessiveStrips(1, k=1, tol=0.5)", [2, 1], None, None),
    # strips end at 2 4 6, with 2 3 4: rises - 1 2
    ("SuccessiveStrips(2, k=2, tol=0.0)", [1, 2, 1, 3, 1, 4], 6, None),
    # rises - 1 0 0 1 2
    ("SuccessiveStrips(2, k=1, tol=0.0)", [1, 2, NAN, 3, 4, 5], 6, None),
    # the first strip is compared with nothing, the second does not end
    ("SuccessiveStrips(1)", [1, 2, 3, 4, 5, 6, 7, 8, 9], None, None),

    # counter 0 - 1 2: NaN is no check
    ("EarlyStoppingPyTorch(2)", [3, NAN, 3, 3], 4, 1),
    # - best 3 2, counter - 0 0: the first that is not NaN is the best
    ("EarlyStoppingPyTorch(1)", [NAN, 3, 2], None, 3),
    # 2.5 < 2.5 is false
    ("EarlyStoppingPyTorch(1, delta=0.5)", [3, 2.5], 2, 1),
    # the first counts even if infinite: best inf, counter 0 1
    ("EarlyStoppingPyTorch(1)", [INF, INF], 2, 1),
    # 1.25 < 1 + .5
    ("EarlyStoppingPyTorch(1, delta=-0.5)", [1, 1.25], None, 2),

    # best 3 2.5 2, bad 0 0 0: a gain of exactly min_delta is good
    ("Catalyst(1, min_delta=0.5)", [3, 2.5, 2], None, None),
    # a tie is bad with the default, and good at 0
    ("Catalyst(1)", [1, 1], 2, None),
    ("Catalyst(1, min_delta=0.0)", [1, 1], None, None),
    # best nan, bad 0 1
    ("Catalyst(1, min_delta=0.0)", [NAN, 1], 2, None),
    # best 1, bad 0 1
    ("Catalyst(1, min_delta=0.0)", [1, NAN], 2, None),

    # ties improve, NaN does not: wait 0 0 1 2
    ("Cornac(2)", [1, 1, NAN, NAN], 4, None),
    # best inf: as first value NaN is bad, and what follows improves
    ("Cornac(1)", [NAN, 1], 1, None),
    # .4 - .3 >= .1 is true, though .3 <= .4 - .1 = .30000000000000004 is, too; .25 is no gain
    ("Cornac(1, min_delta=0.25)", [1, 0.75, 0.625], 3, None),
    # inf - inf is nan
    ("Cornac(1)", [INF], 1, None),

    # since 0 0 1 2, kept 1 2 3 3: the last of the tied
    ("TorchTuples(2)", [2, 1, 1, 1.5], 4, 3),
    # tested where it improves, too
    ("TorchTuples(0)", [2, 1], 1, 1),
    # 2.5 < 2.5 is false: since 0 1
    ("TorchTuples(1, min_delta=0.5)", [3, 2.5], 2, 1),
    # .3 < .4 - .1 = .30000000000000004, though .3 + .1 < .4 is false
    ("TorchTuples(1, min_delta=0.1)", [0.4, 0.3], None, 2),
    # nothing is equal to the best, which is infinite
    ("TorchTuples(2)", [NAN, NAN], 2, None),

    # wait 0
    ("Paddle(0)", [3, 2], 1, 1),
    # wait 0 1 0 1 2
    ("Paddle(2)", [3, 3, 2, 2, 2], 5, 3),
    # the sign is ignored, and exactly min_delta is bad: wait 0 1
    ("Paddle(1, min_delta=-0.5)", [3, 2.5], 2, 1),
    # best 1, wait 1 2
    ("Paddle(2, baseline=1.0)", [3, 2], 2, None),

    # bad 0 1 2, and 2 > 1
    ("StableBaselines3(1)", [1, 2, 2], 3, 1),
    # bad - - - 1 2
    ("StableBaselines3(1, min_evals=3)", [1, 2, 2, 2, 2], 5, 1),
    # what was best before counting began still is: bad - 1
    ("StableBaselines3(0, min_evals=1)", [1, 1], 2, 1),
    # bad 1
    ("StableBaselines3(0)", [NAN, 1], 1, None),

    # patience 2 after round 2, as round(.5 * 2 + 1)
    ("AdaptivePatience(0.5, b=1)", [3, 2, 2, 2], 4, 2),
    # round(2.5) is 2, round(3.5) is 4
    ("AdaptivePatience(0.5, b=2)", [1, 1, 1], 3, 1),
    ("AdaptivePatience(0.5, b=3)", [1, 1, 1, 1, 1], 5, 1),
    # best round 0: stops at the epoch 2
    ("AdaptivePatience(0.5, b=2)", [NAN, NAN, 1], 2, None),
    # patience 1, but at least 2
    ("AdaptivePatience(0, b=1, min_patience=2)", [1, 1, 1], 3, 1),
    # patience 21, but at most 1
    ("AdaptivePatience(1, b=20, max_patience=1)", [1, 1], 2, 1),
    # numbered from 0: round(0 + 1.5) is 2, where from 1 it is round(2.5), also 2
    ("AdaptivePatience(1, b=1.5)", {"val": [1, 1, 1], "epoch": [0, 1, 2]}, 3, 1),
    # a shrinking patience: round(5 - 3) = 2 after round 3
    ("AdaptivePatience(-1, b=5)", [3, 2, 1, 1, 1], 5, 3),

    # limits 1 3 5 5 5 5, the last of the tied is the best, and 2 at 6 is not looked at
    ("RealMLP(2, additive_patience=1)", [3, 2, 2.5, 2.5, 2.5, 1], 6, 2),
    ("RealMLP(2, additive_patience=1)", [3, 2, 2, 2.5, 2.5, 2.5, 2.5, 1], 8, 3),
    # best epoch 0: 1 > 0
    ("RealMLP(2, additive_patience=0)", [3, 2], 1, None),
    # NaN is never best, infinity is at first
    ("RealMLP(1, additive_patience=1)", [NAN, NAN, 1], 2, None),
    ("RealMLP(1, additive_patience=1)", [INF, NAN, 1], 3, 1),

    # both improve at 1; accuracy is tied at 2 and 3: stalled 1 2
    ("OpenNMT(2)", {"val": [9, 8, 7], "val_accuracy": [0.5, 0.5, 0.5]}, 3, 1),
    # worse 1, stalled 1, worse 2
    ("OpenNMT(2)", {"val": [2, 3, 2, 3], "val_accuracy": [0.5, 0.4, 0.5, 0.4]}, 4, 1),
    # stalled 1, both improve, worse 1, stalled 1
    ("OpenNMT(2)", {"val": [2, 1, 0.5, 1, 1], "val_accuracy": [0.5, 0.4, 0.6, 0.5, 0.6]}, None, 3),
    # NaN is stalled
    ("OpenNMT(1)", {"val": [NAN, 1], "val_accuracy": [0.5, 0.6]}, 1, None),
    # a best is only moved by both: 8 is tied with nothing, stalled, then 8.5 improves on 9
    ("OpenNMT(2)", {"val": [9, 8, 8.5], "val_accuracy": [0.5, 0.5, 0.6]}, None, 3),

    # stalled 1, worse 1, stalled 2
    ("OpenNMTScorer(2)", [1, 1, 2, 1], 4, 1),
    # worse 1, stalled 1, both forgotten, worse 1
    ("OpenNMTScorer(2)", [3, 4, 3, 2, 3], None, 4),
    # NaN and infinity at first are stalled
    ("OpenNMTScorer(2)", [INF, NAN], 2, None),

    # the loss of iteration 0 is seen at 1: bad at 501 is 500
    ("DeepXDE(500)", {"val": [3, 2, 1], "epoch": [0, 1000, 2000]}, 2, None),
    # bad 998 at iteration 999, then it improves; 999 at 1999; 1000 at 2000
    ("DeepXDE(999)", {"val": [3, 2, 1], "epoch": [0, 1000, 2000]}, 3, None),
    ("DeepXDE(1000)", {"val": [3, 2, 2], "epoch": [0, 1000, 2000]}, 3, None),
    ("DeepXDE(1000)", {"val": [3, 2, 1], "epoch": [0, 1000, 2000]}, None, None),
    # NaN is bad from the first iteration on
    ("DeepXDE(2)", [NAN, NAN, 1], 2, None),
    # 2.5 + .5 < 3 is false
    ("DeepXDE(1, min_delta=0.5)", [3, 2.5], 2, None),

    # bad 0 1 2 | 1 2, rate .1 .1 .05 .05 .025
    ("Flair(0.03, patience=1)", [1, 1, 1, 1, 1], 5, None),
    # a gain begins the count anew, but not the rate: bad 0 1 2 | 0 1 2
    ("Flair(0.03, patience=1)", [1, 1, 1, 0.5, 0.5, 0.5], 6, None),
    # .05 < .05 is false
    ("Flair(0.05, patience=0)", [1, 1], None, None),
    # the extra patience is gone after the first cut: bad 0 1 2 | 1
    ("Flair(0.03, patience=0, initial_extra_patience=1)", [1, 1, 1, 1], 4, None),
    # at a rate of 1e-8 a cut is none
    ("Flair(1e-08, learning_rate=1e-08, patience=0)", [1, 1, 1], None, None),

    # trees since 1 2 3: 0 1 2
    ("YDF(2, initial=0)", [1, 1, 1], 3, 1),
    # 3 trees an iteration: 0 3
    ("YDF(3, classes=3, initial=0)", [1, 1], 2, 1),
    # 4 > 3 trees in one iteration
    ("YDF(3, classes=4, initial=0)", [1, 1], 2, 1),
    # the first two are no candidates
    ("YDF(1, initial=2)", [1, 1, 3, 3], 4, 3),
    # best nan
    ("YDF(2, initial=0)", [NAN, 1, 0.5], 3, 1),
    # nothing was looked at
    ("YDF()", [2, 1], None, None),

    # above the best: 0 0 1 0 1 2
    ("NGBoost(2)", [1, 1, 2, 1, 2, 2], 6, None),
    # NaN begins anew: 0 1 0 1
    ("NGBoost(2)", [1, 2, NAN, 2], None, None),
    ("NGBoost(1)", [1, 1, 1], None, None),
    ("NGBoost(1)", [INF, 2, 3], 3, None),

    # before - - 4, window 4 | 4 3 | 3 3
    ("EBM(2)", [4, 3, 3], None, None),
    # before 3 at check 4, window 3 3
    ("EBM(2)", [4, 3, 3, 3], 4, None),
    # 4 - .1 * 3 = 3.7 <= 3.7
    ("EBM(1, tol=0.1)", [4, 3.7], 2, None),
    # a negative tolerance goes on: 4 + .4 <= 4.2 is false, 4 + .4 <= 4.5 is true
    ("EBM(1, tol=-0.1)", [4, 4.2, 4.5], 3, None),
    # windows of two terms
    ("EBM(1, terms=2)", [4, 4, 4], 3, None),
    # before - 4 nan 4: as Python's min has it, NaN stays lowest until the next value
    ("EBM(1)", [4, NAN, 4, 4], 4, None),
    # an infinite first value is as low as what was before it
    ("EBM(1)", [INF], 1, None),

    # bad 1 2
    ("Hyperopt(2)", [1, 1], 2, None),
    # bad 1 0 1
    ("Hyperopt(1)", [2, 1, 1], 3, None),
    # one trial never stops it: bad 1 2
    ("Hyperopt(1)", [1, 1], 2, None),
    # 1.9 < 2 - .2 is false: bad 1 2
    ("Hyperopt(2, percent_increase=10.0)", [2, 1.9], 2, None),
    # best nan, bad 1 2
    ("Hyperopt(2)", [NAN, 1], 2, None),
    # inf - inf 0 is nan
    ("Hyperopt(2)", [INF, 1], 2, None),

    # bad 0 1 2: best 1 .9 .8 moves by gains that do not count
    ("TPOT(1, tol=0.15)", [1, 0.9, 0.8], 3, None),
    # 1 - .75 >= .25
    ("TPOT(0, tol=0.25)", [1, 0.75], None, None),
    ("TPOT(0)", [1, NAN], 2, None),
    ("TPOT(0)", [NAN], 1, None),

    # gain - .1 .2 .05, reference 3 3 2.8 2.8: - 1 0 1
    ("Pymoo(1, tol=0.15)", [3, 2.9, 2.8, 2.75], 2, None),
    ("Pymoo(2, tol=0.15)", [3, 2.9, 2.8, 2.75, 2.75], 5, None),
    # a gain of exactly tol is none
    ("Pymoo(1, tol=0.5)", [3, 2.5], 2, None),
    # the second is not judged, and moves the reference: - - 1
    ("Pymoo(1, tol=0.5, n_skip=1)", [3, 1, 1], 3, None),
    # infinity is a gain, NaN is none
    ("Pymoo(1)", [INF, INF, NAN, NAN], 4, None),

    # fall of the last value: - 1/4 -1/3
    ("BoTorch(n_window=1)", [4, 3, 4], 3, None),
    # means - - 3.5 2.5 2.5: 0 / 2.5
    ("BoTorch(n_window=2, eta=0.0)", [4, 3, 2, 3], 4, None),
    # from 0 up: -1 / 0
    ("BoTorch(n_window=1)", [0, 1], 2, None),
    # 0 / 0, nan, nan
    ("BoTorch(n_window=1)", [0, 0, NAN, 0], None, None),
    # .25 < .25 is false
    ("BoTorch(0.25, n_window=1)", [4, 3], None, None),

    # lowest - 5 1, 1 3, 1 1.2
    ("SkoptDeltaY(0.5, n_best=2)", [5, 1, 3, 1.25], 4, None),
    # .5 < .5 is false
    ("SkoptDeltaY(0.5, n_best=2)", [1, 1.5], None, None),
    # NaN is worse than any
    ("SkoptDeltaY(0.5, n_best=2)", [1, NAN, NAN, 1.25], 4, None),
    ("SkoptDeltaY(0.5, n_best=1)", [NAN, 3], 2, None),
    # inf - inf
    ("SkoptDeltaY(0.5, n_best=1)", [INF], None, None),
    ("SkoptDeltaY(0.5, n_best=3)", [1, 1], None, None),

    # equal to the one before: 0 0 1 2
    ("PyGAD(2)", [1, 2, 2, 2], 4, None),
    # the best does not matter
    ("PyGAD(1)", [1, 2, 1, 2], None, None),
    ("PyGAD(1)", [NAN, NAN], None, None),

    # gains - 1 .005
    ("HMMLearn()", {"val": [1, 1, 1], "train": [3, 2, 1.995]}, 3, None),
    # .5 < .5 is false, -1 is
    ("HMMLearn(0.5)", {"val": [1, 1, 1], "train": [3, 2.5, 3.5]}, 3, None),
    ("HMMLearn()", {"val": [1, 1], "train": [NAN, 3]}, None, None),

    # bests 2 1 1 1, deviation - .5 0 0
    ("SyneTunePlateau(2, num_trials=2)", [2, 1, 5, 3], 4, None),
    ("SyneTunePlateau(0, num_trials=2)", [2, 1, 5, 3], 3, None),
    # .5 <= .5
    ("SyneTunePlateau(1, std=0.5, num_trials=2)", [2, 1], 2, None),
    # best nan for good
    ("SyneTunePlateau(1, num_trials=2)", [NAN, 1, 1], None, None),

    # rises 0 1 1 2, from the beginning
    ("GradientDisparity(2)", {"val": [1] * 4, "gradient_disparity": [3, 4, 2, 3]}, 4, None),
    # in a row 0 1 0 1 0
    (
        "GradientDisparity(2, consecutive=True)",
        {"val": [1] * 5, "gradient_disparity": [3, 4, 2, 3, 3]}, None, None,
    ),
    # neither NaN nor what follows it is a rise
    ("GradientDisparity(1)", {"val": [1] * 3, "gradient_disparity": [1, NAN, 2]}, None, None),

    # 0 > 0 is false
    ("EvidenceBased()", {"val": [1] * 3, "evidence": [NAN, 0, 0.5]}, 3, None),
    # 1 < 1 is false
    ("GradES(1.0)", {"val": [1] * 3, "largest_gradient": [NAN, 1, 0.5]}, 3, None),
    ("ScoreStop()", {"val": [1] * 3, "score_z": [NAN, 1.65, 1.64]}, 3, None),
    # .5 is enough
    ("GradStop()", {"val": [1] * 3, "credibility": [NAN, 0.25, 0.5]}, 3, None),

    # means - 7 4 4.5 6.5, since 0 0 1 2
    (
        "LabelWave(2, window=2)",
        {"val": [1] * 5, "changed_predictions": [9, 5, 3, 6, 7]}, 5, 3,
    ),
    # a tie is no lower, the first is kept
    ("LabelWave(1, window=1)", {"val": [1] * 2, "changed_predictions": [2, 2]}, 2, 1),
    ("LabelWave(1, window=3)", {"val": [1] * 2, "changed_predictions": [2, 3]}, None, None),

    # since 0 1 0 1 2
    (
        "NoisyEarlyStopping(2)",
        {"val": [1] * 5, "val_accuracy": [0.5, 0.5, 0.75, NAN, 0.7]}, 5, 3,
    ),

    # kept 3 2 2 2: 1.5 < 2 - .5 is false, and 1 is below 1.5
    ("OneStandardError(1)", {"val": [3, 2, 1.5], "val_se": [0.5, 0.5, 0.1]}, 3, 2),
    ("OneStandardError(2)", {"val": [3, 2, 1.5, 1], "val_se": [0.5, 0.5, 0.1, 9]}, None, 4),
    # scale 0 is plain patience
    ("OneStandardError(1, scale=0.0)", {"val": [2, 1.9, 1.9], "val_se": [5, 5, 5]}, 3, 2),
    # 2 - nan is never exceeded
    ("OneStandardError(2)", {"val": [2, 1, 0], "val_se": [NAN, 1, 1]}, 3, 1),

    # sums - 1 .5 -.25
    ("PflugDiagnostic()", {"val": [1] * 4, "gradient_product": [-9, 1, -0.5, -0.75]}, 4, None),
    # 0 < 0 is false
    ("PflugDiagnostic(burn_in=0)", {"val": [1] * 2, "gradient_product": [1, -1]}, None, None),
    # NaN for good
    ("PflugDiagnostic(burn_in=0)", {"val": [1] * 2, "gradient_product": [NAN, -1]}, None, None),

    # looks at 1 2 4: slopes 2 2
    ("DistanceDiagnostic(q=2.0, first=0)", {"val": [1] * 4, "distance": [1, 2, 3, 4]}, None, None),
    # looks at 1 2 4: slopes 0, so at 2
    ("DistanceDiagnostic(q=2.0, first=0)", {"val": [1] * 4, "distance": [2, 2, 2, 2]}, 2, None),
    # looks at 2 4: slope 0
    ("DistanceDiagnostic(q=2.0, first=1)", {"val": [1] * 4, "distance": [1, 4, 2, 4]}, 4, None),
    # of a distance of 0 there is no logarithm
    ("DistanceDiagnostic(q=2.0, first=0)", {"val": [1] * 4, "distance": [0, 1, 1, 2]}, None, None),

    # 3 2: mean 2.5, deviation .5; 4 is 3 above
    ("LIDTurn(window=2)", {"val": [1] * 3, "lid": [3, 2, 4]}, 3, None),
    # 3.5 is 2 above: 2 > 2 is false
    ("LIDTurn(window=2)", {"val": [1] * 3, "lid": [3, 2, 3.5]}, None, None),
    # nothing varied: any rise is infinitely high, a tie is none
    ("LIDTurn(window=2)", {"val": [1] * 4, "lid": [2, 2, 2, 2.5]}, 4, None),
    ("LIDTurn(window=2)", {"val": [1] * 3, "lid": [NAN, 2, 9]}, None, None),
]  # fmt: skip
