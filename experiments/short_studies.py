"""Short questions about stopping, each answered from recorded curves in seconds.

    python -m experiments.answers minima overstated ...

Rows of all tables are means over data sets, as :mod:`experiments.studies` says; the words and
figures of the answers are beside what they tell.
"""

from itertools import pairwise

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from earlystop_lab import Channel, CurveSet, Keras, replay
from earlystop_lab.criteria import FAMILIES, Criterion
from earlystop_lab.criteria.catalogue import patience_table
from earlystop_lab.curves import FloatArray, facts_of
from earlystop_lab.engine.replaying import Stops
from earlystop_lab.engine.thresholds import sweeps
from earlystop_lab.inference import cluster_means, slopes
from earlystop_lab.measures.fronts import equal_time, exchange_rate, replay_sweeps
from earlystop_lab.measures.hindsight import regrets
from earlystop_lab.studies.shapes import minima
from experiments.studies import (
    at,
    copy_of,
    corpus,
    draw_estimates,
    out_of,
    row,
    sets_above,
    told,
    value,
)

#: corpora of our own that have a test error at every check
TESTED = ("prechelt1997", "boosting", "modern-nets", "tabular-nets")
#: public ones whose validation curves are long and whose runs did not end at a target
PUBLIC = ("algoperf", "gluon", "taskset")
#: the values that are possible for shares and for regrets
SHARE, LOST = (0.0, 1.0), (0.0, np.inf)
#: fewest checks of a run that says something about the shape of a curve
CHECKS = 20


def usable(name: str) -> CurveSet:
    """Runs of a corpus with enough checks, finite errors, and no earlier run with the same ones."""
    curves = corpus(name)
    facts = facts_of(curves)
    enough = facts.counts("val") >= CHECKS
    kept = facts.measurable() & facts.validated & enough & ~facts.copies
    # two runs of AlgoPerf that test its scoring code
    return curves.select(kept & (curves.meta["problem"] != "mnist").to_numpy())


def with_test(name: str) -> CurveSet:
    """Of these, the runs with a finite test error at every check."""
    curves = usable(name)
    facts = facts_of(curves)
    return curves.select(facts.measurable("test") & facts.measured_with("test", "val"))


def against_the_end(stops: Stops, curves: CurveSet) -> FloatArray:
    """log(test error kept / that kept by training to the end), a row a run, a column a rule."""
    end = facts_of(curves).lowest("val").row[:, None].astype(np.int32)
    return np.log(stops.error("test") / curves.at("test", end, "error"))


# -- the famous picture of a validation curve ------------------------------------------------


def look_at_minima() -> pd.DataFrame:
    rows = []
    for name in (*TESTED, *PUBLIC):
        curves = usable(name)
        clusters = facts_of(curves).clusters
        for every in (1, 5):
            found = minima(curves, every=every)
            some = (found["minima"] > 0).to_numpy()
            gain = np.log(found["lowest"] / found["first"])[some]
            later = np.log(found["lowest_at"] / found["first_at"])[some]
            ending = "" if every == 1 else f", every {every}"
            rows += [
                row(name, f"minima{ending}", found["minima"], clusters),
                row(
                    name,
                    f"lowest below first{ending}",
                    gain,
                    clusters[some],
                    log=True,
                    within=(-1, 0),
                ),
                row(name, f"times as long{ending}", later, clusters[some], log=True),
            ]
    table = pd.DataFrame(rows)
    factors = table["what"].str.startswith("times")
    table.loc[factors, ["value", "low", "high"]] += 1
    return table


