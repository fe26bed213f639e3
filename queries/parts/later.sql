-- What was measured later, without training?
-- grain: one row per (trial, task, dataset, metric, label_space, weights, fraction, suite) measured
-- The rows of `result` that attempts with `measures` brought, of each the newest. suite: the one
-- that they measured, where the value depends on it, as candidates of a `union` do; else NULL: the
-- value is one of any suite that has the member.
CREATE OR REPLACE VIEW later AS
SELECT result.*, CASE WHEN result.label_space = 'union' THEN measuring.measures END AS suite
FROM result
JOIN (SELECT trial, attempt, measures FROM attempt WHERE measures IS NOT NULL) measuring
    USING (trial, attempt)
QUALIFY row_number() OVER (
    PARTITION BY result.trial, result.task, result.dataset, result.metric, result.label_space,
                 result.weights, result.fraction,
                 CASE WHEN result.label_space = 'union' THEN measuring.measures END
    ORDER BY result.attempt DESC) = 1;
