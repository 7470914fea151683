"""Prechelt's 1997 study of early stopping, rerun on recorded curves.

Fourteen criteria, each combined with the study's end rule, are replayed over 1296 runs on
twelve problems. Tables, statistics, the comparison with print and the figures are written;
``earlystop reproduce`` calls :func:`reproduce`.

Source: L. Prechelt, "Early Stopping - but when?", in Neural Networks: Tricks of the Trade,
Springer 1998, doi 10.1007/3-540-49430-8_3.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from tabulate import tabulate

from earlystop_lab import (
    GL,
    PQ,
    UP,
    CurveSet,
    MaxEpochs,
    Progress,
    Stops,
    any_of,
    read_curves,
    replay,
    tradeoff,
)
from earlystop_lab._files import written_whole
from earlystop_lab.inference import MeanOverClusters, mean_over_clusters, slopes
from earlystop_lab.plots import (
    legend_of_families,
    local_minima,
    log_axis,
    plot_curve,
    plot_spread,
    plot_statistic,
    plot_tradeoff,
)
from earlystop_lab.replay import trace
from earlystop_lab.tradeoff import equal_time, measures

ROOT = Path(__file__).resolve().parents[1]
MAIN = "prechelt1997"
#: the same runs with first weights in -0.05..0.05
OTHER = "prechelt1997-init005"
REFERENCE = "GL(2)"
STUDY = {
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
SMALL = ("2", "4", "8", "2+2", "4+2", "4+4")
POOL = "the 14 criteria of the study"


class Study(NamedTuple):
    """The replayed study: what every output below is made from."""

    corpus: str
    curves: CurveSet
    #: the 14 criteria, each with the end rule, named by the base rule alone
    stops: Stops
    #: the 14 criteria and the end rule's P_5 < 0.1 without each other
    alone: Stops
    #: family -> the sweep of its thresholds, each with the end rule
    sweeps: dict[str, Stops]


def replay_study(corpus: str, curves: CurveSet) -> Study:
    """Replay the study's criteria and the sweeps of their thresholds."""
    end = (PROGRESS, LIMIT)
    return Study(
        corpus,
        curves,
        replay(curves, {name: any_of(rule, *end) for name, rule in STUDY.items()}, n_jobs=-1),
        replay(curves, [*STUDY.values(), PROGRESS], n_jobs=-1),
        {
            name: replay(curves, {str(rule): any_of(rule, *end) for rule in sweep}, n_jobs=-1)
            for name, sweep in SWEEPS.items()
        },
    )


# -- tables ----------------------------------------------------------------------------------


def table1(study: Study) -> pd.DataFrame:
    """Table 1: one row a criterion, fastest first; the printed columns, then our own."""
    table = tradeoff(study.stops, REFERENCE).drop(columns="fired")
    table = table.rename(columns=lambda name: name.replace("_ref", "_GL2"))
    printed = ["criterion", "slowness_best", "slowness_GL2", "redundancy", "badness_best",
               "badness_GL2", "p_good"]  # fmt: skip
    table = table[[*printed, *(c for c in table.columns if c not in printed)]]
    for name, shares in _ended_by(study).items():
        table[name] = shares
    started = (study.alone.stop <= 15) & study.alone.fired
    table["stopped_by_epoch_15"] = started[:, :-1].mean(axis=0)
    excess = measures(study.stops, REFERENCE).badness_best - 1
    worst = np.sort(excess, axis=0)[-round(len(excess) / 100) :]
    table["excess_share_of_worst_1pct"] = worst.sum(axis=0) / excess.sum(axis=0)
    table["pool"] = POOL
    return table.sort_values("slowness_GL2", ignore_index=True)


def _ended_by(study: Study) -> dict[str, Any]:
    """Share of records that end by the criterion, by P_5 < 0.1 and by the limit of epochs."""
    never = np.inf
    stop = np.where(study.alone.fired, study.alone.stop, never)
    own, progress = stop[:, :-1], stop[:, [-1]]
    by_criterion = (own <= progress) & (own < never)
    by_progress = ~by_criterion & (progress < never)
    return {
        "ended_by_criterion": by_criterion.mean(axis=0),
        "ended_by_progress": by_progress.mean(axis=0),
        "ended_by_limit": (~by_criterion & ~by_progress).mean(axis=0),
    }


