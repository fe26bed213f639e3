-- Which methods are worth what they cost?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget) with a trial at the end of its stream
-- pareto: among equal backbone and stream nobody spends at most as much, gains at least as much and
-- loses at most as much, and is strictly better in one of the three; beaten_by: of those that do,
-- the one that gains most. Means over seeds; gflops: everything but evaluation. A parameter left
-- out means all.
CREATE OR REPLACE MACRO trade_off(stream VARCHAR := NULL, backbone VARCHAR := NULL) AS TABLE
WITH
meant AS (
    SELECT t.backbone AS b, t.stream AS st, t.mixture AS mx, t.method AS me, t.recipe AS r, t.budget AS bu,
           count(*) AS seeds, avg(t.spent_flops) / 1e9 AS gflops, avg(t.d_ka) AS ka_gain, -avg(t.d_zs) AS zs_loss
    FROM trajectory t
    WHERE t.task = t.tasks AND t.d_ka IS NOT NULL AND t.d_zs IS NOT NULL
      AND (stream IS NULL OR t.stream = stream) AND (backbone IS NULL OR t.backbone = backbone)
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
    SELECT a.id, arg_max(o.name, (o.ka_gain, o.name)) AS beaten_by
    FROM ahead a
    JOIN front o ON o.b = a.b AND o.st = a.st AND o.gflops <= a.gflops AND o.ka_gain >= a.ka_gain AND o.zs_loss <= a.zs_loss
                AND (o.gflops < a.gflops OR o.ka_gain > a.ka_gain OR o.zs_loss < a.zs_loss)
    GROUP BY a.id
)
SELECT m.b AS backbone, m.st AS stream, m.me AS method, m.mx AS mixture, m.r AS recipe, m.bu AS budget, m.seeds, m.seeds < 3 AS few_seeds,
       m.gflops, m.ka_gain, m.zs_loss, x.beaten_by IS NULL AS pareto, x.beaten_by
FROM ahead m LEFT JOIN beaten x ON x.id = m.id
ORDER BY 1, 2, pareto DESC, m.gflops, 3, 4;
