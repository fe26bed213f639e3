"""What answers say where seeds, tasks or members are missing, where two are equal, and where nothing can be compared."""

import math
import statistics
from typing import Any

import duckdb
import pytest

from tests.filled import PAPER, Filled, shifted


def ended(filled: Filled, by_seed: dict[int, float], **words: Any) -> list[int]:
    """Trials whose last a_ka are these."""
    return [
        filled.done([*PAPER[:-1], [value, value, 0.5, 0.5]], seed=seed, **words)
        for seed, value in by_seed.items()
    ]


@pytest.mark.parametrize(
    "question", ["effect(axis := 'method', measure := 'a_ka')", "ranked(measure := 'a_ka')"]
)
def test_a_best_that_loses_every_pair_is_no_tie(filled: Filled, question: str) -> None:
    """The best by mean owes it to a seed that the other does not have."""
    ended(filled, {0: 0.50, 1: 0.60, 2: 0.70, 3: 0.99}, method="lora")
    ended(filled, {0: 0.55, 1: 0.64, 2: 0.75}, method="ewc")
    row = next(row for row in filled.rows(question) if row["verdict"] != "best")
    assert (row["pairs"], row["verdict"]) == (3, "ahead")
    assert row["behind_low"] < row["behind_high"] < 0


def test_few_seeds_are_marked(filled: Filled) -> None:
    ended(filled, {0: 0.50, 1: 0.60, 2: 0.70}, method="lora")
    ended(filled, {0: 0.55, 1: 0.64}, method="ewc")
    calls = (
        "effect()",
        "ranked()",
        "merge_enough()",
        "peft_or_full()",
        "lost()",
        "bigger()",
        "cost_to_target()",
        "beside_full()",
    )
    for call in (
        *calls,
        "cheapest(max_loss := 1.0)",
        "retention_at_budget()",
        "comparison()",
        "trade_off()",
        "bootstrap()",
    ):
        said = {
            (row.get("method") if row.get("method") != "*" else row["choice"], row["few_seeds"])
            for row in filled.rows(call)
            if row.get("method") != "untouched"
        }
        assert said == {("lora", False), ("ewc", True)}, call


def test_an_interval_is_of_the_seeds_that_have_the_measure(filled: Filled) -> None:
    """Of three seeds one lacks a member of a_ka: two are left, and theirs is the wide interval of two."""
    trials = [filled.done(shifted(by), seed=seed) for seed, by in enumerate((-0.05, 0.0, 0.05))]
    filled.connection.execute(
        "DELETE FROM result WHERE task = 2 AND dataset = 'ships' AND trial = ?", [trials[2]]
    )
    row = filled.row("course", task=2)
    spread = 12.706 * statistics.stdev([0.525, 0.575]) / math.sqrt(2)
    assert row["a_ka_high"] - row["a_ka"] == pytest.approx(spread)
    assert row["a_zs_high"] - row["a_zs"] == pytest.approx(4.303 * 0.05 / math.sqrt(3))


def test_streams_are_compared_within_one_suite(filled: Filled) -> None:
    run = filled.connection.execute
    run("INSERT INTO suite (name) VALUES ('two')")
    run(
        "INSERT INTO suite_member (suite, dataset, role, metric) VALUES ('two', 'birds', 'adapt', 'top1'), ('two', 'dogs', 'retain', 'top1')"
    )
    run("INSERT INTO stream (name, sequence, tasks, suite) VALUES ('narrow', 'order', 2, 'two')")
    ended(filled, {0: 0.5})
    ended(filled, {0: 0.6}, stream="narrow")
    rows = filled.rows("effect(axis := 'stream')")
    assert [(r["stream"], r["choice"], r["verdict"]) for r in rows] == [
        ("any stream, five", "world", "nothing to compare with"),
        ("any stream, two", "narrow", "nothing to compare with"),
    ]


def test_a_measure_that_there_is_not_is_refused(filled: Filled) -> None:
    filled.done(PAPER)
    with pytest.raises(
        duckdb.Error, match=r"measure is one of a_ka, a_zs, gm, d_ka, d_zs, zs_ratio; not top1"
    ):
        filled.rows("bigger(measure := 'top1')")


def test_a_target_is_reached_between_measured_tasks(filled: Filled) -> None:
    """a_ka is 0.25 at 0, not known at 1 and 0.575 at 2 GFLOPs: 0.4125 is half way."""
    trial = filled.done(PAPER)
    filled.connection.execute(
        "DELETE FROM result WHERE task = 1 AND dataset = 'ships' AND trial = ?", [trial]
    )
    assert filled.row("cost_to_target(target := 0.4125)")["gflops"] == pytest.approx(1.0)