def facts(study: Study) -> pd.DataFrame:
    """What the corpus is: one row."""
    meta = study.curves.meta
    counts = {name: meta[name].nunique() for name in ("problem", "dataset", "topology")}
    return pd.DataFrame(
        [
            {
                "corpus": study.corpus,
                "runs": len(meta),
                "problems": counts["problem"],
                "datasets": counts["dataset"],
                "topologies": counts["topology"],
                "epochs": meta["epochs"].max(),
                "init": meta["init"].max(),
            }
        ]
    )


def spans(study: Study) -> pd.DataFrame:
    """Largest over smallest mean of slowness and badness, against several references."""
    rows = []
    for reference in (REFERENCE, "UP(2)", "best"):
        table = tradeoff(study.stops, REFERENCE if reference == "best" else reference)
        suffix = "best" if reference == "best" else "ref"
        for measure in ("slowness", "badness"):
            for mean, end in (("arithmetic", ""), ("geometric", "_geometric")):
                column = table.set_index("criterion")[f"{measure}_{suffix}{end}"]
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
                        "kind": "descriptive: extremes picked after seeing the table",
                    }
                )
    return pd.DataFrame(rows)


def per_problem(study: Study) -> pd.DataFrame:
    """The trade-off of each problem."""
    return tradeoff(study.stops, REFERENCE, by="problem")


def trend(problems: pd.DataFrame) -> tuple[pd.Series, MeanOverClusters]:
    """The test fixed beforehand: slope of log test error on log time, tested over problems."""
    values = slopes(problems, by="problem", x="slowness_ref_geometric", y="badness_ref_geometric")
    return values, mean_over_clusters(values)


# -- the comparison with print ---------------------------------------------------------------


def compare_table1(table: pd.DataFrame, printed: pd.DataFrame) -> pd.DataFrame:
    """Ours beside table 1 as remembered, cell by cell."""
    ours = table.set_index("criterion")
    rows = []
    for column in printed.columns.drop(["criterion", "verified"]):
        theirs = printed.set_index("criterion")[column]
        mine = ours.loc[theirs.index, column]
        for criterion in theirs.index:
            rows.append(
                {
                    "column": column,
                    "criterion": criterion,
                    "ours": mine[criterion],
                    "print": theirs[criterion],
                    "ratio": mine[criterion] / theirs[criterion],
                    "spearman_of_column": mine.corr(theirs, method="spearman"),
                    "print_verified": "no",
                }
            )
    return pd.DataFrame(rows)


def compare_claims(study: Study, table: pd.DataFrame, claims: pd.DataFrame) -> pd.DataFrame:
    """The abstracts' factor 4 and 4%, beside the same spans here."""
    slow, bad = table["slowness_GL2"], table["badness_GL2"]
    ours = [slow.max() / slow.min(), 100 * (bad.max() / bad.min() - 1)]
    return claims.assign(ours=ours).rename(columns={"value": "print"})


def compare_datasets(corpus: str, curves: CurveSet, printed: pd.DataFrame) -> pd.DataFrame:
    """The best run of each data set beside tables 5 and 6 of the technical report.

    As there, a run ends where P_5 < 0.1, at 3000 epochs, or once GL > 5, eight successive
    increases and GL / P_5 > 3 have each happened; its validation error is the lowest at a strip
    end up to there. ``runs_within`` counts the runs besides the best.
    """
    runs = curves.meta.assign(**_at_record_end(curves))
    rows = []
    for dataset, part in runs.groupby("dataset", sort=False):
        best = part.loc[part["val"].idxmin()]
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
    theirs = printed[[*(name for name in ours if name in printed), "verified"]]
    both = ours.merge(theirs, on="dataset", suffixes=("", "_print"))
    for column in ("best_val_error", "test_error_of_best"):
        both[f"{column}_ratio"] = both[column] / both[f"{column}_print"]
    return both.rename(columns={"verified": "print_verified"})


