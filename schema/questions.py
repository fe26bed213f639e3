"""Parse the questions of queries/: their texts, grains and parameters.

Each folder in queries/ is a topic, and each file is one view or table macro. Its first line is the
question, its second the grain, and the lines up to the statement define the words. `schema.views`
puts the questions into a catalog, and the package `queries` answers them; this module is below
both, because creating and publishing a catalog must not import upward.
"""

import hashlib
import os
import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from schema.words import nearest

FOLDER = Path(__file__).resolve().parent.parent / "queries"
# The folders of queries/ in the order of all lists of questions, with the topics' names
TOPICS = {
    "choices": "What to choose",
    "scores": "What was reached",
    "items": "What became of each test item",
    "costs": "What it costs",
    "work": "What runs and what is next",
    "parts": "What the other answers are made of",
    "audits": "What must have no rows",
}
_STATEMENT = re.compile(
    r"^CREATE OR REPLACE (VIEW|MACRO) (\w+)\s*(?:\(([^()]*)\))?\s*AS\b", re.MULTILINE
)
_PARAMETER = re.compile(r"(\w+) (\w+) := (NULL|'[^']*'|-?[0-9]+(?:\.[0-9]+)?|TRUE|FALSE)")
_FORM = (
    "The first line must be `-- <question>?`, the second `-- grain: one row per ...`; then comment "
    "lines, then `CREATE OR REPLACE VIEW <file name> AS` or "
    "`CREATE OR REPLACE MACRO <file name>(<name> <TYPE> := <default>, ...) AS TABLE`."
)

Default = str | int | float | bool | None
# Path, inode, bytes, and the time of the last change in ns
Stamp = tuple[str, int, int, int]


class QuestionError(ValueError):
    """A file of queries/ has not the form of a question, or DuckDB refuses it."""


@dataclass(frozen=True)
class Parameter:
    """An argument of a table macro: its SQL type and its default."""

    type: str
    default: Default


@dataclass(frozen=True, repr=False)
class Question:
    """A question: one parsed file of queries/."""

    name: str
    question: str
    # "one row per ..."
    grain: str
    # One of TOPICS
    topic: str
    # Definitions and sources; may be empty
    about: str
    # "view" or "macro"
    kind: str
    parameters: dict[str, Parameter]
    # The whole text of the file
    sql: str

    def __repr__(self) -> str:
        """Return name and question in one line, so that a list of questions is readable."""
        return f"<{self.name}: {self.question}>"

    @property
    def file(self) -> str:
        """Return the path of the file from the root of the repository."""
        return f"queries/{self.topic}/{self.name}.sql"

    @property
    def is_audit(self) -> bool:
        """Return whether the question is an audit, which must have no rows."""
        return self.topic == "audits"


def all_questions(folder: Path = FOLDER) -> list[Question]:
    """Read every question of a folder, sorted by topic and name.

    Raises:
        QuestionError: a file does not have the form; the message names it and the form.
    """
    return list(_questions(tuple(texts(folder))))


def by_topic(folder: Path = FOLDER) -> dict[str, list[Question]]:
    """Read the questions of each topic, keyed by the topic's name (`What it costs`).

    A topic without any question is left out.

    Raises:
        QuestionError: as `all_questions`.
    """
    topics: dict[str, list[Question]] = {}
    for question in all_questions(folder):
        topics.setdefault(TOPICS[question.topic], []).append(question)
    return topics


def fingerprint(folder: Path = FOLDER) -> str:
    """Return a sha256 of the names and texts; catalogs with the same one give the same answers."""
    return _digest(tuple(texts(folder)))


def texts(folder: Path) -> list[tuple[Path, str]]:
    """Return the files of all topics of a folder with their texts, sorted by name."""
    return list(_texts(_stamps(folder)))


def _stamps(folder: Path) -> tuple[Stamp, ...]:
    """Return what changes when a file of a folder is written, sorted by the file's path."""
    stamps = []
    for path in folder.glob("*/"):
        for entry in os.scandir(path):
            if entry.name.endswith(".sql"):
                about = entry.stat()
                stamps.append((entry.path, about.st_ino, about.st_size, about.st_mtime_ns))
    return tuple(sorted(stamps))


# A pass of sync asks three times for what did not change: of files that are as they were, texts,
# digest and questions are those of the last time


@lru_cache(maxsize=8)
def _texts(stamps: tuple[Stamp, ...]) -> tuple[tuple[Path, str], ...]:
    paths = sorted((Path(stamp[0]) for stamp in stamps), key=lambda path: path.stem)
    return tuple((path, path.read_text()) for path in paths)


@lru_cache(maxsize=8)
def _digest(files: tuple[tuple[Path, str], ...]) -> str:
    digest = hashlib.sha256()
    for path, text in files:
        digest.update(f"{path.stem}\0{text}\0".encode())
    return digest.hexdigest()


@lru_cache(maxsize=8)
def _questions(files: tuple[tuple[Path, str], ...]) -> tuple[Question, ...]:
    topics = list(TOPICS)
    questions = [parsed(path, text) for path, text in files]
    return tuple(sorted(questions, key=lambda each: (topics.index(each.topic), each.name)))


def parsed(path: Path, text: str) -> Question:
    """Read the text of one file, `queries/<topic>/<name>.sql`, as a question.

    Raises:
        QuestionError: it does not have the form; the message names the file and the form.
    """
    name, topic = path.stem, path.parent.name
    file = f"queries/{topic}/{name}.sql"
    head = _head(text)
    statement = _STATEMENT.search(text)
    if len(head) < 2 or "?" not in head[0] or not head[1].startswith("grain: one row per "):
        raise QuestionError(f"{file} is not a question. {_FORM}")
    if statement is None:
        raise QuestionError(f"{file} is not a question. {_FORM}")
    if statement[2] != name:
        raise QuestionError(
            f"{file} creates {statement[2]}; a file's name is its name: it must create {name}."
        )
    if topic not in TOPICS:
        raise QuestionError(
            f"{file}: unknown topic {topic!r}. Known: {', '.join(TOPICS)}.{nearest(topic, TOPICS)}"
        )
    return Question(
        name=name,
        question=head[0],
        grain=head[1].removeprefix("grain: "),
        topic=topic,
        about=" ".join(head[2:]),
        kind=statement[1].lower(),
        parameters=_parameters(file, statement[3] or ""),
        sql=text,
    )


def _head(text: str) -> list[str]:
    """Return the comment lines at the beginning of a text, without their dashes."""
    head = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        head.append(line.removeprefix("--").strip())
    return head


def _parameters(file: str, text: str) -> dict[str, Parameter]:
    """Parse the parameters between the brackets of a macro's statement."""
    parameters: dict[str, Parameter] = {}
    for part in text.split(","):
        if not part.strip():
            continue
        match = _PARAMETER.fullmatch(part.strip())
        if match is None:
            raise QuestionError(f"{file}: cannot read the parameter `{part.strip()}`. {_FORM}")
        parameters[match[1]] = Parameter(match[2].upper(), _literal(match[3]))
    return parameters


def _literal(text: str) -> Default:
    """Return the value of an SQL literal."""
    constants = {"NULL": None, "TRUE": True, "FALSE": False}
    if text in constants:
        return constants[text]
    if text.startswith("'"):
        return text[1:-1]
    return float(text) if "." in text else int(text)
