"""The first rows of an answer, without the rest of it.

Most answers are sorted by trial, or by the words of a sentence. Their first rows are then those up to some trial or sentence, and
a question that is asked of these alone (`trial <= 812`) need not read the facts of the others. One that is sorted by members of
suites before is asked of the first member.
"""

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence

import duckdb

WORDS = ("backbone", "stream", "mixture", "method", "recipe", "budget")
MEMBER = ("role", "dataset", "metric", "label_space")
SORTED = (
    3  # words of the order that are used: questions rank among equal backbone, stream and budget
)
PARTS = (5, 150)  # trials per row that is wanted: a few at first, then more
ORDER = re.compile(r"^ORDER BY ([^;]+);\s*\Z", re.MULTILINE)


def parts(
    connection: duckdb.DuckDBPyConnection,
    sql: str,
    columns: Sequence[str],
    chosen: Mapping[str, object],
    rows: int,
) -> Iterator[tuple[str, list[object]]]:
    """Conditions on an answer (SQL, and its values) whose rows come before all others, each of more trials than the one before.

    sql: the question's; columns: of its answer; chosen: words that all trials of the answer have; rows: how many are wanted.
    """
    by = leading(sql, columns)
    if not by:
        return
    order = [name for name in by if name not in MEMBER]
    member, values = _first_member(
        connection, {name: by[name] for name in by if name in MEMBER}, chosen
    )
    of_trial = ["id" if name == "trial" else name for name in order]
    kept = {key: value for key, value in chosen.items() if key in WORDS}
    where = " AND ".join(["true", *(f'"{key}" = ?' for key in kept)])
    for trials in PARTS:
        nth = f"SELECT {', '.join(of_trial)} FROM trial WHERE {where} ORDER BY ALL LIMIT 1 OFFSET {trials * rows:d}"
        found = connection.execute(nth, [*kept.values()]).fetchall()
        if not found:
            return
        of_answer, places = ", ".join(f'"{name}"' for name in order), ", ".join("?" * len(order))
        yield (
            member + (f"{of_answer} <= ?" if len(order) == 1 else f"({of_answer}) <= ({places})"),
            [*values, *found[0]],
        )


def _first_member(
    connection: duckdb.DuckDBPyConnection, of_suite: Mapping[str, str], chosen: Mapping[str, object]
) -> tuple[str, list[object]]:
    """The condition, with AND behind it, that a row is of the member of a suite that comes first, and its values."""
    if not of_suite:
        return "", []
    kept = {key: value for key, value in chosen.items() if key in MEMBER}
    where = " AND ".join(["true", *(f"{key} = ?" for key in kept)])
    order = ", ".join(f"{name} {direction}" for name, direction in of_suite.items())
    found = connection.execute(
        f"SELECT {', '.join(of_suite)} FROM suite_member WHERE {where} ORDER BY {order} LIMIT 1",
        [*kept.values()],
    ).fetchone()
    return "".join(f'"{name}" = ? AND ' for name in of_suite), [*(found or [None] * len(of_suite))]


def leading(sql: str, columns: Sequence[str]) -> dict[str, str]:
    """What an answer is sorted by first, and which way (empty: upward): columns of members of suites, then `trial` or up to
    three words of a sentence; nothing if it is something else."""
    found = ORDER.search(sql)
    if not found:
        return {}
    terms = (
        [*columns]
        if found[1] == "ALL"
        else [term.strip().rpartition(".")[2] for term in found[1].split(",")]
    )
    split = [term.partition(" ") for term in terms]
    named = [
        (columns[int(name) - 1] if name.isdigit() else name, direction)
        for name, _, direction in split
    ]
    of_suite = list(itertools.takewhile(lambda term: term[0] in MEMBER, named))
    upward = [
        name for name, _ in itertools.takewhile(lambda term: not term[1], named[len(of_suite) :])
    ]
    words = (
        upward[:1]
        if upward[:1] == ["trial"]
        else list(itertools.takewhile(lambda name: name in WORDS, upward))[:SORTED]
    )
    return dict(of_suite) | dict.fromkeys(words, "") if words else {}
