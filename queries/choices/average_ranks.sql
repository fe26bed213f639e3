-- Which methods rank first over the datasets of a suite?
-- grain: one row per (backbone, stream, mixture, recipe, budget, role, method) measured at the end
-- rank: of the means over seeds of each member the place among the methods of equal words (1 is
-- best, equal ones share), averaged over the members; low, high: 95 % t-interval over the average
-- ranks of the single seeds, NULL for one. critical_difference: two average ranks that are closer
-- cannot be told apart at 5 % over all pairs of methods (Demsar 2006, with the bound of Bonferroni
-- in place of Nemenyi's, a little wider); with_best: closer than that to the first. It takes the
-- members for independent: datasets that move together, as shifts of one set do, are less evidence
-- than they count.
CREATE OR REPLACE MACRO average_ranks(stream VARCHAR := NULL) AS TABLE
WITH
ended AS (
    SELECT one.backbone, one.stream AS stream_, one.mixture, one.method, one.recipe, one.budget,
           one.role,
           one.dataset, one.metric, one.label_space, one.seed, one.value
    FROM member_ends AS one
    WHERE stream IS NULL OR one.stream = stream
),
-- Rows are never joined to their own sums: windows carry these along, so that a condition on the
-- words of an answer gets below all of it, and no other trial is read for it.
meant AS (
    SELECT ended.backbone, ended.stream_, ended.mixture, ended.recipe, ended.budget, ended.role,
           ended.dataset, ended.metric, ended.label_space, ended.method,
           avg(ended.value) AS mean, list({'seed': ended.seed, 'value': ended.value}) AS runs
    FROM ended
    GROUP BY ended.backbone, ended.stream_, ended.mixture, ended.recipe, ended.budget, ended.role,
             ended.dataset, ended.metric, ended.label_space, ended.method
),
counted AS (
    -- members that every method has: a rank among fewer is another rank
    SELECT *, count(*) OVER (PARTITION BY backbone, stream_, mixture, recipe, budget, role, dataset,
                                          metric, label_space) AS here,
           count(DISTINCT method)
           OVER (PARTITION BY backbone, stream_, mixture, recipe, budget, role)
               AS methods
    FROM meant
),
ranked_means AS (
    SELECT *, rank() OVER member + (count(*) OVER same - 1) / 2 AS place_of_mean
    FROM counted
    WHERE here = methods
    WINDOW member AS (PARTITION BY backbone, stream_, mixture, recipe, budget, role, dataset,
                                   metric, label_space ORDER BY mean DESC),
           same AS (PARTITION BY backbone, stream_, mixture, recipe, budget, role, dataset, metric,
                                 label_space, mean)
),
averaged AS (
    SELECT *, avg(place_of_mean) OVER of_method AS rank, count(*) OVER of_method AS members
    FROM ranked_means
    WINDOW of_method AS (PARTITION BY backbone, stream_, mixture, recipe, budget, role, method)
),
single AS (
    SELECT * EXCLUDE (runs, mean, place_of_mean), unnest(runs, recursive := true) FROM averaged
),
ranked_seeds AS (
    SELECT *, rank() OVER member + (count(*) OVER same - 1) / 2 AS place
    FROM single
    WINDOW member AS (PARTITION BY backbone, stream_, mixture, recipe, budget, role, dataset,
                                   metric, label_space, seed ORDER BY value DESC),
           same AS (PARTITION BY backbone, stream_, mixture, recipe, budget, role, dataset, metric,
                                 label_space, seed, value)
),
of_seed AS (
    SELECT backbone, stream_, mixture, recipe, budget, role, method, seed,
           avg(place) AS rank_of_seed, any_value(methods) AS methods,
           any_value(members) AS members, any_value(rank) AS rank
    FROM ranked_seeds
    GROUP BY backbone, stream_, mixture, recipe, budget, role, method, seed
),
spread_ AS (
    SELECT backbone, stream_, mixture, recipe, budget, role, method, any_value(methods) AS methods,
           any_value(members) AS members, any_value(rank) AS rank, count(*) AS seeds,
           stddev_samp(rank_of_seed) / sqrt(count(*)) AS error_
    FROM of_seed
    GROUP BY backbone, stream_, mixture, recipe, budget, role, method
),
bounded AS (
    SELECT spread_.*, student.t * spread_.error_ AS half,
           log2(spread_.methods * (spread_.methods - 1) / 2) AS halvings,
           min(spread_.rank) OVER (
               PARTITION BY spread_.backbone, spread_.stream_, spread_.mixture, spread_.recipe,
                            spread_.budget, spread_.role) AS best
    FROM spread_
    LEFT JOIN student ON student.df = spread_.seeds - 1
),
apart AS (
    SELECT bounded.*, critical.t ** (1 - bounded.halvings % 1) * critical.next_t ** (
        bounded.halvings % 1)
               * sqrt(bounded.methods * (bounded.methods + 1)
                      / (6 * bounded.members)) AS critical_difference
    FROM bounded
    LEFT JOIN critical ON critical.df = 1000 AND critical.halvings = floor(bounded.halvings)
)
SELECT apart.backbone, apart.stream_ AS stream, apart.mixture, apart.recipe, apart.budget,
       apart.role,
       apart.method, apart.methods, apart.members, apart.seeds, apart.seeds < 3 AS few_seeds,
       apart.rank,
       apart.rank - apart.half AS low, apart.rank + apart.half AS high, apart.critical_difference,
       coalesce(apart.rank - apart.best < apart.critical_difference, true) AS with_best
FROM apart
ORDER BY 1, 2, 5, 6, apart.rank, apart.method, 3, 4;
