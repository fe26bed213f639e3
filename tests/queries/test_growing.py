"""What rules ask for, step by step: pairs until it is decided, recipes that go on, seeds that confirm."""

import json

import duckdb
import pytest

from tests.filled import DATASETS, PAPER, Filled


@pytest.fixture
def filled() -> Filled:
    made = Filled()
    for statement in (
        "INSERT INTO stream (name, sequence, tasks, suite) VALUES ('world_validation', 'order', 2, 'five')",
        "INSERT INTO recipe (name, lr, batch_pairs) SELECT 'r' || i, i * 1e-4, 16 FROM range(1, 9) r(i)",
    ):
        made.connection.execute(statement)
    return made


def run(filled: Filled, value: float, **words: object) -> int:
    """A trial that is done and came to this value in every mean."""
    return filled.done([*PAPER[:-1], [value] * 4], **words)


def seeds(filled: Filled, call: str) -> dict[str, list[int]]:
    """Which seeds a macro asks for, by method."""
    found: dict[str, list[int]] = {}
    for row in filled.rows(call):
        found.setdefault(row["method"], []).append(row["seed"])
    return found


TWO = "decided(a := 'finetune', b := 'lora', most_seeds := 13, words := 'tiny,world,plain,usual,small')"


def test_a_clear_difference_is_decided_at_the_first_look(filled: Filled) -> None:
    assert seeds(filled, TWO) == {"finetune": [0, 1, 2], "lora": [0, 1, 2]}
    for seed, noise in enumerate((0.0, 0.001, 0.002)):
        run(filled, 0.5 + noise, seed=seed)
        assert seeds(filled, TWO) == {"finetune": [0, 1, 2], "lora": [0, 1, 2]}, "pairs are missing"
        run(filled, 0.7 - noise, method="lora", seed=seed)
    assert seeds(filled, TWO) == {}


def test_seeds_follow_on_the_first_that_both_have(filled: Filled) -> None:
    """As after a search that used seed 0: what is compared keeps off it."""
    run(filled, 0.5, seed=1)
    for seed in (1, 2, 3):
        run(filled, 0.5 + 0.1 * (seed % 2), method="lora", seed=seed)
    assert seeds(filled, TWO) == {"finetune": [1, 2, 3], "lora": [1, 2, 3]}
    run(filled, 0.4, seed=2)
    run(filled, 0.7, seed=3)
    assert seeds(filled, TWO)["lora"] == [1, 2, 3, 4, 5, 6]


CHOSEN = "decided(a := 'finetune', b := 'lora', most_seeds := 6, recipes := 'chosen')"


def test_what_is_chosen_is_compared_when_both_methods_have_it(filled: Filled) -> None:
    run(filled, 0.5, recipe="r1", seed=1)
    assert filled.rows(CHOSEN) == [], "the other method has no recipe yet"
    run(filled, 0.5, recipe="r2", method="lora", seed=1)
    assert {(row["method"], row["recipe"], row["seed"]) for row in filled.rows(CHOSEN)} == {
        (method, recipe, seed)
        for method, recipe in (("finetune", "r1"), ("lora", "r2"))
        for seed in (1, 2, 3)
    }


def test_a_tie_asks_for_the_next_look_until_the_seeds_are_spent(filled: Filled) -> None:
    """With a failed seed there is one more, and where the next look is out of reach none."""
    for seed in range(12):
        expected = list(range(3 if seed < 3 else 6 if seed < 6 else 12))
        assert seeds(filled, TWO) == {"finetune": expected, "lora": expected}
        run(filled, 0.5 + 0.1 * (seed % 2), seed=seed)
        run(filled, 0.6 - 0.1 * (seed % 2), method="lora", seed=seed)
        if seed == 7:
            filled.attempt(filled.trial(seed=12), 1, "failed", kind="error", message="boom")
            assert seeds(filled, TWO)["lora"] == list(range(13))
            filled.connection.execute("DELETE FROM outcome WHERE state = 'failed'")
            filled.connection.execute("DELETE FROM trial WHERE seed = 12")
    assert seeds(filled, TWO) == {}, "24 pairs are more than 13 seeds"


def test_of_several_methods_those_that_are_behind_get_no_more_seeds(filled: Filled) -> None:
    call = "best_of(methods := 'finetune,lora,ewc', most_seeds := 6, words := 'tiny,world,plain,usual,small')"
    assert seeds(filled, call) == {method: [0, 1, 2] for method in ("ewc", "finetune", "lora")}
    for seed in range(3):
        run(filled, 0.7 + 0.02 * (seed % 2), method="finetune", seed=seed)
        run(filled, 0.71 - 0.02 * (seed % 2), method="lora", seed=seed)
        run(filled, 0.2 + 0.001 * seed, method="ewc", seed=seed)
    more = list(range(6))
    assert seeds(filled, call) == {"finetune": more, "lora": more}
    for seed in range(3, 6):
        run(filled, 0.7 + 0.02 * (seed % 2), method="finetune", seed=seed)
        run(filled, 0.71 - 0.02 * (seed % 2), method="lora", seed=seed)
    assert seeds(filled, call) == {}, "the seeds are spent"


