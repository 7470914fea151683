"""The look of figures: their sizes, fonts and colours, and how they are written to files.

Figures are drawn at the size at which they are printed: with the width of a column or a page, and
no text below 6 points. A family of rules has one colour, marker and line style in every figure, so
that it is also known in grey and to readers who do not tell all colours apart; no colour is red,
so none stands against green.
"""

import hashlib
import io
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from matplotlib.text import Annotation

from earlystop_lab._common.checks import one_of
from earlystop_lab._common.files import written_whole

Style = Literal["paper", "screen", "grey"]
#: widths in inches: of a column and of the text of a page with two columns
WIDTHS = {"column": 3.25, "page": 6.75}
#: the narrowest and widest figures whose text has room
NARROWEST, WIDEST = 2.5, 20.0
#: smallest size of text, in points
SMALLEST = 6.0
#: the endings of pictures, and what would make their bytes differ from day to day
FORMATS: Mapping[str, Mapping[str, None]] = {
    ".png": {"Software": None},
    ".pdf": {"CreationDate": None},
    ".svg": {"Date": None},
}
#: pixels per inch of pictures that are made of pixels
DPI = 200


class Look(NamedTuple):
    """How a family of rules is drawn: a colour, a marker and a line style."""

    colour: str
    marker: str
    line: Any


#: lines by name: whole, dashed, dotted, dash-dotted, and a long dash
_LINES: tuple[Any, ...] = (
    "-",
    (0, (5, 1.5)),
    (0, (1.2, 1.2)),
    (0, (5, 1.5, 1.2, 1.5)),
    (0, (9, 2)),
)
_KNOWN = {
    "GL": Look("#0b5fa5", "o", _LINES[0]),
    "PQ": Look("#d17d00", "s", _LINES[1]),
    "UP": Look("#0a8f6a", "^", _LINES[2]),
    "Keras": Look("#111111", "D", _LINES[3]),
}
#: grey levels of the same families
_GREYS = {"GL": "0", "PQ": "0.62", "UP": "0.4", "Keras": "0.2"}
#: colours, markers and lines of all other families; each has its own pair of the first two
_TONES = ("#7a4f2a", "#a86bc4", "#3f97cf", "#6f6f6f")
_MARKERS = ("v", "P", "X", "<", ">", "h", "*")
#: what is drawn beside the rules: further curves and thresholds, and grids
BESIDE, FAINT = "0.45", "0.8"

_SHARED: dict[str, Any] = {
    # TrueType fonts as they are: venues refuse Type 3
    "pdf.fonttype": 42,
    "ps.fonttype": 42,
    "svg.hashsalt": "earlystop",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.titlelocation": "left",
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "legend.frameon": False,
    "legend.handlelength": 2.4,
    "lines.linewidth": 1.2,
    "lines.markersize": 4,
    "figure.dpi": 100,
    "figure.constrained_layout.use": True,
    "savefig.bbox": None,
    "image.cmap": "viridis",
}
_SIZES = {"paper": (7.5, 6.5), "grey": (7.5, 6.5), "screen": (10.0, 8.5)}


def width_of(text: str | float) -> float:
    """A width in inches: that of a column or a page, or a number.

    Raises ``ValueError`` for anything else, and for widths in which text has no room.

    >>> width_of("column"), width_of("4.5"), width_of(5)
    (3.25, 4.5, 5.0)
    """
    if text in WIDTHS:
        return WIDTHS[str(text)]
    expected = f"{', '.join(WIDTHS)} or inches from {NARROWEST:g} to {WIDEST:g}, such as 5.5"
    try:
        inches = float(text)
    except ValueError:
        raise ValueError(f"width = {text!r}; expected {expected}") from None
    if not NARROWEST <= inches <= WIDEST:
        raise ValueError(f"width = {text!r}; expected {expected}")
    return inches


@contextmanager
def drawn(style: Style = "paper", width: str | float = "page") -> Iterator[None]:
    """Figures that are made inside have this style and width, in inches or by name.

    Parameters
    ----------
    style : {"paper", "screen", "grey"}
        ``"paper"`` has text of 6.5 to 7.5 points, ``"screen"`` larger text; ``"grey"`` is
        ``"paper"`` without colours.
    width : {"column", "page"} or float
        The width of the figure as printed: 3.25, 6.75 or that many inches.

    Raises
    ------
    ValueError
        For an unknown style, and a width below 2.5 or above 20 inches.

    Examples
    --------
    >>> with drawn("paper", "column"):
    ...     width, _ = plt.rcParams["figure.figsize"]
    >>> width
    3.25
    """
    one_of("style", style, get_args(Style))
    inches, (large, small) = width_of(width), _SIZES[style]
    sizes = dict.fromkeys(
        ("font.size", "axes.labelsize", "axes.titlesize", "figure.titlesize", "figure.labelsize"),
        large,
    )
    sizes |= dict.fromkeys(("xtick.labelsize", "ytick.labelsize", "legend.fontsize"), small)
    colours = {"image.cmap": "gray"} if style == "grey" else {}
    asked: Any = _SHARED | sizes | colours | {"figure.figsize": (inches, 0.7 * inches)}
    with plt.rc_context(asked):
        yield


def small() -> float:
    """The size of the smallest text in points: that of labels beside points and lines."""
    return max(SMALLEST, float(plt.rcParams["font.size"]) - 1)


def per_line(inches: float) -> int:
    """How many characters of the larger text fit on a line of that length.

    >>> with drawn("paper"):
    ...     per_line(3.25)
    45
    """
    return int(inches * 72 / (0.68 * float(plt.rcParams["font.size"])))


