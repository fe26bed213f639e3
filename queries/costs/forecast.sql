-- What will the pending trials cost?
-- grain: one row per trial that is `ready`, in the order of todo
-- `outlook` says it for each kind of trial, and where its numbers come from.
CREATE OR REPLACE VIEW forecast AS
SELECT ready.trial, ready.study, ready.backbone, ready.stream, ready.mixture, ready.method,
       ready.recipe, ready.budget, ready.seed,
       outlook.steps, outlook.seconds, outlook.pflops, outlook.peak_bytes, outlook.based_on
FROM ready
JOIN outlook ON (outlook.backbone, outlook.stream, outlook.mixture, outlook.method, outlook.recipe,
                 outlook.budget)
                    = (ready.backbone, ready.stream, ready.mixture, ready.method, ready.recipe,
                   ready.budget)
              AND outlook.study IS NOT DISTINCT FROM ready.study
ORDER BY ready.priority DESC, ready.trial;
