"""Draw what was measured: one figure at a time, with its name in the address."""

from collections.abc import Callable

import polars as pl
import streamlit as st

from queries import figures, named
from screens import showing, words
from screens.reading import DRAWN, Given, Snapshot, declared, given, read

TITLE = "Plots"
COURSES = ("gm", "zs_ratio", "a_ka", "a_zs")
KINDS = ("method", "mixture", "recipe")
# The rows of a heat map that are tasks and not datasets have no role.
TASKS = "task × task"


def page(snapshot: Snapshot) -> None:
    """Show backbone, stream and budget; which figure; the figure."""
    st.header(TITLE)
    names = list(FIGURES)
    words.check("figure", names, names[0])
    name = st.segmented_control(
        "Figure", names, default=names[0], key="figure", bind="query-params", required=True
    )
    setting = words.setting(snapshot)
    if setting is None:
        st.info("The catalog has no trials yet. Declare some: python -m schema my_grid.sql")
        return
    FIGURES[name](snapshot, setting)


def figure(
    snapshot: Snapshot, chart: figures.Chart, name: str, parameters: Given = (), where: Given = ()
) -> None:
    """Show the chart and everything behind it."""
    chart = chart.properties(description=named(name).question)
    st.altair_chart(chart, width="stretch", theme=None)
    showing.files(snapshot, name, parameters, where, chart)
    showing.sql(named(name), parameters, where)


def nothing() -> None:
    """Say that a figure has no numbers."""
    st.info("Nothing is measured for these words yet.")


def trade(snapshot: Snapshot, setting: dict[str, str]) -> None:
    """Show accumulation against retention."""
    where = given(**setting)
    course = read(snapshot, "course", where=where, rows=DRAWN).drop_nulls(["a_ka", "a_zs"])
    if course.is_empty():
        nothing()
        return
    # The front is that of final means, as `comparison` has it; the lines show the way to them.
    front = read(snapshot, "comparison", where, rows=DRAWN).filter(pl.col("best_trade"))
    published = read(snapshot, "published", where=given(backbone=setting["backbone"]))
    st.caption(
        "Each line leads from the untouched backbone through the tasks; whiskers at its end are "
        "95 % intervals over seeds. Up and to the right is better; the dashed line joins those "
        "that nobody beats in both."
    )
    chart = figures.trade(course, front, published, declared(snapshot, "method"))
    figure(snapshot, chart, "course", where=where)


def budget(snapshot: Snapshot, setting: dict[str, str]) -> None:
    """Show a measure over what was spent."""
    left, right = st.columns(2)
    with left:
        measure = words.choose("measure", COURSES, "measure", COURSES[0]) or COURSES[0]
    units = list(figures.SPENT)
    with right:
        unit = words.choose("spent in", units, "spent", units[0]) or units[0]
    where = given(**setting)
    course = read(snapshot, "course", where=where, rows=DRAWN).drop_nulls(measure)
    if course.is_empty():
        nothing()
        return
    chart = figures.over_budget(course, measure, unit, declared(snapshot, "method"))
    figure(snapshot, chart, "course", where=where)


def heat(snapshot: Snapshot, setting: dict[str, str]) -> None:
    """Show every task or dataset after every task, of one setting or as the difference of two."""
    # Names are those of the settings that reached the end, so that each can be drawn.
    ranked = figures.named(read(snapshot, "ranked", given(**setting)).drop_nulls("mean"))
    if ranked.is_empty():
        nothing()
        return
    rows = {row["row"]: row for row in ranked.iter_rows(named=True)}
    names = list(rows)
    left, right = st.columns(2)
    with left:
        a = words.choose("Combination", names, "a", names[0]) or names[0]
    with right:
        b = words.choose("minus", names, "b", empty="nothing: show it alone")
    # One setting is a question with conditions; two are a question with both as parameters.
    if b is None:
        where = given(**setting, **{word: rows[a][word] for word in KINDS})
        name, parameters, value, title = "heat", given(), "value", a
    else:
        sides = {f"{word}_a": rows[a][word] for word in KINDS}
        sides |= {f"{word}_b": rows[b][word] for word in KINDS}
        where = given(**setting)
        name, parameters, value = "heat_difference", given(**sides), "difference"
        title = f"{a}  −  {b}"
    frame = read(snapshot, name, parameters, where, rows=DRAWN)
    if frame.is_empty():
        nothing()
        return
    cells = of_role(frame).drop_nulls(value)
    chart = figures.heat(cells, value, title, of_two=b is not None)
    figure(snapshot, chart, name, parameters, where)


