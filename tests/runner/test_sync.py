"""The journey in real processes: INSERT, sync, SELECT; and every point where sync or a worker may
die.
"""

import json
import os
import signal
import time
from pathlib import Path

import duckdb
import pytest

from runner.backends.local import Local
from runner.job import LOOK_S
from runner.run_folder import RunFolder, attempt_folder
from runner.scheduler.doubt import stop
from runner.sync import main, sync
from schema import grid
from schema.catalog import Catalog
from schema.site import Site
from tests.journey import (
    LOCAL,
    STANDING,
    Rows,
    ask,
    crashing,
    declare,
    dies_at,
    done_once,
    ended,
    eventually,
    settle,
    stopped,
    tell,
    undisturbed,
)
from tests.processes import command
from tests.toy import toy_grid

pytestmark = pytest.mark.slow


@pytest.fixture
def lab(folder: Path) -> Site:
    """A site with two pending toy trials, which share a job: its imports take longer than they do."""
    return declare(folder, LOCAL + "trials_per_job = 2\n")


@pytest.fixture
def long(lab: Site) -> int:
    """A third trial, more urgent than the others and long enough to be met in the middle."""
    with Catalog(lab.catalog).transaction() as connection:
        connection.execute(
            "INSERT INTO budget (name, unit, total) VALUES ('long', 'steps', 100000)"
        )
        ((trial,),) = connection.execute(
            "INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed, priority) "
            "SELECT backbone, stream, mixture, method, recipe, 'long', 0, 9 FROM trial LIMIT 1 RETURNING id"
        ).fetchall()
    return int(trial)


def test_the_journey(lab: Site, expected: Rows, capsys: pytest.CaptureFixture[str]) -> None:
    """INSERT, sync, SELECT; a pass with nothing new changes nothing (I1, I9)."""
    settle(lab)
    done_once(lab, expected)
    counts = ask(
        lab,
        "SELECT (SELECT count(*) FROM ingested), (SELECT count(*) FROM result), (SELECT count(*) FROM cost)",
    )
    before = lab.catalog.stat().st_mtime_ns, lab.current.resolve()

    # Nothing new: nothing changes, not even the file
    assert main([]) == 0
    assert "0 submitted, 0 ended, 0 rows ingested" in capsys.readouterr().out
    assert (lab.catalog.stat().st_mtime_ns, lab.current.resolve()) == before
    assert counts == ask(
        lab,
        "SELECT (SELECT count(*) FROM ingested), (SELECT count(*) FROM result), (SELECT count(*) FROM cost)",
    )

    with Catalog(lab.catalog).open() as connection:
        # The same grid again is 0 new; one more seed is one trial
        assert {c.table: c.new for c in grid.apply(connection, toy_grid(seeds=2), "again")}[
            "trial"
        ] == 0
        assert {c.table: c.new for c in grid.apply(connection, toy_grid(seeds=3), "more")}[
            "trial"
        ] == 1
    before = lab.catalog.stat().st_mtime_ns, lab.current.resolve()
    assert main(["--dry-run"]) == 0
    assert "would submit 1 now" in capsys.readouterr().out
    assert (lab.catalog.stat().st_mtime_ns, lab.current.resolve()) == before
    assert ask(lab, "SELECT count(*) FROM attempt") == [(2,)]
    settle(lab)
    assert ask(lab, "SELECT seed, count(*) FROM attempt JOIN trial ON trial.id = attempt.trial GROUP BY seed ORDER BY seed") == [
        (0, 1), (1, 1), (2, 1),
    ]  # fmt: skip


# In the order in which the passes of one lab come to them
SYNC_DIES = [
    ("attempt_row", "folder", "submitted", "ingest_read", "publish"),
    ("submission_row", "ingest_stored"),
]
WORKER_DIES = [
    "claimed",
    "step:1",
    "checkpoint:1",
    "checkpoint:3",
    "results:1",
    "results:2",
    "receipt:2",
    "outcome",
]


@pytest.mark.parametrize("points", SYNC_DIES, ids="-".join)
def test_sync_dies(lab: Site, expected: Rows, points: tuple[str, ...]) -> None:
    """Killed at named points of its passes, then run until quiet: done once, results equal."""
    for point in points:
        dies_at(lab, point)
    settle(lab)
    done_once(lab, expected)


