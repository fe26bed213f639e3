-- Which method retains zero-shot accuracy best at a given budget?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget) that is wanted
-- Ranked by zs_ratio = a_zs after the last task / a_zs of the untouched backbone, among equal
-- backbone, stream and budget. Means over seeds with 95 % t-intervals (*_low, *_high); few_seeds:
-- fewer than 3, so hold the rank lightly; seeds < seeds_wanted: not all seeds have ended. A
-- parameter left out means all.
CREATE OR REPLACE MACRO retention_at_budget(
    budget VARCHAR := NULL, stream VARCHAR := NULL, backbone VARCHAR := NULL, recipe VARCHAR := NULL
) AS TABLE
WITH
wanted AS (
    SELECT coverage.*
    FROM coverage
    WHERE coverage.seeds_wanted > 0
      AND (budget IS NULL OR coverage.budget = budget)
      AND (stream IS NULL OR coverage.stream = stream)
      AND (backbone IS NULL OR coverage.backbone = backbone)
      AND (recipe IS NULL OR coverage.recipe = recipe)
),
answered AS (
    SELECT wanted.backbone AS backbone_, wanted.stream AS stream_, wanted.budget AS budget_,
           wanted.recipe AS recipe_, wanted.mixture, wanted.method, wanted.seeds_wanted,
           coalesce(cells.zs_ratio_seeds, 0) AS seeds,
           cells.zs_ratio, cells.zs_ratio - cells.zs_ratio_half AS zs_ratio_low,
           cells.zs_ratio + cells.zs_ratio_half AS zs_ratio_high,
           cells.a_zs, cells.a_zs - cells.a_zs_half AS a_zs_low,
           cells.a_zs + cells.a_zs_half AS a_zs_high,
           cells.a_ka, cells.a_ka - cells.a_ka_half AS a_ka_low,
           cells.a_ka + cells.a_ka_half AS a_ka_high,
           cells.gm, cells.gm - cells.gm_half AS gm_low, cells.gm + cells.gm_half AS gm_high
    FROM wanted
    LEFT JOIN cells ON cells.backbone = wanted.backbone AND cells.stream = wanted.stream
        AND cells.budget = wanted.budget
                     AND cells.recipe = wanted.recipe AND cells.mixture = wanted.mixture
                     AND cells.method = wanted.method
)
SELECT answered.backbone_ AS backbone, answered.stream_ AS stream, answered.budget_ AS budget,
       answered.recipe_ AS recipe,
       CASE WHEN answered.zs_ratio IS NOT NULL
            THEN rank() OVER (PARTITION BY answered.backbone_, answered.stream_, answered.budget_
                              ORDER BY answered.zs_ratio DESC NULLS LAST) END AS rank,
       answered.method, answered.mixture, answered.seeds, answered.seeds_wanted,
       answered.seeds < 3 AS few_seeds,
       answered.zs_ratio, answered.zs_ratio_low, answered.zs_ratio_high, answered.a_zs,
       answered.a_zs_low, answered.a_zs_high,
       answered.a_ka, answered.a_ka_low, answered.a_ka_high, answered.gm, answered.gm_low,
       answered.gm_high
FROM answered
ORDER BY 1, 2, 3, rank NULLS LAST, 4, answered.method, answered.mixture;
