"""The throw-away cluster is a real one: jobs, arrays, GPUs, accounting; faults do what they say;
nothing is left of it.
"""

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.slurm import census, configuration, conftest
from tests.slurm.cluster import Cluster, ClusterError, wait_until
from tests.slurm.conftest import Factory

ROOT = Path(__file__).resolve().parents[2]


def submit(cluster: Cluster, script: str, *options: str) -> str:
    """Id of a job that runs `script`; what it prints goes to /dev/null unless said otherwise."""
    return cluster.run(
        "sbatch", "--parsable", "--output=/dev/null", *options, "--wrap", script
    ).strip()


def state(cluster: Cluster, job: str) -> str:
    return {known["id"]: known["state"] for known in cluster.jobs()}[job]


def wait_for_state(cluster: Cluster, job: str, wanted: str, limit_s: float = 180) -> None:
    wait_until(
        lambda: state(cluster, job) == wanted,
        lambda: f"job {job} {wanted}; it is {cluster.jobs()}",
        limit_s,
    )


@pytest.fixture
def short() -> Iterator[Path]:
    """A folder whose path is short enough for a cluster."""
    folder = Path(tempfile.mkdtemp(prefix="weir-"))
    yield folder
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("name", ["x" * 60, "a b", "50%", "nodes[1]"])
def test_a_folder_that_slurm_cannot_live_in_is_refused(name: str) -> None:
    with pytest.raises(
        ClusterError,
        match=r"at most 60 letters, digits and /\._\+- are allowed.*Choose another folder",
    ):
        Cluster(Path("/tmp") / name)


def test_waiting_has_a_limit() -> None:
    with pytest.raises(ClusterError, match="Waited 0.1 s in vain for the moon"):
        wait_until(lambda: False, "the moon", 0.1)


def test_without_slurm_tests_skip_and_where_it_is_expected_they_fail(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(conftest, "missing", lambda: ["slurmctld", "slurmd"])
    monkeypatch.delenv("WEIR_EXPECT", raising=False)
    sentence = r"Slurm is not installed \(slurmctld, slurmd not found\); tests/slurm/install.sh installs it."
    with pytest.raises(pytest.skip.Exception, match=sentence):
        conftest.require_slurm()
    monkeypatch.setenv("WEIR_EXPECT", "slurm,torch")
    with pytest.raises(pytest.fail.Exception, match=f"WEIR_EXPECT says slurm, but {sentence}"):
        conftest.require_slurm()


def test_a_user_without_a_name_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "getuid", lambda: 2**31 - 7)
    with pytest.raises(
        ClusterError, match="User 2147483641 has no name.*add a line to /etc/passwd"
    ):
        configuration.user()


def test_the_processes_of_a_cluster_are_told_from_all_others(short: Path) -> None:
    """By the name of the program and by its folder in full, whatever else is done in that folder."""
    home, namesake = short / "home", short / "home2"
    for folder in (home, namesake):
        folder.mkdir()
    sleep = shutil.copy(shutil.which("sleep") or "", short / "slurmd")
    with (
        subprocess.Popen([sleep, "60"], cwd=home) as daemon,
        subprocess.Popen([sleep, "60"], cwd=namesake) as other,
        subprocess.Popen(["sleep", "60"], cwd=home) as bystander,
    ):
        wait_until(lambda: census.daemons(home, "slurmd"), "the first to begin")
        assert census.daemons(home, "slurmd") == [daemon.pid]
        assert (
            census.daemons(home, "slurmctld")
            == census.steps(home)
            == census.jobs(home, "weir_none")
            == []
        )
        census.end(lambda: census.daemons(home, "slurmd"), 10)
        assert (
            daemon.wait() == -signal.SIGTERM and other.poll() is None and bystander.poll() is None
        )
        other.kill()
        bystander.kill()


@pytest.mark.slow
def test_a_job_through_queue_and_accounting(cluster: Cluster) -> None:
    job = submit(cluster, "exit 3", "--job-name=weir-three")
    wait_for_state(cluster, job, "FAILED")
    known = next(known for known in cluster.jobs() if known["id"] == job)
    assert (
        known["name"] == "weir-three"
        and known["partition"] == "main"
        and known["nodes"] in ("n1", "n2")
    )
    good = submit(cluster, "true", "--job-name=weir-good")
    wait_until(
        lambda: [row["State"] for row in cluster.accounting_of(["weir-good"])] == ["COMPLETED"],
        "sacct",
    )
    assert cluster.accounting_of(["weir-good"])[0]["JobID"] == good
    wait_until(
        lambda: [row["ExitCode"] for row in cluster.accounting_of(["weir-three"])] == ["3:0"],
        "sacct",
    )


@pytest.mark.slow
def test_the_commands_find_it_by_the_environment_of_the_tests(cluster: Cluster) -> None:
    assert os.environ["SLURM_CONF"] == str(cluster.folder / "etc/slurm.conf")
    assert (
        subprocess.run(
            ["scontrol", "ping"], capture_output=True, text=True, timeout=120
        ).stdout.count("UP")
        == 1
    )


