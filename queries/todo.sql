-- What should run next?
-- grain: one row per trial that sync may start now, best first
-- The retry policy is the WHERE clause. Preempted, timed-out and node-failed attempts are free (the next goes on from the
-- checkpoint); killed ones and ones without results are tried three
-- times, failed submissions ten times; errors are not tried again until a `retry` request.
-- After five trials of a study failed the same way the rest of the study waits for a person (a `retry` request for any of them).
CREATE OR REPLACE VIEW todo AS
WITH
wish AS (
    SELECT trial, arg_max(wish, created_at) AS wish, max(created_at) FILTER (WHERE wish = 'retry') AS retried_at
    FROM request
    GROUP BY trial
),
history AS (
    SELECT a.trial,
           max(a.attempt) AS attempts,
           bool_or(o.state IS NULL) AS live,
           bool_or(coalesce(o.state, '') = 'done') AS done,
           count(*) FILTER (WHERE o.state = 'lost' AND o.kind IN ('killed', 'no_result')
                              AND a.created_at > coalesce(w.retried_at, '-infinity')) AS stumbles,
           count(*) FILTER (WHERE o.state = 'lost' AND o.kind = 'submit'
                              AND a.created_at > coalesce(w.retried_at, '-infinity')) AS missed_submissions,
           count(*) FILTER (WHERE (o.state IN ('refused', 'cancelled')
                                   OR (o.state = 'failed' AND coalesce(o.kind, '') NOT IN ('preempted', 'node_fail', 'timeout')))
                              AND a.created_at > coalesce(w.retried_at, '-infinity')) AS ends
    FROM attempt a
    LEFT JOIN outcome o USING (trial, attempt)
    LEFT JOIN wish w USING (trial)
    GROUP BY a.trial
),
tripped AS (
    SELECT e.study
    FROM ending e JOIN attempt a USING (trial, attempt)
    WHERE e.state = 'failed' AND e.kind = 'error'
      AND a.created_at > coalesce(
            (SELECT max(r.created_at) FROM request r JOIN trial s ON s.id = r.trial WHERE s.study = e.study AND r.wish = 'retry'), '-infinity')
    GROUP BY e.study, e.signature
    HAVING count(DISTINCT e.trial) >= 5 AND e.study IS NOT NULL
),
parent AS (
    SELECT b.name AS backbone, bool_or(coalesce(h.done, false)) AS ready
    FROM backbone b LEFT JOIN history h ON h.trial = try_cast(substr(b.pretrained, 7) AS BIGINT)
    WHERE b.pretrained LIKE 'trial:%'
    GROUP BY b.name
)
SELECT t.id AS trial, coalesce(h.attempts, 0) + 1 AS attempt, t.study, t.priority,
       t.backbone, t.stream, t.mixture, t.method, t.recipe, t.budget, t.seed
FROM trial t
LEFT JOIN history h ON h.trial = t.id
LEFT JOIN wish w ON w.trial = t.id
LEFT JOIN parent p ON p.backbone = t.backbone
WHERE coalesce(p.ready, true)                                  -- what it begins from exists
  AND coalesce(w.wish, '') <> 'withdraw'
  AND NOT coalesce(h.live, false) AND NOT coalesce(h.done, false)
  AND coalesce(h.ends, 0) = 0 AND coalesce(h.stumbles, 0) < 3 AND coalesce(h.missed_submissions, 0) < 10
  AND (t.study IS NULL OR t.study NOT IN (SELECT study FROM tripped))
ORDER BY t.priority DESC, t.id;
