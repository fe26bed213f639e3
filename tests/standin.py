"""A worker that learns nothing and lasts as long as its seed says (seconds), so that jobs can be watched without torch.

`tree` makes a copy of the code in which it stands for `runner.trial`; all else, the job with its shim too, is as it is.
"""

import shutil
import uuid
from pathlib import Path

from runner.run_files import Assignment
from runner.run_folder import RunFolder, attempt_folder
from runner.submission import Submission
from schema.site import Needs, Site
from schema.spec import Spec
from tests.processes import ROOT

TRIAL = '''"""Claims its folder, notes that it ran, waits, and says how it ended."""

import os
import time

from runner.run_folder import STOPS, now, write_json


def learn(run, word=None):
    if not run.claim():
        return 0
    started_at = now()
    with (run.path / "ran").open("a") as file:
        print(os.getpid(), file=file)
    end = time.monotonic() + run.spec().seed
    while time.monotonic() < end and not (word and word[0]):
        time.sleep(0.02)
    told = STOPS[word[0]] if word else None
    said = {"state": "failed" if told else "done", "kind": told, "started_at": started_at, "finished_at": now()}
    write_json(run.path / "outcome.json", said)
    return 1 if told else 0
'''


def tree(folder: Path) -> Path:
    """The packages that a job needs, with this worker in them."""
    for package in ("runner", "schema"):
        shutil.copytree(
            ROOT / package, folder / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    (folder / "runner/trial.py").write_text(TRIAL)
    return folder


def batch_of(
    site: Site, backend: str, code: Path, jobs: list[list[int]], needs: Needs
) -> Submission:
    """A batch of jobs, each of attempts that last so many seconds, every attempt another trial."""
    name, trial = f"weir-{uuid.uuid4().hex[:12]}", 0
    positions: list[list[str]] = []
    for position, lasting in enumerate(jobs):
        positions.append([])
        for seconds in lasting:
            trial += 1
            path = attempt_folder(site.runs, trial, 1)
            spec = Spec({}, {"tasks": 1}, {}, {}, {}, {}, seconds)
            RunFolder(path).create(
                spec,
                Assignment(
                    trial=trial, attempt=1, batch=name, position=position, data=str(site.data)
                ),
            )
            positions[-1].append(f"{path.parent.name}/{path.name}")
    batch = Submission(
        name=name,
        backend=backend,
        code=code,
        threads=1,
        needs=needs,
        positions=positions,
        runs=site.runs,
    )
    batch.write()
    return batch