@pytest.mark.slow
def test_an_array(cluster: Cluster) -> None:
    job = submit(
        cluster, "exit $((SLURM_ARRAY_TASK_ID == 1))", "--array=0-3", "--job-name=weir-array"
    )
    wanted = {
        f"{job}_0": "COMPLETED",
        f"{job}_1": "FAILED",
        f"{job}_2": "COMPLETED",
        f"{job}_3": "COMPLETED",
    }
    wait_until(
        lambda: (
            {
                known["id"]: known["state"]
                for known in cluster.jobs()
                if known["name"] == "weir-array"
            }
            == wanted
        ),
        "the array to end",
    )
    wait_until(
        lambda: (
            {row["JobID"]: row["State"] for row in cluster.accounting_of(["weir-array"])} == wanted
        ),
        "sacct",
    )


@pytest.mark.slow
def test_a_job_sees_its_gpus_and_no_others(cluster: Cluster, short: Path) -> None:
    for number in range(2):
        submit(
            cluster,
            "echo $CUDA_VISIBLE_DEVICES; sleep 60",
            f"--output={short}/{number}",
            "--gpus-per-node=2",
            "-w",
            "n1",
        )
    told = [short / "0", short / "1"]
    wait_until(
        lambda: all(file.exists() and file.read_text() for file in told), "both jobs to begin"
    )
    assert sorted(file.read_text().strip() for file in told) == ["0,1", "2,3"]
    with pytest.raises(
        ClusterError, match="exit code 1.*Requested node configuration is not available"
    ):
        submit(cluster, "true", "--gpus-per-node=5")


@pytest.mark.slow
def test_a_node_down_ends_its_job_and_comes_back(cluster: Cluster) -> None:
    job = submit(cluster, "sleep 300", "--no-requeue", "-w", "n2", "--job-name=weir-down")
    wait_for_state(cluster, job, "RUNNING")
    wait_until(lambda: len(cluster.stepds()) == 1, "its step to begin")
    cluster.set_node("n2", "down")
    wait_for_state(cluster, job, "NODE_FAIL")
    assert cluster.nodes()["n2"].startswith("down")
    cluster.set_node("n2", "resume")
    wait_until(lambda: cluster.nodes()["n2"] == "idle", "n2 idle")
    wait_until(lambda: not cluster.stepds(), "the step to end")
    again = submit(cluster, "true", "-w", "n2")
    wait_for_state(cluster, again, "COMPLETED")


@pytest.mark.slow
def test_urgent_jobs_preempt(cluster: Cluster) -> None:
    job = submit(cluster, "sleep 300", "--exclusive", "-w", "n1", "--requeue")
    final = submit(cluster, "sleep 300", "--exclusive", "-w", "n2", "--no-requeue")
    wait_for_state(cluster, job, "RUNNING")
    wait_for_state(cluster, final, "RUNNING")
    submit(cluster, "sleep 300", "--exclusive", "--partition=urgent", "--nodes=2")
    wait_for_state(cluster, job, "PENDING")
    wait_for_state(cluster, final, "PREEMPTED")


@pytest.mark.slow
def test_slurmctld_killed_and_restarted_keeps_the_jobs(cluster: Cluster) -> None:
    runs, waits = submit(cluster, "sleep 300"), submit(cluster, "sleep 300", "--hold")
    wait_for_state(cluster, runs, "RUNNING")
    cluster.wait_saved()
    cluster.kill("slurmctld")
    with pytest.raises(ClusterError, match="No slurmctld runs in .*; restart"):
        cluster.pids("slurmctld")
    assert len(cluster.stepds()) == 1
    cluster.restart("slurmctld")
    assert state(cluster, runs) == "RUNNING" and state(cluster, waits) == "PENDING"
    cluster.wait_ready()
    assert state(cluster, runs) == "RUNNING" and len(cluster.stepds()) == 1


@pytest.mark.slow
def test_slurmctld_killed_too_soon_forgets_and_gives_the_id_again(cluster: Cluster) -> None:
    """Why a job id alone proves nothing."""
    cluster.wait_saved()
    # Makes slurmctld write: the next time is 5 s later
    submit(cluster, "true")
    time.sleep(0.2)
    job = submit(cluster, "sleep 300", "--no-requeue", "--job-name=weir-forgotten")
    cluster.kill("slurmctld")
    cluster.restart("slurmctld")
    assert not [known for known in cluster.jobs() if known["name"] == "weir-forgotten"]
    cluster.wait_ready()
    wait_until(lambda: not cluster.stepds(), "the forgotten job to end")
    assert int(submit(cluster, "true")) <= int(job)


@pytest.mark.slow
def test_a_paused_daemon_does_not_answer(cluster: Cluster) -> None:
    cluster.pause("slurmctld")
    with pytest.raises(ClusterError, match="squeue -h: no end within 2 s"):
        cluster.run("squeue", "-h", limit_s=2)
    cluster.resume("slurmctld")
    assert cluster.run("squeue", "-h", "-t", "PENDING,RUNNING") == ""


