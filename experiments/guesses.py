"""What people guess about stopping, and what recorded runs say.

    python -m experiments.guesses

looks at every fact again, writes ``data/studies/guesses.csv`` and makes ``docs/guesses.md`` and
``figures/guesses.png`` of it; ``--page`` only makes these two. The guesses are from memory, by
people who know the field, each written down before anyone looked. Some facts have a first look,
made by others with other code, which the rows here confirm or do not. The corpora of MLPerf take
two minutes to read.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from typing import NamedTuple

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from earlystop_lab import GL, CurveSet, Keras, replay
from earlystop_lab._common.files import written_text
from earlystop_lab._common.wording import counted, spoken
from earlystop_lab.curves import FloatArray, facts_of
from earlystop_lab.measures.hindsight import regrets
from earlystop_lab.report.as_tables import as_markdown
from earlystop_lab.report.plots import drawn, save
from earlystop_lab.report.style import look
from earlystop_lab.studies.shapes import minima
from experiments import check_spacing
from experiments.short_studies import SHARE, against_the_end, census, usable, with_test
from experiments.studies import (
    ROOT,
    STUDIES,
    WRITTEN,
    Row,
    copy_of,
    corpus,
    row,
    study,
    told,
    written_csv,
)

PAGE = ROOT / "docs" / "guesses.md"
#: a guess is near if it is off by at most this share of what is, or by next to nothing, or
#: if it lies in the interval and is off by at most half
NEAR, NOTHING, INSIDE = 0.2, 0.0005, 0.5


class Guess(NamedTuple):
    """A fact that was guessed."""

    #: corpus, and the fact as ``what`` of its row
    source: str
    what: str
    #: how it is written, see :data:`experiments.studies.WRITTEN`
    kind: str
    guess: float
    #: what a first look of others found; NaN if there was none
    first: float
    means: str


_NONE = float("nan")
_TARGET = "a run that pauses is not a run that has ended; patience has to be longer than a pause"
_SCHEDULE = "where the learning rate falls late, the gain comes late: do not stop before it"
_EVALS = "evaluations of few episodes are noisy: wait for many, or watch a smoothed score"

_CLOSE = "runs whose lowest test error is within 10% of the epoch of the lowest validation error"

GUESSES = (
    Guess(
        "mlperf-scores",
        "U-Net3D runs that reached their target, killed by a patience of 10",
        "share",
        0.70,
        0.89,
        _TARGET,
    ),
    Guess(
        "mlperf-scores",
        "U-Net3D runs that reached their target, killed by a patience of 20",
        "share",
        0.30,
        0.52,
        _TARGET,
    ),
    Guess(
        "mlperf-losses",
        "flux1 runs that reached their target, killed by a patience of 1",
        "share",
        0.08,
        0.99,
        _TARGET,
    ),
    Guess(
        "mlperf-scores",
        "gnn runs that reached their target, killed by a patience of 1",
        "share",
        0.35,
        0.86,
        _TARGET,
    ),
    Guess(
        "mlperf-scores",
        "rgat runs that reached their target, killed by a patience of 1",
        "share",
        0.35,
        0.76,
        _TARGET,
    ),
    Guess(
        "mlperf-scores",
        "bert runs that reached their target, killed by a patience of 1",
        "share",
        0.30,
        _NONE,
        _TARGET,
    ),
    Guess(
        "mlperf-scores",
        "U-Net3D: longest over shortest training to the target, same system and settings",
        "factor",
        4.0,
        8.9,
        "one run says little about how long the next one takes; budgets need a wide margin",
    ),
    Guess(
        "mlperf-scores",
        "U-Net3D: the same in checks, which begin late",
        "factor",
        4.0,
        8.9,
        "one run says little about how long the next one takes; budgets need a wide margin",
    ),
    Guess(
        "gluon",
        "ImageNet schedules that a patience of 5 stops",
        "share",
        0.60,
        0.88,
        _SCHEDULE,
    ),
    Guess(
        "gluon",
        "accuracy that a patience of 5 loses on ImageNet schedules (points)",
        "points",
        0.12,
        0.187,
        _SCHEDULE,
    ),
    Guess(
        "gluon",
        "text CNNs: last validation loss over the lowest",
        "change",
        1.20,
        0.19,
        "a rising loss and an accuracy that stays are no contradiction: decide by what you report",
    ),
    Guess(
        "gluon",
        "text CNNs: last validation accuracy against that at the lowest loss (points)",
        "points",
        0.0,
        0.0,
        "a rising loss and an accuracy that stays are no contradiction: decide by what you report",
    ),
    Guess(
        "rl-evaluations",
        "range of a run's returns that a patience of 10 loses",
        "share",
        0.12,
        0.36,
        _EVALS,
    ),
    Guess(
        "rl-evaluations",
        "range of a run's returns between its best and last evaluation",
        "share",
        0.10,
        _NONE,
        "keep the best checkpoint, and evaluate it again before you report it",
    ),
    Guess(
        "modern-nets",
        "test error of the best of every fifth check against the best of all",
        "change",
        0.005,
        0.087,
        "on small noisy nets, checking is cheap and skipping it is not",
    ),
    Guess(
        "modern-nets",
        "test error at the last epoch against the lowest validation error",
        "change",
        0.10,
        _NONE,
        "what restoring the best weights is worth",
    ),
    Guess(
        "boosting",
        "validation regret of a patience of 20",
        "share",
        0.002,
        0.022,
        "validation regret is no price: see the test error",
    ),
    Guess(
        "boosting",
        "test error of a patience of 20 against training to the end",
        "change",
        -0.010,
        -0.005,
        "stopping early costs nothing here and saves most rounds",
    ),
    Guess(
        "boosting",
        "test error of a patience of 20 against one of 10",
        "change",
        -0.005,
        _NONE,
        "beyond ten rounds, more patience buys little on small tables",
    ),
    Guess(
        "boosting",
        "time of a patience of 20 over that of one of 10",
        "factor",
        1.3,
        _NONE,
        "beyond ten rounds, more patience buys little on small tables",
    ),
    Guess(
        "yolo",
        "public YOLO runs whose patience could never fire",
        "share",
        0.70,
        0.60,
        "set epochs well above the patience, or the patience well below the epochs",
    ),
    Guess(
        "yolo",
        "best fitness that a patience of 10 loses in public YOLO runs",
        "share",
        0.015,
        0.083,
        "a patience of 10 is too short for detection; 50 costs a tenth of that",
    ),
    Guess(
        "yolo",
        "public YOLO runs with their best fitness in the last tenth",
        "share",
        0.40,
        _NONE,
        "most were still improving: they were too short, not too long",
    ),
    Guess(
        "prechelt1997",
        _CLOSE,
        "share",
        0.40,
        _NONE,
        "the right epoch for the validation set is not the right one for new data; errors agree, "
        "epochs do not",
    ),
    Guess(
        "prechelt1997",
        "runs whose first local minimum is the lowest error",
        "share",
        0.05,
        _NONE,
        "never stop at the first rise",
    ),
    Guess(
        "prechelt1997",
        "runs that GL(5) stops before their lowest validation error",
        "share",
        0.50,
        _NONE,
        "a rise of 5% is often not the end",
    ),
    Guess(
        "prechelt1997",
        "share of the record that a patience of 1 trains",
        "share",
        0.01,
        _NONE,
        "a patience of 1 measures the noise of the first epochs",
    ),
    Guess(
        "prechelt1997",
        "rank correlation of validation and test regret, patience 10",
        "number",
        0.6,
        _NONE,
        "validation regret ranks runs only roughly",
    ),
    Guess(
        "taskset",
        "runs that a patience of 10 (of 51 evaluations) stops",
        "share",
        0.45,
        _NONE,
        "what a short record hides: it may be the record that is short",
    ),
    Guess(
        "lcbench-surrogate",
        "runs whose best epochs by loss and by accuracy differ by more than 5 of 52",
        "share",
        0.40,
        _NONE,
        "choose the monitor with care: they stop at different times",
    ),
    Guess(
        "nanogpt-speedruns",
        "checks at which the validation loss is above the one before",
        "share",
        0.10,
        _NONE,
        "large batches and schedules leave almost no noise: even short patience is safe, and "
        "useless",
    ),
    Guess(
        "tabular-nets",
        "later over earlier best epoch of two seeds, same settings",
        "factor",
        1.5,
        _NONE,
        "a best epoch from one run is no budget for the next",
    ),
    Guess(
        "algoperf",
        "share of the time of fastmri runs that is spent on evaluation",
        "share",
        0.20,
        _NONE,
        "count evaluation in: checking less often may save more than stopping",
    ),
)


# -- looking ---------------------------------------------------------------------------------


def killed(name: str, benchmark: str, patience: int) -> tuple[FloatArray, pd.Index]:
    """Which runs that reached their target would have stopped before; clusters are systems."""
    curves, systems = reached(name, benchmark)
    stops = replay(curves, [Keras(patience)])
    return (stops.stop[:, 0] < facts_of(curves).last).astype(float), systems


def reached(name: str, benchmark: str) -> tuple[CurveSet, pd.Index]:
    curves = corpus(name)
    facts = facts_of(curves)
    mine = (curves.meta["benchmark"] == benchmark).to_numpy()
    curves = curves.select(mine & facts.at_target & ~facts.copies & facts.measurable())
    about = curves.meta
    systems = about["round"] + "/" + about["submitter"] + "/" + about["system"]
    return curves, pd.Index(systems, name="system")


def look_at_mlperf() -> list[Row]:
    rows = []
    for name, benchmark, words, patience in (
        ("mlperf-scores", "unet3d", "U-Net3D", 10),
        ("mlperf-scores", "unet3d", "U-Net3D", 20),
        ("mlperf-losses", "flux1", "flux1", 1),
        ("mlperf-scores", "gnn", "gnn", 1),
        ("mlperf-scores", "rgat", "rgat", 1),
        ("mlperf-scores", "bert", "bert", 1),
    ):
        what = f"{words} runs that reached their target, killed by a patience of {patience}"
        rows.append(row(name, what, *killed(name, benchmark, patience), within=SHARE))
    curves, systems = reached("mlperf-scores", "unet3d")
    last = pd.Series(np.log(facts_of(curves).last)).groupby(systems.to_numpy())
    spread = (last.max() - last.min())[last.size() > 1]
    what = "U-Net3D: longest over shortest training to the target, same system and settings"
    found = row("mlperf-scores", what, spread, pd.Index(spread.index, name="system"))
    rows.append(factor(found) | {"runs": len(curves)})
    checks = pd.Series(np.log(facts_of(curves).counts("val"))).groupby(systems.to_numpy())
    spread = (checks.max() - checks.min())[checks.size() > 1]
    what = "U-Net3D: the same in checks, which begin late"
    found = row("mlperf-scores", what, spread, pd.Index(spread.index, name="system"))
    return [*rows, factor(found) | {"runs": len(curves)}]


def factor(found: Row) -> Row:
    """The same row with exp of its value and interval."""
    return found | {key: np.exp(found[key]) for key in ("value", "low", "high")}


def look_at_gluon() -> list[Row]:
    gluon = corpus("gluon")
    about, facts = gluon.meta, facts_of(gluon)
    # errors are shares of the validation images
    nets = gluon.select((about["family"] == "imagenet").to_numpy() & facts.measurable())
    stops = replay(nets, [Keras(5)])
    lost = stops.val[:, 0] - facts_of(nets).lowest("val").value
    models = pd.Index(nets.runs, name="run")
    early = (stops.stop[:, 0] < facts_of(nets).last).astype(float)
    texts = gluon.select(
        (about["family"] == "sentiment_cnn").to_numpy()
        & facts.measurable()
        & (facts.counts("val") >= 50)
        & facts.measured_with("val_score", "val")
    )
    clusters = facts_of(texts).clusters
    low = facts_of(texts).lowest("val")
    end = np.array([curve.val[-1] for curve in texts])
    at_low = texts.at("val_score", low.row[:, None].astype(np.int32))[:, 0]
    at_end = np.array([curve["val_score"][-1] for curve in texts])
    what = "text CNNs: last validation accuracy against that at the lowest loss (points)"
    return [
        row("gluon", "ImageNet schedules that a patience of 5 stops", early, models, within=SHARE),
        row(
            "gluon",
            "accuracy that a patience of 5 loses on ImageNet schedules (points)",
            lost,
            models,
            within=SHARE,
        ),
        row(
            "gluon",
            "text CNNs: last validation loss over the lowest",
            np.log(end / low.value),
            clusters,
            log=True,
        ),
        row("gluon", what, at_end - at_low, clusters),
    ]


def look_at_returns() -> list[Row]:
    curves = corpus("rl-evaluations")
    facts = facts_of(curves)
    curves = curves.select(facts.measurable() & (facts.counts("val") >= 20) & ~facts.copies)
    stops = replay(curves, [Keras(10)])
    spread = np.array([np.ptp(curve.val[curve.measured("val")]) for curve in curves])
    last = np.array([curve.val[curve.measured("val")][-1] for curve in curves])
    varied = spread > 0
    best = -facts_of(curves).lowest("val").value
    clusters = facts_of(curves).clusters[varied]
    share = (
        (best - stops.val[:, 0])[varied] / spread[varied],
        (best - last)[varied] / spread[varied],
    )
    return [
        row("rl-evaluations", what, lost, clusters, within=SHARE)
        for what, lost in zip(
            (
                "range of a run's returns that a patience of 10 loses",
                "range of a run's returns between its best and last evaluation",
            ),
            share,
            strict=True,
        )
    ]


def look_at_nets() -> list[Row]:
    spaced = check_spacing.cost("modern-nets", corpus("modern-nets")).set_index("every").loc[5]
    what = "test error of the best of every fifth check against the best of all"
    nets = with_test("modern-nets")
    clusters = facts_of(nets).clusters
    # the last check as kept, negated: against the lowest
    last = np.log([curve.test[-1] / curve.test[curve.val.argmin()] for curve in nets])
    trained = usable("tabular-nets")
    about = trained.meta
    settings = [name for name in about.columns if name not in ("run", "seed")]
    epochs = pd.Series(np.log(facts_of(trained).lowest("val").epoch))
    pairs = epochs.groupby([about[name].fillna("none") for name in settings])
    apart = (pairs.max() - pairs.min())[pairs.size() == 2].reset_index()
    found = row(
        "tabular-nets",
        "later over earlier best epoch of two seeds, same settings",
        apart[0],
        pd.Index(apart["dataset"], name="dataset"),
    )
    return [
        {
            "where": "modern-nets",
            "what": what,
            **spaced[["estimate", "low", "high", "unit", "clusters", "runs"]]
            .rename({"estimate": "value"})
            .to_dict(),
        },
        row(
            "modern-nets",
            "test error at the last epoch against the lowest validation error",
            last,
            clusters,
            log=True,
        ),
        factor(found) | {"runs": len(trained)},
    ]


def look_at_boosting() -> list[Row]:
    curves = with_test("boosting")
    clusters = facts_of(curves).clusters
    stops = replay(curves, [Keras(10), Keras(20)])
    lost, paid = np.log1p(regrets(stops, curves).val), against_the_end(stops, curves)
    longer = row(
        "boosting",
        "time of a patience of 20 over that of one of 10",
        np.log(stops.stop[:, 1] / stops.stop[:, 0]),
        clusters,
    )
    return [
        row(
            "boosting",
            "validation regret of a patience of 20",
            lost[:, 1],
            clusters,
            log=True,
            within=(0, np.inf),
        ),
        row(
            "boosting",
            "test error of a patience of 20 against training to the end",
            paid[:, 1],
            clusters,
            log=True,
        ),
        row(
            "boosting",
            "test error of a patience of 20 against one of 10",
            paid[:, 1] - paid[:, 0],
            clusters,
            log=True,
        ),
        factor(longer),
    ]


def look_at_yolo() -> list[Row]:
    runs = census()
    where = pd.Index(runs["cluster"], name="repo")
    known = runs["patience_configured"].notna() & runs["epochs_configured"].notna()
    waits, epochs = runs["patience_configured"], runs["epochs_configured"]
    never = ((waits == 0) | (waits >= epochs - 1)).astype(float)
    late, lost = (runs["best_at_share"] > 0.9).astype(float), runs["p10_regret_rel"].fillna(0)
    return [
        row("yolo", "public YOLO runs whose patience could never fire", never[known], where[known]),
        row("yolo", "best fitness that a patience of 10 loses in public YOLO runs", lost, where),
        row("yolo", "public YOLO runs with their best fitness in the last tenth", late, where),
    ]


def look_at_prechelt() -> list[Row]:
    name = "prechelt1997"
    curves = with_test(name)
    facts = facts_of(curves)
    clusters = facts.clusters
    val, test = facts.lowest("val"), facts.lowest("test")
    close = np.abs(test.epoch / val.epoch - 1) <= 0.1
    found = minima(curves)
    first = (found["first_at"] == found["lowest_at"]).to_numpy(float)
    stops = replay(curves, [GL(5), Keras(1), Keras(10)])
    early = (stops.stop[:, 0] < val.epoch).astype(float)
    seen = regrets(stops, curves)
    ranks = pd.DataFrame({"val": seen.val[:, 2], "test": seen.test[:, 2], "set": clusters})
    alike = ranks.groupby("set").apply(
        lambda part: part["val"].corr(part["test"], method="spearman"), include_groups=False
    )
    whats = {
        _CLOSE: close,
        "runs whose first local minimum is the lowest error": first,
        "runs that GL(5) stops before their lowest validation error": early,
    }
    trained = row(
        name, "share of the record that a patience of 1 trains", np.log(seen.time[:, 1]), clusters
    )
    related = row(
        name,
        "rank correlation of validation and test regret, patience 10",
        alike,
        pd.Index(alike.index, name="dataset"),
        within=(-1, 1),
    )
    return [
        *(
            row(name, what, share.astype(float), clusters, within=SHARE)
            for what, share in whats.items()
        ),
        factor(trained),
        related | {"runs": len(curves)},
    ]


def look_at_others() -> list[Row]:
    taskset = usable("taskset")
    fired = replay(taskset, [Keras(10)]).fired[:, 0].astype(float)
    lcbench = corpus("lcbench-surrogate")
    facts = facts_of(lcbench)
    apart = np.abs(facts.lowest("val").epoch - facts.lowest("val_accuracy").epoch) > 5
    speed = corpus("nanogpt-speedruns")
    known = facts_of(speed)
    speed = speed.select(known.measurable() & (known.counts("val") >= 10) & ~known.copies)
    rising = np.array([(np.diff(curve.val[curve.measured("val")]) > 0).mean() for curve in speed])
    raw = sorted((copy_of("algoperf") / "raw").rglob("fastmri*/**/eval_measurements.csv"))
    last = [pd.read_csv(file).iloc[-1] for file in raw]
    spent = [
        each["accumulated_eval_time"]
        / (each["accumulated_eval_time"] + each["accumulated_submission_time"])
        for each in last
    ]
    return [
        row(
            "taskset",
            "runs that a patience of 10 (of 51 evaluations) stops",
            fired,
            facts_of(taskset).clusters,
        ),
        row(
            "lcbench-surrogate",
            "runs whose best epochs by loss and by accuracy differ by more than 5 of 52",
            apart.astype(float),
            facts.clusters,
            within=SHARE,
        ),
        row(
            "nanogpt-speedruns",
            "checks at which the validation loss is above the one before",
            rising,
            pd.Index(speed.meta["record"], name="record"),
            within=SHARE,
        ),
        row(
            "algoperf",
            "share of the time of fastmri runs that is spent on evaluation",
            spent,
            pd.Index([str(file) for file in raw], name="run"),
        ),
    ]


LOOKS: tuple[Callable[[], list[Row]], ...] = (
    look_at_mlperf,
    look_at_gluon,
    look_at_returns,
    look_at_nets,
    look_at_boosting,
    look_at_yolo,
    look_at_prechelt,
    look_at_others,
)


# -- telling ---------------------------------------------------------------------------------


def near(found: pd.Series, said: float) -> bool:
    """Whether what was said lies in the interval, or is off by little.

    >>> one = pd.Series({"value": 0.9, "low": 0.7, "high": 0.95})
    >>> near(one, 0.8), near(one, 0.5)
    (True, False)
    """
    off, size = abs(said - found["value"]), abs(found["value"])
    inside = found["low"] <= said <= found["high"]
    return bool(off <= max(NEAR * size, NOTHING) or (inside and off <= INSIDE * size))


def page() -> str:
    """The page, from the table of ``data/studies``."""
    table = study("guesses").set_index(["where", "what"])
    missed: list[str] = []
    hit: list[str] = []
    for each in GUESSES:
        found = table.loc[(each.source, each.what)]
        write = WRITTEN[each.kind]
        first = ""
        if not np.isnan(each.first):
            first = f"{write(each.first)}, {'' if near(found, each.first) else 'not '}confirmed"
        units = "" if found["unit"] == "run" else f", {_counted(found)}"
        cells = (
            each.what,
            write(each.guess),
            told(table.reset_index(), each.source, each.what, each.kind),
            first,
            f"{each.source}: {counted(int(found['runs']), 'run')}{units}",
            each.means,
        )
        line = f"| {' | '.join(as_markdown(cell) for cell in cells)} |"
        (hit if near(found, each.guess) else missed).append(line)
    heads = ("fact", "guess", "what is", "first look", "source", "what it means for you")
    head = [f"| {' | '.join(heads)} |", "|" + "---|" * len(heads)]
    return "\n".join(
        [
            "# What people guess, and what is\n",
            "Generated by `python -m experiments.guesses --page` from `data/studies/guesses.csv`, "
            "which `python -m experiments.guesses` makes from the corpora. Each guess was made "
            "from memory, before its number was computed. Brackets are "
            "95% intervals over the units of the source; runs of one data set are alike, so that "
            "an interval over runs or systems holds for that data set only. A first look was made "
            "earlier with other code. A guess or a first look is near if it is off by at most "
            f"{NEAR:.0%}, or lies in the interval and is off by at most {INSIDE:.0%}; these "
            "limits were set with the table in sight.\n",
            "```{figure} ../figures/guesses.png\n"
            ":alt: What is over what was guessed, for every fact\n\n"
            "What is over what was guessed, by source; lines are the intervals, an arrow an end "
            "beyond the axis, a hollow point has none. The fact whose guess was zero is left out. "
            "`python -m experiments.guesses --page` draws it.\n```\n",
            f"## Missed: {len(missed)}\n",
            *head,
            *missed,
            f"\n## Near: {len(hit)}\n",
            *head,
            *hit,
            "",
        ]
    )


def draw(table: pd.DataFrame) -> Figure:
    """A row a fact: what is over what was guessed, on a logarithmic axis."""
    rows = table.set_index(["where", "what"])
    shown = [each for each in GUESSES if each.guess]
    sources = list(dict.fromkeys(each.source for each in shown))
    figure, axes = plt.subplots(
        len(sources),
        1,
        figsize=(plt.rcParams["figure.figsize"][0], 0.2 * len(shown) + 0.12 * len(sources) + 0.5),
        sharex=True,
        height_ratios=[sum(e.source == s for e in shown) + 0.3 for s in sources],
        layout="constrained",
        squeeze=False,
    )
    colour, ends = look("GL").colour, (1 / 32, 32)
    for ax, source in zip(axes[:, 0], sources, strict=True):
        facts = [each for each in shown if each.source == source]
        for y, each in enumerate(facts):
            found = rows.loc[(each.source, each.what)]
            value, *bounds = (found[["value", "low", "high"]].to_numpy(float) / each.guess).clip(
                *ends
            )
            known = np.isfinite(found[["low", "high"]].to_numpy(float)).all()
            if known:
                ax.plot(sorted(bounds), [y, y], color=colour, lw=1)
                for end, mark in zip(ends, "<>", strict=True):
                    if end in bounds:
                        ax.plot(end, y, mark, color=colour, ms=3)
            ax.plot(value, y, "o", color=colour, ms=3.5, mfc=colour if known else "white")
            write = WRITTEN[each.kind]
            ax.annotate(
                f"{write(each.guess)} \N{RIGHTWARDS ARROW} {write(found['value'])}",
                (1.02, y),
                xycoords=("axes fraction", "data"),
                va="center",
                fontsize="small",
            )
        ax.axvline(1, color="0.8", lw=0.6, zorder=0)
        ax.set(xscale="log", xlim=ends, ylim=(len(facts) - 0.4, -0.6))
        ax.set_yticks(range(len(facts)), [each.what for each in facts], fontsize="small")
        ax.tick_params(axis="y", length=0)
        ax.set_title(source, fontsize="small", loc="left", pad=2)
        ax.xaxis.set_major_locator(FixedLocator([1 / 16, 1 / 4, 1, 4, 16]))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(
            FuncFormatter(
                lambda x, _: f"{x:g}\N{MULTIPLICATION SIGN}" if x >= 1 else f"1/{1 / x:g}"
            )
        )
    axes[-1, 0].set_xlabel("what is, over what was guessed")
    return figure


def _counted(found: pd.Series) -> str:
    return counted(int(found["clusters"]), spoken(found["unit"]))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description="What people guess, and what is.")
    parser.add_argument("--page", action="store_true", help="only make the page")
    if not parser.parse_args(arguments).page:
        try:
            rows = [found for look in LOOKS for found in look()]
        except FileNotFoundError as error:
            print(f"guesses: left as they are: {error}", file=sys.stderr)
        else:
            written_csv(STUDIES / "guesses.csv", pd.DataFrame(rows))
    matplotlib.use("agg")
    with drawn("paper", "page"):
        save(draw(study("guesses")), ROOT / "figures" / "guesses.png")
    written_text(PAGE, page())


if __name__ == "__main__":
    main()
