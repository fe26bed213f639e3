"""The shards that were fetched to a node: a folder with a budget, which all processes there share.

    cache/shards/5d0e...-00017.tar      a shard, whole
                 .aside-3f-9ab1...      one that is being fetched
                 .lock-3f               held by the process that fetches such a shard

A shard is fetched by one process; others that need it wait, and read the same copy. The least
recently used shards are removed to stay within the budget. A shard that was removed is fetched
again when it is needed, so any file may be deleted at any time. Partial files of a killed process
are removed by the next process that fetches a shard with the same two digits, or that needs the
room.
"""

import logging
import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any
from uuid import uuid4

from streams import DatasetError
from streams.formats import _remote
from streams.formats._disk import locked, trying

# How many shards a process fetches at once.
FETCHERS = 8
# Seconds between checks of a shard that another process is fetching.
PAUSE_S = 0.05
# How many seconds to wait for room that other fetches have reserved.
PATIENCE_S = 60.0
ASIDE, LOCK = ".aside-", ".lock-"
# Digits of a shard's name that choose its lock: 256 locks, instead of one for each of millions.
DIGITS = 2

log = logging.getLogger(__name__)


class ShardCache:
    """The cache of a node, as one process uses it."""

    def __init__(self, about: str, folder: Path, budget_bytes: int) -> None:
        """Use the cache in a folder; `about` names the dataset in messages."""
        self.about, self.folder, self.budget_bytes = about, folder, budget_bytes
        self.ahead = Ahead(self)
        # Shards that this process used before, and whether a second fetch was reported
        self.had: set[str] = set()
        self.warned = False

    def get(self, address: str) -> Path:
        """Return the copy of a shard, after fetching it if needed.

        Raises:
            DatasetError: it cannot be fetched, or is larger than the budget.
        """
        copy = self.folder / _remote.copy_name(address)
        if not self._touched(copy):
            self.folder.mkdir(parents=True, exist_ok=True)
            # One process fetches the shard, and the others wait for it
            with locked(self._lock(copy)):
                if not self._touched(copy):
                    self._fetch(address, copy)
        return copy

    def get_all(self, addresses: Sequence[str]) -> list[Path]:
        """Return the copies of several shards, fetched in parallel if needed."""
        missing = [one for one in addresses if not (self.folder / _remote.copy_name(one)).exists()]
        if len(missing) > 1:
            with ThreadPoolExecutor(FETCHERS) as threads:
                list(threads.map(self.get, missing))
        return [self.get(address) for address in addresses]

    def try_get(self, address: str) -> bool:
        """Fetch a shard unless another process is doing so; return whether its copy is there."""
        copy = self.folder / _remote.copy_name(address)
        if self._touched(copy):
            return True
        self.folder.mkdir(parents=True, exist_ok=True)
        with trying(self._lock(copy)) as held:
            if held and not self._touched(copy):
                self._fetch(address, copy)
        return held

    def _lock(self, copy: Path) -> Path:
        return self.folder / f"{LOCK}{copy.name[:DIGITS]}"

    def _touched(self, copy: Path) -> bool:
        """Mark a copy as used now, by its modification time; return whether it exists."""
        try:
            os.utime(copy)
        except FileNotFoundError:
            return False
        except PermissionError:
            # It belongs to another user, but it is there
            return True
        return True

    def _fetch(self, address: str, copy: Path) -> None:
        """Fetch a shard; the caller holds the lock of its digits."""
        digits = copy.name[:DIGITS]
        # Left by a killed process, as a living one would still hold this lock
        for left in self.folder.glob(f"{ASIDE}{digits}-*"):
            left.unlink(missing_ok=True)
        if copy.name in self.had and not self.warned:
            self.warned = True
            log.warning(
                "%s: %s was fetched again, as the cache holds too little for all that read from "
                "it: raise cache_gb in site.toml, or take fewer lanes or smaller blocks",
                self.about,
                address,
            )
        aside = self.folder / f"{ASIDE}{digits}-{uuid4().hex}"
        _remote.fetch(self.about, address, copy, aside, partial(self._make_room, aside))
        self.had.add(copy.name)

    def _make_room(self, aside: Path, size_bytes: int) -> None:
        """Reserve bytes of the budget for a file that is about to be written to `aside`.

        Raises:
            DatasetError: the file is larger than the whole budget.
            OSError: other fetches have occupied the budget for too long.
        """
        if size_bytes > self.budget_bytes:
            raise DatasetError(
                f"{self.about}: a shard takes {size_bytes / 1e9:.3g} GB, and the cache of this "
                f"node may take {self.budget_bytes / 1e9:.3g} GB. Raise cache_gb in site.toml."
            )
        until = time.monotonic() + PATIENCE_S
        while time.monotonic() < until:
            with locked(self.folder / ".room"):
                if self._freed(size_bytes):
                    # The empty file gets its final size at once, so that other processes count it
                    with aside.open("wb") as file:
                        file.truncate(size_bytes)
                    return
            time.sleep(PAUSE_S)
        raise OSError(f"{self.folder} is full of shards that are being fetched")

    def _freed(self, size_bytes: int) -> bool:
        """Remove the least recently used copies until the bytes fit; return whether they do."""
        copies, used_bytes = list[tuple[int, str, int]](), 0
        with os.scandir(self.folder) as entries:
            for entry in entries:
                # Another process may remove it at the same time
                with suppress(FileNotFoundError):
                    about = entry.stat()
                    used_bytes += about.st_size
                    copies.append((about.st_mtime_ns, entry.name, about.st_size))
        for _, name, held_bytes in sorted(copies):
            if used_bytes + size_bytes <= self.budget_bytes:
                break
            if not name.startswith(".") or self._is_abandoned(name):
                (self.folder / name).unlink(missing_ok=True)
                used_bytes -= held_bytes
        return used_bytes + size_bytes <= self.budget_bytes

    def _is_abandoned(self, name: str) -> bool:
        """Return whether a partial file was left by a process that no longer writes it."""
        if not name.startswith(ASIDE):
            return False
        digits = name.removeprefix(ASIDE)[:DIGITS]
        with trying(self.folder / f"{LOCK}{digits}") as held:
            return held


class Ahead:
    """Fetches shards in the background, by threads, before they are needed."""

    def __init__(self, cache: ShardCache) -> None:
        self.cache = cache
        self._forget()

    def _forget(self) -> None:
        """Start without threads, as they do not exist in a new process."""
        self.pid = os.getpid()
        self.waiting: deque[str] = deque()
        self.threads: list[threading.Thread] = []

    def __getstate__(self) -> dict[str, Any]:
        """Return the state for another process, which starts its own threads."""
        return {"cache": self.cache}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.cache = state["cache"]
        self._forget()

    def want(self, addresses: Sequence[str]) -> None:
        """Queue shards to be fetched in the background."""
        if self.pid != os.getpid():
            self._forget()
        self.waiting.extend(addresses)
        self.threads = [thread for thread in self.threads if thread.is_alive()]
        while len(self.threads) < min(FETCHERS, len(self.waiting)):
            # Daemon threads, as the end of a trial need not wait for them: a partial file is never
            # used
            thread = threading.Thread(target=self._work, daemon=True)
            self.threads.append(thread)
            thread.start()

    def _work(self) -> None:
        """Fetch shards until the queue is empty; run by each thread."""
        while True:
            try:
                address = self.waiting.popleft()
            except IndexError:
                return
            # Ignored here: the error is raised again when the shard is read
            with suppress(DatasetError, OSError):
                if not self.cache.try_get(address):
                    self.waiting.append(address)
                    time.sleep(PAUSE_S)
