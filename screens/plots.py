"""What was measured, drawn: one figure at a time, its name in the address."""

from collections.abc import Callable

import altair as alt
import polars as pl
import streamlit as st

from queries import named
from screens import charts, showing, words
from screens.reading import DRAWN, Given, Snapshot, declared, given, read

TITLE = "Plots"


def page(snapshot: Snapshot) -> None:
    """Backbone, stream and budget; which figure; the figure."""
    st.header(TITLE)
    name = st.segmented_control(
        "Figure",
        list(FIGURES),
        default=next(iter(FIGURES)),
        key="figure",
        bind="query-params",
        required=True,
    )
    setting = words.setting(snapshot)
    if setting is None:
        st.info("The catalog has no trials yet. Declare some: python -m schema my_grid.sql")
        return
    FIGURES[name](snapshot, setting)


def figure(
    snapshot: Snapshot, chart: alt.LayerChart, name: str, parameters: Given = (), where: Given = ()
) -> None:
    """The chart and everything behind it."""
    st.altair_chart(chart, width="stretch", theme=None)
    showing.files(snapshot, name, parameters, where, chart)
    showing.sql(named(name), parameters, where)


def nothing() -> None:
    """A figure without numbers."""
    st.info("Nothing is measured for these words yet.")


def trade(snapshot: Snapshot, setting: dict[str, str]) -> None:
    """Accumulation against retention."""
    where = given(**setting)
    course = read(snapshot, "course", where=where, rows=DRAWN).drop_nulls(["a_ka", "a_zs"])
    if course.is_empty():
        nothing()
        return
    front = read(snapshot, "comparison", given(**setting), rows=DRAWN).filter(pl.col("best_trade"))
    published = read(snapshot, "published", where=given(backbone=setting["backbone"]))
    st.caption(
        "Each line leads from the untouched backbone through the tasks; whiskers at its end are 95 % intervals over seeds. "
        "Up and to the right is better; the dashed line joins those that nobody beats in both."
    )
    figure(
        snapshot,
        charts.trade(course, front, published, declared(snapshot, "method")),
        "course",
        where=where,
    )


def budget(snapshot: Snapshot, setting: dict[str, str]) -> None:
    """A measure over what was spent."""
    left, right = st.columns(2)
    with left:
        measure = (
            words.choose("measure", ["gm", "zs_ratio", "a_ka", "a_zs"], "measure", "gm") or "gm"
        )
    with right:
        unit = (
            words.choose("spent in", list(charts.SPENT), "spent", "spent_gflops") or "spent_gflops"
        )
    where = given(**setting)
    course = read(snapshot, "course", where=where, rows=DRAWN).drop_nulls(measure)
    if course.is_empty():
        nothing()
        return
    figure(
        snapshot,
        charts.over_budget(course, measure, unit, declared(snapshot, "method")),
        "course",
        where=where,
    )


def heat(snapshot: Snapshot, setting: dict[str, str]) -> None:
    """Every task or dataset after every task, of one combination or as the difference of two."""
    found = charts.named(read(snapshot, "ranked", given(**setting)).drop_nulls("mean"))
    if found.is_empty():
        nothing()
        return
    rows = {row["row"]: row for row in found.iter_rows(named=True)}
    left, right = st.columns(2)
    with left:
        a = words.choose("Combination", list(rows), "a", next(iter(rows))) or next(iter(rows))
    with right:
        b = words.choose("minus", list(rows), "b", empty="nothing: show it alone")
    chosen = {f"{word}_a": rows[a][word] for word in ("method", "mixture", "recipe")}
    if b is None:
        name, parameters, value, title = "heat", given(), "value", a
        where = given(**setting, **{word.removesuffix("_a"): one for word, one in chosen.items()})
    else:
        chosen |= {f"{word}_b": rows[b][word] for word in ("method", "mixture", "recipe")}
        name, parameters, value, title = (
            "heat_difference",
            given(**chosen),
            "difference",
            f"{a}  −  {b}",
        )
        where = given(**setting)
    frame = read(snapshot, name, parameters, where, rows=DRAWN)
    if frame.is_empty():
        nothing()
        return
    roles = [
        role if role is not None else "task × task"
        for role in frame["role"].unique(maintain_order=True)
    ]
    role = st.segmented_control(
        "rows", roles, default=roles[0], key="rows", bind="query-params", required=True
    )
    kept = frame.filter(
        pl.col("role").eq_missing(None if role == "task × task" else role)
    ).drop_nulls(value)
    figure(snapshot, charts.heat(kept, value, title, of_two=b is not None), name, parameters, where)


