"""What goes wrong on a real cluster, made to go wrong: after each, every trial is done once, with
the results of a quiet run.
"""

import os
import signal
from pathlib import Path

import pytest

from runner.run_folder import RunFolder, attempt_folder, read_json
from schema.site import Site
from tests.journey import (
    ON_SLURM,
    Rows,
    ask,
    crashing,
    declare,
    dies_at,
    done_once,
    ended,
    eventually,
    one_pass,
    settle,
    stopped,
    tell,
    undisturbed,
    until,
)
from tests.processes import command
from tests.slurm.cluster import Cluster
from tests.slurm.conftest import Factory

pytestmark = pytest.mark.slow
STEPS = (
    # Some seconds of training are left to one that stopped at step 3 when it is told to end
    240
)
LONG = 10_000_000
# A job imports what it needs for seconds, so both trials share one where the job is not the point
ONE_JOB = ON_SLURM + "trials_per_job = 2\n"


@pytest.fixture(scope="module")
def expected_longer(tmp_path_factory: pytest.TempPathFactory) -> Rows:
    """The grid of STEPS steps, undisturbed."""
    return undisturbed(tmp_path_factory.mktemp("undisturbed"), 1, STEPS)


def in_the_middle(site: Site) -> int:
    """Submit, and wait until the worker of the first trial has stopped in a task, behind a
    checkpoint; its process id.
    """
    with crashing("step:3", by="SIGSTOP"):
        one_pass(site)
    return stopped(site)


def trains(site: Site, trial: int = 1, attempt: int = 1) -> Path:
    """Wait until an attempt has a checkpoint within a task; its folder."""
    folder = attempt_folder(site.runs, trial, attempt)
    assert eventually(lambda: any(folder.glob("checkpoint-0001-*[1-9].json")))
    return folder


def ends(site: Site) -> Rows:
    return ask(site, "SELECT trial, attempt, state, kind FROM outcome ORDER BY ALL")


# ---------------------------------------------------------------- sync dies


# In each lab at these in turn. Where the jobs are not known the attempts are lost, and it submits anew
POINTS = [
    ("attempt_row", "folder", "submitted", "ingest_read", "publish"),
    ("submission_row", "ingest_stored"),
    ("asked",),
]


@pytest.mark.parametrize("points", POINTS, ids="-".join)
def test_sync_is_killed(
    cluster: Cluster, folder: Path, expected: Rows, points: tuple[str, ...]
) -> None:
    """F1-F5: kill -9 at every named step of its way, the next sync goes on from there (I2, I3, I8)."""
    site = declare(folder, ONE_JOB)
    for point in points:
        dies_at(site, point)
    settle(site)
    done_once(site, expected)
    # No folders; or asked, and nobody knows the jobs: made anew
    lost = 2 * len({"attempt_row", "asked"} & set(points))
    assert ask(site, "SELECT count(*) FILTER (WHERE kind = 'submit'), count(*) FROM outcome") == [
        (lost, 2 + lost)
    ]


def test_sbatch_says_no_but_accepted(cluster: Cluster, folder: Path, expected: Rows) -> None:
    """F11: the controller hangs while sbatch waits for its answer; the jobs are found by name and
    not sent again (I2, I7).
    """
    site = declare(folder, ON_SLURM)
    # What sync asks before it submits, while the controller still answers
    config = cluster.run("scontrol", "show", "config")
    assert "MaxArraySize" in config
    one_pass_paused(cluster, site)
    cluster.resume("slurmctld")
    settle(site)
    done_once(site, expected)
    assert ask(site, "SELECT count(*) FROM attempt") == [(2,)]


def one_pass_paused(cluster: Cluster, site: Site) -> None:
    """A sync whose controller stops just before sbatch asks it."""
    real = cluster.run("sh", "-c", "command -v sbatch").strip()
    shims = site.folder / "shims"
    shims.mkdir()
    pids = " ".join(map(str, cluster.pids("slurmctld")))
    (shims / "sbatch").write_text(f'#!/bin/sh\nkill -STOP {pids}\nexec {real} "$@"\n')
    (shims / "sbatch").chmod(0o755)
    before = os.environ["PATH"]
    os.environ["PATH"] = f"{shims}:{before}"
    try:
        report = one_pass(site)
    finally:
        os.environ["PATH"] = before
    assert report.submitted == 0
    assert any("may or may not have taken it" in message for _, message in report.problems), (
        report.problems
    )


