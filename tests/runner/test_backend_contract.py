"""What every backend must do, tried with real jobs in real processes: locally, on a fake Slurm and,
where there is one (`tests/slurm/test_contract.py`), on a real Slurm. A new backend is one more
`Ground`.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

import pytest

from runner.backends import Backend, Place, State, backend
from runner.run_folder import RunFolder, read_json
from runner.scheduler.doubt import stop
from runner.submission import Submission
from schema.site import Site
from tests.fake_slurm import FakeSlurm
from tests.journey import LOCAL, SLURM, eventually
from tests.processes import ROOT
from tests.standin import batch_of, tree

pytestmark = pytest.mark.slow
ORDER = [State.PENDING, State.RUNNING, State.ENDED]
LONG_S = 600
SIDE_BY_SIDE = "trials_at_once = 4\n"


@dataclass
class Ground:
    """A backend, and the site and code that its batches are of."""

    site: Site
    place: Backend
    code: Path

    @classmethod
    def of(cls, name: str, folder: Path, text: str) -> "Ground":
        (folder / "site.toml").write_text(text + SIDE_BY_SIDE)
        site = Site.load(folder)
        return cls(site, backend(name, site), tree(folder / "standin"))

    def batch(self, *jobs: list[int], side_by_side: int = 1) -> Submission:
        """Jobs of attempts that last so many seconds."""
        needs = replace(
            self.site.needs, trials_per_job=max(map(len, jobs)), trials_side_by_side=side_by_side
        )
        return batch_of(self.site, self.place.name, self.code, list(jobs), needs)

    def submit(self, batch: Submission) -> list[str]:
        batch.ask()
        jobs = self.place.submit(batch)
        batch.answered(jobs=jobs)
        return jobs

    def places(self, batch: Submission, jobs: list[str] | None = None) -> list[Place]:
        return [
            Place(batch.name, position, folder, jobs[position] if jobs else None, datetime.now(UTC))
            for position in range(len(batch.positions))
            for folder in batch.attempts(position)
        ]

    def states(self, batch: Submission) -> list[State]:
        """Of every attempt, in the order of positions; the backend could be asked."""
        look, places = self.place.look(self.places(batch)), self.places(batch)
        assert look.answered and not look.problems
        by_folder = {place.folder: seen.state for place, seen in look.sightings.items()}
        return [by_folder[place.folder] for place in places]

    def ended(self, batch: Submission) -> bool:
        """Wait until everything has ended."""
        return eventually(lambda: set(self.states(batch)) == {State.ENDED})


def runs(batch: Submission) -> list[RunFolder]:
    return [
        RunFolder(folder)
        for position in range(len(batch.positions))
        for folder in batch.attempts(position)
    ]


def times_run(batch: Submission) -> list[int]:
    """How often each attempt began."""
    return [
        len((run.path / "ran").read_text().split()) if (run.path / "ran").exists() else 0
        for run in runs(batch)
    ]


def lives(run: RunFolder) -> bool:
    """Whether the worker of an attempt is there (a killed one is, until somebody reaps it)."""
    try:
        return (
            Path(f"/proc/{(run.path / 'ran').read_text().strip()}/stat")
            .read_text()
            .rpartition(")")[2]
            .split()[0]
            != "Z"
        )
    except OSError:
        return False


@pytest.fixture(params=["local", "fake slurm"])
def ground(request: pytest.FixtureRequest, folder: Path, tmp_path: Path) -> Iterator[Ground]:
    """Each backend in turn, with room for four jobs at once."""
    if request.param == "local":
        yield Ground.of("local", folder, LOCAL)
        return
    with FakeSlurm(tmp_path / "slurm", hold=False, nodes=4, kill_wait_s=2).loaded():
        yield Ground.of("slurm", folder, SLURM)


def test_a_batch_runs_each_attempt_once(ground: Ground) -> None:
    """From waiting to running to ended, never back, and every worker has its last word (I2)."""
    batch = ground.batch([1], [0], [1])
    jobs = ground.submit(batch)
    assert len(set(jobs)) == 3 and all(jobs)
    before = [State.PENDING] * 3
    deadline = time.monotonic() + 180
    while set(before) != {State.ENDED}:
        now = ground.states(batch)
        assert all(
            ORDER.index(new) >= ORDER.index(old) for old, new in zip(before, now, strict=True)
        ), (before, now)
        assert time.monotonic() < deadline, now
        before = now
    assert times_run(batch) == [1, 1, 1]
    assert [(read_json(run.words()) or {})["state"] for run in runs(batch)] == ["done"] * 3


def test_job_ids_are_in_the_order_of_positions(ground: Ground) -> None:
    """What submit said of a position is what look says of it, whoever asks."""
    batch = ground.batch([0], [0], [0, 0])
    jobs = ground.submit(batch)
    assert ground.ended(batch)
    seen = ground.place.look(ground.places(batch)).sightings
    assert [seen[place].job_id for place in sorted(seen, key=lambda place: place.folder)] == [
        jobs[0],
        jobs[1],
        jobs[2],
        jobs[2],
    ]


def test_a_batch_of_one_job(ground: Ground) -> None:
    """Not an array, and known by name all the same."""
    batch = ground.batch([0])
    (job,) = ground.submit(batch)
    assert ground.ended(batch) and times_run(batch) == [1]
    (seen,) = ground.place.look(ground.places(batch)).sightings.values()
    assert seen.job_id == job


def test_a_batch_that_was_never_submitted_is_absent(ground: Ground) -> None:
    """Asked and answered: there is no such job (I2)."""
    assert ground.states(ground.batch([0], [0])) == [State.ABSENT, State.ABSENT]
    assert ground.place.look([]).sightings == {}
    assert ground.place.positions() >= 1 and ground.place.room(0) >= 1


def test_a_batch_submitted_twice_runs_once(ground: Ground) -> None:
    """Whoever believed that the first time had failed: the claims let one worker in (I2)."""
    batch = ground.batch([1], [1])
    ground.submit(batch)
    ground.submit(batch)
    assert ground.ended(batch)
    assert eventually(lambda: all(run.outcome() for run in runs(batch)))
    time.sleep(0.5)
    assert times_run(batch) == [1, 1]
    assert [(read_json(run.words()) or {})["state"] for run in runs(batch)] == ["done"] * 2


def test_cancel_ends_a_running_job(ground: Ground) -> None:
    """At once, its worker too; the job beside it goes on."""
    batch = ground.batch([LONG_S], [LONG_S])
    jobs = ground.submit(batch)
    first, second = runs(batch)
    assert eventually(lambda: lives(first) and lives(second))
    ground.place.cancel(ground.places(batch, jobs)[:1])
    assert eventually(lambda: ground.states(batch) == [State.ENDED, State.RUNNING])
    assert eventually(lambda: not lives(first)) and lives(second)
    ground.place.cancel(ground.places(batch, jobs)[1:])
    assert ground.ended(batch) and eventually(lambda: not lives(second))


def test_a_worker_that_is_told_to_stop_ends_its_attempt(ground: Ground) -> None:
    """`stop.json` ends one attempt of a job in its own words, and the next one begins."""
    batch = ground.batch([LONG_S, 0])
    ground.submit(batch)
    first, second = runs(batch)
    assert eventually(lambda: lives(first))
    stop(first)
    assert ground.ended(batch)
    assert [(read_json(run.words()) or {})["kind"] for run in (first, second)] == [
        "preempted",
        None,
    ]


@pytest.mark.parametrize("side_by_side", [1, 3])
def test_several_attempts_share_a_job(ground: Ground, side_by_side: int) -> None:
    """One after another or side by side, each in a process of its own (I2)."""
    # Long enough for the last to begin beside the first
    batch = ground.batch([side_by_side] * 3, side_by_side=side_by_side)
    assert len(ground.submit(batch)) == 1
    assert ground.ended(batch) and times_run(batch) == [1, 1, 1]
    said = [read_json(run.words()) or {} for run in runs(batch)]
    spans = sorted(
        (datetime.fromisoformat(each["started_at"]), datetime.fromisoformat(each["finished_at"]))
        for each in said
    )
    overlap = [later[0] < earlier[1] for earlier, later in pairwise(spans)]
    assert overlap == [side_by_side > 1] * 2
    assert len({(run.path / "ran").read_text() for run in runs(batch)}) == 3


def test_jobs_survive_whoever_submitted_them(ground: Ground) -> None:
    """kill -9 right after the submission changes nothing for what was submitted (I3, I8)."""
    batch = ground.batch([1], [1])
    program = (
        "import os, signal, sys; from pathlib import Path; from runner.backends import backend\n"
        "from runner.submission import Submission; from schema.site import Site\n"
        "batch = Submission.read(Path(sys.argv[1])); batch.ask()\n"
        "backend(batch.backend, Site.load()).submit(batch); os.kill(os.getpid(), signal.SIGKILL)"
    )
    done = subprocess.run(
        [sys.executable, "-c", program, str(batch.folder)],
        cwd=ground.site.folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
    )
    assert done.returncode == -signal.SIGKILL
    assert State.ABSENT not in ground.states(batch)
    assert ground.ended(batch) and times_run(batch) == [1, 1]


def test_an_attempt_that_was_given_up_before_it_started_is_left_alone(ground: Ground) -> None:
    """Its job starts, finds the claim, does nothing; the attempt behind it runs (I2)."""
    batch = ground.batch([0, 0])
    first, second = runs(batch)
    assert first.revoke()
    before = (first.path / "claim").read_text()
    ground.submit(batch)
    assert ground.ended(batch)
    assert times_run(batch) == [0, 1]
    assert first.outcome() is None and (first.path / "claim").read_text() == before
    assert second.outcome() is not None
