"""Prechelt's 1997 study of early stopping, rerun on recorded curves: tables and verdicts.

Fourteen criteria, each combined with the study's end rule, are replayed over 1296 runs on
twelve problems. The room :mod:`report` has the texts and figures for the results.

Source: L. Prechelt, "Early Stopping - but when?", in Neural Networks: Tricks of the Trade,
Springer 1998, doi 10.1007/3-540-49430-8_3.
"""

import itertools
from collections.abc import Mapping
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import pandas as pd

from earlystop_lab.criteria import GL, PQ, UP, MaxEpochs, Progress, any_of
from earlystop_lab.curves import CurveSet, FloatArray, local_minima
from earlystop_lab.engine.replaying import Stops, replay
from earlystop_lab.inference import (
    cluster_means,
    holm,
    interpolated,
    mean_over_clusters,
    slopes,
)
from earlystop_lab.measures.hindsight import worst_share
from earlystop_lab.measures.prechelt import run_ratios, tradeoff

MAIN = "prechelt1997"
#: the same runs with initial weights in -0.05..0.05
OTHER = "prechelt1997-init005"
REFERENCE = "GL(2)"
CRITERIA = {
    str(rule): rule
    for rule in [
        *(GL(alpha) for alpha in (1, 2, 3, 5)),
        *(PQ(alpha) for alpha in (0.5, 0.75, 1, 2, 3)),
        *(UP(s) for s in (2, 3, 4, 6, 8)),
    ]
}
PROGRESS, LIMIT = Progress(0.1), MaxEpochs(3000)
#: thresholds of the sweeps that compare families at equal training time
SWEEPS = {
    "GL": [GL(alpha) for alpha in np.geomspace(0.25, 64, 33).round(4)],
    "PQ": [PQ(alpha) for alpha in np.geomspace(0.05, 12.8, 33).round(4)],
    "UP": [UP(s) for s in range(1, 25)],
}
#: the published numbers: table 1 from memory, the claims of the abstracts, the technical report
PUBLISHED = ("prechelt1997_table1", "claims", "proben1_tr_tables_5_6")
#: columns of table 1 as published
PRINTED = [
    "criterion",
    "slowness_best",
    "slowness_GL2",
    "redundancy",
    "badness_best",
    "badness_GL2",
    "p_good",
]


class Replayed(NamedTuple):
    """The replayed study, from which every table is made."""

    corpus: str
    curves: CurveSet
    #: the 14 criteria, each combined with the end rule but named by the base rule alone
    stops: Stops
    #: the 14 criteria without the end rule, and the end rule's P_5 < 0.1 alone
    alone: Stops
    #: a rule with strips that never stops: it selects the lowest error of the whole run
    never: Stops
    #: family -> the sweep of its thresholds, each combined with the end rule
    sweeps: dict[str, Stops]


class Reproduction(NamedTuple):
    """The result of :func:`replay_study`."""

    replayed: Replayed
    #: tables by the names of the files that they are written to
    tables: dict[str, pd.DataFrame]


class Claim(StrEnum):
    """The claims behind Prechelt's selection rules: if one holds, a quantity has a mean below 0."""

    #: the slope of log test error on log time
    SLOWER = "prechelt1997.slower"
    #: p_good of the other family minus that of the recommended one
    OFTEN_GOOD = "prechelt1997.often_good"
    #: log test error of the recommended family minus that of the other one
    LOWER_ERROR = "prechelt1997.lower_error"


class Verdict(StrEnum):
    """Whether a claim holds here, by p values adjusted over the claims of its rule."""

    HOLDS = "holds"
    CONTRADICTED = "contradicted"
    NOT_SHOWN = "not shown"


