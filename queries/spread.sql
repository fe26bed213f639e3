-- How sure are we of each combination, over its seeds?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget, measure) with at least one trial at the end of its stream
-- mean over the seeds whose last task is measured, and its 95 % interval: mean -/+ t(.975, n - 1) * s / sqrt(n), NULL for one seed.
-- With 3 seeds t is 4.30, not 1.96. measure: a_ka, a_zs, gm, d_ka, d_zs, zs_ratio as in `trajectory`.
CREATE OR REPLACE VIEW spread AS
WITH
ended AS (
    SELECT * FROM trajectory WHERE task = tasks
),
named AS (
    SELECT e.backbone, e.stream, e.mixture, e.method, e.recipe, e.budget, n.measure,
           CASE n.measure WHEN 'a_ka' THEN e.a_ka WHEN 'a_zs' THEN e.a_zs WHEN 'gm' THEN e.gm
                          WHEN 'd_ka' THEN e.d_ka WHEN 'd_zs' THEN e.d_zs WHEN 'zs_ratio' THEN e.zs_ratio END AS value
    FROM ended e CROSS JOIN (SELECT unnest(['a_ka', 'a_zs', 'gm', 'd_ka', 'd_zs', 'zs_ratio']) AS measure) n
),
summed AS (
    SELECT n.backbone, n.stream, n.mixture, n.method, n.recipe, n.budget, n.measure,
           count(n.value) AS seeds, avg(n.value) AS mean, stddev_samp(n.value) AS deviation
    FROM named n
    GROUP BY ALL
    HAVING count(n.value) > 0
),
quantile AS (
    -- t(.975, df) for df = 1, 2, ... 30; beyond that two terms of its expansion around the normal quantile, good to 4 decimals
    SELECT generate_subscripts(t, 1) AS df, unnest(t) AS t
    FROM (SELECT [12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228,
                  2.201, 2.179, 2.160, 2.145, 2.131, 2.120, 2.110, 2.101, 2.093, 2.086,
                  2.080, 2.074, 2.069, 2.064, 2.060, 2.056, 2.052, 2.048, 2.045, 2.042] AS t)
),
widened AS (
    SELECT s.*, coalesce(q.t, 1.95996 + 2.37227 / (s.seeds - 1) + 2.8225 / (s.seeds - 1) ** 2) * s.deviation / sqrt(s.seeds) AS half
    FROM summed s LEFT JOIN quantile q ON q.df = s.seeds - 1
)
SELECT w.backbone, w.stream, w.mixture, w.method, w.recipe, w.budget, w.measure, w.seeds, w.mean, w.deviation,
       w.mean - w.half AS low, w.mean + w.half AS high
FROM widened w
ORDER BY ALL;
