"""What is measured later, on another suite: which values hold, what is missing, which state it is in, and what it leaves as it was.
On the catalog of `tests.filled`, whose numbers are short."""

import json
from collections.abc import Iterator

import pytest

from queries import AskError, ask, named
from queries.asking import asked_of, statement
from queries.suites import about, takes_suite
from tests.filled import DATASETS, PAPER, Filled

SUITE = """
INSERT INTO dataset (name, format, kind, test_pairs) VALUES ('cars', 'world', 'classification', 100), ('text', 'world', 'retrieval', 20);
INSERT INTO suite (name) VALUES ('later');
INSERT INTO suite_member (suite, dataset, role, metric, weight) VALUES
    ('later', 'birds', 'adapt', 'top1', 1), ('later', 'cars', 'retain', 'top1', 1), ('later', 'text', 'retain', 'top1', 3);
"""
LATER = {"cars": 0.4, "text": 0.8}


@pytest.fixture
def filled() -> Iterator[Filled]:
    """Trial 1 is done, and the suite `later` is declared after the fact."""
    made = Filled()
    made.connection.execute(SUITE)
    made.done(PAPER)
    yield made
    made.connection.close()


def measure(filled: Filled, trial: int = 1, tasks: str = "last", suite: str = "later") -> None:
    filled.connection.execute(
        "INSERT INTO measurement (trial, suite, tasks) VALUES (?, ?, ?)", [trial, suite, tasks]
    )


def measured(
    filled: Filled, attempt: int, state: str | None = "done", suite: str = "later", **words: str
) -> None:
    """An attempt of trial 1 that measures."""
    filled.attempt(1, attempt, state, **words)
    filled.connection.execute(
        "UPDATE attempt SET measures = ? WHERE trial = 1 AND attempt = ?", [suite, attempt]
    )


def missing(filled: Filled) -> set[tuple[int, str]]:
    return {(row["task"], row["dataset"]) for row in filled.rows("unmeasured", trial=1)}


def state(filled: Filled) -> str:
    return str(filled.row("measurements", trial=1)["state"])


def test_what_is_there_is_not_missing(filled: Filled) -> None:
    """The stream's own suite measured birds already: the value is of any suite that has the member."""
    measure(filled)
    assert missing(filled) == {(0, "cars"), (0, "text"), (2, "cars"), (2, "text")}
    measure(filled, tasks="all")
    assert missing(filled) == {(task, name) for task in (0, 1, 2) for name in ("cars", "text")}
    assert filled.row("todo") == {
        **{key: value for key, value in filled.row("trial", id=1).items() if key in SENTENCE},
        "trial": 1,
        "attempt": 2,
        "priority": 0,
        "study": "first",
        "measures": "later",
        "retrains": None,
    }


SENTENCE = ("backbone", "stream", "mixture", "method", "recipe", "budget", "seed")


def test_values_measured_later_hold_and_change_nothing_of_training(filled: Filled) -> None:
    measure(filled)
    before = [
        filled.rows(view) for view in ("trial_state", "point", "trajectory", "finished", "phases")
    ]
    measured(filled, 2)
    for task in (0, 2):
        filled.results(1, task, LATER, attempt=2, step=10 * task)
        filled.cost(1, task, "measure", attempt=2)
    assert state(filled) == "done" and missing(filled) == set()
    after = [filled.rows(view) for view in ("trial_state", "point", "trajectory", "finished")]
    assert after == before[:-1]
    assert [row for row in filled.rows("phases") if row["phase"] != "measure"] == before[-1]
    assert filled.row("costs", phase="measure")["lost_flops"] == 0
    with about(filled.connection, "later"):
        last = filled.row("point", task=2)
    assert (last["a_ka"], last["retain_measured"]) == (pytest.approx(PAPER[2][0]), 2)
    assert last["a_zs"] == pytest.approx((0.4 + 3 * 0.8) / 4)
    assert filled.row("point", task=2)["retain_measured"] == 2
    assert filled.row("point", task=2)["a_zs"] == pytest.approx(0.55)


