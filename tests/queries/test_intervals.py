"""Intervals and verdicts as often right as they say: thousands of studies, drawn, and judged by the questions themselves."""

import math
import random
from collections.abc import Iterator

import polars as pl
import pytest

from tests.filled import DATASETS, Filled
from tests.queries.recomputed.deciding import power_of

CELLS, SEEDS = 2500, 3
MEAN, OF_SEED, NOISE = (
    0.5,
    0.04,
    0.03,
)  # the spread that the methods share by seed, and that of each trial


@pytest.fixture(scope="module")
def studies() -> Iterator[Filled]:
    """Two equally good methods in so many sentences, three seeds each; of equal seed they are alike."""
    made = Filled()
    drawn = random.Random(2)
    trials, results = [], []
    for cell in range(CELLS):
        shared = [drawn.gauss(MEAN, OF_SEED) for _ in range(SEEDS)]
        for method in ("finetune", "lora"):
            for seed, value in enumerate(shared):
                trials.append(
                    {"id": len(trials) + 1, "method": method, "recipe": f"r{cell}", "seed": seed}
                )
                results.append(
                    {"trial": len(trials), "task": 2, "value": value + drawn.gauss(0, NOISE)}
                )
                results.append({"trial": len(trials), "task": 0, "value": MEAN})
    made.connection.register("trials", pl.DataFrame(trials))
    made.connection.register("results", pl.DataFrame(results))
    for statement in (
        "INSERT INTO recipe (name, lr, batch_pairs) SELECT DISTINCT recipe, 1e-3, 16 FROM trials",
        "INSERT INTO trial (id, backbone, stream, mixture, method, recipe, budget, seed) "
        "SELECT id, 'tiny', 'world', 'plain', method, recipe, 'small', seed FROM trials",
        f"INSERT INTO result SELECT trial, 1, task, 10, unnest({list(DATASETS)}), 'top1', 'all', 'deployed', value, 50, 1 FROM results",
    ):
        made.connection.execute(statement)
    yield made
    made.connection.close()


def share(studies: Filled, condition: str, source: str) -> float:
    found = studies.connection.execute(
        f"SELECT avg(({condition})::INTEGER) FROM {source}"
    ).fetchone()
    assert found is not None
    return float(found[0])


def near(said: float, of: int) -> object:
    """Within four standard deviations of a share of so many."""
    return pytest.approx(said, abs=4 * math.sqrt(said * (1 - said) / of))


@pytest.mark.parametrize(
    ("source", "low", "high"),
    [
        ("spread", "low", "high"),
        ("course", "a_ka_low", "a_ka_high"),
    ],
)
def test_the_true_mean_is_in_19_of_20_intervals(
    studies: Filled, source: str, low: str, high: str
) -> None:
    where = (
        "WHERE measure = 'a_ka'"
        if source == "spread"
        else "WHERE task = 2"
        if source == "course"
        else ""
    )
    assert share(studies, f"{MEAN} BETWEEN {low} AND {high}", f"{source} {where}") == near(
        0.95, 2 * CELLS
    )


def test_equal_methods_are_told_apart_once_in_20_times(studies: Filled) -> None:
    decided = "decide(a := 'finetune', b := 'lora', measure := 'a_ka')"
    first_look = 0.05 / 2
    assert share(studies, "0 BETWEEN difference_low AND difference_high", decided) == near(
        1 - first_look, CELLS
    )
    assert share(studies, "verdict LIKE '%is better'", decided) == near(first_look, CELLS)
    assert share(
        studies, "verdict = 'behind'", "effect(measure := 'a_ka') WHERE verdict <> 'best'"
    ) == near(0.05, CELLS)


def test_the_interval_of_the_best_holds_its_mean_though_it_was_picked(studies: Filled) -> None:
    best = "effect(measure := 'a_ka') WHERE verdict = 'best'"
    assert share(studies, f"{MEAN} BETWEEN mean_low AND mean_high", best) >= 0.94


def test_the_bootstrap_of_three_is_as_narrow_as_it_is_said_to_be(studies: Filled) -> None:
    """Its ends are the lowest and the highest seed; the mean lies between them unless all three fall on one side of it."""
    assert share(
        studies, f"{MEAN} BETWEEN lowest AND highest", "bootstrap(measure := 'a_ka')"
    ) == near(0.75, 2 * CELLS)


@pytest.mark.parametrize("power", [0.5, 0.8, 0.95])
@pytest.mark.parametrize("ratio", [0.5, 0.2, 0.15])
def test_the_seeds_that_decide_asks_for_have_the_power(
    filled: Filled, power: float, ratio: float
) -> None:
    """By the distribution of the test: as much as was asked for, and at the look before there is less.

    The mean of 0.01 is `ratio` spreads. Where even the last look has less, no number is given.
    """
    for seed, value in enumerate((-1.0, -1.0, 0.0, 0.0, 1.0, 1.0)):
        apart = 0.01 + value * 0.01 / ratio / math.sqrt(
            0.8
        )  # whose sample deviation is 0.01 / ratio
        for method, at in (("lora", 0.5 + apart), ("ewc", 0.5)):
            trial = filled.trial(method, seed=seed)
            filled.results(trial, 2, dict.fromkeys(DATASETS, at))
    decided = filled.row(f"decide(a := 'lora', b := 'ewc', measure := 'a_ka', power := {power})")
    needed = decided["seeds_needed"]
    if needed is None:
        last_look = 9
        assert power_of(3 * 2 ** (last_look - 1), 0.01, 0.01 / ratio, last_look) < power + 0.05
        return
    look = 1 + int(math.log2(needed / 3))
    assert power_of(needed, 0.01, 0.01 / ratio, look) >= power - 0.05
    if look > 1:
        assert power_of(needed // 2, 0.01, 0.01 / ratio, look - 1) < power + 0.05
