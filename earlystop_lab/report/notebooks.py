"""What a notebook shows of a curve set: its facts, its channels and a small picture, as HTML.

The picture is drawn here, as SVG: importing a plotting library takes longer than all the rest.
"""

from collections.abc import Sequence
from html import escape
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from earlystop_lab._common.wording import listed
from earlystop_lab.curves import Curve, CurveSet, FloatArray

#: size of the picture in pixels, and the room around the curves
WIDTH, HEIGHT, MARGIN = 320, 120, 4
#: most curves in the picture, points of a curve and rows of the table
CURVES, POINTS, ROWS = 24, 160, 30
#: what is said of each channel
FACTS = ("role", "direction", "unit", "metric", "data", "source")


class Line(NamedTuple):
    """One curve of the picture."""

    run: str
    epoch: FloatArray
    values: FloatArray


def html_of(curves: CurveSet) -> str:
    """The facts of a set, a row a channel, and some of its curves.

    Looks at no more than :data:`CURVES` runs, so that a large set is shown at once.
    """
    metadata = listed([escape(name) for name in curves.metadata], 20) or "none"
    return (
        f"<div><p><b>CurveSet</b>: {escape(curves.size)}<br>metadata: {metadata}</p>"
        f"{_channels(curves)}{_picture(curves)}</div>"
    )


def _channels(curves: CurveSet) -> str:
    """The table of channels, without what nothing is known of."""
    names = curves.names[:ROWS]
    known = {name: curves.about(name)._asdict() for name in names}
    facts = [fact for fact in FACTS if any(known[name][fact] is not None for name in names)]
    rows = [["channel", *facts, "runs"]]
    for name in names:
        said = [known[name][fact] for fact in facts]
        texts = ["" if value is None else str(value) for value in said]
        rows.append([name, *texts, str(curves.runs_with(name))])
    head, *body = (
        "<tr>" + "".join(f"<{tag}>{escape(cell)}</{tag}>" for cell in row) + "</tr>"
        for tag, row in zip(["th", *["td"] * len(names)], rows, strict=True)
    )
    more = len(curves.names) - len(names)
    rest = f"<p>and {more} more channels: see curves.channels</p>" if more else ""
    return f"<table><thead>{head}</thead><tbody>{''.join(body)}</tbody></table>{rest}"


def _picture(curves: CurveSet) -> str:
    """Curves of the first channel, which is an error where there is one; empty without values."""
    if not len(curves) or not curves.names:
        return ""
    name = curves.names[0]
    chosen = _spread_out(len(curves), CURVES)
    lines = [line for row in chosen if (line := _line(curves[int(row)], name)) is not None]
    if not lines:
        return ""
    unit = curves.about("epoch").unit or "epoch"
    first = min(line.epoch[0] for line in lines)
    last = max(line.epoch[-1] for line in lines)
    low, high = _range(lines)
    drawn = []
    for line in lines:
        x = MARGIN + (WIDTH - 2 * MARGIN) * _part(line.epoch, first, last)
        y = HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * _part(line.values, low, high)
        points = " ".join(f"{a:.1f},{b:.1f}" for a, b in zip(x, y, strict=True))
        drawn.append(f'<polyline points="{points}"><title>{escape(line.run)}</title></polyline>')
    of = "" if len(lines) == len(curves) else f" of {len(lines)} of the {len(curves)} runs"
    text = escape(f"{name}{of}, {unit} {first:g} to {last:g}, {low:.4g} to {high:.4g}")
    return (
        f'<svg role="img" aria-label="{text}" width="{WIDTH}" height="{HEIGHT}" '
        f'viewBox="0 0 {WIDTH} {HEIGHT}" fill="none" stroke="currentColor" stroke-width="1" '
        f'stroke-opacity="0.5">{"".join(drawn)}</svg><p><small>{text}</small></p>'
    )


def _line(curve: Curve, name: str) -> Line | None:
    """The finite values of a channel, thinned; None where there are none."""
    if name not in curve.channels:
        return None
    values = curve[name]
    finite = np.flatnonzero(np.isfinite(values))
    if not len(finite):
        return None
    kept = finite[_spread_out(len(finite), POINTS)]
    return Line(curve.run, curve.epoch[kept], values[kept])


def _spread_out(count: int, most: int) -> NDArray[np.intp]:
    """At most so many of ``count`` places, the first and the last among them."""
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.intp))


def _range(lines: Sequence[Line]) -> tuple[float, float]:
    """Where most values are: the first and the diverging ones would flatten the others."""
    values = np.concatenate([line.values for line in lines])
    low, high = np.quantile(values, [0.02, 0.95], method="nearest")
    return float(low), float(high)


def _part(values: FloatArray, low: float, high: float) -> FloatArray:
    """Where values lie between the two, 0 to 1; those beyond at the end that is nearer."""
    if not high > low:
        return np.full(len(values), 0.5)
    # halved, since a range of floats may not be a float
    return np.clip((values / 2 - low / 2) / (high / 2 - low / 2), 0.0, 1.0)
