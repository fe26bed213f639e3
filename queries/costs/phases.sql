-- What does each phase of a combination cost?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget, phase) with a finished trial
-- Means over finished trials of what the attempts that hold spent in all their tasks; evaluation is
-- a phase of its own.
CREATE OR REPLACE VIEW phases AS
SELECT t.backbone, t.stream, t.mixture, t.method, t.recipe, t.budget, s.phase, count(*) AS trials,
       avg(s.held_flops) / 1e9 AS gflops, avg(s.held_s) AS seconds, max(s.held_peak_bytes) / 1e9 AS peak_gb
FROM costs s JOIN trial t ON t.id = s.trial
WHERE s.held_flops IS NOT NULL AND s.trial IN (SELECT trial FROM outcome WHERE state = 'done')
GROUP BY t.backbone, t.stream, t.mixture, t.method, t.recipe, t.budget, s.phase
ORDER BY t.backbone, t.stream, t.budget, t.recipe, t.mixture, t.method, s.phase;
