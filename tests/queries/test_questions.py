"""The answers to practitioners' questions, on numbers that are known: published matrices, pencil and paper, simulations."""

import itertools
import math
import random
import statistics
from typing import Any

import duckdb
import pytest

from tests.filled import PAPER, Filled, shifted
from tests.queries.recomputed.quantiles import critical_t

# ZSCL on MTIL in order I: accuracy in percent on the 11 datasets after each task, as released (rounded), and the zero-shot row
ZSCL = [
    [24.3, 88.4, 68.2, 44.6, 54.9, 71.0, 88.5, 59.4, 89.0, 64.7, 65.2],
    [55.1, 86.0, 66.3, 44.9, 49.2, 70.6, 88.3, 53.6, 87.4, 61.3, 65.7],
    [48.9, 94.2, 68.5, 44.7, 50.4, 67.0, 87.6, 55.2, 85.0, 61.0, 65.9],
    [47.1, 93.1, 86.2, 46.5, 50.1, 68.8, 87.7, 63.4, 87.6, 60.6, 67.4],
    [47.0, 93.8, 85.0, 76.2, 51.7, 69.9, 87.8, 65.9, 88.4, 61.2, 67.2],
    [46.1, 92.8, 84.0, 75.0, 97.8, 69.1, 87.1, 67.6, 88.0, 60.3, 67.1],
    [43.8, 92.5, 83.2, 73.5, 97.2, 96.3, 87.1, 63.3, 86.5, 58.8, 66.9],
    [44.3, 92.2, 82.9, 71.2, 96.8, 93.8, 92.2, 63.5, 87.3, 60.3, 67.9],
    [41.9, 91.9, 80.5, 67.8, 95.3, 89.5, 91.9, 99.0, 84.4, 58.4, 66.5],
    [41.6, 91.8, 81.3, 68.2, 95.7, 90.7, 92.0, 98.8, 95.3, 58.9, 66.4],
    [39.8, 91.9, 81.8, 68.9, 95.7, 91.6, 91.8, 98.8, 94.5, 85.8, 67.3],
    [40.6, 92.2, 81.3, 70.5, 94.8, 90.5, 91.9, 98.7, 93.9, 85.3, 80.2],
]
PUBLISHED = {
    "transfer": 68.13, "acc_all": 75.38, "acc_final": 83.63, "acc_learn": 87.12, "bwt": -3.84, "forgotten_mean": 3.84,
    "tic_backward": 79.96, "tic_forward": 68.46, "acc_inc": 77.60, "fwt_zs": -1.09,
}  # fmt: skip


@pytest.fixture
def filled() -> Filled:
    return Filled()


def learned(filled: Filled, matrix: list[list[float]], order: list[int] | None = None) -> int:
    """A trial of a stream of one dataset per task; `order`: which column is learned in which task."""
    size, number = (
        len(matrix) - 1,
        filled.connection.execute("SELECT count(*) FROM stream").fetchone(),
    )
    assert number is not None
    name, run = f"line{number[0]}", filled.connection.execute
    run("INSERT INTO sequence (name, ordering) VALUES (?, 'given')", [name])
    run("INSERT INTO suite (name) VALUES (?)", [name])
    run(
        "INSERT INTO stream (name, sequence, tasks, suite) VALUES (?, ?, ?, ?)",
        [name, name, size, name],
    )
    for place, column in enumerate(order or range(size)):
        dataset = f"{name}-{column}"
        run(
            "INSERT INTO dataset (name, format, kind) VALUES (?, 'world', 'classification')",
            [dataset],
        )
        run(
            "INSERT INTO suite_member (suite, dataset, role, metric) VALUES (?, ?, 'adapt', 'top1')",
            [name, dataset],
        )
        for concept in range(2):
            run(
                "INSERT INTO sequence_concept VALUES (?, ?, ?, ?)",
                [name, 2 * place + concept + 1, dataset, str(concept)],
            )
    trial = filled.trial(stream=name)
    filled.attempt(trial)
    for task, row in enumerate(matrix):
        filled.results(
            trial, task, {f"{name}-{column}": value / 100 for column, value in enumerate(row)}
        )
    return trial


