"""Draw settings: values with intervals, measures over what was spent, pairs of seeds, costs."""

from collections.abc import Sequence

import altair as alt
import polars as pl

from queries.figures.looks import FAINT, OKABE_ITO, TITLES, dressed, in_order, named, of

SPENT = {
    "spent_gflops": "GFLOPs",
    "spent_s": "seconds of work",
    "spent_steps": "steps",
    "spent_pairs": "pairs",
}
COSTS = {"gflops": "GFLOPs of a trial", "seconds": "seconds of a trial"}
BEHIND = ("behind", "too few seeds")


def dots(
    frame: pl.DataFrame, value: str, methods: Sequence[str], title: str | None = None
) -> alt.LayerChart:
    """Return a dot per setting, in the order of the frame, with its interval where there is one.

    A dot is hollow where the frame says that the row is behind the best, or has too few seeds to
    tell.
    """
    rows = named(frame)
    if "verdict" in rows.columns:
        rows = rows.with_columns(hollow=pl.col("verdict").is_in(BEHIND))
    base = alt.Chart(rows).encode(alt.Y("row:N", sort=in_order(rows, "row"), title=None))
    paint = of(methods, rows, legend=False)
    title = title or TITLES.get(value, value.replace("_", " "))
    x = _along(value, title)
    points = base.mark_point(filled=True, size=150, opacity=1)
    layers = [points.encode(x, color=paint, tooltip=_tips(rows))]
    if "hollow" in rows.columns:
        hole = base.transform_filter("datum.hollow")
        hole = hole.mark_point(filled=True, size=50, opacity=1, color="white")
        layers.append(hole.encode(x))
    # Intervals lie below the points, so that a hollow one stays hollow.
    ends = interval(rows, value)
    if ends is not None:
        rule = base.mark_rule(strokeWidth=2.5)
        ends_x = (_along(ends[0], title), alt.X2(f"{ends[1]}:Q"))
        layers.insert(0, rule.encode(*ends_x, color=paint))
    return dressed(*layers, height=alt.Step(34))


def interval(frame: pl.DataFrame, value: str) -> tuple[str, str] | None:
    """Return the two columns that hold the interval of a value; None without them."""
    for pair in ((f"{value}_low", f"{value}_high"), ("low", "high")):
        if set(pair) <= set(frame.columns):
            return pair
    return None


def _along(column: str, title: str) -> alt.X:
    scale = alt.Scale(zero=False, nice=True)
    return alt.X(f"{column}:Q", title=title, scale=scale, axis=alt.Axis(tickCount=10))


def _tips(rows: pl.DataFrame) -> list[str]:
    """Return the columns that are shown when the pointer rests on a row: all but lists."""
    tips = []
    for name, kind in rows.schema.items():
        if kind != pl.List and name not in ("row", "hollow", "grid"):
            tips.append(name)
    return tips


def over_budget(
    course: pl.DataFrame, measure: str, unit: str, methods: Sequence[str]
) -> alt.LayerChart:
    """Return a measure along what was spent, with its interval; dashes differ by mixture."""
    rows = named(course.drop_nulls(measure))
    # Differences between methods are small beside the values, so axes do not begin at zero.
    scale = alt.Scale(zero=False)
    x = alt.X(f"{unit}:Q", title=f"spent so far, {SPENT[unit]}")
    y = alt.Y(f"{measure}:Q", title=TITLES[measure], scale=scale)
    low = alt.Y(f"{measure}_low:Q", title=TITLES[measure], scale=scale)
    high = alt.Y2(f"{measure}_high:Q")
    paint = of(methods, rows)
    legend = alt.Legend(title=None, orient="top", symbolType="stroke")
    dash = alt.StrokeDash("mixture:N", legend=legend)
    chart = alt.Chart(rows)
    band = chart.mark_area(opacity=0.14).encode(x, low, high, paint, detail="row:N")
    line = chart.mark_line(strokeWidth=2.4)
    line = line.encode(x, y, paint, dash, detail="row:N", order="task:O")
    points = chart.mark_circle(size=55, opacity=1)
    points = points.encode(x, y, paint, tooltip=["row", "task", "seeds", measure, unit])
    return dressed(band, line, points, height=460)


def pairs(frame: pl.DataFrame, a: str, b: str, measure: str) -> alt.LayerChart:
    """Return a line per pair of equal seed, from `a` to `b`; the colour says who won."""
    # A row has both sides of a pair; the lines want a row per side.
    names = {"value_a": a, "value_b": b}
    same = [column for column in frame.columns if column not in names]
    long = frame.with_columns(pair=pl.int_range(pl.len())).unpivot(
        list(names), index=[*same, "pair"], variable_name="side"
    )
    long = long.with_columns(pl.col("side").replace_strict(names))
    scale = alt.Scale(domain=[a, b, "tie"], range=[OKABE_ITO[0], OKABE_ITO[1], FAINT])
    axis = alt.Axis(labelAngle=0, labelFontSize=14)
    base = alt.Chart(long).encode(
        alt.X("side:N", sort=[a, b], title=None, axis=axis, scale=alt.Scale(padding=0.4)),
        alt.Y("value:Q", title=TITLES[measure], scale=alt.Scale(zero=False, padding=20)),
        alt.Color("winner:N", scale=scale, legend=alt.Legend(title="better", orient="top")),
        detail="pair:N",
        tooltip=["mixture", "recipe", "seed", "side", "value", "difference"],
    )
    lines = base.mark_line(strokeWidth=2, opacity=0.8)
    return dressed(lines, base.mark_circle(size=90, opacity=1), height=420)


def costs(frame: pl.DataFrame, value: str) -> alt.LayerChart:
    """Return a bar per setting, what it spends stacked by phase; the dearest comes first."""
    rows = named(frame)
    sums = rows.group_by("row").agg(pl.col(value).sum()).sort(value, descending=True)
    # Phases have other colours than the first methods, so that nobody takes one for the other.
    colours = [*OKABE_ITO[5:6], *OKABE_ITO[:5], *OKABE_ITO[6:]]
    scale = alt.Scale(domain=sorted(rows["phase"].unique()), range=colours)
    legend = alt.Legend(title="phase", orient="top")
    bars = alt.Chart(rows).mark_bar()
    bars = bars.encode(
        alt.X(f"{value}:Q", title=COSTS[value]),
        alt.Y("row:N", sort=sums["row"].to_list(), title=None),
        alt.Color("phase:N", scale=scale, legend=legend),
        tooltip=["row", "phase", "trials", "gflops", "seconds", "peak_gb"],
    )
    return dressed(bars, height=alt.Step(32))
