"""The catalogue of questions: what stands in queries/, read as text, and how it gets into a catalog.

The folder is the registry: a folder in it is a topic, a file one view or table macro. Its first line is the question, its
second the grain, the lines up to the statement say what the words mean. Who wants the answers uses `queries`; this module is below it because
making a catalog (`python -m schema`) and publishing one (`runner.sync`) must install the views without importing upward.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import duckdb

from schema.words import nearest

FOLDER = Path(__file__).resolve().parent.parent / "queries"
FINGERPRINT = (
    "questions_fingerprint"  # a macro of ours in the catalog that says which texts it was made from
)

_HERE = "database_name = current_database() AND NOT internal"
_STATEMENT = re.compile(
    r"^CREATE OR REPLACE (VIEW|MACRO) (\w+)\s*(?:\(([^()]*)\))?\s*AS\b", re.MULTILINE
)
_PARAMETER = re.compile(r"(\w+) (\w+) := (NULL|'[^']*'|-?[0-9]+(?:\.[0-9]+)?|TRUE|FALSE)")
_SOURCE = re.compile(
    r"(?:\b(?:FROM|JOIN)\s+|')(\w+)"
)  # what a statement may read from: also a name given to a macro, in quotes
TOPICS = {  # a folder of queries/ each, in the order of every list of questions, and its name in words
    "choices": "What to choose",
    "scores": "What was reached",
    "costs": "What it costs",
    "work": "What runs and what is next",
    "parts": "What the other answers are made of",
    "audits": "What must have no rows",
}
_FORM = (
    "The first line must be `-- <question>?`, the second `-- grain: one row per ...`; then comment lines, then "
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
    topic: str  # one of TOPICS
    about: str  # definitions and sources; may be empty
    kind: str  # view or macro
    parameters: dict[str, Parameter]
    sql: str  # the whole text of the file

    @property
    def file(self) -> str:
        """Where it stands, from the root of the tree."""
        return f"queries/{self.topic}/{self.name}.sql"

    @property
    def is_audit(self) -> bool:
        """An audit must return no rows."""
        return self.topic == "audits"


def questions(folder: Path = FOLDER) -> list[Question]:
    """Every question, by topic and name.

    Raises:
        QuestionError: a file that does not have the form; the message names it and the form.
    """
    found = [parsed(path, text) for path, text in _texts(folder)]
    return sorted(found, key=lambda one: (list(TOPICS).index(one.topic), one.name))


def by_topic(folder: Path = FOLDER) -> dict[str, list[Question]]:
    """The questions of each topic in words (`What it costs`), by name; a topic without any is left out.

    Raises:
        QuestionError: as `questions`.
    """
    found = dict[str, list[Question]]()
    for question in questions(folder):
        found.setdefault(TOPICS[question.topic], []).append(question)
    return found


def fingerprint(folder: Path = FOLDER) -> str:
    """sha256 over the names and texts: two catalogs with the same one answer alike."""
    digest = hashlib.sha256()
    for path, text in _texts(folder):
        digest.update(f"{path.stem}\0{text}\0".encode())
    return digest.hexdigest()


def parsed(path: Path, text: str) -> Question:
    """The text of one file, `queries/<topic>/<name>.sql`, as a question.

    Raises:
        QuestionError: it does not have the form; the message names the file and the form.
    """
    name, topic, lines = path.stem, path.parent.name, text.splitlines()
    place = f"queries/{topic}/{name}.sql"
    head = [line.removeprefix("--").strip() for line in lines[: _comment_lines(lines)]]
    found = _STATEMENT.search(text)
    if (
        len(head) < 2
        or "?" not in head[0]
        or not head[1].startswith("grain: one row per ")
        or not found
    ):
        raise QuestionError(f"{place} is not a question. {_FORM}")
    if found[2] != name:
        raise QuestionError(
            f"{place} creates {found[2]}; a file's name is its name: it must create {name}."
        )
    if topic not in TOPICS:
        raise QuestionError(
            f"{place}: unknown topic {topic!r}. Known: {', '.join(TOPICS)}.{nearest(topic, TOPICS)}"
        )
    return Question(
        name=name,
        question=head[0],
        grain=head[1].removeprefix("grain: "),
        topic=topic,
        about=" ".join(head[2:]),
        kind=found[1].lower(),
        parameters=_parameters(place, found[3]),
        sql=text,
    )


def refresh(connection: duckdb.DuckDBPyConnection, folder: Path = FOLDER) -> bool:
    """Make the catalog's views and macros those of the folder; True if that changed anything.

    What came from the folder and is no longer in it is dropped; a person's own views stay. Safe inside a transaction: the order
    was found elsewhere, so nothing fails here.

    Raises:
        QuestionError: as `install`; the catalog keeps the views it had.
    """
    present = fingerprint(folder)
    views, macros, made_from = _installed(connection)
    if made_from == present and views | macros == {path.stem for path, _ in _texts(folder)}:
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


def install_some(
    connection: duckdb.DuckDBPyConnection, wanted: Iterable[str], folder: Path = FOLDER
) -> None:
    """Create some of the questions, and whatever they read from, outside of a transaction.

    Raises:
        QuestionError: as `install`.
    """
    _stand(
        connection,
        _behind_what_they_read(
            {question.name: question.sql for question in questions(folder)}, wanted
        ),
    )


def _behind_what_they_read(known: Mapping[str, str], wanted: Iterable[str]) -> dict[str, str]:
    """The wanted statements and what they read from, each after what it reads from."""
    ordered: dict[str, str] = {}
    seen = set[str]()

    def put(name: str) -> None:
        if name not in seen:
            seen.add(name)
            for other in sorted(known.keys() & set(_SOURCE.findall(known[name]))):
                put(other)
            ordered[name] = known[name]

    for name in wanted:
        put(name)
    return ordered


@cache
def _order(texts: tuple[tuple[str, str], ...]) -> tuple[str, ...]:
    with duckdb.connect(":memory:") as scratch:
        from schema import ddl  # needs SQLAlchemy, which takes longer to import than a pass of sync

        for statement in ddl.statements():
            if not statement.startswith("COMMENT"):
                scratch.execute(statement)
        return tuple(_stand(scratch, _behind_what_they_read(dict(texts), dict(texts))))


def _stand(connection: duckdb.DuckDBPyConnection, left: dict[str, str]) -> list[str]:
    """Try the statements until all stand; their names in an order in which they did."""
    standing: list[str] = []
    while left:
        refused = {
            name: reason
            for name, sql in left.items()
            if (reason := _refusal(connection, sql)) is not None
        }
        if len(refused) == len(left):
            raise QuestionError("\n".join(_causes(refused)))
        standing += [name for name in left if name not in refused]
        left = {name: left[name] for name in refused}
    return standing


def _causes(refused: dict[str, str]) -> list[str]:
    """One line per refused file, without those that only wait for another refused one."""
    waiting = {
        name
        for name, reason in refused.items()
        for other in refused
        if f"with name {other} does not exist" in reason
    }
    named = [name for name in refused if name not in waiting] or list(refused)
    return [f"{name}.sql of queries/: {refused[name]}" for name in named]


def _refusal(scratch: duckdb.DuckDBPyConnection, sql: str) -> str | None:
    try:
        scratch.execute(sql)
    except duckdb.Error as error:
        hint = "\nA macro's parameters are visible inside the views it reads: qualify the column there (c.budget, not budget)."
        return str(error) + (hint if "Conflicting column names" in str(error) else "")
    return None


def _texts(folder: Path) -> list[tuple[Path, str]]:
    paths = sorted(folder.glob("*/*.sql"), key=lambda path: path.stem)
    return [(path, path.read_text()) for path in paths]


def _comment_lines(lines: list[str]) -> int:
    """How many lines of comment the file begins with."""
    return next((n for n, line in enumerate(lines) if not line.startswith("--")), len(lines))


def _parameters(place: str, text: str | None) -> dict[str, Parameter]:
    parameters: dict[str, Parameter] = {}
    for part in (text or "").split(","):
        if not part.strip():
            continue
        found = _PARAMETER.fullmatch(part.strip())
        if not found:
            raise QuestionError(f"{place}: cannot read the parameter `{part.strip()}`. {_FORM}")
        parameters[found[1]] = Parameter(found[2].upper(), _literal(found[3]))
    return parameters


def _literal(text: str) -> Default:
    if text in ("NULL", "TRUE", "FALSE"):
        return {"NULL": None, "TRUE": True, "FALSE": False}[text]
    if text.startswith("'"):
        return text[1:-1]
    return float(text) if "." in text else int(text)


def _installed(connection: duckdb.DuckDBPyConnection) -> tuple[set[str], set[str], str | None]:
    """Views and table macros that the folder made, known by the comment (a person's own are left alone), and the fingerprint of
    the texts that they were made from; None before the first time."""
    ours = "comment LIKE '%(one row per %)'"
    views = connection.execute(
        f"SELECT view_name FROM duckdb_views() WHERE {_HERE} AND {ours}"
    ).fetchall()
    macros = connection.execute(
        "SELECT function_name, function_type, macro_definition FROM duckdb_functions() "
        f"WHERE {_HERE} AND (function_name = '{FINGERPRINT}' OR (function_type = 'table_macro' AND {ours}))"
    ).fetchall()  # once: it lists every function that DuckDB has
    made_from = next(
        (str(text).strip("'") for name, _, text in macros if name == FINGERPRINT), None
    )
    return (
        {name for (name,) in views},
        {name for name, kind, _ in macros if kind == "table_macro"},
        made_from,
    )
