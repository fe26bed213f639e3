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
    SELECT coverage.*
    FROM coverage
    WHERE coverage.seeds_wanted > 0
      AND (budget IS NULL OR coverage.budget = budget)
      AND (stream IS NULL OR coverage.stream = stream)
      AND (backbone IS NULL OR coverage.backbone = backbone)
      AND (recipe IS NULL OR coverage.recipe = recipe)
),
traded AS (
    SELECT wanted.backbone AS backbone_, wanted.stream AS stream_, wanted.budget AS budget_,
           wanted.recipe AS recipe_, wanted.mixture, wanted.method, wanted.seeds_wanted,
           coalesce(least(nullif(cells.d_ka_seeds, 0), nullif(cells.d_zs_seeds, 0)), 0) AS seeds,
           cells.d_ka AS ka_gain, cells.d_ka - cells.d_ka_half AS ka_gain_low,
           cells.d_ka + cells.d_ka_half AS ka_gain_high,
           -cells.d_zs AS zs_loss, -(cells.d_zs + cells.d_zs_half) AS zs_loss_low,
           -(cells.d_zs - cells.d_zs_half) AS zs_loss_high
    FROM wanted
    LEFT JOIN cells ON cells.backbone = wanted.backbone AND cells.stream = wanted.stream
        AND cells.budget = wanted.budget AND cells.recipe = wanted.recipe
                     AND cells.mixture = wanted.mixture AND cells.method = wanted.method
),
judged AS (
    -- the largest gain among those that lose no more, and among those that lose less
    SELECT traded.*, max(ka_gain) OVER cheaper AS gain_at_most,
           max(ka_gain) OVER (cheaper RANGE BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW EXCLUDE
                              GROUP) AS gain_below
    FROM traded
    WINDOW cheaper AS (PARTITION BY backbone_, stream_, budget_ ORDER BY zs_loss)
)
SELECT judged.backbone_ AS backbone, judged.stream_ AS stream, judged.budget_ AS budget,
       judged.recipe_ AS recipe,
       judged.method, judged.mixture, judged.seeds, judged.seeds_wanted,
       judged.seeds < 3 AS few_seeds,
       judged.ka_gain, judged.ka_gain_low, judged.ka_gain_high, judged.zs_loss, judged.zs_loss_low,
       judged.zs_loss_high,
       CASE WHEN judged.ka_gain IS NOT NULL AND judged.zs_loss IS NOT NULL
            THEN judged.gain_at_most = judged.ka_gain
                AND coalesce(judged.gain_below < judged.ka_gain, true) END AS best_trade
FROM judged
ORDER BY 1, 2, 3, 4, judged.method, judged.mixture;
