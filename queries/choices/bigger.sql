-- A bigger model, or more budget?
-- grain: one row per (stream, mixture, method, recipe, backbone, budget) with a trial at the end of its stream
-- Sorted by what was spent: of two rows at like cost the one that stands higher answers. pareto:
-- within the same stream, mixture, method and recipe nobody of any backbone spends at most as much
-- and reaches at least as high a mean, and is strictly better in one of the two.
CREATE OR REPLACE MACRO bigger(measure VARCHAR := 'gm') AS TABLE
WITH
met AS (
    SELECT spread.* FROM spread WHERE spread.measure = CASE WHEN measure IN ('a_ka', 'a_zs', 'gm', 'd_ka', 'd_zs', 'zs_ratio') THEN measure
                           ELSE error('measure is one of a_ka, a_zs, gm, d_ka, d_zs, zs_ratio; not ' || measure) END
)
SELECT m.stream, m.mixture, m.method, m.recipe, m.backbone, m.budget, m.gflops, m.seeds, m.seeds < 3 AS few_seeds,
       m.mean, m.low AS mean_low, m.high AS mean_high,
       NOT EXISTS (SELECT 1 FROM met o WHERE o.stream = m.stream AND o.mixture = m.mixture AND o.method = m.method AND o.recipe = m.recipe
                   AND o.gflops <= m.gflops AND o.mean >= m.mean AND (o.gflops < m.gflops OR o.mean > m.mean)) AS pareto
FROM met m
ORDER BY 1, 2, 3, 4, m.gflops, 5, 6;
