"""The numbers of the answers, against pencil and paper (`filled.PAPER`) and against properties that hold for any numbers."""

import math
import random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.filled import DATASETS, PAPER, Filled, shifted

few = settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
fractions = st.floats(0.01, 1.0)
matrices = st.lists(st.lists(fractions, min_size=4, max_size=4), min_size=3, max_size=3)


def close(*values: float) -> object:
    return pytest.approx(values[0] if len(values) == 1 else list(values), abs=1e-12)


# ---------------------------------------------------------------- one trial


def test_point(filled: Filled) -> None:
    trial = filled.done(PAPER)
    points = filled.rows("point", trial=trial)
    assert [p["a_ka"] for p in points] == close(0.25, 0.55, 0.575)
    assert [p["a_zs"] for p in points] == close(0.7, 0.6, 0.55)
    assert [p["gm"] for p in points] == close(
        math.sqrt(0.25 * 0.7), math.sqrt(0.55 * 0.6), math.sqrt(0.575 * 0.55)
    )


def test_trajectory(filled: Filled) -> None:
    filled.done(PAPER)
    rows = filled.rows("trajectory")
    assert [r["d_ka"] for r in rows] == close(0, 0.3, 0.325)
    assert [r["d_zs"] for r in rows] == close(0, -0.1, -0.15)
    assert [r["zs_ratio"] for r in rows] == close(1, 6 / 7, 55 / 70)
    assert [r["spent_flops"] for r in rows] == [0, 1e9, 2e9]  # evaluation is not charged
    assert [r["spent_s"] for r in rows] == [0, 2, 4]
    assert [r["spent_steps"] for r in rows] == [0, 10, 20]
    assert [r["spent_pairs"] for r in rows] == [0, 160, 320]


def test_forgetting(filled: Filled) -> None:
    filled.done(PAPER)
    found = {r["dataset"]: r for r in filled.rows("forgetting")}
    assert found["birds"]["forgotten"] == close(0.1)
    assert found["birds"]["best_task"] == 1
    assert found["ships"]["forgotten"] == close(-0.4)  # never better than now
    assert [found[d]["forgotten"] for d in ("dogs", "cats", "toys")] == close(0.2, 0.1, 0)
    assert found["birds"]["role_mean"] == close((3 * 0.1 - 0.4) / 4)
    assert found["cats"]["role_mean"] == close(0.15)


def test_only_the_suites_metric_deployed_whole_and_last_counts(filled: Filled) -> None:
    trial = filled.done(PAPER)
    for words in (
        {"metric": "top5"},
        {"label_space": "task"},
        {"weights": "last"},
        {"fraction": 0.1},
        {"step": 5},
    ):
        filled.results(trial, 2, dict.fromkeys(DATASETS, 0.99), **words)
    filled.results(trial, 2, {"cars": 0.99})
    assert filled.row("point", trial=trial, task=2)["a_ka"] == close(0.575)
    assert filled.row("forgetting", trial=trial, dataset="birds")["now"] == close(0.5)


def test_a_point_with_missing_members_is_null(filled: Filled) -> None:
    trial = filled.done(PAPER)
    filled.connection.execute("DELETE FROM result WHERE task = 2 AND dataset = 'ships'")
    point = filled.row("point", trial=trial, task=2)
    assert (point["a_ka"], point["gm"], point["adapt_measured"], point["adapt_wanted"]) == (
        None,
        None,
        1,
        2,
    )
    assert point["a_zs"] == close(0.55)
    assert filled.row("audit_tasks") == {
        "trial": trial,
        "task": 2,
        "problem": "measured 3 of 4 adapt and retain members",
    }
    assert filled.row("forgetting", dataset="ships")["forgotten"] is None
    assert filled.row("forgetting", dataset="birds")["role_mean"] is None


def test_a_task_ingested_twice_is_null_rather_than_weighed_twice(filled: Filled) -> None:
    trial = filled.done(PAPER)
    filled.connection.execute("INSERT INTO result FROM result WHERE task = 1 AND dataset = 'ships'")
    assert [p["a_ka"] for p in filled.rows("point", trial=trial)] == [
        close(0.25),
        None,
        close(0.575),
    ]
    assert filled.row("audit_tasks")["problem"] == "measured 5 of 4 adapt and retain members"
    assert len(filled.rows("audit_duplicates")) == 1


def test_without_task_0_there_is_nothing_to_compare_with(filled: Filled) -> None:
    trial = filled.done(PAPER)
    filled.connection.execute("DELETE FROM result WHERE task = 0")
    assert {r["zs_ratio"] for r in filled.rows("trajectory")} == {None}
    assert filled.row("audit_tasks") == {"trial": trial, "task": 0, "problem": "no results"}


