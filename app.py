"""The app: a page per question, from the published copy of the catalog (`streamlit run app.py`).

It never opens the live catalog and computes nothing: every number comes from a view or macro of queries/, whose SQL stands
below its table. The address of a page holds the question and its parameters, so it can be sent to a colleague.
"""

from datetime import datetime
from functools import partial
from pathlib import Path

import altair as alt
import polars as pl
import streamlit as st

from queries import Question, SnapshotError, answer, choices, named, opened, questions
from queries.answers import RECORDS_SHOWN, flat, is_long
from schema.site import Site

OVERVIEW = "overview"
ROWS_SHOWN = 5_000
Snapshot = tuple[str, int]  # a file and when it was written: the key of the cache
Given = tuple[tuple[str, str | None], ...]  # the parameters of a question
STATES = ("done", "running", "pending", "waiting", "failed", "refused", "cancelled", "withdrawn")


@st.cache_data(max_entries=200, show_spinner=False)
def asked(snapshot: Snapshot, name: str, parameters: Given = ()) -> pl.DataFrame:
    """The first rows of an answer."""
    with opened(Path(snapshot[0])) as connection:
        return answer(connection, named(name), dict(parameters), rows=ROWS_SHOWN + 1)


def csv(snapshot: Snapshot, name: str, parameters: Given = ()) -> bytes:
    """The whole answer, computed when someone asks for the file."""
    with opened(Path(snapshot[0])) as connection:
        return flat(answer(connection, named(name), dict(parameters))).write_csv().encode()


@st.cache_data(max_entries=200, show_spinner=False)
def offered(snapshot: Snapshot, parameter: str) -> list[str] | None:
    """What a parameter can be, where it is the name of an axis."""
    with opened(Path(snapshot[0])) as connection:
        return choices(connection, parameter)


def main() -> None:
    st.set_page_config(page_title="Weir", page_icon="🌊", layout="wide")
    current = Site.load().current
    st.sidebar.title("Weir")
    st.sidebar.caption(f"{current.resolve().stem}, published {age(current)}" if current.exists() else "nothing published yet")
    chosen = menu()
    if not current.exists():
        st.header("Nothing published yet")
        st.write("This app reads a published copy of the catalog, and there is none at")
        st.code(str(current), language=None)
        st.write("Make a catalog with its vocabulary, then declare trials and run them:")
        st.code("python -m schema\npython -m schema my_grid.sql\npython -m runner.sync --watch", language="shell")
        return
    snapshot = (str(current.resolve()), current.stat().st_mtime_ns)
    try:
        for subject, message in asked(snapshot, "health").select("subject", "message").rows():
            st.warning(f"{subject}: {message}")
        if chosen == OVERVIEW:
            overview(snapshot)
        else:
            page(snapshot, named(chosen))
    except SnapshotError as error:
        st.warning(str(error))


def menu() -> str:
    """The sidebar: every question in words, audits last. The address says which page comes first."""
    known = {q.name: q for q in sorted(questions(), key=lambda q: (q.is_audit, q.name))}
    names = [OVERVIEW, *known]
    first = st.query_params.get("question", OVERVIEW)
    chosen = st.sidebar.radio(
        "Questions",
        names,
        index=names.index(first) if first in names else 0,
        format_func=lambda name: known[name].question.partition(" (")[0] if name in known else "Overview",
    )
    if chosen != first:
        st.query_params.clear()
    st.query_params["question"] = chosen
    return chosen


def age(snapshot: Path) -> str:
    """How long ago the snapshot was published, in words."""
    minutes = (datetime.now().timestamp() - snapshot.stat().st_mtime) / 60
    if minutes < 120:
        return f"{minutes:.0f} minutes ago" if minutes >= 1 else "just now"
    return f"{minutes / 60:.0f} hours ago" if minutes < 48 * 60 else f"{minutes / 60 / 24:.0f} days ago"


def page(snapshot: Snapshot, question: Question) -> None:
    """One question: parameters, table, download, SQL."""
    st.header(question.question)
    st.caption(f"{question.grain}. {question.about}" if question.about else question.grain)
    given = inputs(snapshot, question)
    frame = asked(snapshot, question.name, given)
    if frame.is_empty():
        st.info("No rows, and that is good." if question.is_audit else "No rows: nothing in this catalog answers it yet.")
    else:
        table(frame)
        st.download_button("Download CSV", partial(csv, snapshot, question.name, given), f"{question.name}.csv", "text/csv")
        texts(frame)
    with st.expander("The SQL"):
        st.code(question.sql, language="sql")


