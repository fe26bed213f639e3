"""Rows of `measurement` that can never be measured, and wishes about them, are refused as they are declared."""

import pytest

from schema import grid
from schema.grid import GridError
from tests.template import in_memory
from tests.toy import toy_grid

MEASURE = "INSERT INTO measurement (trial, suite, tasks) VALUES ({trial}, '{suite}', '{tasks}');"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (MEASURE.format(trial=7, suite="toy", tasks="last"), "there is no trial 7"),
        (MEASURE.format(trial=1, suite="toi", tasks="last"), "unknown suite 'toi'.*Did you mean"),
        (MEASURE.format(trial=1, suite="toy", tasks="first"), "tasks must be one of last, all"),
        (MEASURE.format(trial=0, suite="toy", tasks="last"), "must be the id of a trial"),
        (
            "INSERT INTO suite (name) VALUES ('empty'); "
            + MEASURE.format(trial=1, suite="empty", tasks="all"),
            "suite 'empty' has no rows in suite_member",
        ),
        (
            "INSERT INTO request (trial, wish, suite) VALUES (1, 'retry', 'toy')",
            "trial 1 is not to be measured on suite 'toy'. Its measurements: none",
        ),
        (
            "INSERT INTO rule (name, query, most_trials) VALUES ('r', 'FROM trial', 1); "
            "INSERT INTO request (rule, wish, suite) VALUES ('r', 'withdraw', 'toy')",
            "a wish about a measurement must name its trial",
        ),
    ],
)
def test_what_cannot_be_is_refused(text: str, message: str) -> None:
    with in_memory() as connection:
        grid.apply(connection, toy_grid(1), "toy.sql")
        with pytest.raises(GridError, match=message):
            grid.apply(connection, text, "measure.sql")
        assert connection.execute("SELECT count(*) FROM measurement").fetchone() == (0,)


def test_a_measurement_is_declared_by_one_insert() -> None:
    with in_memory() as connection:
        grid.apply(connection, toy_grid(3), "toy.sql")
        text = "INSERT INTO measurement (trial, suite) SELECT id, 'toy' FROM trial ON CONFLICT DO NOTHING"
        assert [count.new for count in grid.apply(connection, text, "measure.sql")] == [3]
        assert [count.new for count in grid.apply(connection, text, "measure.sql")] == [0]
        rows = connection.execute("SELECT trial, tasks FROM measurement ORDER BY trial").fetchall()
        assert rows == [(1, "last"), (2, "last"), (3, "last")]


def test_an_ensemble_is_not_measured_later() -> None:
    """Its weights are in no single file, so the grid is refused with what to leave out."""
    with in_memory() as connection:
        grid.apply(connection, toy_grid(1), "toy.sql")
        grid.apply(
            connection,
            "INSERT INTO method (name, deploy, ensemble) VALUES ('both', 'ensemble', 'mean'); "
            "INSERT INTO trial BY NAME SELECT * EXCLUDE (id, created_at) REPLACE ('both' AS method) "
            "FROM trial LIMIT 1",
            "both.sql",
        )
        text = "INSERT INTO measurement (trial, suite) SELECT id, 'toy' FROM trial"
        with pytest.raises(GridError, match=r"deploys an ensemble \(method 'both'\).*Leave such"):
            grid.apply(connection, text, "measure.sql")
        whole = " WHERE method NOT IN (SELECT name FROM method WHERE deploy = 'ensemble')"
        assert [count.new for count in grid.apply(connection, text + whole, "measure.sql")] == [1]
