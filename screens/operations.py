"""Show how the work goes: progress, what runs now, what failed and its retry, empty cells."""

from datetime import datetime

import polars as pl
import streamlit as st

from queries import AXES, figures, named
from screens import showing, words
from screens.reading import DRAWN, STALE_MINUTES, Snapshot, given, minutes_old, read

TITLE = "Operations"
RUNNING: tuple[str, ...] = (
    "trial",
    "study",
    "method",
    "mixture",
    "seed",
    "task",
    "tasks",
    "step",
    "loss",
)
RUNNING += ("pairs_per_s", "submitted_at", "expected_end")


def page(snapshot: Snapshot) -> None:
    """Show everything from the outlook of a study to a single cell without results."""
    st.header(TITLE)
    status = read(snapshot, "status")
    if status.is_empty():
        st.info("The catalog has no trials yet. Declare some: python -m schema my_grid.sql")
        return
    running = read(snapshot, "running")
    # A pass publishes every minute or so while something runs, if somebody keeps it going.
    minutes = minutes_old(snapshot)
    if len(running) and minutes > STALE_MINUTES:
        st.warning(
            f"{len(running)} trials are said to run, but this snapshot is "
            f"{minutes:.0f} minutes old: is python -m runner.sync --watch still going?",
            icon="🕰️",
        )
    progress(snapshot, status)
    now(running)
    failures(snapshot)
    coverage(snapshot)


def progress(snapshot: Snapshot, status: pl.DataFrame) -> None:
    """Show a bar per study, with when it will be done."""
    st.subheader("Progress")
    st.altair_chart(figures.progress(status), width="stretch", theme=None)
    outlook = read(snapshot, "completion")
    for study, unknown, end in outlook.select("study", "unknown", "expected_end").rows():
        text = "nothing runs, or nothing alike has finished: no expected end"
        if end:
            text = f"expected end {clock(end)}"
        if unknown:
            text += f" (without {unknown} trials of unknown cost)"
        st.caption(f"{study}: {text}")
    showing.table(status, key="status")
    showing.files(snapshot, "status")
    showing.sql(named("status"))


def clock(when: datetime) -> str:
    """Return local date and time, to the minute."""
    return when.astimezone().strftime("%d %b %H:%M")


def now(running: pl.DataFrame) -> None:
    """Show trials that run, with task and rate."""
    st.subheader("Running now")
    if running.is_empty():
        st.caption("Nothing.")
        return
    showing.table(running.select(RUNNING), key="running")
    showing.sql(named("running"))


def failures(snapshot: Snapshot) -> None:
    """Show groups of failures with their log and the SQL that tries them again."""
    st.subheader("Failures")
    groups = read(snapshot, "failures")
    if groups.is_empty():
        st.caption("None.")
        return
    for row in groups.iter_rows(named=True):
        over = "all went on"
        if row["open_trials"]:
            over = f"{row['open_trials']} trials over"
        signature = row["signature"] or "no message"
        title = f"{row['kind']} · {signature} · {row['attempts']} attempts, {over}"
        with st.expander(title):
            newest = f"[trial {row['example_trial']}]({showing.TRIAL}{row['example_trial']})"
            st.markdown(
                f"Newest: {newest}, attempt {row['example_attempt']}. "
                f"Hosts: {row['hosts']}. Studies: {row['studies']}."
            )
            if row["log_tail"]:
                st.code(row["log_tail"], language=None, wrap_lines=True)
            if row["retry"]:
                st.caption("Try them again with python -m schema -")
                st.code(row["retry"], language="sql")
    showing.sql(named("failures"))


def coverage(snapshot: Snapshot) -> None:
    """Show methods down and mixtures to the right.

    A cell that is not complete shows the INSERT that fills it.
    """
    st.subheader("Coverage")
    setting = words.setting(snapshot)
    if setting is None:
        return
    where = given(**setting)
    cells = read(snapshot, "coverage", where=where, rows=DRAWN)
    if cells.is_empty():
        st.info("No trial of these words is declared.")
        return
    grid = matrix(cells)
    picked = st.altair_chart(
        figures.coverage(grid),
        width="stretch",
        theme=None,
        on_select="rerun",
        key="matrix",
        selection_mode="hole",
    )
    # A hole can be chosen by keyboard, and by a link, as well as by a click.
    holes = {}
    for row in grid.filter(~pl.col("complete").fill_null(False)).iter_rows(named=True):
        holes[f"{row['row']} · {row['mixture']}"] = row
    label, empty = "Fill a hole (or click it)", "a cell that is not complete"
    chosen = words.choose(label, list(holes), "hole", empty=empty)
    clicks = picked.selection.get("hole") or []
    clicked = [f"{click['row']} · {click['mixture']}" for click in clicks]
    hole = holes.get((*clicked, "")[0]) or holes.get(chosen or "")
    if hole is not None:
        fill(hole, int(str(cells["seeds_wanted"].max() or 3)), setting)
    showing.files(snapshot, "coverage", where=where)
    showing.sql(named("coverage"), where=where)


def fill(hole: dict[str, object], most: int, setting: dict[str, str]) -> None:
    """Show the INSERT of what a cell lacks; `most`: the seeds of the fullest cell."""
    if int(str(hole["seeds_wanted"] or 0)) < most:
        sentence = {word: [str(setting.get(word) or hole[word])] for word in AXES}
        st.caption(
            "Declares what is missing of it, as many seeds as the fullest cell has; "
            "what failed wants a retry."
        )
        st.code(words.insert(sentence, most), language="sql")
        return
    states = ("done", "running", "missing", "failed")
    counts = ", ".join(f"{hole[state]} {state}" for state in states)
    st.info(
        f"All {most} seeds of it are declared: {counts}. "
        "What is missing has yet to run; above stands how to retry."
    )


def matrix(cells: pl.DataFrame) -> pl.DataFrame:
    """Return every `row` in every mixture, declared or not.

    A row is a method, or a method and recipe where the method has several in one mixture.
    """
    # Most methods have one recipe; naming it in every row would say nothing.
    several = cells.group_by("method", "mixture").len().filter(pl.col("len") > 1)
    long = pl.concat_str("method", "recipe", separator=" · ")
    has_several = pl.col("method").is_in(several["method"].unique().to_list())
    rows = cells.with_columns(row=pl.when(has_several).then(long).otherwise("method"))
    kinds = rows.select("row", "method", usual=pl.col("recipe"))
    kinds = kinds.unique("row", maintain_order=True)
    mixtures = cells.select("mixture").unique(maintain_order=True)
    # A cell that nobody declared is shown as well: what is missing is what the table is for.
    every = kinds.join(mixtures, how="cross")
    grid = every.join(rows.drop("method"), on=["row", "mixture"], how="left")
    state = (
        pl.when(pl.col("seeds_wanted").is_null())
        .then(pl.lit("never declared"))
        .when(pl.col("failed") > 0)
        .then(pl.lit("failed"))
        .when(pl.col("complete"))
        .then(pl.lit("complete"))
        .otherwise(pl.lit("to run"))
    )
    return grid.with_columns(
        recipe=pl.col("recipe").fill_null(pl.col("usual")),
        state=state,
        counts=pl.format("{} / {}", "done", "seeds_wanted").fill_null("+"),
    )
