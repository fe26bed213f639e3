"""Temporary folders of tests in memory, where the machine has room for them.

What Weir has written it also makes sure of: a pass waits a dozen times for the disk, a tiny trial
sixty times. Tests kill processes and no machine, so they need not wait. A folder in memory is like
any other in all else.
"""

import os
import shutil
import tempfile
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")
# All that the tests leave at one time is far less
ROOM_GB = 6


def use_memory() -> None:
    """Have `tempfile`, pytest and what they start use memory, unless TMPDIR says otherwise."""
    if "TMPDIR" in os.environ or not _fits():
        return
    os.environ["TMPDIR"] = str(SHARED_MEMORY)
    # What it found out before holds no longer
    tempfile.tempdir = None


def _fits() -> bool:
    """Return whether there is room in memory, and programs that lie there can be run."""
    if not os.access(SHARED_MEMORY, os.W_OK):
        return False
    if shutil.disk_usage(SHARED_MEMORY).free < ROOM_GB * 1e9:
        return False
    return not os.statvfs(SHARED_MEMORY).f_flag & os.ST_NOEXEC
