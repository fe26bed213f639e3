"""How numbers are drawn, in Altair: the same colour for a method on every page, safe for the colour-blind and in print.

Colours are those of Okabe and Ito (https://jfly.uni-koeln.de/color/), given out in the order in which methods first appeared in
the catalog, so they stay when methods are added; the ninth begins again, and points differ by mixture in shape. Every chart is
a pure function of frames, and nothing is computed here but where it goes.
"""

from collections.abc import Sequence
from typing import Any

import altair as alt
import polars as pl

OKABE_ITO = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#F0E442")
DIVERGING = ("#0072B2", "#F7F7F7", "#D55E00")
INK, FAINT = "#222222", "#9a9a9a"
WORDS = ("method", "mixture", "recipe", "budget", "stream", "backbone")
PROVENANCE = {"seen": "diamond", "derived": "triangle-up", "unverified": "cross"}
TITLES = {
    "a_ka": "accumulation a_ka",
    "a_zs": "retention a_zs",
    "gm": "geometric mean of both",
    "zs_ratio": "share of zero-shot accuracy kept",
    "d_ka": "change of a_ka",
    "d_zs": "change of a_zs",
}
STATES = {
    "done": "#009E73", "running": "#0072B2", "pending": "#c9c9c9", "waiting": "#e6e6e6", "failed": "#D55E00",
    "refused": "#CC79A7", "cancelled": "#7a5195", "withdrawn": "#ffffff",
}  # fmt: skip
LOOKS: dict[str, Any] = {
    "axis": {"labelFontSize": 13, "titleFontSize": 13, "labelLimit": 320, "labelColor": INK, "titleColor": INK,
             "titleFontWeight": "normal", "gridColor": "#ececec", "domainColor": FAINT, "tickColor": FAINT},
    "legend": {"labelFontSize": 13, "titleFontSize": 13, "symbolSize": 110, "labelLimit": 300},
    "view": {"stroke": None}, "font": "Source Sans, Arial, sans-serif", "background": "white",
}  # fmt: skip
SPENT = {
    "spent_gflops": "GFLOPs",
    "spent_s": "seconds of work",
    "spent_steps": "steps",
    "spent_pairs": "pairs",
}


def of(methods: Sequence[str], frame: pl.DataFrame, legend: bool = True) -> alt.Color:
    """The colours of the methods of a frame."""
    here = set(frame["method"])
    kept = {name: OKABE_ITO[n % len(OKABE_ITO)] for n, name in enumerate(methods) if name in here}
    shown = alt.Legend(title=None, orient="top", columns=6, symbolOpacity=1) if legend else None
    return alt.Color(
        "method:N", scale=alt.Scale(domain=list(kept), range=list(kept.values())), legend=shown
    )


def dressed(*layers: alt.Chart, height: int | alt.Step = 420, **properties: Any) -> alt.LayerChart:
    """Layers as one figure, with the fonts and lines of every figure."""
    return alt.LayerChart(
        layer=list(layers), height=height, width="container", config=LOOKS, **properties
    )


def named(frame: pl.DataFrame) -> pl.DataFrame:
    """With `row`, what a row is called: method and mixture, and of the other words those without which two would be alike."""
    words = [word for word in WORDS if word in frame.columns]
    called = (
        frame.select(words)
        .unique()
        .with_columns(row=pl.concat_str("method", "mixture", separator=" · "))
    )
    for word in words[2:]:
        alike = pl.col("row").is_duplicated() & (pl.col(word).n_unique().over("row") > 1)
        longer = pl.concat_str("row", word, separator=" · ")
        called = called.with_columns(row=pl.when(alike).then(longer).otherwise("row"))
    return frame.join(called, on=words, how="left", nulls_equal=True, maintain_order="left")


