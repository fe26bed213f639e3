-- Which attempt holds for each task?
-- grain: one row per (trial, task) that has results
-- The newest attempt that has results of the task. `step` is the last at which it measured: the end of the task.
CREATE OR REPLACE VIEW standing AS
WITH
tried AS (
    SELECT trial, task, attempt, max(step) AS step
    FROM result
    GROUP BY trial, task, attempt
)
SELECT trial, task, max(attempt) AS attempt, arg_max(step, attempt) AS step
FROM tried
GROUP BY trial, task;
