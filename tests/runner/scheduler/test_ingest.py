"""What enters the catalog: receipts, whole, of the right attempt, with values that can be; each bad
one is said and the rest goes on.
"""

import json
import re
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from runner.backends.local import Local
from runner.result_files import COLUMNS, write_tables
from runner.run_files import Assignment
from runner.run_folder import RunFolder, attempt_folder, sha256, write_json
from runner.scheduler import ingest, receipts
from runner.scheduler.attempts import live_attempts
from runner.scheduler.ingest import Harvest
from runner.scheduler.observe import observe
from runner.scheduler.report import Report
from schema.catalog import Catalog
from schema.site import Site
from schema.spec import Spec
from tests.runner.test_run_folder import SPEC

RESULT = {
    "task": 1, "step": 4, "dataset": "d", "metric": "top1", "label_space": "all", "weights": "deployed", "value": 0.5, "examples": 10, "fraction": 1.0,
}  # fmt: skip


def written(run: RunFolder, tables: dict[str, list[dict[str, Any]]]) -> dict[str, dict[str, Any]]:
    """Write tables of task 1; what a receipt says of them."""
    return {table: asdict(entry) for table, entry in write_tables(run, 1, tables).items()}


def receipt(runs: Path, trial: int = 1, attempt: int = 1, **changed: Any) -> Path:
    """A receipt of task 1 with one result row."""
    run = RunFolder(attempt_folder(runs, trial, attempt))
    run.create(SPEC, Assignment(trial=trial, attempt=attempt, batch="b", position=0, data="data"))
    files = written(
        run,
        {"result": [RESULT | changed.pop("row", {})], "cost": [], "progress": [], "statistic": []},
    )
    path = run.path / "task-0001.json"
    write_json(
        path,
        {
            "trial": trial,
            "attempt": attempt,
            "spec_id": "s",
            "task": 1,
            "files": files | changed.pop("files", {}),
            "weights": {},
        }
        | changed,
    )
    return path


def harvested(*paths: Path) -> Harvest:
    """Of receipts of trial 1 or, by their folder, of others."""
    harvest = Harvest()
    for path in paths:
        harvest.gather(path, int(path.parts[-3]), 1, "s")
    harvest.read()
    return harvest


def test_what_is_written_is_read(tmp_path: Path) -> None:
    harvest = harvested(receipt(tmp_path))
    assert harvest.frames["result"].to_dicts() == [RESULT | {"trial": 1, "attempt": 1}]
    assert harvest.frames["statistic"].is_empty() and not harvest.problems


