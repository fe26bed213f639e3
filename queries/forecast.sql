-- What will the pending trials cost?
-- grain: one row per trial that sync may start now, in the order of todo
-- `outlook` says it for each kind of trial, and where its numbers come from.
CREATE OR REPLACE VIEW forecast AS
SELECT todo.trial, todo.study, todo.backbone, todo.stream, todo.mixture, todo.method, todo.recipe, todo.budget, todo.seed,
       o.steps, o.seconds, o.pflops, o.peak_bytes, o.based_on
FROM todo
JOIN outlook o ON (o.backbone, o.stream, o.mixture, o.method, o.recipe, o.budget)
                = (todo.backbone, todo.stream, todo.mixture, todo.method, todo.recipe, todo.budget)
              AND o.study IS NOT DISTINCT FROM todo.study
ORDER BY todo.priority DESC, todo.trial;
