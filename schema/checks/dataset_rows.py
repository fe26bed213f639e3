"""Check a dataset row by itself: the names of its classes, its templates and its counts.

An inconsistent row would run but give meaningless numbers, so it is refused at the INSERT, by
`python -m schema check`, and by sync before a job exists. Standard library only.
"""

import json
from collections.abc import Mapping, Sequence
from typing import Any

PLACE = "{}"  # The placeholder for the class name in a template
COUNTS = ("train_pairs", "test_pairs")
SHOWN = 3  # The most wrong values that a message names


class RowError(ValueError):
    """A dataset row is inconsistent."""


def check_words(row: Mapping[str, Any]) -> None:
    """Check the names of the classes, the templates and the counts of a dataset row.

    Raises:
        RowError: one is wrong; says which, what is allowed, and what to write instead.
    """
    where = f"dataset {row['name']!r}"
    _check_classes(where, _parsed(row.get("classes", [])))
    _check_templates(where, _parsed(row.get("templates", [])))
    for column in COUNTS:
        count = row.get(column)
        if count is not None and count < 0:
            raise RowError(f"{where}: {column} is {count}; it must be 0 or more, or NULL")


def _check_classes(where: str, classes: Any) -> None:
    if not isinstance(classes, Sequence) or isinstance(classes, str):
        raise RowError(f'{where}: classes must be a list of names such as ["crow", "gull"]')
    first: dict[str, int] = {}
    for place, name in enumerate(classes):
        if not isinstance(name, str):
            raise RowError(
                f"{where}: class number {place} is {json.dumps(name)}, and the name of a class is "
                f"a text. Write it in quotation marks: {json.dumps(str(name))}"
            )
        if not name.strip():
            raise RowError(
                f"{where}: class number {place} has the name {name!r}, which says nothing in a "
                "prompt. Name every class, in the order of the labels"
            )
        if name in first:
            raise RowError(
                f"{where}: classes number {first[name]} and {place} are both called {name!r}. "
                "A stream tells classes apart by their names, so one of the two would never be "
                "taught. Give each a name of its own (imagefolder: `folders` in params says which "
                "folder is whose)"
            )
        first[name] = place


def _check_templates(where: str, templates: Any) -> None:
    if not isinstance(templates, Sequence) or isinstance(templates, str):
        raise RowError(f'{where}: templates must be a list of texts such as ["a photo of a {{}}"]')
    wrong = []
    for template in templates:
        if not isinstance(template, str):
            wrong.append(json.dumps(template))
        elif template.count(PLACE) != 1:
            wrong.append(repr(template))
    if wrong:
        raise RowError(
            f"{where}: a template holds {PLACE} exactly once, where the name of the class goes, "
            f"and {len(wrong)} of {len(templates)} do not: {', '.join(wrong[:SHOWN])}. Write "
            f'"a photo of a {PLACE}", or [] for "a photo of a {PLACE}" alone'
        )


def _parsed(value: Any) -> Any:
    """Return the value of a JSON column, parsed if DuckDB gave it as text."""
    return json.loads(value) if isinstance(value, str) else value
