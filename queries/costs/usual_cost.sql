-- What do finished trials of a kind cost?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget, device) with a finished trial
-- Means over trials (`finished`): seconds with evaluation, pflops and peak_bytes without. newest:
-- the device on which one of the kind finished last.
CREATE OR REPLACE VIEW usual_cost AS
SELECT f.backbone, f.stream, f.mixture, f.method, f.recipe, f.budget, f.device, count(*) AS trials, avg(f.seconds) AS seconds,
       stddev_samp(f.seconds) AS spread_s, avg(f.flops) / 1e15 AS pflops, max(f.peak_bytes) AS peak_bytes,
       row_number() OVER (PARTITION BY f.backbone, f.stream, f.mixture, f.method, f.recipe, f.budget
                          ORDER BY max(f.finished_at) DESC NULLS LAST, f.device) = 1 AS newest
FROM finished f
GROUP BY f.backbone, f.stream, f.mixture, f.method, f.recipe, f.budget, f.device
ORDER BY f.backbone, f.stream, f.mixture, f.method, f.recipe, f.budget, f.device;
