"""Comparison of a new criterion with every known one: is it better, and where?

On every corpus, the new rule and the known rules are swept over the whole range of their thresholds
and compared over data sets at equal time, averaged over all times that both can take; see
:mod:`inference.equal_time`. All rules keep the weights of the lowest validation error at any check
(``restore="lowest"``): a rule that looks only at every fifth check would otherwise be charged for
the checks between, whatever its idea. Known rules that do the same on a corpus are one row.

There is one family of tests, the symmetric bootstrap-t over data sets
(:func:`inference.intervals`), and the interval printed beside a verdict is that of the same test.
Half of the 5% is spent on all known rules together, by the step-down minimum p; the other half on
the question asked first, whether the new rule is better than the best known one, and if so, than
the next best, one after the other. Over several corpora there is one primary answer, over the data
sets of all corpora. The results by corpus are secondary: their p values are also multiplied by the
number of corpora. A difference whose mean is not shown may still have the same sign on nearly all
data sets: an exact sign test, with Holm's adjustment, says so as a verdict of its own.
"""

import pickle
from collections.abc import Callable, Collection, Container, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from io import BytesIO
from itertools import chain
from statistics import NormalDist
from typing import Any, Literal, NamedTuple
from warnings import catch_warnings

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from earlystop_lab._common.checks import require_jobs
from earlystop_lab._common.parallel import each_of, jobs_of
from earlystop_lab._common.progress import followed
from earlystop_lab._common.wording import counted
from earlystop_lab.criteria import FAMILIES, Criterion, Family
from earlystop_lab.criteria.first_passage import Highs
from earlystop_lab.curves import CurveSet, FloatArray, facts_of, require_curves
from earlystop_lab.curves.datasets import across
from earlystop_lab.engine.replaying import Restore, Stopped, stopped, stops_at
from earlystop_lab.engine.thresholds import Thresholds, sweep, swept, watchable, watched_by
from earlystop_lab.inference import holm, intervals, mean_ranks
from earlystop_lab.inference.equal_time import Pair, Sweep, aligned
from earlystop_lab.measures.fronts import (
    SweepMeans,
    cost,
    equal_time,
    exchange_rate,
    front,
)
from earlystop_lab.measures.hindsight import regrets
from earlystop_lab.measures.profiles import regret_profile, time_profile
from earlystop_lab.studies.attainable import Attained, attained, bounds_of
from earlystop_lab.studies.conformance import check_criterion, check_on
from earlystop_lab.studies.kept import Kept, digest_of
from earlystop_lab.studies.known import (
    Known,
    Setting,
    built_in,
    falling,
    highs_of,
    known_on,
    mean_times,
    means_of,
)
from earlystop_lab.studies.reasons import Reason
from earlystop_lab.studies.records import (
    counting,
    differing,
    hidden,
    unbounded,
    unit_of,
    unvalidated,
)

#: members of a sweep, in addition to those close to the times at which rules are compared
MEMBERS = 40
#: number of times at which two rules are compared
ALIGNED = 16
#: the share of studies in which anything is declared under the null hypothesis
LEVEL = 0.05
#: an advantage is detectable if this share of studies would declare it
POWER = 0.8
#: the lowest level for which the number of resamples suffices
FINEST = 2e-4
#: corpora with so many checks in all are shared out to processes
MANY = 10**6
#: times of the ranks, as shares of the full run
TIMES = (0.02, 0.05, 0.1, 0.2, 0.5)
#: regrets and times of the profiles
WITHIN = np.geomspace(1e-4, 1, 81)
SPENT = np.geomspace(1e-3, 1, 91)


class Verdict(StrEnum):
    """What was shown about the new rule relative to a known one."""

    #: the mean difference is below or above 0
    BETTER = "better"
    WORSE = "worse"
    #: the whole interval of the mean difference lies within the margin
    EQUIVALENT = "equivalent"
    #: on nearly all data sets the difference has one sign, but its mean is not shown to differ
    RANKS = "different in ranks, mean not shown"
    #: at every time at which they were compared, they stop and select the same checks
    SAME = "the same"
    NOT_SHOWN = "not shown"


class Incomparable(StrEnum):
    """Why no known rule can be compared with the new one on a corpus."""

    #: every run has no validation curve, or a training curve in its place
    UNVALIDATED = "unvalidated"
    #: some run lacks ``channels`` that the new rule watches
    LACKING = "lacking"
    #: the direction of ``channels`` that the rule takes as errors is unknown
    UNDIRECTED = "undirected"
    #: the new rule divides by an error, and the upper bound of the scores is unknown
    UNBOUNDED = "unbounded"
    #: the new rule depends only on positions, whose unit differs between runs
    COUNTING = "counting"
    STOPS_NOTHING = "stops nothing"
    NO_COMMON_TIME = "no common time"