def _at_record_end(curves: CurveSet) -> dict[str, list[float]]:
    """Lowest validation error of each run in its record as the technical report ends it."""
    alone = replay(curves, [GL(5), UP(8), PQ(3), PROGRESS], n_jobs=-1)
    stop = np.where(alone.fired, alone.stop, np.inf)
    end = np.minimum(stop[:, :3].max(axis=1), stop[:, 3])
    found: dict[str, list[float]] = {"val": [], "test": [], "selected": []}
    for curve, last in zip(curves, end, strict=True):
        assert curve.test is not None, "recorded by the trainer"
        checks = np.arange(4, int(min(last, LIMIT.threshold, len(curve.val))), 5)
        best = checks[np.argmin(curve.val[checks])]
        for name, values in zip(found, (curve.val, curve.test, curve.epoch), strict=True):
            found[name].append(float(values[best]))
    return found


# -- the three rules -------------------------------------------------------------------------


def rules(study: Study, table: pd.DataFrame, over_time: MeanOverClusters) -> pd.DataFrame:
    """Prechelt's three selection rules: the numbers that say whether each holds here."""
    slow, bad = table["slowness_GL2"], table["badness_GL2"]
    factor, gain = slow.max() / slow.min(), 100 * (bad.max() / bad.min() - 1)
    rows = [
        _rule_row(
            1, "all problems", "slope of log test error on log time", over_time,
            "holds: slower criteria lower the test error, by little for much time"
            if over_time.high < 0 else "not shown: no trend that these problems could show",
        ) | {"note": f"descriptive span: {gain:.1f}% test error for {factor:.1f} times the time"}
    ]  # fmt: skip
    points = _equal_time_points(study)
    good = points["p_good"]
    for other in ("PQ", "UP"):
        result = mean_over_clusters(good["GL"] - good[other])
        verdict = _verdict(result, f"GL is good more often than {other}", larger=True)
        quantity = f"p_good of GL minus {other} at equal time"
        rows.append(
            _rule_row(2, "all problems", quantity, result, verdict)
            | {"note": f"good: within {POOL}"}
        )
    error = points["log_test"]
    overfitting = _overfitting(study)
    little = overfitting <= overfitting.median()
    for group, chosen, recommended in (
        ("little overfitting", little, "PQ"),
        ("much overfitting", ~little, "UP"),
    ):
        names = ", ".join(error.index[chosen])
        for other in ("GL", "PQ", "UP"):
            if other == recommended:
                continue
            result = mean_over_clusters((error[recommended] - error[other])[chosen])
            claim = f"{recommended} has lower test error than {other}"
            verdict = _verdict(result, claim, larger=False)
            quantity = f"log test error of {recommended} minus {other} at equal time"
            rows.append(
                _rule_row(3, group, quantity, result, verdict) | {"note": f"problems: {names}"}
            )
    return pd.DataFrame(rows)


def _rule_row(
    rule: int, group: str, quantity: str, result: MeanOverClusters, verdict: str
) -> dict[str, Any]:
    return {"rule": rule, "group": group, "quantity": quantity, **result._asdict(),
            "unit": "problem", "verdict": verdict}  # fmt: skip


def _verdict(result: MeanOverClusters, claim: str, *, larger: bool) -> str:
    low, high = (result.low, result.high) if larger else (-result.high, -result.low)
    if low > 0:
        return f"holds: {claim}"
    if high < 0:
        return f"contradicted: the opposite of '{claim}'"
    return f"not shown: {claim}"


