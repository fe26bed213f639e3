"""What trials deployed is measured later, on another suite, without training: with real training on
the tiny world, equal to the last bit to what the suite gives when it is the stream's from the start.
"""

import shutil
from pathlib import Path

import pytest

from runner.run_folder import read_json
from schema.catalog import Catalog
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
    dies_at,
    settle,
    tell,
    until,
)
from tests.processes import command
from tests.toy import METHODS

pytestmark = pytest.mark.slow

# Declared after the fact: a metric, label spaces and roles that the stream's own suite lacks
LATER = """
INSERT INTO suite (name) VALUES ('later');
INSERT INTO suite_member (suite, dataset, role, metric, label_space) VALUES
    ('later', 'toy_blobs', 'adapt', 'fewshot4_top1', 'task'),
    ('later', 'toy_colour', 'retain', 'top1', 'all'),
    ('later', 'toy_scenes', 'retain', 'image_to_text_r1', 'all'),
    ('later', 'toy_colour', 'probe', 'top1', 'union'),
    ('later', 'toy_blobs', 'probe', 'top1', 'union'),
    ('later', 'toy_scenes', 'probe', 'between50_r1', 'all');
"""
MEASURE = "INSERT INTO measurement (trial, suite, tasks) SELECT id, 'later', '{}' FROM trial"
# The values that hold of the suite, whichever attempt brought them
HELD = """
SELECT DISTINCT t.method, t.seed, r.task, r.step, r.dataset, r.metric, r.label_space, r.value, r.examples
FROM result r
JOIN trial t ON t.id = r.trial
JOIN suite_member m USING (dataset, metric, label_space)
WHERE m.suite = 'later' AND r.task IN (0, 2)
ORDER BY ALL
"""
POINTS = (
    "SELECT trial, task, a_ka, a_zs, gm, d_ka, d_zs FROM summary WHERE task IN (0, 2) ORDER BY ALL"
)
# What training says of itself
UNTOUCHED = ("trial_state", "point", "finished", "usual_cost", "sharing", "steps")
# What lies between two tasks needs what both deployed
SITE = f'{LOCAL}trials_per_job = 4\nkeep_weights = "all"\n'


def declared(folder: Path, suite: str = "toy") -> Site:
    """A site with two trials of each toy method, whose stream has this suite from the start."""
    site = declare(folder, SITE, seeds=0)
    methods = ", ".join(f"('{name}')" for name in METHODS)
    tell(site, LATER)
    tell(site, f"UPDATE stream SET suite = '{suite}' WHERE name = 'toy'")
    tell(
        site,
        "INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed, study) "
        f"SELECT 'toy', 'toy', 'toy', col0, 'toy', 'toy', seed, 'toy' "
        f"FROM (VALUES {methods}), range(2) AS seeds(seed) ON CONFLICT DO NOTHING",
    )
    return site


