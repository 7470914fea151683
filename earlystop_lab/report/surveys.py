"""A survey as a table for a paper."""

import pandas as pd

from earlystop_lab._common.wording import percent
from earlystop_lab.report.as_tables import Paper, paper_table
from earlystop_lab.report.messages import said

#: what the table for a paper shows, and its heads
HEADS = {
    "criterion": "criterion",
    "runs": "runs",
    "fired": "share of runs stopped",
    "time": "training time, share of the whole run",
    "too_early": "runs stopped too early",
    "val_regret": "regret, validation error",
    "test_regret": "regret, test error",
}
_SHARES = ("fired", "time", "too_early", "val_regret", "test_regret")


def best_of_survey(table: pd.DataFrame, top: int) -> pd.DataFrame:
    """The rules of the lowest regret, best first: of the test error, or else the validation error.

    Parameters
    ----------
    table : DataFrame
        From :func:`studies.surveys.survey`.
    top : int
        At most so many; rules whose regret is unknown come last.

    Returns
    -------
    DataFrame
    """
    return table.sort_values(_error(table), kind="stable").head(top)


def survey_table(table: pd.DataFrame, format: Paper, top: int | None = None) -> str:
    """A survey in LaTeX or Typst; see :func:`as_tables.paper_table`.

    ``top`` is the number of rules that were chosen by :func:`best_of_survey`, if they were.
    """
    shown = table[[name for name in HEADS if table[name].notna().any()]].copy()
    for name in _SHARES:
        if name in shown:
            shown[name] = ["" if pd.isna(v) else percent(float(v)) for v in table[name]]
    numbers = {
        "runs": int(table["runs"].max()),
        "top": len(table),
        "error": {"test_regret": "test", "val_regret": "validation"}[_error(table)],
    }
    caption = said("survey.caption" if top is None else "survey.caption_top", numbers)
    return paper_table(shown.rename(columns=HEADS), format, caption=caption, label="survey")


def _error(table: pd.DataFrame) -> str:
    """The regret by which rules are compared."""
    return "test_regret" if table["test_regret"].notna().any() else "val_regret"