def dots(
    frame: pl.DataFrame, value: str, methods: Sequence[str], title: str | None = None
) -> alt.LayerChart:
    """A value per combination in the order of the frame, with its interval where there is one; hollow: behind the best."""
    rows = named(frame)
    if "verdict" in rows.columns:
        rows = rows.with_columns(hollow=pl.col("verdict").is_in(["behind", "too few seeds"]))
    ends = next(
        (
            pair
            for pair in ((f"{value}_low", f"{value}_high"), ("low", "high"))
            if set(pair) <= set(rows.columns)
        ),
        None,
    )
    base = alt.Chart(rows).encode(
        alt.Y("row:N", sort=rows["row"].unique(maintain_order=True).to_list(), title=None)
    )
    paint, scale = of(methods, rows, legend=False), alt.Scale(zero=False, nice=True)
    title = title or TITLES.get(value, value.replace("_", " "))
    x = alt.X(f"{value}:Q", title=title, scale=scale, axis=alt.Axis(tickCount=10))
    tips = [
        column
        for column in rows.columns
        if rows[column].dtype != pl.List and column not in ("row", "hollow", "grid")
    ]
    layers = [
        base.mark_point(filled=True, size=150, opacity=1).encode(x, color=paint, tooltip=tips)
    ]
    if "hollow" in rows.columns:
        layers.append(
            base.transform_filter("datum.hollow")
            .mark_point(filled=True, size=50, opacity=1, color="white")
            .encode(x)
        )
    if ends:
        low = alt.X(f"{ends[0]}:Q", title=title, scale=scale, axis=alt.Axis(tickCount=10))
        high = alt.X2(f"{ends[1]}:Q")
        layers.insert(0, base.mark_rule(strokeWidth=2.5).encode(low, high, color=paint))
    return dressed(*layers, height=alt.Step(34))


def trade(
    course: pl.DataFrame, front: pl.DataFrame, published: pl.DataFrame, methods: Sequence[str]
) -> alt.LayerChart:
    """Retention to the right, accumulation up: a line per combination from the untouched backbone through its tasks; whiskers at
    the end; the front of those that nobody beats in both; published points, shaped by provenance."""
    rows = named(course.drop_nulls(["a_ka", "a_zs"]))
    ends = rows.filter(pl.col("task") == pl.col("tasks"))
    x = alt.X("a_zs:Q", title="retention a_zs  →", scale=alt.Scale(zero=False, padding=14))
    y = alt.Y("a_ka:Q", title="accumulation a_ka  →", scale=alt.Scale(zero=False, padding=14))
    paint, shape = (
        of(methods, rows),
        alt.Shape("mixture:N", legend=alt.Legend(title=None, orient="top")),
    )
    tips = ["row", "task", "seeds", "a_ka", "a_zs", "spent_gflops"]
    path = (
        alt.Chart(rows)
        .mark_line(strokeWidth=1.6, opacity=0.55)
        .encode(x, y, paint, detail="row:N", order="task:O")
    )
    steps = alt.Chart(rows).mark_circle(size=26, opacity=0.7).encode(x, y, paint, tooltip=tips)
    wide = (
        alt.Chart(ends)
        .mark_rule(strokeWidth=2)
        .encode(alt.X("a_zs_low:Q"), y, alt.X2("a_zs_high:Q"), color=paint)
    )
    tall = (
        alt.Chart(ends)
        .mark_rule(strokeWidth=2)
        .encode(x, alt.Y("a_ka_low:Q"), alt.Y2("a_ka_high:Q"), color=paint)
    )
    marks = (
        alt.Chart(ends)
        .mark_point(filled=True, size=170, opacity=1)
        .encode(x, y, paint, shape, tooltip=tips)
    )
    best = ends.join(front, on=["method", "mixture", "recipe"], how="semi").sort("a_zs")
    edge = alt.Chart(best).mark_line(
        strokeDash=[6, 4], color=INK, strokeWidth=1.4, interpolate="step-after"
    )
    layers = [edge.encode(x, y, order="a_zs:Q"), path, steps, wide, tall, marks]
    start = rows.filter(pl.col("task") == 0).head(1).with_columns(label=pl.lit("untouched"))
    layers.append(
        alt.Chart(start)
        .mark_point(shape="stroke", size=260, angle=90, color=INK, strokeWidth=3)
        .encode(x, y)
    )
    layers.append(
        alt.Chart(start).mark_text(dy=18, color=INK, fontSize=12).encode(x, y, text="label:N")
    )
    if len(published):
        layers += _published(published, x, y)
    apart = alt.Resolve(scale=alt.ScaleResolveMap(shape="independent"))
    return dressed(*layers, height=520, resolve=apart)


