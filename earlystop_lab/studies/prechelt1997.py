"""Prechelt's 1997 study of early stopping, rerun on recorded curves.

Fourteen criteria, each combined with the study's end rule, are replayed over 1296 runs on
twelve problems. Tables, statistics, the comparison with print and the figures are written;
``earlystop reproduce`` calls :func:`reproduce`.

Source: L. Prechelt, "Early Stopping - but when?", in Neural Networks: Tricks of the Trade,
Springer 1998, doi 10.1007/3-540-49430-8_3.
"""

from __future__ import annotations

import itertools
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
    Curve,
    CurveSet,
    MaxEpochs,
    Progress,
    Stops,
    any_of,
    read_curves,
    replay,
    tradeoff,
)
from earlystop_lab._common.files import written_whole
from earlystop_lab.engine.replaying import trace
from earlystop_lab.inference import MeanOverClusters, holm, mean_over_clusters, slopes
from earlystop_lab.measures.prechelt import equal_time, measures
from earlystop_lab.report.axes import (
    legend_of_families,
    local_minima,
    log_axis,
    plot_curve,
    plot_spread,
    plot_statistic,
    plot_tradeoff,
    save,
)

ROOT = Path(__file__).resolve().parents[2]
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
#: columns of table 1 as printed
PRINTED = [
    "criterion",
    "slowness_best",
    "slowness_GL2",
    "redundancy",
    "badness_best",
    "badness_GL2",
    "p_good",
]
#: further columns of table 1 that the summary prints, under shorter names
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
    table = table[[*PRINTED, *(c for c in table.columns if c not in PRINTED)]]
    for name, shares in _ended_by(study).items():
        table[name] = shares
    started = (study.alone.stop <= 15) & study.alone.fired
    table["stopped_by_epoch_15"] = started[:, :-1].mean(axis=0)
    excess = np.maximum(measures(study.stops, REFERENCE).badness_best - 1, 0)
    worst = np.sort(excess, axis=0)[-max(1, round(len(excess) / 100)) :]
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
    settings = ("epochs", "init", "eta_plus", "eta_minus", "delta0_low", "delta0_high")
    counts = {
        name: meta[name].nunique() for name in ("problem", "permutation", "dataset", "topology")
    }
    return pd.DataFrame(
        [
            {
                "corpus": study.corpus,
                "runs": len(meta),
                "problems": counts["problem"],
                "permutations": counts["permutation"],
                "datasets": counts["dataset"],
                "topologies": counts["topology"],
                "progress": PROGRESS.threshold,
                "limit": LIMIT.threshold,
                **{name: meta[name].max() for name in settings},
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


def trend(problems: pd.DataFrame) -> pd.Series:
    """Each problem's slope of log test error on log time: the test fixed beforehand is theirs."""
    return slopes(problems, by="problem", x="slowness_ref_geometric", y="badness_ref_geometric")


# -- the comparison with print ---------------------------------------------------------------


def compare_table1(table: pd.DataFrame, printed: pd.DataFrame) -> pd.DataFrame:
    """Ours beside table 1 as remembered, cell by cell."""
    ours = table.set_index("criterion")
    verified = printed.set_index("criterion")["verified"]
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
                    "print_verified": verified[criterion],
                }
            )
    return pd.DataFrame(rows)


def compare_claims(spans_here: pd.DataFrame, claims: pd.DataFrame) -> pd.DataFrame:
    """The abstracts' factor 4 and 4%, beside the spans of means against GL(2) here."""
    means = spans_here[(spans_here["against"] == REFERENCE) & (spans_here["mean"] == "arithmetic")]
    span = means.set_index("measure")["span"]
    ours = {
        "largest over smallest mean training time": span["slowness"],
        "lower test error of slower criteria, percent": 100 * (1 - 1 / span["badness"]),
    }
    return claims.assign(ours=claims["claim"].map(ours)).rename(columns={"value": "print"})


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
    printed = printed.assign(best_hidden_units=printed["best_hidden_units"].str.removesuffix("+0"))
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


class Claim(NamedTuple):
    """One comparison that a rule implies: it holds where ``values`` are below 0 on average."""

    rule: int
    group: str
    text: str
    quantity: str
    #: one number a problem
    values: pd.Series


def rules(problem_slopes: pd.Series, points: pd.DataFrame) -> pd.DataFrame:
    """Prechelt's three selection rules: the numbers that say whether each holds here.

    ``points`` is :func:`equal_time_points`. Intervals stand each by itself; verdicts go by p
    adjusted over the comparisons of one rule (Holm).
    """
    rows = []
    for number, claims in itertools.groupby(_claims(problem_slopes, points), lambda c: c.rule):
        tested = [(claim, mean_over_clusters(claim.values)) for claim in claims]
        adjusted = holm([result.p for _, result in tested])
        for (claim, result), p_holm in zip(tested, adjusted, strict=True):
            sure = p_holm < 0.05
            verdict = (
                "not shown" if not sure else "holds" if result.estimate < 0 else "contradicted"
            )
            rows.append(
                {
                    "rule": number,
                    "group": claim.group,
                    "quantity": claim.quantity,
                    **result._asdict(),
                    "p_holm": p_holm,
                    "unit": "problem",
                    "verdict": f"{verdict}: {claim.text}",
                    "problems": ", ".join(claim.values.index),
                }
            )
    return pd.DataFrame(rows)


def _claims(problem_slopes: pd.Series, points: pd.DataFrame) -> Iterator[Claim]:
    yield Claim(
        1,
        "all problems",
        "slower criteria lower the test error",
        "slope of log test error on log time",
        problem_slopes,
    )
    for other in ("PQ", "UP"):
        yield Claim(
            2,
            "all problems",
            f"GL is good more often than {other}",
            f"p_good of {other} minus GL at equal time",
            points[f"p_good_{other}"] - points["p_good_GL"],
        )
    for group, recommended, others in (("less", "PQ", ("GL", "UP")), ("more", "UP", ("GL", "PQ"))):
        part = points[points["overfitting_group"] == group]
        for other in others:
            yield Claim(
                3,
                f"{group} overfitting",
                f"{recommended} has lower test error than {other}",
                f"log test error of {recommended} minus {other} at equal time",
                part[f"log_test_{recommended}"] - part[f"log_test_{other}"],
            )


def equal_time_points(study: Study) -> pd.DataFrame:
    """Each family's p_good and mean log test error at equal time: a row a problem.

    Families are interpolated over sweeps of their thresholds and averaged over the times, on a
    log scale, that the study's criteria span in that problem and all sweeps reach (``from`` to
    ``to``, epochs). A sweep's criterion is good where it is at least as good as the best of the
    14. ``overfitting`` is the mean over runs of log(last validation error / lowest), and
    ``overfitting_group`` the half of the problems with less or more of it.
    """
    problem = study.stops.meta["problem"]
    means = _sweep_means(study).reset_index()
    span = pd.DataFrame(np.log(study.stops.stop)).groupby(problem, sort=False).mean()
    rows = {}
    for name, part in means.groupby("problem", sort=False):
        times = np.exp(np.linspace(span.loc[name].min(), span.loc[name].max(), 41))
        at = {
            value: equal_time(part, times, time="time", value=value).dropna()
            for value in ("p_good", "log_test")
        }
        reached = at["p_good"].index
        if reached.empty:
            raise ValueError(f"problem {name!r}: the families' sweeps share no training time")
        rows[name] = {"from": reached.min(), "to": reached.max()} | {
            f"{value}_{family}": mean
            for value, frame in at.items()
            for family, mean in frame.mean().items()
        }
    points = pd.DataFrame(rows).T.rename_axis("problem")
    last = [np.log(curve.val[4::5][-1] / curve.val[4::5].min()) for curve in study.curves]
    points["overfitting"] = pd.Series(last).groupby(problem, sort=False).mean()
    less = points["overfitting"] <= points["overfitting"].median()
    points["overfitting_group"] = np.where(less, "less", "more")
    return points


def _sweep_means(study: Study) -> pd.DataFrame:
    """Geometric mean time, p_good and mean log test error of every criterion of the sweeps."""
    lowest = study.stops.val.min(axis=1)
    reference = np.log(study.stops.test[:, study.stops.criteria.index(REFERENCE)])
    parts = [
        pd.DataFrame(
            {
                "problem": study.stops.meta["problem"],
                "family": family,
                "criterion": criterion,
                "time": np.log(sweep.stop[:, j]),
                "p_good": sweep.val[:, j] <= lowest,
                "log_test": np.log(sweep.test[:, j]) - reference,
            }
        )
        for family, sweep in study.sweeps.items()
        for j, criterion in enumerate(sweep.criteria)
    ]
    means = pd.concat(parts).groupby(["problem", "family", "criterion"], sort=False).mean()
    return means.assign(time=np.exp(means["time"]))


# -- figures ---------------------------------------------------------------------------------


def figures(
    study: Study, table: pd.DataFrame, problems: pd.DataFrame
) -> Iterator[tuple[str, Figure]]:
    """Every figure of the study with its file name."""
    row = _typical_run(study)
    stops = dict(zip(study.stops.criteria, study.stops.stop[row], strict=True))
    yield "run", figure_run(study.curves[row], stops)
    yield "slowness_by_problem", figure_spread(study.stops, "slowness", "epochs")
    yield "badness_by_problem", figure_spread(study.stops, "badness", "test error")
    yield "tradeoff", figure_tradeoff(table)
    yield "tradeoff_by_problem", figure_tradeoff_by_problem(problems)
    yield "topologies", figure_topologies(study.stops)


def figure_run(curve: Curve, stops: dict[str, float]) -> Figure:
    """One real validation curve, where each criterion stops, and the statistics under it."""
    fig, axes = plt.subplots(
        4, 1, figsize=(8, 9), sharex=True, height_ratios=[3, 1.2, 1.2, 1.2], layout="constrained"
    )
    # the training error leaves the range of the validation error within the first epochs
    shown = curve._replace(train=None)
    plot_curve(shown, stops, axes[0], strip=5, until=1.1 * max(stops.values()))
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
    """The run with most local minima at strip ends before epoch 400, if it can be of his kind.

    His example has its optimum at epoch 205; ours lies within 150 to 400, and every criterion
    stops within 1000 epochs.
    """
    minima = []
    for i, curve in enumerate(study.curves):
        best = 5 * (1 + int(curve.val[4::5].argmin()))
        alike = 150 <= best <= 400 and study.stops.stop[i].max() <= 1000
        minima.append(len(local_minima(curve.val[4:400:5])) + 1000 * alike)
    return int(np.argmax(minima))


def figure_spread(stops: Stops, measure: str, what: str) -> Figure:
    """One measure of each criterion on each problem: quartiles and the 5% to 95% range of runs."""
    values = getattr(measures(stops, REFERENCE), f"{measure}_ref")
    fig, axes = _panels(hspace=0.16)
    groups = stops.meta.groupby("problem", sort=False).indices
    for ax, (problem, rows) in zip(axes.flat, groups.items(), strict=False):
        part = values[rows]
        low, q1, median, q3, high = np.quantile(part, [0.05, 0.25, 0.5, 0.75, 0.95], axis=0)
        spread = pd.DataFrame(
            {
                "criterion": stops.criteria,
                "mean": part.mean(axis=0),
                "low": low,
                "q1": q1,
                "median": median,
                "q3": q3,
                "high": high,
            }
        )
        plot_spread(spread, ax)
        ax.set_title(f"{problem} ({len(rows)} runs)", fontsize="small")
        if ax not in axes[-1]:
            ax.set_xticks([])
        if measure == "slowness":
            log_axis(ax, "y")
        ax.tick_params(axis="y", labelsize="small")
    for ax in axes.flat[len(groups) :]:
        ax.set_axis_off()
    fig.supylabel(f"{measure}: {what} against {REFERENCE}")
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


def _panels(hspace: float = 0.25) -> tuple[Figure, Any]:
    """Twelve panels, placed by hand: measuring every label takes most of the drawing time."""
    fig, axes = plt.subplots(4, 3, figsize=(10, 11))
    fig.subplots_adjust(left=0.09, right=0.98, bottom=0.08, top=0.94, wspace=0.2, hspace=hspace)
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


def figure_topologies(stops: Stops) -> Figure:
    """The trade-off of small and of large networks."""
    small = stops.meta["topology"].isin(SMALL)
    sized = stops.with_meta(stops.meta.assign(size=np.where(small, "small", "large")))
    table = tradeoff(sized, REFERENCE, by="size")
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
    if Path(corpus).name != corpus:
        raise ValueError(f"corpus {corpus!r}: expected the name of a folder in data/curves")
    published = {
        name: pd.read_csv(_expected(ROOT / "data" / "reference" / f"{name}.csv"))
        for name in ("prechelt1997_table1", "claims", "proben1_tr_tables_5_6")
    }
    study = replay_study(corpus, _study_curves(corpus))
    folder = (out or ROOT / "results") / ("" if main else corpus)
    if folder.is_file():
        raise NotADirectoryError(f"{folder} is a file; expected a folder for tables and figures")
    folder.mkdir(parents=True, exist_ok=True)

    table, problems, spans_here = table1(study), per_problem(study), spans(study)
    by_problem, points = trend(problems), equal_time_points(study)
    test = mean_over_clusters(by_problem)
    datasets = [compare_datasets(corpus, study.curves, published["proben1_tr_tables_5_6"])]
    if main and (other := ROOT / "data" / "curves" / OTHER).exists():
        datasets.append(
            compare_datasets(OTHER, read_curves(other), published["proben1_tr_tables_5_6"])
        )
    tables = {
        "table1": table,
        "table1_by_problem": problems,
        "spans": spans_here,
        "trend": by_problem.rename_axis("problem").reset_index(),
        "trend_test": pd.DataFrame([test._asdict()]),
        "comparison_table1": compare_table1(table, published["prechelt1997_table1"]),
        "comparison_claims": compare_claims(spans_here, published["claims"]),
        "comparison_datasets": pd.concat(datasets, ignore_index=True),
        "equal_time": points.reset_index(),
        "rules": rules(by_problem, points),
        "facts": facts(study),
    }
    for name, frame in tables.items():
        _write(folder / f"{name}.csv", frame.to_csv(index=False, lineterminator="\n"))
    for suffix, form in (("md", "github"), ("tex", "latex_booktabs")):
        _write(folder / f"table1.{suffix}", _table1_text(study, table, form))
    text = summary(study, tables, test)
    _write(folder / "summary.md", text)
    log(text)
    folders = [folder / "figures"]
    if out is None:
        folders.append(ROOT / "figures" / ("" if main else corpus))
    for name, fig in figures(study, table, problems):
        save(fig, *(folder / name for folder in folders))
    log(f"Tables in {folder}, figures in {folder / 'figures'}")


def summary(study: Study, tables: dict[str, pd.DataFrame], test: MeanOverClusters) -> str:
    """The study's results in words and short tables."""
    table, claims, datasets = (
        tables[name] for name in ("table1", "comparison_claims", "comparison_datasets")
    )
    spearman = tables["comparison_table1"].groupby("column", sort=False)["spearman_of_column"]
    spans_here = tables["spans"].drop(columns="kind").round(3)
    fourfold = 100 * (4**test.estimate - 1)
    parts = [
        f"# Prechelt's study on {study.corpus}: {len(study.stops)} runs, "
        f"{study.stops.meta['problem'].nunique()} problems",
        f"Means over runs; 'best' and p_good are relative to {POOL}.",
        _markdown(table[PRINTED].round(3)),
        "Of the same runs: medians and ratios of totals against GL(2), which rank criteria "
        "differently; geometric mean of badness; share of records ended by the criterion, by "
        "P_5 < 0.1 and by the limit; share stopped by epoch 15 (a start-up transient); share of "
        "the excess test error over the best that the worst 1% of runs carry.",
        _markdown(table[["criterion", *FURTHER]].rename(columns=FURTHER).round(3)),
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
        "At equal time: families interpolated over sweeps of their thresholds, problem by problem. "
        "Each interval stands by itself; verdicts go by p adjusted over a rule's comparisons "
        "(Holm). Good: at least as good as the best of the 14. Less and more overfitting: halves "
        "of the problems by mean log(last validation error / lowest): "
        + ", ".join(
            f"{row['problem']} {row['overfitting']:.2f}"
            for row in tables["equal_time"].sort_values("overfitting").to_dict("records")
        )
        + ".",
        _markdown(tables["rules"].drop(columns=["clusters", "unit", "problems"]).round(4)),
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
                "print, 5%": part["runs_within_5pct_print"].sum(),
                "runs within 10%": part["runs_within_10pct"].sum(),
                "print, 10%": part["runs_within_10pct_print"].sum(),
            }
        )
    return pd.DataFrame(rows)


