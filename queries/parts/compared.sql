-- Which of several choices is best, which cannot be told from it, and which is behind?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget, choice)
-- trials: a view, table or CTE with the columns of `method_ends`; rows of equal words are one
-- family. best: by mean. behind: how much the best is ahead over the seeds that both have
-- (`pairs`), with an interval. The best is picked from the same seeds that judge it, so every pair
-- of the family could have been the comparison: of k choices at the 95 % level each pair is judged
-- at 0.05 / (k * (k - 1) / 2), a quarter stricter where k > 2, and the chance that any of equally
-- good choices is called behind is at most 5 %. Three seeds know their own spread badly, so the
-- variance of a pair is shrunk to the family's (moderated t, Smyth 2004): pooled has `prior_df`
-- degrees of freedom, as many as the variances of the choices agree with, at most 2 k. The floor of
-- a pair's deviation is the `resolution` of the test sets. docs/statistics.md simulates all of
-- this. verdict: best; tie; behind; ahead (behind by mean, ahead on the common seeds); too few
-- seeds (fewer than 3 pairs). every_look: judged on the first 3, 6, 12, 24, ... pairs only, and at
-- half the level each time, so that it holds however often somebody looks; look: how many of these
-- are there. optimism: so much of the best's mean may be the luck of being picked (its distance
-- from the mean of those that it cannot be told from, as far as chance explains their spread);
-- mean_low goes down by it.
CREATE OR REPLACE MACRO compared(
    trials VARCHAR := 'method_ends', every_look BOOLEAN := FALSE
) AS TABLE
WITH
-- What a seed does to every choice alike is taken off: means of choices and of seeds, in turn.
-- Where all choices have the same seeds once is exact, where not twice is near.
less_choice AS (
    SELECT *, value - avg(value) OVER (
        PARTITION BY of_backbone, of_stream, of_mixture, of_method, of_recipe, of_budget,
        choice) AS noise
    FROM query_table(trials)
),
less_seed AS (
    SELECT * REPLACE (noise - avg(noise) OVER (
        PARTITION BY of_backbone, of_stream, of_mixture, of_method, of_recipe, of_budget,
        seed) AS noise)
    FROM less_choice
),
less_choice_again AS (
    SELECT * REPLACE (noise - avg(noise) OVER (
        PARTITION BY of_backbone, of_stream, of_mixture, of_method, of_recipe, of_budget,
        choice) AS noise)
    FROM less_seed
),
less_seed_again AS (
    SELECT * REPLACE (noise - avg(noise) OVER (
        PARTITION BY of_backbone, of_stream, of_mixture, of_method, of_recipe, of_budget,
        seed) AS noise)
    FROM less_choice_again
),
meant AS (
    SELECT *, avg(value) OVER (
        PARTITION BY of_backbone, of_stream, of_mixture, of_method, of_recipe, of_budget,
        choice) AS mean_of_choice
    FROM less_seed_again
),
led AS (
    SELECT *, first(choice) OVER (
        PARTITION BY of_backbone, of_stream, of_mixture, of_method, of_recipe, of_budget
        ORDER BY mean_of_choice DESC NULLS LAST, choice) AS best
    FROM meant
),
beside_best AS (
    -- windows over a seed, not a join of all with all: what is asked of few families is computed of
    -- few, and time grows with the number of trials
    SELECT *, max(value) FILTER (WHERE choice = best) OVER of_seed AS best_value,
           min(choice) FILTER (WHERE value IS NOT NULL) OVER of_seed AS first_with_seed,
           max(resolution) FILTER (WHERE choice = best) OVER family AS best_resolution
    FROM led
    WINDOW of_seed AS (PARTITION BY of_backbone, of_stream, of_mixture, of_method, of_recipe,
                       of_budget, seed),
           family AS (PARTITION BY of_backbone, of_stream, of_mixture, of_method, of_recipe,
                      of_budget)
),
of_choice AS (
    SELECT of_backbone, of_stream, of_mixture, of_method, of_recipe, of_budget, choice,
           min(at_recipe) AS at_recipe,
           count(*) AS wanted, count(value) AS seeds, avg(value) AS mean,
           stddev_samp(value) AS deviation,
           avg(gflops) FILTER (WHERE value IS NOT NULL) AS gflops,
           coalesce(var_samp(noise), 0) AS variance, coalesce(max(resolution), 0) AS resolution,
           any_value(best) AS best, coalesce(any_value(best_resolution), 0) AS best_resolution,
           count(*) FILTER (WHERE first_with_seed = choice AND value IS NOT NULL) AS own_seeds,
           list(best_value - value ORDER BY seed)
           FILTER (WHERE choice <> best AND value IS NOT NULL
                   AND best_value IS NOT NULL) AS all_ahead
    FROM beside_best
    GROUP BY of_backbone, of_stream, of_mixture, of_method, of_recipe, of_budget, choice
),
of_family AS (
    SELECT *, count(*) FILTER (WHERE seeds > 0) OVER family AS choices,
           sum(seeds) OVER family AS values_, sum(own_seeds) OVER family AS different_seeds,
           sum((seeds - 1) * variance) FILTER (WHERE seeds > 0) OVER family AS squares
    FROM of_choice
    WINDOW family AS (PARTITION BY of_backbone, of_stream, of_mixture, of_method, of_recipe,
                      of_budget)
),
pooled AS (
    SELECT *, values_ - choices - different_seeds + 1 AS pooled_df,
           squares / nullif(values_ - choices - different_seeds + 1, 0) AS pooled_variance,
           -- the logarithm of a variance, its bias taken off, and how much it varies by chance
           -- (trigamma)
           CASE WHEN seeds >= 3 THEN
               ln(greatest(variance, resolution ** 2 / 2, 1e-30)) + 1 / (seeds - 1) + 1
               / (3 * (seeds - 1) ** 2)
           END AS log_variance,
           CASE WHEN seeds >= 3 THEN
               2 / (seeds - 1) + 2 / (seeds - 1) ** 2 + 4 / (3 * (seeds - 1) ** 3) - 16
               / (15 * (seeds - 1) ** 5)
           END AS of_chance
    FROM of_family
),
differing AS (
    SELECT *, var_samp(log_variance) OVER family - avg(of_chance) OVER family AS excess
    FROM pooled
    WINDOW family AS (PARTITION BY of_backbone, of_stream, of_mixture, of_method, of_recipe,
                      of_budget)
),
paired AS (
    SELECT *,
           -- the degrees of freedom of which the variances of the choices look like draws: the
           -- inverse of trigamma is near 1 / x + 1 / sqrt(x + 4)
           CASE WHEN excess > 0 THEN least(2 * choices, 2 / excess + 2 / sqrt(excess + 4))
                ELSE 2 * choices END AS prior_df
    FROM differing
),
looked AS (
    SELECT *, coalesce(len(all_ahead), 0) AS all_pairs,
           CASE WHEN len(all_ahead) >= 3 THEN 1 + floor(log2(len(all_ahead) / 3))::INTEGER
                ELSE 0 END AS look
    FROM paired
),
counted AS (
    SELECT *, CASE WHEN every_look AND look > 0 THEN all_ahead[1:3 * 2 ** (look - 1)]
                   ELSE all_ahead END AS ahead
    FROM looked
),
spread_ AS (
    SELECT *, coalesce(len(ahead), 0) AS pairs, list_avg(ahead) AS behind,
           greatest(resolution, best_resolution) ** 2 AS least_variance,
           coalesce(list_var_samp(ahead), 0) AS pair_variance, len(ahead) - 1 AS pair_df
    FROM counted
),
moderated AS (
    SELECT *, sqrt(greatest(least_variance,
               (prior_df * 2 * pooled_variance + pair_df * pair_variance) / (prior_df + pair_df))
               / pairs) AS error_,
           least(prior_df + pair_df, pooled_df, CASE WHEN choices > 2 THEN 40 ELSE 1000 END) AS df,
           log2(choices * (choices - 1) / 2 * CASE WHEN choices > 2 THEN 1.25 ELSE 1 END)
               + CASE WHEN every_look THEN look ELSE 0 END AS halvings
    FROM spread_
),
bounded AS (
    SELECT moderated.*,
           critical.t ** (1 - moderated.halvings % 1) * critical.next_t ** (moderated.halvings % 1)
               * moderated.error_ AS half
    FROM moderated
    LEFT JOIN critical ON critical.halvings = floor(moderated.halvings)
                      AND moderated.df >= critical.df AND moderated.df < critical.next_df
                      AND moderated.pairs >= 2
),
judged AS (
    SELECT *, CASE WHEN mean IS NULL THEN NULL WHEN choices = 1 THEN 'nothing to compare with'
                   WHEN choice = best THEN 'best' WHEN pairs < 3
                       OR half IS NULL THEN 'too few seeds'
                   WHEN behind > half THEN 'behind' WHEN behind < -half THEN 'ahead'
                   ELSE 'tie' END AS verdict
    FROM bounded
),
among_ties AS (
    SELECT *, avg(mean) FILTER (WHERE verdict IN ('best', 'tie', 'ahead'))
           OVER family AS mean_of_ties,
           var_samp(mean) FILTER (WHERE verdict IN ('best', 'tie', 'ahead'))
           OVER family AS variance_of_ties,
           pooled_variance / seeds AS by_chance
    FROM judged
    WINDOW family AS (PARTITION BY of_backbone, of_stream, of_mixture, of_method, of_recipe,
                      of_budget)
),
lucky AS (
    SELECT *, CASE WHEN verdict = 'best' AND variance_of_ties > 0
                   THEN least(1, by_chance / variance_of_ties) * (mean - mean_of_ties)
                   WHEN verdict = 'best' THEN 0 END AS optimism
    FROM among_ties
)
SELECT lucky.of_backbone AS backbone, lucky.of_stream AS stream, lucky.of_mixture AS mixture,
       lucky.of_method AS method, lucky.of_recipe AS recipe, lucky.of_budget AS budget,
       lucky.choice, lucky.at_recipe, greatest(lucky.choices - 1, 0) AS others, lucky.wanted,
       lucky.seeds,
       lucky.seeds < 3 AS few_seeds, lucky.mean, lucky.optimism,
       lucky.mean - coalesce(lucky.optimism, 0)
           - student.t * lucky.deviation / sqrt(lucky.seeds) AS mean_low,
       lucky.mean + student.t * lucky.deviation / sqrt(lucky.seeds) AS mean_high,
       lucky.pairs, lucky.all_pairs, lucky.look, lucky.behind,
       lucky.behind - lucky.half AS behind_low,
       lucky.behind + lucky.half AS behind_high, lucky.verdict, lucky.gflops
FROM lucky
LEFT JOIN student ON student.df = lucky.seeds - 1;
