"""Read the published copy of the catalog through the questions of queries/, once per snapshot.

The file is opened read-only, read and closed, so that it can be replaced at any moment. Answers are
cached by the name of the file and the time at which it was written.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import polars as pl
import streamlit as st

from queries import answer, choices, named, opened
from queries.describe import meanings
from queries.figures import Palette
from schema.site import Site

# The most rows of an answer sent to the browser (files have all), and the most rows of a chart.
SHOWN = 500
DRAWN = 4_000
# The most unfinished trials whose folders are looked at
OPEN = 2_000
# The most names that a menu offers.
CHOICES = 1_000
# If trials run in a snapshot older than this, sync has probably stopped.
STALE_MINUTES = 15
WORDS = ("backbone", "stream", "budget", "mixture", "method", "recipe", "study")
PARTS = ("tuning", "objective", "merging")
# Columns of `labelled` that a search by words looks in
SEARCHED: tuple[str, ...] = (
    "state",
    "study",
    "mixture",
    "method",
    "recipe",
    "budget",
    "stream",
    "backbone",
)
SEARCHED += ("tags", "remarks", "reason")

# A file and the time when it was written, in nanoseconds.
Snapshot = tuple[str, int]
# Names and values, as a tuple because it is a key of the cache.
Given = tuple[tuple[str, object], ...]


def newest() -> Snapshot | None:
    """Return the snapshot that the site publishes at present; None before the first."""
    current = Site.load().current
    # The link may be replaced between the two calls; then the next call sees the newer file.
    try:
        return str(current.resolve(strict=True)), current.stat().st_mtime_ns
    except FileNotFoundError:
        return None


def given(**values: object) -> Given:
    """Return keyword arguments as a tuple of names and values, without those that are None."""
    return tuple((key, value) for key, value in values.items() if value is not None)


@st.cache_data(max_entries=400, show_spinner="Asking the catalog ...")
def read(
    snapshot: Snapshot, name: str, parameters: Given = (), where: Given = (), rows: int = SHOWN + 1
) -> pl.DataFrame:
    """Return the first `rows` rows of an answer whose columns have the values of `where`."""
    with opened(Path(snapshot[0])) as connection:
        return answer(connection, named(name), dict(parameters), rows=rows, where=dict(where))


def whole(snapshot: Snapshot, name: str, parameters: Given = (), where: Given = ()) -> pl.DataFrame:
    """Return all rows of an answer; computed only when a file is downloaded."""
    with opened(Path(snapshot[0])) as connection:
        return answer(connection, named(name), dict(parameters), where=dict(where))


@st.cache_data(max_entries=200, show_spinner=False)
def offered(snapshot: Snapshot, parameter: str) -> list[str] | None:
    """Return the names that a parameter may take, if it refers to a table's rows, else None."""
    with opened(Path(snapshot[0])) as connection:
        return choices(connection, parameter)


@st.cache_data(max_entries=50, show_spinner=False)
def declared(snapshot: Snapshot, word: str) -> list[str]:
    """Return the names of an axis, or the studies, that trials use.

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
    """Return the backbone, stream and budget that most trials share; empty without trials."""
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

    A sum of objectives counts as each of its terms.
    """
    with opened(Path(snapshot[0])) as connection:
        rows = connection.execute(
            f"SELECT DISTINCT unnest(string_split(m.{part}, '+')) AS part FROM method m "
            "WHERE m.name IN (SELECT method FROM trial) ORDER BY part"
        ).fetchall()
    return [name for (name,) in rows]


@st.cache_data(max_entries=50, show_spinner=False)
def parts_of(snapshot: Snapshot, part: str) -> dict[str, str]:
    """Return each method's tuning, objective or merging, by the method's name."""
    with opened(Path(snapshot[0])) as connection:
        return dict(connection.execute(f"SELECT name, {part} FROM method").fetchall())


def palette(snapshot: Snapshot, by: str = "method", sought: str = "") -> Palette:
    """Return the colours of a figure.

    `by` is what is coloured: a word of the sentence, or a part of methods. Methods whose names
    contain `sought` are highlighted.
    """
    methods = tuple(declared(snapshot, "method"))
    values: dict[str, str] = {}
    if by in PARTS:
        values = parts_of(snapshot, by)
    colours = Palette(methods=methods, by=by, parts=values)
    if not sought:
        return colours
    return colours.looking_for(matching(methods, sought))


def matching(names: Sequence[str], text: str) -> list[str]:
    """Return the names that contain a text, ignoring case."""
    return [name for name in names if text.casefold() in name.casefold()]


@st.cache_data(max_entries=200, show_spinner=False)
def columns_of(snapshot: Snapshot, name: str) -> dict[str, str]:
    """Return what each column of an answer means."""
    with opened(Path(snapshot[0])) as connection:
        return {each.name: each.about for each in meanings(connection, named(name))}