class Event(StrEnum):
    """Progress messages of a comparison."""

    KEEPS_PROMISES = "keeps promises"
    CORPUS_BEGINS = "corpus begins"


#: the error message if nothing can be compared on any corpus
INCOMPARABLE: dict[str, str] = {
    Incomparable.UNVALIDATED: (
        "No run of {corpus} has a validation curve ({stand_ins} have a training curve in its "
        "place), so it was skipped."
    ),
    Incomparable.LACKING: (
        "{rule} watches {channels}, which some runs of {corpus} do not have, so {corpus} was "
        "skipped."
    ),
    Incomparable.UNDIRECTED: (
        "{rule} watches {channels}, whose direction (lower or higher is better) is unknown in "
        "{corpus}, so {corpus} was skipped."
    ),
    Incomparable.UNBOUNDED: (
        "{rule} divides by an error, but the upper bound of the scores of {corpus} is unknown, so "
        "{corpus} was skipped."
    ),
    Incomparable.COUNTING: (
        "{rule} depends only on positions, but those of the runs of {corpus} are in different "
        "units, so {corpus} was skipped."
    ),
    Incomparable.STOPS_NOTHING: (
        "{rule} stops no run of {corpus} before its last check, so {corpus} was skipped."
    ),
    Incomparable.NO_COMMON_TIME: (
        "No known rule can be compared with {rule} on {corpus}: none takes the same time, except "
        "for stops at every run's first check or at its last."
    ),
}


class OnCorpus(NamedTuple):
    """The new rule compared with the known rules on one corpus."""

    corpus: str
    #: the runs that were compared: those in which every regret is finite
    curves: CurveSet
    #: number of other runs, except those without a validation curve, and a description of those
    left_out: int
    unvalidated: list[Reason]
    #: the error whose regret was compared
    error: Literal["val", "test"]
    #: every rule's sweep, the new one's first, as returned by :func:`measures.fronts.front`, with
    #: ``chosen``, whether a criterion has the least cost of its rule
    front: pd.DataFrame
    #: the criterion of each of its rows
    members: list[Criterion]
    #: one row per known rule, or per several that do the same; see :func:`bench`
    comparisons: pd.DataFrame
    #: known rules that take no time that the new one can take
    apart: list[str]
    #: known rules that watch a channel that some runs lack; that divide by an error although the
    #: upper bound of the scores is unknown; that count positions although their unit differs
    lacking: list[str]
    unbounded: list[str]
    counting: list[str]
    #: properties that differ between runs
    differing: list[Reason]
    #: why regret on some runs is a lower bound
    hidden: list[Reason]
    #: difference of log(1 + regret) at equal time, one row per cluster, one column per known rule
    by_cluster: pd.DataFrame
    #: both rules at the times at which they are compared, by the name of the known one
    pairs: dict[str, Pair]
    #: share of runs within a regret, and within 1% by a time, for every rule's chosen criterion
    regret_profile: pd.DataFrame
    time_profile: pd.DataFrame
    #: mean rank of every rule at several equal times: one row per rule, one column per time
    ranks: pd.DataFrame
    #: digest of the runs; None if a known rule is not built-in
    digest: str | None = None
    #: what every rule takes of the attainable; None where its bound is not stated
    attained: Attained | None = None

    @property
    def unit(self) -> str:
        """What was bootstrapped over: ``dataset``, else ``problem``, else ``run``."""
        return str(self.by_cluster.index.name)

    @property
    def of_scores(self) -> bool:
        """Whether scores were compared."""
        return self.curves.about(self.error).direction == "max"

    @property
    def counted_in(self) -> str:
        """The unit of the positions, or ``position`` if it differs between runs."""
        return unit_of(self.curves) or "position"

    @property
    def sweeps(self) -> dict[str, pd.DataFrame]:
        """The rows of the front of every rule, from the fastest to the slowest ``member``."""
        members = np.array(self.members, object)
        rows = self.front.assign(member=members).sort_values("time", kind="stable")
        mine = dict(list(rows.groupby("rule", sort=False)))
        return {rule: mine[rule] for rule in self.front["rule"].unique()}


