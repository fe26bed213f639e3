"""Draw the state of the work: losses of trials, progress of studies, coverage of a grid."""

import altair as alt
import polars as pl

from queries.figures.looks import dressed, longest
from queries.figures.palette import FAINT, OKABE_ITO, columns_for
from queries.figures.scales import reach

STATES = {
    "done": "#009E73",
    "running": "#0072B2",
    "pending": "#c9c9c9",
    "waiting": "#e6e6e6",
    "failed": "#D55E00",
    "refused": "#CC79A7",
    "cancelled": "#7a5195",
    "withdrawn": "#ffffff",
}
LOSS_TIPS = ("row", "attempt", "task", "step", "loss", "lr", "pairs_per_s", "written_at")
# The most characters that names of mixtures have in one line, all together
ABREAST = 60
# With more mixtures than this, cells have smaller numbers.
FEW = 5
# With more rows than this, rows are spaced more closely.
CLOSE = 15
SHADES = {
    "complete": "#009E73",
    "to run": "#cfe3f1",
    "failed": "#D55E00",
    "never declared": "#f4f4f4",
}


def losses(frame: pl.DataFrame, by: str = "attempt") -> alt.LayerChart:
    """Return a figure of the loss over steps: a line per task, a colour per value of `by`."""
    colours = alt.Scale(range=list(OKABE_ITO))
    named = frame.with_columns(row=pl.format("step {}", "at_step"))
    axis = reach(named, "loss")
    # Names of trials are long, so the legend has one per line.
    legend = alt.Legend(orient="top", columns=1 if by == "row" else 6, labelLimit=0)
    line = alt.Chart(frame).mark_line(strokeWidth=2, point=True)
    # Steps are whole, also where there are few.
    steps = alt.Axis(tickMinStep=1)
    line = line.encode(
        alt.X("at_step:Q", title="step since the beginning of the stream", axis=steps),
        alt.Y("loss:Q", title="loss", scale=axis.scale()),
        alt.Color(f"{by}:N", scale=colours, legend=legend),
        detail=["task:N", "attempt:N"],
        tooltip=[name for name in LOSS_TIPS if name in frame.columns],
    )
    return dressed(line, height=260, notes=axis.notes)


def progress(status: pl.DataFrame) -> alt.LayerChart:
    """Return a figure with a bar per study, coloured by the states of its trials."""
    # States are stacked in the order of the list, from done to withdrawn.
    places = {state: place for place, state in enumerate(STATES)}
    long = status.unpivot(
        list(STATES), index=["study", "trials"], variable_name="state", value_name="count"
    )
    rows = long.filter(pl.col("count") > 0)
    rows = rows.with_columns(place=pl.col("state").replace_strict(places))
    scale = alt.Scale(domain=list(STATES), range=list(STATES.values()))
    present = set(rows["state"])
    # The legend names only the states that occur.
    shown = [state for state in STATES if state in present]
    columns = columns_for(shown, longest(status, "study"))
    legend = alt.Legend(title=None, orient="top", values=shown, columns=columns)
    bars = alt.Chart(rows).mark_bar(stroke=FAINT, strokeWidth=0.5)
    bars = bars.encode(
        alt.X("count:Q", title="trials", axis=alt.Axis(tickMinStep=1, format="d")),
        alt.Y("study:N", title=None),
        alt.Color("state:N", scale=scale, legend=legend),
        alt.Order("place:Q"),
        tooltip=["study", "state", "count", "trials"],
    )
    return dressed(bars, height=alt.Step(32))


def coverage(grid: pl.DataFrame) -> alt.LayerChart:
    """Return a table of rows and mixtures with the seeds done of those wanted.

    A click on a cell sets the selection `hole`.
    """
    # The selection that a click returns to the page: the words of the cell.
    hole = alt.selection_point(name="hole", fields=["row", "mixture"])
    # Long names of many mixtures would overlap, so that they are slanted.
    mixtures = grid["mixture"].n_unique()
    angle = -45 if mixtures * longest(grid, "mixture") > ABREAST else 0
    across = alt.Axis(orient="top", labelAngle=angle, domain=False, ticks=False, labelLimit=0)
    down = alt.Axis(domain=False, ticks=False)
    base = alt.Chart(grid).encode(
        alt.X("mixture:N", title=None, axis=across), alt.Y("row:N", title=None, axis=down)
    )
    scale = alt.Scale(domain=list(SHADES), range=list(SHADES.values()))
    columns = columns_for(list(SHADES), longest(grid, "row"))
    legend = alt.Legend(title=None, orient="top", columns=columns)
    fill = alt.Color("state:N", scale=scale, legend=legend)
    tips = ["method", "mixture", "recipe", "state", "done", "running", "failed", "missing"]
    cells = base.mark_rect(stroke="white", strokeWidth=3, cursor="pointer")
    dark = "datum.state == 'complete' || datum.state == 'failed'"
    ink = alt.condition(dark, alt.value("#fdfdfd"), alt.value("#222222"))
    numbers = base.mark_text(fontSize=13 if mixtures <= FEW else 10)
    counts = numbers.encode(alt.Text("counts:N"), color=ink)
    cells = cells.encode(fill, tooltip=tips).add_params(hole)
    # Rows of a large grid are spaced more closely.
    step = alt.Step(32 if grid["row"].n_unique() <= CLOSE else 22)
    return dressed(cells, counts, height=step)
