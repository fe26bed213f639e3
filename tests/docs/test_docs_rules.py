"""docs/rules.md: what it shows can be typed."""

import re
from pathlib import Path

import pytest

from schema import grid
from schema.checks.standing import READ_NOTHING
from tests.template import demo_catalog

PAGE = (Path(__file__).parents[2] / "docs" / "rules.md").read_text()
BLOCKS = re.findall(r"```sql\n(.*?)```", PAGE, re.DOTALL)


def test_every_statement_is_accepted_by_the_catalog_of_the_demo() -> None:
    assert len(BLOCKS) == 6 and "range" in READ_NOTHING
    with demo_catalog() as connection:
        connection.execute(
            "INSERT INTO stream BY NAME SELECT * REPLACE (unnest(['mine', 'my_validation']) AS name) "
            "FROM stream WHERE name = 'world_base'"
        )
        for number, block in enumerate(BLOCKS):
            grid.apply(connection, block, f"block {number}")
        rules = connection.execute("SELECT name FROM rule ORDER BY 1").fetchall()
        searched = connection.execute(
            "SELECT count(*) FROM trial WHERE study = 'search'"
        ).fetchall()
        asked = connection.execute(
            "SELECT count(*), count(DISTINCT method) FROM decided(a := 'finetune', b := 'ema_merge', "
            "words := 'tiny_base,world,replay_thirds,tiny_lr_1e-3,steps_250')"
        ).fetchone()
    names = "averaging, begin, confirm, confirm learned, give up, halve, halve by task, learn"
    assert [name for (name,) in rules] == names.split(", ")
    assert searched == [(18,)] and asked is not None and asked[0] in (0, 6, 12)


@pytest.mark.parametrize("column", re.findall(r"INSERT INTO request (\(.*?\))", PAGE))
def test_requests_on_the_page_are_accepted(column: str) -> None:
    with demo_catalog() as connection:
        connection.execute(
            "INSERT INTO rule (name, query, most_trials) VALUES ('averaging', 'SELECT 1', 1)"
        )
        for statement in re.findall(rf"`(INSERT INTO request {re.escape(column)}[^`]*)`", PAGE):
            connection.execute(statement)
