"""Put the questions of queries/ into a catalog, as views and table macros."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import duckdb

from schema.checks import parts
from schema.questions import FOLDER, QuestionError, all_questions, fingerprint, texts

# The macro in the catalog that returns the fingerprint of the texts it was made from
FINGERPRINT = "questions_fingerprint"
_HERE = "database_name = current_database() AND NOT internal"
# The comment of views and macros from queries/; users' own views have another, or none
_OURS = "comment LIKE '%(one row per %)'"
# Matches the sources of a statement, also a name that is passed to a macro in quotes
_SOURCE = re.compile(r"(?:\b(?:FROM|JOIN)\s+|')(\w+)")


@dataclass(frozen=True, kw_only=True)
class Installed:
    """The views and macros of a catalog that came from queries/, with their fingerprint, if any."""

    views: set[str]
    macros: set[str]
    fingerprint: str | None


def are_current(connection: duckdb.DuckDBPyConnection, folder: Path = FOLDER) -> bool:
    """Return whether the catalog's views were made from the files of the folder.

    It is told by their fingerprint alone, in a thirtieth of the time of `outdated`: one that
    somebody dropped or replaced is not noticed. Not within a transaction, which may end.
    """
    try:
        row = connection.execute(f"SELECT {FINGERPRINT}()").fetchone()
    except duckdb.CatalogException:
        return False
    return row == (_made_of(folder),)


def _made_of(folder: Path) -> str:
    """Return the fingerprint of the folder's files, and of the parts that they are told of."""
    return f"{fingerprint(folder)} {' '.join(parts.step_averages())}"


def outdated(connection: duckdb.DuckDBPyConnection, folder: Path = FOLDER) -> bool:
    """Return whether the catalog's views and macros are not those of the folder."""
    installed = _installed(connection)
    names = {path.stem for path, _ in texts(folder)}
    return installed.fingerprint != _made_of(folder) or installed.views | installed.macros != names


def refresh(connection: duckdb.DuckDBPyConnection, folder: Path = FOLDER) -> bool:
    """Update the catalog's views and macros to those of the folder; return whether any changed.

    Views that came from the folder and are no longer in it are dropped; users' own views are kept.
    Not within a transaction, which a statement that has to be tried again would end: a catalog that
    must keep its old views where a file is broken is refreshed in a copy (`Catalog.rewrite`).

    Raises:
        QuestionError: as `install`.
    """
    if not outdated(connection, folder):
        return False
    # A file that is no question is refused before anything is dropped
    all_questions(folder)
    installed = _installed(connection)
    for view in sorted(installed.views):
        connection.execute(f'DROP VIEW "{view}"')
    for macro in sorted(installed.macros):
        connection.execute(f'DROP MACRO TABLE "{macro}"')
    install(connection, folder)
    connection.execute(f"CREATE OR REPLACE MACRO {FINGERPRINT}() AS '{_made_of(folder)}'")
    return True


def install(connection: duckdb.DuckDBPyConnection, folder: Path = FOLDER) -> None:
    """Create every view and macro of the folder, with its question as the comment.

    Not within a transaction, as `refresh`.

    Raises:
        QuestionError: DuckDB refuses files; the message names each with DuckDB's reason.
    """
    questions = all_questions(folder)
    install_some(connection, [question.name for question in questions], folder)
    for question in questions:
        kind = "VIEW" if question.kind == "view" else "MACRO TABLE"
        comment = f"{question.question} ({question.grain})".replace("'", "''")
        connection.execute(f"COMMENT ON {kind} {question.name} IS '{comment}'")


def install_some(
    connection: duckdb.DuckDBPyConnection, names: Iterable[str], folder: Path = FOLDER
) -> None:
    """Create these questions and those that they read from, outside of a transaction.

    Raises:
        QuestionError: as `install`.
    """
    connection.execute(_of_parts())
    statements = {question.name: question.sql for question in all_questions(folder)}
    _create_all(connection, _after_their_sources(statements, names))


def _of_parts() -> str:
    """Return the SQL of the macro that tells which mergings average over the steps of a task."""
    listed = ", ".join(f"'{name}'" for name in parts.step_averages())
    return f"CREATE OR REPLACE MACRO averages_steps(merging) AS merging IN ({listed})"


def _after_their_sources(statements: Mapping[str, str], names: Iterable[str]) -> dict[str, str]:
    """Return the named statements and those that they read from, each after its sources.

    Sources are found by their names in the text, so a quoted text may be mistaken for one; this
    costs a try and is harmless.
    """
    ordered: dict[str, str] = {}
    visited = set[str]()

    def visit(name: str) -> None:
        if name in visited:
            return
        visited.add(name)
        for source in sorted(statements.keys() & set(_SOURCE.findall(statements[name]))):
            visit(source)
        ordered[name] = statements[name]

    for name in names:
        visit(name)
    return ordered


def _create_all(connection: duckdb.DuckDBPyConnection, statements: dict[str, str]) -> None:
    """Try the statements repeatedly until all are accepted, as DuckDB alone knows what each reads.

    Raises:
        QuestionError: some are never accepted; the message names each with DuckDB's reason.
    """
    remaining = statements
    while remaining:
        refused = {}
        for name, sql in remaining.items():
            reason = _refusal(connection, sql)
            if reason is not None:
                refused[name] = reason
        # If a round accepts no statement, the rest can never be accepted
        if len(refused) == len(remaining):
            raise QuestionError("\n".join(_causes(refused)))
        remaining = {name: remaining[name] for name in refused}


def _causes(refused: Mapping[str, str]) -> list[str]:
    """Return a line per refused file, without those refused only because of another one."""
    waiting = set()
    for name, reason in refused.items():
        for other in refused:
            if f"with name {other} does not exist" in reason:
                waiting.add(name)
    named = [name for name in refused if name not in waiting] or list(refused)
    return [f"{name}.sql of queries/: {refused[name]}" for name in named]


def _refusal(connection: duckdb.DuckDBPyConnection, sql: str) -> str | None:
    """Execute a statement; return why DuckDB refused it, or None."""
    try:
        connection.execute(sql)
    except duckdb.Error as error:
        reason = str(error)
        if "Conflicting column names" in reason:
            reason += (
                "\nA macro's parameters are visible inside the views it reads: "
                "qualify the column there (c.budget, not budget)."
            )
        return reason
    return None


def _installed(connection: duckdb.DuckDBPyConnection) -> Installed:
    """Return the views and table macros of the catalog that came from queries/."""
    views = connection.execute(
        f"SELECT view_name FROM duckdb_views() WHERE {_HERE} AND {_OURS}"
    ).fetchall()
    # One query for all, since it lists every function of DuckDB
    functions = connection.execute(
        "SELECT function_name, function_type, macro_definition FROM duckdb_functions() "
        f"WHERE {_HERE} AND (function_name = '{FINGERPRINT}' "
        f"OR (function_type = 'table_macro' AND {_OURS}))"
    ).fetchall()
    macros, present = set(), None
    for name, kind, definition in functions:
        if name == FINGERPRINT:
            present = str(definition).strip("'")
        elif kind == "table_macro":
            macros.add(name)
    return Installed(views={name for (name,) in views}, macros=macros, fingerprint=present)
