-- What is the typical value over a suite, outliers among the datasets aside?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget, role) measured at the end
-- interquartile_mean: over all seeds and members of the role, the lowest and the highest quarter
-- left out (rliable, https://arxiv.org/abs/2108.13264); a value that lies across a quarter counts
-- in part. low, high: 95 % t-interval, from the interquartile means of the single seeds; NULL for
-- one. mean and median beside it; values: how many there are.
CREATE OR REPLACE VIEW interquartile AS
WITH
placed AS (
    -- of n values the k-th smallest fills (k - 1) / n to k / n, and counts as far as that is in the
    -- middle half
    SELECT member_ends.*,
           (row_number() OVER all_seeds - 1) / count(*) OVER all_values AS begins,
           row_number() OVER all_seeds / count(*) OVER all_values AS ends,
           (row_number() OVER one_seed - 1) / count(*) OVER one_seed_values AS begins_in_seed,
           row_number() OVER one_seed / count(*) OVER one_seed_values AS ends_in_seed
    FROM member_ends
    WINDOW all_values AS (PARTITION BY backbone, stream, mixture, method, recipe, budget, role),
           all_seeds AS (PARTITION BY backbone, stream, mixture, method, recipe, budget, role
                         ORDER BY value, seed, dataset, metric, label_space),
           one_seed_values AS (PARTITION BY backbone, stream, mixture, method, recipe, budget, role,
                               seed),
           one_seed AS (PARTITION BY backbone, stream, mixture, method, recipe, budget, role, seed
                        ORDER BY value, dataset, metric, label_space)
),
weighed AS (
    SELECT *, greatest(0, least(ends, 0.75) - greatest(begins, 0.25)) AS part,
           greatest(0, least(ends_in_seed, 0.75) - greatest(begins_in_seed, 0.25)) AS part_in_seed
    FROM placed
),
of_seed AS (
    SELECT backbone, stream, mixture, method, recipe, budget, role, seed,
           sum(value * part_in_seed) / 0.5 AS interquartile_mean
    FROM weighed
    GROUP BY backbone, stream, mixture, method, recipe, budget, role, seed
),
spread_ AS (
    SELECT backbone, stream, mixture, method, recipe, budget, role, count(*) AS seeds,
           stddev_samp(interquartile_mean) / sqrt(count(*)) AS error_
    FROM of_seed
    GROUP BY backbone, stream, mixture, method, recipe, budget, role
),
pooled AS (
    SELECT backbone, stream, mixture, method, recipe, budget, role, count(*) AS values_,
           sum(value * part) / 0.5 AS interquartile_mean, avg(value) AS mean,
           median(value) AS median_
    FROM weighed
    GROUP BY backbone, stream, mixture, method, recipe, budget, role
)
SELECT pooled.backbone, pooled.stream, pooled.mixture, pooled.method, pooled.recipe, pooled.budget,
       pooled.role, spread_.seeds, spread_.seeds < 3 AS few_seeds, pooled.values_ AS "values",
       pooled.interquartile_mean, pooled.interquartile_mean - student.t * spread_.error_ AS low,
       pooled.interquartile_mean + student.t * spread_.error_ AS high, pooled.mean,
       pooled.median_ AS median
FROM pooled
JOIN spread_ USING (backbone, stream, mixture, method, recipe, budget, role)
LEFT JOIN student ON student.df = spread_.seeds - 1
ORDER BY pooled.backbone, pooled.stream, pooled.budget, pooled.role, pooled.interquartile_mean DESC,
         pooled.method, pooled.mixture, pooled.recipe;
