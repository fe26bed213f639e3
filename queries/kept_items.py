"""Tell a connection where the files of items lie, which the view `item` reads.

The catalog holds no items: they lie in the run folders, and the snapshot lies elsewhere. So whoever
asks about them says where they are, by the variable `items` of the connection: the files of
`item_files` that exist.
"""

import contextlib
import logging
from collections.abc import Iterator
from pathlib import Path

import duckdb

from queries.suites import read_by
from schema.questions import Question
from schema.site import Site

# The view that reads the files, and the one that lists them
ITEM, LISTED = "item", "item_files"
HERE = "SELECT path FROM duckdb_databases() WHERE database_name = current_database()"

log = logging.getLogger(__name__)


class ItemsError(LookupError):
    """None of the files of items is there, or one cannot be read."""


def reads_items(question: Question) -> bool:
    """Return whether the answer to a question depends on where the files of items are."""
    return question.name == LISTED or ITEM in read_by(question.name)


@contextlib.contextmanager
def at_hand(connection: duckdb.DuckDBPyConnection, question: Question) -> Iterator[None]:
    """Have the view `item` read the files that are there, in the block.

    What somebody has set in the connection stays. Where some files are missing the rest is read,
    and the log says how many; the question `item_files` names them.

    Raises:
        ItemsError: none of the files is there, or one cannot be read.
    """
    if not reads_items(question) or _is_set(connection):
        yield
        return
    runs = runs_of(connection)
    files = [
        file for (file,) in connection.execute(f"SELECT DISTINCT file FROM {LISTED}").fetchall()
    ]
    paths = [str(runs / file) for file in sorted(files)]
    there = [path for path in paths if Path(path).is_file()]
    missing = len(paths) - len(there)
    if missing and question.name != LISTED:
        _complain(runs, missing, len(paths))
    connection.execute("SET VARIABLE items = ?::VARCHAR[]", [there])
    try:
        yield
    except duckdb.IOException as error:
        raise ItemsError(f"a file of items cannot be read: {error}") from error
    finally:
        connection.execute("RESET VARIABLE items")


def runs_of(connection: duckdb.DuckDBPyConnection) -> Path:
    """Return the folder of run folders that belongs to an open catalog or snapshot."""
    site = Site.load()
    ((path,),) = connection.execute(HERE).fetchall()
    folder = Path(path).resolve().parent if path else site.snapshot.resolve()
    if folder in (site.snapshot.resolve(), site.catalog.resolve().parent):
        return site.runs
    # The catalog or a snapshot of another lab, beside its run folders
    for beside in (folder / "runs", folder.parent / "runs"):
        if beside.is_dir():
            return beside
    return site.runs


def _is_set(connection: duckdb.DuckDBPyConnection) -> bool:
    """Return whether somebody has said already where the files are."""
    ((known,),) = connection.execute("SELECT getvariable('items') IS NOT NULL").fetchall()
    return bool(known)


def _complain(runs: Path, missing: int, files: int) -> None:
    """Say in the log how many files are missing.

    Raises:
        ItemsError: all of them are.
    """
    words = f"{missing} of {files} files of items are not below {runs}"
    if missing == files:
        raise ItemsError(
            f"{words}: they were removed, or the lab was moved. Put the run folders back, or "
            "measure again what you want to know (docs/measuring_later.md)"
        )
    log.warning("%s; python -m queries %s names them", words, LISTED)
