-- Which trials spent more than their budget? (No rows is good.)
-- grain: one row per trial whose standing steps, at the price of its budget's unit, are beyond the budget
-- Training, repair included, and what runs once per task, as `steps` prices them; a trial may be over by the rounding of its tasks, half
-- a step each. A budget in FLOPs whose combination has no profile here is not judged.
CREATE OR REPLACE VIEW audit_budget AS
WITH
spent AS (
    SELECT c.trial, sum(c.steps) AS steps, count(DISTINCT c.task) AS tasks
    FROM cost c JOIN standing s USING (trial, task, attempt)
    WHERE c.phase IN ('train', 'repair')
    GROUP BY c.trial
)
SELECT t.id AS trial, t.budget, p.unit, b.total, s.steps AS spent_steps, s.steps * p.step_price + s.tasks * p.once_price AS spent
FROM spent s
JOIN trial t ON t.id = s.trial
JOIN budget b ON b.name = t.budget
JOIN stream st ON st.name = t.stream
JOIN steps p ON (p.backbone, p.mixture, p.method, p.recipe, p.budget, p.tasks)
              = (t.backbone, t.mixture, t.method, t.recipe, t.budget, st.tasks)
WHERE s.steps * p.step_price + s.tasks * p.once_price > b.total * (1 + 1e-9) + st.tasks / 2 * p.step_price
ORDER BY trial;
