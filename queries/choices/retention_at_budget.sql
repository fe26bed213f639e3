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
    SELECT c.*
    FROM coverage c
    WHERE c.seeds_wanted > 0
      AND (budget IS NULL OR c.budget = budget) AND (stream IS NULL OR c.stream = stream)
      AND (backbone IS NULL OR c.backbone = backbone) AND (recipe IS NULL OR c.recipe = recipe)
),
answered AS (
    SELECT w.backbone AS backbone_, w.stream AS stream_, w.budget AS budget_, w.recipe AS recipe_, w.mixture, w.method, w.seeds_wanted,
           coalesce(s.zs_ratio_seeds, 0) AS seeds,
           s.zs_ratio, s.zs_ratio - s.zs_ratio_half AS zs_ratio_low, s.zs_ratio + s.zs_ratio_half AS zs_ratio_high,
           s.a_zs, s.a_zs - s.a_zs_half AS a_zs_low, s.a_zs + s.a_zs_half AS a_zs_high,
           s.a_ka, s.a_ka - s.a_ka_half AS a_ka_low, s.a_ka + s.a_ka_half AS a_ka_high,
           s.gm, s.gm - s.gm_half AS gm_low, s.gm + s.gm_half AS gm_high
    FROM wanted w
    LEFT JOIN cells s ON s.backbone = w.backbone AND s.stream = w.stream AND s.budget = w.budget
                     AND s.recipe = w.recipe AND s.mixture = w.mixture AND s.method = w.method
)
SELECT a.backbone_ AS backbone, a.stream_ AS stream, a.budget_ AS budget, a.recipe_ AS recipe,
       CASE WHEN a.zs_ratio IS NOT NULL
            THEN rank() OVER (PARTITION BY a.backbone_, a.stream_, a.budget_ ORDER BY a.zs_ratio DESC NULLS LAST) END AS rank,
       a.method, a.mixture, a.seeds, a.seeds_wanted, a.seeds < 3 AS few_seeds,
       a.zs_ratio, a.zs_ratio_low, a.zs_ratio_high, a.a_zs, a.a_zs_low, a.a_zs_high,
       a.a_ka, a.a_ka_low, a.a_ka_high, a.gm, a.gm_low, a.gm_high
FROM answered a
ORDER BY 1, 2, 3, rank NULLS LAST, 4, a.method, a.mixture;
