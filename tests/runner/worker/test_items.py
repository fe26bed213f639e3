"""The file of items: its columns, its size, and the same bytes whoever writes it."""

from pathlib import Path

import duckdb
import numpy as np
import pytest

from benchmarks.items import blank, draw
from evals import Judged
from runner.run_folder import RunFolder, read_json, sha256
from runner.worker import checkpoint
from runner.worker.items import MOST_RANK, ItemRecord

COLUMNS = {
    "dataset": "VARCHAR", "label_space": "VARCHAR", "way": "VARCHAR", "fraction": "DOUBLE",
    "task": "INTEGER", "candidates": "INTEGER", "item": "INTEGER", "label": "INTEGER",
    "rank": "INTEGER", "answer": "INTEGER", "margin": "FLOAT",
}  # fmt: skip


def record_of(judged: Judged, items: int) -> ItemRecord:
    record = ItemRecord()
    record.add(judged, "all", blank("d", items), np.arange(items))
    return record


def written(folder: Path, record: ItemRecord, task: int = 3) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    entry = record.write(RunFolder(folder), task)
    path = folder / entry.file
    assert path.name == f"task-{task:04d}.items.parquet" and entry.sha256 == sha256(path)
    assert duckdb.sql(f"SELECT count(*) FROM '{path}'").fetchall() == [(entry.rows,)]
    assert [each.name for each in folder.iterdir()] == [path.name]
    return path


def columns_of(path: Path) -> dict[str, str]:
    table = duckdb.sql(f"FROM '{path}'")
    return dict(zip(table.columns, map(str, table.types), strict=True))


@pytest.mark.parametrize(("classes", "items"), [(10, 10_000), (1000, 50_000), (21_843, 50_000)])
def test_an_item_at_chance_level_takes_at_most_8_bytes(
    tmp_path: Path, classes: int, items: int
) -> None:
    """Nothing can be packed less than answers, ranks and classes at random."""
    judged = draw(np.random.default_rng(0), classes, items)
    path = written(tmp_path, record_of(judged, items))
    assert path.stat().st_size / items <= 8
    rows = duckdb.sql(f"FROM '{path}' ORDER BY item").pl()
    assert columns_of(path) == COLUMNS
    assert rows["rank"].to_numpy().tolist() == judged.rank.tolist()
    assert rows["answer"].to_numpy().tolist() == judged.answer.tolist()
    assert rows["label"].to_numpy().tolist() == judged.labels.tolist()  # type: ignore[union-attr]
    assert np.allclose(rows["margin"].to_numpy(), judged.margin, rtol=1e-3, atol=1e-7)
    assert set(rows["task"]) == {3} and set(rows["fraction"]) == {1.0}


def test_retrieval_among_more_candidates_than_a_rank_can_say(tmp_path: Path) -> None:
    """Among so many a rank is cut off, which no metric sees, and there are no labels."""
    rng, count = np.random.default_rng(0), 100_000
    judged = Judged(
        way="image_to_text",
        labels=None,
        rank=rng.integers(count, size=count),
        margin=rng.normal(0, 0.02, count).astype(np.float32),
        answer=rng.integers(count, size=count),
        candidates=np.full(count, count),
    )
    path = written(tmp_path, record_of(judged, count))
    assert path.stat().st_size / count <= 8
    query = f"SELECT max(rank), count(label), max(answer) > 65535, count_if(rank < 5) FROM '{path}'"
    right = int((judged.rank < 5).sum())
    assert duckdb.sql(query).fetchall() == [(MOST_RANK, 0, True, right)]


def test_no_other_candidate_means_no_margin(tmp_path: Path) -> None:
    judged = Judged(
        way="class",
        labels=np.zeros(2, np.int64),
        rank=np.zeros(2, np.int64),
        margin=np.array([np.inf, 0.25], np.float32),
        answer=np.zeros(2, np.int64),
        candidates=np.array([1, 2]),
    )
    path = written(tmp_path, record_of(judged, 2))
    assert duckdb.sql(f"SELECT margin FROM '{path}'").fetchall() == [(None,), (0.25,)]


def test_a_suite_without_images_that_have_items_writes_an_empty_file(tmp_path: Path) -> None:
    assert columns_of(written(tmp_path, ItemRecord())) == COLUMNS


def test_what_the_store_kept_is_written_as_the_same_bytes(tmp_path: Path) -> None:
    """Another trial takes over what one has measured of the untouched backbone."""
    record = record_of(draw(np.random.default_rng(1), 100, 1000), 1000)
    first = written(tmp_path / "first", record)
    assert written(tmp_path / "again", record).read_bytes() == first.read_bytes()
    checkpoint.write(tmp_path / "state", {}, {"items": record.state()})
    receipt = read_json(tmp_path / "state.json")
    state = checkpoint.read(tmp_path / "state", receipt)
    assert state is not None
    other = written(tmp_path / "other", ItemRecord.from_state(state["items"]))
    assert other.read_bytes() == first.read_bytes()