def test_items_are_vouched_for_and_stay_where_they_lie(tmp_path: Path) -> None:
    """Removed to save room they harm no result; changed, nothing of the receipt is taken."""
    items = attempt_folder(tmp_path, 1, 1) / "task-0001.items.parquet"
    items.parent.mkdir(parents=True)
    items.write_bytes(b"rows of items")
    files = {"items": {"file": items.name, "sha256": sha256(items), "rows": 7}}
    path = receipt(tmp_path, files=files)
    harvest = harvested(path)
    assert not harvest.problems and set(harvest.frames) == {
        "result", "cost", "progress", "statistic",
    }  # fmt: skip
    assert harvest.receipts[0].rows == 1
    items.unlink()
    assert not harvested(path).problems
    items.write_bytes(b"other rows of items")
    ((_, why),) = harvested(path).problems
    assert "task-0001.items.parquet is not the file that was written: its sha256 differs" in why


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda path: path.write_text("{"), "cannot be read"),
        (lambda path: path.write_text("[]"), "cannot be read"),
        (lambda path: path.write_text('{"task": 1, "files": {"result": {}}}'), "cannot be read"),
        (
            lambda path: receipt(path.parents[2], trial=1, spec_id="other"),
            "is of spec_id 'other', not of 's'",
        ),
        (
            lambda path: receipt(path.parents[2], trial=1, attempt=1, task=2),
            "is of task 2, not of 1",
        ),
        (
            lambda path: (path.parent / "task-0001.result.parquet").unlink(),
            "task-0001.result.parquet is missing",
        ),
        (lambda path: flip(path.parent / "task-0001.result.parquet"), "its sha256 differs"),
        (lambda path: receipt(path.parents[2], row={"value": 1.5}), r"values outside \[0, 1\]"),
        (
            lambda path: receipt(path.parents[2], row={"value": float("nan")}),
            r"values outside \[0, 1\]",
        ),
        (lambda path: receipt(path.parents[2], row={"value": None}), r"values outside \[0, 1\]"),
        (lambda path: receipt(path.parents[2], row={"task": 3}), "rows of another task"),
        (
            lambda path: receipt(
                path.parents[2], files={"results": {"file": "x", "sha256": "", "rows": 0}}
            ),
            "unknown table 'results'",
        ),
        (
            lambda path: receipt(
                path.parents[2], files={"result": {"file": "../x", "sha256": "", "rows": 0}}
            ),
            "names '../x', which is no file beside it",
        ),
        (lambda path: receipt(path.parents[2], files={"result": None}), "cannot be read"),
        (
            lambda path: path.write_text('{"task": 1, "files": {}}'),
            "cannot be read: it has no 'trial' that is a int",
        ),
        (
            lambda path: write_json(path, json.loads(path.read_text()) | {"files": {}}),
            "cannot be read: it names no file for result, cost, progress, statistic",
        ),
        (lambda path: path.write_text("[" * 100_000), "nested too deep"),
    ],
)
def test_what_cannot_be_trusted(
    tmp_path: Path, spoil: Callable[[Path], object], message: str
) -> None:
    path = receipt(tmp_path)
    spoil(path)
    good = receipt(path.parents[2], trial=2)
    harvest = harvested(path, good)
    ((name, said),) = harvest.problems
    assert name == "000001/01/task-0001.json" and re.search(message, said), said
    assert [each.receipt for each in harvest.receipts] == ["000002/01/task-0001.json"]
    assert harvest.frames["result"]["trial"].to_list() == [2]


def test_other_columns_than_the_table_has(tmp_path: Path) -> None:
    path = receipt(tmp_path)
    file = path.parent / "task-0001.result.parquet"
    pl.DataFrame({"task": [1], "value": ["high"]}).write_parquet(file)
    said = json.loads(path.read_text())
    said["files"]["result"] |= {"sha256": sha256(file), "rows": 1}
    path.write_text(json.dumps(said))
    harvest = harvested(path, receipt(path.parents[2], trial=2))
    ((name, said),) = harvest.problems
    assert name == "000001/01/task-0001.json" and "other columns or rows than result needs" in said
    assert harvest.frames["result"]["trial"].to_list() == [2]


def saying(path: Path, rows: int, said: int) -> Path:
    """The receipt, whose file of results has so many rows and of which it says so many."""
    content = json.loads(path.read_text())
    content["files"] |= written(RunFolder(path.parent), {"result": [RESULT] * rows})
    content["files"]["result"]["rows"] = said
    write_json(path, content)
    return path


@pytest.mark.parametrize(("rows", "said"), [((2, 1), (1, 2)), ((0, 1), (1, 0)), ((1, 2), (1, 1))])
def test_files_are_told_apart_by_their_rows(
    tmp_path: Path, rows: tuple[int, int], said: tuple[int, int]
) -> None:
    """Read together they have as many rows as the receipts say, and still not those."""
    paths = [
        saying(receipt(tmp_path, trial=trial), *counts)
        for trial, *counts in zip((1, 2), rows, said, strict=True)
    ]
    paths.append(saying(receipt(tmp_path, trial=3), 2, 2))
    harvest = harvested(*paths)
    wrong = [
        f"task-0001.result.parquet has other columns or rows than result needs: {is_} rows, not {due}"
        for is_, due in zip(rows, said, strict=True)
        if is_ != due
    ]
    assert [why for _, why in harvest.problems] == wrong
    assert harvest.frames["result"]["trial"].to_list()[-2:] == [3, 3]
    kept = [is_ for is_, due in zip(rows, said, strict=True) if is_ == due]
    assert len(harvest.frames["result"]) == 2 + sum(kept)


