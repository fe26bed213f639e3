"""`python -m schema check [STREAM|DATASET|BACKBONE ...] [--sheet FOLDER] [--every]`: which datasets
are there. A backbone that is named is loaded, and it is said what it is.

A split is wanted if a stream or mixture learns from it, or a suite measures on it; of a dataset
that nothing uses, both are. Without names: every dataset that has a location. What lies at a place
and is not used is counted and named with the reason; a row that contradicts its files is refused.
Exit code 1 if a dataset that is asked for is absent or refused, or a backbone cannot be loaded.
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
from schema.checks import stream_rows
from schema.site import Site, SiteError
from schema.words import nearest

ROOT = Path(__file__).resolve().parents[2]

# For each dataset: the splits that the streams in $streams need (NULL: any stream, mixture or
# suite), the metrics that suites measure on it, and the backbones and the largest batch of its
# trials.
WANTED = """
WITH asked AS (
    SELECT name, sequence, suite FROM stream WHERE list_contains($streams::VARCHAR[], name)
),
wanted AS (
    SELECT dataset, 'train' AS split FROM sequence_concept
    WHERE $streams::VARCHAR[] IS NULL OR sequence IN (SELECT sequence FROM asked)
    UNION
    SELECT dataset, 'test' FROM suite_member
    WHERE $streams::VARCHAR[] IS NULL OR suite IN (SELECT suite FROM asked)
    UNION
    SELECT pretraining_dataset, 'train' FROM mixture
    WHERE $streams::VARCHAR[] IS NULL AND pretraining_dataset IS NOT NULL
    UNION
    SELECT buffer_dataset, 'train' FROM mixture
    WHERE $streams::VARCHAR[] IS NULL AND buffer_dataset IS NOT NULL
),
splits AS (SELECT dataset, list(split) AS splits FROM wanted GROUP BY dataset),
members AS (
    SELECT dataset, list({suite: suite, metric: metric} ORDER BY suite, metric) AS members
    FROM suite_member
    WHERE $streams::VARCHAR[] IS NULL OR suite IN (SELECT suite FROM asked)
    GROUP BY dataset
),
combinations AS (
    SELECT DISTINCT stream, backbone, recipe FROM trial
    WHERE $streams::VARCHAR[] IS NULL OR stream IN (SELECT name FROM asked)
),
learned AS (
    SELECT DISTINCT stream.name AS stream, dataset
    FROM stream JOIN sequence_concept USING (sequence)
),
trials AS (
    SELECT dataset, max(batch_pairs) AS batch_pairs,
           list(DISTINCT {name: backbone.name, architecture: architecture}) AS backbones
    FROM combinations JOIN learned USING (stream) JOIN recipe ON recipe.name = combinations.recipe
    JOIN backbone ON backbone.name = combinations.backbone
    GROUP BY dataset
)
SELECT to_json({
    name: d.name, format: d.format, location: d.location, params: d.params, kind: d.kind,
    classes: d.classes, templates: d.templates,
    train_pairs: d.train_pairs, test_pairs: d.test_pairs,
    splits: coalesce(splits.splits, ['train', 'test']), members: coalesce(members.members, []),
    batch_pairs: trials.batch_pairs, backbones: coalesce(trials.backbones, [])
})
FROM dataset d
LEFT JOIN splits ON splits.dataset = d.name
LEFT JOIN members ON members.dataset = d.name
LEFT JOIN trials ON trials.dataset = d.name
WHERE CASE WHEN $streams::VARCHAR[] IS NOT NULL THEN splits.splits IS NOT NULL
           WHEN $datasets::VARCHAR[] IS NOT NULL THEN list_contains($datasets::VARCHAR[], d.name)
           ELSE d.location IS NOT NULL END
