"""Find the first rows of an answer without the rest of it.

Most answers are sorted by trial, or by the words of a sentence. Their first rows are then those up
to some trial or sentence, and a question that is asked of these alone (`trial <= 812`) need not
read the facts of the others. One that is sorted by members of suites before is asked of the first
member.
"""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence

import duckdb

WORDS = ("backbone", "stream", "mixture", "method", "recipe", "budget")
MEMBER = ("role", "dataset", "metric", "label_space")
# Words of the order that are used: questions rank among equal backbone, stream and budget
SORTED = 3
# Trials per row of the answer: a few at first, then more
PARTS = (5, 150)
ORDER = re.compile(r"^ORDER BY ([^;]+);\s*\Z", re.MULTILINE)


def parts(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    columns: Sequence[str],
    chosen: Mapping[str, object],
    rows: int,
) -> Iterator[tuple[str, list[object]]]:
    """Yield conditions on an answer (SQL, and its values) whose rows come before all others.

    Each condition takes in more trials than the one before.

    sql: the text of the question; columns: those of its answer; chosen: words that all trials of
    the answer have; rows: how many the caller will show.
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
        yield f"{member}({quoted}) <= ({marks})", [*values, *last]


def _nth_trial(
    connection: duckdb.DuckDBPyConnection,
    names: Sequence[str],
    chosen: Mapping[str, object],
    place: int,
) -> tuple[object, ...] | None:
    """Return the values of `names` of the trial at that place of their order; None: no such."""
    columns = ", ".join(names)
    if columns == "trial":
        # An answer calls a trial `trial`, its own table calls it `id`.
        columns = "id"
    where, values = _equal(chosen, WORDS)
    # All rows are fetched, though there is one at most: a result that is not read to its end keeps
    # the connection from what follows
    rows = connection.execute(
        f"SELECT {columns} FROM trial WHERE {where} ORDER BY ALL LIMIT 1 OFFSET {place:d}", values
    ).fetchall()
    return rows[0] if rows else None


def _equal(chosen: Mapping[str, object], names: Sequence[str]) -> tuple[str, list[object]]:
    """Return the condition, and its values, that columns among `names` have what is chosen."""
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
    # Where no suite has a member, nothing equals NULL, and the part is empty as the whole is.
    first = members[0] if members else [None] * len(of_suite)
    return "".join(f'"{name}" = ? AND ' for name in of_suite), [*first]


def leading(sql: str, columns: Sequence[str]) -> dict[str, str]:
    """Return what an answer is sorted by first, and which way (empty: upward).

    That is columns of members of suites, then `trial` or up to three words of a sentence; nothing
    if it is something else.
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
