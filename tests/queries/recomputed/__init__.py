"""Every question's answer a second time: in plain Python from the rows of the tables, after the definitions and not after the SQL.

A public function is named as the question that it answers, takes the facts and the question's parameters, and gives its rows as
dicts of the same columns. `UNTOLD` stands where an answer depends on more than the facts: the clock, chance, a hash.
"""

from collections.abc import Callable
from types import ModuleType

from tests.queries.recomputed import (
    ahead,
    along,
    choices,
    costs,
    facts,
    matrix,
    prices,
    published,
    seeds,
    states,
)
from tests.queries.recomputed.facts import UNTOLD, Facts, Row

__all__ = ["ANSWERS", "UNTOLD", "Facts", "Row"]

Answer = Callable[..., list[Row]]


def _answers(module: ModuleType) -> dict[str, Answer]:
    return {name: made for name, made in vars(module).items() if getattr(made, "is_answer", False)}


ANSWERS: dict[str, Answer] = {
    name.rstrip("_"): made
    for module in (facts, seeds, choices, along, matrix, costs, prices, ahead, states, published)
    for name, made in _answers(module).items()
}