class Bench(NamedTuple):
    """The whole answer; :func:`report.in_words` renders it as text."""

    #: name of the new rule
    rule: str
    #: names of all corpora
    asked: list[str]
    #: those on which something was compared
    corpora: list[OnCorpus]
    #: why nothing was compared on the others
    incomparable: list[Reason]
    #: known rules that behave exactly like the new one on every corpus
    same: list[str]
    #: the same as :attr:`OnCorpus.comparisons` over all corpora, if there are several
    pooled: pd.DataFrame | None
    #: which weights were selected
    restore: Restore
    #: log ratios of error within this of 0 do not matter
    margin: float


def bench(
    rule: Family | Criterion,
    corpora: Mapping[str, CurveSet],
    *,
    known: Iterable[Family] | None = None,
    worth: float = 50,
    margin: float = 0.5,
    restore: Restore = "lowest",
    seed: int = 0,
    n_jobs: int = 1,
    kept: Kept | None = None,
    said: Callable[[Reason], None] = lambda event: None,
) -> Bench:
    """Compare a new rule with every known one on every corpus.

    The regret of the test error (or score) is compared if all runs of a corpus have one at every
    check, otherwise that of the validation error. Runs without a validation curve, or with a
    training curve in its place, are excluded.

    Parameters
    ----------
    rule : Family or Criterion
        The new rule.
    corpora : dict of str to CurveSet
        The corpora by name.
    known : iterable of Family, optional
        The known rules, by default all built-in rules. A rule that watches a channel that a corpus
        lacks is not compared on that corpus.
    worth : float
        Exchange rate for choosing the threshold of each rule in the profiles, and for what is
        attainable: how much extra training time (%) you would accept for 1% lower error.
    margin : float
        Difference in error (%) that does not matter: rules are equivalent if the interval of their
        difference lies within it.
    restore : {"lowest", "best", "last", "own"} or ModelCheckpoint
        Which weights are kept, as in :func:`replay`.
    seed : int
        Seed of the conformance checks and of the bootstrap.
    n_jobs : int
        Number of parallel jobs; -1 uses all cores.
    kept : Kept, optional
        Where results of built-in rules are kept between calls. The answer is the same.
    said : callable
        Called with progress messages: an :class:`Event` and its numbers.

    Returns
    -------
    Bench
        Its tables of comparisons have one row per known rule or, if several do the same, one for
        all of them: ``rule``, the first of these; ``rules``, all of them; ``alike``, whether they
        stop and select like the new one; ``difference``, the new rule minus the known one in
        log(1 + regret) (the logarithm of a ratio of errors), at equal time, as a mean over
        clusters, with its 95% interval ``low`` and ``high``, and ``p`` and ``p_adjusted`` of its
        being 0; ``better``, ``tied``, ``worse``, the numbers of clusters by sign, with
        ``sign_p_adjusted`` of an exact sign test; ``detectable``, the advantage that four of five
        studies of so many clusters with this spread would declare; ``unit``, ``clusters``;
        ``verdict``. On one corpus also ``default``, the known rule at its usual threshold,
        ``default_difference``, the difference at the time that it takes (NaN if the new rule
        cannot), ``earliest`` and ``latest``, the times compared, as shares of the full run, and
        ``attained``, what the known rule takes of the attainable
        (:func:`studies.attainable.attained`; NaN where its bound is not stated: it needs the
        lowest error kept, 6 clusters, and errors above 0 at every check).

    Raises
    ------
    ConformanceError
        If the rule fails a conformance check, possibly on a run of a corpus.
    ValueError
        If the rule has the name of a known one, ``margin`` is not above 0, there is no corpus, a
        corpus has no run with finite regrets, or no known rule can be compared with the new one on
        any corpus.

    Examples
    --------

    >>> from earlystop_lab import GL, Keras, criterion, simulate
    >>> @criterion(threshold="checks", passes=">=")
    ... def Mine(val):
    ...     best = np.fmin.accumulate(val)
    ...     at = np.maximum.accumulate(np.where(val == best, np.arange(len(val)), 0))
    ...     return np.arange(len(val)) - at
    >>> curves = simulate("gradient_flow", 60, seed=1)
    >>> compared = bench(Mine, {"flow": curves}, known=[Keras])
    >>> compared.corpora[0].comparisons["verdict"].tolist(), compared.same
    (['the same'], ['Keras'])
    """
    if not corpora:
        raise ValueError("bench: corpora is empty; pass at least one curve set")
    for corpus, curves in corpora.items():
        require_curves(f"bench: {corpus!r}", curves)
    name = rule.name if isinstance(rule, Family) else rule.family.name
    rivals = list(FAMILIES.values() if known is None else known)
    if any(name == each.name for each in rivals):
        raise ValueError(f"{name}: a known rule has this name; choose another one")
    require_jobs("bench: n_jobs", n_jobs)
    rate = exchange_rate(worth)
    if not 0 < margin < 100:
        raise ValueError(f"margin = {margin}; expected a percentage of the error, above 0")
    jobs = processes_for(corpora.values(), n_jobs)
    study = _Study(
        name=name,
        rule=rule,
        known=rivals,
        corpora=len(corpora),
        rate=rate,
        margin=float(np.log1p(margin / 100)),
        restore=restore,
        seed=seed,
        n_jobs=jobs_of(n_jobs) // jobs,
        kept=kept or Kept(None),
    )
    # in parallel the largest first, so that no process is left with it at the end
    order = sorted(corpora, key=lambda corpus: -_checks(corpora[corpus]) * (jobs > 1))
    with _answers(study, [(corpus, corpora[corpus]) for corpus in order], jobs) as found:
        # other processes have begun meanwhile
        check_criterion(rule, seed=seed)
        for corpus, curves in corpora.items():
            check_on(rule, curves, corpus, seed=seed)
        said(Reason(Event.KEEPS_PROMISES, {"rule": name}))
        by_corpus = {}
        for corpus in order:
            numbers = {"corpus": corpus, "runs": len(corpora[corpus]), "known": len(rivals)}
            said(Reason(Event.CORPUS_BEGINS, numbers))
            by_corpus[corpus] = next(found)
    answers = [by_corpus[corpus] for corpus in corpora]
    done = [each for each in answers if isinstance(each, OnCorpus)]
    incomparable = [each for each in answers if isinstance(each, Reason)]
    if not done:
        whys = [INCOMPARABLE[why.what].format(**why.numbers) for why in incomparable]
        raise ValueError(" ".join(whys))
    tables = [each.comparisons for each in done]
    alike = [set(chain(*rows.loc[rows["alike"], "rules"])) for rows in tables]
    same = sorted(set.intersection(*alike))
    return Bench(
        rule=name,
        asked=list(corpora),
        corpora=done,
        incomparable=incomparable,
        same=same,
        pooled=_pooled(done, same, study) if len(done) > 1 else None,
        restore=restore,
        margin=study.margin,
    )


