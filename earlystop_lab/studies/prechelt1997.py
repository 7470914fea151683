"""Prechelt's 1997 study of early stopping, rerun on recorded curves: tables and verdicts.

Fourteen criteria, each combined with the study's end rule, are replayed over 1296 runs on
twelve problems. What the study recommends is a list of claims, each a number per data set whose
mean is below 0 if the claim holds; a claim gets a verdict from one test over data sets (problems
with the same examples, heart and hearta, are one). The room :mod:`report` has the texts and figures
for the results.

Sources: L. Prechelt, "Early Stopping - but when?", in Neural Networks: Tricks of the Trade,
Springer 1998, doi 10.1007/3-540-49430-8_3 (the rules), and "Automatic early stopping using cross
validation: quantifying the criteria", Neural Networks 11 (1998) 761-767, doi
10.1016/S0893-6080(98)00010-0 (the recommendations).
"""

import itertools
from collections import Counter
from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from earlystop_lab.criteria import GL, PQ, UP, MaxEpochs, Progress, any_of
from earlystop_lab.curves import CurveSet, FloatArray, local_minima
from earlystop_lab.curves.facts import facts_of
from earlystop_lab.engine.replaying import Stops, replay
from earlystop_lab.inference import (
    MeanOverClusters,
    cluster_means,
    interpolated,
    mean_over_clusters,
    sign_flip,
    slope_over_clusters,
    slopes,
)
from earlystop_lab.inference.bootstrap import FEWEST_CLUSTERS, SIZES
from earlystop_lab.measures.hindsight import worst_share
from earlystop_lab.measures.prechelt import run_ratios, tradeoff, tradeoff_intervals

#: numbers of runs
Rows = NDArray[np.intp]

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
#: networks with at most 8 hidden units, half of the topologies
SMALL = ("2", "4", "8", "2+2", "4+2", "4+4")
#: how many runs of a data set the best is chosen from, where there are several runs
SEVERAL = 10
#: keeping the epoch with the lowest validation error of the whole record
POST_HOC = "post-hoc selection"
#: a mean difference of errors whose interval lies within this share counts as no difference,
#: unless another margin is given
MARGIN = 0.005
#: data sets with more late runs than this are left out in one column of the table of tests
LATE = 1 / 3
#: the published numbers: table 1 from memory, the claims of the abstracts, the technical report
PUBLISHED = ("prechelt1997_table1", "claims", "recommendations", "proben1_tr_tables_5_6")
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
    """What the chapter, the article and a later study say: if a claim holds, a mean is below 0."""

    #: rule 1: the slope of log test error on log time
    SLOWER = "prechelt1997.slower"
    #: rule 2: p_good of the other family minus that of the recommended one
    OFTEN_GOOD = "prechelt1997.often_good"
    #: rule 3: log test error of the recommended family minus that of the other one
    LOWER_ERROR = "prechelt1997.lower_error"
    #: rule 3: the slope of that difference on overfitting
    WITH_OVERFITTING = "prechelt1997.with_overfitting"
    #: article: the same difference at the times of UP(3), UP(4) and UP(6)
    TRADE_OFF = "prechelt1997.trade_off"
    #: article: the same difference for the run with the lowest validation error of several
    BEST_OF_SEVERAL = "prechelt1997.best_of_several"
    #: article: the same difference for small networks
    SMALL_NETWORKS = "prechelt1997.small_networks"
    #: Apicella et al.: log test error of the epoch that is best by the validation error of the
    #: whole record, minus that of a criterion
    POST_HOC = "prechelt1997.post_hoc"


#: claims about an error; a slope or a share of runs has no margin
OF_ERRORS = (
    Claim.LOWER_ERROR,
    Claim.TRADE_OFF,
    Claim.BEST_OF_SEVERAL,
    Claim.SMALL_NETWORKS,
    Claim.POST_HOC,
)


class Verdict(StrEnum):
    """Whether a claim holds here, by p values adjusted over the comparisons of its source."""

    HOLDS = "holds"
    CONTRADICTED = "contradicted"
    #: the interval of a difference of errors lies within the margin
    EQUIVALENT = "equivalent"
    NOT_SHOWN = "not shown"


