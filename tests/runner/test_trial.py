"""A trial killed at any step and run again gives bit-identical results, statistics and weights to one never killed."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from runner.run_folder import RunFolder, attempt_folder, done_tasks, sha256
from schema import grid
from schema.spec import Spec
from tests.once import once
from tests.processes import attempt, run_trial
from tests.template import in_memory
from tests.tiny_clip import PARAMS, names
from tests.toy import AXES, DATA, METHODS, mixed, resolved, toy_methods

pytestmark = pytest.mark.slow
TUNINGS, OBJECTIVES, MERGINGS = (
    names(f"methods/{kind}") for kind in ("tuning", "objectives", "merging")
)
STEPS = 8  # two tasks of four

# every part of every folder, each in one method: a new file is killed and resumed the moment it exists
EVERY_PART = (
    [(f"tuning {name}", name, "contrastive", "{}", "none", "last") for name in TUNINGS]
    + [("objective contrastive", "full", "contrastive", "{}", "none", "last")]
    + [
        (
            f"objective {name}",
            "full",
            f"contrastive+{name}",
            json.dumps({name: PARAMS.get(name, {})}),
            "none",
            "last",
        )
        for name in OBJECTIVES
        if name != "contrastive"
    ]
    + [
        (f"repair {name}", "full", "contrastive", "{}", "none", "last")
        for name in names("methods/repair")
    ]
    + [
        (f"selection {name}", "full", "contrastive", "{}", "none", "last")
        for name in names("methods/selection")
    ]
    + [
        (f"mixing {name}", "full", "contrastive", "{}", "none", "last")
        for name in names("methods/mixing")
    ]
    + [("carried on", "full", "contrastive", "{}", "none", "last")]
    + [("augmented", "full", "contrastive", "{}", "none", "last")]
    + [("connected", "full", "contrastive", "{}", "none", "last")]
    + [
        (f"merging {name}", "full", "contrastive", "{}", name, "merged")
        for name in MERGINGS
        if name != "none"
    ]
)


def spec_of(method: str) -> Spec:
    """The definition of a toy trial with a method of METHODS or EVERY_PART, as sync resolves it."""
    with in_memory() as connection:
        grid.apply(connection, AXES + toy_methods(), "toy")
        connection.executemany(
            "INSERT INTO method (name, tuning, objective, objective_params, merging, start) VALUES (?, ?, ?, ?, ?, ?)",
            EVERY_PART,
        )
        kind, _, name = method.partition(" ")
        if kind == "repair":
            connection.execute(
                "UPDATE method SET repair = ?, repair_params = '{\"share\": 0.5}' WHERE name = ?",
                [name, method],
            )
        if kind == "selection":
            connection.execute(
                "UPDATE mixture SET selection = ?, selection_params = '{\"filter_ratio\": 0.5}'",
                [name],
            )
        if kind == "mixing":
            columns = mixed(name)
            said = [*columns.values()]
            said[1] = json.dumps(said[1])
            connection.execute(
                f"UPDATE mixture SET {', '.join(f'{column} = ?' for column in columns)}", said
            )
        if method == "augmented":
            said = {
                "scale": [0.4, 0.9],
                "color_jitter": [0.4, 0.4, 0.4, 0.1],
                "gray_scale_prob": 0.2,
            }
            connection.execute("UPDATE recipe SET augmentation_params = ?", [json.dumps(said)])
        if method == "connected":
            connection.execute(
                "INSERT INTO suite_member (suite, dataset, role, metric) SELECT suite, dataset, 'probe', 'between50_' || metric "
                "FROM suite_member WHERE suite = 'toy'"
            )
        if method == "carried on":
            connection.execute("UPDATE recipe SET optimizer_params = '{\"carry\": true}'")
        return resolved(connection, method)


def brought(runs: Path) -> dict[str, Any]:
    """What a trial came to, over its attempts: everything but wall time."""
    (of_trial,) = runs.glob("[0-9]*")
    folders = sorted(of_trial.iterdir(), reverse=True)
    held = done_tasks([RunFolder(path) for path in folders])
    found: dict[str, Any] = {}
    for task, (run, receipt) in sorted(held.items()):
        for table in ("result", "statistic"):
            found[f"{table} {task}"] = pl.read_parquet(run.path / receipt.files[table].file).rows()
        cost = pl.read_parquet(run.path / receipt.files["cost"].file)
        found[f"cost {task}"] = cost.select("phase", "flops", "steps", "pairs").rows()
        curve = pl.read_parquet(run.path / receipt.files["progress"].file)
        found[f"curve {task}"] = curve.select("step", "loss", "lr").rows()
        found[f"weights {task}"] = {name: entry.sha256 for name, entry in receipt.weights.items()}
    return found


def undisturbed(method: str, folder: Path) -> dict[str, Any]:
    """What a trial comes to that nobody kills."""
    return once(f"undisturbed {method}", lambda: learned(method, folder))


def learned(method: str, folder: Path) -> dict[str, Any]:
    runs = folder / f"undisturbed {method}"
    assert run_trial(attempt(runs, spec_of(method), 1, DATA)) == 0
    found = brought(runs)
    assert {f"result {task}" for task in (0, 1, 2)} <= set(found)
    return found


def killed_and_resumed(method: str, folder: Path, points: list[str]) -> dict[str, Any]:
    """Attempt after attempt, each killed at the next of `points`, then one that is left alone."""
    runs, spec = folder / "killed", spec_of(method)
    for number, point in enumerate(points, 1):
        assert run_trial(attempt(runs, spec, number, DATA), crash_at=point) in (-9, 0)
    assert run_trial(attempt(runs, spec, len(points) + 1, DATA)) == 0
    return brought(runs)


@pytest.mark.parametrize("method", sorted(METHODS))
@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(data=st.data())
def test_killed_at_random_steps(
    method: str, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    expected = undisturbed(method, tmp_path_factory.mktemp("u"))
    points = data.draw(st.lists(st.integers(1, STEPS), min_size=1, max_size=3))
    found = killed_and_resumed(method, tmp_path_factory.mktemp("k"), [f"step:{n}" for n in points])
    assert found == expected


@pytest.mark.parametrize("part", [row[0] for row in EVERY_PART])
def test_every_part_resumes_in_the_middle_of_the_second_task(part: str, tmp_path: Path) -> None:
    assert killed_and_resumed(part, tmp_path, ["step:6"]) == undisturbed(part, tmp_path)


def test_a_repair_takes_its_steps_from_the_tasks(tmp_path: Path) -> None:
    """Half of the second task's four; the first task has nothing to repair."""
    found = undisturbed("repair fpf", tmp_path)
    steps = [
        {phase: steps for phase, _, steps, _ in found[f"cost {task}"] if steps} for task in (1, 2)
    ]
    assert steps == [{"train": 4}, {"train": 2, "repair": 2}]


