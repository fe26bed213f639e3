"""INSERT, sync, SELECT, as tests need it: ask the catalog, sync until quiet, and hold what came back against a quiet run."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from runner.backend import backend
from runner.report import Report
from runner.sync import sync
from schema import grid
from schema.catalog import Catalog
from schema.migrations import prepare
from schema.site import Site
from tests.processes import command
from tests.toy import DATA, toy_grid

Rows = list[tuple[Any, ...]]
STANDING = """
SELECT t.budget, t.seed, r.task, r.step, r.dataset, r.metric, r.value
FROM (SELECT trial, task, max(attempt) AS attempt FROM result GROUP BY trial, task) s
JOIN result r USING (trial, task, attempt) JOIN trial t ON t.id = r.trial ORDER BY ALL
"""
LOCAL = f'data = "{DATA}"\ncheckpoint_minutes = 0\n'
SLURM = f"""{LOCAL}backend = "slurm"
time_limit_minutes = 10
signal_s = 20
gpus_per_trial = 0
patience_s = 2
"""


def declare(folder: Path, text: str, seeds: int = 2, steps: int | None = None) -> Site:
    """A site of this site.toml, with a catalog in which the toy grid waits; worlds are rendered once for all tests."""
    (folder / "site.toml").write_text(text)
    site = Site.load(folder)
    catalog = Catalog(site.catalog, wait_s=30)
    prepare(catalog)
    with catalog.open() as connection:
        grid.apply(connection, toy_grid(seeds, steps), "toy.sql")
    return site


def ask(site: Site, sql: str) -> Rows:
    with Catalog(site.catalog).open() as connection:
        return connection.execute(sql).fetchall()


def tell(site: Site, sql: str) -> None:
    """A person's SQL."""
    with Catalog(site.catalog).transaction() as connection:
        connection.execute(sql)


def one_pass(site: Site) -> Report:
    """A sync under what site.toml says now."""
    site = Site.load(site.folder)
    return sync(site, backend(site.backend, site))


def settle(site: Site, wait_s: float = 180) -> Report:
    """Sync until nothing is pending or running; the last report."""
    deadline = time.monotonic() + wait_s
    while time.monotonic() < deadline:
        report = one_pass(site)
        if not (report.running or report.pending or report.submitted):
            return report
        time.sleep(0.3)
    raise TimeoutError(ask(site, "SELECT trial, state, reason, attempts FROM trial_state"), ask(site, "FROM problem"))


def until(site: Site, condition: Callable[[Report], bool], wait_s: float = 60) -> Report:
    """Sync until a report is as wanted."""
    deadline = time.monotonic() + wait_s
    while not condition(report := one_pass(site)):
        if time.monotonic() > deadline:
            raise TimeoutError(report)
        time.sleep(0.3)
    return report


def eventually(condition: Callable[[], bool], wait_s: float = 60) -> bool:
    """Whether something becomes true in time."""
    deadline = time.monotonic() + wait_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def undisturbed(folder: Path, seeds: int = 2, steps: int | None = None) -> Rows:
    """The results of the toy grid when nothing goes wrong, on the local backend."""
    site = declare(folder, LOCAL, seeds, steps)
    done = command(folder, "runner.sync", "--watch")
    assert done.returncode == 0, done.stdout + done.stderr
    return ask(site, STANDING)


def done_once(site: Site, expected: Rows) -> None:
    """Every trial done by one attempt that counts, nothing doubled, results those of the undisturbed run to the bit."""
    trials = len({row[:2] for row in expected})
    assert ask(site, "SELECT count(*), count(DISTINCT trial) FROM outcome WHERE state = 'done'") == [(trials, trials)]
    assert ask(site, STANDING) == expected
    doubled = "SELECT count(*) FROM (SELECT trial, attempt, task, dataset, metric FROM result GROUP BY ALL HAVING count(*) > 1)"
    assert ask(site, doubled) == [(0,)]
    for audit in ("definition_drift", "audit_attempts", "audit_duplicates", "audit_orphans"):
        assert ask(site, f"SELECT count(*) FROM {audit}") == [(0,)], audit
