-- On how large a share of the datasets does a method reach so much, for every such level?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget, role, level) at its end
-- share: of all (seed, member) values of the role, those at or above `level`, which goes from 0 to
-- 1 in steps of 0.05: the performance profile of rliable (https://arxiv.org/abs/2108.13264). A
-- curve that lies above another everywhere is better on every kind of dataset. low, high: 95 %
-- t-interval over the shares of the single seeds, within [0, 1]; NULL for one seed.
CREATE OR REPLACE VIEW performance_profile AS
WITH
of_seed AS (
    SELECT ended.backbone, ended.stream, ended.mixture, ended.method, ended.recipe, ended.budget,
           ended.role, ended.seed, step.number / 20 AS level, count(*) AS members,
           count(*) FILTER (WHERE ended.value >= step.number / 20) AS reached
    FROM member_ends AS ended
    CROSS JOIN range(21) AS step(number)
    GROUP BY ended.backbone, ended.stream, ended.mixture, ended.method, ended.recipe, ended.budget,
             ended.role, ended.seed, step.number
),
over_seeds AS (
    SELECT backbone, stream, mixture, method, recipe, budget, role, level, count(*) AS seeds,
           sum(reached) / sum(members) AS share,
           stddev_samp(reached / members) / sqrt(count(*)) AS error_
    FROM of_seed
    GROUP BY backbone, stream, mixture, method, recipe, budget, role, level
)
SELECT over_seeds.* EXCLUDE (error_), over_seeds.seeds < 3 AS few_seeds,
       greatest(0, over_seeds.share - student.t * over_seeds.error_)
           + CASE WHEN over_seeds.error_ IS NULL THEN NULL ELSE 0 END AS low,
       least(1, over_seeds.share + student.t * over_seeds.error_)
           + CASE WHEN over_seeds.error_ IS NULL THEN NULL ELSE 0 END AS high
FROM over_seeds
LEFT JOIN student ON student.df = over_seeds.seeds - 1
ORDER BY over_seeds.backbone, over_seeds.stream, over_seeds.budget, over_seeds.role,
         over_seeds.method, over_seeds.mixture, over_seeds.recipe, over_seeds.level;
