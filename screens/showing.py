"""Show answers as figures, tables, files (CSV, Parquet, PDF, SVG, PNG), and with their SQL."""

import io
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import altair as alt
import polars as pl
import streamlit as st

from queries import Question, figures, named
from queries.columns import heading
from queries.figures import printing
from queries.numbers import LEAST, THOUSAND, largest, without_noise
from queries.sheet import flat, is_long
from queries.terminal import RECORDS_SHOWN
from screens.reading import SHOWN, Given, Snapshot, columns_of, whole
from screens.words import MEANING, literal, quoted

TRIAL = "/trial?id="


def beside() -> tuple[Any, Any]:
    """Return the column of a page's content, and that of its menus beside it.

    On a narrow page the menus are below the content (`STYLE` of app.py), as they would be cut.
    """
    with st.container(key="beside"):
        main, side = st.columns([3, 1], gap="large")
    return main, side


def is_dark() -> bool:
    """Return whether the browser shows the page in its dark theme."""
    return st.context.theme.type == "dark"


def figure(chart: figures.Chart, about: str, **options: Any) -> Any:
    """Show a figure in the page's theme; `about` is its description for screen readers.

    A figure's notes are shown above it as text, which wraps on a narrow page. Panels are shown one
    by one, since Vega fits a single panel alone to the width of a page.
    """
    if isinstance(chart, alt.VConcatChart):
        for name, panel in figures.panels(chart).items():
            figure(panel, f"{about} {name}.", **options)
        return None
    notes = notes_of(chart)
    if notes:
        st.caption(literal(notes))
    shown = figures.for_page(chart, is_dark())
    if isinstance(shown.title, alt.TitleParams):
        # The figure keeps its title, and its notes below the title are removed.
        own = shown.title.subtitle is not alt.Undefined and shown.title.text
        shown.title = own or alt.Undefined
    text = f"{about} {notes}".strip()
    # Streamlit takes the description for screen readers apart from the chart, and warns of two.
    shown.description = alt.Undefined
    return st.altair_chart(shown, width="stretch", theme=None, alt=text, **options)


def drawn(
    snapshot: Snapshot,
    chart: figures.Chart,
    name: str,
    parameters: Given = (),
    where: Given = (),
) -> None:
    """Show the figure of a question, with its files and its SQL."""
    figure(chart, named(name).question)
    files(snapshot, name, parameters, where, chart)
    sql(named(name), parameters, where)


def notes_of(chart: figures.Chart) -> str:
    """Return the notes shown above a figure; empty where there are none."""
    if not isinstance(chart.title, alt.TitleParams):
        return ""
    lines = chart.title.subtitle
    if lines is alt.Undefined:
        lines = chart.title.text
    return lines if isinstance(lines, str) else " ".join(lines)


def table(
    frame: pl.DataFrame,
    key: str | None = None,
    meanings: Mapping[str, str] | None = None,
    **options: Any,
) -> Any:
    """Show the first rows as a table; values of a column `trial` link to the trial's page.

    Fractions have three decimals; large numbers are written out, with thousands separators.
    `meanings` are the columns' tooltips; further options are passed to Streamlit.
    """
    head = frame.head(SHOWN)
    config = configured(head, meanings or {})
    # Streamlit shows booleans as checkboxes that look as if they could be ticked.
    head = head.with_columns(
        in_words(name) for name, kind in head.schema.items() if kind == pl.Boolean
    )
    head = head.with_columns(without_noise(column) for column in head.select(pl.selectors.float()))
    if "trial" in frame.columns:
        head = head.with_columns(trial=pl.format(TRIAL + "{}", "trial"))
        config["trial"] = st.column_config.LinkColumn("trial", display_text=r"id=(\d+)")
    shown = st.dataframe(
        head, hide_index=True, column_config=config, key=key, placeholder="", **options
    )
    if len(frame) > SHOWN:
        st.caption(f"The first {SHOWN:,} rows; the files have all of them.")
    return shown


def configured(head: pl.DataFrame, meanings: Mapping[str, str]) -> dict[str, Any]:
    """Return the Streamlit configuration of each column: heading, tooltip and format."""
    config: dict[str, Any] = {}
    for column in head:
        about = meanings.get(column.name) or MEANING.get(column.name) or column.name
        options: dict[str, Any] = {"label": heading(column.name, MEANING), "help": about}
        if column.dtype.is_float():
            options["format"] = format_of(column)
            config[column.name] = st.column_config.NumberColumn(**options)
        elif isinstance(column.dtype, pl.Datetime):
            options["format"] = "D MMM YYYY, HH:mm"
            config[column.name] = st.column_config.DatetimeColumn(**options)
        else:
            config[column.name] = st.column_config.Column(**options)
    return config


