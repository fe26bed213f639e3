"""`python -m runner.order NAME --like STREAM --by ORDERING`: a stream in another order.

Prints the SQL of a grid that inserts a sequence and a stream of that name, with as many tasks and
the same suite as the other, and with the seed and the scores that the order came from. The catalog
is only read: look at what was written, then give it to `python -m schema`.
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
from schema import logs
from schema.catalog import Catalog, CatalogBusyError, CatalogMissingError
from schema.checks import parts
from schema.site import Site, SiteError
from schema.words import nearest

# The option without which there is no such order; the other orderings take neither
NEEDED_OPTION = {
    "easy_to_hard": "backbone",
    "similarity": "backbone",
    "edge_easy": "backbone",
    "edge_hard": "backbone",
    "frequency": "pool",
}
# The orderings that look at a number of images of each concept
TAKES_PAIRS = ("easy_to_hard",)
# The orderings that depend on how many tasks the order is cut into
TAKES_TASKS = ("edge_easy", "edge_hard")
SHOWN_NAMES = 10
DATASET = (
    "SELECT to_json({name: name, format: format, location: location, params: params, kind: kind, "
    "classes: classes, templates: templates, year: year}) FROM dataset WHERE name = ?"
)
BACKBONE = "SELECT to_json(b) FROM backbone b WHERE name = ?"

# What `runner.worker.concept_order` reads, and what it answers
Request = dict[str, Any]
Answer = dict[str, Any]


class OrderError(ValueError):
    """There is no such order; the message says why."""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; the exit code is 0, or 2 with a message when there is no such order."""
    options = _parser().parse_args(arguments)
    try:
        site = Site.load()
        with Catalog(site.catalog, site.lock_wait_s).open() as connection:
            order_request = request(site, connection, options)
        # After the catalog is closed: opening weights and images may take minutes
        text = sql(options, order_request, arranged(order_request))
    except (SiteError, CatalogBusyError, CatalogMissingError, RefusedError, OrderError) as error:
        print(error, file=sys.stderr)
        return 2
    if options.out:
        options.out.write_text(text)
    else:
        print(text, end="")
    return 0


def _parser() -> argparse.ArgumentParser:
    """Return the parser of the command's options."""
    parser = argparse.ArgumentParser(prog="python -m runner.order", description=__doc__)
    add = parser.add_argument
    add("name", metavar="NAME", help="of the sequence and of the stream")
    add(
        "--like",
        required=True,
        metavar="STREAM",
        help="the stream whose concepts, tasks and suite it has",
    )
    orderings = ", ".join(parts.names("streams/orderings.py"))
    add("--by", required=True, metavar="ORDERING", help=orderings)
    add(
        "--backbone",
        help="whose zero-shot accuracy (easy_to_hard) or text embeddings (similarity, edge_hard, "
        "edge_easy) decide",
    )
    add("--pool", metavar="DATASET", help="whose captions the concepts are counted in (frequency)")
    add(
        "--pairs",
        type=int,
        default=100,
        help="images of a concept that easy_to_hard looks at, at most",
    )
    add("--tasks", type=int, help="number of tasks, where it is not that of the other stream")
    add("--seed", type=int, default=0, help="of what chance decides")
    add("--reverse", action="store_true", help="from end to start")
    add("--out", type=Path, metavar="FILE.sql", help="instead of standard output")
    return parser


def request(
    site: Site, connection: duckdb.DuckDBPyConnection, options: argparse.Namespace
) -> Request:
    """Return what `runner.worker.concept_order` is asked: rows of the catalog, and the options.

    Raises:
        OrderError: no such row or ordering, a name that is taken, or an option too few or too many.
        RefusedError: the backbone is what a trial deployed, and it has not.
    """
    _check_options(options)
    for table in ("sequence", "stream"):
        if options.name in _names(connection, table):
            raise OrderError(
                f"there is a {table} {options.name!r} already, and what has been run is never "
                "changed; take another name"
            )
    _check_known("stream", options.like, _names(connection, "stream"))
    ((sequence, tasks, suite),) = connection.execute(
        "SELECT sequence, tasks, suite FROM stream WHERE name = ?", [options.like]
    ).fetchall()
    concepts = connection.execute(
        "SELECT dataset, concept FROM sequence_concept WHERE sequence = ? ORDER BY position",
        [sequence],
    ).fetchall()
    if options.tasks is not None:
        tasks = options.tasks
    _check_tasks(tasks, sequence, len(concepts))
    datasets = sorted({dataset for dataset, _ in concepts})
    return {
        "concepts": concepts,
        "datasets": [_row(connection, DATASET, name) for name in datasets],
        "tasks": tasks,
        "suite": suite,
        "sequence": sequence,
        "data": str(site.data),
        "by": options.by,
        "seed": options.seed,
        "reverse": options.reverse,
        "pairs": options.pairs,
        **_pool(connection, options),
        **_backbone(site, connection, options),
    }


def arranged(order_request: Request) -> Answer:
    """Return the concepts in order and their scores.

    The half that may open pairs and weights finds them, in a process of its own.

    Raises:
        OrderError: it says why there is no such order.
    """
    paths = [str(parts.ROOT)]
    if os.environ.get("PYTHONPATH"):
        paths.append(os.environ["PYTHONPATH"])
    process = subprocess.run(
        [sys.executable, "-m", "runner.worker.concept_order"],
        input=json.dumps(order_request),
        env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
        capture_output=True,
        text=True,
    )
    if process.returncode:
        message = process.stderr.strip()
        raise OrderError(message or f"runner.worker.concept_order ended with {process.returncode}")
    answer: Answer = json.loads(process.stdout)
    return answer