def processes_for(corpora: Collection[CurveSet], n_jobs: int) -> int:
    """How many of the jobs are processes, one corpus each: starting one takes seconds."""
    few = sum(map(_checks, corpora)) < MANY
    return 1 if few else min(jobs_of(n_jobs), len(corpora))


def _checks(curves: CurveSet) -> int:
    return int(curves.lengths.sum())


@contextmanager
def _answers(
    study: "_Study", asked: Sequence[tuple[str, CurveSet]], jobs: int
) -> Iterator[Iterator[OnCorpus | Reason]]:
    """What is found on one corpus after the other; more than one job are processes."""
    if jobs == 1:
        yield (study.on(*each) for each in asked)
        return
    packed = each_of(study.packed_on, asked, n_jobs=jobs, prefer="processes")
    own = study.rule if isinstance(study.rule, Family) else study.rule.family
    families = {family.name: family for family in (own, *study.known)}
    unpacked = (_Unpacking(BytesIO(each), families).load() for each in packed)
    try:
        yield followed(unpacked, "bench", len(asked), "corpora")
    finally:
        # an error ends the processes, of which joblib warns
        with catch_warnings(action="ignore"):
            packed.close()


class _Packing(pickle.Pickler):
    """What another process sends back: families by name, since theirs are those that came here."""

    def persistent_id(self, obj: Any) -> str | None:
        return obj.name if isinstance(obj, Family) else None


class _Unpacking(pickle.Unpickler):
    """The same, with the families of this process."""

    def __init__(self, file: BytesIO, families: Mapping[str, Family]) -> None:
        super().__init__(file)
        self._families = families

    def persistent_load(self, pid: str) -> Family:
        return self._families[pid]


class _Plan(NamedTuple):
    """What is replayed on one corpus: criteria, each with the name of its rule."""

    #: the sweep of every rule, the new one's first
    drawn: list[tuple[str, Criterion]]
    #: members close to the times of comparisons
    close: list[tuple[str, Criterion]]
    #: each known rule at its usual threshold
    used: dict[str, Criterion]
    #: the mean log times at which it is compared with the new one
    times: dict[str, FloatArray]
    #: the known rules
    known: list[Known]
    #: the highs of the new rule's statistic, if it has a threshold
    highs: Mapping[Any, Highs]

    @property
    def bands(self) -> dict[str, tuple[FloatArray, FloatArray]]:
        """The bands of the known rules' mean losses."""
        return {rule.family.name: (rule.low, rule.high) for rule in self.known}


