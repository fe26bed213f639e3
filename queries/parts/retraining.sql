-- Which trials are to be trained again, for weights that are gone?
-- grain: one row per trial that is done and has a `retrain` wish that no attempt has fulfilled
-- Such a wish stands until an attempt that was made after it has trained the trial to its end, or
-- until a `withdraw` wish. live: an attempt is at it. over: sync has given it up (`exhausted`),
-- until a `retry` or another `retrain` request. attempt: the number that its next attempt has.
-- retrains: the number of the first attempt at it, which the next one goes on from. What was run
-- elsewhere (`trial.source`) is never trained here.
CREATE OR REPLACE VIEW retraining AS
WITH
wish AS (
    SELECT trial, max(serial) FILTER (WHERE wish = 'retrain') AS serial FROM request
    WHERE suite IS NULL
    GROUP BY trial
    HAVING max(serial) FILTER (WHERE wish = 'retrain')
        > coalesce(max(serial) FILTER (WHERE wish = 'withdraw'), 0)
),
tried AS (
    SELECT wish.trial, max(attempt.attempt) AS attempts,
           bool_or(attempt.measures IS NULL AND outcome.state IS NULL) AS live,
           bool_or(attempt.measures IS NULL AND outcome.state = 'done'
                   AND attempt.serial > wish.serial) AS fulfilled,
           arg_max({'retrains': attempt.retrains, 'state': outcome.state}, attempt.attempt)
           FILTER (WHERE attempt.measures IS NULL) AS newest
    FROM wish
    JOIN attempt ON attempt.trial = wish.trial
    LEFT JOIN outcome ON outcome.trial = attempt.trial AND outcome.attempt = attempt.attempt
    GROUP BY wish.trial
)
SELECT trial.id AS trial, tried.attempts + 1 AS attempt, trial.study, trial.priority,
       trial.backbone, trial.stream, trial.mixture, trial.method, trial.recipe, trial.budget,
       trial.seed,
       CASE WHEN tried.newest.retrains IS NOT NULL AND tried.newest.state IS DISTINCT FROM 'done'
            THEN tried.newest.retrains ELSE tried.attempts + 1 END AS retrains,
       tried.live,
       trial.id IN (SELECT exhausted.trial FROM exhausted
                    WHERE exhausted.measures IS NULL) AS over
FROM tried
JOIN trial ON trial.id = tried.trial
SEMI JOIN (SELECT trial FROM trained WHERE state = 'done') done ON done.trial = tried.trial
WHERE NOT coalesce(tried.fulfilled, false) AND trial.source IS NULL;