def _published(published: pl.DataFrame, x: alt.X, y: alt.Y) -> list[alt.Chart]:
    scale = alt.Scale(domain=list(PROVENANCE), range=list(PROVENANCE.values()))
    shape = alt.Shape(
        "provenance:N", scale=scale, legend=alt.Legend(title="published", orient="bottom")
    )
    points = alt.Chart(published).mark_point(size=120, color=INK, strokeWidth=1.8, filled=False)
    return [points.encode(x, y, shape, tooltip=["source", "setting", "provenance", "a_ka", "a_zs"])]


def over_budget(
    course: pl.DataFrame, measure: str, unit: str, methods: Sequence[str]
) -> alt.LayerChart:
    """A measure along what was spent, with the bands of its interval; dashes differ by mixture."""
    rows = named(course.drop_nulls(measure))
    x = alt.X(f"{unit}:Q", title=f"spent so far, {SPENT[unit]}")
    scale = alt.Scale(zero=False)
    paint = of(methods, rows)
    band = alt.Chart(rows).mark_area(opacity=0.14).encode(
        x, alt.Y(f"{measure}_low:Q", title=TITLES[measure], scale=scale), alt.Y2(f"{measure}_high:Q"), paint, detail="row:N"
    )  # fmt: skip
    dash = alt.StrokeDash(
        "mixture:N", legend=alt.Legend(title=None, orient="top", symbolType="stroke")
    )
    y = alt.Y(f"{measure}:Q", title=TITLES[measure], scale=scale)
    line = (
        alt.Chart(rows)
        .mark_line(strokeWidth=2.4)
        .encode(x, y, paint, dash, detail="row:N", order="task:O")
    )
    dots = (
        alt.Chart(rows)
        .mark_circle(size=55, opacity=1)
        .encode(x, y, paint, tooltip=["row", "task", "seeds", measure, unit])
    )
    return dressed(band, line, dots, height=460)


def told_apart(frame: pl.DataFrame) -> pl.DataFrame:
    """With `item`, what is measured: the dataset, and of metric and label space those of which it has several."""
    item = pl.col("dataset")
    for word in ("metric", "label_space"):
        several = pl.col(word).n_unique().over("dataset") > 1
        item = pl.when(several).then(pl.concat_str(item, word, separator=" ")).otherwise(item)
    return frame.with_columns(item=item)


def heat(frame: pl.DataFrame, value: str, title: str, of_two: bool = False) -> alt.LayerChart:
    """Tasks to the right, what is measured down; the value in each cell."""
    peak = max(float(frame[value].abs().max() or 0), 1e-9)  # type: ignore[arg-type]
    scale = (
        alt.Scale(domain=[-peak, 0, peak], range=list(DIVERGING))
        if of_two
        else alt.Scale(scheme="cividis", domain=[0, peak])
    )
    items = frame["item"].unique(maintain_order=True).to_list()
    base = alt.Chart(frame).encode(
        alt.X(
            "task:O",
            title="after task (0: untouched)",
            axis=alt.Axis(labelAngle=0, orient="top", domain=False, ticks=False),
        ),
        alt.Y("item:N", sort=items, title=None, axis=alt.Axis(domain=False, ticks=False)),
    )
    fill = alt.Color(
        f"{value}:Q", scale=scale, legend=alt.Legend(title=None, format="+.2f" if of_two else ".2f")
    )
    cells = base.mark_rect(stroke="white", strokeWidth=2).encode(fill, tooltip=[*frame.columns])
    dark = (
        f"abs(datum['{value}']) > {0.75 * peak}" if of_two else f"datum['{value}'] < {0.55 * peak}"
    )
    ink = alt.condition(dark, alt.value("white"), alt.value("#111111"))
    said = base.mark_text(fontSize=12).encode(
        alt.Text(f"{value}:Q", format="+.2f" if of_two else ".2f"), color=ink
    )
    return dressed(cells, said, height=alt.Step(28), title=title)


