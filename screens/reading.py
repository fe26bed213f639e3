"""Read the published copy of the catalog through the questions of queries/, once per snapshot.

The file is opened read-only, read and closed, so that it can be replaced at any moment. Answers are
kept by the name of the file and the time at which it was written.
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

# Rows of an answer that go to the browser (files have all), and rows that a chart is drawn from.
SHOWN = 500
DRAWN = 4_000
# Trials without an end whose folders are looked at
OPEN = 2_000
# Names that a menu offers.
CHOICES = 1_000
# An older snapshot in which something runs means that nobody syncs.
STALE_MINUTES = 15
WORDS = ("backbone", "stream", "budget", "mixture", "method", "recipe", "study")
PARTS = ("tuning", "objective", "merging")
# Columns of `labelled` in which a word is looked for
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


@st.cache_data(max_entries=50, show_spinner=False)
def parts_of(snapshot: Snapshot, part: str) -> dict[str, str]:
    """Return for each method the part that it has: its tuning, objective or merging."""
    with opened(Path(snapshot[0])) as connection:
        return dict(connection.execute(f"SELECT name, {part} FROM method").fetchall())


def palette(snapshot: Snapshot, by: str = "method", sought: str = "") -> Palette:
    """Return the colours of a figure.

    by: a word of the sentence, or a part of methods; sought: a text that the names of those methods
    hold which are to stand out.
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
    """Return the names that hold a text, whatever its case."""
    return [name for name in names if text.casefold() in name.casefold()]


@st.cache_data(max_entries=200, show_spinner=False)
def columns_of(snapshot: Snapshot, name: str) -> dict[str, str]:
    """Return what each column of an answer means."""
    with opened(Path(snapshot[0])) as connection:
        return {each.name: each.about for each in meanings(connection, named(name))}


@dataclass(frozen=True, kw_only=True)
class Search:
    """Which rows of `labelled` are looked for, and which of these are shown."""

    # A text that some column of words holds
    text: str = ""
    # Columns and the value that each must have
    where: Given = ()
    # A tag that the trial or its study has
    tag: str | None = None
    order: str = "trial"
    descending: bool = False
    rows: int = SHOWN
    offset: int = 0

    @property
    def is_of_words(self) -> bool:
        """Whether the table `trial` alone says which rows these are, and their order."""
        names = {column for column, _ in self.where}
        return self.order == "trial" and not self.text and self.tag is None and names <= set(WORDS)

    def condition(self) -> tuple[str, list[object]]:
        """Return the SQL of what is looked for, with a `?` per value, and the values."""
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
    """Return the rows of `labelled` that are shown, and how many there are in all."""
    condition, values = sought.condition()
    direction = "DESC" if sought.descending else "ASC"
    with opened(Path(snapshot[0])) as connection:
        if sought.is_of_words:
            # Of a million trials only those that are shown need their measures.
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
    """Return the trials of the snapshot that may run now, and the highest number of all."""
    with opened(Path(snapshot[0])) as connection:
        # The newest are those that sync has started last.
        rows = connection.execute(
            "SELECT trial FROM stage WHERE state IN ('running', 'submitting', 'pending') "
            f"ORDER BY state = 'pending', trial LIMIT {OPEN}"
        ).fetchall()
        newest = connection.execute("SELECT coalesce(max(id), 0) FROM trial").fetchall()
    return [trial for (trial,) in rows], int(newest[0][0])


@st.cache_data(max_entries=20, show_spinner=False)
def sentences(snapshot: Snapshot, trials: tuple[int, ...]) -> dict[int, str]:
    """Return what each of some trials is called: method, mixture, recipe and seed."""
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
    """Return the definition of each of some trials, as JSON."""
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
    if minutes < 120:
        return f"{minutes:.0f} minutes ago"
    if minutes < 48 * 60:
        return f"{minutes / 60:.0f} hours ago"
    return f"{minutes / 60 / 24:.0f} days ago"
