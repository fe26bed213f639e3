"""Write figures for print: PDF with embedded fonts, SVG and PNG, as wide as a column of a paper.

The layout is repeated until the figure, with legends and titles, has the wanted width and nothing
is cut: legends get as many lines as they need, titles are wrapped, and long names are split into
two lines. Labels are set in 8 points at every width.
"""

import copy
import io
import re
import textwrap
from typing import Any
from xml.sax.saxutils import escape

import altair as alt
import vl_convert
from PIL import Image

# Widths of one column and of two, in inches, of common two-column papers
COLUMN, PAGE = 3.25, 6.75
# Labels are 13 pixels high, which at this many pixels per inch is 8 points.
PIXELS = 117.0
POINTS = 72.0
# Dots per inch of a PNG
DOTS = 300.0
NARROWEST = 1.5
# Pixels of an average character of titles and notes
CHARACTER = 6.4
# The numbers of columns tried for a legend, from the widest
LEGEND_COLUMNS = (6, 4, 3, 2, 1)
# If the axes take less than this part of the width, names are split into two lines
FEW = 0.3
# How often the width of the axes is corrected for what lies beside them
ROUNDS = 6
# Pixels between names that are split into two lines
TWO_LINES = 36
_SIZE = re.compile(r'<svg([^>]*?) width="([\d.]+)" height="([\d.]+)"')


def svg(chart: alt.TopLevelMixin, width: float = PAGE) -> str:
    """Return a figure as SVG, `width` inches wide, with its description for screen readers.

    Raises:
        ValueError: a width below NARROWEST inches.
    """
    if width < NARROWEST:
        raise ValueError(f"a figure is at least {NARROWEST} inches wide, not {width:g}")
    spec = chart.to_dict()
    pixels = width * PIXELS
    text = _fitted(spec, pixels)
    # The image keeps its own units; only its size on a page is in inches.
    match = _SIZE.search(text)
    assert match is not None
    height = float(match[3]) * width / float(match[2])
    about = escape(str(spec.get("description", "A figure of Weir.")))
    size = f'<svg{match[1]} role="img" width="{width:g}in" height="{height:.4f}in"'
    text = text[: match.start()] + size + text[match.end() :]
    return text.replace(">", f"><title>{about}</title>", 1)


def pdf(chart: alt.TopLevelMixin, width: float = PAGE) -> bytes:
    """Return a figure as PDF, `width` inches wide, with the fonts that it uses embedded."""
    # The converter makes each pixel of the image's size a point of the PDF, whatever its view box.
    data: bytes = vl_convert.svg_to_pdf(_sized(svg(chart, width), POINTS))
    return data


def png(chart: alt.TopLevelMixin, width: float = PAGE) -> bytes:
    """Return a figure as PNG, `width` inches wide at 300 dots an inch."""
    data: bytes = vl_convert.svg_to_png(_sized(svg(chart, width), DOTS))
    return _with_density(data)


def _sized(text: str, per_inch: float) -> str:
    """Return an SVG whose size is in pixels instead of inches, `per_inch` for each."""

    def pixels(match: re.Match[str]) -> str:
        return f'{match[1]}="{float(match[2]) * per_inch:.3f}"'

    return re.sub(r'(width|height)="([\d.]+)in"', pixels, text, count=2)


def _with_density(data: bytes) -> bytes:
    """Return a PNG with its resolution, in dots per inch, in the header."""
    buffer = io.BytesIO()
    Image.open(io.BytesIO(data)).save(buffer, format="png", dpi=(DOTS, DOTS))
    return buffer.getvalue()


