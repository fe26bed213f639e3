-- What does each method gain, and what does it lose, at a given budget?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget) that is wanted
-- ka_gain = a_ka after the last task - a_ka of the untouched backbone; zs_loss = a_zs of the
-- untouched backbone - a_zs after the last task. Means over seeds with 95 % t-intervals; few_seeds:
-- fewer than 3. best_trade: among equal backbone, stream and budget no other mean gains at least as
-- much and loses at most as much, and one of the two strictly. A parameter left out means all.
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
    SELECT w.backbone AS backbone_, w.stream AS stream_, w.budget AS budget_, w.recipe AS recipe_, w.mixture, w.method, w.seeds_wanted,
           coalesce(least(nullif(s.d_ka_seeds, 0), nullif(s.d_zs_seeds, 0)), 0) AS seeds,
           s.d_ka AS ka_gain, s.d_ka - s.d_ka_half AS ka_gain_low, s.d_ka + s.d_ka_half AS ka_gain_high,
           -s.d_zs AS zs_loss, -(s.d_zs + s.d_zs_half) AS zs_loss_low, -(s.d_zs - s.d_zs_half) AS zs_loss_high
    FROM wanted w
    LEFT JOIN cells s ON s.backbone = w.backbone AND s.stream = w.stream AND s.budget = w.budget AND s.recipe = w.recipe
                     AND s.mixture = w.mixture AND s.method = w.method
),
judged AS (
    -- the largest gain among those that lose no more, and among those that lose less
    SELECT t.*, max(ka_gain) OVER cheaper AS gain_at_most,
           max(ka_gain) OVER (cheaper RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE GROUP) AS gain_below
    FROM traded t
    WINDOW cheaper AS (PARTITION BY backbone_, stream_, budget_ ORDER BY zs_loss)
)
SELECT a.backbone_ AS backbone, a.stream_ AS stream, a.budget_ AS budget, a.recipe_ AS recipe,
       a.method, a.mixture, a.seeds, a.seeds_wanted, a.seeds < 3 AS few_seeds,
       a.ka_gain, a.ka_gain_low, a.ka_gain_high, a.zs_loss, a.zs_loss_low, a.zs_loss_high,
       CASE WHEN a.ka_gain IS NOT NULL AND a.zs_loss IS NOT NULL
            THEN a.gain_at_most = a.ka_gain AND coalesce(a.gain_below < a.ka_gain, true) END AS best_trade
FROM judged a
ORDER BY 1, 2, 3, 4, a.method, a.mixture;
