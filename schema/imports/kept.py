"""The folders of imported files: the rows outside the catalog, from which a lost one is made again.

A folder in `imports` of site.toml holds `result.parquet` and `cost.parquet`, the rows as they went
into the catalog, and `import.json`, its receipt. It appears whole or not at all, in the transaction
that takes the rows in: one without rows in the catalog is of an import that was killed, and the
same command again completes it.
"""

import hashlib
import json
import os
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from schema.files import fsync

VERSION = 1
RECEIPT = "import.json"
TABLES = ("result", "cost")


class KeptError(ValueError):
    """A folder of an import is not as it was written; the message names it."""


@dataclass(frozen=True, kw_only=True)
class KeptTrial:
    """What the receipt says of a trial."""

    trial: int
    # The place of its attempt in the order of wishes and attempts
    serial: int
    # The words of its sentence, its source and study, as columns of `trial`
    words: dict[str, Any]
    # Its definition when it was imported: the text of a spec.json
    spec: str
    spec_id: str
    sha256: str
    rows: int


@dataclass(frozen=True, kw_only=True)
class Receipt:
    """What was imported from one file at once."""

    version: int
    # The name of the file
    file: str
    imported_at: str
    trials: tuple[KeptTrial, ...]
    # Table -> checksum of its Parquet file
    sha256: dict[str, str]


def name_of(digests: Sequence[str]) -> str:
    """Return the name of the folder for trials with these checksums."""
    return hashlib.sha256("".join(sorted(digests)).encode()).hexdigest()[:16]


def write(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    file: str,
    trials: Sequence[KeptTrial],
) -> None:
    """Write the folder of an import, whole or not at all, from the rows of the catalog.

    A folder of this name is of the same rows, by an import that was killed, and is replaced.

    Raises:
        OSError: the folder cannot be written.
    """
    aside = folder.with_name(f".{folder.name}-{os.getpid()}")
    aside.mkdir(parents=True)
    ids = [each.trial for each in trials]
    try:
        sums = {}
        for table in TABLES:
            path = aside / f"{table}.parquet"
            rows = connection.sql(
                f"FROM {table} WHERE trial IN (SELECT unnest(?::BIGINT[])) ORDER BY ALL",
                params=[ids],
            )
            rows.pl().write_parquet(path)
            fsync(path)
            sums[table] = _sha256(path)
        receipt = Receipt(
            version=VERSION,
            file=file,
            imported_at=datetime.now(UTC).isoformat(),
            trials=tuple(trials),
            sha256=sums,
        )
        path = aside / RECEIPT
        path.write_text(json.dumps(asdict(receipt), indent=1, ensure_ascii=False))
        fsync(path)
        shutil.rmtree(folder, ignore_errors=True)
        aside.rename(folder)
        fsync(folder.parent)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def read(folder: Path) -> Receipt:
    """Return the receipt of an import, whose files are as they were written.

    Raises:
        KeptError: the receipt cannot be read, or a file is gone or is another.
    """
    try:
        parsed = json.loads((folder / RECEIPT).read_text())
        if parsed["version"] != VERSION:
            raise KeptError(
                f"{folder}: its receipt has version {parsed['version']}, this code knows {VERSION}"
            )
        trials = tuple(KeptTrial(**each) for each in parsed["trials"])
        receipt = Receipt(**parsed | {"trials": trials})
    except (OSError, ValueError, KeyError, TypeError) as error:
        if isinstance(error, KeptError):
            raise
        raise KeptError(f"{folder}: its receipt cannot be read ({error})") from error
    for table, expected in receipt.sha256.items():
        path = folder / f"{table}.parquet"
        if not path.is_file() or _sha256(path) != expected:
            raise KeptError(f"{path}: gone, or not as it was written")
    return receipt


def folders(place: Path) -> list[Path]:
    """Return the folders of imports, sorted by name; half-written ones are left out."""
    return sorted(path.parent for path in place.glob(f"[!.]*/{RECEIPT}"))


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()
