-- How many steps does a budget buy?
-- grain: one row per (backbone, mixture, method, recipe, budget, tasks) of a profile, or of a trial
-- The rule of runner/budget.py: round((total / tasks - once) / step), half to even, at the price of
-- the budget's unit and charging. steps: of a task; NULL where the budget is in FLOPs and the
-- combination is not profiled (python -m runner.sync --dry-run --profile); below 1 the trial is
-- refused. over_of_a_task: what a task would spend beyond its share of the total, in steps: half a
-- step at the most.
CREATE OR REPLACE VIEW steps AS
WITH
asked AS (
    SELECT DISTINCT t.backbone, t.mixture, t.method, t.recipe, t.budget, s.tasks FROM trial t JOIN stream s ON s.name = t.stream
    UNION
    SELECT p.backbone, p.mixture, p.method, p.recipe, b.name, s.tasks
    FROM price p CROSS JOIN budget b CROSS JOIN (SELECT x.tasks FROM stream x UNION SELECT unnest([20, 50, 100, 200])) s
),
shared AS (
    SELECT a.*, b.unit, b.total, b.charging, r.batch_pairs, p.step_gflops, p.once_gflops, p.peak_bytes,
           CASE b.unit WHEN 'maf_gflops' THEN p.multiplier WHEN 'gflops' THEN 1.0 END AS share
    FROM asked a
    JOIN budget b ON b.name = a.budget
    JOIN recipe r ON r.name = a.recipe
    LEFT JOIN price p ON (p.backbone, p.mixture, p.method, p.recipe) = (a.backbone, a.mixture, a.method, a.recipe)
),
priced AS (
    SELECT h.*,
           CASE WHEN h.unit = 'steps' THEN 1.0 WHEN h.unit = 'pairs' THEN h.batch_pairs::DOUBLE
                WHEN h.charging = 'per_step' THEN (h.step_gflops + h.once_gflops) * h.share ELSE h.step_gflops * h.share END AS step_price,
           CASE WHEN h.unit IN ('steps', 'pairs') OR h.charging = 'per_step' THEN 0 ELSE h.once_gflops * h.share END AS once_price
    FROM shared h
),
bought AS (
    SELECT x.*, round_even(x.total / (x.tasks * x.step_price) - x.once_price / x.step_price, 0)::BIGINT AS steps FROM priced x
)
SELECT w.backbone, w.mixture, w.method, w.recipe, w.budget, w.tasks, w.unit, w.steps, w.step_price, w.once_price,
       w.steps - (w.total / w.tasks - w.once_price) / w.step_price AS over_of_a_task,
       w.tasks * (w.steps * w.step_gflops + w.once_gflops) / 1e6 AS pflops, w.peak_bytes
FROM bought w
ORDER BY w.backbone, w.mixture, w.method, w.recipe, w.budget, w.tasks;
