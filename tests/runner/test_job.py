"""The job around its workers: time limits, being told to end, and speaking for those who cannot."""

import mmap
import os
import signal
import socket
import subprocess
from pathlib import Path
from typing import Any

import pytest

from runner.job import Shim, Worker
from runner.run_folder import RunFolder, attempt_folder, read_json, write_json
from runner.submission import Submission
from runner.unix import oom_kills
from schema.site import Needs, Site
from tests.journey import LOCAL, ask, declare, eventually, one_pass, settle, tell

LONG = 10_000_000


def trains(site: Site, trial: int = 1, attempt: int = 1) -> RunFolder:
    folder = attempt_folder(site.runs, trial, attempt)
    assert eventually(lambda: any(folder.glob("checkpoint-0001-*[1-9].json")))
    return RunFolder(folder)


def job_of(run: RunFolder) -> int:
    worker = (read_json(run.path / "claim") or {})["pid"]
    return int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1])


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "kind"),
    [(signal.SIGTERM, "preempted"), (signal.SIGUSR2, "preempted"), (signal.SIGINT, "preempted")],
)
def test_a_signal_to_the_job_becomes_a_checkpoint(
    folder: Path, number: signal.Signals, kind: str
) -> None:
    site = declare(folder, LOCAL, 1, LONG)
    one_pass(site)
    run = trains(site)
    worker = int((read_json(run.path / "claim") or {})["pid"])
    # Slurm signals every process of a step: the worker leaves it to the job
    os.kill(worker, number)
    os.kill(job_of(run), number)
    assert eventually(lambda: run.outcome() is not None)
    said = read_json(run.words()) or {}
    assert (said["state"], said["kind"]) == ("failed", kind)
    assert "the checkpoint is written" in said["message"]
    done = int(said["message"].partition("after ")[2].partition(" of")[0])
    assert (run.path / f"checkpoint-0001-{done:06d}.json").exists()


@pytest.mark.slow
def test_the_local_backend_keeps_time_limits_too(folder: Path) -> None:
    """F27: the job keeps time itself (I3)."""
    site = declare(folder, LOCAL + "time_limit_minutes = 0.6\nsignal_s = 8\n", 1, LONG)
    one_pass(site)
    run = trains(site)
    assert eventually(lambda: run.outcome() is not None)
    said = read_json(run.words()) or {}
    assert (said["state"], said["kind"]) == ("failed", "timeout")
    one_pass(site)
    second = trains(site, attempt=2)
    first = int(said["message"].partition("after ")[2].partition(" of")[0])
    # It went on from there: beginning anew, it would be far behind
    assert min(int(path.stem[-6:]) for path in second.path.glob("checkpoint-*.json")) > first
    tell(site, "INSERT INTO request (trial, wish) VALUES (1, 'withdraw')")
    settle(site)


@pytest.mark.slow
def test_a_worker_that_does_not_listen_is_killed_when_its_time_is_up(folder: Path) -> None:
    """F27: without its help (I11)."""
    site = declare(folder, LOCAL + "time_limit_minutes = 0.6\nsignal_s = 8\n", 1, LONG)
    one_pass(site)
    run = trains(site)
    # As in a hung collective
    os.kill(int((read_json(run.path / "claim") or {})["pid"]), signal.SIGSTOP)
    assert eventually(lambda: run.outcome() is not None)
    said = read_json(run.words()) or {}
    assert (said["state"], said["kind"]) == ("lost", "timeout")
    assert "killed by SIGKILL: told to end (timeout), it had not done so in time" in said["message"]
    tell(site, "INSERT INTO request (trial, wish) VALUES (1, 'withdraw')")
    settle(site)


@pytest.mark.slow
def test_one_of_several_in_a_job_is_withdrawn_and_the_others_go_on(folder: Path) -> None:
    site = declare(
        folder, LOCAL + "trials_at_once = 1\ntrials_per_job = 3\ntrials_side_by_side = 2\n", 3, 600
    )
    one_pass(site)
    trains(site, 1)
    trains(site, 2)
    tell(site, "INSERT INTO request (trial, wish) SELECT id, 'withdraw' FROM trial WHERE id <> 2")
    settle(site)
    assert ask(site, "SELECT trial, state, message FROM outcome WHERE trial <> 1 ORDER BY trial") == [
        (2, "done", None), (3, "cancelled", "withdrawn before it started"),
    ]  # fmt: skip
    ((state, message),) = ask(site, "SELECT state, message FROM outcome WHERE trial = 1")
    assert state == "cancelled" and message.startswith("withdrawn; told to end")
    # Its worker found it given up, and did nothing
    assert not list(attempt_folder(site.runs, 3, 1).glob("task-*"))


@pytest.mark.slow
def test_attempts_whose_turn_did_not_come_are_handed_back(folder: Path) -> None:
    site = declare(
        folder,
        LOCAL + "trials_at_once = 1\ntrials_per_job = 2\ntime_limit_minutes = 0.6\nsignal_s = 8\n",
        2,
        LONG,
    )
    one_pass(site)
    trains(site)
    second = RunFolder(attempt_folder(site.runs, 2, 1))
    assert eventually(lambda: second.outcome() is not None)
    said = read_json(second.words()) or {}
    assert (said["state"], said["kind"], said["message"]) == (
        "lost",
        "timeout",
        "the job ended before its turn",
    )
    tell(site, "INSERT INTO request (trial, wish) SELECT id, 'withdraw' FROM trial")
    settle(site)


