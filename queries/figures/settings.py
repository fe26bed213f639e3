"""Draw settings: values with intervals, measures over the cost spent, pairs of seeds, costs."""

from collections.abc import Sequence

import altair as alt
import polars as pl

from queries.figures.looks import TITLES, below, dressed, in_order, longest, named, untouched_rule
from queries.figures.palette import (
    FAINT,
    OKABE_ITO,
    UNTOUCHED,
    Palette,
    columns_for,
    dyed,
    pointed,
    strength,
)
from queries.figures.scales import reach

SPENT = {
    "spent_gflops": "GFLOPs",
    "spent_s": "seconds of work",
    "spent_steps": "steps",
    "spent_pairs": "pairs",
}
COSTS = {"gflops": "compute of a trial (GFLOPs)", "seconds": "work of a trial (seconds)"}
# The phases of a trial in temporal order, which is their order in a bar
PHASES = ("fisher", "score", "train", "repair", "merge", "evaluate")
BEHIND = ("behind", "too few seeds")
# The most rows in a figure of dots; a note counts the others.
DOTS = 40
# With more rows than this, rows are spaced more closely.
CLOSE = 15
# Values for which less is better.
LESS_IS_BETTER = ("behind", "lost", "zs_loss", "rank", "error", "gflops")
# Columns of intervals that are not named after their value
BARE = (("low", "high"), ("lowest", "highest"))
# Columns that a tooltip leaves out, as they exist for the figure only.
MADE = ("row", "hollow", "grid", "hue", "lit")


def dots(
    frame: pl.DataFrame,
    value: str,
    methods: Sequence[str] | Palette,
    title: str | None = None,
    most: int = DOTS,
    panel: str = "",
) -> alt.LayerChart:
    """Return a dot per setting, in the order of the frame, with its interval if it has one.

    A dot is hollow where the frame says that the row is behind the best, or has too few seeds to
    tell. Of more than `most` rows the best are drawn, and a note says so. A line marks the
    untouched backbone, if it is in the frame. `panel` is the panel's name where there are several.
    """
    palette = Palette.of(methods)
    rows, notes = _best(palette.on(_by_choice(named(frame))), value, most, palette)
    if "verdict" in rows.columns:
        rows = rows.with_columns(hollow=pl.col("verdict").is_in(BEHIND))
    ahead = foremost(rows.drop_nulls("method"), value, most)["method"].to_list()
    names, note = _names(rows)
    y = alt.Y("row:N", sort=in_order(rows, "row"), title=None, axis=names)
    beside = longest(rows, "method" if note else "row")
    colours = dyed(palette, rows, ahead, legend=palette.by != "method", beside=beside)
    rows, pointer = colours.rows, pointed(panel)
    shown = strength(pointer)
    base = alt.Chart(rows).encode(y)
    title = title or TITLES.get(value, value.replace("_", " "))
    ends = interval(rows, value)
    axis = reach(rows, value, ends)
    scale = axis.scale(nice=True)
    x = alt.X(f"{value}:Q", title=title, scale=scale, axis=alt.Axis(tickCount=8))
    points = base.mark_point(filled=True, size=150).add_params(pointer)
    layers = [points.encode(x, color=colours.paint, opacity=shown, tooltip=_tips(rows))]
    if "hollow" in rows.columns:
        hole = base.transform_filter("datum.hollow").mark_point(filled=True, size=50, color="white")
        layers.append(hole.encode(x, opacity=shown))
    # Intervals are drawn below the points, so that a hollow point stays hollow.
    if ends is not None:
        low = alt.X(f"{ends[0]}:Q", title=title, scale=scale)
        rule = base.mark_rule(strokeWidth=2.5).encode(low, alt.X2(f"{ends[1]}:Q"))
        layers.insert(0, rule.encode(color=colours.paint, opacity=shown))
    before = rows.filter(pl.col("method") == UNTOUCHED)
    if len(before):
        layers.insert(0, untouched_rule(before, x=x))
    return dressed(*layers, height=_step(rows), notes=[*notes, *note, *colours.notes, *axis.notes])


