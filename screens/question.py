"""A file of queries/ as a page: parameters, a chart where its columns suggest one, table, files and SQL. Nobody registers it."""

import altair as alt
import polars as pl
import streamlit as st

from queries import Question, named
from screens import charts, showing
from screens.reading import Given, Snapshot, declared, offered, read

MEANS = ("zs_ratio", "gm", "mean", "ka_gain", "difference", "behind", "lost", "value", "a_ka")


def title(question: Question) -> str:
    """The question without what stands in brackets."""
    return question.question.partition(" (")[0]


def page(snapshot: Snapshot, name: str) -> None:
    """One question."""
    question = named(name)
    st.header(question.question)
    st.caption(f"{question.grain}. {question.about}" if question.about else question.grain)
    given = inputs(snapshot, question)
    frame = read(snapshot, question.name, given)
    if frame.is_empty():
        st.info(
            "No rows, and that is good."
            if question.is_audit
            else "No rows: nothing in this catalog answers it yet."
        )
    else:
        chart = drawn(frame, declared(snapshot, "method"))
        if chart is not None:
            st.altair_chart(chart, width="stretch", theme=None)
        showing.table(frame)
        showing.files(snapshot, question.name, given, chart=chart)
        showing.texts(frame)
    showing.sql(question, given)


def inputs(snapshot: Snapshot, question: Question) -> Given:
    """One input per parameter; an empty one means the default."""
    chosen: dict[str, str | None] = {}
    columns = st.columns(max(min(len(question.parameters), 6), 1))
    for n, (name, parameter) in enumerate(question.parameters.items()):
        column, known = columns[n % len(columns)], offered(snapshot, name)
        empty = "all" if parameter.default is None else str(parameter.default)
        if known is None:
            chosen[name] = (
                column.text_input(name, key=name, placeholder=empty, bind="query-params") or None
            )
        else:
            chosen[name] = column.selectbox(
                name, known, index=None, key=name, placeholder=empty, bind="query-params"
            )
    return tuple((key, value) for key, value in chosen.items() if value is not None)


def drawn(frame: pl.DataFrame, methods: list[str]) -> alt.LayerChart | None:
    """The default chart: where rows are sentences with a mean, dots with their interval, 40 at most."""
    value = next(
        (name for name in MEANS if name in frame.columns and frame[name].dtype.is_float()), None
    )
    rows = {"method", "mixture", "recipe"} <= set(frame.columns) and not {
        "task",
        "dataset",
        "item",
    } & set(frame.columns)
    if value is None or not rows or frame[value].null_count() == len(frame):
        return None
    return charts.dots(frame.drop_nulls(value).head(40), value, methods)
