"""Show a file of queries/ as a page: parameters, chart, table, files and SQL.

A chart is drawn where the columns suggest one. A new file has its page without being registered.
"""

import streamlit as st

from queries import Question, figures, named
from screens import showing, words
from screens.reading import DRAWN, Given, Snapshot, declared, offered, read

# Parameters whose values are a closed list that stands in no table.
CLOSED = {"measure": tuple(words.MEASURES)}


def title(question: Question) -> str:
    """Return the question without what stands in brackets."""
    return question.question.partition(" (")[0]


def page(snapshot: Snapshot, name: str) -> None:
    """Show one question."""
    question = named(name)
    st.header(question.question)
    caption = question.grain
    if question.about:
        caption += f". {question.about}"
    st.caption(caption)
    parameters = inputs(snapshot, question)
    frame = read(snapshot, question.name, parameters)
    if frame.is_empty():
        text = "No rows: nothing in this catalog answers it yet."
        if question.is_audit:
            text = "No rows, and that is good."
        st.info(text)
    else:
        methods = declared(snapshot, "method")
        drawn = read(snapshot, question.name, parameters, rows=DRAWN)
        asked = figures.Asked(methods=methods, parameters=dict(parameters))
        chart = figures.suggested(question.name, drawn, asked)
        if chart is not None:
            st.altair_chart(chart, width="stretch", theme=None)
        showing.table(frame)
        showing.files(snapshot, question.name, parameters, chart=chart)
        showing.texts(frame)
    showing.sql(question, parameters)


def inputs(snapshot: Snapshot, question: Question) -> Given:
    """Show one input per parameter and return what was given; an empty one means the default."""
    chosen: list[tuple[str, object]] = []
    columns = st.columns(max(min(len(question.parameters), 6), 1))
    for place, (name, parameter) in enumerate(question.parameters.items()):
        known = offered(snapshot, name)
        if known is None and name in CLOSED:
            known = list(CLOSED[name])
        # What is empty is left out of the call, so the question's own default holds.
        empty = "all" if parameter.default is None else str(parameter.default)
        with columns[place % len(columns)]:
            if known is None:
                value = st.text_input(name, key=name, placeholder=empty, bind="query-params")
            else:
                value = words.choose(name, known, name, empty=empty) or ""
        if value:
            chosen.append((name, value))
    return tuple(chosen)
