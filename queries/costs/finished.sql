-- What did each finished trial cost, and where?
-- grain: one row per trial that is done here and has costs
-- Of all its attempts that train. seconds: evaluation included, but not what was measured later;
-- flops, peak_bytes: without evaluation. step_phases_s: the seconds of what is done at every step
-- (training, choosing its pairs, the steps of a repair); the rest of the seconds runs once per
-- task. device: 'unknown' where the worker did not say. Without what was run elsewhere, by which
-- nothing is forecast. Not sorted, since answers about all of them begin with it.
CREATE OR REPLACE VIEW finished AS
WITH
again AS (
    -- rarely a second attempt of a trial was done, too: for these alone it takes sorting out
    SELECT trial, max(outcome.finished_at) AS finished_at,
           arg_max(coalesce(outcome.device, 'unknown'),
                   coalesce(outcome.finished_at, TIMESTAMPTZ '1970-01-01')) AS device
    FROM trained AS outcome
    SEMI JOIN (SELECT trial FROM trained
               WHERE state = 'done' AND attempt > 1) repeated USING (trial)
    WHERE outcome.state = 'done'
    GROUP BY trial
),
ended AS (
    SELECT outcome.trial, outcome.finished_at, coalesce(outcome.device, 'unknown') AS device
    FROM trained AS outcome ANTI JOIN again ON again.trial = outcome.trial
    WHERE outcome.state = 'done'
    UNION ALL
    FROM again
)
SELECT trial.id AS trial, trial.backbone, trial.stream, trial.mixture, trial.method, trial.recipe,
       trial.budget, ended.device, ended.finished_at,
       charged.seconds, charged.step_phases_s, charged.flops, charged.peak_bytes
FROM ended
JOIN trial ON trial.id = ended.trial AND trial.source IS NULL
JOIN (
    SELECT trial, sum(seconds) AS seconds,
           coalesce(sum(seconds) FILTER (WHERE phase IN ('train', 'score', 'repair')),
                    0) AS step_phases_s,
           sum(flops) FILTER (WHERE phase <> 'evaluate') AS flops,
           max(peak_bytes) FILTER (WHERE phase <> 'evaluate') AS peak_bytes
    FROM costs
    WHERE phase <> 'measure'
    GROUP BY trial
) charged ON charged.trial = ended.trial;