class _Study(NamedTuple):
    """The settings that are the same for every corpus."""

    name: str
    rule: Family | Criterion
    known: list[Family]
    #: number of corpora
    corpora: int
    rate: float
    margin: float
    restore: Restore
    seed: int
    n_jobs: int
    kept: Kept

    def on(self, corpus: str, curves: CurveSet) -> OnCorpus | Reason:
        """The result on a corpus, or why nothing can be compared there."""
        validated = curves.select(facts_of(curves).validated)
        if len(curves) and not len(validated):
            numbers = {"corpus": corpus, "stand_ins": int(facts_of(curves).stand_ins.sum())}
            return Reason(Incomparable.UNVALIDATED, numbers)
        error, kept = _comparable(corpus, validated)
        if not watchable(self.rule, kept).all():
            return self._unwatchable(corpus, kept)
        if counting([self.rule], kept):
            return Reason(Incomparable.COUNTING, {"rule": self.name, "corpus": corpus})
        counted_out = counting(self.known, kept)
        known = [each for each in self.known if each not in counted_out]
        divide = unbounded(known, kept)
        lacking = [e for e in known if e not in divide and not watchable(e, kept).all()]
        watched = {name for rule in (self.rule, *known) for name, _ in watched_by(rule)}
        setting = Setting(
            curves=kept,
            runs=kept.laid_out(names={"val", *watched}),
            digest=digest_of(kept),
            error=error,
            restore=self.restore,
            weights=_weights(kept),
            most=MEMBERS,
            seed=self.seed,
        )
        plan = self._planned(corpus, setting, known)
        means, rows = self._replayed(setting, plan)
        pairs = self._aligned(means, plan, kept)
        if not pairs:
            stopped = (means.of(self.name).time < 0).any(axis=None)
            why = Incomparable.NO_COMMON_TIME if stopped else Incomparable.STOPS_NOTHING
            return Reason(why, {"rule": self.name, "corpus": corpus})
        by_cluster = pd.DataFrame(
            {name: pair.differences.mean(axis=1) for name, pair in pairs.items()},
            means.loss.index,
        )
        alike = _alike(self.name, means, rows, pairs)
        comparisons = compared(
            by_cluster, alike, margin=self.margin, times=self.corpora, seed=self.seed
        )
        of = [pairs[name] for name in comparisons["rule"]]
        by_default = [
            np.nan if pair.default is None else pair.differences[:, pair.default].mean()
            for pair in of
        ]
        drawn = means.first(len(plan.drawn))
        shares = self._attained(setting, drawn)
        comparisons = comparisons.assign(
            default=[str(plan.used[name]) for name in comparisons["rule"]],
            default_difference=by_default,
            earliest=[float(np.exp(pair.at[0])) for pair in of],
            latest=[float(np.exp(pair.at[-1])) for pair in of],
            attained=[
                np.nan if shares is None else shares.rules[name] for name in comparisons["rule"]
            ],
        )
        costs = pd.Series(
            cost(drawn.time.mean().to_numpy(), drawn.loss.mean().to_numpy(), self.rate)
        )
        chosen = costs.groupby(drawn.rules, sort=False).idxmin().to_numpy()
        texts = drawn.criteria
        names = [texts[j] for j in chosen]
        members = [each for _, each in plan.drawn]
        own = Stopped(*(np.take(each, chosen, axis=1) for each in rows))
        values = regrets(stops_at(kept, [members[j] for j in chosen], own), kept)
        losses: FloatArray = getattr(values, error)
        return OnCorpus(
            corpus=corpus,
            curves=kept,
            left_out=len(validated) - len(kept),
            unvalidated=unvalidated(curves),
            error=error,
            front=front(drawn, seed=self.seed, bands=plan.bands).assign(
                chosen=costs.index.isin(chosen)
            ),
            members=members,
            comparisons=comparisons,
            apart=[name for name in plan.used if name not in pairs],
            lacking=[each.name for each in lacking],
            unbounded=[each.name for each in divide],
            counting=[each.name for each in counted_out],
            differing=differing(kept, error),
            hidden=hidden(kept),
            by_cluster=by_cluster,
            pairs=pairs,
            regret_profile=regret_profile(losses, names, WITHIN),
            time_profile=time_profile(losses, values.time, names, SPENT),
            ranks=self._ranks(means),
            digest=setting.digest if all(map(built_in, known)) else None,
            attained=shares,
        )

    def packed_on(self, corpus: str, curves: CurveSet) -> bytes:
        """The same as another process sends it."""
        file = BytesIO()
        _Packing(file, pickle.HIGHEST_PROTOCOL).dump(self.on(corpus, curves))
        return file.getvalue()

    def _attained(self, setting: Setting, drawn: SweepMeans) -> Attained | None:
        """What rules take of the attainable, whose bound is for keeping the lowest error."""
        if self.restore != "lowest":
            return None
        bounds = bounds_of(setting.curves, self.rate, setting.error, setting.digest, self.kept)
        if bounds is None:
            return None
        costs = {
            name: cost(mine.time.to_numpy(), mine.loss.to_numpy(), self.rate)
            for name, mine in drawn.by_rule().items()
        }
        return attained(bounds, costs, self.rate)

    def _unwatchable(self, corpus: str, curves: CurveSet) -> Reason:
        """Why the new rule cannot be applied to every run."""
        names = [name for name, _ in watched_by(self.rule)]
        counts = {name: facts_of(curves).counts(name) for name in names}
        if channels := [name for name in names if not counts[name].all()]:
            why = Incomparable.LACKING
        elif unbounded([self.rule], curves):
            why, channels = Incomparable.UNBOUNDED, names
        else:
            why = Incomparable.UNDIRECTED
            channels = [name for name in names if curves.about(name).direction is None]
        numbers = {"rule": self.name, "corpus": corpus, "channels": ", ".join(channels)}
        return Reason(why, numbers)

    def _planned(self, corpus: str, setting: Setting, families: Sequence[Family]) -> _Plan:
        """The times are those of the known rule's thresholds, or of the new rule's if it is
        coarse: a rule without a threshold has only a few members. The other rule is fitted to them.
        """
        curves = setting.curves
        mine = _finely(self.rule, setting)
        if mine is not None:
            own, levels = mine.sweep(MEMBERS), mine.levels(setting.weights)
            grid = np.linspace(*levels.ends(), ALIGNED)
        else:
            single = self.rule() if isinstance(self.rule, Family) else self.rule
            own = sweep(self.rule, curves, MEMBERS) if swept([self.rule], curves) else [single]
            levels = None
            grid = np.unique(mean_times(own, self._stopped(setting, own), setting))
        highs = {} if mine is None else mine.known
        plan = _Plan([(self.name, each) for each in own], [], {}, {}, [], highs)
        wanted: list[FloatArray] = []
        known = swept(families, curves)
        # threads, since compiled code and what takes time in numpy let others run meanwhile
        each_known = ((family, setting, self.kept) for family in known)
        done = each_of(known_on, each_known, n_jobs=self.n_jobs, prefer="threads")
        for each in followed(done, f"{corpus}: known rules", len(known), "rules"):
            family = each.family
            plan.known.append(each)
            plan.drawn.extend((family.name, member) for member in each.members)
            times = each.times if each.levels is None else each.levels.nearest(grid)
            plan.used[family.name] = each.used
            plan.times[family.name] = at = times if levels is not None else grid
            if each.levels is not None:
                plan.close.extend((family.name, member) for member in each.levels.around(at))
            wanted += [times, np.array([each.default])]
        if levels is not None:
            near = levels.around(np.unique(np.concatenate(wanted)))
            plan.close.extend((self.name, member) for member in near)
        return plan

    def _replayed(self, setting: Setting, plan: _Plan) -> tuple[SweepMeans, Stopped]:
        """The means of all members of the plan, and where they stop; some of them are known."""
        members = list(dict.fromkeys([*plan.drawn, *plan.close]))
        before = dict.fromkeys((r.family.name, member) for r in plan.known for member in r.members)
        fresh = [member for member in members if member not in before]
        rules, criteria = [rule for rule, _ in fresh], [member for _, member in fresh]
        rows = self._stopped(setting, criteria, {**highs_of(plan.known), **plan.highs})
        means = means_of(setting, rules, criteria, rows)
        place = {member: j for j, member in enumerate([*before, *fresh])}
        order = [place[member] for member in members]

        def together(known: Iterable[NDArray[Any]], new: NDArray[Any]) -> NDArray[Any]:
            return np.take(np.concatenate([*known, new], axis=1), order, axis=1)

        time, loss = (
            pd.DataFrame(
                together([getattr(rule, name) for rule in plan.known], getattr(means, name)),
                index=means.loss.index,
                columns=[str(member) for _, member in members],
            )
            for name in ("time", "loss")
        )
        falls = {rule for rule, member in plan.drawn if falling(setting, member)}
        return (
            SweepMeans([rule for rule, _ in members], time, loss, means.record, frozenset(falls)),
            Stopped(
                together([rule.rows.stop for rule in plan.known], rows.stop),
                together([rule.rows.selected for rule in plan.known], rows.selected),
            ),
        )

    def _stopped(
        self,
        setting: Setting,
        criteria: list[Criterion],
        known: Mapping[Any, Highs] | None = None,
    ) -> Stopped:
        runs = None if known is None else setting.runs
        return stopped(
            setting.curves,
            criteria,
            restore=self.restore,
            n_jobs=self.n_jobs,
            known=known,
            runs=runs,
        )

    def _aligned(self, means: SweepMeans, plan: _Plan, curves: CurveSet) -> dict[str, Pair]:
        """The new rule and each known one at the times that both can take."""
        sweeps = {rule: Sweep(mine.time, mine.loss) for rule, mine in means.by_rule().items()}
        pairs, ends = {}, _ends(curves)
        for name, times in plan.times.items():
            default = float(sweeps[name].time[str(plan.used[name])].mean())
            pair = aligned(sweeps[self.name], sweeps[name], times, default=default, without=ends)
            if pair is not None:
                pairs[name] = pair
        return pairs

    def _ranks(self, means: SweepMeans) -> pd.DataFrame:
        tables = equal_time(means, TIMES)
        reached = {
            time: pd.DataFrame({name: each[time] for name, each in tables.items()}).dropna(axis=1)
            for time in TIMES
        }
        mean = {time: mean_ranks(table) for time, table in reached.items() if not table.empty}
        return pd.DataFrame(mean).reindex(list(tables)).dropna(how="all")


