"""Closed lists: the allowed values of parameters that are not free text."""

from collections.abc import Mapping

import duckdb

from schema.questions import Question
from schema.words import nearest

MEASURES = ("a_ka", "a_zs", "gm", "d_ka", "d_zs", "zs_ratio")
AXES = ("backbone", "stream", "mixture", "method", "recipe", "budget", "ordering", "tasks")
# Parameters whose allowed values are in no table, the same in every question
CLOSED = {"measure": MEASURES, "axis": AXES}
# How trials of two methods are matched: at the same recipe, or each at the recipe chosen for it
RECIPES = ("equal", "chosen")
# Parameters that take names with commas between them, and the table of the names
LISTS = {
    "backbones": "backbone",
    "streams": "stream",
    "mixtures": "mixture",
    "methods": "method",
    "recipes": "recipe",
    "budgets": "budget",
}
# The most names that a message lists
LISTED_AT_MOST = 20
# The queries for the choices along an axis that has no table
ALONG = {
    "ordering": "SELECT DISTINCT sequence AS name FROM stream",
    "tasks": "SELECT DISTINCT tasks::VARCHAR AS name FROM stream",
}


def closed(question: Question, name: str) -> tuple[str, ...] | None:
    """Return the allowed values of a parameter; None where they are not a closed list."""
    if name == "recipes" and question.parameters[name].default == RECIPES[0]:
        return RECIPES
    return CLOSED.get(name)


def check_list(
    connection: duckdb.DuckDBPyConnection,
    question: Question,
    name: str,
    value: object,
    parameters: Mapping[str, object],
) -> str | None:
    """Return an error message about a list of names (`lora,ewc`); None where all are known.

    An unknown name would otherwise give an empty answer without any message.
    """
    if closed(question, name) is not None:
        return None
    if name == "among":
        axis = str(parameters.get("axis", "method"))
        query = ALONG.get(axis, f"SELECT name FROM {axis}" if axis in AXES else "")
        kind = f"{axis} (the axis)"
    elif name in LISTS:
        query, kind = f"SELECT name FROM {LISTS[name]}", LISTS[name]
    else:
        return None
    if not query:
        return None
    known = [row[0] for row in connection.execute(f"FROM ({query}) ORDER BY name").fetchall()]
    for word in str(value).split(","):
        if word not in known:
            return f"{name}: unknown {kind} {word!r}. Known: {_named(known)}.{nearest(word, known)}"
    return None


def check_word(question: Question, name: str, value: object) -> str | None:
    """Return an error message about a value of a closed list; None where it is allowed."""
    allowed = closed(question, name)
    if allowed is None or str(value) in allowed:
        return None
    near = nearest(str(value), allowed)
    return f"{name} is one of {', '.join(allowed)}; not {value}.{near}"


def _named(names: list[str]) -> str:
    text = ", ".join(names[:LISTED_AT_MOST]) or "none yet"
    if len(names) > LISTED_AT_MOST:
        text += f" and {len(names) - LISTED_AT_MOST} more"
    return text
