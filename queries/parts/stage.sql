-- In which state is each trial?
-- grain: one row per trial
-- Attempts that measure what a trial deployed say nothing of it (`measurements` has these).
-- State is never stored: it follows from attempts, submissions, outcomes and requests. `attempt` is
-- the one that decides: the newest that is done, else the newest that has not ended, else the
-- newest. pending: `startable`. waiting: what it begins from is not done, or its study is held for
-- a person. failed: over, until a `retry` request. after: as in `mates`, of what is pending.
-- `trial_state` says why.
CREATE OR REPLACE VIEW stage AS
WITH
again AS (
    -- rarely a second attempt of a trial was done, too: for these alone it takes sorting out
    SELECT trial, max(attempt) AS attempt FROM trained WHERE state = 'done' AND attempt > 1
    GROUP BY trial
),
undone AS (
    -- in an old catalog nearly all are done, and what follows is of few
    SELECT trial.id AS trial FROM trial
    ANTI JOIN (SELECT trial FROM trained WHERE state = 'done') done ON done.trial = trial.id
),
history AS (
    SELECT open_attempt.trial,
           coalesce(max(open_attempt.attempt) FILTER (WHERE outcome.state IS NULL),
                    max(open_attempt.attempt)) AS attempt
    FROM (SELECT trial, attempt FROM attempt SEMI JOIN undone USING (trial)
          WHERE measures IS NULL) open_attempt
    LEFT JOIN outcome USING (trial, attempt)
    GROUP BY open_attempt.trial
),
wish AS (
    SELECT trial, arg_max(wish, serial) AS wish FROM request WHERE suite IS NULL GROUP BY trial
),
known AS (
    SELECT undone.trial, history.attempt, submission.job_id, outcome.state AS ended, wish.wish,
           startable.trial IS NOT NULL AS could, mates.after,
           undone.trial IN (SELECT exhausted.trial FROM exhausted
                            WHERE exhausted.measures IS NULL) AS over
    FROM undone
    LEFT JOIN history USING (trial)
    LEFT JOIN submission USING (trial, attempt)
    LEFT JOIN outcome USING (trial, attempt)
    LEFT JOIN wish USING (trial)
    LEFT JOIN startable USING (trial)
    LEFT JOIN mates USING (trial)
)
SELECT outcome.trial, outcome.attempt, 'done' AS state, NULL::BIGINT AS after
FROM outcome SEMI JOIN trial ON trial.id = outcome.trial
ANTI JOIN again ON again.trial = outcome.trial
WHERE outcome.state = 'done' AND outcome.attempt = 1
UNION ALL
SELECT again.trial, again.attempt, 'done', NULL FROM again SEMI JOIN trial ON trial.id = again.trial
UNION ALL
SELECT trial, attempt,
       CASE WHEN attempt IS NOT NULL
            AND ended IS NULL THEN if(job_id IS NOT NULL, 'running', 'submitting')
            WHEN wish = 'withdraw' THEN 'withdrawn'
            WHEN could THEN 'pending'
            WHEN over THEN CASE ended WHEN 'lost' THEN 'failed' ELSE ended END
            ELSE 'waiting' END AS state, after
FROM known;
