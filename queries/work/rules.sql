-- Which rules stand, what have they added, and what has become of it?
-- grain: one row per (name), the rules that there are
-- state: standing; spent (it has added most_trials); failing (the last pass of sync could not run
-- it: `problem` says why); ended (by a request). trials: those that it has added; done and open
-- (pending, waiting or running) of these.
CREATE OR REPLACE VIEW rules AS
WITH
added AS (
    SELECT trial.rule, count(*) AS trials, max(trial.created_at) AS added_at,
           count(*) FILTER (WHERE stage.state = 'done') AS done,
           count(*) FILTER (WHERE stage.state IN ('pending', 'waiting', 'submitting', 'running'))
           AS open_trials
    FROM trial
    JOIN stage ON stage.trial = trial.id
    WHERE trial.rule IS NOT NULL
    GROUP BY trial.rule
),
wish AS (
    SELECT request.rule, arg_max(request.wish, request.serial) AS wish,
           arg_max(request.reason, request.serial) AS reason
    FROM request
    WHERE request.rule IS NOT NULL
    GROUP BY request.rule
),
trouble AS (
    SELECT substr(problem.subject, 6) AS rule, string_agg(problem.message, ' ') AS problem
    FROM problem
    WHERE starts_with(problem.subject, 'rule ')
    GROUP BY problem.subject
)
SELECT rule.name, CASE WHEN wish.wish = 'withdraw' THEN 'ended'
                       WHEN trouble.problem IS NOT NULL THEN 'failing'
                       WHEN coalesce(added.trials, 0) >= rule.most_trials THEN 'spent'
                       ELSE 'standing' END AS state,
       coalesce(added.trials, 0) AS trials, rule.most_trials, coalesce(added.done, 0) AS done,
       coalesce(added.open_trials, 0) AS open_trials, added.added_at, trouble.problem,
       CASE WHEN wish.wish = 'withdraw' THEN wish.reason END AS ended_because, rule.query, rule.note
FROM rule
LEFT JOIN added ON added.rule = rule.name
LEFT JOIN wish ON wish.rule = rule.name
LEFT JOIN trouble ON trouble.rule = rule.name
ORDER BY rule.name;
