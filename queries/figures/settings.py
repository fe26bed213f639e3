"""Draw settings: values with intervals, measures over what was spent, pairs of seeds, costs."""

from collections.abc import Sequence

import altair as alt
import polars as pl

from queries.figures.looks import (
    FAINT,
    OKABE_ITO,
    TITLES,
    dressed,
    greyed,
    in_order,
    named,
    of,
    paints,
)
from queries.figures.scales import reach

SPENT = {
    "spent_gflops": "GFLOPs",
    "spent_s": "seconds of work",
    "spent_steps": "steps",
    "spent_pairs": "pairs",
}
COSTS = {"gflops": "compute of a trial (GFLOPs)", "seconds": "work of a trial (seconds)"}
# The phases of a trial in the order in which they come, which is that of a bar from left to right
PHASES = ("fisher", "score", "train", "repair", "merge", "evaluate")
BEHIND = ("behind", "too few seeds")
# A figure of dots shows so many rows, and says how many there are besides.
DOTS = 40
# With more rows than this they stand closer together.
CLOSE = 15
# Of these values less is better.
LESS_IS_BETTER = ("behind", "lost", "zs_loss", "rank", "error", "gflops")
# The columns of an interval whose names say nothing of the value
BARE = (("low", "high"), ("lowest", "highest"))
# Columns that a tooltip leaves out: they are made for the figure.
MADE = ("row", "hollow", "grid")


def dots(
    frame: pl.DataFrame,
    value: str,
    methods: Sequence[str],
    title: str | None = None,
    most: int = DOTS,
) -> alt.LayerChart:
    """Return a dot per setting, in the order of the frame, with its interval where there is one.

    A dot is hollow where the frame says that the row is behind the best, or has too few seeds to
    tell. Of more than `most` rows the best are drawn, and a note says so.
    """
    notes = []
    rows = named(frame)
    if "method" in rows.columns and "choice" in rows.columns:
        # Where methods are compared the choice is the method, and has its colour.
        open_ = pl.col("method") == "*"
        rows = rows.with_columns(method=pl.when(open_).then("choice").otherwise("method"))
    if len(rows) > most:
        best = foremost(rows, value, most)
        notes.append(f"The best {most} of {len(rows)} rows; the table has all.")
        rows = rows.join(best.select("row").unique(), on="row", how="semi", maintain_order="left")
    if "verdict" in rows.columns:
        rows = rows.with_columns(hollow=pl.col("verdict").is_in(BEHIND))
    base = alt.Chart(rows).encode(alt.Y("row:N", sort=in_order(rows, "row"), title=None))
    paint = of(methods, rows, legend=False)
    title = title or TITLES.get(value, value.replace("_", " "))
    ends = interval(rows, value)
    axis = reach(rows, value, ends)
    scale = axis.scale(nice=True)
    x = alt.X(f"{value}:Q", title=title, scale=scale, axis=alt.Axis(tickCount=8))
    points = base.mark_point(filled=True, size=150, opacity=1)
    layers = [points.encode(x, color=paint, tooltip=_tips(rows))]
    if "hollow" in rows.columns:
        hole = base.transform_filter("datum.hollow")
        hole = hole.mark_point(filled=True, size=50, opacity=1, color="white")
        layers.append(hole.encode(x))
    # Intervals lie below the points, so that a hollow one stays hollow.
    if ends is not None:
        rule = base.mark_rule(strokeWidth=2.5)
        low = alt.X(f"{ends[0]}:Q", title=title, scale=scale)
        layers.insert(0, rule.encode(low, alt.X2(f"{ends[1]}:Q"), color=paint))
    step = alt.Step(34 if len(rows) <= CLOSE else 22)
    return dressed(*layers, height=step, notes=[*notes, *axis.notes])


def foremost(frame: pl.DataFrame, value: str, rows: int) -> pl.DataFrame:
    """Return the rows of a frame with the best values."""
    return frame.sort(value, descending=value not in LESS_IS_BETTER, nulls_last=True).head(rows)