def in_grey() -> bool:
    """Whether figures are drawn without colours, as in matplotlib's own style ``grayscale``."""
    return bool(plt.rcParams["image.cmap"] == "gray")


def family(criterion: str) -> str:
    """The name of the family in a criterion's text.

    >>> family("GL(2)"), family("any_of(GL(2), UP(3))")
    ('GL', 'any_of')
    """
    return criterion.split("(")[0]


def look(criterion: str) -> Look:
    """How a criterion's family is drawn, the same in every figure.

    >>> look("GL(2)") == look("GL(5, k=1)") != look("UP(2)")
    True
    """
    name = family(criterion)
    # a number that does not depend on which other rules there are
    code = zlib.crc32(name.encode())
    known = _KNOWN.get(name) or Look(
        _TONES[code % len(_TONES)],
        _MARKERS[code // 7 % len(_MARKERS)],
        _LINES[code // 53 % len(_LINES)],
    )
    if not in_grey():
        return known
    level = 0.2 + 0.1 * (code % 4)
    return known._replace(colour=_GREYS.get(name, f"{level:.2g}"))


def series(names: Sequence[str]) -> dict[str, Look]:
    """How lines that are no rules, such as corpora, are drawn: by their order.

    >>> first, second = series(["boosting", "nets"]).values()
    >>> first.colour != second.colour and first.marker != second.marker
    True
    """
    known = list(_KNOWN)
    tones = [*(_KNOWN[name].colour for name in known), *_TONES]
    greys = [*(_GREYS[name] for name in known), "0.5", "0.7", "0.3", "0.75"]
    marks = [*(_KNOWN[name].marker for name in known), *_MARKERS]
    return {
        name: Look((greys if in_grey() else tones)[i % 8], marks[i % len(marks)], _LINES[i % 5])
        for i, name in enumerate(names)
    }


def colour(criterion: str) -> str:
    """The colour of a criterion's family."""
    return look(criterion).colour


def lines_of(criteria: Sequence[str]) -> list[Look]:
    """How lines of criteria are drawn: those of one family have its colour and other line styles.

    >>> first, second = lines_of(["GL(2)", "GL(5)"])
    >>> first == look("GL(2)"), first.colour == second.colour, first.line == second.line
    (True, True, False)
    """
    found, before = [], dict[str, int]()
    for name in map(family, criteria):
        seen, n = look(name), before.get(name, 0)
        at = _LINES.index(seen.line)
        found.append(seen._replace(line=_LINES[(at + n) % len(_LINES)]))
        before[name] = n + 1
    return found


def save(figure: Figure, *paths: str | Path) -> list[Path]:
    """Write a figure in the format of each name and close it; the bytes are always the same.

    Fonts are embedded in PDF as TrueType. If a path ends in none of .png, .pdf and .svg, it is a
    stem, and both PNG and PDF are written.

    Parameters
    ----------
    figure : matplotlib Figure
    *paths : str or Path

    Returns
    -------
    list of Path
        The files.
    """
    wanted: dict[str, list[Path]] = {}
    for path in map(Path, paths):
        endings = [path.suffix] if path.suffix in FORMATS else [".png", ".pdf"]
        for ending in endings:
            whole = path if path.suffix in FORMATS else path.with_name(path.name + ending)
            wanted.setdefault(ending, []).append(whole)
    for ending, files in wanted.items():
        written = bytes_of(figure, ending)
        for file in files:
            with written_whole(file) as temporary:
                temporary.write_bytes(written)
    plt.close(figure)
    return [file for files in wanted.values() for file in files]


def bytes_of(figure: Figure, ending: str) -> bytes:
    """The figure in a format, by the ending of its files."""
    made = io.BytesIO()
    with plt.rc_context({name: _SHARED[name] for name in ("pdf.fonttype", "svg.hashsalt")}):
        known = {"Drawn": digest(figure)} if ending == ".png" else {}
        figure.savefig(made, format=ending[1:], dpi=DPI, metadata={**FORMATS[ending], **known})
    # the layout is computed once and reused by the next format
    figure.set_layout_engine("none")
    return made.getvalue()


def digest(figure: Figure) -> str:
    """A digest of what a figure shows: its size, words, lines, areas, colours and axes.

    Numbers count with four digits, and where labels are placed does not count, so that it is the
    same wherever a figure is drawn. PNG files say it in their metadata, under ``Drawn``.
    """
    parts = [_digits(figure.get_size_inches())]
    words = [*figure.texts]
    for ax in figure.axes:
        parts += [ax.get_xscale(), ax.get_yscale(), _digits([*ax.get_xlim(), *ax.get_ylim()])]
        words += [ax.title, ax.xaxis.label, ax.yaxis.label, *ax.texts]
        for line in ax.lines:
            tone: Any = line.get_color()
            parts.append(f"{to_hex(tone, True)} {line.get_marker()}")
            parts.append(_digits(np.asarray(line.get_xydata(), float)))
        for area in ax.collections:
            faces: Any = area.get_facecolor()
            parts += [to_hex(face, True) for face in faces[:1]]
            parts += [_digits(path.vertices) for path in area.get_paths()]
            parts.append(_digits(area.get_offsets()))
    parents: list[Any] = [*figure.axes, figure]
    for legend in (each for parent in parents for each in parent.get_children()):
        words += legend.get_texts() if isinstance(legend, Legend) else []
    for text in words:
        place = text.xy if isinstance(text, Annotation) else ()
        parts.append(f"{text.get_text()} {_digits(place)}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _digits(values: Any) -> str:
    return " ".join(f"{value:.4g}" for value in np.ravel(np.ma.filled(values, np.nan)))
