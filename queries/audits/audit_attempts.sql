-- Where do attempts of one trial disagree? (No rows is good.)
-- grain: one row per (trial, spec_id, task, step, dataset, metric, label_space, weights, fraction)
-- Those with more than one value.
-- Every attempt of a trial computes the same numbers to the last bit, however often it was
-- interrupted. Only attempts of the same definition (spec_id) are compared.
CREATE OR REPLACE VIEW audit_attempts AS
WITH
repeated AS (
    SELECT trial FROM attempt GROUP BY trial HAVING count(*) > 1
)
SELECT result.trial, attempt.spec_id, result.task, result.step, result.dataset, result.metric,
       result.label_space, result.weights, result.fraction,
       count(DISTINCT result.attempt) AS attempts, min(result.value) AS lowest,
       max(result.value) AS highest
FROM result SEMI JOIN repeated USING (trial)
JOIN attempt USING (trial, attempt)
GROUP BY result.trial, attempt.spec_id, result.task, result.step, result.dataset, result.metric,
         result.label_space, result.weights, result.fraction
HAVING count(DISTINCT result.value) > 1 AND count(DISTINCT result.attempt) > 1
ORDER BY ALL;
