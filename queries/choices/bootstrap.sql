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
sample AS (
    -- for each number of seeds the places that a sample takes; equal samples once, and how many they are
    SELECT n, places, count(*) AS times
    FROM (SELECT d.n, list_sort([1 + (hash(i * 1000003 + place) % d.n)::BIGINT FOR place IN range(d.n)]) AS places
          FROM (SELECT DISTINCT n FROM listed WHERE n >= 3) d, range(resamples) AS samples(i))
    GROUP BY ALL
),
resampled AS (
    SELECT l.b, l.st, l.mx, l.me, l.r, l.bu, l.n, l.m, list_avg(list_select(l.drawn_from, s.places)) AS mean_, s.times
    FROM listed l LEFT JOIN sample s ON s.n = l.n
),
counted AS (
    SELECT r.*, 0.025 * (resamples - 1) AS low_place, 0.975 * (resamples - 1) AS high_place,
           sum(r.times) OVER (PARTITION BY r.b, r.st, r.mx, r.me, r.r, r.bu ORDER BY r.mean_) AS up_to
    FROM resampled r
)
SELECT c.b AS backbone, c.st AS stream, c.mx AS mixture, c.me AS method, c.r AS recipe, c.bu AS budget, c.n AS seeds, c.n < 3 AS few_seeds,
       c.m AS mean,
       min(c.mean_) FILTER (WHERE c.up_to > floor(c.low_place)) * (1 - any_value(c.low_place % 1))
           + min(c.mean_) FILTER (WHERE c.up_to > ceil(c.low_place)) * any_value(c.low_place % 1) AS lowest,
       min(c.mean_) FILTER (WHERE c.up_to > floor(c.high_place)) * (1 - any_value(c.high_place % 1))
           + min(c.mean_) FILTER (WHERE c.up_to > ceil(c.high_place)) * any_value(c.high_place % 1) AS highest
FROM counted c
GROUP BY c.b, c.st, c.mx, c.me, c.r, c.bu, c.n, c.m
ORDER BY 1, 2, 3, 4, 5, 6;
