-- What will the pending trials cost?
-- grain: one row per trial that sync may start now, in the order of todo
-- Steps follow from the budget (NULL where they are solved by the trial, from its profile). Seconds are the mean of finished trials that share
-- backbone, stream, method, recipe and budget, else of those that share all but the method; `based_on` says how many.
CREATE OR REPLACE VIEW forecast AS
WITH
alike AS (
    SELECT backbone, stream, recipe, budget, sum(trials)::BIGINT AS trials,
           sum(seconds * trials) / sum(trials) AS seconds, sum(flops * trials) / sum(trials) AS flops
    FROM usual_cost
    GROUP BY backbone, stream, recipe, budget
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
LEFT JOIN usual_cost a ON (a.backbone, a.stream, a.method, a.recipe, a.budget) = (todo.backbone, todo.stream, todo.method, todo.recipe, todo.budget)
LEFT JOIN alike m ON (m.backbone, m.stream, m.recipe, m.budget) = (todo.backbone, todo.stream, todo.recipe, todo.budget)
ORDER BY todo.priority DESC, todo.trial;