def _equal_time_points(study: Study) -> dict[str, pd.DataFrame]:
    """p_good and mean log test error of each family at equal time: a row a problem.

    Each is the mean over the times (on a log scale) that the study's criteria span in that
    problem and that all three sweeps reach.
    """
    problem = study.stops.meta["problem"]
    lowest = study.stops.val.min(axis=1, keepdims=True)
    reference = np.log(study.stops.test[:, [study.stops.criteria.index(REFERENCE)]])
    parts = []
    for family, sweep in study.sweeps.items():
        for j, criterion in enumerate(sweep.criteria):
            parts.append(
                pd.DataFrame(
                    {
                        "problem": problem,
                        "family": family,
                        "criterion": criterion,
                        "log_time": np.log(sweep.stop[:, j]),
                        "p_good": sweep.val[:, j] <= lowest[:, 0],
                        "log_test": np.log(sweep.test[:, j]) - reference[:, 0],
                    }
                )
            )
    means = pd.concat(parts).groupby(["problem", "family", "criterion"], sort=False).mean()
    means = means.reset_index().assign(time=lambda frame: np.exp(frame["log_time"]))
    span = pd.DataFrame(np.log(study.stops.stop)).groupby(problem, sort=False).mean()
    found: dict[str, dict[str, pd.Series]] = {"p_good": {}, "log_test": {}}
    for name, part in means.groupby("problem", sort=False):
        times = np.exp(np.linspace(span.loc[name].min(), span.loc[name].max(), 41))
        for value, rows in found.items():
            at = equal_time(part, times, time="time", value=value).dropna()
            if len(at):
                rows[str(name)] = at.mean()
    return {value: pd.DataFrame(rows).T for value, rows in found.items()}


def _overfitting(study: Study) -> pd.Series:
    """Mean over a problem's runs of log(last validation error / lowest)."""
    last = [np.log(curve.val[4::5][-1] / curve.val[4::5].min()) for curve in study.curves]
    return pd.Series(last).groupby(study.curves.meta["problem"], sort=False).mean()


# -- figures ---------------------------------------------------------------------------------


def figures(
    study: Study, table: pd.DataFrame, problems: pd.DataFrame
) -> Iterator[tuple[str, Figure]]:
    """Every figure of the study with its file name."""
    yield "run", figure_run(study)
    for measure, label in (
        ("slowness", "slowness: epochs against GL(2)"),
        ("badness", "badness: test error against GL(2)"),
    ):
        yield f"{measure}_by_problem", figure_spread(study, measure, label)
    yield "tradeoff", figure_tradeoff(table)
    yield "tradeoff_by_problem", figure_tradeoff_by_problem(problems)
    yield "topologies", figure_topologies(study)


def figure_run(study: Study) -> Figure:
    """One real validation curve, where each criterion stops, and the statistics under it."""
    row = _typical_run(study)
    curve = study.curves[row]
    stops = dict(zip(study.stops.criteria, study.stops.stop[row], strict=True))
    fig, axes = plt.subplots(
        4, 1, figsize=(8, 9), sharex=True, height_ratios=[3, 1.2, 1.2, 1.2], layout="constrained"
    )
    plot_curve(curve, stops, axes[0], strip=5, until=1.1 * max(stops.values()))
    axes[0].set(xlabel="", ylabel="squared error percentage")
    labels = {"GL": "GL (%)", "PQ": "GL / P$_5$", "UP": "successive\nincreases"}
    for ax, (name, label) in zip(axes[1:], labels.items(), strict=True):
        levels = {text: r.threshold for text, r in STUDY.items() if r.family.name == name}
        statistic = trace(STUDY[next(iter(levels))], curve).statistic
        plot_statistic(curve.epoch, statistic, levels, ax, label)
        ax.set_ylim(0, 1.6 * max(levels.values()))
        if ax is not axes[-1]:
            ax.set_xlabel("")
    fig.suptitle(
        f"Run {curve.run}: where each criterion, or $P_5 < 0.1$ before it, ends training",
        fontsize="medium",
    )
    return fig


