"""What is kept of each task: the same as its facts say, whatever came since, and made anew before a snapshot is published."""

from collections.abc import Iterator
from typing import Any

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from queries import AskError, answer, named
from schema.catalog import Catalog, transaction
from schema.publishing import publish
from schema.site import Site
from schema.summaries import MIXED, alone, renew, store
from tests.alike import same_answer
from tests.filled import DATASETS, Filled, varied

SAID = "(SELECT * EXCLUDE (gm, d_ka, d_zs, zs_ratio) FROM summary)"  # without what it derives from these
SUMMARY = "SELECT * FROM {} ORDER BY trial, task"
ALL = "CREATE OR REPLACE TEMP VIEW every AS SELECT DISTINCT trial FROM result"

BIG = """
INSERT INTO result SELECT n, 1, 1, 10, 'birds', 'top1', 'all', 'deployed', 0.5, 50, 1 FROM range(30_000) AS r(n), range(5) AS s(m)
"""  # of no trial that is wanted; more than one row group

measure = st.tuples(
    st.just("measure"),
    st.integers(1, 4),  # trial
    st.integers(1, 3),  # attempt: a late one is below the newest
    st.integers(0, 2),  # task
    st.sets(st.sampled_from(sorted(DATASETS)), min_size=1),  # a part of the suite
    st.integers(0, 20),  # the value, in twentieths
    st.sampled_from([5, 10, 20]),  # step
)
charge = st.tuples(
    st.just("charge"),
    st.integers(1, 4),
    st.integers(1, 3),
    st.integers(0, 2),
    st.sampled_from(["train", "evaluate"]),
)
edit = st.sampled_from(
    [
        "UPDATE suite_member SET weight = weight + 1 WHERE dataset = 'birds'",
        "UPDATE suite_member SET role = 'probe' WHERE dataset = 'ships'",
        "UPDATE stream SET tasks = tasks + 1 WHERE name = 'world'",
        "DELETE FROM result WHERE trial = 2 AND task = 1",
        "DELETE FROM result WHERE trial = 3",
        "DELETE FROM cost WHERE trial = 1",
        "CHECKPOINT",
    ]
)
happening = st.lists(measure | charge | st.just("keep") | edit, max_size=10)


def kept(connection: duckdb.DuckDBPyConnection) -> int:
    """Keep, as publishing does."""
    with transaction(connection):
        return store(connection)


def happen(filled: Filled, what: Any) -> None:
    if what == "keep":
        kept(filled.connection)
    elif isinstance(what, str):
        filled.connection.execute(what)
    elif what[0] == "measure":
        _, trial, attempt, task, datasets, value, step = what
        filled.results(trial, task, dict.fromkeys(sorted(datasets), value / 20), attempt, step=step)
    else:
        _, trial, attempt, task, phase = what
        filled.cost(trial, task, phase, attempt)


def agree(connection: duckdb.DuckDBPyConnection) -> None:
    """What answers begin with is what the facts say: of every number, to the last digits."""
    connection.execute(ALL)
    said = connection.execute(SUMMARY.format(SAID)).fetchall()
    facts = connection.execute(SUMMARY.format("reckoned(trials := 'every')")).fetchall()
    assert [
        [
            pytest.approx(value, rel=1e-12, nan_ok=True) if value is not None else None
            for value in row
        ]
        for row in facts
    ] == [list(row) for row in said]
    for view in ("summary", "costs"):
        mixed = connection.execute(f"FROM {view}").fetchall()
        with alone(connection):
            assert same_answer(connection.execute(f"FROM {view}").fetchall(), mixed)


@settings(max_examples=4, deadline=None)
@given(happened=happening)
def test_what_is_kept_is_what_the_facts_say(happened: list[Any]) -> None:
    filled = Filled()
    for seed in range(4):  # three with a stream, and one whose trial somebody deletes
        filled.trial(seed=seed)
    for what in [*happened, "keep", "DELETE FROM trial WHERE id = 4", *happened]:
        happen(filled, what)
    agree(filled.connection)
    kept(filled.connection)
    assert filled.rows("unkept") == [] and kept(filled.connection) == 0, (
        "what is kept once is not made again"
    )
    agree(filled.connection)
    filled.connection.close()


@pytest.fixture
def full() -> Iterator[Filled]:
    """Something of everything, kept."""
    made = Filled()
    varied(made)
    kept(made.connection)
    yield made
    made.connection.close()


def test_only_trials_with_news_are_made_anew(full: Filled) -> None:
    """A late result of an older attempt, a charge, a row that went away, a suite, a stream: each finds its trials, and no others."""
    measured = [
        trial
        for (trial,) in full.connection.execute(
            "SELECT DISTINCT trial FROM result ORDER BY trial"
        ).fetchall()
    ]
    (parted,) = [row["id"] for row in full.rows("trial", stream="in_parts")]
    news: list[tuple[str, list[int]]] = [
        (
            "INSERT INTO result BY NAME SELECT * REPLACE (0 AS attempt) FROM result WHERE trial = 2 AND task = 1",
            [2],
        ),
        (
            "INSERT INTO cost BY NAME SELECT * REPLACE ('merge' AS phase) FROM cost WHERE trial = 3 LIMIT 1",
            [3],
        ),
        # A row alone: the first one that is new
        (
            "INSERT INTO result BY NAME SELECT * REPLACE (0 AS attempt) FROM result WHERE trial = 4 AND task = 1 LIMIT 1",
            [4],
        ),
        ("DELETE FROM result WHERE trial = 5 AND task = 2", measured),
        (
            "UPDATE suite_member SET weight = 7 WHERE suite = 'parts' AND dataset = 'birds'",
            [parted],
        ),
        ("UPDATE stream SET tasks = 9 WHERE name = 'in_parts'", [parted]),
    ]
    for statement, trials in news:
        full.connection.execute(statement)
        assert sorted(row["trial"] for row in full.rows("unkept")) == trials
        agree(full.connection)
        assert kept(full.connection) == len(trials)
        assert full.rows("unkept") == []
        agree(full.connection)
    full.connection.execute(
        "INSERT INTO stream BY NAME SELECT * REPLACE ('another' AS name) FROM stream WHERE name = 'world'"
    )
    assert full.rows("unkept") == [], "a new stream is nobody's"


