"""## Quirks: what will surprise you

Each with the shortest curve that shows it. All numbers are checks, counted from 1; None is a
rule that never stops.

>>> from earlystop_lab import CurveSet, replay
>>> nan = float("nan")
>>> def stop(rule, *val, **more):
...     stops = replay(CurveSet.from_runs([{"val": [float(v) for v in val], **more}]), [rule])
...     return int(stops.stop[0, 0]) if stops.fired[0, 0] else None

**The same patience is not the same wait.** On a plateau Keras, Lightning, Hugging Face, fastai,
XGBoost and LightGBM stop with the p-th bad check, Flax and scikit-learn's MLP with the p+1-th;
scikit-learn uses the name `n_iter_no_change` for four different rules.

>>> [stop(rule, *[1] * 9) for rule in ["Keras(2)", "Flax(2)", "SklearnMLP(2)", "SklearnSGD(2)"]]
[3, 4, 4, 3]

**Some never stop on a plateau**, because a tie counts as an improvement, or as nothing at all, or
because only errors above all before count.

>>> flat = [1] * 50
>>> [stop(rule, *flat) for rule in ["SklearnMLP(2, tol=0)", "MMEngine(2, min_delta=0)"]]
[None, None]
>>> [stop(rule, *flat) for rule in ["MatlabMaxFail(2)", "OptunaPatient(2)", "UP(1)", "GL(1)"]]
[None, None, None, None]

Ultralytics never stops while its fitness stays 0, which is an error of 1; CatBoost's detector
not after a large fall, whose p-value rounds to 1.

>>> stop("Ultralytics(2)", *flat), stop("Ultralytics(2)", 0.5, 0.5, 0.5)
(None, 3)
>>> stop("CatBoostIter(2)", 1e4, 1, 1, 1, 1), stop("CatBoostIter(2)", 1e7, 1, 1, 1, 1)
(4, None)

**A NaN first poisons some.** It becomes the best, nothing is below it, and training stops although
every later error improves.

>>> falling = [nan, 3, 2, 1, 0.5]
>>> [stop(rule, *falling) for rule in ["Keras(2)", "XGBoost(2)", "Flax(2)"]]
[3, 3, 4]
>>> [stop(rule, *falling) for rule in ["Keras2(2)", "Skorch(2)", "Fastai(2)"]]
[None, None, None]

**A NaN later** is a bad check to most, an improvement to scikit-learn's MLP and Ignite, which then
never stop on a run that has diverged, and the end to Lightning and MMEngine.

>>> diverged = [1, nan, nan, nan, nan]
>>> [stop(rule, *diverged) for rule in ["Keras(2)", "SklearnMLP(2)", "Ignite(2)", "Lightning(2)"]]
[3, None, None, 2]

**Patience 0** is 1 to Keras, stops at the first check in Hugging Face and XGBoost, and switches
LightGBM's rule off, which is an error here.

>>> [stop(rule, 3, 2, 2) for rule in ["Keras(0)", "Keras(1)", "HuggingFace(0)", "XGBoost(0)"]]
[3, 3, 1, 1]

**A slow creep stops some.** Ignite and Hugging Face move the best on gains too small to count, so
small gains never add up; in Keras they do.

>>> creep = [1.0, 0.95, 0.9, 0.85, 0.8]
>>> [stop(f"{rule}=0.08)", *creep) for rule in ["Ignite(2, threshold", "HuggingFace(2, threshold"]]
[3, 3]
>>> stop("Keras(2, min_delta=0.08)", *creep)

**A larger min_delta may stop later**, since it also keeps the best where it was.

>>> rough = [10, 9.55, 9.6, 9.47, 9.6, 9.6, 9.6]
>>> stop("Keras(3, min_delta=0.1)", *rough), stop("Keras(3, min_delta=0.5)", *rough)
(5, 7)

**A gain of just min_delta** counts or does not by rounding: v + d < best is not best - v > d.

>>> stop("Keras(1, min_delta=0.1)", 0.4, 0.3), stop("DL4J(1, min_improvement=0.1)", 0.4, 0.3)
(2, None)

**A negative min_delta** is made positive by Keras, and lets worse errors improve in Lightning.

>>> worse = [1, 1.25, 1.5, 1.75]
>>> stop("Keras(2, min_delta=-0.5)", *worse), stop("Lightning(2, min_delta=-0.5)", *worse)
(3, None)

**Relative thresholds loosen for negative errors** (log-likelihoods, negated scores) in skorch, and
for positive ones in Ignite, where the score is the negated error.

>>> stop("Skorch(2, threshold=0.1)", -1, -0.95, -0.92, -0.9)
>>> stop("Ignite(2, threshold=0.1, threshold_mode='rel')", 1, 1.05, 1.1, 1.15)

**A baseline never reached** keeps Keras 3 going for as long as the error falls; Keras 2 stopped.

>>> slow = [9, 8, 7, 6, 5]
>>> stop("Keras(2, baseline=1)", *slow), stop("Keras2(2, baseline=1)", *slow)
(None, 2)

**Not the best is the reference** of scikit-learn's boosting: HistGradientBoosting compares with
the score n iterations ago, GradientBoosting with the worst of the last n.

>>> above = [1, 3, 2.5, 2, 1.5, 1.2]
>>> [stop(rule, *above) for rule in ["Keras(2)", "SklearnHGB(2)", "SklearnGB(2)"]]
[3, 3, None]

**A fall that is no new best** does not reset WEKA's count, nor Prechelt's GL; UP forgets the best.

>>> zigzag = [1, 5, 4, 4.5, 3, 3.5]
>>> stop("Weka(2)", *zigzag), stop("UP(2, k=1)", *zigzag), stop("GL(100, k=1)", *zigzag)
(6, None, 2)

**Another epoch may be restored than the lowest**: Keras with min_delta keeps the last gain that
counted, Ultralytics and spaCy the last of ties.

>>> curves = CurveSet.from_runs([{"val": [0.9, 0.5, 0.5, 0.45, 0.6, 0.6]}])
>>> stops = replay(curves, ["Keras(9, min_delta=0.1)", "Keras(9)"], restore="own")
>>> stops.selected[0].tolist()
[2.0, 4.0]
>>> tied = CurveSet.from_runs([{"val": [0.9, 0.5, 0.5, 0.6]}])
>>> replay(tied, ["Ultralytics(9)", "Keras(9)"], restore="own").selected[0].tolist()
[3.0, 2.0]

**evestop stops at once on positive errors**: at its default baseline of 0 none is ever a record.

>>> stop("EVE(2)", 9, 5, 3, 2, 1), stop("EVE(2, baseline=-10)", 9, 5, 3, 2, 1)
(3, None)

**spaCy's patience is in steps** and tested between evaluations, too: the replay stops at the next
recorded one, though it improves.

>>> stop("SpaCy(300)", 3, 2, 2, 1, epoch=[0, 200, 400, 600])
600

**The released code of CDSC never resets its count**: low correlations add up over a whole run.

>>> val, train = [4, 3, 2, 3, 0, 0, 1], [7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0]
>>> [stop(f"CDSC(2, omega=3, reset={reset})", *val, train=train) for reset in (True, False)]
[None, 7]
"""
