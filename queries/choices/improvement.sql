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
won AS (
    SELECT own.backbone, own.stream_, own.mixture, own.method, own.recipe, own.budget, own.role,
           own.seed,
           other.seed AS other_seed,
           avg(CASE WHEN own.value > other.value THEN 1.0 WHEN own.value = other.value THEN 0.5
                    ELSE 0.0 END) AS share, count(*) AS members
    FROM ended AS own
    JOIN ended AS other USING (
        backbone, stream_, mixture, recipe, budget, role, dataset, metric, label_space)
    WHERE other.method = reference AND own.method <> reference
    GROUP BY own.backbone, own.stream_, own.mixture, own.method, own.recipe, own.budget, own.role,
             own.seed, other.seed
),
-- what is known of a probability from two samples: the spread of its parts over the seeds of each
by_own AS (
    SELECT backbone, stream_, mixture, method, recipe, budget, role, count(*) AS seeds,
           var_samp(share) / count(*) AS variance
    FROM (SELECT * EXCLUDE (other_seed, share, members), avg(won.share) AS share FROM won
          GROUP BY ALL)
    GROUP BY ALL
),
by_other AS (
    SELECT backbone, stream_, mixture, method, recipe, budget, role, count(*) AS reference_seeds,
           var_samp(share) / count(*) AS reference_variance
    FROM (SELECT * EXCLUDE (seed, share, members), avg(won.share) AS share FROM won GROUP BY ALL)
    GROUP BY ALL
),
together AS (
    SELECT backbone, stream_, mixture, method, recipe, budget, role, avg(share) AS probability,
           max(members) AS members
    FROM won
    GROUP BY backbone, stream_, mixture, method, recipe, budget, role
)
SELECT together.backbone, together.stream_ AS stream, together.mixture, together.recipe,
       together.budget,
       together.role, together.method, together.members, by_own.seeds, by_other.reference_seeds,
       least(by_own.seeds, by_other.reference_seeds) < 3 AS few_seeds, together.probability,
       CASE WHEN student.t IS NOT NULL THEN greatest(
           0, together.probability
           - student.t * sqrt(by_own.variance + by_other.reference_variance))
       END AS low,
       CASE WHEN student.t IS NOT NULL THEN least(
           1, together.probability
           + student.t * sqrt(by_own.variance + by_other.reference_variance))
       END AS high
FROM together
JOIN by_own USING (backbone, stream_, mixture, method, recipe, budget, role)
JOIN by_other USING (backbone, stream_, mixture, method, recipe, budget, role)
LEFT JOIN student ON student.df = least(by_own.seeds, by_other.reference_seeds) - 1
ORDER BY 1, 2, 5, 6, together.probability DESC, together.method, 3, 4;
