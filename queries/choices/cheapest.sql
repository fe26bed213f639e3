-- Which is the cheapest method that gains enough and loses little?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget) within the bounds
-- Within the bounds are those whose mean gain and loss are.
-- ka_gain >= min_gain and zs_loss <= max_loss, in absolute accuracy after the last task against the
-- untouched backbone. sure: so are the whole 95 % intervals over seeds. Cheapest first, in
-- everything spent but evaluation. A parameter left out means all.
CREATE OR REPLACE MACRO cheapest(
    min_gain DOUBLE := 0.1, max_loss DOUBLE := 0.01, stream VARCHAR := NULL,
    backbone VARCHAR := NULL
) AS TABLE
WITH
met AS (
    SELECT cells.backbone, cells.stream, cells.mixture, cells.method, cells.recipe, cells.budget,
           cells.gflops,
           least(cells.d_ka_seeds, cells.d_zs_seeds) AS seeds, cells.d_ka AS gain,
           cells.d_ka_half AS gain_half, -cells.d_zs AS loss, cells.d_zs_half AS loss_half
    FROM cells
    WHERE (stream IS NULL OR cells.stream = stream)
      AND (backbone IS NULL OR cells.backbone = backbone)
      AND cells.d_ka >= min_gain AND -cells.d_zs <= max_loss
)
SELECT met.backbone, met.stream,
       row_number() OVER (PARTITION BY met.backbone, met.stream ORDER BY met.gflops, met.method,
                          met.mixture, met.recipe, met.budget) AS place,
       met.method, met.mixture, met.recipe, met.budget, met.seeds, met.seeds < 3 AS few_seeds,
       met.gflops,
       met.gain AS ka_gain, met.gain - met.gain_half AS ka_gain_low,
       met.gain + met.gain_half AS ka_gain_high,
       met.loss AS zs_loss, met.loss - met.loss_half AS zs_loss_low,
       met.loss + met.loss_half AS zs_loss_high,
       coalesce(met.gain - met.gain_half >= min_gain AND met.loss + met.loss_half <= max_loss,
                false) AS sure
FROM met
ORDER BY 1, 2, 3;
