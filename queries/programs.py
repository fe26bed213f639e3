"""The JSON that `--json` prints for programs; docs/programs.md describes its form.

While FORMAT stays the same, keys may be added but not renamed or removed. Numbers that JSON lacks
(NaN, infinity) are null; times are ISO 8601 with their offset.
"""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import polars as pl

from queries.closed import closed
from schema.questions import Question

FORMAT = 1


def answered(
    question: Question, frame: pl.DataFrame, parameters: Mapping[str, object]
) -> dict[str, Any]:
    """Return a question, its parameters, and its whole answer."""
    columns = []
    for name, kind in frame.schema.items():
        columns.append({"name": name, "type": _type(kind)})
    rows = []
    for row in frame.iter_rows(named=True):
        rows.append({name: plain(value) for name, value in row.items()})
    return {
        "format": FORMAT,
        "name": question.name,
        "question": question.question,
        "grain": question.grain,
        "parameters": {name: plain(value) for name, value in parameters.items()},
        "columns": columns,
        "rows": rows,
    }


def listed(questions: Sequence[Question]) -> dict[str, Any]:
    """Return all questions with their parameters."""
    entries = []
    for question in questions:
        parameters = []
        for name, parameter in question.parameters.items():
            entry = {"name": name, "type": parameter.type, "default": parameter.default}
            parameters.append(entry | {"allowed": closed(question, name)})
        entries.append(
            {
                "name": question.name,
                "question": question.question,
                "grain": question.grain,
                "topic": question.topic,
                "about": question.about,
                "parameters": parameters,
            }
        )
    return {"format": FORMAT, "questions": entries}


def text(value: Mapping[str, Any]) -> str:
    """Return a value as one JSON document."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, indent=1)


def plain(value: object) -> object:
    """Convert a value to one that JSON can represent."""
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Decimal):
        return float(value)
    if isinstance(value, Mapping):
        return {str(key): plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return list(map(plain, value))
    if value is None or isinstance(value, str | bool | int | float):
        return value
    return str(value)


def _type(kind: pl.DataType) -> str:
    """Return the name of a column's type: boolean, integer, number, text, time or list."""
    if kind == pl.Boolean:
        return "boolean"
    if kind.is_integer():
        return "integer"
    if kind.is_numeric():
        return "number"
    if kind.is_temporal():
        return "time"
    return "list" if isinstance(kind, pl.List) else "text"
