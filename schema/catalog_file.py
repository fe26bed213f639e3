"""The file of the catalog, and the log beside it of what was committed since the file was written.

A commit appends to the write-ahead log. Now and then DuckDB would write the log into the file (a
checkpoint), some blocks of it where they lie, so that a kill at that moment could tear the only
copy. So our connections never do: a copy takes the log in, and is moved into place.

DuckDB takes an entry whose length makes no sense for the torn end that a kill leaves, and drops it
with all that follows. So that no other damage passes for a torn end, the log is sealed whenever the
catalog is closed: its length and checksum are written beside it, and compared before it is opened.
"""

import contextlib
import json
import os
import re
import subprocess
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import duckdb

from schema.files import fsync, set_aside

# The newest format that the DuckDB 1.5 command line opens
STORAGE_VERSION = "v1.5.0"
# What DuckDB says of a file or a log that was cut or overwritten, or of a log of another file
_DAMAGE = (
    "Corrupt database file",
    "not a valid DuckDB database file",
    "Could not read enough bytes",
    "Failure while replaying WAL file",
)
# What DuckDB says of a log that is older than the file
_ITERATIONS = re.compile(r"File checkpoint iteration: (\d+), WAL checkpoint iteration: (\d+)")

Change = Callable[[duckdb.DuckDBPyConnection], object]


@dataclass(frozen=True, kw_only=True)
class Whole:
    """A copy of the catalog that has taken in its log, which had so many bytes."""

    path: Path
    log_bytes: int


@dataclass(frozen=True, kw_only=True)
class Seal:
    """The length and the checksum of a log, noted beside it when the catalog was closed."""

    file: Path
    log: Path

    @property
    def path(self) -> Path:
        """Return where it is kept."""
        return self.log.with_name(f"{self.log.name}.seal")

    def write(self) -> None:
        """Note the log as it is now. The catalog must be closed, and have been written."""
        if not self.log.is_file():
            self.path.unlink(missing_ok=True)
            return
        content = self.log.read_bytes()
        note = {"file": self._stamp(), "bytes": len(content), "crc32": zlib.crc32(content)}
        # Not flushed to the disk: a seal that is torn or older speaks of fewer bytes, or of none
        self.path.write_text(json.dumps(note))

    def damage(self) -> str:
        """Return why the log is not what it was when it was sealed; "" if nothing says so.

        What was appended since is not looked at: DuckDB tells its torn end from the rest. A seal
        says nothing once somebody else has written the file, as that takes the log into it.
        """
        try:
            note = json.loads(self.path.read_text())
            stamp, log_bytes, checksum = note["file"], int(note["bytes"]), note["crc32"]
        except (OSError, ValueError, KeyError, TypeError):
            return ""
        try:
            content = self.log.read_bytes()
        except FileNotFoundError:
            content = b""
        # After the log was read: a person's session that just ends writes the file first
        if not self.file.exists() or stamp != self._stamp():
            return ""
        if len(content) < log_bytes:
            return f"{self.log} has {len(content)} bytes, and had {log_bytes}"
        if zlib.crc32(content[:log_bytes]) != checksum:
            return f"{self.log} is not what was written: its checksum differs"
        return ""

    def _stamp(self) -> list[int]:
        """Return what changes when anybody writes the file."""
        about = self.file.stat()
        return [about.st_size, about.st_mtime_ns]


