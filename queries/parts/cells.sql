-- What do the seeds of each cell come to?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget) at the end of its stream
-- Of each measure of `trajectory` the mean over seeds, *_seeds that have it, and *_half: half the
-- width of the 95 % t-interval, NULL below two seeds. `spread` says the same with a row for each
-- measure.
CREATE OR REPLACE VIEW cells AS
WITH
summed AS (
    SELECT trajectory.backbone, trajectory.stream, trajectory.mixture, trajectory.method,
           trajectory.recipe, trajectory.budget, count(*) AS seeds,
           avg(trajectory.spent_flops) / 1e9 AS gflops,
           avg(trajectory.a_ka) AS a_ka, count(trajectory.a_ka) AS a_ka_seeds,
           stddev_samp(trajectory.a_ka) AS a_ka_deviation,
           avg(trajectory.a_zs) AS a_zs, count(trajectory.a_zs) AS a_zs_seeds,
           stddev_samp(trajectory.a_zs) AS a_zs_deviation,
           avg(trajectory.gm) AS gm, count(trajectory.gm) AS gm_seeds,
           stddev_samp(trajectory.gm) AS gm_deviation,
           avg(trajectory.d_ka) AS d_ka, count(trajectory.d_ka) AS d_ka_seeds,
           stddev_samp(trajectory.d_ka) AS d_ka_deviation,
           avg(trajectory.d_zs) AS d_zs, count(trajectory.d_zs) AS d_zs_seeds,
           stddev_samp(trajectory.d_zs) AS d_zs_deviation,
           avg(trajectory.zs_ratio) AS zs_ratio, count(trajectory.zs_ratio) AS zs_ratio_seeds,
           stddev_samp(trajectory.zs_ratio) AS zs_ratio_deviation
    FROM trajectory
    WHERE trajectory.task = trajectory.tasks
    GROUP BY ALL
),
factor AS (
    SELECT list(student.t ORDER BY student.df) AS of_df FROM student
)
SELECT summed.*,
       factor.of_df[summed.a_ka_seeds - 1] * summed.a_ka_deviation
       / sqrt(summed.a_ka_seeds) AS a_ka_half,
       factor.of_df[summed.a_zs_seeds - 1] * summed.a_zs_deviation
       / sqrt(summed.a_zs_seeds) AS a_zs_half,
       factor.of_df[summed.gm_seeds - 1] * summed.gm_deviation / sqrt(summed.gm_seeds) AS gm_half,
       factor.of_df[summed.d_ka_seeds - 1] * summed.d_ka_deviation
       / sqrt(summed.d_ka_seeds) AS d_ka_half,
       factor.of_df[summed.d_zs_seeds - 1] * summed.d_zs_deviation
       / sqrt(summed.d_zs_seeds) AS d_zs_half,
       factor.of_df[summed.zs_ratio_seeds - 1] * summed.zs_ratio_deviation
       / sqrt(summed.zs_ratio_seeds) AS zs_ratio_half
FROM summed CROSS JOIN factor
ORDER BY summed.backbone, summed.stream, summed.budget, summed.recipe, summed.mixture,
         summed.method;
