"""How the grid runs: progress per study, what runs now, what failed and its retry, and which cells are empty."""

from datetime import datetime

import polars as pl
import streamlit as st

from queries import AXES, named
from screens import charts, showing, words
from screens.reading import DRAWN, STALE_MINUTES, Snapshot, given, minutes_old, read

TITLE = "Operations"


def page(snapshot: Snapshot) -> None:
    """From the outlook to the single hole."""
    st.header(TITLE)
    status = read(snapshot, "status")
    if status.is_empty():
        st.info("The catalog has no trials yet. Declare some: python -m schema my_grid.sql")
        return
    running = read(snapshot, "running")
    if len(running) and minutes_old(snapshot) > STALE_MINUTES:
        st.warning(
            f"{len(running)} trials are said to run, but this snapshot is {minutes_old(snapshot):.0f} minutes old: "
            "is python -m runner.sync --watch still going?",
            icon="🕰️",
        )
    progress(snapshot, status)
    now(running)
    failures(snapshot)
    coverage(snapshot)


def progress(snapshot: Snapshot, status: pl.DataFrame) -> None:
    """A bar per study, with when it will be done."""
    st.subheader("Progress")
    st.altair_chart(charts.progress(status), width="stretch", theme=None)
    outlook = read(snapshot, "completion")
    for study, unknown, end in outlook.select("study", "unknown", "expected_end").rows():
        said = (
            f"expected end {clock(end)}"
            if end
            else "nothing runs, or nothing alike has finished: no expected end"
        )
        st.caption(
            f"{study}: {said}" + (f" (without {unknown} trials of unknown cost)" if unknown else "")
        )
    showing.table(status, key="status")
    showing.files(snapshot, "status")
    showing.sql(named("status"))


def clock(when: datetime) -> str:
    """Local date and time, to the minute."""
    return when.astimezone().strftime("%d %b %H:%M")


def now(running: pl.DataFrame) -> None:
    """Trials that run, with task and rate."""
    st.subheader("Running now")
    if running.is_empty():
        st.caption("Nothing.")
        return
    kept = [
        "trial",
        "study",
        "method",
        "mixture",
        "seed",
        "task",
        "tasks",
        "step",
        "loss",
        "pairs_per_s",
        "submitted_at",
        "expected_end",
    ]
    showing.table(running.select(kept), key="running")
    showing.sql(named("running"))


def failures(snapshot: Snapshot) -> None:
    """Groups with their log and the SQL that tries them again."""
    st.subheader("Failures")
    found = read(snapshot, "failures")
    if found.is_empty():
        st.caption("None.")
        return
    for row in found.iter_rows(named=True):
        over = f"{row['open_trials']} trials over" if row["open_trials"] else "all went on"
        with st.expander(
            f"{row['kind']} · {row['signature'] or 'no message'} · {row['attempts']} attempts, {over}"
        ):
            newest = f"[trial {row['example_trial']}]({showing.TRIAL}{row['example_trial']})"
            st.markdown(
                f"Newest: {newest}, attempt {row['example_attempt']}. Hosts: {row['hosts']}. Studies: {row['studies']}."
            )
            if row["log_tail"]:
                st.code(row["log_tail"], language=None, wrap_lines=True)
            if row["retry"]:
                st.caption("Try them again with python -m schema -")
                st.code(row["retry"], language="sql")
    showing.sql(named("failures"))


def coverage(snapshot: Snapshot) -> None:
    """Methods down, mixtures to the right; a hole shows the INSERT that fills it."""
    st.subheader("Coverage")
    setting = words.setting(snapshot)
    if setting is None:
        return
    cells = read(snapshot, "coverage", where=given(**setting), rows=DRAWN)
    if cells.is_empty():
        st.info("No trial of these words is declared.")
        return
    grid = matrix(cells)
    picked = st.altair_chart(
        charts.coverage(grid),
        width="stretch",
        theme=None,
        on_select="rerun",
        key="matrix",
        selection_mode="hole",
    )
    open_ = grid.filter(~pl.col("complete").fill_null(False))
    holes = {f"{row['row']} · {row['mixture']}": row for row in open_.iter_rows(named=True)}
    clicked = next(
        (f"{one['row']} · {one['mixture']}" for one in (picked.selection.get("hole") or [])), ""
    )
    chosen = words.choose(
        "Fill a hole (or click it)", list(holes), "hole", empty="a cell that is not complete"
    )
    if hole := holes.get(clicked) or holes.get(chosen or ""):
        most = int(cells["seeds_wanted"].max() or 3)  # type: ignore[arg-type]
        if (hole["seeds_wanted"] or 0) < most:
            said = {word: [setting.get(word) or hole[word]] for word in AXES}
            st.caption(
                "Declares what is missing of it, as many seeds as the fullest cell has; what failed wants a retry."
            )
            st.code(words.insert(said, most), language="sql")
        else:
            counts = ", ".join(
                f"{hole[state]} {state}" for state in ("done", "running", "missing", "failed")
            )
            st.info(
                f"All {most} seeds of it are declared: {counts}. What is missing has yet to run; above stands how to retry."
            )
    showing.files(snapshot, "coverage", where=given(**setting))
    showing.sql(named("coverage"), where=given(**setting))


def matrix(cells: pl.DataFrame) -> pl.DataFrame:
    """Every `row` (a method, or a method and recipe where it has several in one mixture) in every mixture, declared or not."""
    twice = (
        cells.group_by("method", "mixture")
        .len()
        .filter(pl.col("len") > 1)["method"]
        .unique()
        .to_list()
    )
    long = pl.concat_str("method", "recipe", separator=" · ")
    rows = cells.with_columns(
        row=pl.when(pl.col("method").is_in(twice)).then(long).otherwise("method")
    )
    kinds = rows.select("row", "method", usual=pl.col("recipe")).unique("row", maintain_order=True)
    every = kinds.join(cells.select("mixture").unique(maintain_order=True), how="cross")
    return every.join(rows.drop("method"), on=["row", "mixture"], how="left").with_columns(
        recipe=pl.col("recipe").fill_null(pl.col("usual")),
        state=pl.when(pl.col("seeds_wanted").is_null()).then(pl.lit("never declared"))
        .when(pl.col("failed") > 0).then(pl.lit("failed")).when(pl.col("complete")).then(pl.lit("complete"))
        .otherwise(pl.lit("to run")),
        said=pl.format("{} / {}", "done", "seeds_wanted").fill_null("+"),
    )  # fmt: skip
