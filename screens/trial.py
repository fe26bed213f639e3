"""One trial: its sentence and definition, attempts, training curve, results and log."""

import json

import polars as pl
import streamlit as st

from queries import figures, named
from screens import runs, showing, words
from screens.reading import DRAWN, Snapshot, columns_of, given, read

TITLE = "A trial"
VALUES = ("study", "a_ka", "a_zs", "gm", "d_ka", "d_zs", "zs_ratio", "spent_gflops", "spent_s")
# Columns of `attempts` left out of its table: shown above or below it, or only for programs.
ELSEWHERE = ("trial", "spec", "log_tail", "spec_id", "created_at", "code")


def page(snapshot: Snapshot) -> None:
    """Show the page of the trial whose number is in the address, as in /trial?id=3."""
    st.header(TITLE)
    st.markdown("[All trials](/runs)")
    number = words.number("trial", "id", 1, 1, 2**53 - 1)
    trial = read(snapshot, "seeds", where=given(trial=number))
    if trial.is_empty():
        st.info(f"There is no trial {number} in this catalog.")
        return
    row = {name: words.literal(value) for name, value in trial.row(0, named=True).items()}
    reason = f" ({row['reason']})" if trial["reason"][0] else ""
    st.markdown(
        f"**{row['backbone']}** learns **{row['stream']}**, drawn in **{row['mixture']}**, "
        f"by **{row['method']}**, following **{row['recipe']}**, within **{row['budget']}**, "
        f"from seed **{row['seed']}**: **{row['state']}**{reason}"
    )
    showing.table(trial.select(VALUES), key="trial-values", meanings=columns_of(snapshot, "seeds"))
    said(snapshot, number)
    attempts(snapshot, number)
    curve(snapshot, number)
    results(snapshot, number)


def said(snapshot: Snapshot, number: int) -> None:
    """Show the tags and remarks of the trial, and the SQL that adds more."""
    words_ = read(snapshot, "labelled", where=given(trial=number)).row(0, named=True)
    for name in ("tags", "remarks"):
        if words_[name]:
            st.markdown(f"**{name}**: {words.literal(words_[name])}")
    with st.expander("Tag it, or write a remark"):
        st.caption("Apply with python -m schema - (this app writes nothing)")
        st.code(runs.statements([number], "a tag", "what you saw"), language="sql")


def attempts(snapshot: Snapshot, number: int) -> None:
    """Show each attempt's machine, code version, end, log and definition."""
    st.subheader("Attempts")
    frame = read(snapshot, "attempts", where=given(trial=number))
    if frame.is_empty():
        st.caption("Not tried yet.")
        return
    meanings = columns_of(snapshot, "attempts")
    showing.table(frame.drop(ELSEWHERE), key="attempts", meanings=meanings)
    for row in frame.iter_rows(named=True):
        if row["log_tail"]:
            with st.expander(f"Log tail of attempt {row['attempt']}"):
                st.code(row["log_tail"], language=None, wrap_lines=True)
    # All attempts of a trial should have one definition; should they differ, the newest is shown.
    name = ", ".join(filter(None, ("The definition (spec.json)", frame["spec_id"][-1])))
    with st.expander(name):
        st.json(json.loads(frame["spec"][-1]), expanded=1)
    showing.sql(named("attempts"), where=given(trial=number))


def curve(snapshot: Snapshot, number: int) -> None:
    """Show the loss over steps, with a colour per attempt and a line per task."""
    frame = read(snapshot, "curve", where=given(trial=number), rows=DRAWN)
    if frame.is_empty():
        return
    st.subheader("Training curve")
    showing.figure(figures.losses(frame), f"Loss of trial {number} over steps.")
    showing.files(snapshot, "curve", where=given(trial=number))
    showing.sql(named("curve"), where=given(trial=number))


def results(snapshot: Snapshot, number: int) -> None:
    """Show the results on every dataset after every task."""
    # Only results of deployed models on whole test sets at the ends of tasks, as in a report.
    where = given(trial=number, weights="deployed", fraction=1.0, at_end=True)
    frame = read(snapshot, "measured", where=where, rows=DRAWN)
    if frame.is_empty():
        return
    st.subheader("Results")
    rows = figures.told_apart(frame).sort("role", "item", "task")
    rows = rows.with_columns(item=pl.format("{} ({})", "item", "role"))
    rows = rows.select("item", "task", "value", "metric", "label_space", "examples")
    chart = figures.heat(rows, "value", "value after each task")
    showing.figure(chart, f"Every dataset after every task of trial {number}.")
    showing.files(snapshot, "measured", where=where)
    showing.sql(named("measured"), where=where)
