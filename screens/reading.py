"""What pages read: the published copy of the catalog, through the questions of queries/, once per snapshot.

The file is opened read-only, read and closed, so that it can be replaced at any moment; answers are kept by the name of the file
and the time it was written.
"""

from datetime import datetime
from pathlib import Path

import polars as pl
import streamlit as st

from queries import answer, choices, named, opened
from schema.site import Site

SHOWN = 500  # rows of an answer that go to the browser; files have all
DRAWN = 4_000  # rows that a chart is drawn from
CHOICES = 1_000  # names that a menu offers
STALE_MINUTES = 15  # older than this while something runs: nobody syncs
WORDS = ("backbone", "stream", "budget", "mixture", "method", "recipe", "study")
Snapshot = tuple[str, int]  # a file and when it was written
Given = tuple[tuple[str, object], ...]  # names and values, so that it can be a key


def newest() -> Snapshot | None:
    """The snapshot that the site publishes now; None before the first."""
    current = Site.load().current
    try:
        return str(current.resolve(strict=True)), current.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def given(**values: object) -> Given:
    """Names and values without those that are None."""
    return tuple((key, value) for key, value in values.items() if value is not None)


@st.cache_data(max_entries=400, show_spinner="Asking the catalog ...")
def read(
    snapshot: Snapshot, name: str, parameters: Given = (), where: Given = (), rows: int = SHOWN + 1
) -> pl.DataFrame:
    """The first `rows` rows of an answer, of those whose columns have the values of `where`."""
    with opened(Path(snapshot[0])) as connection:
        return answer(connection, named(name), dict(parameters), rows=rows, where=dict(where))


def whole(snapshot: Snapshot, name: str, parameters: Given = (), where: Given = ()) -> pl.DataFrame:
    """All rows, computed when someone asks for the file."""
    with opened(Path(snapshot[0])) as connection:
        return answer(connection, named(name), dict(parameters), where=dict(where))


@st.cache_data(max_entries=200, show_spinner=False)
def offered(snapshot: Snapshot, parameter: str) -> list[str] | None:
    """What a parameter can be, where it is the name of an axis."""
    with opened(Path(snapshot[0])) as connection:
        return choices(connection, parameter)


@st.cache_data(max_entries=50, show_spinner=False)
def declared(snapshot: Snapshot, word: str) -> list[str]:
    """The names that trials use of an axis, studies too, in the order in which they first appeared: that never changes."""
    with opened(Path(snapshot[0])) as connection:
        found = connection.execute(
            f"SELECT {word} FROM trial WHERE {word} IS NOT NULL GROUP BY ALL ORDER BY min(id) LIMIT {CHOICES}"
        ).fetchall()
    return [name for (name,) in found]


@st.cache_data(max_entries=50, show_spinner=False)
def largest(snapshot: Snapshot) -> dict[str, str]:
    """Backbone, stream and budget of the most trials: where a page begins; empty without trials."""
    words = "backbone, stream, budget"
    with opened(Path(snapshot[0])) as connection:
        found = connection.execute(
            f"SELECT {words} FROM trial GROUP BY ALL ORDER BY count(*) DESC, {words} LIMIT 1"
        ).fetchone()
    return dict(zip(("backbone", "stream", "budget"), found or (), strict=False))


@st.cache_data(max_entries=50, show_spinner=False)
def parts(snapshot: Snapshot, part: str) -> list[str]:
    """The tunings, objectives or mergings of the methods that trials use; an objective of several is each of them."""
    with opened(Path(snapshot[0])) as connection:
        found = connection.execute(
            f"SELECT DISTINCT unnest(string_split(m.{part}, '+')) AS part FROM method m "
            "WHERE m.name IN (SELECT method FROM trial) ORDER BY part"
        ).fetchall()
    return [name for (name,) in found]


def minutes_old(snapshot: Snapshot) -> float:
    """Since it was published."""
    return (datetime.now().timestamp() - snapshot[1] / 1e9) / 60


def age(snapshot: Snapshot) -> str:
    """How long ago the snapshot was published, in words."""
    minutes = minutes_old(snapshot)
    if minutes < 120:
        return f"{minutes:.0f} minutes ago" if minutes >= 1 else "just now"
    return (
        f"{minutes / 60:.0f} hours ago"
        if minutes < 48 * 60
        else f"{minutes / 60 / 24:.0f} days ago"
    )
