-- Is one method better than another, and if that is open, how many more seeds would tell?
-- grain: one row per (backbone, stream, mixture, recipe, budget) at whose end method `a` or method `b` was measured
-- difference: mean of a - b over the seeds that both have (`pairs`), with its 95 % t-interval. wins, ties, losses: of a; win_rate: ties half.
-- verdict: the better one; tie (the interval holds 0); too few seeds. seeds_needed: pairs at which a difference as large as the present one,
-- at the present spread, is told from 0 with probability `power`, NULL above 1,001; more_seeds of them are missing where it is open, and `grid`
-- is the INSERT for these (and for those that only one method has). For a tie of a thousandth, more seeds are a waste: read the interval first.
CREATE OR REPLACE MACRO decide(
    a VARCHAR := 'finetune', b VARCHAR := 'ema_merge', measure VARCHAR := 'gm', power DOUBLE := 0.8
) AS TABLE
WITH
counted AS (
    SELECT p.backbone, p.stream, p.mixture, p.recipe, p.budget,
           count(p.value_a) AS seeds_a, count(p.value_b) AS seeds_b, count(p.difference) AS n, avg(p.difference) AS d,
           stddev_samp(p.difference) AS s, max(p.seed) AS last_seed,
           count(*) FILTER (WHERE p.difference > 0) AS wins, count(*) FILTER (WHERE p.difference = 0) AS ties,
           count(*) FILTER (WHERE p.difference < 0) AS losses,
           avg(CASE WHEN p.difference > 0 THEN 1.0 WHEN p.difference = 0 THEN 0.5 WHEN p.difference < 0 THEN 0.0 END) AS win_rate
    FROM paired(a := a, b := b, measure := measure) p
    GROUP BY ALL
),
chance AS (
    -- the normal quantile of `power`, by the rational approximation 26.2.23 of Abramowitz and Stegun (error below 0.00045)
    SELECT CASE WHEN power >= 0.5 THEN z ELSE -z END AS z
    FROM (SELECT u - (2.515517 + 0.802853 * u + 0.010328 * u ** 2) / (1 + 1.432788 * u + 0.189269 * u ** 2 + 0.001308 * u ** 3) AS z
          FROM (SELECT CASE WHEN power BETWEEN 0.01 AND 0.999 THEN sqrt(-2 * ln(least(power, 1 - power)))
                            ELSE error('power is a probability, in [0.01, 0.999], not ' || power) END AS u))
),
needed AS (
    SELECT c.backbone, c.stream, c.mixture, c.recipe, c.budget, min(q.df + 1) AS seeds
    FROM counted c CROSS JOIN chance h
    JOIN student q ON q.df + 1 >= ((q.t + h.z * q.t / 1.95996) * c.s / nullif(abs(c.d), 0)) ** 2
    GROUP BY ALL
),
judged AS (
    SELECT c.*, c.d - q.t * c.s / sqrt(c.n) AS low, c.d + q.t * c.s / sqrt(c.n) AS high, w.seeds AS seeds_needed,
           CASE WHEN c.n < 2 THEN 3 - c.n WHEN abs(c.d) > q.t * c.s / sqrt(c.n) THEN 0 ELSE w.seeds - c.n END AS more
    FROM counted c
    LEFT JOIN student q ON q.df = c.n - 1
    LEFT JOIN needed w ON w.backbone = c.backbone AND w.stream = c.stream AND w.mixture = c.mixture AND w.recipe = c.recipe
                      AND w.budget = c.budget
),
written AS (
    SELECT g.*, [chr(39) || replace(word, chr(39), chr(39) || chr(39)) || chr(39)
                 FOR word IN [g.backbone, g.stream, g.mixture, g.recipe, g.budget, a, b, concat('decide ', a, ' or ', b)]] AS q
    FROM judged g
)
SELECT j.backbone, j.stream, j.mixture, j.recipe, j.budget, j.seeds_a, j.seeds_b, j.n AS pairs, j.n < 3 AS few_seeds,
       j.d AS difference, j.low AS difference_low, j.high AS difference_high, j.wins, j.ties, j.losses, j.win_rate,
       CASE WHEN j.low IS NULL THEN 'too few seeds' WHEN j.low > 0 THEN a || ' is better' WHEN j.high < 0 THEN b || ' is better'
            ELSE 'tie' END AS verdict,
       j.seeds_needed, CASE WHEN j.more IS NOT NULL THEN greatest(j.more, 0) END AS more_seeds,
       CASE WHEN j.more > 0 THEN format(
           'INSERT INTO trial (backbone, stream, mixture, method, recipe, budget, seed, study) SELECT {0}, {1}, {2}, method, {3}, {4}, seed, {7} '
           'FROM (VALUES ({5}), ({6})) AS methods(method), range({8}) AS seeds(seed) ON CONFLICT DO NOTHING;',
           q[1], q[2], q[3], q[4], q[5], q[6], q[7], q[8], greatest(j.last_seed + 1, j.n + j.more)) END AS grid
FROM written j
ORDER BY 1, 2, 3, 4, 5;