def test_choosing_pairs_is_a_phase_of_its_own(tmp_path: Path) -> None:
    """Twice as many pairs are scored as learned from, forward by two models or one."""
    train, score = {}, {}
    for name in names("methods/selection"):
        rows = {
            phase: (flops, steps, pairs)
            for phase, flops, steps, pairs in undisturbed(f"selection {name}", tmp_path)["cost 1"]
        }
        train[name], score[name] = rows["train"], rows["score"]
        assert rows["train"][1:] == (4, 32) and rows["score"][1:] == (4, 64)
    assert train["learnability"] == train["easy_reference"]
    # both score 2 batches forward, one of them twice; the pairwise products are next to nothing
    assert score["learnability"][0] == pytest.approx(2 * score["easy_reference"][0], rel=0.01)
    assert score["easy_reference"][0] == pytest.approx(2 / 3 * train["easy_reference"][0], rel=0.1)


def test_an_augmented_trial_learns_from_other_images(tmp_path: Path) -> None:
    augmented, plain = undisturbed("augmented", tmp_path), undisturbed("tuning full", tmp_path)
    assert (
        augmented["curve 1"][0] != plain["curve 1"][0]
        and augmented["result 0"] == plain["result 0"]
    )


def test_an_optimizer_that_is_carried_on_starts_the_second_task_otherwise(tmp_path: Path) -> None:
    carried, anew = undisturbed("carried on", tmp_path), undisturbed("tuning full", tmp_path)
    assert carried["curve 1"] == anew["curve 1"] and carried["result 1"] == anew["result 1"]
    assert carried["curve 2"][0] == anew["curve 2"][0], (
        "the first loss of the second task is before its first step"
    )
    assert carried["curve 2"][1:] != anew["curve 2"][1:]


