-- A bigger model, or more budget?
-- grain: one row per (stream, mixture, method, recipe, backbone, budget) with a trial at the end of its stream
-- Sorted by what was spent: of two rows at like cost the one that stands higher answers. pareto: within the same stream, mixture, method and
-- recipe nobody of any backbone spends at most as much and reaches at least as high a mean, and is strictly better in one of the two.
CREATE OR REPLACE MACRO bigger(measure VARCHAR := 'gm') AS TABLE
WITH
spent AS (
    SELECT t.backbone, t.stream, t.mixture, t.method, t.recipe, t.budget, avg(t.spent_flops) / 1e9 AS gflops
    FROM trajectory t
    WHERE t.task = t.tasks
    GROUP BY ALL
),
met AS (
    SELECT s.*, g.gflops
    FROM spread s
    JOIN spent g ON g.backbone = s.backbone AND g.stream = s.stream AND g.mixture = s.mixture AND g.method = s.method
                AND g.recipe = s.recipe AND g.budget = s.budget
    WHERE s.measure = measure
)
SELECT m.stream, m.mixture, m.method, m.recipe, m.backbone, m.budget, m.gflops, m.seeds, m.mean, m.low AS mean_low, m.high AS mean_high,
       NOT EXISTS (SELECT 1 FROM met o WHERE o.stream = m.stream AND o.mixture = m.mixture AND o.method = m.method AND o.recipe = m.recipe
                   AND o.gflops <= m.gflops AND o.mean >= m.mean AND (o.gflops < m.gflops OR o.mean > m.mean)) AS pareto
FROM met m
ORDER BY 1, 2, 3, 4, m.gflops, 5, 6;
