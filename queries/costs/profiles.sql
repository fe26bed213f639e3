-- What does each method cost, and how many steps does a budget buy it, next to what was published?
-- grain: one row per (backbone, mixture, method, recipe) profiled
-- steps: of a task, of so many `tasks` (20, 50, 100, 200, or as many as a stream has). published_*:
-- of the same backbone, batch size and method in FoMo-in-Flux's table of compute
-- (reference_result), whose names are ours but for case and signs; its memory is what the driver
-- said, and its EWC pays for a Fisher pass at every step. gflops_apart, multiplier_apart: ours over
-- the published, minus 1; a step as the budget charges it: one that charges per_step, as `fomo`, is
-- charged as published.
CREATE OR REPLACE MACRO profiles(budget VARCHAR := 'fomo', tasks INTEGER := 20) AS TABLE
WITH
said AS (
    SELECT setting::JSON ->> 'backbone' AS backbone, (setting::JSON ->> 'batch_pairs')::INTEGER AS batch_pairs,
           replace(replace(regexp_replace(lower(setting::JSON ->> 'method'), '[ -]', '_', 'g'), 'r=', 'r'), 'full_ft', 'finetune') AS method,
           (setting::JSON ->> 'tasks')::INTEGER AS task_count, metric, value
    FROM reference_result
    WHERE source = 'FoMo-in-Flux, compute' AND provenance = 'seen'
),
published AS (
    SELECT s.backbone, s.batch_pairs, s.method, any_value(s.value) FILTER (WHERE metric = 'step_gflops') AS gflops,
           any_value(s.value) FILTER (WHERE metric = 'memory_multiplier') AS multiplier,
           any_value(s.value) FILTER (WHERE metric = 'steps_per_task' AND s.task_count = tasks)::BIGINT AS steps
    FROM said s
    GROUP BY s.backbone, s.batch_pairs, s.method
),
priced AS (
    SELECT p.*, r.batch_pairs, r.precision, b.charging, CASE b.charging WHEN 'per_step' THEN p.once_gflops ELSE 0 END AS besides
    FROM price p JOIN recipe r ON r.name = p.recipe LEFT JOIN budget b ON b.name = budget
)
SELECT p.backbone, p.mixture, p.method, p.recipe, p.batch_pairs, p.precision, p.step_gflops, p.once_gflops, p.peak_bytes / 1e9 AS peak_gb,
       p.multiplier, p.step_maf_gflops, s.steps,
       u.gflops AS published_gflops, u.multiplier AS published_multiplier, u.steps AS published_steps,
       (p.step_gflops + p.besides) / u.gflops - 1 AS gflops_apart, p.multiplier / u.multiplier - 1 AS multiplier_apart
FROM priced p
LEFT JOIN steps s ON (s.backbone, s.mixture, s.method, s.recipe, s.budget, s.tasks) = (p.backbone, p.mixture, p.method, p.recipe, budget, tasks)
LEFT JOIN published u ON (u.backbone, u.batch_pairs, u.method) = (p.backbone, p.batch_pairs, p.method)
ORDER BY p.backbone, p.recipe, p.mixture, p.step_maf_gflops, p.method;
