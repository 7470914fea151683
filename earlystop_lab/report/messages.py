"""Answers in words, and the table of all messages, each with placeholders for numbers.

A placeholder is formatted as in :meth:`str.format`, or by one of :data:`WORDINGS`:
``{loss:percent}``, ``{names:listed}``, ``{runs:counted run}``. The argument of a wording may itself
contain placeholders: ``{clusters:counted {unit}}``, ``{difference:difference {low} to {high}}``.
"""

from collections.abc import Callable, Mapping
from functools import singledispatch
from string import Formatter
from types import MappingProxyType
from typing import Any

import numpy as np

from earlystop_lab._common.wording import (
    counted,
    listed,
    percent,
    signed,
    too_few,
    visible,
)
from earlystop_lab.report.as_tables import markdown_table
from earlystop_lab.studies.calibration import Caution
from earlystop_lab.studies.comparison import INCOMPARABLE, Event, Verdict
from earlystop_lab.studies.prechelt1997 import Claim, Seen
from earlystop_lab.studies.reasons import Reason
from earlystop_lab.studies.recommendation import Estimate, GoalKind, Why
from earlystop_lab.studies.records import Hidden, Recorded

#: the errors of a curve set by their usual names
ERRORS = {"val": "validation", "test": "test", "train": "training"}


#: what the columns of tables say, in words
_MEASURES = {
    "slowness": "training time",
    "badness": "{error} error",
    "redundancy": "training after the selected epoch, over that up to it",
    "p_good": "share of runs with the best result of these criteria",
    "fired": "share of runs stopped",
}
_AGAINST = {"best": "the best criterion of each run", "ref": "{reference}"}
_MEANS = {"": "mean ", "median": "median ", "geometric": "", "total": "total "}


def measure_in_words(column: str, about: Mapping[Any, Any] = MappingProxyType({})) -> str:
    """What a column of :func:`measures.prechelt.tradeoff` is called on an axis or in a table.

    ``about`` are the table's ``attrs``; other columns keep their names.

    >>> measure_in_words("slowness_ref", {"reference": "GL(2)"}), measure_in_words("loss")
    ('mean training time relative to GL(2)', 'loss')
    >>> measure_in_words("badness_best_median")
    'median test error relative to the best criterion of each run'
    """
    if column in ("p_good", "fired"):
        return _MEASURES[column]
    measure, _, rest = column.partition("_")
    against, _, mean = rest.partition("_")
    if measure == "redundancy" and rest in _MEANS:
        return f"{_MEANS[rest]}{_MEASURES[measure]}"
    if measure not in _MEASURES or against not in _AGAINST or mean not in _MEANS:
        return column
    names = {"reference": "the reference", "error": "test", **about}
    ending = ", geometric mean" if mean == "geometric" else ""
    words = f"{_MEANS[mean]}{_MEASURES[measure]} relative to {_AGAINST[against]}{ending}"
    return words.format_map(names)


def quality(error: str, direction: str | None) -> str:
    """The name of a measured quantity: an error, or a score if higher is better.

    >>> quality("val", "min"), quality("test", "max")
    ('validation error', 'test score')
    """
    return f"{ERRORS[error]} {'score' if direction == 'max' else 'error'}"


def share_of(unit: str | None) -> str:
    """What a share of the positions is a share of; the unit is None if it differs between runs.

    >>> share_of("step"), share_of(None)
    ('of the steps', 'of each run')
    """
    return "of each run" if unit is None else f"of the {unit}s"


