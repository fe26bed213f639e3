"""Trials that are trained again for their weights: which are due, and that nothing else changes.
On the catalog of `tests.filled`, whose numbers are short."""

from collections.abc import Iterator

import pytest

from schema import grid
from schema.grid import GridError
from tests.filled import DATASETS, PAPER, Filled

WISH = "INSERT INTO request (trial, wish) VALUES (1, '{}')"
# What training says of itself
UNTOUCHED = (
    "stage",
    "trial_state",
    "summary",
    "point",
    "costs",
    "finished",
    "usual_cost",
    "sharing",
    "standing",
)


@pytest.fixture
def filled() -> Iterator[Filled]:
    """Trial 1 is done."""
    made = Filled()
    made.done(PAPER)
    yield made
    made.connection.close()


def wish(filled: Filled, word: str) -> None:
    filled.connection.execute(WISH.format(word))


def again(
    filled: Filled, attempt: int, state: str | None = "done", first: int | None = None, **words: str
) -> None:
    """An attempt that trains trial 1 again."""
    filled.attempt(1, attempt, state, **words)
    filled.connection.execute(
        "UPDATE attempt SET retrains = ? WHERE trial = 1 AND attempt = ?",
        [first or attempt, attempt],
    )


def due(filled: Filled) -> list[tuple[int, int, int]]:
    """Each trial that may be trained again, the attempt, and the first attempt at it."""
    rows = [row for row in filled.rows("todo") if row["retrains"] is not None]
    return [(row["trial"], row["attempt"], row["retrains"]) for row in rows]


def test_a_wish_is_due_until_it_is_fulfilled(filled: Filled) -> None:
    assert due(filled) == []
    wish(filled, "retrain")
    assert due(filled) == [(1, 2, 2)]
    again(filled, 2, None)
    assert due(filled) == [] and filled.row("retraining")["live"]
    filled.connection.execute(
        "INSERT INTO outcome (trial, attempt, state, kind) VALUES (1, 2, 'failed', 'preempted')"
    )
    # The next attempt goes on from this one, never from what was trained before
    assert due(filled) == [(1, 3, 2)]
    again(filled, 3, "done", first=2)
    assert filled.rows("retraining") == []
    wish(filled, "retrain")
    assert due(filled) == [(1, 4, 4)]


def test_what_training_says_of_itself_stays(filled: Filled) -> None:
    before = [filled.rows(view) for view in UNTOUCHED]
    wish(filled, "retrain")
    again(filled, 2)
    for task, row in enumerate(PAPER):
        filled.results(1, task, dict(zip(DATASETS, [*row, 0.5], strict=True)), attempt=2)
        filled.cost(1, task, attempt=2, flops=7e9)
    assert [filled.rows(view) for view in UNTOUCHED] == before
    for audit in ("audit_attempts", "audit_duplicates", "audit_tasks", "audit_code"):
        assert filled.rows(audit) == [], audit
    # What holds is what was there first, and a difference is found
    filled.results(1, 2, {"birds": 0.9}, attempt=2, metric="top5")
    filled.results(1, 2, {"birds": 0.8}, metric="top5")
    assert filled.row("audit_attempts")["highest"] == 0.9


def test_a_wish_ends_by_a_withdrawal_and_comes_again(filled: Filled) -> None:
    wish(filled, "retrain")
    wish(filled, "withdraw")
    assert filled.rows("retraining") == []
    assert filled.row("stage", trial=1)["state"] == "done"
    wish(filled, "retry")
    assert filled.rows("retraining") == []
    wish(filled, "retrain")
    assert due(filled) == [(1, 2, 2)]


def test_one_that_fails_waits_for_a_person(filled: Filled) -> None:
    wish(filled, "retrain")
    again(filled, 2, "failed", kind="error", message="no such file")
    assert due(filled) == [] and filled.row("retraining")["over"]
    wish(filled, "retry")
    assert due(filled) == [(1, 3, 2)]
    again(filled, 3, "failed", first=2, kind="error", message="no such file")
    wish(filled, "retrain")
    assert due(filled) == [(1, 4, 2)]
    assert filled.row("stage", trial=1)["state"] == "done"


def test_a_trial_that_is_not_done_is_only_tried_again(filled: Filled) -> None:
    """The wish is fulfilled by the training that it waits for."""
    trial = filled.trial(method="lora")
    filled.attempt(trial, 1, "failed", kind="error", message="boom")
    filled.connection.execute(f"INSERT INTO request (trial, wish) VALUES ({trial}, 'retrain')")
    assert [(row["trial"], row["retrains"]) for row in filled.rows("todo")] == [(trial, None)]
    filled.attempt(trial, 2, "done")
    assert filled.rows("retraining") == [] and filled.rows("todo") == []


def test_a_measurement_waits_for_the_weights(filled: Filled) -> None:
    filled.connection.execute(
        "INSERT INTO suite (name) VALUES ('later');"
        "INSERT INTO suite_member (suite, dataset, role, metric) VALUES "
        "('later', 'birds', 'retain', 'top5')"
    )
    filled.connection.execute("INSERT INTO measurement (trial, suite) VALUES (1, 'later')")
    filled.attempt(1, 2, "refused", kind="error", message="the weights are gone")
    filled.connection.execute("UPDATE attempt SET measures = 'later' WHERE attempt = 2")
    assert filled.row("measurements")["state"] == "refused"
    wish(filled, "retrain")
    row = filled.row("measurements")
    assert (row["state"], row["reason"]) == (
        "waiting",
        "is measured when its trial has been trained again",
    )
    assert due(filled) == [(1, 3, 3)] and filled.rows("measurable") == []
    again(filled, 3)
    # The one wish has both done
    assert filled.row("measurements")["state"] == "pending"
    assert filled.row("measurable")["attempt"] == 4


@pytest.mark.parametrize(
    "words",
    ["(trial, wish, suite) VALUES (1, 'retrain', 'five')", "(rule, wish) VALUES ('r', 'retrain')"],
)
def test_a_wish_to_train_again_is_about_a_trial(filled: Filled, words: str) -> None:
    filled.connection.execute(
        "INSERT INTO rule (name, query, most_trials) VALUES ('r', 'SELECT 1', 1)"
    )
    with pytest.raises(GridError, match="the wish retrain must name a trial, by its id, and no"):
        grid.apply(filled.connection, f"INSERT INTO request {words}", "grid")


def test_what_was_run_elsewhere_is_never_trained_here(filled: Filled) -> None:
    filled.connection.execute("INSERT INTO method (name) VALUES ('finetune@theirs')")
    trial = filled.done(PAPER, method="finetune@theirs", source="theirs")
    wish = f"INSERT INTO request (trial, wish) VALUES ({trial}, 'retrain')"
    with pytest.raises(
        GridError, match=r"was run elsewhere \(theirs\) and imported, so it is never"
    ):
        grid.apply(filled.connection, wish, "grid")
    # Past the check, as another client of the catalog inserts it
    filled.connection.execute(wish)
    for question in ("retraining", "todo"):
        assert trial not in {row["trial"] for row in filled.rows(question)}, question
    # What is there already stops no other file
    grid.apply(filled.connection, "INSERT INTO request (trial, wish) VALUES (1, 'retrain')", "grid")


def test_a_trial_that_is_not_there_cannot_be_trained_again(filled: Filled) -> None:
    with pytest.raises(GridError, match="there is no trial 99 to be trained again. See: SELECT id"):
        grid.apply(
            filled.connection, "INSERT INTO request (trial, wish) VALUES (99, 'retrain')", "grid"
        )
