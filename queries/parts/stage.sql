-- In which state is each trial?
-- grain: one row per trial
-- State is never stored: it follows from attempts, submissions, outcomes and requests. `attempt` is
-- the one that decides: the newest that is done, else the newest that has not ended, else the
-- newest. pending: `startable`. waiting: what it begins from is not done, or its study is held for
-- a person. failed: over, until a `retry` request. after: as in `mates`, of what is pending.
-- `trial_state` says why.
CREATE OR REPLACE VIEW stage AS
WITH
again AS (
    -- rarely a second attempt of a trial was done, too: for these alone it takes sorting out
    SELECT trial, max(attempt) AS attempt FROM outcome WHERE state = 'done' AND attempt > 1 GROUP BY trial
),
undone AS (
    -- in an old catalog nearly all are done, and what follows is of few
    SELECT t.id AS trial FROM trial t ANTI JOIN (SELECT trial FROM outcome WHERE state = 'done') d ON d.trial = t.id
),
history AS (
    SELECT a.trial, coalesce(max(a.attempt) FILTER (WHERE o.state IS NULL), max(a.attempt)) AS attempt
    FROM (SELECT trial, attempt FROM attempt SEMI JOIN undone USING (trial)) a LEFT JOIN outcome o USING (trial, attempt)
    GROUP BY a.trial
),
wish AS (
    SELECT trial, arg_max(wish, serial) AS wish FROM request GROUP BY trial
),
known AS (
    SELECT u.trial, h.attempt, s.job_id, o.state AS ended, w.wish, r.trial IS NOT NULL AS could, n.after,
           u.trial IN (SELECT e.trial FROM exhausted e) AS over
    FROM undone u
    LEFT JOIN history h USING (trial)
    LEFT JOIN submission s USING (trial, attempt)
    LEFT JOIN outcome o USING (trial, attempt)
    LEFT JOIN wish w USING (trial)
    LEFT JOIN startable r USING (trial)
    LEFT JOIN mates n USING (trial)
)
SELECT o.trial, o.attempt, 'done' AS state, NULL::BIGINT AS after
FROM outcome o SEMI JOIN trial t ON t.id = o.trial ANTI JOIN again a ON a.trial = o.trial
WHERE o.state = 'done' AND o.attempt = 1
UNION ALL
SELECT a.trial, a.attempt, 'done', NULL FROM again a SEMI JOIN trial t ON t.id = a.trial
UNION ALL
SELECT trial, attempt,
       CASE WHEN attempt IS NOT NULL AND ended IS NULL THEN if(job_id IS NOT NULL, 'running', 'submitting')
            WHEN wish = 'withdraw' THEN 'withdrawn'
            WHEN could THEN 'pending'
            WHEN over THEN CASE ended WHEN 'lost' THEN 'failed' ELSE ended END
            ELSE 'waiting' END AS state, after
FROM known;
