"""Tables for papers: what LaTeX and Typst make of them, whatever names they hold."""

import json
import re
import shutil
import subprocess

import pandas as pd
import pytest

from earlystop_lab import CurveSet, simulate
from earlystop_lab.report.as_tables import LONG, paper_table
from earlystop_lab.report.surveys import best_of_survey, survey_table
from earlystop_lab.studies.surveys import survey

NASTY = "[a]{b}\\input{x}$#%&_^~<>|`*@=-- \"q\" 'r' /* // <tab:x> Übung \x1b"
FRAME = pd.DataFrame(
    {
        "known rule": ["GL(2)", NASTY, "any_of(a, b)"],
        "difference at equal time": ["-1.7% (-5.4% to +2.1%)", "+0.5% (no interval)", ""],
        "p": ["<.001", ".02", ""],
        "verdict": ["better", "not shown", "-"],
        "loss": [-0.51234, float("nan"), 12.0],
    }
)
LONG_ONE = pd.concat([FRAME] * (LONG // 3 + 1), ignore_index=True)
OPTIONS = {"caption": f"50% of {NASTY}", "label": "x", "notes": [NASTY, "Second."]}


def latex(text, tmp_path):
    """The words of the PDF that LaTeX makes of a table."""
    program = next(filter(None, map(shutil.which, ("pdflatex", "xelatex", "lualatex"))), None)
    if program is None:
        pytest.skip("needs a TeX: pdflatex, xelatex or lualatex on the path")
    (tmp_path / "x.tex").write_text(
        "\\documentclass{article}\\usepackage{booktabs}\\usepackage{longtable}\n"
        "\\begin{document}Table~\\ref{tab:x}.\n" + text + "\\end{document}\n",
        encoding="utf-8",
    )
    for _ in range(2):
        done = subprocess.run(
            [program, "-interaction=nonstopmode", "-halt-on-error", "x.tex"],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            errors="replace",
        )
        assert done.returncode == 0, done.stdout[-2000:]
    assert "undefined" not in done.stdout
    return done.stdout


@pytest.mark.parametrize("frame", [FRAME, LONG_ONE], ids=["short", "long"])
def test_latex_compiles_it(frame, tmp_path):
    said = latex(paper_table(frame, "tex", **OPTIONS), tmp_path)
    assert "Missing character" not in said


@pytest.mark.parametrize("frame", [FRAME, LONG_ONE], ids=["short", "long"])
def test_typst_compiles_it_with_every_name_as_it_is(frame, tmp_path):
    typst = pytest.importorskip("typst", reason="typst is not installed: the extra [paper] is")
    file = tmp_path / "x.typ"
    text = paper_table(frame, "typ", **OPTIONS)
    file.write_text(f"See @tab:x.\n{text}", encoding="utf-8")
    typst.compile(file, output=tmp_path / "x.pdf")
    cells = typst.query(file, "figure.where(kind: table)", field="body", one=True)
    shown = json.dumps(NASTY.replace("\x1b", r"\x1b"), ensure_ascii=False)
    assert cells.count(shown) == (frame["known rule"] == NASTY).sum()
    pages = len(re.findall(rb"/Type\s*/Page\b", (tmp_path / "x.pdf").read_bytes()))
    assert pages == (1 if frame is FRAME else 2)


def test_numbers_are_on_the_right_and_have_a_minus():
    text = paper_table(FRAME, "tex", **OPTIONS)
    assert r"\begin{tabular}{lrrlr}" in text
    assert (
        r"{GL(2)} & $-$1.7\% ($-$5.4\% to +2.1\%) & \textless{}.001 & better & $-$0.512 \\" in text
    )
    assert r"\shortstack[r]{difference at \\ equal time}" in text
    assert "align: (left, right, right, left, right)" in paper_table(FRAME, "typ", **OPTIONS)


def test_a_word_of_a_head_is_not_broken():
    counts = pd.DataFrame({"rule": ["GL"], "better/tied/worse": ["1/0/2"]})
    assert "\nrule & better/tied/worse \\\\\n" in paper_table(counts, "tex", **OPTIONS)


def test_a_long_table_may_go_on_on_the_next_page():
    assert r"\endfirsthead" in paper_table(LONG_ONE, "tex", **OPTIONS)
    assert "breakable: true" in paper_table(LONG_ONE, "typ", **OPTIONS)
    for format, mark in {"tex": "longtable", "typ": "breakable"}.items():
        assert mark not in paper_table(FRAME, format, **OPTIONS)


def test_a_survey_has_heads_in_words_and_the_best_rules_first():
    runs = [
        {"val": c.val, "test": c.test, "run": c.run} for c in simulate("gradient_flow", 9, seed=2)
    ]
    table = survey(CurveSet.from_runs(runs), ["GL(5)", "UP(3)", "Keras(10)", "Keras(3)"])
    best = best_of_survey(table, 2)
    assert best["test_regret"].tolist() == sorted(table["test_regret"])[:2]
    text = survey_table(best, "typ", 2)
    assert "The 2 rules of the lowest regret of the test error" in text
    assert '[#"regret, test" \\ #"error"]' in text
    assert text.count("    [#") == 2
    assert "Stopping rules at their usual thresholds, over 9 runs" in survey_table(table, "tex")
