"""Compute every question's answer a second time: in plain Python from the rows of the tables, after
the definitions and not after the SQL.

A public function is named as the question that it answers, takes the facts and the question's
parameters, and returns its rows as dicts of the same columns. `UNTOLD` stands where an answer depends
on more than the facts: the clock, chance, a hash.
"""

from collections.abc import Callable
from types import ModuleType

from tests.queries.recomputed import (
    ahead,
    along,
    choices,
    comparisons,
    costs,
    deciding,
    facts,
    growing,
    matrix,
    members,
    prices,
    published,
    quantiles,
    seeds,
    states,
)
from tests.queries.recomputed.facts import UNTOLD, Facts, Row

__all__ = ["ANSWERS", "UNTOLD", "Facts", "Row"]

Answer = Callable[..., list[Row]]


MODULES = (
    facts,
    seeds,
    quantiles,
    comparisons,
    choices,
    deciding,
    members,
    along,
    matrix,
    costs,
    prices,
    ahead,
    states,
    growing,
    published,
)


def _answers(module: ModuleType) -> dict[str, Answer]:
    """Return what the module itself computes again, by the name of the question."""
    found = {}
    for name, function in vars(module).items():
        if getattr(function, "is_answer", False):
            found[name.rstrip("_")] = function
    return found


ANSWERS: dict[str, Answer] = {}
for _module in MODULES:
    ANSWERS |= _answers(_module)