def _finely(rule: Family | Criterion, setting: Setting) -> Thresholds | None:
    family = rule if isinstance(rule, Family) else rule.family
    if family.threshold is None:
        return None
    return Thresholds.of(rule, setting.curves, setting.runs)


def _weights(curves: CurveSet) -> FloatArray:
    """Weights of the runs that give every problem equal weight; they sum to 1."""
    clusters = facts_of(curves).clusters
    sizes = clusters.value_counts()
    return 1 / (len(sizes) * sizes.loc[clusters].to_numpy(np.float64))


def _comparable(corpus: str, curves: CurveSet) -> tuple[Literal["val", "test"], CurveSet]:
    """The error to compare, and the runs that have it at every check."""
    tested = len(curves) > 0 and bool(facts_of(curves).measured_with("test", "val").all())
    kept = facts_of(curves).measurable()
    if tested:
        kept = kept & facts_of(curves).measurable("test")
    if not kept.any():
        raise ValueError(
            f"{corpus}: none of its {counted(len(curves), 'run')} has only finite regrets; "
            "expected runs whose errors are finite and above 0"
        )
    return "test" if tested else "val", curves.select(kept)


def _ends(curves: CurveSet) -> tuple[float, float]:
    """The mean log times of stopping every run at its first check, and at its end.

    At these times all rules behave alike whatever they watch, so they are not compared there.
    """
    known = facts_of(curves)
    with np.errstate(divide="ignore"):
        logs = np.log(np.maximum(known.ends("val")[0], 0) / known.last)
    return float(_weights(curves) @ logs), 0.0


