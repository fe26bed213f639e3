-- Which trials were not run by one code? (No rows is good.)
-- grain: one row per trial whose standing results come from attempts of different code snapshots
-- An attempt takes the code as it is when it is submitted. Where one goes on from the checkpoint of an older one, and somebody changed
-- the code between them, the trial is no experiment of either.
CREATE OR REPLACE VIEW audit_code AS
SELECT r.trial, list(DISTINCT a.code ORDER BY a.code) AS codes, list(DISTINCT a.attempt ORDER BY a.attempt) AS attempts
FROM (SELECT trial, task, max(attempt) AS attempt FROM result GROUP BY trial, task) r
JOIN attempt a USING (trial, attempt)
WHERE a.code <> ''
GROUP BY r.trial
HAVING count(DISTINCT a.code) > 1
ORDER BY r.trial;
