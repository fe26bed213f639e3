-- What do finished trials of a kind cost?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget, device) finished
-- Means over trials (`finished`): seconds with evaluation, pflops and peak_bytes without. newest:
-- the device on which one of the kind finished last.
CREATE OR REPLACE VIEW usual_cost AS
SELECT finished.backbone, finished.stream, finished.mixture, finished.method, finished.recipe,
       finished.budget, finished.device, count(*) AS trials, avg(finished.seconds) AS seconds,
       stddev_samp(finished.seconds) AS spread_s, avg(finished.flops) / 1e15 AS pflops,
       max(finished.peak_bytes) AS peak_bytes,
       row_number() OVER (PARTITION BY finished.backbone, finished.stream, finished.mixture,
                          finished.method, finished.recipe, finished.budget
                          ORDER BY max(finished.finished_at) DESC NULLS LAST, finished.device)
                          = 1 AS newest
FROM finished
GROUP BY finished.backbone, finished.stream, finished.mixture, finished.method, finished.recipe,
         finished.budget, finished.device
ORDER BY finished.backbone, finished.stream, finished.mixture, finished.method, finished.recipe,
         finished.budget, finished.device;
