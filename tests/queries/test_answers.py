"""Every question's answer against the same computed in Python from the rows of the tables (`tests.queries.recomputed`), on the catalog of the
demo and on one that is drawn at random; and which questions have no number of their own to compute again."""

import math
import re
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest

from schema.questions import Question, all_questions
from tests.drawn import drawn
from tests.filled import Filled
from tests.queries.recomputed import ANSWERS, UNTOLD, Facts, Row
from tests.template import demo_catalog

QUESTIONS = {question.name: question for question in all_questions()}
PARAMETERS: dict[str, list[dict[str, Any]]] = {  # besides the defaults
    "retention_at_budget": [
        {"budget": "medium", "stream": "world"},
        {"backbone": "big"},
        {"recipe": "high"},
    ],
    "comparison": [{"budget": "medium", "stream": "world"}, {"backbone": "big", "recipe": "usual"}],
    "trade_off": [{"stream": "line"}, {"backbone": "big"}],
    "cheapest": [
        {"min_gain": -1.0, "max_loss": 1.0},
        {"min_gain": 0.0, "max_loss": 0.1, "stream": "world"},
    ],
    "cost_to_target": [{"target": 0.6}, {"target": 0.45, "stream": "line"}],
    "bigger": [{"measure": "a_zs"}],
    "effect": [
        {"axis": axis, "measure": "a_ka"}
        for axis in ("backbone", "stream", "mixture", "recipe", "budget", "ordering", "tasks")
    ]
    + [{"measure": "zs_ratio", "among": "finetune,lora"}]
    + [{"measure": "a_zs", "recipes": "chosen"}, {"measure": "a_ka", "every_look": True}],
    "compared": [{"every_look": True}],
    "improvement": [{"reference": "ewc", "stream": "world"}],
    "average_ranks": [{"stream": "line"}],
    "chosen_recipe": [{"measure": "a_ka", "validation": "reversed"}],
    "at_recipes": [{"recipes": "chosen", "validation": "reversed"}],
    "at_end": [
        *({"measure": measure} for measure in ("a_ka", "a_zs", "d_ka", "d_zs", "zs_ratio")),
        *({"after_task": task} for task in (0, 1)),
    ],
    "merge_enough": [{"measure": "a_ka", "recipes": "chosen"}],
    "peft_or_full": [{"measure": "a_ka", "recipes": "chosen", "validation": "reversed"}],
    "ordering": [{"measure": "a_ka"}],
    "schedule": [{"on_test": True}, {"measure": "a_ka", "on_test": True}],
    "granularity": [{"measure": "d_ka"}],
    "ranked": [
        {"measure": "a_ka", "stream": "world"},
        {"tuning": "lora"},
        {"objective": "ewc", "study": "first"},
    ],
    "paired": [
        {"a": "lora", "b": "ewc", "measure": "a_zs"},
        {"a": "lora", "b": "ewc", "recipes": "chosen", "validation": "reversed"},
    ],
    "decide": [
        {"a": "lora", "b": "ewc", "measure": "a_ka"},
        {"a": "lora", "b": "finetune", "power": 0.5},
        {"a": "lora", "b": "finetune", "recipes": "chosen", "validation": "reversed"},
    ],
    "decided": [
        {"a": "lora", "b": "finetune", "measure": "a_ka", "most_seeds": 6},
        {"a": "lora", "b": "ewc", "words": "tiny, world,plain,usual,large"},
        {"a": "lora", "b": "finetune", "recipes": "chosen"},
    ],
    "best_of": [
        {"methods": "lora, ewc,finetune", "measure": "a_zs", "most_seeds": 7},
        {"methods": "lora,ewc", "words": "tiny,world,plain,usual,large"},
    ],
    "tuned": [
        {"measure": "a_ka", "seeds": 2},
        {"study": "first"},
        {"study": "grown", "draws": 2},
        {"study": "grown", "draws": 3},
    ],
    "suggested": [
        {"base": "usual", "study": "grown", "lr_low": 1e-4, "lr_high": 1e-2},
        {
            "base": "usual",
            "study": "grown",
            "lr_low": 2e-4,
            "lr_high": 3e-3,
            "draws": 4,
            "at_once": 5,
            "measure": "a_zs",
            "sampler_seed": 8,
        },
    ],
    "halving": [
        {"study": "first", "rungs": "small, medium,large", "keep": 0.5, "on_test": True},
        {"study": "second", "rungs": "medium,seen", "keep": 0.1, "on_test": True},
    ],
    "searched": [{"study": "first", "on_test": True}, {"study": "second", "on_test": True}],
    "rung_after": [
        {"study": "first", "keep": 0.5, "on_test": True},
        {"study": "second", "after_task": 2, "measure": "a_zs", "keep": 0.1, "on_test": True},
    ],
    "fallen_behind": [{"study": "second", "after_task": 1, "keep": 0.1, "on_test": True}],
    "sweep": [
        {"base": "usual", "lr_low": 1e-5, "lr_high": 1e-2, "draws": 30},
        {"base": "high", "decay_low": 0.01, "decay_high": 1.0},
    ],
    "bootstrap": [{"measure": "d_zs", "stream": "line"}],
    "lost": [{"dataset": "dogs", "stream": "line"}, {"backbone": "big"}],
    "beside_full": [{"budget": "medium", "stream": "world"}],
    "heat_difference": [
        {
            "method_a": "lora",
            "mixture_a": "plain",
            "recipe_a": "usual",
            "method_b": "ewc",
            "mixture_b": "plain",
            "recipe_b": "usual",
        }
    ],
    "profiles": [{"budget": "flops", "tasks": 2}],
    "grid_cost": [{"methods": "lora,ewc", "streams": "line", "seeds": 5, "first_seed": 1}],
    "grid_total": [{"methods": "lora,ewc", "streams": "line", "seeds": 5, "first_seed": 1}],
    "reproduced": [{"tolerance": 0.5}],
}
NO_NUMBER = {  # questions that are not computed again, and where else their answers are tested
    "definition": "the rows of the axes as JSON: tests/schema/test_definition.py",
    "ending": "outcomes with a text in which numbers are #: tests/queries/test_queries_states.py",
    "failures": "outcomes by that text: tests/queries/test_queries_states.py",
    "imports": "what was run elsewhere: tests/schema/imports/test_take.py",
    "health": "problems as they were found: tests/queries/test_queries_states.py",
    "disk": "bytes as they were measured: tests/runner/scheduler/test_disk.py",
    "item": "rows of files beside the results: tests/queries/test_items.py",
    "item_files": "files beside the results: tests/runner/test_items.py",
    "item_changes": "items of two tasks: tests/queries/test_items.py",
    "items_forgotten": "shares of items: tests/queries/test_items.py",
    "items_fallen": "shares of items: tests/queries/test_items.py",
    "items_lost_by": "items that were lost: tests/queries/test_items.py",
    "classes_forgotten": "shares of items: tests/queries/test_items.py",
    "forget_alike": "items of pairs of trials: tests/queries/test_items.py",
    "paired_items": "items of pairs of trials: tests/queries/test_items.py",
    "labelled": "the columns of `seeds` with what people said: tests/screens/test_app.py",
    "mates": "which trials train the same, by a hash: tests/runner/worker/test_sharing.py, tests/queries/test_queries_states.py",
    "neighbours": "trials drawn by chance: tests/schema/test_summaries.py",
    "ready": "what sync may start: tests/queries/test_queries_states.py, tests/runner/worker/test_sharing.py",
    "stream_seen": "a hash: tests/schema/test_summaries.py",
    "todo": "what sync may start now: tests/queries/test_queries_states.py, tests/runner/worker/test_sharing.py",
    "asked_suite": "what somebody set in the connection: tests/queries/test_queries_measured.py",
    "setting_of": "words that are taken apart: tests/queries/test_queries.py",
    "later": "rows of attempts that measure: tests/queries/test_queries_measured.py",
    "measurable": "what sync may measure: tests/queries/test_queries_measured.py",
    "measurements": "what became of measurements: tests/queries/test_queries_measured.py",
    "measuring_cost": "what they will cost: tests/queries/test_queries_measured.py",
    "adopted": "attempts of another lab: tests/runner/scheduler/test_adopt.py",
    "retraining": "what is trained again: tests/queries/test_queries_retraining.py",
    "trained": "ends of attempts that train: tests/queries/test_queries_measured.py",
    "unmeasured": "what is missing: tests/queries/test_queries_measured.py",
    "trunk": "a hash, whose number of values is in `sharing`: tests/runner/scheduler/test_sharing_rule.py",
    "unkept": "which trials have newer facts: tests/schema/test_summaries.py",
}
ASKED = [(name, {}) for name in ANSWERS] + [
    (name, asked) for name, several in PARAMETERS.items() for asked in several
]
# The words of a trial but the seed, which a grain names together
SETTING = ("backbone", "stream", "mixture", "method", "recipe", "budget")
GRAIN = {
    "student": ["df"],
    "critical": ["df", "halvings"],
    "at_end": ["trial"],
    "at_recipes": ["trial"],
    "method_ends": ["trial"],
    "next": ["urgency", "backbone", "stream", "mixture", "method", "recipe", "budget"],
    "grid_total": ["combinations"],
}


