"""Publish copies of the catalog, which readers open and nobody ever writes.

`current.duckdb` of the snapshot folder is a link to the last copy.
"""

from pathlib import Path

import duckdb

from schema import summaries
from schema.catalog import Catalog
from schema.catalog_file import copy_file
from schema.files import fsync, make_folder, move_into_place, remove_file

# How many published copies are kept, as a reader may have opened an older one
KEEP_SNAPSHOTS = 3
_ASIDE = ".aside"


def publish(catalog: Catalog, folder: Path) -> Path:
    """Copy the catalog, which is open, to `folder`, and point `current.duckdb` at the copy.

    When it is closed its file has taken in its log, too.

    The last `KEEP_SNAPSHOTS` copies are kept. The stored summaries should be up to date
    (`schema.summaries.renew`), as readers otherwise compute missing ones each time.

    Raises:
        OSError: the copy cannot be written; the snapshots are unchanged.
    """
    aside = folder / _ASIDE
    try:
        make_folder(folder)
        copies = snapshots(folder)
        number = 1
        if copies:
            number += int(copies[-1].stem.rpartition("-")[2])
        target = folder / f"catalog-{number:06d}.duckdb"
        remove_file(aside)
        copy_file(catalog.whole_copy(_complete), aside)
        aside.chmod(0o444)
        # Flushed to the disk before the link is changed, so that no reader sees a partial file
        fsync(aside)
    except OSError as error:
        # The partial copy is removed, so that a full disk gets no fuller
        aside.unlink(missing_ok=True)
        raise OSError(f"the snapshot cannot be written: {error}") from error
    point_to(folder / "current.duckdb", aside.rename(target))
    for old in copies[: len(copies) + 1 - KEEP_SNAPSHOTS]:
        remove_file(old)
    return target


def _complete(copy: duckdb.DuckDBPyConnection) -> None:
    """Renew the summaries of a checkpointed copy where the checkpoint has moved rows."""
    if summaries.missing(copy):
        summaries.renew(copy)


def snapshots(folder: Path) -> list[Path]:
    """Return the published copies, oldest first."""
    return sorted(folder.glob("catalog-[0-9]*.duckdb"))


def point_to(link: Path, target: Path) -> None:
    """Make `link` a symbolic link to its sibling `target`, replacing it in one step."""
    aside = link.with_name(f".{link.name}")
    remove_file(aside)
    aside.symlink_to(target.name)
    move_into_place(aside, link)
    fsync(link.parent)