def interval(frame: pl.DataFrame, value: str) -> tuple[str, str] | None:
    """Return the two columns that hold the interval of a value; None without them."""
    for pair in ((f"{value}_low", f"{value}_high"), *BARE):
        if set(pair) <= set(frame.columns):
            return pair
    return None


def _tips(rows: pl.DataFrame) -> list[str]:
    """Return the columns that are shown when the pointer rests on a row: all but lists."""
    tips = []
    for name, kind in rows.schema.items():
        if kind != pl.List and name not in MADE:
            tips.append(name)
    return tips


def over_budget(
    course: pl.DataFrame, measure: str, unit: str, methods: Sequence[str]
) -> alt.LayerChart:
    """Return a measure along what was spent, with its interval; dashes differ by mixture."""
    rows = named(course.drop_nulls(measure))
    ahead = leaders(rows, measure)
    ends = (f"{measure}_low", f"{measure}_high")
    axis = reach(rows, measure, ends)
    # Differences between methods are small beside the values, so axes do not begin at zero.
    scale = axis.scale()
    x = alt.X(f"{unit}:Q", title=f"spent so far ({SPENT[unit]})")
    y = alt.Y(f"{measure}:Q", title=TITLES[measure], scale=scale)
    low = alt.Y(f"{ends[0]}:Q", title=TITLES[measure], scale=scale)
    high = alt.Y2(f"{ends[1]}:Q")
    paint = of(methods, rows, ahead=ahead)
    legend = alt.Legend(title=None, orient="top", symbolType="stroke")
    dash = alt.StrokeDash("mixture:N", legend=legend)
    chart = alt.Chart(rows)
    band = chart.mark_area(opacity=0.14).encode(x, low, high, paint, detail="row:N")
    line = chart.mark_line(strokeWidth=2.4)
    line = line.encode(x, y, paint, dash, detail="row:N", order="task:O")
    points = chart.mark_circle(size=55, opacity=1)
    points = points.encode(x, y, paint, tooltip=["row", "task", "seeds", measure, unit])
    notes = [*axis.notes, *greyed(paints(methods, rows, ahead))]
    return dressed(band, line, points, height=460, notes=notes)


def leaders(course: pl.DataFrame, measure: str) -> list[str]:
    """Return the methods of a course by what they reach at its end, the best first."""
    ends = course.filter(pl.col("task") == pl.col("tasks"))
    best = ends.group_by("method", maintain_order=True).agg(pl.col(measure).max())
    return best.sort(measure, descending=True, nulls_last=True)["method"].to_list()


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
    """Return a bar per setting, what it spends stacked by phase; the dearest comes first.

    Bars and phases have one order in every unit: bars by their FLOPs, phases as they come in a
    trial.
    """
    rows = named(frame)
    sums = rows.group_by("row", maintain_order=True).agg(pl.col("gflops").sum())
    sums = sums.sort("gflops", "row", descending=[True, False])
    present = set(rows["phase"])
    phases = [phase for phase in PHASES if phase in present]
    phases += sorted(present - set(PHASES))
    places = {phase: place for place, phase in enumerate(phases)}
    rows = rows.with_columns(place=pl.col("phase").replace_strict(places))
    # Phases have other colours than the first methods, so that nobody takes one for the other.
    colours = [*OKABE_ITO[5:6], *OKABE_ITO[:5], *OKABE_ITO[6:]]
    scale = alt.Scale(domain=phases, range=colours)
    legend = alt.Legend(title="phase", orient="top")
    bars = alt.Chart(rows).mark_bar()
    bars = bars.encode(
        alt.X(f"{value}:Q", title=COSTS[value]),
        alt.Y("row:N", sort=sums["row"].to_list(), title=None),
        alt.Color("phase:N", scale=scale, legend=legend),
        alt.Order("place:Q"),
        tooltip=["row", "phase", "trials", "gflops", "seconds", "peak_gb"],
    )
    return dressed(bars, height=alt.Step(32 if len(sums) <= CLOSE else 22))
