"""Another lab's run folders are taken in: checked, renumbered, and said to be from there."""

import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from runner.backends import backend
from runner.run_folder import attempt_folder
from runner.scheduler.adopt import AdoptError, adopt
from runner.scheduler.adopted_words import differences
from runner.sync import sync
from schema.site import Site
from tests.fake_slurm import FakeSlurm
from tests.faults.stage import MEASURED, SITE, Stage
from tests.journey import STANDING, ask, declare, tell
from tests.processes import command

QUIET = (
    "definition_drift",
    "audit_attempts",
    "audit_duplicates",
    "audit_orphans",
    "audit_tasks",
    "audit_code",
    "audit_values",
)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    """A lab in which two trials are done, and a third one runs."""
    folder = tmp_path_factory.mktemp("theirs")
    site = declare(folder, SITE, seeds=2)
    tell(site, f"DELETE FROM suite_member WHERE dataset <> '{MEASURED}'")
    with FakeSlurm(tmp_path_factory.mktemp("slurm"), hold=True).loaded() as slurm:
        stage = Stage(folder, slurm)
        stage.settle()
        stage.declare(5)
        stage.sync()
        yield stage


@pytest.fixture
def ours(theirs: Stage, tmp_path: Path) -> Site:
    """A lab of the same vocabulary, with a trial of its own that nobody has run."""
    site = declare(tmp_path, SITE, seeds=0)
    tell(site, f"DELETE FROM suite_member WHERE dataset <> '{MEASURED}'")
    return site


def taken(site: Site) -> None:
    """A pass brings the results, and every audit is quiet."""
    report = sync(site, backend(site.backend, site), limit=0)
    assert report.problems == []
    for audit in QUIET:
        assert ask(site, f"FROM {audit}") == [], audit


def test_what_is_done_there_answers_here(theirs: Stage, ours: Site) -> None:
    """Results to the bit, under other numbers, and where each row came from (I4, I5)."""
    tell(ours, "SELECT nextval('trial_id') FROM range(40)")
    adoption = adopt(ours, theirs.folder)
    assert sorted(adoption.trials) == [1, 2] and min(adoption.trials.values()) > 40
    assert [words for words in adoption.left_out if "not done there" in words]
    taken(ours)
    expected = [row for row in theirs.ask(STANDING) if row[1] != 5]
    assert ask(ours, STANDING) == expected and expected
    assert ask(ours, "SELECT DISTINCT state FROM trial_state") == [("done",)]
    rows = ask(ours, "SELECT trial, attempt, origin, results FROM adopted")
    for (trial, attempt, origin, results), there in zip(rows, (1, 2), strict=True):
        assert trial == adoption.trials[there] and results == 3
        assert origin == str(attempt_folder(theirs.site.runs, there, attempt))
    # Adopted again nothing comes, and nothing is doubled
    again = adopt(ours, theirs.folder)
    assert again.trials == {} and "there is trial" in " ".join(again.left_out)
    taken(ours)
    assert ask(ours, STANDING) == expected


def test_a_trial_that_was_declared_here_is_not_run_twice(theirs: Stage, ours: Site) -> None:
    """Its own row takes what was done there."""
    adoption = adopt(ours, theirs.folder)
    for trial in adoption.trials.values():
        tell(ours, f"DELETE FROM attempt WHERE trial = {trial}")
    # As if somebody had declared the sentences, and the copies had been left by a killed adoption
    again = adopt(ours, theirs.site.runs)
    assert again.trials == adoption.trials
    taken(ours)
    assert ask(ours, "SELECT count(*) FROM todo") == [(0,)]


def test_a_name_that_means_something_else_is_refused(theirs: Stage, ours: Site) -> None:
    """Both sides are named, and nothing is taken in (I14, I16)."""
    tell(ours, "UPDATE recipe SET lr = 0.5 WHERE name = 'toy'")
    tell(ours, f"UPDATE dataset SET templates = '[\"an {{}}\"]' WHERE name = '{MEASURED}'")
    before = [ask(ours, f"FROM {table}") for table in ("trial", "attempt", "method", "dataset")]
    with pytest.raises(AdoptError) as caught:
        adopt(ours, theirs.folder)
    words = str(caught.value)
    assert "recipe 'toy': lr is 0.002 there and 0.5 here" in words
    assert f"stream 'toy': datasets[{MEASURED}].templates[0]" in words
    assert "under a new name" in words
    after = [ask(ours, f"FROM {table}") for table in ("trial", "attempt", "method", "dataset")]
    assert after == before and not list(ours.runs.glob("[0-9]*"))


def test_what_is_damaged_is_left_out_by_name(theirs: Stage, ours: Site, tmp_path: Path) -> None:
    """A receipt whose files are not as it says vouches for nothing (F22)."""
    copy = tmp_path / "copy"
    shutil.copytree(theirs.site.runs, copy / "runs", ignore=shutil.ignore_patterns("batches"))
    path = next((copy / "runs" / "000001").glob("*/task-0001.result.parquet"))
    path.write_bytes(path.read_bytes()[:-1])
    adoption = adopt(ours, copy)
    assert list(adoption.trials) == [2]
    assert any("trial 1 there: files in" in words for words in adoption.left_out)


@pytest.mark.parametrize("point", ["adopt_copied", "adopt_moved"])
def test_an_adoption_is_killed(theirs: Stage, ours: Site, point: str) -> None:
    """F5: all of it or nothing; the next one removes what was left and takes all (I4, I8)."""
    killed = command(ours.folder, "schema", "--adopt", str(theirs.folder), crash_at=point)
    assert killed.returncode in (-signal.SIGKILL, 256 - signal.SIGKILL, 247), killed.stderr
    assert ask(ours, "SELECT count(*) FROM attempt") == [(0,)]
    done = command(ours.folder, "schema", "--adopt", str(theirs.folder))
    assert done.returncode == 1, done.stderr
    assert "2 trials adopted, with 2 attempts" in done.stdout
    assert "left out: trial 3 there: it is not done there" in done.stderr
    assert not list(ours.runs.glob(".adopting-*"))
    assert len(list(ours.runs.glob("[0-9]*"))) == 2
    taken(ours)


def test_a_place_without_runs_is_refused(ours: Site, tmp_path: Path) -> None:
    with pytest.raises(AdoptError, match="holds no run folders .*name the folder of a lab"):
        adopt(ours, tmp_path / "nowhere")
    done = command(ours.folder, "schema", "--adopt", os.devnull)
    assert done.returncode == 2 and "holds no run folders" in done.stderr


def test_differences_are_named_by_their_place() -> None:
    left = {"a": 1, "list": [{"name": "x", "k": 2}], "n": 0.1}
    right = {"a": 1.0, "list": [{"name": "x", "k": 3}], "n": 0.1 * (1 + 1e-16)}
    assert list(differences(left, right)) == [("list[x].k", 2, 3)]
    assert list(differences({"a": None}, {})) == []
    assert list(differences({"a": True}, {"a": [1]})) == [("a", True, [1])]
