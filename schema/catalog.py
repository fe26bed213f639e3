"""Access to the catalog file: exclusive short sessions for writers, published copies for readers.

DuckDB lets one process write or many read, never both, and silently drops its lock when the same
process opens the file a second time. So all access goes through `Catalog.open`, for one short piece
of work, with a side lock (`catalog.lock`) that waits a limited time and names the holder. Readers
get a published copy (`schema.publishing`) that is never opened for writing.

Commits go to the write-ahead log alone. The file changes only as a whole (`schema.catalog_file`),
so whenever a process is killed, what was committed is there. Where no command is running, the file
alone is the catalog.
"""

import contextlib
import fcntl
import logging
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import duckdb

from schema.catalog_file import CatalogFile, Change, Whole, says_damaged
from schema.files import open_lock

LOG = logging.getLogger("schema.catalog")

# A log that a command which opens the catalog several times leaves to its end: opening reads the
# log, which takes a hundredth of a second for this much
LONG_LOG_BYTES = 1_000_000
# Seconds between two tries for a lock: at first, and at most
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.005, 0.2


class CatalogBusyError(RuntimeError):
    """Another process holds the catalog."""


class CatalogMissingError(FileNotFoundError):
    """There is no catalog where the site names one, or none that is whole."""


class CatalogDamagedError(CatalogMissingError):
    """The catalog file is there, and is no whole catalog."""


