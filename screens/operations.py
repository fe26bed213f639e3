"""Show the state of the work: running trials, progress, failures with their retry, empty cells.

Running trials are read from run folders every few seconds; everything else is read from the
snapshot.
"""

from datetime import datetime

import polars as pl
import streamlit as st

from queries import AXES, figures, named
from schema.site import Site
from screens import live, showing, words
from screens.live import Running
from screens.reading import (
    DRAWN,
    STALE_MINUTES,
    Snapshot,
    columns_of,
    declared,
    given,
    largest,
    minutes_old,
    open_trials,
    read,
    sentences,
)

TITLE = "Operations"
LIVE_S = 5.0
# The most running trials that are listed
ROWS = 200


def page(snapshot: Snapshot) -> None:
    """Show running trials, the progress of studies, failures, and cells without results."""
    st.header(TITLE)
    now(snapshot)
    status = read(snapshot, "status")
    if status.is_empty():
        st.info("The catalog has no trials yet. Declare some: python -m schema my_grid.sql")
        return
    stale(snapshot)
    progress(snapshot, status)
    failures(snapshot)
    coverage(snapshot)


def stale(snapshot: Snapshot) -> None:
    """Show a warning where sync seems to have stopped, though trials run by the snapshot."""
    count = len(read(snapshot, "running"))
    # While trials run, sync publishes a snapshot about every minute, if it is running.
    minutes = minutes_old(snapshot)
    if count and minutes > STALE_MINUTES:
        st.warning(
            f"{count} trials are said to run, but this snapshot is {minutes:.0f} minutes old: "
            "is python -m runner.sync --watch still going?",
            icon="🕰️",
        )


@st.fragment(run_every=LIVE_S)
def now(snapshot: Snapshot) -> None:
    """Show the trials that run now, from their workers' files; refreshed every few seconds."""
    st.subheader("Running now")
    runs = Site.load().runs
    numbers, newest = open_trials(snapshot)
    trials = live.running(runs, [*numbers, *live.newer(runs, newest)])
    if not trials:
        st.caption("Nothing: no run folder is without an end.")
        return
    working = [one for one in trials if one.state == "running"]
    st.caption(
        f"{len(working)} run, {len(trials) - len(working)} wait in a job or are silent. Read from "
        f"their run folders at {datetime.now():%H:%M:%S}, every {LIVE_S:.0f} s; a worker reports "
        "every second."
    )
    shown = [*working, *(one for one in trials if one.state != "running")][:ROWS]
    table = rows(snapshot, shown)
    order = [name for name in ORDER if name in table.columns]
    showing.table(table, key="live", meanings=MEANINGS, column_order=order)
    if len(trials) > len(shown):
        st.caption(f"The first {len(shown)} of {len(trials)}.")
    close(shown)


# Important columns come first, since a phone shows the first three or four
ORDER: tuple[str, ...] = ("trial", "does", "done", "loss", "end", "called", "task", "step")
ORDER += ("lr", "pairs_per_s", "state", "age_s")
MEANINGS = {
    "state": "running; queued: no worker has taken it; silent: no sign of life for two minutes",
    "does": "what the worker does this moment; looks back: it folds the task's weights, and its "
    "objective takes its pass over the task, such as that of Fisher information",
    "done": "share of all steps of all tasks that are behind it",
    "loss": "of the last step that it reported",
    "lr": "learning rate of that step",
    "pairs_per_s": "pairs learned from per second since the last point of the curve",
    "end": "when it ends: training at this rate, and what its finished tasks took beside training",
    "age_s": "seconds since the worker wrote its last report",
}


def rows(snapshot: Snapshot, trials: list[Running]) -> pl.DataFrame:
    """Return a row per running trial: its words and its progress."""
    names = sentences(snapshot, tuple(one.trial for one in trials))
    lines = []
    for one in trials:
        progress = one.progress
        line: dict[str, object] = {
            "trial": one.trial,
            "called": names.get(one.trial, "newer than this snapshot"),
            "state": one.state,
            "does": one.phase,
            "done": one.done,
        }
        if progress is not None:
            line |= {
                "task": f"{progress.task} of {progress.tasks}",
                "step": f"{progress.step} of {progress.steps}",
                "loss": progress.loss,
                "lr": progress.lr,
                "pairs_per_s": progress.pairs_per_s,
            }
        end = one.end
        line |= {"end": clock(end) if end else "not known yet", "age_s": one.age_s}
        lines.append(line)
    return pl.DataFrame(lines, infer_schema_length=None)


