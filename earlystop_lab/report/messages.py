"""The one table of messages: every sentence that an answer may hold, with places for numbers.

A place is worded as :class:`str.format` does, or by one of :data:`WORDINGS`: ``{loss:percent}``,
``{names:listed}``, ``{runs:counted run}``. What a wording needs beside may be a place itself:
``{clusters:counted {unit}}``, ``{difference:difference {low} to {high}}``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from string import Formatter
from typing import Any

import numpy as np

from earlystop_lab._common.wording import counted, listed, percent, signed, too_few
from earlystop_lab.studies.prechelt1997 import Claim
from earlystop_lab.studies.reasons import Reason

#: the errors of a curve set by the names that people give them
ERRORS = {"val": "validation", "test": "test"}


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
}


class _Wording(Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        name, _, more = format_spec.partition(" ")
        if name in WORDINGS:
            return WORDINGS[name](value, *filter(None, [more]))
        return str(super().format_field(value, format_spec))


def said(what: str, numbers: Mapping[str, Any]) -> str:
    """The message of that name with its numbers.

    >>> MESSAGES["example"] = "{runs:counted run} lose {loss:percent}"
    >>> said("example", {"runs": 1, "loss": 0.021})
    '1 run lose 2.1%'
    >>> del MESSAGES["example"]
    """
    return _Wording().vformat(MESSAGES[what], (), numbers)


def reason(given: Reason) -> str:
    """The sentence of a reason."""
    return said(given.what, given.numbers)
