"""INSERT, sync, SELECT, as tests need it: ask the catalog, sync until quiet, and hold what came
back against a quiet run.
"""

import os
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from runner.backends import backend
from runner.run_folder import attempt_folder, read_json
from runner.scheduler.report import Report
from runner.sync import sync
from schema import grid
from schema.catalog import Catalog
from schema.site import Site
from tests import once
from tests.processes import command
from tests.template import fresh
from tests.toy import DATA, toy_grid

Rows = list[tuple[Any, ...]]
STANDING = """
SELECT t.budget, t.seed, r.task, r.step, r.dataset, r.metric, r.value
FROM (SELECT trial, task, max(attempt) AS attempt FROM result GROUP BY trial, task) s
JOIN result r USING (trial, task, attempt) JOIN trial t ON t.id = r.trial ORDER BY ALL
"""
# One place for the code of all labs: it is copied once, and their jobs are forked from one process,
# which has the environment of one process of pytest
CODE = ""
if once.VARIABLE in os.environ:
    CODE = f'code = "{once.place() / os.environ.get("PYTEST_XDIST_WORKER", "code")}"\n'
LOCAL = f'{CODE}data = "{DATA}"\ncheckpoint_minutes = 0\n'
# A lab whose code is its own
APART = LOCAL.removeprefix(CODE)
SLURM = f"""{APART}backend = "slurm"
time_limit_minutes = 10
signal_s = 20
gpus_per_trial = 0
patience_s = 2
"""
# A lab on Slurm that shares its code: what its jobs import is compiled once for all
ON_SLURM = CODE + SLURM
# Between passes that have nothing new to see
PAUSE_S = 2.0
AUDITS = ("definition_drift", "audit_attempts", "audit_duplicates", "audit_orphans")


def declare(folder: Path, text: str, seeds: int = 2, steps: int | None = None) -> Site:
    """A site of this site.toml, with a catalog in which the toy grid waits; worlds are rendered
    once for all tests.
    """
    (folder / "site.toml").write_text(text)
    site = Site.load(folder)
    with fresh(site.catalog).open() as connection:
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


@contextmanager
def crashing(point: str, by: str = "SIGKILL") -> Iterator[None]:
    """What is started in this block is killed at a crash point, or stops there and waits to be met
    (by="SIGSTOP").
    """
    os.environ |= {"WEIR_CRASH_AT": point, "WEIR_CRASH_BY": by}
    try:
        yield
    finally:
        del os.environ["WEIR_CRASH_AT"], os.environ["WEIR_CRASH_BY"]


def dies_at(site: Site, point: str) -> None:
    """Sync, each time in a process of its own, until one is killed at a crash point; what one may
    need is waited for.
    """
    for _ in range(5):
        before = ended(site)
        if command(site.folder, "runner.sync", crash_at=point).returncode == -signal.SIGKILL:
            return
        assert eventually(lambda: ended(site) > before), f"sync never passed {point}"  # noqa: B023 - asked at once
    raise AssertionError(f"sync never passed {point}")


def stopped(site: Site, trial: int = 1, attempt: int = 1) -> int:
    """Wait until the worker of an attempt has stopped at its crash point; its process id."""
    path = attempt_folder(site.runs, trial, attempt) / "claim"
    assert eventually(lambda: read_json(path) is not None), ask(site, "FROM outcome")
    worker = int((read_json(path) or {})["pid"])
    assert eventually(
        lambda: Path(f"/proc/{worker}/stat").read_text().rpartition(")")[2].split()[0] == "T"
    )
    return worker


def ended(site: Site) -> int:
    """How many attempts have left their last word."""
    return len(list(site.runs.glob("[0-9]*/[0-9]*/outcome.json")))


def copied(lab: Path, target: Path) -> None:
    """Copy the folder of a lab, without the sockets of its fork servers, which are no files."""

    def sockets(folder: str, names: list[str]) -> set[str]:
        return {name for name in names if (Path(folder) / name).is_socket()}

    shutil.copytree(lab, target, symlinks=True, dirs_exist_ok=True, ignore=sockets)


def settle(site: Site, wait_s: float = 300) -> Report:
    """Sync until nothing is pending or running; the last report."""
    return until(
        site, lambda report: not (report.running or report.pending or report.submitted), wait_s
    )


def until(site: Site, condition: Callable[[Report], bool], wait_s: float = 180) -> Report:
    """Sync until a report is as wanted.

    Between two passes, each of which costs as much as a hundred steps, wait for a last word; what
    ends without one is looked for now and then.
    """
    deadline = time.monotonic() + wait_s
    while True:
        before = ended(site)
        if condition(report := one_pass(site)):
            return report
        if time.monotonic() > deadline:
            raise TimeoutError(
                report, ask(site, "SELECT trial, state, reason, attempts FROM trial_state")
            )
        eventually(lambda: ended(site) > before, PAUSE_S)  # noqa: B023 - asked at once


def eventually(condition: Callable[[], bool], wait_s: float = 180) -> bool:
    """Whether something becomes true in time."""
    deadline = time.monotonic() + wait_s
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def undisturbed(folder: Path, seeds: int = 2, steps: int | None = None) -> Rows:
    """The results of the toy grid when nothing goes wrong, on the local backend, in one job."""
    site = declare(folder, f"{LOCAL}trials_per_job = {seeds}\n", seeds, steps)
    done = command(folder, "runner.sync", "--watch")
    assert done.returncode == 0, done.stdout + done.stderr
    return ask(site, STANDING)


def done_once(site: Site, expected: Rows) -> None:
    """Every trial done by one attempt that counts, nothing doubled, results those of the
    undisturbed run to the bit.
    """
    trials = len({row[:2] for row in expected})
    doubled = "SELECT count(*) FROM (SELECT trial, attempt, task, dataset, metric FROM result GROUP BY ALL HAVING count(*) > 1)"
    with Catalog(site.catalog).open() as connection:
        done = connection.execute(
            "SELECT count(*), count(DISTINCT trial) FROM outcome WHERE state = 'done'"
        ).fetchone()
        assert done == (trials, trials)
        assert connection.execute(STANDING).fetchall() == expected
        assert connection.execute(doubled).fetchone() == (0,)
        found = {audit: connection.execute(f"FROM {audit}").fetchall() for audit in AUDITS}
        assert found == {audit: [] for audit in AUDITS}
