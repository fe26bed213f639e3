"""Find the missing rows of the table `profile`, and measure them.

They are measured in a process of the GPU half, which may import torch.
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

# The words of a sentence that a profile depends on
PROFILED_AXES = ("backbone", "mixture", "method", "recipe")
Combination = tuple[str, str, str, str]
log = logging.getLogger(__name__)


class ProfilingError(RuntimeError):
    """Profiles cannot be measured; the message says why."""


def definitions(
    connection: duckdb.DuckDBPyConnection, combinations: Sequence[Combination]
) -> list[str]:
    """Return the rows named by each combination, as JSON."""
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
    """Return the combinations that have no rows in the table, in order."""
    rows = connection.execute("SELECT DISTINCT backbone, mixture, method, recipe FROM profile")
    known = set(rows.fetchall())
    return [combination for combination in combinations if combination not in known]


def measured(texts: Sequence[str]) -> Iterator[dict[str, Any]]:
    """Yield the worker's answer to each definition: `rows` or `error`, and `seconds`.

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
        # Closing its input ends the worker
        worker.stdin.close()


def fill(catalog: Catalog, combinations: Sequence[Combination]) -> int:
    """Measure and store missing profiles; return how many could not be measured.

    The catalog is opened only briefly between measurements, each of which may take a minute.
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
        # Stored one by one, so that finished measurements are kept when the next is interrupted
        with catalog.transaction() as connection:
            insert(connection, "profile", answer["rows"], again=True)
        log.info("%s: %.1f s", name, answer["seconds"])
    print(
        f"{len(unknown) - failed} profiled in {time.monotonic() - began:.0f} s, "
        f"{len(combinations) - len(unknown)} were known"
    )
    return failed
