"""The table `profile`: which rows it lacks, and how they are measured.

They are measured in a process of the half that may import torch.
"""

import json
import logging
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import duckdb

from runner.scheduler.fact_rows import insert
from schema.catalog import Catalog

# The words of a sentence that a profile is of
PROFILED_AXES = ("backbone", "mixture", "method", "recipe")
Combination = tuple[str, str, str, str]
log = logging.getLogger(__name__)


class ProfilingError(RuntimeError):
    """Nothing can be measured; the message says why."""


def definitions(
    connection: duckdb.DuckDBPyConnection, combinations: Sequence[Combination]
) -> list[str]:
    """Return the rows that each combination names, as JSON."""
    rows: dict[str, dict[str, Any]] = {}
    for axis in PROFILED_AXES:
        named = connection.execute(f"SELECT name, to_json(a) FROM {axis} a").fetchall()
        rows[axis] = {name: json.loads(text) for name, text in named}
    texts = []
    for combination in combinations:
        words = zip(PROFILED_AXES, combination, strict=True)
        texts.append(json.dumps({axis: rows[axis][name] for axis, name in words}))
    return texts


def missing(
    connection: duckdb.DuckDBPyConnection, combinations: Sequence[Combination]
) -> list[Combination]:
    """Return the combinations of which the table has no rows, in their order."""
    rows = connection.execute("SELECT DISTINCT backbone, mixture, method, recipe FROM profile")
    known = set(rows.fetchall())
    return [combination for combination in combinations if combination not in known]


def measured(texts: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield what the worker answers to each definition: `rows` of `profile` or `error`, and
    `seconds`.

    Raises:
        ProfilingError: its process ended before it answered.
    """
    command = [sys.executable, "-m", "runner.worker.profiler.budget_steps"]
    with subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    ) as worker:
        assert worker.stdin is not None and worker.stdout is not None
        for text in texts:
            worker.stdin.write(text + "\n")
            worker.stdin.flush()
            line = worker.stdout.readline()
            if not line:
                raise ProfilingError(
                    f"the process that measures ended with exit code {worker.wait()}; "
                    "its own message is above"
                )
            yield json.loads(line)
        # The worker ends when nothing more can be asked
        worker.stdin.close()


def fill(catalog: Catalog, combinations: Sequence[Combination]) -> int:
    """Measure and store what the table lacks; return how many combinations could not be measured.

    The catalog is open only for moments between two measurements, each of which may take a minute.
    """
    with catalog.open() as connection:
        unknown = missing(connection, combinations)
        texts = definitions(connection, unknown)
    failed, began = 0, time.monotonic()
    for number, (combination, answer) in enumerate(zip(unknown, measured(texts), strict=False), 1):
        name = f"{number}/{len(unknown)} {', '.join(combination)}"
        if "error" in answer:
            failed += 1
            log.error("%s: %s", name, answer["error"])
            continue
        # Each on its own, so that what has been measured stays when the next one is interrupted
        with catalog.transaction() as connection:
            insert(connection, "profile", answer["rows"], again=True)
        log.info("%s: %.1f s", name, answer["seconds"])
    print(
        f"{len(unknown) - failed} profiled in {time.monotonic() - began:.0f} s, "
        f"{len(combinations) - len(unknown)} were known"
    )
    return failed