ORDER BY d.name
"""
REFUSED = "a trial over it is refused: "


class UnknownNameError(ValueError):
    """A name is neither a stream nor a dataset."""


def main(arguments: Sequence[str]) -> int:
    """Run the command; return 0, 1 if a dataset is absent or refused, 2 if it cannot be checked."""
    options = _parsed(arguments)
    try:
        site = Site.load()
        with Catalog(site.catalog, site.lock_wait_s).open() as connection:
            backbones = _backbones(connection, options.names)
            others = [name for name in options.names if name not in backbones]
            rows = wanted(connection, others) if others or not backbones else []
    except (
        SiteError,
        CatalogBusyError,
        CatalogMissingError,
        UnknownNameError,
        duckdb.IOException,
    ) as error:
        print(error, file=sys.stderr)
        return 2
    asked = []
    if backbones:
        of_backbones = {
            "data": str(site.data),
            "runs": str(site.runs),
            "rows": [*backbones.values()],
        }
        asked.append(("runner.worker.backbone_check", of_backbones))
    if others or not backbones:
        request = {
            "data": str(site.data),
            "rows": [row | {"remarks": remarks(row)} for row in rows],
            "sheet": options.sheet and str(options.sheet),
            "every": options.every,
        }
        asked.append(("streams.check", request))
    if options.json:
        return _as_json(asked)
    return max(child(module, request) for module, request in asked)


def _as_json(asked: Sequence[tuple[str, dict[str, Any]]]) -> int:
    """Print the output of the modules as one JSON document, and return the largest exit code."""
    document: dict[str, Any] = {"format": 1, "backbones": [], "datasets": [], "sheets": []}
    codes = []
    for module, request in asked:
        answer = _run(module, request | {"json": True}, stdout=subprocess.PIPE)
        codes.append(answer.returncode)
        # A child that failed printed the reason to standard error, and nothing to standard output.
        document |= json.loads(answer.stdout or "{}")
    print(json.dumps(document, ensure_ascii=False, indent=1))
    return max(codes)


def child(module: str, request: dict[str, Any]) -> int:
    """Run a module of the GPU half with a request on standard input; return its exit code."""
    return _run(module, request).returncode


def _run(
    module: str, request: dict[str, Any], stdout: int | None = None
) -> subprocess.CompletedProcess[str]:
    """Run a module of the GPU half with a request on standard input."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": path}
    command = [sys.executable, "-m", module]
    text = json.dumps(request)
    return subprocess.run(command, input=text, text=True, env=environment, stdout=stdout)


def wanted(connection: duckdb.DuckDBPyConnection, names: Sequence[str]) -> list[dict[str, Any]]:
    """Return these datasets and those of these streams, by name, each with its wanted splits.

    Raises:
        UnknownNameError: a name is neither a stream's nor a dataset's.
    """
    streams, datasets = _names(connection, "stream"), _names(connection, "dataset")
    for name in names:
        if name not in streams and name not in datasets:
            near = nearest(name, [*streams, *datasets, *_names(connection, "backbone")])
            raise UnknownNameError(
                f"{name!r} is neither a stream, a dataset nor a backbone of the catalog.{near}"
            )
    of_streams = [name for name in names if name in streams]
    alone = [name for name in names if name in datasets and name not in streams]
    rows: dict[str, dict[str, Any]] = {}
    for some, key in ((of_streams, "streams"), (alone, "datasets")):
        if not some and names:
            continue
        values: dict[str, Any] = {"streams": None, "datasets": None}
        if some:
            values[key] = some
        for (text,) in connection.execute(WANTED, values).fetchall():
            row = json.loads(text)
            splits = {*rows.get(row["name"], row)["splits"], *row["splits"]}
            # Sorted in reverse, so that train comes first
            rows[row["name"]] = row | {"splits": sorted(splits, reverse=True)}
    return [rows[name] for name in sorted(rows)]


def remarks(row: dict[str, Any]) -> list[str]:
    """Return a sentence for each demand of a suite or backbone that a dataset cannot meet."""
    sentences = list[str]()
    for member in row["members"]:
        suite = {
            "name": member["suite"],
            "members": [{"dataset": row["name"], "metric": member["metric"]}],
        }
        sentences += stream_rows.metric_objections(suite, [row])
    for backbone in row["backbones"]:
        sentences += stream_rows.size_objections(backbone, [row])
    return [f"{REFUSED}{sentence}" for sentence in sentences]


def _parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m schema check",
        description=__doc__,
        formatter_class=argparse.RawTextHelpFormatter,
    )
    parser.add_argument(
        "names",
        nargs="*",
        metavar="STREAM|DATASET|BACKBONE",
        help="of a stream: what it learns from and is measured on",
    )
    parser.add_argument(
        "--sheet",
        type=Path,
        metavar="FOLDER",
        help="draw twelve pairs of each dataset into FOLDER/<dataset>.png",
    )
    parser.add_argument(
        "--json", action="store_true", help="print what is there as JSON (docs/programs.md)"
    )
    parser.add_argument(
        "--every", action="store_true", help="decode every image, not only some of each split"
    )
    return parser.parse_args(arguments)


def _backbones(
    connection: duckdb.DuckDBPyConnection, names: Sequence[str]
) -> dict[str, dict[str, Any]]:
    """Return the rows of the named backbones; a stream or dataset of that name has precedence."""
    others = {*_names(connection, "stream"), *_names(connection, "dataset")}
    rows = {}
    for name in names:
        query = "SELECT to_json(b) FROM backbone b WHERE name = ?"
        row = None if name in others else connection.execute(query, [name]).fetchone()
        if row is not None:
            rows[name] = json.loads(row[0])
    return rows


def _names(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    rows = connection.execute(f"SELECT name FROM {table} ORDER BY name").fetchall()
    return [name for (name,) in rows]