def format_of(column: pl.Series) -> str:
    """Return Streamlit's format of a column of numbers, by its largest one, as in the terminal."""
    most = largest(column)
    if most >= THOUSAND:
        return "localized"
    return "%.3g" if 0 < most < LEAST else "%.3f"


def in_words(name: str) -> pl.Expr:
    """Return an expression that turns a column of booleans into `yes` and `no`."""
    column = pl.col(name)
    return pl.when(column).then(pl.lit("yes")).when(~column).then(pl.lit("no")).alias(name)


def files(
    snapshot: Snapshot,
    name: str,
    parameters: Given = (),
    where: Given = (),
    chart: figures.Chart | None = None,
) -> None:
    """Offer the whole answer as CSV and Parquet, and the figure as PDF, SVG and PNG."""
    # Files are built on a click only, as the whole answer may be large.
    ask = partial(whole, snapshot, name, parameters, where)
    kinds: dict[str, tuple[Callable[[], bytes], str]] = {
        "CSV": (lambda: csv(ask()), "text/csv"),
        "Parquet": (lambda: parquet(ask()), "application/octet-stream"),
    }
    if chart is not None:
        if chart.description is alt.Undefined:
            # Files are read aloud, too.
            chart = chart.copy(deep=False)
            chart.description = named(name).question
        kinds["PDF"] = (partial(printing.pdf, chart), "application/pdf")
        kinds["SVG"] = (partial(svg, chart), "image/svg+xml")
        kinds["PNG"] = (partial(printing.png, chart), "image/png")
    with st.container(horizontal=True, gap="small"):
        for kind, (data, mime) in kinds.items():
            st.download_button(
                kind,
                data,
                f"{name}.{kind.lower()}",
                mime,
                key=f"{name}-{kind}",
                on_click="ignore",
            )


def csv(frame: pl.DataFrame) -> bytes:
    """Return the frame as CSV; lists become text with commas."""
    return flat(frame).write_csv().encode()


def parquet(frame: pl.DataFrame) -> bytes:
    """Return the frame as Parquet, with types as they are."""
    buffer = io.BytesIO()
    frame.write_parquet(buffer)
    return buffer.getvalue()


def svg(chart: figures.Chart) -> bytes:
    """Return the figure for print as SVG, two text columns wide and with complete legends."""
    return printing.svg(chart).encode()


def definitions(snapshot: Snapshot, name: str) -> None:
    """Show the definition of a question, and of each column of its answer."""
    with st.expander("What the columns mean"):
        meanings = columns_of(snapshot, name)
        lines = ["| column | meaning |", "|---|---|"]
        for column, about in meanings.items():
            # A `|` would end the cell.
            text = about.replace("|", "&#124;")
            lines.append(f"| `{column}` | {text} |")
        st.markdown("\n".join(lines))


def sql(question: Question, parameters: Given = (), where: Given = ()) -> None:
    """Show the SQL call that gives the numbers above, ready to paste, and the question's SQL."""
    with st.expander("The SQL"):
        st.code(call(question, parameters, where), language="sql")
        st.code(question.sql, language="sql")


def call(question: Question, parameters: Given = (), where: Given = ()) -> str:
    """Return the SQL of a call: `FROM ranked(measure := 'gm') WHERE backbone = 'tiny';`."""
    text = f"FROM {question.name}"
    if question.kind == "macro":
        arguments = ", ".join(f"{key} := {quoted(value)}" for key, value in parameters)
        text += f"({arguments})"
    if where:
        text += " WHERE " + " AND ".join(f"{key} = {quoted(value)}" for key, value in where)
    return f"{text};"


def texts(frame: pl.DataFrame) -> None:
    """Show texts too long for a cell (logs, SQL to copy), in an expander per row."""
    long = [column for column in frame.columns if is_long(frame[column])]
    if not long:
        return
    short = [column for column in frame.columns if column not in long][:4]
    for row in frame.head(RECORDS_SHOWN).iter_rows(named=True):
        words = {name: str(row[name]) for name in long if row[name]}
        if words:
            head = [str(row[name]) for name in short if row[name] is not None]
            with st.expander(literal(" · ".join(head))):
                for name, text in words.items():
                    st.caption(name)
                    st.code(text, language=None, wrap_lines=True)
