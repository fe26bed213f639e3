"""Access to the catalog file: exclusive short sessions for writers, published copies for readers.

DuckDB lets one process write or many read, never both, and silently drops its lock when the same
process opens the file a second time. So all access goes through `Catalog.open`, for one short piece
of work, with a side lock (`catalog.lock`) that waits a limited time and names the holder. Readers
get a published copy that is never opened for writing.
"""

import contextlib
import fcntl
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import duckdb

from schema.files import fsync, make_folder, move_into_place, open_lock, remove_file

# The newest format that the DuckDB 1.5 command line opens
STORAGE_VERSION = "v1.5.0"
# How many published copies are kept, as a reader may have opened an older one
KEEP_SNAPSHOTS = 3
# Seconds between two tries for a lock: at first, and at most
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.005, 0.2


class CatalogBusyError(RuntimeError):
    """Another process holds the catalog."""


class CatalogMissingError(FileNotFoundError):
    """There is no catalog where the site names one, or none that is whole."""


class CatalogDamagedError(CatalogMissingError):
    """The catalog file is there, and is no whole catalog."""


# What DuckDB says of a file that was cut, overwritten, or torn by a kill amid a checkpoint, which
# writes some blocks where they lie
DAMAGE = (
    "Corrupt database file",
    "not a valid DuckDB database file",
    "Could not read enough bytes",
)


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

    def __init__(self, path: Path, wait_s: float = 30.0) -> None:
        self.path, self.wait_s = path.absolute(), wait_s
        self.lock = FileLock(self.path.with_suffix(".lock"), wait_s)

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
                        yield connection
                finally:
                    self._opened.discard(self.path)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[duckdb.DuckDBPyConnection]:
        """Open the catalog like `open`, with the block as one transaction."""
        with self.open() as connection, transaction(connection):
            yield connection

    def _connect(self) -> duckdb.DuckDBPyConnection:
        """Connect, waiting as long for a person's own session as for the side lock."""
        deadline, pause_s = time.monotonic() + self.wait_s, FIRST_PAUSE_S
        while True:
            try:
                return connect(self.path)
            except duckdb.Error as error:
                if any(words in str(error) for words in DAMAGE):
                    raise CatalogDamagedError(
                        f"{self.path} is damaged: {error}. Move it and its .wal aside, and make "
                        "it again from run folders and from what sync has exported: "
                        "python -m schema --rebuild. What was inserted since the last pass of "
                        "sync must be inserted again"
                    ) from error
                if "Could not set lock" not in str(error):
                    raise
                if time.monotonic() >= deadline:
                    raise CatalogBusyError(
                        f"{self.path} is open in another program; close it, or read the snapshot "
                        f"instead. DuckDB says: {error}"
                    ) from error
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, LONGEST_PAUSE_S)

    def publish(self, folder: Path, connection: duckdb.DuckDBPyConnection) -> Path:
        """Copy the catalog to `folder` and point `current.duckdb` at the copy.

        The last `KEEP_SNAPSHOTS` copies are kept. `connection`, the open one, first writes
        everything into the file, and keeps it locked while another process copies it (`cp`; a read
        in this process would drop the lock). The stored summaries should be up to date
        (`schema.summaries.renew`), as readers otherwise compute missing ones each time.

        Raises:
            OSError: the copy cannot be written; the snapshots are unchanged.
        """
        connection.execute("CHECKPOINT")
        make_folder(folder)
        copies = snapshots(folder)
        number = 1
        if copies:
            number += int(copies[-1].stem.rpartition("-")[2])
        target, aside = folder / f"catalog-{number:06d}.duckdb", folder / f".aside-{os.getpid()}"
        copying = subprocess.run(
            ["cp", "--reflink=auto", str(self.path), str(aside)], stderr=subprocess.PIPE, text=True
        )
        if copying.returncode:
            # The partial copy is removed, so that a full disk gets no fuller
            aside.unlink(missing_ok=True)
            reason = copying.stderr.strip() or f"cp ended with {copying.returncode}"
            raise OSError(f"the snapshot cannot be written: {reason}")
        aside.chmod(0o444)
        # Flushed to the disk before the link is changed, so that no reader sees a partial file
        fsync(aside)
        point_to(folder / "current.duckdb", aside.rename(target))
        for old in copies[: len(copies) + 1 - KEEP_SNAPSHOTS]:
            remove_file(old)
        return target


def connect(path: Path) -> duckdb.DuckDBPyConnection:
    """Open a catalog file for writing in the pinned storage format. Only `Catalog` and migrations
    call it.
    """
    return duckdb.connect(str(path), config={"storage_compatibility_version": STORAGE_VERSION})


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


def snapshots(folder: Path) -> list[Path]:
    """Return the published copies, oldest first."""
    return sorted(folder.glob("catalog-[0-9]*.duckdb"))


def point_to(link: Path, target: Path) -> None:
    """Make `link` a symbolic link to its sibling `target`, replacing it in one step."""
    aside = link.with_name(f".{link.name}-{os.getpid()}")
    aside.unlink(missing_ok=True)
    aside.symlink_to(target.name)
    move_into_place(aside, link)
    fsync(link.parent)
