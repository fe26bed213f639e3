"""The queries of the guide, one for what ran, one for what halving chose, one for all else.

`compare` asks the question `compared` of every family and finding at once: each trial is a row of
the table `asked` for each family that it is in. A row of the page is the same as what the question
`effect` says of its axis, at the recipes that were chosen, with every_look.
"""

from collections.abc import Sequence

import duckdb
import polars as pl

from docpages.guide_asked import DEFAULT, FAMILIES, FINDINGS, SCHEDULES, Family

MEASURES = ("gm", "a_ka", "a_zs")
STUDIES = "starts_with(trial.study, 'guide')"
# Every trial that ended, by one measure, with its choice on each axis that a family may have
REACHED = """
SELECT '{measure}' AS measure, ended.*, stream.sequence AS "ordering",
       stream.tasks::VARCHAR AS tasks, recipe.schedule,
       starts_with(stream.name, 'guide_schedules') AS of_schedules
FROM at_end(measure := '{measure}') AS ended
JOIN stream ON stream.name = ended.stream
JOIN recipe ON recipe.name = ended.recipe
WHERE starts_with(ended.study, 'guide') AND stream.suite = 'guide' AND ended.value IS NOT NULL
"""
ASKED_COLUMNS = """
CREATE OR REPLACE TEMP TABLE asked (
    choice VARCHAR, of_backbone VARCHAR, of_stream VARCHAR, of_mixture VARCHAR, of_method VARCHAR,
    of_recipe VARCHAR, of_budget VARCHAR, at_recipe VARCHAR, trial BIGINT, seed BIGINT,
    value DOUBLE, resolution DOUBLE, gflops DOUBLE
)
"""
# One row for each trial of a family: what `compared` reads
ASKED = """
INSERT INTO asked
SELECT {choice} AS choice, $family AS of_backbone, measure AS of_stream, '*' AS of_mixture,
       '*' AS of_method, '*' AS of_recipe, '*' AS of_budget, recipe AS at_recipe, trial, seed,
       value, resolution, gflops
FROM reached
WHERE {conditions}
"""
FACTS = f"""
SELECT count(*) AS trials, count(*) FILTER (WHERE trial.study <> 'base') AS of_guide,
       sum(cost.seconds) / 3600 AS hours, max(trial.seed) AS last_seed
FROM trial JOIN (
    SELECT trial, sum(seconds) FILTER (WHERE NOT shared) AS seconds FROM cost GROUP BY trial
) AS cost ON cost.trial = trial.id
WHERE {STUDIES} OR trial.study = 'base'
"""
# What a choice is called where the axis is not a column of its own: a recipe by its schedule
AXIS = {"recipe": "schedule"}
# For each method whose five rates all ran at the full budget: what either search chooses
HALVED = """
WITH
ended AS (
    SELECT one.method, one.recipe, one.study, one.budget = 'guide_100' AS is_full, one.value,
           one.gflops
    FROM at_end() AS one
    WHERE one.stream = 'guide_validation' AND one.backbone = 'tiny_base'
      AND one.mixture = 'replay_thirds' AND one.study IN ('guide search', 'guide full sweep')
)
SELECT method, arg_max(recipe, value) FILTER (WHERE is_full) AS full_recipe,
       max(value) FILTER (WHERE is_full) AS full_value,
       arg_max(recipe, value) FILTER (WHERE is_full AND study = 'guide search') AS halved_recipe,
       max(value) FILTER (WHERE is_full AND study = 'guide search') AS halved_value,
       sum(gflops) FILTER (WHERE study = 'guide search')
       / sum(gflops) FILTER (WHERE is_full) AS share
FROM ended
GROUP BY method
HAVING count(*) FILTER (WHERE is_full) = 5
ORDER BY method
"""


def compare(connection: duckdb.DuckDBPyConnection) -> pl.DataFrame:
    """Return what `compared` says of every family and finding, a row for each choice and measure.

    The column `backbone` has the name of the family or the claim of the finding, and `stream` the
    measure. Creates temporary tables on the connection.
    """
    reached = " UNION ALL ".join(REACHED.format(measure=measure) for measure in MEASURES)
    connection.execute(f"CREATE OR REPLACE TEMP TABLE reached AS {reached}")
    connection.execute(ASKED_COLUMNS)
    for family in FAMILIES:
        _ask(connection, family, MEASURES)
    for finding in FINDINGS:
        _ask(connection, finding.family, (finding.measure,))
    rows = connection.sql(
        "FROM compared(trials := 'asked', every_look := TRUE) ORDER BY backbone, stream, mean"
    )
    frame: pl.DataFrame = rows.pl()
    return frame


def _ask(connection: duckdb.DuckDBPyConnection, family: Family, measures: Sequence[str]) -> None:
    """Insert the trials of a family into the table `asked`."""
    # A stream follows from its order and its number of tasks, either of which may be the axis
    fixed = DEFAULT | family.words
    schedules = fixed.pop("stream") == SCHEDULES["stream"]
    fixed |= {"ordering": "world_random", "tasks": "4"}
    fixed.pop(family.axis, None)
    conditions = [f"of_schedules = {schedules}", f"measure IN ({_listed(measures)})"]
    conditions += [f"{_quoted(word)} = '{value}'" for word, value in fixed.items()]
    choice = AXIS.get(family.axis, _quoted(family.axis))
    if family.choices:
        conditions.append(f"{choice} IN ({_listed(family.choices)})")
    statement = ASKED.format(choice=choice, conditions=" AND ".join(conditions))
    connection.execute(statement, {"family": family.name})


def _quoted(name: str) -> str:
    return f'"{name}"'


def _listed(values: Sequence[str]) -> str:
    return ", ".join(f"'{value}'" for value in values)
