-- Which trials were not run by one code? (No rows is good.)
-- grain: one row per trial whose standing results come from attempts of different code snapshots
-- An attempt takes the code as it is when it is submitted. Where one goes on from the checkpoint of
-- an older one, and somebody changed the code between them, the trial is no experiment of either.
CREATE OR REPLACE VIEW audit_code AS
WITH
changed AS (
    SELECT trial FROM attempt WHERE code <> '' GROUP BY trial HAVING min(code) < max(code)
),
holds AS (
    SELECT r.trial, r.task, max(r.attempt) AS attempt FROM result r SEMI JOIN changed USING (trial) GROUP BY r.trial, r.task
)
SELECT h.trial, list(DISTINCT a.code ORDER BY a.code) AS codes, list(DISTINCT a.attempt ORDER BY a.attempt) AS attempts
FROM holds h JOIN attempt a USING (trial, attempt)
WHERE a.code <> ''
GROUP BY h.trial
HAVING count(DISTINCT a.code) > 1
ORDER BY h.trial;
