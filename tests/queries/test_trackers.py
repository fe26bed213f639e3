"""Trials as runs of MLflow, W&B and trackio, by their own libraries: what they hold, once, and once more after a trial has gone on."""

import importlib.util
import json
import os
import re
import sqlite3
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from queries import AskError
from queries.trackers import PACKAGES, TRACKERS, exported
from queries.trackers.runs import runs
from queries.trackers.sent import Ledger
from schema.publishing import point_to
from schema.site import Site
from tests.filled import DATASETS, PAPER, Filled
from tests.processes import command


def require(package: str) -> None:
    """Skip a test whose tracker is not installed, or fail where it is expected."""
    if importlib.util.find_spec(package) is None:
        sentence = f"{package} is not installed: python -m pip install {PACKAGES[package]}"
        if package in os.environ.get("WEIR_EXPECT", ""):
            pytest.fail(f"WEIR_EXPECT says {package}, but {sentence}", pytrace=False)
        pytest.skip(sentence)


def begin(filled: Filled) -> tuple[int, int]:
    """A trial that is done, and one that has finished task 1 of 2."""
    done = filled.done(PAPER, study="paper")
    going = filled.trial(seed=1, study="paper")
    filled.attempt(going, state=None)
    learn(filled, going, range(2))
    filled.connection.execute(
        "INSERT INTO progress SELECT ?, 1, 1, unnest([5, 10]), unnest([0.7, 0.5]), 1e-3, 9, now()",
        [done],
    )
    return done, going


def learn(filled: Filled, trial: int, tasks: range) -> None:
    for task in tasks:
        filled.results(trial, task, dict(zip(DATASETS, [*PAPER[task], 0.5], strict=True)))
        if task:
            filled.cost(trial, task)


@pytest.fixture
def lab(folder: Path) -> Iterator[tuple[Site, Filled]]:
    """A site whose snapshot is open for what happens next; `publish` closes it."""
    site = Site.load(folder)
    filled = Filled(site.snapshot / "catalog-000001.duckdb")
    yield site, filled
    filled.connection.close()


def publish(site: Site, filled: Filled) -> None:
    filled.connection.close()
    point_to(site.current, site.snapshot / "catalog-000001.duckdb")


def go_on(site: Site, trial: int) -> None:
    """Let the trial that had not ended finish its last task."""
    import duckdb

    filled = Filled.__new__(Filled)
    filled.connection = duckdb.connect(str(site.snapshot / "catalog-000001.duckdb"))
    learn(filled, trial, range(2, 3))
    filled.connection.execute(
        "INSERT INTO outcome (trial, attempt, state) VALUES (?, 1, 'done')", [trial]
    )
    filled.connection.close()


def export(folder: Path, tracker: str, *words: str) -> str:
    done = command(folder, "queries", "export", tracker, "project=mine", *words)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_a_trial_is_a_run_with_a_point_per_task_and_its_curve(filled: Filled) -> None:
    done, going = begin(filled)
    first, second = runs(filled.connection)
    assert (first.trial, first.state, second.trial, second.state) == (
        done,
        "done",
        going,
        "running",
    )
    assert first.parameters["method"] == "finetune" and first.parameters["seed"] == "0"
    # Ten steps a task: its end is a point, and so is a step of the curve within it
    assert [point.step for point in first.points] == [0, 5, 10, 20]
    assert first.points[1].values == {"loss": 0.7, "lr": 1e-3}
    assert first.points[2].values["loss"] == 0.5
    assert first.points[3].values["a_zs"] == pytest.approx(0.55)
    assert first.points[3].values["birds/top1"] == 0.5 and first.points[3].values["task"] == 2
    assert second.points == runs(filled.connection, trial=str(going))[0].points
    assert first.key != second.key and first.key.endswith(f"-{done}")


