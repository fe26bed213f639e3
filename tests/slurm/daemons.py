"""How each daemon of a cluster is started, and how one sees that it answers."""

import shlex
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal

from tests.slurm import census
from tests.slurm.configuration import user
from tests.slurm.patience import ClusterError, wait_until

Daemon = Literal["munged", "mariadbd", "slurmdbd", "slurmctld", "slurmd"]
# Of a daemon that did not start, in the message that says so
LOG_LINES = 8


def start(
    folder: Path, environment: Mapping[str, str], daemon: Daemon, node: str | None = None
) -> None:
    """Start a daemon of the cluster in `folder` unless it runs already, and wait until it answers.

    Each daemon leaves the session of its caller, so that no Ctrl-C reaches it. Raises ClusterError
    with the end of its log.
    """
    if census.daemons(folder, daemon, node):
        return
    what = f"{daemon} {node}" if node else daemon
    if daemon == "mariadbd" and not (folder / "db/mysql").exists():
        _call(_install_database(folder), folder, environment, "mariadbd")
    _call(_command(folder, daemon, node), folder, environment, daemon)
    answers = _answers(folder, environment, daemon)
    since = time.monotonic()

    def ready() -> bool:
        if time.monotonic() - since > 1 and not census.daemons(folder, daemon, node):
            raise ClusterError(f"{what} ended right after its start:\n{_log(folder, daemon)}")
        return answers()

    wait_until(ready, lambda: f"{what} to answer:\n{_log(folder, daemon)}", limit_s=180)


def answers(
    environment: Mapping[str, str], *command: str, word: str = "", limit_s: float = 10
) -> bool:
    """Whether a command ends well, and says `word`."""
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=limit_s,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0 and word in done.stdout


def _call(command: list[str], folder: Path, environment: Mapping[str, str], daemon: str) -> None:
    """To files and not to pipes: a daemon may keep them open."""
    with (folder / f"log/{daemon}.out").open("ab") as out:
        try:
            subprocess.run(
                command,
                cwd=folder,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                timeout=180,
                check=True,
            )
        except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
            raise ClusterError(f"{shlex.join(command)} failed:\n{_log(folder, daemon)}") from error


def _log(folder: Path, daemon: str) -> str:
    files = sorted((folder / "log").glob(f"{daemon}*"))
    lines = [
        f"{file.name}: {line}"
        for file in files
        for line in file.read_text(errors="replace").splitlines()[-LOG_LINES:]
    ]
    return "\n".join(lines) or f"(no log in {folder}/log)"


def _answers(folder: Path, environment: Mapping[str, str], daemon: Daemon) -> Callable[[], bool]:
    checks: dict[Daemon, Callable[[], bool]] = {
        "munged": lambda: answers(
            environment, "munge", "--no-input", f"--socket={folder}/run/munge.sock"
        ),
        "mariadbd": lambda: _greets(folder / "run/mysql.sock"),
        "slurmdbd": lambda: answers(environment, "sacctmgr", "-n", "show", "cluster"),
        "slurmctld": lambda: answers(environment, "scontrol", "ping", word="UP"),
        # Slurmctld knows: see Cluster.wait_ready
        "slurmd": lambda: True,
    }
    return checks[daemon]


def _greets(path: Path) -> bool:
    """The database speaks first, as soon as it takes questions."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(1)
        try:
            connection.connect(str(path))
            return bool(connection.recv(1))
        except OSError:
            return False


def _command(folder: Path, daemon: Daemon, node: str | None) -> list[str]:
    configuration = f"{folder}/etc/slurm.conf"
    commands: dict[Daemon, list[str]] = {
        "munged": [
            "munged",
            # As no machine depends on the secret
            "--force",
            f"--key-file={folder}/etc/munge.key",
            f"--socket={folder}/run/munge.sock",
            f"--pid-file={folder}/run/munged.pid",
            f"--log-file={folder}/log/munged.log",
            f"--seed-file={folder}/state/munge.seed",
        ],
        "mariadbd": [
            *("setsid", "--fork", "mariadbd", "--no-defaults", f"--user={user()}"),
            *(
                f"--datadir={folder}/db",
                f"--socket={folder}/run/mysql.sock",
                f"--pid-file={folder}/run/mariadbd.pid",
            ),
            *(f"--init-file={folder}/etc/database.sql", f"--log-error={folder}/log/mariadbd.log"),
            *(
                "--skip-networking",
                "--skip-name-resolve",
                "--skip-log-bin",
                "--performance-schema=0",
            ),
            # nothing in it need outlive this machine
            *(
                "--innodb-flush-log-at-trx-commit=0",
                "--innodb-doublewrite=0",
                "--innodb-buffer-pool-size=64M",
            ),
            # As slurmdbd asks for
            "--innodb-lock-wait-timeout=900",
        ],
        "slurmdbd": ["slurmdbd"],
        "slurmctld": ["slurmctld", "-f", configuration],
        "slurmd": ["slurmd", "-f", configuration, "-N", node or ""],
    }
    return commands[daemon]


def _install_database(folder: Path) -> list[str]:
    return [
        *("mariadb-install-db", "--no-defaults", f"--datadir={folder}/db", f"--user={user()}"),
        *("--skip-test-db", "--skip-name-resolve", "--auth-root-authentication-method=normal"),
    ]
