-- How does each combination go along its stream, over seeds?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget, task) with results
-- Means over the seeds that have the task, with 95 % t-intervals of a_ka, a_zs, gm and zs_ratio.
-- spent_*: means of `trajectory`'s.
CREATE OR REPLACE VIEW course AS
WITH
summed AS (
    SELECT trajectory.backbone, trajectory.stream, trajectory.mixture, trajectory.method,
           trajectory.recipe, trajectory.budget, trajectory.task,
           any_value(trajectory.tasks) AS tasks, count(*) AS seeds,
           avg(trajectory.spent_flops) / 1e9 AS spent_gflops, avg(trajectory.spent_s) AS spent_s,
           avg(trajectory.spent_steps) AS spent_steps,
           avg(trajectory.spent_pairs) AS spent_pairs,
           avg(trajectory.a_ka) AS a_ka, count(trajectory.a_ka) AS a_ka_n,
           stddev_samp(trajectory.a_ka) / sqrt(count(trajectory.a_ka)) AS a_ka_e,
           avg(trajectory.a_zs) AS a_zs, count(trajectory.a_zs) AS a_zs_n,
           stddev_samp(trajectory.a_zs) / sqrt(count(trajectory.a_zs)) AS a_zs_e,
           avg(trajectory.gm) AS gm, count(trajectory.gm) AS gm_n,
           stddev_samp(trajectory.gm) / sqrt(count(trajectory.gm)) AS gm_e,
           avg(trajectory.zs_ratio) AS zs_ratio, count(trajectory.zs_ratio) AS zs_ratio_n,
           stddev_samp(trajectory.zs_ratio) / sqrt(count(trajectory.zs_ratio)) AS zs_ratio_e,
           avg(trajectory.d_ka) AS d_ka, avg(trajectory.d_zs) AS d_zs
    FROM trajectory
    GROUP BY ALL
),
factor AS (
    SELECT list(student.t ORDER BY student.df) AS of_df FROM student
),
halved AS (
    -- a measure that not every seed has is known from those that have it
    SELECT summed.*, factor.of_df[summed.a_ka_n - 1] * summed.a_ka_e AS a_ka_h,
           factor.of_df[summed.a_zs_n - 1] * summed.a_zs_e AS a_zs_h,
           factor.of_df[summed.gm_n - 1] * summed.gm_e AS gm_h,
           factor.of_df[summed.zs_ratio_n - 1] * summed.zs_ratio_e AS zs_ratio_h
    FROM summed CROSS JOIN factor
)
SELECT halved.* EXCLUDE (a_ka_n, a_ka_e, a_ka_h, a_zs_n, a_zs_e, a_zs_h, gm_n, gm_e, gm_h,
                         zs_ratio_n, zs_ratio_e, zs_ratio_h),
       halved.a_ka - halved.a_ka_h AS a_ka_low, halved.a_ka + halved.a_ka_h AS a_ka_high,
       halved.a_zs - halved.a_zs_h AS a_zs_low, halved.a_zs + halved.a_zs_h AS a_zs_high,
       halved.gm - halved.gm_h AS gm_low, halved.gm + halved.gm_h AS gm_high,
       halved.zs_ratio - halved.zs_ratio_h AS zs_ratio_low,
       halved.zs_ratio + halved.zs_ratio_h AS zs_ratio_high
FROM halved
ORDER BY halved.backbone, halved.stream, halved.budget, halved.recipe, halved.mixture,
         halved.method, halved.task;
