"""F38: folders below lab/ are removed, and what cannot be read there is no lab of ours."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

import queries.__main__ as queries_command
import schema.__main__ as schema_command
from runner.scheduler.rebuild import rebuild
from schema import migrations
from tests.faults.conftest import Staged
from tests.faults.stage import PATIENCE_S, Stage, write_task
from tests.journey import eventually
from tests.processes import ROOT


def gone(*names: str) -> Callable[[Path], None]:
    """Remove folders of a lab."""

    def remove(lab: Path) -> None:
        for name in names:
            for path in lab.glob(name):
                shutil.rmtree(path)

    return remove


@pytest.mark.parametrize(
    "name",
    ["snapshot", "declared", "code", "store", "runs/batches", "runs/0*", "runs/0*/01"],
)
def test_f38_a_folder_is_removed(staged: Staged, name: str) -> None:
    """While one attempt is queued, one runs, one has ended and one is done: all are done in the end
    (I3, I5).
    """
    stage = staged(seeds=4)
    stage.sync()
    stage.finish(1)
    stage.sync()
    stage.begin(2)
    write_task(stage.run(2), 0)
    stage.finish(3)
    (stage.site.store / "trunks").mkdir(parents=True)
    gone(name)(stage.folder / "lab")
    stage.sync()
    # What runs, or begins, without its files fails
    for job in stage.slurm.jobs("RUNNING") + stage.slurm.jobs("PENDING"):
        if name in ("runs/batches", "runs/0*", "runs/0*/01"):
            stage.slurm.set_state(job["id"], "FAILED")
    if (stage.run(2).path / "spec.json").exists():
        stage.finish(2)
    time.sleep(PATIENCE_S)
    stage.settle()
    assert {state for _, state, *_ in stage.states()} == {"done"}
    assert stage.ask("FROM problem") == []
    assert stage.site.current.exists() and (stage.site.declared / "trial.parquet").exists()
    if name == "code":
        assert list(stage.site.code.iterdir())


def test_f38_the_folder_of_a_running_attempt_is_renamed(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    """Named while its job runs and when that ends, with exit code 1; then the trial is done again
    (I3, I16).
    """
    stage.sync()
    run = stage.begin(1)
    run.path.rename(run.path.with_name("01.away"))
    said = stage.say(capsys, code=1)
    assert "degraded: 000001/01: is not there, and its job runs; put it back" in said
    job = stage.ask("SELECT job_id FROM submission WHERE trial = 1")[0][0]
    stage.slurm.set_state(job, "FAILED")
    said = stage.say(capsys, code=1)
    assert "its run folder is gone, and its job has ended" in said
    assert stage.ends()[0] == (1, 1, "lost", "no_result")
    stage.settle()
    stage.done_once(twice=["1/1"])


def test_f38_the_time_is_up_before_a_worker_has_begun(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is a timeout, and the person is told to raise the limit (I16)."""
    stage.sync()
    stage.slurm.set_state(stage.job(1), "TIMEOUT")
    time.sleep(PATIENCE_S)
    said = stage.say(capsys, code=1)
    assert "degraded: trial 1: the job's time was up before its worker had begun." in said
    assert "Raise time_limit_minutes in site.toml" in said
    assert stage.ends() == [(1, 1, "lost", "timeout")]
    stage.settle()
    stage.done_once()


def test_f38_a_catalog_is_rebuilt_from_other_writing(stage: Stage) -> None:
    """Order of keys, 1 or 1.0, and the last digit of a number are no change of a definition (I15)."""
    stage.sync()
    stage.work()
    stage.settle()
    spec = json.loads((stage.run(1).path / "spec.json").read_text())
    turned = json.dumps(dict(reversed(spec.items())))
    stage.tell(f"UPDATE attempt SET spec = '{turned}' WHERE trial = 1".replace("0.001", "1e-3"))
    assert stage.ask("FROM definition_drift") == []
    stage.tell("UPDATE attempt SET spec = json_merge_patch(spec, '{\"seed\": 7}') WHERE trial = 2")
    assert stage.ask("SELECT trial, words FROM definition_drift") == [(2, ["seed"])]
    stage.site.catalog.unlink()
    rows, problems = rebuild(stage.site)
    assert problems == [] and rows["attempt"] == 2
    for _ in range(2):
        stage.sync()
    assert stage.ask("FROM definition_drift") == [] and stage.ask("FROM problem") == []
    stage.done_once()