def test_a_file_of_more_rows_than_are_read_at_a_time_is_one_trial_s(tmp_path: Path) -> None:
    paths = [saying(receipt(tmp_path, trial=1), 100_003, 100_003), receipt(tmp_path, trial=2)]
    harvest = harvested(*paths)
    assert not harvest.problems
    counts = dict(harvest.frames["result"]["trial"].value_counts().rows())
    assert counts == {1: 100_003, 2: 1}


def test_receipts_are_read_some_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ingest, "AT_ONCE", 2)
    paths = [receipt(tmp_path, trial=trial) for trial in range(1, 6)]
    flip(paths[1].parent / "task-0001.result.parquet")
    saying(paths[2], 2, 3)
    harvest = harvested(*paths)
    assert [name for name, _ in harvest.problems] == [
        "000002/01/task-0001.json", "000003/01/task-0001.json",
    ]  # fmt: skip
    assert harvest.frames["result"]["trial"].to_list() == [1, 4, 5]
    assert [each.rows for each in harvest.receipts] == [1, 1, 1]
    assert not harvest.waiting


def test_a_bad_receipt_does_not_keep_out_a_good_one_and_nothing_enters_twice(
    tmp_path: Path, catalog: Catalog
) -> None:
    receipt(tmp_path, trial=1)
    flip(receipt(tmp_path, trial=2).parent / "task-0001.result.parquet")
    for _ in range(2):
        with catalog.transaction() as connection:
            found = {
                trial: path
                for trial in (1, 2)
                for path in receipts.of(attempt_folder(tmp_path, trial, 1))
            }
            known = receipts.known(connection, list(found.values()))
            harvest = Harvest()
            for trial, path in found.items():
                if receipts.name(path) not in known:
                    harvest.gather(path, trial, 1, "s")
            harvest.read()
            harvest.store(connection)
        assert len(harvest.problems) == 1 and harvest.problems[0][0] == "000002/01/task-0001.json"
    with catalog.open() as connection:
        assert connection.execute("SELECT trial, attempt, value FROM result").fetchall() == [
            (1, 1, 0.5)
        ]
        assert connection.execute("SELECT receipt, rows FROM ingested").fetchall() == [
            ("000001/01/task-0001.json", 1)
        ]


COST = {
    "task": 1,
    "phase": "train",
    "flops": 1.0,
    "peak_bytes": None,
    "seconds": 2.0,
    "steps": 3,
    "pairs": 4,
}
PROFILE = {
    "task": 1,
    "backbone": "b",
    "mixture": "x",
    "method": "m",
    "recipe": "r",
    "phase": "train",
    "flops": 2e9,
    "peak_bytes": 7,
}


def test_profiles_enter_once_per_combination_whoever_measured_them(
    tmp_path: Path, catalog: Catalog
) -> None:
    """Two trials in one pass, one in another, and a row that was there: the first stays, and the
    receipts count as taken.
    """
    rows = [PROFILE, PROFILE | {"phase": "objective", "peak_bytes": None}]
    with catalog.transaction() as connection:
        connection.execute("INSERT INTO profile VALUES ('b', 'x', 'm', 'r', 'objective', 1, NULL)")
    for trials in ((1, 2), (3,)):
        with catalog.transaction() as connection:
            harvest = Harvest()
            for trial in trials:
                path = receipt(tmp_path, trial=trial)
                said = json.loads(path.read_text())
                profile = [{**row, "flops": 2e9} for row in rows]
                said["files"] |= written(RunFolder(path.parent), {"profile": profile})
                write_json(path, said)
                harvest.gather(path, trial, 1, "s")
            harvest.read()
            assert not harvest.problems and harvest.store(connection) == 3 * len(trials)
    with catalog.open() as connection:
        found = connection.execute(
            "SELECT backbone, mixture, method, recipe, phase, flops, peak_bytes FROM profile ORDER BY phase"
        ).fetchall()
        assert found == [
            ("b", "x", "m", "r", "objective", 1, None),
            ("b", "x", "m", "r", "train", 2e9, 7),
        ]
        assert connection.execute("SELECT count(*) FROM ingested").fetchall() == [(3,)]
        assert connection.execute("SELECT count(*) FROM result").fetchall() == [(3,)]


