"""A comparison as tables for people's own papers: Markdown, LaTeX or CSV."""

from collections.abc import Callable
from typing import Literal, get_args

import pandas as pd

from earlystop_lab.report.comparison import table, words_of
from earlystop_lab.studies.comparison import Bench

Format = Literal["md", "tex", "csv"]


def tables(bench: Bench, format: Format) -> str:
    """The comparison with every known rule, a row a corpus and known rule.

    Those over all corpora together, at equal time alone, come first, where there are several.

    ``"md"`` and ``"tex"`` (which needs the package booktabs) are rounded for reading, with the
    question and the answer above and what they rest on below, in LaTeX as comments. ``"csv"`` has
    every number in full, differences as of logarithms (see :func:`inference.swaps.compared`), and
    nothing but the table, so that any program can read it. Raises ``ValueError`` for another
    format.

    >>> from earlystop_lab import Keras, criterion, simulate
    >>> from earlystop_lab.studies.comparison import bench
    >>> @criterion(threshold="n", passes=">=")
    ... def Late(epoch):
    ...     return epoch
    >>> found = bench(Late, {"flow": simulate("gradient_flow", 20, seed=1)}, known=[Keras])
    >>> tables(found, "csv").startswith("corpus,rule,")
    True
    """
    if format == "csv":
        return _stacked(bench, lambda rows: rows).to_csv(index=False, lineterminator="\n")
    if format not in get_args(Format):
        raise ValueError(f"format {format!r}; expected one of {', '.join(get_args(Format))}")
    from tabulate import tabulate

    shown = _stacked(bench, table).fillna("").astype(str)
    style = {"md": "github", "tex": "latex_booktabs"}[format]
    names = [str(name).strip() for name in shown]
    # texts, such as .010, are not to be read as numbers
    body = tabulate(shown.to_numpy().tolist(), names, tablefmt=style, disable_numparse=True)
    words = words_of(bench)
    above = [line for text in (words.question, *words.answer) for line in text.splitlines()]
    # the first sentence has the numbers of runs and problems
    below = [
        " ".join([found[0], *rests]) for found, rests in zip(words.found, words.rests, strict=True)
    ]
    if format == "tex":
        above, below = ([f"% {line}" for line in lines] for lines in (above, below))
        return "\n".join([*above, body, *below, ""])
    return "\n\n".join([*above, body, *below, ""])


def _stacked(bench: Bench, shown: Callable[[pd.DataFrame], pd.DataFrame]) -> pd.DataFrame:
    """The tables of all corpora as one, with the columns of a corpus's."""
    parts = {each.corpus: shown(each.comparisons) for each in bench.corpora}
    columns = ["corpus", *next(iter(parts.values()))]
    if bench.pooled is not None:
        parts = {"all corpora": shown(bench.pooled), **parts}
    named = [rows.assign(corpus=corpus) for corpus, rows in parts.items()]
    return pd.concat(named, ignore_index=True)[columns]
