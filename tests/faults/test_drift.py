"""Code that changes while attempts of it wait: what was submitted is what runs, or nothing does."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from runner import code_snapshot
from tests.faults.conftest import Staged
from tests.faults.stage import Stage
from tests.journey import Rows, done_once, settle
from tests.processes import ROOT

pytestmark = pytest.mark.slow


@pytest.fixture
def stage(staged: Staged) -> Stage:
    """Two pending trials of one job, which will really run."""
    return staged(text="trials_per_job = 2\n")


def test_f36_the_code_is_edited_while_jobs_wait(
    stage: Stage, trained: Rows, tmp_path: Path
) -> None:
    """What a person breaks in the tree after submission is not what the jobs run, and the catalog
    says which code was (I12).
    """
    tree = tmp_path / "a tree"
    for package in (*code_snapshot.PACKAGES, "queries"):
        shutil.copytree(
            ROOT / package, tree / package, ignore=shutil.ignore_patterns("__pycache__")
        )
    command = [sys.executable, "-m", "runner.sync"]
    environment = os.environ | {"PYTHONPATH": str(tree)}
    done = subprocess.run(
        command, cwd=stage.folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and done.stdout.startswith("2 submitted"), done.stderr
    submitted = code_snapshot.identity(tree)
    (tree / "runner/trial.py").write_text("raise SystemExit('half an edit')\n")
    stage.slurm.release()
    settle(stage.site)
    done_once(stage.site, trained)
    assert (
        stage.ask("SELECT DISTINCT code FROM attempt") == [(submitted,)]
        and code_snapshot.identity(tree) != submitted
    )
    assert stage.attempts() == 2


def test_f36_a_snapshot_is_touched_while_jobs_wait(stage: Stage, trained: Rows) -> None:
    """They end as `code_drift` before they train, and are not tried again by themselves; a retry
    takes a whole copy (I11, I12).
    """
    stage.sync()
    ((code_id,),) = stage.ask("SELECT DISTINCT code FROM attempt")
    victim = stage.site.code / code_id / "methods/schedules.py"
    victim.chmod(0o644)
    victim.write_text(victim.read_text() + "\n# touched\n")
    stage.slurm.release()
    settle(stage.site)
    assert stage.ends() == [(1, 1, "failed", "code_drift"), (2, 1, "failed", "code_drift")]
    ((message,),) = stage.ask("SELECT DISTINCT message FROM outcome")
    assert f"was submitted with code {code_id}" in message and "or request a retry" in message
    assert stage.ask("SELECT count(*) FROM result") == [(0,)]
    stage.tell("INSERT INTO request (trial, wish) SELECT id, 'retry' FROM trial")
    settle(stage.site)
    done_once(stage.site, trained)
    assert stage.ask("SELECT count(*), count(DISTINCT code) FROM attempt") == [(4, 1)]
    assert stage.ask("SELECT DISTINCT commit FROM outcome WHERE state = 'done'") == [
        (code_snapshot.commit(),)
    ]