def told_of_minima(t: pd.DataFrame) -> str:
    name = "prechelt1997"
    return (
        f"The {at(t, name, 'minima')['runs']} validation curves of {name} have on average "
        f"{told(t, name, 'minima', 'number')} local minima; the lowest error is "
        f"{told(t, name, 'lowest below first', 'change')} against the first minimum and comes "
        f"{told(t, name, 'times as long', 'factor')} times as late. Looked at every fifth epoch, "
        f"it is {told(t, name, 'lowest below first, every 5', 'change')} and "
        f"{told(t, name, 'times as long, every 5', 'factor')} times as late. The curve that "
        "Prechelt "
        "printed (16 minima, the lowest 1.1% below the first, 205 epochs against 45) is tame "
        "beside them: the first minimum is no place to stop. In gluon, public logs of larger "
        f"networks, it is {told(t, 'gluon', 'lowest below first', 'change')}."
    )


def drawn_minima(t: pd.DataFrame) -> Figure:
    return draw_estimates(
        t,
        {
            "minima": ("local minima of a run", "number"),
            "lowest below first": ("lowest error against first minimum", "change"),
            "times as long": ("its time over that of the first", "factor"),
            "lowest below first, every 5": ("the same, every fifth check", "change"),
        },
    )


# -- validation regret overstates the price of stopping --------------------------------------


def look_at_overstated() -> pd.DataFrame:
    rows = []
    for name in (*TESTED, "taskset", "algoperf"):
        curves = with_test(name)
        clusters = facts_of(curves).clusters
        stops = replay(curves, [Keras(10), Keras(20)])
        lost, paid = np.log1p(regrets(stops, curves).val), against_the_end(stops, curves)
        for j, rule in enumerate(stops.criteria):
            rows += [
                row(name, f"validation, {rule}", lost[:, j], clusters, log=True, within=LOST),
                row(name, f"test, {rule}", paid[:, j], clusters, log=True),
                row(name, f"overstated, {rule}", lost[:, j] - paid[:, j], clusters, log=True),
            ]
        for error, gain in zip(("validation", "test"), halves(curves), strict=True):
            rows.append(row(name, f"second half, {error}", gain, clusters, log=True))
    return pd.DataFrame(rows)


def halves(curves: CurveSet) -> tuple[FloatArray, FloatArray]:
    """What the second half of each record changes: log ratios of the errors that are kept."""
    val, offsets, _ = curves.error("val")
    test, other, _ = curves.error("test")
    if not np.array_equal(offsets, other):
        raise ValueError("expected a test error at each check")
    kept = []
    for start, stop in pairwise(offsets):
        middle = start + (stop - start) // 2
        half, whole = start + val[start:middle].argmin(), start + val[start:stop].argmin()
        kept.append((np.log(val[whole] / val[half]), np.log(test[whole] / test[half])))
    both = np.array(kept)
    return both[:, 0], both[:, 1]


def told_of_overstated(t: pd.DataFrame) -> str:
    parts = [
        f"{name} {value(t, name, 'validation, Keras(20)')} and "
        f"{value(t, name, 'test, Keras(20)', 'change')}"
        for name in ("boosting", "modern-nets", "tabular-nets", "prechelt1997", "taskset")
    ]
    gap = "overstated, Keras(20)"
    return (
        "Validation regret, against the lowest error of the whole record, overstates what a "
        "patience of 20 "
        f"loses in test error by {told(t, 'boosting', gap)} on boosting, "
        f"{told(t, 'modern-nets', gap)} on modern-nets, "
        f"{told(t, 'prechelt1997', gap)} on prechelt1997 and "
        f"{told(t, 'tabular-nets', gap)} on tabular-nets. As validation regret and as change of "
        "the "
        f"test error that is kept by training to the end: {'; '.join(parts)}. The minimum of a "
        "longer "
        "record is lower by luck: the second half of the records changes the validation error that "
        "is "
        f"kept by {told(t, 'boosting', 'second half, validation', 'change')} on boosting and the "
        f"test error by {told(t, 'boosting', 'second half, test', 'change')}; on modern-nets by "
        f"{told(t, 'modern-nets', 'second half, validation', 'change')} and "
        f"{told(t, 'modern-nets', 'second half, test', 'change')}."
    )


