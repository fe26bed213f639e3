-- Which is the cheapest method that gains enough and loses little?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget) whose mean gain and loss are within the bounds
-- ka_gain >= min_gain and zs_loss <= max_loss, in absolute accuracy after the last task against the
-- untouched backbone. sure: so are the whole 95 % intervals over seeds. Cheapest first, in
-- everything spent but evaluation. A parameter left out means all.
CREATE OR REPLACE MACRO cheapest(
    min_gain DOUBLE := 0.1, max_loss DOUBLE := 0.01, stream VARCHAR := NULL, backbone VARCHAR := NULL
) AS TABLE
WITH
met AS (
    SELECT c.backbone AS b, c.stream AS st, c.mixture AS mx, c.method AS me, c.recipe AS r, c.budget AS bu, c.gflops,
           least(c.d_ka_seeds, c.d_zs_seeds) AS n, c.d_ka AS gain, c.d_ka_half AS gain_half, -c.d_zs AS loss, c.d_zs_half AS loss_half
    FROM cells c
    WHERE (stream IS NULL OR c.stream = stream) AND (backbone IS NULL OR c.backbone = backbone)
      AND c.d_ka >= min_gain AND -c.d_zs <= max_loss
)
SELECT t.b AS backbone, t.st AS stream, row_number() OVER (PARTITION BY t.b, t.st ORDER BY t.gflops, t.me, t.mx, t.r, t.bu) AS place,
       t.me AS method, t.mx AS mixture, t.r AS recipe, t.bu AS budget, t.n AS seeds, t.n < 3 AS few_seeds, t.gflops,
       t.gain AS ka_gain, t.gain - t.gain_half AS ka_gain_low, t.gain + t.gain_half AS ka_gain_high,
       t.loss AS zs_loss, t.loss - t.loss_half AS zs_loss_low, t.loss + t.loss_half AS zs_loss_high,
       coalesce(t.gain - t.gain_half >= min_gain AND t.loss + t.loss_half <= max_loss, false) AS sure
FROM met t
ORDER BY 1, 2, 3;
