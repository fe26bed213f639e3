-- Which is the cheapest method that gains enough and loses little?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget) whose mean gain and loss are within the bounds
-- ka_gain >= min_gain and zs_loss <= max_loss, in absolute accuracy after the last task against the untouched backbone. sure: so are the
-- whole 95 % intervals over seeds. Cheapest first, in everything spent but evaluation. A parameter left out means all.
CREATE OR REPLACE MACRO cheapest(
    min_gain DOUBLE := 0.1, max_loss DOUBLE := 0.01, stream VARCHAR := NULL, backbone VARCHAR := NULL
) AS TABLE
SELECT t.backbone AS backbone, t.stream AS stream, row_number() OVER (PARTITION BY t.backbone, t.stream ORDER BY t.gflops) AS place,
       t.method AS method, t.mixture AS mixture, t.recipe AS recipe, t.budget AS budget, t.seeds AS seeds, t.gflops AS gflops,
       g.mean AS ka_gain, g.low AS ka_gain_low, g.high AS ka_gain_high, -z.mean AS zs_loss, -z.high AS zs_loss_low, -z.low AS zs_loss_high,
       coalesce(g.low >= min_gain AND -z.low <= max_loss, false) AS sure
FROM trade_off() t
JOIN spread g ON g.measure = 'd_ka' AND g.backbone = t.backbone AND g.stream = t.stream AND g.mixture = t.mixture
             AND g.method = t.method AND g.recipe = t.recipe AND g.budget = t.budget
JOIN spread z ON z.measure = 'd_zs' AND z.backbone = t.backbone AND z.stream = t.stream AND z.mixture = t.mixture
             AND z.method = t.method AND z.recipe = t.recipe AND z.budget = t.budget
WHERE g.mean >= min_gain AND -z.mean <= max_loss
  AND (stream IS NULL OR t.stream = stream) AND (backbone IS NULL OR t.backbone = backbone)
ORDER BY 1, 2, 3;
