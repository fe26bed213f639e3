"""Trials that are given the weights of their tasks: what another trial learned, merged and measured anew."""

import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest
import torch
from safetensors.torch import save_file

from runner.run_folder import RunFolder, done_tasks, read_json
from runner.worker import backbone as backbones
from runner.worker import tensor_files, weight_files
from schema import grid
from schema.spec import Spec
from tests.once import once
from tests.processes import attempt, run_trial
from tests.template import in_memory
from tests.toy import AXES, DATA, resolved

pytestmark = pytest.mark.slow

# Every task from the backbone, and what all so far come to is deployed; it asks for all weights
MERGING = """'tall_masks', '{"over": "all", "scale": 0.5}', 'initial', 'merged'"""
METHODS = f"""
INSERT INTO method (name, merging, merging_params, "start", deploy) VALUES ('trained', {MERGING});
INSERT INTO method (name, tuning, tuning_params, merging, merging_params, "start", deploy)
VALUES ('taken', 'given', $params$, {MERGING});
"""


def spec_of(method: str, **params: Any) -> Spec:
    """The definition of a toy trial that learns, or is given, the weights of its tasks."""
    with in_memory() as connection:
        grid.apply(connection, AXES + METHODS.replace("$params$", f"'{json.dumps(params)}'"), "toy")
        return resolved(connection, method)


def brought(runs: Path) -> dict[str, Any]:
    """What a trial came to, over its attempts: results, phases, and the digests of weights."""
    folders = sorted(runs.glob("[0-9]*/[0-9]*"), reverse=True)
    found: dict[str, Any] = {}
    for task, (run, receipt) in sorted(done_tasks([RunFolder(path) for path in folders]).items()):
        results = pl.read_parquet(run.path / receipt.files["result"].file)
        found[f"result {task}"] = results.drop("step").rows()
        cost = pl.read_parquet(run.path / receipt.files["cost"].file)
        found[f"phases {task}"] = sorted(cost["phase"])
        learning = cost.filter(pl.col("phase").is_in(["train", "given"]))
        found[f"flops {task}"] = learning["flops"].sum()
        found[f"weights {task}"] = {name: entry.sha256 for name, entry in receipt.weights.items()}
    return found


def trained(folder: Path) -> Path:
    """The run folders of a trial that learned, with the weights of each task as trained."""

    def learn() -> dict[str, bytes]:
        path = attempt(folder / "trained", spec_of("trained"), 1, DATA)
        assert run_trial(path) == 0
        files = [path, *path.parent.parent.glob("tensors")]
        return {
            str(file.relative_to(folder)): file.read_bytes()
            for place in files
            for file in place.iterdir()
            if file.is_file()
        }

    for name, content in once("trained for the tuning given", learn).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder / "trained"


def checkpoints(runs: Path, folder: Path) -> None:
    """What each task learned, as checkpoints of somebody else: one file, and one folder of open_clip."""
    last = [
        tensor_files.load(runs / "000001" / "01" / f"task-{task:04d}.last.safetensors")
        for task in (1, 2)
    ]
    folder.mkdir()
    torch.save({"state_dict": last[0]}, folder / "task-0001.pt")
    (folder / "task-0002").mkdir()
    config = json.loads(spec_of("trained").backbone["architecture"])
    (folder / "task-0002" / weight_files.OPEN_CLIP).write_text(json.dumps({"model_cfg": config}))
    save_file(last[1], folder / "task-0002" / "open_clip_model.safetensors")


def test_what_another_trial_learned_gives_what_it_gave(tmp_path: Path) -> None:
    """To the last bit, merged and measured, whether it is killed on the way or not; nothing is trained."""
    expected = brought(trained(tmp_path))
    checkpoints(tmp_path / "trained", tmp_path / "ready")
    spec = spec_of("taken", folder=str(tmp_path / "ready"))
    for name, points in (("undisturbed", ()), ("killed", ("results:2", "receipt:2"))):
        runs = tmp_path / name
        for number, point in enumerate(points, 1):
            assert run_trial(attempt(runs, spec, number, DATA), crash_at=point) == -9
        assert run_trial(attempt(runs, spec, len(points) + 1, DATA)) == 0
        found = brought(runs)
        for task in (0, 1, 2):
            assert found[f"result {task}"] == expected[f"result {task}"]
            assert found[f"weights {task}"] == expected[f"weights {task}"]
        for task in (1, 2):
            assert found[f"phases {task}"] == ["evaluate", "given", "merge"]
            assert found[f"flops {task}"] == 0 < expected[f"flops {task}"]


def test_image_towers_and_trials_are_given_too(tmp_path: Path) -> None:
    """A checkpoint of an image tower alone leaves the text tower at the backbone's."""
    runs = trained(tmp_path)
    last = runs / "000001" / "01" / "task-0002.last.safetensors"
    tower = {
        name: tensor
        for name, tensor in tensor_files.load(last).items()
        if name.startswith("visual.")
    }
    (tmp_path / "ready").mkdir()
    save_file(tower, tmp_path / "ready" / "task-0001.safetensors")
    places = {"task-0002": "trial:7"}
    spec = spec_of("taken", folder=str(tmp_path / "ready"), places=places)
    path = attempt(tmp_path / "taken", spec, 1, DATA)
    job = read_json(path / "job.json")
    del job["seal"]
    (path / "job.json").write_text(json.dumps(job | {"given_weights": {"trial:7": str(last)}}))
    assert run_trial(path) == 0
    first, second = (
        tensor_files.load(path / f"task-{task:04d}.last.safetensors") for task in (1, 2)
    )
    learned = tensor_files.load(last)
    # The backbone that both began with
    initial = backbone_weights()
    for name, tensor in first.items():
        of = learned if name.startswith("visual.") else initial
        assert torch.equal(tensor, of[name]), name
    assert all(torch.equal(tensor, learned[name]) for name, tensor in second.items())


def backbone_weights() -> dict[str, torch.Tensor]:
    """The untouched backbone's weights."""
    spec = spec_of("trained")
    return dict(backbones.load(spec.backbone, None, spec.seed, DATA).model.state_dict())


def test_what_is_no_checkpoint_is_named(tmp_path: Path) -> None:
    """Where it went after it was declared, and where it is of another architecture."""
    spec = spec_of("taken", folder=str(tmp_path / "ready"))
    path = attempt(tmp_path / "gone", spec, 1, DATA)
    assert run_trial(path) == 1
    words = read_json(path / "outcome.json")["message"]
    assert "task 1 is given its weights, and there is no checkpoint at" in words
    (tmp_path / "ready").mkdir()
    save_file({"visual.proj": torch.zeros(3, 3)}, tmp_path / "ready" / "task-0001.safetensors")
    path = attempt(tmp_path / "other", spec, 1, DATA)
    assert run_trial(path) == 1
    words = read_json(path / "outcome.json")["message"]
    assert "is no checkpoint of backbone 'toy': of another shape visual.proj is (3, 3)" in words