def test_answers_read_what_is_kept(full: Filled) -> None:
    """A row rewritten in place is not seen by any answer; the audit finds it, and what it says to do mends it."""
    full.connection.execute(
        "UPDATE result SET value = 1 WHERE trial = 1 AND task = 2 AND dataset = 'ships'"
    )
    full.connection.execute(
        "UPDATE cost SET flops = 0 WHERE trial = 2 AND task = 1 AND phase = 'train'"
    )
    before = full.row("point", trial=1, task=2)["a_ka"]
    found = full.rows("audit_kept")
    assert [(row["trial"], row["task"]) for row in found] == [(1, 2), (2, 1), (2, 2)]
    assert (
        found[0]["kept_a_ka"] == before != found[0]["a_ka"]
        and found[1]["flops"] < found[1]["kept_flops"]
    )
    (charged,) = full.rows("audit_kept_costs")
    assert (charged["trial"], charged["phase"]) == (2, "train") and charged["flops"] < charged[
        "kept_flops"
    ]
    full.connection.execute("DELETE FROM kept_until")
    assert full.row("point", trial=1, task=2)["a_ka"] == found[0]["a_ka"]
    kept(full.connection)
    assert full.rows("audit_kept") == full.rows("audit_kept_costs") == []


def before_the_catalog(connection: duckdb.DuckDBPyConnection) -> set[str]:
    """The views that stand before those of the catalog, for this connection."""
    rows = connection.execute(
        "SELECT view_name FROM duckdb_views() WHERE temporary AND NOT internal"
    ).fetchall()
    return {name for (name,) in rows}


def test_stored_rows_are_read_alone_only_where_nothing_is_newer(full: Filled) -> None:
    """Not after a fact has come, not of another suite, and not where a person put a view there."""
    connection = full.connection
    with alone(connection):
        assert before_the_catalog(connection) == MIXED.keys()
        plan = str(connection.execute("EXPLAIN FROM point").fetchall())
        assert "kept_summary" in plan and "main.result" not in plan
    assert before_the_catalog(connection) == set()
    with pytest.raises(duckdb.Error), alone(connection):
        connection.execute("FROM there_is_no_such_table")
    assert before_the_catalog(connection) == set()

    connection.execute("BEGIN")
    with pytest.raises(duckdb.InvalidInputException, match="no such choice"), alone(connection):
        connection.execute("SELECT error('no such choice')")
    connection.execute("ROLLBACK")
    assert before_the_catalog(connection) == set(), "the error is not hidden by another"

    connection.execute("SET VARIABLE suite = 'parts'")
    with alone(connection):
        assert before_the_catalog(connection) == set()
    connection.execute("RESET VARIABLE suite")

    connection.execute("CREATE TEMP VIEW costs AS FROM kept_cost LIMIT 0")
    with alone(connection):
        assert before_the_catalog(connection) == {"costs"}
        assert connection.execute("FROM costs").fetchall() == []
    assert before_the_catalog(connection) == {"costs"}
    connection.execute("DROP VIEW temp.costs")

    full.results(1, 1, {"birds": 0.5}, attempt=3)
    with alone(connection):
        assert before_the_catalog(connection) == set()


@pytest.mark.parametrize("rows", [None, 3])
def test_an_answer_from_stored_rows_alone_is_the_same(full: Filled, rows: int | None) -> None:
    """And leaves nothing behind in the connection, also where it is refused."""
    for name in ("point", "retention_at_budget", "phases", "comparison", "audit_tasks"):
        question = named(name)
        sql = f"FROM {name}" + "()" * (question.kind == "macro")
        expected = full.connection.execute(sql).fetchall()[:rows]
        assert same_answer(answer(full.connection, question, {}, rows=rows).rows(), expected)
        assert before_the_catalog(full.connection) == set()
    with pytest.raises(AskError):
        answer(full.connection, named("effect"), {"axis": "nothing"})
    assert before_the_catalog(full.connection) == set()


def test_a_trial_that_was_given_another_stream_is_made_anew_when_it_is_published(
    full: Filled,
) -> None:
    full.connection.execute("UPDATE trial SET stream = 'in_parts', seed = 77 WHERE id = 1")
    assert kept(full.connection) == 1
    agree(full.connection)


def test_what_is_published_is_kept(catalog: Catalog, site: Site) -> None:
    """A snapshot has nothing to make anew, also where rows went and the checkpoint moved the others."""
    with catalog.open() as connection:
        connection.execute(BIG)
        renew(connection)
        connection.execute("DELETE FROM result WHERE trial % 3 = 0")
        renew(connection)
        publish(catalog, site.snapshot)
    with duckdb.connect(str(site.current), read_only=True) as snapshot:
        assert snapshot.execute("SELECT count(*) FROM unkept").fetchone() == (0,)
        assert snapshot.execute("SELECT count(*) FROM kept_summary").fetchone() == (20_000,)
        snapshot.execute(ALL)
        assert (
            snapshot.execute(f"FROM {SAID} EXCEPT FROM reckoned(trials := 'every')").fetchall()
            == []
        )
