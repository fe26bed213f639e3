"""Files that are torn, late, in the wrong place, delivered twice, or cannot be written."""

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runner.run_folder import RunFolder
from tests.faults.conftest import Staged
from tests.faults.stage import PATIENCE_S, TASKS, Stage, write_all, write_outcome, write_task

RESULT = "task-0001.result.parquet"


# ---------------------------------------------------------------- F5: sync dies between files and
# catalog


@pytest.mark.slow
@pytest.mark.parametrize("point", ["ingest_read", "ingest_stored", "publish"])
def test_f05_sync_is_killed_between_reading_results_and_the_commit(
    stage: Stage, point: str
) -> None:
    """Results and ends enter the catalog together or not at all; the next sync takes them (I4, I8)."""
    stage.sync()
    stage.work()
    stage.sync_dies(crash_at=point)
    counts = stage.ask(
        "SELECT (SELECT count(*) FROM result), (SELECT count(*) FROM ingested), (SELECT count(*) FROM outcome)"
    )
    assert counts == ([(6, 6, 2)] if point == "publish" else [(0, 0, 0)])
    stage.settle()
    stage.done_once()
    assert stage.site.current.exists()


# ---------------------------------------------------------------- F21: a worker dies while it
# writes


@pytest.mark.parametrize(("word", "kind"), [("FAILED", "killed"), ("COMPLETED", "no_result")])
def test_f21_a_worker_is_killed_while_it_writes(stage: Stage, word: str, kind: str) -> None:
    """What it left aside is no result: nothing of it is read, and the next attempt is not in its
    way (I4, I5).
    """
    stage.sync()
    run = stage.begin(1)
    write_task(run, 0)
    (run.path / f".{RESULT}.4711").write_bytes(b"PAR1")
    (run.path / ".outcome.json.4711").write_text('{"state": "done"')
    stage.slurm.set_state(stage.job(1), word, exit="0:9" if word == "FAILED" else "0:0")
    stage.sync_patiently()
    assert stage.ends() == [(1, 1, "lost", kind)]
    stage.settle()
    stage.done_once(twice=["1/1"])
    # That one was whole
    assert stage.ask("SELECT task FROM result WHERE trial = 1 AND attempt = 1") == [(0,)]


# ---------------------------------------------------------------- F22, F23: files that cannot be
# trusted


def torn(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-7])


