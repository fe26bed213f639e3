"""The fork server: whose jobs it forks, what it never is, and what a kill of anybody leaves."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from runner import code_snapshot, fork_server
from runner.backends import Place, State
from runner.backends.local import Local
from runner.run_folder import read_json
from runner.submission import Submission
from schema.site import Needs, Site
from tests import standin
from tests.journey import APART, crashing, declare, done_once, eventually, settle
from tests.processes import ROOT

# The worker of `tests.standin` notes in `ran` which import it comes from
TOKEN = "IMPORTED = os.urandom(8).hex()\n\n\ndef learn("
NOTE = "print(os.getpid(), IMPORTED, os.environ.get('WHOSE'), file=file)"


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The packages of a job, with a worker that tells where it comes from."""
    folder = standin.tree(tmp_path_factory.mktemp("code") / "tree")
    trial = folder / "runner/trial.py"
    text = trial.read_text().replace("def learn(", TOKEN)
    trial.write_text(text.replace("print(os.getpid(), file=file)", NOTE))
    return folder


@pytest.fixture
def code(tree: Path, site: Site) -> Path:
    """A snapshot of it in a lab, as `runner.code_snapshot` makes one."""
    return snapshot(tree, site)


def snapshot(tree: Path, site: Site) -> Path:
    place = site.code / code_snapshot.identity(tree)
    shutil.copytree(tree, place, ignore=shutil.ignore_patterns("__pycache__"))
    (place / "code.json").write_text("{}")
    return place


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let no server outlive its test for long."""
    monkeypatch.setenv(fork_server.IDLE_VARIABLE, "20")


def submitted(site: Site, code: Path, lasts_s: int = 0) -> Submission:
    """Start a job of one attempt; the trial's number is new."""
    number = len(list(site.runs.glob("[0-9]*")))
    batch = standin.batch_of(site, "local", code, [[lasts_s]], Needs())
    # Every batch of the stand-in begins with trial 1
    moved = site.runs / f"{number + 100:06d}"
    (site.runs / "000001").rename(moved)
    batch = Submission(**(vars(batch) | {"positions": [[f"{moved.name}/01"]]}))
    batch.write()
    batch.ask()
    assert Local(site).submit(batch) == [f"{batch.name}_0"]
    return batch


def ran(batch: Submission) -> list[list[str]]:
    """Wait until the attempt has ended; process, import and variable of each worker that ran it."""
    (path,) = batch.attempts(0)
    assert eventually(lambda: (path / "outcome.json").exists())
    return [line.split() for line in (path / "ran").read_text().splitlines()]


def imported(batch: Submission) -> str:
    """The token of the import that the only worker of an attempt came from."""
    ((_, token, _),) = ran(batch)
    return token


def servers(code: Path) -> list[int]:
    """Process ids of the servers of a snapshot."""
    pids = []
    for place in Path("/proc").glob("[0-9]*"):
        try:
            # A process that has ended has no working folder any more
            name = (place / "comm").read_text().strip()
            folder = (place / "cwd").readlink()
        except OSError:
            continue
        if name == "weir-forks" and str(folder).removesuffix(" (deleted)") == str(code):
            pids.append(int(place.name))
    return pids


def server(code: Path) -> int:
    """Wait for the server of a snapshot."""
    assert eventually(lambda: len(servers(code)) == 1 and (code / fork_server.SOCKET).exists())
    return servers(code)[0]


def state(site: Site, batch: Submission) -> State:
    place = Place(batch.name, 0, batch.attempts(0)[0], None, datetime.now(UTC))
    return Local(site).look([place]).sightings[place].state


def test_the_first_job_leaves_a_server_that_the_next_ones_are_forked_from(
    site: Site, code: Path
) -> None:
    # Room for three at a time on a machine of any size
    site = replace(site, trials_at_once=4)
    first = submitted(site, code)
    token = imported(first)
    server(code)
    others = [submitted(site, code) for _ in range(3)]
    assert [imported(batch) for batch in others] == [token] * 3
    assert len({ran(batch)[0][0] for batch in [first, *others]}) == 4
    assert eventually(lambda: [state(site, batch) for batch in others] == [State.ENDED] * 3)
    # The kernel closes the files of a dying process one after the other
    assert eventually(lambda: Local(site).room(0) == Local(site).slots)