def scores(filled: Filled, trial: int) -> dict[str, float]:
    row = filled.row("continual", trial=trial)
    return {name: round(100 * row[name], 2) for name in PUBLISHED}


def test_the_published_mtil_matrix_gives_the_published_numbers(filled: Filled) -> None:
    assert scores(filled, learned(filled, ZSCL)) == PUBLISHED


def test_another_order_permutes_rows_and_columns(filled: Filled) -> None:
    """The trap of order II: the same numbers, learned in another order, are another matrix; renamed datasets are not."""
    order = [10, 0, 9, 1, 8, 2, 7, 3, 6, 4, 5]
    both = [
        [row[order.index(column)] for column in range(11)] for row in ZSCL
    ]  # column c is learned in task order.index(c) + 1
    assert scores(filled, learned(filled, both, order)) == PUBLISHED
    columns_only = scores(filled, learned(filled, ZSCL, order))
    assert columns_only["transfer"] > PUBLISHED["transfer"] + 3, "the wrong one looks better"
    assert columns_only["acc_final"] == PUBLISHED["acc_final"]


def test_constant_and_monotone_matrices(filled: Filled) -> None:
    constant = scores(filled, learned(filled, [[40.0] * 4] * 5))
    assert {
        constant[name]
        for name in ("transfer", "acc_all", "acc_final", "acc_learn", "acc_inc", "tic_forward")
    } == {40.0}
    assert (constant["bwt"], constant["fwt_zs"], constant["forgotten_mean"]) == (0.0, 0.0, 0.0)
    rising = scores(filled, learned(filled, [[10.0 * task] * 4 for task in range(5)]))
    assert rising["forgotten_mean"] < 0 < rising["bwt"]
    assert rising["bwt"] == pytest.approx((30 + 20 + 10) / 3) and rising["fwt_zs"] == pytest.approx(
        (10 + 20 + 30) / 3
    )


def test_no_matrix_where_there_is_none(filled: Filled) -> None:
    whole = learned(filled, ZSCL[:5][:5])  # 4 tasks of 11 columns: the last 7 are learned by nobody
    assert filled.rows("continual", trial=whole) != []
    missing = learned(filled, [[40.0] * 3] * 4)
    filled.connection.execute(
        "DELETE FROM result WHERE trial = ? AND task = 2 AND dataset LIKE '%-1'", [missing]
    )
    assert filled.rows("continual", trial=missing) == []
    filled.connection.execute(
        "UPDATE sequence_concept SET dataset = 'birds' WHERE sequence = 'order'"
    )
    spread = filled.done(PAPER)
    assert filled.rows("task_matrix", trial=spread) == [], (
        "one dataset over two tasks has no column"
    )


def test_anytime(filled: Filled) -> None:
    filled.done(PAPER)
    row = filled.row("anytime")
    assert (row["zs_min"], row["zs_min_task"], row["spent_gflops"]) == (pytest.approx(0.55), 2, 2.0)
    assert row["zs_auc"] == pytest.approx(((0.7 + 0.6) / 2 + (0.6 + 0.55) / 2) / 2)
    assert row["ka_auc"] == pytest.approx(((0.25 + 0.55) / 2 + (0.55 + 0.575) / 2) / 2)


@pytest.mark.parametrize(
    ("target", "gflops"), [(0.25, 0.0), (0.4, 0.5), (0.55, 1.0), (0.5625, 1.5), (0.6, None)]
)
def test_cost_to_target(filled: Filled, target: float, gflops: float | None) -> None:
    filled.done(PAPER)
    row = filled.row(f"cost_to_target(target := {target})")
    assert (row["seeds"], row["seeds_there"]) == (1, int(gflops is not None))
    assert row["gflops"] == (None if gflops is None else pytest.approx(gflops))