def _typical_run(study: Study) -> int:
    """The run with most local minima at strip ends before epoch 400 among those like Prechelt's.

    His example has its optimum at epoch 205; ours lies within 150 to 400, and every criterion
    stops within 1000 epochs.
    """
    minima = []
    for i, curve in enumerate(study.curves):
        best = 5 * (1 + int(curve.val[4::5].argmin()))
        usable = 150 <= best <= 400 and study.stops.stop[i].max() <= 1000
        minima.append(len(local_minima(curve.val[4:400:5])) if usable else -1)
    return int(np.argmax(minima))


def figure_spread(study: Study, measure: str, label: str) -> Figure:
    """One measure of each criterion on each problem: quartiles and the 5% to 95% range of runs."""
    values = getattr(measures(study.stops, REFERENCE), f"{measure}_ref")
    fig, axes = _panels(sharex=True)
    groups = study.stops.meta.groupby("problem", sort=False).indices
    for ax, (problem, rows) in zip(axes.flat, groups.items(), strict=False):
        part = values[rows]
        low, q1, median, q3, high = np.quantile(part, [0.05, 0.25, 0.5, 0.75, 0.95], axis=0)
        spread = pd.DataFrame(
            {"criterion": study.stops.criteria, "mean": part.mean(axis=0), "low": low, "q1": q1,
             "median": median, "q3": q3, "high": high}
        )  # fmt: skip
        plot_spread(spread, ax)
        ax.set_title(f"{problem} ({len(rows)} runs)", fontsize="small")
        if measure == "slowness":
            log_axis(ax, "y")
        ax.tick_params(axis="y", labelsize="small")
    for ax in axes.flat[len(groups) :]:
        ax.set_axis_off()
    fig.supylabel(label)
    fig.suptitle(
        "Bar: quartiles of the runs; line: 5% to 95%; circle: median; cross: mean",
        fontsize="small",
    )
    return fig


def figure_tradeoff(table: pd.DataFrame) -> Figure:
    """Badness and share of good runs against slowness: one point a criterion."""
    fig, axes = plt.subplots(1, 2, figsize=(10, 4.2), layout="constrained")
    plot_tradeoff(table, "slowness_GL2", "badness_GL2", axes[0])
    plot_tradeoff(table, "slowness_GL2", "p_good", axes[1])
    axes[0].set_ylabel("badness: mean test error against GL(2)")
    axes[1].set_ylabel(f"share of runs with the best result\nof {POOL}")
    for ax in axes:
        log_axis(ax, "x")
        ax.set_xlabel("slowness: mean training time against GL(2)")
    legend_of_families(axes[1], list(table["criterion"]), loc="lower right")
    return fig


def _panels(**options: Any) -> tuple[Figure, Any]:
    """Twelve panels, placed by hand: measuring every label takes most of the drawing time."""
    fig, axes = plt.subplots(4, 3, figsize=(11, 12), **options)
    fig.subplots_adjust(
        left=0.09, right=0.98, bottom=0.08, top=0.94, wspace=0.2, hspace=0.16 if options else 0.25
    )
    return fig, axes


def figure_tradeoff_by_problem(problems: pd.DataFrame) -> Figure:
    """The trade-off of every problem: geometric means, one point a criterion."""
    groups = list(problems.groupby("problem", sort=False))
    fig, axes = _panels()
    for ax, (problem, part) in zip(axes.flat, groups, strict=False):
        plot_tradeoff(part, "slowness_ref_geometric", "badness_ref_geometric", ax, labels=False)
        ax.set_title(str(problem), fontsize="small")
        ax.set(xlabel="", ylabel="")
        ax.ticklabel_format(axis="y", useOffset=False)
        ax.tick_params(labelsize="small")
        log_axis(ax, "x")
    for ax in axes.flat[len(groups) :]:
        ax.set_axis_off()
    legend_of_families(axes.flat[0], list(problems["criterion"]), fontsize="x-small")
    fig.supxlabel("slowness: training time against GL(2), geometric mean over the problem's runs")
    fig.supylabel("badness: test error against GL(2), geometric mean")
    return fig