def _table1_text(study: Study, table: pd.DataFrame, form: str) -> str:
    """Table 1 for reading: the printed columns, with the pool that they are relative to."""
    short = table[PRINTED]
    body = tabulate(short.values.tolist(), list(short), tablefmt=form, floatfmt=".3f")
    note = f"Means over {len(study.stops)} runs of {study.corpus}; best and p_good: {POOL}."
    return f"% {note}\n{body}\n" if form.startswith("latex") else f"{body}\n\n{note}\n"


def _markdown(frame: pd.DataFrame) -> str:
    return tabulate(frame.values.tolist(), list(frame), tablefmt="github")


def _write(path: Path, text: str) -> None:
    with written_whole(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def _study_curves(corpus: str) -> CurveSet:
    """A corpus of ``data/curves``, where it has what the study needs."""
    curves = read_curves(_expected(ROOT / "data" / "curves" / corpus))
    needed = {"problem", "dataset", "topology", "output", "train", "test"}
    missing = needed - set(curves.table.column_names)
    if missing or curves.meta["problem"].nunique() < 2:
        what = f"no column {', '.join(sorted(missing))}" if missing else "fewer than two problems"
        raise ValueError(f"corpus {corpus!r} is not recorded like the study: {what}")
    return curves


def _expected(path: Path) -> Path:
    if not path.exists():
        raise FileNotFoundError(
            f"{path} does not exist; the study's data come with a checkout of the project: "
            "run this command from one"
        )
    return path
