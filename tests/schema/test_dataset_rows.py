"""What a dataset's row says in itself: refused at the INSERT, and by sync for the trials over it alone."""

import json

import duckdb
import pytest

from runner.scheduler.resolve import RefusedError, Resolver
from schema import grid
from schema.__main__ import ROWS
from schema.catalog import Catalog
from schema.checks.parts import PartError
from schema.checks.rows import check_dataset
from tests.template import in_memory

NAMES, PROMPTS = ["crow", "gull", "wren"], ["a photo of a {}"]
ROW = {
    "name": "birds",
    "format": "imagefolder",
    "params": {},
    "classes": NAMES,
    "templates": PROMPTS,
}
WRONG = {
    "numbers for names": (
        {"classes": [1, 2, 3]},
        r'dataset \'birds\': class number 0 is 1, and the name of a class is a text. .*: "1"',
    ),
    "a name that says nothing": ({"classes": ["crow", " "]}, "class number 1 has the name ' '"),
    "nothing for a name": ({"classes": ["crow", None]}, "class number 1 is null"),
    "two classes of one name": (
        {"classes": ["crane", "gull", "crane"]},
        "classes number 0 and 2 are both called 'crane'. .*one of the two would never be taught",
    ),
    "another place": (
        {"templates": ["a {c}", "a {}"]},
        r"holds \{\} exactly once, .* and 1 of 2 do not: 'a \{c\}'. Write",
    ),
    "no place": ({"templates": ["a bird"]}, r"and 1 of 1 do not: 'a bird'"),
    "two places": ({"templates": ["a {} or a {}"]}, r"1 of 1 do not: 'a \{\} or a \{\}'"),
    "a number for a template": ({"templates": [7]}, "1 of 1 do not: 7"),
    "fewer than none": ({"test_pairs": -1}, "test_pairs is -1; it must be 0 or more, or NULL"),
}


@pytest.mark.parametrize("what", WRONG)
@pytest.mark.parametrize("written", [False, True], ids=["parsed", "as DuckDB gives it"])
def test_a_row_that_contradicts_itself_is_refused(what: str, written: bool) -> None:
    change, message = WRONG[what]
    row = ROW | change
    if written:
        row |= {key: json.dumps(row[key]) for key in ("classes", "templates", "params")}
    with pytest.raises(PartError, match=message):
        check_dataset(row)
    check_dataset(ROW)


def declared(connection: duckdb.DuckDBPyConnection, name: str, classes: str, prompts: str) -> None:
    connection.execute(
        "INSERT INTO dataset (name, format, location, params, kind, classes, templates) "
        """VALUES (?, 'imagefolder', ?, '{"image_px": 32}', 'classification', ?, ?)""",
        [name, name, classes, prompts],
    )


@pytest.mark.parametrize("what", ["numbers for names", "two classes of one name", "another place"])
def test_the_insert_of_a_grid_is_refused(what: str) -> None:
    change, message = WRONG[what]
    row = ROW | change
    columns = [json.dumps(row["classes"]), json.dumps(row["templates"])]
    text = (
        "INSERT INTO dataset (name, format, location, kind, classes, templates) VALUES "
        f"('birds', 'imagefolder', 'birds', 'classification', '{columns[0]}', '{columns[1]}')"
    )
    with in_memory() as connection:
        with pytest.raises(grid.GridError, match=message):
            grid.apply(connection, text, "mine.sql")
        assert connection.execute("SELECT count(*) FROM dataset").fetchall() == [(0,)]


def test_sync_refuses_the_trials_over_such_a_row_and_goes_on_with_the_others(
    catalog: Catalog,
) -> None:
    """A row that came in by plain SQL, which no check has seen, ends nobody's study."""
    with catalog.open() as connection:
        for name in ("world", "methods"):
            grid.apply(connection, (ROWS / f"{name}.sql").read_text(), name)
        declared(connection, "good", json.dumps(["1", "2"]), "[]")
        declared(connection, "numbers", "[1, 2]", "[]")
        declared(connection, "placeless", '["1", "2"]', '["a {c}"]')
        for name in ("good", "numbers", "placeless"):
            connection.execute(f"INSERT INTO sequence (name, ordering) VALUES ('{name}', 'random')")
            connection.execute(f"INSERT INTO sequence_concept VALUES ('{name}', 1, '{name}', '1')")
            connection.execute(f"INSERT INTO suite (name) VALUES ('{name}')")
            connection.execute(
                "INSERT INTO suite_member (suite, dataset, role, metric) "
                f"VALUES ('{name}', '{name}', 'adapt', 'top1')"
            )
            connection.execute(
                f"INSERT INTO stream (name, sequence, tasks, suite) VALUES ('{name}', '{name}', 1, '{name}')"
            )
            connection.execute(
                "INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed) "
                f"VALUES ('tiny', '{name}', 'update_only', 'finetune', 'tiny_lr_1e-3', 'steps_250', 1)"
            )
        trials = dict(connection.execute("SELECT stream, id FROM trial").fetchall())
        resolver = Resolver(connection, list(trials.values()))
        with pytest.raises(RefusedError, match="class number 0 is 1, and the name of a class is a"):
            resolver.resolve(trials["numbers"])
        with pytest.raises(RefusedError, match="a template holds {} exactly once"):
            resolver.resolve(trials["placeless"])
        spec, _ = resolver.resolve(trials["good"])
        assert spec.stream["datasets"][0]["classes"] == ["1", "2"]