def test_trade_off_and_cheapest(filled: Filled) -> None:
    """ewc costs as much as finetune and gains less while losing more; lora loses less but costs more."""
    for seed in range(3):
        filled.done(PAPER, seed=seed)
        filled.done([*PAPER[:-1], [0.4, 0.8, 0.4, 0.6]], method="ewc", seed=seed)
        lora = filled.done([*PAPER[:-1], [0.5, 0.8, 0.55, 0.75]], method="lora", seed=seed)
        filled.cost(lora, 2, "score", flops=3e9)
    found = {row["method"]: row for row in filled.rows("trade_off()")}
    assert {name: row["pareto"] for name, row in found.items()} == {
        "finetune": True,
        "lora": True,
        "ewc": False,
    }
    assert (
        found["ewc"]["beaten_by"] == "finetune / plain / usual / small"
        and found["lora"]["gflops"] == 5.0
    )
    assert found["lora"]["zs_loss"] == pytest.approx(0.05) and found["ewc"][
        "ka_gain"
    ] == pytest.approx(0.25)
    places = [
        (r["place"], r["method"], r["sure"])
        for r in filled.rows("cheapest(min_gain := 0.3, max_loss := 0.2)")
    ]
    assert places == [(1, "finetune", True), (2, "lora", True)]
    assert [r["method"] for r in filled.rows("cheapest(min_gain := 0.3, max_loss := 0.1)")] == [
        "lora"
    ]


def ended(filled: Filled, values: dict[str, list[float]], **words: Any) -> None:
    """Trials of methods whose last a_ka are these, by seed."""
    for method, by_seed in values.items():
        for seed, value in enumerate(by_seed):
            filled.done([*PAPER[:-1], [value, value, 0.5, 0.5]], method=method, seed=seed, **words)


def test_effect_pairs_by_seed_and_says_ties(filled: Filled) -> None:
    ended(
        filled,
        {"lora": [0.50, 0.60, 0.70], "ewc": [0.45, 0.64, 0.66], "finetune": [0.09, 0.19, 0.29]},
    )
    ended(filled, {"ewc": [0.9]}, budget="large")
    rows = filled.rows("effect(axis := 'method', measure := 'a_ka')", budget="small")
    assert [(r["choice"], r["verdict"]) for r in rows] == [
        ("lora", "best"),
        ("ewc", "tie"),
        ("finetune", "behind"),
    ]
    assert rows[2]["behind"] == pytest.approx(0.41) and rows[2]["behind_low"] > 0
    assert rows[1]["behind"] == pytest.approx(0.05 / 3) and rows[1]["behind_low"] < 0
    assert 0 <= rows[0]["optimism"] <= 0.05 / 3 and rows[1]["optimism"] is None
    assert rows[0]["mean_high"] - rows[0]["mean"] == pytest.approx(4.303 * 0.1 / math.sqrt(3))
    (alone,) = filled.rows("effect(axis := 'method', measure := 'a_ka')", budget="large")
    assert (alone["others"], alone["verdict"]) == (0, "nothing to compare with")
    by_budget = filled.rows("effect(axis := 'budget', measure := 'a_ka')", method="ewc")
    assert [(r["choice"], r["verdict"]) for r in by_budget] == [
        ("large", "best"),
        ("small", "too few seeds"),
    ]


def test_effect_refuses_other_words(filled: Filled) -> None:
    filled.done(PAPER)
    for call, message in (
        ("effect(axis := 'methd')", "axis is one of backbone, .* not methd"),
        ("effect(measure := 'top1')", "measure is one of a_ka, .* not top1"),
    ):
        with pytest.raises(duckdb.Error, match=message):
            filled.rows(call)


def test_orders_and_numbers_of_tasks_are_compared_within_one_suite(filled: Filled) -> None:
    run = filled.connection.execute
    run("INSERT INTO sequence (name, ordering) VALUES ('other', 'time')")
    run(
        "INSERT INTO sequence_concept SELECT 'other', 3 - position, dataset, concept FROM sequence_concept"
    )
    run(
        "INSERT INTO stream (name, sequence, tasks, suite) VALUES ('reversed', 'other', 2, 'five'), ('at once', 'order', 1, 'five')"
    )
    ended(filled, {"finetune": [0.5, 0.6, 0.7]})
    ended(filled, {"finetune": [0.4, 0.5, 0.6]}, stream="reversed")
    filled.done([PAPER[0], [0.9, 0.9, 0.5, 0.5]], stream="at once")
    orders = filled.rows("ordering(measure := 'a_ka')", stream="2 tasks of any order, five")
    assert [(r["sequence"], r["ordering"], r["verdict"]) for r in orders] == [
        ("order", "random", "best"),
        ("other", "time", "behind"),
    ]
    assert orders[0]["spread_of_orders"] == pytest.approx(statistics.stdev([0.6, 0.5]))
    sizes = filled.rows("granularity(measure := 'a_ka')", stream="order in any tasks, five")
    assert [(r["tasks"], r["verdict"]) for r in sizes] == [(1, "best"), (2, "too few seeds")]


