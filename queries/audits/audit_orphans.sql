-- Which facts belong to no attempt? (No rows is good.)
-- grain: one row per (fact, trial, attempt) that the catalog does not know
-- The big fact tables carry no keys, so this audit watches them. A request or a measurement names a
-- trial only: its attempt is NULL.
CREATE OR REPLACE VIEW audit_orphans AS
WITH
fact AS (
    SELECT 'submission' AS fact, trial, attempt FROM submission
    UNION ALL SELECT 'outcome', trial, attempt FROM outcome
    UNION ALL SELECT 'result', trial, attempt FROM result
    UNION ALL SELECT 'cost', trial, attempt FROM cost
    UNION ALL SELECT 'progress', trial, attempt FROM progress
    UNION ALL SELECT 'statistic', trial, attempt FROM statistic
),
lonely AS (
    SELECT fact, trial, attempt FROM fact ANTI JOIN attempt USING (trial, attempt)
    UNION ALL SELECT 'attempt', trial, attempt FROM attempt
    ANTI JOIN trial ON trial.id = attempt.trial
    UNION ALL SELECT 'measurement', trial, NULL FROM measurement
    ANTI JOIN trial ON trial.id = measurement.trial
    UNION ALL SELECT 'request', trial, NULL FROM request ANTI JOIN trial ON trial.id = request.trial
    WHERE request.rule IS NULL
)
SELECT fact, trial, attempt, count(*) AS rows
FROM lonely
GROUP BY fact, trial, attempt
ORDER BY fact, trial, attempt;
