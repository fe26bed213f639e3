"""grids/guide.sql and grids/guide_fomo.sql: what their rules ask for first, and that it can run."""

from collections import Counter
from pathlib import Path

import duckdb
import pytest

from schema import grid
from tests.template import in_memory

GRIDS = Path(__file__).resolve().parents[2] / "grids"
# What grids/import_stream.sql reads from the released code: here two classes of each set
IMPORTED = """
INSERT INTO sequence_concept
SELECT name, position, 'cub200', ['crow', 'finch'][position]
FROM sequence, (VALUES (1), (2)) AS place(position)
WHERE starts_with(name, 'fomo_') ON CONFLICT DO NOTHING;
UPDATE dataset SET classes = '["crow", "finch"]' WHERE format = 'fomo' AND classes = '[]';
"""
WORDS = "backbone, stream, mixture, method, recipe, budget, seed"


def declared(connection: duckdb.DuckDBPyConnection, rule: str) -> list[tuple[str, ...]]:
    """Insert what a rule returns as trials; return their words."""
    ((query,),) = connection.execute("SELECT query FROM rule WHERE name = ?", [rule]).fetchall()
    return connection.execute(
        f"INSERT INTO trial BY NAME {query} RETURNING {WORDS}"  # a rule returns these columns
    ).fetchall()


@pytest.mark.parametrize(
    ("files", "prefix", "backbone"),
    [
        (("guide_orders", "guide"), "guide", "tiny_base"),
        (("fomo_validation", "guide_fomo"), "guide fomo", "vit_b16_laion2b"),
    ],
    ids=["world", "fomo"],
)
def test_the_first_rung_is_five_rates_of_thirty_methods_and_resolves(
    files: tuple[str, ...], prefix: str, backbone: str
) -> None:
    with in_memory("words") as connection:
        connection.execute(IMPORTED)
        for name in files:
            grid.apply(connection, (GRIDS / f"{name}.sql").read_text(), name)
        first = declared(connection, f"{prefix} search")
        schedules = declared(connection, f"{prefix} schedules search")
        rules = connection.execute("SELECT name, query FROM rule").fetchall()
        # Nothing has ended, so nothing goes on yet
        later = {name for name, query in rules if connection.execute(query).fetchone() is not None}
        resolved = connection.execute(
            "SELECT count(*) FROM definition JOIN trial ON trial.id = definition.trial "
            "WHERE trial.backbone = ? AND starts_with(trial.study, 'guide') "
            "AND trial.method IN ('finetune', 'ema_merge', 'guide_ewc')",
            [backbone],
        ).fetchone()
    methods = {words[3] for words in first if words[0] == backbone}
    assert len(methods) >= 30 and len({words[2] for words in first}) >= 8
    rates = Counter((words[0], words[2], words[3]) for words in first)
    assert set(rates.values()) == {5}, "every setting has an equal budget of search"
    assert {words[1] for words in first} <= {"guide_validation", "fomo_validation"}
    per_schedule = Counter(words[4].rpartition("_at_")[0] for words in schedules)
    assert set(per_schedule.values()) == {3} and len(per_schedule) >= 7
    assert later == {f"{prefix} search", f"{prefix} schedules search"}
    if backbone != "tiny_base":
        # That of the world waits for its base to be trained
        assert resolved is not None and resolved[0] >= 5 * 10