def _step(rows: pl.DataFrame) -> alt.Step:
    """Return the distance between rows, in pixels."""
    return alt.Step(34 if len(rows) <= CLOSE else 22)


def _names(rows: pl.DataFrame) -> tuple[alt.Axis, list[str]]:
    """Return the axis of row names, and a note if it leaves a word out.

    A mixture that all rows share is left out, as it would take half of a narrow page.
    """
    if "mixture" not in rows.columns or rows["row"].n_unique() <= CLOSE:
        return alt.Axis(), []
    mixtures = rows.filter(pl.col("method") != UNTOUCHED)["mixture"].drop_nulls().unique()
    if len(mixtures) != 1 or mixtures[0] == "*":
        return alt.Axis(), []
    # A name in a catalog may contain a quote.
    name = mixtures[0].replace("\\", "\\\\").replace("'", "\\'")
    shorter = alt.Axis(labelExpr=f"replace(datum.label, ' · {name}', '')")
    return shorter, [f"All with the mixture {mixtures[0]}."]


def _by_choice(frame: pl.DataFrame) -> pl.DataFrame:
    """Return rows with a column `method`, which decides the colour.

    Where methods are compared it is the choice; where no method is named it is empty.
    """
    if "method" not in frame.columns:
        return frame.with_columns(method=pl.lit(None, pl.String))
    if "choice" not in frame.columns:
        return frame
    open_ = pl.col("method") == "*"
    return frame.with_columns(method=pl.when(open_).then("choice").otherwise("method"))


def _best(
    rows: pl.DataFrame, value: str, most: int, palette: Palette
) -> tuple[pl.DataFrame, list[str]]:
    """Return the best rows, at most `most`, and a note on the others.

    The untouched backbone and highlighted methods are always included.
    """
    if len(rows) <= most:
        return rows, []
    best = foremost(rows, value, most)
    stays = pl.col("row").is_in(best["row"].implode()) | (pl.col("method") == UNTOUCHED)
    if palette.sought is not None:
        stays = stays | pl.col("lit")
    return rows.filter(stays), [f"The best {most} of {len(rows)} rows; the table has all."]


def foremost(frame: pl.DataFrame, value: str, rows: int) -> pl.DataFrame:
    """Return the `rows` rows of a frame with the best values."""
    return frame.sort(value, descending=value not in LESS_IS_BETTER, nulls_last=True).head(rows)


def interval(frame: pl.DataFrame, value: str) -> tuple[str, str] | None:
    """Return the two columns that hold the interval of a value; None without them."""
    for pair in ((f"{value}_low", f"{value}_high"), *BARE):
        if set(pair) <= set(frame.columns):
            return pair
    return None


def _tips(rows: pl.DataFrame) -> list[str]:
    """Return the columns of a row's tooltip: all but lists."""
    tips = []
    for name, kind in rows.schema.items():
        if kind != pl.List and name not in MADE:
            tips.append(name)
    return tips