def test_the_server_holds_no_file_has_no_thread_and_does_nothing(site: Site, code: Path) -> None:
    imported(submitted(site, code))
    place = Path(f"/proc/{server(code)}")
    assert len(list((place / "task").iterdir())) == 1
    opened = sorted(str(each.readlink()).partition(":")[0] for each in (place / "fd").iterdir())
    assert opened == ["/dev/null"] * 3 + ["socket"]
    assert "PPid:\t1\n" in (place / "status").read_text()


def test_a_job_gets_its_own_environment_and_other_surroundings_are_not_shared(
    site: Site, code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = imported(submitted(site, code))
    before = server(code)
    monkeypatch.setenv("WHOSE", "mine")
    other = submitted(site, code)
    ((_, fresh, whose),) = ran(other)
    assert fresh != token and whose == "mine"
    # The newest surroundings are those that come again: its server takes the place of the other
    assert eventually(lambda: servers(code) not in ([before], []) and len(servers(code)) == 1)
    assert imported(submitted(site, code)) == fresh
    # A variable of ours is passed on, and keeps nobody from sharing
    monkeypatch.setenv("WEIR_EXPECT", "nothing")
    assert imported(submitted(site, code)) == fresh


def test_what_sync_imports_on_its_way_does_not_change_the_surroundings() -> None:
    """Jobs that it starts after it has read results come from the same server as those before."""
    code = """
import os
from runner.fork_server import surroundings
digest = surroundings(os.environ)
import runner.sync, runner.scheduler.ingest, runner.scheduler.rules, runner.scheduler.estimates
assert surroundings(os.environ) == digest
"""
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=True)


def test_surroundings() -> None:
    here = dict(os.environ)
    digest = fork_server.surroundings(here)
    assert fork_server.surroundings(here | {"CUDA_VISIBLE_DEVICES": "7", "PWD": "/"}) == digest
    assert fork_server.surroundings(here | {"OMP_NUM_THREADS": "7"}) != digest
    reader, writer = os.pipe()
    if os.fork() == 0:
        os.nice(1)
        os.write(writer, fork_server.surroundings(here).encode())
        os._exit(0)
    assert os.read(reader, 100).decode() != digest
    os.wait()


@pytest.mark.parametrize(
    "point", ["server_asked", "job_ready", "job_ordered", "server_forked", "job_started"]
)
def test_whoever_is_killed_the_job_is_started_once(site: Site, code: Path, point: str) -> None:
    """F42: kill -9 of the server or of the job, at each step of their conversation (I2, I3)."""
    with crashing(point):
        token = imported(submitted(site, code))
        first = server(code)
        batch = submitted(site, code)
    if point == "job_started":
        # As any job that is killed before its worker has begun
        assert eventually(lambda: state(site, batch) is State.ABSENT)
        assert not (batch.attempts(0)[0] / "ran").exists()
    else:
        forked = point == "server_forked"
        assert (imported(batch) == token) == forked
    # Nobody holds a lock any more
    assert eventually(lambda: Local(site).room(0) == Local(site).slots)
    if point.startswith("server"):
        assert eventually(lambda: first not in servers(code))
    assert imported(submitted(site, code))