def test_an_outcome_in_unknown_words_does_not_stop_the_others(site: Site, catalog: Catalog) -> None:
    with catalog.transaction() as connection:
        for trial, said in (
            (1, {"state": "finished"}),
            (2, {"state": "failed", "kind": "error", "message": "m"}),
        ):
            connection.execute(
                "INSERT INTO attempt (trial, attempt, spec, spec_id, batch, position) VALUES (?, 1, ?, 's', 'b', 0)",
                [trial, Spec({}, {"tasks": 1}, {}, {}, {}, {}, 0).to_json()],
            )
            run = RunFolder(attempt_folder(site.runs, trial, 1))
            run.create(SPEC, Assignment(trial=trial, attempt=1, batch="b", position=0, data="data"))
            write_json(run.path / "outcome.json", said)
    with catalog.open() as connection:
        attempts = live_attempts(site, connection)
    report = Report()
    observe(site, catalog, Local(site), report, attempts)
    with catalog.open() as connection:
        found = connection.execute(
            "SELECT trial, state, message FROM outcome ORDER BY trial"
        ).fetchall()
    ((subject, message),) = report.problems
    assert subject == "000001/01/outcome.json" and "says state 'finished'" in message
    assert found == [(2, "failed", "m")] or found[0][:2] == (1, "lost")


def test_files_of_older_code_enter_with_what_they_lack_left_open(
    tmp_path: Path, catalog: Catalog
) -> None:
    """Energy was not recorded, mixtures were not told apart; a file that lacks anything else is
    still refused.
    """
    older = {
        "cost": COST,
        "profile": {key: value for key, value in PROFILE.items() if key != "mixture"},
    }
    harvest = Harvest()
    for trial, without in ((1, []), (2, ["seconds"])):
        path = receipt(tmp_path, trial=trial)
        said = json.loads(path.read_text())
        for table, row in older.items():
            kept = {
                name: kind
                for name, kind in COLUMNS[table].items()
                if name in row and name not in without
            }
            file = path.parent / f"task-0001.{table}.parquet"
            pl.DataFrame([row], schema=kept).write_parquet(file)
            said["files"][table] = {"file": file.name, "sha256": sha256(file), "rows": 1}
        write_json(path, said)
        harvest.gather(path, trial, 1, "s")
    harvest.read()
    with catalog.transaction() as connection:
        harvest.store(connection)
        assert connection.execute("SELECT seconds, energy_j FROM cost").fetchall() == [(2.0, None)]
        assert connection.execute("SELECT mixture, method FROM profile").fetchall() == [("", "m")]
    assert [(name, "other columns" in why) for name, why in harvest.problems] == [
        ("000002/01/task-0001.json", True)
    ]


@pytest.mark.parametrize("lacking", [None, "seconds", "shared"])
def test_a_file_that_lacks_a_value_is_named_and_the_rest_goes_on(
    tmp_path: Path, catalog: Catalog, lacking: str | None
) -> None:
    """What no row may lack would end the whole pass at the catalog; what may be unknown, as
    peak_bytes, is taken.
    """
    harvest = Harvest()
    for trial in (1, 2):
        path = receipt(tmp_path, trial=trial)
        said = json.loads(path.read_text())
        row = (
            COST
            | {"energy_j": None, "shared": False}
            | ({lacking: None} if lacking and trial == 2 else {})
        )
        said["files"] |= written(RunFolder(path.parent), {"cost": [row]})
        write_json(path, said)
        harvest.gather(path, trial, 1, "s")
    harvest.read()
    with catalog.transaction() as connection:
        harvest.store(connection)
        assert connection.execute("SELECT count(*) FROM cost").fetchone() == (1 if lacking else 2,)
    wrong = ["task-0001.cost.parquet lacks values that cost needs"] if lacking else []
    assert [why for _, why in harvest.problems] == wrong
