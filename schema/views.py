"""The catalogue of questions: what stands in queries/, read as text, and how it gets into a catalog.

The folder is the registry. One file is one view or table macro; its first line is the question, its second the grain, the
lines up to the statement say what the words mean. Who wants the answers uses `queries`; this module is below it because
making a catalog (`python -m schema`) and publishing one (`runner.sync`) must install the views without importing upward.
"""

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb

FOLDER = Path(__file__).resolve().parent.parent / "queries"
FINGERPRINT = "questions_fingerprint"  # a macro of ours in the catalog that says which texts it was made from

_HERE = "database_name = current_database() AND NOT internal"
_STATEMENT = re.compile(r"^CREATE OR REPLACE (VIEW|MACRO) (\w+)\s*(?:\(([^()]*)\))?\s*AS\b", re.MULTILINE)
_PARAMETER = re.compile(r"(\w+) (\w+) := (NULL|'[^']*'|-?[0-9]+(?:\.[0-9]+)?|TRUE|FALSE)")
_FORM = (
    "The first line must be `-- <question>?`, the second `-- grain: one row per ...`, then comment lines, then "
    "`CREATE OR REPLACE VIEW <file name> AS` or `CREATE OR REPLACE MACRO <file name>(<name> <TYPE> := <default>, ...) AS TABLE`."
)

Default = str | int | float | bool | None


class QuestionError(ValueError):
    """A file of queries/ is not a question, or DuckDB refuses it."""


@dataclass(frozen=True)
class Parameter:
    """One argument of a table macro: its SQL type and what holds when it is left out."""

    type: str
    default: Default


@dataclass(frozen=True)
class Question:
    """One file of queries/."""

    name: str
    question: str
    grain: str  # "one row per ..."
    about: str  # definitions and sources; may be empty
    kind: str  # view or macro
    parameters: dict[str, Parameter]
    sql: str  # the whole text of the file

    @property
    def is_audit(self) -> bool:
        """An audit must return no rows."""
        return self.name.startswith("audit_") or "audit: no rows" in self.grain


def questions(folder: Path = FOLDER) -> list[Question]:
    """Every question, by name.

    Raises:
        QuestionError: a file that does not have the form; the message names it and the form.
    """
    return [parsed(path.stem, text) for path, text in _texts(folder)]


def fingerprint(folder: Path = FOLDER) -> str:
    """sha256 over the names and texts: two catalogs with the same one answer alike."""
    digest = hashlib.sha256()
    for path, text in _texts(folder):
        digest.update(f"{path.stem}\0{text}\0".encode())
    return digest.hexdigest()


def parsed(name: str, text: str) -> Question:
    """One file's text as a question."""
    lines = text.splitlines()
    head = [line.removeprefix("--").strip() for line in lines[: _comment_lines(lines)]]
    found = _STATEMENT.search(text)
    if len(head) < 2 or "?" not in head[0] or not head[1].startswith("grain: one row per ") or not found:
        raise QuestionError(f"queries/{name}.sql is not a question. {_FORM}")
    if found[2] != name:
        raise QuestionError(f"queries/{name}.sql creates {found[2]}; a file's name is its name: it must create {name}.")
    about = " ".join(head[2:])
    return Question(
        name,
        head[0],
        head[1].removeprefix("grain: "),
        about,
        found[1].lower(),
        _parameters(name, found[3]),
        text,
    )


def refresh(connection: duckdb.DuckDBPyConnection, folder: Path = FOLDER) -> bool:
    """Make the catalog's views and macros those of the folder; True if that changed anything.

    What came from the folder and is no longer in it is dropped; a person's own views stay. Safe inside a transaction: the order
    was found elsewhere, so nothing fails here.

    Raises:
        QuestionError: as `install`; the catalog keeps the views it had.
    """
    present = fingerprint(folder)
    views, macros = _installed(connection)
    if views | macros == {path.stem for path, _ in _texts(folder)} and _made_from(connection) == present:
        return False
    order(tuple(questions(folder)))  # refuses a broken file before anything is dropped
    for view in sorted(views):
        connection.execute(f'DROP VIEW "{view}"')
    for macro in sorted(macros):
        connection.execute(f'DROP MACRO TABLE "{macro}"')
    install(connection, folder)
    connection.execute(f"CREATE OR REPLACE MACRO {FINGERPRINT}() AS '{present}'")
    return True


def install(connection: duckdb.DuckDBPyConnection, folder: Path = FOLDER) -> None:
    """Create every view and macro of the folder, with its question as the comment.

    Raises:
        QuestionError: DuckDB refuses a file; the message names it and says what DuckDB says.
    """
    known = {question.name: question for question in questions(folder)}
    for name in order(tuple(known.values())):
        connection.execute(known[name].sql)
        kind = "VIEW" if known[name].kind == "view" else "MACRO TABLE"
        comment = f"{known[name].question} ({known[name].grain})".replace("'", "''")
        connection.execute(f"COMMENT ON {kind} {name} IS '{comment}'")


