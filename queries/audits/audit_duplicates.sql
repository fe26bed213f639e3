-- Which facts are there more than once? (No rows is good.)
-- grain: one row per (fact, key) that occurs more than once
-- A task ingested twice would weigh twice in every mean. `summary` and `costs` know in which trials
-- to look for results and costs.
CREATE OR REPLACE VIEW audit_duplicates AS
WITH
suspect AS MATERIALIZED (
    SELECT trial FROM summary WHERE repeated > 0 UNION SELECT trial FROM costs WHERE repeated > 0
),
keyed AS (
    SELECT 'result' AS fact, trial, attempt, task,
           concat_ws(' ', 'step', step, dataset, metric, label_space, weights, fraction) AS key,
           count(*) AS rows
    FROM result SEMI JOIN suspect USING (trial) GROUP BY ALL
    UNION ALL
    SELECT 'cost', trial, attempt, task, phase, count(*) FROM cost SEMI JOIN suspect USING (trial)
    GROUP BY ALL
    UNION ALL
    SELECT 'progress', trial, attempt, task, concat_ws(' ', 'step', step), count(*) FROM progress
    GROUP BY ALL
    UNION ALL
    SELECT 'statistic', trial, attempt, task, concat_ws(' ', name, part), count(*) FROM statistic
    GROUP BY ALL
)
SELECT fact, trial, attempt, task, key, rows
FROM keyed
WHERE rows > 1
ORDER BY fact, trial, attempt, task, key;
