-- Which trials were not run by one code? (No rows is good.)
-- grain: one row per trial whose standing results come from attempts of different code snapshots
-- An attempt takes the code as it is when it is submitted. Where one goes on from the checkpoint of
-- an older one, and somebody changed the code between them, the trial is no experiment of either.
-- What was measured later by other code is not meant, nor what was trained again.
CREATE OR REPLACE VIEW audit_code AS
WITH
changed AS (
    SELECT trial FROM attempt WHERE code <> '' AND measures IS NULL AND retrains IS NULL
    GROUP BY trial
    HAVING min(code) < max(code)
),
holds AS (
    SELECT result.trial, result.task, max(result.attempt) AS attempt FROM result
    SEMI JOIN changed USING (trial)
    SEMI JOIN (SELECT trial, attempt FROM attempt
               WHERE measures IS NULL AND retrains IS NULL) trains
        USING (trial, attempt)
    GROUP BY result.trial, result.task
)
SELECT holds.trial, list(DISTINCT attempt.code ORDER BY attempt.code) AS codes,
       list(DISTINCT attempt.attempt ORDER BY attempt.attempt) AS attempts
FROM holds JOIN attempt USING (trial, attempt)
WHERE attempt.code <> ''
GROUP BY holds.trial
HAVING count(DISTINCT attempt.code) > 1
ORDER BY holds.trial;
