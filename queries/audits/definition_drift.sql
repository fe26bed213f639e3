-- Whose definition has changed since it ran?
-- grain: one row per attempt whose stored definition is no longer what its rows say
-- This is an audit: no rows is good. Of an attempt that measured what a trial deployed these are the
-- rows of the datasets.
-- `words` lists the words of the sentence whose rows differ, as values: the order of keys, `1` or
-- `1.0`, and the 15th digit of a number are how JSON was written and say nothing. Never edit a row
-- that ran: insert another under a new name.
CREATE OR REPLACE VIEW definition_drift AS
WITH
compared AS (
    SELECT attempt.trial, attempt.attempt, attempt.spec_id, attempt.spec AS ran,
           definition.spec AS says
    FROM attempt JOIN definition USING (trial)
    WHERE attempt.spec_id <> '' AND attempt.measures IS NULL
      AND (attempt.spec->>'version') = (definition.spec->>'version')
),
word AS (
    SELECT unnest(['backbone', 'stream', 'mixture', 'method', 'recipe', 'budget', 'seed']) AS word
),
written AS MATERIALIZED (
    -- words whose text differs: few, so that only these are taken apart
    SELECT trial, attempt, spec_id, word, ran->word AS ran, says->word AS says
    FROM compared CROSS JOIN word
    WHERE (ran->word) IS DISTINCT FROM (says->word)
    UNION ALL
    -- of what was measured later, the rows of the datasets
    SELECT later.trial, later.attempt, later.spec_id, 'dataset ' || dataset.name, later.dataset,
           to_json({name: dataset.name, format: dataset.format, location: dataset.location,
                    params: dataset.params, kind: dataset.kind, classes: dataset.classes,
                    templates: dataset.templates})
    FROM (SELECT trial, attempt, spec_id, unnest((spec->'$.measures.datasets')::JSON[]) AS dataset
          FROM attempt WHERE measures IS NOT NULL AND spec_id <> '') later
    JOIN dataset ON dataset.name = later.dataset->>'name'
),
leaf AS (
    SELECT written.trial, written.attempt, written.word, true AS of_attempt, node.fullkey,
           node.type, node.atom
    FROM written, json_tree(written.ran) node
    UNION ALL
    SELECT written.trial, written.attempt, written.word, false, node.fullkey, node.type, node.atom
    FROM written, json_tree(written.says) node
),
value AS (
    SELECT trial, attempt, word, of_attempt, fullkey,
           CASE WHEN type IN ('UBIGINT', 'BIGINT', 'DOUBLE', 'HUGEINT') THEN 'NUMBER'
                ELSE type END AS type,
           CASE
                WHEN type IN ('UBIGINT', 'BIGINT', 'DOUBLE', 'HUGEINT')
                THEN try_cast(atom AS DOUBLE) END AS number,
           CASE
                WHEN type NOT IN ('UBIGINT', 'BIGINT', 'DOUBLE', 'HUGEINT')
                THEN atom::VARCHAR END AS word_of
    FROM leaf
),
differs AS (
    SELECT DISTINCT trial, attempt, word
    FROM (FROM value WHERE of_attempt) ran
    FULL JOIN (FROM value WHERE NOT of_attempt) says USING (trial, attempt, word, fullkey)
    WHERE ran.type IS DISTINCT FROM says.type OR ran.word_of IS DISTINCT FROM says.word_of
       OR coalesce(abs(ran.number - says.number)
                   > 4e-15 * greatest(abs(ran.number), abs(says.number)), false)
)
SELECT written.trial, written.attempt, written.spec_id,
       list(written.word ORDER BY written.word) AS words
FROM written
SEMI JOIN differs ON differs.trial = written.trial AND differs.attempt = written.attempt
    AND differs.word = written.word
GROUP BY written.trial, written.attempt, written.spec_id;
