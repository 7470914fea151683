"""Answers in words, and the one table of messages: every sentence, with places for numbers.

A place is worded as :class:`str.format` does, or by one of :data:`WORDINGS`: ``{loss:percent}``,
``{names:listed}``, ``{runs:counted run}``. What a wording needs beside may be a place itself:
``{clusters:counted {unit}}``, ``{difference:difference {low} to {high}}``.
"""

from collections.abc import Callable, Mapping
from functools import singledispatch
from string import Formatter
from typing import Any

import numpy as np

from earlystop_lab._common.wording import counted, listed, percent, signed, too_few
from earlystop_lab.studies.calibration import Caution
from earlystop_lab.studies.comparison import INCOMPARABLE, Event, Verdict
from earlystop_lab.studies.prechelt1997 import Claim
from earlystop_lab.studies.reasons import Reason
from earlystop_lab.studies.recommendation import Estimate, GoalKind, Why
from earlystop_lab.studies.records import Hidden, Recorded

#: the errors of a curve set by the names that people give them
ERRORS = {"val": "validation", "test": "test", "train": "training"}


def quality(error: str, direction: str | None) -> str:
    """What was measured on a set: an error, or a score where higher is better.

    >>> quality("val", "min"), quality("test", "max")
    ('validation error', 'test score')
    """
    return f"{ERRORS[error]} {'score' if direction == 'max' else 'error'}"


def share_of(unit: str | None) -> str:
    """What a share of the positions is a share of; None where runs count in different units.

    >>> share_of("step"), share_of(None)
    ('of the steps', 'of each record')
    """
    return "of each record" if unit is None else f"of the {unit}s"


def difference(value: float, interval: str = "") -> str:
    """A difference of logarithms as a relative one, with its interval; empty where there is none.

    >>> difference(0.0213), difference(0.0, "-0.01 to 0.02"), difference(float("nan"))
    ('+2.2%', '0% (-1% to +2%)', '')
    >>> difference(0.0, "nan to nan"), difference(0.0, "-inf to inf")
    ('0% (no interval)', '0% (unbounded)')
    """
    if np.isnan(value):
        return ""
    text = signed(np.expm1(value))
    if not interval:
        return text
    low, high = map(float, interval.split(" to "))
    if not np.isfinite(low):
        return f"{text} ({'no interval' if np.isnan(low) else 'unbounded'})"
    return f"{text} ({signed(np.expm1(low))} to {signed(np.expm1(high))})"


def p_value(value: float) -> str:
    """A p value in two digits, as papers print it; empty where there is none.

    >>> p_value(0.0123), p_value(1.0), p_value(2e-5), p_value(float("nan"))
    ('.012', '1', '<.0001', '')
    """
    if np.isnan(value):
        return ""
    return "<.0001" if value < 1e-4 else f"{value:.2g}".replace("0.", ".", 1)


def estimate(value: Estimate) -> str:
    """A mean with its interval, in percent.

    >>> estimate(Estimate(0.02, 0.01, 0.03)), estimate(Estimate(0.02, 0.02, 0.02))
    ('2% (1% to 3%)', '2% (no spread)')
    """
    mean, low, high = map(percent, value)
    spread = "no spread" if value.low == value.high else f"{low} to {high}"
    return f"{mean} ({spread if np.isfinite(value.high) else 'no interval'})"


#: how a place words its value; what follows the name goes to it, too
WORDINGS: dict[str, Callable[..., str]] = {
    "percent": percent,
    "signed": signed,
    "listed": listed,
    "counted": counted,
    "too_few": too_few,
    "difference": difference,
    "p": p_value,
    "error": ERRORS.__getitem__,
    "best": lambda scores: "best score" if scores else "lowest error",
    "zero": lambda scores: "a best score of 0" if scores else "an error of 0",
    "estimate": estimate,
    "goal": lambda goal: said(goal.kind, goal._asdict()),
}