class FileLock:
    """An exclusive lock on a side file that names its holder, and is freed when the holder dies.

    On some network disks locks do not reach other machines. So the holder writes its machine's name
    into the file and removes it at the end. If the name of another machine is there, it holds the
    lock, or it died and a person should check.
    """

    def __init__(self, path: Path, wait_s: float) -> None:
        self.path, self.wait_s = path, wait_s

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Hold the lock during the block.

        Raises:
            CatalogBusyError: another process still holds it after `wait_s` seconds; names the
                holder.
        """
        self.path.parent.mkdir(parents=True, exist_ok=True)
        handle = open_lock(self.path)
        try:
            self._wait(handle)
            self._refuse_another_machine(handle)
            command = " ".join(sys.argv)[:120]
            holder = f"PID {os.getpid()} on {socket.gethostname()} ({command})\n"
            os.ftruncate(handle, 0)
            os.pwrite(handle, holder.encode(), 0)
            try:
                yield
            finally:
                os.ftruncate(handle, 0)
        finally:
            os.close(handle)

    def _refuse_another_machine(self, handle: int) -> None:
        """Raise if the holder is on another machine, whose lock may be invisible here."""
        holder = _holder(handle)
        if holder and f" on {socket.gethostname()} " not in holder:
            raise CatalogBusyError(
                f"{self.path} is held by {holder}: another machine, whose locks this one may not "
                "see. Run sync there; if that process is dead, remove the file."
            )

    def _wait(self, handle: int) -> None:
        """Take the lock, or raise after `wait_s` seconds."""
        deadline, pause_s = time.monotonic() + self.wait_s, FIRST_PAUSE_S
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    holder = _holder(handle) or "an unknown process"
                    raise CatalogBusyError(
                        f"{self.path} is held by {holder}; waited {self.wait_s:g} s. "
                        "Try again when it has finished, or raise lock_wait_s in site.toml."
                    ) from None
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)


def _holder(handle: int) -> str:
    """Return what the holder of a lock wrote about itself; "" where there is no holder."""
    return os.pread(handle, 300, 0).decode(errors="replace").strip()


class Catalog:
    """The only access to the catalog file."""

    # Shared by the threads of this process, as the kernel's lock works between processes
    _in_process = threading.RLock()
    _opened: ClassVar[set[Path]] = set()

    def __init__(self, path: Path, wait_s: float = 30.0, log_most_bytes: int = 0) -> None:
        """Give access to the catalog at `path`.

        Args:
            path: the file.
            wait_s: how long to wait for somebody else who has it open.
            log_most_bytes: with a longer log it is closed only after the file has taken it in.
        """
        self.path, self.wait_s, self.log_most_bytes = path.absolute(), wait_s, log_most_bytes
        self.lock = FileLock(self.path.with_suffix(".lock"), wait_s)
        # The copy that takes the place of the file when it is closed
        self._whole: Whole | None = None

    @property
    def file(self) -> CatalogFile:
        """Return the file where a link leads, as DuckDB keeps the log beside that."""
        return CatalogFile(path=self.path.resolve())

    @contextlib.contextmanager
    def open(self, create: bool = False) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open an exclusive read-write connection during the block, which should be short.

        Raises:
            CatalogMissingError: there is no file, and `create` is false.
            CatalogDamagedError: the file is no whole catalog.
            CatalogBusyError: another process still holds it after the wait.
            RuntimeError: this process has it open already.
        """
        with self._in_process:
            if self.path in self._opened:
                raise RuntimeError(
                    f"{self.path} is open in this process already; "
                    "a second connection would drop its lock"
                )
            if not create and not self.path.exists():
                raise CatalogMissingError(
                    f"no catalog at {self.path}; make one with: python -m schema"
                )
            with self.lock.held():
                self._opened.add(self.path)
                try:
                    with contextlib.closing(self._connect()) as connection:
                        before = self.file.log_stamp()
                        yield connection
                        self._take_in_log()
                    # What a kill has left at its end is not sealed: the next commit cuts it off
                    if self.file.log_stamp() != before:
                        self.file.seal.write()
                finally:
                    self._drop_copy()
                    self._opened.discard(self.path)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the catalog like `open`, with the block as one transaction."""
        with self.open() as connection, transaction(connection):
            yield connection

    def rewrite(self, change: Change | None = None) -> None:
        """Make a change in a copy of the file that has taken in the log, and move it into place.

        Afterwards the file alone is the catalog.

        Raises:
            OSError: the copy cannot be written; the catalog is as it was.
            CatalogBusyError: as `open`.
        """
        with self.open():
            if change is not None:
                self.file.replace(self.file.whole_copy(change))
            elif self.file.log_bytes():
                self.file.replace(self.file.whole_copy(), self.file.changed_at_ns())

    def whole_copy(self, change: Change | None = None) -> Path:
        """Return a copy of the open catalog that has taken in its log.

        When the catalog is closed the copy takes its place, if nothing was committed in between; so
        `change` must change its form alone.

        Raises:
            OSError: it cannot be written.
        """
        self._whole = self.file.whole_copy(change)
        return self._whole.path

    def _take_in_log(self) -> None:
        """Have the file take in its log before it is closed, where the log is long."""
        log_bytes = self.file.log_bytes()
        if self._whole is not None and self._whole.log_bytes != log_bytes:
            # Something was committed after the copy was made
            self._drop_copy()
        try:
            if self._whole is None and log_bytes > self.log_most_bytes:
                self._whole = self.file.whole_copy()
            if self._whole is not None:
                # What the catalog says has not changed, so a snapshot of it stays current
                self.file.replace(self._whole, self.file.changed_at_ns())
        except OSError as error:
            # As on a full disk: nothing is lost, and whoever closes the catalog next tries again
            LOG.warning("%s keeps its log of commits for now: %s", self.path, error)

    def _drop_copy(self) -> None:
        """Remove a copy that is not needed, if there is one."""
        if self._whole is not None:
            self._whole.path.unlink(missing_ok=True)
            self._whole = None

    def _connect(self) -> duckdb.DuckDBPyConnection:
        """Connect, waiting as long for a person's own session as for the side lock."""
        if damage := self.file.seal.damage():
            raise self._damaged(damage)
        deadline, pause_s = time.monotonic() + self.wait_s, FIRST_PAUSE_S
        while True:
            try:
                return self.file.connect()
            except duckdb.Error as error:
                if says_damaged(error):
                    raise self._damaged(str(error)) from error
                if "Could not set lock" not in str(error):
                    raise
                if time.monotonic() >= deadline:
                    raise CatalogBusyError(
                        f"{self.path} is open in another program; close it, or read the snapshot "
                        f"instead. DuckDB says: {error}"
                    ) from error
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def _damaged(self, reason: str) -> CatalogDamagedError:
        """Return the error that says what a person can do about a damaged catalog."""
        return CatalogDamagedError(
            f"{self.path} is damaged: {reason}. Move it and its .wal aside, and make it again from "
            "run folders and from what sync has exported: python -m schema --rebuild. What was "
            "inserted since the last pass of sync must be inserted again"
        )


@contextlib.contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[duckdb.DuckDBPyConnection]:
    """Begin a transaction; commit at the end of the block, or roll back when it raises."""
    connection.execute("BEGIN")
    try:
        yield connection
    except BaseException:
        # A fatal error has rolled back already, and must not be hidden by an error of the rollback
        with contextlib.suppress(duckdb.Error):
            connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")