def forgetting(snapshot: Snapshot, setting: dict[str, str]) -> None:
    """Lost per dataset."""
    asked, where = (
        given(stream=setting["stream"], backbone=setting["backbone"]),
        given(budget=setting["budget"]),
    )
    frame = read(snapshot, "lost", asked, where, rows=DRAWN).drop_nulls("lost")
    if frame.is_empty():
        nothing()
        return
    roles = frame["role"].unique(maintain_order=True).to_list()
    role = st.segmented_control(
        "datasets", roles, default=roles[0], key="role", bind="query-params", required=True
    )
    kept = frame.filter(pl.col("role") == role)
    figure(snapshot, charts.forgetting(kept, declared(snapshot, "method")), "lost", asked, where)


def paired(snapshot: Snapshot, setting: dict[str, str]) -> None:
    """Two methods, seed by seed."""
    methods = declared(snapshot, "method")
    columns = st.columns(3)
    with columns[0]:
        a = words.choose("method a", methods, "a", methods[0]) or methods[0]
    with columns[1]:
        b = words.choose("method b", methods, "b", methods[min(1, len(methods) - 1)]) or methods[0]
    with columns[2]:
        measure = words.choose("measure", list(charts.TITLES), "measure", "gm") or "gm"
    asked, where = given(a=a, b=b, measure=measure), given(**setting)
    for row in read(snapshot, "decide", asked, where).iter_rows(named=True):
        st.markdown(verdict(row, a, b))
    frame = read(snapshot, "paired", asked, where, rows=DRAWN).drop_nulls("difference")
    if frame.is_empty():
        st.info(
            f"No seed of {a} and {b} shares every other word (mixture, recipe): nothing to pair."
        )
        return
    figure(snapshot, charts.pairs(frame, a, b, measure), "paired", asked, where)


def verdict(row: dict[str, object], a: str, b: str) -> str:
    """One line per mixture and recipe."""
    head = f"**{row['mixture']} · {row['recipe']}**: {row['verdict']}"
    if row["difference"] is None:
        return f"{head}; {row['seeds_a']} seeds of {a}, {row['seeds_b']} of {b}, none in common."
    interval = (
        ""
        if row["difference_low"] is None
        else f" ({row['difference_low']:+.3f} to {row['difference_high']:+.3f})"
    )
    tally = f"{row['wins']} won, {row['ties']} tied, {row['losses']} lost by {a}"
    return (
        f"{head}. {a} − {b}: {row['difference']:+.3f}{interval} over {row['pairs']} pairs; {tally}."
    )


def published(snapshot: Snapshot, setting: dict[str, str]) -> None:
    """Published numbers beside ours."""
    frame = read(snapshot, "reproduced", rows=DRAWN)
    both = frame.drop_nulls("ours").filter(pl.col("published").is_between(0, 1))
    if both.is_empty():
        st.info(
            f"None of the {len(frame)} published numbers has been measured here yet; the table says which there are."
        )
        showing.table(frame)
        showing.files(snapshot, "reproduced")
        showing.sql(named("reproduced"))
        return
    figure(snapshot, charts.reproduced(both), "reproduced")


def cost(snapshot: Snapshot, setting: dict[str, str]) -> None:
    """Cost by phase."""
    value = st.segmented_control(
        "in", ["gflops", "seconds"], default="gflops", key="in", bind="query-params", required=True
    )
    where = given(**setting)
    frame = read(snapshot, "phases", where=where, rows=DRAWN)
    if frame.is_empty():
        nothing()
        return
    figure(snapshot, charts.costs(frame, value), "phases", where=where)


FIGURES: dict[str, Callable[[Snapshot, dict[str, str]], None]] = {
    "Learned against kept": trade,
    "Over budget": budget,
    "After every task": heat,
    "Lost per dataset": forgetting,
    "Two methods": paired,
    "Published": published,
    "Cost": cost,
}
