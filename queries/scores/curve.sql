-- How did the loss of each attempt go?
-- grain: one row per (trial, attempt, task, step) of the thinned training curve
-- at_step: steps since the beginning of the stream, as far as the tasks before are charged.
CREATE OR REPLACE VIEW curve AS
WITH
before AS (
    SELECT trial, task, max(steps) AS steps FROM (
        SELECT trial, attempt, task, sum(steps) AS steps FROM cost WHERE phase = 'train'
        GROUP BY trial, attempt, task)
    GROUP BY trial, task
),
offset_ AS (
    SELECT trial, task + 1 AS task, sum(steps) OVER (PARTITION BY trial ORDER BY task) AS steps
    FROM before
)
SELECT progress.trial, progress.attempt, progress.task, progress.step,
       progress.step + coalesce(offset_.steps, 0) AS at_step, progress.loss, progress.lr,
       progress.pairs_per_s, progress.written_at
FROM progress LEFT JOIN offset_ USING (trial, task)
ORDER BY progress.trial, progress.attempt, progress.task, progress.step;
