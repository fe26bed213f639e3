"""The first rows of an answer are computed from about as many rows as before.

Rows are counted, not seconds: those that the steps of DuckDB's plan hand on, over a catalog of many
settings. A plan that reads the results of all trials where it read those of one setting hands on
several times as many.
"""

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import big
from queries import answer, named, questions
from schema.questions import Question
from schema.summaries import alone, renew
from tests.filled import Filled

GOLDEN = Path(__file__).parent.parent / "golden/rows_read.json"
# Rows of an answer that are asked for: those of a part of the first of the streams
WANTED = 5
# Three seeds of two budgets and three methods on each of ten streams, 50 results each
TRIALS = """INSERT INTO trial BY NAME
SELECT 'tiny' AS backbone, format('big_{}', n // 36) AS stream,
       ['plain', 'replay'][n // 18 % 2 + 1] AS mixture,
       ['ewc', 'finetune', 'lora'][n // 6 % 3 + 1] AS method,
       'usual' AS recipe, ['small', 'large'][n // 3 % 2 + 1] AS budget, n % 3 AS seed,
       'big' AS study
FROM range(360) AS numbers(n)"""
DONE = """
INSERT INTO attempt (trial, attempt, spec, spec_id, batch, position, code)
SELECT id, 1, '{}', 'abc', 'weir-1', id, '0123456789abcdef' FROM trial;
INSERT INTO submission (trial, attempt, backend, job_id, folder)
SELECT id, 1, 'slurm', format('1_{}', id), format('runs/{:06d}/01', id) FROM trial;
INSERT INTO outcome (trial, attempt, state, started_at, finished_at)
SELECT id, 1, 'done', TIMESTAMPTZ '2026-01-01', TIMESTAMPTZ '2026-01-02' FROM trial;
"""
SETTING = "tiny,big_0,plain,usual,small"
# What a rule asks at every pass, and with the filters that a person would give
NARROWED: dict[str, tuple[str, dict[str, object], dict[str, object]]] = {
    "best_of a setting": ("best_of", {"methods": "ewc,lora", "words": SETTING}, {}),
    "decided of a setting": ("decided", {"a": "ewc", "b": "lora", "words": SETTING}, {}),
    "improvement on a stream": ("improvement", {"reference": "ewc", "stream": "big_9"}, {}),
    "average_ranks on a stream": ("average_ranks", {"stream": "big_9"}, {}),
} | {
    f"{name} of a method": (name, {}, {"stream": "big_9", "method": "lora"})
    for name in ("comparison", "continual", "forgetting", "heat", "interquartile", "member_ends")
}


@pytest.fixture(scope="module")
def many() -> Iterator[Filled]:
    """A catalog of 360 finished trials with 18,000 results."""
    made = Filled()
    # One, as several would read ahead of each other
    made.connection.execute("SET threads = 1")
    for statement in (*big.AXES, TRIALS, DONE):
        made.connection.execute(statement)
    for statement in (big.RESULTS, big.COST):
        made.connection.execute(statement, {"first": 1, "last": 360})
    renew(made.connection)
    yield made
    made.connection.close()


def handed_on(step: dict[str, Any]) -> int:
    """Return how many rows a step of a plan and those below it hand on."""
    return sum(map(handed_on, step.get("children", [])), step["intermediate_rows"])


def rows_read(
    many: Filled,
    question: Question,
    parameters: dict[str, object] | None = None,
    where: dict[str, object] | None = None,
) -> int:
    """Return how many rows the steps hand on that compute the first rows of an answer."""
    # As an answer does itself; here the views stay until the plan has been looked at
    with alone(many.connection):
        many.connection.execute("PRAGMA enable_profiling = 'no_output'")
        answer(many.connection, question, parameters or {}, rows=WANTED, where=where)
        plan = json.loads(many.connection.get_profiling_information(format="json"))
        many.connection.execute("PRAGMA disable_profiling")
    return sum(map(handed_on, plan.get("operator", [])))


@pytest.mark.slow
def test_first_rows_are_computed_from_no_more_rows_than_before(many: Filled) -> None:
    """After a wanted change, or for a new question: WEIR_ACCEPT=1 python -m pytest of this file,
    then read what became more.
    """
    found = {question.name: rows_read(many, question) for question in questions()}
    for words, (name, parameters, where) in NARROWED.items():
        found[words] = rows_read(many, named(name), parameters, where)
    if os.environ.get("WEIR_ACCEPT"):
        GOLDEN.write_text(json.dumps(found, indent=1) + "\n")
    before: dict[str, int] = json.loads(GOLDEN.read_text())
    assert found.keys() == before.keys()
    more = {
        name: f"{before[name]:,} rows before, {rows:,} now"
        for name, rows in found.items()
        # What a newer DuckDB orders differently is a few
        if rows > 1.25 * before[name] + 200
    }
    assert more == {}


def test_what_reads_every_result_hands_on_several_times_as_many_rows(many: Filled) -> None:
    """The counting itself: the same rows, asked for in a way that no condition gets below."""
    by_word = "(SELECT * FROM member_values WHERE stream = 'big_0' AND method = 'ewc')"
    behind = """(SELECT measured.* FROM measured JOIN trial ON trial.id = measured.trial
                 WHERE trial.stream = 'big_0' AND trial.method = 'ewc' OFFSET 0)"""
    counts = []
    for sql in (by_word, behind):
        many.connection.execute("PRAGMA enable_profiling = 'no_output'")
        rows = many.connection.execute(f"SELECT count(*) FROM {sql}").fetchall()
        plan = json.loads(many.connection.get_profiling_information(format="json"))
        many.connection.execute("PRAGMA disable_profiling")
        assert rows == [(12 * 50,)]
        counts.append(sum(map(handed_on, plan["operator"])))
    assert counts[1] > 1.5 * counts[0], counts
