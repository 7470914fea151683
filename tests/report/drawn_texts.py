"""What figures are made of: the texts of a figure with their boxes, and the fonts of a PDF."""

import re
import zlib
from itertools import combinations

from matplotlib.legend import Legend
from matplotlib.text import Text


def texts_of(figure):
    """Every text that is seen, with its box in pixels; the figure is drawn first."""
    figure.canvas.draw()
    renderer = figure.canvas.get_renderer()
    hidden = set()
    for ax in figure.axes:
        if not (ax.get_visible() and ax.axison):
            kept = {*ax.texts, *(t for legend in ax.findobj(Legend) for t in legend.findobj(Text))}
            hidden |= {*ax.findobj(Text)} - kept
            continue
        for axis in (ax.xaxis, ax.yaxis):
            # ticks beyond the ends of an axis, and those that were needed before, are not drawn
            drawn = axis._update_ticks() if axis.get_visible() else []
            labels = {label for tick in drawn for label in (tick.label1, tick.label2)}
            every = {t for tick in (*axis.majorTicks, *axis.minorTicks) for t in tick.findobj(Text)}
            hidden |= every - labels
    return [
        (text, Text.get_window_extent(text, renderer))
        for text in figure.findobj(Text)
        if text not in hidden and text.get_visible() and text.get_text().strip()
    ]


def overlaps(figure):
    """Pairs of texts whose boxes share more than a rim of half a point."""
    rim = 0.5 * figure.dpi / 72
    return [
        (one.get_text(), other.get_text())
        for (one, a), (other, b) in combinations(texts_of(figure), 2)
        if min(a.x1, b.x1) - max(a.x0, b.x0) > rim and min(a.y1, b.y1) - max(a.y0, b.y0) > rim
    ]


def outside(figure):
    """Texts that do not lie within the figure."""
    whole = figure.bbox
    return [
        text.get_text()
        for text, box in texts_of(figure)
        if box.x0 < whole.x0 - 1
        or box.x1 > whole.x1 + 1
        or box.y0 < whole.y0 - 1
        or box.y1 > whole.y1 + 1
    ]


def fonts_of(pdf):
    """Kinds of the fonts in a PDF of matplotlib, and whether each is embedded as TrueType."""
    kinds = set(re.findall(rb"/Type\s*/Font\b[^>]*?/Subtype\s*/(\w+)", pdf)) | set(
        re.findall(rb"/Subtype\s*/(Type3|Type0|CIDFontType2|TrueType|Type1)\b", pdf)
    )
    described = len(re.findall(rb"/Type\s*/FontDescriptor\b", pdf))
    return {kind.decode() for kind in kinds}, described == len(
        re.findall(rb"/FontFile2\b", pdf)
    ) > 0


def sizes_of(pdf):
    """Sizes in points of all text in a PDF of matplotlib, which scales none."""
    sizes = set()
    for stream in re.findall(rb"stream\r?\n(.*?)\nendstream", pdf, re.S):
        try:
            content = zlib.decompressobj().decompress(stream)
        except zlib.error:
            continue
        sizes |= {float(size) for size in re.findall(rb"/F\d+ ([\d.]+) Tf", content)}
    return sizes


def width_of(pdf):
    """The width of the page in inches."""
    (box,) = re.findall(rb"/MediaBox\s*\[\s*0 0 ([\d.]+) [\d.]+\s*\]", pdf)
    return float(box) / 72
