-- Which methods are worth what they cost?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget) with a trial at the end of its stream
-- pareto: among equal backbone and stream nobody spends at most as much, gains at least as much and
-- loses at most as much, and is strictly better in one of the three; beaten_by: of those that do,
-- the one that gains most. Means over seeds; gflops: everything but evaluation. A parameter left
-- out means all.
CREATE OR REPLACE MACRO trade_off(stream VARCHAR := NULL, backbone VARCHAR := NULL) AS TABLE
WITH
meant AS (
    SELECT trajectory.backbone AS b, trajectory.stream AS st, trajectory.mixture AS mx, trajectory.method AS me, trajectory.recipe AS r, trajectory.budget AS bu,
           count(*) AS seeds, avg(trajectory.spent_flops) / 1e9 AS gflops, avg(trajectory.d_ka) AS ka_gain, -avg(trajectory.d_zs) AS zs_loss
    FROM trajectory
    WHERE trajectory.task = trajectory.tasks AND trajectory.d_ka IS NOT NULL AND trajectory.d_zs IS NOT NULL
      AND (stream IS NULL OR trajectory.stream = stream) AND (backbone IS NULL OR trajectory.backbone = backbone)
    GROUP BY ALL
),
ahead AS MATERIALIZED (
    -- of those that cost no more, the one that is best in gain less loss: it beats most of the
    -- others
    SELECT *, row_number() OVER () AS id, arg_max({'ka': ka_gain, 'zs': zs_loss, 'flops': gflops}, ka_gain - zs_loss) OVER cheaper AS champion
    FROM meant
    WINDOW cheaper AS (PARTITION BY b, st ORDER BY gflops)
),
open_ AS MATERIALIZED (
    SELECT b, st, mx, me, r, bu, gflops, ka_gain, zs_loss
    FROM ahead
    WHERE NOT (champion.ka >= ka_gain AND champion.zs <= zs_loss AND (champion.flops < gflops OR champion.ka > ka_gain OR champion.zs < zs_loss))
),
front AS MATERIALIZED (
    SELECT a.*, concat_ws(' / ', a.me, a.mx, a.r, a.bu) AS name
    FROM open_ a
    ANTI JOIN open_ o ON o.b = a.b AND o.st = a.st AND o.gflops <= a.gflops AND o.ka_gain >= a.ka_gain AND o.zs_loss <= a.zs_loss
                     AND (o.gflops < a.gflops OR o.ka_gain > a.ka_gain OR o.zs_loss < a.zs_loss)
),
beaten AS (
    -- what is beaten is beaten by one of the front, which gains as much as any that beats it
    SELECT ahead.id, arg_max(front.name, (front.ka_gain, front.name)) AS beaten_by
    FROM ahead
    JOIN front ON front.b = ahead.b AND front.st = ahead.st AND front.gflops <= ahead.gflops AND front.ka_gain >= ahead.ka_gain AND front.zs_loss <= ahead.zs_loss
                AND (front.gflops < ahead.gflops OR front.ka_gain > ahead.ka_gain OR front.zs_loss < ahead.zs_loss)
    GROUP BY ahead.id
)
SELECT ahead.b AS backbone, ahead.st AS stream, ahead.me AS method, ahead.mx AS mixture, ahead.r AS recipe, ahead.bu AS budget, ahead.seeds, ahead.seeds < 3 AS few_seeds,
       ahead.gflops, ahead.ka_gain, ahead.zs_loss, beaten.beaten_by IS NULL AS pareto, beaten.beaten_by
FROM ahead LEFT JOIN beaten ON beaten.id = ahead.id
ORDER BY 1, 2, pareto DESC, ahead.gflops, 3, 4;
