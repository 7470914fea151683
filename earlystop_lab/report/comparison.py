"""A comparison in words: its question, its answer, and what the answer is based on."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from itertools import chain
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import pandas as pd

from earlystop_lab._common.checks import require_count
from earlystop_lab._common.wording import spoken
from earlystop_lab.inference.bootstrap import FEWEST_CLUSTERS, SIZES
from earlystop_lab.report.as_tables import as_csv, as_markdown, markdown_table, paper_table
from earlystop_lab.report.messages import in_words, quality, reason, said, worded
from earlystop_lab.studies.attainable import Attained
from earlystop_lab.studies.comparison import Bench, OnCorpus, Verdict

#: formats of tables for papers
Format = Literal["md", "tex", "typ", "csv"]
#: known rules that are always drawn, and have a sentence of their own
SHOWN = ("Keras", "GL", "PQ", "UP")
#: columns of a table for readers: first those of all corpora together, then those of one corpus
COLUMNS = {
    "known rule": "{label}",
    "better/tied/worse": "{better:.0f}/{tied:.0f}/{worse:.0f}",
    "difference at equal time": "{difference:difference {low} to {high}}",
    "p": "{p_adjusted:p}",
    "would be shown": "{detectable:percent}",
    "verdict": "{verdict}",
}
ON_CORPUS = {
    "as used": "{default}",
    "at its time": "{default_difference:difference}",
}
#: where the bound is stated
WITH_BOUND = {"of attainable": "{attained:percent}"}


class Words(NamedTuple):
    """The whole answer, one sentence per element."""

    question: str
    answer: list[str]
    #: the findings on each corpus; the first sentence says how many runs it has
    found: list[list[str]]
    #: what these findings are based on
    rests: list[list[str]]


def words_of(bench: Bench) -> Words:
    """The sentences of a comparison.

    Parameters
    ----------
    bench : Bench

    Returns
    -------
    Words
    """
    answer = _by_corpus(bench)
    if bench.pooled is not None:
        answer = [*_over_all(bench, bench.pooled), said("bench.by_corpus", {}), *answer]
    return Words(
        said("bench.question", {"rule": bench.rule, "corpora": bench.asked}),
        [*answer, *map(reason, bench.incomparable)],
        [_found(bench, each) for each in bench.corpora],
        [_rests(each) for each in bench.corpora],
    )


def table(comparisons: pd.DataFrame) -> pd.DataFrame:
    """The comparisons formatted for readers, strongest rivals last, one row per known rule.

    Parameters
    ----------
    comparisons : DataFrame
        Those of one corpus, or those of all corpora (``Bench.pooled``), which are only at equal
        time.

    Returns
    -------
    DataFrame
        Columns of text.
    """
    rows = comparisons.sort_values("difference", kind="stable")
    columns = {**COLUMNS, **ON_CORPUS} if "default" in rows else COLUMNS
    if "attained" in rows and rows["attained"].notna().any():
        columns = columns | WITH_BOUND
    records = [
        {**row, "label": label(row), "detectable": np.expm1(row["detectable"])}
        for row in rows.to_dict("records")
    ]
    return pd.DataFrame(
        {name: [worded(text, row) for row in records] for name, text in columns.items()}
    )


@in_words.register
def _(found: Bench) -> str:
    words = words_of(found)
    parts = [words.question, *words.answer]
    if found.pooled is not None:
        parts += ["", table(found.pooled).to_string(index=False)]
    for each, *sentences in zip(found.corpora, words.found, words.rests, strict=True):
        rows = table(each.comparisons).to_string(index=False)
        parts += ["", *chain(*sentences), "", rows]
    return "\n".join(parts)


# -- tables for papers ----------------------------------------------------------------------


def tables(bench: Bench, format: Format, *, top: int | None = None) -> str:
    """The comparison with every known rule as a table, one row per corpus and known rule.

    If there are several corpora, the rows over all of them together, at equal time only, come
    first.

    Parameters
    ----------
    bench : Bench
    format : {"md", "tex", "typ", "csv"}
        ``"md"``, ``"tex"`` and ``"typ"`` are rounded for reading, with the question and the answer
        above and what they are based on below, in LaTeX and Typst as comments. These have a
        caption and a label, ``tab:bench``; see :func:`as_tables.paper_table`. ``"csv"`` has every
        number in full, differences of logarithms (see :func:`studies.comparison.bench`), and only
        the table, so that any program can read it.
    top : int, optional
        Show only so many known rules of each corpus: those that come off best.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        For another format, and ``top`` below 1.

    Examples
    --------

    >>> from earlystop_lab import Keras, criterion, simulate
    >>> from earlystop_lab.studies.comparison import bench
    >>> @criterion(threshold="n", passes=">=")
    ... def Late(epoch):
    ...     return epoch
    >>> found = bench(Late, {"flow": simulate("gradient_flow", 20, seed=1)}, known=[Keras])
    >>> tables(found, "csv").startswith("corpus,rule,")
    True
    """
    if top is not None:
        require_count("top", top)
    strongest = partial(_strongest, top=top)
    if format == "csv":
        return as_csv(
            _stacked(bench, lambda rows: strongest(rows).assign(rules=rows["rules"].map(", ".join)))
        )
    if format not in get_args(Format):
        raise ValueError(f"format = {format!r}; expected one of {', '.join(get_args(Format))}")
    shown = _stacked(bench, lambda rows: table(strongest(rows))).fillna("").astype(str)
    shown.columns = [str(name).strip() for name in shown]
    words = words_of(bench)
    above = [line for text in (words.question, *words.answer) for line in text.splitlines()]
    # the first sentence has the numbers of runs and data sets
    below = [
        " ".join([found[0], *rests]) for found, rests in zip(words.found, words.rests, strict=True)
    ]
    # strings such as .010 must not be parsed as numbers
    if format in ("tex", "typ"):
        numbers = {"rule": bench.rule, "top": top, "margin": bench.margin}
        caption = said("bench.caption" if top is None else "bench.caption_top", numbers)
        body = paper_table(shown, format, caption=caption, label="bench")
        mark = {"tex": "%", "typ": "//"}[format]
        above, below = ([f"{mark} {line}" for line in lines] for lines in (above, below))
        return "\n".join([*above, body.rstrip("\n"), *below, ""])
    body = markdown_table(shown, disable_numparse=True)
    return "\n\n".join([*map(as_markdown, above), body, *map(as_markdown, below), ""])


def _strongest(rows: pd.DataFrame, top: int | None) -> pd.DataFrame:
    """The known rules that come off best, in the order of the table; all without a number."""
    if top is None:
        return rows
    worst_first = rows.sort_values("difference", kind="stable")
    return worst_first.tail(top).sort_index()


def _stacked(bench: Bench, shown: Callable[[pd.DataFrame], pd.DataFrame]) -> pd.DataFrame:
    """The tables of all corpora as one, with the columns of a single corpus."""
    parts = {each.corpus: shown(each.comparisons) for each in bench.corpora}
    columns = ["corpus", *max(parts.values(), key=lambda rows: rows.shape[1])]
    if bench.pooled is not None:
        parts = {"all corpora": shown(bench.pooled), **parts}
    named = [rows.assign(corpus=corpus) for corpus, rows in parts.items()]
    return pd.concat(named, ignore_index=True)[columns]


# -- the answer ----------------------------------------------------------------------------


def _over_all(bench: Bench, rows: pd.DataFrame) -> list[str]:
    """The answer over the data sets of all corpora together."""
    unit = str(rows["unit"].iloc[0])
    numbers = {
        "rule": bench.rule,
        "rules": len(rows),
        "corpora": len(bench.corpora),
        "unit": spoken(unit),
        "clusters": int(rows["clusters"].max()),
        **_unshown(rows),
        "margin": bench.margin,
    }
    verdicts = "; ".join(_verdicts(rows, "bench.pooled", numbers))
    words = [said("bench.pooled", {**numbers, "verdicts": verdicts})]
    for other in {"problem", "run"} - {unit}:
        names = [each.corpus for each in bench.corpora if each.unit == other]
        if unit != "run" and names:
            numbers = {"corpora": names, "unit": spoken(unit)}
            words.append(said(f"bench.pooled.of_{other}s", numbers))
    word = {"word": word_of(bench.corpora)}
    words += [said("bench.pooled.against", {**row, **word}) for row in _spoken_of(rows)]
    return words


def _by_corpus(bench: Bench) -> list[str]:
    """The verdicts of each corpus separately."""
    tables = {each.corpus: each.comparisons for each in bench.corpora}
    where = {
        verdict: {name: known for name, rows in tables.items() if (known := _known(rows, verdict))}
        for verdict in Verdict
    }
    answer = []
    for verdict in (Verdict.BETTER, Verdict.WORSE):
        parts = [
            said("bench.on_corpus", {"known": known, "corpus": corpus})
            for corpus, known in where[verdict].items()
        ]
        if parts:
            numbers = {"rule": bench.rule, "verdict": verdict, "somewhere": "; than ".join(parts)}
            answer.append(said("bench.somewhere", numbers))
    others = (Verdict.EQUIVALENT, Verdict.RANKS, Verdict.NOT_SHOWN)
    if not answer and not any(where[verdict] for verdict in others):
        known = list(dict.fromkeys(chain(*chain(*(rows["rules"] for rows in tables.values())))))
        places = {"rule": bench.rule, "known": known, "corpora": list(tables)}
        return [said("bench.one_rule", places)]
    if not answer:
        answer.append(said("bench.nothing_shown", {"rule": bench.rule}))
    if bench.same:
        answer.append(said("bench.same_everywhere", {"same": bench.same}))
    return answer


# -- one corpus ----------------------------------------------------------------------------


def _found(bench: Bench, found: OnCorpus) -> list[str]:
    rows = found.comparisons
    numbers = {
        **numbers_of(found),
        "rule": bench.rule,
        "margin": bench.margin,
        **_unshown(rows),
    }
    left_out = said("bench.left_out", numbers) if found.left_out else ""
    for why in map(reason, found.unvalidated):
        left_out += said("bench.unvalidated", {"why": why})
    first = "bench.runs" if found.unit == "run" else "bench.clusters"
    words = [said(first, {**numbers, "left_out": left_out}), *_verdicts(rows, "bench", numbers)]
    missing = ("bench.apart", "bench.lacking", "bench.unbounded", "bench.counting")
    words += [said(what, numbers) for what in missing if numbers[what.removeprefix("bench.")]]
    for row in _spoken_of(rows):
        as_used = "" if np.isnan(row["default_difference"]) else said("bench.as_used", row)
        words.append(said("bench.against", {**row, "word": numbers["word"], "as_used": as_used}))
    if found.attained is not None:
        words.append(_attained(found.attained, numbers))
    return words


def _attained(found: Attained, numbers: Mapping[str, Any]) -> str:
    best = max(found.rules, key=lambda name: found.rules[name])
    shares = {"own": found.rules[numbers["rule"]], "best": best, "most": found.rules[best]}
    by_policy = found.fitted >= found.rules[best]
    message = "bench.attained" if by_policy else "bench.attained_by_rule"
    gain = -np.expm1(-found.gain)
    return said(message, {**numbers, **found._asdict(), **shares, "gain": gain})


def _rests(found: OnCorpus) -> list[str]:
    """What was bootstrapped, averaged and adjusted for, and where that is insufficient."""
    of_runs = found.unit == "run"
    alone = len(found.by_cluster) == 1 and not of_runs
    numbers = numbers_of(found)
    numbers |= SIZES
    numbers["over"] = said("bench.over_runs" if of_runs else "bench.over_clusters", numbers)
    holds = {
        "bench.rests": True,
        "bench.too_few": len(found.by_cluster) < FEWEST_CLUSTERS and not alone,
        "bench.one_cluster": alone,
        "bench.these_runs": of_runs,
    }
    words = [said(what, numbers) for what, true in holds.items() if true]
    about = map(reason, [*found.differing, *found.hidden])
    return words + [f"{text[0].upper()}{text[1:]}." for text in about]


def numbers_of(found: OnCorpus) -> dict[str, Any]:
    """The numbers and names that sentences about a corpus may use."""
    return {
        "corpus": found.corpus,
        "error": found.error,
        "runs": len(found.curves),
        "every": len(found.curves) + found.left_out,
        "left_out": found.left_out,
        "scores": found.of_scores,
        "what": quality(found.error, found.curves.about(found.error).direction),
        "what_differs": what_differs(found),
        "word": word_of([found]),
        "unit": spoken(found.unit),
        "clusters": len(found.by_cluster),
        "rules": len(found.by_cluster.columns),
        "rows": len(found.comparisons),
        "apart": found.apart,
        "lacking": found.lacking,
        "unbounded": found.unbounded,
        "counting": found.counting,
    }


def word_of(several: Sequence[OnCorpus]) -> str:
    """What differs: an error, or, for scores, the loss relative to each run's best."""
    return "loss" if any(found.of_scores for found in several) else "error"


