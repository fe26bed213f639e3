-- Which trials spent more than their budget? (No rows is good.)
-- grain: one row per trial whose standing steps cost more than its budget, at its unit's price
-- Training, repair included, and what runs once per task, as `steps` prices them; a trial may be
-- over by the rounding of its tasks, half a step each. A budget in FLOPs whose combination has no
-- profile here is not judged.
CREATE OR REPLACE VIEW audit_budget AS
WITH
at_most AS (
    -- of all attempts, whether they hold or not
    SELECT trial, sum(steps) AS steps, count(*) AS tasks FROM cost
    WHERE phase IN ('train', 'repair') GROUP BY trial
),
suspect AS MATERIALIZED (
    SELECT at_most.trial, steps.unit, steps.step_price, steps.once_price,
           budget.total * (1 + 1e-9) + stream.tasks / 2 * steps.step_price AS bound
    FROM at_most
    JOIN trial ON trial.id = at_most.trial
    JOIN budget ON budget.name = trial.budget
    JOIN stream ON stream.name = trial.stream
    JOIN steps ON steps.backbone = trial.backbone AND steps.mixture = trial.mixture
        AND steps.method = trial.method AND steps.recipe = trial.recipe
                AND steps.budget = trial.budget AND steps.tasks = stream.tasks
    WHERE at_most.steps * steps.step_price + at_most.tasks * steps.once_price > bound
),
spent AS (
    SELECT cost.trial, sum(cost.steps) AS steps, count(DISTINCT cost.task) AS tasks
    FROM cost SEMI JOIN suspect USING (trial) JOIN standing USING (trial, task, attempt)
    WHERE cost.phase IN ('train', 'repair')
    GROUP BY cost.trial
)
SELECT trial.id AS trial, trial.budget, suspect.unit, budget.total, spent.steps AS spent_steps,
       spent.steps * suspect.step_price + spent.tasks * suspect.once_price AS spent
FROM spent
JOIN suspect USING (trial)
JOIN trial ON trial.id = spent.trial
JOIN budget ON budget.name = trial.budget
WHERE spent.steps * suspect.step_price + spent.tasks * suspect.once_price > suspect.bound
ORDER BY trial;
