"""How answers are shown: as a table, as files (CSV, Parquet, SVG, PNG), with their SQL, and long texts in folds."""

import io
from functools import partial
from typing import Any

import altair as alt
import polars as pl
import streamlit as st

from queries import Question
from queries.answers import RECORDS_SHOWN, flat, is_long
from screens.reading import SHOWN, Given, Snapshot, whole

TRIAL = "/trial?id="


def table(frame: pl.DataFrame, key: str | None = None) -> None:
    """The first rows, fractions with three decimals; a column `trial` leads to the trial's page."""
    floats = [column for column in frame if column.dtype.is_float()]
    formats = {c.name: "%.3f" if (c.fill_null(0).abs() <= 10).all() else "compact" for c in floats}
    config: dict[str, Any] = {
        name: st.column_config.NumberColumn(format=format_) for name, format_ in formats.items()
    }
    for column in frame.select(pl.selectors.datetime()).columns:
        config[column] = st.column_config.DatetimeColumn(format="D MMM YYYY, HH:mm")
    head = frame.head(SHOWN)
    if "trial" in frame.columns:
        head = head.with_columns(trial=pl.format(TRIAL + "{}", "trial"))
        config["trial"] = st.column_config.LinkColumn(display_text=r"id=(\d+)")
    st.dataframe(head, hide_index=True, column_config=config, key=key, placeholder="")
    if len(frame) > SHOWN:
        st.caption(f"The first {SHOWN:,} rows; the files have all of them.")


def files(
    snapshot: Snapshot,
    name: str,
    parameters: Given = (),
    where: Given = (),
    chart: alt.LayerChart | None = None,
) -> None:
    """One click each: the whole answer as CSV and Parquet, the figure as SVG and PNG."""
    columns = st.columns([1, 1, 1, 1, 4])
    ask = partial(whole, snapshot, name, parameters, where)
    made = {
        "CSV": (lambda: csv(ask()), "text/csv"),
        "Parquet": (lambda: parquet(ask()), "application/octet-stream"),
    }
    if chart is not None:
        made |= {
            "SVG": (lambda: svg(chart), "image/svg+xml"),
            "PNG": (lambda: png(chart), "image/png"),
        }
    for column, (label, (data, mime)) in zip(columns, made.items(), strict=False):
        column.download_button(
            label,
            data,
            f"{name}.{label.lower()}",
            mime,
            key=f"{name}-{label}",
            on_click="ignore",
            width="stretch",
        )


def csv(frame: pl.DataFrame) -> bytes:
    """Lists as text with commas."""
    return flat(frame).write_csv().encode()


def parquet(frame: pl.DataFrame) -> bytes:
    """Types as they are."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def svg(chart: alt.LayerChart) -> bytes:
    """As it stands on the page."""
    buffer = io.StringIO()
    chart.save(buffer, format="svg")
    return buffer.getvalue().encode()


def png(chart: alt.LayerChart) -> bytes:
    """At three times the size on the page, for print."""
    buffer = io.BytesIO()
    chart.save(buffer, format="png", scale_factor=3)
    return buffer.getvalue()


def sql(question: Question, parameters: Given = (), where: Given = ()) -> None:
    """The call that gives the numbers above, ready to paste, and the text of the view or macro."""
    with st.expander("The SQL"):
        st.code(call(question, parameters, where), language="sql")
        st.code(question.sql, language="sql")


def call(question: Question, parameters: Given = (), where: Given = ()) -> str:
    """`FROM ranked(measure := 'gm') WHERE backbone = 'tiny';`"""

    def quoted(value: object) -> str:
        return (
            str(value)
            if isinstance(value, (int, float))
            else "'" + str(value).replace("'", "''") + "'"
        )

    arguments = ", ".join(f"{key} := {quoted(value)}" for key, value in parameters)
    kept = " AND ".join(f"{key} = {quoted(value)}" for key, value in where)
    return f"FROM {question.name}{f'({arguments})' if question.kind == 'macro' else ''}{f' WHERE {kept}' if kept else ''};"


def texts(frame: pl.DataFrame) -> None:
    """What does not fit into a cell (logs, SQL to copy), one fold per row."""
    long = [column for column in frame.columns if is_long(frame[column])]
    short = [column for column in frame.columns if column not in long][:4]
    for row in frame.head(RECORDS_SHOWN if long else 0).iter_rows(named=True):
        said = {name: str(row[name]) for name in long if row[name]}
        if said:
            with st.expander(" · ".join(str(row[name]) for name in short if row[name] is not None)):
                for name, text in said.items():
                    st.caption(name)
                    st.code(text, language=None, wrap_lines=True)