def test_no_schedule_is_chosen_on_test_images_unless_told(filled: Filled) -> None:
    """Their recipes stand side by side by name; on validation images the better one is first."""
    filled.connection.execute(
        "INSERT INTO stream (name, sequence, tasks, suite) "
        "VALUES ('world_validation', 'order', 2, 'five') ON CONFLICT DO NOTHING"
    )
    filled.connection.execute(
        "INSERT INTO recipe (name, lr, batch_pairs) VALUES ('high', 1e-2, 16) ON CONFLICT DO NOTHING"
    )
    for stream in ("world", "world_validation"):
        ended(filled, {"finetune": [0.4, 0.5, 0.6]}, stream=stream, recipe="high")
        ended(filled, {"finetune": [0.5, 0.6, 0.7]}, stream=stream)
    verdicts = {"world": ["on test images"] * 2, "world_validation": ["best", "behind"]}
    recipes = {"world": ["high", "usual"], "world_validation": ["usual", "high"]}
    for stream, images in (("world", "test"), ("world_validation", "validation")):
        rows = filled.rows("schedule('a_ka')", stream=stream)
        assert [row["images"] for row in rows] == [images] * 2
        assert [row["verdict"] for row in rows] == verdicts[stream]
        assert [row["recipe"] for row in rows] == recipes[stream]
        assert [row["behind"] is None for row in rows] == [True, stream == "world"]
    chosen = filled.rows("schedule('a_ka', on_test := TRUE)", stream="world")
    assert [(row["recipe"], row["verdict"]) for row in chosen] == [
        ("usual", "best"), ("high", "behind"),
    ]  # fmt: skip


def test_questions_along_one_axis_show_its_words(filled: Filled) -> None:
    ended(filled, {"finetune": [0.5, 0.6, 0.7]})
    ended(filled, {"finetune": [0.7, 0.8, 0.9]}, mixture="replay")
    filled.connection.execute("UPDATE method SET tuning = 'lora' WHERE name = 'lora'")
    filled.connection.execute("UPDATE method SET objective = 'contrastive+ewc' WHERE name = 'ewc'")
    ended(filled, {"lora": [0.4, 0.5, 0.6], "ewc": [0.3, 0.4, 0.5]})
    shares = [
        (r["mixture"], r["buffer_share"], r["verdict"])
        for r in filled.rows("replay('a_ka')", method="finetune")
    ]
    assert shares == [("replay", 0.5, "best"), ("plain", 0.0, "behind")]
    schedules = filled.rows("schedule('a_ka')", mixture="replay")
    assert [(row["recipe"], row["lr"]) for row in schedules] == [("usual", 1e-3)]
    tuned = [
        (r["method"], r["tuning"]) for r in filled.rows("peft_or_full('a_ka')", mixture="plain")
    ]
    assert tuned == [("finetune", "full"), ("lora", "lora")]
    merged = [
        (r["method"], r["objective"]) for r in filled.rows("merge_enough('a_ka')", mixture="plain")
    ]
    assert merged == [("finetune", "contrastive"), ("ewc", "contrastive+ewc")]


def test_bigger_model_or_more_budget(filled: Filled) -> None:
    filled.connection.execute(
        "INSERT INTO backbone (name, architecture) VALUES ('big', 'ViT-L-14')"
    )
    ended(filled, {"finetune": [0.5, 0.5]})
    ended(filled, {"finetune": [0.6, 0.6]}, backbone="big")
    dear = filled.done([*PAPER[:-1], [0.55, 0.55, 0.5, 0.5]], budget="large")
    filled.cost(dear, 2, "train", flops=9e9)
    rows = [
        (r["backbone"], r["budget"], r["gflops"], r["pareto"])
        for r in filled.rows("bigger(measure := 'a_ka')")
    ]
    assert rows == [
        ("big", "small", 2.0, True),
        ("tiny", "small", 2.0, False),
        ("tiny", "large", 11.0, False),
    ]