def of_role(frame: pl.DataFrame) -> pl.DataFrame:
    """Return the rows of the role that is chosen.

    Roles are of datasets that were taught, kept or probed; rows that are tasks have none.
    """
    named_roles = frame.with_columns(pl.col("role").fill_null(TASKS))
    roles = named_roles["role"].unique(maintain_order=True).to_list()
    role = st.segmented_control(
        "rows", roles, default=roles[0], key="rows", bind="query-params", required=True
    )
    return frame.filter(named_roles["role"] == role)


def forgetting(snapshot: Snapshot, setting: dict[str, str]) -> None:
    """Show what was lost on each dataset."""
    parameters = given(stream=setting["stream"], backbone=setting["backbone"])
    where = given(budget=setting["budget"])
    frame = read(snapshot, "lost", parameters, where, rows=DRAWN).drop_nulls("lost")
    if frame.is_empty():
        nothing()
        return
    roles = frame["role"].unique(maintain_order=True).to_list()
    role = st.segmented_control(
        "datasets", roles, default=roles[0], key="role", bind="query-params", required=True
    )
    chart = figures.forgetting(frame.filter(pl.col("role") == role), declared(snapshot, "method"))
    figure(snapshot, chart, "lost", parameters, where)


def paired(snapshot: Snapshot, setting: dict[str, str]) -> None:
    """Show two methods, seed by seed."""
    methods = declared(snapshot, "method")
    # The second of the methods is offered beside the first, or the only one beside itself.
    first, second = methods[0], methods[min(1, len(methods) - 1)]
    columns = st.columns(3)
    with columns[0]:
        a = words.choose("method a", methods, "a", first) or first
    with columns[1]:
        b = words.choose("method b", methods, "b", second) or first
    with columns[2]:
        measure = words.choose("measure", list(words.MEASURES), "measure", "gm") or "gm"
    parameters, where = given(a=a, b=b, measure=measure), given(**setting)
    # The verdict in words comes first: the lines below are what it rests on.
    for row in read(snapshot, "decide", parameters, where).iter_rows(named=True):
        st.markdown(verdict(row, a, b))
    frame = read(snapshot, "paired", parameters, where, rows=DRAWN).drop_nulls("difference")
    if frame.is_empty():
        st.info(
            f"No seed of {a} and {b} shares every other word (mixture, recipe): nothing to pair."
        )
        return
    figure(snapshot, figures.pairs(frame, a, b, measure), "paired", parameters, where)


def verdict(row: dict[str, object], a: str, b: str) -> str:
    """Return one line of a verdict: who is better, by how much, and the tally of seeds."""
    head = f"**{row['mixture']} · {row['recipe']}**: {row['verdict']}"
    if row["difference"] is None:
        seeds = f"{row['seeds_a']} seeds of {a}, {row['seeds_b']} of {b}, none in common"
        return f"{head}; {seeds}."
    interval = ""
    if row["difference_low"] is not None:
        interval = f" ({row['difference_low']:+.3f} to {row['difference_high']:+.3f})"
    difference = f"{row['difference']:+.3f}{interval} over {row['pairs']} pairs"
    tally = f"{row['wins']} won, {row['ties']} tied, {row['losses']} lost by {a}"
    return f"{head}. {a} − {b}: {difference}; {tally}."


def published(snapshot: Snapshot, setting: dict[str, str]) -> None:
    """Show published numbers beside ours."""
    frame = read(snapshot, "reproduced", rows=DRAWN)
    # Some published numbers are ranks or counts, which have no place between 0 and 1.
    both = frame.drop_nulls("ours").filter(pl.col("published").is_between(0, 1))
    if both.is_empty():
        st.info(
            f"None of the {len(frame)} published numbers has been measured here yet; "
            "the table says which there are."
        )
        showing.table(frame)
        showing.files(snapshot, "reproduced")
        showing.sql(named("reproduced"))
        return
    figure(snapshot, figures.reproduced(both), "reproduced")


def cost(snapshot: Snapshot, setting: dict[str, str]) -> None:
    """Show costs by phase."""
    value = st.segmented_control(
        "in", ["gflops", "seconds"], default="gflops", key="in", bind="query-params", required=True
    )
    where = given(**setting)
    frame = read(snapshot, "phases", where=where, rows=DRAWN)
    if frame.is_empty():
        nothing()
        return
    figure(snapshot, figures.costs(frame, value), "phases", where=where)


FIGURES: dict[str, Callable[[Snapshot, dict[str, str]], None]] = {
    "Learned against kept": trade,
    "Over budget": budget,
    "After every task": heat,
    "Lost per dataset": forgetting,
    "Two methods": paired,
    "Published": published,
    "Cost": cost,
}