@dataclass(frozen=True, kw_only=True)
class Search:
    """A search of the rows of `labelled`: its conditions, its order and the page that is shown."""

    # Words, each of which some searched column must contain
    text: str = ""
    # Columns, with the value that each must have
    where: Given = ()
    # A tag that the trial or its study must have
    tag: str | None = None
    order: str = "trial"
    descending: bool = False
    rows: int = SHOWN
    offset: int = 0

    @property
    def is_of_words(self) -> bool:
        """Whether the table `trial` alone determines which rows match, and their order."""
        names = {column for column, _ in self.where}
        return self.order == "trial" and not self.text and self.tag is None and names <= set(WORDS)

    def condition(self) -> tuple[str, list[object]]:
        """Return the SQL condition of the search, with a `?` per value, and the values."""
        pieces, values = ["true"], []
        for column, value in self.where:
            pieces.append(f'"{column}" = ?')
            values.append(value)
        if self.tag is not None:
            pieces.append("list_contains(string_split(tags, ','), ?)")
            values.append(self.tag)
        # Every word must be somewhere, so that more words find fewer rows.
        for word in self.text.split():
            columns = ", ".join(SEARCHED)
            pieces.append(f"contains(lower(concat_ws(' ', {columns}, trial)), lower(?))")
            values.append(word)
        return " AND ".join(pieces), values


@st.cache_data(max_entries=100, show_spinner="Asking the catalog ...")
def search(snapshot: Snapshot, sought: Search) -> tuple[pl.DataFrame, int]:
    """Return the page of matching rows of `labelled`, and how many match in all."""
    condition, values = sought.condition()
    direction = "DESC" if sought.descending else "ASC"
    with opened(Path(snapshot[0])) as connection:
        if sought.is_of_words:
            # Measures are computed only for the trials shown, of perhaps a million.
            page = connection.execute(
                f"SELECT id FROM trial WHERE {condition} ORDER BY id {direction} "
                f"LIMIT {sought.rows:d} OFFSET {sought.offset:d}",
                values,
            ).fetchall()
            total = connection.execute(
                f"SELECT count(*) FROM trial WHERE {condition}", values
            ).fetchall()[0][0]
            numbers = ", ".join(str(int(number)) for (number,) in page) or "NULL"
            chosen: pl.DataFrame = connection.sql(
                f"FROM labelled WHERE trial IN ({numbers}) ORDER BY trial {direction}"
            ).pl()
            return chosen, int(total)
        rows: pl.DataFrame = connection.sql(
            f'FROM labelled WHERE {condition} ORDER BY "{sought.order}" {direction} NULLS LAST, '
            f"trial LIMIT {sought.rows:d} OFFSET {sought.offset:d}",
            params=values,
        ).pl()
        count = connection.execute(f"SELECT count(*) FROM labelled WHERE {condition}", values)
        total = count.fetchall()[0][0]
    return rows, int(total)


@st.cache_data(max_entries=5, show_spinner=False)
def open_trials(snapshot: Snapshot) -> tuple[list[int], int]:
    """Return the trials of the snapshot that may be running, and the highest trial number."""
    with opened(Path(snapshot[0])) as connection:
        # The newest pending ones are those that sync started last.
        rows = connection.execute(
            "SELECT trial FROM stage WHERE state IN ('running', 'submitting', 'pending') "
            f"ORDER BY state = 'pending', trial LIMIT {OPEN}"
        ).fetchall()
        newest = connection.execute("SELECT coalesce(max(id), 0) FROM trial").fetchall()
    return [trial for (trial,) in rows], int(newest[0][0])


@st.cache_data(max_entries=20, show_spinner=False)
def sentences(snapshot: Snapshot, trials: tuple[int, ...]) -> dict[int, str]:
    """Return a label of each of these trials: method, mixture, recipe and seed."""
    marks = ", ".join("?" * len(trials))
    with opened(Path(snapshot[0])) as connection:
        rows = connection.execute(
            "SELECT id, concat_ws(' · ', method, mixture, recipe, 'seed ' || seed) FROM trial "
            f"WHERE id IN ({marks})",
            list(trials),
        ).fetchall()
    return dict(rows)


@st.cache_data(max_entries=20, show_spinner=False)
def tags(snapshot: Snapshot) -> list[str]:
    """Return the tags that trials and studies have."""
    with opened(Path(snapshot[0])) as connection:
        rows = connection.execute("SELECT DISTINCT tag FROM tag ORDER BY tag").fetchall()
    return [tag for (tag,) in rows]


@st.cache_data(max_entries=50, show_spinner=False)
def definitions(snapshot: Snapshot, trials: tuple[int, ...]) -> dict[int, str]:
    """Return the definitions of these trials, as JSON, by trial."""
    marks = ", ".join("?" * len(trials))
    with opened(Path(snapshot[0])) as connection:
        rows = connection.execute(
            f"SELECT trial, spec FROM definition WHERE trial IN ({marks})", list(trials)
        ).fetchall()
    return dict(rows)


def minutes_old(snapshot: Snapshot) -> float:
    """Return the minutes since the snapshot was published."""
    return (datetime.now().timestamp() - snapshot[1] / 1e9) / 60


def age(snapshot: Snapshot) -> str:
    """Return how long ago the snapshot was published, in words."""
    minutes = minutes_old(snapshot)
    if minutes < 1:
        return "just now"
    if minutes < 1.5:
        return "a minute ago"
    if minutes < 120:
        return f"{minutes:.0f} minutes ago"
    if minutes < 48 * 60:
        return f"{minutes / 60:.0f} hours ago"
    return f"{minutes / 60 / 24:.0f} days ago"