def _fitted(spec: dict[str, Any], pixels: float) -> str:
    """Return the SVG of a specification, laid out to be `pixels` wide."""
    best, nearest = "", float("inf")
    for broken in (False, True):
        for columns in LEGEND_COLUMNS:
            text, axes, wide = _laid_out(spec, pixels, columns, broken)
            if abs(wide - pixels) < nearest:
                best, nearest = text, abs(wide - pixels)
            # Legends that are too wide get another line; names that leave too little room are
            # split.
            if nearest <= 1:
                if axes >= FEW * pixels or broken:
                    return best
                break
        nearest = nearest if broken else float("inf")
    # Nothing fits: the closest layout is returned, and scaled by the caller.
    return best


def _laid_out(
    spec: dict[str, Any], pixels: float, columns: int, broken: bool
) -> tuple[str, float, float]:
    """Return the SVG with legends of `columns` columns, the axes' width, and its own width."""
    axes = 0.5 * pixels
    text, wide = "", 0.0
    for _ in range(ROUNDS):
        drawn = vl_convert.vegalite_to_svg(_print_spec(spec, axes, pixels, columns, broken))
        size = _SIZE.search(drawn)
        assert size is not None
        text, wide = drawn, float(size[2])
        if abs(wide - pixels) <= 1:
            break
        axes = max(axes + pixels - wide, 60.0)
    return text, axes, wide


def _print_spec(
    spec: dict[str, Any], axes: float, pixels: float, columns: int, broken: bool
) -> dict[str, Any]:
    """Return a specification for print, with axes `axes` pixels wide."""
    out = copy.deepcopy(spec)
    legend = out.setdefault("config", {}).setdefault("legend", {})
    # Legends are complete: no entry is dropped, no label cut.
    legend.update({"symbolLimit": 0, "labelLimit": 0, "titleLimit": 0})
    out["config"].setdefault("axis", {}).update({"labelLimit": 0, "titleLimit": 0})
    parts = out.get("vconcat", [out])
    for part in parts:
        part["width"] = axes
        _wrap_title(part, int(pixels / CHARACTER) - 2)
        height = part.get("height")
        if broken and isinstance(height, dict):
            part["height"] = {"step": max(height["step"], TWO_LINES)}
        tall = float(height) if isinstance(height, (int, float)) else pixels
        for layer in (part, *part.get("layer", [])):
            _wrap_axes(layer.get("encoding", {}), axes, tall, broken)
            _narrow_legends(layer.get("encoding", {}), columns)
    return out


def _wrap_title(part: dict[str, Any], characters: int) -> None:
    """Wrap the title and the notes of a figure, in place."""
    title = part.get("title")
    if isinstance(title, str):
        part["title"] = textwrap.wrap(title, characters)
    elif isinstance(title, dict):
        for key in ("text", "subtitle"):
            lines = title.get(key)
            if lines:
                whole = lines if isinstance(lines, str) else " ".join(lines)
                title[key] = textwrap.wrap(whole, characters)


def _wrap_axes(encoding: dict[str, Any], axes: float, tall: float, broken: bool) -> None:
    """Wrap the titles of axes at the length of the axis, and split names if `broken`, in place."""
    for channel, room in (("x", axes), ("y", tall)):
        axis = encoding.get(channel)
        if not isinstance(axis, dict):
            continue
        if isinstance(axis.get("title"), str):
            axis["title"] = textwrap.wrap(axis["title"], max(int(room / CHARACTER), 12))
        if channel == "x" and axis.get("type") == "quantitative":
            # A narrow axis gets fewer ticks.
            ticks = axis.get("axis") or {}
            axis["axis"] = ticks | {"tickCount": max(int(axes / 60), 2), "labelOverlap": True}
        if broken and channel == "y" and axis.get("type") == "nominal":
            split = "split(datum.label, ' · ')"
            axis["axis"] = (axis.get("axis") or {}) | {"labelExpr": split}


def _narrow_legends(encoding: dict[str, Any], columns: int) -> None:
    """Limit legends above a figure to `columns` columns, in place."""
    for channel in encoding.values():
        legend = channel.get("legend") if isinstance(channel, dict) else None
        if legend and legend.get("orient") in ("top", "bottom"):
            legend["columns"] = columns
