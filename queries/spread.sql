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
widened AS (
    SELECT s.*, q.t * s.deviation / sqrt(s.seeds) AS half
    FROM summed s LEFT JOIN student q ON q.df = s.seeds - 1
)
SELECT w.backbone, w.stream, w.mixture, w.method, w.recipe, w.budget, w.measure, w.seeds, w.mean, w.deviation,
       w.mean - w.half AS low, w.mean + w.half AS high
FROM widened w
ORDER BY ALL;