def figure_topologies(study: Study) -> Figure:
    """The trade-off of small and of large networks."""
    small = study.stops.meta["topology"].isin(SMALL)
    sized = pd.DataFrame({"size": np.where(small, "small", "large")})
    stops = study.stops.with_meta(study.stops.meta.assign(**sized))
    table = tradeoff(stops, REFERENCE, by="size")
    fig, axes = plt.subplots(1, 2, figsize=(10, 4.8), layout="constrained")
    for ax, y, label in zip(
        axes,
        ("badness_ref_geometric", "p_good"),
        ("badness: test error against GL(2), geometric mean", "share of good runs"),
        strict=True,
    ):
        for size, marker in (("small", "o"), ("large", "s")):
            part = table[table["size"] == size]
            plot_tradeoff(
                part, "slowness_ref_geometric", y, ax, labels=size == "large", marker=marker
            )
        ax.set(xlabel="slowness: training time against GL(2), geometric mean", ylabel=label)
        log_axis(ax, "x")
    handles = [
        plt.Line2D([], [], color="black", marker=m, ls="none", label=text)
        for m, text in (
            ("o", f"small: {', '.join(SMALL)} hidden units ({small.sum()} runs)"),
            ("s", f"large: all others ({(~small).sum()} runs)"),
        )
    ]
    fig.legend(handles=handles, loc="outside lower center", ncol=2, fontsize="small")
    return fig


# -- writing ---------------------------------------------------------------------------------


def reproduce(
    out: Path | None = None, corpus: str = MAIN, log: Callable[[str], None] = print
) -> None:
    """Rerun the study on a recorded corpus; write tables and figures to ``out`` and print them.

    ``corpus`` is a folder of ``data/curves``. The main corpus' tables stand directly in ``out``
    (default: ``results/`` of the checkout), any other corpus' in a subfolder of its name. With
    the default ``out`` the figures also go to ``figures/``.
    """
    main = corpus == MAIN
    published = {
        name: pd.read_csv(_expected(ROOT / "data" / "reference" / f"{name}.csv"))
        for name in ("prechelt1997_table1", "claims", "proben1_tr_tables_5_6")
    }
    study = replay_study(corpus, read_curves(_expected(ROOT / "data" / "curves" / corpus)))
    folder = (out or ROOT / "results") / ("" if main else corpus)
    folder.mkdir(parents=True, exist_ok=True)

    table, problems = table1(study), per_problem(study)
    by_problem, over_problems = trend(problems)
    datasets = [compare_datasets(corpus, study.curves, published["proben1_tr_tables_5_6"])]
    if main and (other := ROOT / "data" / "curves" / OTHER).exists():
        datasets.append(
            compare_datasets(OTHER, read_curves(other), published["proben1_tr_tables_5_6"])
        )
    tables = {
        "table1": table,
        "table1_by_problem": problems,
        "spans": spans(study),
        "trend": by_problem.rename_axis("problem").reset_index(),
        "trend_test": pd.DataFrame([over_problems._asdict()]),
        "comparison_table1": compare_table1(table, published["prechelt1997_table1"]),
        "comparison_claims": compare_claims(study, table, published["claims"]),
        "comparison_datasets": pd.concat(datasets, ignore_index=True),
        "rules": rules(study, table, over_problems),
        "facts": facts(study),
    }
    for name, frame in tables.items():
        _write(folder / f"{name}.csv", frame.to_csv(index=False, lineterminator="\n"))
    for suffix, form in (("md", "github"), ("tex", "latex_booktabs")):
        _write(folder / f"table1.{suffix}", _table1_text(study, table, form))
    text = summary(study, tables, over_problems)
    _write(folder / "summary.md", text)
    log(text)
    shown = figures(study, table, problems)
    for path in draw(shown, folder / "figures"):
        if out is None:
            kept = ROOT / "figures" / ("" if main else corpus) / path.name
            with written_whole(kept) as temporary:
                shutil.copyfile(path, temporary)
    log(f"Tables in {folder}, figures in {folder / 'figures'}")


