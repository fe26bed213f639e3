"""The SQL console: what it refuses, when it ends a statement, and how every type is shown."""

import contextlib
import os
import threading
from pathlib import Path

import duckdb
import pytest

from schema.locked import locked
from screens import console, reading, statement
from screens.statement import StatementError
from tests.screens.opening import opened


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("INSERT INTO trial (backbone) VALUES ('x')", "one SELECT at a time, and this is INSERT"),
        ("SELECT 1; DROP TABLE trial", "this is SELECT, DROP"),
        ("COPY trial TO 'out.csv'", "this is COPY"),
        ("SET enable_external_access = true", "this is SET"),
        ("ATTACH 'other.duckdb'", "this is ATTACH"),
        ("SELECT * FROM read_csv('/etc/passwd')", "disabled by configuration"),
        ("SELECT * FROM read_text('site.toml')", "disabled by configuration"),
        ("SELECT * FROM 'https://example.org/x.parquet'", "(?i)disabled|does not exist"),
        ("SELECT * FROM glob('/*')", "disabled by configuration"),
        ("SELECT nonsense", "nonsense"),
        ("", "this is nothing"),
    ],
)
def test_the_console_refuses(full: reading.Snapshot, text: str, message: str) -> None:
    """As its process does it, without starting one for each."""
    refusal = pytest.raises((StatementError, duckdb.Error), match=message)
    with contextlib.closing(locked(Path(full[0]))) as connection, refusal:
        statement.answered(connection, text, 10)


def test_what_the_console_refuses_is_said_by_its_process(full: reading.Snapshot) -> None:
    for text, message in (("DROP TABLE trial", "this is DROP"), ("SELECT nonsense", "nonsense")):
        with pytest.raises(StatementError, match=message):
            console.ask(full, text)


def test_the_console_has_limits(full: reading.Snapshot) -> None:
    assert len(console.ask(full, "SELECT * FROM range(1000000)")) == console.ROWS + 1
    with pytest.raises(
        StatementError, match=r"The answer has \d+ MB, and the console shows at most 50"
    ):
        console.ask(full, "SELECT repeat('x', 100000) AS x FROM range(1000)")


@pytest.mark.parametrize(
    "text",
    [
        "SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b",
        # One call of a function, within which DuckDB looks at no interruption.
        "SELECT levenshtein(repeat('ab', 200000), repeat('ba', 200000))",
    ],
)
def test_the_console_ends_what_takes_too_long(full: reading.Snapshot, text: str) -> None:
    """Its process is gone, too: it was ended by the kernel, and nothing of it goes on."""
    with pytest.raises(StatementError, match="Stopped after 0.5 s. Ask for less"):
        console.ask(full, text, seconds=0.5)
    children = Path(f"/proc/{os.getpid()}/task/{threading.get_native_id()}/children").read_text()
    for child in children.split():
        assert b"screens.statement" not in Path(f"/proc/{child}/cmdline").read_bytes()


def test_the_console_shows_every_type(full: reading.Snapshot) -> None:
    """Those without a column of their own in a data frame or in CSV are text."""
    text = (
        "SELECT max(finished_at - started_at) AS took, [INTERVAL 1 DAY] AS days, {'a': 1} AS pair, "
        "MAP {'k': 2} AS map, 'x'::BLOB AS bytes, '101'::BIT AS bits, uuid() AS id, "
        'sum(seed) AS total, NULL AS nothing, [1, 2] AS list, now() AS at, 1 AS "we""ird" '
        "FROM outcome JOIN trial ON trial.id = outcome.trial"
    )
    row = console.ask(full, text).row(0, named=True)
    assert ":" in row["took"] and row["days"] == "[1 day]" and row["pair"] == "{'a': 1}"
    assert (row["map"], row["bytes"], row["bits"]) == ("{k=2}", "x", "101")
    assert row["list"] == [1, 2] and row["nothing"] is None and row['we"ird'] == 1
    at = opened("console", sql=text)
    assert not at.error and len(at.dataframe) == 1


def test_a_statement_whose_process_dies_says_so(
    full: reading.Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(statement.sys, "executable", "/bin/false")
    with pytest.raises(StatementError, match="ended with code 1, perhaps because the machine is"):
        console.ask(full, "SELECT 2")


def test_the_console_answers_from_the_address(full: reading.Snapshot) -> None:
    at = opened("console", sql="SELECT count(*) AS trials FROM trial", table="trial")
    assert at.dataframe[0].value["trials"].to_list() == [16]
    assert "seed" in at.dataframe[1].value["column"].to_list()
    refused = opened("console", sql="DELETE FROM trial")
    assert "this is DELETE" in refused.error[0].value