class Seen(StrEnum):
    """What was known of a quantity when it was chosen for a test."""

    #: it is what the recommendation says, and its result was not known
    NOTHING = "prechelt1997.seen.nothing"
    #: other runs of the same problems had shown it, among other quantities
    REHEARSAL = "prechelt1997.seen.rehearsal"
    #: its result on these runs, or a near relative's, before the quantity or its test was chosen
    RESULT = "prechelt1997.seen.result"


class Compared(NamedTuple):
    """A claim as numbers: one per data set, with a mean or a slope that is below 0 if it holds."""

    #: the rule of the chapter, the recommendation of the article, or the later study's question
    source: str
    claim: Claim
    recommended: str
    other: str
    seen: Seen
    values: pd.Series
    #: what the values are regressed on, if the claim is about a slope
    on: pd.Series | None = None


def replay_study(
    corpus: str,
    curves: CurveSet,
    published: Mapping[str, pd.DataFrame],
    others: Mapping[str, CurveSet] | None = None,
    *,
    margin: float = MARGIN,
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
    margin : float
        Families whose mean test errors differ by less than this share are equivalent.

    Returns
    -------
    Reproduction

    Raises
    ------
    ValueError
        If the corpus lacks what the study needs, or the margin is not a number in (0, 1).
    """
    if not 0 < margin < 1:
        raise ValueError(f"margin = {margin}; expected a share in (0, 1), such as 0.005")
    needed = {"problem", "data_file", "topology", "output", "train", "test"}
    missing = needed - set(curves.table.column_names)
    if missing or curves.meta["problem"].nunique() < 2:
        what = f"no column {', '.join(sorted(missing))}" if missing else "fewer than two problems"
        raise ValueError(f"corpus {corpus!r} was not recorded like the study: {what}")
    study = _replayed(corpus, curves)
    problems = tradeoff(study.stops, REFERENCE, by="problem")
    table, means = table1(study), spans(study.stops)
    points = equal_time_points(study)
    trend = trend_points(problems, points)
    compared = comparisons(study, trend, points)
    datasets = [
        compare_datasets(name, each, published["proben1_tr_tables_5_6"])
        for name, each in ({corpus: curves} | dict(others or {})).items()
    ]
    tables = {
        "table1": table,
        "table1_by_problem": problems,
        "tradeoff": tradeoff_intervals(
            study.stops, facts_of(study.curves).clusters, REFERENCE
        ).replace({"measure": {"slowness_ref": "slowness_GL2", "badness_ref": "badness_GL2"}}),
        "spans": means,
        "trend": trend.reset_index(),
        "comparison_table1": compare_table1(table, published["prechelt1997_table1"]),
        "comparison_claims": compare_claims(means, published["claims"]),
        "comparison_datasets": pd.concat(datasets, ignore_index=True),
        "recommendations": published["recommendations"],
        "equal_time": points.reset_index(),
        "verdicts": verdicts(compared, margin),
        "tests": across_tests(compared, _over(points["last_tenth"], _clusters(study)), margin),
        "facts": facts(study, trend, points).assign(margin=margin, **SIZES),
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


def facts(study: Replayed, trend: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
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
        "several": SEVERAL,
        "time_range": trend["time_range"].median(),
        "least_time_range": trend["time_range"].min(),
        "largest_time_range": trend["time_range"].max(),
        "last_tenth": points["last_tenth"].mean(),
        "late": LATE,
        "late_problems": list(points.index[points["last_tenth"] > LATE]),
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


def compare_recorded(again: CurveSet, recorded: CurveSet) -> pd.DataFrame:
    """How many runs that were trained anew have the recorded curves, bit for bit: one row.

    ``furthest`` is the largest ratio of an error to the recorded one, either way; infinity if a run
    has another length.
    """
    rows = {name: i for i, name in enumerate(recorded.runs)}
    common = [(i, rows[name]) for i, name in enumerate(again.runs) if name in rows]
    same, furthest = 0, 1.0
    for mine, theirs in ((again[i], recorded[j]) for i, j in common):
        pairs = [(getattr(mine, name), getattr(theirs, name)) for name in ("train", "val", "test")]
        if all(np.array_equal(a, b) for a, b in pairs):
            same += 1
        elif all(a.shape == b.shape for a, b in pairs):
            ratios = [float(np.exp(np.abs(np.log(a) - np.log(b)).max())) for a, b in pairs]
            furthest = max(furthest, *ratios)
        else:
            furthest = np.inf
    row = {"runs": len(again), "recorded": len(common), "same": same, "furthest": furthest}
    return pd.DataFrame([row])


# -- the claims --------------------------------------------------------------------------------


def comparisons(study: Replayed, trend: pd.DataFrame, points: pd.DataFrame) -> list[Compared]:
    """Each claim as one number per data set, the mean over its problems.

    ``trend`` is the result of :func:`trend_points`, ``points`` that of :func:`equal_time_points`.
    Post-hoc selection is compared by A. Apicella, F. Isgrò, A. Pollastro and R. Prevete, "Don't
    stop me now: rethinking validation criteria for model parameter selection", arXiv 2602.22107.
    """
    small = equal_time_points(study, study.stops.meta["topology"].isin(SMALL).to_numpy())
    own = own_time_points(study)

    def differ(table: pd.DataFrame, value: str, family: str, other: str) -> pd.Series:
        return table[f"{value}_{family}"] - table[f"{value}_{other}"]

    found = [Compared("rule 1", Claim.SLOWER, "", "", Seen.REHEARSAL, trend["slope"])]
    for other in ("PQ", "UP"):
        values = differ(points, "p_good", other, "GL")
        found.append(Compared("rule 2", Claim.OFTEN_GOOD, "GL", other, Seen.RESULT, values))
    for family, other in (("PQ", "GL"), ("UP", "GL"), ("UP", "PQ")):
        values = differ(points, "log_test", family, other)
        found.append(Compared("rule 3", Claim.LOWER_ERROR, family, other, Seen.RESULT, values))
    found.append(
        Compared(
            "rule 3",
            Claim.WITH_OVERFITTING,
            "UP",
            "PQ",
            Seen.RESULT,
            differ(points, "log_test", "UP", "PQ"),
            points["overfitting"],
        )
    )
    for other in ("GL", "PQ"):
        found.append(
            Compared("trade-off", Claim.TRADE_OFF, "UP", other, Seen.NOTHING, own[other].dropna())
        )
    for source, claim, family, table, value in (
        ("several runs", Claim.BEST_OF_SEVERAL, "GL", points, "log_best"),
        ("small networks", Claim.SMALL_NETWORKS, "PQ", small, "log_test"),
    ):
        for other in (name for name in SWEEPS if name != family):
            values = differ(table, value, family, other)
            found.append(Compared(source, claim, family, other, Seen.NOTHING, values))
    stops, problem = study.stops, study.stops.meta["problem"]
    best = np.log(study.never.error("test"))
    for slowest in ("GL(5)", "PQ(3)", "UP(8)"):
        away = best - np.log(stops.error("test")[:, [stops.criteria.index(slowest)]])
        values = cluster_means(away, problem)[0]
        found.append(Compared("post hoc", Claim.POST_HOC, POST_HOC, slowest, Seen.NOTHING, values))
    clusters = _clusters(study)
    return [
        each._replace(
            values=_over(each.values, clusters),
            on=None if each.on is None else _over(each.on, clusters),
        )
        for each in found
    ]


def _clusters(study: Replayed) -> pd.Series:
    """The data set of each problem; without a column ``dataset``, the problem itself."""
    names = facts_of(study.curves).clusters
    pairs = pd.Series(names, index=study.stops.meta["problem"], name=names.name)
    return pairs[~pairs.index.duplicated()]


def _over(values: pd.Series, clusters: pd.Series) -> pd.Series:
    """The mean over the problems of each cluster."""
    return cluster_means(values.to_frame(), clusters[values.index])[values.name or 0]


def verdicts(compared: list[Compared], margin: float = MARGIN) -> pd.DataFrame:
    """The verdict on each claim, with the numbers that it follows from: one row per comparison.

    The test is the symmetric bootstrap-t over data sets, of a mean or of a slope. With m
    comparisons of one source, ``p_adjusted`` is m times p, and the interval has the confidence
    1 - 0.05 / m (Bonferroni), so that it excludes 0 where ``p_adjusted`` is at most 0.05.
    Only a mean difference of errors can be equivalent: if its interval lies within
    -+ log(1 + ``margin``).
    """
    labels = [
        {
            **dict(zip(Compared._fields[:5], each[:5], strict=True)),
            "margin": margin if each.claim in OF_ERRORS else np.nan,
            "unit": each.values.index.name,
            "datasets": list(each.values.index),
        }
        for each in compared
    ]
    return pd.concat([pd.DataFrame(labels), _judged(compared, margin)], axis=1)


#: a test of a comparison at a confidence
Way = Callable[[Compared, float], MeanOverClusters]


def _by_bootstrap_t(each: Compared, confidence: float) -> MeanOverClusters:
    """The one test of all verdicts."""
    if each.on is None:
        return mean_over_clusters(each.values, confidence)
    return slope_over_clusters(each.on, each.values, confidence)


def _judged(compared: list[Compared], margin: float, way: Way = _by_bootstrap_t) -> pd.DataFrame:
    """Estimate, interval, p and verdict of every comparison by one test.

    With too few data sets there is no test, and the estimate is the mean.
    """
    times = Counter(each.source for each in compared)
    rows = []
    for each in compared:
        m, n = times[each.source], len(each.values)
        found = (
            way(each, 1 - 0.05 / m)
            if n >= FEWEST_CLUSTERS
            else MeanOverClusters(float(each.values.mean()), np.nan, np.nan, np.nan, n)
        )
        p = float(np.minimum(m * found.p, 1))
        verdict = _verdict(found, p, np.log1p(margin) if each.claim in OF_ERRORS else np.nan)
        rows.append({**found._asdict(), "p_adjusted": p, "verdict": verdict})
    return pd.DataFrame(rows)


def _verdict(found: MeanOverClusters, p: float, margin: float) -> Verdict:
    """By the interval, and by p where there is none: they may differ in the last of its digits.

    A difference too small to matter is equivalent, also if it is significant.
    """
    if -margin < found.low and found.high < margin:
        return Verdict.EQUIVALENT
    shown = p <= 0.05 if np.isnan(found.low) else found.low > 0 or found.high < 0
    if not shown:
        return Verdict.NOT_SHOWN
    return Verdict.HOLDS if found.estimate < 0 else Verdict.CONTRADICTED


def across_tests(
    compared: list[Compared], last_tenth: pd.Series, margin: float = MARGIN
) -> pd.DataFrame:
    """How each verdict depends on the test and on single data sets: one row per comparison.

    Columns: for Student's t, the sign flip over all assignments and the bootstrap-t of
    :func:`verdicts`, p adjusted over the comparisons of a source and the ``verdict_`` that follows.
    A sign flip has no interval, so it cannot show equivalence, and there is none for a slope on
    overfitting. Then the bootstrap-t with each data set left out: the largest adjusted p and the
    data set without which it is reached, the verdicts that follow and the range of the estimates.
    Last, the same without all data sets in which more than :data:`LATE` of the runs have their
    lowest validation error in the last tenth.
    """
    found = {
        "t": _judged(compared, margin, _by_t),
        "sign_flip": _judged(compared, margin, _by_sign_flip),
        "bootstrap_t": _judged(compared, margin),
        "without_late": _judged(
            _without(compared, list(last_tenth.index[last_tenth > LATE])), margin
        ),
    }
    table = pd.DataFrame([each[:4] for each in compared], columns=Compared._fields[:4])
    for name, judged in found.items():
        table[f"p_{name}"] = judged["p_adjusted"]
        # without a p value, as that of a sign flip for a slope, there is no verdict
        table[f"verdict_{name}"] = judged["verdict"].where(judged["p"].notna(), "")
    names = list(dict.fromkeys(name for each in compared for name in each.values.index))
    drops = {name: _judged(_without(compared, [name]), margin) for name in names}
    p, verdict, estimate = (
        pd.DataFrame({name: judged[column] for name, judged in drops.items()})
        for column in ("p_adjusted", "verdict", "estimate")
    )
    late = found["without_late"]
    return table.assign(
        p_drop_one=p.max(axis=1),
        drop_one=p.fillna(-1).idxmax(axis=1).where(p.max(axis=1) > p.min(axis=1), ""),
        verdict_drop_one=[" and ".join(dict.fromkeys(map(str, row))) for row in verdict.values],
        estimate_smallest=estimate.min(axis=1),
        estimate_largest=estimate.max(axis=1),
        estimate_without_late=late["estimate"],
        clusters_without_late=late["clusters"],
    )


def _without(compared: list[Compared], names: list[str]) -> list[Compared]:
    return [
        each._replace(
            values=each.values.drop(names, errors="ignore"),
            on=None if each.on is None else each.on.drop(names, errors="ignore"),
        )
        for each in compared
    ]


def _by_t(each: Compared, confidence: float) -> MeanOverClusters:
    """Student's t, of the mean or of the slope."""
    from scipy import stats  # slow to import

    n = len(each.values)
    if each.on is None:
        test = stats.ttest_1samp(each.values, 0)
        low, high = test.confidence_interval(confidence)
        return MeanOverClusters(float(each.values.mean()), low, high, float(test.pvalue), n)
    line = stats.linregress(each.on, each.values)
    half = stats.t.ppf((1 + confidence) / 2, n - 2) * line.stderr
    return MeanOverClusters(line.slope, line.slope - half, line.slope + half, line.pvalue, n)


def _by_sign_flip(each: Compared, confidence: float) -> MeanOverClusters:
    """The sign-flip test of a mean, which has no interval; of a slope, no test."""
    p = sign_flip(each.values) if each.on is None else np.nan
    return MeanOverClusters(float(each.values.mean()), np.nan, np.nan, p, len(each.values))


def trend_points(problems: pd.DataFrame, points: pd.DataFrame) -> pd.DataFrame:
    """Each problem's slope of log test error on log time, and the range of times behind it.

    ``time_range`` is the geometric mean time of the slowest criterion over that of the fastest; no
    statement about a larger factor is inside the data.
    """
    slope = slopes(
        problems, by="problem", x="slowness_ref_geometric", y="badness_ref_geometric"
    ).rename_axis("problem")
    times = problems.groupby("problem", sort=False)["slowness_ref_geometric"]
    return pd.DataFrame(
        {
            "slope": slope,
            "time_range": times.max() / times.min(),
            "last_tenth": points["last_tenth"],
        }
    )


class _Sweeps(NamedTuple):
    """What the sweeps of some runs say, by problem: one row per problem, a column per threshold."""

    #: family -> geometric mean of the stop epochs
    epochs: dict[str, pd.DataFrame]
    #: quantity, family -> its means
    values: dict[tuple[str, str], pd.DataFrame]


def _sweeps(study: Replayed, rows: Rows) -> _Sweeps:
    meta = study.stops.meta.iloc[rows]
    problem, files = meta["problem"], meta["data_file"]
    lowest = study.stops.error("val")[rows].min(axis=1, keepdims=True)
    at = study.stops.criteria.index(REFERENCE)
    reference = np.log(study.stops.error("test")[rows][:, [at]])
    epochs, values = {}, {}
    for family, sweep in study.sweeps.items():
        val, test = sweep.error("val")[rows], np.log(sweep.error("test")[rows])
        epochs[family] = cluster_means(np.log(sweep.stop[rows]), problem).apply(np.exp)
        values["p_good", family] = cluster_means(val <= lowest, problem)
        values["log_test", family] = cluster_means(test - reference, problem, infinite=True)
        best = {name: _best_of(val[part], test[part]) for name, part in _places(files).items()}
        of_problem = meta.drop_duplicates("data_file")["problem"]
        values["log_best", family] = cluster_means(
            pd.DataFrame.from_dict(best, orient="index"), of_problem, infinite=True
        )
    return _Sweeps(epochs, values)


def _places(labels: pd.Series) -> dict[str, Rows]:
    """The places of each label, in order of appearance."""
    names = labels.to_numpy()
    return {name: np.flatnonzero(names == name) for name in dict.fromkeys(names)}


def _best_of(val: FloatArray, test: FloatArray) -> FloatArray:
    """Expected test value of the run with the lowest ``val`` of :data:`SEVERAL` random ones.

    Arrays have one row per run and one column per threshold. Without replacement, the run of rank
    r (0 is the lowest) of R is the best of n with probability C(R - 1 - r, n - 1) / C(R, n).
    """
    from scipy import special  # slow to import

    runs = len(val)
    n = min(SEVERAL, runs)
    chance = special.comb(runs - 1 - np.arange(runs), n - 1) / special.comb(runs, n)
    order = np.argsort(val, axis=0, kind="stable")
    return np.asarray(chance @ np.take_along_axis(test, order, axis=0))


def equal_time_points(study: Replayed, chosen: NDArray[np.bool_] | None = None) -> pd.DataFrame:
    """Each family's p_good and mean log test error at equal time: one row per problem.

    Families are interpolated over sweeps of their thresholds and averaged over the times, on a
    log scale, that the study's criteria span in that problem and that all sweeps reach (``from`` to
    ``to``, epochs). A criterion of a sweep is good if it is at least as good as the best of the
    14. ``log_best`` is the expected log test error of the run with the lowest validation error of
    :data:`SEVERAL` of a data set's runs. ``overfitting`` is the mean over runs of log(last
    validation error / lowest), and ``last_tenth`` the share of runs whose lowest validation error
    is in the last tenth of the record: there, the overfitting of a longer record would be another,
    and criteria that wait are cut short. ``chosen`` is a mask of the runs, by default all.
    """
    every = np.ones(len(study.stops), bool) if chosen is None else chosen
    rows = np.flatnonzero(every)
    if not len(rows):
        raise ValueError("no runs of the topologies compared")
    stops, problem = study.stops, study.stops.meta["problem"].iloc[rows]
    sweeps = _sweeps(study, rows)
    found = {}
    for name, inside in cluster_means(np.log(stops.stop[rows]), problem).iterrows():
        times = np.exp(np.linspace(inside.min(), inside.max(), 41))
        each = {
            f"{value}_{family}": _interpolated(sweeps, value, family, name, times)
            for value, family in sweeps.values
        }
        reached = pd.DataFrame(each, index=times).dropna()
        if reached.empty:
            raise ValueError(f"problem {name!r}: the families' sweeps have no time in common")
        found[name] = {"from": reached.index.min(), "to": reached.index.max(), **reached.mean()}
    points = pd.DataFrame(found).T.rename_axis("problem")
    # the last and the lowest of the strips
    last = study.curves.at(
        "val", (study.curves.lengths[:, None] // 5 * 5 - 1).astype(np.int32), "error"
    )
    overfitting = np.log(last / study.never.error("val"))[rows]
    points["overfitting"] = cluster_means(overfitting, problem)[0]
    points["last_tenth"] = cluster_means(facts_of(study.curves).late[rows].astype(float), problem)[
        0
    ]
    return points


def own_time_points(study: Replayed) -> pd.DataFrame:
    """Log test error of UP(3), UP(4) and UP(6) minus that of each other family at their own times.

    One row per problem, averaged over those of the three whose times the family's sweep reaches;
    NaN if it reaches none.
    """
    rows = np.arange(len(study.stops))
    problem, sweeps = study.stops.meta["problem"], _sweeps(study, rows)
    at = [study.stops.criteria.index(f"UP({s})") for s in (3, 4, 6)]
    reference = study.stops.criteria.index(REFERENCE)
    test = np.log(study.stops.error("test"))
    own = cluster_means(test[:, at] - test[:, [reference]], problem, infinite=True)
    times = cluster_means(np.log(study.stops.stop[:, at]), problem).apply(np.exp)
    found = {}
    for other in (name for name in SWEEPS if name != "UP"):
        differences = {
            name: own.loc[name].to_numpy()
            - _interpolated(sweeps, "log_test", other, name, times.loc[name].to_numpy())
            for name in own.index
        }
        found[other] = pd.DataFrame(differences).mean(axis=0)
    return pd.DataFrame(found).rename_axis("problem")


def _interpolated(
    sweeps: _Sweeps, value: str, family: str, problem: object, times: FloatArray
) -> FloatArray:
    """A family's value in a problem at given times, interpolated over its sweep; else NaN."""
    return interpolated(
        np.log(sweeps.epochs[family].loc[[problem]].to_numpy()),
        sweeps.values[value, family].loc[[problem]].to_numpy(),
        np.log(times),
    )[0]


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
