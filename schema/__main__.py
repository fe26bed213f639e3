"""`python -m schema [FILE.sql ...]`: create or migrate the catalog, then apply grid files.
`python -m schema --rebuild`: make a lost catalog again, from the run folders and from what sync has
exported of the declared rows.
`python -m schema --adopt DIR`: take in the trials that are done in another lab (docs/adopting.md).
`python -m schema check [STREAM|DATASET ...]`: which datasets are at their place
(`python -m schema check --help`).
`python -m schema draft PLACE`: the INSERTs for what lies there (`python -m schema draft --help`).
`python -m schema --import FILE`: results of runs made elsewhere (docs/importing.md).
`python -m schema fomo PLACE ...`: what FoMo-in-Flux logged, as rows to import
(`python -m schema fomo --help`).

The vocabulary is schema/rows/*.sql: the named rows that a grid is built from. Each file is one
transaction, and what each added is printed per table. `-` reads a grid from standard input.
"""

import argparse
import json
import logging
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
from rich.console import Console

from schema import draft, grid, logs, migrations, publishing, summaries
from schema.catalog import Catalog, CatalogBusyError
from schema.checks import places
from schema.files import network_disk
from schema.imports import fomo
from schema.imports.rows import ImportRefusedError
from schema.imports.take import Taken, take
from schema.site import Site, SiteError

ROWS = Path(__file__).parent / "rows"
log = logging.getLogger("schema")


def main(arguments: list[str] | None = None) -> int:
    """Run the command.

    The exit code is 0; 1 when a dataset that `check` is asked for is absent; 2 when a file was
    refused or the catalog cannot be opened (the message says why).
    """
    words = sys.argv[1:] if arguments is None else arguments
    if words[:1] == ["check"]:
        return places.main(words[1:])
    if words[:1] == ["draft"]:
        return draft.main(words[1:])
    if words[:1] == ["fomo"]:
        return fomo.main(words[1:])
    parser = _parser()
    options = parser.parse_args(words)
    if options.rebuild or options.adopt is not None:
        return _from_run_folders(parser, options)
    site = Site()
    try:
        site = Site.load()
        texts = []
        for name in options.files:
            stdin = sys.stdin.read() if name == "-" else None
            texts.append((name, grid.read(name, stdin)))
        changes = Changes(catalog=site.catalog, as_json=options.json)
        apply(site, texts, changes, options.imports)
    except (
        SiteError,
        grid.GridError,
        ImportRefusedError,
        migrations.MigrationError,
        CatalogBusyError,
    ) as error:
        print(error, file=sys.stderr)
        return 2
    except (OSError, duckdb.Error) as error:
        # The disk is read-only or full, or the file is no catalog of Weir
        print(f"{error}\nThe catalog is {site.catalog}; it is as it was", file=sys.stderr)
        return 2
    if options.json:
        print(json.dumps(changes.document(), ensure_ascii=False, indent=1))
    return 0


def _from_run_folders(parser: argparse.ArgumentParser, options: argparse.Namespace) -> int:
    """Make the catalog again, or take in another lab; return the exit code."""
    if options.rebuild and options.adopt is not None:
        parser.error("--rebuild and --adopt are two commands: rebuild first")
    if options.files or options.imports:
        option = "--rebuild" if options.rebuild else "--adopt"
        parser.error(f"{option} takes no files; apply them afterwards")
    words = ["runner.scheduler.rebuild"]
    if options.adopt is not None:
        words = ["runner.scheduler.adopt", options.adopt]
    # Run folders are the runner's, and this package imports nothing of it: so a process of it
    return subprocess.run([sys.executable, "-m", *words]).returncode


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
    parser.add_argument(
        "--adopt",
        metavar="DIR",
        help="take in the trials that are done in another lab; the next sync brings results",
    )
    parser.add_argument(
        "--import",
        action="append",
        default=[],
        type=Path,
        dest="imports",
        metavar="FILE",
        help="take in results of runs made elsewhere, .csv or .parquet, after the grid files",
    )
    parser.add_argument(
        "--json", action="store_true", help="print what is new as JSON (docs/programs.md)"
    )
    return parser