def test_a_dataset_that_is_added_is_measured_alone(filled: Filled) -> None:
    measure(filled)
    measured(filled, 2)
    for task in (0, 2):
        filled.results(1, task, LATER, attempt=2)
    filled.connection.execute(
        "INSERT INTO suite_member (suite, dataset, role, metric) VALUES ('later', 'ships', 'retain', 'top5')"
    )
    assert missing(filled) == {(0, "ships"), (2, "ships")} and state(filled) == "pending"
    with about(filled.connection, "later"):
        assert filled.row("point", task=2)["a_zs"] is None
    filled.results(1, 2, {"ships": 0.5}, attempt=2, metric="top5")
    with about(filled.connection, "later"):
        assert filled.row("point", task=2)["a_zs"] == pytest.approx((0.4 + 3 * 0.8 + 0.5) / 5)


def test_candidates_of_a_union_are_those_of_the_suite(filled: Filled) -> None:
    """What was measured among other candidates is another value, though it is called the same."""
    filled.connection.execute("UPDATE suite_member SET label_space = 'union' WHERE suite = 'later'")
    filled.results(1, 2, {"birds": 0.1}, label_space="union", step=20)
    measure(filled)
    assert (2, "birds") in missing(filled)
    measured(filled, 2)
    for task in (0, 2):
        filled.results(1, task, {"birds": 0.3, **LATER}, attempt=2, label_space="union")
    assert missing(filled) == set()
    with about(filled.connection, "later"):
        assert filled.row("point", task=2)["a_ka"] == pytest.approx(0.3)
    # One more rival makes every value another
    filled.connection.execute(
        "INSERT INTO suite_member (suite, dataset, role, metric, label_space) VALUES ('later', 'toys', 'probe', 'top1', 'union')"
    )
    assert missing(filled) == {
        (task, name) for task in (0, 2) for name in ("birds", "cars", "text", "toys")
    }


def test_a_part_of_a_test_set_is_of_its_suite_alone(filled: Filled) -> None:
    filled.connection.execute("UPDATE suite SET subset = 0.5 WHERE name = 'later'")
    measure(filled)
    assert (0, "birds") in missing(filled) and (2, "birds") in missing(filled)
    measured(filled, 2)
    for task in (0, 2):
        filled.results(1, task, {"birds": 0.3, **LATER}, attempt=2)
    assert missing(filled) == set()


def test_states_of_a_measurement(filled: Filled) -> None:
    """As those of a trial, by its own attempts and wishes."""
    measure(filled)
    assert state(filled) == "pending"
    measured(filled, 2, None)
    assert state(filled) == "running" and filled.rows("measurable") == []
    assert filled.row("stage", trial=1)["state"] == "done"
    filled.connection.execute(
        "INSERT INTO outcome (trial, attempt, state, kind, message) VALUES (1, 2, 'failed', 'error', 'no such file 7')"
    )
    assert state(filled) == "failed" and filled.rows("measurable") == []
    assert "'retry'" in filled.row("failures")["retry"]
    wish = "INSERT INTO request (trial, wish, suite) VALUES (1, '{}', {})"
    filled.connection.execute(wish.format("retry", "'other'"))
    assert state(filled) == "failed"
    filled.connection.execute(wish.format("retry", "'later'"))
    assert state(filled) == "pending" and filled.row("measurable")["attempt"] == 3
    filled.connection.execute(wish.format("withdraw", "'later'"))
    assert state(filled) == "withdrawn" and filled.rows("todo") == []
    assert filled.row("stage", trial=1)["state"] == "done"
    filled.connection.execute(wish.format("retry", "NULL"))
    assert state(filled) == "pending"
    filled.connection.execute(wish.format("withdraw", "NULL"))
    assert state(filled) == "withdrawn"


def test_a_measurement_waits_for_its_trial(filled: Filled) -> None:
    trial = filled.trial(method="lora")
    filled.attempt(trial, 1, None)
    measure(filled, trial)
    row = filled.row("measurements", trial=trial)
    assert (row["state"], row["reason"]) == (
        "waiting",
        "is measured when its trial is done, which is running",
    )
    assert filled.rows("todo") == []


