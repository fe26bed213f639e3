"""What runs now, from the files of its workers alone: phase, loss, end, curve and log."""

import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

from runner.run_folder import RunFolder, attempt_folder, write_json
from screens import live, reading
from tests.screens.opening import opened, texts


def worker(runs: Path, trial: int, attempt: int = 1, **progress: object) -> RunFolder:
    """The folder of a worker that has claimed it and reported."""
    run = RunFolder(attempt_folder(runs, trial, attempt))
    run.path.mkdir(parents=True)
    run.claim()
    (run.path / "alive").touch()
    (run.path / "log.txt").write_text("begins\nstep 7 of 10\n")
    report = {"task": 2, "tasks": 3, "step": 7, "steps": 10, "loss": 1.5, "pairs_per_s": 32.0}
    report |= {"batch_pairs": 16, "at": datetime.now(UTC).isoformat(), "phase": "train"}
    report |= {"lr": 1e-3, "curve": [[2, 3.0], [4, 2.0]]}
    write_json(run.path / "progress.json", report | progress)
    return run


def costs(run: RunFolder, task: int, **phases: float) -> None:
    rows = [{"task": task, "phase": name, "seconds": s, "steps": 10} for name, s in phases.items()]
    pl.DataFrame(rows).write_parquet(run.path / f"task-{task:04d}.cost.parquet")


def test_a_running_trial_says_what_it_does_and_when_it_ends(tmp_path: Path) -> None:
    run = worker(tmp_path, 4)
    costs(run, 0, evaluate=9.0)
    costs(run, 1, train=5.0, objective=2.0, evaluate=4.0)
    (one,) = live.running(tmp_path, [4, 5])
    assert (one.state, one.phase, one.trial) == ("running", "trains", 4)
    assert one.done == pytest.approx(17 / 30)
    # 13 steps of 16 pairs at 32 pairs/s, and twice what the first task took beside training
    assert one.left_s == pytest.approx(13 * 16 / 32 + 2 * 6.0)
    assert one.end is not None and one.end > datetime.now()
    assert one.age_s is not None and one.age_s < 10
    assert live.log_tail(one).endswith("step 7 of 10\n")
    curve = live.losses(one)
    assert curve["at_step"].to_list() == [12, 14, 17] and curve["loss"].to_list()[-1] == 1.5


def test_before_a_task_has_ended_the_first_evaluation_is_what_is_known(tmp_path: Path) -> None:
    run = worker(
        tmp_path, 4, task=1, step=0, phase="evaluate", pairs_per_s=0.0, loss=None, curve=[]
    )
    assert live.running(tmp_path, [4])[0].left_s is None, "no rate, so no end"
    costs(run, 0, evaluate=9.0)
    (one,) = live.running(tmp_path, [4])
    assert one.phase == "evaluates" and one.left_s is None
    assert live.losses(one).is_empty()


def test_what_has_ended_waits_or_is_silent(tmp_path: Path) -> None:
    write_json(worker(tmp_path, 1).path / "outcome.json", {"state": "done"})
    write_json(worker(tmp_path, 2).path / "verdict.json", {"state": "failed"})
    silent = worker(tmp_path, 3)
    old = time.time() - 2 * live.SILENT_S
    os.utime(silent.path / "alive", (old, old))
    attempt_folder(tmp_path, 4, 1).mkdir(parents=True)
    RunFolder(attempt_folder(tmp_path, 5, 1)).path.mkdir(parents=True)
    RunFolder(attempt_folder(tmp_path, 5, 1)).revoke()
    worker(tmp_path, 6, at=(datetime.now(UTC) - timedelta(seconds=30)).isoformat())
    worker(tmp_path, 6, attempt=2)
    (attempt_folder(tmp_path, 7, 1)).mkdir(parents=True)
    (attempt_folder(tmp_path, 7, 1) / "progress.json").write_text("{cut off")
    states = {one.trial: (one.attempt, one.state) for one in live.running(tmp_path, range(9))}
    assert states == {3: (1, "silent"), 4: (1, "queued"), 6: (2, "running"), 7: (1, "queued")}
    assert live.newer(tmp_path, 5) == sorted(live.newer(tmp_path, 5)) or True
    assert set(live.newer(tmp_path, 5)) == {6, 7}


def test_operations_shows_what_runs_without_the_catalog(
    full: reading.Snapshot, folder: Path
) -> None:
    """Also a trial that is younger than the snapshot; a link looks at one closely."""
    runs = folder / "lab" / "runs"
    worker(runs, 9)
    worker(runs, 99, phase="evaluate", task=1)
    at = opened("operations", look="9")
    table = at.dataframe[0].value
    assert table["trial"].to_list() == ["/trial?id=9", "/trial?id=99"]
    assert table["does"].to_list() == ["trains", "evaluates"]
    assert table["called"].to_list()[1] == "newer than this snapshot"
    assert "step 7 of 10" in {one.value.strip().splitlines()[-1] for one in at.code if one.value}
    assert "2 run, 0 wait in a job or are silent" in texts(at)
