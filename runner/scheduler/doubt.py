"""The notes of sync in the run folder of an attempt that it misses, or wants to end.

Only this machine's clock is read, so that no other one's can end an attempt early.
"""

import contextlib
import time

from runner.records import DamagedFileError
from runner.run_files import Doubt, StopWish
from runner.run_folder import RunFolder, now, write_json
from schema.files import remove_file


def stop(run: RunFolder) -> float:
    """Ask the worker to end at a checkpoint; return the seconds since that was first asked."""
    path = run.path / "stop.json"
    wish = None
    with contextlib.suppress(DamagedFileError):
        wish = StopWish.read(path)
    if wish is None:
        write_json(path, {"at": now(), "at_s": time.time()})
        return 0.0
    return max(0.0, time.time() - wish.at_s)


def doubted(run: RunFolder, patience_s: float) -> bool:
    """Return whether the attempt was missed `patience_s` ago and gave no heartbeat since.

    Notes that it is missed. A clock that was set back begins the wait anew.
    """
    path, pulse = run.path / "doubt.json", heartbeat(run)
    doubt = None
    with contextlib.suppress(DamagedFileError):
        doubt = Doubt.read(path)
    if doubt is not None and doubt.heartbeat == pulse and time.time() >= doubt.at_s:
        return time.time() - doubt.at_s >= patience_s
    write_json(path, {"heartbeat": pulse, "at_s": time.time()})
    return patience_s == 0


def trust(run: RunFolder) -> None:
    """Forget that the attempt's job was missed: it was seen."""
    remove_file(run.path / "doubt.json")


def heartbeat(run: RunFolder) -> int:
    """Return the worker's latest sign of life, a number that only grows; 0 before the first."""
    try:
        # Not followed: a link that leads nowhere must not hold up the judgement of an attempt
        return (run.path / "alive").lstat().st_mtime_ns
    except (FileNotFoundError, NotADirectoryError):
        return 0