def test_of_four_recipes_two_and_then_one_go_on(filled: Filled) -> None:
    """Each rung waits until the last trial of the one below is over; a failed trial has lost."""
    call = "halving(study := 'search', rungs := 'small,large', keep := 0.5)"
    words = {"stream": "world_validation", "study": "search"}
    for number, value in ((1, 0.3), (2, 0.6), (3, 0.5)):
        run(filled, value, recipe=f"r{number}", **words)
    last = filled.trial(recipe="r4", **words)
    assert filled.rows(call) == []
    filled.attempt(last, 1, "failed", kind="error", message="boom")
    assert [(row["recipe"], row["budget"]) for row in filled.rows(call)] == [
        ("r2", "large"), ("r3", "large"),
    ]  # fmt: skip
    assert {row["study"] for row in filled.rows(call)} == {"search"}
    with pytest.raises(
        duckdb.Error, match="chooses on validation images, and no stream names world"
    ):
        filled.trial(study="search")
        filled.rows(call)


def test_after_a_task_all_but_the_better_recipes_are_withdrawn(filled: Filled) -> None:
    """Nobody before the last one is there; one that is over already is left alone."""
    call = "fallen_behind(study := 'search', after_task := 1, keep := 0.5)"
    words = {"stream": "world_validation", "study": "search"}
    trials = {}
    for number, value in ((1, 0.3), (2, 0.6), (3, 0.5)):
        name = f"r{number}"
        trials[name] = filled.trial(recipe=name, **words)
        filled.attempt(trials[name], state=None)
        for task in (0, 1):
            filled.results(trials[name], task, dict.fromkeys(DATASETS, value))
    last = filled.trial(recipe="r4", **words)
    assert filled.rows(call) == []
    filled.attempt(last, 1, "failed", kind="error", message="boom")
    assert filled.rows(call) == [
        {"trial": trials["r1"], "wish": "withdraw", "reason": "recipe 3 of 4 by gm after task 1"}
    ]
    assert filled.rows(call.replace("after_task := 1", "after_task := 2")) == []
    with pytest.raises(duckdb.Error, match="keep is a share above 0 and at most 1, not 2"):
        filled.rows(call.replace("0.5", "2"))
    with pytest.raises(
        duckdb.Error, match="chooses on validation images, and no stream names world"
    ):
        filled.trial(study="search")
        filled.rows(call)


def test_a_method_is_measured_at_the_recipe_chosen_on_validation_with_new_seeds(
    filled: Filled,
) -> None:
    words = {"stream": "world_validation", "study": "search"}
    for seed in range(2):
        run(filled, 0.6 + 0.01 * seed, recipe="r1", seed=seed, **words)
        run(filled, 0.5, recipe="r2", seed=seed, **words)
    # Images of the stream itself choose nothing
    run(filled, 0.9, recipe="r2", stream="world", study="search")
    found = filled.rows("tuned(seeds := 2)")
    assert [(row["stream"], row["recipe"], row["seed"]) for row in found] == [
        ("world", "r1", 2), ("world", "r1", 3),
    ]  # fmt: skip
    open_trial = filled.trial(recipe="r3", **words)
    assert filled.rows("tuned(seeds := 2)") == [], "the search is not over"
    assert filled.rows("tuned(study := 'another')") == []
    assert open_trial


SUGGESTED = "suggested(base := 'usual', study := 'search', draws := 4, at_once := 3, lr_low := 1e-4, lr_high := 1e-2)"


def test_a_search_that_learns_waits_for_its_last_trial_and_ends_at_its_draws(
    filled: Filled,
) -> None:
    """What it is drawn from are values of validation images, a failed recipe without one."""
    words = {"stream": "world_validation", "study": "search"}
    run(filled, 0.5, recipe="r1", seed=2, **words)
    last = filled.trial(recipe="r2", seed=2, **words)
    assert filled.rows(SUGGESTED) == []
    filled.attempt(last, 1, "failed", kind="diverged", message="at step 1")
    # Of another study: it is not learned from, and its recipe is not drawn
    run(filled, 0.9, recipe="r8", stream="world_validation", study="another")
    rows = filled.rows(SUGGESTED)
    assert [(row["recipe"], row["seed"], row["draw"]) for row in rows] == [
        ("usual", 2, 3), ("usual", 2, 4),
    ]  # fmt: skip
    known = json.loads(rows[0]["drawn_from"])
    assert [(one["lr"], one["value"]) for one in known["tried"]] == [(1e-4, 0.5), (2e-4, None)]
    assert known["taken"] == ["r1", "r2", "r8"] and known["lr"] == [1e-4, 1e-2]
    assert filled.rows("tuned(study := 'search', draws := 3)") == []
    run(filled, 0.4, recipe="r3", seed=2, **words)
    run(filled, 0.4, recipe="r4", seed=2, **words)
    assert filled.rows(SUGGESTED) == []
    assert {row["recipe"] for row in filled.rows("tuned(study := 'search', draws := 3)")} == {"r1"}


