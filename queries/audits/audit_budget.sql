-- Which trials spent more than their budget? (No rows is good.)
-- grain: one row per trial whose standing steps, at the price of its budget's unit, are beyond the budget
-- Training, repair included, and what runs once per task, as `steps` prices them; a trial may be
-- over by the rounding of its tasks, half a step each. A budget in FLOPs whose combination has no
-- profile here is not judged.
CREATE OR REPLACE VIEW audit_budget AS
WITH
at_most AS (
    -- of all attempts, whether they hold or not
    SELECT trial, sum(steps) AS steps, count(*) AS tasks FROM cost WHERE phase IN ('train', 'repair') GROUP BY trial
),
suspect AS MATERIALIZED (
    SELECT a.trial, p.unit, p.step_price, p.once_price, b.total * (1 + 1e-9) + st.tasks / 2 * p.step_price AS bound
    FROM at_most a
    JOIN trial t ON t.id = a.trial
    JOIN budget b ON b.name = t.budget
    JOIN stream st ON st.name = t.stream
    JOIN steps p ON p.backbone = t.backbone AND p.mixture = t.mixture AND p.method = t.method AND p.recipe = t.recipe
                AND p.budget = t.budget AND p.tasks = st.tasks
    WHERE a.steps * p.step_price + a.tasks * p.once_price > bound
),
spent AS (
    SELECT c.trial, sum(c.steps) AS steps, count(DISTINCT c.task) AS tasks
    FROM cost c SEMI JOIN suspect USING (trial) JOIN standing s USING (trial, task, attempt)
    WHERE c.phase IN ('train', 'repair')
    GROUP BY c.trial
)
SELECT t.id AS trial, t.budget, p.unit, b.total, s.steps AS spent_steps, s.steps * p.step_price + s.tasks * p.once_price AS spent
FROM spent s
JOIN suspect p USING (trial)
JOIN trial t ON t.id = s.trial
JOIN budget b ON b.name = t.budget
WHERE s.steps * p.step_price + s.tasks * p.once_price > p.bound
ORDER BY trial;
