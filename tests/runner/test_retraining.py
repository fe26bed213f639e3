"""Weights that are gone come back, with real training on the tiny world: to the same bits, killed
on the way, and the trial is known for what its first training brought.
"""

import json
import shutil
from pathlib import Path

import pytest

from runner.run_folder import sha256
from schema.site import Site
from tests.alike import same_answer
from tests.journey import (
    AUDITS,
    LOCAL,
    Rows,
    ask,
    copied,
    crashing,
    declare,
    settle,
    tell,
    until,
)
from tests.processes import command
from tests.toy import METHODS

pytestmark = pytest.mark.slow

SITE = f"{LOCAL}trials_per_job = 2\n"
LATER = """
INSERT INTO suite (name) VALUES ('later');
INSERT INTO suite_member (suite, dataset, role, metric) VALUES
    ('later', 'toy_colour', 'retain', 'top5');
INSERT INTO measurement (trial, suite) SELECT id, 'later' FROM trial;
"""
WISH = "INSERT INTO request (trial, wish) SELECT id, 'retrain' FROM trial"
UNTOUCHED = ("trial_state", "point", "finished", "usual_cost", "sharing", "steps")
WEIGHTS = "task-0002.deployed.safetensors"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A lab in which a trial of each toy method is done, to be copied."""
    site = declare(tmp_path_factory.mktemp("trained"), SITE, seeds=0)
    for name in METHODS:
        tell(
            site,
            "INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed, study) "
            f"VALUES ('toy', 'toy', 'toy', '{name}', 'toy', 'toy', 0, 'toy') "
            "ON CONFLICT DO NOTHING",
        )
    settle(site)
    return site


@pytest.fixture
def lab(trained: Site, tmp_path: Path) -> Site:
    """A copy of that lab."""
    copied(trained.folder, tmp_path / "lab")
    return Site.load(tmp_path / "lab")


def known(site: Site) -> dict[str, Rows]:
    """What training says of itself, view by view."""
    return {view: ask(site, f"FROM {view}") for view in UNTOUCHED}


def is_untouched(site: Site, before: dict[str, Rows]) -> None:
    """Training says of itself what it said before."""
    for view, rows in known(site).items():
        assert same_answer(rows, before[view]), view


def digests(site: Site) -> dict[str, str]:
    """The weights that each trial deployed last, by the newest attempt that has them."""
    return {path.parts[-3]: sha256(path) for path in sorted(site.runs.glob(f"*/*/{WEIGHTS}"))}


def test_what_is_trained_again_has_the_same_bits(lab: Site) -> None:
    """F43: workers are killed on the way; what waited for the weights is measured by the same wish (I2, I4)."""
    before, weights = known(lab), digests(lab)
    assert len(weights) == len(METHODS)
    for path in lab.runs.glob(f"*/*/{WEIGHTS}"):
        path.unlink()
    answer = command(lab.folder, "runner.sync", "--dry-run")
    assert "weights are gone that nobody has asked for yet" in answer.stdout
    assert "as much as they took before" in answer.stdout and "'retrain'" in answer.stdout
    tell(lab, LATER)
    assert settle(lab).problems
    refused = ask(lab, "SELECT state, reason FROM measurements")
    for word, reason in refused:
        assert word == "refused" and "VALUES (" in reason and "'retrain')" in reason
    tell(lab, WISH)
    answer = command(lab.folder, "runner.sync", "--dry-run", "--json")
    assert json.loads(answer.stdout)["would_train_again"]["trials"] == [1, 2]
    for point in ("step:3", "results:2", "receipt:3"):
        with crashing(point):
            until(lab, lambda report: bool(report.ended))
    assert settle(lab).problems == []
    assert digests(lab) == weights
    is_untouched(lab, before)
    for audit in (*AUDITS, "audit_tasks", "audit_values", "audit_code", "audit_kept"):
        assert ask(lab, f"FROM {audit}") == [], audit
    assert ask(lab, "SELECT DISTINCT state FROM measurements") == [("done",)]
    tasks = "SELECT count(DISTINCT task) FROM result JOIN attempt USING (trial, attempt) WHERE retrains IS NOT NULL"
    assert ask(lab, tasks) == [(3,)]


def test_a_folder_that_is_gone_comes_back_too(lab: Site) -> None:
    """F43: neither receipt nor definition is left on the disk; the catalog has the latter (I15)."""
    before, weights = known(lab), digests(lab)
    shutil.rmtree(lab.runs / "000001")
    tell(lab, f"{WISH} WHERE id = 1")
    assert settle(lab).problems == []
    assert digests(lab) == weights
    is_untouched(lab, before)
    tell(lab, LATER)
    assert settle(lab).problems == []
    assert ask(lab, "SELECT DISTINCT state FROM measurements") == [("done",)]
    lab.catalog.unlink()
    done = command(lab.folder, "schema", "--rebuild")
    assert done.returncode == 0, done.stdout + done.stderr
    # All there is of its training is what was trained again, so that counts
    assert ask(lab, "SELECT count(*) FROM attempt WHERE retrains IS NOT NULL") == [(0,)]
    assert settle(lab).problems == []
    assert ask(lab, "SELECT DISTINCT state FROM trial_state") == [("done",)]


def test_every_task_is_kept_of_what_is_trained_again(lab: Site) -> None:
    """Set keep_weights, wish, and have what no earlier attempt kept."""
    with (lab.folder / "site.toml").open("a") as file:
        file.write('keep_weights = "all"\n')
    tell(lab, f"{WISH} WHERE id = 2")
    assert settle(lab).problems == []
    there = sorted(path.name for path in (lab.runs / "000002" / "02").glob("*.deployed.*"))
    assert there == ["task-0001.deployed.safetensors", WEIGHTS]
    answer = command(lab.folder, "runner.sync", "--dry-run")
    assert "weights are gone" not in answer.stdout
