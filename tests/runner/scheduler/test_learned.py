"""A sampler that learns draws near what was good, and the same from the same."""

import json
import math

import pytest

from runner.scheduler import learned
from schema.checks.standing import DRAW, WORDS, RuleError

COLUMNS = [*WORDS, "study", *DRAW]


def history(tried: list[tuple[float, float | None]], **other: object) -> str:
    """What a search of learning rates has finished, as `suggested` writes it."""
    rows = [{"lr": lr, "weight_decay": 0.1, "value": value} for lr, value in tried]
    said = {"sampler_seed": 0, "lr": [1e-4, 1e-1], "weight_decay": None, "taken": [], "tried": rows}
    return json.dumps(said | other)


def drawn(text: str, tried: int, places: int = 1, method: str = "finetune") -> list[learned.Drawn]:
    rows = []
    for place in range(1, places + 1):
        rows.append(
            ["tiny", "world", "plain", method, "base", "small", 0, "s", tried + place, text]
        )
    columns, trials, recipes = learned.draw(COLUMNS, rows)
    assert columns == [*WORDS, "study"]
    assert [row[WORDS.index("recipe")] for row in trials] == [recipe.name for recipe in recipes]
    return recipes


def bowl(lr: float) -> float:
    """The best learning rate is 3e-3."""
    return 1 - (math.log10(lr / 3e-3) / 3) ** 2


@pytest.mark.parametrize("seed", range(3))
def test_it_finds_the_top_of_a_hill_with_few_trials(seed: int) -> None:
    """Twelve draws behind three of a sweep; the best of the last six is within a factor of 1.6."""
    tried = [(lr, bowl(lr)) for lr in (3.16e-3 / 10, 3.16e-3 * 10, 1.2e-4)]
    for _ in range(4):
        for recipe in drawn(history(tried, sampler_seed=seed), len(tried), 3):
            assert recipe.lr is not None
            tried.append((recipe.lr, bowl(recipe.lr)))
    best = max(tried[-6:], key=lambda one: one[1])[0]
    assert 3e-3 / 1.6 < best < 3e-3 * 1.6, tried


def test_the_same_history_gives_the_same_draws_and_the_order_of_rows_changes_nothing() -> None:
    text = history([(1e-3, 0.5), (1e-2, 0.7)])
    first = drawn(text, 2, 3)
    assert drawn(text, 2, 3) == first
    # The second method's batch stands beside it, and its draws are its own
    rows = []
    for place in (1, 2, 3):
        for method, own in (("b", text), ("a", history([(1e-3, 0.9), (1e-2, 0.1)]))):
            rows.append(["tiny", "world", "plain", method, "base", "small", 0, "s", 2 + place, own])
    _, trials, _ = learned.draw(COLUMNS, rows)
    of_b = [row[4] for row in trials if row[3] == "b"]
    assert of_b == [recipe.name for recipe in first]
    # Two seeds of one draw share its recipe
    twice = [
        ["tiny", "world", "plain", "b", "base", "small", seed, "s", 3, text] for seed in (0, 1)
    ]
    _, trials, recipes = learned.draw(COLUMNS, twice)
    assert [row[4] for row in trials] == [first[0].name] * 2 and len(recipes) == 1


def test_another_seed_and_a_longer_history_draw_others() -> None:
    tried = [(1e-3, 0.5), (1e-2, 0.7)]
    first = drawn(history(tried), 2)
    assert drawn(history(tried, sampler_seed=1), 2) != first
    assert drawn(history([*tried, (5e-3, 0.6)]), 3) != first


def test_what_failed_is_worse_than_all_others() -> None:
    """Large rates fail: few draws are among them."""
    tried: list[tuple[float, float | None]] = [(3e-4, 0.5), (1e-3, 0.6), (2e-3, 0.62)]
    tried += [(lr, None) for lr in (2e-2, 4e-2, 6e-2, 9e-2)]
    rates = [recipe.lr or 0 for recipe in drawn(history(tried), 7, 12)]
    assert sum(rate > 1e-2 for rate in rates) <= 3, rates


def test_nothing_has_a_value_yet() -> None:
    (recipe,) = drawn(history([(1e-3, None)]), 1)
    assert 1e-4 <= (recipe.lr or 0) <= 1e-1


def test_two_numbers_are_drawn_and_named() -> None:
    (recipe,) = drawn(history([(1e-3, 0.5)], weight_decay=[0.01, 1.0]), 1)
    assert recipe.name == f"base_lr_{recipe.lr:.2e}_decay_{recipe.weight_decay:.2e}"
    (other,) = drawn(history([(1e-3, 0.5)], lr=None, weight_decay=[0.1, 0.1]), 1)
    assert other.name == "base_decay_1.00e-01" and other.lr is None


def test_a_name_that_is_there_is_not_drawn_again() -> None:
    text = history([(1e-3, 0.5), (1e-2, 0.7)])
    names = [recipe.name for recipe in drawn(text, 2, 2)]
    again = drawn(history([(1e-3, 0.5), (1e-2, 0.7)], taken=names), 2, 2)
    assert not {recipe.name for recipe in again} & set(names)
    with pytest.raises(RuleError, match="hold too few numbers of three digits. Widen them"):
        drawn(history([(1e-3, 0.5)], lr=[1e-3, 1e-3]), 1, 2)


def test_a_number_that_was_rounded_past_the_end_of_its_range_is_learned_from() -> None:
    (recipe,) = drawn(history([(1.23e-4, 0.5)], lr=[1.234e-4, 1e-1]), 1)
    assert recipe.lr is not None