def test_what_lies_between_two_tasks_costs_three_more_evaluations(tmp_path: Path) -> None:
    """Charged as such and to no training; nothing lies between the untouched backbone and itself."""
    found, plain = undisturbed("connected", tmp_path), undisturbed("tuning full", tmp_path)
    costs = [
        {phase: flops for phase, flops, *_ in of[f"cost {task}"]}
        for of in (found, plain)
        for task in (0, 2)
    ]
    for more, once_ in zip(costs[:2], costs[2:], strict=True):
        assert more.pop("evaluate") == 4 * once_.pop("evaluate") and more == once_
    assert found["weights 2"] == plain["weights 2"]
    values = {(row[2], row[3]): row[6] for row in found["result 0"]}
    between = [(dataset, metric) for dataset, metric in values if metric.startswith("between")]
    assert len(between) == 2 * 3 + 6
    for dataset, metric in between:
        assert values[dataset, metric] == values[dataset, metric.partition("_")[2]]


@pytest.mark.parametrize(
    "point",
    ["checkpoint:1", "checkpoint:4", "results:1", "results:3", "receipt:2", "receipt:3", "outcome"],
)
def test_killed_between_files(point: str, tmp_path: Path) -> None:
    assert killed_and_resumed("toy_ema", tmp_path, [point, point]) == undisturbed(
        "toy_ema", tmp_path
    )


def test_a_torn_checkpoint_is_passed_over_for_an_older_one(tmp_path: Path) -> None:
    spec = spec_of("toy_ema")
    first = attempt(tmp_path / "killed", spec, 1, DATA)
    assert run_trial(first, crash_at="step:7") == -9
    newest = max(first.glob("checkpoint-*.safetensors"))
    newest.write_bytes(newest.read_bytes()[:-7])
    assert run_trial(attempt(tmp_path / "killed", spec, 2, DATA)) == 0
    assert brought(tmp_path / "killed") == undisturbed("toy_ema", tmp_path)


def test_an_attempt_of_another_definition_is_not_gone_on_from(tmp_path: Path) -> None:
    other = json.loads(spec_of("toy_ema").to_json())
    other["recipe"]["lr"] = 0.5
    first = attempt(tmp_path / "killed", Spec.from_row(other), 1, DATA)
    assert run_trial(first, crash_at="step:7") == -9
    assert run_trial(attempt(tmp_path / "killed", spec_of("toy_ema"), 2, DATA)) == 0
    assert set(RunFolder(attempt_folder(tmp_path / "killed", 1, 2)).receipts()) == {0, 1, 2}
    assert brought(tmp_path / "killed") == undisturbed("toy_ema", tmp_path)


@pytest.mark.parametrize(
    ("precision", "optimizer"),
    [
        ("bf16", "adamw"),
        ("fp16", "sgd"),
        ("fp32", "muon"),
        ("fp32", "adamw_8bit"),
        ("fp32", "adamw_schedule_free"),
        ("fp32", "soap"),
    ],
)
def test_every_precision_and_optimizer_resumes(
    precision: str, optimizer: str, tmp_path: Path
) -> None:
    said = json.loads(spec_of("toy_ema").to_json())
    said["recipe"] |= {"precision": precision, "optimizer": optimizer, "optimizer_params": {}}
    spec = Spec.from_row(said)
    assert run_trial(attempt(tmp_path / "undisturbed", spec, 1, DATA)) == 0
    assert run_trial(attempt(tmp_path / "killed", spec, 1, DATA), crash_at="step:6") == -9
    assert run_trial(attempt(tmp_path / "killed", spec, 2, DATA)) == 0
    assert brought(tmp_path / "killed") == brought(tmp_path / "undisturbed")
    assert brought(tmp_path / "killed") != undisturbed("toy_ema", tmp_path)


