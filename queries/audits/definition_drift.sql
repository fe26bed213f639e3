-- Whose definition has changed since it ran?
-- grain: one row per attempt whose stored definition is no longer what its rows say (an audit: no rows is good)
-- `words` lists the words of the sentence whose rows differ, as values: the order of keys, `1` or
-- `1.0`, and the 15th digit of a number are how JSON was written and say nothing. Never edit a row
-- that ran: insert another under a new name.
CREATE OR REPLACE VIEW definition_drift AS
WITH
compared AS (
    SELECT attempt.trial, attempt.attempt, attempt.spec_id, attempt.spec AS ran, definition.spec AS says
    FROM attempt JOIN definition USING (trial)
    WHERE attempt.spec_id <> '' AND (attempt.spec->>'version') = (definition.spec->>'version')
),
word AS (
    SELECT unnest(['backbone', 'stream', 'mixture', 'method', 'recipe', 'budget', 'seed']) AS word
),
written AS MATERIALIZED (
    -- words whose text differs: few, so that only these are taken apart
    SELECT trial, attempt, spec_id, word, ran->word AS ran, says->word AS says
    FROM compared CROSS JOIN word
    WHERE (ran->word) IS DISTINCT FROM (says->word)
),
leaf AS (
    SELECT w.trial, w.attempt, w.word, true AS of_attempt, j.fullkey, j.type, j.atom
    FROM written w, json_tree(w.ran) j
    UNION ALL
    SELECT w.trial, w.attempt, w.word, false, j.fullkey, j.type, j.atom
    FROM written w, json_tree(w.says) j
),
value AS (
    SELECT trial, attempt, word, of_attempt, fullkey,
           CASE WHEN type IN ('UBIGINT', 'BIGINT', 'DOUBLE', 'HUGEINT') THEN 'NUMBER' ELSE type END AS type,
           CASE WHEN type IN ('UBIGINT', 'BIGINT', 'DOUBLE', 'HUGEINT') THEN try_cast(atom AS DOUBLE) END AS number,
           CASE WHEN type NOT IN ('UBIGINT', 'BIGINT', 'DOUBLE', 'HUGEINT') THEN atom::VARCHAR END AS word_of
    FROM leaf
),
differs AS (
    SELECT DISTINCT trial, attempt, word
    FROM (FROM value WHERE of_attempt) r FULL JOIN (FROM value WHERE NOT of_attempt) s USING (trial, attempt, word, fullkey)
    WHERE r.type IS DISTINCT FROM s.type OR r.word_of IS DISTINCT FROM s.word_of
       OR coalesce(abs(r.number - s.number) > 4e-15 * greatest(abs(r.number), abs(s.number)), false)
)
SELECT w.trial, w.attempt, w.spec_id, list(w.word ORDER BY w.word) AS words
FROM written w SEMI JOIN differs d ON d.trial = w.trial AND d.attempt = w.attempt AND d.word = w.word
GROUP BY w.trial, w.attempt, w.spec_id;
