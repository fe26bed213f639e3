-- Which measurements could start?
-- grain: one row per (trial, measures) that sync may measure now
-- Of what is `unmeasured`, where the trial is done and not about to be trained again. A measurement is tried again as a trial is, as
-- long as `policy` allows (`exhausted`), and ends by a `withdraw` request about it or about its
-- trial; after `same_errors` trials failed the same way on a suite, the others wait for a person.
-- attempt: the number that the next attempt of its trial has. measures: the suite. missing: values
-- of datasets and tasks that are to be measured.
CREATE OR REPLACE VIEW measurable AS
WITH
lacking AS (
    SELECT trial, suite, count(*) AS missing FROM unmeasured GROUP BY trial, suite
),
wish AS (
    SELECT lacking.trial, lacking.suite, arg_max(request.wish, request.serial) AS wish
    FROM lacking
    JOIN request ON request.trial = lacking.trial
        AND (request.suite IS NULL OR request.suite = lacking.suite)
    GROUP BY lacking.trial, lacking.suite
),
tried AS (
    SELECT attempt.trial, max(attempt.attempt) AS attempts FROM attempt
    SEMI JOIN lacking ON lacking.trial = attempt.trial
    GROUP BY attempt.trial
),
live AS (
    SELECT attempt.trial, attempt.measures FROM attempt
    ANTI JOIN outcome USING (trial, attempt)
    WHERE attempt.measures IS NOT NULL
),
tripped AS (
    SELECT attempt.measures
    FROM ending JOIN attempt USING (trial, attempt)
    WHERE attempt.measures IS NOT NULL AND ending.state = 'failed' AND ending.kind = 'error'
      AND attempt.serial > coalesce(
            (SELECT max(request.serial) FROM request
             JOIN measurement ON measurement.trial = request.trial
             WHERE request.wish = 'retry' AND measurement.suite = attempt.measures
               AND (request.suite IS NULL OR request.suite = measurement.suite)), 0)
    GROUP BY attempt.measures, ending.signature
    HAVING count(DISTINCT ending.trial) >= (SELECT value FROM policy WHERE name = 'same_errors')
)
SELECT trial.id AS trial, tried.attempts + 1 AS attempt, trial.study, trial.priority,
       trial.backbone, trial.stream, trial.mixture, trial.method, trial.recipe, trial.budget,
       trial.seed, trial.created_at, lacking.suite AS measures, lacking.missing
FROM lacking
JOIN trial ON trial.id = lacking.trial
JOIN tried ON tried.trial = lacking.trial
SEMI JOIN (SELECT trial FROM trained WHERE state = 'done') done ON done.trial = lacking.trial
LEFT JOIN wish ON wish.trial = lacking.trial AND wish.suite = lacking.suite
ANTI JOIN live ON live.trial = lacking.trial AND live.measures = lacking.suite
ANTI JOIN exhausted ON exhausted.trial = lacking.trial AND exhausted.measures = lacking.suite
-- its weights are on their way
ANTI JOIN (SELECT trial FROM retraining WHERE NOT over) again ON again.trial = lacking.trial
WHERE wish.wish IS DISTINCT FROM 'withdraw' AND trial.source IS NULL
  AND lacking.suite NOT IN (SELECT tripped.measures FROM tripped);
