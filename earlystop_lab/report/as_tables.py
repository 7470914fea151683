"""Tables as CSV and Markdown, in which a name from outside is nothing but text."""

import re
from typing import Any

import pandas as pd
from tabulate import tabulate

from earlystop_lab._common.wording import visible

#: with what a cell begins that a spreadsheet takes as a formula
_FORMULA = re.compile(r"[\s\0]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
#: what Markdown gives a meaning: HTML, the ends of cells, links, code
_MARKDOWN = re.compile(r"[\\`<|\[*]")


def as_csv(frame: pd.DataFrame) -> str:
    """A table as CSV, in which text that a spreadsheet would execute begins with an apostrophe.

    Numbers stay as they are, also where they are text.

    >>> print(as_csv(pd.DataFrame({"rule": ["GL", "=1+1", "-0.5"], "loss": [1.5, -2.0, 3.0]})))
    rule,loss
    GL,1.5
    '=1+1,-2.0
    -0.5,3.0
    <BLANKLINE>
    """
    plain = frame.rename(columns=_as_text).map(_as_text)
    return str(plain.to_csv(index=False, lineterminator="\n"))


def _as_text(cell: Any) -> Any:
    if not isinstance(cell, str) or not _FORMULA.match(cell) or _is_number(cell):
        return cell
    return f"'{cell}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def as_markdown(text: str) -> str:
    r"""A line of text in Markdown, in which nothing is HTML, a link, code or the end of a cell.

    >>> print(as_markdown("GL(5) and <img src=x> | [here](there)"))
    GL(5) and \<img src=x> \| \[here](there)
    """
    return _MARKDOWN.sub(r"\\\g<0>", visible(text))


def markdown_table(frame: pd.DataFrame, **options: Any) -> str:
    r"""A table in Markdown; ``options`` are those of ``tabulate``.

    >>> print(markdown_table(pd.DataFrame({"rule": ["a|b"], "loss": [0.5]})))
    | rule   |   loss |
    |--------|--------|
    | a\|b   |    0.5 |
    """
    rows = [[_in_cell(cell) for cell in row] for row in frame.values.tolist()]
    return str(tabulate(rows, [*map(_in_cell, frame)], tablefmt="github", **options))


def _in_cell(cell: Any) -> Any:
    return as_markdown(cell) if isinstance(cell, str) else cell