def summary(study: Study, tables: dict[str, pd.DataFrame], test: MeanOverClusters) -> str:
    """The study's results in words and short tables."""
    table, claims, datasets = (
        tables[name] for name in ("table1", "comparison_claims", "comparison_datasets")
    )
    columns = list(tables["comparison_table1"]["column"].unique())
    spearman = tables["comparison_table1"].groupby("column", sort=False)["spearman_of_column"]
    spans_here = tables["spans"].drop(columns="kind").round(3)
    fourfold = 100 * (4**test.estimate - 1)
    parts = [
        f"# Prechelt's study on {study.corpus}: {len(study.stops)} runs, "
        f"{study.stops.meta['problem'].nunique()} problems",
        f"Means over runs; 'best' and p_good are relative to {POOL}.",
        _markdown(table[["criterion", *columns]].round(3)),
        "## The test fixed beforehand",
        f"Slope of log test error on log training time over the 14 criteria: {test.estimate:.4f} "
        f"({test.low:.4f} to {test.high:.4f}, p = {test.p:.2g}; t over {test.clusters} problems): "
        f"{fourfold:+.1f}% test error for 4 times the time.",
        "## Spans, picked after seeing the table (descriptive)",
        _markdown(spans_here),
        "## Beside print",
        "Table 1 as remembered, **unverified**: rank correlation of each column: "
        + ", ".join(f"{name} {value:.3f}" for name, value in spearman.first().items())
        + ".",
        _markdown(claims.round(2)),
        "Technical report, tables 5 and 6 (verified), 36 data sets:",
        _markdown(_datasets_in_short(datasets).round(3)),
        "## The three selection rules",
        _markdown(tables["rules"].drop(columns=["clusters", "unit", "note"]).round(4)),
    ]
    return "\n\n".join(parts) + "\n"


def _datasets_in_short(datasets: pd.DataFrame) -> pd.DataFrame:
    """How far the best runs are from print, over all data sets."""
    rows = []
    for corpus, part in datasets.groupby("corpus", sort=False):
        rows.append(
            {
                "corpus": corpus,
                "median ratio of best validation error": part["best_val_error_ratio"].median(),
                "median ratio of its test error": part["test_error_of_best_ratio"].median(),
                "runs within 5%": part["runs_within_5pct"].sum(),
                "in print": part["runs_within_5pct_print"].sum(),
                "runs within 10%": part["runs_within_10pct"].sum(),
                "in print ": part["runs_within_10pct_print"].sum(),
            }
        )
    return pd.DataFrame(rows)


def _table1_text(study: Study, table: pd.DataFrame, form: str) -> str:
    """Table 1 for reading: the printed columns, with the pool that they are relative to."""
    short = table[["criterion", "slowness_best", "slowness_GL2", "redundancy", "badness_best",
                   "badness_GL2", "p_good"]]  # fmt: skip
    body = tabulate(short.values.tolist(), list(short), tablefmt=form, floatfmt=".3f")
    note = f"Means over {len(study.stops)} runs of {study.corpus}; best and p_good: {POOL}."
    return f"% {note}\n{body}\n" if form.startswith("latex") else f"{body}\n\n{note}\n"


def _markdown(frame: pd.DataFrame) -> str:
    return tabulate(frame.values.tolist(), list(frame), tablefmt="github")


def draw(named: Iterator[tuple[str, Figure]], folder: Path) -> Iterator[Path]:
    """Write each figure as PNG and PDF, the same bytes every time."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, fig in named:
        for suffix, metadata in (("png", {"Software": None}), ("pdf", {"CreationDate": None})):
            path = folder / f"{name}.{suffix}"
            with written_whole(path) as temporary:
                fig.savefig(temporary, dpi=150, metadata=metadata)
            fig.set_layout_engine("none")  # laid out once; the second format takes it over
            yield path
        plt.close(fig)


def _write(path: Path, text: str) -> None:
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _expected(path: Path) -> Path:
    if not path.exists():
        raise FileNotFoundError(
            f"{path} does not exist; the study's data come with a checkout of the project: "
            "run this command from one"
        )
    return path
