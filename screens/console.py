"""Run SQL on the snapshot: one SELECT at a time, read-only, within limits of time and size."""

import contextlib
from pathlib import Path

import polars as pl
import streamlit as st

from queries.sheet import flat
from schema.locked import locked
from screens import showing, statement
from screens.reading import Snapshot
from screens.statement import StatementError

TITLE = "SQL"
SECONDS = 10.0
ROWS = 1_000
EXAMPLES = {
    "trials per method": "SELECT method, count(*) AS trials FROM trial "
    "GROUP BY method ORDER BY trials DESC",
    "best of every setting": "SELECT backbone, stream, method, mean, low, high "
    "FROM ranked(measure := 'gm') WHERE rank = 1",
    "learning and keeping per task": "SELECT method, mixture, task, a_ka, a_zs, seeds "
    "FROM course ORDER BY ALL",
    "what a question is made of": "SUMMARIZE trajectory",
}


def page(snapshot: Snapshot) -> None:
    """Show examples, the statement, its answer, and the tables that can be queried."""
    st.header("SQL console")
    st.caption(
        "One SELECT on this snapshot: no writing, no files, no network; "
        f"at most {SECONDS:.0f} s and {ROWS:,} rows."
    )
    example = st.pills("Examples", list(EXAMPLES), key="example")
    # The example is put into the box once, so that it can be changed there.
    if example and st.session_state.get("shown") != example:
        st.session_state["shown"] = example
        st.session_state["sql"] = EXAMPLES[example]
    text = st.text_area(
        "Statement (Ctrl+Enter runs it)",
        key="sql",
        height=140,
        placeholder=EXAMPLES["trials per method"],
        bind="query-params",
    )
    st.button("Run", type="primary")
    if text.strip():
        answered(snapshot, text)
    browser(snapshot)


def answered(snapshot: Snapshot, text: str) -> None:
    """Show the answer as a table with its files, or the reason why there is none."""
    try:
        frame = ask(snapshot, text)
    except StatementError as error:
        st.error(str(error))
        return
    head = frame.head(ROWS)
    showing.table(head)
    if len(frame) > ROWS:
        st.caption(f"The first {ROWS:,} rows. Add a LIMIT or an aggregate, or ask in a notebook.")
    with st.container(horizontal=True, gap="small"):
        csv = showing.csv(flat(head))
        st.download_button("CSV", csv, "answer.csv", "text/csv", on_click="ignore")
        parquet = showing.parquet(head)
        st.download_button("Parquet", parquet, "answer.parquet", on_click="ignore")


# Cached, since any other widget reruns the page and must not rerun the statement.
@st.cache_data(max_entries=20, show_spinner="Asking the catalog ...")
def ask(snapshot: Snapshot, text: str, seconds: float = SECONDS) -> pl.DataFrame:
    """Return at most ROWS + 1 rows of one SELECT, run in a process with a time limit.

    Raises:
        StatementError: as `statement.ask`.
    """
    return statement.ask(Path(snapshot[0]), text, ROWS + 1, seconds)


@st.cache_data(max_entries=5, show_spinner=False)
def columns_of(snapshot: Snapshot) -> dict[str, list[tuple[str, str, str | None]]]:
    """Return the tables and views, each with its columns, their types and comments."""
    columns: dict[str, list[tuple[str, str, str | None]]] = {}
    with contextlib.closing(locked(Path(snapshot[0]))) as connection:
        rows = connection.execute(
            "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() "
            "WHERE database_name = 'snapshot' AND NOT internal ORDER BY table_name, column_index"
        ).fetchall()
    for table, name, kind, comment in rows:
        columns.setdefault(table, []).append((name, kind, comment))
    return columns


def browser(snapshot: Snapshot) -> None:
    """Show the tables and views that can be queried, and the columns of a chosen one."""
    st.subheader("Tables and views")
    known = columns_of(snapshot)
    table = st.selectbox(
        "Columns of",
        list(known),
        index=None,
        key="table",
        placeholder="a table or view",
        bind="query-params",
    )
    if table:
        columns = pl.DataFrame(known[table], schema=["column", "type", "meaning"], orient="row")
        st.dataframe(columns, hide_index=True, placeholder="")