def over_budget(
    course: pl.DataFrame, measure: str, unit: str, methods: Sequence[str] | Palette
) -> alt.LayerChart:
    """Return a figure of a measure over the cost spent, with intervals; dashes mark mixtures.

    A line marks the untouched backbone. Of methods without a colour only the end points are drawn.
    """
    rows = named(course.drop_nulls(measure))
    ends = (f"{measure}_low", f"{measure}_high")
    axis = reach(rows, measure, ends)
    colours, pointer = dyed(methods, rows, ahead=leaders(rows, measure)), pointed()
    # Axes do not begin at zero, as differences between methods are small relative to the values.
    scale = axis.scale()
    # A few methods that spend many times as much would leave no room for all others.
    spent = reach(rows, unit)
    x = alt.X(f"{unit}:Q", title=f"spent so far ({SPENT[unit]})", scale=spent.scale())
    y = alt.Y(f"{measure}:Q", title=TITLES[measure], scale=scale)
    low = alt.Y(f"{ends[0]}:Q", title=TITLES[measure], scale=scale)
    high = alt.Y2(f"{ends[1]}:Q")
    legend = below(rows, "mixture")
    if legend is not None:
        legend.symbolType = "stroke"
    dash = alt.StrokeDash("mixture:N", legend=legend)
    chart = alt.Chart(colours.plain)
    band = chart.mark_area().encode(
        x, low, high, colours.paint, detail="row:N", opacity=strength(pointer, 0.14)
    )
    line = chart.mark_line(strokeWidth=2.4)
    line = line.encode(
        x, y, colours.paint, dash, detail="row:N", order="task:O", opacity=strength(pointer)
    )
    shown = colours.rows.filter(
        (pl.col("task") == pl.col("tasks")) | pl.col("row").is_in(colours.plain["row"].implode())
    )
    points = alt.Chart(shown).mark_circle(size=55).add_params(pointer)
    tips = ["row", "task", "seeds", measure, unit]
    points = points.encode(x, y, colours.paint, tooltip=tips, opacity=strength(pointer))
    layers = [band, line, points]
    before = rows.filter(pl.col("task") == 0)
    if len(before):
        layers.insert(0, untouched_rule(before.head(1), y=y))
    notes = [*dict.fromkeys(axis.notes + spent.notes), *colours.notes]
    return dressed(*layers, height=460, notes=notes)


def leaders(course: pl.DataFrame, measure: str) -> list[str]:
    """Return the methods of a course by their final value, the best first."""
    ends = course.filter(pl.col("task") == pl.col("tasks"))
    best = ends.group_by("method", maintain_order=True).agg(pl.col(measure).max())
    return best.sort(measure, descending=True, nulls_last=True)["method"].to_list()


def pairs(frame: pl.DataFrame, a: str, b: str, measure: str) -> alt.LayerChart:
    """Return a line per pair of equal seed, from `a` to `b`; the colour says who won."""
    # A row holds both sides of a pair; lines need a row per side.
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


def costs(frame: pl.DataFrame, value: str, most: int = DOTS) -> alt.LayerChart:
    """Return a bar per setting, its cost stacked by phase; the most expensive comes first.

    Bars and phases have the same order in every unit: bars by FLOPs, phases in temporal order. Of
    more than `most` settings the cheapest are drawn, and a note says so.
    """
    rows = named(frame)
    sums = rows.group_by("row", maintain_order=True).agg(pl.col("gflops").sum())
    sums = sums.sort("gflops", "row", descending=[True, False])
    notes = []
    if len(sums) > most:
        notes.append(f"The {most} cheapest of {len(sums)} settings; the files have all.")
        sums = sums.tail(most)
        rows = rows.filter(pl.col("row").is_in(sums["row"].implode()))
    present = set(rows["phase"])
    phases = [phase for phase in PHASES if phase in present]
    phases += sorted(present - set(PHASES))
    places = {phase: place for place, phase in enumerate(phases)}
    rows = rows.with_columns(place=pl.col("phase").replace_strict(places))
    # Phases have other colours than the first methods, to avoid confusion.
    colours = [*OKABE_ITO[5:6], *OKABE_ITO[:5], *OKABE_ITO[6:]]
    scale = alt.Scale(domain=phases, range=colours)
    names, shared = _names(rows)
    # Where all share a mixture, names have no mixture.
    columns = columns_for(phases, longest(rows, "method" if shared else "row"))
    legend = alt.Legend(title="phase", orient="top", columns=columns)
    notes += shared
    bars = alt.Chart(rows).mark_bar()
    bars = bars.encode(
        alt.X(f"{value}:Q", title=COSTS[value]),
        alt.Y("row:N", sort=sums["row"].to_list(), title=None, axis=names),
        alt.Color("phase:N", scale=scale, legend=legend),
        alt.Order("place:Q"),
        tooltip=["row", "phase", "trials", "gflops", "seconds", "peak_gb"],
    )
    return dressed(bars, height=alt.Step(32 if len(sums) <= CLOSE else 22), notes=notes)
