"""`python -m runner.profiling BACKBONE RECIPE`: measure what a step of each method costs.

Writes into the table `profile`. Every method row is measured (or those named) with one backbone,
recipe and mixture. Neither weights, data nor a GPU are needed. `python -m runner.sync --dry-run
--profile` measures what is pending instead.
"""

import argparse
import sys

import duckdb

from runner.scheduler.profiles import Combination, ProfilingError, fill
from schema import logs
from schema.catalog import Catalog, CatalogBusyError, CatalogMissingError
from schema.site import Site, SiteError
from schema.words import nearest


def main(arguments: list[str] | None = None) -> int:
    """Run the command.

    The exit code is 0; 1 when some combinations could not be measured; 2 when nothing could be
    done.
    """
    options = _parser().parse_args(arguments)
    try:
        site = Site.load()
        catalog = Catalog(site.catalog, site.lock_wait_s)
        with catalog.open() as connection:
            combinations = chosen(connection, options)
        return 1 if fill(catalog, combinations) else 0
    except (ProfilingError, SiteError, CatalogMissingError, CatalogBusyError) as error:
        print(error, file=sys.stderr)
        return 2


def chosen(connection: duckdb.DuckDBPyConnection, options: argparse.Namespace) -> list[Combination]:
    """Return the combinations of words that the options name.

    Raises:
        ProfilingError: a word that the catalog does not have.
    """
    _check_known(connection, "backbone", [options.backbone])
    _check_known(connection, "mixture", [options.mixture])
    _check_known(connection, "recipe", [options.recipe])
    methods = options.methods or _names(connection, "method")
    _check_known(connection, "method", methods)
    return [(options.backbone, options.mixture, method, options.recipe) for method in methods]


def _check_known(connection: duckdb.DuckDBPyConnection, axis: str, names: list[str]) -> None:
    """Refuse a name that an axis does not have."""
    known = _names(connection, axis)
    for name in names:
        if name not in known:
            raise ProfilingError(
                f"unknown {axis} {name!r}.{nearest(name, known)} "
                f"All of them: python -m queries, or SELECT name FROM {axis}"
            )


def _names(connection: duckdb.DuckDBPyConnection, axis: str) -> list[str]:
    """Return the names of an axis, sorted."""
    rows = connection.execute(f"SELECT name FROM {axis} ORDER BY name").fetchall()
    return [name for (name,) in rows]


def _parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = argparse.ArgumentParser(
        prog="python -m runner.profiling",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    add = parser.add_argument
    add("backbone", help="a row of backbone")
    add("recipe", help="a row of recipe; has the batch size, the precision and the optimizer")
    add("--mixture", default="replay_thirds", help="a row of mixture; default: replay_thirds")
    add("--methods", nargs="*", default=[], metavar="METHOD", help="rows of method; default: all")
    return parser


if __name__ == "__main__":
    logs.configure()
    raise SystemExit(main())
