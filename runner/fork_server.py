"""A fork server: a process that has imported what workers need, from which jobs are forked.

Importing takes a job seconds, being forked from here milliseconds. The first job of a code snapshot
leaves a fork server behind when it has imported; the local backend asks that for the jobs which
follow, and starts a process of its own wherever it gets no answer.

It belongs to one snapshot (its socket lies in that folder), to one user, and to one set of
surroundings: environment, limits, installed packages. A job of others gets a process of its own,
whose server then takes the place of this one. It ends when nobody has asked for a while, and when
its socket is gone, as with the lab. It does no work, has no thread, and holds no lock and no file.

    server  accepts a connection, and forks the process that is to be the job
    job     says its surroundings and its process id
    client  sends the order, and open files: the log, and the locks that the job is to hold
    job     says that it has them
    client  says go; without that word the job ends before it has done anything

So whoever of the three is killed, at whatever moment, the job is started once. Standard library
only, and only for Linux, whose kernel passes open files on and says who is at the other end.
"""

import contextlib
import gc
import hashlib
import json
import logging
import os
import select
import signal
import socket
import struct
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from runner import code_snapshot
from runner.run_folder import crash_point
from runner.unix import name_process, threads

LOG = logging.getLogger("runner.fork_server")
SOCKET = "fork.sock"
# How long a server without work stays, and the environment variable that says otherwise; 0: none
IDLE_S = 120.0
IDLE_VARIABLE = "WEIR_FORK_SERVER_S"
# By which a job is told the digest of its surroundings, and so to leave a server behind
SURROUNDINGS_VARIABLE = "WEIR_SURROUNDINGS"
# How often a server looks whether its socket is still there
LOOK_S = 1.0
# How long each side waits for a word of the other
ANSWER_S = 5.0
# The most open files that the kernel passes on in one message
MOST_FILES = 253
GO = b"go"
HAS_ALL = b"ok"
LENGTH = struct.Struct("!Q")
# Variables of our own are read when they are used, and a job has its own GPUs; the others say where
# a person is, or which test runs, and polars adds to that of its allocator whenever it is imported,
# in sync as in what sync starts. None of these changes what an import does
OURS = "WEIR_"
PERSON = ("PWD", "OLDPWD", "SHLVL", "_", "COLUMNS", "LINES", "PYTEST_CURRENT_TEST")
IGNORED = frozenset((*PERSON, "CUDA_VISIBLE_DEVICES", "_RJEM_MALLOC_CONF"))
# What a process inherits and an environment does not tell
INHERITED_FILES = ("/proc/self/limits", "/proc/self/cgroup", "/proc/self/oom_score_adj")
INHERITED_STATES = ("Uid", "Gid", "Groups", "Umask", "Cap", "NoNewPrivs", "Seccomp", "Cpus_allowed")


@dataclass(frozen=True, kw_only=True)
class Order:
    """The folder of a job's submission, the job's index there, and the environment it runs in."""

    folder: str
    position: int
    environment: dict[str, str]


def surroundings(environment: Mapping[str, str]) -> str:
    """Return a digest of all that decides what a job of this process is after its imports.

    That is its environment, what it inherits from this process (limits, control groups, rights) and
    the packages that are installed.
    """
    variables = {}
    for name, value in environment.items():
        if name not in IGNORED and not name.startswith(OURS):
            variables[name] = value
    packages = []
    for place in sys.path:
        # Installing, upgrading or removing a package changes an entry of this folder
        if place.endswith("-packages") and Path(place).is_dir():
            packages.append([place, Path(place).stat().st_mtime_ns])
    whole = [sys.executable, sys.version, variables, packages, os.nice(0), _inherited()]
    return hashlib.sha256(json.dumps(whole, sort_keys=True).encode()).hexdigest()[:32]


def _inherited() -> list[str]:
    texts = []
    for name in INHERITED_FILES:
        with contextlib.suppress(OSError):
            texts.append(Path(name).read_text())
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith(INHERITED_STATES):
                texts.append(line)
    return texts


# ---------------------------------------------------------------- the client


def start(code: Path, digest: str, order: Order, files: Sequence[int]) -> bool:
    """Have a job started by the fork server of a snapshot; return whether it was.

    `files` are descriptors: of the log, and of the locks that the job holds as long as it lives.
    Where it was not started, nothing has been done.
    """
    if sys.platform != "linux" or len(files) > MOST_FILES:
        return False
    job = 0
    try:
        with _connected(code) as connection:
            theirs, _, pid = _line(connection).partition(" ")
            if theirs != digest:
                return False
            job = int(pid)
            text = json.dumps(asdict(order)).encode()
            socket.send_fds(connection, [LENGTH.pack(len(text))], files)
            connection.sendall(text)
            if _exactly(connection, len(HAS_ALL)) == HAS_ALL:
                connection.sendall(GO)
                return True
    except (OSError, ValueError):
        pass
    if job:
        # It has not been told to go, and must not hold the locks any longer
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(job, signal.SIGKILL)
    return False


@contextlib.contextmanager
def _connected(code: Path) -> Iterator[socket.socket]:
    """Connect to the server of a snapshot.

    Raises:
        OSError: there is none, or it is not this user's.
    """
    # By way of its folder, since the path of a socket may have 107 bytes
    folder = os.open(code, os.O_RDONLY | os.O_DIRECTORY)
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ANSWER_S)
            connection.connect(f"/proc/self/fd/{folder}/{SOCKET}")
            if _owner(connection) != os.geteuid():
                raise PermissionError(f"the fork server of {code} is another user's")
            yield connection
    finally:
        os.close(folder)