def inputs(snapshot: Snapshot, question: Question) -> Given:
    """One input per parameter; an empty one means the default. What is chosen goes into the address."""
    given: dict[str, str | None] = {}
    columns = st.columns(max(len(question.parameters), 1))
    for column, (name, parameter) in zip(columns, question.parameters.items(), strict=False):
        known, said = offered(snapshot, name), st.query_params.get(name)
        key, default = f"{question.name}.{name}", parameter.default
        empty = "all" if default is None else str(default)
        if known is None:
            given[name] = column.text_input(name, said or "", key=key, placeholder=empty) or None
        else:
            at = known.index(said) if said in known else None
            given[name] = column.selectbox(name, known, index=at, key=key, placeholder=empty)
        if given[name] is None:
            st.query_params.pop(name, None)
        else:
            st.query_params[name] = str(given[name])
    return tuple(given.items())


def table(frame: pl.DataFrame) -> None:
    """The first rows, fractions with three decimals."""
    floats = [column for column in frame if column.dtype.is_float()]
    formats = {c.name: "%.3f" if (c.fill_null(0).abs() <= 10).all() else "compact" for c in floats}
    config = {name: st.column_config.NumberColumn(format=format_) for name, format_ in formats.items()}
    st.dataframe(frame.head(ROWS_SHOWN), hide_index=True, width="stretch", column_config=config)
    if len(frame) > ROWS_SHOWN:
        st.caption(f"The first {ROWS_SHOWN:,} rows; the file has all of them.")


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


def overview(snapshot: Snapshot) -> None:
    """How far everything is, and what is gained against what is lost."""
    st.header("Overview")
    status = asked(snapshot, "status")
    if status.is_empty():
        st.info("The catalog has no trials yet. Declare some: python -m schema my_grid.sql")
        return
    counts = [(state, int(status[state].sum())) for state in STATES]
    shown = [(state, count) for state, count in counts if count or state in ("done", "running", "pending")]
    for column, (state, count) in zip(st.columns(len(shown)), shown, strict=True):
        column.metric(state, count)
    trades = asked(snapshot, "comparison").drop_nulls(["ka_gain", "zs_loss"])
    st.subheader("What is gained, and what is lost")
    if trades.is_empty():
        st.info("No trial has reached the end of its stream yet.")
        return
    st.altair_chart(scatter(equals(trades)), width="stretch")


def equals(trades: pl.DataFrame) -> pl.DataFrame:
    """Those of one backbone, stream and budget: only they may be compared. The largest group comes first."""
    words = ["backbone", "stream", "budget"]
    groups = trades.group_by(words).len().sort("len", *words, descending=[True, False, False, False]).select(words).rows()
    chosen = st.selectbox("Backbone, stream, budget", groups, format_func=" · ".join)
    return trades.filter(pl.concat_list(words).list.join("\0") == "\0".join(chosen))


def scatter(trades: pl.DataFrame) -> alt.LayerChart | alt.FacetChart:
    """Retention to the right, accumulation up: the best is at the top right, the untouched backbone at the origin."""
    kept = trades.with_columns(
        zs_change=-pl.col("zs_loss"), zs_change_low=-pl.col("zs_loss_high"), zs_change_high=-pl.col("zs_loss_low")
    )
    base = alt.Chart(kept)
    across = alt.X("zs_change:Q", title="change in zero-shot accuracy (a_zs)").axis(format="+.2f")
    up = alt.Y("ka_gain:Q", title="gain in accumulation (a_ka)").axis(format="+.2f")
    colour = alt.Color("method:N").scale(scheme="tableau10")
    fields = ["method", "mixture", "recipe", "seeds", "seeds_wanted", "ka_gain", "zs_change", "best_trade"]
    points = base.mark_point(filled=True, size=140, opacity=1).encode(across, up, colour, alt.Shape("mixture:N"), tooltip=fields)
    tall = base.mark_rule().encode(across, alt.Y("ka_gain_low:Q"), alt.Y2("ka_gain_high:Q"), colour)
    wide = base.mark_rule().encode(alt.X("zs_change_low:Q"), up, alt.X2("zs_change_high:Q"), color=colour)
    origin = alt.Chart(pl.DataFrame({"zero": [0.0]}))
    lines = origin.mark_rule(strokeDash=[4, 4], opacity=0.5).encode(x="zero:Q")
    floor = origin.mark_rule(strokeDash=[4, 4], opacity=0.5).encode(y="zero:Q")
    return alt.layer(lines, floor, tall, wide, points).properties(height=460).interactive()


if __name__ == "__main__":
    main()