#: the sentence of every reason and of every part of an answer
MESSAGES: dict[str, str] = {
    # -- Prechelt's study ------------------------------------------------------------------
    "prechelt1997": """\
# Prechelt's study on {corpus}: {runs} runs, {problems} problems

Means over runs; 'best' and p_good are relative to {pool}.

{printed}

Of the same runs: medians and ratios of totals against GL(2), which rank criteria differently; \
geometric mean of badness; share of records ended by the criterion, by P_5 < 0.1 and by the limit; \
share stopped by epoch 15 (a start-up transient); share of the excess test error over the best \
that the worst 1% of runs carry.

{further}

## The test fixed beforehand

Slope of log test error on log training time over the 14 criteria: {estimate:.4f} ({low:.4f} to \
{high:.4f}, p = {p:.2g}; t over {clusters} problems): {fourfold:+.1f}% test error for 4 times the \
time.

## Spans, picked after seeing the table (descriptive)

{spans}

## Beside print

Table 1 as remembered, **unverified**: rank correlation of each column: {alike}.

{claims}

Technical report, tables 5 and 6 (verified), 36 data sets:

{datasets}

## The three selection rules

At equal time: families interpolated over sweeps of their thresholds, problem by problem. Each \
interval stands by itself; verdicts go by p adjusted over a rule's comparisons (Holm). Good: at \
least as good as the best of the 14. Less and more overfitting: halves of the problems by mean \
log(last validation error / lowest): {overfitting}.

{rules}
""",
    "prechelt1997.note": "Means over {runs} runs of {corpus}; best and p_good: {pool}.",
    "prechelt1997.pool": "the 14 criteria of the study",
    "prechelt1997.kind": "descriptive: extremes picked after seeing the table",
    "prechelt1997.all": "all problems",
    "prechelt1997.less": "less overfitting",
    "prechelt1997.more": "more overfitting",
    Claim.SLOWER: "slower criteria lower the test error",
    Claim.OFTEN_GOOD: "{recommended} is good more often than {other}",
    Claim.LOWER_ERROR: "{recommended} has lower test error than {other}",
    f"{Claim.SLOWER}.quantity": "slope of log test error on log time",
    f"{Claim.OFTEN_GOOD}.quantity": "p_good of {other} minus {recommended} at equal time",
    f"{Claim.LOWER_ERROR}.quantity": (
        "log test error of {recommended} minus {other} at equal time"
    ),
    # -- a comparison ----------------------------------------------------------------------
    # what a comparison says while it goes on
    Event.KEEPS_PROMISES: (
        "{rule} keeps every promise of the conformance kit, and on some runs of every corpus"
    ),
    Event.CORPUS_BEGINS: "{corpus}: {runs:counted run}, {known} known rules",
    # its answer
    "bench.question": (
        "Is {rule} better than the known stopping criteria, and where? ({corpora:listed})"
    ),
    "bench.by_corpus": "Secondary, every corpus by itself, at equal time and at chosen thresholds:",
    "bench.somewhere": "{rule} is {verdict} than {somewhere}.",
    "bench.on_corpus": "{known:listed} on {corpus}",
    "bench.mixed_on": (
        "In one way it is better and in another worse than some on {corpora:listed}."
    ),
    "bench.one_rule": (
        "{rule} does the same as {known:listed} on {corpora:listed}: one rule under two names."
    ),
    "bench.nothing_shown": (
        "No difference between {rule} and a known rule that these corpora can show."
    ),
    "bench.same_everywhere": "It does the same as {same:listed} everywhere.",
    **INCOMPARABLE,
    # over all corpora
    "bench.pooled": (
        "Over all {corpora} corpora, {clusters:counted {unit}} (those of one name count once), at "
        "equal time, adjusted for {rules:counted known rule}: {verdicts}."
    ),
    f"bench.pooled.{Verdict.BETTER}": "{rule} is better than {known:listed}",
    f"bench.pooled.{Verdict.WORSE}": "{rule} is worse than {known:listed}",
    f"bench.pooled.{Verdict.SAME}": "{rule} does the same as {known:listed}",
    f"bench.pooled.{Verdict.NOT_SHOWN}": (
        "no difference can be shown from {known:listed} (lowest adjusted p {lowest:p})"
    ),
    "bench.pooled.one_problem": (
        "Without a column 'problem' a corpus counts as one: {corpora:listed}."
    ),
    "bench.pooled.against": (
        "Against {rule}: better on {better}, tied on {tied}, worse on {worse} of {clusters}, "
        "{difference:difference {low} to {high}} {word} (p {p_adjusted:p})."
    ),
    # on one corpus
    "bench.runs": "{corpus}: {runs:counted run}, {what}{left_out}.",
    "bench.problems": (
        "{corpus}: {runs:counted run}, {clusters:counted {unit}}, {what}{left_out}."
    ),
    "bench.left_out": (
        " ({left_out} of {every} runs left out: they diverged or reach {scores:zero})"
    ),
    "bench.unvalidated": " ({why})",
    f"bench.{Verdict.BETTER}": "{rule} is better than {known:listed}.",
    f"bench.{Verdict.WORSE}": "{rule} is worse than {known:listed}.",
    f"bench.{Verdict.MIXED}": "Better in one way and worse in another than {known:listed}.",
    f"bench.{Verdict.SAME}": "It does the same as {known:listed}.",
    f"bench.{Verdict.NOT_SHOWN}": (
        "No difference that {clusters:counted {unit}} could show from {known:listed}: the lowest "
        "adjusted p is {lowest:p}. Below {reach:p} none can be (by Holm {reach_holm:p}); this is a "
        "bound, out of reach where several contrasts are equally extreme."
    ),
    "bench.apart": "Not compared, since no time is common: {apart:listed}.",
    "bench.lacking": (
        "Not compared, since not every run has all that they watch: {lacking:listed}."
    ),
    "bench.unbounded": (
        "Not compared, since they divide by an error and no upper bound of the scores is known: "
        "{unbounded:listed}."
    ),
    "bench.counting": ("Not compared, since runs count in different units: {counting:listed}."),
    "bench.against": (
        "Against {rule}: better on {better}, tied on {tied}, worse on {worse} of "
        "{clusters:counted {unit}} at equal time ({earliest:percent} to {latest:percent} of the "
        "record), {difference:difference {low} to {high}} {word} (p {p_adjusted:p}){as_used}; with "
        "thresholds chosen on other {unit}s {chosen_difference:difference} in {word} and time "
        "(p {chosen_p_adjusted:p})."
    ),
    "bench.as_used": (
        "; at the time of {default} {default_difference:difference} (p {default_p_adjusted:p})"
    ),
    "bench.carried": (
        "Against {known:listed} p says that the two rules cannot be swapped, and the interval that "
        "their mean difference may still be 0: few {unit}s carry most of it."
    ),
    "bench.rests": (
        "Swapped and resampled are {unit}s; averaged are log(1 + regret) {over}. p is adjusted for "
        "{rules} known rules, three contrasts each, and the number of corpora."
    ),
    "bench.over_runs": "over times, then over runs",
    "bench.over_problems": "over a problem's runs, over times, then over problems alike",
    "bench.too_few": "{clusters:too_few {unit}} for an interval.",
    "bench.these_runs": "Without a column 'problem' the answer holds for runs like these only.",
    # on its page: parts of captions, and captions
    "page.averaged": (
        "Geometric means over {runs:counted run}, averaged within their {unit}, "
        "{clusters:counted {unit}} alike"
    ),
    "page.averaged_runs": "Geometric means over {runs:counted run}",
    "page.band": (
        "Bands: 95%, for all thresholds of a rule at once, {clusters:counted {unit}} resampled."
    ),
    "page.no_band": "{clusters:too_few {unit}} for bands.",
    "page.interval": "95% intervals, each by itself, {clusters:counted {unit}} resampled",
    "page.no_interval": "{clusters:too_few {unit}} for intervals",
    "page.chosen": (
        "{runs:counted run}, all alike. Each rule at the threshold that suits this corpus best at "
        "one exchange rate of error and time"
    ),
    "page.front": (
        "Regret of the {what} against time. {averaged}. {band} A dot is a threshold "
        "that no other of its rule beats; grey: all other rules. Regret below {floor} is drawn "
        "there, above 100% cut off."
    ),
    "page.differences": (
        "Difference of the {what_differs} to every known rule at equal time, mean over all "
        "times that both can take. {averaged}; {interval}. Left of 0 {rule} is better. Colour "
        "and shape: what could be shown after adjusting for all that was compared."
    ),
    "page.within": "Share of runs whose regret is at most x. {chosen}.",
    "page.spent": (
        "Share of runs that had stopped by a time with a regret of at most 1%. {chosen}."
    ),
    "page.ranks": (
        "Mean rank of each rule's regret of the {what} at equal time, over {clusters} "
        "{unit}s; rules that cannot take the time have none there."
    ),
    "page.rank_table": (
        "Mean ranks over {clusters:counted {unit}} at equal times, 1 the lowest regret."
    ),
    "page.problem_table": (
        "The {what_differs} of {rule} less that of the known rule (a row each) at equal time on "
        "every {unit}, mean over all times that both can take. Below 0, in the colour of {rule}, "
        "it is better."
    ),
    "page.comparison_table": (
        "A row a known rule. Differences are of the {differ}, {rule} less the known rule, in "
        "geometric means over {unit}s, with 95% intervals; p is adjusted for all that was compared."
    ),
    # -- what records are of -----------------------------------------------------------------
    Recorded.STAND_INS: (
        "{stand_ins} of {runs} runs have no validation curve but a training curve in its place, "
        "which cannot say when to stop: left out"
    ),
    Recorded.UNVALIDATED: "{lacking} of {runs} runs have no validation curve: left out",
    Recorded.METRICS: (
        "the {error:error} metric differs from run to run ({metrics:listed}): what is averaged "
        "are losses relative to each run's own best"
    ),
    Recorded.UNITS: (
        "runs count in different units ({units:listed}): averaged are shares of each record, "
        "never numbers of these"
    ),
    # -- recommend and calibrate -----------------------------------------------------------
    Hidden.STOPPED: (
        "{stopped} of the {ended} runs that ended before the longest did so {patience} checks "
        "after their {scores:best}: a patience of {patience} had stopped them already. What more "
        "training would have found is unknown, so losses are lower bounds and no patience of "
        "{patience} or more can be judged; record some runs to their end"
    ),
    Hidden.LATE: (
        "{share:.0%} of the runs have their {scores:best} in the last tenth of the record: what a "
        "rule loses there is a lower bound"
    ),
    "verdict.recommended": "Recommendation.",
    "verdict.tentative": "Tentative recommendation: a rough guide, not more.",
    "verdict.declined": "No recommendation.",
    Why.NO_RUN: (
        "no run is left to learn from; at least {needed} are needed to say how far a mean can be "
        "trusted"
    ),
    Why.ONE_RUN: (
        "1 run to learn from; at least {needed} are needed to say how far a mean can be trusted. "
        "Any patience would be a guess from a single story"
    ),
    Why.TOO_FEW_RUNS: (
        "{runs} different runs to learn from; at least {needed} are needed to say how far a mean "
        "can be trusted"
    ),
    Why.RUNS_ALIKE: (
        "all {runs} runs are alike within {alike:.1%}: one run, seen {runs} times. Vary what will "
        "vary in use (the seed, the data, the settings)"
    ),
    Why.FEW_RUNS: "only {runs} runs; from {firm} on a mean says more than its luck",
    Why.NOT_MEASURABLE: (
        "{left_out} of {runs} runs diverged or reach {scores:zero}, to which no loss is relative: "
        "left out"
    ),
    Why.COPIES: "{left_out} of {runs} runs left out: the same as another",
    Why.SPACING: (
        "checks are about {apart:.3g} apart in what the logs count (steps, or parts or numbers of "
        "epochs): a patience counts checks, and the lines to paste are for one check an epoch"
    ),
    Why.SPACING_IN: (
        "checks are about {apart:.3g} {unit}s apart: a patience counts checks, and the lines to "
        "paste are for one check an epoch"
    ),
    Why.UNBOUNDED: (
        "no upper bound of the scores is known: {rules:listed}, which divide by an error, are left "
        "out"
    ),
    Why.NO_PROBLEM: "no column 'problem': the answer holds for runs like these only",
    Why.TOO_FEW_PROBLEMS: (
        "{problems:too_few problem} to say anything of another: runs are resampled, and the "
        "answer holds for runs of the same only"
    ),
    Why.PROBLEMS: "held out and resampled are {problems} problems: for a new one like them",
    Why.NOTHING_KEEPS: "no patience keeps a goal: {goal:goal}",
    Why.BREAKS: "where the rule was not chosen it breaks the goal: {goal:goal}",
    Why.MAY_BREAK: (
        "where the rule was not chosen a mean beyond the goal cannot be ruled out: {goal:goal}"
    ),
    Why.NO_UNIT: "runs count in different units, of which no number is a goal: {goal:goal}",
    GoalKind.LOSS: "lose at most {limit:percent} of each run's best, in geometric mean",
    GoalKind.EPOCHS: "train at most {limit:g} {unit}s a run, on average",
    GoalKind.RATE: "the best bargain where a loss of 1% is worth {limit:g}% of time",
    "advice.unmet": "\nGoal: {goal:goal}\n  No patience keeps it on these runs.",
    "advice.no_unit": "\nGoal: {goal:goal}\n  These runs count in different units.",
    "advice.worth": (
        "\nGoal: {goal:goal}\n"
        "  {criterion}\n"
        "  loses {loss} of {val_best} in geometric mean, where it was not chosen\n"
        "  (on the runs it was chosen on {seen_loss:percent}; worst run {worst:percent})\n"
        "  saves {saved:estimate} {of_positions} in geometric mean{left}"
    ),
    "advice.left": "; {epochs.mean:.0f} a run are left on average",
    "advice.no_loss": "0% (none in {n}; at 95% up to {share:percent} of others may lose some)",
    "advice.best_score": "the size of the best {error:error} score",
    "advice.lowest_error": "the lowest {error:error} error",
    "advice.test": "  loses {test_loss:estimate} of {test_best}, which no rule can see",
    f"{Why.BREAKS}.advice": (
        "  This breaks the goal: it is kept only on the runs it was chosen on."
    ),
    f"{Why.MAY_BREAK}.advice": "  These runs cannot rule out a mean beyond the goal.",
    "advice.others": "  without some of the runs the choice was another: {others}",
    "advice.paste": "  To paste:",
    "advice.keeps_last": "keeps the last weights, which loses {loss:percent} on these runs",
    "advice.differs": "differs: stops elsewhere in {elsewhere} runs",
    "recommendation.analysed": "Analysed: {what} ({better} is better).",
    "recommendation.front": (
        "\nWhat else could be had, fastest first (geometric means on the runs it is chosen from):"
    ),
    "recommendation.not_native": "\n(* not built into frameworks)",
    "calibration": (
        "{criterion}: {promise}\n"
        "  on the {units} {unit}s calibrated on: {counts}, the largest of a run {largest:.2%}; "
        "saves {saved:.0%} {of_positions}; {excess_of}"
    ),
    "calibration.above": "validation error {excess:.2%} above each run's own lowest",
    "calibration.below": "validation score {excess:.2%} of its size below each run's own best",
    "calibration.promised_mean": (
        "mean of min({error}, cap = {cap:g}) at most {at_most:.2%} for a new {new} ({how})"
    ),
    "calibration.promised_exceed": (
        "P({error} > {exceed:.2%}) at most {at_most:.2%} for a new {new} ({how})"
    ),
    "calibration.conformal_error": "validation regret",
    "calibration.tested_error": "test error over the run's end",
    "calibration.run": "run like these",
    "calibration.problem": "problem like these, over its runs",
    "calibration.conformal": "conformal risk control, on average over calibration sets",
    "calibration.tested": "learn-then-test, in at least {confidence:.0%} of calibration sets",
    "calibration.mean_counts": (
        "mean loss {mean:.2%} with the cap and {mean_uncapped:.2%} without"
    ),
    "calibration.exceed_counts": (
        "{mean:.2%} lose more than {exceed:.2%}, the mean loss is {mean_uncapped:.2%}"
    ),
    "calibration.warning": "  warning: {why}",
    Caution.CAPPED: (
        "without the cap of {cap:g} the mean loss is {mean:.2%}, above {at_most:.2%}: the cap "
        "hides rare large ones"
    ),
    Caution.COPIES: (
        "{copies} of {runs} runs are the same as another: each counts as one more, and tells "
        "nothing new"
    ),
}