def drawn_overstated(t: pd.DataFrame) -> Figure:
    return draw_estimates(
        t,
        {
            "validation, Keras(20)": ("validation regret, patience 20", "change"),
            "test, Keras(20)": ("test error against the end", "change"),
            "second half, validation": ("second half: validation error", "change"),
            "second half, test": ("second half: test error", "change"),
        },
    )


# -- learning rates that fall pay late -------------------------------------------------------

#: schedules at whose end the learning rate is a small part of its highest value
FALLING = ("cosine", "step", "onecycle", "warmup")


def look_at_schedules() -> pd.DataFrame:
    rows = []
    for name in ("tabular-nets", "modern-nets"):
        curves = with_test(name)
        curves = curves.select(curves.meta["schedule"].notna().to_numpy())
        about, clusters = curves.meta, facts_of(curves).clusters
        stops = replay(curves, [Keras(10)])
        seen = regrets(stops, curves)
        lost, late = np.log1p(seen.val[:, 0]), facts_of(curves).late
        paid = against_the_end(stops, curves)[:, 0]
        for schedule in dict.fromkeys(about["schedule"]):
            mine = (about["schedule"] == schedule).to_numpy()
            where = f"{name}, {schedule}"
            rows += [
                row(where, "lowest in last tenth", late[mine], clusters[mine], within=SHARE),
                row(where, "validation regret", lost[mine], clusters[mine], log=True, within=LOST),
                row(where, "test against the end", paid[mine], clusters[mine], log=True),
                row(where, "share of record", seen.time[mine, 0], clusters[mine], within=SHARE),
            ]
    return pd.DataFrame(rows)


def told_of_schedules(t: pd.DataFrame) -> str:
    nets = [where for where in dict.fromkeys(t["where"]) if where.startswith("tabular-nets")]
    by = {where.split(", ")[1]: where for where in nets}
    parts = [
        f"{schedule} {told(t, where, 'validation regret')}"
        for schedule, where in sorted(
            by.items(), key=lambda item: -at(t, item[1], "validation regret")["value"]
        )
    ]
    worst = max(nets, key=lambda where: at(t, where, "test against the end")["value"])
    return (
        "The price of a patience of 10 by learning-rate schedule, networks of tabular-nets, "
        f"validation regret: {'; '.join(parts)}. In test error the dearest is "
        f"{worst.split(', ')[1]}, {told(t, worst, 'test against the end', 'change')}; with a "
        f"constant rate it is {told(t, by['constant'], 'test against the end', 'change')}. The "
        "lowest validation error is in the last tenth of "
        f"{value(t, by['cosine'], 'lowest in last tenth')} "
        f"of the runs with a cosine and of {value(t, by['constant'], 'lowest in last tenth')} of "
        "those "
        "with a constant rate."
    )


def drawn_schedules(t: pd.DataFrame) -> Figure:
    return draw_estimates(
        t,
        {
            "lowest in last tenth": ("runs with their lowest error in the last tenth", "share"),
            "validation regret": ("validation regret, patience 10", "change"),
            "test against the end": ("test error against the end", "change"),
        },
    )


# -- loss or accuracy as monitor -------------------------------------------------------------


def with_both() -> dict[str, tuple[CurveSet, str, str]]:
    """Corpora with a validation loss and a score at every check: with names of val, test scores."""
    found = {
        "lcbench-surrogate": (corpus("lcbench-surrogate"), "val_accuracy", "test_balanced_accuracy")
    }
    found["algoperf"] = (algoperf_scores(), "val_accuracy", "test_accuracy")
    gluon = corpus("gluon")
    facts = facts_of(gluon)
    both = facts.measured_with("val_score", "val") & (facts.counts("val") >= CHECKS)
    found["gluon"] = (gluon.select(both & facts.measurable()), "val_score", "val_score")
    return found


