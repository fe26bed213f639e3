"""Draw the answer of a question: choose its figure, and describe it for screen readers.

    from queries import ask, figure
    figure("ranked", ask("ranked", measure="a_ka"), measure="a_ka")

A question whose rows are settings with a value gets a figure of dots; it needs no entry here.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import altair as alt
import polars as pl

from queries.figures import bargains, datasets, settings, trade, work
from queries.figures.looks import LOOKS, TITLES
from queries.figures.palette import Palette

Chart = alt.LayerChart | alt.VConcatChart
# Columns that dots may show; the first that an answer has is used
MEANS: tuple[str, ...] = (
    "zs_ratio",
    "gm",
    "mean",
    "probability",
    "interquartile_mean",
    "ka_gain",
    "difference",
)
MEANS += ("rank", "behind", "value", "a_ka", "gflops")
SENTENCE = {"method", "mixture", "recipe"}
# Questions whose rows are not settings: several would share one line.
WITHIN = {"task", "dataset", "item", "seed", "trial", "phase", "level"}
# A figure has a panel for each value of these columns, since units differ between them.
PANELS = ("measure", "role")
# The fewest rows that each panel shows
FEWEST_DOTS = 10
# The width of a panel in pixels, where the page does not give one
PANEL_WIDTH = 600
WORDS = ("backbone", "stream", "mixture", "method", "recipe", "budget", "label_space")


class FigureError(ValueError):
    """An answer has no figure; the message says why, and which answers have one."""


@dataclass(frozen=True, kw_only=True)
class Asked:
    """What a figure needs beside its rows: methods and parameters."""

    # All methods, oldest first, or a palette; empty: the methods in the order of the rows
    methods: Sequence[str] | Palette = ()
    # The parameters that the question was asked with
    parameters: Mapping[str, object] = field(default_factory=dict)

    @property
    def measure(self) -> str:
        """Return the measure that was asked for, or the default of most questions."""
        return str(self.parameters.get("measure", "gm"))


def figure(
    name: str, frame: pl.DataFrame, methods: Sequence[str] = (), **parameters: object
) -> Chart:
    """Return the figure of an answer, as the app and `python -m queries NAME --out` draw it.

    Args:
        name: the question; frame: its answer, whole or filtered.
        methods: all methods of the catalog, oldest first, so that each keeps its colour.
        parameters: those that the question was asked with (`measure`, `a`, `b`).

    Raises:
        FigureError: the question has no figure, or these rows do not make one.
    """
    return drawn(name, frame, Asked(methods=methods, parameters=parameters))


def drawn(name: str, frame: pl.DataFrame, asked: Asked) -> Chart:
    """Return the figure of an answer, with its description.

    Raises:
        FigureError: as `figure`.
    """
    if frame.is_empty():
        raise FigureError(f"no figure of {name}: its answer has no rows")
    draw = FIGURES.get(name)
    chart = dots(frame, asked) if draw is None else draw(frame, asked)
    if chart is None:
        raise FigureError(
            f"{name} has no figure: its rows are not settings with a value. Questions with a "
            f"figure of their own: {', '.join(sorted(FIGURES))}; others are drawn where rows have "
            "method, mixture, recipe and a mean"
        )
    return chart.properties(description=description(name, frame, chart))


def suggested(name: str, frame: pl.DataFrame, asked: Asked) -> Chart | None:
    """Return the figure of an answer; None where there is none."""
    try:
        return drawn(name, frame, asked)
    except FigureError:
        return None


def description(name: str, frame: pl.DataFrame, chart: Chart) -> str:
    """Return what a figure shows, in a sentence or two for a screen reader."""
    parts = chart.layer if isinstance(chart, alt.LayerChart) else chart.vconcat
    text = f"Figure of the question {name} with {len(frame)} rows"
    value = _value(frame)
    if value is not None and "method" in frame.columns:
        known = frame.drop_nulls(value)
        least, most = (float(str(end)) for end in (known[value].min(), known[value].max()))
        text += f". {TITLES.get(value, value)}: from {least:.3f} to {most:.3f}"
    if isinstance(chart, alt.VConcatChart):
        text += f". {len(parts)} panels"
    return f"{text}."


def dots(frame: pl.DataFrame, asked: Asked) -> Chart | None:
    """Return a figure of dots with intervals where rows are settings with a value, else None.

    Raises:
        FigureError: choices are compared, but no choice has another to be compared with.
    """
    rows = frame
    # Where one word is compared it is in `choice`, and the others identify the setting.
    words = set(rows.columns)
    if "others" in words:
        rows = rows.filter(pl.col("others") > 0)
        if rows.is_empty():
            raise FigureError(
                "no figure: nothing here is comparable, since every choice stands alone"
            )
    value = _value(rows)
    if value is None or not words >= SENTENCE - {"mixture"} or words & WITHIN:
        return None
    rows = _with_ends(rows.drop_nulls(value), value)
    if rows.is_empty():
        return None
    for panel in PANELS:
        if panel in words and rows[panel].n_unique() > 1:
            return _panels(rows, panel, value, asked)
    return settings.dots(rows, value, asked.methods, _title(rows, value, asked))


def _with_ends(rows: pl.DataFrame, value: str) -> pl.DataFrame:
    """Return the rows with a value's interval added, where they have its half width."""
    half = f"{value}_half"
    if half not in rows.columns:
        return rows
    return rows.with_columns(
        (pl.col(value) - pl.col(half)).alias(f"{value}_low"),
        (pl.col(value) + pl.col(half)).alias(f"{value}_high"),
    )


