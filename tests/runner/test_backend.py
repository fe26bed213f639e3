"""The local backend: slots, liveness by inherited locks, survival of whoever started the job."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runner.backends import Place, State, UnknownBackendError, backend
from runner.backends.local import Local
from runner.run_files import Assignment
from runner.run_folder import RunFolder, attempt_folder, read_json, tail
from runner.submission import Submission
from schema.site import Needs, Site
from schema.spec import Spec
from tests.journey import eventually
from tests.processes import ROOT

# the real worker, on a definition that fails as soon as it has loaded: what is tested here is who
# lives and who knows
ONE = Needs()
BROKEN = Spec({}, {"tasks": 1}, {}, {}, {}, {}, 0)


def batch_of(site: Site, jobs: list[int], needs: Needs = ONE) -> Submission:
    """A batch of jobs of so many attempts each, every attempt another trial."""
    positions, trial = [], 0
    for position, size in enumerate(jobs):
        names = []
        for _ in range(size):
            trial += 1
            path = attempt_folder(site.runs, trial, 1)
            RunFolder(path).create(
                BROKEN,
                Assignment(
                    trial=trial,
                    attempt=1,
                    batch="weir-test",
                    position=position,
                    data=str(site.data),
                ),
            )
            names.append(f"{path.parent.name}/{path.name}")
        positions.append(names)
    batch = Submission(
        name="weir-test",
        backend="local",
        code=ROOT,
        threads=1,
        needs=needs,
        positions=positions,
        runs=site.runs,
    )
    batch.write()
    batch.ask()
    return batch


def places(batch: Submission) -> list[Place]:
    return [
        Place(batch.name, position, folder, None, datetime.now(UTC))
        for position in range(len(batch.positions))
        for folder in batch.attempts(position)
    ]


def states(site: Site, batch: Submission) -> list[State]:
    return [seen.state for seen in Local(site).look(places(batch)).sightings.values()]


def test_unknown_backend(site: Site) -> None:
    with pytest.raises(
        UnknownBackendError,
        match="unknown backend 'locl'. Known: local, slurm. Did you mean 'local'",
    ):
        backend("locl", site)


@pytest.mark.slow
def test_slots_bound_what_runs_and_free_themselves(site: Site) -> None:
    site = replace(site, trials_at_once=2)
    place, batch = Local(site), batch_of(site, [1, 1, 1])
    assert place.room(0) == 2
    jobs = place.submit(batch)
    assert jobs == ["weir-test_0", "weir-test_1", ""]
    assert place.room(2) == 0
    assert states(site, batch) == [State.RUNNING, State.RUNNING, State.ABSENT]
    assert eventually(lambda: place.room(0) == 2)
    assert states(site, batch) == [State.ENDED, State.ENDED, State.ABSENT]
    for position in (0, 1):
        (path,) = batch.attempts(position)
        outcome = RunFolder(path).outcome()
        assert outcome is not None and (outcome.state, outcome.kind) == ("failed", "error")
        assert "Traceback" in tail(path / "log.txt")


@pytest.mark.slow
def test_a_job_survives_its_starter_and_kill_9_frees_its_slot(site: Site) -> None:
    batch = batch_of(site, [1])
    code = (
        "import sys, os, signal; from pathlib import Path; from runner.backends.local import Local\n"
        "from runner.submission import Submission; from schema.site import Site\n"
        "Local(Site.load(Path(sys.argv[1]))).submit(Submission.read(Path(sys.argv[2]))); os.kill(os.getpid(), signal.SIGKILL)"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", code, str(site.folder), str(batch.folder)], cwd=ROOT
    )
    starter.wait()
    (path,) = batch.attempts(0)
    assert states(site, batch) == [State.RUNNING]
    assert eventually(lambda: (read_json(path / "claim") or {}).get("pid") is not None)
    Local(site).cancel(places(batch))
    assert eventually(lambda: states(site, batch) == [State.ENDED])
    assert Local(site).room(0) == Local(site).slots
    shared = replace(site, needs=replace(site.needs, trials_per_job=10))
    assert Local(shared).room(0) == Local(site).slots, "jobs, however many trials share one"


@pytest.mark.slow
@pytest.mark.parametrize("side_by_side", [1, 2])
def test_several_attempts_share_a_job(site: Site, side_by_side: int) -> None:
    site = replace(site, trials_at_once=1)
    batch = batch_of(site, [3], Needs(trials_per_job=3, trials_side_by_side=side_by_side))
    assert Local(site).submit(batch) == ["weir-test_0"]
    assert eventually(lambda: states(site, batch) == [State.ENDED] * 3)
    claims = [read_json(path / "claim") for path in batch.attempts(0)]
    # A process each
    assert len({claim["pid"] for claim in claims}) == 3
    assert [(read_json(RunFolder(path).words()) or {})["kind"] for path in batch.attempts(0)] == [
        "error"
    ] * 3


@pytest.mark.slow
def test_workers_die_with_their_job(site: Site) -> None:
    """kill -9 of the job: no orphan goes on, and the attempts whose turn had not come stay free to
    be given up.
    """
    batch = batch_of(site, [2], Needs(trials_per_job=2))
    Local(site).submit(batch)
    first, second = batch.attempts(0)
    assert eventually(lambda: (read_json(first / "claim") or {}).get("pid") is not None)
    worker = int((read_json(first / "claim") or {})["pid"])
    job = int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(job, signal.SIGKILL)
    assert eventually(lambda: states(site, batch) == [State.ENDED, State.ABSENT])
    assert eventually(lambda: not Path(f"/proc/{worker}").exists())
    assert RunFolder(second).revoke()
