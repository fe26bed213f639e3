"""What trials deployed is measured later, on another suite, without training: with real training on
the tiny world, equal to the last bit to what the suite gives when it is the stream's from the start.
"""

import json
import shutil
from pathlib import Path

import pytest

from runner.run_folder import attempt_folder, read_json
from schema.catalog import Catalog
from schema.site import Site
from tests.journey import (
    AUDITS,
    LOCAL,
    Rows,
    ask,
    crashing,
    declare,
    dies_at,
    one_pass,
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
    ('later', 'toy_blobs', 'probe', 'top1', 'union');
"""
MEASURE = "INSERT INTO measurement (trial, suite, tasks) SELECT id, 'later', '{}' FROM trial"
# The values that hold of the suite, whichever attempt brought them
HELD = """
SELECT t.method, t.seed, r.task, r.step, r.dataset, r.metric, r.label_space, r.value, r.examples
FROM result r
JOIN trial t ON t.id = r.trial
JOIN suite_member m USING (dataset, metric, label_space)
WHERE m.suite = 'later' AND r.task IN ({})
ORDER BY ALL
"""
POINTS = "SELECT trial, task, a_ka, a_zs, gm, d_ka, d_zs FROM summary WHERE task IN ({}) ORDER BY ALL"
SITE = f"{LOCAL}trials_per_job = 4\n"


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
    shutil.copytree(trained.folder, tmp_path / "lab", symlinks=True)
    return Site.load(tmp_path / "lab")


def asked_about(site: Site, suite: str, sql: str) -> Rows:
    """Ask about another suite."""
    with Catalog(site.catalog).open() as connection:
        connection.execute(f"SET VARIABLE suite = '{suite}'")
        return connection.execute(sql).fetchall()


def is_whole(site: Site) -> None:
    """Nothing is doubled, nothing is missing, and attempts agree."""
    assert ask(site, "SELECT DISTINCT state FROM measurements") == [("done",)]
    for audit in (*AUDITS, "audit_tasks", "audit_values", "audit_code", "audit_kept"):
        assert ask(site, f"FROM {audit}") == [], audit


@pytest.mark.parametrize("tasks", ["last", "all"])
def test_measured_later_is_measured_from_the_start(
    from_the_start: Site, lab: Site, tasks: str
) -> None:
    """Killed on the way at every step, equal to the last bit; training is what it was (I1, I2)."""
    before = ask(lab, "FROM trial_state ORDER BY trial"), ask(lab, "FROM point ORDER BY ALL")
    costs = ask(lab, "FROM finished ORDER BY ALL"), ask(lab, "FROM usual_cost ORDER BY ALL")
    tell(lab, MEASURE.format(tasks))
    for point in ("claimed", "results", "measured:2"):
        with crashing(point):
            assert one_pass(lab).submitted
            until(lab, lambda report: not report.running or bool(report.ended))
    last = settle(lab)
    assert last.problems == []
    is_whole(lab)
    # What an earlier task deployed is gone, as keep_weights is `last`
    wanted = "0, 2"
    assert ask(lab, HELD.format(wanted)) == ask(from_the_start, HELD.format(wanted))
    assert asked_about(lab, "later", POINTS.format(wanted)) == ask(
        from_the_start, POINTS.format(wanted)
    )
    after = ask(lab, "FROM trial_state ORDER BY trial"), ask(lab, "FROM point ORDER BY ALL")
    assert after == before
    assert (ask(lab, "FROM finished ORDER BY ALL"), ask(lab, "FROM usual_cost ORDER BY ALL")) == costs
    assert ask(lab, "SELECT DISTINCT phase FROM cost JOIN attempt USING (trial, attempt) "
                    "WHERE measures IS NOT NULL") == [("measure",)]  # fmt: skip