def algoperf_scores() -> CurveSet:
    """The runs of AlgoPerf with an accuracy: the long table has both, the corpus the loss."""
    folder = copy_of("algoperf")
    long = pd.read_csv(folder / "algoperf_all_curves_long.csv.gz")
    index = pd.read_csv(folder / "algoperf_run_index.csv.gz").set_index("run_id")["path"]
    long = long[(long["metric"] == "accuracy") & long["valid_metric"].notna()]
    whole = long.groupby("run_path")["valid_loss"].transform(lambda loss: loss.notna().all())
    long = long[whole & (long.groupby("run_path")["step"].transform("size") >= CHECKS)]
    long = long.drop_duplicates(["run_path", "step"])
    workload = (
        long["run_path"]
        .map(index)
        .str.split("/")
        .str[-2]
        .str.replace(r"_(jax|pytorch)$", "", regex=True)
    )
    frame = pd.DataFrame(
        {
            "run": long["run_path"].astype(str),
            "epoch": long["step"],
            "val": long["valid_loss"].astype(float),
            "val_accuracy": long["valid_metric"].astype(float),
            "test_accuracy": long["test_metric"].astype(float),
            "problem": workload,
            "dataset": workload.str.split("_").str[0],
        }
    )
    scores = {name: Channel(direction="max") for name in ("val_accuracy", "test_accuracy")}
    return CurveSet.from_frame(frame.dropna(), channels=scores)


def look_at_monitors() -> pd.DataFrame:
    rows = []
    for name, (curves, score, judged) in with_both().items():
        clusters = facts_of(curves).clusters
        # some scores are in per cent
        scale = np.where(-facts_of(curves).lowest(judged).value > 1.5, 100, 1)
        for patience in (5, 10, 20):
            loss = replay(curves, [Keras(patience)])
            accuracy = replay(curves, [Keras(patience, val=score)], select=score)
            gain = (accuracy[judged] - loss[judged])[:, 0] / scale
            later = np.log(accuracy.stop / loss.stop)[:, 0]
            known = np.isfinite(gain)
            rows += [
                row(name, f"score, patience {patience}", gain[known], clusters[known]),
                sets_above(name, f"sets, patience {patience}", gain[known], clusters[known]),
                row(name, f"time, patience {patience}", later, clusters, log=True),
            ]
        never = replay(curves, [Keras(10**6)])
        by_score = replay(curves, [Keras(10**6)], select=score)
        gain = (by_score[judged] - never[judged])[:, 0] / scale
        known = np.isfinite(gain)
        rows.append(row(name, "score, never stopping", gain[known], clusters[known]))
    return pd.DataFrame(rows)


def told_of_monitors(t: pd.DataFrame) -> str:
    parts = [
        f"{name} {told(t, name, 'score, patience 10', 'points')}, higher in "
        f"{out_of(t, name, 'sets, patience 10')}, {told(t, name, 'time, patience 10', 'change')} "
        "time"
        for name in dict.fromkeys(t["where"])
    ]
    shown = [
        name for name in dict.fromkeys(t["where"]) if at(t, name, "score, patience 10")["high"] < 0
    ]
    verdict = (
        "That the accuracy is the worse monitor (arXiv 2602.22107) is reproduced on "
        f"{', '.join(shown)}."
        if shown
        else "That the accuracy is the worse monitor (arXiv 2602.22107) is not reproduced here."
    )
    return (
        "Watching and keeping by the validation accuracy instead of the loss, patience 10, changes "
        f"the score of what is kept by (points of 100): {'; '.join(parts)}. {verdict} Without "
        "stopping, "
        "keeping the best accuracy instead of the lowest loss changes it by "
        f"{told(t, 'lcbench-surrogate', 'score, never stopping', 'points')} on lcbench-surrogate "
        "and "
        f"{told(t, 'algoperf', 'score, never stopping', 'points')} on algoperf. On gluon the judge "
        "is the "
        "validation score itself, which favours the accuracy."
    )


