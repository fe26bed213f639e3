"""The table `profile`: which rows it lacks, and how they are measured, in a process of the half that knows torch."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb

from runner.scheduler.fact_rows import insert
from schema.catalog import Catalog

WORDS = ("backbone", "mixture", "method", "recipe")
Combination = tuple[str, str, str, str]


class ProfilingError(RuntimeError):
    """Nothing can be measured."""


def definitions(
    connection: duckdb.DuckDBPyConnection, combinations: Sequence[Combination]
) -> list[str]:
    """What a profile is of, as JSON: the rows that the words name, without their notes."""
    rows = {
        word: {
            name: json.loads(row)
            for name, row in connection.execute(f"SELECT name, to_json(w) FROM {word} w").fetchall()
        }
        for word in WORDS
    }
    return [
        json.dumps({word: rows[word][name] for word, name in zip(WORDS, combination, strict=True)})
        for combination in combinations
    ]


def missing(
    connection: duckdb.DuckDBPyConnection, combinations: Sequence[Combination]
) -> list[Combination]:
    """Those of which the table has no rows, in their order."""
    known = set(
        connection.execute(
            "SELECT DISTINCT backbone, mixture, method, recipe FROM profile"
        ).fetchall()
    )
    return [combination for combination in combinations if combination not in known]


def measured(texts: Sequence[str]) -> Iterator[dict[str, object]]:
    """What the worker says of each definition, in turn: `rows` (of `profile`) or `error`, and `seconds`."""
    command = [sys.executable, "-m", "runner.worker.profiler.budget_steps"]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as it:
        assert it.stdin is not None and it.stdout is not None
        for text in texts:
            it.stdin.write(text + "\n")
            it.stdin.flush()
            line = it.stdout.readline()
            if not line:
                raise ProfilingError(
                    f"the process that measures ended with exit code {it.wait()}; what it said is above"
                )
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
        print(
            f"{number}/{len(wanted)} {words}: {said['seconds']:.1f} s", file=sys.stderr, flush=True
        )
    print(
        f"{len(wanted) - failed} profiled in {time.monotonic() - began:.0f} s, {len(combinations) - len(wanted)} were known"
    )
    return failed
