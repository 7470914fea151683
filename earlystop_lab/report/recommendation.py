"""A recommendation in words, with the code to paste."""

from collections.abc import Sequence
from textwrap import indent

import numpy as np
import pandas as pd

from earlystop_lab._common.wording import percent
from earlystop_lab.report.messages import amount, estimate, in_words, reason, said, share_of
from earlystop_lab.report.pasting import lines
from earlystop_lab.studies.recommendation import (
    OPTIMISM,
    Advice,
    Estimate,
    Price,
    Recommendation,
    Unmet,
    Why,
)
from earlystop_lab.studies.records import Recorded


@in_words.register
def _(answer: Recommendation) -> str:
    first, rest = said(f"verdict.{answer.verdict}", {}), list(answer.reasons)
    while rest and rest[0].what in (Recorded.STAND_INS, Recorded.UNVALIDATED):
        first = f"{first} {reason(rest.pop(0))}."
    if answer.framework is not None:
        first = f"{first} {said('recommendation.framework', answer._asdict())}"
    parts = [first, *_analysed(answer), *(f"- {reason(each)}" for each in rest)]
    parts += [in_words(each) for each in answer.advice]
    if len(answer.front):
        parts += [said("recommendation.front", {}), _front(answer.front, answer)]
    return "\n".join(parts)


def answers_in_words(answers: Sequence[Recommendation], runs: Sequence[int]) -> str:
    """Answers about the logs of one program each, and the number of runs that each is about."""
    texts = [in_words(answer) for answer in answers]
    for i, answer in enumerate(answers):
        if answer.framework is None and len(answers) > 1:
            about = said("recommendation.other_logs", {"runs": runs[i]})
            texts[i] = f"{about}\n{texts[i]}"
    return "\n\n".join(texts)


def _analysed(answer: Recommendation) -> list[str]:
    """The metric and the data set that the answer is about, where the runs say it."""
    seen = next((each.watched for each in answer.advice if isinstance(each, Advice)), None)
    if seen is None or seen.metric is None:
        return []
    of_data = f" on {seen.data}" if seen.data else ""
    better = "higher" if seen.mode == "max" else "lower"
    return [said("recommendation.analysed", {"what": f"{seen.metric}{of_data}", "better": better})]


@in_words.register
def _(unmet: Unmet) -> str:
    what = "advice.no_unit" if unmet.doubt is Why.NO_UNIT else "advice.unmet"
    return said(what, {"goal": unmet.goal})


@in_words.register
def _(advice: Advice) -> str:
    best = "advice.best_score" if advice.watched.scores else "advice.lowest_error"
    numbers = advice._asdict() | {
        "of_positions": share_of(advice.watched.unit),
        "left": said("advice.left", advice._asdict()) if advice.epochs else "",
        "seconds_left": said("advice.seconds", advice._asdict()) if advice.seconds else "",
        "lost": _lost(advice.loss, advice.price, advice.sample),
        "worst_run": _shown(advice.worst, advice.price),
        "lowest": said(f"{best}.lowest", {}),
        "best": said(best, {"error": advice.price.error}),
    }
    corrected = advice.price.error == "val" and not advice.price.absolute and advice.loss.mean > 0
    numbers |= dict(zip(("low", "high"), advice.loss.mean * np.array(OPTIMISM), strict=True))
    parts = [
        "advice.worth",
        "advice.corrected" if corrected else None,
        f"{advice.doubt}.advice" if advice.doubt else None,
    ]
    words = [said(part, numbers) for part in parts if part]
    if advice.safer is not None:
        safer = advice.safer._asdict() | {"instead": advice.saved.mean}
        safer["lost"] = _lost(advice.safer.loss, advice.price, advice.sample)
        words.append(said("advice.safer", safer))
    return "\n".join([*words, said("advice.paste", {}), *_pasted(advice)])


def _shown(value: float, price: Price) -> str:
    return f"{value:.2g}" if price.absolute else percent(value)


def _lost(value: Estimate, price: Price, n: int) -> str:
    """The expected loss; if there was none, an upper bound of the share of runs that lose."""
    if value == (0, 0, 0):
        return said("advice.no_loss", {"n": n, "share": 1 - 0.05 ** (1 / n)})
    return amount(value) if price.absolute else estimate(value)


def _pasted(advice: Advice) -> list[str]:
    """The code for each program, and how it differs from the rule."""
    seen = advice.watched
    made = {
        line.program: line
        for line in lines(
            advice.criterion,
            epochs=seen.checks,
            monitor=seen.monitor,
            mode=seen.mode,
            metric=seen.metric,
            data=seen.data,
        )
    }
    pasted = []
    for version in advice.programs:
        line = made[version.program.program]
        notes = [
            said("advice.keeps_last", {"loss": _shown(version.loss, advice.price)})
            if line.keeps == "last"
            else "",
            line.note,
            said("advice.differs", version._asdict()) if version.elsewhere else "",
        ]
        words = f"# {line.program}: {'; '.join(filter(None, notes))}"
        pasted.append(indent(f"{words}\n{line.code}", "    "))
    return pasted


def _front(table: pd.DataFrame, answer: Recommendation, most: int = 14) -> str:
    """The front, evenly thinned if long."""
    unit = answer.unit
    price = next((each.price for each in answer.advice if isinstance(each, Advice)), None)
    losses = estimate if price is None or not price.absolute else amount
    if len(table) > most:
        table = table.iloc[np.linspace(0, len(table) - 1, most).round().astype(int)]
    shown = pd.DataFrame({"rule": table["criterion"] + np.where(table["native"], "", " *")})
    if unit is not None:
        shown[f"{unit}s"] = [f"{value:.0f}" for value in table["epochs"]]
    for name in ("saved", "loss"):
        columns = table[[name, f"{name}_low", f"{name}_high"]].to_numpy(float)
        words = losses if name == "loss" else estimate
        shown[name] = [words(Estimate(*row)) for row in columns]
    note = "" if table["native"].all() else said("recommendation.not_native", {})
    return f"{shown.to_string(index=False)}{note}"
