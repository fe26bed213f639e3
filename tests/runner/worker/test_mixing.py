"""Trials whose shares are said as they learn: what they hold out, what it costs, and going on."""

import json
import mmap
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from PIL import Image

from runner.run_folder import RunFolder, done_tasks
from runner.trial import learn_tasks
from runner.worker.datasets import Datasets
from runner.worker.outcome import StopFlag
from runner.worker.profiler.budget_steps import solve
from runner.worker.profiler.step_cost import Profiles, profiled
from runner.worker.trial_parts import set_up
from schema.checks.stream_rows import objections
from schema.spec import Spec
from streams import DatasetError
from streams.pools import MixtureError
from tests.accelerator.trials import as_before, differing, learn, learned, spec
from tests.processes import attempt
from tests.toy import DATA, NAMES, mixed

BANDIT = mixed("bandit")


def tables(runs: Path) -> dict[tuple[int, str], list[tuple[Any, ...]]]:
    """What a trial wrote of its costs and statistics, by task and table, but for wall time."""
    (of_trial,) = runs.glob("[0-9]*")
    folders = [RunFolder(path) for path in sorted(of_trial.iterdir(), reverse=True)]
    found = {}
    for task, (run, receipt) in done_tasks(folders).items():
        cost = pl.read_parquet(run.path / receipt.files["cost"].file)
        found[task, "cost"] = cost.select("phase", "flops", "pairs").rows()
        statistic = pl.read_parquet(run.path / receipt.files["statistic"].file)
        found[task, "statistic"] = statistic.select("name", "part", "value").rows()
    return found


def numbers(rows: list[tuple[Any, ...]], name: str) -> dict[str, float]:
    return {part: value for own, part, value in rows if own == name}


def test_a_trial_measures_says_and_goes_on_to_the_bit(tmp_path: Path) -> None:
    """Ended between two segments of the second task, and in the first; all that it wrote is equal."""
    definition = spec(mixture=BANDIT)
    learn(tmp_path / "whole", definition)
    for end_at in ((1, 1), (2, 2)):
        runs = tmp_path / f"ended {end_at}"
        learn(runs, definition, 1, end_at)
        learn(runs, definition, 2)
        assert differing(learned(runs), learned(tmp_path / "whole")) == []
        assert tables(runs) == tables(tmp_path / "whole")
    found = tables(tmp_path / "whole")
    rows = found[2, "statistic"]
    shares, losses = numbers(rows, "mixing_share"), numbers(rows, "mixing_loss")
    sources = ("update", "buffer", "pretraining")
    assert set(shares) == {f"{n} {source}" for n in (1, 2, 3) for source in sources}
    assert set(losses) == {f"{n} {source}" for n in (1, 2) for source in sources}
    assert numbers(rows, "held_out_pairs") == {"update": 2.0, "buffer": 2.0, "pretraining": 6.0}
    hardest = max(sources, key=lambda source: losses[f"1 {source}"])
    assert shares[f"2 {hardest}"] == max(shares[f"2 {source}"] for source in sources)
    first = numbers(found[1, "statistic"], "mixing_share")
    assert all(first[f"{n} buffer"] == 0 for n in (1, 2, 3)), "there is nothing earlier"
    assert not numbers(found[0, "statistic"], "mixing_share")


def test_what_is_measured_is_charged_as_the_profile_says(tmp_path: Path) -> None:
    """The counter of the trial finds what a budget in FLOPs was solved from, and buys less for it."""
    definition = spec(mixture=BANDIT)
    run = RunFolder(attempt(tmp_path, definition, 1, DATA, checkpoint_minutes=1e6))
    assert run.claim()
    with as_before():
        learn_tasks(set_up(run, StopFlag(mmap.mmap(-1, 1))))
    rows = Profiles().with_full(definition)
    spent = {phase: (flops, pairs) for phase, flops, pairs in tables(tmp_path)[2, "cost"]}
    assert rows["mix"][0] == spent["mix"][0] > 0
    assert spent["mix"][1] == 2 * 3 * 2, "two segments, three sources, two pairs"
    price = profiled(rows)
    assert price.once_gflops == pytest.approx((rows["objective"][0] + rows["mix"][0]) / 1e9)
    steps = {}
    for name, mixture in (("bandit", BANDIT), ("plain", {})):
        budget = {"name": "g", "unit": "gflops", "charging": "once"}
        budget["total"] = 2 * (12 * price.step_gflops + price.once_gflops)
        row = json.loads(spec(mixture=mixture).to_json()) | {"budget": budget}
        steps[name] = solve(Spec.from_row(row)).steps
    assert steps["bandit"] == 12 < steps["plain"]


