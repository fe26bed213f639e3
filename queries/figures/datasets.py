"""Draw results by dataset: values after every task, losses, and published numbers beside ours."""

from collections.abc import Sequence

import altair as alt
import polars as pl

from queries.figures.looks import (
    DIVERGING,
    below,
    dressed,
    in_order,
    longest,
    named,
    provenance,
    told_apart,
)
from queries.figures.palette import FAINT, INK, OKABE_ITO, Palette, dyed, pointed, strength
from queries.figures.scales import reach

# The colour of numbers on dark cells, on a dark page, too
ON_DARK = "#fdfdfd"
LOST_TIPS = ["row", "dataset", "role", "metric", "seeds"]
LOST_TIPS += ["untouched", "worst", "worst_task", "last", "lost"]
BOTH_TIPS = ["source", "setting", "metric", "provenance", "published", "ours"]
BOTH_TIPS += ["difference", "verdict"]


def heat(frame: pl.DataFrame, value: str, title: str, of_two: bool = False) -> alt.LayerChart:
    """Return a heat map: tasks as columns, what is measured (`item`) as rows, values in cells.

    With `of_two` the values are differences of two settings, and zero is the middle of the colour
    scale.
    """
    sizes = frame.with_columns(row="item", size=pl.col(value).abs())
    bounds = reach(sizes, "size")
    peak = max(float(str(frame[value].abs().max() or 0)), 1e-9)
    if bounds.domain is not None:
        # An outlier gets the last colour and its number, so that the other values get distinct
        # colours.
        peak = bounds.domain[1]
    # Differences get a diverging colour scale around zero, values a sequential one.
    if of_two:
        scale = alt.Scale(
            domain=[-peak, 0, peak], range=list(DIVERGING), clamp=True, interpolate="rgb"
        )
        dark, digits, light = f"abs(datum['{value}']) > {0.75 * peak}", "+.2f", INK
    else:
        scale = alt.Scale(scheme="cividis", domain=[0, peak], clamp=True)
        dark, digits, light = f"datum['{value}'] < {0.55 * peak}", ".2f", "#111111"
    across = alt.Axis(labelAngle=0, orient="top", domain=False, ticks=False)
    down = alt.Axis(domain=False, ticks=False)
    base = alt.Chart(frame).encode(
        alt.X("task:O", title="after task (0: untouched)", axis=across),
        alt.Y("item:N", sort=in_order(frame, "item"), title=None, axis=down),
    )
    legend = alt.Legend(title=None, format=digits)
    fill = alt.Color(f"{value}:Q", scale=scale, legend=legend)
    cells = base.mark_rect(stroke="white", strokeWidth=2)
    # Numbers are white on dark cells and black on light ones.
    ink = alt.condition(dark, alt.value(ON_DARK), alt.value(light))
    # What rounds to 0 has no sign.
    text = alt.condition(
        f"abs(datum['{value}']) < 0.005", alt.value("0.00"), alt.Text(f"{value}:Q", format=digits)
    )
    numbers = base.mark_text(fontSize=12).encode(text=text, color=ink)
    cells = cells.encode(fill, tooltip=[*frame.columns])
    return dressed(cells, numbers, height=alt.Step(28), title=title)


def forgetting(frame: pl.DataFrame, methods: Sequence[str] | Palette) -> alt.LayerChart:
    """Return a figure of each setting's loss on each dataset since the untouched backbone.

    Values left of zero are gains.
    """
    rows = told_apart(named(frame))
    # With more methods than colours, those that lost least over all datasets get one.
    means = rows.group_by("method", maintain_order=True).agg(pl.col("lost").mean())
    ahead = means.sort("lost", nulls_last=True)["method"].to_list()
    beside = longest(rows, "item")
    colours, pointer = dyed(methods, rows, ahead=ahead, beside=beside), pointed()
    title = "lost since the untouched backbone (accuracy; below 0: gained)"
    axis = reach(rows, "lost")
    x = alt.X("lost:Q", title=title, scale=axis.scale(), axis=alt.Axis(format="+.2f"))
    y = alt.Y("item:N", sort=in_order(rows, "item"), title=None, axis=alt.Axis(grid=True))
    shape = alt.Shape("mixture:N", legend=below(rows, "mixture"))
    zero = alt.Chart(pl.DataFrame({"zero": [0.0]})).mark_rule(color=INK, strokeDash=[4, 3])
    points = alt.Chart(colours.rows).mark_point(filled=True, size=110).add_params(pointer)
    shown = strength(pointer, 0.9)
    points = points.encode(x, y, colours.paint, shape, tooltip=LOST_TIPS, opacity=shown)
    notes = [*axis.notes, *colours.notes]
    return dressed(zero.encode(x="zero:Q"), points, height=alt.Step(28), notes=notes)


def reproduced(frame: pl.DataFrame) -> alt.LayerChart:
    """Return a figure of published numbers against ours; on the diagonal they agree."""
    # The diagonal, on which our number equals the published one.
    ends = pl.DataFrame({"published": [0.0, 1.0], "ours": [0.0, 1.0]})
    line = alt.Chart(ends).mark_line(color=FAINT, strokeDash=[4, 3])
    points = alt.Chart(frame).mark_point(size=110, filled=True, opacity=0.9, color=OKABE_ITO[0])
    shape = provenance(alt.Legend(orient="top"))
    x = alt.X("published:Q", title="published (accuracy)")
    y = alt.Y("ours:Q", title="ours (accuracy)")
    points = points.encode(x, y, shape, tooltip=BOTH_TIPS)
    return dressed(line.encode(x="published:Q", y="ours:Q"), points, height=420)