def sql(options: argparse.Namespace, order_request: Request, answer: Answer) -> str:
    """Return the INSERTs of the sequence and the stream; applied twice they add nothing."""
    note = f"the concepts of {order_request['sequence']} by {options.by}"
    if option := NEEDED_OPTION.get(options.by):
        note += f", {option} {getattr(options, option)}"
    if options.reverse:
        note += "; from end to start"
    name, quoted_note = _quoted(options.name), _quoted(note)
    source, scores = _quoted(_source(options)), _quoted(json.dumps(answer["scores"]))
    concepts = []
    for position, (dataset, concept) in enumerate(answer["concepts"], 1):
        concepts.append(f"({name}, {position}, {_quoted(dataset)}, {_quoted(concept)})")
    rows = ",\n".join(concepts)
    suite = _quoted(order_request["suite"])
    return f"""-- {note}
INSERT INTO sequence (name, ordering, seed, source, scores, note) VALUES
({name}, {_quoted(options.by)}, {options.seed}, {source}, {scores}, {quoted_note})
ON CONFLICT DO NOTHING;

INSERT INTO sequence_concept (sequence, position, dataset, concept) VALUES
{rows}
ON CONFLICT DO NOTHING;

INSERT INTO stream (name, sequence, tasks, suite, note) VALUES
({name}, {name}, {order_request["tasks"]}, {suite}, {quoted_note})
ON CONFLICT DO NOTHING;
"""


def _source(options: argparse.Namespace) -> str:
    """Return the command by which the same order is made again, for the column `source`."""
    words = ["runner.order", options.name, "--like", options.like, "--by", options.by]
    words += ["--seed", str(options.seed)]
    if option := NEEDED_OPTION.get(options.by):
        words += [f"--{option}", getattr(options, option)]
    if options.by in TAKES_PAIRS:
        words += ["--pairs", str(options.pairs)]
    if options.by in TAKES_TASKS and options.tasks is not None:
        words += ["--tasks", str(options.tasks)]
    if options.reverse:
        words.append("--reverse")
    return " ".join(words)


def _check_options(options: argparse.Namespace) -> None:
    """Refuse an unknown ordering, options that do not suit it, and impossible numbers."""
    _check_known("ordering", options.by, parts.names("streams/orderings.py"))
    for option in ("backbone", "pool"):
        needed = NEEDED_OPTION.get(options.by) == option
        present = getattr(options, option) is not None
        if needed and not present:
            raise OrderError(f"--by {options.by} needs a --{option}")
        if present and not needed:
            raise OrderError(f"--by {options.by} does not look at a --{option}")
    if options.seed < 0 or options.pairs < 1:
        raise OrderError(
            "--seed must be 0 or more and --pairs 1 or more, "
            f"not {options.seed} and {options.pairs}"
        )


def _check_tasks(tasks: int, sequence: str, concepts: int) -> None:
    """Refuse more tasks than a sequence has concepts, or none."""
    if not 1 <= tasks <= concepts:
        raise OrderError(
            f"sequence {sequence!r} has {concepts} concepts, which cannot be cut into {tasks} tasks"
        )


def _pool(connection: duckdb.DuckDBPyConnection, options: argparse.Namespace) -> Request:
    """Return the row of the pool whose captions are read, if the order needs one."""
    if options.pool is None:
        return {}
    _check_known("dataset", options.pool, _names(connection, "dataset"))
    return {"pool": _row(connection, DATASET, options.pool)}


def _backbone(
    site: Site, connection: duckdb.DuckDBPyConnection, options: argparse.Namespace
) -> Request:
    """Return the row of the backbone that decides, and its weights, if the order needs one."""
    if options.backbone is None:
        return {}
    _check_known("backbone", options.backbone, _names(connection, "backbone"))
    row = _row(connection, BACKBONE, options.backbone)
    pretrained = str(row["pretrained"] or "")
    weights = None
    if pretrained.startswith("trial:"):
        weights = deployed_weights(site, int(pretrained.removeprefix("trial:")))
    return {"backbone": row, "weights": weights}


def _quoted(text: str) -> str:
    """Return a text as an SQL literal."""
    return "'" + text.replace("'", "''") + "'"


def _names(connection: duckdb.DuckDBPyConnection, table: str) -> list[str]:
    """Return the names of a table's rows, sorted."""
    rows = connection.execute(f"SELECT name FROM {table} ORDER BY name").fetchall()
    return [name for (name,) in rows]


def _check_known(kind: str, name: str, known: Sequence[str]) -> None:
    """Refuse a name that is not among the known ones."""
    if name not in known:
        listed = ", ".join(known[:SHOWN_NAMES])
        if len(known) > SHOWN_NAMES:
            listed += " ..."
        raise OrderError(f"unknown {kind} {name!r}. Known: {listed}.{nearest(name, known)}")


def _row(connection: duckdb.DuckDBPyConnection, query: str, name: str) -> dict[str, Any]:
    """Return the row of a name, which a query gives as JSON."""
    ((text,),) = connection.execute(query, [name]).fetchall()
    row: dict[str, Any] = json.loads(text)
    return row


if __name__ == "__main__":
    logs.configure()
    raise SystemExit(main())
