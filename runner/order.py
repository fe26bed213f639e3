"""`python -m runner.order NAME --like STREAM --by ORDERING`: the concepts of a stream in another order, as SQL of a grid.

What is printed inserts a sequence and a stream of that name, cut and watched as the other is, with the seed and the scores that
the order came from. The catalog is only read: look at what was written, then give it to `python -m schema`.
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

from runner.scheduler.base_weights import deployed_weights
from runner.scheduler.resolve import RefusedError
from schema.catalog import Catalog, CatalogBusyError, CatalogMissingError
from schema.checks import parts
from schema.site import Site, SiteError
from schema.words import nearest

NEEDS = {
    "easy_to_hard": "backbone",
    "similarity": "backbone",
    "frequency": "pool",
}  # the others need neither
DATASET = (
    "SELECT to_json({name: name, format: format, location: location, params: params, kind: kind, classes: classes, "
    "templates: templates, year: year}) FROM dataset WHERE name = ?"
)


class OrderError(ValueError):
    """An order that cannot be asked for as it was."""


def main(arguments: list[str] | None = None) -> int:
    """Exit code 0; 2 when there is no such order (the message says why)."""
    parser = argparse.ArgumentParser(prog="python -m runner.order", description=__doc__)
    parser.add_argument("name", metavar="NAME", help="of the sequence and of the stream")
    parser.add_argument(
        "--like",
        required=True,
        metavar="STREAM",
        help="the stream whose concepts, tasks and suite it has",
    )
    parser.add_argument(
        "--by",
        required=True,
        metavar="ORDERING",
        help=", ".join(parts.names("streams/orderings.py")),
    )
    parser.add_argument(
        "--backbone",
        help="whose zero-shot accuracy (easy_to_hard) or text embeddings (similarity) decide",
    )
    parser.add_argument(
        "--pool", metavar="DATASET", help="whose captions the concepts are counted in (frequency)"
    )
    parser.add_argument(
        "--pairs",
        type=int,
        default=100,
        help="images of a concept that easy_to_hard looks at, at most",
    )
    parser.add_argument(
        "--tasks", type=int, help="number of tasks, where it is not that of the other stream"
    )
    parser.add_argument("--seed", type=int, default=0, help="of what chance decides")
    parser.add_argument("--reverse", action="store_true", help="from end to start")
    parser.add_argument("--out", type=Path, metavar="FILE.sql", help="instead of standard output")
    given = parser.parse_args(arguments)
    try:
        site = Site.load()
        with Catalog(site.catalog, site.lock_wait_s).open() as connection:
            said = request(site, connection, given)
        text = sql(given, said, arranged(said))
    except (SiteError, CatalogBusyError, CatalogMissingError, RefusedError, OrderError) as error:
        print(error, file=sys.stderr)
        return 2
    if given.out:
        given.out.write_text(text)
    else:
        print(text, end="")
    return 0


def request(
    site: Site, connection: duckdb.DuckDBPyConnection, given: argparse.Namespace
) -> dict[str, Any]:
    """What `runner.worker.concept_order` is asked: rows of the catalog, and what was said.

    Raises:
        OrderError: no such row or ordering, a name that is taken, or a word too few or too many.
    """
    _known("ordering", given.by, parts.names("streams/orderings.py"))
    for word in ("backbone", "pool"):
        if (getattr(given, word) is None) == (NEEDS.get(given.by) == word):
            does = "needs" if NEEDS.get(given.by) == word else "does not look at"
            raise OrderError(f"--by {given.by} {does} a --{word}")
    if given.seed < 0 or given.pairs < 1:
        raise OrderError(
            f"--seed must be 0 or more and --pairs 1 or more, not {given.seed} and {given.pairs}"
        )
    for table in ("sequence", "stream"):
        if given.name in _names(connection, table):
            raise OrderError(
                f"there is a {table} {given.name!r} already, and what has been run is never changed; take another name"
            )
    _known("stream", given.like, _names(connection, "stream"))
    ((sequence, tasks, suite),) = connection.execute(
        "SELECT sequence, tasks, suite FROM stream WHERE name = ?", [given.like]
    ).fetchall()
    concepts = connection.execute(
        "SELECT dataset, concept FROM sequence_concept WHERE sequence = ? ORDER BY position",
        [sequence],
    ).fetchall()
    tasks = tasks if given.tasks is None else given.tasks
    if not 1 <= tasks <= len(concepts):
        raise OrderError(
            f"sequence {sequence!r} has {len(concepts)} concepts, which cannot be cut into {tasks} tasks"
        )
    said = {
        "concepts": concepts,
        "tasks": tasks,
        "suite": suite,
        "sequence": sequence,
        "data": str(site.data),
    }
    said |= {word: getattr(given, word) for word in ("by", "seed", "reverse", "pairs")}
    said["datasets"] = [
        _row(connection, DATASET, name) for name in sorted({dataset for dataset, _ in concepts})
    ]
    if given.pool is not None:
        _known("dataset", given.pool, _names(connection, "dataset"))
        said["pool"] = _row(connection, DATASET, given.pool)
    if given.backbone is not None:
        _known("backbone", given.backbone, _names(connection, "backbone"))
        backbone = _row(
            connection, "SELECT to_json(b) FROM backbone b WHERE name = ?", given.backbone
        )
        of = str(backbone["pretrained"] or "")
        weights = (
            deployed_weights(site, int(of.removeprefix("trial:")))
            if of.startswith("trial:")
            else None
        )
        said |= {"backbone": backbone, "weights": weights}
    return said


def arranged(said: dict[str, Any]) -> dict[str, Any]:
    """Concepts and scores, by the half that may open pairs and weights, in a process of its own.

    Raises:
        OrderError: it says why there is no such order.
    """
    paths = os.pathsep.join(filter(None, (str(parts.ROOT), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, "-m", "runner.worker.concept_order"],
        input=json.dumps(said),
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
    )
    if done.returncode:
        raise OrderError(
            done.stderr.strip() or f"runner.worker.concept_order ended with {done.returncode}"
        )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def sql(given: argparse.Namespace, said: dict[str, Any], made: dict[str, Any]) -> str:
    """The INSERTs. Applied twice they say `0 new`."""
    seen = f", {NEEDS[given.by]} {getattr(given, NEEDS[given.by])}" if given.by in NEEDS else ""
    note = f"the concepts of {said['sequence']} by {given.by}{seen}{'; from end to start' if given.reverse else ''}"
    told = [
        "runner.order",
        given.name,
        "--like",
        given.like,
        "--by",
        given.by,
        "--seed",
        str(given.seed),
    ]
    told += [f"--{NEEDS[given.by]}", getattr(given, NEEDS[given.by])] if given.by in NEEDS else []
    told += ["--pairs", str(given.pairs)] if given.by == "easy_to_hard" else []
    source = " ".join([*told, *(["--reverse"] if given.reverse else [])])
    row = ", ".join(
        [
            *map(_quoted, (given.name, given.by)),
            str(given.seed),
            _quoted(source),
            _quoted(json.dumps(made["scores"])),
        ]
    )
    concepts = ",\n".join(
        f"({_quoted(given.name)}, {place}, {_quoted(dataset)}, {_quoted(concept)})"
        for place, (dataset, concept) in enumerate(made["concepts"], 1)
    )
    return f"""-- {note}
INSERT INTO sequence (name, ordering, seed, source, scores, note) VALUES
({row}, {_quoted(note)})
ON CONFLICT DO NOTHING;

INSERT INTO sequence_concept (sequence, position, dataset, concept) VALUES
{concepts}
ON CONFLICT DO NOTHING;

INSERT INTO stream (name, sequence, tasks, suite, note) VALUES
({_quoted(given.name)}, {_quoted(given.name)}, {said["tasks"]}, {_quoted(said["suite"])}, {_quoted(note)})
ON CONFLICT DO NOTHING;
"""


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _names(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    return [
        name for (name,) in connection.execute(f"SELECT name FROM {table} ORDER BY name").fetchall()
    ]


def _known(kind: str, name: str, known: Sequence[str]) -> None:
    if name not in known:
        listed = ", ".join(known[:10]) + (" ..." if len(known) > 10 else "")
        raise OrderError(f"unknown {kind} {name!r}. Known: {listed}.{nearest(name, known)}")


def _row(connection: duckdb.DuckDBPyConnection, query: str, name: str) -> dict[str, Any]:
    ((text,),) = connection.execute(query, [name]).fetchall()
    row: dict[str, Any] = json.loads(text)
    return row


if __name__ == "__main__":
    raise SystemExit(main())
