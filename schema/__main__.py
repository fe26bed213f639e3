"""`python -m schema [FILE.sql ...]`: create or migrate the catalog with its vocabulary, then apply grid files.
`python -m schema --rebuild`: make a lost catalog again, from the run folders and what sync has kept of the declared rows.
`python -m schema check [STREAM|DATASET ...]`: which datasets are at their place (`python -m schema check --help`).

The vocabulary is schema/rows/*.sql: the named rows that a grid is built from. Each file is one transaction, and what each
added is printed per table. `-` reads a grid from standard input.
"""

import argparse
import os
import subprocess
import sys
from pathlib import Path

import duckdb
from rich.console import Console

from schema import grid, kept, migrations
from schema.catalog import Catalog, CatalogBusyError
from schema.checks import places
from schema.files import network_disk
from schema.site import Site, SiteError

ROWS = Path(__file__).parent / "rows"


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0; 1 when a dataset that `check` is asked for is absent; 2 when a file was refused or the
    catalog cannot be had (the message says why)."""
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] == ["check"]:
        return places.main(words[1:])
    parser = argparse.ArgumentParser(
        prog="python -m schema", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument(
        "files",
        nargs="*",
        metavar="FILE.sql",
        help="grid files to apply, in order; - for standard input",
    )
    parser.add_argument(
        "--rebuild",
        action="store_true",
        help="make a lost catalog again; the next sync brings its results",
    )
    asked = parser.parse_args(words)
    files = asked.files
    if asked.rebuild:
        if files:
            parser.error("--rebuild takes no files; apply them afterwards")
        # run folders are the runner's, and this package imports nothing of it: the work is handed on to a process of it
        return subprocess.run([sys.executable, "-m", "runner.scheduler.rebuild"]).returncode
    site = Site()
    try:
        site = Site.load()
        texts = [
            (name, grid.read(name, sys.stdin.read() if name == "-" else None)) for name in files
        ]
        apply(Catalog(site.catalog, site.lock_wait_s), site.snapshot, texts)
    except (
        SiteError,
        grid.GridError,
        migrations.MigrationError,
        CatalogBusyError,
    ) as error:
        print(error, file=sys.stderr)
        return 2
    except (OSError, duckdb.Error) as error:
        # A disk that is read-only or full, or a file that is no catalog of ours
        print(f"{error}\nThe catalog is {site.catalog}; it is as it was", file=sys.stderr)
        return 2
    return 0


def apply(catalog: Catalog, snapshot: Path, texts: list[tuple[str, str]]) -> None:
    """Bring the catalog up to date, apply the vocabulary and `texts` (name, SQL), publish, and print what is new."""
    if disk := network_disk(catalog.path):
        print(
            f"warning: {catalog.path} is on a network disk ({disk}), where the locks of two machines may not meet. Set `catalog` "
            "in site.toml to a local disk of the machine that runs sync; run folders and data may stay",
            file=sys.stderr,
        )
    done = migrations.prepare(catalog)
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{os.path.relpath(catalog.path)}: {done or 'up to date'}")
    vocabulary = [
        (str(path.relative_to(ROWS.parent.parent)), path.read_text())
        for path in sorted(ROWS.glob("*.sql"))
    ]
    with catalog.open() as connection:
        for name, text in vocabulary + texts:
            for count in grid.apply(connection, text, name):
                if count.new or (name, text) in texts:
                    console.print(
                        f"  {name}: {count.table} {count.new} new, {count.there} there before"
                    )
        kept.renew(connection)
        catalog.publish(snapshot, connection)


if __name__ == "__main__":
    raise SystemExit(main())
