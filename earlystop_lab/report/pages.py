"""A comparison -> one HTML page: its words, tables and charts in a template."""

from __future__ import annotations

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

from earlystop_lab._common.wording import counted, signed, too_few
from earlystop_lab.report import charts
from earlystop_lab.report.explorer import JSON, embedded_size, explored
from earlystop_lab.studies.comparison import Bench, OnCorpus, table

#: most bytes of a page; what all else leaves is for the explorer's runs
MOST = 9_900_000
#: the known rule that is drawn beside the new one until the reader picks another
BESIDE = "Keras"
#: most columns of a table that has one a problem
WIDEST = 40
_HERE = Path(__file__).parent
_ERRORS = {"val": "validation", "test": "test"}
#: fewer have no interval, see :func:`inference.intervals`
_FEWEST = 6

TERMS = {
    "Run, problem, corpus": (
        "A run is one training from its start to its end, recorded. Runs of one problem are not "
        "independent, so problems are what is averaged over, swapped and resampled. A corpus is a "
        "set of recorded runs."
    ),
    "Time": "The epoch at which a rule stops a run, as a share of that run's last recorded epoch.",
    "Regret": (
        "How far the error of the weights that are kept is above the lowest error of the same "
        "run's whole record, relative to it: 1% is 1.01 times the lowest. Where the error was "
        "still falling at the end of the record, regret is a lower bound."
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
    sections, drawn = [], []
    for i, found in enumerate(bench.corpora):
        sections.append(_section(f"corpus-{i}", found, bench.rule))
        drawn += _drawn(f"corpus-{i}", found, bench.rule)
    data: dict[str, Any] = {
        "options": charts.options(),
        "floor": charts.FLOOR,
        "charts": drawn,
        "explorer": {
            "run-curves": charts.run_curves(),
            "run-statistic": charts.run_statistic(),
            "run-front": charts.run_front(bench.rule),
        },
        "corpora": [],
    }
    words: dict[str, Any] = {
        "bench": bench,
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
        errors = {_ERRORS[found.error] for found in bench.corpora}
        words["all"] = _compared(bench.pooled, errors, bench.rule)
    template = _template()
    room = MOST - len(template.render(words, data=data).encode())
    for i, found in enumerate(bench.corpora):
        # what one corpus leaves is for the others
        part = explored(found, bench.restore, room // (len(bench.corpora) - i))
        one = {"name": found.corpus, "error": _ERRORS[found.error], **part._asdict()}
        room -= embedded_size(one)
        data["corpora"].append(one)
    return template.render(words, data=data)


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
    known = [name for name in found.sweeps if name != new]
    beside = BESIDE if BESIDE in known else known[0]
    made = {
        "front": charts.front(found, new, beside),
        "differences": charts.differences(found, new),
        "within": charts.profile(
            found.regret_profile,
            "regret of at most",
            f"Share of runs within a regret, on {found.corpus}",
        ),
        "spent": charts.profile(
            found.time_profile,
            "time spent, share of the run to its end",
            f"Share of runs within 1% by a time, on {found.corpus}",
        ),
    }
    if len(found.ranks):
        made["ranks"] = charts.ranks(found, new, beside)
    return [{"id": f"{prefix}-{name}", **each._asdict()} for name, each in made.items()]


def _section(id_: str, found: OnCorpus, new: str) -> dict[str, Any]:
    unit, clusters = str(found.comparisons["unit"].iloc[0]), len(found.by_problem)
    return {
        "id": id_,
        "corpus": found.corpus,
        "words": [*found.words, *found.rests],
        "unit": unit,
        "clusters": clusters,
        "captions": _captions(found, new, unit, clusters),
        "tables": {
            "comparisons": _compared(found.comparisons, {_ERRORS[found.error]}, new),
            "problems": _problems(found, new, unit) if clusters <= WIDEST else None,
            "ranks": _ranks(found, unit, clusters) if len(found.ranks) else None,
        },
    }


def _captions(found: OnCorpus, new: str, unit: str, clusters: int) -> dict[str, str]:
    error, runs = _ERRORS[found.error], counted(len(found.curves), "run")
    many = counted(clusters, unit)
    few = f"{too_few(clusters, unit)} for"
    averaged = (
        f"Geometric means over {runs}, averaged within their {unit}, {many} alike"
        if unit != "run"
        else f"Geometric means over {runs}"
    )
    resampled = f"{many} resampled"
    band = (
        f"Bands: 95%, for all thresholds of a rule at once, {resampled}."
        if clusters >= _FEWEST
        else f"{few} bands."
    )
    interval = (
        f"95% intervals, each by itself, {resampled}" if clusters >= _FEWEST else f"{few} intervals"
    )
    chosen = (
        f"{runs}, all alike. Each rule at the threshold that suits this corpus best at one "
        "exchange rate of error and time"
    )
    return {
        "front": (
            f"Regret of the {error} error against time. {averaged}. {band} A dot is a threshold "
            f"that no other of its rule beats; grey: all other rules. Regret below "
            f"{100 * charts.floor(found):.2g}% is drawn there, above 100% cut off."
        ),
        "differences": (
            f"Difference of the {error} error to every known rule at equal time, mean over all "
            f"times that both can take. {averaged}; {interval}. Left of 0 {new} is better. Colour "
            "and shape: what could be shown after adjusting for all that was compared."
        ),
        "within": f"Share of runs whose regret is at most x. {chosen}.",
        "spent": f"Share of runs that had stopped by a time with a regret of at most 1%. {chosen}.",
        "ranks": (
            f"Mean rank of each rule's regret of the {error} error at equal time, over {clusters} "
            f"{unit}s; rules that cannot take the time have none there."
        ),
    }


def _ranks(found: OnCorpus, unit: str, clusters: int) -> dict[str, Any]:
    ordered = found.ranks.sort_values(list(found.ranks.columns), kind="stable")
    many = counted(clusters, unit)
    return {
        "caption": f"Mean ranks over {many} at equal times, 1 the lowest regret.",
        "columns": ["rule", *(f"at {float(time):.0%} of the time" for time in ordered.columns)],
        "rows": [
            [str(rule), *({"text": "" if np.isnan(v) else f"{v:.1f}", "share": 0} for v in row)]
            for rule, row in zip(ordered.index, ordered.to_numpy(float), strict=True)
        ],
    }


def _problems(found: OnCorpus, new: str, unit: str) -> dict[str, Any]:
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
        "caption": (
            f"Error of {new} less that of the known rule (a row each) at equal time on every "
            f"{unit}, mean over all times that both can take. Below 0, in the colour of {new}, it "
            "is better."
        ),
        "columns": ["known rule", *map(str, found.by_problem.index)],
        "rows": [[str(rule), *map(cell, row)] for rule, row in zip(order, shares, strict=True)],
    }


def _compared(comparisons: pd.DataFrame, errors: set[str], new: str) -> dict[str, Any]:
    shown, error = table(comparisons), " or ".join(sorted(errors))
    unit = comparisons["unit"].iloc[0]
    return {
        "caption": (
            f"A row a known rule. Differences are of the {error} error, {new} less the known rule, "
            f"in geometric means over {unit}s, with 95% intervals; p is adjusted for all that was "
            "compared."
        ),
        "columns": [str(name).strip() for name in shown],
        "rows": shown.astype(str).to_numpy().tolist(),
    }


#: what the explorer's charts show
EXPLORER = {
    "curves": (
        "The line marks the epoch at which training stops, the dot the one whose weights are kept. "
        "Epochs by their logarithm. Of long records the picture has of 400 columns the first, "
        "last, lowest and highest check each; stop and dot are exact. Errors far above all others "
        "are cut off."
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
