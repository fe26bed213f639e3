-- Which trials could start?
-- grain: one row per trial that sync may start, now or after another
-- A trial is tried again as long as `policy` allows (`exhausted`). Attempts that were preempted,
-- timed out or lost their node are nearly free: the next goes on from the checkpoint. Errors are
-- not tried again until a `retry` request. After `same_errors` trials of a study failed the same
-- way the rest of the study waits for a person (a `retry` request for any of them). attempt: the
-- number that its next attempt would have. What was run elsewhere (`trial.source`) never starts.
CREATE OR REPLACE VIEW startable AS
WITH
withdrawn AS (
    SELECT trial FROM request WHERE suite IS NULL GROUP BY trial
    HAVING arg_max(wish, serial) = 'withdraw'
),
done AS (
    SELECT trial FROM trained WHERE state = 'done'
),
undone AS (
    SELECT trial.* FROM trial ANTI JOIN done ON done.trial = trial.id WHERE trial.source IS NULL
),
tried AS (
    -- of undone trials only: in an old catalog nearly all are done
    SELECT open_attempt.trial, max(open_attempt.attempt) AS attempts,
           bool_or(outcome.state IS NULL) AS live
    FROM (SELECT trial, attempt FROM attempt
          SEMI JOIN undone ON undone.id = attempt.trial) open_attempt
    LEFT JOIN outcome USING (trial, attempt)
    GROUP BY open_attempt.trial
),
tripped AS (
    SELECT ending.study
    FROM ending JOIN attempt USING (trial, attempt)
    WHERE ending.state = 'failed' AND ending.kind = 'error' AND attempt.measures IS NULL
      AND attempt.serial > coalesce(
            (SELECT max(request.serial) FROM request JOIN trial ON trial.id = request.trial
             WHERE trial.study = ending.study AND request.wish = 'retry'
               AND request.suite IS NULL), 0)
    GROUP BY ending.study, ending.signature
    HAVING count(DISTINCT ending.trial) >= (SELECT value FROM policy WHERE name = 'same_errors')
        AND ending.study IS NOT NULL
),
early AS (
    -- backbones that are a trial which is not done
    SELECT backbone.name AS backbone
    FROM backbone ANTI JOIN done ON done.trial = try_cast(substr(backbone.pretrained, 7) AS BIGINT)
    WHERE backbone.pretrained LIKE 'trial:%'
)
SELECT undone.id AS trial, coalesce(tried.attempts, 0) + 1 AS attempt, undone.study,
       undone.priority,
       undone.backbone, undone.stream, undone.mixture, undone.method, undone.recipe, undone.budget,
       undone.seed, undone.created_at
FROM undone
LEFT JOIN tried ON tried.trial = undone.id
WHERE undone.backbone NOT IN (SELECT early.backbone FROM early)
  AND undone.id NOT IN (SELECT withdrawn.trial FROM withdrawn)
  AND undone.id NOT IN (SELECT exhausted.trial FROM exhausted WHERE exhausted.measures IS NULL)
  AND NOT coalesce(tried.live, false)
  AND (undone.study IS NULL OR undone.study NOT IN (SELECT tripped.study FROM tripped));
