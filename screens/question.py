"""Show a file of queries/ as a page: parameters, chart, table, files and SQL.

A chart is drawn where the columns suggest one. A new file has its page without being registered.
"""

import streamlit as st

from queries import Question, figures, named
from queries.closed import closed
from screens import showing, words
from screens.reading import DRAWN, Given, Snapshot, columns_of, offered, palette, read

# Questions about forgotten items, which lead to the contact sheet
OF_ITEMS = ("items_lost_by", "items_forgotten", "classes_forgotten", "forget_alike", "item_changes")


def title(question: Question) -> str:
    """Return the question's text without the parts in brackets."""
    return question.question.partition(" (")[0]


def page(snapshot: Snapshot, name: str) -> None:
    """Show the page of one question: its parameters, answer, chart, files and SQL."""
    question = named(name)
    st.header(question.question)
    caption = question.grain
    if question.about:
        caption += f". {question.about}"
    st.caption(caption)
    links = "[All questions](/ask)"
    if question.name in OF_ITEMS:
        links += " · [What was forgotten, as pictures](/forgotten)"
    st.markdown(links)
    parameters = inputs(snapshot, question)
    frame = read(snapshot, question.name, parameters)
    if frame.is_empty():
        st.info(without_rows(question, parameters))
    else:
        chart = drawn(snapshot, question, parameters)
        showing.table(frame, meanings=columns_of(snapshot, question.name))
        showing.files(snapshot, question.name, parameters, chart=chart)
        showing.texts(frame)
    showing.definitions(snapshot, question.name)
    showing.sql(question, parameters)


def without_rows(question: Question, parameters: Given) -> str:
    """Return what an answer without rows means; its bounds are often the reason."""
    if question.is_audit:
        return "No rows, and that is good."
    values: dict[str, object] = {}
    for name, parameter in question.parameters.items():
        values[name] = parameter.default
    values |= dict(parameters)
    bounds = [f"{name} = {value}" for name, value in values.items() if value]
    if not bounds:
        return "No rows: nothing in this catalog answers it yet."
    return words.literal(f"No rows with {', '.join(bounds)}.")


def drawn(snapshot: Snapshot, question: Question, parameters: Given) -> figures.Chart | None:
    """Show the figure of an answer and return it; None where it has none."""
    rows = read(snapshot, question.name, parameters, rows=DRAWN + 1)
    if len(rows) > DRAWN:
        st.caption(f"Drawn of the first {DRAWN:,} rows; the files have all.")
    # Parameters that are not set have their defaults, which the figure names.
    asked = figures.Asked(methods=palette(snapshot), parameters=dict(parameters))
    chart = figures.suggested(question.name, rows.head(DRAWN), asked)
    if chart is not None:
        showing.figure(chart, question.question)
    return chart


def inputs(snapshot: Snapshot, question: Question) -> Given:
    """Show one input per parameter and return the values; an empty input means the default."""
    chosen: list[tuple[str, object]] = []
    columns = st.columns(max(min(len(question.parameters), 6), 1))
    for place, (name, parameter) in enumerate(question.parameters.items()):
        known = offered(snapshot, name)
        words_ = closed(question, name)
        if words_ is not None:
            known = list(words_)
        # An empty input is left out of the call, so that the question's own default applies.
        empty = "all" if parameter.default is None else str(parameter.default)
        with columns[place % len(columns)]:
            if known is None and parameter.type == "BOOLEAN":
                value = words.choose(name, ("true", "false"), name, empty=empty.lower()) or ""
            elif known is None:
                value = st.text_input(name, key=name, placeholder=empty, bind="query-params")
            else:
                value = words.choose(name, known, name, empty=empty) or ""
        if value:
            chosen.append((name, value))
    return tuple(chosen)
