"""Make what there is before a measurement begins. Nothing is timed.

    python -m benchmarks.prepare ACTION ...      (in the folder of a lab)

finished FIRST LAST     the facts of trials that are done, one attempt each, as if they had run: attempt (with the whole
                        definition), submission, outcome, and a row of `ingested` per task
running                 every submitted attempt is claimed by a worker that lives
results ROWS            every submitted attempt is done: ROWS rows of `result` in the receipts of its tasks, and its outcome
"""

import itertools
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from runner import run_folder as files
from runner.result_files import write_tables
from runner.run_files import Outcome, Receipt
from runner.run_folder import RunFolder, now, write_json
from runner.sync import publish
from schema.catalog import Catalog
from schema.site import Site

SLICE = 50_000  # trials per transaction: a definition has 9 kB
FACTS = (
    """INSERT INTO attempt (trial, attempt, spec, spec_id, batch, position, code)
       SELECT trial, 1, spec, md5(spec::VARCHAR), format('weir-{:012x}', trial // 1001), trial % 1001, '0123456789abcdef'
       FROM definition WHERE trial BETWEEN $first AND $last""",
    """INSERT INTO submission (trial, attempt, backend, job_id, folder, gpus)
       SELECT id, 1, 'slurm', format('{}_{}', id // 1001, id % 1001), format('{}/{:06d}/01', $runs, id), 1
       FROM trial WHERE id BETWEEN $first AND $last""",
    """INSERT INTO outcome (trial, attempt, state, host, device, versions, "commit", started_at, finished_at)
       SELECT id, 1, 'done', 'node' || id % 100, 'cuda', '{"torch": "2"}', '0123456789abcdef', now() - INTERVAL 1 HOUR, now()
       FROM trial WHERE id BETWEEN $first AND $last""",
    """INSERT INTO ingested (receipt, sha256, rows)
       SELECT format('{:06d}/01/task-{:04d}.json', t.id, task), sha256(t.id || '/' || task), 80
       FROM trial t JOIN stream s ON s.name = t.stream, range(s.tasks + 1) AS tasks(task) WHERE t.id BETWEEN $first AND $last""",
)


def finished(site: Site, first: int, last: int) -> None:
    """Insert the facts of trials `first` to `last`."""
    for start in range(first, last + 1, SLICE):
        with Catalog(site.catalog).transaction() as connection:
            for statement in FACTS:
                some = {
                    "first": start,
                    "last": min(start + SLICE - 1, last),
                    "runs": str(site.runs),
                }
                connection.execute(
                    statement, {key: value for key, value in some.items() if f"${key}" in statement}
                )
    catalog = Catalog(site.catalog)
    with catalog.open() as connection:  # as the passes did that brought all this home
        publish(site, catalog, connection)


def running(site: Site) -> None:
    """Claim every attempt, with a heartbeat."""
    for run in _attempts(site):
        run.claim()
        (run.path / "alive").touch()


def results(site: Site, rows: int) -> None:
    """Write what workers would have written, by the functions that they write with, but not flushed to the disk."""
    vars(files)["fsync"] = lambda path: None
    for run in _attempts(site):
        run.claim()
        spec, job = run.spec(), run.assignment()
        tasks = spec.stream["tasks"] + 1
        for task in range(tasks):
            share = rows // tasks + (task < rows % tasks)
            receipt = Receipt(
                trial=job.trial,
                attempt=job.attempt,
                spec_id=spec.id,
                task=task,
                files=write_tables(run, task, _tables(spec.stream["suite"], task, share)),
                weights={},
            )
            write_json(run.path / f"task-{task:04d}.json", asdict(receipt))
        outcome = Outcome(
            state="done",
            host="n1",
            device="cpu",
            versions=job.versions,
            started_at=now(),
            finished_at=now(),
        )
        run.conclude(outcome)


def _attempts(site: Site) -> list[RunFolder]:
    return [RunFolder(path) for path in sorted(site.runs.glob("[0-9]*/01"))]


def _tables(suite: dict[str, Any], task: int, rows: int) -> dict[str, list[dict[str, Any]]]:
    """`rows` results, of the suite's members first and then of as many metrics as it takes; the other tables as usual."""
    members = [(member["metric"], member["dataset"]) for member in suite["members"]]
    more = ((f"metric{metric}", name) for metric in itertools.count() for _, name in members)
    measured = itertools.islice(itertools.chain(members, more), rows)
    about = {
        "task": task,
        "step": 50,
        "label_space": "all",
        "weights": "deployed",
        "examples": 200,
        "fraction": 1.0,
    }
    phases = {
        "task": task,
        "flops": 1e12,
        "peak_bytes": None,
        "seconds": 3.5,
        "steps": 1,
        "pairs": 128,
    }
    curve = {"task": task, "loss": 2.5, "lr": 1e-3, "pairs_per_s": 500.0, "written_at": now()}
    return {
        "result": [
            about | {"dataset": name, "metric": metric, "value": 0.5} for metric, name in measured
        ],
        "cost": [
            phases | {"phase": phase, "shared": False} for phase in ("train", "merge", "evaluate")
        ],
        "progress": [curve | {"step": step} for step in range(5, 55, 5)],
        "statistic": [
            {"task": task, "name": "drift_l2", "part": part, "value": 1.5}
            for part in ("all", "image", "text")
        ],
    }


ACTIONS: dict[str, Callable[..., None]] = {
    "finished": finished,
    "running": running,
    "results": results,
}

if __name__ == "__main__":
    action, *numbers = sys.argv[1:]
    ACTIONS[action](Site.load(Path.cwd()), *map(int, numbers))
