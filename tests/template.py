"""An empty catalog with the present schema and views, made once for all tests and copied: making one takes seconds."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import duckdb

from schema.catalog import Catalog
from schema.migrations import prepare
from tests.once import once


def fresh(path: Path) -> Catalog:
    """A copy of it at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(_template(), path)
    return Catalog(path, wait_s=30)


def in_memory() -> duckdb.DuckDBPyConnection:
    """A copy of it that is no file."""
    connection = duckdb.connect()
    connection.execute(f"ATTACH '{_template()}' AS template (READ_ONLY)")
    connection.execute("COPY FROM DATABASE template TO memory")
    connection.execute("DETACH template")
    return connection


@cache
def _template() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="weir-template-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    (folder / "catalog.duckdb").write_bytes(once("template", lambda: _made(folder / "made.duckdb")))
    return folder / "catalog.duckdb"


def _made(path: Path) -> bytes:
    prepare(Catalog(path, wait_s=5))
    return path.read_bytes()
