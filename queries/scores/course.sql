-- How does each combination go along its stream, over seeds?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget, task) with results
-- Means over the seeds that have the task, with 95 % t-intervals of a_ka, a_zs, gm and zs_ratio.
-- spent_*: means of `trajectory`'s.
CREATE OR REPLACE VIEW course AS
WITH
summed AS (
    SELECT t.backbone, t.stream, t.mixture, t.method, t.recipe, t.budget, t.task, any_value(t.tasks) AS tasks, count(*) AS seeds,
           avg(t.spent_flops) / 1e9 AS spent_gflops, avg(t.spent_s) AS spent_s, avg(t.spent_steps) AS spent_steps,
           avg(t.spent_pairs) AS spent_pairs,
           avg(t.a_ka) AS a_ka, count(t.a_ka) AS a_ka_n, stddev_samp(t.a_ka) / sqrt(count(t.a_ka)) AS a_ka_e,
           avg(t.a_zs) AS a_zs, count(t.a_zs) AS a_zs_n, stddev_samp(t.a_zs) / sqrt(count(t.a_zs)) AS a_zs_e,
           avg(t.gm) AS gm, count(t.gm) AS gm_n, stddev_samp(t.gm) / sqrt(count(t.gm)) AS gm_e,
           avg(t.zs_ratio) AS zs_ratio, count(t.zs_ratio) AS zs_ratio_n,
           stddev_samp(t.zs_ratio) / sqrt(count(t.zs_ratio)) AS zs_ratio_e,
           avg(t.d_ka) AS d_ka, avg(t.d_zs) AS d_zs
    FROM trajectory t
    GROUP BY ALL
),
factor AS (
    SELECT list(q.t ORDER BY q.df) AS of_df FROM student q
),
halved AS (
    -- a measure that not every seed has is known from those that have it
    SELECT s.*, f.of_df[s.a_ka_n - 1] * s.a_ka_e AS a_ka_h, f.of_df[s.a_zs_n - 1] * s.a_zs_e AS a_zs_h,
           f.of_df[s.gm_n - 1] * s.gm_e AS gm_h, f.of_df[s.zs_ratio_n - 1] * s.zs_ratio_e AS zs_ratio_h
    FROM summed s CROSS JOIN factor f
)
SELECT s.* EXCLUDE (a_ka_n, a_ka_e, a_ka_h, a_zs_n, a_zs_e, a_zs_h, gm_n, gm_e, gm_h, zs_ratio_n, zs_ratio_e, zs_ratio_h),
       s.a_ka - s.a_ka_h AS a_ka_low, s.a_ka + s.a_ka_h AS a_ka_high, s.a_zs - s.a_zs_h AS a_zs_low, s.a_zs + s.a_zs_h AS a_zs_high,
       s.gm - s.gm_h AS gm_low, s.gm + s.gm_h AS gm_high,
       s.zs_ratio - s.zs_ratio_h AS zs_ratio_low, s.zs_ratio + s.zs_ratio_h AS zs_ratio_high
FROM halved s
ORDER BY s.backbone, s.stream, s.budget, s.recipe, s.mixture, s.method, s.task;
