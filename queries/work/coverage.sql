-- Which combinations are complete, and what is missing?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget) that was ever wanted
-- Counted in seeds. seeds_wanted = done + running + failed + missing; withdrawn ones are no longer
-- wanted. failed includes refused and cancelled; missing is what has yet to run.
CREATE OR REPLACE VIEW coverage AS
WITH
counted AS (
    SELECT trial.backbone, trial.stream, trial.mixture, trial.method, trial.recipe, trial.budget,
           count(*) FILTER (WHERE stage.state <> 'withdrawn') AS seeds_wanted,
           count(*) FILTER (WHERE stage.state = 'done') AS done,
           count(*) FILTER (WHERE stage.state IN ('running', 'submitting')) AS running,
           count(*) FILTER (WHERE stage.state IN ('failed', 'refused', 'cancelled')) AS failed,
           count(*) FILTER (WHERE stage.state IN ('pending', 'waiting')) AS missing,
           count(*) FILTER (WHERE stage.state = 'withdrawn') AS withdrawn
    FROM trial JOIN stage ON stage.trial = trial.id
    GROUP BY ALL
)
SELECT counted.*, counted.done = counted.seeds_wanted AS complete
FROM counted
ORDER BY counted.backbone, counted.stream, counted.budget, counted.recipe, counted.mixture,
         counted.method;