def test_no_step_and_no_repair_learns_from_what_is_held_out() -> None:
    """Nor do the steps of later tasks, whose buffer has the pairs of earlier ones."""
    datasets = Datasets(spec(mixture=BANDIT), DATA)
    mixture = datasets.spec.mixture
    for task in (1, 2):
        held = {}
        for source, portions in datasets.sources.validation(task, mixture).items():
            held[source] = {(id(pairs), int(n)) for pairs, own in portions for n in own}
        assert all(held.values()) and set(held) == {"update", "pretraining"} | (
            {"buffer"} if task > 1 else set()
        )
        alone = mixture | {"update_share": 0.0, "buffer_share": 1.0, "pretraining_share": 0.0}
        for row in (mixture, alone) if task > 1 else (mixture,):
            loader, drawn = datasets.batches(task, row, 8), set()
            for _ in range(40):
                for pairs, indices in loader.draw().chosen:
                    drawn |= {(id(pairs), int(n)) for n in indices}
            assert drawn and not any(drawn & own for own in held.values())


def test_a_task_with_fewer_steps_than_segments_is_refused_and_so_are_too_few_pairs(
    tmp_path: Path,
) -> None:
    few = BANDIT | {"mixing_params": {"segments": 4, "measured_pairs": 2}}
    with pytest.raises(
        MixtureError, match="bandit measures 4 segments of a task, and a task takes 3 steps. Raise"
    ):
        learn(tmp_path / "steps", spec(mixture=few))
    many = BANDIT | {"mixing_params": {"segments": 2, "measured_pairs": 7}}
    with pytest.raises(
        MixtureError, match="2 pairs of the update are held out, and its mixing measures 7. Raise"
    ):
        learn(tmp_path / "pairs", spec(mixture=many))


def distilled(folder: Path, classes: list[str]) -> dict[str, Any]:
    """Write two pictures for each class, as somebody's distillation leaves them; return the row."""
    rng = np.random.default_rng(0)
    for name in classes:
        for number in range(2):
            path = folder / name / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(rng.integers(0, 256, (16, 16, 3), np.uint8)).save(path)
    return {
        "name": "toy_distilled",
        "format": "imagefolder",
        "location": str(folder),
        "params": {"image_px": 16},
        "kind": "classification",
        "classes": classes,
        "templates": ["a photo of a {}"],
    }


def test_a_buffer_of_distilled_pairs_holds_those_of_earlier_tasks_and_goes_on(
    tmp_path: Path,
) -> None:
    """The toy stream teaches two of four classes in each task; the others are not drawn."""
    row = distilled(tmp_path / "files", NAMES)
    definition = spec(mixture={"buffer_dataset": row})
    datasets = Datasets(definition, DATA)
    loader = datasets.batches(2, definition.mixture, 8)
    pairs, seen, earlier = datasets.open(row), set[str](), {name for _, name in datasets.tasks[0]}
    for _ in range(6):
        draw = loader.draw()
        ((_, indices),) = [each for each in draw.chosen if each[0] is pairs]
        assert len(indices) == int((draw.sources == 1).sum()) > 0
        seen |= {NAMES[label] for label in pairs.labels[indices]}
    assert seen == earlier
    learn(tmp_path / "whole", definition)
    learn(tmp_path / "ended", definition, 1, (2, 2))
    learn(tmp_path / "ended", definition, 2)
    assert differing(learned(tmp_path / "ended"), learned(tmp_path / "whole")) == []


def test_distilled_pairs_that_are_missing_are_named_before_there_is_a_job(tmp_path: Path) -> None:
    """Of the tasks before the last one; and a class that two datasets teach."""
    definition = spec()
    concepts = [concept for _, concept in definition.stream["sequence"]["concepts"]]
    row = distilled(tmp_path, concepts[1:2])
    mixture = definition.mixture | {"buffer_dataset": row}
    (said,) = objections(definition.backbone, definition.stream, mixture)
    assert f"buffer_dataset 'toy_distilled' has no class {concepts[0]!r}" in said
    assert "1 of 2 are missing" in said and "Distil them" in said
    whole = mixture | {"buffer_dataset": row | {"classes": concepts[:2]}}
    assert list(objections(definition.backbone, definition.stream, whole)) == []
    twice = [["toy_blobs", concepts[0]], ["toy_base", concepts[0]]] * 2
    sequence = definition.stream["sequence"] | {"concepts": twice}
    (said,) = objections(definition.backbone, definition.stream | {"sequence": sequence}, whole)
    assert "is taught by toy_base and toy_blobs: whose pairs it holds cannot be told" in said
    empty = row | {"location": str(tmp_path / "nothing")}
    datasets = Datasets(spec(mixture={"buffer_dataset": empty}), DATA)
    with pytest.raises(DatasetError, match="toy_distilled"):
        datasets.batches(2, datasets.spec.mixture, 8)
