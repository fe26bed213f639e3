"""Comparing the answers of two catalogs, or of one that is asked twice."""

import math
from collections.abc import Sequence
from typing import Any


def same_answer(rows: Sequence[Any], others: Sequence[Any]) -> bool:
    """Return whether two answers hold the same rows, in any order, their floats to rounding.

    The last digits of a mean, and more of those of a deviation, depend on the order in which SQL
    meets the values, and rows lie in a catalog in the order in which attempts ended. The values
    themselves are compared to the bit elsewhere.
    """
    return _alike(sorted(rows, key=_without_floats), sorted(others, key=_without_floats))


def _alike(value: object, other: object) -> bool:
    if isinstance(value, float) and isinstance(other, float):
        both_unknown = math.isnan(value) and math.isnan(other)
        return both_unknown or math.isclose(value, other, rel_tol=1e-9, abs_tol=1e-12)
    if isinstance(value, dict) and isinstance(other, dict):
        return _alike(list(value.items()), list(other.items()))
    if isinstance(value, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(value) == len(other) and all(map(_alike, value, other))
    return value == other


def _without_floats(row: Sequence[object]) -> str:
    return repr([None if isinstance(value, float) else value for value in row])
