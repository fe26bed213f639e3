-- What did each finished trial cost, and where?
-- grain: one row per trial that is done and has costs
-- Of all its attempts. seconds: evaluation included; flops, peak_bytes: without. device: 'unknown'
-- where the worker did not say. Not sorted, since answers about all of them begin with it.
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
    SELECT outcome.trial, outcome.finished_at, coalesce(outcome.device, 'unknown') AS device
    FROM outcome ANTI JOIN again a ON a.trial = outcome.trial
    WHERE outcome.state = 'done'
    UNION ALL
    FROM again
)
SELECT trial.id AS trial, trial.backbone, trial.stream, trial.mixture, trial.method, trial.recipe, trial.budget, ended.device, ended.finished_at,
       c.seconds, c.flops, c.peak_bytes
FROM ended
JOIN trial ON trial.id = ended.trial
JOIN (
    SELECT trial, sum(seconds) AS seconds, sum(flops) FILTER (WHERE phase <> 'evaluate') AS flops,
           max(peak_bytes) FILTER (WHERE phase <> 'evaluate') AS peak_bytes
    FROM costs
    GROUP BY trial
) c ON c.trial = ended.trial;
