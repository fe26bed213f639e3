-- Which trials that were run elsewhere are not as they were imported? (No rows is good.)
-- grain: one row per trial with a source or a row of `imported`, and what is wrong with it
-- Nobody changes what was imported, and no attempt but the imported one is of such a trial. To make
-- it good: move the catalog away and make it again (python -m schema --rebuild).
CREATE OR REPLACE VIEW audit_imports AS
WITH
known AS (
    SELECT coalesce(trial.id, imported.trial) AS trial, trial.source, imported.rows,
           imported.source AS imported_source
    FROM (SELECT * FROM trial WHERE source IS NOT NULL) trial
    FULL JOIN imported ON imported.trial = trial.id
),
there AS (
    SELECT facts.trial, count(*) AS rows
    FROM (SELECT trial FROM result UNION ALL SELECT trial FROM cost) facts
    SEMI JOIN known ON known.trial = facts.trial
    GROUP BY facts.trial
),
tried AS (
    SELECT attempt.trial, count(*) AS attempts FROM attempt
    SEMI JOIN known ON known.trial = attempt.trial
    GROUP BY attempt.trial
),
judged AS (
    SELECT known.trial,
           CASE WHEN known.imported_source IS NULL THEN 'has a source and was never imported'
                WHEN known.source IS DISTINCT FROM known.imported_source
                THEN 'was imported from ' || known.imported_source || ', which it does not say'
                WHEN coalesce(tried.attempts, 0) <> 1
                THEN 'has ' || coalesce(tried.attempts, 0) || ' attempts'
                WHEN coalesce(there.rows, 0) <> known.rows
                THEN 'has ' || coalesce(there.rows, 0) || ' results and costs of ' || known.rows
           END AS problem
    FROM known
    LEFT JOIN there ON there.trial = known.trial
    LEFT JOIN tried ON tried.trial = known.trial
)
SELECT trial, problem FROM judged WHERE problem IS NOT NULL ORDER BY trial;
