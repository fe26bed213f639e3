"""`python -m schema check [STREAM|DATASET ...] [--sheet FOLDER] [--every]`: which datasets are at their place, with counts.

A split is wanted if a stream or mixture learns from it, or a suite measures on it; of a dataset that nothing uses, both are.
Without names: every dataset that has a location. Exit code 1 if one that is asked for is absent.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import duckdb

from schema.catalog import Catalog, CatalogBusyError, CatalogMissingError
from schema.site import Site, SiteError
from schema.words import nearest

ROOT = Path(__file__).resolve().parents[2]

# of each dataset: the splits that the streams in $streams want of it (NULL: any stream, mixture or suite)
WANTED = """
WITH asked AS (
    SELECT sequence, suite FROM stream WHERE list_contains($streams::VARCHAR[], name)
),
wanted AS (
    SELECT dataset, 'train' AS split FROM sequence_concept
    WHERE $streams::VARCHAR[] IS NULL OR sequence IN (SELECT sequence FROM asked)
    UNION
    SELECT dataset, 'test' FROM suite_member
    WHERE $streams::VARCHAR[] IS NULL OR suite IN (SELECT suite FROM asked)
    UNION
    SELECT pretraining_dataset, 'train' FROM mixture WHERE $streams::VARCHAR[] IS NULL AND pretraining_dataset IS NOT NULL
)
SELECT to_json({name: d.name, format: d.format, location: d.location, params: d.params, kind: d.kind, classes: d.classes,
                templates: d.templates, train_pairs: d.train_pairs, test_pairs: d.test_pairs,
                splits: coalesce(w.splits, ['train', 'test'])})
FROM dataset d LEFT JOIN (SELECT dataset, list(split) AS splits FROM wanted GROUP BY dataset) w ON w.dataset = d.name
WHERE CASE WHEN $streams::VARCHAR[] IS NOT NULL THEN w.splits IS NOT NULL
           WHEN $datasets::VARCHAR[] IS NOT NULL THEN list_contains($datasets::VARCHAR[], d.name)
           ELSE d.location IS NOT NULL END
ORDER BY d.name
"""


class UnknownNameError(ValueError):
    """Neither a stream nor a dataset."""


def main(arguments: Sequence[str]) -> int:
    """Exit code 0; 1 if a dataset is absent; 2 when it cannot be told."""
    parser = argparse.ArgumentParser(
        prog="python -m schema check",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="STREAM|DATASET",
        help="of a stream: what it learns from and is measured on",
    )
    parser.add_argument(
        "--sheet",
        type=Path,
        metavar="FOLDER",
        help="draw twelve pairs of each dataset into FOLDER/<dataset>.png",
    )
    parser.add_argument(
        "--every", action="store_true", help="decode every image, not only some of each split"
    )
    asked = parser.parse_args(arguments)
    try:
        site = Site.load()
        with Catalog(site.catalog, site.lock_wait_s).open() as connection:
            rows = wanted(connection, asked.names)
    except (
        SiteError,
        CatalogBusyError,
        CatalogMissingError,
        UnknownNameError,
        duckdb.IOException,
    ) as error:
        print(error, file=sys.stderr)
        return 2
    said = {
        "data": str(site.data),
        "rows": rows,
        "sheet": asked.sheet and str(asked.sheet),
        "every": asked.every,
    }
    # what decodes images is of the other half: the work is handed on to a process of it
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    child = [sys.executable, "-m", "streams.check"]
    return subprocess.run(
        child, input=json.dumps(said), text=True, env=os.environ | {"PYTHONPATH": path}
    ).returncode


def wanted(connection: duckdb.DuckDBPyConnection, names: Sequence[str]) -> list[dict[str, Any]]:
    """The datasets of these streams, and these datasets, with the splits that are wanted of each; by name.

    Raises:
        UnknownNameError: neither a stream nor a dataset has that name.
    """
    streams, datasets = (_names(connection, table) for table in ("stream", "dataset"))
    for name in names:
        if name not in streams and name not in datasets:
            near = nearest(name, [*streams, *datasets])
            raise UnknownNameError(
                f"{name!r} is neither a stream nor a dataset of the catalog.{near}"
            )
    asked = (
        [name for name in names if name in streams],
        [name for name in names if name in datasets and name not in streams],
    )
    found: dict[str, dict[str, Any]] = {}
    for some, key in ((asked[0], "streams"), (asked[1], "datasets")):
        if some or not names:
            values = {"streams": None, "datasets": None} | ({key: some} if some else {})
            for (text,) in connection.execute(WANTED, values).fetchall():
                row = json.loads(text)
                splits = {*found.get(row["name"], row)["splits"], *row["splits"]}
                found[row["name"]] = row | {"splits": sorted(splits, reverse=True)}  # train first
    return [found[name] for name in sorted(found)]


def _names(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    return [
        name for (name,) in connection.execute(f"SELECT name FROM {table} ORDER BY name").fetchall()
    ]