@pytest.mark.parametrize(
    ("groups", "files", "kills"),
    [
        (
            "0::/slurm/job_7\n",
            {"slurm/job_7/memory.events": "low 0\noom 3\noom_kill 2\noom_group_kill 0\n"},
            2,
        ),
        (
            "5:memory:/slurm/job_7\n3:cpu:/x\n",
            {"memory/slurm/job_7/memory.oom_control": "oom_kill_disable 0\noom_kill 1\n"},
            1,
        ),
        ("0::/gone\n", {}, 0),
        ("torn", {}, 0),
    ],
)
def test_the_kernels_word_on_memory(
    tmp_path: Path, groups: str, files: dict[str, str], kills: int
) -> None:
    """F28: the kernel counts what it kills for want of memory."""
    (tmp_path / "cgroup").write_text(groups)
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert oom_kills(tmp_path, tmp_path / "cgroup") == kills


def test_a_short_limit_is_announced_at_half_time() -> None:
    assert Needs(time_limit_minutes=60).early_s == 120
    assert Needs(time_limit_minutes=1).early_s == 30
    assert Needs(time_limit_minutes=1, signal_s=5).early_s == 5


def submission_of(site: Site, attempts: list[str], **needs: Any) -> Submission:
    return Submission(
        name="weir-a",
        backend="local",
        code=site.code,
        threads=1,
        needs=Needs(**needs),
        positions=[attempts],
        runs=site.runs,
    )


def test_what_a_job_was_told_first_stays(site: Site) -> None:
    """Later signals, and the limit that comes while its workers end, change nothing."""
    submission = submission_of(site, [], time_limit_minutes=1, signal_s=10)
    told = []
    for signals in ([signal.SIGTERM], [signal.SIGUSR2], [signal.SIGINT]):
        shim = Shim(submission, 0, None)
        shim.signals |= set(signals)
        shim.listen()
        told.append(shim.told)
        # The limit is near now
        shim.began -= 55
        shim.listen()
        told.append(shim.told)
    assert told == ["preempted"] * 2 + ["timeout"] * 2 + ["preempted"] * 2
    shim = Shim(submission, 0, None)
    shim.began -= 55
    shim.listen()
    shim.began += 55
    shim.signals |= {signal.SIGTERM}
    shim.listen()
    assert shim.told == "timeout"


def reaped(shim: Shim, number: int, code: int, claim: dict[str, Any] | None) -> RunFolder:
    """The attempt `number` of a job after its worker, or what claims to be it, ended silently."""
    run = shim.runs[number]
    run.path.mkdir(parents=True)
    worker = subprocess.Popen(["sh", "-c", f"exit {code}"])
    if claim is not None:
        said = {"revoked": False, "pid": worker.pid, "host": socket.gethostname(), "at": ""}
        write_json(run.path / "claim", said | claim)
    shim.workers[worker.pid] = Worker(shim.runs[0], mmap.mmap(-1, 1), "2026-01-01 00:00:00")

    def over() -> bool:
        shim.reap()
        return not shim.workers

    assert eventually(over)
    worker.returncode = code
    return run


@pytest.mark.parametrize(
    ("told", "claim", "kind", "words"),
    [
        # It began, and cannot say how it ended
        (None, {}, "error", "ended with exit code 3 and said nothing"),
        ("timeout", {}, "error", "ended with exit code 3 and said nothing"),
        # It was still loading its packages when it was told
        ("timeout", None, "timeout", "the job ended before its worker had begun"),
        # Another job will have it
        (None, None, None, None),
        # sync gave it up
        ("timeout", {"revoked": True}, None, None),
    ],
)
def test_a_job_speaks_for_a_worker_that_cannot(
    told: str | None, claim: dict[str, Any] | None, kind: str | None, words: str | None, site: Site
) -> None:
    shim = Shim(submission_of(site, ["000001/01"]), 0, None)
    shim.told = told
    outcome = reaped(shim, 0, 3, claim).outcome()
    assert (outcome and outcome.kind) == kind
    assert words is None or (outcome is not None and words in outcome.message)


def test_another_process_of_an_attempt_speaks_for_itself_alone(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_PROCID", "1")
    submission = submission_of(site, ["000001/01"], ranks=2, gpus_per_trial=2)
    # Without a claim nobody is spoken for, and this one claims nothing
    shim = Shim(submission, 0, None)
    shim.told = "timeout"
    run = reaped(shim, 0, 3, None)
    assert not run.claimed and not run.words(1).exists()
    (run.path / "claim").touch()
    run.path.rename(run.path.with_name("02"))
    for code, speaks in ((0, False), (3, True)):
        shim = Shim(submission, 0, None)
        run = reaped(shim, 0, code, {})
        assert run.words(1).exists() == speaks and run.outcome() is None
        run.path.rename(run.path.with_name(f"1{code}"))


@pytest.mark.parametrize(
    ("claim", "spoken_for"),
    [
        ({}, True),
        ({"pid": 1}, False),
        ({"host": "elsewhere"}, False),
        ({"revoked": True}, False),
        (None, False),
    ],
)
def test_a_worker_that_took_over_another_attempt_is_spoken_for_there(
    claim: dict[str, Any] | None, spoken_for: bool, site: Site
) -> None:
    """As one that measures does, which goes through the attempts of its job."""
    shim = Shim(submission_of(site, ["000001/01", "000002/01"]), 0, None)
    shim.runs[0].path.mkdir(parents=True)
    outcome = reaped(shim, 1, 3, claim).outcome()
    assert (outcome is not None) == spoken_for
    assert shim.runs[0].outcome() is None, "nobody had begun it"