def test_lost(filled: Filled) -> None:
    for seed, by in enumerate((0.0, 0.1)):
        filled.done(shifted(by), seed=seed)
    row = filled.row("lost(dataset := 'dogs')")
    assert (row["seeds"], row["untouched"], row["last"]) == (2, 0.6, pytest.approx(0.45))
    assert (row["worst"], row["worst_task"], row["lost"]) == (
        pytest.approx(0.45),
        2,
        pytest.approx(0.15),
    )
    found = [(r["role"], r["dataset"]) for r in filled.rows("lost()")]
    assert found == [
        ("retain", "cats"),
        ("retain", "dogs"),
        ("probe", "toys"),
        ("adapt", "birds"),
        ("adapt", "ships"),
    ]


def test_search_cost_charges_what_did_not_stand(filled: Filled) -> None:
    trial = filled.done(PAPER)
    filled.attempt(trial, 2, "lost", submitted=False)
    filled.cost(trial, 1, attempt=2, flops=8e9)
    row = filled.row("search_cost")
    assert (row["trials"], row["pflops"]) == (1, pytest.approx((2e9 + 15e9 + 8e9) / 1e15))
    assert row["evaluate_pflops"] == pytest.approx(15e9 / 1e15) and row[
        "lost_share"
    ] == pytest.approx(8 / 25)


def test_next_suggests_what_can_be_inserted(filled: Filled) -> None:
    ended(filled, {"lora": [0.50, 0.60, 0.70], "ewc": [0.45, 0.64, 0.66], "finetune": [0.1]})
    filled.trial(budget="large")
    rows = filled.rows("next")
    assert [(r["urgency"], r["method"], r["budget"]) for r in rows] == [
        (1, "finetune", "large"),
        (2, "finetune", "small"),
        (3, "ewc", "small"),
    ]
    assert rows[1]["reason"] == "only 1 seed" and rows[0]["grid"] is None
    for row in rows[1:]:
        filled.connection.execute(row["grid"])
    seeds = filled.rows(
        "(SELECT method, max(seed) AS last FROM trial WHERE budget = 'small' GROUP BY method)"
    )
    assert {row["method"]: row["last"] for row in seeds} == {"finetune": 2, "ewc": 5, "lora": 5}, (
        "the best one is paired"
    )


# ---------------------------------------------------------------- two methods


def test_paired_and_decide(filled: Filled) -> None:
    ended(filled, {"lora": [0.50, 0.60, 0.70], "ewc": [0.45, 0.64, 0.66, 0.70]})
    pairs = filled.rows("paired(a := 'lora', b := 'ewc', measure := 'a_ka')")
    assert [r["winner"] for r in pairs] == ["lora", "ewc", "lora", None]
    assert [r["difference"] for r in pairs] == [
        pytest.approx(0.05),
        pytest.approx(-0.04),
        pytest.approx(0.04),
        None,
    ]
    row = filled.row("decide(a := 'lora', b := 'ewc', measure := 'a_ka')")
    assert (row["pairs"], row["seeds_b"], row["verdict"]) == (3, 4, "tie")
    assert row["win_rate"] == pytest.approx(2 / 3) and row["difference"] == pytest.approx(0.05 / 3)
    assert row["more_seeds"] == row["seeds_needed"] - 3 > 0
    filled.connection.execute(row["grid"])
    new = filled.rows("(SELECT method, count(*) AS n FROM trial GROUP BY method)")
    assert {r["method"]: r["n"] for r in new} == dict.fromkeys(("lora", "ewc"), row["seeds_needed"])


def test_decide_when_it_is_decided(filled: Filled) -> None:
    ended(filled, {"lora": [0.50, 0.60, 0.70], "ewc": [0.40, 0.49, 0.61]})
    row = filled.row("decide(a := 'lora', b := 'ewc', measure := 'a_ka')")
    assert (row["verdict"], row["more_seeds"], row["grid"], row["win_rate"]) == (
        "lora is better",
        0,
        None,
        1.0,
    )
    assert (
        filled.row("decide(a := 'ewc', b := 'lora', measure := 'a_ka')")["verdict"]
        == "lora is better"
    )
    with pytest.raises(duckdb.Error, match="power is a probability"):
        filled.rows("decide(a := 'lora', b := 'ewc', power := 1.5)")


