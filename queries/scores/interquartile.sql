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
-- Windows carry what is summed, so that a condition on the words of an answer gets below all of it
pooled AS (
    SELECT *, count(*) OVER of_role AS values_,
           sum(value * part) OVER of_role / 0.5 AS interquartile_mean,
           avg(value) OVER of_role AS mean, median(value) OVER of_role AS median_
    FROM weighed
    WINDOW of_role AS (PARTITION BY backbone, stream, mixture, method, recipe, budget, role)
),
of_seed AS (
    SELECT backbone, stream, mixture, method, recipe, budget, role, seed, values_,
           interquartile_mean, mean, median_,
           sum(value * part_in_seed) / 0.5 AS interquartile_mean_of_seed
    FROM pooled
    GROUP BY ALL
),
spread_ AS (
    SELECT backbone, stream, mixture, method, recipe, budget, role, values_, interquartile_mean,
           mean, median_, count(*) AS seeds,
           stddev_samp(interquartile_mean_of_seed) / sqrt(count(*)) AS error_
    FROM of_seed
    GROUP BY ALL
)
SELECT spread_.backbone, spread_.stream, spread_.mixture, spread_.method, spread_.recipe,
       spread_.budget, spread_.role, spread_.seeds, spread_.seeds < 3 AS few_seeds,
       spread_.values_ AS "values", spread_.interquartile_mean,
       spread_.interquartile_mean - student.t * spread_.error_ AS low,
       spread_.interquartile_mean + student.t * spread_.error_ AS high, spread_.mean,
       spread_.median_ AS median
FROM spread_
LEFT JOIN student ON student.df = spread_.seeds - 1
ORDER BY spread_.backbone, spread_.stream, spread_.budget, spread_.role,
         spread_.interquartile_mean DESC, spread_.method, spread_.mixture, spread_.recipe;
