"""Disks that are full or read-only: said in a sentence, nothing half done, and all goes on when
they are mended.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from runner.run_folder import RunFolder, read_json
from tests.faults.conftest import Staged
from tests.faults.disk import Disk
from tests.faults.stage import Stage
from tests.processes import SPAWN, attempt, run_trial
from tests.runner.test_trial import brought, spec_of, undisturbed
from tests.toy import DATA


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    made = Disk(tmp_path / "disk")
    yield made
    made.unmount()


def on(disk: Disk, staged: Staged, what: str) -> Stage:
    """A lab whose catalog, run folders, ... are on a disk of their own."""
    file = f"{what}.duckdb" if what == "catalog" else what
    return staged(text=f'{what} = "{disk.path / what / file}"\n')


@pytest.mark.parametrize("what", ["catalog", "snapshot", "runs", "code"])
def test_f30_a_disk_is_full(
    disk: Disk, staged: Staged, what: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """While it submits and while results come home: exit code 2 and a sentence, no traceback,
    nothing half done; and with room again everything goes on (I3, I8, I16).
    """
    stage = on(disk, staged, what)
    with disk.full():
        said = stage.say(capsys, code=2)
    assert "No space left on device" in said or "File too large" in said or not disk.mounted
    assert "Traceback" not in said
    assert not list(disk.path.rglob(".aside-*"))
    assert stage.attempts() in (0, 2)
    stage.say(capsys, code=0)
    stage.work()
    if what in ("catalog", "snapshot"):
        with disk.full():
            said = stage.say(capsys, code=2)
        assert "Traceback" not in said
        counts = stage.ask(
            "SELECT (SELECT count(*) FROM result), (SELECT count(*) FROM ingested), (SELECT count(*) FROM outcome)"
        )
        assert counts in ([(0, 0, 0)], [(6, 6, 2)])
    stage.settle()
    stage.done_once()
    assert len(stage.slurm.calls("sbatch")) == 1


def test_f31_the_run_folders_are_read_only(
    disk: Disk, staged: Staged, capsys: pytest.CaptureFixture[str]
) -> None:
    """What would have to be written down there is not decided, and nothing is lost (I7, I16)."""
    if not disk.mounted:
        pytest.skip("no disk can be mounted here")
    stage = on(disk, staged, "runs")
    stage.sync()
    stage.finish(1)
    stage.begin(2)
    stage.slurm.set_state(stage.job(2), "FAILED")
    disk.remount("ro")
    said = stage.say(capsys, code=2)
    assert (
        "Read-only file system" in said
        and "nothing is lost: run sync again when that is mended" in said
    )
    disk.remount("rw")
    stage.settle()
    stage.done_once(twice=["2/1"])


def _trial_on_a_disk_that_fills_up(folder: str, calls: int) -> None:
    """A worker that finds no room for large files from its n-th checkpoint on."""
    import resource

    from runner.trial import main
    from runner.worker import checkpoint

    real, made = checkpoint.save, []

    def save(*arguments: Any) -> None:
        made.append(arguments)
        if len(made) == calls:
            resource.setrlimit(resource.RLIMIT_FSIZE, (8192, resource.RLIM_INFINITY))
        real(*arguments)

    checkpoint.save = save
    raise SystemExit(main([folder]))


@pytest.mark.slow
@pytest.mark.parametrize("calls", [1, 2, 6])
def test_f30_a_worker_finds_the_disk_full(tmp_path: Path, calls: int) -> None:
    """It says so and ends; the checkpoint before is whole, and the next attempt goes on from it to
    the same numbers (I5, I8).
    """
    runs, spec = tmp_path / "runs", spec_of("toy_ema")
    first = attempt(runs, spec, 1, DATA)
    process = SPAWN.Process(target=_trial_on_a_disk_that_fills_up, args=(str(first), calls))
    process.start()
    process.join()
    outcome = read_json(RunFolder(first).words()) or {}
    assert (process.exitcode, outcome["state"], outcome["kind"]) == (1, "failed", "disk_full")
    assert "File too large" in outcome["message"]
    # Nothing torn is left
    assert not list(first.glob(".*"))
    second = attempt(runs, spec, 2, DATA)
    assert run_trial(second) == 0
    assert brought(runs) == undisturbed("toy_ema", tmp_path)
    # What the first had finished was not done again
    assert calls == 1 or len(list(second.glob("task-*.json"))) < 3
