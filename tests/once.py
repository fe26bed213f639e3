"""What several tests need and what is dear to make: made once, also where pytest distributes the tests to several
processes."""

import atexit
import fcntl
import hashlib
import os
import pickle
import shutil
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import TypeVar

from runner import code_snapshot
from schema.questions import fingerprint

Made = TypeVar("Made")
VARIABLE = "WEIR_TESTS_SHARED"


def open_place() -> Callable[[], None]:
    """Make the folder that this run of pytest and its processes share; returns what removes it."""
    # A process that pytest distributes tests to has it from the one that distributes
    if VARIABLE in os.environ and "PYTEST_XDIST_WORKER" in os.environ:
        return lambda: None
    place = tempfile.mkdtemp(prefix="weir-tests-")
    os.environ[VARIABLE] = place
    return lambda: shutil.rmtree(place, ignore_errors=True)


@cache
def place() -> Path:
    """The folder of this run for this code: tests of changed copies of the tree may run within a test."""
    if VARIABLE not in os.environ:
        # Outside of pytest, as in `python -m tests.slurm.chaos`
        atexit.register(open_place())
    # The questions are part of a catalog, and of no worker's code
    code = f"{code_snapshot.identity(code_snapshot.ROOT)}-{fingerprint()}"
    folder = Path(os.environ[VARIABLE]) / code
    folder.mkdir(exist_ok=True)
    return folder


def once(name: str, make: Callable[[], Made]) -> Made:
    """What `make` returns, by a call in one process alone; the others wait for it and read it."""
    path = place() / hashlib.sha256(name.encode()).hexdigest()
    with path.with_suffix(".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            aside = path.with_suffix(".aside")
            aside.write_bytes(pickle.dumps(make()))
            aside.rename(path)
        found: Made = pickle.loads(path.read_bytes())
        return found
