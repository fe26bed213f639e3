"""The run folder: one claim ever, whole files, and which attempt holds a task."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from runner.records import DamagedFileError
from runner.result_files import write_tables
from runner.run_files import TABLES, Assignment, Receipt
from runner.run_folder import (
    RunFolder,
    attempt_folder,
    done_tasks,
    read_json,
    whole,
    write_json,
)
from schema.spec import Spec

SPEC = Spec({}, {}, {}, {}, {}, {}, 0)


def made(runs: Path, attempt: int) -> RunFolder:
    run = RunFolder(attempt_folder(runs, 1, attempt))
    run.create(SPEC, Assignment(trial=1, attempt=attempt, batch="b", position=0, data="data"))
    return run


def test_one_claim_ever(tmp_path: Path) -> None:
    run = made(tmp_path, 1)
    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(lambda n: run.claim() if n % 2 else run.revoke(), range(64))) == 1


def test_revoked_is_never_run_and_claimed_is_never_revoked(tmp_path: Path) -> None:
    first, second = made(tmp_path, 1), made(tmp_path, 2)
    assert first.revoke() and not first.claim()
    assert second.claim() and not second.revoke()


def test_a_file_is_whole_or_not_there(tmp_path: Path) -> None:
    target = tmp_path / "x.json"
    write_json(target, {"a": 1})
    with pytest.raises(ZeroDivisionError), whole(target) as aside:
        aside.write_text("half")
        raise ZeroDivisionError
    assert read_json(target) == {"a": 1}
    assert list(tmp_path.iterdir()) == [target]


def test_torn_json_reads_as_absent(tmp_path: Path) -> None:
    (tmp_path / "x").write_text('{"a":')
    assert read_json(tmp_path / "x") is None
    assert read_json(tmp_path / "none") is None


def test_the_newest_attempt_that_has_a_task_holds_it(tmp_path: Path) -> None:
    first, second = made(tmp_path, 1), made(tmp_path, 2)
    for run, tasks in ((first, (0, 1)), (second, (1, 2))):
        for task in tasks:
            files = write_tables(run, task, {table: [] for table in TABLES})
            attempt = int(run.path.name)
            receipt = Receipt(
                trial=1, attempt=attempt, spec_id=SPEC.id, task=task, files=files, weights={}
            )
            write_json(run.path / f"task-{task:04d}.json", asdict(receipt))
    held = done_tasks(second.relatives(SPEC))
    assert {task: run.path.name for task, (run, _) in held.items()} == {0: "01", 1: "02", 2: "02"}
    # An earlier attempt never looks at a later one
    assert set(done_tasks(first.relatives(SPEC))) == {
        0,
        1,
    }
    # Nor at one of another definition
    assert second.relatives(replace(SPEC, seed=1)) == []
    # A sync that died while it made the folder
    (first.path / "spec.json").unlink()
    assert [run.path.name for run in second.relatives(SPEC)] == ["02"]


def test_job_and_spec_come_back(tmp_path: Path) -> None:
    run = made(tmp_path, 3)
    assert (run.spec(), run.assignment()) == (
        SPEC,
        Assignment(trial=1, attempt=3, batch="b", position=0, data="data"),
    )
    (run.path / "job.json").unlink()
    with pytest.raises(DamagedFileError, match=r"job\.json is missing"):
        run.assignment()