def difference(value: float, interval: str = "") -> str:
    """A difference of logarithms as a relative difference with its interval; empty if NaN.

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
    """A p value with two digits, as papers print it; empty if NaN.

    >>> p_value(0.0123), p_value(1.0), p_value(2e-5), p_value(float("nan"))
    ('.012', '1', '<.0001', '')
    """
    if np.isnan(value):
        return ""
    return "<.0001" if value < 1e-4 else f"{value:.2g}".replace("0.", ".", 1)


def p_or_none(value: float) -> str:
    """A p value by name, or that there is none.

    >>> p_or_none(0.0123), p_or_none(float("nan"))
    ('p .012', 'no test')
    """
    return "no test" if np.isnan(value) else f"p {p_value(value)}"


def estimate(value: Estimate) -> str:
    """A mean with its interval, in percent.

    >>> estimate(Estimate(0.02, 0.01, 0.03)), estimate(Estimate(0.02, 0.02, 0.02))
    ('2% (1% to 3%)', '2% (no spread)')
    >>> estimate(Estimate(0.02, 0.01, float("inf")))
    'at least 2% (no upper limit: a lower bound)'
    """
    return _estimate(value, percent)


def amount(value: Estimate) -> str:
    """A mean with its interval, as plain numbers.

    >>> amount(Estimate(0.02, 0.01, 0.03))
    '0.02 (0.01 to 0.03)'
    """
    return _estimate(value, "{:.2g}".format)


def _estimate(value: Estimate, shown: Callable[[float], str]) -> str:
    if np.isposinf(value.high):
        return f"at least {shown(value.mean)} (no upper limit: a lower bound)"
    mean, low, high = map(shown, value)
    return f"{mean} ({'no spread' if value.low == value.high else f'{low} to {high}'})"


#: how a placeholder formats its value; the text after the name is passed as an argument
WORDINGS: dict[str, Callable[..., str]] = {
    "percent": percent,
    "signed": signed,
    "listed": listed,
    "counted": counted,
    "too_few": too_few,
    "difference": difference,
    "p": p_value,
    "tested": p_or_none,
    "error": ERRORS.__getitem__,
    "best": lambda scores: "best score" if scores else "lowest error",
    "zero": lambda scores: "a best score of 0" if scores else "an error of 0",
    "estimate": estimate,
    "amount": amount,
    "table": markdown_table,
    "bullets": lambda texts: "\n".join(f"- {text}" for text in texts),
    "goal": lambda goal: said(goal.kind, goal._asdict()),
}

#: the sentence for every reason and for every part of an answer
MESSAGES: dict[str, str] = {
    # -- Prechelt's study ------------------------------------------------------------------
    "prechelt1997": """\
# Prechelt's study on {corpus}: {runs} of {all_runs} runs, {problems} problems

{part}

{sentences:bullets}

{basis} {margins}

{range} {rests} {rehearsal}

{late_note}

## What each verdict follows from

{verdicts:table}

{seen}

## How each verdict changes with the test

{test_columns}

{tests:table}

## Table 1

Means over runs. 'best' and p_good are relative to {pool}.

{printed:table}

{intervals} For the same runs: medians, and ratios of totals, relative to GL(2), which rank the \
criteria differently; geometric mean of badness; share of runs ended by the criterion, by P_5 < \
0.1 and by the epoch limit; share of runs stopped by epoch 15 (a start-up transient); share of the \
total excess test error over the best that is due to the worst 1% of runs.

{further:table}

By problem: slope of log test error on log time, time of the slowest criterion over that of the \
fastest, overfitting (mean log of last over lowest validation error), and the share of runs whose \
lowest validation error is in the last tenth of the record:

{by_problem:table}

Ranges of means, whose extremes were selected after seeing the table (descriptive):

{spans:table}

## Ours beside print

Table 1, column by column; what is printed is {table1_state}:

{beside:table}

{columns:table}

The claims of the abstracts:

{claims:table}

Technical report, tables 5 and 6, {datasets_count} data sets; what is printed is verified:

{datasets:table}

Where the rules and the article's recommendations come from:

