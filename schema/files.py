"""File functions that both halves need. Standard library only."""

import os
from pathlib import Path

# Types of file systems in /proc/mounts whose locks may not reach other machines
NETWORK_DISKS = (
    "nfs",
    "nfs4",
    "cifs",
    "smb3",
    "lustre",
    "gpfs",
    "beegfs",
    "fuse.sshfs",
    "afs",
    "ceph",
    "9p",
)


def fsync(path: Path) -> None:
    """Flush a file or folder to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def network_disk(path: Path, mounts: Path = Path("/proc/mounts")) -> str | None:
    """Return the type of the network file system of `path`, or None.

    None means a local disk, or a system without a list of mounts.
    """
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return None
    absolute, nearest, kind = str(path.absolute()), "", ""
    for line in lines:
        _, point, mounted_kind, *_ = line.split()
        below = absolute == point or absolute.startswith(point.rstrip("/") + "/")
        # The innermost mount holds the path; of equal ones the first in the list counts
        if below and len(point) > len(nearest):
            nearest, kind = point, mounted_kind
    return kind if kind in NETWORK_DISKS else None
