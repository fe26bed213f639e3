"""Jobs that the version before has queued on Slurm are this version's to watch and to ingest."""

from pathlib import Path

import pytest

from schema.site import Site
from tests import version_before
from tests.journey import SLURM, Rows, ask, done_once, one_pass, settle
from tests.processes import command
from tests.slurm.cluster import Cluster
from tests.toy import toy_grid

pytestmark = pytest.mark.slow


def test_queued_jobs_of_the_version_before_go_on(
    cluster: Cluster, folder: Path, expected: Rows
) -> None:
    """No node is free when the old version submits; the new one finds the jobs and waits for them."""
    code = version_before.unpacked(folder)
    version_before.declare(code, folder, SLURM, toy_grid(seeds=2))
    nodes = list(cluster.nodes())
    for node in nodes:
        cluster.set_node(node, "drain")
    submitted = version_before.run(code, folder, "runner.sync")
    assert submitted.returncode == 0, submitted.stdout + submitted.stderr
    # The cluster's memory of jobs that earlier tests have ended is none of ours
    assert [job["state"] for job in cluster.jobs()].count("PENDING") == 2

    migrated = command(folder, "schema")
    assert migrated.returncode == 0, migrated.stdout + migrated.stderr
    site = Site.load(folder)
    report = one_pass(site)
    assert (report.running, report.pending, report.submitted) == (2, 0, 0)
    for node in nodes:
        cluster.set_node(node, "resume")
    settle(site)

    done_once(site, expected)
    assert ask(site, "SELECT trial, attempt, state FROM outcome ORDER BY ALL") == [
        (1, 1, "done"),
        (2, 1, "done"),
    ]