# ---------------------------------------------------------------- daemons die


def test_the_controller_is_down(cluster: Cluster, folder: Path, expected: Rows) -> None:
    """F15: no answer is no news; results are ingested, nothing is given up, sync says degraded (I7,
    I16).
    """
    site = declare(folder, ONE_JOB)
    one_pass(site)
    assert eventually(lambda: ended(site) == 2)
    tell(site, "INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed) "
               "SELECT backbone, stream, mixture, method, recipe, budget, 7 FROM trial WHERE seed = 0")  # fmt: skip
    cluster.kill("slurmctld")
    done = command(folder, "runner.sync")
    assert done.returncode == 1
    # Squeue was not needed: both had said done
    assert "degraded: slurm: nothing was submitted: scontrol failed" in done.stderr
    assert "0 submitted, 2 ended" in done.stdout
    assert ask(site, "SELECT subject FROM problem") == [("slurm",)]
    cluster.restart("slurmctld")
    settle(site)
    # Only to compare with the run of two
    tell(site, "DELETE FROM result WHERE trial = 3")
    assert ask(site, "SELECT trial, attempt, state FROM outcome ORDER BY ALL") == [
        (1, 1, "done"),
        (2, 1, "done"),
        (3, 1, "done"),
    ]
    assert ask(site, "SELECT count(*) FROM problem") == [(0,)]


def test_accounting_is_down(cluster: Cluster, folder: Path, expected: Rows) -> None:
    """F16: a job that left the queue while sacct does not answer is not given up (I7)."""
    site = declare(folder, ONE_JOB)
    with crashing("step:3"):
        one_pass(site)
    cluster.kill("slurmdbd")
    report = settle(site)
    # The shim spoke for its workers; accounting was not even asked
    assert not report.problems
    cluster.restart("slurmdbd")
    done_once(site, expected)


def test_a_cluster_without_accounting(make_cluster: Factory, folder: Path) -> None:
    """F16: squeue and files suffice, also to notice that a job is gone."""
    cluster = make_cluster(nodes=1, accounting=False)
    site = declare(folder, ON_SLURM, 2, STEPS)
    worker = in_the_middle(site)
    # Neither is over before its end is made
    stopped(site, 2)
    os.kill(worker, signal.SIGKILL)
    for job in cluster.jobs():
        if job["name"].startswith("weir-") and job["id"].endswith("_1"):
            cluster.run("scancel", job["id"])
    settle(site)
    states = ask(site, "SELECT trial, state FROM trial_state ORDER BY trial")
    assert states == [(1, "done"), (2, "cancelled")]


# ---------------------------------------------------------------- workers, jobs and nodes die


def test_a_worker_is_killed(cluster: Cluster, folder: Path, expected_longer: Rows) -> None:
    """F20: its shim says so at once, and the next attempt goes on from the checkpoint (I3)."""
    site = declare(folder, ON_SLURM, 1, STEPS)
    os.kill(in_the_middle(site), signal.SIGKILL)
    settle(site)
    done_once(site, expected_longer)
    assert ends(site) == [(1, 1, "lost", "killed"), (1, 2, "done", None)]
    assert (
        "killed by SIGKILL" in ask(site, "SELECT message FROM outcome WHERE state = 'lost'")[0][0]
    )


def test_a_whole_job_is_killed(cluster: Cluster, folder: Path, expected_longer: Rows) -> None:
    """F20: shim and worker at once; the word is Slurm's."""
    site = declare(folder, ON_SLURM, 1, STEPS)
    worker = in_the_middle(site)
    shim = int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(shim, signal.SIGKILL)
    settle(site)
    done_once(site, expected_longer)
    assert ends(site) == [(1, 1, "lost", "killed"), (1, 2, "done", None)]
    assert "FAILED" in ask(site, "SELECT message FROM outcome WHERE state = 'lost'")[0][0]


