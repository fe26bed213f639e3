"""What a rule is refused for when a grid file declares it."""

import duckdb
import pytest

from schema import grid
from schema.checks import standing
from schema.checks.standing import Rule, RuleError
from tests.filled import Filled

DECLARED = "INSERT INTO rule (name, query, most_trials) VALUES ('mine', $${}$$, {});"
WORDS = "backbone, stream, mixture, method, recipe, budget"
REFUSED = {
    "DELETE FROM trial": "rule 'mine': its query must be one SELECT, and this is DELETE",
    "SELECT 1; SELECT 2": "must be one SELECT, and this is SELECT, SELECT",
    "SELEC 1": "its query is no SQL that DuckDB can read",
    "SELECT 1 AS one": "it lacks backbone, stream.*A rule returns backbone, .*; or trial, wish, reason",
    f"SELECT {WORDS}, seed, 1 AS priorty FROM trial": "'priorty', which is no word of a trial Did you mean 'priority'",
    f"SELECT {WORDS}, seed FROM 'other.csv'": "reads 'other.csv', which is no table or view",
    f"SELECT {WORDS}, seed FROM read_parquet('x')": "its query calls read_parquet: a rule reads the catalog",
    f"SELECT {WORDS}, 'many' AS seed FROM trial": "DuckDB refuses its query",
    "SELECT * FROM trail": "reads 'trail', which is no table or view of the catalog. Did you mean 'trial'",
    f"SELECT {WORDS.replace('recipe', chr(39) + 'usal' + chr(39) + ' AS recipe')}, 9 AS seed FROM trial":
        "unknown recipe 'usal'. Known: usual. Did you mean 'usual'",
}  # fmt: skip


def test_a_rule_may_read_whatever_the_catalog_has(filled: Filled) -> None:
    """Views, macros, CTEs, ranges, a semicolon at the end and comments behind it."""
    filled.trial()
    query = f"WITH mine AS (SELECT {WORDS} FROM trial) SELECT mine.*, s.seed FROM mine, range(3) s(seed); -- so be it"
    counts = grid.apply(filled.connection, DECLARED.format(query, 5), "grid")
    assert [(count.table, count.new) for count in counts] == [("rule", 1)]
    rule = Rule(name="mine", query=query, remaining=5)
    columns, rows = standing.rows(filled.connection, rule)
    assert columns[-1] == "seed" and sorted(row[-1] for row in rows) == [1, 2]
    filled.connection.execute("DELETE FROM rule")


@pytest.mark.parametrize("query", REFUSED)
def test_a_rule_that_could_not_run_is_refused_with_its_file(filled: Filled, query: str) -> None:
    filled.trial()
    with pytest.raises(grid.GridError, match=REFUSED[query]):
        grid.apply(filled.connection, DECLARED.format(query, 5), "grid")
    assert filled.rows("rule") == []


def test_a_rule_that_may_add_nothing_is_refused(filled: Filled) -> None:
    with pytest.raises(grid.GridError, match="most_trials must be at least 1"):
        grid.apply(filled.connection, DECLARED.format("SELECT 1", 0), "grid")


def test_a_rule_that_does_not_end_is_refused(filled: Filled) -> None:
    endless = f"SELECT {WORDS}, sum(a.i * b.i)::BIGINT AS seed FROM trial, range(10000000) a(i), range(10000000) b(i) GROUP BY ALL"
    filled.trial()
    with pytest.raises(RuleError, match="rule 'mine': its query runs longer than 0.2 s"):
        standing.check_rule(filled.connection, Rule(name="mine", query=endless, remaining=1), 0.2)


def test_rows_come_in_the_order_of_the_query_without_what_is_there(filled: Filled) -> None:
    filled.trial(seed=3)
    query = f"SELECT DISTINCT {WORDS}, s.seed FROM trial, range(9) s(seed) ORDER BY s.seed DESC"
    _, rows = standing.rows(filled.connection, Rule(name="mine", query=query, remaining=4))
    assert [row[-1] for row in rows] == [8, 7, 6, 5]
    _, rows = standing.rows(filled.connection, Rule(name="mine", query=query, remaining=6))
    assert [row[-1] for row in rows] == [8, 7, 6, 5, 4, 2]


def test_a_stream_is_validated_on_another_stream_that_exists(filled: Filled) -> None:
    wrong = (
        "INSERT INTO stream (name, sequence, tasks, suite, validation) "
        "VALUES ('more', 'order', 2, 'five', 'wrold');"
    )
    with pytest.raises(grid.GridError, match="stream 'more': validation 'wrold' must be another"):
        grid.apply(filled.connection, wrong, "grid")


def test_a_wish_is_about_a_trial_or_a_rule(filled: Filled) -> None:
    with pytest.raises(grid.GridError, match="must be about a trial or about a rule"):
        grid.apply(filled.connection, "INSERT INTO request (wish) VALUES ('withdraw')", "grid")
    with pytest.raises(duckdb.ConstraintException):
        filled.connection.execute(
            "INSERT INTO request (trial, rule, wish) VALUES (1, 'x', 'retry')"
        )