def test_what_was_run_elsewhere_says_so(filled: Filled) -> None:
    filled.connection.execute("INSERT INTO method (name) VALUES ('finetune@fomo')")
    trial = filled.trial(method="finetune@fomo", source="fomo")
    filled.attempt(trial)
    for task, row in enumerate(PAPER):
        filled.results(trial, task, dict(zip(DATASETS, [*row, 0.5], strict=True)))
    (run,) = runs(filled.connection)
    assert (run.parameters["method"], run.parameters["source"]) == ("finetune@fomo", "fomo")
    # Nothing is known of its steps: tasks are counted
    assert [point.step for point in run.points] == [0, 1, 2]
    assert "spent_gflops" not in run.points[2].values


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "export goes to one of mlflow, trackio, wandb, not to nothing"),
        (["mlfow"], "not to 'mlfow'. Did you mean 'mlflow'?"),
        (["mlflow", "studi=x"], "cannot read 'studi=x'; write key=value. Allowed: project, study"),
        (["mlflow", "trial=x"], "trial is the number of one, not 'x'|is not installed"),
        (["mlflow", "study=none"], "no trial with results of study=none|is not installed"),
    ],
)
def test_what_cannot_be_exported_is_told(
    filled: Filled, site: Site, words: list[str], message: str
) -> None:
    with pytest.raises(AskError, match=message):
        exported(filled.connection, words, site)


@pytest.mark.parametrize("tracker", TRACKERS)
def test_a_tracker_that_is_not_installed_is_named(tracker: str, filled: Filled, site: Site) -> None:
    if importlib.util.find_spec(tracker) is not None:
        pytest.skip(f"{tracker} is installed")
    begin(filled)
    command = re.escape(f"python -m pip install {PACKAGES[tracker]}")
    with pytest.raises(AskError, match=f"{tracker} is not installed: {command}"):
        exported(filled.connection, [tracker], site)


def test_a_torn_ledger_is_named(site: Site) -> None:
    ledger = Ledger.of(site, "wandb")
    ledger.note("mine", "weir-1", 3)
    assert Ledger.of(site, "wandb").points("mine", "weir-1") == 3
    for damaged in ("{", "[]", "3", '{"mine": 3}', '{"mine": {"weir-1": "3"}}', "[" * 100_000):
        ledger.path.write_text(damaged)
        with pytest.raises(AskError, match="says what was sent, and cannot be read.*Move it away"):
            Ledger.of(site, "wandb")


@pytest.mark.slow
def test_mlflow(lab: tuple[Site, Filled], monkeypatch: pytest.MonkeyPatch) -> None:
    require("mlflow")
    site, filled = lab
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "sqlite:///mlflow.db")
    _, going = begin(filled)
    publish(site, filled)
    assert "2 runs new, 0 with more points, 0 as they were" in export(site.folder, "mlflow")
    before = mlflow_rows(site.folder / "mlflow.db")
    assert ("birds/top1", 20, 0.5) in before["finetune-0"]
    assert max(step for _, step, _ in before["finetune-1"]) == 10
    assert "0 runs new, 0 with more points, 2 as they were" in export(site.folder, "mlflow")
    assert mlflow_rows(site.folder / "mlflow.db") == before
    go_on(site, going)
    assert "0 runs new, 1 with more points, 1 as they were" in export(site.folder, "mlflow")
    after = mlflow_rows(site.folder / "mlflow.db")
    assert after["finetune-0"] == before["finetune-0"]
    # What was there is there once, and the last task was added
    assert after["finetune-1"][: len(before["finetune-1"])] == before["finetune-1"]
    assert ("a_zs", 20, pytest.approx(0.55)) in after["finetune-1"]
    # An export that was killed before it wrote how far it came
    with sqlite3.connect(site.folder / "mlflow.db") as database:
        database.execute("UPDATE tags SET value = '1' WHERE key = 'weir.points'")
    assert "2 with more points" in export(site.folder, "mlflow")
    assert mlflow_rows(site.folder / "mlflow.db") == after


def mlflow_rows(path: Path) -> dict[str, list[Any]]:
    """The metrics of each run by its name without the number of the trial, sorted by steps."""
    with sqlite3.connect(path) as database:
        rows = database.execute(
            "SELECT name, key, step, value FROM metrics JOIN runs USING (run_uuid) "
            "ORDER BY step, key, value"
        ).fetchall()
        states = database.execute("SELECT DISTINCT status FROM runs").fetchall()
    assert set(states) <= {("FINISHED",), ("RUNNING",)}
    found: dict[str, list[Any]] = {}
    for name, *metric in rows:
        found.setdefault(name.rpartition("-")[0], []).append(tuple(metric))
    return found


