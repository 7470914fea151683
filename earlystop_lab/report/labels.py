"""Labels beside what they name, placed so that none covers another, whatever the figure's size.

Labels are ordinary annotations of the axes. Where they go is decided when the figure is drawn,
since only then the sizes of the axes and of the text are known; the same figure always gives the
same places.
"""

from collections.abc import Callable, Sequence
from itertools import pairwise, product
from typing import Any, Literal, NamedTuple

import numpy as np
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.text import Annotation, Text
from matplotlib.transforms import Bbox
from numpy.typing import NDArray

from earlystop_lab.report.style import BESIDE, small

FloatArray = NDArray[np.float64]
#: distances of a label from its point, in points; beyond the second a line leads to it
RADII = (3.5, 6.0, 10.0, 15.0, 21.0, 28.0, 36.0, 45.0, 56.0, 70.0)
#: directions in which a label may lie, the preferred ones first
ANGLES = np.deg2rad([45, -45, 135, -135, 90, -90, 0, 180])
#: distance of labels in a margin from the axes, in points
AWAY = 9.0
#: decimal places of positions, since the last digits of pixels differ from one drawing to the next
DIGITS = 6
#: room around the box of a label, in points
ROOM = 0.6
#: what it costs to lie outside of the axes or on another label, on a point, and on a line
OUTSIDE, ON_POINT, ON_LINE = 1000.0, 12.0, 5.0


class _Placed(Artist):
    """Moves annotations to where they cover nothing, each time before they are drawn."""

    def __init__(self, place: Callable[[Any], None]) -> None:
        super().__init__()
        self.place = place
        # drawn before all lines and labels; it is invisible itself
        self.set_zorder(-1)
        self.set_in_layout(False)

    def draw(self, renderer: Any) -> None:
        self.place(renderer)


class Label(NamedTuple):
    """A text, the point that it names in data coordinates, and its colour."""

    text: str
    x: float
    y: float
    colour: Any


def label_points(ax: Axes, labels: Sequence[Label], beside: Sequence[Artist] = ()) -> None:
    """Write texts beside their points: on no other text or point, and on few lines.

    ``beside`` are lines of the axes that the labels should not lie on.
    """
    made = [
        ax.annotate(
            each.text,
            (each.x, each.y),
            xytext=(RADII[0], RADII[0]),
            textcoords="offset points",
            fontsize=small(),
            color=each.colour,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "lw": 0.4, "color": BESIDE, "shrinkA": 0, "shrinkB": 2},
        )
        for each in labels
    ]
    for label in made:
        label.set_in_layout(False)
    if made:
        ax.add_artist(_Placed(lambda renderer: _around(made, beside, renderer)))


def label_margin(
    ax: Axes, side: Literal["top", "right"], labels: Sequence[tuple[str, float, Any]]
) -> None:
    """Write texts in the margin above or to the right of the axes, each at a position of the axis.

    They are pushed apart where they would cover each other, and a short line leads to each. Several
    of them above the axes stand upright.
    """
    top = side == "top"
    coords = ("data", "axes fraction") if top else ("axes fraction", "data")
    made = [
        ax.annotate(
            text,
            (at, 1) if top else (1, at),
            xycoords=coords,
            xytext=(0, AWAY) if top else (AWAY, 0),
            textcoords="offset points",
            rotation=90 if top and len(labels) > 1 else 0,
            ha="center" if top else "left",
            va="bottom" if top else "center",
            fontsize=small(),
            color=tone,
            annotation_clip=False,
            arrowprops={"arrowstyle": "-", "lw": 0.5, "color": tone, "shrinkA": 0, "shrinkB": 0},
        )
        for text, at, tone in labels
    ]
    if made:
        ax.add_artist(_Placed(lambda renderer: _along(made, top, renderer)))


def _along(labels: Sequence[Annotation], top: bool, renderer: Any) -> None:
    """Move labels along a margin, as little as possible, until none covers another."""
    from scipy.optimize import isotonic_regression  # slow to import

    scale, way = renderer.points_to_pixels(1.0), 0 if top else 1
    at = np.array([_pixels(label)[way] for label in labels])
    order = np.argsort(at, kind="stable")
    size = np.array([_size(labels[i], renderer)[way] for i in order]) + 2 * ROOM * scale
    # the places nearest to where they belong (least squares), none nearer than its size
    ends = np.append(0, np.cumsum((size[1:] + size[:-1]) / 2))
    free = isotonic_regression(at[order] - ends).x
    # within the ends of the axis, where there is room
    box = labels[0].axes.bbox  # type: ignore[union-attr]
    low, high = (box.x0, box.x1) if top else (box.y0, box.y1)
    low, high = low + size[0] / 2, high - size[-1] / 2 - ends[-1]
    places = (np.clip(free, low, high) if low <= high else (low + high) / 2) + ends
    for i, place in zip(order, places, strict=True):
        moved = round((place - at[i]) / scale, DIGITS)
        labels[i].set_position((moved, AWAY) if top else (AWAY, moved))