@pytest.mark.slow
def test_accounting_gone_and_back(cluster: Cluster) -> None:
    cluster.kill("slurmdbd")
    cluster.kill("mariadbd", number=signal.SIGTERM)
    with pytest.raises(ClusterError, match="sacct.*: exit code 1"):
        cluster.accounting_of(["x"])
    job = submit(cluster, "true", "--job-name=weir-meanwhile")
    wait_for_state(cluster, job, "COMPLETED")
    cluster.heal()
    wait_until(
        lambda: (
            [row["State"] for row in cluster.accounting_of(["weir-meanwhile"])] == ["COMPLETED"]
        ),
        "sacct",
        90,
    )


@pytest.mark.slow
def test_heal_ends_what_a_test_left_behind(cluster: Cluster) -> None:
    jobs = [submit(cluster, "trap '' TERM; sleep 300 & wait", "-w", node) for node in ("n1", "n2")]
    for job in jobs:
        wait_for_state(cluster, job, "RUNNING")
    wait_until(
        lambda: len(census.jobs(cluster.folder, cluster.name)) >= 4,
        "both shells and what they started",
    )
    census.send(cluster.stepds(), signal.SIGKILL)
    cluster.kill("slurmd", "n1")
    cluster.pause("slurmd", "n2")
    cluster.set_node("n2", "drain")
    cluster.heal()
    assert cluster.nodes() == {"n1": "idle", "n2": "idle"} and not census.jobs(
        cluster.folder, cluster.name
    )
    job = submit(cluster, "true", "--array=0-1", "--exclusive")
    wait_for_state(cluster, f"{job}_1", "COMPLETED")


@pytest.mark.slow
def test_two_at_once_and_nothing_is_left(make_cluster: Factory, short: Path) -> None:
    one = make_cluster(accounting=False, nodes=1, gpus=0, extra="MaxArraySize=5")
    with Cluster(short, accounting=False, nodes=3) as two:
        assert len(one.nodes()) == 1 and len(two.nodes()) == 3
        with pytest.raises(ClusterError, match="Invalid job array specification"):
            submit(one, "true", "--array=0-5")
        mine, other = submit(one, "sleep 300"), submit(two, "sleep 300 & wait")
        wait_for_state(one, mine, "RUNNING")
        wait_for_state(two, other, "RUNNING")
        before = one.processes()
        was = two.processes()
        assert len(was) > 7 and not set(was) & set(before)
        two.kill("slurmd", "n3")
    assert not two.processes() and not [pid for pid in was if Path(f"/proc/{pid}/exe").exists()]
    assert one.processes() == before and state(one, mine) == "RUNNING"


@pytest.mark.slow
def test_a_stopped_cluster_goes_on_and_a_fresh_folder_begins_anew(short: Path) -> None:
    first = Cluster(short / "a", nodes=1)
    with first:
        job = submit(first, "true", "--job-name=weir-kept")
        wait_until(
            lambda: [row["State"] for row in first.accounting_of(["weir-kept"])] == ["COMPLETED"],
            "sacct",
        )
    assert not first.processes()
    with first:
        assert [row["JobID"] for row in first.accounting_of(["weir-kept"])] == [job]
    with pytest.raises(
        ClusterError, match="is not empty; a cluster begins in a new or an empty folder"
    ):
        Cluster(short / "a").start()
    with Cluster(short / "b", nodes=1, accounting=False) as second:
        assert submit(second, "true") == "1"
    assert not second.processes()


@pytest.mark.slow
def test_a_daemon_that_does_not_start_says_why(short: Path) -> None:
    broken = Cluster(short, accounting=False, extra="SelectType=select/nonsense")
    with pytest.raises(ClusterError, match="(?s)slurmctld.*nonsense"), broken:
        pass
    assert not broken.processes()


@pytest.mark.slow
def test_by_hand(short: Path) -> None:
    def by_hand(*arguments: str) -> "subprocess.CompletedProcess[str]":
        python = [shutil.which("python3") or "python3", "-m", "tests.slurm", *arguments]
        return subprocess.run(python, cwd=ROOT, capture_output=True, text=True, timeout=1200)

    folder = short / "by_hand"
    script = by_hand("start", str(folder), "--nodes", "1", "--no-accounting").stdout.strip()
    try:
        seen = subprocess.run(
            ["sh", "-c", '. "$1"; sinfo -h -p main -o %D', "sh", script],
            capture_output=True,
            text=True,
            timeout=120,
        )
        assert seen.stdout.split() == ["1"]
        assert "is not empty" in by_hand("start", str(folder)).stderr
    finally:
        stopped = by_hand("stop", str(folder))
    assert stopped.returncode == 0, stopped.stderr
    assert not folder.exists() and not Cluster(folder).processes()
