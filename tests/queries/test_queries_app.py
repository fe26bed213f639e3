"""The questions behind the app's pages, on catalogs that can be computed on paper."""

import math
import statistics

import pytest

from tests.filled import PAPER, Filled, shifted


def test_ranked_pairs_by_seed_and_marks_ties(filled: Filled) -> None:
    """finetune a_zs 0.55 + by, lora 0.02 more in each seed, ewc one seed only: too few."""
    for seed, by in enumerate((-0.05, 0.0, 0.05)):
        filled.done(shifted(by), seed=seed)
        filled.done(
            shifted(by + (0.02, 0.02, -0.01)[seed]), method="lora", mixture="replay", seed=seed
        )
    filled.done(shifted(-0.1), method="ewc")
    filled.trial(method="ewc", seed=1)
    best, tie, few, untouched = filled.rows("ranked(measure := 'a_zs')")
    assert [(row["method"], row["rank"], row["verdict"]) for row in (best, tie, few)] == [
        ("lora", 1, "best"),
        ("finetune", 2, "tie"),
        ("ewc", 3, "too few seeds"),
    ]
    assert tie["behind"] == pytest.approx(0.01) and tie["pairs"] == 3
    assert tie["behind_low"] < 0 < tie["behind_high"]
    assert (untouched["method"], untouched["rank"], untouched["verdict"]) == (
        "untouched",
        None,
        "untouched",
    )
    assert untouched["mean"] == pytest.approx(0.7) and untouched["zs_loss"] == 0
    assert best["zs_loss"] == pytest.approx(0.7 - best["mean"])
    assert (few["seeds"], few["seeds_wanted"], few["missing"], few["low"]) == (1, 2, 1, None)
    assert [
        row["method"] for row in filled.rows("ranked(measure := 'a_zs', mixture := 'replay')")
    ] == ["lora", "untouched"]


def test_ranked_chooses_by_parts_and_refuses_other_measures(filled: Filled) -> None:
    filled.connection.execute("UPDATE method SET objective = 'contrastive+ewc' WHERE name = 'ewc'")
    filled.done(PAPER)
    filled.done(PAPER, method="ewc", study="second")
    for words, methods in (
        ("objective := 'ewc'", ["ewc"]),
        ("objective := 'contrastive'", ["ewc", "finetune"]),
        ("study := 'first'", ["finetune"]),
        ("tuning := 'lora'", []),
    ):
        found = [row["method"] for row in filled.rows(f"ranked({words})")]
        assert [name for name in found if name != "untouched"] == methods
    with pytest.raises(Exception, match="measure is one of a_ka, .* not top1"):
        filled.rows("ranked(measure := 'top1')")


def test_course_heat_and_difference(filled: Filled) -> None:
    for seed, by in enumerate((0.0, 0.1)):
        filled.done(shifted(by), seed=seed)
    filled.done(shifted(0.2), method="lora")
    end = filled.row("course", method="finetune", task=2)
    assert (end["seeds"], end["a_ka"], end["spent_gflops"]) == (2, pytest.approx(0.625), 2.0)
    assert end["a_ka_high"] - end["a_ka"] == pytest.approx(
        12.706 * statistics.stdev([0.575, 0.675]) / math.sqrt(2), rel=1e-3
    )
    assert filled.row("heat", method="finetune", task=2, item="birds")["value"] == pytest.approx(
        0.55
    )
    assert filled.row("heat", method="finetune", task=2, item="task 1", role=None)[
        "value"
    ] == pytest.approx(0.55)
    pair = "'lora', 'plain', 'usual', 'finetune', 'plain', 'usual'"
    assert filled.row(f"heat_difference({pair})", task=2, item="birds")[
        "difference"
    ] == pytest.approx(0.15)