def _value(frame: pl.DataFrame) -> str | None:
    """Return the column that the dots show; None where there is none."""
    for name in MEANS:
        if name in frame.columns and frame[name].dtype.is_float():
            return name
    return None


def _title(rows: pl.DataFrame, value: str, asked: Asked) -> str:
    """Return the title of the axis; that of a mean is its measure's."""
    measure = asked.measure
    if "measure" in rows.columns:
        measure = str(rows["measure"][0])
    if value == "mean":
        return TITLES.get(measure, measure)
    return TITLES.get(value, value.replace("_", " "))


def _panels(rows: pl.DataFrame, panel: str, value: str, asked: Asked) -> alt.VConcatChart:
    """Return a panel of dots for each value of a column, each with its own axis."""
    charts = []
    most = max(settings.DOTS // rows[panel].n_unique(), FEWEST_DOTS)
    for (name,), part in rows.group_by(panel, maintain_order=True):
        title = _title(part, value, asked)
        chart = settings.dots(part, value, asked.methods, title, most, str(name))
        notes = [] if chart.title is alt.Undefined else chart.title.text
        chart.title = alt.TitleParams(str(name), subtitle=notes, anchor="start")
        # The theme is set once, on the whole figure; only a single panel can resize with the page.
        chart.config, chart.width = alt.Undefined, PANEL_WIDTH
        charts.append(chart)
    whole = alt.vconcat(*charts, config=LOOKS)
    # Panels share no axis, since their units differ.
    resolved: alt.VConcatChart = whole.resolve_scale(x="independent", y="independent")
    return resolved


def _course(frame: pl.DataFrame, asked: Asked) -> Chart:
    front = frame.filter(pl.col("task") == pl.col("tasks")).drop_nulls(["a_ka", "a_zs"])
    better = front.join(front, how="cross", suffix="_other").filter(
        (pl.col("a_ka_other") >= pl.col("a_ka"))
        & (pl.col("a_zs_other") >= pl.col("a_zs"))
        & ((pl.col("a_ka_other") > pl.col("a_ka")) | (pl.col("a_zs_other") > pl.col("a_zs")))
    )
    words = ["method", "mixture", "recipe"]
    return trade.trade(
        frame, front.join(better, on=words, how="anti"), front.clear(), asked.methods
    )


def _heat(frame: pl.DataFrame, asked: Asked) -> Chart:
    value = "difference" if "difference" in frame.columns else "value"
    several = []
    for name in WORDS:
        if name in frame.columns and frame[name].n_unique() > 1:
            several.append(name)
    if several:
        raise FigureError(
            "a heat map shows one setting, and these rows differ in "
            f"{', '.join(several)}; choose one of each, as in {several[0]}={frame[several[0]][0]}"
        )
    title = "a − b after each task" if value == "difference" else "value after each task"
    return datasets.heat(frame.drop_nulls(value), value, title, of_two=value == "difference")


def _pairs(frame: pl.DataFrame, asked: Asked) -> Chart:
    rows = frame.drop_nulls("difference")
    if rows.is_empty():
        raise FigureError("no figure of paired: no seed of the two shares every other word")
    a, b = (str(asked.parameters.get(side, side)) for side in ("a", "b"))
    return settings.pairs(rows, a, b, asked.measure)


def _reproduced(frame: pl.DataFrame, asked: Asked) -> Chart:
    rows = frame.drop_nulls("ours").filter(pl.col("published").is_between(0, 1))
    if rows.is_empty():
        raise FigureError("no figure of reproduced: no published number is measured here yet")
    return datasets.reproduced(rows)


def _curve(frame: pl.DataFrame, asked: Asked) -> Chart:
    if frame["trial"].n_unique() > 1:
        raise FigureError("a training curve is of one trial; choose one, as in trial=3")
    return work.losses(frame)


def _bargain(sides: bargains.Sides) -> Callable[[pl.DataFrame, Asked], Chart]:
    """Return a function that draws the two values of `sides` against one another."""

    def draw(frame: pl.DataFrame, asked: Asked) -> Chart:
        titled = sides
        if sides.y == "mean":
            titled = replace(sides, title=TITLES.get(asked.measure, asked.measure))
        return bargains.bargain(frame, titled, asked.methods)

    return draw


UNBEATEN = "nobody beats it in both"
FIGURES: dict[str, Callable[[pl.DataFrame, Asked], Chart | None]] = {
    "bigger": _bargain(bargains.Sides(x="gflops", y="mean", best="pareto", meaning=UNBEATEN)),
    "cheapest": _bargain(
        bargains.Sides(x="gflops", y="ka_gain", best="sure", meaning="sure to be within the bounds")
    ),
    "comparison": _bargain(
        bargains.Sides(x="zs_loss", y="ka_gain", best="best_trade", meaning=UNBEATEN)
    ),
    "course": _course,
    "curve": _curve,
    "heat": _heat,
    "heat_difference": _heat,
    "lost": lambda frame, asked: datasets.forgetting(frame.drop_nulls("lost"), asked.methods),
    "paired": _pairs,
    "performance_profile": lambda frame, asked: bargains.profile(frame, asked.methods),
    "phases": lambda frame, asked: settings.costs(frame, "gflops"),
    "reproduced": _reproduced,
    "status": lambda frame, asked: work.progress(frame),
    "trade_off": _bargain(
        bargains.Sides(
            x="zs_loss",
            y="ka_gain",
            best="pareto",
            meaning="nobody beats it in gain, loss and cost",
        )
    ),
}
