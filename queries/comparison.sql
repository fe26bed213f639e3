-- What does each method gain, and what does it lose, at a given budget?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget) that is wanted
-- ka_gain = a_ka after the last task - a_ka of the untouched backbone; zs_loss = a_zs of the untouched backbone - a_zs after the last
-- task. Means over seeds with 95 % t-intervals. best_trade: among equal backbone, stream and budget no other mean gains at least
-- as much and loses at most as much, and one of the two strictly. A parameter left out means all.
CREATE OR REPLACE MACRO comparison(
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
traded AS (
    SELECT w.backbone AS backbone_, w.stream AS stream_, w.budget AS budget_, w.recipe AS recipe_, w.mixture, w.method,
           any_value(w.seeds_wanted) AS seeds_wanted, coalesce(min(s.seeds), 0) AS seeds,
           max(s.mean) FILTER (WHERE s.measure = 'd_ka') AS ka_gain,
           max(s.low) FILTER (WHERE s.measure = 'd_ka') AS ka_gain_low,
           max(s.high) FILTER (WHERE s.measure = 'd_ka') AS ka_gain_high,
           -max(s.mean) FILTER (WHERE s.measure = 'd_zs') AS zs_loss,
           -max(s.high) FILTER (WHERE s.measure = 'd_zs') AS zs_loss_low,
           -max(s.low) FILTER (WHERE s.measure = 'd_zs') AS zs_loss_high
    FROM wanted w
    LEFT JOIN spread s ON s.backbone = w.backbone AND s.stream = w.stream AND s.budget = w.budget AND s.recipe = w.recipe
                      AND s.mixture = w.mixture AND s.method = w.method AND s.measure IN ('d_ka', 'd_zs')
    GROUP BY w.backbone, w.stream, w.budget, w.recipe, w.mixture, w.method
)
SELECT a.backbone_ AS backbone, a.stream_ AS stream, a.budget_ AS budget, a.recipe_ AS recipe,
       a.method, a.mixture, a.seeds, a.seeds_wanted, a.seeds < 3 AS few_seeds,
       a.ka_gain, a.ka_gain_low, a.ka_gain_high, a.zs_loss, a.zs_loss_low, a.zs_loss_high,
       CASE WHEN a.ka_gain IS NOT NULL AND a.zs_loss IS NOT NULL THEN NOT EXISTS (
           SELECT 1 FROM traded b
           WHERE b.backbone_ = a.backbone_ AND b.stream_ = a.stream_ AND b.budget_ = a.budget_
             AND b.ka_gain >= a.ka_gain AND b.zs_loss <= a.zs_loss AND (b.ka_gain > a.ka_gain OR b.zs_loss < a.zs_loss)
       ) END AS best_trade
FROM traded a
ORDER BY 1, 2, 3, 4, a.method, a.mixture;
