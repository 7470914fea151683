"""A comparison -> one HTML page: its text, tables and charts in a template."""

from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

import altair as alt
import jinja2
import numpy as np
import pandas as pd
import vl_convert
from altair.utils.schemapi import debug_mode
from markupsafe import Markup

from earlystop_lab._common.progress import followed
from earlystop_lab._common.wording import signed, spoken
from earlystop_lab.inference.bootstrap import FEWEST_CLUSTERS
from earlystop_lab.report import charts
from earlystop_lab.report.as_tables import is_of_numbers
from earlystop_lab.report.comparison import SHOWN, numbers_of, table, what_differs, words_of
from earlystop_lab.report.embedding import JSON, embedded, embedded_size
from earlystop_lab.report.explorer import explored, packed
from earlystop_lab.report.forest import forest_of
from earlystop_lab.report.messages import quality, said
from earlystop_lab.studies.comparison import Bench, OnCorpus, processes_for
from earlystop_lab.studies.kept import Kept

#: maximum number of bytes of a page; runs of the explorer fill what the rest leaves
MOST = 9_900_000
#: maximum number of columns of a table that has one column per data set
WIDEST = 40
_HERE = Path(__file__).parent
#: where the explorer's data are filled in; all words of the page are escaped
_HOLE = Markup("<!-- explorer -->")

TERMS = {
    "Run, problem, data set, corpus": (
        "A run is one recorded training run, from its start to its end, on one problem. Problems "
        "that were made from one data set, and their runs, are not independent, so we average "
        "and bootstrap over data sets. A corpus is a set of recorded runs."
    ),
    "Time": (
        "The epoch (or step, round, or other unit of the positions) at which a rule stops a run, "
        "as a share of the last recorded one."
    ),
    "Regret": (
        "How far the error of the selected weights is above the lowest error of the whole run, "
        "relative to it: 1% means 1.01 times the lowest. If the error was still falling at the end "
        "of the run, regret is a lower bound. For scores (higher is better), regret is the share "
        "of the best score that was lost."
    ),
    "Sweep, front": (
        "A sweep is a rule over the whole range of its thresholds, from stopping at once to never "
        "stopping. Its front consists of the thresholds that no other is both faster and better "
        "than."
    ),
    "Equal time": (
        "Rules are compared where they take the same time on average; between two thresholds, a "
        "rule takes a given time as a mixture of both. Otherwise a slower rule would look better."
    ),
    "p": (
        "The probability of a difference at least as large, relative to its standard error, if the "
        "mean difference were 0, from bootstrap resamples of the data sets (symmetric "
        "bootstrap-t), adjusted for all known rules."
    ),
    "Would be shown": (
        "The advantage that four of five studies with as many data sets and as much spread between "
        "them would declare, after adjustment."
    ),
    "Of attainable": (
        "What a rule gains in cost (log error, and log time at the given exchange rate) over "
        "stopping all runs at the same check, as a share of what the best causal stopping that was "
        "found gains: a policy fitted on other runs, or one of these rules. Thresholds are chosen "
        "on the other data sets."
    ),
}