def _around(labels: Sequence[Annotation], beside: Sequence[Artist], renderer: Any) -> None:
    """Move labels to the best place around their points, one after the other from the left."""
    scale = renderer.points_to_pixels(1.0)
    points = np.array([_pixels(label) for label in labels])
    segments, taken = _segments(beside), np.empty((0, 4))
    whole = labels[0].axes.bbox  # type: ignore[union-attr]
    for i in np.lexsort((points[:, 1], points[:, 0])):
        size = _size(labels[i], renderer) + 2 * ROOM * scale
        least, box, radius = np.inf, np.zeros(4), 0.0
        for away, angle in product(RADII, ANGLES):
            if away >= least:  # what lies further away costs more
                break
            tried = _beside(points[i], away * scale, angle, size)
            cost = away + _cost(tried, taken, points, segments, whole, 2.5 * scale)
            if cost < least:
                least, box, radius = cost, tried, away
        taken = np.vstack([taken, box])
        place = np.round((box[:2] - points[i]) / scale + ROOM, DIGITS)
        labels[i].set(position=tuple(place), ha="left", va="bottom")
        assert labels[i].arrow_patch is not None
        labels[i].arrow_patch.set_visible(radius > RADII[1])


def _pixels(label: Annotation) -> FloatArray:
    """The point that an annotation names, in pixels."""
    ax = label.axes
    assert ax is not None
    ends = {"data": ax.transData, "axes fraction": ax.transAxes}
    coords = label.xycoords if isinstance(label.xycoords, tuple) else (label.xycoords,) * 2
    found = [ends[str(name)].transform(label.xy)[way] for way, name in enumerate(coords)]
    return np.array(found)


def _size(label: Annotation, renderer: Any) -> FloatArray:
    """Width and height of the text alone, without the line to its point."""
    return np.array(Text.get_window_extent(label, renderer).size)


def _beside(point: FloatArray, radius: float, angle: float, size: FloatArray) -> FloatArray:
    """The box, as left, bottom, right and top, that begins so far from a point."""
    way = np.array([np.cos(angle), np.sin(angle)])
    # of a box that lies straight above, the middle of its lower edge is nearest
    part = np.where(np.abs(way) < 0.01, 0.5, np.where(way > 0, 0.0, 1.0))
    low = point + radius * way - part * size
    return np.concatenate([low, low + size])


def _cost(
    box: FloatArray,
    taken: FloatArray,
    points: FloatArray,
    segments: FloatArray,
    whole: Bbox,
    reach: float,
) -> float:
    """What is wrong with a box for a label."""
    left, bottom, right, top = box
    inside = whole.x0 <= left and right <= whole.x1 and whole.y0 <= bottom and top <= whole.y1
    over = (
        (taken[:, 0] < right) & (taken[:, 2] > left) & (taken[:, 1] < top) & (taken[:, 3] > bottom)
    )
    near = (
        (points[:, 0] > left - reach)
        & (points[:, 0] < right + reach)
        & (points[:, 1] > bottom - reach)
        & (points[:, 1] < top + reach)
    )
    crossed = (
        (segments[:, 0] > left)
        & (segments[:, 0] < right)
        & (segments[:, 1] > bottom)
        & (segments[:, 1] < top)
    )
    return (
        OUTSIDE * (not inside)
        + OUTSIDE * float(over.sum())
        + ON_POINT * float(near.sum())
        + ON_LINE * float(np.minimum(crossed.sum() / 4, 2))
    )


def _segments(lines: Sequence[Any]) -> FloatArray:
    """Points along the lines, a few pixels apart."""
    found = [np.empty((0, 2))]
    for line in lines:
        ends = line.get_transform().transform(np.asarray(line.get_xydata(), float))
        for a, b in pairwise(ends):
            n = int(np.hypot(*(b - a)) // 3) + 2 if np.isfinite([a, b]).all() else 0
            found.append(a + np.linspace(0, 1, n)[:, None] * (b - a))
    return np.concatenate(found)
