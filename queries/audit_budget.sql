-- Which trials spent more than their budget? (No rows is good.)
-- grain: one row per trial whose standing steps or pairs are beyond its budget
-- Of budgets in steps or pairs, training, repair included: a trial may be over by the rounding of its tasks, half a step each. Budgets in
-- FLOPs are solved from what a step was profiled to cost, and audited by `trajectory`.
CREATE OR REPLACE VIEW audit_budget AS
WITH
spent AS (
    SELECT c.trial, sum(c.steps) AS steps
    FROM cost c JOIN standing s USING (trial, task, attempt)
    WHERE c.phase IN ('train', 'repair')
    GROUP BY c.trial
)
SELECT t.id AS trial, t.budget, b.unit, b.total, s.steps AS spent_steps, s.steps * r.batch_pairs AS spent_pairs
FROM spent s
JOIN trial t ON t.id = s.trial
JOIN budget b ON b.name = t.budget
JOIN recipe r ON r.name = t.recipe
JOIN stream st ON st.name = t.stream
WHERE (b.unit = 'steps' AND s.steps > b.total + st.tasks / 2)
   OR (b.unit = 'pairs' AND s.steps * r.batch_pairs > b.total + st.tasks / 2 * r.batch_pairs)
ORDER BY trial;