def replay_study(
    corpus: str,
    curves: CurveSet,
    published: Mapping[str, pd.DataFrame],
    others: Mapping[str, CurveSet] | None = None,
) -> Reproduction:
    """Rerun the study on a recorded corpus and compare it with the published numbers.

    Parameters
    ----------
    corpus : str
        Name of the corpus.
    curves : CurveSet
        The corpus.
    published : dict of str to DataFrame
        The tables named in :data:`PUBLISHED`.
    others : dict of str to CurveSet, optional
        Further corpora whose data sets are compared as well.

    Returns
    -------
    Reproduction

    Raises
    ------
    ValueError
        If the corpus lacks what the study needs.
    """
    needed = {"problem", "data_file", "topology", "output", "train", "test"}
    missing = needed - set(curves.table.column_names)
    if missing or curves.meta["problem"].nunique() < 2:
        what = f"no column {', '.join(sorted(missing))}" if missing else "fewer than two problems"
        raise ValueError(f"corpus {corpus!r} was not recorded like the study: {what}")
    study = _replayed(corpus, curves)
    problems = tradeoff(study.stops, REFERENCE, by="problem")
    # the pre-specified test uses these
    trend = slopes(
        problems, by="problem", x="slowness_ref_geometric", y="badness_ref_geometric"
    ).rename_axis("problem")
    table, means, points = table1(study), spans(study.stops), equal_time_points(study)
    datasets = [
        compare_datasets(name, each, published["proben1_tr_tables_5_6"])
        for name, each in ({corpus: curves} | dict(others or {})).items()
    ]
    tables = {
        "table1": table,
        "table1_by_problem": problems,
        "spans": means,
        "trend": trend.reset_index(),
        "trend_test": pd.DataFrame([mean_over_clusters(trend)]),
        "comparison_table1": compare_table1(table, published["prechelt1997_table1"]),
        "comparison_claims": compare_claims(means, published["claims"]),
        "comparison_datasets": pd.concat(datasets, ignore_index=True),
        "equal_time": points.reset_index(),
        "rules": rules(trend, points),
        "facts": facts(study),
    }
    return Reproduction(study, tables)


def _replayed(corpus: str, curves: CurveSet) -> Replayed:
    """Replay the study's criteria and the sweeps of their thresholds."""
    end = (PROGRESS, LIMIT)
    return Replayed(
        corpus,
        curves,
        replay(curves, {name: any_of(rule, *end) for name, rule in CRITERIA.items()}, n_jobs=-1),
        replay(curves, [*CRITERIA.values(), PROGRESS], n_jobs=-1),
        replay(curves, [Progress(0)], n_jobs=-1),
        {
            name: replay(curves, {str(rule): any_of(rule, *end) for rule in sweep}, n_jobs=-1)
            for name, sweep in SWEEPS.items()
        },
    )


# -- tables ----------------------------------------------------------------------------------


def table1(study: Replayed) -> pd.DataFrame:
    """Table 1: one row per criterion, fastest first; the published columns, then our own."""
    table = tradeoff(study.stops, REFERENCE).drop(columns="fired")
    table = table.rename(columns=lambda name: name.replace("_ref", "_GL2"))
    table = table[[*PRINTED, *(c for c in table.columns if c not in PRINTED)]]
    excess = np.maximum(run_ratios(study.stops, REFERENCE).badness_best - 1, 0)
    stop = np.where(study.alone.fired, study.alone.stop, np.inf)
    own, progress = stop[:, :-1], stop[:, [-1]]
    table = table.assign(
        ended_by_criterion=((own <= progress) & np.isfinite(own)).mean(axis=0),
        ended_by_progress=(progress < own).mean(axis=0),
        ended_by_limit=np.isinf(np.minimum(own, progress)).mean(axis=0),
        stopped_by_epoch_15=(own <= 15).mean(axis=0),
        excess_share_of_worst_1pct=worst_share(excess),
    )
    return table.sort_values("slowness_GL2", ignore_index=True)


def facts(study: Replayed) -> pd.DataFrame:
    """A description of the corpus: one row."""
    meta = study.curves.meta
    settings = ("epochs", "init", "eta_plus", "eta_minus", "delta0_low", "delta0_high")
    row = {
        "corpus": study.corpus,
        "runs": len(meta),
        **{f"{n}s": meta[n].nunique() for n in ("problem", "permutation")},
        "datasets": meta["data_file"].nunique(),
        "topologies": meta["topology"].nunique(),
        "progress": PROGRESS.threshold,
        "limit": LIMIT.threshold,
        **{name: meta[name].max() for name in settings},
    }
    return pd.DataFrame([row])


def spans(stops: Stops) -> pd.DataFrame:
    """Largest over smallest mean of slowness and badness, relative to several references.

    Descriptive: the extremes are selected after seeing the table.
    """
    rows = []
    means = (("arithmetic", ""), ("geometric", "_geometric"))
    for reference, other in ((REFERENCE, "ref"), ("UP(2)", "ref"), ("best", "best")):
        table = tradeoff(stops, REFERENCE if other == "best" else reference).set_index("criterion")
        for measure, (mean, end) in itertools.product(("slowness", "badness"), means):
            column = table[f"{measure}_{other}{end}"]
            rows.append(
                {
                    "measure": measure,
                    "against": reference,
                    "mean": mean,
                    "smallest": column.min(),
                    "at": column.idxmin(),
                    "largest": column.max(),
                    "at_largest": column.idxmax(),
                    "span": column.max() / column.min(),
                }
            )
    return pd.DataFrame(rows)