def test_the_newest_attempt_with_results_of_a_task_holds(filled: Filled) -> None:
    """Attempt 1 is lost after task 1; attempt 2 goes on from there, measures task 1 again and task 2."""
    trial = filled.trial()
    filled.attempt(trial, 1, "lost", kind="no_result")
    filled.attempt(trial, 2)
    for task, attempt, row in (
        (0, 1, PAPER[0]),
        (1, 1, [0.9] * 4),
        (1, 2, PAPER[1]),
        (2, 2, PAPER[2]),
    ):
        filled.results(trial, task, dict(zip(DATASETS, [*row, 0.5], strict=True)), attempt)
        filled.cost(trial, task, attempt=attempt, flops=100.0 * attempt)
    assert {(s["task"], s["attempt"]) for s in filled.rows("standing")} == {(0, 1), (1, 2), (2, 2)}
    assert [p["a_ka"] for p in filled.rows("point")] == close(0.25, 0.55, 0.575)
    assert [r["spent_flops"] for r in filled.rows("trajectory")] == [100, 300, 500]
    assert filled.row("trial_state")["state"] == "done"
    assert {r["dataset"] for r in filled.rows("audit_attempts")} == set(DATASETS) - {"toys"}


def test_a_late_attempt_without_results_changes_nothing(filled: Filled) -> None:
    trial = filled.done(PAPER)
    before = filled.rows("trajectory")
    filled.attempt(trial, 2, "failed", kind="error")
    assert filled.rows("trajectory") == before
    assert filled.row("trial_state")["state"] == "done"


# ---------------------------------------------------------------- over seeds


def test_interval_of_three_seeds(filled: Filled) -> None:
    for seed, by in enumerate((-0.1, 0.0, 0.1)):
        filled.done(shifted(by), seed=seed)
    row = filled.row("retention_at_budget(budget := 'small')")
    half = 4.303 * 0.1 / math.sqrt(3)
    assert (row["seeds"], row["seeds_wanted"], row["few_seeds"], row["rank"]) == (3, 3, False, 1)
    assert [row["a_zs"], row["a_zs_low"], row["a_zs_high"]] == close(0.55, 0.55 - half, 0.55 + half)
    assert [row["a_ka"], row["a_ka_low"]] == close(0.575, 0.575 - half)
    assert [row["zs_ratio"], row["zs_ratio_high"]] == close(0.55 / 0.7, (0.55 + half) / 0.7)
    trade = filled.row("comparison()")
    assert [trade["ka_gain"], trade["ka_gain_low"], trade["ka_gain_high"]] == close(
        0.325, 0.325 - half, 0.325 + half
    )
    assert [trade["zs_loss"], trade["zs_loss_low"], trade["zs_loss_high"]] == close(
        0.15, 0.15 - half, 0.15 + half
    )


def test_quantiles_are_those_of_the_t_distribution(filled: Filled) -> None:
    """The half width of n seeds, over s / sqrt(n), has probability 0.975 below it under Student's t (integrated here)."""

    def below(t: float, df: int) -> float:
        scale = math.exp(math.lgamma((df + 1) / 2) - math.lgamma(df / 2)) / math.sqrt(df * math.pi)
        steps = 4000
        heights = [
            scale * (1 + (t * i / steps) ** 2 / df) ** (-(df + 1) / 2) for i in range(steps + 1)
        ]
        return 0.5 + t / steps / 3 * (
            heights[0] + heights[-1] + 4 * sum(heights[1:-1:2]) + 2 * sum(heights[2:-1:2])
        )

    seeds = 0
    for n in (2, 3, 5, 11, 31, 32, 50):
        while seeds < n:
            filled.done(shifted(0.01 * (seeds % 2)), seed=seeds)
            seeds += 1
        row = filled.row("spread", measure="a_zs")
        t = (row["high"] - row["mean"]) / (row["deviation"] / math.sqrt(n))
        assert row["seeds"] == n
        assert below(t, n - 1) == pytest.approx(0.975, abs=5e-5)


def test_one_seed_has_no_interval(filled: Filled) -> None:
    filled.done(PAPER)
    row = filled.row("retention_at_budget()")
    assert (row["seeds"], row["few_seeds"], row["a_zs_low"], row["a_zs_high"]) == (
        1,
        True,
        None,
        None,
    )
    assert row["a_zs"] == close(0.55)


def test_rank_is_by_retention_and_incomplete_combinations_stay_visible(filled: Filled) -> None:
    filled.done(PAPER, method="finetune")
    filled.done(shifted(0.1), method="lora")
    filled.done(shifted(-0.1), budget="large")  # another budget: another ranking
    filled.trial(method="lora", seed=1)
    filled.trial(method="ewc")
    rows = filled.rows("retention_at_budget(budget := 'small')")
    assert [(r["method"], r["rank"], r["seeds"], r["seeds_wanted"]) for r in rows] == [
        ("lora", 1, 1, 2),
        ("finetune", 2, 1, 1),
        ("ewc", None, 0, 1),
    ]
    assert filled.row("retention_at_budget(budget := 'large')")["rank"] == 1
    assert len(filled.rows("retention_at_budget()")) == 4


