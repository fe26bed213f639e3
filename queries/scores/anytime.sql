-- How good is each trial on the way, not only at its end?
-- grain: one row per trial at the end of its stream
-- zs_min: the worst a_zs after any task, and the first such task. *_auc: area under the measure
-- over spent FLOPs (trapezoids), divided by what was spent since task 0, so it reads like the
-- measure itself: what a user had on average while the stream went on. NULL where a point is
-- missing.
CREATE OR REPLACE VIEW anytime AS
WITH
stepped AS (
    SELECT trajectory.*, lag(spent_flops) OVER stream_of AS flops_before,
           lag(a_ka) OVER stream_of AS ka_before, lag(a_zs) OVER stream_of AS zs_before,
           lag(gm) OVER stream_of AS gm_before
    FROM trajectory
    -- the words too: a condition on one of them chooses trials first
    WINDOW stream_of AS (PARTITION BY study, backbone, stream, mixture, method, recipe, budget,
                         seed, trial
                         ORDER BY task)
),
summed AS (
    SELECT study, backbone, stream, mixture, method, recipe, budget, seed, trial, tasks,
           min(a_zs) AS zs_min,
           arg_min(task, (a_zs, task)) FILTER (WHERE a_zs IS NOT NULL) AS zs_min_task,
           max(spent_flops) AS flops, max(spent_flops) - min(spent_flops) AS run,
           count(gm) = tasks + 1 AS whole,
           sum((a_ka + ka_before) / 2 * (spent_flops - flops_before)) AS ka_area,
           sum((a_zs + zs_before) / 2 * (spent_flops - flops_before)) AS zs_area,
           sum((gm + gm_before) / 2 * (spent_flops - flops_before)) AS gm_area,
           max(a_zs) FILTER (WHERE task = tasks) AS zs_end, max(task) = tasks AS at_end
    FROM stepped
    GROUP BY study, backbone, stream, mixture, method, recipe, budget, seed, trial, tasks
)
SELECT study, backbone, stream, mixture, method, recipe, budget, seed, trial, zs_end, zs_min,
       zs_min_task,
       CASE WHEN whole THEN ka_area / nullif(run, 0) END AS ka_auc,
       CASE WHEN whole THEN zs_area / nullif(run, 0) END AS zs_auc,
       CASE WHEN whole THEN gm_area / nullif(run, 0) END AS gm_auc,
       flops / 1e9 AS spent_gflops
FROM summed
WHERE at_end
ORDER BY trial;
