"""Many syncs at one moment: `python -m tests.faults.test_crowd 50 100` for the long run that
docs/reliability.md records.
"""

import os
import sys
import tempfile
import time
from pathlib import Path

import pytest

from runner.sync import main
from tests.fake_slurm import FakeSlurm
from tests.faults.stage import MEASURED, SITE, Stage
from tests.journey import declare, tell
from tests.processes import SPAWN

# Trials a round brings
EACH = 3


def _sync(folder: str, environment: dict[str, str]) -> None:
    os.environ.clear()
    os.environ.update(environment)
    os.chdir(folder)
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115, PTH123
    raise SystemExit(main([]))


def crowd(stage: Stage, syncs: int, rounds: int) -> int:
    """In each round new trials, and so many processes that all sync at once; how many jobs Slurm
    was given.
    """
    seed = 10
    for _ in range(rounds):
        for _ in range(EACH):
            stage.declare(seed := seed + 1)
        processes = [
            SPAWN.Process(target=_sync, args=(str(stage.folder), dict(os.environ)))
            for _ in range(syncs)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join()
        assert [process.exitcode for process in processes] == [0] * syncs
        stage.work()
    stage.settle()
    jobs = len(stage.slurm.jobs())
    trials = 2 + EACH * rounds
    assert stage.ask("SELECT count(*), count(DISTINCT trial), max(attempt) FROM attempt") == [
        (trials, trials, 1)
    ]
    assert stage.ask("SELECT count(*) FROM outcome WHERE state = 'done'") == [(trials,)]
    assert len(stage.ran) == len(set(stage.ran)) == jobs == trials
    assert (
        sum(command.startswith("sbatch") for command in map(str, stage.slurm.calls())) <= rounds + 1
    )
    return jobs


@pytest.mark.slow
def test_f07_many_syncs_at_once(stage: Stage) -> None:
    """One works, the others wait their turn and find nothing to do: no trial is submitted twice
    (I2, I10).
    """
    (stage.folder / "site.toml").write_text(SITE + "lock_wait_s = 300\n")
    assert crowd(stage, syncs=12, rounds=2) == 8


@pytest.mark.parametrize("name", ["sync.lock", "catalog.lock"])
def test_f08_another_machine_is_at_work(
    stage: Stage, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    """On a shared disk whose locks this machine does not see: refused, the holder is named, nothing
    is done (I10, I16).
    """
    lock = stage.site.catalog.with_name(name)
    lock.write_text("PID 7 on login2 (python -m runner.sync --watch)\n")
    said = stage.say(capsys, code=2)
    assert (
        f"{lock} is held by PID 7 on login2 (python -m runner.sync --watch): another machine"
        in said
    )
    assert stage.slurm.calls() == [] and not stage.site.runs.exists()
    # Still theirs
    assert lock.read_text().startswith("PID 7 on login2")
    # A person has looked: that machine is dead
    lock.unlink()
    stage.settle()
    stage.done_once()


if __name__ == "__main__":
    asked_syncs, asked_rounds = int(sys.argv[1]), int(sys.argv[2])
    with tempfile.TemporaryDirectory() as place:
        lab = Path(place) / "lab"
        lab.mkdir()
        site = declare(lab, SITE + "lock_wait_s = 600\n")
        tell(site, f"DELETE FROM suite_member WHERE dataset <> '{MEASURED}'")
        began = time.monotonic()
        with FakeSlurm(Path(place) / "slurm").loaded() as slurm:
            given = crowd(Stage(lab, slurm), asked_syncs, asked_rounds)
        print(
            f"{asked_syncs} syncs at once, {asked_rounds} rounds: {given} trials, {given} jobs, 0 duplicates, {time.monotonic() - began:.0f} s"
        )