@pytest.mark.parametrize("change", ["lr = 0.5", "batch_pairs = 8", "weight_decay = 0.3"])
def test_a_search_that_learns_refuses_recipes_that_are_none_of_its_range(
    filled: Filled, change: str
) -> None:
    """Batches of another size, say, would be taken for an effect of the learning rate."""
    run(filled, 0.5, recipe="r1", stream="world_validation", study="search")
    filled.connection.execute(f"UPDATE recipe SET {change} WHERE name = 'r1'")
    words = "draws around recipe usual, and r1 of study search is not that recipe with numbers"
    with pytest.raises(duckdb.Error, match=words):
        filled.rows(SUGGESTED)
    with pytest.raises(duckdb.Error, match="draws around recipe usaul"):
        filled.rows(SUGGESTED.replace("'usual'", "'usaul'"))


def test_a_search_that_learns_refuses_test_images(filled: Filled) -> None:
    run(filled, 0.5, recipe="r1", study="search")
    with pytest.raises(
        duckdb.Error, match="chooses on validation images, and no stream names world"
    ):
        filled.rows(SUGGESTED)
    assert filled.rows(SUGGESTED.replace(")", ", on_test := TRUE)"))


def test_more_draws_keep_those_that_there_are(filled: Filled) -> None:
    few, many = (
        filled.rows(f"sweep(base := 'usual', draws := {draws}, lr_low := 1e-4, lr_high := 1e-2)")
        for draws in (3, 7)
    )
    assert few == many[:3]
    assert [row["lr"] for row in few] == [1e-3, 3.16e-4, 3.16e-3]
    assert [row["name"] for row in few][1] == "usual_lr_3.16e-04"
    insert = "INSERT INTO recipe BY NAME FROM sweep(base := 'usual', draws := 7, lr_low := 1e-4, lr_high := 1e-2)"
    filled.connection.execute(f"{insert} ON CONFLICT DO NOTHING")
    assert len(filled.rows("recipe", lr=3.16e-3)) == 1


def test_a_hypothesis_that_came_after_its_trials_says_so(filled: Filled) -> None:
    filled.trial(study="early")
    filled.connection.execute(
        "INSERT INTO study (name, hypothesis, declared_at) VALUES "
        "('early', 'x', now() + INTERVAL 1 HOUR), ('late', 'y', now())"
    )
    filled.trial(study="late", seed=1)
    found = {
        row["study"]: (row["trials_before"], row["said_first"]) for row in filled.rows("hypotheses")
    }
    assert found == {"early": (1, False), "late": (0, True)}


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("sweep(base := 'usual', lr_low := 0, lr_high := 1)", "lr_low and lr_high are a range above 0, not 0.0 to 1.0"),
        ("sweep(base := 'usual', lr_low := 1e-2, lr_high := 1e-4)", "are a range above 0, not 0.01 to 0.0001"),
        ("sweep(base := 'usual', lr_high := 1)", "are a range above 0, not NULL to 1.0"),
        ("sweep(base := 'usual', decay_low := -1, decay_high := 1)", "decay_low and decay_high are a range above 0"),
        ("sweep(base := 'usual', draws := 0, lr_low := 1, lr_high := 2)", "draws must be at least 1, not 0"),
        ("suggested(base := 'usual', lr_low := 1e-2, lr_high := 1e-4)", "are a range above 0, not 0.01 to 0.0001"),
        ("suggested(base := 'usual', decay_low := 0, decay_high := 1)", "decay_low and decay_high are a range above 0"),
        ("suggested(base := 'usual', lr_low := 1, lr_high := 2, at_once := 0)", "draws and at_once must be at least 1, not 12 and 0"),
        ("halving(rungs := 'small, lareg')", "there is no budget  lareg"),
        ("halving(rungs := 'small,large', keep := 0)", "keep is a share above 0 and at most 1, not 0"),
        ("best_of(methods := 'finetune,lroa')", "there is no method lroa"),
    ],
)  # fmt: skip
def test_words_that_would_ask_for_nothing_or_nonsense_are_refused(
    filled: Filled, call: str, message: str
) -> None:
    """A rule with a slip would otherwise stand for ever and add nothing, or recipes without a rate."""
    with pytest.raises(duckdb.Error, match=message):
        filled.rows(call)
