"""Prechelt's study in words, and as files: tables, a summary and figures."""

from pathlib import Path
from typing import Any

import pandas as pd
from tabulate import tabulate

from earlystop_lab._common.files import written_text
from earlystop_lab.curves import read_curves
from earlystop_lab.inference import MeanOverClusters
from earlystop_lab.report.as_tables import as_csv, markdown_table
from earlystop_lab.report.messages import MESSAGES, in_words, said
from earlystop_lab.studies.prechelt1997 import (
    MAIN,
    OTHER,
    PRINTED,
    PUBLISHED,
    Reproduction,
    replay_study,
)

#: further columns of table 1 that the summary prints, with shorter names
FURTHER = {
    "slowness_GL2_median": "slowness, median",
    "slowness_GL2_total": "slowness, totals",
    "badness_GL2_median": "badness, median",
    "badness_GL2_total": "badness, totals",
    "badness_GL2_geometric": "badness, geometric",
    "ended_by_criterion": "by criterion",
    "ended_by_progress": "by P_5",
    "ended_by_limit": "by limit",
    "stopped_by_epoch_15": "by epoch 15",
    "excess_share_of_worst_1pct": "worst 1%",
}
#: what the summary says about the data sets: how far the best runs are from the published ones
DATASETS = {
    "median ratio of best validation error": ("best_val_error_ratio", "median"),
    "median ratio of its test error": ("test_error_of_best_ratio", "median"),
    "runs within 5%": ("runs_within_5pct", "sum"),
    "published, 5%": ("runs_within_5pct_print", "sum"),
    "runs within 10%": ("runs_within_10pct", "sum"),
    "published, 10%": ("runs_within_10pct_print", "sum"),
}


def reproduce(
    data: Path, out: Path, corpus: str = MAIN, figures: Path | None = None
) -> Reproduction:
    """Rerun the study on a recorded corpus, and write its tables and figures.

    Parameters
    ----------
    data : Path
        Folder with ``curves/`` and the published numbers in ``reference/``.
    out : Path
        Output folder. The tables of the main corpus are written directly to it, those of any
        other corpus to a subfolder named like the corpus.
    corpus : str
        Name of a folder in ``curves/``.
    figures : Path, optional
        A second folder for the figures.

    Returns
    -------
    Reproduction

    Raises
    ------
    OSError
        If an input does not exist or an output cannot be written.
    ValueError
        As raised by :func:`replay_study`; nothing is written then.
    """
    if Path(corpus).name != corpus:
        raise ValueError(f"corpus {corpus!r}: expected the name of a folder in curves/")
    published = {
        name: pd.read_csv(_expected(data / "reference" / f"{name}.csv")) for name in PUBLISHED
    }
    curves = read_curves(_expected(data / "curves" / corpus))
    folder = folder_of(out, corpus)
    if folder.is_file():
        raise NotADirectoryError(f"{folder} is a file; expected a folder for tables and figures")
    other = data / "curves" / OTHER
    others = {OTHER: read_curves(other)} if corpus == MAIN and other.exists() else {}
    found = replay_study(corpus, curves, published, others)
    _write(found, folder, [folder / "figures", *([folder_of(figures, corpus)] if figures else [])])
    return found


def folder_of(out: Path, corpus: str) -> Path:
    """The output folder of a corpus in ``out``: ``out`` itself for the main corpus."""
    return out if corpus == MAIN else out / corpus


def _expected(path: Path) -> Path:
    if not path.exists():
        raise FileNotFoundError(
            f"{path} does not exist; the data of the study are part of a checkout of the project: "
            "run this command inside one, or pass its folder data/ with --data"
        )
    return path


def _write(found: Reproduction, folder: Path, figure_folders: list[Path]) -> None:
    from earlystop_lab.report.axes import save
    from earlystop_lab.report.prechelt1997_figures import figures

    for name, frame in _worded(found.tables).items():
        written_text(folder / f"{name}.csv", as_csv(frame))
    table = found.tables["table1"][PRINTED]
    note = said("prechelt1997.note", _numbers(found))
    written_text(folder / "table1.md", f"{markdown_table(table, floatfmt='.3f')}\n\n{note}\n")
    latex = tabulate(table.values.tolist(), [*table], tablefmt="latex_booktabs", floatfmt=".3f")
    written_text(folder / "table1.tex", f"% {note}\n{latex}\n")
    written_text(folder / "summary.md", in_words(found))
    for name, fig in figures(found):
        save(fig, *(each / name for each in figure_folders))


def _worded(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables, with the texts that their files have next to the numbers."""
    rules = [
        {
            **row,
            "group": said(f"prechelt1997.{row['group']}", row),
            "quantity": said(f"{row['claim']}.quantity", row),
            "verdict": f"{row['verdict']}: {said(row['claim'], row)}",
            "problems": ", ".join(row["problems"]),
        }
        for row in _rows(tables["rules"])
    ]
    columns = [
        "rule",
        "group",
        "quantity",
        *MeanOverClusters._fields,
        "p_holm",
        "unit",
        "verdict",
        "problems",
    ]
    return {
        **tables,
        "table1": tables["table1"].assign(pool=MESSAGES["prechelt1997.pool"]),
        "spans": tables["spans"].assign(kind=MESSAGES["prechelt1997.kind"]),
        "rules": pd.DataFrame(rules)[columns],
    }


@in_words.register
def _(found: Reproduction) -> str:
    tables = found.tables
    table1, datasets = tables["table1"], tables["comparison_datasets"].groupby("corpus", sort=False)
    alike = tables["comparison_table1"].groupby("column", sort=False)["spearman_of_column"].first()
    overfitting = tables["equal_time"].set_index("problem")["overfitting"].sort_values()
    shown = {
        "printed": table1[PRINTED].round(3),
        "further": table1[["criterion", *FURTHER]].rename(columns=FURTHER).round(3),
        "spans": tables["spans"].round(3),
        "claims": tables["comparison_claims"].round(2),
        "datasets": datasets.agg(**DATASETS).reset_index().round(3),
        "rules": _worded(tables)["rules"].drop(columns=["clusters", "unit", "problems"]).round(4),
    }
    numbers = _numbers(found) | {
        "alike": ", ".join(f"{name} {value:.3f}" for name, value in alike.items()),
        "overfitting": ", ".join(f"{name} {value:.2f}" for name, value in overfitting.items()),
    }
    return said("prechelt1997", {**numbers, **shown})


def _numbers(found: Reproduction) -> dict[str, Any]:
    """The numbers that the messages use about the corpus and the pre-specified test."""
    facts, test = (_rows(found.tables[name])[0] for name in ("facts", "trend_test"))
    return {
        **facts,
        **test,
        "fourfold": 100 * (4 ** test["estimate"] - 1),
        "pool": MESSAGES["prechelt1997.pool"],
    }


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]
