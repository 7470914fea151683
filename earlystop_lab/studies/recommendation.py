"""Which patience should I use? An answer from one's own logs, with what it is worth.

The recommended rule is one that frameworks have: patience, with or without ``min_delta``, in round
numbers. Others are on the front beside it. A rule that just keeps a limit on the runs it is chosen
on breaks it on others about every second time, so what has to keep it is the mean there with
:data:`SURE` standard errors added. What a rule loses and saves is measured where it was not chosen:
for each problem (each run, where there are not enough problems) the rule is chosen with the others,
and the mean of what it then does there is what is promised. Nothing is tuned on that mean: where it
breaks the goal, that is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from earlystop_lab._common.wording import percent, too_few
from earlystop_lab.criteria import GL, PQ, UP, Criterion, Keras, MaxEpochs
from earlystop_lab.curves import CurveSet, FloatArray
from earlystop_lab.engine.replaying import replay
from earlystop_lab.engine.thresholds import sweeps
from earlystop_lab.measures.fronts import (
    Choice,
    Points,
    at_rate,
    averaged,
    exchange_rate,
    undominated,
    units_of,
    within_loss,
    without_each,
)
from earlystop_lab.measures.hindsight import Oracle, measurable, oracle, regrets
from earlystop_lab.report.pasting import Line, lines

Mask = NDArray[np.bool_]
Verdict = Literal["recommended", "tentative", "declined"]

#: with fewer problems or runs there is no interval, and no recommendation
FEWEST = 6
#: with fewer runs a recommendation is tentative
FEW = 30
#: parts into which many units are divided to choose with the others
FOLDS = 10
#: what min_delta is tried, over the median of the runs' lowest errors
DELTAS = (0.001, 0.01)
#: members of the sweep of each rule that is only shown beside
BESIDE = 60
#: standard errors above its mean at which a candidate still has to keep the goal: 95%, one-sided
SURE = 1.645
#: the share of a record that a stop at epoch 0 counts as, so that it has a logarithm
LEAST = 1e-6
#: the goal where none is given: a mean loss of 1%
MAX_LOSS = 0.01
#: runs are alike where no error of one differs more from the first run's, relatively
ALIKE = 1e-3


_ENDS = ("", "_low", "_high")


class Estimate(NamedTuple):
    """A mean on problems (or runs) that had no say in the choice, and its 95% interval."""

    mean: float
    low: float
    high: float

    def loss(self) -> Estimate:
        """Of logarithms of 1 + regret: the regret, which is never below 0."""
        return Estimate(*(max(0.0, float(np.expm1(value))) for value in self))

    def saved(self) -> Estimate:
        """Of logarithms of stop over last epoch: the share of the epochs saved, from 0 to 1."""
        if not np.isfinite(self.high):
            return Estimate(float(-np.expm1(self.mean)), np.nan, np.nan)
        mean, low, high = (max(0.0, float(-np.expm1(v))) for v in (self.mean, self.high, self.low))
        return Estimate(mean, low, high)

    def percent(self) -> str:
        """In percent, as text."""
        if not np.isfinite(self.high):
            return f"{percent(self.mean)} (no interval)"
        if self.low == self.high:
            return f"{percent(self.mean)} (no spread)"
        return f"{percent(self.mean)} ({percent(self.low)} to {percent(self.high)})"


class Advice(NamedTuple):
    """The rule for one goal and what it is worth; ``criterion`` is None where none meets it."""

    goal: str
    criterion: Criterion | None
    #: geometric mean of 1 + regret of the validation error, less 1
    loss: Estimate
    #: the same of the test error; None where not recorded in every run
    test_loss: Estimate | None
    #: 1 less the geometric mean of stop over last epoch
    saved: Estimate
    #: arithmetic mean of the epochs a run
    epochs: Estimate
    #: the loss on the very runs the rule was chosen on, which flatters
    seen_loss: float
    #: largest validation regret of a run
    worst: float
    #: what was chosen when some units were left out, and how often
    chosen: dict[str, int]
    lines: list[Line]
    #: of each line, in how many runs it stops elsewhere than the rule
    elsewhere: list[int]
    #: and what it loses with the weights that it keeps, on the runs the rule was chosen on
    line_losses: list[float]
    #: whether the mean where the rule was not chosen keeps the goal, and whether its whole interval
    #: is below it, which a limit of 0 never is
    kept: bool
    sure: bool
    #: what the loss is a share of, with the validation or the test error named at {}
    best: str


class Recommendation(NamedTuple):
    """An answer, how firm it is, and why. ``str`` is the whole of it."""

    verdict: Verdict
    #: facts about the logs that the answer depends on, the reason for a verdict first
    reasons: list[str]
    advice: list[Advice]
    #: what no other rule or threshold beats: criterion, native, epochs, saved and loss with
    #: intervals, all geometric means; empty where there are too few runs
    front: pd.DataFrame

    def __str__(self) -> str:
        words = {
            "recommended": "Recommendation.",
            "tentative": "Tentative recommendation: a rough guide, not more.",
            "declined": "No recommendation.",
        }
        parts = [words[self.verdict], *(f"- {reason}" for reason in self.reasons)]
        parts += [_said(each) for each in self.advice]
        if len(self.front):
            parts += [
                "\nWhat else could be had, fastest first (geometric means on the runs it is chosen "
                "from):"
            ]
            parts += [_front_text(self.front)]
        return "\n".join(parts)


class _Candidates(NamedTuple):
    """Every candidate on every run: arrays of shape (runs, candidates)."""

    rules: list[str]
    criteria: list[Criterion]
    val: FloatArray
    test: FloatArray
    time: FloatArray
    stop: FloatArray
    #: whether frameworks have the rule
    native: Mask


def recommend(
    curves: CurveSet,
    *,
    max_loss: float | None = None,
    max_epochs: float | None = None,
    rate: float | None = None,
    seed: int = 0,
) -> Recommendation:
    """The patience for runs like these: one piece of advice for each goal that is given.

    ``max_loss``: the fastest rule with a mean loss of at most that share, 0.01 without any goal.
    ``max_epochs``: the rule that loses least with that many epochs a run on average. ``rate``:
    the best bargain where 1% of error is worth ``rate`` % of time. Loss is the validation regret
    against each run's own lowest error (:mod:`measures.hindsight`), its mean geometric over
    runs, problems counted alike.

    Runs that diverged, or reach an error of 0, to which no loss is relative, are left out, copies
    of a run are one run, and ``reasons`` says so. Declined are fewer than 6 different runs, runs
    all alike, and goals that no patience keeps. Tentative are fewer than 30 runs, a goal that the
    rule may not keep where it was not chosen (the 95% interval of the mean there does not end below
    the limit), and three kinds of records: where a third of the runs have their lowest error in the
    last tenth (what is lost is then a lower bound); where training had been stopped already (of the
    runs shorter than the longest, at least 3, half or more end equally many checks after their
    lowest error: a patience's mark, which one with a min_delta blurs); and where a tenth of the
    runs had to be left out.

    No interval sees large losses that are so rare that the runs at hand have none. Of 60 draws of
    40 runs of modern-nets, at a limit of 1%, 2 were recommended firmly, and both lost more on the
    other runs (of all 60 did 62%, where 1.29% was promised and 1.25% lost on average); of 60 of 100
    runs of prechelt1997, to 600 epochs, 4, and none did (of all 60 did 5%).

    With a column ``problem`` of 6 values or more, problems are held out and resampled; otherwise
    runs are, and the answer holds for runs like these only. Raises ``ValueError`` for an empty
    set or a goal out of range. Random choices (the folds, the bootstrap) follow ``seed``.

    >>> from earlystop_lab import simulate
    >>> found = recommend(simulate("gradient_flow", 40, seed=1), max_loss=0.02)
    >>> found.verdict, found.advice[0].criterion.family.name, found.advice[0].kept
    ('recommended', 'Keras', True)
    """
    goals = _goals(max_loss, max_epochs, rate)
    if not len(curves):
        raise ValueError("recommend: the curve set is empty")
    kept, reasons, firm = _checked(curves)
    if len(kept) < FEWEST or _alike(kept):
        return Recommendation("declined", [_too_few(kept), *reasons], [], pd.DataFrame())
    units, scope = _units(kept)
    if len(kept) < FEW:
        reasons.insert(0, f"only {len(kept)} runs; from {FEW} on a mean says more than its luck")
        firm = False
    tried = _candidates(kept)
    advice = [_advised(goal, kept, tried, units, seed) for goal in goals]
    doubts = [f"{doubt}: {each.goal}" for each in advice if (doubt := _doubt(each)) is not None]
    verdict: Verdict = "recommended" if firm and not doubts else "tentative"
    if all(each.criterion is None for each in advice):
        verdict = "declined"
    front = _front(kept, tried, units, seed)
    return Recommendation(verdict, [*doubts, *reasons, scope], advice, front)


# -- the records ---------------------------------------------------------------------------


def _checked(curves: CurveSet) -> tuple[CurveSet, list[str], bool]:
    """The runs that can be used, what there is to say about them, and whether to trust them."""
    reasons, firm = [], True
    usable = measurable(curves)
    if left := int((~usable).sum()):
        reasons.append(
            f"{left} of {len(curves)} runs diverged or reach an error of 0, to which no loss is "
            "relative: left out"
        )
        firm = left <= 0.1 * len(curves)
    kept = curves.select(usable)
    first = first_of_copies(kept)
    if copies := int((~first).sum()):
        reasons.append(f"{copies} of {len(kept)} runs left out: the same as another")
    kept = kept.select(first)
    if not len(kept):
        return kept, reasons, False
    doubts, sound = record_doubts(kept)
    return kept, [*doubts, *reasons, *_spacing(kept)], firm and sound


def _spacing(curves: CurveSet) -> list[str]:
    """What to know where the records count something else than checks, such as steps."""
    several = curves.select(curves.lengths > 1)
    if not len(several):
        return []
    first = several.at("epoch", np.zeros((len(several), 1), np.int32))[:, 0]
    apart = float(np.median((oracle(several).end - first) / (several.lengths - 1)))
    if 2 / 3 < apart < 3 / 2:
        return []
    return [
        f"checks are about {apart:.3g} apart in what the logs count (steps, or parts or numbers of "
        "epochs): a patience counts checks, and the lines to paste are for one check an epoch"
    ]


def record_doubts(curves: CurveSet) -> tuple[list[str], bool]:
    """What these records hide of what more training would have found, and whether it is little.

    >>> record_doubts(CurveSet.from_runs([{"val": [3.0, 2.0, 1.0, 2.0]}]))
    ([], True)
    """
    best = oracle(curves)
    doubts = []
    mark = _patience_mark(curves, best)
    if mark is not None:
        doubts.append(mark)
    late = float((best.val_epoch > 0.9 * best.end).mean())
    if late > 0:
        doubts.append(
            f"{late:.0%} of the runs have their lowest error in the last tenth of the record: "
            "what a rule loses there is a lower bound"
        )
    return doubts, late <= 1 / 3 and mark is None


def first_of_copies(curves: CurveSet) -> Mask:
    """Which runs are not the same, error by error, as one before them.

    >>> first_of_copies(CurveSet.from_runs([{"val": [2, 1]}, {"val": [2, 1]}, {"val": [2, 0]}]))
    array([ True, False,  True])
    """
    seen: set[bytes] = set()
    first = np.zeros(len(curves), bool)
    for i, curve in enumerate(curves):
        first[i] = (key := curve.val.tobytes()) not in seen
        seen.add(key)
    return first


def _alike(curves: CurveSet) -> bool:
    """Whether all runs are one run with noise in the last digits."""
    first = curves[0].val
    return all(
        len(curve.val) == len(first) and np.allclose(curve.val, first, rtol=ALIKE, atol=0)
        for curve in curves
    )


def _too_few(curves: CurveSet) -> str:
    if len(curves) < FEWEST:
        words = {0: "no run is left", 1: "1 run"}.get(len(curves), f"{len(curves)} different runs")
        story = ". Any patience would be a guess from a single story" if len(curves) == 1 else ""
        return (
            f"{words} to learn from; at least {FEWEST} are needed to say how far a mean can be "
            f"trusted{story}"
        )
    return (
        f"all {len(curves)} runs are alike within {ALIKE:.1%}: one run, seen {len(curves)} times. "
        "Vary what will vary in use (the seed, the data, the settings)"
    )


def _patience_mark(curves: CurveSet, best: Oracle) -> str | None:
    """What shows that a patience had stopped the runs: as many checks after the best in most."""
    lengths = curves.lengths
    after = np.array(
        [
            int((curve.epoch > epoch).sum())
            for curve, epoch in zip(curves, best.val_epoch, strict=True)
        ]
    )
    ended = after[lengths < lengths.max()]
    if len(ended) < 3:
        return None
    values, counts = np.unique(ended, return_counts=True)
    common, share = int(values[counts.argmax()]), counts.max() / len(ended)
    if common < 1 or counts.max() < 3 or share < 0.5:
        return None
    return (
        f"{counts.max()} of the {len(ended)} runs that ended before the longest did so {common} "
        f"checks after their lowest error: a patience of {common} had stopped them already. What "
        "more training would have found is unknown, so losses are lower bounds and no patience of "
        f"{common} or more can be judged; record some runs to their end"
    )


def _units(curves: CurveSet) -> tuple[pd.Index, str]:
    """What is held out and resampled, and how far the answer reaches."""
    runs = pd.Index(curves.runs, name="run")
    if not curves.has("problem"):
        return runs, "no column 'problem': the answer holds for runs like these only"
    problems = units_of(curves)
    count = problems.nunique()
    if count < FEWEST:
        return runs, (
            f"{too_few(count, 'problem')} to say anything of another: runs are resampled, and the "
            "answer holds for runs of the same only"
        )
    return problems, f"held out and resampled are {count} problems: for a new one like them"


# -- the candidates ------------------------------------------------------------------------


def _candidates(curves: CurveSet) -> _Candidates:
    patiences = [p for p in _round_numbers() if p <= int(curves.lengths.max())]
    scale = float(np.median(np.abs(oracle(curves).val)))
    deltas = [0.0, *(float(f"{share * scale:.0e}") for share in DELTAS)]
    native = {_name(d): [Keras(p, min_delta=d) for p in patiences] for d in dict.fromkeys(deltas)}
    beside = sweeps([GL, PQ, UP, MaxEpochs], curves, BESIDE)
    parts = []
    for group, restore in ((native, "own"), (beside, "best")):
        criteria = [each for members in group.values() for each in members]
        stops = replay(curves, criteria, restore=restore)
        parts.append((regrets(stops, curves), stops.stop))
    val, test, time = (
        np.concatenate([getattr(part[0], name) for part in parts], axis=1)
        for name in ("val", "test", "time")
    )
    groups = {**native, **beside}
    return _Candidates(
        [name for name, members in groups.items() for _ in members],
        [each for members in groups.values() for each in members],
        *(val, test, time),
        np.concatenate([part[1] for part in parts], axis=1),
        np.array([name in native for name, members in groups.items() for _ in members]),
    )


def _round_numbers() -> list[int]:
    """1 to 10, then 12, 15, 20, 25, 30, 40, 50, 60, 80 and their tenfolds."""
    steps = (12, 15, 20, 25, 30, 40, 50, 60, 80, 100)
    return [*range(1, 11), *(10**k * step for k in range(6) for step in steps)]


def _name(delta: float) -> str:
    return f"Keras(min_delta={delta!r})" if delta else "Keras"


def _points(
    tried: _Candidates, curves: CurveSet, units: pd.Index, columns: NDArray[np.intp]
) -> Points:
    return averaged(
        units,
        [tried.rules[j] for j in columns],
        [str(tried.criteria[j]) for j in columns],
        tried.time[:, columns],
        tried.val[:, columns],
        oracle(curves).end,
    )


def _front(curves: CurveSet, tried: _Candidates, units: pd.Index, seed: int) -> pd.DataFrame:
    """The points that no other beats, fastest first, each with intervals of its own."""
    found = _points(tried, curves, units, np.arange(len(tried.rules)))
    time, loss = found.time.mean().to_numpy(), found.loss.mean().to_numpy()
    best = np.flatnonzero(undominated(time, loss))
    best = best[np.lexsort((loss[best], time[best]))]
    # of thresholds that stop alike one
    best = best[np.unique(np.stack([time[best], loss[best]]), axis=1, return_index=True)[1]]
    loses = [each.loss() for each in _estimates(found.loss.iloc[:, best], seed)]
    saves = [
        each.saved()
        for each in _estimates(found.time.iloc[:, best].clip(lower=np.log(LEAST)), seed)
    ]
    return pd.DataFrame(
        {
            "rule": [tried.rules[j] for j in best],
            "criterion": [str(tried.criteria[j]) for j in best],
            # every framework can be told a number of epochs
            "native": [tried.native[j] or tried.rules[j] == MaxEpochs.name for j in best],
            "epochs": np.exp(time[best] + found.record.mean()),
            **{f"saved{end}": [each[k] for each in saves] for k, end in enumerate(_ENDS)},
            **{f"loss{end}": [each[k] for each in loses] for k, end in enumerate(_ENDS)},
        }
    )


# -- the choice ----------------------------------------------------------------------------


#: index of the chosen candidate, -1 for none, from two arrays of shape (units, candidates): what
#: its goal sees as time, and log(1 + regret)
_Choose = Callable[[FloatArray, FloatArray], int]


class _Goal(NamedTuple):
    text: str
    #: what the choice sees as time: its mean logarithm, or epochs
    sees: Literal["time", "epochs"]
    #: the largest mean loss, or number of epochs, that keeps the goal; infinite where all do
    limit: float
    choose: _Choose


def _goals(max_loss: float | None, max_epochs: float | None, rate: float | None) -> list[_Goal]:
    if max_loss is None and max_epochs is None and rate is None:
        max_loss = MAX_LOSS
    goals = []
    if max_loss is not None:
        if not 0 <= max_loss < np.inf:
            raise ValueError(f"max_loss = {max_loss}; expected a share of at least 0, such as 0.01")
        text = f"lose at most {percent(max_loss)} of each run's best, in geometric mean"
        fastest = within_loss(max_loss)
        goals.append(
            _Goal(text, "time", max_loss, lambda t, loss: fastest(t.mean(axis=0), _upper(loss)))
        )
    if max_epochs is not None:
        if not 0 < max_epochs < np.inf:
            raise ValueError(f"max_epochs = {max_epochs}; expected a number above 0")
        text = f"train at most {max_epochs:g} epochs a run, on average"
        best = _within_epochs(max_epochs)
        goals.append(
            _Goal(text, "epochs", max_epochs, lambda t, loss: best(_upper(t), loss.mean(axis=0)))
        )
    if rate is not None:
        cheapest = at_rate(exchange_rate(rate))
        text = f"the best bargain where 1% of error is worth {rate:g}% of time"
        goals.append(
            _Goal(text, "time", np.inf, lambda t, loss: cheapest(t.mean(axis=0), loss.mean(axis=0)))
        )
    return goals


def _upper(values: FloatArray) -> FloatArray:
    """The mean of each column and :data:`SURE` of its standard errors."""
    error = values.std(axis=0, ddof=1) / np.sqrt(len(values))
    upper: FloatArray = values.mean(axis=0) + SURE * error
    return upper


def _within_epochs(limit: float) -> Choice:
    def choose(epochs: FloatArray, loss: FloatArray) -> int:
        allowed = epochs <= limit
        best = allowed & (loss == np.where(allowed, loss, np.inf).min())
        return int(np.where(best, epochs, np.inf).argmin()) if allowed.any() else -1

    return choose


def _advised(
    goal: _Goal, curves: CurveSet, tried: _Candidates, units: pd.Index, seed: int
) -> Advice:
    negative = (oracle(curves).val < 0).any()
    best = "the size of the best {} score" if negative else "the lowest {} error"
    native = np.flatnonzero(tried.native)
    mine = _points(tried, curves, units, native)
    time, losses = mine.time.to_numpy(), mine.loss.to_numpy()
    if goal.sees == "epochs":
        stop = pd.DataFrame(tried.stop[:, native])
        time = stop.groupby(units, sort=False).mean().to_numpy()
    at = goal.choose(time, losses)
    n = len(losses)
    without = without_each(
        lambda others: goal.choose(time[others], losses[others]),
        *(n, FOLDS if n > 2 * FOLDS else None, seed),
    )
    if at < 0 or (without < 0).any():
        no = Estimate(np.nan, np.nan, np.nan)
        return Advice(
            goal.text, None, no, None, no, no, np.nan, np.nan, {}, [], [], [], False, False, best
        )
    chosen = pd.Series(native[without], index=mine.loss.index)
    columns = chosen.loc[units].to_numpy()

    def estimate(values: FloatArray) -> Estimate:
        runs = values[np.arange(len(curves)), columns]
        return _estimates(_over(units, runs).to_frame(), seed)[0]

    rule, there = tried.criteria[native[at]], native[at]
    loss, epochs = estimate(np.log1p(tried.val)).loss(), estimate(tried.stop)
    seen = loss if goal.sees == "time" else epochs
    tested = np.isfinite(tried.test).all()
    said = lines(rule, epochs=int(curves.lengths.max()), **_watched(curves))
    stops = [replay(curves, [line.criterion], restore=line.keeps) for line in said]
    lost = [np.log1p(regrets(each, curves).val[:, 0]) for each in stops]
    return Advice(
        goal=goal.text,
        criterion=rule,
        loss=loss,
        test_loss=estimate(np.log1p(tried.test)).loss() if tested else None,
        saved=estimate(np.log(np.maximum(tried.time, LEAST))).saved(),
        epochs=epochs,
        seen_loss=float(np.expm1(mine.loss.mean().iloc[at])),
        worst=float(tried.val[:, there].max()),
        chosen=dict(Counter(str(tried.criteria[j]) for j in chosen).most_common()),
        lines=said,
        elsewhere=[int((each.stop[:, 0] != tried.stop[:, there]).sum()) for each in stops],
        line_losses=[float(np.expm1(_over(units, each).mean())) for each in lost],
        kept=seen.mean <= goal.limit,
        sure=seen.high < goal.limit or not np.isfinite(goal.limit),
        best=best,
    )


def _over(units: pd.Index, runs: FloatArray) -> pd.Series:
    """The mean over each unit's runs."""
    return pd.Series(runs).groupby(units, sort=False).mean()


def _doubt(advice: Advice) -> str | None:
    """Why a goal may not be kept."""
    if advice.criterion is None:
        return "no patience keeps a goal"
    if not advice.kept:
        return "where the rule was not chosen it breaks the goal"
    if not advice.sure:
        return "where the rule was not chosen a mean beyond the goal cannot be ruled out"
    return None


def _estimates(means: pd.DataFrame, seed: int) -> list[Estimate]:
    """The mean and interval of every column, a row a unit."""
    from earlystop_lab.inference import intervals  # scipy is slow to import

    table = intervals(means, seed=seed)
    return [Estimate(*row) for row in table[["estimate", "low", "high"]].to_numpy(float)]


def _watched(curves: CurveSet) -> dict[str, Any]:
    """The column that was monitored, and which way, where imported logs say so."""
    said: dict[str, Any] = {}
    for name, column in (("monitor", "val_channel"), ("mode", "mode")):
        values = list(curves.meta[column].dropna().unique()) if curves.has(column) else []
        if len(values) == 1:
            said[name] = str(values[0])
    return said if said.get("mode", "min") in ("min", "max") else {}


# -- the text ------------------------------------------------------------------------------


def _said(advice: Advice) -> str:
    head = f"\nGoal: {advice.goal}"
    if advice.criterion is None:
        return f"{head}\n  No patience keeps it on these runs."
    parts = [
        head,
        f"  {advice.criterion}",
        f"  loses {_loss(advice)} of {advice.best.format('validation')} in geometric mean, where "
        "it was not chosen",
        f"  (on the runs it was chosen on {percent(advice.seen_loss)}; worst run "
        f"{percent(advice.worst)})",
        f"  saves {advice.saved.percent()} of the epochs in geometric mean; "
        f"{advice.epochs.mean:.0f} a run are left on average",
    ]
    if advice.test_loss is not None:
        parts.append(
            f"  loses {advice.test_loss.percent()} of {advice.best.format('test')}, which no rule "
            "can see"
        )
    if not advice.kept:
        parts.append("  This breaks the goal: it is kept only on the runs it was chosen on.")
    elif not advice.sure:
        parts.append("  These runs cannot rule out a mean beyond the goal.")
    others = {name: n for name, n in advice.chosen.items() if name != str(advice.criterion)}
    if others:
        listed = ", ".join(f"{name} ({count})" for name, count in others.items())
        parts.append(f"  without some of the runs the choice was another: {listed}")
    parts.append("  To paste:")
    for line, elsewhere, loss in zip(
        advice.lines, advice.elsewhere, advice.line_losses, strict=True
    ):
        notes = [line.note] if line.note else []
        if line.keeps == "last":
            notes.insert(0, f"keeps the last weights, which loses {percent(loss)} on these runs")
        if elsewhere:
            notes.append(f"differs: stops elsewhere in {elsewhere} runs")
        parts.append("    # " + ": ".join([line.program, *(["; ".join(notes)] if notes else [])]))
        parts += [f"    {code}" for code in line.code.split("\n")]
    return "\n".join(parts)


def _loss(advice: Advice) -> str:
    """The promised loss; where there was none, how much of it that leaves room for."""
    if advice.loss.high > 0:
        return advice.loss.percent()
    n = sum(advice.chosen.values())
    return f"0% (none in {n}; at 95% up to {percent(1 - 0.05 ** (1 / n))} of others may lose some)"


def _front_text(table: pd.DataFrame, most: int = 14) -> str:
    """The front, evenly thinned where it is long."""
    if len(table) > most:
        table = table.iloc[np.linspace(0, len(table) - 1, most).round().astype(int)]
    shown = pd.DataFrame({"rule": table["criterion"] + np.where(table["native"], "", " *")})
    shown["epochs"] = [f"{value:.0f}" for value in table["epochs"]]
    for name in ("saved", "loss"):
        columns = table[[f"{name}{end}" for end in _ENDS]].to_numpy(float)
        shown[name] = [Estimate(*row).percent() for row in columns]
    note = "" if table["native"].all() else "\n(* not built into frameworks)"
    return f"{shown.to_string(index=False)}{note}"
