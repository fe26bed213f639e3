"""SQL on the snapshot: one SELECT at a time, read-only, no file and no network, at most so many seconds and rows."""

import contextlib
import threading
from pathlib import Path

import duckdb
import polars as pl
import streamlit as st

from queries.answers import flat
from screens import showing
from screens.reading import Snapshot

TITLE = "SQL"
SECONDS = 10.0
ROWS = 1_000
MEMORY = "1GB"
READS = (duckdb.StatementType.SELECT, duckdb.StatementType.EXPLAIN)
EXAMPLES = {
    "trials per method": "SELECT method, count(*) AS trials FROM trial GROUP BY method ORDER BY trials DESC",
    "best of every setting": "SELECT backbone, stream, method, mean, low, high FROM ranked(measure := 'gm') WHERE rank = 1",
    "learning and keeping per task": "SELECT method, mixture, task, a_ka, a_zs, seeds FROM course ORDER BY ALL",
    "what a question is made of": "SUMMARIZE trajectory",
}


class ConsoleError(ValueError):
    """A statement that the console does not run, or that took too long."""


def page(snapshot: Snapshot) -> None:
    """Schema, examples, statement, answer."""
    st.header("SQL console")
    st.caption(
        f"One SELECT on this snapshot: no writing, no files, no network; at most {SECONDS:.0f} s and {ROWS:,} rows."
    )
    example = st.pills("Examples", list(EXAMPLES), key="example")
    if example and st.session_state.get("shown") != example:
        st.session_state["shown"], st.session_state["sql"] = example, EXAMPLES[example]
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
    """The table, or why there is none."""
    try:
        frame = ask(snapshot, text)
    except (ConsoleError, duckdb.Error) as error:
        st.error(str(error))
        return
    showing.table(frame.head(ROWS))
    if len(frame) > ROWS:
        st.caption(f"The first {ROWS:,} rows. Add a LIMIT or an aggregate, or ask in a notebook.")
    columns = st.columns([1, 1, 6])
    columns[0].download_button(
        "CSV", showing.csv(flat(frame.head(ROWS))), "answer.csv", "text/csv", on_click="ignore"
    )
    columns[1].download_button(
        "Parquet", showing.parquet(frame.head(ROWS)), "answer.parquet", on_click="ignore"
    )


def ask(snapshot: Snapshot, text: str, seconds: float = SECONDS) -> pl.DataFrame:
    """At most ROWS + 1 rows of one SELECT.

    Raises:
        ConsoleError: something else than one SELECT, or it ran past the time.
        duckdb.Error: DuckDB refuses it (files, network, typos); the message is DuckDB's.
    """
    with contextlib.closing(locked(snapshot)) as connection:
        statements = connection.extract_statements(text)
        if len(statements) != 1 or statements[0].type not in READS:
            kinds = ", ".join(statement.type.name for statement in statements) or "nothing"
            raise ConsoleError(
                f"The console runs one SELECT at a time, and this is {kinds}. Declare rows with python -m schema my_grid.sql; "
                "the snapshot is read-only."
            )
        timer = threading.Timer(seconds, connection.interrupt)
        timer.start()
        try:
            relation = connection.sql(statements[0].query)
            frame: pl.DataFrame = relation.limit(ROWS + 1).pl()
        except duckdb.InterruptException as error:
            raise ConsoleError(
                f"Stopped after {seconds:g} s. Ask for less: filter by trial or study, or use a notebook."
            ) from error
        finally:
            timer.cancel()
    return frame


def locked(snapshot: Snapshot) -> duckdb.DuckDBPyConnection:
    """An empty database in memory beside the attached snapshot, then no file is reachable any more and no setting changes."""
    connection = duckdb.connect(":memory:", config={"threads": 2, "memory_limit": MEMORY})
    connection.execute("SET temp_directory = ''")
    connection.execute(
        f"ATTACH '{str(Path(snapshot[0])).replace(chr(39), chr(39) * 2)}' AS snapshot (READ_ONLY)"
    )
    connection.execute("USE snapshot")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


@st.cache_data(max_entries=5, show_spinner=False)
def columns_of(snapshot: Snapshot) -> dict[str, list[tuple[str, str, str | None]]]:
    """Table or view -> its columns, their types and comments."""
    found: dict[str, list[tuple[str, str, str | None]]] = {}
    with contextlib.closing(locked(snapshot)) as connection:
        rows = connection.execute(
            "SELECT table_name, column_name, data_type, comment FROM duckdb_columns() "
            "WHERE database_name = 'snapshot' AND NOT internal ORDER BY table_name, column_index"
        ).fetchall()
    for table, *column in rows:
        found.setdefault(table, []).append((column[0], column[1], column[2]))
    return found


def browser(snapshot: Snapshot) -> None:
    """What can be asked about."""
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
        st.dataframe(
            pl.DataFrame(known[table], schema=["column", "type", "meaning"], orient="row"),
            hide_index=True,
            placeholder="",
        )
