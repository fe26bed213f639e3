-- Which methods are worth what they cost?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget) at the end of its stream
-- pareto: among equal backbone and stream nobody spends at most as much, gains at least as much and
-- loses at most as much, and is strictly better in one of the three; beaten_by: of those that do,
-- the one that gains most. Means over seeds; gflops: everything but evaluation; NULL: run elsewhere,
-- and not known, so that nothing is said of it. A parameter left out means all.
CREATE OR REPLACE MACRO trade_off(stream VARCHAR := NULL, backbone VARCHAR := NULL) AS TABLE
WITH
meant AS (
    SELECT trajectory.backbone, trajectory.stream, trajectory.mixture, trajectory.method,
           trajectory.recipe, trajectory.budget,
           count(*) AS seeds, avg(trajectory.spent_flops) / 1e9 AS gflops,
           avg(trajectory.d_ka) AS ka_gain, -avg(trajectory.d_zs) AS zs_loss
    FROM trajectory
    WHERE trajectory.task = trajectory.tasks AND trajectory.d_ka IS NOT NULL
      AND trajectory.d_zs IS NOT NULL
      AND (stream IS NULL OR trajectory.stream = stream)
      AND (backbone IS NULL OR trajectory.backbone = backbone)
    GROUP BY ALL
),
ahead AS MATERIALIZED (
    -- of those that cost no more, the one that is best in gain less loss: it beats most of the
    -- others
    SELECT meant.*, row_number() OVER () AS id,
           arg_max({'ka': ka_gain, 'zs': zs_loss, 'flops': gflops}, ka_gain - zs_loss)
           OVER cheaper AS champion
    FROM meant
    WINDOW cheaper AS (PARTITION BY meant.backbone, meant.stream ORDER BY gflops)
),
open_ AS MATERIALIZED (
    SELECT ahead.backbone, ahead.stream, ahead.mixture, ahead.method, ahead.recipe, ahead.budget,
           gflops, ka_gain, zs_loss
    FROM ahead
    WHERE NOT (champion.ka >= ka_gain AND champion.zs <= zs_loss
               AND (champion.flops < gflops OR champion.ka > ka_gain OR champion.zs < zs_loss))
),
front AS MATERIALIZED (
    SELECT ours.*, concat_ws(' / ', ours.method, ours.mixture, ours.recipe, ours.budget) AS name
    FROM open_ ours
    ANTI JOIN open_ better ON better.backbone = ours.backbone AND better.stream = ours.stream
        AND better.gflops <= ours.gflops AND better.ka_gain >= ours.ka_gain
        AND better.zs_loss <= ours.zs_loss
                     AND (better.gflops < ours.gflops OR better.ka_gain > ours.ka_gain
                          OR better.zs_loss < ours.zs_loss)
),
beaten AS (
    -- what is beaten is beaten by one of the front, which gains as much as any that beats it
    SELECT ahead.id, arg_max(front.name, (front.ka_gain, front.name)) AS beaten_by
    FROM ahead
    JOIN front ON front.backbone = ahead.backbone AND front.stream = ahead.stream
        AND front.gflops <= ahead.gflops AND front.ka_gain >= ahead.ka_gain
        AND front.zs_loss <= ahead.zs_loss
                AND (front.gflops < ahead.gflops OR front.ka_gain > ahead.ka_gain
                     OR front.zs_loss < ahead.zs_loss)
    GROUP BY ahead.id
)
SELECT ahead.backbone, ahead.stream, ahead.method, ahead.mixture, ahead.recipe, ahead.budget,
       ahead.seeds, ahead.seeds < 3 AS few_seeds,
       ahead.gflops, ahead.ka_gain, ahead.zs_loss,
       beaten.beaten_by IS NULL AND ahead.gflops IS NOT NULL AS pareto,
       beaten.beaten_by
FROM ahead LEFT JOIN beaten ON beaten.id = ahead.id
ORDER BY 1, 2, pareto DESC, ahead.gflops, 3, 4;