@pytest.mark.parametrize("power", [0.5, 0.8, 0.95])
def test_decide_has_its_stated_power(filled: Filled, power: float) -> None:
    """With as many pairs as it asks for, a difference of the size it saw is found in that share of simulated studies."""
    differences = [0.02, 0.05, 0.08, 0.05, 0.02, 0.08]
    ended(filled, {"lora": [0.5 + d for d in differences], "ewc": [0.5] * 6})
    mean, deviation = statistics.mean(differences), statistics.stdev(differences) * 2.5
    spread = [mean + 2.5 * (d - mean) for d in differences]
    filled.clear()
    ended(filled, {"lora": [0.5 + d for d in spread], "ewc": [0.5] * 6})
    row = filled.row(f"decide(a := 'lora', b := 'ewc', measure := 'a_ka', power := {power})")
    random.seed(1)
    shares = {}
    for pairs in (row["seeds_needed"], row["seeds_needed"] // 2):
        width = critical_t(pairs - 1, 1 + int(math.log2(pairs / 3)))
        found = 0
        for _ in range(2000):
            drawn = [random.gauss(mean, deviation) for _ in range(pairs)]
            found += statistics.mean(drawn) > width * statistics.stdev(drawn) / math.sqrt(pairs)
        shares[pairs] = found / 2000
    enough, before = shares.values()
    assert before - 0.03 < power <= enough + 0.03, shares


def test_the_order_of_arrival_changes_no_answer(filled: Filled) -> None:
    values = {"lora": [0.5, 0.6, 0.7], "ewc": [0.4, 0.62, 0.66]}
    answers = []
    for methods in itertools.permutations(values):
        filled.clear()
        ended(filled, {method: values[method] for method in methods})
        answers.append(filled.rows("decide(a := 'lora', b := 'ewc', measure := 'a_ka')"))
    assert answers[0] == answers[1]


# ---------------------------------------------------------------- audits


def test_a_trial_beyond_its_budget_is_named(filled: Filled) -> None:
    trial = filled.done(PAPER)  # 20 of 100 steps
    assert filled.rows("audit_budget") == []
    filled.connection.execute("UPDATE cost SET steps = 51 WHERE phase = 'train'")
    row = filled.row("audit_budget")
    assert (row["trial"], row["total"], row["spent_steps"], row["spent"]) == (trial, 100, 102, 102)
    filled.connection.execute("UPDATE cost SET steps = 50 + task - 1 WHERE phase = 'train'")
    assert filled.rows("audit_budget") == [], "half a step a task is rounding"


def test_a_budget_in_flops_is_audited_at_the_profiled_price(filled: Filled) -> None:
    """30 GFLOPs, at 2 a step and 4 once a task: 11 steps in 2 tasks, and one more is within half a step a task."""
    filled.connection.execute(
        "INSERT INTO budget (name, unit, total) VALUES ('thirty', 'gflops', 30)"
    )
    try:
        trial = filled.done(PAPER, budget="thirty")
        filled.connection.execute("UPDATE cost SET steps = 50 WHERE phase = 'train'")
        assert filled.rows("audit_budget") == [], "nothing is known of its price"
        filled.profile("finetune", train=(2e9, 10), objective=(4e9, 10), full=(2e9, 10))
        (row,) = filled.rows("audit_budget")
        assert (row["trial"], row["unit"], row["spent"]) == (trial, "gflops", 2 * 100 + 2 * 4)
        filled.connection.execute("UPDATE cost SET steps = 5 + task - 1 WHERE phase = 'train'")
        assert filled.rows("audit_budget") == []
        filled.connection.execute("UPDATE cost SET steps = 6 + task - 1 WHERE phase = 'train'")
        assert filled.row("audit_budget")["spent"] == 2 * 13 + 8
    finally:
        filled.clear()
        filled.connection.execute("DELETE FROM budget WHERE name = 'thirty'")


def test_a_last_task_measured_in_part_only_is_named(filled: Filled) -> None:
    trial = filled.done(PAPER)
    filled.connection.execute("UPDATE result SET fraction = 0.1 WHERE task = 1")
    assert filled.rows("audit_fractions") == []
    filled.connection.execute(
        "UPDATE result SET fraction = 0.1 WHERE task = 2 AND dataset = 'dogs'"
    )
    row = filled.row("audit_fractions")
    assert (row["trial"], row["task"], row["dataset"], row["fraction"]) == (trial, 2, "dogs", 0.1)


# ---------------------------------------------------------------- published numbers


def test_reproduced_compares_only_what_is_the_same(filled: Filled) -> None:
    filled.done(PAPER, method="ewc")
    published = [
        ("paper", '{"backbone": "tiny", "task": 0, "dataset": "dogs"}', "top1", 0.602, "seen"),
        ("paper", '{"backbone": "tiny", "stream": "world", "method": "EWC"}', "a_zs", 0.60, "seen"),
        (
            "paper",
            '{"backbone": "tiny", "suite": "five", "task": 0}',
            "gm",
            math.sqrt(0.25 * 0.7),
            "derived",
        ),
        ("paper", '{"backbone": "tiny", "method": "lora"}', "a_zs", 0.55, "seen"),
        ("paper", '{"backbone": "tiny", "shots": 5}', "a_zs", 0.55, "seen"),
        ("paper", '{"backbone": "tiny"}', "a_ka", 0.575, "unverified"),
        ("paper", "ViT-B/32, table 1", "a_zs", 0.55, "seen"),
    ]
    for row in published:
        filled.connection.execute(
            "INSERT INTO reference_result (source, setting, metric, value, provenance) VALUES (?, ?, ?, ?, ?)",
            list(row),
        )
    found = {(r["setting"], r["metric"]): r for r in filled.rows("reproduced()")}
    verdicts = [found[setting, metric]["verdict"] for _, setting, metric, _, _ in published]
    assert verdicts == [
        "reproduced",
        "differs",
        "reproduced",
        "not measured",
        "not compared: shots",
        "not compared: unverified",
        "not compared: not a JSON object",
    ]
    far = found[published[1][1], "a_zs"]
    assert (far["trials"], far["ours"], far["difference"]) == (
        1,
        pytest.approx(0.55),
        pytest.approx(-0.05),
    )


def test_reproduced_names_what_a_setting_names_and_does_not_exist(filled: Filled) -> None:
    filled.done(PAPER)
    settings = {
        '{"backbone": "tiny", "stream": "mtil_order_9"}': "no stream mtil_order_9",
        '{"backbone": "tiny", "dataset": "Dogs", "suite": "six"}': "no dataset Dogs, no suite six",
        '{"backbone": "tiny", "method": "LwFF"}': "no method LwFF",
    }
    for setting in settings:
        filled.connection.execute(
            "INSERT INTO reference_result (source, setting, metric, value, provenance) "
            "VALUES ('paper', ?, 'a_zs', 0.55, 'seen')",
            [setting],
        )
    verdicts = {row["setting"]: row["verdict"] for row in filled.rows("reproduced()")}
    assert verdicts == {setting: f"not compared: {why}" for setting, why in settings.items()}


def test_reproduced_finds_the_measures_of_a_matrix(filled: Filled) -> None:
    trial = learned(filled, ZSCL)
    (stream,) = (
        filled.connection.execute("SELECT stream FROM trial WHERE id = ?", [trial]).fetchone() or ()
    )
    for metric in ("transfer", "acc_final", "bwt"):
        filled.connection.execute(
            "INSERT INTO reference_result (source, setting, metric, value, provenance) VALUES ('ZSCL', ?, ?, ?, 'derived')",
            [f'{{"stream": "{stream}"}}', metric, PUBLISHED[metric] / 100],
        )
    verdicts = {r["metric"]: r["verdict"] for r in filled.rows("reproduced(tolerance := 0.0001)")}
    assert verdicts == dict.fromkeys(("transfer", "acc_final", "bwt"), "reproduced")