def compared(
    by_cluster: pd.DataFrame,
    alike: Container[str] = (),
    *,
    margin: float = float(np.log(1.005)),
    times: int = 1,
    seed: int = 0,
) -> pd.DataFrame:
    """The table of comparisons of :func:`bench`, from differences at equal time.

    Parameters
    ----------
    by_cluster : DataFrame
        Differences of log(1 + regret), the new rule minus the known one, one row per cluster and
        one column per known rule. NaN is a cluster without that rule.
    alike : container of str
        Known rules that stop and select like the new one.
    margin : float
        Largest difference that does not matter, a logarithm.
    times : int
        Number of tables of which this is one; p values are multiplied by it.
    seed : int
        Seed of the bootstrap.

    Returns
    -------
    DataFrame

    Examples
    --------
    >>> index = pd.Index(list("abcdefgh"), name="dataset")
    >>> known = pd.DataFrame({"GL": [-0.02, -0.03] * 4, "UP": [0.001, -0.001] * 4}, index)
    >>> compared(known)[["rule", "difference", "p_adjusted", "verdict"]].round(3)
      rule  difference  p_adjusted     verdict
    0   GL      -0.025       0.008      better
    1   UP       0.000       1.000  equivalent
    """
    # rules that do the same are one row
    rules: dict[tuple[bytes, bool], list[str]] = {}
    for name, column in by_cluster.items():
        numbers = column.round(9).to_numpy().tobytes()
        rules.setdefault((numbers, name in alike), []).append(str(name))
    table = by_cluster[[same[0] for same in rules.values()]]
    found = intervals(table, seed=seed)
    # that of the first step down, within what so many resamples can tell
    level = max(LEVEL / (2 * times * len(rules)), FINEST)
    wide = intervals(table, confidence=1 - level, seed=seed)
    half = wide["high"] - wide["estimate"]
    error: pd.Series = table.std(ddof=1) / np.sqrt(table.count())
    signs = pd.DataFrame({sign: (np.sign(table) == sign).sum() for sign in (-1, 0, 1)})
    sign_p = holm([_sign_p(below, above) for below, _, above in signs.to_numpy().tolist()])
    rows = pd.DataFrame(
        {
            "rule": table.columns,
            "rules": list(rules.values()),
            "alike": [name in alike for name in table],
            "difference": found["estimate"].to_numpy(),
            **{name: found[name].to_numpy() for name in ("low", "high", "p")},
            "p_adjusted": np.minimum(times * _first_or_together(found), 1),
            "better": signs[-1].to_numpy(),
            "tied": signs[0].to_numpy(),
            "worse": signs[1].to_numpy(),
            "sign_p_adjusted": np.minimum(times * np.array(sign_p), 1),
            "detectable": (half + NormalDist().inv_cdf(POWER) * error).to_numpy(),
            "unit": found["unit"].to_numpy(),
            "clusters": found["clusters"].to_numpy(),
        }
    )
    return rows.assign(verdict=[_verdict(row, margin) for row in rows.to_dict("records")])