@pytest.fixture(scope="module")
def from_the_start(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The same trials, whose stream had the suite from the start."""
    site = declared(tmp_path_factory.mktemp("start"), "later")
    settle(site)
    return site


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A lab whose trials are done, to be copied."""
    site = declared(tmp_path_factory.mktemp("trained"))
    settle(site)
    return site


@pytest.fixture
def lab(trained: Site, tmp_path: Path) -> Site:
    """A copy of that lab, in which somebody measures."""
    copied(trained.folder, tmp_path / "lab")
    return Site.load(tmp_path / "lab")


def asked_about(site: Site, suite: str, sql: str) -> Rows:
    """Ask about another suite."""
    with Catalog(site.catalog).open() as connection:
        connection.execute(f"SET VARIABLE suite = '{suite}'")
        return connection.execute(sql).fetchall()


def training_alone(site: Site) -> dict[str, Rows]:
    """Return what training says of itself, view by view."""
    return {view: ask(site, f"FROM {view}") for view in UNTOUCHED}


def is_whole(site: Site) -> None:
    """Nothing is doubled, nothing is missing, and attempts agree."""
    assert ask(site, "SELECT DISTINCT state FROM measurements") == [("done",)]
    for audit in (*AUDITS, "audit_tasks", "audit_values", "audit_code", "audit_kept"):
        assert ask(site, f"FROM {audit}") == [], audit


def killed(site: Site, points: tuple[str, ...]) -> None:
    """Have the workers die at crash points, one after another, until they are met."""
    for point in points:
        with crashing(point):
            until(site, lambda report: bool(report.ended))


def test_measured_later_is_measured_from_the_start(from_the_start: Site, lab: Site) -> None:
    """Workers are killed on the way at every step: equal to the last bit; training is what it was (I1, I2)."""
    before = training_alone(lab)
    tell(lab, MEASURE.format("last"))
    killed(lab, ("claimed", "results:2", "measured:2"))
    assert settle(lab).problems == []
    is_whole(lab)
    assert ask(lab, HELD) == ask(from_the_start, HELD)
    assert same_answer(asked_about(lab, "later", POINTS), ask(from_the_start, POINTS))
    for view, rows in training_alone(lab).items():
        assert same_answer(rows, before[view]), view
    phases = ask(
        lab,
        "SELECT DISTINCT phase FROM cost JOIN attempt USING (trial, attempt) "
        "WHERE measures IS NOT NULL",
    )
    assert phases == [("measure",)]
    # Weights are the trial's, and no measurement has any
    kept = "[0-9]*/[0-9]*/task-*.deployed.safetensors"
    assert {path.parent.name for path in lab.runs.glob(kept)} == {"01"}


def test_sync_dies_wherever_it_may_while_measuring(from_the_start: Site, lab: Site) -> None:
    """F1-F5: before and after each write of sync, of an attempt that measures (I1, I2, I8)."""
    tell(lab, MEASURE.format("last"))
    for point in ("attempt_row", "folder", "asked", "submitted", "ingest_stored", "publish"):
        dies_at(lab, point)
    settle(lab)
    is_whole(lab)
    assert ask(lab, HELD) == ask(from_the_start, HELD)
    done = "SELECT count(*), count(DISTINCT trial) FROM attempts WHERE measures IS NOT NULL AND state = 'done'"
    assert ask(lab, done) == [(4, 4)]


def test_one_process_measures_all_of_a_job_and_an_added_dataset_alone(lab: Site) -> None:
    """What is opened is opened once; the untouched backbone is measured once for trials of a seed."""
    tell(lab, "DELETE FROM suite_member WHERE suite = 'later' AND label_space = 'union'")
    tell(lab, "DELETE FROM suite_member WHERE suite = 'later' AND dataset = 'toy_scenes'")
    tell(lab, MEASURE.format("last"))
    settle(lab)
    is_whole(lab)
    claims = [read_json(path) for path in sorted(lab.runs.glob("[0-9]*/02/claim"))]
    assert len(claims) == 4 and len({claim["pid"] for claim in claims if claim}) == 1
    shared = "SELECT count(*) FROM cost WHERE phase = 'measure' AND task = 0 AND shared"
    assert ask(lab, shared) == [(2,)]
    tell(
        lab,
        "INSERT INTO suite_member (suite, dataset, role, metric) VALUES ('later', 'toy_scenes', 'retain', 'r5')",
    )
    settle(lab)
    is_whole(lab)
    # Measured in training already, so it holds without another attempt
    assert ask(lab, "SELECT max(attempt) FROM attempt") == [(2,)]
    tell(
        lab,
        "INSERT INTO suite_member (suite, dataset, role, metric) VALUES ('later', 'toy_scenes', 'probe', 'index_r5')",
    )
    settle(lab)
    is_whole(lab)
    brought = "SELECT DISTINCT dataset, task FROM result WHERE attempt = 3 ORDER BY ALL"
    assert ask(lab, brought) == [("toy_scenes", 0), ("toy_scenes", 2)]


def test_weights_that_are_gone_are_named_and_come_back(from_the_start: Site, lab: Site) -> None:
    """Said by sync, by `health` and by a dry run, with what training again would cost. What lies between two
    tasks needs the weights of both."""
    folder = lab.runs / "000001/01"
    names = [f"task-{task:04d}.deployed.safetensors" for task in (1, 2)]
    for name in names:
        (folder / name).rename(lab.runs / name)
    tell(lab, MEASURE.format("last"))
    said = command(lab.folder, "runner.sync", "--dry-run")
    assert "would measure 4 trials of toy on suite 'later' without training" in said.stdout
    assert (
        "cannot be measured: the weights that tasks 1, 2 of trial 1 deployed are gone"
        in said.stdout
    )
    assert "Training it again would take" in said.stdout
    settle(lab)
    state = "SELECT state, reason FROM measurements WHERE trial = 1"
    ((word, reason),) = ask(lab, state)
    assert word == "refused" and "keep_weights" in reason and "PFLOPs" in reason
    ((subject, problem),) = ask(lab, "SELECT subject, message FROM health")
    assert subject == "measurement later" and reason.partition(": ")[2] in problem
    assert ask(lab, "SELECT count(*) FROM measurements WHERE state = 'done'") == [(3,)]
    for name in names:
        (lab.runs / name).rename(folder / name)
    tell(lab, "INSERT INTO request (trial, wish, suite) VALUES (1, 'retry', 'later')")
    assert settle(lab).problems == []
    is_whole(lab)
    assert ask(lab, HELD) == ask(from_the_start, HELD)


def test_weights_that_were_changed_are_not_measured(lab: Site) -> None:
    """One byte, and it is another model under the trial's name."""
    weights = lab.runs / "000001/01/task-0002.deployed.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    tell(lab, f"{MEASURE.format('last')} WHERE id = 1")
    tell(lab, "UPDATE policy SET value = 0 WHERE name = 'retries_no_result'")
    settle(lab)
    ((word, reason),) = ask(lab, "SELECT state, reason FROM measurements")
    assert word == "failed" and "not as they were written" in reason
    assert ask(lab, "SELECT DISTINCT task FROM result WHERE attempt = 2") == [(0,)]
    assert ask(lab, "SELECT state FROM stage WHERE trial = 1") == [("done",)]


def test_a_lost_catalog_knows_what_was_measured(lab: Site) -> None:
    """Made again from the run folders alone, where the export of what was declared is lost, too (I14)."""
    tell(lab, MEASURE.format("last"))
    settle(lab)
    held, points = ask(lab, HELD), asked_about(lab, "later", POINTS)
    lab.catalog.unlink()
    shutil.rmtree(lab.declared)
    done = command(lab.folder, "schema", "--rebuild")
    assert done.returncode == 0, done.stdout + done.stderr
    settle(lab)
    is_whole(lab)
    assert ask(lab, "SELECT trial, suite, tasks FROM measurement ORDER BY ALL") == [
        (trial, "later", "last") for trial in range(1, 5)
    ]
    assert ask(lab, HELD) == held
    assert same_answer(asked_about(lab, "later", POINTS), points)
    assert ask(lab, "SELECT count(*) FROM measurable") == [(0,)]


def test_a_measurement_is_withdrawn_and_the_trial_is_not(lab: Site) -> None:
    tell(lab, MEASURE.format("last"))
    tell(
        lab,
        "INSERT INTO request (trial, wish, suite) SELECT id, 'withdraw', 'later' FROM trial WHERE id > 1",
    )
    settle(lab)
    assert ask(lab, "SELECT state, count(*) FROM measurements GROUP BY ALL ORDER BY ALL") == [
        ("done", 1),
        ("withdrawn", 3),
    ]
    assert ask(lab, "SELECT DISTINCT state FROM trial_state") == [("done",)]