@dataclass(frozen=True, kw_only=True)
class CatalogFile:
    """The catalog at `path`, which is no link, with what lies beside it."""

    path: Path

    @property
    def log(self) -> Path:
        """Return where DuckDB keeps the log."""
        return self.path.with_name(f"{self.path.name}.wal")

    @property
    def seal(self) -> Seal:
        """Return what was noted of the log when it was written last."""
        return Seal(file=self.path, log=self.log)

    def log_bytes(self) -> int:
        """Return the length of the log; 0 where there is none."""
        return self.log.stat().st_size if self.log.is_file() else 0

    def log_stamp(self) -> tuple[int, int] | None:
        """Return what changes when the log is written; None where there is none."""
        if not self.log_bytes():
            return None
        about = self.log.stat()
        return about.st_size, about.st_mtime_ns

    def changed_at_ns(self) -> int:
        """Return when the catalog was last written, in nanoseconds since the epoch."""
        times_ns = [self.path.stat().st_mtime_ns]
        if self.log_bytes():
            times_ns.append(self.log.stat().st_mtime_ns)
        return max(times_ns)

    # ---------------------------------------------------------------- opening it

    def connect(self) -> duckdb.DuckDBPyConnection:
        """Return a connection whose commits go to the log alone, and stay there when it is closed.

        A log that the file has taken in already is set aside: a kill leaves one between the move of
        a copy into place and the removal of the log. So is one whose file is gone.

        Raises:
            duckdb.Error: DuckDB cannot open it.
        """
        if not self.path.exists():
            self.set_log_aside()
        try:
            connection = connect(self.path)
        except duckdb.Error as error:
            iterations = _ITERATIONS.search(str(error))
            if iterations is not None and int(iterations[1]) > int(iterations[2]):
                self.set_log_aside()
            elif "required extension" in str(error):
                self._merge_attached()
            else:
                raise
            connection = connect(self.path)
        connection.execute("PRAGMA disable_checkpoint_on_shutdown")
        connection.execute("SET checkpoint_threshold = '1TB'")
        return connection

    def _merge_attached(self) -> None:
        """Have the file take in a log that can only be read where all of DuckDB is loaded before.

        That is one with an ALTER of, or a comment on, a table with a CHECK of JSON. DuckDB reads
        the log of the file that it is opened with before it loads its functions for JSON, so the
        file is attached to another. This writes into the file.
        """
        name = str(self.path).replace("'", "''")
        with duckdb.connect() as connection:
            connection.execute(f"ATTACH '{name}' AS altered")
            connection.execute("CHECKPOINT altered")
            connection.execute("DETACH altered")

    def set_log_aside(self) -> None:
        """Keep a log that belongs to another file by another name, as DuckDB would refuse it."""
        if self.log_bytes():
            set_aside(self.log)
        self.remove_log()

    def remove_log(self) -> None:
        """Remove the log and its seal, once the file has all that is in it."""
        self.log.unlink(missing_ok=True)
        self.seal.path.unlink(missing_ok=True)

    # ---------------------------------------------------------------- taking in the log

    def whole_copy(self, change: Change | None = None) -> Whole:
        """Return a copy beside the catalog that has taken in its log, and is on the disk.

        The catalog must be open, so that nobody else writes; what a transaction has not committed
        is not in the copy. Another process makes it (`cp`), as a read in this process would drop
        DuckDB's lock. `change` is called with a connection to the copy.

        Raises:
            OSError: it cannot be written; what there is of it is removed.
        """
        copy = CatalogFile(path=self.path.with_name(f".{self.path.name}-whole"))
        log_bytes = self.log_bytes()
        # A process that was killed may have left one
        copy.remove()
        try:
            copy_file(self.path, copy.path)
            if log_bytes:
                copy_file(self.log, copy.log)
            with contextlib.closing(copy.connect()) as connection:
                connection.execute("CHECKPOINT")
                if change is not None:
                    change(connection)
                    connection.execute("CHECKPOINT")
            fsync(copy.path)
        except BaseException as error:
            # So that a full disk gets no fuller
            copy.remove()
            if isinstance(error, OSError | duckdb.Error):
                raise OSError(f"the copy of {self.path} cannot be written: {error}") from error
            raise
        return Whole(path=copy.path, log_bytes=log_bytes)

    def replace(self, whole: Whole, changed_at_ns: int | None = None) -> None:
        """Move a whole copy into place, and remove the log.

        The catalog must be open, so that nobody else can write into what is replaced, and must not
        be written any more. `changed_at_ns`: when what the catalog says was changed last.
        """
        if changed_at_ns is not None:
            os.utime(whole.path, ns=(changed_at_ns, changed_at_ns))
        whole.path.replace(self.path)
        fsync(self.path.parent)
        self.remove_log()

    def remove(self) -> None:
        """Remove the file with what lies beside it, where there is one."""
        self.path.unlink(missing_ok=True)
        self.remove_log()


def connect(path: Path) -> duckdb.DuckDBPyConnection:
    """Open a file in the pinned storage format, to write into it as DuckDB does."""
    return duckdb.connect(str(path), config={"storage_compatibility_version": STORAGE_VERSION})


def says_damaged(error: duckdb.Error) -> bool:
    """Return whether DuckDB says that a file, or its log, is not whole."""
    return any(words in str(error) for words in _DAMAGE)


def copy_file(source: Path, target: Path) -> None:
    """Copy a file in another process, sharing blocks where the file system can.

    Raises:
        OSError: it cannot; with the words of `cp`.
    """
    command = ["cp", "--reflink=auto", "--preserve=mode,ownership", str(source), str(target)]
    copying = subprocess.run(command, stderr=subprocess.PIPE, text=True)
    if copying.returncode:
        raise OSError(copying.stderr.strip() or f"cp ended with {copying.returncode}")
