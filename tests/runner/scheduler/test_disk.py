"""What takes how much of the disk, and what goes where `disk_gb` is exceeded."""

from dataclasses import replace
from pathlib import Path

import pytest

from runner.run_folder import attempt_folder
from runner.scheduler import disk
from runner.scheduler.report import Report
from schema.site import Site
from tests.filled import Filled


@pytest.fixture
def lab(tmp_path: Path) -> tuple[Site, Filled]:
    """A lab with a done, a failed and a running trial, each with a file of every kind."""
    (tmp_path / "site.toml").write_text("disk_gb = 1\n")
    site = Site.load(tmp_path)
    filled = Filled()
    trials = [filled.trial(study="old", seed=seed) for seed in (0, 1)]
    trials.append(filled.trial(study=None, seed=2))
    filled.attempt(trials[0], 1, "done")
    filled.attempt(trials[1], 1, "failed", kind="error")
    filled.attempt(trials[2], 1, None)
    for trial in trials:
        folder = attempt_folder(site.runs, trial, 1)
        folder.mkdir(parents=True)
        for name, size in FILES.items():
            (folder / name).write_bytes(bytes(size))
    for path, size in {
        site.store / "trunks" / "a" / "x": 1000,
        site.store / "trunks" / "b" / "x": 2000,
        site.code / "old" / "schema" / "x.py": 300,
        site.runs / "000009.orphan-weir-1" / "01" / "log.txt": 7,
        site.runs / "batches" / "weir-1" / "manifest.json": 11,
        site.snapshot / "1.duckdb": 500,
    }.items():
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes(size))
    return site, filled


FILES = {
    "checkpoint-0001-000002.json": 10,
    "checkpoint-0001-000002.safetensors": 4000,
    "task-0001.deployed.safetensors": 900,
    "task-0001.result.parquet": 80,
    "task-0001.json": 20,
    "log.txt": 5,
    "spec.json": 3,
}


def uses(filled: Filled) -> dict[tuple[str | None, str], tuple[int, int]]:
    rows = filled.rows("disk")
    return {
        (row["study"], row["kind"]): (round(row["gb"] * 1e9), round(row["spare_gb"] * 1e9))
        for row in rows
    }


def test_what_takes_how_much(lab: tuple[Site, Filled]) -> None:
    site, filled = lab
    disk.keep(site, filled.connection, Report(), changed=True)
    assert uses(filled) == {
        ("old", "checkpoints"): (8020, 8020),
        ("old", "weights"): (1800, 0),
        ("old", "results"): (200, 0),
        ("old", "logs"): (10, 0),
        ("old", "other"): (6, 0),
        (None, "checkpoints"): (4010, 0),
        (None, "weights"): (900, 0),
        (None, "results"): (100, 0),
        (None, "logs"): (5, 0),
        (None, "other"): (3, 0),
        (None, "store"): (3000, 3000),
        (None, "code"): (300, 300),
        (None, "set_aside"): (7, 0),
        (None, "submissions"): (11, 0),
        (None, "snapshots"): (500, 0),
    }
    # A walk is not made again at once, whatever is new
    (attempt_folder(site.runs, 1, 1) / "log.txt").write_bytes(bytes(600))
    disk.keep(site, filled.connection, Report(), changed=True)
    assert uses(filled)["old", "logs"] == (10, 0)


