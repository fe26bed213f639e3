"""Catalogs with the present schema and views, made once for all tests and copied, as making one takes seconds.

There are three: `empty`; `words`, which has the whole vocabulary of `schema/rows`; and `demo`, which is what the
demo leaves (`docpages.kept`).
"""

import atexit
import shutil
import tempfile
from functools import cache, partial
from pathlib import Path

import duckdb

from docpages.kept import DEMO
from schema import grid
from schema.__main__ import ROWS
from schema.catalog import Catalog
from schema.migrations import prepare
from tests.once import once


def fresh(path: Path, kind: str = "empty") -> Catalog:
    """Return a copy at `path`."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(_template(kind), path)
    return Catalog(path, wait_s=30)


def in_memory(kind: str = "empty") -> duckdb.DuckDBPyConnection:
    """Return a copy that is no file."""
    return _copied(kind, duckdb.connect())


def demo_catalog() -> duckdb.DuckDBPyConnection:
    """Return what `docpages.kept.DEMO.catalog()` does, as a copy."""
    connection = duckdb.connect(config={"threads": 1})
    connection.execute("SET TimeZone = 'UTC'")
    return _copied("demo", connection)


def made(kind: str) -> Path:
    """Return the file that is copied, which is made by the first call."""
    return _template(kind)


def _copied(kind: str, connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    connection.execute(f"ATTACH '{_template(kind)}' AS template (READ_ONLY)")
    connection.execute("COPY FROM DATABASE template TO memory")
    connection.execute("DETACH template")
    return connection


@cache
def _template(kind: str) -> Path:
    folder = Path(tempfile.mkdtemp(prefix="weir-template-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "catalog.duckdb"
    path.write_bytes(once(f"template {kind}", partial(MADE[kind], folder / "made.duckdb")))
    return path


def _empty(path: Path) -> bytes:
    prepare(Catalog(path, wait_s=5))
    return path.read_bytes()


def _words(path: Path) -> bytes:
    catalog = fresh(path)
    with catalog.open() as connection:
        for file in sorted(ROWS.glob("*.sql")):
            grid.apply(connection, file.read_text(), file.name)
        # All of it is to be in the file that is read
        connection.execute("CHECKPOINT")
    return path.read_bytes()


def _demo(path: Path) -> bytes:
    with DEMO.catalog() as connection:
        connection.execute(f"ATTACH '{path}' AS file")
        connection.execute("COPY FROM DATABASE memory TO file")
        connection.execute("DETACH file")
    return path.read_bytes()


MADE = {"empty": _empty, "words": _words, "demo": _demo}