def _verdict(row: Mapping[Any, Any], margin: float) -> Verdict:
    if row["alike"]:
        return Verdict.SAME
    if -margin <= row["low"] and row["high"] <= margin:
        return Verdict.EQUIVALENT
    if row["p_adjusted"] <= LEVEL:
        return Verdict.BETTER if row["difference"] < 0 else Verdict.WORSE
    return Verdict.RANKS if row["sign_p_adjusted"] <= LEVEL else Verdict.NOT_SHOWN


def _first_or_together(found: pd.DataFrame) -> FloatArray:
    """p adjusted for all known rules together, or from the best one on: twice the lower of both."""
    together = found["p_adjusted"].to_numpy()
    if (found["p"] < 1).sum() < 2:  # a single known rule differs at all
        return together
    # the new rule has the smallest advantage over the best known one
    order = np.argsort(-found["estimate"].to_numpy(), kind="stable")
    better = np.where(found["estimate"] < 0, found["p"], 1.0)
    in_turn = np.empty(len(found))
    in_turn[order] = np.maximum.accumulate(better[order])
    return np.minimum(2 * np.minimum(together, in_turn), 1)


def _sign_p(below: int, above: int) -> float:
    """p of an exact two-sided sign test; the tied ones are left out."""
    from scipy.special import bdtr  # scipy.stats takes far longer to import

    return min(1.0, 2 * float(bdtr(min(below, above), below + above, 0.5)))


def _alike(name: str, means: SweepMeans, stops: Stopped, pairs: Mapping[str, Pair]) -> set[str]:
    """The known rules that stop every run where the new one does, and select the same check.

    This is tested at every time at which they are compared, except for mixtures of two thresholds.
    """
    times, rules = means.time.mean().to_numpy(), np.array(means.rules)

    def at(rule: str, time: float) -> set[bytes]:
        these = np.flatnonzero((rules == rule) & (np.abs(times - time) <= 1e-9))
        return {b"".join(rows[:, j].tobytes() for rows in stops) for j in these}

    return {k for k, pair in pairs.items() if all(at(name, t) & at(k, t) for t in pair.at)}


def _pooled(done: list[OnCorpus], same: list[str], study: _Study) -> pd.DataFrame:
    """Each known rule over the data sets of all corpora."""
    units = {each.unit for each in done}
    unit = next(name for name in ("dataset", "problem", "run") if name in units)
    parts = []
    for each in done:
        part = each.by_cluster
        if each.unit == "run" and unit != "run":
            # the number of data sets among its runs is unknown; one is the safe assumption
            part = part.mean().to_frame(each.corpus).T
        parts.append(part.set_axis(across(each.corpus, part.index)))
    together = pd.concat(parts)
    # the same data recorded twice are not a second data set
    by_cluster = together.groupby(together.index, sort=False).mean().rename_axis(unit)
    return compared(by_cluster, same, margin=study.margin, seed=study.seed)
