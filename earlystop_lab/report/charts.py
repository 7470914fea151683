"""Tables of a comparison -> Vega-Lite charts, made with Altair.

Colours are the variables of page.css, so the charts follow the page in dark mode and in print.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import altair as alt
import numpy as np
import pandas as pd
from pandas.api.types import is_numeric_dtype

from earlystop_lab.report.comparison import word_of
from earlystop_lab.report.embedding import short
from earlystop_lab.studies.comparison import OnCorpus, Verdict

#: the known rule that is drawn next to the new one until the reader picks another
DRAWN_BESIDE = "Keras"
#: lowest possible start of an axis of regrets, since a logarithmic axis has no 0
FLOOR = 1e-4
NEW, BESIDE, MUTED, FAINT, INK = (
    f"var(--{name})" for name in ("new", "beside", "muted", "faint", "ink")
)
#: colours and dashes of lines that must be told apart, in order
TONES = [f"var(--tone{i})" for i in range(8)]
DASHES = [[1, 0], [6, 2], [2, 2], [8, 2, 2, 2], [1, 0], [6, 2], [2, 2], [8, 2, 2, 2]]
#: how each verdict is drawn: colour and shape
VERDICTS = {
    Verdict.BETTER: (NEW, "circle"),
    Verdict.WORSE: (BESIDE, "square"),
    Verdict.EQUIVALENT: (MUTED, "stroke"),
    Verdict.RANKS: (INK, "triangle-up"),
    Verdict.NOT_SHOWN: (MUTED, "diamond"),
    Verdict.SAME: (MUTED, "cross"),
}

Chart = alt.Chart | alt.LayerChart | alt.FacetChart


class Drawing(NamedTuple):
    """A chart in Vega-Lite, and its data ``table`` by column."""

    spec: dict[str, Any]
    table: dict[str, list[Any]]


def options() -> dict[str, Any]:
    """The options that all charts share, as Vega-Embed takes them."""
    words = {"labelColor": INK, "titleColor": INK, "labelFontSize": 12, "titleFontSize": 12}
    return {
        "renderer": "svg",
        "actions": False,
        "defaultStyle": False,
        # expressions are interpreted, so the page need not allow code generated from strings
        "ast": True,
        "tooltip": {"disableDefaultStyle": True},
        "config": {
            "background": "transparent",
            "font": "system-ui, sans-serif",
            "view": {"stroke": None},
            "axis": {
                **words,
                "titleFontWeight": "normal",
                "gridColor": "var(--grid)",
                "domainColor": FAINT,
                "tickColor": FAINT,
            },
            "legend": {
                **words,
                "orient": "top",
                "title": None,
                "labelLimit": 0,
                "symbolSize": 200,
                "symbolStrokeWidth": 2,
                "columnPadding": 18,
            },
            "text": {"color": INK, "fontSize": 12},
        },
    }


def floor(found: OnCorpus) -> float:
    """Where the axis of regrets begins: at a power of ten below all lines."""
    lowest = found.front.loc[found.front["best_of_rule"], "regret"].min()
    return float(10.0 ** np.floor(np.log10(min(max(lowest, FLOOR), 0.1))))


def front(found: OnCorpus, new: str) -> Drawing:
    """Regret against time, one line per rule: the new rule and a selected one have bands."""
    rows = found.front[found.front["best_of_rule"] & (found.front["time"] > 0)]
    table = rows[["rule", "criterion", "time", "regret", "low", "high"]].copy()
    # an unbounded band is drawn up to the edge of the plot
    table["high"] = table["high"].replace(np.inf, 1.0)
    low = floor(found)
    for name in ("regret", "low", "high"):
        table[f"{name}_drawn"] = table[name].clip(lower=low)
    base = (
        alt.Chart(_TABLE)
        .encode(x=_time(), y=_regret("regret_drawn:Q", low))
        .transform_calculate(role=_ROLE)
    )
    others = base.transform_filter("datum.role == 'others'").mark_line(
        strokeWidth=0.8, color=FAINT, clip=True
    )
    chosen = base.transform_filter("datum.role != 'others'")
    band = chosen.mark_area(opacity=0.18, clip=True).encode(
        y=_regret("low_drawn:Q", low), y2=alt.Y2("high_drawn:Q"), color=_role(new)
    )
    line = chosen.mark_line(strokeWidth=2, clip=True, point={"size": 22, "filled": True}).encode(
        color=_role(new), tooltip=_point_tooltip()
    )
    chart = _layered(
        [others.encode(detail=_RULE), band.encode(detail=_RULE), line],
        f"Regret against time on {found.corpus}, one line per rule",
        340,
        _roles(found, new),
    )
    return Drawing(chart, _columns_of(table))


def differences(found: OnCorpus, new: str) -> Drawing:
    """The difference from every known rule at equal time, with its interval."""
    table = found.comparisons[["rule", "difference", "low", "high", "verdict"]].copy()
    shares = np.expm1(table[["difference", "low", "high"]].to_numpy(float))
    finite = shares[np.isfinite(shares)]
    edge = 1.05 * float(np.abs(finite).max(initial=1e-4))
    # an unbounded interval is drawn up to the edge of the plot
    shares[:, 1] = shares[:, 1].clip(min=-edge)
    shares[:, 2][np.isposinf(shares[:, 2])] = edge
    table[["difference", "low", "high"]] = shares
    order = list(table.sort_values("difference", kind="stable")["rule"])
    limits = alt.Scale(domain=[min(float(finite.min(initial=0)), 0) * 1.05, edge], nice=False)
    used = [name for name in VERDICTS if name in set(table["verdict"])]
    tone = _cycled(used, [VERDICTS[name][0] for name in used])
    shape = _cycled(used, [VERDICTS[name][1] for name in used])
    base = alt.Chart(_TABLE).encode(
        y=alt.Y("rule:N", sort=order, title=None, axis=alt.Axis(labelLimit=220, grid=True))
    )
    zero = alt.Chart(alt.InlineData([{"zero": 0}])).mark_rule(color=FAINT).encode(x=alt.X("zero:Q"))
    # no element of its own for readers of screens, whom it would tell nothing where it is empty
    span = base.mark_rule(strokeWidth=2, clip=True, aria=False).encode(
        x=alt.X("low:Q", scale=limits),
        x2=alt.X2("high:Q"),
        color=alt.Color("verdict:N", scale=tone),
    )
    dot = base.mark_point(filled=True, size=60, opacity=1).encode(
        x=alt.X(
            "difference:Q",
            scale=limits,
            axis=alt.Axis(format="+~%", tickCount=8),
            title=f"difference in {word_of([found])} at equal time",
        ),
        color=alt.Color("verdict:N", scale=tone),
        shape=alt.Shape("verdict:N", scale=shape),
        tooltip=[
            alt.Tooltip("rule:N", title="known rule"),
            alt.Tooltip("difference:Q", format="+.3~%"),
            alt.Tooltip("low:Q", format="+.3~%"),
            alt.Tooltip("high:Q", format="+.3~%"),
            alt.Tooltip("verdict:N"),
        ],
    )
    description = f"Difference of {new} from every known rule on {found.corpus}"
    chart = _layered([zero, span, dot], description, 17 * len(table))
    return Drawing(chart, _columns_of(table))


def profile(table: pd.DataFrame, title: str, description: str) -> Drawing:
    """Share of runs over the table's index, one line per criterion (:mod:`measures.hindsight`)."""
    names = list(table.columns)
    long = table[table.index > 0].rename_axis("x").reset_index()
    long = long.melt("x", var_name="criterion", value_name="share")
    chart = (
        alt.Chart(_TABLE, description=description, height=260, **_FIT)
        # a step function: the share at an x holds until the next x
        .mark_line(interpolate="step-after", strokeWidth=2)
        .encode(
            x=alt.X(
                "x:Q", scale=alt.Scale(type="log", nice=False), title=title, axis=_percent(_DECADES)
            ),
            y=alt.Y(
                "share:Q",
                title="share of runs",
                scale=alt.Scale(domain=[0, 1]),
                axis=_percent([0, 0.2, 0.4, 0.6, 0.8, 1]),
            ),
            color=alt.Color("criterion:N", scale=_cycled(names, TONES), legend=_columns(names)),
            strokeDash=alt.StrokeDash("criterion:N", scale=_cycled(names, DASHES)),
            tooltip=[
                alt.Tooltip("criterion:N"),
                alt.Tooltip("x:Q", title=title, format=".3~%"),
                alt.Tooltip("share:Q", title="share of runs", format=".1%"),
            ],
        )
    )
    return Drawing(chart.to_dict(validate=False), _columns_of(long))


