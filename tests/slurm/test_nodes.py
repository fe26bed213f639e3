"""A trial whose processes are on several nodes: what happens to one happens to all, and the bits
are those of one node.
"""

import os
import signal
from pathlib import Path

import pytest

from runner.run_folder import RunFolder, attempt_folder, read_json
from tests.journey import ON_SLURM, ask, declare, eventually, one_pass, settle, tell, until
from tests.processes import attempt, run_trial
from tests.runner.test_trial import brought
from tests.slurm.census import jobs
from tests.slurm.cluster import Cluster
from tests.slurm.test_faults import trains
from tests.toy import DATA

pytestmark = pytest.mark.slow
# So that each task goes on for seconds after its first checkpoint
STEPS = 400
# Both are this machine: their names lead nowhere
NODES = (
    ON_SLURM
    + 'ranks_per_node = 1\n[slurm]\nsetup = ["export MASTER_ADDR=127.0.0.1 GLOO_SOCKET_IFNAME=lo"]\n'
)


def other_than(first: int, cluster: Cluster) -> int:
    """The worker on the other node: like the first a process of a job that leads a group of its
    own, and its task is 1.
    """

    def told(pid: int) -> bytes:
        return Path(f"/proc/{pid}/environ").read_bytes()

    ours = jobs(cluster.folder, cluster.name)
    (found,) = [
        pid
        for pid in ours
        if os.getpgid(pid) == pid != first and b"SLURM_PROCID=1\0" in told(pid) and deep(pid, ours)
    ]
    return found


def deep(pid: int, ours: list[int]) -> bool:
    """Whether a process was started by another of the job."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) in ours


def test_killed_told_to_end_and_gone_on_from(cluster: Cluster, folder: Path) -> None:
    """F20, F26: one process is killed: the attempt is lost and tried again.

    All are told to end: they agree on a step, and one checkpoint is there. What comes of it is to
    the bit what two processes of one node come to, undisturbed (I3).
    """
    site = declare(folder, NODES, 1, STEPS)
    tell(site, "UPDATE recipe SET compute_params = '{\"ranks\": 2}'")
    one_pass(site)
    trains(site)
    first = int((read_json(attempt_folder(site.runs, 1, 1) / "claim") or {})["pid"])
    assert [job["nodes"] for job in cluster.jobs() if job["state"] == "RUNNING"] == ["n[1-2]"]
    os.kill(other_than(first, cluster), signal.SIGKILL)
    until(site, lambda report: report.submitted == 1)
    ((job_id,),) = ask(site, "SELECT job_id FROM submission WHERE attempt = 2")
    trains(site, 1, 2)
    cluster.run("scancel", "--signal=USR2", job_id)
    assert eventually((attempt_folder(site.runs, 1, 2) / "outcome.json").exists)
    settle(site)
    lost, told, done = ask(site, "SELECT state, kind, message FROM outcome ORDER BY attempt")
    assert lost == ("lost", "killed", "process 1 of 2: the worker was killed by SIGKILL")
    assert told[:2] == ("failed", "preempted") and done == ("done", None, None)
    stopped = int(told[2].partition("after ")[2].partition(" of")[0])
    assert "task 1" in told[2] and stopped < STEPS // 2 and "the checkpoint is written" in told[2]
    last = RunFolder(attempt_folder(site.runs, 1, 3))
    assert (last.path / "log-1.txt").exists() and not last.words(1).exists()
    assert run_trial(attempt(folder / "together", last.spec(), 1, DATA)) == 0
    assert brought(site.runs) == brought(folder / "together")
