-- How does each combination go along its stream, over seeds?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget, task) with results
-- Means over the seeds that have the task, with 95 % t-intervals of a_ka, a_zs, gm and zs_ratio. spent_*: means of `trajectory`'s.
CREATE OR REPLACE VIEW course AS
WITH
summed AS (
    SELECT t.backbone, t.stream, t.mixture, t.method, t.recipe, t.budget, t.task, any_value(t.tasks) AS tasks, count(*) AS seeds,
           avg(t.spent_flops) / 1e9 AS spent_gflops, avg(t.spent_s) AS spent_s, avg(t.spent_steps) AS spent_steps,
           avg(t.spent_pairs) AS spent_pairs,
           avg(t.a_ka) AS a_ka, stddev_samp(t.a_ka) / sqrt(count(t.a_ka)) AS a_ka_e,
           avg(t.a_zs) AS a_zs, stddev_samp(t.a_zs) / sqrt(count(t.a_zs)) AS a_zs_e,
           avg(t.gm) AS gm, stddev_samp(t.gm) / sqrt(count(t.gm)) AS gm_e,
           avg(t.zs_ratio) AS zs_ratio, stddev_samp(t.zs_ratio) / sqrt(count(t.zs_ratio)) AS zs_ratio_e,
           avg(t.d_ka) AS d_ka, avg(t.d_zs) AS d_zs
    FROM trajectory t
    GROUP BY ALL
)
SELECT s.* EXCLUDE (a_ka_e, a_zs_e, gm_e, zs_ratio_e),
       s.a_ka - q.t * s.a_ka_e AS a_ka_low, s.a_ka + q.t * s.a_ka_e AS a_ka_high,
       s.a_zs - q.t * s.a_zs_e AS a_zs_low, s.a_zs + q.t * s.a_zs_e AS a_zs_high,
       s.gm - q.t * s.gm_e AS gm_low, s.gm + q.t * s.gm_e AS gm_high,
       s.zs_ratio - q.t * s.zs_ratio_e AS zs_ratio_low, s.zs_ratio + q.t * s.zs_ratio_e AS zs_ratio_high
FROM summed s LEFT JOIN student q ON q.df = s.seeds - 1
ORDER BY s.backbone, s.stream, s.budget, s.recipe, s.mixture, s.method, s.task;
