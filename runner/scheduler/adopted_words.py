"""Whether names mean the same in two labs: the definitions of words, compared value by value."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import duckdb

from runner.scheduler.resolve import WORDS, word_definitions
from schema.spec import Spec

# Differences that a message names of one word
SHOWN = 3
# Numbers that differ in their 16th digit were written by different programs
PRECISION = 4e-15
Difference = tuple[str, Any, Any]


def conflicts(connection: duckdb.DuckDBPyConnection, specs: Sequence[Spec]) -> list[str]:
    """Return in sentences which words of definitions from another lab mean something else here.

    Definitions of that lab that contradict each other are named, too: a row was edited there.
    """
    there: dict[tuple[str, str], Mapping[str, Any]] = {}
    sentences = []
    for spec in specs:
        for word in WORDS:
            definition = _plain(getattr(spec, word))
            first = there.setdefault((word, definition["name"]), definition)
            sentences += _conflict(word, first, definition, "for another trial there")
    for word in WORDS:
        names = [name for kind, name in there if kind == word]
        for name, here in _definitions(connection, word, names):
            sentences += _conflict(word, there[word, name], here, "here")
    return list(dict.fromkeys(sentences))


def _plain(definition: Mapping[str, Any]) -> dict[str, Any]:
    """Return the definition of a word without published costs, which go by other words, too."""
    return {key: value for key, value in definition.items() if key != "published"}


def _definitions(
    connection: duckdb.DuckDBPyConnection, word: str, names: Sequence[str]
) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield each of the rows of a word by these names as it is defined here."""
    rows = connection.execute(
        f"{word_definitions()} SELECT name, definition FROM {word}_definition "
        "WHERE name IN (SELECT unnest(?::VARCHAR[]))",
        [names],
    )
    for name, text in rows.fetchall():
        yield name, json.loads(text)


def _conflict(
    word: str, there: Mapping[str, Any], other: Mapping[str, Any], where: str
) -> list[str]:
    """Return in a sentence how two definitions of a word differ; none where they do not."""
    pieces = []
    for path, left, right in differences(there, other):
        pieces.append(f"{path} is {_short(left)} there and {_short(right)} {where}")
    if not pieces:
        return []
    if len(pieces) > SHOWN:
        pieces[SHOWN:] = [f"and {len(pieces) - SHOWN} more"]
    return [f"{word} {there['name']!r}: {'; '.join(pieces)}"]


def _short(value: Any) -> str:
    """Return a value as JSON that fits into a line."""
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."


def differences(left: Any, right: Any, path: str = "") -> Iterator[Difference]:
    """Yield where two JSON values differ: the path, and the value of each."""
    if isinstance(left, dict) and isinstance(right, dict):
        for key in sorted({*left, *right}):
            yield from differences(left.get(key), right.get(key), f"{path}.{key}".lstrip("."))
    elif isinstance(left, list) and isinstance(right, list) and len(left) == len(right):
        for place, (one, other) in enumerate(zip(left, right, strict=True)):
            yield from differences(one, other, f"{path}[{_name(one, place)}]")
    elif not _equal(left, right):
        yield path, left, right


def _name(item: Any, place: int) -> str:
    """Return how an item of a list is called: by its name where it has one."""
    return str(item.get("name", place)) if isinstance(item, dict) else str(place)


def _equal(left: Any, right: Any) -> bool:
    """Return whether two values are the same, numbers up to how they were written."""
    if isinstance(left, float) or isinstance(right, float):
        numbers = all(isinstance(value, int | float) for value in (left, right))
        return numbers and abs(left - right) <= PRECISION * max(abs(left), abs(right))
    return bool(left == right)
