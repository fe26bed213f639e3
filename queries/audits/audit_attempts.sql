-- Where do attempts of one trial disagree? (No rows is good.)
-- grain: one row per (trial, spec_id, task, step, dataset, metric, label_space, weights, fraction) with more than one value
-- Every attempt of a trial computes the same numbers to the last bit, however often it was
-- interrupted. Only attempts of the same definition (spec_id) are compared.
CREATE OR REPLACE VIEW audit_attempts AS
WITH
repeated AS (
    SELECT trial FROM attempt GROUP BY trial HAVING count(*) > 1
)
SELECT r.trial, a.spec_id, r.task, r.step, r.dataset, r.metric, r.label_space, r.weights, r.fraction,
       count(DISTINCT r.attempt) AS attempts, min(r.value) AS lowest, max(r.value) AS highest
FROM result r SEMI JOIN repeated USING (trial)
JOIN attempt a USING (trial, attempt)
GROUP BY r.trial, a.spec_id, r.task, r.step, r.dataset, r.metric, r.label_space, r.weights, r.fraction
HAVING count(DISTINCT r.value) > 1 AND count(DISTINCT r.attempt) > 1
ORDER BY ALL;