def order(asked: tuple[Question, ...]) -> list[str]:
    """Names such that each comes after those it reads from.

    Found by trying in an empty catalog in memory until all stand: DuckDB knows what a statement reads, and a statement that
    fails would end the caller's transaction.

    Raises:
        QuestionError: some can never stand; the message names each and DuckDB's reason.
    """
    return list(_order(tuple((q.name, q.sql) for q in asked)))


def install_some(connection: duckdb.DuckDBPyConnection, wanted: Iterable[str], folder: Path = FOLDER) -> None:
    """Create some of the questions, and whatever they read from, outside of a transaction.

    Raises:
        QuestionError: as `install`.
    """
    known = {question.name: question.sql for question in questions(folder)}
    needed, named = set[str](), list(wanted)
    while named:
        name = named.pop()
        if name not in needed:
            needed.add(name)
            named += [other for other in known if re.search(rf"\b{other}\b", known[name])]  # a column's name does no harm
    _stand(connection, {name: known[name] for name in sorted(needed)})


@cache
def _order(texts: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    with duckdb.connect(":memory:") as scratch:
        from schema import ddl  # needs SQLAlchemy, which takes longer to import than a pass of sync

        for statement in ddl.statements():
            if not statement.startswith("COMMENT"):
                scratch.execute(statement)
        return tuple(_stand(scratch, dict(texts)))


def _stand(connection: duckdb.DuckDBPyConnection, left: dict[str, str]) -> list[str]:
    """Try the statements until all stand; their names in an order in which they did."""
    standing: list[str] = []
    while left:
        refused = {name: reason for name, sql in left.items() if (reason := _refusal(connection, sql)) is not None}
        if len(refused) == len(left):
            raise QuestionError("\n".join(_causes(refused)))
        standing += [name for name in left if name not in refused]
        left = {name: left[name] for name in refused}
    return standing


def _causes(refused: dict[str, str]) -> list[str]:
    """One line per refused file, without those that only wait for another refused one."""
    waiting = {name for name, reason in refused.items() for other in refused if f"with name {other} does not exist" in reason}
    named = [name for name in refused if name not in waiting] or list(refused)
    return [f"queries/{name}.sql: {refused[name]}" for name in named]


def _refusal(scratch: duckdb.DuckDBPyConnection, sql: str) -> str | None:
    try:
        scratch.execute(sql)
    except duckdb.Error as error:
        hint = "\nA macro's parameters are visible inside the views it reads: qualify the column there (c.budget, not budget)."
        return str(error) + (hint if "Conflicting column names" in str(error) else "")
    return None


def _texts(folder: Path) -> list[tuple[Path, str]]:
    return [(path, path.read_text()) for path in sorted(folder.glob("*.sql"))]


def _comment_lines(lines: list[str]) -> int:
    """How many lines of comment the file begins with."""
    return next((n for n, line in enumerate(lines) if not line.startswith("--")), len(lines))


def _parameters(name: str, text: str | None) -> dict[str, Parameter]:
    parameters: dict[str, Parameter] = {}
    for part in (text or "").split(","):
        if not part.strip():
            continue
        found = _PARAMETER.fullmatch(part.strip())
        if not found:
            raise QuestionError(f"queries/{name}.sql: cannot read the parameter `{part.strip()}`. {_FORM}")
        parameters[found[1]] = Parameter(found[2].upper(), _literal(found[3]))
    return parameters


def _literal(text: str) -> Default:
    if text in ("NULL", "TRUE", "FALSE"):
        return {"NULL": None, "TRUE": True, "FALSE": False}[text]
    if text.startswith("'"):
        return text[1:-1]
    return float(text) if "." in text else int(text)


def _installed(connection: duckdb.DuckDBPyConnection) -> tuple[set[str], set[str]]:
    """Views and table macros that the folder made, known by the comment; a person's own are left alone."""
    ours = f"{_HERE} AND comment LIKE '%(one row per %)'"
    views = connection.execute(f"SELECT view_name FROM duckdb_views() WHERE {ours}").fetchall()
    macros = connection.execute(
        f"SELECT DISTINCT function_name FROM duckdb_functions() WHERE {ours} AND function_type = 'table_macro'"
    ).fetchall()
    return {name for (name,) in views}, {name for (name,) in macros}


def _made_from(connection: duckdb.DuckDBPyConnection) -> str | None:
    """The fingerprint of the texts that the catalog's views were made from; None before the first time."""
    found = connection.execute(
        f"SELECT macro_definition FROM duckdb_functions() WHERE {_HERE} AND function_name = '{FINGERPRINT}'"
    ).fetchone()
    return str(found[0]).strip("'") if found else None