def drawn_monitors(t: pd.DataFrame) -> Figure:
    panels = {f"score, patience {p}": (f"score kept, patience {p}", "change") for p in (5, 10, 20)}
    return draw_estimates(t, panels | {"time, patience 10": ("time, patience 10", "change")})


# -- how many data sets a transferable patience needs ----------------------------------------

#: what 1% of error is worth, in % of time, as in ``recommend`` and ``bench``
WORTH = 50
#: numbers of data sets that choose the patience
CHOOSING = (1, 2, 4, 8, 16)
#: random choices of data sets
DRAWS = 400


def costs_by_set(curves: CurveSet) -> pd.DataFrame:
    """log loss + rate * log time of each patience: a row a data set, a column a patience."""
    swept = sweeps([FAMILIES["Keras"]], curves)["Keras"]
    stops = replay(curves, swept, restore="lowest")
    time = np.log(regrets(stops, curves).time)
    total = against_the_end(stops, curves) + exchange_rate(WORTH) * time
    clusters = facts_of(curves).clusters
    return cluster_means(pd.DataFrame(total, columns=[c.threshold for c in swept]), clusters)


def look_at_transfer() -> pd.DataFrame:
    rows = []
    for name in TESTED:
        costs = costs_by_set(with_test(name))
        values, n = costs.to_numpy(), len(costs)
        rng, best = np.random.default_rng(0), values.mean(axis=0).argmin()
        for size in (k for k in CHOOSING if k < n):
            excess = np.full((DRAWS, n), np.nan)
            for draw in excess:
                order = rng.permutation(n)
                chosen, judged = order[:size], order[size:]
                mine = values[chosen].mean(axis=0).argmin()
                draw[judged] = values[judged, mine] - values[judged, best]
            each = np.nanmean(excess, axis=0)
            rows.append(row(name, f"{size} chosen", each, costs.index, log=True) | {"runs": DRAWS})
        own = values - values.min(axis=1, keepdims=True)
        rows.append(row(name, "one for all", own[:, best], costs.index, log=True) | {"runs": 1})
    return pd.DataFrame(rows)


def told_of_transfer(t: pd.DataFrame) -> str:
    parts = []
    for name in dict.fromkeys(t["where"]):
        part = t[(t["where"] == name) & t["what"].str.endswith("chosen")]
        parts.append(f"{name} " + ", ".join(
            f"{value(t, name, what)} from {what.split()[0]}" for what in part["what"]
        ))  # fmt: skip
    return (
        "The one patience that is best for all data sets of a corpus costs "
        f"{told(t, 'tabular-nets', 'one for all')} on tabular-nets and "
        f"{told(t, 'prechelt1997', 'one for all')} on prechelt1997 against the best of each data "
        "set (in "
        f"error, 1% of which is worth {WORTH}% of time). A patience that is chosen on some data "
        "sets costs "
        f"on the others, against that one, {'; '.join(parts)} data sets."
    )


def drawn_transfer(t: pd.DataFrame) -> Figure:
    panels = {f"{k} chosen": (f"extra cost, chosen on {k}", "change") for k in CHOOSING[:4]}
    return draw_estimates(t, panels)


# -- the rules of thumb of 1997 on newer curves ----------------------------------------------

#: the criteria of the study
OF_1997 = (
    *(f"GL({a})" for a in (1, 2, 3, 5)),
    *(f"PQ({a})" for a in (0.5, 0.75, 1, 2, 3)),
    *(f"UP({s})" for s in (2, 3, 4, 6, 8)),
)