def test_prices_and_the_outlook(filled: Filled) -> None:
    """A finished trial takes 2 s of training in each of two tasks and 1 s of evaluation in each of three."""
    filled.done(PAPER)
    filled.trial(seed=1)
    running = filled.trial(seed=2)
    filled.attempt(running, state=None)
    filled.connection.execute(
        "INSERT INTO progress VALUES (?, 1, 1, 7, 0.5, 1e-3, 90, now())", [running]
    )
    assert filled.row("usual_cost")["seconds"] == 7.0
    now = filled.row("running")
    assert (now["trial"], now["task"], now["step"], now["expected_s"]) == (running, 1, 7, 7.0)
    outlook = filled.row("completion")
    assert (outlook["pending"], outlook["running"], outlook["remaining_s"]) == (
        1,
        1,
        pytest.approx(10.5),
    )
    grid = "'tiny', 'world', 'plain', 'finetune,lora', 'usual', 'small', 4"
    prices = {
        row["method"]: (row["new"], row["seconds"], row["based_on"], row["steps"])
        for row in filled.rows(f"grid_cost({grid})")
    }
    assert prices == {"finetune": (1, 7.0, 1, 100), "lora": (4, 7.0, 1, 100)}
    total = filled.row(f"grid_total({grid})")
    assert (total["combinations"], total["new"], total["unknown"]) == (2, 5, 0)
    assert total["hours"] == pytest.approx(35 / 3600)
    assert (
        filled.row("grid_total('tiny', 'world', 'plain', 'ewc', 'usual', 'large', 2)")["unknown"]
        == 2
    )


def test_what_a_kind_costs_is_that_of_its_mixture_and_of_its_newest_device(filled: Filled) -> None:
    """A trial of another mixture is slower, and one of the same kind ran on an older device."""
    filled.done(PAPER, mixture="replay")
    old, new = filled.done(PAPER, seed=1), filled.done(PAPER, seed=2)
    filled.connection.execute(
        "UPDATE cost SET seconds = 100 WHERE trial IN (SELECT id FROM trial WHERE mixture = 'replay')"
    )
    filled.connection.execute("UPDATE cost SET seconds = 50 WHERE trial = ?", [old])
    filled.connection.execute(
        "UPDATE outcome SET device = 'old', finished_at = '2025-01-01 10:00:00+00' WHERE trial = ?",
        [old],
    )
    filled.connection.execute("UPDATE outcome SET device = 'new' WHERE trial = ?", [new])
    filled.attempt(filled.trial(seed=3), state=None)
    assert filled.row("running")["expected_s"] == 7.0
    price = filled.row("grid_cost('tiny', 'world', 'plain', 'finetune', 'usual', 'small', 4)")
    assert (price["seconds"], price["based_on"], price["new"]) == (7.0, 1, 1)


def test_a_grid_is_priced_with_the_steps_that_its_trials_would_take(filled: Filled) -> None:
    """Half a step is rounded to even, as trials do: 5 steps in 2 tasks are 2 each."""
    filled.connection.execute(
        "INSERT INTO budget (name, unit, total) VALUES ('five_steps', 'steps', 5)"
    )
    try:
        filled.trial(budget="five_steps")
        (priced,) = filled.rows(
            "grid_cost('tiny', 'world', 'plain', 'finetune', 'usual', 'five_steps')"
        )
        (bought,) = filled.rows("steps", budget="five_steps", method="finetune", tasks=2)
        assert priced["steps"] == 2 * bought["steps"] == 4
    finally:
        filled.clear()
        filled.connection.execute("DELETE FROM budget WHERE name = 'five_steps'")


def test_one_trial_in_full(filled: Filled) -> None:
    trial = filled.done(PAPER)
    for task, step in ((1, 5), (2, 3)):
        filled.connection.execute(
            "INSERT INTO progress VALUES (?, 1, ?, ?, 0.5, 1e-3, 90, now())", [trial, task, step]
        )
    assert [row["at_step"] for row in filled.rows("curve")] == [5, 13], (
        "the second task begins after ten steps"
    )
    attempt = filled.row("attempts", trial=trial)
    assert (attempt["state"], attempt["seconds"], attempt["backend"]) == ("done", 5400.0, "local")
    seed = filled.row("seeds", trial=trial)
    assert (seed["state"], seed["a_ka"], seed["spent_gflops"]) == (
        "done",
        pytest.approx(0.575),
        2.0,
    )
    spent = {row["phase"]: row["gflops"] for row in filled.rows("phases")}
    assert spent == {"train": 2.0, "evaluate": 15.0}


