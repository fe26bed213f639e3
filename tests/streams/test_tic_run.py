"""TiC-CLIP runs from its shipped rows to its triangle, on shards without a .cls member."""

import json
from dataclasses import replace
from pathlib import Path

import duckdb
import polars as pl
import pytest

from runner.run_folder import RunFolder, attempt_folder, done_tasks
from runner.scheduler.resolve import RefusedError, Resolver
from schema.spec import Spec
from tests.layouts import sample, shard
from tests.processes import attempt, run_trial
from tests.runner.test_trial import brought
from tests.template import in_memory
from tests.toy import ARCHITECTURE

# The first years of the windows of each source
WINDOWS = {
    "tic_yfcc": [2004, 2009, 2011, 2013],
    "tic_redcaps": [2017, 2018, 2019, 2020],
    "tic_datacomp_medium": [2014, 2017, 2018, 2019, 2020, 2021, 2022],
    "tic_datacomp_large": [2014, 2017, 2018, 2019, 2020, 2021, 2022],
    "tic_datacomp_xlarge": [2014, 2017, 2018, 2019, 2020, 2021, 2022],
}
# By stream: the source of its windows
STREAMS = {name: name for name in WINDOWS} | {f"{name}_oracle": name for name in WINDOWS}
TRIAL = """
INSERT INTO recipe (name, lr, batch_pairs) VALUES ('few', 0.002, 4);
INSERT INTO budget (name, unit, total) VALUES ('few', 'steps', 8);
DELETE FROM suite_member WHERE starts_with(suite, 'tic_') AND role = 'retain';
"""


@pytest.fixture(scope="module")
def connection() -> duckdb.DuckDBPyConnection:
    """The vocabulary in memory, with a tiny backbone that takes the windows' images."""
    opened = in_memory("words")
    described = json.loads(ARCHITECTURE)
    described["vision_cfg"] |= {"image_size": 224, "patch_size": 56}
    opened.execute(
        "INSERT INTO backbone (name, architecture) VALUES ('smallest', ?)", [json.dumps(described)]
    )
    opened.execute(TRIAL)
    return opened


def resolved(connection: duckdb.DuckDBPyConnection, stream: str, data: Path | None = None) -> Spec:
    """The definition of a trial over a stream, half of its pairs from earlier steps of time."""
    (trial,) = connection.execute(
        """
        INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed)
        SELECT 'smallest', ?, 'tic_cumulative', 'finetune', 'few', 'few', count(*) FROM trial
        RETURNING id
        """,
        [stream],
    ).fetchone() or (0,)
    return Resolver(connection, [trial], data).resolve(trial)[0]


def write_windows(data: Path, source: str, firsts: list[int]) -> None:
    """Two shards of four pairs to learn from in each window, and one of four held-out pairs."""
    number = 0
    # Held-out pairs of CommonPool are the same at every scale
    held_out = "tic_datacomp" if source.startswith("tic_datacomp") else source
    for first in firsts:
        places = [f"{source}/{first}/0.tar", f"{held_out}_retrieval/{first}/0.tar"]
        places.append(f"{source}/{first}/1.tar")
        for place in places:
            samples = []
            for _ in range(4):
                key, parts = sample(number)
                # Pairs of the web have no class
                del parts["cls"]
                samples.append((key, parts))
                number += 1
            shard(data / "tic" / place, samples)


LANES = """
UPDATE dataset SET params = json_merge_patch(params, '{"lanes": 2, "block_shards": 1}')
WHERE starts_with(name, 'tic_redcaps')
"""


@pytest.mark.slow
@pytest.mark.parametrize("stream", STREAMS)
def test_the_windows_are_learned_and_measured(
    connection: duckdb.DuckDBPyConnection, stream: str, tmp_path: Path
) -> None:
    """Every task has its receipt and the recall in every window."""
    run_through(connection, stream, tmp_path)


@pytest.mark.slow
def test_the_windows_are_learned_as_streams_of_shards(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """By lanes, half of each batch from the shards of all earlier windows; killed in the middle of one,
    and gone on with two workers, to the same bits.
    """
    connection.execute("BEGIN")
    connection.execute(LANES)
    spec = run_through(connection, "tic_redcaps", tmp_path)
    connection.execute("ROLLBACK")
    assert all(dataset["params"]["lanes"] == 2 for dataset in spec.stream["datasets"])
    killed = tmp_path / "killed"
    first = attempt(killed, spec, 1, tmp_path)
    assert run_trial(first, crash_at="step:5") == -9
    again = RunFolder(attempt_folder(killed, 1, 2))
    again.create(spec, replace(RunFolder(first).assignment(), attempt=2, workers=2))
    assert run_trial(again.path) == 0
    assert brought(killed) == brought(tmp_path / "runs")


def run_through(connection: duckdb.DuckDBPyConnection, stream: str, folder: Path) -> Spec:
    """Learn and measure the windows of a stream, and return its definition."""
    source = STREAMS[stream]
    firsts = WINDOWS[source]
    write_windows(folder, source, firsts)
    spec = resolved(connection, stream, folder)
    runs = folder / "runs"
    assert run_trial(attempt(runs, spec, 1, folder)) == 0
    held = done_tasks([RunFolder(attempt_folder(runs, 1, 1))])
    tasks = 1 if stream.endswith("_oracle") else len(firsts)
    assert sorted(held) == list(range(tasks + 1))
    for run, receipt in held.values():
        results = pl.read_parquet(run.path / receipt.files["result"].file)
        recalls = results.filter(pl.col("metric") == "r1")
        assert recalls["dataset"].to_list() == [f"{source}_{first}" for first in firsts]
        assert recalls["examples"].to_list() == [4] * len(firsts)
    return spec


CLASS = """
INSERT INTO dataset (name, format, location, params, kind, classes) VALUES
    ('pool', 'webdataset', 'tic/tic_yfcc/2004', '{}', 'captions', '["everything"]'),
    ('paths', 'table', 'paths', '{}', 'captions', '["everything"]');
INSERT INTO sequence (name, ordering) VALUES ('pool', 'given'), ('paths', 'given');
INSERT INTO sequence_concept VALUES ('pool', 1, 'pool', 'everything'), ('paths', 1, 'paths', 'everything');
INSERT INTO stream (name, sequence, tasks, suite) VALUES
    ('pool', 'pool', 1, 'tic_yfcc'), ('paths', 'paths', 1, 'tic_yfcc');
"""


def test_a_class_that_no_pair_has_is_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    """By the row alone where its format reads classes from a column, else by the shards."""
    connection.execute(CLASS)
    with pytest.raises(
        RefusedError,
        match="names concept 'everything' of dataset 'paths', and none of its pairs has a class: "
        r"format table reads classes from the column that label .* write '\*' as the concept",
    ):
        resolved(connection, "paths")
    write_windows(tmp_path, "tic_yfcc", [2004])
    with pytest.raises(
        RefusedError,
        match=r"'pool': a stream teaches single classes of it, and no sample in 2 of the 2 shards in "
        r".*2004 has a class \(a .cls member\). Name '\*' as the concept in sequence_concept",
    ):
        resolved(connection, "pool", tmp_path)
    # Where the shards are not, nothing is known of them
    resolved(connection, "pool", tmp_path / "elsewhere")


def test_a_shard_with_classes_is_not_refused(
    connection: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    shard(tmp_path / "tic/tic_yfcc/2004/0.tar", [sample(number) for number in range(3)])
    resolved(connection, "pool", tmp_path)
