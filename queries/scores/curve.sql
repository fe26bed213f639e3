-- How did the loss of each attempt go?
-- grain: one row per (trial, attempt, task, step) of the thinned training curve
-- at_step: steps since the beginning of the stream, as far as the tasks before are charged.
CREATE OR REPLACE VIEW curve AS
WITH
before AS (
    SELECT trial, task, max(steps) AS steps FROM (
        SELECT trial, attempt, task, sum(steps) AS steps FROM cost WHERE phase = 'train' GROUP BY trial, attempt, task)
    GROUP BY trial, task
),
offset_ AS (
    SELECT trial, task + 1 AS task, sum(steps) OVER (PARTITION BY trial ORDER BY task) AS steps FROM before
)
SELECT p.trial, p.attempt, p.task, p.step, p.step + coalesce(o.steps, 0) AS at_step, p.loss, p.lr, p.pairs_per_s, p.written_at
FROM progress p LEFT JOIN offset_ o USING (trial, task)
ORDER BY p.trial, p.attempt, p.task, p.step;
