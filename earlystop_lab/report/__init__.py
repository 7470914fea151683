"""The results of studies as text, figures, pages, tables for papers, and code to paste."""

from importlib.util import find_spec

# importing these registers their messages
from earlystop_lab.report import calibration, comparison, prechelt1997, recommendation, refits
from earlystop_lab.report.as_data import answer_as_json, as_json
from earlystop_lab.report.as_tables import as_csv
from earlystop_lab.report.comparison import tables
from earlystop_lab.report.messages import in_words
from earlystop_lab.studies.comparison import Bench
from earlystop_lab.studies.kept import NOTHING_KEPT, Kept

__all__ = [
    "answer_as_json",
    "as_csv",
    "as_json",
    "calibration",
    "comparison",
    "in_words",
    "page",
    "prechelt1997",
    "recommendation",
    "refits",
    "require",
    "tables",
]

#: what the extra installs
_EXTRA = ("altair", "vl_convert", "jinja2", "tsdownsample")


def page(bench: Bench, kept: Kept = NOTHING_KEPT, n_jobs: int = 1) -> str:
    """The comparison as one HTML file that works offline, in light and dark mode, and in print.

    The page begins with the answer: in words and, beside them, one picture of the differences from
    the known rules over all corpora, with intervals. Below, in sections that are drawn when they
    are opened, are the numbers, and for every corpus the front of time and regret with its bands,
    the differences from every known rule, overall and by problem, performance profiles and ranks.
    In the explorer, the reader picks a corpus, a run and a rule, moves its threshold,
    and sees where training would have stopped: replayed stops of a sample of runs, see
    :mod:`report.explorer`. Nothing is loaded from elsewhere, and the page forbids it. The page has
    at most 10 MB; if the sampled runs would take more, fewer are shown. The same comparison always
    gives the same bytes.

    Parameters
    ----------
    bench : Bench
        The comparison.
    kept : Kept, optional
        Where parts that do not depend on the new rule are kept between calls. The page is the same.
    n_jobs : int
        Number of parallel jobs; -1 uses all cores. The page is the same.

    Returns
    -------
    str
        The HTML page.

    Raises
    ------
    ValueError
        If a library of the extra ``report`` is not installed.
    """
    require()
    from earlystop_lab.report.pages import page_of

    return page_of(bench, kept, n_jobs)


def require() -> None:
    """Raise ``ValueError`` naming the extra if a library that the page needs is missing."""
    for name in _EXTRA:
        if find_spec(name) is None:
            raise ValueError(
                f'the report needs the package {name}: pip install "earlystop_lab[report]"'
            )
