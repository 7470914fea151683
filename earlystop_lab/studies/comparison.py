"""A new criterion against every known one: is it better, and where?

On every corpus the new rule and the known ones are swept over the whole range of their thresholds
and compared, problem by problem, at equal time: averaged over all times that both can take, and
at the one time that the known rule takes as people use it; and at thresholds that are chosen on
the other problems. What is tested, and how, is in :mod:`inference.swaps`.

Over several corpora there is one answer: each known rule over the problems of all, at equal time,
with p values adjusted for all known rules. What each corpus says by itself is secondary: there a
difference is declared where its p value, adjusted for all known rules and contrasts of the corpus
and multiplied by the number of corpora, is at most 5%. In either, anything at all is declared in at
most 5% of studies if nothing is there, in which case the new rule and each known one can be swapped
in any problem; where they are equally good on average only, somewhat more often.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import pandas as pd

from earlystop_lab._common.wording import counted, listed, percent, signed, too_few
from earlystop_lab.criteria import FAMILIES, Criterion, Family
from earlystop_lab.criteria.catalogue import usual
from earlystop_lab.curves import CurveSet, FloatArray
from earlystop_lab.engine.replaying import Restore, Stops, replay
from earlystop_lab.engine.thresholds import Thresholds, sweep, swept
from earlystop_lab.measures.fronts import (
    Points,
    averaged,
    cost,
    equal_time,
    exchange_rate,
    front,
    units_of,
)
from earlystop_lab.measures.hindsight import (
    measurable,
    oracle,
    regret_profile,
    regrets,
    time_profile,
)
from earlystop_lab.studies.conformance import check_criterion, check_on

if TYPE_CHECKING:
    from earlystop_lab.inference.swaps import Pair

#: members of a sweep, beside those close to the times at which rules are compared
MEMBERS = 40
#: times at which two rules are compared
ALIGNED = 16
#: the share of studies in which anything is declared where nothing is there
LEVEL = 0.05
#: the three differences of two rules: at equal time, at the time of the known one as people use
#: it, and with thresholds chosen on the other problems
CONTRASTS = ("", "default_", "chosen_")
#: known rules that are always spoken of, and drawn
SHOWN = ("Keras", "GL", "PQ", "UP")
#: times of the ranks, as shares of the record
TIMES = (0.02, 0.05, 0.1, 0.2, 0.5)
#: regrets and times of the profiles
WITHIN = np.geomspace(1e-4, 1, 81)
SPENT = np.geomspace(1e-3, 1, 91)


#: stands before the answers of single corpora
BY_CORPUS = "Secondary, every corpus by itself, at equal time and at chosen thresholds:"


class OnCorpus(NamedTuple):
    """The new rule against the known ones on one corpus."""

    corpus: str
    #: the runs that were compared: those in which every regret is finite
    curves: CurveSet
    #: the error whose regret was compared
    error: Literal["val", "test"]
    #: members of each rule's sweep, the new rule first
    sweeps: dict[str, list[Criterion]]
    points: Points
    #: of all sweeps, as :func:`measures.fronts.front` gives it
    front: pd.DataFrame
    #: a row a known rule, as :func:`inference.swaps.compared` gives it, with ``verdict``, with
    #: ``default``, the known rule as people use it, and with ``alike``, whether it stops and keeps
    #: as the new one does
    comparisons: pd.DataFrame
    #: difference of mean log(1 + regret) at equal time, a row a problem, a column a known rule
    by_problem: pd.DataFrame
    #: both rules at the times at which they are compared, by the known one's name
    pairs: dict[str, Pair]
    #: share of runs within a regret, and within 1% by a time, of some rules at chosen thresholds
    regret_profile: pd.DataFrame
    time_profile: pd.DataFrame
    #: mean rank of every rule at each of some equal times: a row a rule, a column a time
    ranks: pd.DataFrame
    #: what was found here, in words
    words: list[str]
    #: on what it rests, in words
    rests: list[str]


class Bench(NamedTuple):
    """The whole answer; ``str`` is its text."""

    #: name of the new rule
    rule: str
    question: str
    answer: list[str]
    corpora: list[OnCorpus]
    #: over all corpora, where there are several: a row a known rule, as
    #: :func:`inference.swaps.pooled` gives it, with ``alike``, ``p_adjusted`` and ``verdict``
    pooled: pd.DataFrame | None
    #: which weights were kept
    restore: Restore

    def __str__(self) -> str:
        parts = [self.question, *self.answer]
        if self.pooled is not None:
            parts += ["", table(self.pooled).to_string(index=False)]
        for each in self.corpora:
            rows = table(each.comparisons).to_string(index=False)
            parts += ["", *each.words, *each.rests, "", rows]
        return "\n".join(parts)


def bench(
    rule: Family | Criterion,
    corpora: Mapping[str, CurveSet],
    *,
    known: Iterable[Family] | None = None,
    worth: float = 50,
    restore: Restore = "best",
    seed: int = 0,
    n_jobs: int = 1,
    said: Callable[[str], None] = lambda text: None,
) -> Bench:
    """Compare a new rule with every known one on every corpus.

    ``known`` are all of the table by default. Compared is the regret of the test error where all
    runs of a corpus have one, else of the validation error. ``worth`` is the exchange rate of the
    thresholds that are chosen: 1% of error is worth so many percent of time. ``said`` is told
    what is going on, a line at a time.

    Raises ``ConformanceError`` for a rule that breaks a promise, also on a run of a corpus, and
    ``ValueError`` for a rule with the name of a known one, no corpus, a corpus without a run whose
    regrets are finite, or where no known rule can be compared with it on any corpus.

    >>> from earlystop_lab import GL, Keras, criterion, simulate
    >>> @criterion(threshold="checks", passes=">=")
    ... def Mine(val):
    ...     best = np.fmin.accumulate(val)
    ...     at = np.maximum.accumulate(np.where(val == best, np.arange(len(val)), 0))
    ...     return np.arange(len(val)) - at
    >>> curves = simulate("gradient_flow", 60, seed=1)
    >>> found = bench(Mine, {"flow": curves}, known=[Keras])
    >>> found.answer
    ['Mine does the same as Keras on flow: one rule under two names.']
    """
    if not corpora:
        raise ValueError("bench: no corpus; give at least one")
    name = rule.name if isinstance(rule, Family) else rule.family.name
    rivals = list(FAMILIES.values() if known is None else known)
    if any(name == each.name for each in rivals):
        raise ValueError(f"{name}: a known rule has this name; give yours another")
    if n_jobs == 0:
        raise ValueError("bench: n_jobs = 0; expected a number of jobs, or -1 for every core")
    rate = exchange_rate(worth)
    check_criterion(rule, seed=seed)
    for corpus, curves in corpora.items():
        check_on(rule, curves, corpus, seed=seed)
    said(f"{name} keeps every promise of the conformance kit, and on some runs of every corpus")
    found, uncompared = [], []
    for corpus, curves in corpora.items():
        said(f"{corpus}: {counted(len(curves), 'run')}, {len(rivals)} known rules")
        compare = _Compare(name, rule, rivals, rate, restore, seed, n_jobs)
        one = compare.on(corpus, curves, len(corpora))
        if isinstance(one, str):
            uncompared.append(one)
        else:
            found.append(one)
    if not found:
        raise ValueError(" ".join(uncompared))
    pooled, answer = None, _answer(name, found)
    if len(found) > 1:
        pooled = _pooled(found, seed)
        answer = [*_over_all(name, pooled, found), BY_CORPUS, *answer]
    answer += uncompared
    return Bench(name, _question(name, list(corpora)), answer, found, pooled, restore)


def table(comparisons: pd.DataFrame) -> pd.DataFrame:
    """The comparisons as people read them, best rivals last: a row a known rule.

    Those of a corpus, or of all (``Bench.pooled``), which are at equal time alone.
    """
    rows = comparisons.sort_values("difference", kind="stable")
    shown = pd.DataFrame({"known rule": rows["rule"]})
    shown["better/tied/worse"] = _counts(rows, "")
    shown["difference at equal time"] = [
        _difference(*values) for values in rows[["difference", "low", "high"]].to_numpy(float)
    ]
    shown["p"] = [_p(value) for value in rows["p_adjusted"]]
    shown["verdict"] = rows["verdict"]
    if "default" in rows:
        shown["as used"] = rows["default"]
        shown["at its time"] = [_difference(value) for value in rows["default_difference"]]
        shown["p "] = [_p(value) for value in rows["default_p_adjusted"]]
        shown["chosen elsewhere"] = [_difference(value) for value in rows["chosen_difference"]]
        shown[" p"] = [_p(value) for value in rows["chosen_p_adjusted"]]
    return shown


class _Compare(NamedTuple):
    """What is the same for every corpus."""

    name: str
    rule: Family | Criterion
    known: list[Family]
    rate: float
    restore: Restore
    seed: int
    n_jobs: int

    def on(self, corpus: str, curves: CurveSet, corpora: int) -> OnCorpus | str:
        """What was found on a corpus; where there is nothing to compare, why."""
        error, kept = _comparable(corpus, curves)
        plan = _planned(self.name, self.rule, self.known, kept, self._times_of(kept))
        shown = [(rule, each) for rule, group in plan.sweeps.items() for each in group]
        close = [(rule, each) for rule, group in plan.close.items() for each in group]
        every = list(dict.fromkeys([*shown, *close]))
        stops = replay(kept, [each for _, each in every], restore=self.restore, n_jobs=self.n_jobs)
        values = regrets(stops, kept)
        falling = [
            rule
            for rule, group in plan.sweeps.items()
            if error == "val" and self.restore == "best" and group[0].family.threshold
        ]
        found = averaged(
            units_of(kept),
            [rule for rule, _ in every],
            stops.criteria,
            values.time,
            getattr(values, error),
            oracle(kept).end,
            falling,
        )
        pairs = self._aligned(found, plan, kept)
        if not pairs:
            return _nothing_to_compare(self.name, corpus, found.of(self.name))
        comparisons, by_problem = self._compared(pairs, found.loss.index)
        comparisons.insert(1, "default", comparisons["rule"].map(plan.used).map(str))
        comparisons.insert(2, "alike", _alike(self.name, found, stops, pairs))
        for prefix in CONTRASTS:
            adjusted = comparisons[f"{prefix}p_max_t"] * corpora
            comparisons[f"{prefix}p_adjusted"] = adjusted.clip(upper=1)
        comparisons["verdict"] = _verdicts(comparisons)
        swept = found.first(len(shown))
        rules, columns = self._chosen(swept)
        within = getattr(values, error)[:, columns]
        return OnCorpus(
            corpus,
            kept,
            error,
            plan.sweeps,
            swept,
            front(swept, seed=self.seed),
            comparisons,
            by_problem,
            pairs,
            regret_profile(within, rules, WITHIN),
            time_profile(within, values.time[:, columns], rules, SPENT),
            self._ranks(found),
            _words(self.name, corpus, len(curves), kept, error, comparisons, [*plan.used], corpora),
            _rests(comparisons),
        )

    def _times_of(self, curves: CurveSet) -> Callable[[list[Criterion]], FloatArray]:
        """What finds the mean log times of criteria that have no threshold, by replay."""

        def times(criteria: list[Criterion]) -> FloatArray:
            stops = replay(curves, criteria, restore="last", n_jobs=self.n_jobs)
            with np.errstate(divide="ignore"):
                logs: FloatArray = np.log(regrets(stops, curves).time)
            return _weights(curves) @ logs

        return times

    def _aligned(self, found: Points, plan: _Plan, curves: CurveSet) -> dict[str, Pair]:
        """The new rule and each known one at the times that both can take."""
        from earlystop_lab.inference.swaps import Sweep, aligned  # scipy is slow

        def of(name: str) -> Sweep:
            mine = found.of(name)
            return Sweep(mine.time, mine.loss)

        pairs, new, ends = {}, of(self.name), _ends(curves)
        for name, used in plan.used.items():
            known = of(name)
            default = float(known.time[str(used)].mean())
            pair = aligned(new, known, plan.times[name], default=default, without=ends)
            if pair is not None:
                pairs[name] = pair
        return pairs

    def _compared(
        self, pairs: dict[str, Pair], units: pd.Index
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        from earlystop_lab.inference.swaps import compared  # scipy is slow

        by_problem = {
            name: (pair.loss[0] - pair.loss[1]).mean(axis=1) for name, pair in pairs.items()
        }
        rows = compared(pairs, units, rate=self.rate, seed=self.seed)
        return rows, pd.DataFrame(by_problem, index=units)

    def _chosen(self, found: Points) -> tuple[list[str], list[int]]:
        """Of the rules that are drawn, the thresholds of least cost."""
        costs = cost(found.time.mean().to_numpy(), found.loss.mean().to_numpy(), self.rate)
        columns = []
        for name in (self.name, *SHOWN):
            mine = [j for j, rule in enumerate(found.rules) if rule == name]
            columns += mine[:1] and [min(mine, key=costs.__getitem__)]
        return [found.criteria[j] for j in columns], columns

    def _ranks(self, found: Points) -> pd.DataFrame:
        from earlystop_lab.inference import ranks

        tables = equal_time(found, TIMES)
        columns = {}
        for time in TIMES:
            losses = pd.DataFrame({name: each[time] for name, each in tables.items()})
            reached = losses.dropna(axis=1)
            if not reached.empty:
                columns[time] = ranks(reached, seed=self.seed)["estimate"]
        return pd.DataFrame(columns).reindex(list(tables)).dropna(how="all")


# -- which thresholds ----------------------------------------------------------------------


class _Plan(NamedTuple):
    """What is replayed on one corpus, and at which mean log times rules are compared."""

    #: the sweep of every rule, the new one first
    sweeps: dict[str, list[Criterion]]
    #: members close to the times of comparisons
    close: dict[str, list[Criterion]]
    #: each known rule as people use it
    used: dict[str, Criterion]
    #: the times at which it is compared with the new one
    times: dict[str, FloatArray]


def _planned(
    name: str,
    rule: Family | Criterion,
    known: list[Family],
    curves: CurveSet,
    times_of: Callable[[list[Criterion]], FloatArray],
) -> _Plan:
    """The times are those that thresholds of the known rule take, or of the new one where it is
    coarse: a rule without a threshold has a few members only. The other is fitted to them.
    """
    weights = _weights(curves)
    mine = _finely(rule, curves)
    if mine is None:
        single = [rule() if isinstance(rule, Family) else rule]
        own = sweep(rule, curves, MEMBERS) if swept([rule], curves) else single
        grid = np.unique(times_of(own))
    else:
        own = mine.sweep(MEMBERS)
        grid = np.linspace(*mine.times(weights), ALIGNED)
    plan = _Plan({name: own}, {name: []}, {}, {})
    wanted = []
    for family in swept(known, curves):
        label, used, fine = family.name, usual(family), _finely(family, curves)
        others = sweep(family, curves, MEMBERS) if fine is None else fine.sweep(MEMBERS)
        plan.sweeps[label] = list(dict.fromkeys([*others, used]))
        plan.close[label] = []
        if fine is None:
            found = times_of(plan.sweeps[label])
            default = found[-1:] if used not in others else found[[others.index(used)]]
        else:
            found = fine.nearest(grid, weights)
            default = np.array([fine.time(used.threshold or 0, weights)])
            plan.close[label] = fine.around(found if mine is not None else grid, weights)
        plan.used[label] = used
        plan.times[label] = found if mine is not None else grid
        wanted += [found, default]
    if mine is not None:
        plan.close[name] = mine.around(np.unique(np.concatenate(wanted)), weights)
    return plan


def _finely(rule: Family | Criterion, curves: CurveSet) -> Thresholds | None:
    family = rule if isinstance(rule, Family) else rule.family
    return Thresholds.of(rule, curves) if family.threshold is not None else None


def _weights(curves: CurveSet) -> FloatArray:
    """Of each run, so that problems count alike; they add up to 1."""
    units = units_of(curves)
    sizes = units.value_counts()
    weights: FloatArray = 1 / (len(sizes) * sizes.loc[units].to_numpy(np.float64))
    return weights


def _comparable(corpus: str, curves: CurveSet) -> tuple[Literal["val", "test"], CurveSet]:
    """The error to compare, and the runs that have it without a gap."""
    tested = len(curves) > 0 and bool((np.diff(curves.channel("test").offsets) > 0).all())
    error: Literal["val", "test"] = "test" if tested else "val"
    kept = measurable(curves)
    if tested:
        kept &= measurable(curves, "test")
    if not kept.any():
        raise ValueError(
            f"{corpus}: in none of {counted(len(curves), 'run')} all regrets are finite; expected "
            "runs whose errors are finite and above 0"
        )
    return error, curves.select(kept)


def _ends(curves: CurveSet) -> tuple[float, float]:
    """The mean log times of stopping every run at its first check, and at its last.

    Rules that take them do the same whatever they watch, so they are not compared there.
    """
    first = curves.at("epoch", np.zeros((len(curves), 1), np.int32))[:, 0]
    with np.errstate(divide="ignore"):
        logs = np.log(np.maximum(first, 0) / oracle(curves).end)
    return float(_weights(curves) @ logs), 0.0


def _pooled(found: list[OnCorpus], seed: int) -> pd.DataFrame:
    from earlystop_lab.inference.swaps import pooled  # scipy is slow

    several = any(_unit(each) != "run" for each in found)
    studies = []
    for each in found:
        pairs, units = each.pairs, each.by_problem.index
        if _unit(each) == "run" and several:
            # nobody knows how many problems its runs are of; one is safe
            pairs = {name: pair.mean() for name, pair in pairs.items()}
            units = pd.Index([each.corpus], name="problem")
        elif _unit(each) == "run":  # runs of one name are not the same
            units = (each.corpus + ": " + units.astype(str)).rename(units.name)
        studies.append((pairs, units))
    rows = pooled(studies, seed=seed)
    same = rows["rule"].isin(_same_everywhere(found))
    sides = np.where(rows["difference"] < 0, "better", "worse")
    declared = np.where(rows["p_max_t"] <= LEVEL, sides, "not shown")
    verdict = np.where(same, "the same", declared)
    return rows.assign(alike=same, p_adjusted=rows["p_max_t"], verdict=verdict)


def _unit(found: OnCorpus) -> str:
    return str(found.comparisons["unit"].iloc[0])


def _alike(name: str, found: Points, stops: Stops, pairs: Mapping[str, Pair]) -> list[bool]:
    """Whether each known rule stops every run where the new one does, and keeps the same.

    At every time at which they are compared; a mixture of two thresholds is not looked at.
    """
    means, rules = found.time.mean().to_numpy(), np.array(found.rules)
    columns = np.vstack([stops.stop, stops.selected])

    def at(rule: str, time: float) -> set[bytes]:
        these = np.flatnonzero((rules == rule) & (np.abs(means - time) <= 1e-9))
        return {columns[:, j].tobytes() for j in these}

    return [all(at(name, t) & at(known, t) for t in pair.at) for known, pair in pairs.items()]


def _nothing_to_compare(name: str, corpus: str, mine: Points) -> str:
    """Why no known rule can be compared with the new one on a corpus."""
    if not (mine.time < 0).any(axis=None):
        return f"{name} stops no run of {corpus} before its last check, so nothing is compared."
    return (
        f"No known rule can be compared with {name} on {corpus}: none takes the same time, but for "
        "stops at every run's first check, or at its last."
    )


# -- in words ------------------------------------------------------------------------------


def _verdicts(rows: pd.DataFrame) -> list[str]:
    found = []
    for row in rows.to_dict("records"):
        declared = {
            "better" if row[f"{each}difference"] < 0 else "worse"
            for each in CONTRASTS
            if row[f"{each}p_adjusted"] <= LEVEL
        }
        if row["alike"]:
            found.append("the same")
        elif not declared:
            found.append("not shown")
        else:
            found.append("mixed" if len(declared) > 1 else declared.pop())
    return found


def _words(
    name: str,
    corpus: str,
    every: int,
    kept: CurveSet,
    error: str,
    rows: pd.DataFrame,
    known: list[str],
    corpora: int,
) -> list[str]:
    unit, clusters = str(rows["unit"].iloc[0]), int(rows["clusters"].iloc[0])
    error = {"val": "validation", "test": "test"}[error]
    many, runs = counted(clusters, unit), counted(len(kept), "run")
    left = every - len(kept)
    words = [
        f"{corpus}: {runs if unit == 'run' else f'{runs}, {many}'}, {error} error"
        + (
            f" ({left} of {every} runs left out: they diverged or reach an error of 0)."
            if left
            else "."
        ),
    ]
    for verdict in ("better", "worse", "mixed"):
        these = list(rows.loc[rows["verdict"] == verdict, "rule"])
        if verdict == "mixed" and these:
            words.append(f"Better in one way and worse in another than {listed(these)}.")
        elif these:
            words.append(f"{name} is {verdict} than {listed(these)}.")
    same = list(rows.loc[rows["verdict"] == "the same", "rule"])
    if same:
        words.append(f"It does the same as {listed(same)}.")
    unsure = rows[rows["verdict"] == "not shown"]
    if len(unsure):
        reach, holm = (
            min(1.0, corpora * float(unsure[each].iloc[0]))
            for each in ("smallest", "smallest_holm")
        )
        lowest = float(unsure[[f"{each}p_adjusted" for each in CONTRASTS]].min().min())
        words.append(
            f"No difference that {many} could show from {listed(list(unsure['rule']))}: the lowest "
            f"adjusted p is {_p(lowest)}. Below {_p(reach)} none can be (by Holm {_p(holm)}); this "
            "is a bound, out of reach where several contrasts are equally extreme."
        )
    if apart := [rule for rule in known if rule not in set(rows["rule"])]:
        words.append(f"Not compared, since no time is common: {listed(apart)}.")
    spoken = rows[rows["rule"].isin(SHOWN) & (rows["verdict"] != "the same")]
    for row in spoken.to_dict("records"):
        size = _difference(row["difference"], row["low"], row["high"])
        words.append(
            f"Against {row['rule']}: better on {row['better']}, tied on {row['tied']}, worse on "
            f"{row['worse']} of {many} at equal time ({percent(row['earliest'])} to "
            f"{percent(row['latest'])} of the record), {size} error (p {_p(row['p_adjusted'])})"
            + (
                f"; at the time of {row['default']} {_difference(row['default_difference'])} "
                f"(p {_p(row['default_p_adjusted'])})"
                if not np.isnan(row["default_difference"])
                else ""
            )
            + f"; with thresholds chosen on other {unit}s {_difference(row['chosen_difference'])} "
            f"in error and time (p {_p(row['chosen_p_adjusted'])})."
        )
    return words + _carried(rows)


def _rests(rows: pd.DataFrame) -> list[str]:
    """What was resampled, averaged and adjusted for, and where that is not enough."""
    unit, clusters = str(rows["unit"].iloc[0]), int(rows["clusters"].iloc[0])
    words = [
        f"Swapped and resampled are {unit}s; averaged are log(1 + regret) "
        + (
            "over times, then over runs"
            if unit == "run"
            else "over a problem's runs, over times, then over problems alike"
        )
        + f". p is adjusted for {len(rows)} known rules, three "
        "contrasts each, and the number of corpora."
    ]
    if clusters < 6:
        words.append(f"{too_few(clusters, unit)} for an interval.")
    if unit == "run":
        words.append("Without a column 'problem' the answer holds for runs like these only.")
    return words


def _question(name: str, corpora: list[str]) -> str:
    return f"Is {name} better than the known stopping criteria, and where? ({listed(corpora)})"


def _over_all(name: str, rows: pd.DataFrame, found: list[OnCorpus]) -> list[str]:
    """The one answer over the problems of all corpora, a sentence each."""
    unit = str(rows["unit"].iloc[0])
    clusters = counted(int(rows["clusters"].max()), unit)
    of = {verdict: list(each["rule"]) for verdict, each in rows.groupby("verdict")}
    verdicts = [
        f"{name} is {side} than {listed(of[side])}" for side in ("better", "worse") if side in of
    ]
    if "the same" in of:
        verdicts.append(f"{name} does the same as {listed(of['the same'])}")
    if "not shown" in of:
        lowest = float(rows.loc[rows["verdict"] == "not shown", "p_adjusted"].min())
        verdicts.append(
            f"no difference can be shown from {listed(of['not shown'])} (lowest adjusted p "
            f"{_p(lowest)})"
        )
    words = [
        f"Over all {len(found)} corpora, {clusters} (those of one name count once), at equal time, "
        f"adjusted for {counted(len(rows), 'known rule')}: {'; '.join(verdicts)}."
    ]
    if unit == "problem" and (alone := [each.corpus for each in found if _unit(each) == "run"]):
        words.append(f"Without a column 'problem' a corpus counts as one: {listed(alone)}.")
    spoken = rows[rows["rule"].isin(SHOWN) & (rows["verdict"] != "the same")]
    for row in spoken.to_dict("records"):
        words.append(
            f"Against {row['rule']}: better on {row['better']}, tied on {row['tied']}, worse on "
            f"{row['worse']} of {row['clusters']}, "
            f"{_difference(row['difference'], row['low'], row['high'])} error "
            f"(p {_p(row['p_adjusted'])})."
        )
    return [*words, *_carried(rows)]


def _carried(rows: pd.DataFrame) -> list[str]:
    """What to say where a test rejects and the interval of the same difference holds 0."""
    held = (rows["p_adjusted"] <= LEVEL) & (rows["low"] < 0) & (rows["high"] > 0) & ~rows["alike"]
    if not held.any():
        return []
    return [
        f"Against {listed(list(rows.loc[held, 'rule']))} p says that the two rules cannot be "
        "swapped, and the interval that their mean difference may still be 0: few "
        f"{rows['unit'].iloc[0]}s carry most of it."
    ]


def _answer(name: str, found: list[OnCorpus]) -> list[str]:
    """The verdicts over all corpora, a sentence each."""
    answer = []
    for verdict in ("better", "worse"):
        where = []
        for each in found:
            rows = each.comparisons
            these = list(rows.loc[rows["verdict"] == verdict, "rule"])
            if these:
                where.append(f"{listed(these)} on {each.corpus}")
        if where:
            answer.append(f"{name} is {verdict} than {'; than '.join(where)}.")
    mixed = [e.corpus for e in found if (e.comparisons["verdict"] == "mixed").any()]
    if mixed:
        answer.append(f"In one way it is better and in another worse than some on {listed(mixed)}.")
    if not answer:
        some = [(e.comparisons["verdict"] == "not shown").any() for e in found]
        if not any(some):
            same = dict.fromkeys(rule for each in found for rule in each.comparisons["rule"])
            everywhere = listed([each.corpus for each in found])
            return [
                f"{name} does the same as {listed(list(same))} on {everywhere}: one rule under two "
                "names."
            ]
        answer.append(f"No difference between {name} and a known rule that these corpora can show.")
    if everywhere_same := _same_everywhere(found):
        answer.append(f"It does the same as {listed(everywhere_same)} everywhere.")
    return answer


def _same_everywhere(found: list[OnCorpus]) -> list[str]:
    """The known rules that the new one does the same as on every corpus."""
    by_corpus = [each.comparisons.loc[each.comparisons["alike"], "rule"] for each in found]
    return sorted(set.intersection(*map(set, by_corpus)))


def _counts(rows: pd.DataFrame, prefix: str) -> list[str]:
    names = [f"{prefix}{name}" for name in ("better", "tied", "worse")]
    return ["/".join(f"{value:.0f}" for value in row) for row in rows[names].to_numpy(float)]


def _difference(value: float, low: float | None = None, high: float | None = None) -> str:
    """A difference of logarithms as a relative one."""
    if np.isnan(value):
        return ""
    text = signed(np.expm1(value))
    if low is None or high is None:
        return text
    if not np.isfinite(low):
        return f"{text} ({'no interval' if np.isnan(low) else 'unbounded'})"
    return f"{text} ({signed(np.expm1(low))} to {signed(np.expm1(high))})"


def _p(value: float) -> str:
    if np.isnan(value):
        return ""
    return "<.0001" if value < 1e-4 else f"{value:.2g}".replace("0.", ".", 1)