@pytest.mark.slow
def test_wandb_offline(lab: tuple[Site, Filled], monkeypatch: pytest.MonkeyPatch) -> None:
    require("wandb")
    site, filled = lab
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(site.folder))
    _, going = begin(filled)
    publish(site, filled)
    assert "2 runs new" in export(site.folder, "wandb")
    first = wandb_rows(site.folder)
    assert sorted(len(rows) for rows in first.values()) == [2, 4]
    assert "0 runs new, 0 with more points, 2 as they were" in export(site.folder, "wandb")
    assert wandb_rows(site.folder) == first
    go_on(site, going)
    assert "0 runs new, 1 with more points, 1 as they were" in export(site.folder, "wandb")
    (key,) = [key for key in first if key.endswith(f"-{going}")]
    rows = wandb_rows(site.folder)[key]
    assert [row["_step"] for row in rows] == [0, 10, 20]
    assert rows[2]["birds/top1"] == 0.5 and rows[2]["a_zs"] == pytest.approx(0.55)


def wandb_rows(folder: Path) -> dict[str, list[dict[str, Any]]]:
    """The history of each run by its id, of all files that W&B would synchronise."""
    from wandb.proto import wandb_internal_pb2

    found: dict[str, list[dict[str, Any]]] = {}
    for path in sorted(folder.glob("wandb/offline-run-*/*.wandb")):
        key = path.stem.removeprefix("run-")
        for data in records(path.read_bytes()):
            record = wandb_internal_pb2.Record()
            record.ParseFromString(data)
            if record.WhichOneof("record_type") == "history":
                row = {}
                for item in record.history.item:
                    row["/".join(item.nested_key) or item.key] = json.loads(item.value_json)
                found.setdefault(key, []).append(row)
    return found


def records(data: bytes) -> Iterator[bytes]:
    """What a .wandb file holds: after 7 bytes the log format of LevelDB, blocks of 32 KiB of pieces with a header of 7 bytes."""
    place, whole = 7, b""
    while place + 7 <= len(data):
        left = 32768 - place % 32768
        if left < 7:
            place += left
            continue
        _, length, kind = struct.unpack_from("<IHB", data, place)
        if kind == 0:
            return
        whole += data[place + 7 : place + 7 + length]
        place += 7 + length
        # 1: a whole record; 4: the last piece of one
        if kind in (1, 4):
            yield whole
            whole = b""


@pytest.mark.slow
def test_trackio(lab: tuple[Site, Filled], monkeypatch: pytest.MonkeyPatch) -> None:
    require("trackio")
    site, filled = lab
    monkeypatch.setenv("TRACKIO_DIR", str(site.folder / "trackio"))
    _, going = begin(filled)
    publish(site, filled)
    assert "2 runs new" in export(site.folder, "trackio")
    first = trackio_rows(site.folder / "trackio")
    assert sorted(len(rows) for rows in first.values()) == [2, 4]
    assert "0 runs new, 0 with more points, 2 as they were" in export(site.folder, "trackio")
    assert trackio_rows(site.folder / "trackio") == first
    go_on(site, going)
    assert "0 runs new, 1 with more points, 1 as they were" in export(site.folder, "trackio")
    (name,) = [name for name in first if name.startswith("finetune-1-")]
    rows = trackio_rows(site.folder / "trackio")[name]
    assert [step for step, _ in rows] == [0, 10, 20]
    assert rows[2][1]["birds/top1"] == 0.5


def trackio_rows(folder: Path) -> dict[str, list[tuple[int, dict[str, Any]]]]:
    """The points of each run by its name, from the store of the project."""
    found: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    (path,) = folder.glob("mine*.db")
    with sqlite3.connect(path) as database:
        for name, step, metrics in database.execute(
            "SELECT run_name, step, metrics FROM metrics ORDER BY run_name, step, id"
        ).fetchall():
            found.setdefault(name, []).append((step, json.loads(metrics)))
    return found
