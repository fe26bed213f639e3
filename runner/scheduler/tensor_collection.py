"""Removing from the lab's store the tensors that no file of weights names.

A worker may be about to name a tensor that nobody names yet. So a collection looks which are named,
gives those that are not another name, looks again, gives the name back to those that are named by
now, and removes the others. The worker looks after it has written its file whether each tensor is
there, and writes again what is not (`runner.worker.tensor_files.save`). Either the second look
comes after that file and sees it, or the worker looks after the tensor was renamed and misses it.
"""

import contextlib
import os
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from runner import tensor_store
from runner.records import DamagedFileError
from runner.run_folder import crash_point
from runner.tensor_store import GOING, TENSORS

# Nothing younger goes: a worker writes all tensors of a file before it names them
YOUNG_S = 3600.0


@dataclass(frozen=True, kw_only=True)
class Contents:
    """What lies in the store, and what of it may go."""

    # The bytes and the number of all files
    size: int
    files: int
    # The bytes of what no file of weights names
    unnamed: int
    # Why nothing may go: a file of weights that cannot be read; "": nothing stands in the way
    blocked: str = ""


def contents(runs: Path) -> Contents:
    """Return what lies in the store. Each tensor counts once, however many files name it."""
    sizes = dict(_files(runs / TENSORS))
    total = sum(sizes.values())
    if not sizes:
        return Contents(size=0, files=0, unnamed=0)
    try:
        names = named(runs)
    except (OSError, DamagedFileError) as error:
        return Contents(size=total, files=len(sizes), unnamed=0, blocked=str(error))
    unnamed = sum(size for name, size in sizes.items() if name.removesuffix(GOING) not in names)
    return Contents(size=total, files=len(sizes), unnamed=unnamed)


def collect(runs: Path, young_s: float = YOUNG_S) -> int:
    """Remove the tensors that no file of weights names; return how many bytes went.

    young_s: how long what was last written or used stays in any case.

    Raises:
        OSError, DamagedFileError: a file of weights cannot be read, so what it names is not known;
            nothing was removed.
    """
    store = runs / TENSORS
    if not store.is_dir():
        return 0
    # Look: which tensors are named by files that stand
    names = named(runs)
    oldest = _now(store) - young_s
    for name, _ in list(_files(store)):
        path = store / name
        if name.removesuffix(GOING) in names or name.endswith(GOING) or _used_at(path) > oldest:
            continue
        # Rename: a worker that looks for it from here on writes it again
        with contextlib.suppress(FileNotFoundError):
            path.rename(store / f"{name.lstrip('.')}{GOING}")
    crash_point("tensors_going")
    # Look again: a worker may have named one before it was renamed
    names = named(runs)
    freed = 0
    for name, size in list(_files(store)):
        if not name.endswith(GOING):
            continue
        place = store / name.removesuffix(GOING)
        if place.name in names and not place.exists():
            (store / name).rename(place)
            continue
        # Remove: nobody names it, or whoever does has written it again
        (store / name).unlink(missing_ok=True)
        freed += size
        crash_point("tensor_gone")
    return freed


def named(runs: Path) -> set[str]:
    """Return the names of all tensors that files of weights need.

    Raises:
        OSError, DamagedFileError: one of the files cannot be read.
    """
    names = set()
    for path in _weights(runs):
        # A worker removes weights of earlier tasks at any time
        with contextlib.suppress(FileNotFoundError):
            names |= _named_by(path)
    return names


def _named_by(path: Path) -> set[str]:
    """Return what a file of weights names.

    Raises:
        OSError, DamagedFileError: it cannot be read, or is no file of weights any more.
    """
    if tensor_store.read_header(path) is None:
        raise DamagedFileError(
            path,
            "is no file of weights any more, so which tensors it names is not known. Put it back "
            "from a copy, or remove it; until then no tensor of the store goes",
        )
    return tensor_store.named_by(path)


def _weights(folder: Path) -> Iterator[Path]:
    """Yield every file of weights below a folder.

    Raises:
        OSError: a folder cannot be read.
    """
    with os.scandir(folder) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                if entry.name != TENSORS:
                    with contextlib.suppress(FileNotFoundError):
                        yield from _weights(Path(entry.path))
            elif entry.name.endswith(".safetensors") and entry.name.startswith("task-"):
                yield Path(entry.path)


def _files(store: Path) -> Iterator[tuple[str, int]]:
    """Yield the name and the size of every file of the store."""
    with contextlib.suppress(FileNotFoundError), os.scandir(store) as entries:
        for entry in entries:
            with contextlib.suppress(FileNotFoundError):
                yield entry.name, entry.stat().st_size


def _now(store: Path) -> float:
    """Return the time by the clock of the store's disk, in seconds since the epoch."""
    probe = store / f".now.{os.getpid()}"
    try:
        probe.touch()
        return probe.stat().st_mtime
    except OSError:
        return time.time()
    finally:
        probe.unlink(missing_ok=True)


def _used_at(path: Path) -> float:
    """Return when a file was last written or used; one that is gone counts as used just now."""
    try:
        return path.stat().st_mtime
    except OSError:
        return float("inf")
