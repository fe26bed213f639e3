"""The table `profile`: what of it is missing, and how it is measured, in a process of the half that knows torch.

`python -m runner.profiling BACKBONE RECIPE` measures every method row (or those named) with one backbone, recipe and mixture;
`python -m runner.sync --dry-run --profile` measures what is pending. Neither needs weights, data or a GPU.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb

from runner.rows import insert
from schema.catalog import Catalog, CatalogBusyError, CatalogMissingError
from schema.site import Site, SiteError
from schema.words import nearest

WORDS = ("backbone", "mixture", "method", "recipe")
Combination = tuple[str, str, str, str]


class ProfilingError(RuntimeError):
    """Nothing can be measured."""


def definitions(connection: duckdb.DuckDBPyConnection, combinations: Sequence[Combination]) -> list[str]:
    """What a profile is of, as JSON: the rows that the words name, without their notes."""
    rows = {
        word: {name: json.loads(row) for name, row in connection.execute(f"SELECT name, to_json(w) FROM {word} w").fetchall()}
        for word in WORDS
    }
    return [
        json.dumps({word: rows[word][name] for word, name in zip(WORDS, combination, strict=True)})
        for combination in combinations
    ]


def missing(connection: duckdb.DuckDBPyConnection, combinations: Sequence[Combination]) -> list[Combination]:
    """Those of which the table has no rows, in their order."""
    known = set(connection.execute("SELECT DISTINCT backbone, mixture, method, recipe FROM profile").fetchall())
    return [combination for combination in combinations if combination not in known]


def measured(texts: Sequence[str]) -> Iterator[dict[str, object]]:
    """What the worker says of each definition, in turn: `rows` (of `profile`) or `error`, and `seconds`."""
    command = [sys.executable, "-m", "runner.solving"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parent.parent
    ) as it:
        assert it.stdin is not None and it.stdout is not None
        for text in texts:
            it.stdin.write(text + "\n")
            it.stdin.flush()
            line = it.stdout.readline()
            if not line:
                raise ProfilingError(f"the process that measures ended with exit code {it.wait()}; what it said is above")
            yield json.loads(line)
        it.stdin.close()


def fill(catalog: Catalog, combinations: Sequence[Combination]) -> int:
    """Measure and store what the table lacks, one combination after another; how many could not be measured."""
    with catalog.open() as connection:
        wanted = missing(connection, combinations)
        texts = definitions(connection, wanted)
    failed, began = 0, time.monotonic()
    for number, (combination, said) in enumerate(zip(wanted, measured(texts), strict=False), 1):
        words = ", ".join(combination)
        if "error" in said:
            failed += 1
            print(f"{number}/{len(wanted)} {words}: {said['error']}", file=sys.stderr, flush=True)
            continue
        with catalog.transaction() as connection:
            insert(connection, "profile", said["rows"], again=True)  # type: ignore[arg-type]
        print(f"{number}/{len(wanted)} {words}: {said['seconds']:.1f} s", file=sys.stderr, flush=True)
    print(f"{len(wanted) - failed} profiled in {time.monotonic() - began:.0f} s, {len(combinations) - len(wanted)} were known")
    return failed


def chosen(connection: duckdb.DuckDBPyConnection, said: argparse.Namespace) -> list[Combination]:
    """The combinations that a command asks for.

    Raises:
        ProfilingError: a word that the catalog does not have.
    """
    asked = {"backbone": [said.backbone], "mixture": [said.mixture], "method": said.methods, "recipe": [said.recipe]}
    for word, names in asked.items():
        known = [name for (name,) in connection.execute(f"SELECT name FROM {word} ORDER BY name").fetchall()]
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
        prog="python -m runner.profiling", description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("backbone", help="a row of backbone")
    parser.add_argument("recipe", help="a row of recipe; has the batch size, the precision and the optimizer")
    parser.add_argument("--mixture", default="replay_thirds", help="a row of mixture; default: replay_thirds")
    parser.add_argument("--methods", nargs="*", default=[], metavar="METHOD", help="rows of method; default: all")
    said = parser.parse_args(arguments)
    try:
        site = Site.load()
        if not site.catalog.exists():
            raise CatalogMissingError(f"no catalog at {site.catalog}; make one with: python -m schema")
        catalog = Catalog(site.catalog, site.lock_wait_s)
        with catalog.open() as connection:
            combinations = chosen(connection, said)
        return 1 if fill(catalog, combinations) else 0
    except (ProfilingError, SiteError, CatalogMissingError, CatalogBusyError) as error:
        print(error, file=sys.stderr)
        return 2


if __name__ == "__main__":
    raise SystemExit(main())
