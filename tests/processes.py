"""Running trials and syncs as real processes that can really be killed."""

import multiprocessing
import os
import subprocess
import sys
from pathlib import Path

from runner.run_files import Assignment
from runner.run_folder import RunFolder, attempt_folder
from schema.spec import Spec

ROOT = Path(__file__).resolve().parent.parent
SPAWN = multiprocessing.get_context("forkserver")
SPAWN.set_forkserver_preload(
    ["runner.trial", "runner.sync", "runner.scheduler.ingest", "runner.backends.slurm", "submitit"]
)


def _trial(folder: str, crash_at: str | None) -> None:
    from runner.trial import main

    if crash_at:
        os.environ["WEIR_CRASH_AT"] = crash_at
    raise SystemExit(main([folder]))


def run_trial(folder: Path, crash_at: str | None = None) -> int:
    """Run `python -m runner.trial FOLDER` in a process whose imports are done; its exit code,
    negative when killed.
    """
    process = SPAWN.Process(target=_trial, args=(str(folder), crash_at))
    process.start()
    process.join()
    assert process.exitcode is not None
    return process.exitcode


def attempt(
    runs: Path,
    spec: Spec,
    number: int,
    data: Path,
    weights: Path | None = None,
    store: str = "",
    checkpoint_minutes: float = 0.0,
) -> Path:
    """A run folder as sync makes it; every step writes a checkpoint, if nothing else is said."""
    folder = attempt_folder(runs, 1, number)
    backbone_weights = str(weights) if weights else None
    RunFolder(folder).create(
        spec,
        Assignment(
            trial=1,
            attempt=number,
            batch="batch",
            position=0,
            data=str(data),
            checkpoint_minutes=checkpoint_minutes,
            backbone_weights=backbone_weights,
            store=store,
        ),
    )
    return folder


def command(
    folder: Path, *arguments: str, crash_at: str | None = None
) -> "subprocess.CompletedProcess[str]":
    """`python -m <arguments>` in `folder`, as a person types it."""
    environment = (
        os.environ | {"PYTHONPATH": str(ROOT)} | ({"WEIR_CRASH_AT": crash_at} if crash_at else {})
    )
    asked = [sys.executable, "-m", *arguments]
    return subprocess.run(
        asked, cwd=folder, env=environment, text=True, capture_output=True, timeout=300
    )
