"""A lab that the version before has made goes on under this one: nothing is lost or run again."""

from pathlib import Path

import pytest

from runner.run_folder import attempt_folder
from schema.site import Site
from tests import version_before
from tests.journey import APART, Rows, ask, done_once, ended, eventually, settle
from tests.processes import command
from tests.toy import toy_grid

pytestmark = pytest.mark.slow


def test_a_lab_of_the_version_before_goes_on(folder: Path, expected: Rows) -> None:
    """One trial is done and its results are in the catalog, the other died within its first task.

    The new version migrates the catalog, believes the results of the one, and goes on with the other
    from the checkpoint that the old version has written: both have the results of a quiet run.
    """
    code = version_before.unpacked(folder)
    one_at_a_time = APART + "trials_at_once = 1\n"
    version_before.declare(code, folder, one_at_a_time, toy_grid(seeds=1))
    finished = version_before.run(code, folder, "runner.sync", "--watch")
    assert finished.returncode == 0, finished.stdout + finished.stderr
    (folder / "grid.sql").write_text(toy_grid(seeds=2))
    assert version_before.run(code, folder, "schema", "grid.sql").returncode == 0
    version_before.run(code, folder, "runner.sync", crash_at="step:3")
    site = Site.load(folder)
    ((later,),) = ask(site, "SELECT max(id) FROM trial")
    second = attempt_folder(site.runs, later, 1)
    assert eventually(lambda: ended(site) == 2), "the job speaks for its worker that was killed"
    assert any(second.glob("checkpoint-0001-*[1-9].json"))

    migrated = command(folder, "schema")
    assert migrated.returncode == 0, migrated.stdout + migrated.stderr
    settle(site)

    done_once(site, expected)
    attempts = ask(site, "SELECT trial, count(*) FROM attempt GROUP BY trial ORDER BY trial")
    assert attempts == [(1, 1), (later, 2)]
    first_try = ask(site, f"SELECT kind FROM outcome WHERE trial = {later} AND attempt = 1")
    assert first_try == [("killed",)]