# -- the comparison with the published numbers --------------------------------------------------


def compare_table1(table: pd.DataFrame, printed: pd.DataFrame) -> pd.DataFrame:
    """Our table 1 next to the one reconstructed from memory, cell by cell."""
    theirs = printed.drop(columns="verified").set_index("criterion")
    ours = table.set_index("criterion").loc[theirs.index, theirs.columns]
    alike = ours.corrwith(theirs, method="spearman")
    cells = pd.DataFrame({"ours": ours.T.stack(), "print": theirs.T.stack()})
    cells = cells.rename_axis(["column", "criterion"]).reset_index()
    return cells.assign(
        ratio=cells["ours"] / cells["print"],
        spearman_of_column=cells["column"].map(alike),
        print_verified=cells["criterion"].map(printed.set_index("criterion")["verified"]),
    )


def compare_claims(means: pd.DataFrame, claims: pd.DataFrame) -> pd.DataFrame:
    """The factor 4 and the 4% of the abstracts, next to the ranges of means against GL(2) here."""
    means = means[(means["against"] == REFERENCE) & (means["mean"] == "arithmetic")]
    span = means.set_index("measure")["span"]
    ours = {
        "largest over smallest mean training time": span["slowness"],
        "lower test error of slower criteria, percent": 100 * (1 - 1 / span["badness"]),
    }
    return claims.assign(ours=claims["claim"].map(ours)).rename(columns={"value": "print"})


def compare_datasets(corpus: str, curves: CurveSet, printed: pd.DataFrame) -> pd.DataFrame:
    """The best run of each data set next to tables 5 and 6 of the technical report.

    As in the report, a run ends when P_5 < 0.1, at 3000 epochs, or once GL > 5, eight successive
    increases and GL / P_5 > 3 have each occurred; its validation error is the lowest at a strip
    end up to there. ``runs_within`` does not count the best run.
    """
    runs = curves.meta.assign(**_at_record_end(curves))
    rows = []
    for dataset, part in runs.groupby("data_file", sort=False):
        best = part.iloc[part["val"].argmin()]
        near = part[part["val"] <= 1.1 * best["val"]]
        rows.append(
            {
                "corpus": corpus,
                "dataset": dataset,
                "best_hidden_units": best["topology"],
                "best_output": best["output"],
                "best_val_error": best["val"],
                "test_error_of_best": best["test"],
                "runs_within_5pct": int((part["val"] <= 1.05 * best["val"]).sum()) - 1,
                "runs_within_10pct": len(near) - 1,
                "epochs_range": f"{near['selected'].min():.0f}-{near['selected'].max():.0f}",
            }
        )
    ours = pd.DataFrame(rows)
    printed = printed.assign(best_hidden_units=printed["best_hidden_units"].str.removesuffix("+0"))
    theirs = printed[[*(name for name in ours if name in printed), "verified"]]
    both = ours.merge(theirs, on="dataset", suffixes=("", "_print"))
    for column in ("best_val_error", "test_error_of_best"):
        both[f"{column}_ratio"] = both[column] / both[f"{column}_print"]
    return both.rename(columns={"verified": "print_verified"})


def _at_record_end(curves: CurveSet) -> dict[str, FloatArray]:
    """Lowest validation error of each run, ended as in the technical report."""
    ends = replay(curves, [any_of(r, LIMIT) for r in (GL(5), UP(8), PQ(3), PROGRESS)], n_jobs=-1)
    rows = np.arange(len(ends))
    # the last of three, or what comes before it
    last = ends.stop[:, :3].argmax(axis=1)
    at = np.where(ends.stop[:, 3] < ends.stop[rows, last], 3, last)
    return {name: getattr(ends, name)[rows, at] for name in ("val", "test", "selected")}


# -- the three rules -------------------------------------------------------------------------