def test_f38_spec_and_outcome_of_what_is_done_are_damaged(stage: Stage) -> None:
    """What is in the catalog stays, whatever becomes of its files (I5, I6)."""
    stage.sync()
    stage.work()
    stage.settle()
    stage.declare(seed=2)
    (stage.run(1).path / "spec.json").write_text("{")
    (stage.run(2).path / "spec.json").unlink()
    for trial in (1, 2):
        (stage.run(trial).path / "outcome.json").write_text('{"state": "dome"}')
    stage.settle()
    stage.done_once(3)


def test_f38_a_snapshot_of_something_else(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    """`queries` says what to do, without a traceback (I16)."""
    stage.sync()
    current = stage.site.current.resolve()
    current.chmod(0o644)
    current.write_bytes(b"something else" * 2000)
    assert queries_command.main(["status"]) == 2
    assert "the snapshot cannot be read" in capsys.readouterr().err
    gone("snapshot")(stage.folder / "lab")
    stage.sync()
    assert queries_command.main(["status"]) == 0


def test_f38_a_catalog_of_something_else(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """`schema` says so, without a traceback, and leaves the file as it is (I16)."""
    path = folder / "lab/catalog.duckdb"
    path.parent.mkdir()
    path.write_bytes(b"something else" * 2000)
    assert schema_command.main([]) == 2
    assert "it is as it was" in capsys.readouterr().err
    assert path.read_bytes() == b"something else" * 2000


def test_f38_a_file_where_the_lab_should_be(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The same where no lab can be made."""
    (folder / "lab").write_text("mine")
    assert schema_command.main([]) == 2
    assert "it is as it was" in capsys.readouterr().err


def test_f38_files_left_by_a_killed_migration_go(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The next one removes them."""
    left = stage.site.catalog.with_name(f".{stage.site.catalog.name}-4711")
    left.write_bytes(b"half")
    (left.parent / f"{left.name}.wal").write_bytes(b"half")
    newest = migrations.MIGRATIONS[-1].version
    steps = [*migrations.MIGRATIONS, migrations.Step(newest + 1, "one more")]
    monkeypatch.setattr(migrations, "MIGRATIONS", steps)
    stage.sync()
    assert stage.ask("SELECT max(version) FROM migration") == [(newest + 1,)]
    assert not list(left.parent.glob(f"{left.name}*"))


def test_retries_of_any_kind_can_be_set(stage: Stage) -> None:
    """`[retries] error = 1`, as the page says, is a knob that the catalog gets."""
    site = stage.folder / "site.toml"
    site.write_text(site.read_text() + "[retries]\nerror = 1\n")
    stage.sync()
    assert stage.ask("SELECT value FROM policy WHERE name = 'retries_error'") == [(1,)]
    stage.finish(1, state="failed", kind="error", message="once")
    stage.sync()
    assert stage.attempts() == 3


@pytest.mark.slow
def test_ctrl_c_while_packages_are_imported(stage: Stage) -> None:
    """Exit code 130, and no traceback."""
    process = subprocess.Popen(
        [sys.executable, "-m", "runner.sync", "--watch"],
        cwd=stage.folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        # A shell that runs the tests in the background has them ignore it
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    # The first of the compiled packages is being imported
    maps = Path(f"/proc/{process.pid}/maps")
    assert eventually(lambda: "_duckdb" in maps.read_text())
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert b"Traceback" not in errors
    assert process.returncode == 130