def test_workers_die(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """The first attempt of each trial is killed at a named point of its own; the next go on from
    their checkpoints.
    """
    many, trials = f"{LOCAL}trials_at_once = {len(WORKER_DIES)}\n", range(1, len(WORKER_DIES) + 1)
    lab = declare(folder, many, len(WORKER_DIES))
    for point in WORKER_DIES:
        with crashing(point):
            assert sync(lab, Local(lab), limit=1).submitted == 1
        # Its second attempt waits for all
        tell(lab, "UPDATE trial SET priority = -1 WHERE id IN (SELECT trial FROM attempt)")
    assert eventually(lambda: ended(lab) == len(WORKER_DIES))
    (folder / "site.toml").write_text(f"{many}trials_per_job = {len(WORKER_DIES)}\n")
    settle(lab)
    assert ask(lab, "SELECT trial, attempt, state, kind FROM outcome ORDER BY ALL") == [
        row for trial in trials for row in ((trial, 1, "lost", "killed"), (trial, 2, "done", None))
    ]
    done_once(lab, undisturbed(tmp_path_factory.mktemp("undisturbed"), len(WORKER_DIES)))


def test_two_syncs_at_once(lab: Site, expected: Rows) -> None:
    """F7: eight syncs at one moment submit each trial once (I2, I10)."""
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: command(lab.folder, "runner.sync"), range(8)))
    assert [done.returncode for done in found] == [0] * 8, [done.stderr for done in found]
    assert ask(lab, "SELECT trial, attempt FROM attempt ORDER BY ALL") == [(1, 1), (2, 1)]
    settle(lab)
    done_once(lab, expected)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP, signal.SIGKILL])
def test_what_ends_the_watching_does_not_end_the_trials(
    lab: Site, expected: Rows, number: signal.Signals
) -> None:
    """Ctrl-C, a closed terminal, the death of sync."""
    import subprocess
    import sys

    from tests.processes import ROOT

    # Under nohup it would be ignored, as it should be
    watcher = subprocess.Popen(
        [sys.executable, "-m", "runner.sync", "--watch"],
        cwd=lab.folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL),
    )
    assert eventually((attempt_folder(lab.runs, 1, 1) / "claim").exists)
    # As a terminal does: to the whole foreground group
    os.killpg(watcher.pid, number)
    said = watcher.communicate(timeout=180)[1]
    assert watcher.returncode == (130 if number == signal.SIGINT else -number)
    assert ("stopped watching" in said) == (number == signal.SIGINT)
    settle(lab)
    done_once(lab, expected)
    assert ask(lab, "SELECT count(*) FROM attempt") == [(2,)]


def test_a_worker_told_to_stop_checkpoints_and_the_next_goes_on(
    folder: Path, expected: Rows
) -> None:
    lab = declare(folder, LOCAL, 1)
    with crashing("step:3", by="SIGSTOP"):
        sync(lab, Local(lab))
    worker = stopped(lab)
    stop(RunFolder(attempt_folder(lab.runs, 1, 1)))
    # The job has looked; if it was slow, there is nothing to go on with
    time.sleep(2 * LOOK_S)
    os.kill(worker, signal.SIGCONT)
    settle(lab)
    done_once(lab, [row for row in expected if row[1] == 0])
    assert ask(lab, "SELECT state, kind FROM outcome WHERE trial = 1 ORDER BY attempt")[-1] == (
        "done",
        None,
    )


def test_withdraw_and_retry(lab: Site, expected: Rows) -> None:
    with Catalog(lab.catalog).transaction() as connection:
        connection.execute(
            "INSERT INTO request (trial, wish, reason) VALUES (1, 'withdraw', 'not needed')"
        )
    settle(lab)
    assert ask(lab, "SELECT trial, state FROM trial_state ORDER BY trial") == [
        (1, "withdrawn"),
        (2, "done"),
    ]
    with Catalog(lab.catalog).transaction() as connection:
        connection.execute("INSERT INTO request (trial, wish) VALUES (1, 'retry')")
    settle(lab)
    done_once(lab, expected)


def test_withdrawing_a_running_trial_ends_it_at_a_checkpoint(lab: Site, long: int) -> None:
    sync(lab, Local(lab))
    assert eventually(lambda: any(attempt_folder(lab.runs, long, 1).glob("checkpoint-*.json")))
    with Catalog(lab.catalog).transaction() as connection:
        connection.execute("INSERT INTO request (trial, wish) VALUES (?, 'withdraw')", [long])
    settle(lab)
    assert ask(lab, f"SELECT state, kind FROM outcome WHERE trial = {long}") == [
        ("cancelled", None)
    ]
    assert ask(lab, f"SELECT state FROM trial_state WHERE trial = {long}") == [("withdrawn",)]