@pytest.mark.parametrize(
    ("limit", "gone", "words"),
    [
        (18_800, {"old/checkpoints"}, ["4.01e-06 GB of checkpoints of trials that are over"]),
        (10_000, {"old/checkpoints", "store"}, ["8.02e-06 GB of checkpoints", "1e-06 GB of the"]),
        (7_600, {"old/checkpoints", "store", "code"}, ["8.02e-06", "3e-06", "3e-07 GB of code"]),
    ],
)
def test_what_goes_first(
    lab: tuple[Site, Filled], limit: int, gone: set[str], words: list[str]
) -> None:
    """F40: checkpoints of trials that are over, then what others left in the store, then code."""
    site, filled = lab
    site = replace(site, disk_gb=limit / 1e9)
    before = {path for path in site.folder.rglob("*") if path.is_file()}
    report = Report()
    disk.keep(site, filled.connection, report, changed=False)
    assert len(report.removed) == len(gone)
    for line, start in zip(report.removed, words, strict=False):
        assert line.startswith(start)
    left = {path for path in site.folder.rglob("*") if path.is_file()}
    for path in before - left:
        place = str(path.relative_to(site.folder))
        assert "checkpoint-" in place or "store/" in place or "code/" in place
        assert "000003" not in place, "the running trial goes on from its own"
    assert disk.used_bytes(filled.connection) == sum(path.stat().st_size for path in left) - len(
        (site.folder / "site.toml").read_bytes()
    )


def test_where_that_is_not_enough_nothing_new_starts(lab: tuple[Site, Filled]) -> None:
    """F40: and no result or weight goes (I3, I16)."""
    site, filled = lab
    site = replace(site, disk_gb=1e-6)
    report = Report()
    disk.keep(site, filled.connection, report, changed=False)
    ((subject, message),) = report.problems
    assert subject == "disk_gb"
    assert "nothing new is started. Raise disk_gb" in message
    assert disk.is_over(site, filled.connection)
    assert not disk.is_over(replace(site, disk_gb=1), filled.connection)
    assert not disk.is_over(replace(site, disk_gb=0), filled.connection)
    for name in ("task-0001.deployed.safetensors", "task-0001.result.parquet", "task-0001.json"):
        assert (attempt_folder(site.runs, 1, 1) / name).exists(), "results and weights never go"


def test_what_went_is_remembered(lab: tuple[Site, Filled]) -> None:
    """F40: `disk` says of each study and kind how much has gone, whatever is there now."""
    site, filled = lab
    disk.keep(replace(site, disk_gb=10_000 / 1e9), filled.connection, Report(), changed=False)
    filled.connection.execute("UPDATE disk_use SET measured_at = now() - INTERVAL 1 HOUR")
    disk.keep(replace(site, disk_gb=7_600 / 1e9), filled.connection, Report(), changed=False)
    removed = {}
    for row in filled.rows("disk"):
        if row["removed_gb"]:
            removed[row["study"], row["kind"]] = round(row["removed_gb"] * 1e9)
    assert removed[None, "store"] == 3000 and removed[None, "code"] == 300
    assert removed["old", "checkpoints"] == 8020
    assert filled.row("disk", kind="store")["gb"] == 0


def test_without_a_limit_nothing_goes_and_an_idle_pass_walks_over_no_files(
    lab: tuple[Site, Filled],
) -> None:
    """F40: the disk is measured where a pass changed something, for `queries disk` alone."""
    site, filled = lab
    site = replace(site, disk_gb=0)
    before = {path for path in site.folder.rglob("*") if path.is_file()}
    report = Report()
    disk.keep(site, filled.connection, report, changed=False)
    assert disk.used_bytes(filled.connection) == 0
    disk.keep(site, filled.connection, report, changed=True)
    assert disk.used_bytes(filled.connection) > 1000
    assert not report.removed and not report.problems
    assert before == {path for path in site.folder.rglob("*") if path.is_file()}


def test_exactly_as_much_as_the_limit_is_not_over_it(lab: tuple[Site, Filled]) -> None:
    site, filled = lab
    disk.keep(site, filled.connection, Report(), changed=True)
    for taken, over in ((10**9, False), (10**9 + 1, True)):
        filled.connection.execute(
            "UPDATE disk_use SET bytes = CASE WHEN rowid = (SELECT min(rowid) FROM disk_use) "
            "THEN ? ELSE 0 END",
            [taken],
        )
        assert disk.is_over(site, filled.connection) == over