def what_differs(found: OnCorpus) -> str:
    """The same, with the set that it was measured on."""
    what = quality(found.error, found.curves.about(found.error).direction)
    return f"loss of the {what}" if found.of_scores else what


# -- shared by the overall answer and that of one corpus ----------------------------------------


def label(row: Mapping[Any, Any]) -> str:
    """The known rule of a row, with those that do the same.

    >>> label({"rules": ["Keras"]}), label({"rules": ["Keras", "DL4J", "Ignite"]})
    ('Keras', 'Keras (also DL4J, Ignite)')
    """
    first, *others = row["rules"]
    return f"{first} (also {', '.join(others)})" if others else str(first)


def _known(rows: pd.DataFrame, verdict: Verdict) -> list[str]:
    return list(chain(*rows.loc[rows["verdict"] == verdict, "rules"]))


def _unshown(rows: pd.DataFrame) -> dict[str, float]:
    """The numbers about known rules from which no difference is shown."""
    unsure = rows[rows["verdict"] == Verdict.NOT_SHOWN]
    detectable = np.expm1(unsure["detectable"])
    return {
        "lowest": unsure["p_adjusted"].min(),
        "least": detectable.min(),
        "most": detectable.max(),
    }


def _verdicts(rows: pd.DataFrame, scope: str, numbers: Mapping[str, Any]) -> list[str]:
    """The message for every verdict in that scope, with the known rules that have it."""
    known = {verdict: _known(rows, verdict) for verdict in Verdict}
    # without a test there is no p to name
    few = {Verdict.NOT_SHOWN: ".few"} if np.isnan(numbers["lowest"]) else {}
    return [
        said(f"{scope}.{verdict}{few.get(verdict, '')}", {**numbers, "known": names})
        for verdict, names in known.items()
        if names
    ]


def _spoken_of(rows: pd.DataFrame) -> list[dict[Any, Any]]:
    """The rows of the known rules that have a sentence of their own."""
    kept = rows["rules"].map(lambda rules: not {*rules}.isdisjoint(SHOWN))
    kept &= rows["verdict"] != Verdict.SAME
    shown = rows[kept].to_dict("records")
    return [{**row, "rule": label(row), "unit": spoken(row["unit"])} for row in shown]