def forgetting(frame: pl.DataFrame, methods: Sequence[str]) -> alt.LayerChart:
    """What each combination lost on each dataset: left of zero it gained."""
    rows = told_apart(named(frame))
    x = alt.X(
        "lost:Q",
        title="lost since the untouched backbone (below 0: gained)",
        axis=alt.Axis(format="+.2f"),
    )
    y = alt.Y(
        "item:N",
        sort=rows["item"].unique(maintain_order=True).to_list(),
        title=None,
        axis=alt.Axis(grid=True),
    )
    shape = alt.Shape("mixture:N", legend=alt.Legend(title=None, orient="top"))
    zero = (
        alt.Chart(pl.DataFrame({"zero": [0.0]}))
        .mark_rule(color=INK, strokeDash=[4, 3])
        .encode(x="zero:Q")
    )
    tips = [
        "row",
        "dataset",
        "role",
        "metric",
        "seeds",
        "untouched",
        "worst",
        "worst_task",
        "last",
        "lost",
    ]
    points = (
        alt.Chart(rows)
        .mark_point(filled=True, size=110, opacity=0.9)
        .encode(x, y, of(methods, rows), shape, tooltip=tips)
    )
    return dressed(zero, points, height=alt.Step(28))


def pairs(frame: pl.DataFrame, a: str, b: str, measure: str) -> alt.LayerChart:
    """Every pair of equal seed a line from method `a` to method `b`; the colour says who won."""
    names = {"value_a": a, "value_b": b}
    same = [column for column in frame.columns if column not in names]
    long = frame.with_columns(pair=pl.int_range(pl.len())).unpivot(
        list(names), index=[*same, "pair"], variable_name="side"
    )
    long = long.with_columns(pl.col("side").replace_strict(names))
    scale = alt.Scale(domain=[a, b, "tie"], range=[OKABE_ITO[0], OKABE_ITO[1], FAINT])
    base = alt.Chart(long).encode(
        alt.X(
            "side:N",
            sort=[a, b],
            title=None,
            axis=alt.Axis(labelAngle=0, labelFontSize=14),
            scale=alt.Scale(padding=0.4),
        ),
        alt.Y("value:Q", title=TITLES[measure], scale=alt.Scale(zero=False, padding=20)),
        alt.Color("winner:N", scale=scale, legend=alt.Legend(title="better", orient="top")),
        detail="pair:N",
        tooltip=["mixture", "recipe", "seed", "side", "value", "difference"],
    )
    return dressed(
        base.mark_line(strokeWidth=2, opacity=0.8), base.mark_circle(size=90, opacity=1), height=420
    )


def costs(frame: pl.DataFrame, value: str) -> alt.LayerChart:
    """What each combination spends, stacked by phase."""
    rows = named(frame)
    title = {"gflops": "GFLOPs of a trial", "seconds": "seconds of a trial"}[value]
    order = (
        rows.group_by("row").agg(pl.col(value).sum()).sort(value, descending=True)["row"].to_list()
    )
    phases = sorted(rows["phase"].unique())
    fill = alt.Color(
        "phase:N",
        scale=alt.Scale(domain=phases, range=[*OKABE_ITO[5:6], *OKABE_ITO[:5], *OKABE_ITO[6:]]),
    )
    bars = alt.Chart(rows).mark_bar().encode(
        alt.X(f"{value}:Q", title=title), alt.Y("row:N", sort=order, title=None),
        fill.legend(title="phase", orient="top"), tooltip=["row", "phase", "trials", "gflops", "seconds", "peak_gb"],
    )  # fmt: skip
    return dressed(bars, height=alt.Step(32))


