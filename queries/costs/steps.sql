-- How many steps does a budget buy?
-- grain: one row per (backbone, mixture, method, recipe, budget, tasks) of a profile, or of a trial
-- The rule of runner/budget.py: round((total / tasks - once) / step), half to even, at the price of
-- the budget's unit and charging: of a budget of published costs that of `published_cost`, else
-- ours. steps: of a task; NULL where the budget is in FLOPs and the combination is not profiled
-- (python -m runner.sync --dry-run --profile); below 1 the trial is refused. over_of_a_task: what a
-- task would spend beyond its share of the total, in steps: half a step at the most.
CREATE OR REPLACE VIEW steps AS
WITH
asked AS (
    SELECT DISTINCT trial.backbone, trial.mixture, trial.method, trial.recipe, trial.budget,
                    stream.tasks FROM trial JOIN stream ON stream.name = trial.stream
    UNION
    SELECT price.backbone, price.mixture, price.method, price.recipe, budget.name, lengths.tasks
    FROM price CROSS JOIN budget
    CROSS JOIN (SELECT stream.tasks FROM stream UNION SELECT unnest([20, 50, 100, 200])) lengths
),
shared AS (
    SELECT asked.*, budget.unit, budget.total, budget.charging, recipe.batch_pairs,
           price.step_gflops, price.once_gflops, price.peak_bytes,
           CASE budget.costs WHEN 'published' THEN published_cost.step_gflops
                ELSE price.step_gflops END AS charged_step_gflops,
           CASE budget.costs WHEN 'published' THEN published_cost.once_gflops
                ELSE price.once_gflops END AS charged_once_gflops,
           CASE WHEN budget.unit = 'gflops' THEN 1.0
                WHEN budget.unit = 'maf_gflops' AND budget.costs = 'published'
                THEN published_cost.multiplier
                WHEN budget.unit = 'maf_gflops' THEN price.multiplier END AS share
    FROM asked
    JOIN budget ON budget.name = asked.budget
    JOIN recipe ON recipe.name = asked.recipe
    LEFT JOIN price ON (price.backbone, price.mixture, price.method, price.recipe)
        = (asked.backbone, asked.mixture, asked.method, asked.recipe)
    LEFT JOIN published_cost
        ON (published_cost.backbone, published_cost.batch_pairs, published_cost.method)
         = (asked.backbone, recipe.batch_pairs, asked.method)
),
priced AS (
    SELECT shared.*,
           CASE WHEN shared.unit = 'steps' THEN 1.0
                WHEN shared.unit = 'pairs' THEN shared.batch_pairs::DOUBLE
                WHEN shared.charging = 'per_step'
                THEN (shared.charged_step_gflops + shared.charged_once_gflops) * shared.share
                ELSE shared.charged_step_gflops * shared.share END AS step_price,
           CASE WHEN shared.unit IN ('steps', 'pairs') OR shared.charging = 'per_step' THEN 0
                ELSE shared.charged_once_gflops * shared.share END AS once_price
    FROM shared
),
bought AS (
    SELECT priced.*, round_even(priced.total / (priced.tasks * priced.step_price)
                                - priced.once_price / priced.step_price, 0)::BIGINT AS steps
                                FROM priced
)
SELECT bought.backbone, bought.mixture, bought.method, bought.recipe, bought.budget, bought.tasks,
       bought.unit, bought.steps, bought.step_price, bought.once_price,
       bought.steps - (bought.total / bought.tasks - bought.once_price)
       / bought.step_price AS over_of_a_task,
       bought.tasks * (bought.steps * bought.step_gflops + bought.once_gflops) / 1e6 AS pflops,
       bought.peak_bytes
FROM bought
ORDER BY bought.backbone, bought.mixture, bought.method, bought.recipe, bought.budget, bought.tasks;
