-- What do the seeds of each cell come to?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget) that has a trial at the end of its stream
-- Of each measure of `trajectory` the mean over seeds, *_seeds that have it, and *_half: half the
-- width of the 95 % t-interval, NULL below two seeds. `spread` says the same with a row for each
-- measure.
CREATE OR REPLACE VIEW cells AS
WITH
summed AS (
    SELECT t.backbone, t.stream, t.mixture, t.method, t.recipe, t.budget, count(*) AS seeds, avg(t.spent_flops) / 1e9 AS gflops,
           avg(t.a_ka) AS a_ka, count(t.a_ka) AS a_ka_seeds, stddev_samp(t.a_ka) AS a_ka_deviation,
           avg(t.a_zs) AS a_zs, count(t.a_zs) AS a_zs_seeds, stddev_samp(t.a_zs) AS a_zs_deviation,
           avg(t.gm) AS gm, count(t.gm) AS gm_seeds, stddev_samp(t.gm) AS gm_deviation,
           avg(t.d_ka) AS d_ka, count(t.d_ka) AS d_ka_seeds, stddev_samp(t.d_ka) AS d_ka_deviation,
           avg(t.d_zs) AS d_zs, count(t.d_zs) AS d_zs_seeds, stddev_samp(t.d_zs) AS d_zs_deviation,
           avg(t.zs_ratio) AS zs_ratio, count(t.zs_ratio) AS zs_ratio_seeds, stddev_samp(t.zs_ratio) AS zs_ratio_deviation
    FROM trajectory t
    WHERE t.task = t.tasks
    GROUP BY ALL
),
factor AS (
    SELECT list(q.t ORDER BY q.df) AS of_df FROM student q
)
SELECT s.*,
       f.of_df[s.a_ka_seeds - 1] * s.a_ka_deviation / sqrt(s.a_ka_seeds) AS a_ka_half,
       f.of_df[s.a_zs_seeds - 1] * s.a_zs_deviation / sqrt(s.a_zs_seeds) AS a_zs_half,
       f.of_df[s.gm_seeds - 1] * s.gm_deviation / sqrt(s.gm_seeds) AS gm_half,
       f.of_df[s.d_ka_seeds - 1] * s.d_ka_deviation / sqrt(s.d_ka_seeds) AS d_ka_half,
       f.of_df[s.d_zs_seeds - 1] * s.d_zs_deviation / sqrt(s.d_zs_seeds) AS d_zs_half,
       f.of_df[s.zs_ratio_seeds - 1] * s.zs_ratio_deviation / sqrt(s.zs_ratio_seeds) AS zs_ratio_half
FROM summed s CROSS JOIN factor f
ORDER BY s.backbone, s.stream, s.budget, s.recipe, s.mixture, s.method;
