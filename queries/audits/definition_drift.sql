-- Whose definition has changed since it ran?
-- grain: one row per attempt whose stored definition is no longer what its rows say (an audit: no rows is good)
-- `word` lists the words of the sentence whose rows differ. Never edit a row that ran: insert
-- another under a new name.
CREATE OR REPLACE VIEW definition_drift AS
WITH
compared AS (
    SELECT attempt.trial, attempt.attempt, attempt.spec_id, attempt.spec AS ran, definition.spec AS says
    FROM attempt JOIN definition USING (trial)
    WHERE attempt.spec_id <> '' AND (attempt.spec->>'version') = (definition.spec->>'version')
),
word AS (
    SELECT unnest(['backbone', 'stream', 'mixture', 'method', 'recipe', 'budget', 'seed']) AS word
)
SELECT trial, attempt, spec_id, list(word ORDER BY word) AS words
FROM compared CROSS JOIN word
WHERE (ran->word) IS DISTINCT FROM (says->word)
GROUP BY trial, attempt, spec_id;
