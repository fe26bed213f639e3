"""F39: what checkpoints take, and what stays of them."""

import hashlib

import pytest

from runner.run_files import Outcome
from runner.run_folder import RunFolder, write_json
from schema.site import Needs
from tests.faults.conftest import Staged
from tests.faults.stage import Stage


def checkpoint(run: RunFolder, step: int, whole: bool = True) -> None:
    """What a worker leaves after a step."""
    content = bytes([step]) * 1000
    path = run.path / f"checkpoint-0001-{step:06d}.safetensors"
    path.write_bytes(content if whole else content[:7])
    about = {"task": 1, "step": step, "sha256": hashlib.sha256(content).hexdigest()}
    write_json(path.with_suffix(".json"), about)


def left(*runs: RunFolder) -> list[str]:
    found = [path for run in runs for path in run.path.glob("checkpoint-*")]
    return sorted(f"{path.parent.name}/{int(path.stem[-6:])}{path.suffix}" for path in found)


def pairs(*names: str) -> list[str]:
    return sorted(f"{name}{suffix}" for name in names for suffix in (".json", ".safetensors"))


def test_f39_checkpoints_of_dead_attempts_go(stage: Stage) -> None:
    """Of all attempts that ended the newest whole one stays and the one before it; when the trial
    is done, none (I3).
    """
    stage.sync()
    first = stage.begin(1)
    for step in (1, 2, 3, 4):
        checkpoint(first, step, whole=step != 4)
    (first.path / ".checkpoint-0001-000005.safetensors.4711").write_bytes(b"torn")
    stage.slurm.set_state(stage.job(1), "FAILED")
    stage.sync_patiently()
    assert left(first) == pairs("01/3", "01/4")
    assert not list(first.path.glob(".*"))
    stage.sync()
    second = stage.begin(1, 2)
    checkpoint(second, 5)
    stage.slurm.set_state(stage.job(1, 2), "FAILED")
    stage.sync_patiently()
    assert left(first, second) == pairs("01/4", "02/5")
    stage.settle()
    assert left(first, second) == []
    stage.done_once(twice=["1/1", "1/2"])


def test_f39_a_full_disk_is_tried_again_when_there_is_room(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Free of charge, and named while it waits (I3, I16)."""
    stage.sync()
    stage.finish(2)
    run = stage.begin(1)
    # A file of as many bytes as no disk has, and that takes none
    large = run.path / "task-0001.deployed.safetensors"
    with large.open("wb") as file:
        file.truncate(2**40)
    stage.slurm.set_state(stage.job(1), "COMPLETED")
    message = "No space left on device"
    run.conclude(Outcome(state="failed", kind="disk_full", message=message))
    stage.sync()
    assert stage.ends()[0] == (1, 1, "failed", "disk_full")
    report = stage.sync()
    assert report.submitted == 0
    assert [subject for subject, _ in report.problems] == ["disk"]
    assert "has no room for two checkpoints of trials [1]" in report.problems[0][1]
    large.unlink()
    stage.settle()
    stage.done_once(twice=["1/1"])


def test_f28_memory_is_raised_by_half(staged: Staged) -> None:
    """Until memory_gb_most is reached; then it waits for a person (I11)."""
    stage = staged(text="memory_gb = 8\nmemory_gb_most = 15\n")
    for attempt, memory in ((1, "8192M"), (2, "12288M"), (3, "15360M")):
        report = stage.sync()
        batch = stage.site.runs / "batches" / stage.run(1, attempt).assignment().batch
        (script,) = batch.glob("*_submission.sh")
        assert f"--mem={memory}" in script.read_text()
        raises = [message for subject, message in report.problems if subject == "memory_gb"]
        assert [f"are given {gb} GB now" in line for line in raises for gb in (12, 15)].count(
            True
        ) == (attempt > 1)
        stage.begin(1, attempt)
        stage.slurm.set_state(stage.job(1, attempt), "OUT_OF_MEMORY", exit="0:125")
        if attempt == 1:
            stage.finish(2)
        stage.sync_patiently()
    stage.settle()
    assert stage.states()[0][1] == "failed"
    assert [kind for trial, _, _, kind in stage.ends() if trial == 1] == ["oom_host"] * 3


def test_how_often_memory_is_raised() -> None:
    assert Needs(memory_gb=8, memory_gb_most=15).raises == 2
    assert Needs(memory_gb=8).raises == Needs(memory_gb_most=8).raises == 0
    assert Needs(memory_gb=8, memory_gb_most=15).raised(9).memory_gb == 15
