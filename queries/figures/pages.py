"""Fit a figure to a page of the app: colours for a dark page, and titles short enough for a phone.

Figures for print always have the colours of a light page, and wrap titles at their own width.
"""

import textwrap
from typing import Any, TypeVar

import altair as alt

# The background of Streamlit's dark theme
NIGHT = "#0e1117"
# The colour on a dark page of each colour on a light page
COLOURS = {
    "#222222": "#ececec",
    "#555555": "#bdc1c6",
    "#8c8c8c": "#80868f",
    "#ececec": "#2b303b",
    "white": NIGHT,
    "#ffffff": NIGHT,
    "#000000": "#ffffff",
    "#0072B2": "#3d9fdc",
    "#7a5195": "#a97fc5",
    "#F7F7F7": "#20252f",
    "#c9c9c9": "#5c6370",
    "#e6e6e6": "#3a404c",
    "#cfe3f1": "#1f4460",
    "#f4f4f4": "#1d222c",
}
# Characters per line of an axis title
TITLE_WIDTH = 40
# The most characters of an axis title that fit below an axis on a phone, beside names of rows
SHORT = 15
Chart = TypeVar("Chart", bound=alt.TopLevelMixin)


def for_page(chart: Chart, dark: bool) -> Chart:
    """Return a copy of a chart that fits a page; its data are shared, not copied."""
    # Every Altair object has copy(), though the mixin's type of charts does not declare it.
    copy: Chart = chart.copy(deep=True)  # type: ignore[attr-defined]
    _give_room(copy)
    if dark:
        _recolour(copy)
    _break_titles(copy)
    return copy


def panels(chart: alt.VConcatChart) -> dict[str, alt.LayerChart]:
    """Return the panels of a figure as figures of their own, as wide as a page, by their titles."""
    alone = {}
    selections: Any = chart.params
    for panel in chart.vconcat:
        one: Any = panel.copy(deep=False)
        one.config, one.width = chart.config, "container"
        # Altair gives selections to the whole figure; each is of the layers that it names.
        views = {layer.name for layer in one.layer}
        one.params = [each for each in selections if views & set(each.views)]
        alone[str(one.title.text)] = one
    return alone


def _give_room(chart: Any) -> None:
    """Let a long title of the axis reach below the names of rows, if there are any, in place.

    On a phone names take half of the page, and a title below the axis alone would be cut.
    """
    if not isinstance(getattr(chart, "height", None), alt.Step):
        return
    axes = [layer.encoding.x for layer in chart.layer]
    titles = [axis._kwds.get("title") for axis in axes if isinstance(axis, alt.X)]
    if any(isinstance(title, str) and len(title) > SHORT for title in titles):
        chart.config = {**chart.config, "axisBottom": {"titleAnchor": "end"}}


def _break_titles(value: Any) -> None:
    """Wrap the titles of horizontal axes, in place; other values of the chart are skipped."""
    if isinstance(value, list):
        for each in value:
            _break_titles(each)
    if not isinstance(value, alt.SchemaBase):
        return
    if isinstance(value, alt.X) and isinstance(value._kwds.get("title"), str):
        value._kwds["title"] = textwrap.wrap(value._kwds["title"], TITLE_WIDTH)
    for key, each in value._kwds.items():
        if key not in ("data", "datasets"):
            _break_titles(each)


def _recolour(value: Any) -> Any:
    """Replace the colours in a part of a chart, and return it; objects are changed in place."""
    if isinstance(value, str):
        return COLOURS.get(value, value)
    if isinstance(value, list):
        return [_recolour(each) for each in value]
    if isinstance(value, dict):
        return {key: _recolour(each) for key, each in value.items()}
    if isinstance(value, alt.SchemaBase):
        for key, each in value._kwds.items():
            # Data is skipped, as it may hold any text, even one that is a colour.
            if key not in ("data", "datasets"):
                value._kwds[key] = _recolour(each)
    return value
