-- What will the pending trials of each kind cost?
-- grain: one row per (study, backbone, stream, mixture, method, recipe, budget) of the trials that are `startable`
-- Of one trial: steps (all tasks; NULL: not profiled yet; 0: the budget buys none), pflops without
-- evaluation, peak_bytes (seen on the device, else profiled), seconds of a worker on `device`:
-- where a trial of the backbone finished last, else any trial. Seconds are, `based_on` trials,
-- alike: the mean of those of the same six words; by FLOPs: from the seconds per FLOP of those of
-- the same backbone and recipe; similar: the mean of those that share backbone, stream, recipe and
-- budget. error_s: standard deviation of that mean, which all trials of the row share; noise_s: of
-- a trial around it (of a kind that finished once, what is usual of the others); NULL: too few
-- trials to tell. ranks: processes that train one together, each with a GPU of its own where there
-- are GPUs.
CREATE OR REPLACE VIEW outlook AS
WITH
wanted AS (
    SELECT study, backbone, stream, mixture, method, recipe, budget, count(*) AS trials, min(priority) AS priority, max(trial) AS last_trial,
           min(trial) AS first_trial
    FROM startable
    GROUP BY study, backbone, stream, mixture, method, recipe, budget
),
ended AS MATERIALIZED (
    FROM finished
),
kind_cost AS MATERIALIZED (
    FROM usual_cost
),
here AS (
    SELECT backbone, arg_max(device, finished_at) AS device FROM ended GROUP BY backbone
    UNION ALL
    SELECT NULL, arg_max(device, finished_at) FROM ended
),
usual AS (
    SELECT device, sqrt(avg((spread_s / seconds) ** 2)) AS spread FROM kind_cost WHERE trials > 1 AND seconds > 0 GROUP BY device
),
rate AS (
    SELECT backbone, recipe, device, count(*) AS trials, avg(seconds / flops) * 1e15 AS s_per_pflop,
           stddev_samp(seconds / flops) / avg(seconds / flops) AS spread
    FROM ended WHERE flops > 0 GROUP BY backbone, recipe, device
),
similar_trials AS (
    SELECT backbone, stream, recipe, budget, device, count(*) AS trials, avg(seconds) AS seconds, stddev_samp(seconds) AS spread_s,
           avg(flops) / 1e15 AS pflops
    FROM ended GROUP BY backbone, stream, recipe, budget, device
),
known AS (
    SELECT wanted.*, coalesce((recipe.compute_params ->> 'ranks')::INTEGER, 1) AS ranks,
           CASE WHEN steps.steps < 1 THEN 0 ELSE steps.steps END * steps.tasks AS steps, steps.unit, h.device, usual.spread AS usual_spread,
           coalesce(steps.pflops, kind_cost.pflops, similar_trials.pflops) AS pflops,
           coalesce(kind_cost.peak_bytes, steps.peak_bytes) AS peak_bytes, steps.peak_bytes IS NOT NULL AS profiled,
           kind_cost.seconds AS a_s, kind_cost.trials AS a_n, coalesce(kind_cost.spread_s, usual.spread * kind_cost.seconds) AS a_spread_s,
           rate.s_per_pflop * steps.pflops AS r_s, rate.trials AS r_n, rate.spread AS r_spread,
           similar_trials.seconds AS m_s, similar_trials.trials AS m_n, similar_trials.spread_s AS m_spread_s
    FROM wanted
    JOIN stream ON stream.name = wanted.stream
    JOIN recipe ON recipe.name = wanted.recipe
    JOIN steps ON (steps.backbone, steps.mixture, steps.method, steps.recipe, steps.budget, steps.tasks) = (wanted.backbone, wanted.mixture, wanted.method, wanted.recipe, wanted.budget, stream.tasks)
    LEFT JOIN here o ON o.backbone = wanted.backbone
    LEFT JOIN here g ON g.backbone IS NULL
    CROSS JOIN LATERAL (SELECT coalesce(o.device, g.device) AS device) h
    LEFT JOIN usual ON usual.device = h.device
    LEFT JOIN kind_cost ON (kind_cost.backbone, kind_cost.stream, kind_cost.mixture, kind_cost.method, kind_cost.recipe, kind_cost.budget, kind_cost.device)
                       = (wanted.backbone, wanted.stream, wanted.mixture, wanted.method, wanted.recipe, wanted.budget, h.device)
    LEFT JOIN rate ON (rate.backbone, rate.recipe, rate.device) = (wanted.backbone, wanted.recipe, h.device)
    LEFT JOIN similar_trials ON (similar_trials.backbone, similar_trials.stream, similar_trials.recipe, similar_trials.budget, similar_trials.device) = (wanted.backbone, wanted.stream, wanted.recipe, wanted.budget, h.device)
)
SELECT study, backbone, stream, mixture, method, recipe, budget, trials, ranks, unit, steps, pflops, peak_bytes, profiled, device,
       coalesce(a_s, r_s, m_s) AS seconds,
       CASE WHEN a_s IS NOT NULL THEN a_spread_s / sqrt(a_n) WHEN r_s IS NOT NULL THEN r_spread * r_s ELSE m_spread_s END AS error_s,
       CASE WHEN a_s IS NOT NULL THEN a_spread_s WHEN r_s IS NOT NULL THEN coalesce(usual_spread, 0) * r_s ELSE m_spread_s END AS noise_s,
       CASE WHEN a_s IS NOT NULL THEN 'alike' WHEN r_s IS NOT NULL THEN 'by FLOPs' WHEN m_s IS NOT NULL THEN 'similar' END AS by_what,
       coalesce(CASE WHEN a_s IS NOT NULL THEN a_n WHEN r_s IS NOT NULL THEN r_n ELSE m_n END, 0) AS based_on,
       priority, first_trial, last_trial
FROM known
ORDER BY priority DESC, first_trial;