def look_at_1997() -> pd.DataFrame:
    rows = []
    for name in TESTED:
        curves = with_test(name)
        clusters = facts_of(curves).clusters
        stops = replay(curves, OF_1997)
        means = {
            "time": cluster_means(pd.DataFrame(np.log(stops.stop)), clusters),
            "error": cluster_means(pd.DataFrame(np.log(stops.error("test"))), clusters),
        }
        # a row a data set and criterion
        points = pd.DataFrame({key: np.exp(mean.stack()) for key, mean in means.items()})
        slope = slopes(points.reset_index(), by="dataset", x="time", y="error")
        rows.append(row(name, "slope", slope, slope.index) | {"runs": len(curves)})
        swept = sweeps([FAMILIES[family] for family in ("GL", "PQ", "UP")], curves)
        tables = equal_time(replay_sweeps(curves, swept, error="test"), TIMES)
        for family, other in (("UP", "GL"), ("PQ", "GL"), ("UP", "PQ")):
            differ = (tables[family] - tables[other]).mean(axis=1).dropna()
            what = f"{family} against {other}"
            rows.append(row(name, what, differ, differ.index, log=True) | {"runs": len(curves)})
    return pd.DataFrame(rows)


#: times at which families are compared, as shares of the record
TIMES = np.geomspace(0.05, 0.5, 8)


def told_of_1997(t: pd.DataFrame) -> str:
    parts = [
        f"{name} slope {told(t, name, 'slope', 'number')}, UP against GL "
        f"{told(t, name, 'UP against GL', 'change')}, PQ against GL "
        f"{told(t, name, 'PQ against GL', 'change')}"
        for name in dict.fromkeys(t["where"])
    ]
    newer = [name for name in TESTED if name != "prechelt1997"]
    slower = [name for name in newer if at(t, name, "slope")["high"] < 0]
    verdict = (
        f"On newer curves, slower criteria have lower test error on {', '.join(slower)}"
        if slower
        else "On none of the newer corpora is it shown that slower criteria have lower test error"
    )
    return (
        "Slope of log test error on log time over the fourteen criteria, and test error at equal "
        "time: "
        f"{'; '.join(parts)}. {verdict}."
    )


def drawn_1997(t: pd.DataFrame) -> Figure:
    return draw_estimates(
        t,
        {
            "slope": ("slope of log error on log time", "number"),
            "UP against GL": ("test error of UP against GL", "change"),
            "PQ against GL": ("test error of PQ against GL", "change"),
            "UP against PQ": ("test error of UP against PQ", "change"),
        },
    )


# -- what default patiences cost -------------------------------------------------------------


def defaults() -> list[Criterion]:
    """Patience rules of libraries at the patience that the library has as its default."""
    found = []
    for name in patience_table()["rule"]:
        family = FAMILIES[name]
        try:
            found.append(family())
        except ValueError:  # it has no default
            continue
    # SpaCy counts steps, which are no checks
    return [
        rule
        for rule in found
        if rule.threshold and rule.family.name != "SpaCy" and rule.family.watches == ("val",)
    ]


def look_at_defaults() -> pd.DataFrame:
    rows = []
    for name in (*TESTED, *PUBLIC):
        # gluon has no test errors
        curves = usable(name) if name == "gluon" else with_test(name)
        # every rule counts checks, whatever the positions are
        curves = CurveSet(curves.table.drop_columns("epoch")) if curves.has("epoch") else curves
        clusters = facts_of(curves).clusters
        stops = replay(curves, defaults())
        seen = regrets(stops, curves)
        lost = np.log1p(seen.val) if name == "gluon" else against_the_end(stops, curves)
        for j, rule in enumerate(stops.criteria):
            rows += [
                row(name, f"{rule}: loss", lost[:, j], clusters, log=True),
                row(name, f"{rule}: time", np.log(seen.time[:, j]), clusters, log=True),
            ]
    table = pd.DataFrame(rows)
    times = table["what"].str.endswith("time")
    table.loc[times, ["value", "low", "high"]] += 1
    table.loc[times, "high"] = table.loc[times, "high"].clip(upper=1)
    return table


