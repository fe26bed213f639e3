"""Read the published copy of the catalog through the questions of queries/, once per snapshot.

The file is opened read-only, read and closed, so that it can be replaced at any moment. Answers are
kept by the name of the file and the time at which it was written.
"""

from datetime import datetime
from pathlib import Path

import polars as pl
import streamlit as st

from queries import answer, choices, named, opened
from schema.site import Site

# Rows of an answer that go to the browser (files have all), and rows that a chart is drawn from.
SHOWN = 500
DRAWN = 4_000
# Names that a menu offers.
CHOICES = 1_000
# An older snapshot in which something runs means that nobody syncs.
STALE_MINUTES = 15
WORDS = ("backbone", "stream", "budget", "mixture", "method", "recipe", "study")

# A file and when it was written, in nanoseconds.
Snapshot = tuple[str, int]
# Names and values, as a tuple because it is a key of the cache.
Given = tuple[tuple[str, object], ...]


def newest() -> Snapshot | None:
    """Return the snapshot that the site publishes now; None before the first."""
    current = Site.load().current
    # The link may be replaced between the two calls; then the next look sees the newer one.
    try:
        return str(current.resolve(strict=True)), current.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def given(**values: object) -> Given:
    """Return names and values, without those that are None."""
    return tuple((key, value) for key, value in values.items() if value is not None)


@st.cache_data(max_entries=400, show_spinner="Asking the catalog ...")
def read(
    snapshot: Snapshot, name: str, parameters: Given = (), where: Given = (), rows: int = SHOWN + 1
) -> pl.DataFrame:
    """Return the first `rows` rows of an answer whose columns have the values of `where`."""
    with opened(Path(snapshot[0])) as connection:
        return answer(connection, named(name), dict(parameters), rows=rows, where=dict(where))


def whole(snapshot: Snapshot, name: str, parameters: Given = (), where: Given = ()) -> pl.DataFrame:
    """Return all rows of an answer; computed when somebody asks for the file."""
    with opened(Path(snapshot[0])) as connection:
        return answer(connection, named(name), dict(parameters), where=dict(where))


@st.cache_data(max_entries=200, show_spinner=False)
def offered(snapshot: Snapshot, parameter: str) -> list[str] | None:
    """Return the values that a parameter can take, if it names a row, else None."""
    with opened(Path(snapshot[0])) as connection:
        return choices(connection, parameter)


@st.cache_data(max_entries=50, show_spinner=False)
def declared(snapshot: Snapshot, word: str) -> list[str]:
    """Return the names that trials use of an axis, or their studies.

    They are in the order in which they first appeared, which never changes.
    """
    with opened(Path(snapshot[0])) as connection:
        rows = connection.execute(
            f"SELECT {word} FROM trial WHERE {word} IS NOT NULL "
            f"GROUP BY ALL ORDER BY min(id) LIMIT {CHOICES}"
        ).fetchall()
    return [name for (name,) in rows]


@st.cache_data(max_entries=50, show_spinner=False)
def largest(snapshot: Snapshot) -> dict[str, str]:
    """Return backbone, stream and budget of the most trials; empty without trials."""
    words = ("backbone", "stream", "budget")
    listed = ", ".join(words)
    with opened(Path(snapshot[0])) as connection:
        row = connection.execute(
            f"SELECT {listed} FROM trial GROUP BY ALL ORDER BY count(*) DESC, {listed} LIMIT 1"
        ).fetchone()
    return dict(zip(words, row or (), strict=False))


@st.cache_data(max_entries=50, show_spinner=False)
def parts(snapshot: Snapshot, part: str) -> list[str]:
    """Return the tunings, objectives or mergings of the methods that trials use.

    An objective of several is each of them.
    """
    with opened(Path(snapshot[0])) as connection:
        rows = connection.execute(
            f"SELECT DISTINCT unnest(string_split(m.{part}, '+')) AS part FROM method m "
            "WHERE m.name IN (SELECT method FROM trial) ORDER BY part"
        ).fetchall()
    return [name for (name,) in rows]


def minutes_old(snapshot: Snapshot) -> float:
    """Return the minutes since the snapshot was published."""
    return (datetime.now().timestamp() - snapshot[1] / 1e9) / 60


def age(snapshot: Snapshot) -> str:
    """Return how long ago the snapshot was published, in words."""
    minutes = minutes_old(snapshot)
    if minutes < 1:
        return "just now"
    if minutes < 120:
        return f"{minutes:.0f} minutes ago"
    if minutes < 48 * 60:
        return f"{minutes / 60:.0f} hours ago"
    return f"{minutes / 60 / 24:.0f} days ago"