def rules(trend: pd.Series, points: pd.DataFrame) -> pd.DataFrame:
    """Prechelt's three selection rules, with the numbers that say whether each holds here.

    ``trend`` has each problem's slope of log test error on log time, ``points`` is the result of
    :func:`equal_time_points`. There is one row per comparison that a rule implies, over problems:
    all of them, or those with less or more overfitting. Intervals are not adjusted for multiple
    comparisons; verdicts use p adjusted over the comparisons of one rule (Holm).
    """
    compared = [(1, "all", Claim.SLOWER, "", "", trend)]
    for other in ("PQ", "UP"):
        values = points[f"p_good_{other}"] - points["p_good_GL"]
        compared.append((2, "all", Claim.OFTEN_GOOD, "GL", other, values))
    for group, best, others in (("less", "PQ", ("GL", "UP")), ("more", "UP", ("GL", "PQ"))):
        part = points[points["overfitting_group"] == group]
        for other in others:
            values = part[f"log_test_{best}"] - part[f"log_test_{other}"]
            compared.append((3, group, Claim.LOWER_ERROR, best, other, values))
    labels = ("rule", "group", "claim", "recommended", "other")
    rows = [
        dict(zip(labels, labelled, strict=True))
        | mean_over_clusters(values)._asdict()
        | {"unit": "problem", "problems": list(values.index)}
        for *labelled, values in compared
    ]
    table = pd.DataFrame(rows)
    table["p_holm"] = table.groupby("rule")["p"].transform(lambda p: holm(list(p)))
    table["verdict"] = [
        Verdict.NOT_SHOWN if p >= 0.05 else Verdict.HOLDS if mean < 0 else Verdict.CONTRADICTED
        for p, mean in zip(table["p_holm"], table["estimate"], strict=True)
    ]
    return table


def equal_time_points(study: Replayed) -> pd.DataFrame:
    """Each family's p_good and mean log test error at equal time: one row per problem.

    Families are interpolated over sweeps of their thresholds and averaged over the times, on a
    log scale, that the study's criteria span in that problem and that all sweeps reach (``from`` to
    ``to``, epochs). A criterion of a sweep is good if it is at least as good as the best of the
    14. ``overfitting`` is the mean over runs of log(last validation error / lowest), and
    ``overfitting_group`` the half of the problems with less or more of it.
    """
    stops, problem = study.stops, study.stops.meta["problem"]
    lowest = stops.error("val").min(axis=1, keepdims=True)
    reference = np.log(stops.error("test")[:, [stops.criteria.index(REFERENCE)]])
    sweeps = {
        family: (
            cluster_means(np.log(sweep.stop), problem).apply(np.exp),
            {
                "p_good": cluster_means(sweep.error("val") <= lowest, problem),
                "log_test": cluster_means(
                    np.log(sweep.error("test")) - reference, problem, infinite=True
                ),
            },
        )
        for family, sweep in study.sweeps.items()
    }
    rows = {}
    for name, inside in cluster_means(np.log(stops.stop), problem).iterrows():
        times = np.exp(np.linspace(inside.min(), inside.max(), 41))
        found = {
            f"{value}_{family}": interpolated(
                np.log(epochs.loc[[name]].to_numpy()),
                means[value].loc[[name]].to_numpy(),
                np.log(times),
            )[0]
            for value in ("p_good", "log_test")
            for family, (epochs, means) in sweeps.items()
        }
        reached = pd.DataFrame(found, index=times).dropna()
        if reached.empty:
            raise ValueError(f"problem {name!r}: the families' sweeps have no time in common")
        rows[name] = {"from": reached.index.min(), "to": reached.index.max(), **reached.mean()}
    points = pd.DataFrame(rows).T.rename_axis("problem")
    # the last and the lowest of the strips
    last = study.curves.at(
        "val", (study.curves.lengths[:, None] // 5 * 5 - 1).astype(np.int32), "error"
    )
    points["overfitting"] = cluster_means(np.log(last / study.never.error("val")), problem)[0]
    less = points["overfitting"] <= points["overfitting"].median()
    points["overfitting_group"] = np.where(less, "less", "more")
    return points


# -- one run ---------------------------------------------------------------------------------


def typical_run(study: Replayed) -> int:
    """The run with most local minima at strip ends before epoch 400, if it resembles Prechelt's.

    His example has its optimum at epoch 205. Ours is chosen among runs whose optimum lies within
    150 to 400 and that every criterion stops within 1000 epochs, if there are any.
    """
    best = study.never.selected[:, 0]
    alike = (best >= 150) & (best <= 400) & (study.stops.stop.max(axis=1) <= 1000)
    minima = [len(local_minima(curve.val[4:400:5])) for curve in study.curves]
    return int(np.argmax(np.array(minima) + 1000 * alike))
