"""The configuration files of a throw-away Slurm cluster: several slurmd on one host, fake GPUs, no
cgroups, quick timers.
"""

import os
import pwd
import random
import re
import secrets
import socket
import subprocess
from dataclasses import dataclass
from pathlib import Path

from tests.slurm.patience import ClusterError

MEMORY_MB = (
    # Per node, claimed as the CPUs are: nothing enforces it, so any job of the tests fits
    64_000
)
EPHEMERAL_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
FIRST_PORT = 10_000


@dataclass(frozen=True)
class Options:
    """What a test may choose.

    `extra` lines come last in slurm.conf: where a key is given twice, the last one holds.
    """

    nodes: int = 2
    # Per node
    cpus: int = 8
    # Per node
    gpus: int = 4
    accounting: bool = True
    extra: str = ""

    @property
    def names(self) -> list[str]:
        """Of the nodes."""
        return [f"n{number}" for number in range(1, self.nodes + 1)]


def user() -> str:
    """Whose the daemons are: whoever starts them, whatever $USER says (it does not follow su or
    chroot).
    """
    try:
        return pwd.getpwuid(os.getuid()).pw_name
    except KeyError:
        raise ClusterError(
            f"User {os.getuid()} has no name, and Slurm looks for one; add a line to /etc/passwd, or run the tests as another user."
        ) from None


def write(folder: Path, name: str, options: Options, search: str) -> None:
    """Everything the daemons read, into `folder`/etc, for the cluster called `name`; `search` is
    the PATH to the programs.
    """
    for part in (
        "etc",
        "run",
        "log",
        "state",
        "dev",
        "db",
        *(f"spool/{node}" for node in options.names),
    ):
        (folder / part).mkdir(parents=True)
    key = folder / "etc/munge.key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(1024))
    ports = free_ports(options.nodes + 2)
    parts = [
        _controller(folder, name, ports),
        _scheduling(),
        _accounting(folder, ports, options),
        _nodes(ports, options),
    ]
    (folder / "etc/slurm.conf").write_text("\n".join([*parts, options.extra, ""]))
    (folder / "etc/cgroup.conf").write_text(f"CgroupPlugin={_no_cgroup(search)}\n")
    (folder / "etc/gres.conf").write_text(_devices(folder, options))
    if options.accounting:
        database = folder / "etc/slurmdbd.conf"
        # Slurmdbd refuses one that others may read
        database.touch(mode=0o600)
        database.write_text(_slurmdbd(folder, ports))
        (folder / "etc/database.sql").write_text(
            "CREATE DATABASE IF NOT EXISTS slurm_acct;\nCREATE USER IF NOT EXISTS slurm@localhost IDENTIFIED BY 'slurm';\n"
            "GRANT ALL ON slurm_acct.* TO slurm@localhost;\n"
        )


def free_ports(count: int) -> int:
    """The first of `count` neighbouring TCP ports that nobody listens on.

    They lie below the range outgoing connections take theirs from: one of those could sit on a port
    before the daemon does.
    """
    top = int(EPHEMERAL_RANGE.read_text().split()[0]) if EPHEMERAL_RANGE.exists() else 32_768
    if top < FIRST_PORT + 2_000:
        top = 32_768
    for _ in range(200):
        first = random.SystemRandom().randrange(FIRST_PORT, top - count)
        if all(_is_free(port) for port in range(first, first + count)):
            return first
    raise OSError(
        f"Found no {count} neighbouring free TCP ports between {FIRST_PORT} and {top}; end what occupies them."
    )


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))
        except OSError:
            return False
    return True


