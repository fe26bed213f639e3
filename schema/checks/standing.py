"""Checks of rules (standing grids): a rule is one SELECT that returns words of trials, or requests.

The checks run twice. When a grid file declares an invalid rule, the whole file is refused with the
message. They run again when a pass of sync runs the rule, as the catalog may have changed, or the
rule was inserted in another way; then the message becomes a problem of that rule alone.
"""

import importlib.util
import json
import re
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import duckdb

from schema.words import nearest

WORDS = ("backbone", "stream", "mixture", "method", "recipe", "budget", "seed")
# The words that are names: each column has the name of the table that it refers to
AXES = WORDS[:-1]
OPTIONAL = ("priority", "study")
# Of a trial whose recipe is yet to be drawn around the one that it names (`suggested`)
DRAW = ("draw", "drawn_from")
WISH = ("trial", "wish", "reason")
# The most seconds that the SELECT of a rule may run, as it locks the catalog meanwhile
SECONDS = 10.0
# Table functions that read no data; all others read files, other databases or the network
READ_NOTHING = frozenset({"range", "generate_series", "unnest", "repeat", "query_table"})
SHOWN_NAMES = 20
_END = re.compile(r";\s*(?:--[^\n]*\s*)*\Z")


class RuleError(ValueError):
    """A rule cannot be run: its message says why, what is allowed, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Rule:
    """A row of the table `rule`."""

    name: str
    query: str
    # How many more trials it may add
    remaining: int


def select(connection: duckdb.DuckDBPyConnection, query: str) -> str:
    """Return the query without its final semicolon, so that it can be put in brackets.

    Raises:
        RuleError: it is not exactly one SELECT.
    """
    try:
        statements = connection.extract_statements(query)
    except duckdb.Error as error:
        raise RuleError(f"its query is no SQL that DuckDB can read. {error}") from error
    kinds = [statement.type.name for statement in statements]
    if kinds != ["SELECT"]:
        named = ", ".join(kinds) or "nothing"
        raise RuleError(f"its query must be one SELECT, and this is {named}.")
    return _END.sub("", query).rstrip()


def check_columns(columns: Sequence[str]) -> None:
    """Check that the columns are those of trials or those of requests.

    Raises:
        RuleError: they are not; the message names missing and unknown columns.
    """
    required: tuple[str, ...] = WORDS
    allowed: tuple[str, ...] = (*WORDS, *OPTIONAL, *DRAW)
    if drawing(columns):
        required = (*WORDS, *DRAW)
    if "wish" in columns:
        required = allowed = WISH
    missing = [name for name in required if name not in columns]
    unknown = [name for name in columns if name not in allowed]
    if not missing and not unknown:
        return
    pieces = []
    if missing:
        pieces.append(f"lacks {', '.join(missing)}")
    for name in unknown:
        pieces.append(f"has {name!r}, which is no word of a trial{nearest(name, allowed)}")
    raise RuleError(
        f"its query returns {', '.join(columns)}: it {'; it '.join(pieces)}. A rule returns "
        f"{', '.join(WORDS)}, and {' and '.join(OPTIONAL)} where it likes; or {', '.join(WISH)}."
    )


def drawing(columns: Sequence[str]) -> bool:
    """Return whether the recipes of trials with these columns are yet to be drawn."""
    return any(name in columns for name in DRAW)


def check_sampler(columns: Sequence[str]) -> None:
    """Refuse a rule whose recipes are drawn by a library that is not installed.

    Raises:
        RuleError: the message says how to install it.
    """
    if drawing(columns) and importlib.util.find_spec("optuna") is None:
        raise RuleError(
            "its query asks for recipes that Optuna draws, which is not installed. Install it with "
            'pip install "weir[optuna]", or draw recipes by sweep.'
        )


def unknown_words(
    connection: duckdb.DuckDBPyConnection,
    trials: Iterable[Sequence[Any]],
    recipes: Collection[str] = (),
) -> list[str]:
    """Return a line for every name that a table of words lacks; each trial begins with `WORDS`.

    `recipes` are those that are to be made with the trials.
    """
    used: dict[str, set[Any]] = {axis: set() for axis in AXES}
    for words in trials:
        for axis, word in zip(AXES, words, strict=False):
            used[axis].add(word)
    lines = []
    for axis, names in used.items():
        listing = connection.execute(f"SELECT name FROM {axis} ORDER BY name").fetchall()
        known = [name for (name,) in listing]
        listed = ", ".join(known[:SHOWN_NAMES]) or "none yet"
        if len(known) > SHOWN_NAMES:
            listed += f" and {len(known) - SHOWN_NAMES} more"
        if axis == "recipe":
            names = names - set(recipes)
        for word in sorted(names - set(known), key=str):
            lines.append(f"unknown {axis} {word!r}. Known: {listed}.{nearest(str(word), known)}")
    return lines


def rows(
    connection: duckdb.DuckDBPyConnection, rule: Rule
) -> tuple[list[str], list[tuple[Any, ...]]]:
    """Run a rule, and return the columns and rows of its result that the catalog lacks.

    Of trials these are at most as many as the rule may still add, the first that it returns. Where
    their recipes are yet to be drawn the catalog lacks all of them. Of wishes they are those about
    trials that are not done and that nobody has said anything about.

    Raises:
        RuleError: the rule is invalid, or DuckDB refuses it.
    """
    query = select(connection, rule.query)
    try:
        columns = [name.lower() for name in connection.sql(query).columns]
        check_columns(columns)
        if "wish" in columns:
            return list(WISH), _wishes(connection, query)
        check_sampler(columns)
        used = [*WORDS, *(name for name in (*OPTIONAL, *DRAW) if name in columns)]
        return used, _trials(connection, query, used, rule.remaining)
    except duckdb.Error as error:
        raise RuleError(f"DuckDB refuses its query. {error}") from error


def _trials(
    connection: duckdb.DuckDBPyConnection, query: str, used: list[str], most: int
) -> list[tuple[Any, ...]]:
    """Return the trials that a query returns and the catalog lacks, each once, in its order."""
    types = {"seed": "BIGINT", "priority": "INTEGER", "draw": "BIGINT"}
    casts = [f"CAST({name} AS {types.get(name, 'VARCHAR')}) AS {name}" for name in used]
    words = ", ".join(WORDS)
    known, key = "trial", words
    if drawing(used):
        # The recipe is only the base: what is there at the base is none of these trials
        known, key = "(FROM trial LIMIT 0) AS known", f"{words}, draw"
    trials = connection.execute(
        f"WITH returned AS (\n{query}\n), "
        f"placed AS (SELECT {', '.join(casts)}, row_number() OVER () AS place FROM returned), "
        f"new AS (SELECT * FROM placed ANTI JOIN {known} USING ({words})), "
        f"once AS (SELECT * FROM new QUALIFY place = min(place) OVER (PARTITION BY {key})) "
        f"SELECT {', '.join(used)} FROM once ORDER BY place LIMIT {most}"
    ).fetchall()
    for row in trials:
        if None in row[: len(WORDS)]:
            name = WORDS[row.index(None)]
            raise RuleError(f"its query returns a trial whose {name} is NULL: name every word.")
        # The catalog would refuse it as well, in the words of a constraint
        if "@" in row[WORDS.index("method")]:
            raise RuleError(
                f"its query returns method {row[WORDS.index('method')]!r}, which was run "
                "elsewhere: its trials are imported. Leave it out: WHERE NOT contains(method, '@')."
            )
        if row[len(AXES)] < 0:
            raise RuleError(f"its query returns seed {row[len(AXES)]}: seeds are 0 or more.")
    return trials


def _wishes(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    """Return the requests of a query about trials that are not done and have no request yet."""
    wishes = connection.execute(
        f"WITH returned AS (\n{query}\n), "
        "wished AS (SELECT CAST(trial AS BIGINT) AS id, CAST(wish AS VARCHAR) AS wish, "
        "any_value(CAST(reason AS VARCHAR)) AS reason FROM returned GROUP BY ALL) "
        "SELECT wished.id, wished.wish, wished.reason FROM wished "
        "SEMI JOIN trial ON trial.id = wished.id "
        "ANTI JOIN request ON request.trial = wished.id "
        "ANTI JOIN (FROM outcome WHERE state = 'done') AS done ON done.trial = wished.id "
        "ORDER BY wished.id"
    ).fetchall()
    for _, wish, _ in wishes:
        if wish != "withdraw":
            raise RuleError(f"its query wishes {wish!r}: a rule may wish withdraw, and no more.")
    return wishes


# ---------------------------------------------------------------- when it is declared


def check_rule(connection: duckdb.DuckDBPyConnection, rule: Rule, seconds: float = SECONDS) -> None:
    """Refuse a rule that cannot be run, or whose trials have unknown words.

    It is run once, on the open connection, and its results are discarded.

    Raises:
        RuleError: the message names the rule and says what is wrong and what is allowed.
    """
    timer = threading.Timer(seconds, connection.interrupt)
    try:
        query = select(connection, rule.query)
        _check_sources(connection, query)
        timer.start()
        columns, returned = rows(connection, rule)
        timer.cancel()
        if columns != list(WISH) and (lines := unknown_words(connection, returned)):
            raise RuleError(" ".join(lines))
    except RuleError as error:
        stopped = isinstance(error.__cause__, duckdb.InterruptException)
        reason = f"its query runs longer than {seconds:g} s. Ask for less." if stopped else error
        raise RuleError(f"rule {rule.name!r}: {reason}") from error
    finally:
        timer.cancel()


def check_validation(connection: duckdb.DuckDBPyConnection, streams: Sequence[str]) -> None:
    """Refuse streams whose validation stream does not exist.

    Raises:
        RuleError: the message names both, and lists the existing streams.
    """
    wrong = connection.execute(
        "SELECT name, validation FROM stream WHERE list_contains(?, name) "
        "AND (validation NOT IN (SELECT name FROM stream) OR validation = name) ORDER BY name",
        [list(streams)],
    ).fetchall()
    if not wrong:
        return
    name, validation = wrong[0]
    known = [row[0] for row in connection.execute("SELECT name FROM stream").fetchall()]
    raise RuleError(
        f"stream {name!r}: validation {validation!r} must be another stream that exists, or NULL."
        f"{nearest(validation, [other for other in known if other != name])}"
    )


def _check_sources(connection: duckdb.DuckDBPyConnection, query: str) -> None:
    """Refuse a SELECT that reads anything but the catalog.

    A pass of sync would refuse it too, since it runs rules without access to files and network.
    Here it is refused before the rule is stored.

    Raises:
        RuleError: the message names the other source.
    """
    row = connection.execute("SELECT json_serialize_sql(?)", [query]).fetchone()
    tree = json.loads(row[0] if row else "{}")
    macros = connection.execute(
        "SELECT function_name FROM duckdb_functions() WHERE function_type = 'table_macro'"
    ).fetchall()
    relations = connection.execute(
        "SELECT table_name FROM duckdb_tables() UNION SELECT view_name FROM duckdb_views()"
    ).fetchall()
    functions = READ_NOTHING | {name for (name,) in macros}
    own = {node["key"] for node in _nodes(tree) if "key" in node and "value" in node}
    tables = own | {name for (name,) in relations}
    for node in _nodes(tree):
        if node.get("type") == "TABLE_FUNCTION":
            name = node["function"]["function_name"]
            if name.lower() not in functions:
                raise RuleError(f"its query calls {name}: a rule reads the catalog, and no more.")
        if node.get("type") == "BASE_TABLE":
            name = node["table_name"]
            if name.lower() not in {table.lower() for table in tables}:
                raise RuleError(
                    f"its query reads {name!r}, which is no table or view of the catalog."
                    f"{nearest(name, tables)}"
                )


def _nodes(tree: Any) -> Iterator[dict[str, Any]]:
    """Return every object of a parsed JSON text."""
    if isinstance(tree, list):
        for branch in tree:
            yield from _nodes(branch)
    if isinstance(tree, dict):
        yield tree
        for branch in tree.values():
            yield from _nodes(branch)
