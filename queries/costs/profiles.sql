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
priced AS (
    SELECT price.*, recipe.batch_pairs, recipe.precision, budgets.charging,
           CASE budgets.charging WHEN 'per_step' THEN price.once_gflops ELSE 0 END AS besides
    FROM price JOIN recipe ON recipe.name = price.recipe
    LEFT JOIN budget AS budgets ON budgets.name = budget
)
SELECT priced.backbone, priced.mixture, priced.method, priced.recipe, priced.batch_pairs,
       priced.precision, priced.step_gflops, priced.once_gflops, priced.peak_bytes / 1e9 AS peak_gb,
       priced.multiplier, priced.step_maf_gflops, steps.steps,
       published.step_gflops AS published_gflops, published.multiplier AS published_multiplier,
       list_filter(published.steps, lambda one: one.tasks = tasks)[1].steps AS published_steps,
       (priced.step_gflops + priced.besides) / published.step_gflops - 1 AS gflops_apart,
       priced.multiplier / published.multiplier - 1 AS multiplier_apart
FROM priced
LEFT JOIN steps ON (steps.backbone, steps.mixture, steps.method, steps.recipe, steps.budget,
                    steps.tasks) = (priced.backbone, priced.mixture, priced.method, priced.recipe,
                                    budget, tasks)
LEFT JOIN published_cost AS published
    ON (published.backbone, published.batch_pairs, published.method)
     = (priced.backbone, priced.batch_pairs, priced.method)
ORDER BY priced.backbone, priced.recipe, priced.mixture, priced.step_maf_gflops, priced.method;
