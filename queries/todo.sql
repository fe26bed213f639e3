-- What should run next?
-- grain: one row per trial that sync may start now, best first
-- A trial is tried again as long as `policy` allows (`exhausted`). Attempts that were preempted, timed out or lost their node are
-- nearly free: the next goes on from the checkpoint. Errors are not tried again until a `retry` request. After `same_errors` trials
-- of a study failed the same way the rest of the study waits for a person (a `retry` request for any of them).
CREATE OR REPLACE VIEW todo AS
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
)
SELECT t.id AS trial, coalesce(h.attempts, 0) + 1 AS attempt, t.study, t.priority,
       t.backbone, t.stream, t.mixture, t.method, t.recipe, t.budget, t.seed
FROM undone t
LEFT JOIN tried h ON h.trial = t.id
LEFT JOIN asked w ON w.trial = t.id
LEFT JOIN parent p ON p.backbone = t.backbone
WHERE coalesce(p.ready, true)                                  -- what it begins from exists
  AND coalesce(w.wish, '') <> 'withdraw'
  AND NOT coalesce(h.live, false)
  AND t.id NOT IN (SELECT trial FROM exhausted)
  AND (t.study IS NULL OR t.study NOT IN (SELECT x.study FROM tripped x))
ORDER BY t.priority DESC, t.id;
