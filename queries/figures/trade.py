"""Draw accumulation against retention: each setting's path over tasks, and the Pareto front."""

from collections.abc import Sequence
from dataclasses import dataclass

import altair as alt
import polars as pl

from queries.figures.looks import TITLES, below, dressed, named, provenance
from queries.figures.palette import FAINT, INK, Dyed, Palette, dyed, pointed, strength
from queries.figures.scales import Reach, reach

TIPS = ["row", "task", "seeds", "a_ka", "a_zs", "spent_gflops"]
# The area of a point without a colour, in square pixels
GREY_SIZE = 50
KEPT, LEARNED = ("a_zs_low", "a_zs_high"), ("a_ka_low", "a_ka_high")


@dataclass(frozen=True, kw_only=True)
class Axes:
    """The ends of the two axes of a figure, x and y."""

    x: alt.X
    y: alt.Y
    notes: tuple[str, ...]


def trade(
    course: pl.DataFrame,
    front: pl.DataFrame,
    published: pl.DataFrame,
    methods: Sequence[str] | Palette,
) -> alt.LayerChart:
    """Return a figure of accumulation (up) against retention (right).

    Args:
        course: a row per setting and task; a line leads from the untouched backbone through the
            tasks, with whiskers (95 % intervals) at its end.
        front: settings that no other beats in both; a dashed line joins them. published: published
        points; their shapes show how they are known. methods: all methods, oldest first, or a
            palette. Of methods without a colour only the end points are drawn, as their paths would
            hide all others.
    """
    rows = named(course.drop_nulls(["a_ka", "a_zs"]))
    ends = rows.filter(pl.col("task") == pl.col("tasks"))
    # All settings of a figure start at the same untouched backbone.
    start = rows.filter(pl.col("task") == 0).unique(["a_ka", "a_zs"], maintain_order=True)
    axes = _axes(rows)
    # With more methods than colours, colours go to the Pareto front, then to the best balanced.
    ahead = ends.join(front, on=["method", "mixture", "recipe"], how="semi")["method"].to_list()
    balance = (pl.col("a_ka") * pl.col("a_zs")).alias("balance")
    ahead += ends.sort(balance, descending=True, nulls_last=True)["method"].to_list()
    colours, pointer = dyed(methods, rows, ahead=ahead), pointed()
    last = colours.rows.filter(pl.col("task") == pl.col("tasks"))
    # Layers are listed from back to front.
    layers = [_front(ends, front, axes), *_paths(colours, pointer, axes)]
    layers += _ends(last, colours, pointer, axes)
    layers += _untouched(start, axes)
    if len(published):
        layers.append(_published(published, axes))
    # Published points have other shapes than mixtures.
    apart = alt.Resolve(scale=alt.ScaleResolveMap(shape="independent"))
    notes = [*axes.notes, *colours.notes]
    if FAINT in colours.colours.values():
        notes.append("Of those in grey only the end is drawn, not the way through the tasks.")
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


def _paths(colours: Dyed, pointer: alt.Parameter, axes: Axes) -> list[alt.Chart]:
    chart, paint = alt.Chart(colours.plain), colours.paint
    line, steps = chart.mark_line(strokeWidth=1.6), chart.mark_circle(size=26)
    pale, strong = strength(pointer, 0.55), strength(pointer, 0.7)
    return [
        line.encode(axes.x, axes.y, paint, detail="row:N", order="task:O", opacity=pale),
        steps.encode(axes.x, axes.y, paint, tooltip=TIPS, opacity=strong),
    ]


def _ends(last: pl.DataFrame, colours: Dyed, pointer: alt.Parameter, axes: Axes) -> list[alt.Chart]:
    paint, shown = colours.paint, strength(pointer)
    # Whiskers of a hundred methods would hide each other, so grey points have none.
    chosen = colours.plain.filter(pl.col("task") == pl.col("tasks"))
    whisker = alt.Chart(chosen).mark_rule(strokeWidth=2)
    left, right = alt.X("a_zs_low:Q"), alt.X2("a_zs_high:Q")
    lower, upper = alt.Y("a_ka_low:Q"), alt.Y2("a_ka_high:Q")
    wide = whisker.encode(left, axes.y, right, color=paint, opacity=shown)
    tall = whisker.encode(axes.x, lower, upper, color=paint, opacity=shown)
    shape = alt.Shape("mixture:N", legend=below(last, "mixture"))
    # A hundred grey points of full size would hide the paths and one another.
    coloured = alt.FieldOneOfPredicate(field="row", oneOf=chosen["row"].to_list())
    size = alt.when(coloured).then(alt.value(170)).otherwise(alt.value(GREY_SIZE))
    points = alt.Chart(last).mark_point(filled=True).add_params(pointer)
    points = points.encode(axes.x, axes.y, paint, shape, size=size, tooltip=TIPS, opacity=shown)
    return [wide, tall, points]


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
