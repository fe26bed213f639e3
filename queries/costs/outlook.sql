-- What will the pending trials of each kind cost?
-- grain: one row per (study, backbone, stream, mixture, method, recipe, budget) to be started
-- Of one trial: steps (all tasks; NULL: not profiled yet; 0: the budget buys none), pflops without
-- evaluation, peak_bytes (seen on the device, else profiled), seconds of a worker on `device`:
-- where a trial of the backbone finished last, else any trial. Seconds are, `based_on` trials, by
-- the first of these that there is: alike: the mean of those of the same six words; by method: from
-- the seconds of a step, and of what runs once per task, of those of the same backbone, mixture,
-- method and recipe (`pace`); by FLOPs: from the seconds per FLOP of those of the same backbone and
-- recipe; similar: the mean of those that share backbone, stream, recipe and budget, and the
-- objective and repair of their methods, since what these run once per task may take longer than
-- all steps. error_s: how far that mean may be off, which all trials of the row share; noise_s: how
-- far a trial may be off the mean; both are half a 95 % interval over 1.96, so that they add up like
-- standard deviations, and are wide where few trials tell the spread (`student`). Of `alike` it is
-- the relative spread within kinds, pooled over all kinds that finished on the device; NULL: no kind
-- finished twice, or too few trials to tell. ranks: processes that train one together, each with a
-- GPU of its own where there are GPUs.
CREATE OR REPLACE VIEW outlook AS
WITH
wanted AS (
    SELECT study, backbone, stream, mixture, method, recipe, budget, count(*) AS trials,
           min(priority) AS priority, max(trial) AS last_trial,
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
wider AS (
    -- by how much an interval is wider that so few trials tell of
    SELECT df, t / 1.959964 AS factor FROM student
),
pooled AS (
    SELECT device, sum((trials - 1) * (spread_s / seconds) ** 2) AS squares,
           sum(trials - 1)::BIGINT AS df
    FROM kind_cost WHERE trials > 1 AND seconds > 0 GROUP BY device
),
usual AS (
    SELECT pooled.device, sqrt(pooled.squares / pooled.df) * wider.factor AS spread
    FROM pooled JOIN wider ON wider.df = least(pooled.df, 1000)
),
rate AS (
    SELECT backbone, recipe, device, count(*) AS trials, avg(seconds / flops) * 1e15 AS s_per_pflop,
           stddev_samp(seconds / flops) / avg(seconds / flops) AS spread
    FROM ended WHERE flops > 0 GROUP BY backbone, recipe, device
),
once AS (
    -- what the parts of a method that may pass over pairs once per task are
    SELECT name AS method,
           concat_ws(' ', objective, objective_params, repair, repair_params) AS parts FROM method
),
similar_trials AS (
    SELECT ended.backbone, ended.stream, ended.recipe, ended.budget, ended.device, once.parts,
           count(*) AS trials,
           avg(ended.seconds) AS seconds, stddev_samp(ended.seconds) AS spread_s,
           avg(ended.flops) / 1e15 AS pflops
    FROM ended JOIN once USING (method)
    GROUP BY ended.backbone, ended.stream, ended.recipe, ended.budget, ended.device, once.parts
),
known AS (
    SELECT wanted.*, coalesce((recipe.compute_params ->> 'ranks')::INTEGER, 1) AS ranks,
           CASE WHEN steps.steps < 1 THEN 0 ELSE steps.steps END * steps.tasks AS steps, steps.unit,
           chosen.device, usual.spread AS usual_spread,
           coalesce(steps.pflops, kind_cost.pflops, similar_trials.pflops) AS pflops,
           coalesce(kind_cost.peak_bytes, steps.peak_bytes) AS peak_bytes,
           steps.peak_bytes IS NOT NULL AS profiled,
           kind_cost.seconds AS alike_s, kind_cost.trials AS alike_trials,
           usual.spread * kind_cost.seconds AS alike_spread_s,
           steps.steps * steps.tasks * pace.step_s + steps.tasks * pace.task_s AS paced_s,
           pace.trials AS paced_trials,
           CASE WHEN pace.trials > 1 THEN
               paced_wider.factor * sqrt(greatest((steps.steps * steps.tasks) ** 2 * pace.step_variance
                             + steps.tasks ** 2 * pace.task_variance
                             + 2 * steps.steps * steps.tasks ** 2 * pace.covariance,
                             0)) END AS paced_spread_s,
           rate.s_per_pflop * steps.pflops AS rated_s, rate.trials AS rated_trials,
           rated_wider.factor * rate.spread AS rated_spread,
           similar_trials.seconds AS similar_s, similar_trials.trials AS similar_trials,
           similar_wider.factor * similar_trials.spread_s AS similar_spread_s
    FROM wanted
    JOIN stream ON stream.name = wanted.stream
    JOIN recipe ON recipe.name = wanted.recipe
    JOIN steps ON (steps.backbone, steps.mixture, steps.method, steps.recipe, steps.budget,
                   steps.tasks) = (wanted.backbone, wanted.mixture, wanted.method, wanted.recipe,
                                   wanted.budget, stream.tasks)
    LEFT JOIN here here_own ON here_own.backbone = wanted.backbone
    LEFT JOIN here here_any ON here_any.backbone IS NULL
    CROSS JOIN LATERAL (SELECT coalesce(here_own.device, here_any.device) AS device) chosen
    LEFT JOIN usual ON usual.device = chosen.device
    LEFT JOIN kind_cost ON (kind_cost.backbone, kind_cost.stream, kind_cost.mixture,
                            kind_cost.method, kind_cost.recipe, kind_cost.budget, kind_cost.device)
                           = (wanted.backbone, wanted.stream, wanted.mixture, wanted.method,
                          wanted.recipe, wanted.budget, chosen.device)
    LEFT JOIN pace ON (pace.backbone, pace.mixture, pace.method, pace.recipe, pace.device)
                          = (wanted.backbone, wanted.mixture, wanted.method, wanted.recipe,
                         chosen.device) AND steps.steps > 0
    LEFT JOIN rate ON (rate.backbone, rate.recipe, rate.device)
        = (wanted.backbone, wanted.recipe, chosen.device)
    LEFT JOIN once ON once.method = wanted.method
    LEFT JOIN similar_trials ON (similar_trials.backbone, similar_trials.stream,
                                 similar_trials.recipe, similar_trials.budget,
                                 similar_trials.device, similar_trials.parts)
                                    = (wanted.backbone, wanted.stream, wanted.recipe, wanted.budget,
                                   chosen.device, once.parts)
    LEFT JOIN wider paced_wider ON paced_wider.df = least(pace.trials - 1, 1000)
    LEFT JOIN wider rated_wider ON rated_wider.df = least(rate.trials - 1, 1000)
    LEFT JOIN wider similar_wider ON similar_wider.df = least(similar_trials.trials - 1, 1000)
)
SELECT study, backbone, stream, mixture, method, recipe, budget, trials, ranks, unit, steps, pflops,
       peak_bytes, profiled, device,
       coalesce(alike_s, paced_s, rated_s, similar_s) AS seconds,
       CASE WHEN alike_s IS NOT NULL THEN alike_spread_s / sqrt(alike_trials)
            WHEN paced_s IS NOT NULL THEN paced_spread_s
            WHEN rated_s IS NOT NULL THEN rated_spread * rated_s
            ELSE similar_spread_s END AS error_s,
       CASE WHEN alike_s IS NOT NULL THEN alike_spread_s
            WHEN coalesce(paced_s, rated_s) IS NOT NULL
            THEN coalesce(usual_spread, 0) * coalesce(paced_s, rated_s)
            ELSE similar_spread_s END AS noise_s,
       CASE WHEN alike_s IS NOT NULL THEN 'alike' WHEN paced_s IS NOT NULL THEN 'by method'
            WHEN rated_s IS NOT NULL THEN 'by FLOPs'
            WHEN similar_s IS NOT NULL THEN 'similar' END AS by_what,
       coalesce(CASE WHEN alike_s IS NOT NULL THEN alike_trials
                     WHEN paced_s IS NOT NULL THEN paced_trials
                     WHEN rated_s IS NOT NULL THEN rated_trials ELSE similar_trials END,
                     0) AS based_on,
       priority, first_trial, last_trial
FROM known
ORDER BY priority DESC, first_trial;
