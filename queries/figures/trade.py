"""Draw learned against kept: each setting's way through its tasks, and those nobody beats."""

from collections.abc import Sequence

import altair as alt
import polars as pl

from queries.figures.looks import INK, dressed, named, of, on_top, provenance

TIPS = ["row", "task", "seeds", "a_ka", "a_zs", "spent_gflops"]
X = alt.X("a_zs:Q", title="retention a_zs  →", scale=alt.Scale(zero=False, padding=14))
Y = alt.Y("a_ka:Q", title="accumulation a_ka  →", scale=alt.Scale(zero=False, padding=14))


def trade(
    course: pl.DataFrame, front: pl.DataFrame, published: pl.DataFrame, methods: Sequence[str]
) -> alt.LayerChart:
    """Return retention to the right and accumulation up.

    Args:
        course: a row per setting and task; a line leads from the untouched backbone through the
        tasks,
            with whiskers (95 % intervals) at its end.
        front: settings that nobody beats in both; a dashed line joins them.
        published: published points, which are shaped by how they are known.
        methods: all methods, oldest first, for their colours.
    """
    rows = named(course.drop_nulls(["a_ka", "a_zs"]))
    ends = rows.filter(pl.col("task") == pl.col("tasks"))
    # All settings of a figure begin at one point: the backbone that they share.
    start = rows.filter(pl.col("task") == 0).head(1)
    # The order of layers is that from back to front.
    layers = [_front(ends, front), *_paths(rows, of(methods, rows))]
    layers += _ends(ends, of(methods, rows))
    layers += _untouched(start)
    if len(published):
        layers.append(_published(published))
    # Published points have shapes of their own, which are not those of mixtures.
    apart = alt.Resolve(scale=alt.ScaleResolveMap(shape="independent"))
    return dressed(*layers, height=520, resolve=apart)


def _front(ends: pl.DataFrame, front: pl.DataFrame) -> alt.Chart:
    best = ends.join(front, on=["method", "mixture", "recipe"], how="semi").sort("a_zs")
    line = alt.Chart(best).mark_line(
        strokeDash=[6, 4], color=INK, strokeWidth=1.4, interpolate="step-after"
    )
    front_line: alt.Chart = line.encode(X, Y, order="a_zs:Q")
    return front_line


def _paths(rows: pl.DataFrame, paint: alt.Color) -> list[alt.Chart]:
    line = alt.Chart(rows).mark_line(strokeWidth=1.6, opacity=0.55)
    steps = alt.Chart(rows).mark_circle(size=26, opacity=0.7)
    return [
        line.encode(X, Y, paint, detail="row:N", order="task:O"),
        steps.encode(X, Y, paint, tooltip=TIPS),
    ]


def _ends(ends: pl.DataFrame, paint: alt.Color) -> list[alt.Chart]:
    whisker = alt.Chart(ends).mark_rule(strokeWidth=2)
    wide = whisker.encode(alt.X("a_zs_low:Q"), Y, alt.X2("a_zs_high:Q"), color=paint)
    tall = whisker.encode(X, alt.Y("a_ka_low:Q"), alt.Y2("a_ka_high:Q"), color=paint)
    shape = alt.Shape("mixture:N", legend=on_top())
    points = alt.Chart(ends).mark_point(filled=True, size=170, opacity=1)
    return [wide, tall, points.encode(X, Y, paint, shape, tooltip=TIPS)]


def _untouched(start: pl.DataFrame) -> list[alt.Chart]:
    chart = alt.Chart(start.with_columns(label=pl.lit("untouched")))
    mark = chart.mark_point(shape="stroke", size=260, angle=90, color=INK, strokeWidth=3)
    label = chart.mark_text(dy=18, color=INK, fontSize=12)
    return [mark.encode(X, Y), label.encode(X, Y, text="label:N")]


def _published(published: pl.DataFrame) -> alt.Chart:
    shape = provenance(alt.Legend(title="published", orient="bottom"))
    points = alt.Chart(published).mark_point(size=120, color=INK, strokeWidth=1.8, filled=False)
    tips = ["source", "setting", "provenance", "a_ka", "a_zs"]
    shaped: alt.Chart = points.encode(X, Y, shape, tooltip=tips)
    return shaped