@singledispatch
def in_words(found: Any) -> str:
    """What a study found, as text: the answer first, then on what it rests.

    ``found`` is what :func:`recommend`, :func:`calibrate`, ``bench`` or ``replay_study`` return.
    Raises ``TypeError`` for anything else.
    """
    raise TypeError(f"{type(found).__name__} is no answer of a study; expected such as recommend()")


class _Wording(Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        name, _, more = format_spec.partition(" ")
        if name in WORDINGS:
            return WORDINGS[name](value, *filter(None, [more]))
        return str(super().format_field(value, format_spec))


def said(what: str, numbers: Mapping[Any, Any]) -> str:
    """The message of that name with its numbers.

    >>> MESSAGES["example"] = "{runs:counted run} lose {loss:percent}"
    >>> said("example", {"runs": 1, "loss": 0.021})
    '1 run lose 2.1%'
    >>> del MESSAGES["example"]
    """
    return worded(MESSAGES[what], numbers)


def worded(text: str, numbers: Mapping[Any, Any]) -> str:
    """A text with numbers in its places.

    >>> worded("{low:percent} of {n:counted {unit}}", {"low": 0.5, "n": 2, "unit": "run"})
    '50% of 2 runs'
    """
    return _Wording().vformat(text, (), numbers)


def reason(given: Reason) -> str:
    """The sentence of a reason."""
    return said(given.what, given.numbers)