def test_a_suite_on_which_too_many_fail_alike_is_held(filled: Filled) -> None:
    """A dataset that cannot be read fails a few attempts, not one of each trial; training goes on."""
    filled.connection.execute("UPDATE policy SET value = 1 WHERE name = 'same_errors'")
    other = filled.done(PAPER, seed=1)
    new = filled.trial(seed=2)
    measure(filled)
    measure(filled, other)
    measured(filled, 2, "failed", kind="error", message="cannot be read")
    assert [row["trial"] for row in filled.rows("todo")] == [new]
    assert filled.row("measurements", trial=other)["reason"].startswith("held: too many trials")


def test_what_pending_measurements_cost(filled: Filled) -> None:
    """An image has taken 1 s / 160 pairs; task 0 is measured once for all trials of the backbone."""
    measure(filled)
    measure(filled, filled.done(PAPER, seed=1))
    row = filled.row("measuring_cost")
    assert (row["trials"], row["missing"], row["unknown"]) == (2, 8, 0)
    assert row["seconds"] == pytest.approx(3 * (100 + 20) / 160)


def test_any_question_about_results_takes_a_suite(filled: Filled) -> None:
    measure(filled)
    measured(filled, 2)
    for task in (0, 2):
        filled.results(1, task, LATER, attempt=2, step=10 * task)
    connection = filled.connection
    for name in ("point", "trajectory", "ranked", "comparison", "trade_off", "forgetting", "heat"):
        assert takes_suite(named(name)), name
    for name in ("status", "todo", "measurements", "steps", "attempts"):
        assert not takes_suite(named(name)), name
    asked = asked_of(connection, named("point"), ["suite=later", "task=2"])
    assert (asked.parameters, asked.where) == ({"suite": "later"}, {"task": "2"})
    assert asked_of(connection, named("measurements"), ["suite=later"]).where == {"suite": "later"}
    assert statement(named("point"), ["suite=later"]).startswith("SET VARIABLE suite = 'later';\n")
    with pytest.raises(AskError, match="has no parameter 'suite'"):
        asked_of(connection, named("status"), ["suite=later"])


def test_an_unknown_suite_is_refused(filled: Filled, tmp_path: object) -> None:
    from queries import answer

    with pytest.raises(AskError, match="unknown suite 'latr'. Known: five, later. Did you mean"):
        answer(filled.connection, named("point"), {"suite": "latr"})
    frame = answer(filled.connection, named("point"), {"suite": "later"})
    assert set(frame["retain_wanted"]) == {2}
    assert set(answer(filled.connection, named("point"), {})["retain_wanted"]) == {2}
    assert answer(filled.connection, named("point"), {"suite": "five"})["a_zs"].to_list() == [
        0.7,
        0.6,
        0.55,
    ]
    assert ask is not None and set(DATASETS) >= {"birds"}


def test_what_measures_no_trial_is_found(filled: Filled) -> None:
    measure(filled, 99)
    assert filled.row("audit_orphans")["fact"] == "measurement"
    assert filled.row("measurements", trial=99)["reason"] == "there is no such trial"


def test_a_dataset_that_was_edited_after_it_was_measured_is_found(filled: Filled) -> None:
    measured(filled, 2)
    (row,) = filled.rows("dataset", name="cars")
    keys = ("name", "format", "location", "params", "kind", "classes", "templates")
    words = {key: json.loads(row[key]) if key in JSON else row[key] for key in keys}
    spec = {"measures": {"datasets": [words]}, "version": 1}
    filled.connection.execute(
        "UPDATE attempt SET spec = ? WHERE attempt = 2", [json.dumps(spec, sort_keys=True)]
    )
    assert filled.rows("definition_drift", attempt=2) == []
    filled.connection.execute("UPDATE dataset SET templates = '[\"a {}\"]' WHERE name = 'cars'")
    assert filled.row("definition_drift", attempt=2)["words"] == ["dataset cars"]


JSON = ("params", "classes", "templates")


def test_what_is_wanted_is_what_the_widest_wish_asks_for(filled: Filled) -> None:
    """The two ends of the stream, or every task, of each of the suite's three datasets."""
    wanted = []
    for tasks in ("last", "all"):
        measure(filled, tasks=tasks)
        row = filled.row("measurements", trial=1)
        wanted.append((row["tasks"], row["wanted"], row["missing"]))
    assert wanted == [("last", 6, 4), ("all", 9, 6)]