def test_published_points_have_both_numbers(filled: Filled) -> None:
    for metric, value in (("a_ka", 0.4), ("a_zs", 0.7)):
        filled.connection.execute(
            "INSERT INTO reference_result (source, setting, metric, value, provenance) VALUES ('p', '{\"backbone\": \"tiny\"}', ?, ?, 'seen')",
            [metric, value],
        )
    (row,) = [row for row in filled.rows("published") if row["source"] == "p"]
    assert (row["backbone"], row["stream"], row["a_ka"], row["a_zs"]) == ("tiny", None, 0.4, 0.7)


def test_published_has_what_is_told_of_streams_of_datasets(filled: Filled) -> None:
    """By method or system; an accumulation alone and numbers by datasets are no such points."""
    said = [
        ('{"stream": "x_tail", "system": "LADA", "shots": 16}', "acc_all", 0.727, "told"),
        ('{"stream": "x_tail", "system": "LADA", "shots": 16}', "transfer", 0.615, "told"),
        ('{"stream": "x_tail", "method": "zscl", "dataset": "dogs"}', "acc_all", 0.5, "compared"),
        ('{"stream": "x_tail", "method": "zscl"}', "a_ka", 0.5, "compared"),
        ("in words alone", "acc_final", 0.831, "compared"),
    ]
    for setting, metric, value, provenance in said:
        filled.connection.execute(
            "INSERT INTO reference_result VALUES ('texts', ?, ?, ?, ?, 'https://a')",
            [setting, metric, value, provenance],
        )
    found = [row for row in filled.rows("published") if row["source"] == "texts"]
    names = ("method", "stream", "transfer", "acc_all", "acc_final", "provenance", "url")
    assert [tuple(row[name] for name in names) for row in found] == [
        (None, None, None, None, 0.831, "compared", "https://a"),
        ("LADA", "x_tail", 0.615, 0.727, None, "told", "https://a"),
    ]


def test_beside_full_is_reach_and_cost_over_those_of_full_fine_tuning(filled: Filled) -> None:
    """Two tasks of 1 GFLOP each; ewc pays a Fisher pass of 3 GFLOPs besides, and what evaluation costs is nobody's."""
    for seed, by in enumerate((0.0, 0.1)):
        filled.done(shifted(by), seed=seed)
        dear = filled.done(shifted(by + 0.1), method="ewc", seed=seed)
        filled.cost(dear, 1, "objective", flops=3e9, seconds=6.0)
        filled.cost(dear, 2, "merge", flops=0.0, seconds=0.0)
    filled.done(shifted(0.0), method="lora", recipe="usual", mixture="replay")
    filled.profile("finetune", train=(2e9, 1000), full=(2e9, 1000))
    filled.profile("ewc", train=(2e9, 1100), objective=(9e9, 1500), full=(2e9, 1000))
    full, ewc = (
        filled.row("beside_full()", method=name, mixture="plain") for name in ("finetune", "ewc")
    )
    assert (full["flops_ratio"], full["seconds_ratio"], full["memory_multiplier"]) == (
        1.0,
        1.0,
        1.0,
    )
    assert (ewc["flops_ratio"], ewc["seconds_ratio"], ewc["memory_multiplier"]) == (2.5, 2.5, 1.5)
    assert ewc["a_ka"] - full["a_ka"] == pytest.approx(0.1) and full["seeds"] == 2
    assert full["a_zs_half"] == pytest.approx(
        12.706 * statistics.stdev([0.0, 0.1]) / math.sqrt(2), rel=1e-3
    )
    alone = filled.row("beside_full(budget := 'small')", method="lora")
    assert alone["flops_ratio"] is None  # no full fine-tuning of that mixture to set it beside
    assert filled.rows("beside_full(budget := 'large')") == []
