-- What will the pending trials cost?
-- grain: one row per trial that is `ready`, in the order of todo
-- `outlook` says it for each kind of trial, and where its numbers come from.
CREATE OR REPLACE VIEW forecast AS
SELECT ready.trial, ready.study, ready.backbone, ready.stream, ready.mixture, ready.method, ready.recipe, ready.budget, ready.seed,
       o.steps, o.seconds, o.pflops, o.peak_bytes, o.based_on
FROM ready
JOIN outlook o ON (o.backbone, o.stream, o.mixture, o.method, o.recipe, o.budget)
                = (ready.backbone, ready.stream, ready.mixture, ready.method, ready.recipe, ready.budget)
              AND o.study IS NOT DISTINCT FROM ready.study
ORDER BY ready.priority DESC, ready.trial;
