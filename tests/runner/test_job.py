"""The job around its workers: time limits, being told to end, and speaking for those who cannot."""

import os
import signal
from pathlib import Path

import pytest

from runner.job import Shim
from runner.run_folder import RunFolder, attempt_folder, read_json
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


def test_what_a_job_was_told_first_stays(site: Site) -> None:
    """Later signals, and the limit that comes while its workers end, change nothing."""
    needs = Needs(time_limit_minutes=1, signal_s=10)
    submission = Submission(
        name="weir-a",
        backend="local",
        code=site.code,
        threads=1,
        needs=needs,
        positions=[[]],
        runs=site.runs,
    )
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