@pytest.fixture(scope="module")
def rich() -> Iterator[tuple[Filled, Facts]]:
    made = Filled()
    drawn(made)
    yield made, Facts(made.connection)
    made.connection.close()


@pytest.fixture(scope="module")
def demo() -> Iterator[tuple[Any, Facts]]:
    with demo_catalog() as connection:
        yield connection, Facts(connection)


def test_every_question_is_computed_again_or_says_where_it_is_tested() -> None:
    asked = {name for name, question in QUESTIONS.items() if not question.is_audit}
    assert asked == ANSWERS.keys() | NO_NUMBER.keys()
    assert not ANSWERS.keys() & NO_NUMBER.keys() and PARAMETERS.keys() <= ANSWERS.keys()


@pytest.mark.parametrize(
    ("name", "parameters"),
    ASKED,
    ids=lambda value: value if isinstance(value, str) else ",".join(value),
)
def test_answers_of_a_drawn_catalog(
    name: str, parameters: dict[str, Any], rich: tuple[Filled, Facts]
) -> None:
    filled, facts = rich
    same(
        QUESTIONS[name],
        asked(filled.connection, QUESTIONS[name], parameters),
        ANSWERS[name](facts, **parameters),
    )


@pytest.mark.slow
@pytest.mark.parametrize("name", ANSWERS)
def test_answers_of_the_demo(name: str, demo: tuple[Any, Facts]) -> None:
    connection, facts = demo
    same(QUESTIONS[name], asked(connection, QUESTIONS[name], {}), ANSWERS[name](facts))


