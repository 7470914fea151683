"""Tables as CSV, Markdown, LaTeX and Typst, in which a name from outside is nothing but text."""

import re
from collections.abc import Sequence
from textwrap import wrap
from typing import Any, Literal, NamedTuple

import pandas as pd
from tabulate import tabulate

from earlystop_lab._common.wording import visible

#: with what a cell begins that a spreadsheet takes as a formula
_FORMULA = re.compile(r"[\s\0]*[=+\-@\uff1d\uff0b\uff0d\uff20]|[\t\r\n]")
#: what Markdown gives a meaning: HTML, the ends of cells, links, code
_MARKDOWN = re.compile(r"[\\`<|\[*]")


#: formats of tables for papers
Paper = Literal["tex", "typ"]
#: a longer table may go on on the next page
LONG = 35
#: most characters on a line of a head that has more than one word
_HEAD = 16
#: what LaTeX gives a meaning
_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "-": "-{}",
    **{char: rf"\{char}" for char in "&%$#_{}"},
}
#: a hyphen before a number that is its sign
_MINUS = re.compile(r"(?<![\w.)])-(?=[\d.])")


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


# -- tables for papers ------------------------------------------------------------------------


class _Table(NamedTuple):
    """What is written, before any character is escaped."""

    #: lines of each head
    heads: list[list[str]]
    rows: list[list[str]]
    #: on which side the cells of each column are: left or right
    sides: list[str]
    caption: str
    label: str
    notes: list[str]


def paper_table(
    frame: pd.DataFrame, format: Paper, *, caption: str, label: str, notes: Sequence[str] = ()
) -> str:
    r"""A table to paste into a paper: caption, label, rules as of booktabs, notes below.

    Columns of numbers are right-aligned. A table of more than 35 rows may go on on the next page,
    where its head is repeated.

    Parameters
    ----------
    frame : DataFrame
        Cells are text, or numbers, which get three significant digits.
    format : {"tex", "typ"}
        LaTeX (packages booktabs and, for a long table, longtable) or Typst.
    caption : str
    label : str
        What the table is referred to by: ``tab:label`` in LaTeX, ``<tab:label>`` in Typst.
    notes : sequence of str
        Sentences below the table.

    Returns
    -------
    str

    Examples
    --------
    >>> rules = pd.DataFrame({"rule": ["GL_2"], "loss": [-0.5]})
    >>> print(paper_table(rules, "typ", caption="Loss", label="loss"))
    #figure(
      table(
        columns: 2,
        align: (left, right),
        stroke: none,
        table.hline(),
        table.header([#"rule"], [#"loss"]),
        table.hline(stroke: 0.5pt),
        [#"GL_2"], [#"\u{2212}0.5"],
        table.hline(),
      ),
      caption: [#"Loss"],
      kind: table,
    ) <tab:loss>
    <BLANKLINE>
    """
    cells = frame.map(_cell)
    sides = ["right" if is_of_numbers(cells[name]) else "left" for name in cells]
    heads = [
        wrap(visible(str(name)).strip(), _HEAD, break_long_words=False) or [""] for name in cells
    ]
    rows, words = cells.to_numpy().tolist(), list(map(visible, notes))
    made = _in_latex if format == "tex" else _in_typst
    return made(_Table(heads, rows, sides, visible(caption), label, words))


def _cell(value: Any) -> str:
    if isinstance(value, float):
        return "" if pd.isna(value) else f"{value:.3g}"
    return visible(str(value))


def is_of_numbers(column: "pd.Series[str]") -> bool:
    """Whether each cell of text that is not empty begins with a number.

    >>> is_of_numbers(pd.Series(["-1%", "", "<.001"])), is_of_numbers(pd.Series(["1", "a"]))
    (True, False)
    """
    filled = column[column != ""]
    return bool(len(filled)) and bool(filled.str.match(r"[-+<]? ?[\d.]|(unbounded|unknown)$").all())


def _in_latex(table: _Table) -> str:
    heads, rows, sides, caption, label, notes = table
    columns = "".join(side[0] for side in sides)
    broken = [r" \\ ".join(map(_latex, lines)) for lines in heads]
    head = " & ".join(
        text if len(lines) == 1 else rf"\shortstack[{side[0]}]{{{text}}}"
        for text, lines, side in zip(broken, heads, sides, strict=True)
    )
    # in a group, since LaTeX takes a bracket after a line end for its length
    body = [" & ".join([f"{{{_latex(row[0])}}}", *map(_latex, row[1:])]) + r" \\" for row in rows]
    above = [rf"\caption{{{_latex(caption)}}}", rf"\label{{tab:{label}}}"]
    below = [rf"\par\smallskip\footnotesize {_latex(note)}" for note in notes]
    if len(rows) <= LONG:
        lines = [
            r"% needs \usepackage{booktabs}",
            r"\begin{table}",
            r"\centering",
            *above,
            rf"\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            rf"{head} \\",
            r"\midrule",
            *body,
            r"\bottomrule",
            r"\end{tabular}",
            *below,
            r"\end{table}",
        ]
    else:
        lines = [
            r"% needs \usepackage{booktabs} and \usepackage{longtable}",
            rf"\begin{{longtable}}{{{columns}}}",
            rf"{above[0]}{above[1]} \\",
            *[r"\toprule", rf"{head} \\", r"\midrule", r"\endfirsthead"],
            *[r"\toprule", rf"{head} \\", r"\midrule", r"\endhead"],
            *[r"\bottomrule", r"\endfoot"],
            *body,
            r"\end{longtable}",
            *([r"{" + "\n".join(below) + r"\par}"] if below else []),
        ]
    return "\n".join(lines) + "\n"


def _latex(text: str) -> str:
    """Text in LaTeX, in which nothing is a command; a hyphen before a number is a minus."""
    parts = _MINUS.split(text)
    return "$-$".join("".join(_LATEX.get(char, char) for char in part) for part in parts)


def _in_typst(table: _Table) -> str:
    heads, rows, sides, caption, label, notes = table
    broken = [r" \ ".join(map(_typst, lines)) for lines in heads]
    header = ", ".join(f"[{text}]" for text in broken)
    lines = [
        "#figure(",
        "  table(",
        f"    columns: {len(heads)},",
        f"    align: ({', '.join(sides)}{',' * (len(sides) == 1)}),",
        "    stroke: none,",
        "    table.hline(),",
        f"    table.header({header}),",
        "    table.hline(stroke: 0.5pt),",
        *(f"    {', '.join(f'[{_typst(cell)}]' for cell in row)}," for row in rows),
        "    table.hline(),",
        "  ),",
        f"  caption: [{_typst(caption)}],",
        "  kind: table,",
        f") <tab:{label}>",
        *(f"#text(size: 0.8em)[{_typst(note)}]" for note in notes),
    ]
    if len(rows) > LONG:
        lines = ["#[", "#show figure: set block(breakable: true)", *lines, "]"]
    return "\n".join(lines) + "\n"


def _typst(text: str) -> str:
    """A string of Typst, in which nothing is markup; a hyphen before a number is a minus."""
    quoted = text.replace("\\", r"\\").replace('"', r"\"")
    minus = r"\u{2212}".join(_MINUS.split(quoted))
    return f'#"{minus}"'
