-- How sure are we of each combination, without believing in a normal distribution?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget) at the end of its stream
-- mean over seeds, and the 95 % percentile interval of the means of `resamples` samples of as many
-- seeds, drawn with replacement (by a hash of sample and place: the same at every call); NULL below
-- 3 seeds. It cannot leave the range of the seeds, so with few of them it holds the true mean less
-- often than 95 %: `covers` says how often, of normal values (75, 84 and 89 % at 3, 5 and 8 seeds).
-- `spread` has the t-interval, which covers 95 %. measure: a_ka, a_zs, gm, d_ka, d_zs or zs_ratio.
-- A parameter left out means all.
CREATE OR REPLACE MACRO bootstrap(
    measure VARCHAR := 'gm', resamples INTEGER := 1000, stream VARCHAR := NULL,
    backbone VARCHAR := NULL
) AS TABLE
WITH
ended AS (
    SELECT reached.backbone AS backbone_, reached.stream AS stream_, reached.mixture,
           reached.method,
           reached.recipe, reached.budget, reached.seed, reached.value
    FROM at_end(measure := measure) AS reached
    WHERE reached.value IS NOT NULL AND (stream IS NULL OR reached.stream = stream)
      AND (backbone IS NULL OR reached.backbone = backbone)
),
listed AS (
    SELECT backbone_, stream_, mixture, method, recipe, budget,
           list(value ORDER BY seed) AS drawn_from,
           count(*) AS seeds, avg(value) AS mean
    FROM ended
    GROUP BY backbone_, stream_, mixture, method, recipe, budget
),
sample AS (
    -- for each number of seeds the places that a sample takes; equal samples once, and how many
    -- they are
    SELECT seeds, places, count(*) AS times
    FROM (
        SELECT number.seeds, list_sort([
                   1 + (hash(draw * 1000003 + place) % number.seeds)::BIGINT
                   FOR place IN range(number.seeds)]) AS places
        FROM (SELECT DISTINCT seeds FROM listed WHERE seeds >= 3) AS number,
        range(resamples) AS draws(draw)
    )
    GROUP BY seeds, places
),
resampled AS (
    SELECT listed.* EXCLUDE (drawn_from),
           list_avg(list_select(listed.drawn_from, sample.places)) AS sample_mean, sample.times
    FROM listed
    LEFT JOIN sample ON sample.seeds = listed.seeds
),
counted AS (
    SELECT *, 0.025 * (resamples - 1) AS low_place, 0.975 * (resamples - 1) AS high_place,
           sum(times) OVER (
               PARTITION BY backbone_, stream_, mixture, method, recipe, budget
               ORDER BY sample_mean) AS up_to
    FROM resampled
),
covering AS (
    -- by simulation (python -m benchmarks.decisions); a row holds from its seeds on
    SELECT at_least, covers, lead(at_least, 1, 1e9) OVER (ORDER BY at_least) AS below
    FROM (SELECT unnest([
        {'at_least': 3, 'covers': 0.75}, {'at_least': 4, 'covers': 0.80},
        {'at_least': 5, 'covers': 0.84},
        {'at_least': 6, 'covers': 0.86}, {'at_least': 8, 'covers': 0.89},
        {'at_least': 10, 'covers': 0.90},
        {'at_least': 15, 'covers': 0.92}, {'at_least': 20, 'covers': 0.93}], recursive := true))
)
SELECT counted.backbone_ AS backbone, counted.stream_ AS stream, counted.mixture, counted.method,
       counted.recipe, counted.budget, counted.seeds, counted.seeds < 3 AS few_seeds, counted.mean,
       min(sample_mean) FILTER (WHERE up_to > floor(low_place)) * (1 - any_value(low_place % 1))
           + min(sample_mean) FILTER (WHERE up_to > ceil(low_place)) * any_value(
               low_place % 1) AS lowest,
       min(sample_mean) FILTER (WHERE up_to > floor(high_place)) * (1 - any_value(high_place % 1))
           + min(sample_mean) FILTER (WHERE up_to > ceil(high_place)) * any_value(
               high_place % 1) AS highest,
       -- joined: below a subquery of each row no condition on the words would get
       any_value(covering.covers)::DOUBLE AS covers
FROM counted
LEFT JOIN covering ON counted.seeds >= covering.at_least AND counted.seeds < covering.below
GROUP BY counted.backbone_, counted.stream_, counted.mixture, counted.method, counted.recipe,
         counted.budget, counted.seeds, counted.mean
ORDER BY 1, 2, 3, 4, 5, 6;