def _controller(folder: Path, name: str, ports: int) -> str:
    return f"""\
ClusterName={name}
SlurmctldHost={socket.gethostname().partition(".")[0]}(127.0.0.1)
SlurmUser={user()}
SlurmdUser={user()}
AuthType=auth/munge
# cred_expire is also how long a requeued job waits. It stays well above KillWait: a second start that meets the first
# one still dying drains the node ("Duplicate jobid") and holds the job.
AuthInfo=socket={folder}/run/munge.sock,cred_expire=20
KillWait=8
SlurmctldPort={ports}
SlurmctldPidFile={folder}/run/slurmctld.pid
SlurmctldLogFile={folder}/log/slurmctld.log
StateSaveLocation={folder}/state
SlurmdPidFile={folder}/run/slurmd.%n.pid
SlurmdLogFile={folder}/log/slurmd.%n.log
SlurmdSpoolDir={folder}/spool/%n
# the nodes claim CPUs and memory that this machine need not have
SlurmdParameters=config_overrides
CommunicationParameters=NoInAddrAny,NoCtldInAddrAny
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=task=2
MpiDefault=none
PropagateResourceLimits=NONE
# a node that was silent comes back by itself, one that an operator set down stays down
ReturnToService=1
"""


def _scheduling() -> str:
    return """\
SlurmctldTimeout=30
SlurmdTimeout=15
InactiveLimit=0
MinJobAge=300
BatchStartTimeout=10
SchedulerType=sched/backfill
SchedulerParameters=batch_sched_delay=1,sched_interval=1,bf_interval=1
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
DefMemPerCPU=100
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
"""


def _accounting(folder: Path, ports: int, options: Options) -> str:
    if not options.accounting:
        return "AccountingStorageType=accounting_storage/none\n"
    return f"""\
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=127.0.0.1
AccountingStoragePort={ports + 1}
# no password: clients of slurmdbd take this value as the path of the munge socket
AccountingStoragePass={folder}/run/munge.sock
{"AccountingStorageTRES=gres/gpu" if options.gpus else ""}
"""


def _nodes(ports: int, options: Options) -> str:
    lines = ["GresTypes=gpu"] if options.gpus else []
    gres = f"Gres=gpu:{options.gpus} " if options.gpus else ""
    for index, node in enumerate(options.names):
        lines.append(
            f"NodeName={node} NodeHostname=localhost NodeAddr=127.0.0.1 Port={ports + 2 + index} "
            f"CPUs={options.cpus} RealMemory={MEMORY_MB} {gres}State=UNKNOWN"
        )
    common = f"Nodes={','.join(options.names)} MaxTime=INFINITE DefaultTime=60 State=UP"
    lines.append(f"PartitionName=main Default=YES PriorityTier=1 {common}")
    lines.append(f"PartitionName=urgent PriorityTier=10 PreemptMode=OFF {common}")
    return "\n".join(lines)


def _devices(folder: Path, options: Options) -> str:
    """Slurm insists on character devices, and accepts links to one."""
    lines = ["AutoDetect=off"]
    for number in range(options.gpus):
        device = folder / f"dev/gpu{number}"
        device.symlink_to(os.devnull)
        lines.append(f"NodeName={','.join(options.names)} Name=gpu File={device}")
    return "\n".join(lines) + "\n"


def _no_cgroup(search: str) -> str:
    """Left to itself slurmd looks for cgroups, and dies where none are mounted although no plugin
    uses them.
    """
    said = subprocess.run(
        ["slurmctld", "-V"], capture_output=True, text=True, timeout=10, env={"PATH": search}
    ).stdout
    version = tuple(int(part) for part in re.findall(r"\d+", said)[:2])
    # The older ones do not know the word; v1, unused, never looks
    return "disabled" if version >= (23, 11) else "cgroup/v1"


def _slurmdbd(folder: Path, ports: int) -> str:
    return f"""\
AuthType=auth/munge
AuthInfo=socket={folder}/run/munge.sock
DbdHost=localhost
DbdAddr=127.0.0.1
DbdPort={ports + 1}
SlurmUser={user()}
LogFile={folder}/log/slurmdbd.log
PidFile={folder}/run/slurmdbd.pid
StorageType=accounting_storage/mysql
StorageHost=localhost
StorageUser=slurm
StoragePass=slurm
StorageLoc=slurm_acct
"""
