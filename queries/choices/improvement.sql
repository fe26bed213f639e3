-- How likely is it that a method does better than another on a dataset?
-- grain: one row per (backbone, stream, mixture, recipe, budget, role, method) measured at the end
-- Against the method `reference`, at equal words. probability: for each member of the suite the
-- share of pairs of runs, one of each method, in which `method` is ahead (ties half), averaged over
-- the members: the probability of improvement of rliable (https://arxiv.org/abs/2108.13264). 0.5:
-- neither is ahead. low, high: 95 % interval over the seeds of both, within [0, 1] (the members are
-- taken as they are); NULL where either has one seed. It says how often, not by how much: see
-- `effect` for that.
CREATE OR REPLACE MACRO improvement(
    reference VARCHAR := 'finetune', stream VARCHAR := NULL
) AS TABLE
WITH
ended AS (
    SELECT one.backbone, one.stream AS stream_, one.mixture, one.method, one.recipe, one.budget,
           one.role,
           one.dataset, one.metric, one.label_space, one.seed, one.value
    FROM member_ends AS one
    WHERE stream IS NULL OR one.stream = stream
),
-- Rows are never joined to each other or to their own sums: windows carry these along, so that a
-- condition on the words of an answer gets below all of it, and no other trial is read for it.
faced AS (
    SELECT *, list({'other_seed': seed, 'other_value': value}) FILTER (WHERE method = reference)
           OVER (PARTITION BY backbone, stream_, mixture, recipe, budget, role, dataset, metric,
                              label_space) AS others
    FROM ended
),
pair AS (
    SELECT * EXCLUDE (others), unnest(others, recursive := true)
    FROM faced
    WHERE method <> reference
),
won AS (
    SELECT backbone, stream_, mixture, recipe, budget, role, method, seed, other_seed,
           avg(CASE WHEN value > other_value THEN 1.0 WHEN value = other_value THEN 0.5
                    ELSE 0.0 END) AS share, count(*) AS members
    FROM pair
    GROUP BY backbone, stream_, mixture, recipe, budget, role, method, seed, other_seed
),
-- what is known of a probability from two samples: the spread of its parts over the seeds of each
parted AS (
    SELECT *, avg(share) OVER own AS share_of_own, avg(share) OVER other AS share_of_other,
           row_number() OVER (own ORDER BY other_seed) = 1 AS first_of_own,
           row_number() OVER (other ORDER BY seed) = 1 AS first_of_other
    FROM won
    WINDOW own AS (PARTITION BY backbone, stream_, mixture, recipe, budget, role, method, seed),
           other AS (PARTITION BY backbone, stream_, mixture, recipe, budget, role, method,
                                  other_seed)
),
together AS (
    SELECT backbone, stream_, mixture, recipe, budget, role, method, avg(share) AS probability,
           max(members) AS members, count(*) FILTER (WHERE first_of_own) AS seeds,
           count(*) FILTER (WHERE first_of_other) AS reference_seeds,
           var_samp(share_of_own) FILTER (WHERE first_of_own) AS variance_of_own,
           var_samp(share_of_other) FILTER (WHERE first_of_other) AS variance_of_other
    FROM parted
    GROUP BY backbone, stream_, mixture, recipe, budget, role, method
)
SELECT together.backbone, together.stream_ AS stream, together.mixture, together.recipe,
       together.budget,
       together.role, together.method, together.members, together.seeds, together.reference_seeds,
       least(together.seeds, together.reference_seeds) < 3 AS few_seeds, together.probability,
       CASE WHEN student.t IS NOT NULL THEN greatest(
           0, together.probability
           - student.t * sqrt(together.variance_of_own / together.seeds
                              + together.variance_of_other / together.reference_seeds))
       END AS low,
       CASE WHEN student.t IS NOT NULL THEN least(
           1, together.probability
           + student.t * sqrt(together.variance_of_own / together.seeds
                              + together.variance_of_other / together.reference_seeds))
       END AS high
FROM together
LEFT JOIN student ON student.df = least(together.seeds, together.reference_seeds) - 1
ORDER BY 1, 2, 5, 6, together.probability DESC, together.method, 3, 4;