@dataclass(kw_only=True)
class Changes:
    """The changes that the command makes to the catalog, printed at once or at the end as JSON."""

    catalog: Path
    as_json: bool = False
    # The creation, or the migrations that were applied
    change: str = "up to date"
    # A file (or the vocabulary), a table, and the numbers of its rows that are new or existed
    # before
    rows: list[dict[str, object]] = field(default_factory=list)
    # What a person should know of files that were imported
    remarks: list[str] = field(default_factory=list)

    def prepared(self, change: str | None) -> None:
        """Record how the catalog was brought up to date."""
        self.change = change or self.change
        self._say(f"{os.path.relpath(self.catalog)}: {self.change}")

    def counted(self, name: str, count: grid.Count) -> None:
        """Record how many rows a file added to a table."""
        row = {"file": name, "table": count.table, "new": count.new, "there": count.there}
        self.rows.append(row)
        self._say(f"  {name}: {count.table} {count.new} new, {count.there} there before")

    def imported(self, name: str, taken: Taken) -> None:
        """Note what an import brought."""
        for table, new in (("result", taken.results), ("cost", taken.costs)):
            self.rows.append({"file": name, "table": table, "new": new, "there": 0})
        self.rows.append(
            {"file": name, "table": "trial", "new": taken.trials, "there": taken.there}
        )
        self._say(
            f"  {name}: {taken.trials} trials imported with {taken.results} results and "
            f"{taken.costs} costs, {taken.there} trials there before"
        )
        for remark in taken.remarks:
            self.remarks.append(f"{name}: {remark}")
            self._say(f"  {name}: {remark}")

    def _say(self, line: str) -> None:
        if not self.as_json:
            Console(highlight=False, soft_wrap=True).print(line)

    def document(self) -> dict[str, object]:
        """Return the changes as a JSON object."""
        return {
            "format": 1,
            "catalog": str(self.catalog),
            "change": self.change,
            "rows": self.rows,
            "remarks": self.remarks,
        }


def apply(
    site: Site, texts: list[tuple[str, str]], changes: Changes, imports: Sequence[Path] = ()
) -> None:
    """Bring the catalog up to date, apply the vocabulary and `texts`, take in `imports`, publish,
    and note in `changes` what is new.

    `texts` are pairs of a file's name and its SQL, `imports` files of results made elsewhere.

    Raises:
        GridError, ImportRefusedError: a file was refused; those before it are applied.
        MigrationError, CatalogBusyError: the catalog cannot be had; nothing is applied.
    """
    catalog = Catalog(site.catalog, site.lock_wait_s)
    if disk := network_disk(catalog.path):
        log.warning(
            "%s is on a network disk (%s), where the locks of two machines may not meet. "
            "Set `catalog` in site.toml to a local disk of the machine that runs sync; "
            "run folders and data may stay",
            catalog.path,
            disk,
        )
    change = migrations.prepare(catalog)
    changes.prepared(change)
    vocabulary = []
    for path in sorted(ROWS.glob("*.sql")):
        vocabulary.append((str(path.relative_to(ROWS.parent.parent)), path.read_text()))
    with catalog.open() as connection:
        for name, text in vocabulary + texts:
            for count in grid.apply(connection, text, name):
                # Of the vocabulary only new rows are reported, of a person's file all tables that
                # it names
                if count.new or (name, text) in texts:
                    changes.counted(name, count)
        for path in imports:
            changes.imported(path.name, take(connection, path, site.imports))
        # Readers of the snapshot need not compute again what is stored in it
        summaries.renew(connection)
        publishing.publish(catalog, site.snapshot)


if __name__ == "__main__":
    logs.configure()
    raise SystemExit(main())
