"""`python -m schema [FILE.sql ...]`: create or migrate the catalog, then apply grid files.
`python -m schema --rebuild`: make a lost catalog again, from the run folders and from what sync has
exported of the declared rows.
`python -m schema check [STREAM|DATASET ...]`: which datasets are at their place
(`python -m schema check --help`).

The vocabulary is schema/rows/*.sql: the named rows that a grid is built from. Each file is one
transaction, and what each added is printed per table. `-` reads a grid from standard input.
"""

import argparse
import logging
import os
import subprocess
import sys
from pathlib import Path

import duckdb
from rich.console import Console

from schema import grid, logs, migrations, summaries
from schema.catalog import Catalog, CatalogBusyError
from schema.checks import places
from schema.files import network_disk
from schema.site import Site, SiteError

ROWS = Path(__file__).parent / "rows"
log = logging.getLogger("schema")


def main(arguments: list[str] | None = None) -> int:
    """Run the command.

    The exit code is 0; 1 when a dataset that `check` is asked for is absent; 2 when a file was
    refused or the catalog cannot be had (the message says why).
    """
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] == ["check"]:
        return places.main(words[1:])
    parser = _parser()
    options = parser.parse_args(words)
    if options.rebuild:
        if options.files:
            parser.error("--rebuild takes no files; apply them afterwards")
        # Run folders are the runner's, and this package imports nothing of it: so a process of it
        return subprocess.run([sys.executable, "-m", "runner.scheduler.rebuild"]).returncode
    try:
        site = Site.load()
        texts = []
        for name in options.files:
            stdin = sys.stdin.read() if name == "-" else None
            texts.append((name, grid.read(name, stdin)))
        apply(Catalog(site.catalog, site.lock_wait_s), site.snapshot, texts)
    except (
        SiteError,
        grid.GridError,
        migrations.MigrationError,
        CatalogBusyError,
        duckdb.IOException,
    ) as error:
        print(error, file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = argparse.ArgumentParser(
        prog="python -m schema",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
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
    return parser


def apply(catalog: Catalog, snapshot: Path, texts: list[tuple[str, str]]) -> None:
    """Bring the catalog up to date, apply the vocabulary and `texts`, publish, and print what is new.

    `texts` are pairs of a file's name and its SQL.

    Raises:
        GridError: a file was refused; those before it are applied.
        MigrationError, CatalogBusyError: the catalog cannot be had; nothing is applied.
    """
    if disk := network_disk(catalog.path):
        log.warning(
            "%s is on a network disk (%s), where the locks of two machines may not meet. "
            "Set `catalog` in site.toml to a local disk of the machine that runs sync; "
            "run folders and data may stay",
            catalog.path,
            disk,
        )
    change = migrations.prepare(catalog)
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"{os.path.relpath(catalog.path)}: {change or 'up to date'}")
    vocabulary = []
    for path in sorted(ROWS.glob("*.sql")):
        vocabulary.append((str(path.relative_to(ROWS.parent.parent)), path.read_text()))
    with catalog.open() as connection:
        for name, text in vocabulary + texts:
            for count in grid.apply(connection, text, name):
                # Of the vocabulary only what is new, of a person's file all that it names
                if count.new or (name, text) in texts:
                    line = f"  {name}: {count.table} {count.new} new, {count.there} there before"
                    console.print(line)
        # Readers of the snapshot need not compute again what is stored in it
        summaries.renew(connection)
        catalog.publish(snapshot, connection)


if __name__ == "__main__":
    logs.configure()
    raise SystemExit(main())
