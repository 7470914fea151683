"""What studies found: in words, as figures, pages and tables for papers, and as lines to paste."""

from importlib.util import find_spec

# they register their words
from earlystop_lab.report import calibration, comparison, prechelt1997, recommendation
from earlystop_lab.report.as_data import answer_as_json, as_json
from earlystop_lab.report.comparison import tables
from earlystop_lab.report.messages import in_words
from earlystop_lab.studies.comparison import Bench

__all__ = [
    "answer_as_json",
    "as_json",
    "calibration",
    "comparison",
    "in_words",
    "page",
    "prechelt1997",
    "recommendation",
    "require",
    "tables",
]

#: what the extra brings
_EXTRA = ("altair", "vl_convert", "jinja2", "tsdownsample")


def page(bench: Bench) -> str:
    """The comparison as one HTML file that opens offline, light or dark, and prints.

    The question, the answer, and for every corpus the front of time and regret with its bands,
    the differences to every known rule, those of every problem, performance profiles and ranks.
    In the explorer one picks a corpus, a run and a rule, moves its threshold, and sees where
    training would have stopped: replayed stops of a sample of runs, see :mod:`report.explorer`.
    Nothing is loaded from elsewhere, and the page forbids it. At most 10 MB: where all sampled
    runs would take more there are fewer. The same comparison gives the same bytes.

    Raises ``ValueError`` naming the extra where one of its libraries is not installed.
    """
    require()
    from earlystop_lab.report.pages import page_of

    return page_of(bench)


def require() -> None:
    """Raise ``ValueError`` naming the extra where a library that the page needs is missing."""
    for name in _EXTRA:
        if find_spec(name) is None:
            raise ValueError(
                f'the report needs the package {name}: pip install "earlystop_lab[report]"'
            )
