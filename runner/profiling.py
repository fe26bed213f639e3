"""`python -m runner.profiling BACKBONE RECIPE`: measure what a step of each method costs, into the table `profile`.

Every method row is measured (or those named) with one backbone, recipe and mixture. Neither weights, data nor a GPU are needed.
`python -m runner.sync --dry-run --profile` measures what is pending instead.
"""

import argparse
import sys

import duckdb

from runner.scheduler.profiles import Combination, ProfilingError, fill
from schema.catalog import Catalog, CatalogBusyError, CatalogMissingError
from schema.site import Site, SiteError
from schema.words import nearest


def chosen(connection: duckdb.DuckDBPyConnection, said: argparse.Namespace) -> list[Combination]:
    """The combinations that a command asks for.

    Raises:
        ProfilingError: a word that the catalog does not have.
    """
    asked = {
        "backbone": [said.backbone],
        "mixture": [said.mixture],
        "method": said.methods,
        "recipe": [said.recipe],
    }
    for word, names in asked.items():
        known = [
            name
            for (name,) in connection.execute(f"SELECT name FROM {word} ORDER BY name").fetchall()
        ]
        if word == "method" and not names:
            names = asked["method"] = known
        for name in names:
            if name not in known:
                raise ProfilingError(
                    f"unknown {word} {name!r}.{nearest(name, known)} All of them: python -m queries, or SELECT name FROM {word}"
                )
    return [(said.backbone, said.mixture, method, said.recipe) for method in asked["method"]]


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0; 1 when some could not be measured; 2 when nothing could be done."""
    parser = argparse.ArgumentParser(
        prog="python -m runner.profiling",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument("backbone", help="a row of backbone")
    parser.add_argument(
        "recipe", help="a row of recipe; has the batch size, the precision and the optimizer"
    )
    parser.add_argument(
        "--mixture", default="replay_thirds", help="a row of mixture; default: replay_thirds"
    )
    parser.add_argument(
        "--methods", nargs="*", default=[], metavar="METHOD", help="rows of method; default: all"
    )
    said = parser.parse_args(arguments)
    try:
        site = Site.load()
        if not site.catalog.exists():
            raise CatalogMissingError(
                f"no catalog at {site.catalog}; make one with: python -m schema"
            )
        catalog = Catalog(site.catalog, site.lock_wait_s)
        with catalog.open() as connection:
            combinations = chosen(connection, said)
        return 1 if fill(catalog, combinations) else 0
    except (ProfilingError, SiteError, CatalogMissingError, CatalogBusyError) as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    raise SystemExit(main())