def flipped(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


# After a power cut, on XFS
SPOILT: list[tuple[str, Callable[[Path], object], str]] = [
    (RESULT, torn, "its sha256 differs"),
    (RESULT, flipped, "its sha256 differs"),
    (RESULT, Path.unlink, f"{RESULT} is missing"),
    (RESULT, lambda path: path.write_bytes(b""), "its sha256 differs"),
    ("task-0001.json", torn, "the receipt cannot be read"),
    (
        "task-0001.json",
        lambda path: path.write_bytes(b"\0" * 300),
        "the receipt cannot be read",
    ),
]


def test_f22_a_file_is_not_what_was_written(staged: Staged) -> None:
    """Of each trial but the last another: named and left where it is; the other files of the pass
    are ingested, and what is missing is measured again (I4, I16).
    """
    spoilt = range(1, len(SPOILT) + 1)
    stage = staged(seeds=len(SPOILT) + 1)
    stage.sync()
    for trial, (name, spoil, _) in zip(spoilt, SPOILT, strict=True):
        spoil(stage.finish(trial).path / name)
    stage.finish(len(SPOILT) + 1)
    *said, (gap, _) = sorted(stage.sync().problems)
    for trial, (subject, message), (_, _, words) in zip(spoilt, said, SPOILT, strict=True):
        assert subject == f"{trial:06d}/01/task-0001.json" and words in message
    assert gap == "audit_tasks"
    lost = "said done, but no trustworthy results of tasks [1]"
    assert stage.ask("SELECT trial, attempt, state, kind, message FROM outcome ORDER BY ALL") == [
        *[(trial, 1, "lost", "no_result", lost) for trial in spoilt],
        (len(SPOILT) + 1, 1, "done", None, None),
    ]
    stage.settle()
    stage.done_once(seeds=len(SPOILT) + 1, twice=[f"{trial}/1" for trial in spoilt])


NO_WORDS = ["", '{"state": "do', "[]", '{"state": "finished"}']


def test_f22_a_last_word_that_cannot_be_read(staged: Staged) -> None:
    """Torn, or in words nobody knows, it is named and is no word, and Slurm's counts (I5, I16)."""
    stage = staged(seeds=5)
    stage.sync()
    for trial, text in enumerate(NO_WORDS, 1):
        (stage.finish(trial).path / "outcome.json").write_text(text)
    stage.finish(5)
    report = stage.sync_patiently()
    assert stage.ends()[:4] == [(trial, 1, "lost", "no_result") for trial in (1, 2, 3, 4)]
    assert [subject for subject, _ in report.problems] == [
        f"{trial:06d}/01/outcome.json" for trial in (1, 2, 3, 4)
    ]
    assert report.problems[3][1].startswith("says state 'finished', kind None; known are done, ")
    stage.settle()
    stage.done_once(seeds=5, twice=["1/1", "2/1", "3/1", "4/1"])


NOT_OURS: list[tuple[dict[str, object], str]] = [
    ({"trial": 2}, "the receipt is of trial 2, not of 1"),
    ({"attempt": 2}, "the receipt is of attempt 2, not of 1"),
    ({"spec_id": "0" * 64}, "the receipt is of spec_id '000"),
    ({"task": 2}, "the receipt is of task 2, not of 1"),
    ({"files": {"result": {}}}, "the receipt cannot be read"),
    ({"files": {}}, "the receipt cannot be read: it names no file for result, cost, progress"),
]


def test_f23_a_result_of_something_else(staged: Staged) -> None:
    """Of another trial, attempt, definition or task, or in another form: refused, with the reason
    (I5).
    """
    refused = range(1, len(NOT_OURS) + 1)
    stage = staged(seeds=len(NOT_OURS) + 1)
    stage.sync()
    for trial, (said, _) in zip(refused, NOT_OURS, strict=True):
        run = stage.begin(trial)
        for task in (0, 2):
            write_task(run, task)
        write_task(run, 1, **said)
        write_outcome(run)
        stage.slurm.set_state(stage.job(trial), "COMPLETED")
    stage.finish(len(NOT_OURS) + 1)
    *problems, (gap, _) = sorted(stage.sync().problems)
    for trial, (subject, message), (_, words) in zip(refused, problems, NOT_OURS, strict=True):
        assert subject == f"{trial:06d}/01/task-0001.json" and words in message
    assert gap == "audit_tasks"
    stage.settle()
    stage.done_once(seeds=len(NOT_OURS) + 1, twice=[f"{trial}/1" for trial in refused])


def test_f23_a_folder_of_another_trial(stage: Stage) -> None:
    """Somebody copied one run folder over another: none of it is taken for this trial's (I5)."""
    stage.sync()
    stage.finish(2)
    run, job = stage.begin(1), stage.job(1)
    shutil.copytree(stage.run(2).path, run.path, dirs_exist_ok=True)
    stage.slurm.set_state(job, "COMPLETED")
    report = stage.sync()
    outcome, *rest = [message for _, message in report.problems]
    assert outcome.startswith("is of trial 2, not of 1; it is taken for no word of the worker")
    assert rest == ["the receipt is of trial 2, not of 1"] * 3
    stage.settle()
    stage.done_once(twice=["1/1"])


# ---------------------------------------------------------------- F24: delivered twice


def test_f24_the_same_result_comes_again(stage: Stage) -> None:
    """Written again, the whole folder touched, sync run again: not a row more, not a byte of the
    catalog (I4, I9).
    """
    stage.sync()
    stage.work()
    stage.settle()
    facts, before = stage.facts(), (stage.site.catalog.read_bytes(), stage.site.current.resolve())
    for trial in (1, 2):
        write_all(stage.run(trial))
        for path in stage.run(trial).path.iterdir():
            path.touch()
    for _ in range(2):
        assert not stage.sync().changed
    assert (
        stage.facts() == facts
        and (stage.site.catalog.read_bytes(), stage.site.current.resolve()) == before
    )
    stage.done_once()


def test_f24_what_an_attempt_says_again_after_it_was_given_up(stage: Stage) -> None:
    """Tasks taken while it ran are not taken again when its late end comes (I4, I6)."""
    stage.sync()
    run = stage.begin(1)
    write_task(run, 0)
    write_task(run, 1)
    stage.finish(2)
    stage.sync()
    stage.slurm.forget(stage.job(1))
    stage.sync_patiently()
    assert (1, 1, "lost", "killed") in stage.ends()
    write_all(run)
    stage.sync()
    stage.slurm.set_state(stage.job(1, 2), "CANCELLED")
    stage.settle()
    assert stage.ask("SELECT state, count(*) FROM trial_state GROUP BY state") == [("done", 2)]
    assert stage.ask(
        "SELECT trial, attempt, task, count(*) FROM result GROUP BY ALL ORDER BY ALL"
    ) == [(trial, 1, task, 1) for trial in (1, 2) for task in TASKS]


# ---------------------------------------------------------------- F31: late, missing, read-only


def test_f31_the_files_appear_later_than_the_jobs_end(stage: Stage) -> None:
    """A network disk shows them a moment after Slurm says COMPLETED: waited for, and never
    `no_result` (I7).
    """
    stage.sync()
    run = stage.finish(1)
    late = stage.folder / "late"
    late.mkdir()
    for path in run.path.glob("[to]*"):
        # Tasks and outcome
        path.rename(late / path.name)
    stage.finish(2)
    stage.sync()
    assert stage.ends() == [(2, 1, "done", None)]
    for path in late.iterdir():
        path.rename(run.path / path.name)
    time.sleep(PATIENCE_S)
    stage.sync()
    stage.settle()
    stage.done_once()
    assert stage.attempts() == 2


def test_f31_the_run_folders_are_gone_for_a_while(
    stage: Stage, capsys: pytest.CaptureFixture[str]
) -> None:
    """The disk is not mounted: that says nothing about any attempt; nothing is given up or
    submitted, sync says so (I7, I16).
    """
    stage.sync()
    stage.finish(1)
    stage.finish(2)
    stage.declare(seed=2)
    away = stage.site.runs.with_name("away")
    stage.site.runs.rename(away)
    for _ in range(2):
        said = stage.say(capsys, code=1)
        assert f"degraded: runs: {stage.site.runs} is not there" in said
        time.sleep(PATIENCE_S)
    assert stage.ends() == [] and stage.attempts() == 2 and not stage.site.runs.exists()
    away.rename(stage.site.runs)
    stage.settle()
    stage.done_once(3)
    assert stage.attempts() == 3


def test_f31_somebody_removed_one_run_folder(stage: Stage) -> None:
    """While its job runs, nothing follows; when the job has ended, the trial is measured again, and
    the rest goes on (I3).
    """
    stage.sync()
    run = stage.begin(1)
    shutil.rmtree(run.path)
    stage.finish(2)
    stage.sync()
    assert stage.ends() == [(2, 1, "done", None)]
    stage.slurm.set_state(
        stage.ask("SELECT job_id FROM submission WHERE trial = 1")[0][0], "COMPLETED"
    )
    stage.settle()
    stage.done_once(twice=["1/1"])
    assert stage.ends()[0][:3] == (1, 1, "lost")


def test_f31_a_manifest_is_torn(stage: Stage) -> None:
    """A batch that cannot be read back does not stop the others; its jobs are known by the catalog
    (I3).
    """
    stage.sync()
    batch = stage.site.runs / "batches" / stage.run(1).assignment().batch
    stage.finish(1)
    stage.finish(2)
    (batch / "manifest.json").write_text(json.dumps({"batch": "weir-"})[:-2])
    stage.declare(seed=2)
    stage.settle()
    stage.done_once(3)
    assert RunFolder(stage.run(1).path).outcome() is not None
