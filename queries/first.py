"""Compute the first rows of an answer without the rest.

Most answers are sorted by trial, or by the words of a sentence. Their first rows are then those up
to some trial or sentence, so with a condition on these (`trial <= 812`) the facts of the other
trials need not be read. For an answer that is sorted by members of suites first, the condition is
on the first member.
"""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence

import duckdb

WORDS = ("backbone", "stream", "mixture", "method", "recipe", "budget")
MEMBER = ("role", "dataset", "metric", "label_space")
# How many words of the order are used: questions rank within backbone, stream and budget
SORTED = 3
# Trials that are read per row wanted: a few at first, then more
PARTS = (5, 150)
ORDER = re.compile(r"^ORDER BY ([^;]+);\s*\Z", re.MULTILINE)


def parts(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    columns: Sequence[str],
    chosen: Mapping[str, object],
    rows: int,
) -> Iterator[tuple[str, list[object]]]:
    """Yield conditions on an answer (SQL and values) that select only rows from its beginning.

    Each condition selects more trials than the one before.

    `sql` is the text of the question, `columns` are those of its answer, `chosen` are words that
    all trials of the answer have, and `rows` is how many the caller will show.
    """
    order = leading(sql, columns)
    if not order:
        return
    of_suite: dict[str, str] = {}
    of_trial: list[str] = []
    for name, direction in order.items():
        if name in MEMBER:
            of_suite[name] = direction
        else:
            of_trial.append(name)
    member, values = _first_member(connection, of_suite, chosen)
    marks = ", ".join("?" * len(of_trial))
    quoted = '"' + '", "'.join(of_trial) + '"'
    for trials in PARTS:
        last = _nth_trial(connection, of_trial, chosen, trials * rows)
        if last is None:
            return
        # A part with all trials would take as long as the whole, which would follow it.
        if not member and not _is_beyond(connection, of_trial, chosen, last):
            return
        yield f"{member}({quoted}) <= ({marks})", [*values, *last]


def _nth_trial(
    connection: duckdb.DuckDBPyConnection,
    names: Sequence[str],
    chosen: Mapping[str, object],
    place: int,
) -> tuple[object, ...] | None:
    """Return the values of `names` of the trial at this place of their order; None if none."""
    columns = ", ".join(names)
    if columns == "trial":
        # The column `trial` of an answer is `id` in the table of trials.
        columns = "id"
    where, values = _equal(chosen, WORDS)
    # fetchall, though there is at most one row: a result that is not read to its end blocks the
    # connection
    rows = connection.execute(
        f"SELECT {columns} FROM trial WHERE {where} ORDER BY ALL LIMIT 1 OFFSET {place:d}", values
    ).fetchall()
    return rows[0] if rows else None


def _is_beyond(
    connection: duckdb.DuckDBPyConnection,
    names: Sequence[str],
    chosen: Mapping[str, object],
    last: Sequence[object],
) -> bool:
    """Return whether a trial comes after the values `last` of `names`."""
    columns = ", ".join("id" if name == "trial" else name for name in names)
    marks = ", ".join("?" * len(names))
    where, values = _equal(chosen, WORDS)
    rows = connection.execute(
        f"SELECT 1 FROM trial WHERE {where} AND ({columns}) > ({marks}) LIMIT 1", [*values, *last]
    ).fetchall()
    return bool(rows)


def _equal(chosen: Mapping[str, object], names: Sequence[str]) -> tuple[str, list[object]]:
    """Return the SQL condition that the columns among `names` have the chosen values."""
    conditions, values = ["true"], []
    for name, value in chosen.items():
        if name in names:
            conditions.append(f'"{name}" = ?')
            values.append(value)
    return " AND ".join(conditions), values


def _first_member(
    connection: duckdb.DuckDBPyConnection, of_suite: Mapping[str, str], chosen: Mapping[str, object]
) -> tuple[str, list[object]]:
    """Return the condition that a row is of the first member of a suite, and its values.

    The condition ends with AND, and is empty where the answer is not sorted by members.
    """
    if not of_suite:
        return "", []
    where, values = _equal(chosen, MEMBER)
    order = ", ".join(map(" ".join, of_suite.items()))
    members = connection.execute(
        f"SELECT {', '.join(of_suite)} FROM suite_member WHERE {where} ORDER BY {order} LIMIT 1",
        values,
    ).fetchall()
    # Where no suite has a member, nothing equals NULL, so the part is empty like the whole.
    first = members[0] if members else [None] * len(of_suite)
    return "".join(f'"{name}" = ? AND ' for name in of_suite), [*first]


def leading(sql: str, columns: Sequence[str]) -> dict[str, str]:
    """Return the columns that an answer is sorted by first, with their directions (empty: up).

    Those are columns of members of suites, then `trial` or up to three words of a sentence; the
    result is empty if the answer is sorted by other columns.
    """
    terms = _terms(sql, columns)
    of_suite = dict(itertools.takewhile(lambda term: term[0] in MEMBER, terms))
    words: list[str] = []
    for name, direction in terms[len(of_suite) :]:
        if direction or len(words) == SORTED:
            break
        if name == "trial" and not words:
            return of_suite | {name: ""}
        if name not in WORDS:
            break
        words.append(name)
    if not words:
        return {}
    return of_suite | dict.fromkeys(words, "")


def _terms(sql: str, columns: Sequence[str]) -> list[tuple[str, str]]:
    """Return the columns of the last ORDER BY of a question, each with its direction."""
    order = ORDER.search(sql)
    if order is None:
        return []
    if order[1] == "ALL":
        return [(column, "") for column in columns]
    terms = []
    for term in order[1].split(","):
        # `spread.backbone DESC` or `2`, the place of a column
        name, _, direction = term.strip().rpartition(".")[2].partition(" ")
        if name.isdigit():
            name = columns[int(name) - 1]
        terms.append((name, direction))
    return terms
