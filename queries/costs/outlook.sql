-- What will the pending trials of each kind cost?
-- grain: one row per (study, backbone, stream, mixture, method, recipe, budget) of the trials that are `startable`
-- Of one trial: steps (all tasks; NULL: not profiled yet; 0: the budget buys none), pflops without
-- evaluation, peak_bytes (seen on the device, else profiled), seconds of a worker on `device`: where a trial
-- of the backbone finished last, else any trial. Seconds are, `based_on` trials, by the first of these that
-- there is: alike: the mean of those of the same six words; by method: from the seconds of a step, and of
-- what runs once per task, of those of the same backbone, mixture, method and recipe (`pace`); by FLOPs:
-- from the seconds per FLOP of those of the same backbone and recipe; similar: the mean of those that share
-- backbone, stream, recipe and budget, and the objective and repair of their methods, since what these run
-- once per task may take longer than all steps. error_s: standard deviation of that mean, which all trials
-- of the row share; noise_s: of a trial around it (of a kind that finished once, what is usual of the
-- others); NULL: too few trials to tell. ranks: processes that train one together, each with a GPU of its
-- own where there are GPUs.
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
once AS (
    -- what the parts of a method that may pass over pairs once per task are
    SELECT name AS method, concat_ws(' ', objective, objective_params, repair, repair_params) AS parts FROM method
),
similar_trials AS (
    SELECT e.backbone, e.stream, e.recipe, e.budget, e.device, n.parts, count(*) AS trials,
           avg(e.seconds) AS seconds, stddev_samp(e.seconds) AS spread_s, avg(e.flops) / 1e15 AS pflops
    FROM ended e JOIN once n USING (method)
    GROUP BY e.backbone, e.stream, e.recipe, e.budget, e.device, n.parts
),
known AS (
    SELECT w.*, coalesce((c.compute_params ->> 'ranks')::INTEGER, 1) AS ranks,
           CASE WHEN p.steps < 1 THEN 0 ELSE p.steps END * p.tasks AS steps, p.unit, h.device, u.spread AS usual_spread,
           coalesce(p.pflops, a.pflops, m.pflops) AS pflops,
           coalesce(a.peak_bytes, p.peak_bytes) AS peak_bytes, p.peak_bytes IS NOT NULL AS profiled,
           a.seconds AS a_s, a.trials AS a_n, coalesce(a.spread_s, u.spread * a.seconds) AS a_spread_s,
           p.steps * p.tasks * d.step_s + p.tasks * d.task_s AS d_s, d.trials AS d_n,
           CASE WHEN d.trials > 1 THEN
               sqrt(greatest((p.steps * p.tasks) ** 2 * d.step_variance + p.tasks ** 2 * d.task_variance
                             + 2 * p.steps * p.tasks ** 2 * d.covariance, 0)) END AS d_spread_s,
           r.s_per_pflop * p.pflops AS r_s, r.trials AS r_n, r.spread AS r_spread,
           m.seconds AS m_s, m.trials AS m_n, m.spread_s AS m_spread_s
    FROM wanted w
    JOIN stream s ON s.name = w.stream
    JOIN recipe c ON c.name = w.recipe
    JOIN steps p ON (p.backbone, p.mixture, p.method, p.recipe, p.budget, p.tasks) = (w.backbone, w.mixture, w.method, w.recipe, w.budget, s.tasks)
    LEFT JOIN here o ON o.backbone = w.backbone
    LEFT JOIN here g ON g.backbone IS NULL
    CROSS JOIN LATERAL (SELECT coalesce(o.device, g.device) AS device) h
    LEFT JOIN usual u ON u.device = h.device
    LEFT JOIN kind_cost a ON (a.backbone, a.stream, a.mixture, a.method, a.recipe, a.budget, a.device)
                       = (w.backbone, w.stream, w.mixture, w.method, w.recipe, w.budget, h.device)
    LEFT JOIN pace d ON (d.backbone, d.mixture, d.method, d.recipe, d.device)
                      = (w.backbone, w.mixture, w.method, w.recipe, h.device) AND p.steps > 0
    LEFT JOIN rate r ON (r.backbone, r.recipe, r.device) = (w.backbone, w.recipe, h.device)
    LEFT JOIN once n ON n.method = w.method
    LEFT JOIN similar_trials m ON (m.backbone, m.stream, m.recipe, m.budget, m.device, m.parts)
                                = (w.backbone, w.stream, w.recipe, w.budget, h.device, n.parts)
)
SELECT study, backbone, stream, mixture, method, recipe, budget, trials, ranks, unit, steps, pflops, peak_bytes, profiled, device,
       coalesce(a_s, d_s, r_s, m_s) AS seconds,
       CASE WHEN a_s IS NOT NULL THEN a_spread_s / sqrt(a_n) WHEN d_s IS NOT NULL THEN d_spread_s
            WHEN r_s IS NOT NULL THEN r_spread * r_s ELSE m_spread_s END AS error_s,
       CASE WHEN a_s IS NOT NULL THEN a_spread_s
            WHEN coalesce(d_s, r_s) IS NOT NULL THEN coalesce(usual_spread, 0) * coalesce(d_s, r_s)
            ELSE m_spread_s END AS noise_s,
       CASE WHEN a_s IS NOT NULL THEN 'alike' WHEN d_s IS NOT NULL THEN 'by method'
            WHEN r_s IS NOT NULL THEN 'by FLOPs' WHEN m_s IS NOT NULL THEN 'similar' END AS by_what,
       coalesce(CASE WHEN a_s IS NOT NULL THEN a_n WHEN d_s IS NOT NULL THEN d_n
                     WHEN r_s IS NOT NULL THEN r_n ELSE m_n END, 0) AS based_on,
       priority, first_trial, last_trial
FROM known
ORDER BY priority DESC, first_trial;