def test_a_node_fails(cluster: Cluster, folder: Path, expected_longer: Rows) -> None:
    """F25: slurmd and its steps die, the worker is left without a parent and ends itself; the next
    attempt runs elsewhere.
    """
    site = declare(folder, ON_SLURM, 1, STEPS)
    worker = in_the_middle(site)
    node = next(job["nodes"] for job in cluster.jobs() if job["state"] == "RUNNING")
    cluster.kill("slurmd", node)
    for pid in cluster.stepds():
        os.kill(pid, signal.SIGKILL)
    os.kill(worker, signal.SIGCONT)
    settle(site)
    done_once(site, expected_longer)
    first = ends(site)[0]
    assert first[:2] == (1, 1) and first[3] in ("node_fail", "preempted"), ends(site)


def test_a_node_is_set_down(cluster: Cluster, folder: Path, expected_longer: Rows) -> None:
    """F25: an operator takes the node; with --no-requeue that end is final, and free."""
    site = declare(folder, ON_SLURM, 1, STEPS)
    # Slurm sends SIGCONT to what it ends
    in_the_middle(site)
    cluster.set_node(
        next(job["nodes"] for job in cluster.jobs() if job["state"] == "RUNNING"), "down"
    )
    settle(site)
    done_once(site, expected_longer)
    assert ends(site)[0][3] in ("node_fail", "preempted"), ends(site)
    assert len(ends(site)) == 2


def test_preemption(cluster: Cluster, folder: Path, expected_longer: Rows) -> None:
    """F26: a job of a better partition takes the node: SIGTERM, a checkpoint, and no retry is used
    up.
    """
    site = declare(folder, ON_SLURM + '[slurm]\nnodelist = "n1"\n', 1, STEPS)
    in_the_middle(site)
    cluster.run(
        "sbatch", "-p", "urgent", "-w", "n1", "--exclusive", "-o", "/dev/null", "--wrap", "sleep 3"
    )
    settle(site)
    done_once(site, expected_longer)
    assert ends(site)[0] == (1, 1, "failed", "preempted"), ends(site)
    message = ask(site, "SELECT message FROM outcome WHERE attempt = 1")[0][0]
    assert message.endswith("the checkpoint is written")


@pytest.mark.parametrize("signal_s", [30, 0])
def test_the_time_limit(cluster: Cluster, folder: Path, signal_s: int) -> None:
    """F27: time is up, with an early signal and without one: the next attempts go on, each from the
    last checkpoint.
    """
    text = ON_SLURM.replace("time_limit_minutes = 10", "time_limit_minutes = 1").replace(
        "signal_s = 20", f"signal_s = {signal_s}"
    )
    site = declare(folder, text, 1, LONG)
    if signal_s:
        one_pass(site)
        trains(site)
    else:
        # Nobody tells it to end, so it waits for that without using a processor
        in_the_middle(site)
    until(site, lambda report: bool(report.ended), 300)
    tell(site, "INSERT INTO request (trial, wish) VALUES (1, 'withdraw')")
    settle(site)
    first, *_ = ends(site)
    assert first == (1, 1, "failed" if signal_s else "lost", "timeout"), ask(site, "FROM outcome")
    second = RunFolder(attempt_folder(site.runs, 1, 2))
    if second.progress() is not None:
        # It had begun before it was withdrawn: not at the beginning
        assert (read_json(second.path / "progress.json") or {})["step"] > 1


# ---------------------------------------------------------------- people


def test_a_person_cancels_a_running_job(cluster: Cluster, folder: Path) -> None:
    """F33: scancel outside sync is somebody's decision: not tried again by itself (I6)."""
    site = declare(folder, ON_SLURM, 1, LONG)
    one_pass(site)
    trains(site)
    cluster.run("scancel", *[job["id"] for job in cluster.jobs() if job["state"] == "RUNNING"])
    settle(site)
    assert ends(site) == [(1, 1, "cancelled", None)]
    (message,) = ask(site, "SELECT message FROM outcome")[0]
    assert "cancelled by somebody else than sync (CANCELLED by" in message
    assert ask(site, "SELECT state FROM trial_state") == [("cancelled",)]


