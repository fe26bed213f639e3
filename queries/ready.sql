-- Which trials could start, and which of them let another go first, to take over what it trains?
-- grain: one row per trial that sync may start, now or after another
-- A trial is tried again as long as `policy` allows (`exhausted`). Attempts that were preempted, timed out or lost their node are
-- nearly free: the next goes on from the checkpoint. Errors are not tried again until a `retry` request. After `same_errors` trials
-- of a study failed the same way the rest of the study waits for a person (a `retry` request for any of them).
-- after: of the trials of a `trunk` one goes first: the one that runs, else the best that could start (of equal ones, one that has
-- begun). The others go when it is done; if it never will be, the next of them goes. What was sent before a trial was declared may not
-- have been left for it, so that does not count as done.
-- With `share_trunks` = 0 in `policy` none waits, and nothing is shared.
CREATE OR REPLACE VIEW ready AS
WITH
asked AS (
    SELECT trial, arg_max(wish, serial) AS wish FROM request GROUP BY trial
),
done AS (
    SELECT DISTINCT trial FROM outcome WHERE state = 'done'
),
undone AS (
    SELECT t.* FROM trial t ANTI JOIN done d ON d.trial = t.id
),
tried AS (
    -- of undone trials only: in an old catalog nearly all are done
    SELECT a.trial, max(a.attempt) AS attempts, bool_or(o.state IS NULL) AS live
    FROM (SELECT trial, attempt FROM attempt SEMI JOIN undone u ON u.id = attempt.trial) a
    LEFT JOIN outcome o USING (trial, attempt)
    GROUP BY a.trial
),
tripped AS (
    SELECT e.study
    FROM ending e JOIN attempt a USING (trial, attempt)
    WHERE e.state = 'failed' AND e.kind = 'error'
      AND a.serial > coalesce(
            (SELECT max(r.serial) FROM request r JOIN trial s ON s.id = r.trial WHERE s.study = e.study AND r.wish = 'retry'), 0)
    GROUP BY e.study, e.signature
    HAVING count(DISTINCT e.trial) >= (SELECT value FROM policy WHERE name = 'same_errors') AND e.study IS NOT NULL
),
parent AS (
    SELECT b.name AS backbone, bool_or(d.trial IS NOT NULL) AS ready
    FROM backbone b LEFT JOIN done d ON d.trial = try_cast(substr(b.pretrained, 7) AS BIGINT)
    WHERE b.pretrained LIKE 'trial:%'
    GROUP BY b.name
),
could AS (
    SELECT t.id AS trial, coalesce(h.attempts, 0) + 1 AS attempt, t.study, t.priority,
           t.backbone, t.stream, t.mixture, t.method, t.recipe, t.budget, t.seed, t.created_at
    FROM undone t
    LEFT JOIN tried h ON h.trial = t.id
    LEFT JOIN asked w ON w.trial = t.id
    LEFT JOIN parent p ON p.backbone = t.backbone
    WHERE coalesce(p.ready, true)                                  -- what it begins from exists
      AND coalesce(w.wish, '') <> 'withdraw'
      AND NOT coalesce(h.live, false)
      AND t.id NOT IN (SELECT trial FROM exhausted)
      AND (t.study IS NULL OR t.study NOT IN (SELECT x.study FROM tripped x))
),
known AS (
    SELECT c.*, k.trunk FROM could c JOIN trunk k USING (trial)
),
same AS (
    -- trials of these trunks, whatever became of them: which one trains now, and when one was last sent that is done
    SELECT k.trunk, min(a.trial) FILTER (WHERE o.state IS NULL) AS trains,
           max(a.created_at) FILTER (WHERE o.state = 'done') AS shared_at
    FROM (SELECT * FROM trunk SEMI JOIN known USING (trunk)) k
    JOIN attempt a ON a.trial = k.trial
    LEFT JOIN outcome o ON o.trial = a.trial AND o.attempt = a.attempt
    GROUP BY k.trunk
)
SELECT c.* EXCLUDE (created_at, trunk),
       CASE WHEN coalesce((SELECT value FROM policy WHERE name = 'share_trunks'), 1) = 0 OR s.shared_at >= c.created_at THEN NULL
            WHEN s.trains IS NOT NULL THEN s.trains
            ELSE nullif(first_value(c.trial) OVER (PARTITION BY c.trunk ORDER BY c.priority DESC, c.attempt > 1 DESC, c.trial), c.trial)
            END AS after
FROM known c
LEFT JOIN same s USING (trunk)
ORDER BY c.priority DESC, c.trial;
