-- Which is the cheapest method that gains enough and loses little?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget) whose mean gain and loss are within the bounds
-- ka_gain >= min_gain and zs_loss <= max_loss, in absolute accuracy after the last task against the untouched backbone. sure: so are the
-- whole 95 % intervals over seeds. Cheapest first, in everything spent but evaluation. A parameter left out means all.
CREATE OR REPLACE MACRO cheapest(
    min_gain DOUBLE := 0.1, max_loss DOUBLE := 0.01, stream VARCHAR := NULL, backbone VARCHAR := NULL
) AS TABLE
WITH
meant AS (
    SELECT t.backbone AS b, t.stream AS st, t.mixture AS mx, t.method AS me, t.recipe AS r, t.budget AS bu, count(*) AS n,
           avg(t.spent_flops) / 1e9 AS gflops
    FROM trajectory t
    WHERE t.task = t.tasks AND t.d_ka IS NOT NULL AND t.d_zs IS NOT NULL
      AND (stream IS NULL OR t.stream = stream) AND (backbone IS NULL OR t.backbone = backbone)
    GROUP BY ALL
)
SELECT t.b AS backbone, t.st AS stream, row_number() OVER (PARTITION BY t.b, t.st ORDER BY t.gflops) AS place,
       t.me AS method, t.mx AS mixture, t.r AS recipe, t.bu AS budget, t.n AS seeds, t.gflops,
       g.mean AS ka_gain, g.low AS ka_gain_low, g.high AS ka_gain_high, -z.mean AS zs_loss, -z.high AS zs_loss_low, -z.low AS zs_loss_high,
       coalesce(g.low >= min_gain AND -z.low <= max_loss, false) AS sure
FROM meant t
JOIN spread g ON g.measure = 'd_ka' AND g.backbone = t.b AND g.stream = t.st AND g.mixture = t.mx AND g.method = t.me
             AND g.recipe = t.r AND g.budget = t.bu
JOIN spread z ON z.measure = 'd_zs' AND z.backbone = t.b AND z.stream = t.st AND z.mixture = t.mx AND z.method = t.me
             AND z.recipe = t.r AND z.budget = t.bu
WHERE g.mean >= min_gain AND -z.mean <= max_loss
ORDER BY 1, 2, 3;
