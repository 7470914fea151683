"""## Quirks that may surprise you

Each is shown on the shortest curve that exhibits it. All numbers are checks, counted from 1;
None means that the rule never stops.

>>> from earlystop_lab import CurveSet, replay
>>> nan = float("nan")
>>> def stop(rule, *val, **more):
...     stops = replay(CurveSet.from_runs([{"val": [float(v) for v in val], **more}]), [rule])
...     return int(stops.stop[0, 0]) if stops.fired[0, 0] else None

**The same patience does not mean the same wait.** On a plateau, Keras, Lightning, Hugging Face,
fastai, XGBoost and LightGBM stop at the p-th bad check, but Flax and scikit-learn's MLP at the
(p+1)-th. scikit-learn uses the name `n_iter_no_change` for four different rules.

>>> [stop(rule, *[1] * 9) for rule in ["Keras(2)", "Flax(2)", "SklearnMLP(2)", "SklearnSGD(2)"]]
[3, 4, 4, 3]

**Some rules never stop on a plateau**, because a tie counts as an improvement, or is not counted
at all, or because only errors above all previous ones count.

>>> flat = [1] * 50
>>> [stop(rule, *flat) for rule in ["SklearnMLP(2, tol=0)", "MMEngine(2, min_delta=0)"]]
[None, None]
>>> [stop(rule, *flat) for rule in ["MatlabMaxFail(2)", "OptunaPatient(2)", "UP(1)", "GL(1)"]]
[None, None, None, None]

Ultralytics never stops while its fitness stays at 0, which is an error of 1. CatBoost's detector
does not stop after a large fall of the error, because its p-value then rounds to 1.

>>> stop("Ultralytics(2)", *flat), stop("Ultralytics(2)", 0.5, 0.5, 0.5)
(None, 3)
>>> stop("CatBoostIter(2)", 1e4, 1, 1, 1, 1), stop("CatBoostIter(2)", 1e7, 1, 1, 1, 1)
(4, None)

**A NaN as the first value disables some rules.** It becomes the best value, nothing is below it,
and training stops although every later error improves.

>>> falling = [nan, 3, 2, 1, 0.5]
>>> [stop(rule, *falling) for rule in ["Keras(2)", "XGBoost(2)", "Flax(2)"]]
[3, 3, 4]
>>> [stop(rule, *falling) for rule in ["Keras2(2)", "Skorch(2)", "Fastai(2)"]]
[None, None, None]

**A later NaN** counts as a bad check in most rules. scikit-learn's MLP and Ignite count it as an
improvement, so they never stop a run that has diverged; Lightning and MMEngine stop at once.

>>> diverged = [1, nan, nan, nan, nan]
>>> [stop(rule, *diverged) for rule in ["Keras(2)", "SklearnMLP(2)", "Ignite(2)", "Lightning(2)"]]
[3, None, None, 2]

**Patience 0** acts like 1 in Keras and stops at the first check in Hugging Face and XGBoost. In
LightGBM it switches the rule off, so it is an error here.

>>> [stop(rule, 3, 2, 2) for rule in ["Keras(0)", "Keras(1)", "HuggingFace(0)", "XGBoost(0)"]]
[3, 3, 1, 1]

**Slow improvement stops some rules.** Ignite and Hugging Face update the best value even on gains
below the threshold, so small gains never add up; in Keras they do.

>>> creep = [1.0, 0.95, 0.9, 0.85, 0.8]
>>> [stop(f"{rule}=0.08)", *creep) for rule in ["Ignite(2, threshold", "HuggingFace(2, threshold"]]
[3, 3]
>>> stop("Keras(2, min_delta=0.08)", *creep)

**A larger min_delta may stop later**, since it also keeps the best value from being updated.

>>> rough = [10, 9.55, 9.6, 9.47, 9.6, 9.6, 9.6]
>>> stop("Keras(3, min_delta=0.1)", *rough), stop("Keras(3, min_delta=0.5)", *rough)
(5, 7)

**Whether a gain of exactly min_delta counts depends on rounding**: v + d < best and best - v > d
are not the same test.

>>> stop("Keras(1, min_delta=0.1)", 0.4, 0.3), stop("DL4J(1, min_improvement=0.1)", 0.4, 0.3)
(2, None)

**A negative min_delta** is made positive by Keras; in Lightning it lets worse errors count as
improvements.

>>> worse = [1, 1.25, 1.5, 1.75]
>>> stop("Keras(2, min_delta=-0.5)", *worse), stop("Lightning(2, min_delta=-0.5)", *worse)
(3, None)

**A relative threshold becomes more lenient for negative errors** (log-likelihoods, negated
scores) in skorch, and for positive errors in Ignite, where the score is the negated error.

>>> stop("Skorch(2, threshold=0.1)", -1, -0.95, -0.92, -0.9)
>>> stop("Ignite(2, threshold=0.1, threshold_mode='rel')", 1, 1.05, 1.1, 1.15)

**A baseline that is never reached** keeps Keras 3 training for as long as the error falls; Keras
2 stopped.

>>> slow = [9, 8, 7, 6, 5]
>>> stop("Keras(2, baseline=1)", *slow), stop("Keras2(2, baseline=1)", *slow)
(None, 2)

**scikit-learn's boosting does not compare with the best score**: HistGradientBoosting compares
with the score n iterations ago, GradientBoosting with the worst of the last n.

>>> above = [1, 3, 2.5, 2, 1.5, 1.2]
>>> [stop(rule, *above) for rule in ["Keras(2)", "SklearnHGB(2)", "SklearnGB(2)"]]
[3, 3, None]

**A decrease that is not a new best** resets neither WEKA's count nor Prechelt's GL; UP does not
remember the best at all.

>>> zigzag = [1, 5, 4, 4.5, 3, 3.5]
>>> stop("Weka(2)", *zigzag), stop("UP(2, k=1)", *zigzag), stop("GL(100, k=1)", *zigzag)
(6, None, 2)

**The restored epoch need not be the one with the lowest error**: Keras with min_delta restores
the last gain that counted, Ultralytics and spaCy restore the last epoch among ties.

>>> curves = CurveSet.from_runs([{"val": [0.9, 0.5, 0.5, 0.45, 0.6, 0.6]}])
>>> stops = replay(curves, ["Keras(9, min_delta=0.1)", "Keras(9)"], restore="own")
>>> stops.selected[0].tolist()
[2.0, 4.0]
>>> tied = CurveSet.from_runs([{"val": [0.9, 0.5, 0.5, 0.6]}])
>>> replay(tied, ["Ultralytics(9)", "Keras(9)"], restore="own").selected[0].tolist()
[3.0, 2.0]

**evestop stops immediately on positive errors**: with its default baseline of 0, no positive
error is ever a record.

>>> stop("EVE(2)", 9, 5, 3, 2, 1), stop("EVE(2, baseline=-10)", 9, 5, 3, 2, 1)
(3, None)

**spaCy's patience is in steps** and is also tested between evaluations: the replay stops at the
next recorded evaluation, even if that one improves.

>>> stop("SpaCy(300)", 3, 2, 2, 1, epoch=[0, 200, 400, 600])
600

**The released code of CDSC never resets its count**: checks of low correlation add up over the
whole run.

>>> val, train = [4, 3, 2, 3, 0, 0, 1], [7.0, 6.0, 5.0, 4.0, 3.0, 2.0, 1.0]
>>> [stop(f"CDSC(2, omega=3, reset={reset})", *val, train=train) for reset in (True, False)]
[None, 7]

**LightGBM's min_delta may restore a worse round.** A gain below it changes neither the count nor
the iteration that is restored. The same is true of Keras, which does not update its best value.

>>> small = CurveSet.from_runs([{"val": [1, 0.95, 0.97, 0.97, 0.97]}])
>>> rules = ["LightGBM(3)", "LightGBM(3, min_delta=0.1)"]
>>> replay(small, rules, restore="own").selected[0].tolist()
[2.0, 1.0]

**Lightning's min_epochs delays the stop, not the count**: bad checks before it count, and training
ends at `min_epochs` itself if the patience is used up by then. `Trainer(min_epochs=6)` is
`after(5, ...)`.

>>> stop("Lightning(2)", 3, 1, 2, 2, 2, 2, 2), stop("after(5, Lightning(2))", 3, 1, 2, 2, 2, 2, 2)
(4, 6)

**Which metric stops a library that has several** differs. LightGBM stops on whichever metric of a
validation set stalls first, unless `first_metric_only`: with two of them it is
`any_of(LightGBM(9), LightGBM(9, val="val-auc"))`. XGBoost takes the last metric of the last data
set, CatBoost its `eval_metric`, Ultralytics its fitness and not the validation loss: 0.1 mAP50 +
0.9 mAP50-95 in YOLOv5 and 8.3.0, mAP50-95 alone in 8.3.200 to 8.4.190, for classification the mean
of top-1 and top-5 accuracy.

**CatBoost without an eval set trains to the end**: `early_stopping_rounds` then has no effect, and
there is no warning.

**Keras' `monitor="loss"` does not measure the weights that it saves.** The training loss of an
epoch is a mean over its batches, during which the weights change. The saved or restored weights are
those at the end of the epoch, whose loss was never measured.
"""