def told_of_defaults(t: pd.DataFrame) -> str:
    names = [*dict.fromkeys(t["where"])]
    parts = []
    for rule in (
        "HuggingFace(1)",
        "Lightning(3)",
        "Skorch(5)",
        "SklearnMLP(10)",
        "Ultralytics(50)",
    ):
        each = {name: at(t, name, f"{rule}: loss")["value"] for name in names}
        low, high = min(each, key=each.__getitem__), max(each, key=each.__getitem__)
        parts.append(
            f"{rule} from {value(t, low, f'{rule}: loss', 'change')} ({low}) to "
            f"{told(t, high, f'{rule}: loss', 'change')} ({high})"
        )
    return (
        "What a library's default patience costs against training to the end, in test error (on "
        "gluon in "
        f"validation error), over {len(names)} corpora: {'; '.join(parts)}. In time, "
        "HuggingFace(1) takes "
        f"{value(t, 'gluon', 'HuggingFace(1): time')} and SklearnMLP(10) "
        f"{value(t, 'gluon', 'SklearnMLP(10): time')} of the record on gluon. No default is right "
        "for all."
    )


def drawn_defaults(t: pd.DataFrame) -> Figure:
    rules = ("HuggingFace(1)", "Lightning(3)", "Skorch(5)", "SklearnMLP(10)")
    return draw_estimates(t, {f"{rule}: loss": (f"{rule}, error", "change") for rule in rules})


# -- how YOLO users stop ---------------------------------------------------------------------


def census() -> pd.DataFrame:
    """Statistics of public trainings, a row a run; ``cluster`` numbers the repositories."""
    table = pd.read_csv(copy_of("yolo_census") / "yolo_census.csv")
    return table.assign(cluster=table["cluster"].astype(str))


def look_at_yolo() -> pd.DataFrame:
    runs = census()
    clusters = pd.Index(runs["cluster"], name="repo")
    known = runs["patience_configured"].notna() & runs["epochs_configured"].notna()
    # a patience of 0 is off; a run of n epochs cannot wait for n
    off = (runs["patience_configured"] == 0) | (
        runs["patience_configured"] >= runs["epochs_configured"] - 1
    )
    parts = {
        "patience could never fire": (off[known], known),
        "stopped by patience": (runs["how_ended"] == "patience", None),
        "patience left at 50 or 100": (runs["patience_configured"].isin([50, 100])[known], known),
        "best in last tenth": (runs["best_at_share"] > 0.9, None),
        "new best in last tenth": (runs["new_best_in_last_tenth"] == 1, None),
    }
    rows = [
        row(
            "all runs",
            what,
            shares.astype(float),
            clusters if mask is None else clusters[mask],
            within=SHARE,
        )
        for what, (shares, mask) in parts.items()
    ]
    for patience in (10, 20, 50):
        lost = runs[f"p{patience}_regret_rel"].fillna(0)
        saved = runs[f"p{patience}_saved_share"].fillna(0)
        rows += [
            row("all runs", f"regret of patience {patience}", lost, clusters, within=SHARE),
            row("all runs", f"saved by patience {patience}", saved, clusters, within=SHARE),
        ]
    return pd.DataFrame(rows)


def told_of_yolo(t: pd.DataFrame) -> str:
    def said(what: str) -> str:
        return told(t, "all runs", what)

    return (
        f"Of {at(t, 'all runs', 'best in last tenth')['runs']} public YOLO runs in "
        f"{at(t, 'all runs', 'best in last tenth')['clusters']} repositories, "
        f"{said('stopped by patience')} were stopped by their patience; where the setting is "
        "known, it "
        f"could never have fired in {said('patience could never fire')}. The best fitness lies in "
        "the last "
        f"tenth of {said('best in last tenth')} of the runs. A patience of 10 would have saved "
        f"{said('saved by patience 10')} of the epochs for {said('regret of patience 10')} of the "
        "best "
        f"fitness, one of 50 {said('saved by patience 50')} for {said('regret of patience 50')}."
    )


def drawn_yolo(t: pd.DataFrame) -> Figure:
    return draw_estimates(
        t.assign(where=t["what"], what="share"),
        {"share": ("share of runs, of fitness or of epochs", "share")},
    )
