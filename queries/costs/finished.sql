-- What did each finished trial cost, and where?
-- grain: one row per trial that is done and has costs
-- Of all its attempts. seconds: evaluation included; flops, peak_bytes: without. step_phases_s: the
-- seconds of what is done at every step (training, choosing its pairs, the steps of a repair); the rest
-- of the seconds runs once per task. device: 'unknown' where the worker did not say. Not sorted, since
-- answers about all of them begin with it.
CREATE OR REPLACE VIEW finished AS
WITH
again AS (
    -- rarely a second attempt of a trial was done, too: for these alone it takes sorting out
    SELECT trial, max(o.finished_at) AS finished_at,
           arg_max(coalesce(o.device, 'unknown'), coalesce(o.finished_at, TIMESTAMPTZ '1970-01-01')) AS device
    FROM outcome o SEMI JOIN (SELECT trial FROM outcome WHERE state = 'done' AND attempt > 1) a USING (trial)
    WHERE o.state = 'done'
    GROUP BY trial
),
ended AS (
    SELECT o.trial, o.finished_at, coalesce(o.device, 'unknown') AS device
    FROM outcome o ANTI JOIN again a ON a.trial = o.trial
    WHERE o.state = 'done'
    UNION ALL
    FROM again
)
SELECT t.id AS trial, t.backbone, t.stream, t.mixture, t.method, t.recipe, t.budget, e.device, e.finished_at,
       c.seconds, c.step_phases_s, c.flops, c.peak_bytes
FROM ended e
JOIN trial t ON t.id = e.trial
JOIN (
    SELECT trial, sum(seconds) AS seconds,
           coalesce(sum(seconds) FILTER (WHERE phase IN ('train', 'score', 'repair')), 0) AS step_phases_s,
           sum(flops) FILTER (WHERE phase <> 'evaluate') AS flops,
           max(peak_bytes) FILTER (WHERE phase <> 'evaluate') AS peak_bytes
    FROM costs
    GROUP BY trial
) c ON c.trial = e.trial;
