-- What does each phase of a combination cost?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget, phase) with a finished trial
-- Means over finished trials of what the attempts that hold spent in all their tasks; evaluation is a phase of its own.
CREATE OR REPLACE VIEW phases AS
WITH
spent AS (
    SELECT c.trial, c.phase, sum(c.flops) AS flops, sum(c.seconds) AS seconds, max(c.peak_bytes) AS peak_bytes
    FROM cost c JOIN standing s USING (trial, task, attempt)
    WHERE c.trial IN (SELECT trial FROM outcome WHERE state = 'done')
    GROUP BY c.trial, c.phase
)
SELECT t.backbone, t.stream, t.mixture, t.method, t.recipe, t.budget, s.phase, count(*) AS trials,
       avg(s.flops) / 1e9 AS gflops, avg(s.seconds) AS seconds, max(s.peak_bytes) / 1e9 AS peak_gb
FROM spent s JOIN trial t ON t.id = s.trial
GROUP BY t.backbone, t.stream, t.mixture, t.method, t.recipe, t.budget, s.phase
ORDER BY t.backbone, t.stream, t.budget, t.recipe, t.mixture, t.method, s.phase;
