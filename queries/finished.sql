-- What did each finished trial cost, and where?
-- grain: one row per trial that is done and has costs
-- Of all its attempts. seconds: evaluation included; flops, peak_bytes: without. device: 'unknown' where the worker did not say.
CREATE OR REPLACE VIEW finished AS
WITH
ended AS (
    SELECT trial, max(finished_at) AS finished_at,
           arg_max(coalesce(device, 'unknown'), coalesce(finished_at, TIMESTAMPTZ '1970-01-01')) AS device
    FROM outcome
    WHERE state = 'done'
    GROUP BY trial
)
SELECT t.id AS trial, t.backbone, t.stream, t.mixture, t.method, t.recipe, t.budget, e.device, e.finished_at,
       sum(c.seconds) AS seconds, sum(c.flops) FILTER (WHERE c.phase <> 'evaluate') AS flops,
       max(c.peak_bytes) FILTER (WHERE c.phase <> 'evaluate') AS peak_bytes
FROM ended e
JOIN trial t ON t.id = e.trial
JOIN cost c ON c.trial = e.trial
GROUP BY ALL
ORDER BY t.id;