{recommendations:table}
""",
    "prechelt1997.all": "These are all runs of the study.",
    "prechelt1997.part": (
        "These are some of the study's runs: what follows is true of them, and need not be what "
        "all {all_runs} say."
    ),
    "prechelt1997.note": "Means over {runs} runs of {corpus}; best and p_good: {pool}.",
    "prechelt1997.recorded": (
        "Trained anew: {same} of {runs:counted run} have the curves recorded in the project, bit "
        "for bit ({recorded} are recorded there; the largest ratio of an error to the recorded one "
        "is {furthest:.4g})."
    ),
    "prechelt1997.pool": "the 14 criteria of the study",
    "prechelt1997.kind": "descriptive: extremes selected after seeing the table",
    "prechelt1997.yes": "verified",
    "prechelt1997.no": "from memory, unverified",
    # sentences that follow from a verdict, and their parts
    "prechelt1997.holds": "{claim}: {numbers}.",
    "prechelt1997.contradicted": "It is not so that {claim}, but the reverse: {numbers}.",
    "prechelt1997.equivalent": (
        "{recommended} and {other} differ by less than {margin:percent} in test error {where}: "
        "{numbers}."
    ),
    "prechelt1997.not shown": "It is not shown that {claim}: {numbers}.",
    "prechelt1997.numbers": (
        "{amount}, adjusted p {p_adjusted:p} ({clusters:counted {unit}}, {test})"
    ),
    "prechelt1997.test": "symmetric bootstrap-t",
    Claim.SLOWER: "slower criteria have lower test error",
    Claim.OFTEN_GOOD: "{recommended} is good more often than {other} at equal time",
    Claim.LOWER_ERROR: "{recommended} has lower test error than {other} at equal time",
    Claim.WITH_OVERFITTING: (
        "the more a problem overfits, the more {recommended} gains on {other} at equal time"
    ),
    Claim.TRADE_OFF: (
        "{recommended}(3), {recommended}(4) and {recommended}(6) have lower test error than "
        "{other} at their times"
    ),
    Claim.BEST_OF_SEVERAL: (
        "{recommended} has lower test error than {other} at equal time if the best of {several} "
        "runs is kept"
    ),
    Claim.SMALL_NETWORKS: (
        "{recommended} has lower test error than {other} at equal time in small networks"
    ),
    Claim.POST_HOC: "{recommended} has lower test error than {other}",
    f"{Claim.SLOWER}.quantity": "slope of log test error on log time",
    f"{Claim.OFTEN_GOOD}.quantity": "p_good of {other} minus {recommended}",
    f"{Claim.LOWER_ERROR}.quantity": "log test error of {recommended} minus {other}",
    f"{Claim.WITH_OVERFITTING}.quantity": (
        "slope of log test error of {recommended} minus {other} on overfitting"
    ),
    f"{Claim.TRADE_OFF}.quantity": (
        "log test error of {recommended}(3, 4, 6) minus {other} at their times"
    ),
    f"{Claim.BEST_OF_SEVERAL}.quantity": (
        "log test error of the best of {several} runs, {recommended} minus {other}"
    ),
    f"{Claim.SMALL_NETWORKS}.quantity": (
        "log test error of {recommended} minus {other}, small networks"
    ),
    f"{Claim.POST_HOC}.quantity": "log test error of {recommended} minus {other}",
    # where two families do not differ
    f"{Claim.LOWER_ERROR}.where": "at equal time",
    f"{Claim.TRADE_OFF}.where": "at the times of UP(3), UP(4) and UP(6)",
    f"{Claim.BEST_OF_SEVERAL}.where": "at equal time if the best of {several} runs is kept",
    f"{Claim.SMALL_NETWORKS}.where": "at equal time in small networks",
    f"{Claim.POST_HOC}.where": "on average",
    # an estimate with its interval
    "prechelt1997.slope": "slope {estimate:.4f} ({low:.4f} to {high:.4f})",
    "prechelt1997.share": (
        "p_good of {other} minus {recommended} {estimate:.3f} ({low:.3f} to {high:.3f})"
    ),
    "prechelt1997.error": "{estimate:difference {low} to {high}} test error",
    # what the numbers are based on
    "prechelt1997.basis": (
        "Families are compared at equal time: each is interpolated over a sweep of its thresholds, "
        "problem by problem, and averaged over the times that the criteria of the study take. A "
        "run is good if it is at least as good as the best of {pool}. Small networks have at most "
        "8 hidden units. Post-hoc selection keeps the strip end with the lowest validation error "
        "of the whole record. p values and 95% intervals belong to one test, the symmetric "
        "bootstrap-t over data sets (problems with the same examples, such as heart and hearta, "
        "are one), and are adjusted for all comparisons of one rule or "
        "recommendation (Bonferroni). At 5%, this test rejects in {size_low:percent} to "
        "{size_high:percent} of simulated studies without any effect, and in "
        "{size_lognormal:percent} of those in which the differences are as skewed as a lognormal."
    ),
    "prechelt1997.margins": (
        "Families are equivalent if the interval of their difference lies within {margin:percent} "
        "of test error either way."
    ),
    "prechelt1997.range": (
        "In the median problem, the slowest criterion takes {time_range:.2f} times as long as the "
        "fastest ({least_time_range:.2f} to {largest_time_range:.2f}). Over this factor, the slope "
        "amounts to {change:difference {change_low} to {change_high}} test error; larger factors "
        "lie outside most of the data."
    ),
    "prechelt1997.rests": (
        "The verdict on the slope ({verdict}) rests on single data sets: with {drop_one} left out, "
        "adjusted p is {p_drop_one:p} ({verdict_drop_one}, if each is left out in turn){late_part}."
    ),
    "prechelt1997.rests_not": (
        "The verdict on the slope ({verdict}) is the same with any one data set left out (adjusted "
        "p at most {p_drop_one:p}){late_part}."
    ),
    "prechelt1997.rests_late": (
        "; without {late_problems:listed}, it is {p_without_late:p} ({verdict_without_late})"
    ),
    "prechelt1997.rehearsal": (
        "The slope was not fixed beforehand: it was looked at, among other quantities, in a "
        "rehearsal with other runs of the same problems. The test was chosen for its measured "
        "error rates, after verdicts by Student's t had been seen."
    ),
    "prechelt1997.late_note": (
        "The lowest validation error is in the last tenth of the record in {last_tenth:percent} of "
        "the runs ({worst}). A longer record might have had a lower one: there, what criteria lose "
        "against post-hoc selection is a lower bound, slow criteria are cut short, and the "
        "overfitting is not known. The last column of the table of tests leaves out "
        "{late_problems:listed}."
    ),
    "prechelt1997.none_late": (
        "The lowest validation error is in the last tenth of the record in {last_tenth:percent} of "
        "the runs ({worst})."
    ),
    "prechelt1997.seen_note": "Chosen: {kinds}.",
    "prechelt1997.seen_kind": "{sources:listed}: {seen}",
    Seen.NOTHING: "before its result was known",
    Seen.REHEARSAL: "after a rehearsal with other runs of the same problems",
    Seen.RESULT: "after its result, by another test, or that of a near relative was known",
    "prechelt1997.test_columns": (
        "Adjusted p and verdict by Student's t, by the sign flip over all assignments (which has "
        "no interval, and so cannot show equivalence), and by the bootstrap-t; the same with each "
        "data set left out in turn (all verdicts, the largest p, and the data set without which it "
        "is reached); and without all data sets in which more than {late:percent} of the runs have "
        "their lowest error in the last tenth{late_list}."
    ),
    "prechelt1997.intervals": (
        "The figure of the trade-off has 95% intervals over data sets (`tradeoff.csv`)."
    ),
    # -- a comparison ----------------------------------------------------------------------
    # progress of a comparison
    Event.KEEPS_PROMISES: (
        "{rule} passed all conformance checks, including those on a sample of runs of every corpus"
    ),
    Event.CORPUS_BEGINS: "{corpus}: comparing with {known} known rules on {runs:counted run}",
    # its answer
    "bench.question": (
        "Is {rule} better than the known stopping criteria, and where? ({corpora:listed})"
    ),
    "bench.by_corpus": "Secondary analysis of each corpus separately:",
    "bench.somewhere": "{rule} is {verdict} than {somewhere}.",
    "bench.on_corpus": "{known:listed} on {corpus}",
    "bench.one_rule": (
        "{rule} behaves exactly like {known:listed} on {corpora:listed}: they are the same rule "
        "under different names."
    ),
    "bench.nothing_shown": (
        "No difference that matters between {rule} and any known rule is shown on these corpora."
    ),
    "bench.same_everywhere": "It behaves exactly like {same:listed} on every corpus.",
    **INCOMPARABLE,
    # over all corpora
    "bench.pooled": (
        "Over all {corpora} corpora and {clusters:counted {unit}} (one that several corpora have "
        "counts once), at equal time, adjusted for {rules:counted different known rule}: "
        "{verdicts}."
    ),
    f"bench.pooled.{Verdict.BETTER}": "{rule} is better than {known:listed}",
    f"bench.pooled.{Verdict.WORSE}": "{rule} is worse than {known:listed}",
    f"bench.pooled.{Verdict.EQUIVALENT}": (
        "{rule} is equivalent to {known:listed} (the interval lies within {margin:difference})"
    ),
    f"bench.pooled.{Verdict.RANKS}": (
        "{rule} differs in sign on nearly all of them, but not on average, from {known:listed}"
    ),
    f"bench.pooled.{Verdict.SAME}": "{rule} behaves exactly like {known:listed}",
    f"bench.pooled.{Verdict.NOT_SHOWN}": (
        "no difference is shown from {known:listed} (lowest adjusted p {lowest:p}; an advantage "
        "that four of five such studies would show is {least:percent} to {most:percent})"
    ),
    f"bench.pooled.{Verdict.NOT_SHOWN}.few": (
        "so few cannot show a difference from {known:listed}"
    ),
    "bench.pooled.of_runs": (
        "A corpus without a column 'dataset' or 'problem' counts as a single {unit}: "
        "{corpora:listed}."
    ),
    "bench.pooled.of_problems": (
        "Without a column 'dataset', every problem counts as a data set: {corpora:listed}."
    ),
    "bench.pooled.against": (
        "Against {rule}: better on {better}, tied on {tied} and worse on {worse} of {clusters}, "
        "{difference:difference {low} to {high}} {word} ({p_adjusted:tested})."
    ),
    # on one corpus
    "bench.runs": "{corpus}: {runs:counted run}, {what}{left_out}.",
    "bench.clusters": (
        "{corpus}: {runs:counted run}, {clusters:counted {unit}}, {what}{left_out}."
    ),
    "bench.left_out": (
        " ({left_out} of {every} runs excluded: they diverged or reach {scores:zero})"
    ),
    "bench.unvalidated": " ({why})",
    f"bench.{Verdict.BETTER}": "{rule} is better than {known:listed}.",
    f"bench.{Verdict.WORSE}": "{rule} is worse than {known:listed}.",
    f"bench.{Verdict.EQUIVALENT}": (
        "It is equivalent to {known:listed}: the whole interval lies within {margin:difference} "
        "and its opposite."
    ),
    f"bench.{Verdict.RANKS}": (
        "It differs in sign from {known:listed} on nearly all {unit}s, but not in the mean over "
        "them."
    ),
    f"bench.{Verdict.SAME}": "It behaves exactly like {known:listed}.",
    f"bench.{Verdict.NOT_SHOWN}": (
        "With {clusters:counted {unit}}, no difference is shown from {known:listed}; the lowest "
        "adjusted p is {lowest:p}. The advantage that four of five such studies would show is "
        "{least:percent} to {most:percent}, depending on the known rule."
    ),
    f"bench.{Verdict.NOT_SHOWN}.few": (
        "{clusters:too_few {unit}} to show a difference from {known:listed}."
    ),
    "bench.apart": "Not compared because they have no times in common: {apart:listed}.",
    "bench.lacking": (
        "Not compared because some runs lack a channel that they watch: {lacking:listed}."
    ),
    "bench.unbounded": (
        "Not compared because they divide by an error and the upper bound of the scores is "
        "unknown: {unbounded:listed}."
    ),
    "bench.counting": (
        "Not compared because the positions of the runs are in different units: {counting:listed}."
    ),
    "bench.against": (
        "Against {rule}: better on {better}, tied on {tied} and worse on {worse} of "
        "{clusters:counted {unit}} at equal time ({earliest:percent} to {latest:percent} of the "
        "full run), {difference:difference {low} to {high}} {word} ({p_adjusted:tested}){as_used}."
    ),
    "bench.as_used": "; at the time of {default}, {default_difference:difference}",
    "bench.attained": (
        "Of what causal stopping was found to gain here over stopping every run at the same check "
        "({gain:percent} in error, 1% of which is worth {worth:.0f}% of time), {rule} takes "
        "{own:percent}, and the best rule, {best}, {most:percent}; a policy fitted on other runs "
        "takes all of it, and hindsight, which no rule has, {hindsight:percent}."
    ),
    "bench.attained_by_rule": (
        "Of what causal stopping was found to gain here over stopping every run at the same check "
        "({gain:percent} in error, 1% of which is worth {worth:.0f}% of time), {rule} takes "
        "{own:percent}, a policy fitted on other runs {fitted:percent}, and {best} all of it; "
        "hindsight, which no rule has, takes {hindsight:percent}."
    ),
    "bench.rests": (
        "Intervals and p values are by the bootstrap-t over {unit}s; log(1 + regret) is averaged "
        "{over}. p values are adjusted for {rows} different known rules and the number of corpora; "
        "intervals are not. At 5%, a single such test rejects in {size_low:percent} to "
        "{size_high:percent} of simulated studies without any effect, and in "
        "{size_lognormal:percent} of those with lognormal differences."
    ),
    "bench.over_runs": "first over times, then over runs",
    "bench.over_clusters": (
        "first over the runs of a {unit}, then over times, then over {unit}s with equal weight"
    ),
    "bench.too_few": "{clusters:too_few {unit}} for an interval.",
    "bench.one_cluster": (
        "All runs are of one {unit}, so nothing can be said about others: the differences describe "
        "these runs, and there are no intervals and no p values."
    ),
    "bench.these_runs": (
        "There is no column 'dataset' or 'problem', so the answer holds only for runs like these."
    ),
    # on its page: parts of captions, and captions
    "page.averaged": (
        "Geometric means over {runs:counted run}, averaged within each {unit}; all "
        "{clusters:counted {unit}} have equal weight"
    ),
    "page.averaged_runs": "Geometric means over {runs:counted run}",
    "page.band": (
        "Bands are simultaneous 95% confidence bands over all thresholds of a rule, bootstrapped "
        "over {clusters:counted {unit}}."
    ),
    "page.no_band": "{clusters:too_few {unit}} for confidence bands.",
    "page.interval": "pointwise 95% intervals, bootstrapped over {clusters:counted {unit}}",
    "page.no_interval": "{clusters:too_few {unit}} for intervals",
    "page.chosen": (
        "{runs:counted run} with equal weight. Each rule is shown at the threshold that is best on "
        "this corpus for one exchange rate between error and time"
    ),
    "page.front": (
        "Regret of the {what} against time. {averaged}. {band} Each dot is a threshold that no "
        "other threshold of its rule dominates; all other rules are grey. Regret below {floor} is "
        "drawn at {floor}, and regret above 100% is cut off."
    ),
    "page.differences": (
        "Difference in {what_differs} from every known rule at equal time, averaged over all "
        "times that both rules can take. {averaged}; {interval}. Left of 0, {rule} is better. "
        "Colour and shape show which differences are significant after adjustment for all "
        "comparisons."
    ),
    "page.within": "Share of runs whose regret is at most x. {chosen}.",
    "page.spent": (
        "Share of runs that had stopped by a given time with a regret of at most 1%. {chosen}."
    ),
    "page.ranks": (
        "Mean rank of each rule by regret of the {what} at equal time, over {clusters} {unit}s; "
        "a rule has no rank at times that it cannot take."
    ),
    "page.rank_table": (
        "Mean ranks over {clusters:counted {unit}} at equal times; rank 1 has the lowest regret."
    ),
    "page.problem_table": (
        "The {what_differs} of {rule} minus that of each known rule (rows) at equal time on every "
        "{unit}, averaged over all times that both rules can take. Below 0, in the colour of "
        "{rule}, it is better."
    ),
    "page.forest": (
        "Difference in {differ} at equal time, {rule} minus the known rule, with 95% intervals "
        "over {unit}s: left of 0, {rule} is better. Of each kind of known rule, the one that comes "
        "off best is shown; rules that do the same are one row."
    ),
    "page.comparison_table": (
        "One row per known rule. Differences are in {differ}, {rule} minus the known rule, as "
        "geometric means over {unit}s with 95% intervals; p is adjusted for all comparisons."
    ),
    # -- tables for papers ---------------------------------------------------------------------
    "bench.caption": (
        "{rule} against every known rule at equal time: differences in error, {rule} minus the "
        "known rule, with 95% intervals over data sets; p adjusted for all comparisons."
    ),
    "bench.caption_top": (
        "{rule} at equal time against the {top:counted known rule} that came off best of each "
        "corpus: differences in error, {rule} minus the known rule, with 95% intervals over data "
        "sets; p adjusted for all comparisons."
    ),
    "prechelt1997.caption": (
        "Time and generalization of the criteria of the 1997 study, {runs} runs: means over runs."
    ),
    "survey.caption": "Stopping rules at their usual thresholds, over {runs:counted run}.",
    "survey.caption_top": (
        "The {top:counted rule} of the lowest regret of the {error} error, at their usual "
        "thresholds, over {runs:counted run}."
    ),
    # -- figures -------------------------------------------------------------------------------
    "plot.stops": "{criterion} stops at {unit} {stop}: {why}; it keeps {unit} {selected}",
    "plot.goes_on": (
        "{criterion} does not stop; the run ends at {unit} {stop}; it keeps {unit} {selected}"
    ),
    "plot.bars": (
        "{runs:counted run}; bars: 95% intervals over {count:counted {unit}}, each by itself"
    ),
    "plot.bands": ("{runs:counted run}; bands: 95% for a whole line, over {count:counted {unit}}"),
    "plot.no_intervals": "{runs:counted run}; no intervals: {count:too_few {unit}}",
    "plot.calibrated": "{units:counted {unit}} to calibrate on, losses up to {cap:.3g}",
    # -- what the recorded runs are ------------------------------------------------------------
    Recorded.STAND_INS: (
        "{stand_ins} of {runs} runs were excluded: they have a training curve in place of a "
        "validation curve, which cannot say when to stop"
    ),
    Recorded.UNVALIDATED: "{lacking} of {runs} runs were excluded: they have no validation curve",
    Recorded.METRICS: (
        "the {error:error} metric differs between runs ({metrics:listed}), so averages are of "
        "losses relative to each run's own best"
    ),
    Recorded.UNITS: (
        "the positions of the runs are in different units ({units:listed}), so averages are of "
        "shares of each run, not of positions"
    ),
    # -- recommend and calibrate -----------------------------------------------------------
    Hidden.STOPPED: (
        "{stopped} of the {ended} runs that ended before the longest one ended {patience} checks "
        "after their {scores:best}: they were probably stopped by a patience of {patience}. What "
        "further training would have found is unknown, so losses are lower bounds and a patience "
        "of {patience} or more cannot be judged; record some runs to their end"
    ),
    Hidden.LATE: (
        "{share:.0%} of the runs have their {scores:best} in the last tenth of the run "
        "({censored:.0%} at the last check), so the loss of a rule on them is a lower bound"
    ),
    Hidden.TARGET: (
        "{share:.0%} of the runs ended because they had reached a target, not because training "
        "would not have helped: their losses are lower bounds, and their lengths are no budget"
    ),
    "verdict.recommended": "Recommendation.",
    "verdict.tentative": "Tentative recommendation: only a rough guide.",
    "verdict.declined": "No recommendation.",
    Why.NO_RUN: (
        "there are no usable runs; at least {needed} are needed to estimate the uncertainty of a "
        "mean"
    ),
    Why.ONE_RUN: (
        "there is only 1 run; at least {needed} are needed to estimate the uncertainty of a mean. "
        "Any patience would be a guess"
    ),
    Why.TOO_FEW_RUNS: (
        "there are only {runs} different runs; at least {needed} are needed to estimate the "
        "uncertainty of a mean"
    ),
    Why.RUNS_ALIKE: (
        "all {runs} runs agree within {alike:.1%}, so they count as a single run. Vary what will "
        "vary in use (the seed, the data, the settings)"
    ),
    Why.FEW_RUNS: (
        "there are only {runs} runs, so the means are uncertain; {firm} or more are recommended"
    ),
    Why.NOT_MEASURABLE: (
        "{left_out} of {runs} runs were excluded: they diverged or reach {scores:zero}, for which "
        "a relative loss is undefined"
    ),
    Why.COPIES: "{left_out} of {runs} runs were excluded: they are copies of another run",
    Why.SPACING: (
        "checks are about {apart:.3g} apart in the unit of the logs (steps, epochs or fractions of "
        "epochs): a patience counts checks, and the code below assumes one check per epoch"
    ),
    Why.SPACING_IN: (
        "checks are about {apart:.3g} {unit}s apart: a patience counts checks, and the code below "
        "assumes one check per epoch"
    ),
    Why.UNBOUNDED: (
        "{rules:listed} were excluded: they divide by an error, and the upper bound of the scores "
        "is unknown"
    ),
    Why.NO_CLUSTERS: (
        "there is no column 'dataset' or 'problem', so the answer holds only for runs like these"
    ),
    Why.TOO_FEW_CLUSTERS: (
        "{clusters:too_few {unit}} to say anything about other {unit}s: runs are the sample, and "
        "the answer holds only for runs like these"
    ),
    Why.CLUSTERS: (
        "whole {unit}s are the sample ({clusters} of them): the limits are for the mean over as "
        "many new {unit}s like these"
    ),
    Why.PROBLEMS: (
        "{datasets:too_few data set} to say anything about other data sets: problems are the "
        "sample ({clusters} of them), and the limits are for as many new problems on the same data"
    ),
    Why.NO_TEST: (
        "not all runs have test errors, so the loss is of the validation error, whose lowest value "
        "is partly luck: on six corpora that have both, the test error rose {low:g} to {high:g} "
        "times as much"
    ),
    Why.NO_ZERO: (
        "the errors are negative, so their zero is arbitrary: a share of them means nothing, and a "
        "constant added to all would change the answer. Give the goal in the unit of the error "
        "instead (--max-loss 0.01 --absolute)"
    ),
    Why.NOTHING_KEEPS: "no patience meets the goal: {goal:goal}",
    Why.MAY_BREAK: "no patience that saves anything is sure to meet the goal: {goal:goal}",
    Why.NO_UNIT: (
        "the positions of the runs are in different units, so this goal is undefined: {goal:goal}"
    ),
    GoalKind.LOSS: "lose at most {limit:percent} by stopping early, in geometric mean",
    GoalKind.ABSOLUTE: "lose at most {limit:g} (in the unit of the error) by stopping early",
    GoalKind.EPOCHS: "train at most {limit:g} {unit}s per run, on average",
    GoalKind.RATE: "best trade-off if a 1% lower loss is worth {limit:g}% more training time",
    "advice.unmet": "\nGoal: {goal:goal}\n  No patience meets it on these runs.",
    "advice.no_unit": (
        "\nGoal: {goal:goal}\n  The positions of these runs are in different units."
    ),
    "advice.corrected": (
        "  corrected for that luck, it loses about {low:percent} to {high:percent} of the test "
        "error"
    ),
    "advice.worth": (
        "\nGoal: {goal:goal}\n"
        "  {criterion}\n"
        "  loses {lost} of {best}; worst run {worst_run}\n"
        "  saves {saved:estimate} {of_positions} (geometric mean){left}{seconds_left}\n"
        "  stops {early:percent} of the runs before their {lowest}"
    ),
    "advice.left": "; a run then takes {epochs.mean:.0f} on average",
    "advice.seconds": ", and {seconds[0]:.3g} seconds instead of {seconds[1]:.3g}",
    "advice.no_loss": (
        "0% (none in {n}; at 95% confidence, up to {share:percent} of others may lose some)"
    ),
    "advice.best_score.lowest": "best validation score",
    "advice.lowest_error.lowest": "lowest validation error",
    "advice.best_score": "the {error:error} score at the end of the run",
    "advice.lowest_error": "the {error:error} error at the end of the run",
    f"{Why.MAY_BREAK}.advice": "  These runs cannot rule out a mean beyond the goal.",
    "advice.safer": (
        "  To be safer, take {criterion}: it loses {lost} and saves {saved.mean:percent} instead "
        "of {instead:percent}"
    ),
    "advice.paste": "  Code to paste:",
    "advice.keeps_last": "keeps the last weights, which loses {loss} on these runs",
    "advice.differs": "not equivalent: stops elsewhere in {elsewhere} runs",
    "recommendation.other_logs": (
        "{runs:counted run} in logs that do not say which program wrote them:"
    ),
    "recommendation.framework": "For {framework}, with its own version of each rule:",
    "recommendation.analysed": "Analysed: {what} ({better} is better).",
    "recommendation.front": (
        "\nOther trade-offs, fastest first (means on these runs, each with limits of its own):"
    ),
    "recommendation.not_native": "\n(* not built into any framework)",
    "refit": (
        "Train on all data for {factor:.2g} times the best epoch on a part of it ({low:.2g} to "
        "{high:.2g} over {clusters:counted {unit}}, {pairs:counted pair} of runs)."
    ),
    "refit.power": (
        "  t / share^{power:g} against t: {estimate:signed} test error ({low:signed} to "
        "{high:signed})"
    ),
    "refit.short": (
        "  {short:counted run} on all data ended before the longest of these times; the last check "
        "counts"
    ),
    "calibration": (
        "{criterion}: {promise}\n"
        "  On the {units} calibration {unit}s: {counts}; largest loss of a run {largest:.2%}; "
        "saves {saved:.0%} {of_positions}; {excess_of}\n"
        "  Holds for a new {new}, with a record of at most {watched.checks} checks; not for longer "
        "training, a changed recipe{elsewhere}"
    ),
    "calibration.elsewhere": ", or another data set",
    "calibration.above": "validation error {excess:.2%} above each run's own lowest",
    "calibration.below": "validation score {excess:.2%} of its size below each run's own best",
    "calibration.promised_mean": (
        "mean of min({error}, cap = {cap:g}) is at most {at_most:.2%} for a new {new} ({how})"
    ),
    "calibration.promised_exceed": (
        "P({error} > {exceed:.2%}) is at most {at_most:.2%} for a new {new} ({how})"
    ),
    "calibration.conformal_error": "validation regret",
    "calibration.tested_error": "test error relative to the end of the run",
    "calibration.run": "run like these",
    "calibration.problem": "problem like these, averaged over its runs",
    "calibration.dataset": "data set like these, averaged over its runs",
    "calibration.conformal": "conformal risk control, on average over calibration sets",
    "calibration.tested": "learn-then-test, for at least {confidence:.0%} of calibration sets",
    "calibration.mean_counts": (
        "mean loss {mean:.2%} with the cap and {mean_uncapped:.2%} without"
    ),
    "calibration.exceed_counts": (
        "{mean:.2%} lose more than {exceed:.2%}, the mean loss is {mean_uncapped:.2%}"
    ),
    "calibration.warning": "  warning: {why}",
    Caution.CAPPED: (
        "without the cap of {cap:g} the mean loss is {mean:.2%}, above {at_most:.2%}: the cap "
        "hides rare large losses"
    ),
    Caution.COPIES: (
        "{copies} of {runs} runs are copies of another run: each counts, but adds no information"
    ),
}


@singledispatch
def in_words(found: Any) -> str:
    """The result of a study as text: first the answer, then what it is based on.

    Parameters
    ----------
    found : Recommendation, Calibrated, Refit, Bench or Reproduction
        The result of :func:`recommend`, :func:`calibrate`, ``refit``, ``bench`` or
        ``replay_study``.

    Returns
    -------
    str

    Raises
    ------
    TypeError
        If ``found`` is anything else.
    """
    raise TypeError(
        f"in_words: {type(found).__name__} is not the result of a study; expected what "
        "recommend(), calibrate(), bench() or replay_study() returns"
    )


class _Wording(Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        name, _, more = format_spec.partition(" ")
        if name in WORDINGS:
            return WORDINGS[name](value, *filter(None, [more]))
        # a name may come from outside
        return visible(str(super().format_field(value, format_spec)))


def said(what: str, numbers: Mapping[Any, Any]) -> str:
    """The message of that name with its numbers filled in.

    >>> MESSAGES["example"] = "{runs:counted run} lose {loss:percent}"
    >>> said("example", {"runs": 1, "loss": 0.021})
    '1 run lose 2.1%'
    >>> del MESSAGES["example"]
    """
    return worded(MESSAGES[what], numbers)


def worded(text: str, numbers: Mapping[Any, Any]) -> str:
    """A text with its placeholders filled in.

    >>> worded("{low:percent} of {n:counted {unit}}", {"low": 0.5, "n": 2, "unit": "run"})
    '50% of 2 runs'
    """
    return _Wording().vformat(text, (), numbers)


def reason(given: Reason) -> str:
    """The sentence for a reason."""
    return said(given.what, given.numbers)