def close(trials: list[Running]) -> None:
    """Show a chosen running trial in detail: its curve within the task, and the end of its log."""
    names = {str(one.trial): one for one in trials}
    looked = st.query_params.get("look", "")
    # Whoever watches a trial sees it end, which is no mistake of theirs.
    if looked.isdecimal() and looked not in names:
        st.caption(f"Trial {looked} does not run now. [Its page]({showing.TRIAL}{looked})")
        del st.query_params["look"]
    number = words.choose("Look closely at trial", list(names), "look", empty="one that runs")
    if number is None:
        return
    one = names[number]
    curve = live.losses(one)
    if len(curve):
        about = f"Loss of trial {number} over steps, also within its task."
        showing.figure(figures.losses(curve), about)
    st.caption(f"The end of {one.folder.parent.name}/{one.folder.name}/log.txt")
    st.code(live.log_tail(one) or "nothing yet", language=None, wrap_lines=True)


def progress(snapshot: Snapshot, status: pl.DataFrame) -> None:
    """Show a progress bar per study, with its expected end."""
    st.subheader("Progress")
    showing.figure(figures.progress(status), "Trials of each study by their state.")
    outlook = read(snapshot, "completion")
    for study, unknown, end in outlook.select("study", "unknown", "expected_end").rows():
        text = "nothing runs, or nothing alike has finished: no expected end"
        if end:
            text = f"expected end {clock(end)}"
        if unknown:
            text += f" (without {unknown} trials of unknown cost)"
        st.caption(f"{words.literal(study)}: {text}")
    showing.table(status, key="status", meanings=columns_of(snapshot, "status"))
    showing.files(snapshot, "status")
    showing.sql(named("status"))


def clock(when: datetime) -> str:
    """Return local date and time, to the minute."""
    return when.astimezone().strftime("%d %b %H:%M")


def failures(snapshot: Snapshot) -> None:
    """Show groups of failures with their log and the SQL that retries them."""
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
        with st.expander(words.literal(title)):
            newest = f"[trial {row['example_trial']}]({showing.TRIAL}{row['example_trial']})"
            st.markdown(
                f"Newest: {newest}, attempt {row['example_attempt']}. "
                f"Hosts: {words.literal(row['hosts'])}. "
                f"Studies: {words.literal(row['studies'])}."
            )
            if row["log_tail"]:
                st.code(row["log_tail"], language=None, wrap_lines=True)
            if row["retry"]:
                st.caption("Try them again with python -m schema -")
                st.code(row["retry"], language="sql")
    showing.sql(named("failures"))


def coverage(snapshot: Snapshot) -> None:
    """Show how many seeds are done, with methods as rows and mixtures as columns.

    An incomplete cell shows the INSERT that fills it.
    """
    st.subheader("Coverage")
    columns = st.columns(3)
    setting = {}
    for column, (word, first) in zip(columns, largest(snapshot).items(), strict=True):
        with column:
            setting[word] = words.chosen(word, declared(snapshot, word), word, first)
    where = given(**setting)
    cells = read(snapshot, "coverage", where=where, rows=DRAWN + 1)
    if cells.is_empty():
        st.info("No trial of these words is declared.")
        return
    if len(cells) > DRAWN:
        st.caption(f"Drawn of the first {DRAWN:,} combinations; the files have all.")
    st.caption(
        "A cell is a method in a mixture: seeds that are done, of those that are wanted. "
        "+: nobody has declared it."
    )
    grid = matrix(cells.head(DRAWN))
    picked = showing.figure(
        figures.coverage(grid),
        "Seeds that are done of those wanted, methods down and mixtures to the right.",
        on_select="rerun",
        key="matrix",
        selection_mode="hole",
    )
    # An incomplete cell can be chosen by keyboard and by a link, as well as by a click.
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
    """Show the INSERT that completes a cell; `most` is the number of seeds of the fullest cell."""
    if words.is_imported(str(hole["row"])):
        st.info(
            "It was run elsewhere, so it cannot be declared. More of it is taken in with "
            "python -m schema --import FILE.csv"
        )
        return
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
    """Return the combinations of every row and mixture, declared or not.

    A row is a method, or a method and recipe where the method has several in one mixture.
    """
    # Most methods have one recipe; naming it in every row would add nothing.
    several = cells.group_by("method", "mixture").len().filter(pl.col("len") > 1)
    long = pl.concat_str("method", "recipe", separator=" · ")
    has_several = pl.col("method").is_in(several["method"].unique().to_list())
    rows = cells.with_columns(row=pl.when(has_several).then(long).otherwise("method"))
    kinds = rows.select("row", "method", usual=pl.col("recipe"))
    kinds = kinds.unique("row", maintain_order=True)
    mixtures = cells.select("mixture").unique(maintain_order=True)
    # Cells that are not declared are shown too, since the table is there to show what is missing.
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
