"""A comparison -> one HTML page: its words, tables and charts in a template."""

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
from markupsafe import Markup

from earlystop_lab._common.wording import signed
from earlystop_lab.inference.bootstrap import FEWEST_CLUSTERS
from earlystop_lab.report import charts
from earlystop_lab.report.comparison import SHOWN, numbers_of, table, what_differs, words_of
from earlystop_lab.report.explorer import JSON, embedded_size, explored
from earlystop_lab.report.messages import quality, said
from earlystop_lab.studies.comparison import Bench, OnCorpus

#: most bytes of a page; what all else leaves is for the explorer's runs
MOST = 9_900_000
#: most columns of a table that has one a problem
WIDEST = 40
_HERE = Path(__file__).parent

TERMS = {
    "Run, problem, corpus": (
        "A run is one training from its start to its end, recorded. Runs of one problem are not "
        "independent, so problems are what is averaged over, swapped and resampled. A corpus is a "
        "set of recorded runs."
    ),
    "Time": (
        "The epoch (step, round, or what else a run counts in) at which a rule stops it, as a "
        "share of its last recorded one."
    ),
    "Regret": (
        "How far the error of the weights that are kept is above the lowest error of the same "
        "run's whole record, relative to it: 1% is 1.01 times the lowest. Where the error was "
        "still falling at the end of the record, regret is a lower bound. Of scores, of which "
        "higher is better, it is the share of the best one that was lost."
    ),
    "Sweep, front": (
        "A sweep is a rule over the whole range of its thresholds, from stopping at once to never. "
        "Its front are those thresholds of which no other is both faster and better."
    ),
    "Equal time": (
        "Rules are compared where they take the same time on average; between two thresholds a "
        "rule meets a time as a mixture of both. Without that a slower rule would look better."
    ),
    "p": (
        "The share of swaps of the two rules within problems that give as large a difference, "
        "with every choice of a threshold made anew in every swap; adjusted for all that was "
        "compared. It may be small where the interval, which is of the mean, holds 0: then few "
        "problems carry most of the difference."
    ),
}


def page_of(bench: Bench) -> str:
    """See :func:`report.page`."""
    words, sections, drawn = words_of(bench), [], []
    for i, found in enumerate(bench.corpora):
        sentences = [*words.found[i], *words.rests[i]]
        sections.append(_section(f"corpus-{i}", found, sentences, bench.rule))
        drawn += _drawn(f"corpus-{i}", found, bench.rule)
    units = {found.counted_in for found in bench.corpora}
    unit = units.pop() if len(units) == 1 else "position"
    measured = sorted({_kept(found).split()[-1] for found in bench.corpora})
    data: dict[str, Any] = {
        "options": charts.options(),
        "floor": charts.FLOOR,
        "charts": drawn,
        "explorer": {
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
        "all": None,
        "sections": sections,
        "captions": EXPLORER,
        "terms": TERMS,
        "version": version("earlystop_lab"),
        "css": Markup((_HERE / "page.css").read_text("utf-8")),
        "js": Markup((_HERE / "page.js").read_text("utf-8")),
        "bundle": Markup(_bundle()),
    }
    if bench.pooled is not None:
        differ = sorted({what_differs(found) for found in bench.corpora})
        shown["all"] = _compared(bench.pooled, differ, bench.rule)
    template = _template()
    room = MOST - len(template.render(shown, data=data).encode())
    for i, found in enumerate(bench.corpora):
        # what one corpus leaves is for the others
        part = explored(found, bench.restore, room // (len(bench.corpora) - i))
        names = {"what": numbers_of(found)["what"], "kept": _kept(found), "unit": found.counted_in}
        one = {"name": found.corpus, **names, **part}
        room -= embedded_size(one)
        data["corpora"].append(one)
    return template.render(shown, data=data)


def _kept(found: OnCorpus) -> str:
    """What the explorer shows of the weights that are kept."""
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


@cache
def _bundle() -> str:
    """Vega, Vega-Lite and Vega-Embed in one script, which cannot end its element."""
    # of the Vega-Lite that Altair writes, 6.4 of v6.4.1
    major, minor = alt.SCHEMA_VERSION.removeprefix("v").split(".")[:2]
    script: str = vl_convert.javascript_bundle("window.vegaEmbed = vegaEmbed", f"{major}.{minor}")
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
            f"Share of runs within a regret, on {found.corpus}",
        ),
        "spent": charts.profile(
            found.time_profile[shown],
            "time spent, share of the run to its end",
            f"Share of runs within 1% by a time, on {found.corpus}",
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
            "problems": _problems(found, numbers) if len(found.by_problem) <= WIDEST else None,
            "ranks": _ranks(found, numbers) if len(found.ranks) else None,
        },
    }


def _captions(found: OnCorpus, numbers: Mapping[str, Any]) -> dict[str, str]:
    enough = len(found.by_problem) >= FEWEST_CLUSTERS
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
        "rows": [
            [str(rule), *({"text": "" if np.isnan(v) else f"{v:.1f}", "share": 0} for v in row)]
            for rule, row in zip(ordered.index, ordered.to_numpy(float), strict=True)
        ],
    }


def _problems(found: OnCorpus, numbers: Mapping[str, Any]) -> dict[str, Any]:
    """A row a known rule, a column a problem; the larger a difference, the stronger its tint."""
    order = found.comparisons.sort_values("difference", kind="stable")["rule"]
    shares = np.expm1(found.by_problem[list(order)].T.to_numpy(float))
    finite = np.abs(shares[np.isfinite(shares)])
    # a few far ones would leave all others pale
    full = float(np.quantile(finite, 0.9)) if finite.size else 0.0

    def cell(value: float) -> dict[str, Any]:
        tint = round(min(abs(value) / full, 1), 2) if full and not np.isnan(value) else 0
        return {"text": "" if np.isnan(value) else signed(value), "share": tint, "good": value < 0}

    return {
        "caption": said("page.problem_table", numbers),
        "columns": ["known rule", *map(str, found.by_problem.index)],
        "rows": [[str(rule), *map(cell, row)] for rule, row in zip(order, shares, strict=True)],
    }


def _compared(comparisons: pd.DataFrame, differ: list[str], new: str) -> dict[str, Any]:
    shown = table(comparisons)
    numbers = {"rule": new, "differ": " or ".join(differ), "unit": comparisons["unit"].iloc[0]}
    return {
        "caption": said("page.comparison_table", numbers),
        "columns": [str(name).strip() for name in shown],
        "rows": shown.astype(str).to_numpy().tolist(),
    }


#: what the explorer's charts show
EXPLORER = {
    "curves": (
        "The line marks where training stops, the dot the check whose weights are kept. "
        "Positions by their logarithm. Of long records the picture has of 400 columns the first, "
        "last, lowest and highest check each; stop and dot are exact. Errors far above all others "
        "and scores far below are cut off."
    ),
    "statistic": (
        "The statistic where it is defined, and the threshold (dashed) that stops training. The "
        "axis follows the threshold; what lies far beyond is cut off. Thinned like the curves, but "
        "every check at which some threshold stops is there."
    ),
    "front": (
        "The front over all runs of the corpus, as above, with every threshold of the rule. "
        "Circle: the mean of this threshold over all runs; cross: this run alone."
    ),
}
