-- Which trials could start?
-- grain: one row per trial that sync may start, now or after another
-- A trial is tried again as long as `policy` allows (`exhausted`). Attempts that were preempted,
-- timed out or lost their node are nearly free: the next goes on from the checkpoint. Errors are
-- not tried again until a `retry` request. After `same_errors` trials of a study failed the same
-- way the rest of the study waits for a person (a `retry` request for any of them). attempt: the
-- number that its next attempt would have.
CREATE OR REPLACE VIEW startable AS
WITH
withdrawn AS (
    SELECT trial FROM request GROUP BY trial HAVING arg_max(wish, serial) = 'withdraw'
),
done AS (
    SELECT trial FROM outcome WHERE state = 'done'
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
early AS (
    -- backbones that are a trial which is not done
    SELECT b.name AS backbone
    FROM backbone b ANTI JOIN done d ON d.trial = try_cast(substr(b.pretrained, 7) AS BIGINT)
    WHERE b.pretrained LIKE 'trial:%'
)
SELECT t.id AS trial, coalesce(h.attempts, 0) + 1 AS attempt, t.study, t.priority,
       t.backbone, t.stream, t.mixture, t.method, t.recipe, t.budget, t.seed, t.created_at
FROM undone t
LEFT JOIN tried h ON h.trial = t.id
WHERE t.backbone NOT IN (SELECT e.backbone FROM early e)
  AND t.id NOT IN (SELECT w.trial FROM withdrawn w)
  AND t.id NOT IN (SELECT x.trial FROM exhausted x)
  AND NOT coalesce(h.live, false)
  AND (t.study IS NULL OR t.study NOT IN (SELECT p.study FROM tripped p));