def ranks(found: OnCorpus, new: str) -> Drawing:
    """Mean rank of every rule over time, one line per rule."""
    long = found.ranks.rename_axis("rule").reset_index()
    long = long.melt("rule", var_name="time", value_name="rank").dropna().astype({"time": float})
    times = [float(time) for time in found.ranks.columns]
    base = (
        alt.Chart(_TABLE)
        .transform_calculate(role=_ROLE)
        .encode(
            x=_time(times, padding=12),
            y=alt.Y(
                "rank:Q",
                title="mean rank (1 = lowest regret)",
                axis=alt.Axis(tickMinStep=1),
                scale=alt.Scale(reverse=True, zero=False),
            ),
            tooltip=[
                alt.Tooltip("rule:N"),
                alt.Tooltip("time:Q", title="time", format="~%"),
                alt.Tooltip("rank:Q", title="mean rank", format=".1f"),
            ],
        )
    )
    others = base.transform_filter("datum.role == 'others'")
    chosen = base.transform_filter("datum.role != 'others'")
    grey = others.mark_line(strokeWidth=0.8, color=FAINT, point={"size": 12, "color": FAINT})
    line = chosen.mark_line(strokeWidth=2, point={"size": 40, "filled": True})
    chart = _layered(
        [grey.encode(detail=_RULE), line.encode(color=_role(new))],
        f"Mean ranks at equal times on {found.corpus}, one line per rule",
        300,
        _roles(found, new),
    )
    return Drawing(chart, _columns_of(long))


