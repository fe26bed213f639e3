-- Where is each trial, and why?
-- grain: one row per trial
-- States, and the attempt that decides, as in `stage`; folder and times are of that attempt.
CREATE OR REPLACE VIEW trial_state AS
WITH
wish AS (
    SELECT trial, arg_max({'wish': wish, 'reason': reason}, serial) AS newest
    FROM request
    GROUP BY trial
),
several AS (
    -- of trials that were tried again; of the others it is one
    SELECT trial, count(*) AS attempts FROM attempt SEMI JOIN (SELECT trial FROM attempt WHERE attempt > 1) a USING (trial) GROUP BY trial
),
staged AS (
    FROM stage
),
parent AS (
    SELECT b.name AS backbone, b.trial, g.state
    FROM (SELECT name, try_cast(substr(pretrained, 7) AS BIGINT) AS trial FROM backbone WHERE pretrained LIKE 'trial:%') b
    LEFT JOIN staged g ON g.trial = b.trial
),
said AS (
    SELECT subject, string_agg(message, '; ' ORDER BY message) AS message FROM problem GROUP BY subject
),
of_batch AS (
    SELECT a.trial, a.attempt, b.message FROM attempt a JOIN said b ON b.subject = a.batch
),
known AS (
    SELECT t.*, g.state, g.attempt, g.after, CASE WHEN g.attempt IS NULL THEN 0 ELSE coalesce(h.attempts, 1) END AS attempts,
           s.backend, s.job_id, s.folder, o.state AS ended, o.kind, o.message, o.started_at, o.finished_at,
           w.newest.wish AS wish, w.newest.reason AS wish_reason, p.backbone IS NULL OR coalesce(p.state = 'done', false) AS begins,
           p.trial AS parent, p.state AS parent_state, coalesce(b.message, m.message) AS problem
    FROM trial t
    JOIN staged g ON g.trial = t.id
    LEFT JOIN several h ON h.trial = t.id
    LEFT JOIN submission s ON s.trial = t.id AND s.attempt = g.attempt
    LEFT JOIN outcome o ON o.trial = t.id AND o.attempt = g.attempt
    LEFT JOIN wish w ON w.trial = t.id
    LEFT JOIN parent p ON p.backbone = t.backbone
    LEFT JOIN of_batch b ON b.trial = t.id AND b.attempt = g.attempt
    LEFT JOIN said m ON m.subject = 'trial ' || t.id
)
SELECT k.id AS trial, k.study, k.backbone, k.stream, k.mixture, k.method, k.recipe, k.budget, k.seed, k.state,
       CASE WHEN k.state IN ('running', 'submitting') AND k.wish = 'withdraw' THEN 'to be withdrawn'
            WHEN k.state = 'running' THEN concat_ws('; ', k.backend || ' job ' || k.job_id, k.problem)
            WHEN k.state = 'submitting' THEN coalesce(k.problem, 'no backend has taken it yet')
            WHEN k.state = 'withdrawn' THEN k.wish_reason
            WHEN k.state = 'pending' AND k.after IS NOT NULL THEN 'takes over what trial ' || k.after || ' trains, when that is done'
            WHEN k.state = 'pending' AND k.attempts > 0 THEN 'goes on after: ' || coalesce(k.kind, k.ended)
            WHEN k.state = 'waiting' AND NOT k.begins
                THEN 'begins from trial ' || coalesce(k.parent::VARCHAR, '?') || ', which is ' || coalesce(k.parent_state, 'not in the catalog')
            WHEN k.state = 'waiting' THEN 'held: too many trials of its study failed the same way; insert a retry request to go on'
            WHEN k.state IN ('failed', 'refused', 'cancelled') THEN concat_ws(': ', k.kind, k.message) END AS reason,
       k.attempts, k.attempt, k.folder, k.started_at, k.finished_at, k.created_at, k.priority
FROM known k;
