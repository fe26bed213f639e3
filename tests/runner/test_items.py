"""Which test items were right is kept beside the results: with real training on the tiny world, killed and gone on
from, measured later, by several processes; the means of the items are the results to the last bit.
"""

import json
from pathlib import Path

import duckdb
import polars as pl
import pytest

from queries import AskError, ask
from runner.run_folder import RunFolder, done_tasks
from schema.site import Site
from schema.spec import Spec
from tests.journey import AUDITS, LOCAL, copied, crashing, declare, settle, tell, until
from tests.journey import ask as rows_of
from tests.processes import attempt, run_trial
from tests.runner.test_trial import spec_of
from tests.toy import DATA

pytestmark = pytest.mark.slow

METRICS = {
    "top1": [("class", 1)],
    "r5": [("image_to_text", 5), ("text_to_image", 5)],
    "r1": [("image_to_text", 1), ("text_to_image", 1)],
    "image_to_text_r1": [("image_to_text", 1)],
    "image_to_text_r5": [("image_to_text", 5)],
    "text_to_image_r1": [("text_to_image", 1)],
    "text_to_image_r5": [("text_to_image", 5)],
}
MEASURE = "INSERT INTO measurement (trial, suite, tasks) SELECT id, '{}', 'last' FROM trial"


def means_are_results(folder: Path) -> int:
    """Hold every file of items of a run folder against the results beside it; how many values."""
    compared = 0
    for path in sorted(folder.glob("task-*.items.parquet")):
        items = pl.read_parquet(path)
        results = pl.read_parquet(path.with_name(path.name.replace("items", "result")))
        for row in results.to_dicts():
            shares = []
            for way, below in METRICS.get(row["metric"], []):
                mine = items.filter(
                    (pl.col("dataset") == row["dataset"])
                    & (pl.col("label_space") == row["label_space"])
                    & (pl.col("way") == way)
                    & (pl.col("fraction") == row["fraction"])
                )
                assert mine["task"].unique().to_list() == [row["task"]]
                shares.append(int((mine["rank"] < below).sum()) / len(mine))
            if shares:
                assert sum(shares) / len(shares) == row["value"], row
                compared += 1
    return compared


def files_of(runs: Path) -> dict[tuple[str, str], bytes]:
    """The bytes of every file of items that a receipt vouches for, by trial and name."""
    files = {}
    for folder in sorted(runs.glob("[0-9]*")):
        held = done_tasks([RunFolder(path) for path in sorted(folder.iterdir(), reverse=True)])
        for run, receipt in held.values():
            entry = receipt.files["items"]
            files[folder.name, entry.file] = (run.path / entry.file).read_bytes()
    return files


def declared(folder: Path, keep: bool = True) -> Site:
    site = declare(folder, LOCAL, seeds=1)
    tell(site, f"UPDATE suite SET items = {keep} WHERE name = 'toy'")
    return site


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """A lab whose suite keeps items, and whose trial is done."""
    site = declared(tmp_path_factory.mktemp("quiet"))
    assert settle(site).problems == []
    return site