def _owner(connection: socket.socket) -> int:
    """Return the user id of the process at the other end, which the kernel knows."""
    credentials = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    _, user, _ = struct.unpack("3i", credentials)
    return int(user)


def _line(connection: socket.socket) -> str:
    text = b""
    while not text.endswith(b"\n"):
        text += _exactly(connection, 1)
    return text.decode().strip()


def _exactly(connection: socket.socket, size: int) -> bytes:
    """Return the next `size` bytes.

    Raises:
        ConnectionError: the other side has ended.
        TimeoutError: it says nothing.
    """
    text = b""
    while len(text) < size:
        more = connection.recv(size - len(text))
        if not more:
            raise ConnectionError("the other side has ended")
        text += more
    return text


# ---------------------------------------------------------------- the server


def leave(code: Path, digest: str, run: Callable[[Path, int], Any]) -> None:
    """Fork a server from this process, a job that has imported, unless there is one already.

    Its jobs call `run` with the folder of their submission and their position. There is none where
    the code is no snapshot or not what its name says, and where an import has started a thread,
    which a forked process would lack.
    """
    idle_s = float(os.environ.get(IDLE_VARIABLE, IDLE_S))
    possible = sys.platform == "linux" and idle_s > 0 and (code / "code.json").exists()
    if not possible or _is_served(code, digest) or not _is_alone():
        return
    # What was imported may have been read while somebody edited it
    if code_snapshot.identity(code) != code.name:
        return
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        try:
            # Away from the job: its signals, its session, and it need not be waited for
            os.setsid()
            if os.fork() == 0:
                _serve(code, digest, run, idle_s)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(0)
    os.waitpid(child, 0)


def _is_alone() -> bool:
    """Return whether this process has no thread when it forks.

    Those of NumPy's library for matrices are ended by a fork, and begin again when they are needed.
    """
    child = os.fork()
    if child == 0:
        os._exit(0)
    os.waitpid(child, 0)
    return threads() == 1


def _is_served(code: Path, digest: str) -> bool:
    """Return whether a snapshot has a server of these surroundings."""
    with contextlib.suppress(OSError), _connected(code) as connection:
        return _line(connection).partition(" ")[0] == digest
    return False


def _serve(code: Path, digest: str, run: Callable[[Path, int], Any], idle_s: float) -> None:
    """Be the server, until nobody asks any more or the socket is gone."""
    _forget_the_job()
    os.chdir(code)
    with socket.socket(socket.AF_UNIX) as listener:
        # Aside first, and then in the place of another server's, which ends when it sees that
        aside = f".{SOCKET}.{os.getpid()}"
        listener.bind(aside)
        Path(aside).chmod(0o600)
        listener.listen(64)
        mine = Path(aside).stat().st_ino
        Path(aside).rename(SOCKET)
        # What is there now stays as it is: jobs share these pages until they write to them
        gc.collect()
        gc.freeze()
        asked_at = time.monotonic()
        while time.monotonic() - asked_at < idle_s and _inode(code / SOCKET) == mine:
            if select.select([listener], [], [], LOOK_S)[0]:
                with contextlib.suppress(OSError):
                    _accept(listener, digest, run)
                asked_at = time.monotonic()
        if _inode(code / SOCKET) == mine:
            (code / SOCKET).unlink(missing_ok=True)


def _forget_the_job() -> None:
    """Let go of everything that this process has from the job it was forked from."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGUSR2, signal.SIGINT, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    nothing = os.open(os.devnull, os.O_RDWR)
    for standard in (0, 1, 2):
        os.dup2(nothing, standard)
    # The locks of the job among them
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    name_process("weir-forks")


def _inode(path: Path) -> int | None:
    try:
        return path.stat().st_ino
    except OSError:
        return None


def _accept(listener: socket.socket, digest: str, run: Callable[[Path, int], Any]) -> None:
    """Fork a job for whoever connects."""
    connection, _ = listener.accept()
    with connection:
        crash_point("server_asked")
        if _owner(connection) != os.geteuid():
            return
        child = os.fork()
        if child == 0:
            code = 1
            try:
                os.setsid()
                # In a process that nobody waits for: init reaps it, however long the server lives
                if os.fork() == 0:
                    listener.close()
                    code = _become_job(connection, digest, run)
            except BaseException:
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(code)
        os.waitpid(child, 0)
        crash_point("server_forked")


def _become_job(connection: socket.socket, digest: str, run: Callable[[Path, int], Any]) -> int:
    """Do what the client orders, if it says go; return the exit code."""
    name_process("weir-job")
    connection.settimeout(2 * ANSWER_S)
    connection.sendall(f"{digest} {os.getpid()}\n".encode())
    crash_point("job_ready")
    # The locks among these stay open until this process ends
    head, files, _, _ = socket.recv_fds(connection, LENGTH.size, MOST_FILES)
    if len(head) < LENGTH.size:
        # Somebody only asked whether there is a server
        return 0
    order = Order(**json.loads(_exactly(connection, *LENGTH.unpack(head))))
    crash_point("job_ordered")
    for standard in (1, 2):
        os.dup2(files[0], standard)
    os.close(files[0])
    os.environ.clear()
    os.environ.update(order.environment)
    connection.sendall(HAS_ALL)
    if _exactly(connection, len(GO)) != GO:
        return 1
    connection.close()
    crash_point("job_started")
    LOG.info("forked by a server of %s, which has imported already", Path.cwd())
    return int(run(Path(order.folder), order.position) or 0)