@debug_mode(False)  # charts are not validated each time; see charts
def page_of(bench: Bench, kept: Kept, n_jobs: int) -> str:
    """See :func:`report.page`."""
    jobs = processes_for([found.curves for found in bench.corpora], n_jobs)
    # other processes begin
    runs = packed(bench.corpora, bench.restore, kept, jobs)
    words, sections, drawn = words_of(bench), [], []
    for i, found in enumerate(bench.corpora):
        sentences = [*words.found[i], *words.rests[i]]
        sections.append(_section(f"corpus-{i}", found, sentences, bench.rule))
        drawn += _drawn(f"corpus-{i}", found, bench.rule)
    units = {found.counted_in for found in bench.corpora}
    unit = units.pop() if len(units) == 1 else "position"
    measured = sorted({_kept(found).split()[-1] for found in bench.corpora})
    data = {"options": charts.options(), "charts": drawn}
    explorer: dict[str, Any] = {
        "floor": charts.FLOOR,
        "charts": {
            "run-curves": charts.run_curves(unit, " or ".join(measured)),
            "run-statistic": charts.run_statistic(unit),
            "run-front": charts.run_front(bench.rule),
        },
        "corpora": [],
    }
    shown: dict[str, Any] = {
        "rule": bench.rule,
        "question": words.question,
        "answer": words.answer,
        "forest": None,
        "all": None,
        "sections": sections,
        "captions": EXPLORER,
        "marks": MARKS,
        "terms": TERMS,
        "version": version("earlystop_lab"),
        "css": Markup((_HERE / "page.css").read_text("utf-8")),
        "js": Markup((_HERE / "page.js").read_text("utf-8")),
        "bundle": Markup(_bundle(kept)),
    }
    if bench.pooled is not None:
        differ = sorted({what_differs(found) for found in bench.corpora})
        shown["all"] = _compared(bench.pooled, differ, bench.rule)
        shown["forest"] = _forest(bench.pooled, differ, bench.rule)
    elif len(bench.corpora) == 1:
        (only,) = bench.corpora
        shown["forest"] = _forest(only.comparisons, [what_differs(only)], bench.rule)
    before, after = _template().render(shown, data=data, explorer=_HOLE).split(_HOLE)
    room = MOST - len(f"{before}{after}".encode()) - embedded_size(explorer)
    done = followed(runs, "page", len(bench.corpora), "corpora")
    for i, (found, its_runs) in enumerate(zip(bench.corpora, done, strict=True)):
        # what one corpus leaves unused is available to the others
        part = explored(found, its_runs, room // (len(bench.corpora) - i))
        names = {"what": numbers_of(found)["what"], "kept": _kept(found), "unit": found.counted_in}
        one = {"name": found.corpus, **names, **part}
        room -= embedded_size(one)
        explorer["corpora"].append(one)
    return f"{before}{embedded(explorer)}{after}"


def _kept(found: OnCorpus) -> str:
    """What the explorer shows for the selected weights."""
    return quality("val", found.curves.about("val").direction)


def _template() -> jinja2.Template:
    made = jinja2.Environment(
        loader=jinja2.FileSystemLoader(_HERE),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.policies["json.dumps_kwargs"] = JSON
    return made.get_template("page.html")


def _bundle(kept: Kept) -> str:
    """Vega, Vega-Lite and Vega-Embed in one script, escaped so that it cannot end its element."""
    # the version of Vega-Lite that Altair writes: 6.4 for v6.4.1
    major, minor = alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2]
    vega_lite = f"{major}.{minor}"
    found = kept.arrays(
        ["script of the page", vega_lite, version("vl-convert-python")],
        lambda: {"script": np.frombuffer(_javascript(vega_lite).encode(), np.uint8)},
    )
    return found["script"].tobytes().decode()


@cache
def _javascript(vega_lite: str) -> str:
    script: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed", vega_lite)
    return script.replace("</script", "<\\/script").replace("<!--", "<\\!--")


# -- a corpus ------------------------------------------------------------------------------


def _drawn(prefix: str, found: OnCorpus, new: str) -> list[dict[str, Any]]:
    criteria = found.front[found.front["chosen"]].set_index("rule")["criterion"]
    shown = [criteria[name] for name in (new, *SHOWN) if name in criteria]
    made = {
        "front": charts.front(found, new),
        "differences": charts.differences(found, new),
        "within": charts.profile(
            found.regret_profile[shown],
            "regret of at most",
            f"Share of runs within a given regret, on {found.corpus}",
        ),
        "spent": charts.profile(
            found.time_profile[shown],
            "time spent, as a share of the full run",
            f"Share of runs stopped with a regret of at most 1% by a given time, on {found.corpus}",
        ),
    }
    if len(found.ranks):
        made["ranks"] = charts.ranks(found, new)
    return [{"id": f"{prefix}-{name}", **each._asdict()} for name, each in made.items()]


def _section(id_: str, found: OnCorpus, sentences: list[str], new: str) -> dict[str, Any]:
    numbers = {**numbers_of(found), "rule": new}
    return {
        **numbers,
        "id": id_,
        "words": sentences,
        "captions": _captions(found, numbers),
        "tables": {
            "comparisons": _compared(found.comparisons, [what_differs(found)], new),
            "problems": _problems(found, numbers) if len(found.by_cluster) <= WIDEST else None,
            "ranks": _ranks(found, numbers) if len(found.ranks) else None,
        },
    }


def _captions(found: OnCorpus, numbers: Mapping[str, Any]) -> dict[str, str]:
    enough = len(found.by_cluster) >= FEWEST_CLUSTERS
    parts = {
        "averaged": "page.averaged_runs" if found.unit == "run" else "page.averaged",
        "band": "page.band" if enough else "page.no_band",
        "interval": "page.interval" if enough else "page.no_interval",
        "chosen": "page.chosen",
    }
    words = {name: said(what, numbers) for name, what in parts.items()}
    words["floor"] = f"{100 * charts.floor(found):.2g}%"
    captions = {
        "front": "page.front",
        "differences": "page.differences",
        "within": "page.within",
        "spent": "page.spent",
        "ranks": "page.ranks",
    }
    return {name: said(what, {**numbers, **words}) for name, what in captions.items()}


def _ranks(found: OnCorpus, numbers: Mapping[str, Any]) -> dict[str, Any]:
    ordered = found.ranks.sort_values(list(found.ranks.columns), kind="stable")
    return {
        "caption": said("page.rank_table", numbers),
        "columns": ["rule", *(f"at {float(time):.0%} of the time" for time in ordered.columns)],
        "numbers": [False, *[True] * len(ordered.columns)],
        "rows": [
            [str(rule), *("" if np.isnan(v) else f"{v:.1f}" for v in row)]
            for rule, row in zip(ordered.index, ordered.to_numpy(float), strict=True)
        ],
    }


def _problems(found: OnCorpus, numbers: Mapping[str, Any]) -> dict[str, Any]:
    """One row per known rule, one column per data set; larger differences have stronger tints."""
    order = found.comparisons.sort_values("difference", kind="stable")["rule"]
    shares = np.expm1(found.by_cluster[list(order)].T.to_numpy(float))
    finite = np.abs(shares[np.isfinite(shares)])
    # a few extreme values would leave all others pale
    full = float(np.quantile(finite, 0.9)) if finite.size else 0.0

    def cell(value: float) -> dict[str, Any]:
        tint = round(min(abs(value) / full, 1), 2) if full and not np.isnan(value) else 0
        return {"text": "" if np.isnan(value) else signed(value), "share": tint, "good": value < 0}

    return {
        "caption": said("page.problem_table", numbers),
        "columns": ["known rule", *map(str, found.by_cluster.index)],
        "numbers": [False, *[True] * len(found.by_cluster)],
        "rows": [[str(rule), *map(cell, row)] for rule, row in zip(order, shares, strict=True)],
    }


def _forest(comparisons: pd.DataFrame, differ: list[str], new: str) -> dict[str, Any]:
    numbers = {
        "rule": new,
        "differ": " or ".join(differ),
        "unit": spoken(comparisons["unit"].iloc[0]),
    }
    return {"caption": said("page.forest", numbers), **forest_of(comparisons)}


def _compared(comparisons: pd.DataFrame, differ: list[str], new: str) -> dict[str, Any]:
    shown = table(comparisons)
    numbers = {
        "rule": new,
        "differ": " or ".join(differ),
        "unit": spoken(comparisons["unit"].iloc[0]),
    }
    return {
        "caption": said("page.comparison_table", numbers),
        "columns": [str(name).strip() for name in shown],
        "numbers": [is_of_numbers(shown[name]) for name in shown],
        "rows": shown.astype(str).to_numpy().tolist(),
    }


#: the marks of the forest, as paths around their middle
MARKS = {
    "circle": "M-5,0 a5,5 0 1,0 10,0 a5,5 0 1,0 -10,0",
    "square": "M-4.5,-4.5 h9 v9 h-9 z",
    "bar": "M-1.5,-6 h3 v12 h-3 z",
    "triangle": "M0,-5.5 L5.5,4 H-5.5 z",
    "diamond": "M0,-5.5 L5.5,0 L0,5.5 L-5.5,0 z",
    "cross": "M-4,-4 L4,4 M-4,4 L4,-4",
}
#: captions of the explorer's charts
EXPLORER = {
    "curves": (
        "The line marks where training stops, the dot the check whose weights are kept. Positions "
        "are on a log(1 + x) scale. In long runs, each of 400 columns shows only its first, last, "
        "lowest and highest checks; stop and dot are exact. Errors far above, and scores far "
        "below, all others are cut off."
    ),
    "statistic": (
        "The statistic where it is defined, and the threshold (dashed) at which training stops. "
        "The axis follows the threshold, and values far beyond it are cut off. The curve is "
        "thinned like that of the error, but shows every check at which some threshold stops."
    ),
    "front": (
        "The front over all runs of the corpus, as above, with every threshold of the rule. The "
        "circle is the mean of this threshold over all runs; the cross is this run alone."
    ),
}