def asked(connection: Any, question: Question, parameters: dict[str, Any]) -> list[Row]:
    """The rows of an answer."""
    given = (
        f"({', '.join(f'{name} := ${name}' for name in parameters)})"
        if question.kind == "macro"
        else ""
    )
    connection.execute("BEGIN")
    if question.name.startswith("reckoned"):
        # They are asked where nothing is kept
        connection.execute("DELETE FROM kept_until")
    found = connection.execute(f"FROM {question.name}{given}", parameters)
    columns = [column[0] for column in found.description]
    rows = [dict(zip(columns, row, strict=True)) for row in found.fetchall()]
    connection.execute("ROLLBACK")
    return rows


def same(question: Question, got: list[Row], want: list[Row]) -> None:
    differences = different(question, got, want)
    assert not differences, "\n".join(differences[:8])


def different(question: Question, got: list[Row], want: list[Row]) -> list[str]:
    """Where two answers differ: rows by their grain, then every column of each."""
    key = grain(question, got or want)
    ours, theirs = (
        {tuple(row[column] for column in key): row for row in rows} for rows in (got, want)
    )
    found = [
        f"{len(rows)} rows of {len(own)} keys"
        for rows, own in ((got, ours), (want, theirs))
        if len(rows) != len(own)
    ]
    found += [
        f"only in the question's: {dict(zip(key, name, strict=True))}"
        for name in ours
        if name not in theirs
    ]
    found += [
        f"only in the recomputed: {dict(zip(key, name, strict=True))}"
        for name in theirs
        if name not in ours
    ]
    for name in [name for name in ours if name in theirs]:
        if ours[name].keys() != theirs[name].keys():
            return [
                *found,
                f"columns in one alone: {sorted(ours[name].keys() ^ theirs[name].keys())}",
            ]
        for column, value in ours[name].items():
            other = theirs[name][column]
            if other is not UNTOLD and not alike(value, other):
                found.append(f"{name}: {column} is {value!r} and recomputed {other!r}")
    return found


def grain(question: Question, rows: list[Row]) -> list[str]:
    """The columns that the grain names."""
    columns = list(rows[0]) if rows else []
    listed = re.match(r"one row per (?:\(([a-z_, ]+)\)|([a-z ]+))", question.grain)
    assert listed is not None
    names = (
        listed[1].split(", ")
        if listed[1]
        else [word for word in listed[2].split() if word in columns][:1]
    )
    if "setting" in names and "setting" not in columns:
        names = [*SETTING, *(name for name in names if name != "setting")]
    return [column for column in GRAIN.get(question.name, names) if column in columns]


def alike(value: object, other: object) -> bool:
    """Equal, as far as sums of floats can be; a time may be given in seconds."""
    if isinstance(value, datetime) and isinstance(other, float):
        return math.isclose(value.timestamp(), other, abs_tol=1e-3)
    if (
        isinstance(value, bool)
        or isinstance(other, bool)
        or not isinstance(value, int | float)
        or not isinstance(other, int | float)
    ):
        return bool(other == value)
    return math.isclose(value, other, rel_tol=1e-9, abs_tol=1e-9)
