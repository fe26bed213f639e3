-- A bigger model, or more budget?
-- grain: one row per (stream, mixture, method, recipe, backbone, budget) at the end of its stream
-- Sorted by what was spent: of two rows at like cost the one that stands higher answers. pareto:
-- within the same stream, mixture, method and recipe nobody of any backbone spends at most as much
-- and reaches at least as high a mean, and is strictly better in one of the two. gflops: NULL where
-- it was run elsewhere at an unknown cost.
CREATE OR REPLACE MACRO bigger(measure VARCHAR := 'gm') AS TABLE
WITH
met AS (
    SELECT spread.* FROM spread
    WHERE spread.measure = CASE
        WHEN measure IN ('a_ka', 'a_zs', 'gm', 'd_ka', 'd_zs', 'zs_ratio') THEN measure
        ELSE error('measure is one of a_ka, a_zs, gm, d_ka, d_zs, zs_ratio; not ' || measure) END
)
SELECT met.stream, met.mixture, met.method, met.recipe, met.backbone, met.budget, met.gflops,
       met.seeds, met.seeds < 3 AS few_seeds,
       met.mean, met.low AS mean_low, met.high AS mean_high,
       met.gflops IS NOT NULL AND NOT EXISTS (
           SELECT 1
           FROM met AS other
           WHERE other.stream = met.stream AND other.mixture = met.mixture
             AND other.method = met.method AND other.recipe = met.recipe
             AND other.gflops <= met.gflops AND other.mean >= met.mean
             AND (other.gflops < met.gflops OR other.mean > met.mean)
       ) AS pareto
FROM met
ORDER BY 1, 2, 3, 4, met.gflops, 5, 6;