def test_best_trade_is_what_no_other_beats(filled: Filled) -> None:
    def ending(ka: float, zs: float) -> list[list[float]]:
        return [*PAPER[:-1], [ka, ka, zs, zs]]

    filled.done(ending(0.8, 0.5), method="finetune")
    filled.done(ending(0.6, 0.7), method="lora")
    filled.done(ending(0.6, 0.6), method="ewc")  # lora gains as much and loses less
    filled.trial(method="ewc", mixture="replay")
    said = {(r["method"], r["mixture"]): r["best_trade"] for r in filled.rows("comparison()")}
    assert said == {
        ("finetune", "plain"): True,
        ("lora", "plain"): True,
        ("ewc", "plain"): False,
        ("ewc", "replay"): None,
    }


def test_a_trial_that_is_not_at_the_end_of_its_stream_is_not_averaged(filled: Filled) -> None:
    filled.done(PAPER[:-1])
    assert filled.rows("spread") == []
    assert filled.row("retention_at_budget()")["seeds"] == 0


# ---------------------------------------------------------------- for any numbers


@few
@given(matrix=matrices, order=st.permutations(range(4)), value=fractions)
def test_properties(
    shared: Filled, matrix: list[list[float]], order: list[int], value: float
) -> None:
    shared.clear()
    trial, constant = shared.done(matrix), shared.done([[value] * 4] * 3, seed=1)
    points = shared.rows("point", trial=trial)
    for row, point in zip(matrix, points, strict=True):
        assert point["a_ka"] == close((3 * row[0] + row[1]) / 4)
        assert point["a_zs"] == close((row[2] + row[3]) / 2)
        assert (
            min(point["a_ka"], point["a_zs"]) - 1e-12
            <= point["gm"]
            <= max(point["a_ka"], point["a_zs"]) + 1e-12
        )
    for point in shared.rows("trajectory", trial=constant):
        assert [point["a_ka"], point["a_zs"], point["gm"], point["zs_ratio"]] == close(
            value, value, value, 1
        )
        assert [point["d_ka"], point["d_zs"]] == close(0, 0)
    assert all(row["forgotten"] == close(0) for row in shared.rows("forgetting", trial=constant))
    # the order in which rows arrive means nothing
    before = [[p["a_ka"], p["a_zs"]] for p in points]
    shared.connection.execute(
        f"CREATE OR REPLACE TEMP TABLE kept AS FROM result ORDER BY hash(dataset, task, {order[0]})"
    )
    shared.connection.execute("DELETE FROM result; INSERT INTO result FROM kept")
    assert [[p["a_ka"], p["a_zs"]] for p in shared.rows("point", trial=trial)] == [
        close(*pair) for pair in before
    ]
    # swapping members of equal weight and role means nothing either
    swapped = shared.done([[row[0], row[1], row[3], row[2]] for row in matrix], seed=2)
    assert [p["a_zs"] for p in shared.rows("point", trial=swapped)] == close(
        *(pair[1] for pair in before)
    )


@few
@given(values=st.lists(fractions, min_size=2, max_size=6))
def test_an_interval_holds_its_mean_and_shrinks_to_nothing_without_spread(
    shared: Filled, values: list[float]
) -> None:
    shared.clear()
    for seed, value in enumerate(values):
        shared.done([[0.5] * 4, [0.5] * 4, [value] * 4], seed=seed)
    row = shared.row("spread", measure="a_zs")
    assert row["mean"] == close(sum(values) / len(values))
    assert row["low"] <= row["mean"] <= row["high"]
    assert row["high"] - row["mean"] == close(row["mean"] - row["low"])
    if len(set(values)) == 1:
        assert row["high"] - row["low"] == pytest.approx(0, abs=1e-6)


@few
@given(seed=st.integers(0, 10_000))
def test_states_add_up(shared: Filled, seed: int) -> None:
    """Whatever happened, each trial is in one state and the counts of `status` and `coverage` add up to the trials."""
    shared.clear()
    happening = random.Random(seed)
    kinds = ("preempted", "timeout", "error", "oom_gpu", "killed", "no_result", None)
    for number in range(12):
        trial = shared.trial(
            method=happening.choice(["finetune", "lora"]),
            seed=number,
            study=happening.choice(["first", "second", None]),
        )
        for attempt in range(1, 1 + happening.randrange(4)):
            state = happening.choice([None, "done", "failed", "lost", "refused", "cancelled"])
            shared.attempt(
                trial, attempt, state, happening.random() < 0.8, kind=happening.choice(kinds)
            )
        if happening.random() < 0.3:
            wish = happening.choice(["withdraw", "retry"])
            shared.connection.execute(
                "INSERT INTO request (trial, wish) VALUES (?, ?)", [trial, wish]
            )
    parts = ("done", "running", "pending", "waiting", "failed", "refused", "cancelled", "withdrawn")
    assert sum(r["trials"] for r in shared.rows("status")) == 12
    assert all(sum(r[p] for p in parts) == r["trials"] for r in shared.rows("status"))
    for r in shared.rows("coverage"):
        assert r["done"] + r["running"] + r["failed"] + r["missing"] == r["seeds_wanted"]
    assert sum(r["seeds_wanted"] + r["withdrawn"] for r in shared.rows("coverage")) == 12
    pending = {r["trial"] for r in shared.rows("trial_state", state="pending")}
    assert pending == {r["trial"] for r in shared.rows("todo")}