@pytest.fixture(scope="module")
def without(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The same lab, whose suite keeps none."""
    site = declared(tmp_path_factory.mktemp("without"), keep=False)
    settle(site)
    return site


RESULTS = "SELECT task, dataset, metric, label_space, value, examples FROM result ORDER BY ALL"


def test_items_are_the_results_and_change_nothing(quiet: Site, without: Site) -> None:
    (folder,) = quiet.runs.glob("[0-9]*/01")
    assert means_are_results(folder) == 3 * 8
    assert rows_of(quiet, RESULTS) == rows_of(without, RESULTS)
    assert not list(without.runs.glob("**/*.items.parquet"))
    (other,) = without.runs.glob("[0-9]*/01")
    assert "items" not in json.loads((other / "task-0002.json").read_text())["files"]
    assert "items" not in json.loads((other / "spec.json").read_text())["stream"]["suite"]
    for audit in AUDITS:
        assert rows_of(quiet, f"FROM {audit}") == []


def test_questions_read_them_where_they_lie(quiet: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(quiet.folder)
    files = ask("item_files")
    assert files["there"].all() and files["file"].n_unique() == 3
    forgotten = ask("items_forgotten")
    values = dict(
        rows_of(
            quiet,
            "SELECT (task, dataset), value FROM result WHERE metric = 'top1'",
        )
    )
    for row in forgotten.filter(pl.col("way") == "class").to_dicts():
        assert row["right_before"] == values[0, row["dataset"]]
        assert row["right_now"] == values[2, row["dataset"]]
    assert len(forgotten) == 4


def test_killed_and_gone_on_from_they_are_the_same_files(quiet: Site, tmp_path: Path) -> None:
    """Killed before its first result, between results and receipt, and within a task (I1)."""
    site = declared(tmp_path)
    for point in ("claimed", "results:2", "step:6"):
        with crashing(point):
            until(site, lambda report: bool(report.ended))
    settle(site)
    assert files_of(site.runs) == files_of(quiet.runs)
    assert len({path.parent.name for path in site.runs.glob("[0-9]*/*/task-*.json")}) > 1


def test_a_suite_that_keeps_items_is_measured_later_for_them(
    quiet: Site, without: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The values are there already, and their items are not: the same as from the start."""
    copied(without.folder, tmp_path / "lab")
    site = Site.load(tmp_path / "lab")
    tell(site, "INSERT INTO suite (name, items) VALUES ('kept', true), ('plain', false)")
    tell(
        site,
        "INSERT INTO suite_member BY NAME SELECT member.* REPLACE (other.name AS suite) "
        "FROM suite_member AS member, (VALUES ('kept'), ('plain')) AS other(name) "
        "WHERE member.suite = 'toy'",
    )
    tell(site, MEASURE.format("plain"))
    assert rows_of(site, "FROM unmeasured") == []
    tell(site, MEASURE.format("kept"))
    with crashing("results"):
        until(site, lambda report: bool(report.ended))
    settle(site)
    assert rows_of(site, "FROM unmeasured") == []
    later = {path.name: path for path in site.runs.glob("**/task-*.items.parquet")}
    assert sorted(later) == ["task-0000.items.parquet", "task-0002.items.parquet"]
    for name, path in later.items():
        (first,) = quiet.runs.glob(f"**/{name}")
        assert path.read_bytes() == first.read_bytes()
        means_are_results(path.parent)
    monkeypatch.chdir(site.folder)
    assert len(ask("items_forgotten")) == 4


def test_what_is_not_there_is_said_and_harms_nothing_else(
    quiet: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    copied(quiet.folder, tmp_path / "lab")
    site = Site.load(tmp_path / "lab")
    monkeypatch.chdir(site.folder)
    files = sorted(site.runs.glob("**/*.items.parquet"))
    files[1].unlink()
    assert len(ask("items_forgotten")) == 4
    assert "1 of 3 files of items are not below" in caplog.text and "item_files" in caplog.text
    assert ask("item_files").filter(~pl.col("there"))["task"].unique().to_list() == [1]
    for path in files:
        path.unlink(missing_ok=True)
    with pytest.raises(AskError, match="3 of 3 files of items are not below .*Put the run folders"):
        ask("items_forgotten")
    # Removed to save room, they were no result: tasks are done, and the folder is whole
    run = RunFolder(files[0].parent)
    assert sorted(run.receipts()) == [0, 1, 2]
    assert settle(site).problems == [] and rows_of(site, "SELECT count(*) FROM attempt") == [(1,)]
    # Changed, they vouch for nothing
    files[0].write_bytes(b"other")
    assert sorted(run.receipts()) == [1, 2]


def test_sql_of_ones_own_is_told_how_to_say_where_they_are(quiet: Site) -> None:
    with pytest.raises(duckdb.InvalidInputException, match="SET VARIABLE items = "):
        rows_of(quiet, "FROM item")


def test_several_processes_keep_what_one_keeps(tmp_path: Path) -> None:
    spec = json.loads(spec_of("toy_lora_ewc").to_json())
    spec["stream"]["suite"]["items"] = True
    kept = {}
    for ranks in (1, 2):
        spec["recipe"] |= {"optimizer": "sgd", "lr": 0.05, "compute_params": {"ranks": ranks}}
        runs = tmp_path / str(ranks)
        folder = attempt(runs, Spec.from_row(spec), 1, DATA)
        assert run_trial(folder) == 0
        assert means_are_results(folder) == 3 * 8
        kept[ranks] = pl.read_parquet(folder / "task-0000.items.parquet")
    assert kept[1].drop("margin").equals(kept[2].drop("margin"))