def reproduced(frame: pl.DataFrame) -> alt.LayerChart:
    """Published against ours: on the line they agree."""
    ends = {"published": [0.0, 1.0], "ours": [0.0, 1.0]}
    line = (
        alt.Chart(pl.DataFrame(ends))
        .mark_line(color=FAINT, strokeDash=[4, 3])
        .encode(x="published:Q", y="ours:Q")
    )
    scale = alt.Scale(domain=list(PROVENANCE), range=list(PROVENANCE.values()))
    points = alt.Chart(frame).mark_point(size=110, filled=True, opacity=0.9, color=OKABE_ITO[0]).encode(
        alt.X("published:Q"), alt.Y("ours:Q"), alt.Shape("provenance:N", scale=scale, legend=alt.Legend(orient="top")),
        tooltip=["source", "setting", "metric", "provenance", "published", "ours", "difference", "verdict"],
    )  # fmt: skip
    return dressed(line, points, height=420)


def losses(frame: pl.DataFrame) -> alt.LayerChart:
    """Loss over steps, a colour per attempt, a line per task."""
    line = alt.Chart(frame).mark_line(strokeWidth=2, point=True).encode(
        alt.X("at_step:Q", title="step"), alt.Y("loss:Q", scale=alt.Scale(zero=False)),
        alt.Color("attempt:N", scale=alt.Scale(range=list(OKABE_ITO)), legend=alt.Legend(orient="top")), detail="task:N",
        tooltip=["attempt", "task", "step", "loss", "lr", "pairs_per_s", "written_at"],
    )  # fmt: skip
    return dressed(line, height=260)


def progress(status: pl.DataFrame) -> alt.LayerChart:
    """A bar per study, a colour per state."""
    long = status.unpivot(
        list(STATES), index=["study", "trials"], variable_name="state", value_name="count"
    )
    rows = long.filter(pl.col("count") > 0).with_columns(
        place=pl.col("state").replace_strict({s: n for n, s in enumerate(STATES)})
    )
    scale = alt.Scale(domain=list(STATES), range=list(STATES.values()))
    here = [state for state in STATES if state in set(rows["state"])]
    bars = alt.Chart(rows).mark_bar(stroke=FAINT, strokeWidth=0.5).encode(
        alt.X("count:Q", title="trials", axis=alt.Axis(tickMinStep=1, format="d")), alt.Y("study:N", title=None),
        alt.Color("state:N", scale=scale, legend=alt.Legend(title=None, orient="top", values=here)), alt.Order("place:Q"),
        tooltip=["study", "state", "count", "trials"],
    )  # fmt: skip
    return dressed(bars, height=alt.Step(32))


def coverage(grid: pl.DataFrame) -> alt.LayerChart:
    """One cell per row and mixture: done of wanted seeds."""
    shades = {
        "complete": "#009E73",
        "to run": "#cfe3f1",
        "failed": "#D55E00",
        "never declared": "#f4f4f4",
    }
    hole = alt.selection_point(name="hole", fields=["row", "mixture"])
    base = alt.Chart(grid).encode(
        alt.X(
            "mixture:N",
            title=None,
            axis=alt.Axis(orient="top", labelAngle=0, domain=False, ticks=False),
        ),
        alt.Y("row:N", title=None, axis=alt.Axis(domain=False, ticks=False)),
    )
    fill = alt.Color(
        "state:N",
        scale=alt.Scale(domain=list(shades), range=list(shades.values())),
        legend=alt.Legend(title=None, orient="right"),
    )
    cells = base.mark_rect(stroke="white", strokeWidth=3, cursor="pointer").encode(
        fill,
        tooltip=["method", "mixture", "recipe", "state", "done", "running", "failed", "missing"],
    )
    dark = alt.condition(
        "datum.state == 'complete' || datum.state == 'failed'",
        alt.value("white"),
        alt.value("#222222"),
    )
    said = base.mark_text(fontSize=13).encode(alt.Text("said:N"), color=dark)
    return dressed(cells.add_params(hole), said, height=alt.Step(32))