def test_withdrawn(cluster: Cluster, folder: Path) -> None:
    """A running trial ends at a checkpoint, a queued one before it starts, and its job leaves the
    queue.
    """
    site = declare(folder, ON_SLURM + "trials_at_once = 1\n", 2, LONG)
    one_pass(site)
    trains(site)
    tell(site, "INSERT INTO request (trial, wish) SELECT id, 'withdraw' FROM trial")
    settle(site)
    assert ask(site, "SELECT trial, state, message FROM outcome ORDER BY trial")[1] == (
        2,
        "cancelled",
        "withdrawn before it started",
    )
    assert ask(site, "SELECT DISTINCT state FROM trial_state") == [("withdrawn",)]
    assert eventually(
        lambda: (
            not [
                job
                for job in cluster.jobs()
                if job["state"] in ("PENDING", "RUNNING", "COMPLETING")
            ]
        )
    )
    assert not (attempt_folder(site.runs, 2, 1) / "log.txt").exists()


def test_a_job_that_waits_for_ever_is_said(cluster: Cluster, folder: Path, expected: Rows) -> None:
    """A held job will not start by itself: sync says so, and goes on when it is released (I16)."""
    site = declare(folder, ON_SLURM + "[slurm]\nhold = true\n")
    one_pass(site)
    report = until(site, lambda report: bool(report.problems))
    assert any(
        "waits and will not start by itself: JobHeldUser" in message
        for _, message in report.problems
    )
    assert report.queue == {"JobHeldUser": 2}
    cluster.run(
        "scontrol",
        "release",
        *{job["id"].partition("_")[0] for job in cluster.jobs() if job["state"] == "PENDING"},
    )
    settle(site)
    done_once(site, expected)


def test_sbatch_refuses_until_site_toml_is_mended(
    cluster: Cluster, folder: Path, expected: Rows
) -> None:
    """A partition that does not exist: nothing is lost, the words are shown, and no attempt is used
    up by waiting.
    """
    site = declare(folder, ONE_JOB + '[slurm]\npartition = "gpu"\n')
    for _ in range(3):
        report = one_pass(site)
        assert any("Invalid partition name specified" in message for _, message in report.problems)
    assert ask(site, "SELECT count(*) FROM attempt") == [(2,)]
    (folder / "site.toml").write_text(ONE_JOB + '[slurm]\npartition = "main"\n')
    settle(site)
    done_once(site, expected)


# ---------------------------------------------------------------- limits of the cluster


@pytest.mark.parametrize("largest", [2, 0])
def test_array_limits(make_cluster: Factory, folder: Path, expected: Rows, largest: int) -> None:
    """F13: arrays are cut below MaxArraySize; plain jobs where arrays are switched off."""
    make_cluster(nodes=1, extra=f"MaxArraySize={largest}")
    site = declare(folder, ON_SLURM, 3)
    one_pass(site)
    sizes = ask(
        site, "SELECT count(*), max(position) FROM attempt GROUP BY batch ORDER BY ALL DESC"
    )
    assert sizes == ([(2, 1), (1, 0)] if largest else [(1, 0)] * 3)
    settle(site)
    assert ask(site, "SELECT count(*) FROM outcome WHERE state = 'done'") == [(3,)]


def test_the_queue_is_full(make_cluster: Factory, folder: Path, expected: Rows) -> None:
    """F12: at MaxJobCount sbatch would sleep for two minutes; it is ended, and the batch offered
    again (I11).
    """
    cluster = make_cluster(nodes=1, extra="MaxJobCount=3\nMinJobAge=2")
    fillers = [
        cluster.run("sbatch", "--parsable", "--hold", "-o", "/dev/null", "--wrap", "true").strip()
        for _ in range(2)
    ]
    site = declare(folder, ON_SLURM)
    report = one_pass(site)
    assert any("temporarily unable to accept job" in message for _, message in report.problems), (
        report.problems
    )
    assert report.submitted == 0 and report.running == 2
    cluster.run("scancel", *fillers)
    settle(site)
    done_once(site, expected)
    assert ask(site, "SELECT count(*) FROM attempt") == [(2,)]


# ---------------------------------------------------------------- several trials per job


@pytest.mark.parametrize("side_by_side", [1, 2])
def test_several_trials_per_job(
    cluster: Cluster, folder: Path, expected: Rows, side_by_side: int
) -> None:
    site = declare(folder, ON_SLURM + f"trials_per_job = 2\ntrials_side_by_side = {side_by_side}\n")
    one_pass(site)
    settle(site)
    done_once(site, expected)
    assert ask(site, "SELECT count(DISTINCT job_id), count(*) FROM submission") == [(1, 2)]
