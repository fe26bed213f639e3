-- How sure are we of each combination, without believing in a normal distribution?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget) with a trial at the end of its stream
-- mean over seeds, and the 95 % percentile interval of the means of `resamples` samples of as many seeds, drawn with replacement (by a
-- hash of sample and place: the same at every call). NULL below 3 seeds; with so few it is narrower than it should be: `spread` has the
-- t-interval. measure: a_ka, a_zs, gm, d_ka, d_zs or zs_ratio. A parameter left out means all.
CREATE OR REPLACE MACRO bootstrap(
    measure VARCHAR := 'gm', resamples INTEGER := 1000, stream VARCHAR := NULL, backbone VARCHAR := NULL
) AS TABLE
WITH
ended AS (
    SELECT t.backbone AS b, t.stream AS st, t.mixture AS mx, t.method AS me, t.recipe AS r, t.budget AS bu, t.seed,
           CASE measure WHEN 'a_ka' THEN t.a_ka WHEN 'a_zs' THEN t.a_zs WHEN 'gm' THEN t.gm WHEN 'd_ka' THEN t.d_ka
                        WHEN 'd_zs' THEN t.d_zs WHEN 'zs_ratio' THEN t.zs_ratio
                        ELSE error('measure is one of a_ka, a_zs, gm, d_ka, d_zs, zs_ratio; not ' || measure) END AS value
    FROM trajectory t
    WHERE t.task = t.tasks AND (stream IS NULL OR t.stream = stream) AND (backbone IS NULL OR t.backbone = backbone)
),
listed AS (
    SELECT b, st, mx, me, r, bu, list(value ORDER BY seed) AS drawn_from, count(*) AS n, avg(value) AS m
    FROM ended
    WHERE value IS NOT NULL
    GROUP BY ALL
),
resampled AS (
    SELECT l.b, l.st, l.mx, l.me, l.r, l.bu,
           list_avg([l.drawn_from[1 + (hash(i * 1000003 + place) % l.n)::BIGINT] FOR place IN range(l.n)]) AS m
    FROM listed l, range(resamples) AS samples(i)
    WHERE l.n >= 3
),
bounded AS (
    SELECT b, st, mx, me, r, bu, quantile_cont(m, 0.025) AS lowest, quantile_cont(m, 0.975) AS highest
    FROM resampled
    GROUP BY ALL
)
SELECT l.b AS backbone, l.st AS stream, l.mx AS mixture, l.me AS method, l.r AS recipe, l.bu AS budget, l.n AS seeds, l.n < 3 AS few_seeds,
       l.m AS mean, o.lowest, o.highest
FROM listed l
LEFT JOIN bounded o ON o.b = l.b AND o.st = l.st AND o.mx = l.mx AND o.me = l.me AND o.r = l.r AND o.bu = l.bu
ORDER BY 1, 2, 3, 4, 5, 6;