# -- the explorer: empty charts, which page.js fills with data and parameters -----------------


def run_curves(unit: str, measured: str) -> dict[str, Any]:
    """The errors of one run, where it stops and what it keeps; both arguments name the axes."""
    params = _params("stop", "selected", "first", "last", "low", "high")
    names = ["validation", "training", "test"]
    x = _epoch(unit)
    y = alt.Y("error:Q", title=measured, scale=_between("low", "high"))
    curve = alt.Chart(alt.NamedData("curve"))
    line = curve.mark_line(clip=True, strokeWidth=1.5).encode(
        x=x,
        y=y,
        color=alt.Color("curve:N", scale=_cycled(names, [INK, TONES[3], TONES[2]])),
        strokeDash=alt.StrokeDash("curve:N", scale=_cycled(names, [[1, 0], [6, 2], [2, 2]])),
    )
    kept = (
        curve.transform_filter("datum.curve == 'validation' && datum.epoch == selected")
        .mark_point(filled=True, size=90, color=BESIDE, opacity=1, clip=True)
        .encode(x=x, y=y)
    )
    description = "Error or score of the run, its stop, and the kept check"
    return _layered([line, *_stop_rule(x), kept], description, 260, params)


def run_statistic(unit: str) -> dict[str, Any]:
    """The statistic of a rule over the same run, with its threshold."""
    params = _params("stop", "threshold", "first", "last", "low", "high")
    x = _epoch(unit)
    y = alt.Y("statistic:Q", title="statistic", scale=_between("low", "high"))
    # clamped, since Vega does not draw lines through points far outside the plot
    seen = alt.Chart(alt.NamedData("seen")).transform_calculate(
        statistic="clamp(datum.value, 3 * low - 2 * high, 3 * high - 2 * low)"
    )
    line = seen.mark_line(clip=True, strokeWidth=1.5, color=INK, point={"size": 6, "color": INK})
    limit = _nothing().transform_calculate(statistic="threshold")
    level = limit.mark_rule(color=BESIDE, strokeDash=[6, 3], strokeWidth=1.5).encode(
        y=alt.Y("statistic:Q", scale=_between("low", "high"))
    )
    layers = [line.encode(x=x, y=y), level, *_stop_rule(x)]
    description = "Statistic of the rule over the run, with its threshold"
    return _layered(layers, description, 170, params)


def run_front(new: str) -> dict[str, Any]:
    """The sweep of a rule over all runs, and the position of one of its members."""
    base = (
        alt.Chart(alt.NamedData("sweep"))
        .transform_calculate(role="datum.rule == ours ? ours : 'the known rule'")
        .encode(x=_time(), color=_role(new))
    )
    band = base.mark_area(opacity=0.18, clip=True).encode(
        y=_regret("low:Q"), y2=alt.Y2("high:Q"), detail=_RULE
    )
    line = base.mark_line(strokeWidth=1.5, clip=True).encode(y=_regret("regret:Q"))
    here = (
        alt.Chart(alt.NamedData("here"))
        .mark_point(size=140, opacity=1, strokeWidth=2.5, color=INK)
        .encode(
            x=_time(),
            y=_regret("regret:Q"),
            shape=alt.Shape(
                "of:N",
                scale=_cycled(["mean over all runs", "this run"], ["circle", "cross"]),
                legend=None,
            ),
        )
    )
    description = "Front of the rule, and the position of this threshold on it"
    return _layered([band, line, here], description, 260, _params("ours", value=new))


def _stop_rule(x: alt.X) -> list[Chart]:
    """A line at the stop, labelled with the epoch above."""
    here = _nothing().transform_calculate(epoch="stop", text="'stop ' + format(stop, ',~r')")
    rule = here.mark_rule(color=NEW, strokeWidth=2).encode(x=x)
    # next to the line, on the side with more room
    text = here.mark_text(
        y=0,
        baseline="bottom",
        dy=-2,
        color=NEW,
        align=alt.expr(
            "(log(1 + stop) - log(1 + first)) * 2 > log(1 + last) - log(1 + first)"
            " ? 'right' : 'left'"
        ),
    ).encode(x=x, text=alt.Text("text:N"))
    return [rule, text]


