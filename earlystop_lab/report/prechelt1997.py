"""Prechelt's study in words, and as files: tables, a summary and figures."""

from pathlib import Path
from typing import Any, get_args

import numpy as np
import pandas as pd

from earlystop_lab._common.files import written_text
from earlystop_lab._common.wording import spoken
from earlystop_lab.curves import read_curves
from earlystop_lab.report.as_tables import Paper, as_csv, markdown_table, paper_table
from earlystop_lab.report.messages import MESSAGES, in_words, measure_in_words, p_value, said
from earlystop_lab.studies.prechelt1997 import (
    MAIN,
    MARGIN,
    OTHER,
    PRINTED,
    PUBLISHED,
    REFERENCE,
    SEVERAL,
    Claim,
    Reproduction,
    Verdict,
    compare_recorded,
    replay_study,
)

#: how many runs the study has
ALL_RUNS = 1296
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
#: how the estimate of a claim is printed: as a slope, a share or an error
AMOUNTS = {
    Claim.SLOWER: "slope",
    Claim.OFTEN_GOOD: "share",
    Claim.WITH_OVERFITTING: "slope",
}
#: the tests that the summary puts side by side, with shorter names
TESTS = {
    "t": "t",
    "sign_flip": "sign flip",
    "bootstrap_t": "bootstrap-t",
    "drop_one": "drop one",
    "without_late": "no late ones",
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
    data: Path,
    out: Path,
    corpus: str = MAIN,
    figures: Path | None = None,
    *,
    curves: Path | None = None,
    margin: float = MARGIN,
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
    curves : Path, optional
        The runs of the corpus recorded anew. They are used in place of those in ``data``, and
        compared with them run by run.
    margin : float
        As in :func:`replay_study`.

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
    recorded = read_curves(_expected(data / "curves" / corpus))
    runs = recorded if curves is None else read_curves(_expected(curves))
    folder = folder_of(out, corpus)
    if folder.is_file():
        raise NotADirectoryError(f"{folder} is a file; expected a folder for tables and figures")
    other = data / "curves" / OTHER
    others = {OTHER: read_curves(other)} if corpus == MAIN and other.exists() else {}
    found = replay_study(corpus, runs, published, others, margin=margin)
    if curves is not None:
        found.tables["comparison_recorded"] = compare_recorded(runs, recorded)
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
    from earlystop_lab.report.prechelt1997_figures import figures
    from earlystop_lab.report.style import save

    texts = pd.DataFrame(_texts(found.tables).items(), columns=["name", "text"])
    for name, frame in {**_worded(found.tables), "texts": texts}.items():
        written_text(folder / f"{name}.csv", as_csv(frame))
    table = found.tables["table1"][PRINTED]
    note = said("prechelt1997.note", _numbers(found.tables))
    written_text(folder / "table1.md", f"{markdown_table(table, floatfmt='.3f')}\n\n{note}\n")
    caption = said("prechelt1997.caption", _rows(found.tables["facts"])[0])
    words = {name: _head(str(name)) for name in table}
    numbers = table.round(3).astype(str).rename(columns=words)
    for format in get_args(Paper):
        text = paper_table(numbers, format, caption=caption, label="table1", notes=[note])
        written_text(folder / f"table1.{format}", text)
    written_text(folder / "summary.md", in_words(found))
    for name, fig in figures(found):
        save(fig, *(each / name for each in figure_folders))


def _head(column: str) -> str:
    """The head of a column of table 1, all of whose means are over runs."""
    words = measure_in_words(column.replace("_GL2", "_ref"), {"reference": REFERENCE})
    return words.removeprefix("mean ")


def _worded(tables: dict[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """The tables, with the texts that their files have next to the numbers."""
    verdicts = [
        {
            **row,
            "claim": said(row["claim"], row),
            "quantity": said(f"{row['claim']}.quantity", row),
            "seen": MESSAGES[row["seen"]],
            "test": MESSAGES["prechelt1997.test"],
            "sentence": sentence(row),
            "datasets": ", ".join(row["datasets"]),
        }
        for row in _rows(tables["verdicts"].assign(several=SEVERAL))
    ]
    quantities = [
        said(f"{row['claim']}.quantity", row)
        for row in _rows(tables["tests"].assign(several=SEVERAL))
    ]
    return {
        **tables,
        "table1": tables["table1"].assign(pool=MESSAGES["prechelt1997.pool"]),
        "spans": tables["spans"].assign(kind=MESSAGES["prechelt1997.kind"]),
        "verdicts": pd.DataFrame(verdicts).drop(columns="several"),
        "tests": tables["tests"].assign(claim=quantities).rename(columns={"claim": "quantity"}),
        "facts": tables["facts"].assign(
            late_problems=[", ".join(names) for names in tables["facts"]["late_problems"]]
        ),
    }


def sentence(row: dict[str, Any]) -> str:
    """What a verdict says, with its estimate, interval, adjusted p, clusters and test."""
    claim = said(row["claim"], row)
    parts = row | {
        "claim": claim,
        "unit": spoken(row["unit"]),
        "test": MESSAGES["prechelt1997.test"],
        "amount": said(f"prechelt1997.{AMOUNTS.get(row['claim'], 'error')}", row),
    }
    if row["verdict"] == Verdict.EQUIVALENT:
        parts["where"] = said(f"{row['claim']}.where", row)
    parts["numbers"] = said("prechelt1997.numbers", parts)
    text = said(f"prechelt1997.{row['verdict']}", parts)
    return text[0].upper() + text[1:]


@in_words.register
def _(found: Reproduction) -> str:
    tables, worded = found.tables, _worded(found.tables)
    datasets = tables["comparison_datasets"].groupby("corpus", sort=False)
    tests = worded["tests"]
    beside = {
        f"{name}{suffix}": cells.set_index("criterion")[which].round(3)
        for name, cells in tables["comparison_table1"].groupby("column", sort=False)
        for suffix, which in (("", "ours"), (", print", "print"))
    }
    shown = {
        "sentences": list(worded["verdicts"]["sentence"]),
        "verdicts": worded["verdicts"][
            ["source", "quantity", "estimate", "low", "high", "p_adjusted", "clusters", "verdict"]
        ].round(4),
        "tests": tests[["source", "quantity"]].assign(
            **{label: _outcomes(tests, name) for name, label in TESTS.items()}
        ),
        "printed": tables["table1"][PRINTED].round(3),
        "further": tables["table1"][["criterion", *FURTHER]].rename(columns=FURTHER).round(3),
        "spans": tables["spans"].round(3),
        "by_problem": tables["trend"]
        .assign(overfitting=tables["equal_time"]["overfitting"].to_numpy())
        .round(3),
        "beside": pd.DataFrame(beside).reset_index(),
        "columns": _columns(tables["comparison_table1"]),
        "claims": tables["comparison_claims"].assign(verified=_states).round(2),
        "datasets": datasets.agg(**DATASETS).reset_index().round(3),
        "recommendations": tables["recommendations"],
    }
    numbers = _numbers(tables)
    part = said(f"prechelt1997.{'part' if numbers['runs'] < ALL_RUNS else 'all'}", numbers)
    text = said("prechelt1997", {**numbers, **_texts(tables), **shown, "part": part})
    if "comparison_recorded" in tables:
        again = _rows(tables["comparison_recorded"])[0]
        text += f"\n{said('prechelt1997.recorded', again)}\n"
    return text


def _outcomes(tests: pd.DataFrame, name: str) -> list[str]:
    """Verdict and p of every comparison by one test; of leaving one out, the data set, too."""
    without = [f"({each})" if each and name == "drop_one" else "" for each in tests["drop_one"]]
    return [
        " ".join(filter(None, (verdict, p_value(p), named)))
        for verdict, p, named in zip(
            tests[f"verdict_{name}"], tests[f"p_{name}"], without, strict=True
        )
    ]


def _columns(cells: pd.DataFrame) -> pd.DataFrame:
    """How near each column of table 1 is to the printed one, and whether that was verified."""
    columns = cells.assign(away=np.abs(np.log(cells["ratio"]))).groupby("column", sort=False)
    return pd.DataFrame(
        {
            "cells": columns.size(),
            "rank correlation": columns["spearman_of_column"].first().round(3),
            "median of ours / print": columns["ratio"].median().round(3),
            "furthest": columns["away"].max().apply(np.exp).round(3),
            "print": columns["print_verified"].first().map(_state),
        }
    ).reset_index()


def _states(table: pd.DataFrame) -> pd.Series:
    return table["verified"].map(_state)


def _state(verified: str) -> str:
    return MESSAGES[f"prechelt1997.{verified}"]


def _numbers(tables: dict[str, pd.DataFrame]) -> dict[str, Any]:
    """The numbers that the messages use."""
    facts = _rows(tables["facts"])[0]
    slope, by_test = (_rows(tables[name])[0] for name in ("verdicts", "tests"))
    factor = np.log(facts["time_range"])
    late = tables["equal_time"].set_index("problem")["last_tenth"].sort_values(ascending=False)
    seen = tables["verdicts"].groupby("seen", sort=False)["source"].unique()
    return {
        **facts,
        **by_test,
        "all_runs": ALL_RUNS,
        "verdict": slope["verdict"],
        "pool": MESSAGES["prechelt1997.pool"],
        "change": slope["estimate"] * factor,
        "change_low": slope["low"] * factor,
        "change_high": slope["high"] * factor,
        "worst": ", ".join(f"{name} {share:.0%}" for name, share in late[late > 0.1].items()),
        "late_list": f" ({', '.join(facts['late_problems'])})" if facts["late_problems"] else "",
        "datasets_count": facts["datasets"],
        "table1_state": _state(tables["comparison_table1"]["print_verified"].iloc[0]),
        "kinds": "; ".join(
            said(
                "prechelt1997.seen_kind",
                {"sources": list(sources), "seen": MESSAGES[str(kind)]},
            )
            for kind, sources in seen.items()
        ),
    }


def _texts(tables: dict[str, pd.DataFrame]) -> dict[str, str]:
    """What the numbers are based on and how far they reach, for the summary and the paper."""
    numbers = _numbers(tables)
    late = bool(numbers["late_problems"])
    numbers["late_part"] = said("prechelt1997.rests_late", numbers) if late else ""
    rests = "rests_not" if numbers["verdict_drop_one"] == numbers["verdict"] else "rests"
    texts = {
        "basis": "prechelt1997.basis",
        "margins": "prechelt1997.margins",
        "range": "prechelt1997.range",
        "rests": f"prechelt1997.{rests}",
        "rehearsal": "prechelt1997.rehearsal",
        "late_note": f"prechelt1997.{'late_note' if late else 'none_late'}",
        "seen": "prechelt1997.seen_note",
        "test_columns": "prechelt1997.test_columns",
        "intervals": "prechelt1997.intervals",
    }
    return {name: said(key, numbers) for name, key in texts.items()}


def _rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(name): value for name, value in row.items()} for row in table.to_dict("records")]
