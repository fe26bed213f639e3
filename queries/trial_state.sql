-- Where is each trial, and why?
-- grain: one row per trial
-- State is never stored: it follows from attempts, submissions, outcomes and requests. `attempt` is the one that decides: the
-- newest that is done, else the newest that has not ended, else the newest. pending: `ready`. waiting: what it begins from is
-- not done, or its study is held for a person. failed: over, until a `retry` request.
CREATE OR REPLACE VIEW trial_state AS
WITH
wish AS (
    SELECT trial, arg_max({'wish': wish, 'reason': reason}, serial) AS newest
    FROM request
    GROUP BY trial
),
history AS (
    SELECT a.trial, count(*) AS attempts,
           coalesce(max(a.attempt) FILTER (WHERE o.state = 'done'),
                    max(a.attempt) FILTER (WHERE o.state IS NULL), max(a.attempt)) AS attempt
    FROM attempt a LEFT JOIN outcome o USING (trial, attempt)
    GROUP BY a.trial
),
parent AS (
    SELECT name AS backbone, try_cast(substr(pretrained, 7) AS BIGINT) AS trial
    FROM backbone
    WHERE pretrained LIKE 'trial:%'
),
parent_done AS (
    SELECT p.backbone, p.trial, coalesce(bool_or(o.state = 'done'), false) AS done
    FROM parent p LEFT JOIN outcome o ON o.trial = p.trial
    GROUP BY ALL
),
said AS (
    SELECT subject, string_agg(message, '; ' ORDER BY message) AS message FROM problem GROUP BY subject
),
known AS (
    SELECT t.*, coalesce(h.attempts, 0) AS attempts, h.attempt, a.created_at AS attempted_at,
           s.backend, s.job_id, s.folder, o.state AS ended, o.kind, o.message, o.started_at, o.finished_at,
           w.newest.wish AS wish, w.newest.reason AS wish_reason, p.trial AS parent, coalesce(p.done, true) AS ready,
           t.id IN (SELECT e.trial FROM exhausted e) AS over, r.trial IS NOT NULL AS could, r.after,
           coalesce(b.message, m.message) AS problem
    FROM trial t
    LEFT JOIN history h ON h.trial = t.id
    LEFT JOIN attempt a ON a.trial = t.id AND a.attempt = h.attempt
    LEFT JOIN submission s ON s.trial = t.id AND s.attempt = h.attempt
    LEFT JOIN outcome o ON o.trial = t.id AND o.attempt = h.attempt
    LEFT JOIN wish w ON w.trial = t.id
    LEFT JOIN ready r ON r.trial = t.id
    LEFT JOIN parent_done p ON p.backbone = t.backbone
    LEFT JOIN said b ON b.subject = a.batch
    LEFT JOIN said m ON m.subject = 'trial ' || t.id
),
judged AS (
    SELECT k.*,
           CASE WHEN ended = 'done' THEN 'done'
                WHEN attempt IS NOT NULL AND ended IS NULL AND job_id IS NOT NULL THEN 'running'
                WHEN attempt IS NOT NULL AND ended IS NULL THEN 'submitting'
                WHEN wish = 'withdraw' THEN 'withdrawn'
                WHEN could THEN 'pending'
                WHEN over THEN CASE ended WHEN 'lost' THEN 'failed' ELSE ended END
                ELSE 'waiting' END AS state
    FROM known k
)
SELECT j.id AS trial, j.study, j.backbone, j.stream, j.mixture, j.method, j.recipe, j.budget, j.seed, j.state,
       CASE WHEN j.state IN ('running', 'submitting') AND j.wish = 'withdraw' THEN 'to be withdrawn'
            WHEN j.state = 'running' THEN concat_ws('; ', j.backend || ' job ' || j.job_id, j.problem)
            WHEN j.state = 'submitting' THEN coalesce(j.problem, 'no backend has taken it yet')
            WHEN j.state = 'withdrawn' THEN j.wish_reason
            WHEN j.state = 'pending' AND j.after IS NOT NULL THEN 'takes over what trial ' || j.after || ' trains, when that is done'
            WHEN j.state = 'pending' AND j.attempts > 0 THEN 'goes on after: ' || coalesce(j.kind, j.ended)
            WHEN j.state = 'waiting' AND NOT j.ready
                THEN 'begins from trial ' || coalesce(j.parent::VARCHAR, '?') || ', which is ' || coalesce(p.state, 'not in the catalog')
            WHEN j.state = 'waiting' THEN 'held: too many trials of its study failed the same way; insert a retry request to go on'
            WHEN j.state IN ('failed', 'refused', 'cancelled') THEN concat_ws(': ', j.kind, j.message) END AS reason,
       j.attempts, j.attempt, j.folder, j.started_at, j.finished_at, j.created_at, j.priority
FROM judged j LEFT JOIN (SELECT g.id, g.state FROM judged g WHERE g.id IN (SELECT trial FROM parent)) p ON p.id = j.parent;