def test_run_folders_of_a_lost_catalog_are_not_taken_for_ours(lab: Site, expected: Rows) -> None:
    old = attempt_folder(lab.runs, 1, 1)
    old.mkdir(parents=True)
    (old / "claim").write_text("{}")
    (old / "outcome.json").write_text('{"state": "done", "kind": null}')
    report = sync(lab, Local(lab))
    assert any("moved to 000001.orphan-" in message for _, message in report.problems)
    settle(lab)
    done_once(lab, expected)


def test_a_receipt_that_cannot_be_trusted_is_not_ingested(lab: Site, expected: Rows) -> None:
    """F22: a flipped bit in a result file: said, not ingested, and the trial is run again (I4, I5)."""
    sync(lab, Local(lab))
    bad = attempt_folder(lab.runs, 1, 1) / "task-0000.result.parquet"
    assert eventually(lambda: RunFolder(bad.parent).outcome() is not None)
    content = bytearray(bad.read_bytes())
    content[len(content) // 2] ^= 1
    bad.write_bytes(content)
    report = sync(lab, Local(lab))
    assert any("its sha256 differs" in message for _, message in report.problems)
    settle(lab)
    assert ask(lab, "SELECT state, kind FROM outcome WHERE trial = 1 ORDER BY attempt") == [
        ("lost", "no_result"),
        ("done", None),
    ]
    assert ask(lab, STANDING) == expected


def test_a_trial_that_cannot_run_is_refused_and_the_rest_goes_on(lab: Site) -> None:
    with Catalog(lab.catalog).transaction() as connection:
        connection.execute("INSERT INTO method (name, tuning) VALUES ('typo', 'lroa')")
        connection.execute(
            "INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed, priority) "
            "SELECT backbone, stream, mixture, 'typo', recipe, budget, 0, 9 FROM trial LIMIT 1"
        )
    settle(lab)
    states = dict(ask(lab, "SELECT method, list(DISTINCT state) FROM trial_state GROUP BY method"))
    assert states.pop("typo") == ["refused"]
    assert set(map(tuple, states.values())) == {("done",)}
    (message,) = ask(lab, "SELECT message FROM outcome WHERE state = 'refused'")[0]
    assert "Did you mean 'lora'" in message


def test_an_error_is_not_tried_again_and_its_reason_is_kept(
    lab: Site, capsys: pytest.CaptureFixture[str]
) -> None:
    with Catalog(lab.catalog).transaction() as connection:
        connection.execute("UPDATE recipe SET lr = 1e30, clip_norm = NULL")
    assert main(["--watch"]) == 1
    assert "diverged" in capsys.readouterr().err
    assert ask(lab, "SELECT DISTINCT kind FROM outcome") == [("diverged",)]
    assert ask(lab, "SELECT count(*) FROM attempt") == [(2,)]


def test_definition_drift_is_seen(lab: Site) -> None:
    """F35: a row that ran is edited: named, and the results stay (I14)."""
    settle(lab)
    with Catalog(lab.catalog).transaction() as connection:
        connection.execute("UPDATE recipe SET lr = lr * 2")
    assert ask(lab, "SELECT trial, words FROM definition_drift ORDER BY trial") == [
        (1, ["recipe"]),
        (2, ["recipe"]),
    ]


def test_messages_of_the_command(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([]) == 2
    assert "make one with: python -m schema" in capsys.readouterr().err
    # Asking changes nothing
    assert not (folder / "lab").exists()
    assert main(["--backend", "slrum"]) == 2
    assert "unknown backend 'slrum'" in capsys.readouterr().err


def test_an_empty_catalog_and_a_file_that_is_none(
    site: Site, catalog: Catalog, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["--watch"]) == 0
    assert (
        "no trials in the catalog; declare some with: python -m schema" in capsys.readouterr().out
    )
    catalog.path.write_text("not a database")
    for arguments in ([], ["--dry-run"], ["--watch"]):
        assert main(arguments) == 2
        assert "not a valid DuckDB database file" in capsys.readouterr().err
    assert catalog.path.read_text() == "not a database"


def test_the_snapshot_is_what_readers_see(lab: Site) -> None:
    """Readers see the published copy (I13)."""
    settle(lab)
    with duckdb.connect(str(lab.current.resolve()), read_only=True) as reader:
        assert reader.execute(
            "SELECT count(*) FROM trial_state WHERE state = 'done'"
        ).fetchone() == (2,)
    spec = json.loads(ask(lab, "SELECT spec FROM attempt LIMIT 1")[0][0])
    assert spec == json.loads((attempt_folder(lab.runs, 1, 1) / "spec.json").read_text())