# -- shared parts of charts ------------------------------------------------------------------

#: as wide as the page
_FIT: Any = {
    "width": "container",
    "autosize": alt.AutoSizeParams(type="fit-x", contains="padding"),
}
#: the data of a drawing
_TABLE = alt.NamedData("table")
#: one mark for each rule
_RULE = alt.Detail("rule:N")
_ROLE = "datum.rule == ours ? ours : datum.rule == beside ? 'the known rule' : 'others'"


def _columns_of(table: pd.DataFrame) -> dict[str, list[Any]]:
    return {
        str(name): short(column) if is_numeric_dtype(column) else column.tolist()
        for name, column in table.items()
    }


def _roles(found: OnCorpus, new: str) -> list[alt.Parameter]:
    """The new rule, and a known rule that the reader selects."""
    known = [name for name in found.front["rule"].unique() if name != new]
    beside = DRAWN_BESIDE if DRAWN_BESIDE in known else known[0]
    select = alt.binding_select(options=known, name="Known rule: ")
    return [
        alt.param(name="ours", value=new),
        alt.param(name="beside", value=beside, bind=select),
    ]


def _role(new: str) -> alt.Color:
    names = [new, "the known rule"]
    # of the line, not of the pale band
    legend = alt.Legend(symbolType="stroke", symbolOpacity=1)
    return alt.Color("role:N", scale=_cycled(names, [NEW, BESIDE]), legend=legend)


def _point_tooltip() -> list[alt.Tooltip]:
    shares = {"time": "time", "regret": "regret", "low": "band from", "high": "to"}
    found = [alt.Tooltip(f"{name}:Q", title=title, format=".3~%") for name, title in shares.items()]
    return [alt.Tooltip("criterion:N"), *found]


def _cycled(names: Sequence[str], values: Sequence[Any]) -> alt.Scale:
    """Assign each name a value; if there are more names, the values repeat."""
    return alt.Scale(domain=list(names), range=[values[i % len(values)] for i in range(len(names))])


def _columns(names: Sequence[str]) -> alt.Legend:
    """A legend with few enough columns for a narrow screen."""
    return alt.Legend(columns=2 if max(map(len, names)) > 16 else 3)


#: ticks of logarithmic axes
_DECADES = [10.0**-k for k in range(5)]
_STEPS = [float(f"{step}e-{k}") for k in range(6) for step in (1, 2, 5)]


def _percent(values: Sequence[float]) -> alt.Axis:
    return alt.Axis(format="~%", values=list(values), labelOverlap="greedy")


def _time(values: Sequence[float] = _STEPS, **scale: Any) -> alt.X:
    return alt.X(
        "time:Q",
        scale=alt.Scale(type="log", nice=False, **scale),
        axis=_percent(values),
        title="time, as a share of the full run",
    )


def _regret(field: str, low: float = FLOOR) -> alt.Y:
    return alt.Y(
        field,
        scale=alt.Scale(type="log", domain=[low, 1], nice=False),
        axis=_percent(_DECADES),
        title="regret",
    )


def _epoch(unit: str) -> alt.X:
    """Positions on a log(1 + x) scale from 0, because rules stop early in long runs."""
    marks = [0, *(step * 10**k for k in range(8) for step in (1, 3))]
    return alt.X(
        "epoch:Q",
        scale=_between("first", "last", type="symlog", constant=1),
        title=unit,
        axis=alt.Axis(values=marks, format=",~r"),
    )


def _between(low: str, high: str, **more: Any) -> alt.Scale:
    """A scale from one parameter to another, whatever the data are."""
    return alt.Scale(domain=[alt.expr(low), alt.expr(high)], zero=False, nice=False, **more)


def _params(*names: str, value: Any = 1) -> list[alt.Parameter]:
    return [alt.param(name=name, value=value) for name in names]


def _nothing() -> alt.Chart:
    """One row whose fields are calculated from parameters."""
    return alt.Chart(alt.InlineData([{}]))


def _layered(
    layers: Sequence[Chart],
    description: str,
    height: int,
    params: Sequence[alt.Parameter] = (),
) -> dict[str, Any]:
    """A chart of several layers, made at once: each later change would copy all of them."""
    more = {"params": [each.param for each in params]} if params else {}
    made = alt.layer(*layers, description=description, height=height, **_FIT, **more)
    # a page has the same charts whatever the data are, and their validation takes seconds
    return made.to_dict(validate=False)
