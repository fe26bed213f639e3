"""File functions that both halves need. Standard library only."""

import errno
import logging
import os
import time
from pathlib import Path

LOG = logging.getLogger("runner.files")

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


def set_aside(path: Path) -> None:
    """Move what has the name of one of our own files or folders aside; it is not ours to remove."""
    other = path.with_name(f"{path.name}.in-the-way-{time.time_ns()}")
    path.rename(other)
    LOG.warning("%s was in the way, and is now %s", path, other)


def remove_file(path: Path) -> None:
    """Remove a file of ours, or a link; a folder of its name is set aside."""
    if path.is_dir() and not path.is_symlink():
        set_aside(path)
    path.unlink(missing_ok=True)


def move_into_place(aside: Path, path: Path) -> None:
    """Move a finished file to `path` in one step, after a folder that lies there is set aside."""
    try:
        aside.replace(path)
    except IsADirectoryError:
        set_aside(path)
        aside.replace(path)


def make_folder(path: Path) -> None:
    """Make a folder where there is none, after a file of its name is set aside.

    Raises:
        FileExistsError: a link of its name leads nowhere, as to a disk that is not mounted.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except FileExistsError:
        if path.is_symlink():
            raise
        set_aside(path)
        path.mkdir(parents=True, exist_ok=True)


def open_lock(path: Path) -> int:
    """Return a file descriptor of a file that exists for its lock alone, made where it is missing.

    What nobody can lock (a folder, a link to itself) is set aside first.
    """
    flags = os.O_RDWR | os.O_CREAT
    try:
        return os.open(path, flags, 0o644)
    except OSError as error:
        if error.errno not in (errno.EISDIR, errno.ELOOP):
            raise
    set_aside(path)
    return os.open(path, flags, 0o644)


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