def test_a_server_that_does_not_answer_is_not_waited_for(
    site: Site, code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """F42: a stopped server finds an order in its queue that is nobody's any more (I2)."""
    token = imported(submitted(site, code))
    stopped = server(code)
    os.kill(stopped, signal.SIGSTOP)
    monkeypatch.setattr(fork_server, "ANSWER_S", 0.2)
    try:
        batch = submitted(site, code)
        assert imported(batch) != token
    finally:
        os.kill(stopped, signal.SIGCONT)
    # What it finds in its queue now is nobody's order
    assert eventually(lambda: Local(site).room(0) == Local(site).slots)
    time.sleep(0.2)
    assert len(ran(batch)) == 1


def test_a_job_outlives_its_server_and_its_locks_are_its_own(site: Site, code: Path) -> None:
    imported(submitted(site, code))
    long = submitted(site, code, lasts_s=600)
    (path,) = long.attempts(0)
    assert eventually(lambda: (path / "ran").exists())
    os.kill(server(code), signal.SIGKILL)
    assert eventually(lambda: not servers(code))
    assert state(site, long) is State.RUNNING
    # The first job frees its place a little after its worker has ended
    assert eventually(lambda: Local(site).room(0) == Local(site).slots - 1)
    worker = int((read_json(path / "claim") or {})["pid"])
    job = int(Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(job, signal.SIGKILL)
    # The worker dies with its job, as ever
    assert eventually(lambda: not Path(f"/proc/{worker}").exists())
    assert eventually(lambda: state(site, long) is State.ENDED)


def test_a_server_ends_with_its_lab(site: Site, code: Path) -> None:
    imported(submitted(site, code))
    server(code)
    shutil.rmtree(site.code.parent)
    assert eventually(lambda: not servers(code))


def test_a_server_without_work_ends(
    site: Site, code: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(fork_server.IDLE_VARIABLE, "0.5")
    imported(submitted(site, code))
    server(code)
    assert eventually(lambda: not servers(code))
    assert not (code / fork_server.SOCKET).exists()
    monkeypatch.setenv(fork_server.IDLE_VARIABLE, "0")
    imported(submitted(site, code))
    assert not servers(code) and not (code / fork_server.SOCKET).exists()


def test_code_that_is_not_what_its_name_says_has_no_server(site: Site, code: Path) -> None:
    """F42: what was imported from it is run by nobody else (I12)."""
    with (code / "runner/trial.py").open("a") as file:
        file.write("\n# edited\n")
    first, second = submitted(site, code), submitted(site, code)
    assert imported(first) != imported(second)
    assert not servers(code)


def test_what_pretends_to_be_a_server_is_not_believed(site: Site, code: Path) -> None:
    """F42: silence, nonsense, an end in the middle: a process of its own each time (I3)."""
    for answer in (b"", b"nonsense\n", b"\xff\n"):
        (code / fork_server.SOCKET).unlink(missing_ok=True)
        with socket.socket(socket.AF_UNIX) as listener:
            aside = os.open(code, os.O_RDONLY)
            listener.bind(f"/proc/self/fd/{aside}/{fork_server.SOCKET}")
            os.close(aside)
            listener.listen()
            child = os.fork()
            if child == 0:
                connection, _ = listener.accept()
                connection.sendall(answer)
                connection.close()
                os._exit(0)
            assert imported(submitted(site, code))
            os.waitpid(child, 0)


def test_a_path_longer_than_that_of_a_socket(tree: Path, site: Site) -> None:
    deep = Site(**(vars(site) | {"code": site.code / ("long" * 40)}))
    code = snapshot(tree, deep)
    token = imported(submitted(site, code))
    server(code)
    assert imported(submitted(site, code)) == token


@pytest.mark.slow
def test_results_from_a_server_are_those_of_processes_of_their_own(
    folder: Path, expected: list[tuple[object, ...]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """To the bit: of two trials one after another the second is forked."""
    monkeypatch.setenv(fork_server.IDLE_VARIABLE, "600")
    site = declare(folder, f"{APART}trials_at_once = 1\n", 2)
    settle(site)
    done_once(site, expected)
    logs = [path.read_text() for path in site.runs.glob("batches/*/0_log.out")]
    assert len(logs) == 2 and sum("forked by a server" in log for log in logs) == 1
    (code,) = [path for path in site.code.iterdir() if (path / fork_server.SOCKET).exists()]
    assert servers(code)
