"""Draw gain against loss or cost, and performance profiles over levels of accuracy."""

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt
import polars as pl

from queries.figures.looks import TITLES, below, dressed, named
from queries.figures.palette import PALE, Palette, dyed, pointed
from queries.figures.scales import Reach, reach
from queries.figures.settings import interval

# The ratio of the largest to the smallest cost from which its axis is logarithmic
POWERS = 20.0


@dataclass(frozen=True, kw_only=True)
class Sides:
    """The columns of a figure of two values, and the mark of its best rows."""

    x: str
    y: str
    # The column that is true for the best rows, and its meaning; other rows are pale
    best: str
    meaning: str
    # The title of the y axis, where its column's name does not explain it
    title: str | None = None


def bargain(frame: pl.DataFrame, sides: Sides, methods: Sequence[str] | Palette) -> alt.LayerChart:
    """Return a figure with a point per setting, and the intervals of both values, if any."""
    x, y, best = sides.x, sides.y, sides.best
    rows = named(frame.drop_nulls([x, y]))
    across, up = reach(rows, x, interval_of(rows, x)), reach(rows, y, interval_of(rows, y))
    x_axis = alt.X(f"{x}:Q", title=TITLES.get(x, x), scale=_scale(rows, x, across))
    y_axis = alt.Y(f"{y}:Q", title=sides.title or TITLES.get(y, y), scale=up.scale(padding=14))
    ahead = foremost_methods(rows, best, y)
    colours, pointer = dyed(methods, rows, ahead=ahead), pointed()
    rows = colours.rows
    strength = alt.when(pointer, alt.datum.lit & alt.datum[best]).then(alt.value(1.0))
    strength = strength.when(pointer, alt.datum.lit).then(alt.value(0.45))
    base = alt.Chart(rows).encode(color=colours.paint, opacity=strength.otherwise(alt.value(PALE)))
    layers = []
    ends = interval_of(rows, x)
    if ends is not None:
        wide = base.mark_rule(strokeWidth=2)
        layers.append(wide.encode(alt.X(f"{ends[0]}:Q"), y_axis, alt.X2(f"{ends[1]}:Q")))
    ends = interval_of(rows, y)
    if ends is not None:
        tall = base.mark_rule(strokeWidth=2)
        layers.append(tall.encode(x_axis, alt.Y(f"{ends[0]}:Q"), alt.Y2(f"{ends[1]}:Q")))
    points = base.mark_point(filled=True, size=140).add_params(pointer)
    shape = alt.Shape("mixture:N", legend=below(rows, "mixture"))
    layers.append(points.encode(x_axis, y_axis, shape, tooltip=_tips(rows)))
    notes = [*dict.fromkeys(across.notes + up.notes), *colours.notes]
    return dressed(*layers, height=440, notes=[f"Bold: {sides.meaning}.", *notes])


def interval_of(rows: pl.DataFrame, value: str) -> tuple[str, str] | None:
    """Return the columns of a value's interval, if they are named after the value."""
    ends = interval(rows, value)
    if ends is None or not ends[0].startswith(value):
        return None
    return ends


def foremost_methods(rows: pl.DataFrame, best: str, value: str) -> list[str]:
    """Return the methods of a frame: undominated ones first, then by value."""
    order = rows.sort(value, descending=True, nulls_last=True)
    names = order.filter(pl.col(best))["method"].to_list()
    return [*names, *order["method"].to_list()]


def _scale(rows: pl.DataFrame, x: str, across: Reach) -> alt.Scale:
    """Return the scale of the cost axis, logarithmic where costs differ by a large factor."""
    least, most = rows[x].min(), rows[x].max()
    if not x.endswith("gflops") or least is None or most is None:
        return across.scale(padding=14)
    if float(str(least)) > 0 and float(str(most)) > POWERS * float(str(least)):
        ends = [float(str(least)) / 1.3, float(str(most)) * 1.3]
        return alt.Scale(type="log", domain=ends, nice=False)
    return across.scale(padding=14)


def _tips(rows: pl.DataFrame) -> list[str]:
    made = ("row", "hue", "lit")
    return [name for name, kind in rows.schema.items() if kind != pl.List and name not in made]


def profile(frame: pl.DataFrame, methods: Sequence[str] | Palette) -> alt.LayerChart:
    """Return a figure of each setting's share of seeds and datasets at or above each level."""
    rows = named(frame)
    x = alt.X("level:Q", title=TITLES["level"])
    y = alt.Y("share:Q", title=TITLES["share"], scale=alt.Scale(domain=[0, 1]))
    # Colours go first to the settings that are higher over all levels.
    means = rows.group_by("method", maintain_order=True).agg(pl.col("share").mean())
    ahead = means.sort("share", descending=True)["method"].to_list()
    colours = dyed(methods, rows, ahead=ahead)
    rows = colours.rows
    chart = alt.Chart(rows).encode(x, colours.paint, detail=["row:N", "role:N"])
    band = chart.mark_area(opacity=0.14).encode(alt.Y("low:Q"), alt.Y2("high:Q"))
    dash = alt.StrokeDash("role:N", legend=alt.Legend(title=None, orient="top"))
    line = chart.mark_line(strokeWidth=2.2).encode(y, dash, tooltip=_tips(rows))
    return dressed(band, line, height=420, notes=colours.notes)
