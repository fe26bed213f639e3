-- What does each phase of a combination cost?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget, phase) that finished
-- Means over finished trials of what the attempts that hold spent in all their tasks; evaluation is
-- a phase of its own.
CREATE OR REPLACE VIEW phases AS
SELECT trial.backbone, trial.stream, trial.mixture, trial.method, trial.recipe, trial.budget,
       costs.phase, count(*) AS trials,
       avg(costs.held_flops) / 1e9 AS gflops, avg(costs.held_s) AS seconds,
       max(costs.held_peak_bytes) / 1e9 AS peak_gb
FROM costs JOIN trial ON trial.id = costs.trial
WHERE costs.held_flops IS NOT NULL
  AND costs.trial IN (SELECT trial FROM outcome WHERE state = 'done')
GROUP BY trial.backbone, trial.stream, trial.mixture, trial.method, trial.recipe, trial.budget,
         costs.phase
ORDER BY trial.backbone, trial.stream, trial.budget, trial.recipe, trial.mixture, trial.method,
         costs.phase;
