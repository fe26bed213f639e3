"""TiC-CLIP: every window of time is learned from and measured on, so its streams have a matrix."""

import io
import json
import shutil
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pytest
from PIL import Image

from schema.catalog import Catalog
from streams import open_pairs
from tests.template import fresh


@pytest.fixture(scope="module")
def vocabulary(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file of a catalog with the whole vocabulary."""
    return fresh(tmp_path_factory.mktemp("vocabulary") / "catalog.duckdb", "words").path


@pytest.fixture
def connection(vocabulary: Path, tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """An open copy of the catalog."""
    shutil.copy(vocabulary, tmp_path / "catalog.duckdb")
    with Catalog(tmp_path / "catalog.duckdb", 5).open() as opened:
        yield opened


def rows(connection: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return connection.execute(query).fetchall()


def test_every_stream_of_several_tasks_has_a_matrix(connection: duckdb.DuckDBPyConnection) -> None:
    """What a task brings is one adaptation member of the stream's suite."""
    counts = rows(
        connection,
        """SELECT st.name, st.tasks, count(m.dataset)
           FROM stream st JOIN sequence_concept c USING (sequence)
           LEFT JOIN suite_member m ON m.suite = st.suite AND m.dataset = c.dataset
                                   AND m.role = 'adapt' AND m.metric = 'r1'
           WHERE starts_with(st.name, 'tic_') AND st.tasks > 1 GROUP BY 1, 2""",
    )
    assert len(counts) == 5
    assert all(tasks == members for _, tasks, members in counts), counts


@pytest.mark.parametrize(("stream", "tasks"), [("tic_yfcc", 4), ("tic_datacomp_large", 7)])
def test_the_means_of_a_filled_stream_are_those_of_numpy(
    connection: duckdb.DuckDBPyConnection, stream: str, tasks: int
) -> None:
    """Backward, in-distribution and forward, of recalls drawn at random."""
    matrix = np.random.default_rng(0).uniform(size=(tasks + 1, tasks))
    connection.execute(f"""
        INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed)
        SELECT 'vit_b16_random', '{stream}', 'update_only', 'finetune', 'tic_large', 'tic_large', 1
    """)
    ((trial,),) = rows(connection, "SELECT id FROM trial")
    windows = rows(
        connection,
        f"SELECT dataset FROM sequence_concept WHERE sequence = '{stream}' ORDER BY position",
    )
    for task, values in enumerate(matrix):
        for (window,), value in zip(windows, values, strict=True):
            connection.execute(
                "INSERT INTO result VALUES (?, 1, ?, 0, ?, 'r1', 'all', 'deployed', ?, 50, 1)",
                [trial, task, window, float(value)],
            )
    trained = matrix[1:]
    backward = trained[np.tril_indices(tasks, -1)].mean()
    forward = trained[np.triu_indices(tasks, 1)].mean()
    (found,) = rows(connection, "SELECT tic_backward, acc_learn, tic_forward FROM continual")
    assert found == pytest.approx((backward, np.diag(trained).mean(), forward), abs=1e-12)


def shard(path: Path, captions: list[str]) -> None:
    """A tar file of pairs, as img2dataset writes one."""
    path.parent.mkdir(parents=True)
    with tarfile.open(path, "w") as tar:
        for number, caption in enumerate(captions):
            image = io.BytesIO()
            Image.new("RGB", (8, 8), (number, 0, 0)).save(image, "jpeg")
            for ending, data in (("jpg", image.getvalue()), ("txt", caption.encode())):
                member = tarfile.TarInfo(f"{number:09}.{ending}")
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))


def test_a_window_has_pairs_to_learn_from_and_held_out_ones(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    shard(tmp_path / "tic/tic_datacomp_large/2017/000.tar", ["one", "two", "three"])
    shard(tmp_path / "tic/tic_datacomp_retrieval/2017/000.tar", ["four"])
    found = connection.execute("SELECT * FROM dataset WHERE name = 'tic_datacomp_large_2017'")
    names = [name for name, *_ in found.description or ()]
    row = dict(zip(names, found.fetchone() or (), strict=True))
    for name in ("params", "classes", "templates"):
        row[name] = json.loads(row[name])
    assert [len(open_pairs(row, split, tmp_path)) for split in ("train", "test")] == [3, 1]
