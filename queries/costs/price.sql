-- What does a step of each profiled combination cost?
-- grain: one row per (backbone, mixture, method, recipe)
-- From `profile`, as docs/budgets.md says: step_gflops of a step (and of choosing its pairs),
-- once_gflops of what runs once per task; multiplier: the highest peak memory of the phases over
-- that of full fine-tuning, to 4 decimals; step_maf_gflops = their product.
CREATE OR REPLACE VIEW price AS
WITH
summed AS (
    SELECT backbone, mixture, method, recipe,
           sum(flops) FILTER (WHERE phase IN ('train', 'score')) / 1e9 AS step_gflops,
           coalesce(sum(flops) FILTER (WHERE phase IN ('objective', 'mix')), 0) / 1e9 AS once_gflops,
           max(peak_bytes) FILTER (WHERE phase IN ('train', 'score', 'objective', 'mix'))
               AS peak_bytes,
           max(peak_bytes) FILTER (WHERE phase = 'full') AS full_peak_bytes
    FROM profile
    WHERE mixture <> ''
    GROUP BY backbone, mixture, method, recipe
)
SELECT *, round(peak_bytes / full_peak_bytes, 4) AS multiplier,
       step_gflops * round(peak_bytes / full_peak_bytes, 4) AS step_maf_gflops
FROM summed
ORDER BY backbone, mixture, method, recipe;
