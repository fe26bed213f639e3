-- What will the pending trials cost?
-- grain: one row per trial that sync may start now, in the order of todo
-- Steps follow from the budget (NULL where they are solved by the trial, from its profile). Seconds are the mean of finished trials that share
-- backbone, stream, method, recipe and budget, else of those that share all but the method; `based_on` says how many.
CREATE OR REPLACE VIEW forecast AS
WITH
spent AS (
    SELECT t.backbone, t.stream, t.method, t.recipe, t.budget, t.id, sum(c.seconds) AS seconds, sum(c.flops) AS flops
    FROM cost c JOIN trial t ON t.id = c.trial
    WHERE t.id IN (SELECT trial FROM outcome WHERE state = 'done')
    GROUP BY ALL
),
alike AS (
    SELECT backbone, stream, method, recipe, budget, avg(seconds) AS seconds, avg(flops) AS flops, count(*) AS trials FROM spent GROUP BY ALL
),
similar_trials AS (
    SELECT backbone, stream, recipe, budget, avg(seconds) AS seconds, avg(flops) AS flops, count(*) AS trials FROM spent GROUP BY ALL
)
SELECT todo.trial, todo.study, todo.backbone, todo.stream, todo.mixture, todo.method, todo.recipe, todo.budget, todo.seed,
       CASE b.unit WHEN 'steps' THEN round(b.total / s.tasks) * s.tasks
                   WHEN 'pairs' THEN round(b.total / (s.tasks * r.batch_pairs)) * s.tasks END::BIGINT AS steps,
       coalesce(a.seconds, m.seconds) AS seconds,
       coalesce(a.flops, m.flops) / 1e15 AS pflops,
       coalesce(a.trials, m.trials, 0) AS based_on
FROM todo
JOIN budget b ON b.name = todo.budget
JOIN stream s ON s.name = todo.stream
JOIN recipe r ON r.name = todo.recipe
LEFT JOIN alike a ON (a.backbone, a.stream, a.method, a.recipe, a.budget) = (todo.backbone, todo.stream, todo.method, todo.recipe, todo.budget)
LEFT JOIN similar_trials m ON (m.backbone, m.stream, m.recipe, m.budget) = (todo.backbone, todo.stream, todo.recipe, todo.budget)
ORDER BY todo.priority DESC, todo.trial;
