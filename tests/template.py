"""An empty catalog with the present schema and views, made once per process of the tests and copied: making one takes most of a second."""

import atexit
import shutil
import tempfile
from functools import cache
from pathlib import Path

import duckdb

from schema.catalog import Catalog
from schema.migrations import prepare


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
    prepare(Catalog(folder / "catalog.duckdb", wait_s=5))
    return folder / "catalog.duckdb"