@pytest.mark.parametrize("unit", ["gflops", "maf_gflops"])
def test_a_budget_in_flops_buys_the_steps_that_the_ledger_counts(unit: str, tmp_path: Path) -> None:
    """Its price is known before any step is taken, and what it was solved from comes with the untouched backbone's results."""
    (_, flops, steps, pairs), *_ = (
        row for row in undisturbed("toy_ema", tmp_path)["cost 1"] if row[0] == "train"
    )
    assert (steps, pairs) == (4, 32)
    said = json.loads(spec_of("toy_ema").to_json())
    said["budget"] |= {"unit": unit, "total": 2 * flops / 1e9}
    folder = attempt(tmp_path / "runs", Spec.from_row(said), 1, DATA)
    assert run_trial(folder) == 0
    found, expected = brought(tmp_path / "runs"), undisturbed("toy_ema", tmp_path)
    inputs = {row[1]: row[3] for row in found["statistic 0"] if row[1].startswith("budget_")}
    found["statistic 0"] = [row for row in found["statistic 0"] if not row[1].startswith("budget_")]
    assert found == expected
    assert inputs["budget_step_gflops"] == flops / 4 / 1e9 and inputs["budget_steps_per_task"] == 4
    assert (
        inputs["budget_multiplier"]
        == round(inputs["budget_peak_bytes"] / inputs["budget_full_peak_bytes"], 4)
        == 1
    )
    rows = pl.read_parquet(folder / "task-0000.profile.parquet").rows_by_key(
        "phase", named=True, unique=True
    )
    assert set(rows) == {"train", "objective", "merge", "merge_form", "full"}
    assert rows["train"]["flops"] == flops / 4
    assert (rows["full"]["backbone"], rows["full"]["method"], rows["full"]["recipe"]) == (
        "toy",
        "toy_ema",
        "toy",
    )


def test_what_is_claimed_is_left_untouched(tmp_path: Path) -> None:
    folder = attempt(tmp_path, spec_of("toy_ema"), 1, DATA)
    assert RunFolder(folder).revoke()
    before = sorted(path.name for path in folder.iterdir())
    assert run_trial(folder) == 0
    assert sorted(path.name for path in folder.iterdir()) == before


def test_a_trial_begins_from_what_another_deployed(tmp_path: Path) -> None:
    parent = attempt(tmp_path / "parent", spec_of("toy_ema"), 1, DATA)
    assert run_trial(parent) == 0
    weights = parent / "task-0002.deployed.safetensors"
    said = json.loads(spec_of("toy_ema").to_json())
    said["backbone"] |= {"pretrained": "trial:1", "parent": "x"}
    child = attempt(tmp_path / "child", Spec.from_row(said), 1, DATA, weights)
    assert run_trial(child) == 0
    last, first = (
        pl.read_parquet(path).select("dataset", "metric", "value").rows()
        for path in (parent / "task-0002.result.parquet", child / "task-0000.result.parquet")
    )
    assert last == first
    assert sha256(weights)


def test_usage_and_messages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from runner.trial import main

    for words in ([], ["a", "b"], [str(tmp_path), "--fast"]):
        assert main(words) == 2
        assert "usage: python -m runner.trial FOLDER [--trace]" in capsys.readouterr().err
    assert main([str(tmp_path), "--profile"]) == 2
    assert "--profile is called --trace: python -m runner.trial" in capsys.readouterr().err
    assert main([str(tmp_path)]) == 2
    assert "holds no spec.json" in capsys.readouterr().err
