"""The rule of comparisons: what it promises in simulation, and that the questions follow it."""

from collections.abc import Iterator

import numpy as np
import polars as pl
import pytest

from benchmarks import decisions
from tests.filled import PAPER, Filled
from tests.template import demo_catalog
from tests.tiny_clip import ROOT


@pytest.fixture(scope="module")
def catalog() -> Iterator[Filled]:
    filled = Filled()
    yield filled
    filled.connection.close()


def test_the_table_of_quantiles_is_what_the_script_prints() -> None:
    assert decisions.critical_sql() in (ROOT / "queries/parts/critical.sql").read_text()


@pytest.mark.parametrize("world", decisions.WORLDS, ids=lambda world: world.name)
@pytest.mark.parametrize(("methods", "seeds"), [(2, 3), (6, 4), (20, 3), (100, 3), (3, 10)])
def test_equal_methods_are_called_behind_in_one_study_of_twenty(
    world: decisions.World, methods: int, seeds: int
) -> None:
    studies = min(4000, 300_000 // (methods * seeds))
    values = decisions.drawn(np.random.default_rng(1), world, studies, methods, seeds)
    share = float(decisions.moderated(values).behind.any(axis=1).mean())
    assert share <= 0.05 + 4 * (0.05 * 0.95 / studies) ** 0.5


def test_three_seeds_find_what_is_large() -> None:
    values = decisions.drawn(np.random.default_rng(1), decisions.WORLDS[0], 500, 20, 3)
    values[:, 0] += 6
    assert float(decisions.moderated(values).behind[:, 1:].mean()) > 0.8


def test_looking_again_calls_equal_methods_different_in_one_study_of_twenty() -> None:
    row = next(line for line in decisions.looks_table(4000) if line.startswith("| 0.0 | now"))
    assert float(row.split("|")[-2]) <= 0.06


@pytest.mark.parametrize(("methods", "seeds"), [(2, 3), (6, 3), (9, 5)])
def test_the_question_judges_as_the_simulation_does(
    catalog: Filled, methods: int, seeds: int
) -> None:
    rng = np.random.default_rng(4)
    values = decisions.drawn(rng, decisions.WORLDS[0], 40, methods, seeds)
    values[:, 0] += 3
    rows = []
    for (study, method, seed), value in np.ndenumerate(values):
        row = {"of_backbone": str(study), "choice": f"m{method:02d}", "seed": seed, "value": value}
        for word in ("stream", "mixture", "method", "recipe", "budget"):
            row[f"of_{word}"] = "*"
        rows.append(row | {"at_recipe": "*", "resolution": 0.0, "gflops": 1.0})
    catalog.connection.register("studies", pl.DataFrame(rows))
    found = catalog.rows("compared(trials := 'studies')")
    judged = decisions.moderated(values)
    said = {(int(row["backbone"]), int(row["choice"][1:])): row["verdict"] for row in found}
    for (study, method), behind in np.ndenumerate(judged.behind):
        expected = "behind" if behind else "best" if judged.best[study] == method else "tie"
        assert said[study, method] == expected


def test_equal_differences_have_the_width_of_the_test_sets(filled: Filled) -> None:
    """Three seeds that differ by the same have not shown that there is no spread."""
    filled.connection.execute("UPDATE dataset SET test_pairs = 10")
    try:
        for seed, value in enumerate((0.5, 0.6, 0.7)):
            for method, more in (("lora", 0.05), ("ewc", 0.0)):
                last = [value + more, value + more, 0.5, 0.5]
                filled.done([*PAPER[:-1], last], method=method, seed=seed)
        resolution = filled.row("resolution", stream="world")["a_ka"]
        assert resolution == pytest.approx(np.hypot(3 * 0.05, 0.05) / 4)
        row = filled.row("decide(a := 'lora', b := 'ewc', measure := 'a_ka')")
        assert (row["verdict"], row["look"], row["counted"]) == ("tie", 1, 3)
        half = row["difference_high"] - row["difference"]
        assert half == pytest.approx(6.2053 * resolution / np.sqrt(3))
        behind = filled.row("effect(measure := 'a_ka')", choice="ewc")
        assert behind["verdict"] == "tie"
    finally:
        filled.connection.execute("UPDATE dataset SET test_pairs = NULL")


def test_methods_are_compared_at_the_recipes_chosen_for_them() -> None:
    """Of the demo each method ran at one rate, found on validation images; rates differ."""
    with demo_catalog() as connection:
        at = {
            row[0]: row[1:]
            for row in connection.execute(
                "SELECT mixture, recipe_a, recipe_b, pairs, verdict "
                "FROM decide(recipes := 'chosen') WHERE stream = 'world'"
            ).fetchall()
        }
        judged = connection.execute(
            "SELECT count(*) FROM effect(recipes := 'chosen') WHERE verdict = 'behind'"
        ).fetchone()
    assert at["update_only"] == ("tiny_lr_1e-3", "tiny_lr_5e-4", 3, "ema_merge is better")
    assert judged is not None and judged[0] == 3


def test_of_several_recipes_the_one_chosen_on_validation_is_compared() -> None:
    """Not the one with the better test images; and where none was chosen, none is compared."""
    filled = Filled()
    run = filled.connection.execute
    run(
        "INSERT INTO recipe (name, lr, batch_pairs) VALUES ('low', 1e-4, 16) ON CONFLICT DO NOTHING"
    )
    run(
        "INSERT INTO stream (name, sequence, tasks, suite) "
        "VALUES ('world_validation', 'order', 2, 'five') ON CONFLICT DO NOTHING"
    )
    for recipe, value in (("usual", 0.5), ("low", 0.6)):
        filled.done([*PAPER[:-1], [value, value, 0.5, 0.5]], recipe=recipe)
    assert filled.row("chosen_recipe()")["chosen_by"] == "not chosen"
    assert filled.rows("effect(recipes := 'chosen')") == []
    for recipe, value in (("usual", 0.9), ("low", 0.1)):
        last = [value, value, 0.5, 0.5]
        filled.done([*PAPER[:-1], last], recipe=recipe, stream="world_validation")
    row = filled.row("chosen_recipe()", stream="world")
    assert (row["recipe"], row["chosen_by"], row["measured"]) == ("usual", "validation", 2)
    (compared,) = filled.rows("effect(recipes := 'chosen')", stream="world")
    assert (compared["at_recipe"], compared["chosen_on"]) == ("usual", "world_validation")
    assert {row["chosen_on"] for row in filled.rows("effect()")} == {None}
    decision = filled.row("decide(recipes := 'chosen')", stream="world")
    assert (decision["recipe_a"], decision["chosen_on"]) == ("usual", "world_validation")
    with pytest.raises(Exception, match="recipes is equal or chosen, not best"):
        filled.rows("effect(recipes := 'best')")
    filled.connection.close()


def test_seeds_between_two_looks_change_no_decision(filled: Filled) -> None:
    """At four and five pairs the answer is that of the first three, whatever the others bring."""
    for seed, apart in enumerate((0.05, 0.06, 0.07, -0.9, -0.9)):
        for method, more in (("lora", apart), ("ewc", 0.0)):
            last = [0.92 + more, 0.92, 0.5, 0.5]
            filled.done([*PAPER[:-1], last], method=method, seed=seed)
    row = filled.row("decide(a := 'lora', b := 'ewc', measure := 'a_ka')")
    assert (row["pairs"], row["counted"], row["look"]) == (5, 3, 1)
    assert row["difference"] == pytest.approx(0.045) and row["verdict"] == "lora is better"
