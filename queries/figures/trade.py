"""Draw learned against kept: each setting's way through its tasks, and those nobody beats."""

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt
import polars as pl

from queries.figures.looks import (
    INK,
    TITLES,
    dressed,
    greyed,
    in_front,
    named,
    of,
    on_top,
    paints,
    provenance,
)
from queries.figures.scales import Reach, reach

TIPS = ["row", "task", "seeds", "a_ka", "a_zs", "spent_gflops"]
KEPT, LEARNED = ("a_zs_low", "a_zs_high"), ("a_ka_low", "a_ka_high")


@dataclass(frozen=True, kw_only=True)
class Axes:
    """The two axes of a figure, x and y, as far as they reach."""

    x: alt.X
    y: alt.Y
    notes: tuple[str, ...]


def trade(
    course: pl.DataFrame, front: pl.DataFrame, published: pl.DataFrame, methods: Sequence[str]
) -> alt.LayerChart:
    """Return retention to the right and accumulation up.

    Args:
        course: a row per setting and task; a line leads from the untouched backbone through the
            tasks, with whiskers (95 % intervals) at its end.
        front: settings that nobody beats in both; a dashed line joins them.
        published: published points, which are shaped by how they are known.
        methods: all methods, oldest first, for their colours.
    """
    rows = named(course.drop_nulls(["a_ka", "a_zs"]))
    ends = rows.filter(pl.col("task") == pl.col("tasks"))
    # Settings of a figure begin at the backbone that they share.
    start = rows.filter(pl.col("task") == 0).unique(["a_ka", "a_zs"], maintain_order=True)
    axes = _axes(rows)
    # Where methods are more than colours, those have one that nobody beats, then those that
    # balance both best.
    ahead = ends.join(front, on=["method", "mixture", "recipe"], how="semi")["method"].to_list()
    balance = (pl.col("a_ka") * pl.col("a_zs")).alias("balance")
    ahead += ends.sort(balance, descending=True, nulls_last=True)["method"].to_list()
    paint = of(methods, rows, ahead=ahead)
    rows, ends = in_front(rows, ahead), in_front(ends, ahead)
    # The order of layers is that from back to front.
    layers = [_front(ends, front, axes), *_paths(rows, paint, axes)]
    layers += _ends(ends, paint, axes)
    layers += _untouched(start, axes)
    if len(published):
        layers.append(_published(published, axes))
    # Published points have shapes of their own, which are not those of mixtures.
    apart = alt.Resolve(scale=alt.ScaleResolveMap(shape="independent"))
    notes = [*axes.notes, *greyed(paints(methods, rows, ahead))]
    return dressed(*layers, height=520, resolve=apart, notes=notes)


def _axes(rows: pl.DataFrame) -> Axes:
    kept, learned = reach(rows, "a_zs", KEPT), reach(rows, "a_ka", LEARNED)
    return Axes(
        x=alt.X("a_zs:Q", title=f"{TITLES['a_zs']} →", scale=_padded(kept)),
        y=alt.Y("a_ka:Q", title=f"{TITLES['a_ka']} →", scale=_padded(learned)),
        notes=tuple(dict.fromkeys(kept.notes + learned.notes)),
    )


def _padded(axis: Reach) -> alt.Scale:
    """Return the scale of an axis with room for the marks at its ends."""
    return axis.scale(padding=14)


def _front(ends: pl.DataFrame, front: pl.DataFrame, axes: Axes) -> alt.Chart:
    best = ends.join(front, on=["method", "mixture", "recipe"], how="semi").sort("a_zs")
    line = alt.Chart(best).mark_line(
        strokeDash=[6, 4], color=INK, strokeWidth=1.4, interpolate="step-after"
    )
    front_line: alt.Chart = line.encode(axes.x, axes.y, order="a_zs:Q")
    return front_line


def _paths(rows: pl.DataFrame, paint: alt.Color, axes: Axes) -> list[alt.Chart]:
    line = alt.Chart(rows).mark_line(strokeWidth=1.6, opacity=0.55)
    steps = alt.Chart(rows).mark_circle(size=26, opacity=0.7)
    return [
        line.encode(axes.x, axes.y, paint, detail="row:N", order="task:O"),
        steps.encode(axes.x, axes.y, paint, tooltip=TIPS),
    ]


def _ends(ends: pl.DataFrame, paint: alt.Color, axes: Axes) -> list[alt.Chart]:
    whisker = alt.Chart(ends).mark_rule(strokeWidth=2)
    left, right = alt.X("a_zs_low:Q"), alt.X2("a_zs_high:Q")
    lower, upper = alt.Y("a_ka_low:Q"), alt.Y2("a_ka_high:Q")
    wide = whisker.encode(left, axes.y, right, color=paint)
    tall = whisker.encode(axes.x, lower, upper, color=paint)
    shape = alt.Shape("mixture:N", legend=on_top())
    points = alt.Chart(ends).mark_point(filled=True, size=170, opacity=1)
    return [wide, tall, points.encode(axes.x, axes.y, paint, shape, tooltip=TIPS)]


def _untouched(start: pl.DataFrame, axes: Axes) -> list[alt.Chart]:
    chart = alt.Chart(start.with_columns(label=pl.lit("untouched")))
    mark = chart.mark_point(shape="stroke", size=260, angle=90, color=INK, strokeWidth=3)
    label = chart.mark_text(dy=18, color=INK, fontSize=12)
    return [mark.encode(axes.x, axes.y), label.encode(axes.x, axes.y, text="label:N")]


def _published(published: pl.DataFrame, axes: Axes) -> alt.Chart:
    shape = provenance(alt.Legend(title="published", orient="bottom"))
    points = alt.Chart(published).mark_point(size=120, color=INK, strokeWidth=1.8, filled=False)
    tips = ["source", "setting", "provenance", "a_ka", "a_zs"]
    shaped: alt.Chart = points.encode(axes.x, axes.y, shape, tooltip=tips)
    return shaped