def test_what_was_spent_before_the_stream_is_no_part_of_the_area(filled: Filled) -> None:
    trial = filled.done(PAPER)
    filled.cost(trial, 0, "score", flops=3e9)
    row = filled.row("anytime")
    assert (
        row["zs_auc"] == pytest.approx(((0.7 + 0.6) / 2 + (0.6 + 0.55) / 2) / 2)
        and row["spent_gflops"] == 5.0
    )


def test_a_trial_that_was_not_measured_whole_is_shown(filled: Filled) -> None:
    trial = filled.done(PAPER)
    filled.connection.execute(
        "DELETE FROM result WHERE task = 2 AND dataset = 'dogs' AND trial = ?", [trial]
    )
    row = filled.row("anytime")
    assert (row["zs_end"], row["zs_min"], row["zs_min_task"], row["zs_auc"]) == (
        None,
        pytest.approx(0.6),
        1,
        None,
    )


def test_what_beats_is_named_with_its_recipe(filled: Filled) -> None:
    filled.connection.execute(
        "INSERT INTO recipe (name, lr, batch_pairs) VALUES ('tried', 1e-2, 16) ON CONFLICT DO NOTHING"
    )
    filled.done(PAPER)
    filled.done(shifted(0.1), recipe="tried")
    assert (
        filled.row("trade_off()", recipe="usual")["beaten_by"] == "finetune / plain / tried / small"
    )


def test_what_is_decided_wants_no_more_seeds(filled: Filled) -> None:
    """Told apart by three pairs, though by luck: in half of all studies three would not tell."""
    ended(filled, {0: 0.54, 1: 0.65, 2: 0.76}, method="lora")
    ended(filled, {0: 0.50, 1: 0.60, 2: 0.70}, method="ewc")
    row = filled.row("decide(a := 'lora', b := 'ewc', measure := 'a_ka', power := 0.999)")
    assert (row["verdict"], row["more_seeds"], row["grid"]) == ("lora is better", 0, None)
    assert row["seeds_needed"] > 3


def test_what_no_number_of_seeds_would_tell_has_no_grid(filled: Filled) -> None:
    ended(filled, {0: 0.50, 1: 0.60, 2: 0.70}, method="lora")
    ended(filled, {0: 0.60, 1: 0.60, 2: 0.60}, method="ewc")
    row = filled.row("decide(a := 'lora', b := 'ewc', measure := 'd_ka')")
    assert (row["verdict"], row["seeds_needed"], row["more_seeds"], row["grid"]) == (
        "tie",
        None,
        None,
        None,
    )


def test_two_metrics_of_one_dataset_are_two_items(filled: Filled) -> None:
    filled.probed([(0.3, 0.4, 0.7)], [0.8])
    filled.connection.execute("UPDATE stream SET tasks = 1 WHERE name = 'probed'")
    found = {}
    for row in filled.rows("heat", task=1, role="probe"):
        # `probed` measures models on a line of weights, too
        if row["item"].endswith(("index_r5", "index_shifted_r5", "text_to_image_r5")):
            found[row["item"]] = (row["seeds"], row["value"])
    assert found == {
        "scenes index_r5": (1, 0.3),
        "scenes index_shifted_r5": (1, 0.4),
        "scenes text_to_image_r5": (1, 0.7),
    }


def test_of_equal_values_the_first_is_named(filled: Filled) -> None:
    """Whatever the order in which the rows came."""
    trial = filled.done([[0.5] * 4, [0.5] * 4, [0.4] * 4])
    low = filled.done([[0.5] * 4, [0.4] * 4, [0.4] * 4], seed=1)
    for order in ("task", "-task"):
        filled.connection.execute(
            f"CREATE OR REPLACE TEMP TABLE kept AS FROM result ORDER BY {order}"
        )
        filled.connection.execute("DELETE FROM result; INSERT INTO result FROM kept")
        assert {row["best_task"] for row in filled.rows("forgetting", trial=trial)} == {0}
        assert filled.row("anytime", trial=low)["zs_min_task"] == 1
        assert {row["worst_task"] for row in filled.rows("lost()", role="adapt")} == {1}


def test_the_seeds_that_a_decision_wants_leave_no_gap(filled: Filled) -> None:
    """One seed is far from the others: both methods get every seed up to it."""
    ended(filled, {0: 0.50, 1: 0.60, 9: 0.70}, method="lora")
    ended(filled, {0: 0.45, 1: 0.64, 9: 0.66}, method="ewc")
    row = filled.row("decide(a := 'lora', b := 'ewc', measure := 'a_ka', power := 0.01)")
    assert row["more_seeds"] > 0 and row["pairs"] + row["more_seeds"] < 10
    filled.connection.execute(row["grid"])
    seeds = filled.rows("(SELECT method, list(seed ORDER BY seed) AS seeds FROM trial GROUP BY 1)")
    assert [row["seeds"] for row in seeds] == [list(range(10)), list(range(10))]
