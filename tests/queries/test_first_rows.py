"""The first rows of an answer are those of the whole, however many trials were looked at for them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from queries import answer, first, questions
from queries.first import leading
from schema.questions import Question
from schema.summaries import renew
from tests.filled import Filled, shifted, varied

QUESTIONS = {question.name: question for question in questions()}
SORTED = {  # what each of these is sorted by, as far as a part of the trials can be told by it
    "anytime": ["trial"],
    "stability_gap": ["trial"],
    "cells": ["backbone", "stream", "budget"],
    "effect": ["backbone", "stream", "mixture"],
    "trade_off": ["backbone", "stream"],
    "bigger": ["stream", "mixture", "method"],
    "heat_difference": ["backbone", "stream", "budget"],
    "lost": ["role", "dataset", "label_space", "backbone", "stream"],
    "todo": [],
    "status": [],
    "measured": [],  # not sorted
    "finished": [],
}


@pytest.fixture(scope="module")
def many(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Filled]:
    made = Filled(tmp_path_factory.mktemp("many") / "catalog.duckdb")
    varied(made)
    made.connection.execute(
        "INSERT INTO backbone (name, architecture) VALUES ('a first', 'ViT-B-32'), ('without trials', 'x')"
    )
    made.connection.execute("INSERT INTO budget (name, unit, total) VALUES ('a bit', 'steps', 10)")
    for seed in range(3):
        made.done(shifted(seed / 100), backbone="a first", seed=seed)
        made.done(shifted(seed / 50), budget="a bit", seed=seed)
    renew(made.connection)
    yield made
    made.connection.close()


@pytest.mark.parametrize("name", SORTED)
def test_what_an_answer_is_sorted_by(name: str, many: Filled) -> None:
    question = QUESTIONS[name]
    columns = many.connection.sql(
        f"FROM {name}{'()' if question.kind == 'macro' else ''} LIMIT 0"
    ).columns
    assert list(leading(question.sql, columns)) == SORTED[name]


@pytest.mark.parametrize(
    "question",
    [q for q in QUESTIONS.values() if first.ORDER.search(q.sql)],
    ids=lambda question: question.name,
)
def test_the_first_rows_are_those_of_the_whole(
    question: Question, many: Filled, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Parts that end within the few trials there are
    monkeypatch.setattr(first, "PARTS", (0, 2))
    asked = {"cheapest": {"max_loss": 0.5}}.get(question.name, {})
    whole = answer(many.connection, question, asked)
    few, more = 2, 8
    # Where there are no more than the few, asking for more is the same
    for rows in (few, more) if len(whole) > few else (few,):
        found = answer(many.connection, question, asked, rows=rows)
        by = list(leading(question.sql, whole.columns))
        assert len(found) == min(rows, len(whole))
        assert found.select(by).rows() == whole.head(rows).select(by).rows()


def test_the_first_member_of_suites_is_asked_for(many: Filled) -> None:
    columns = many.connection.sql("FROM lost() LIMIT 0").columns
    assert leading(QUESTIONS["lost"].sql, columns)["role"] == "DESC", "retain before adapt"
    for chosen, member in (
        ({}, ["retain", "cats", "all"]),
        ({"dataset": "birds"}, ["adapt", "birds", "all"]),
    ):
        (condition, bounds), *_ = first.parts(
            many.connection, QUESTIONS["lost"].sql, columns, chosen, 1
        )
        assert condition.startswith(
            '"role" = ? AND "dataset" = ? AND "label_space" = ? AND ("backbone", "stream") <= '
        )
        assert bounds[:3] == member


def test_parts_hold_what_comes_first_and_no_more_than_it_takes(many: Filled) -> None:
    question = QUESTIONS["cells"]
    found = list(first.parts(many.connection, question.sql, ["backbone"], {}, 1))
    assert len(found) == 1, "there are not 150 trials"
    (condition, bounds), *_ = found
    assert (condition, bounds[0]) == ('("backbone", "stream", "budget") <= (?, ?, ?)', "tiny")

    def bounds_of(backbone: str) -> set[tuple[object, ...]]:
        chosen = {"backbone": backbone, "resamples": 5}
        parts = first.parts(many.connection, question.sql, ["backbone"], chosen, 0)
        return {tuple(bounds) for _, bounds in parts}

    assert bounds_of("tiny") == {("tiny", "in_parts", "small")}, "of the trials asked for"
    assert bounds_of("a first") == set(), "a part with all of them would be the whole, twice"


def above_condition(
    plan: list[dict[str, Any]], words: str, above: tuple[str, ...] = ()
) -> Iterator[tuple[str, ...]]:
    """Yield for each place of a plan where `words` are a condition the names of the steps above."""
    for step in plan:
        if words in str(step["extra_info"].get("Expressions")):
            yield above
        yield from above_condition(step["children"], words, (*above, step["name"]))


def test_what_is_wanted_of_a_resampling_is_chosen_before_it_is_resampled(many: Filled) -> None:
    """Otherwise all combinations are drawn a thousand times for the first rows: over a million
    trials that takes minutes in place of a second.
    """
    words = "('tiny', 'world', 'plain')"
    text = f"FROM bootstrap() WHERE (backbone, stream, mixture) <= {words}"
    many.connection.execute("PRAGMA explain_output='optimized_only'")
    ((_, plan),) = many.connection.execute(f"EXPLAIN (FORMAT json) {text}").fetchall()
    many.connection.execute("PRAGMA explain_output='physical_only'")
    assert any("WINDOW" in above for above in above_condition(json.loads(plan), words))
