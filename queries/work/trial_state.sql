-- Where is each trial, and why?
-- grain: one row per trial
-- States, and the attempt that decides, as in `stage`; folder and times are of that attempt.
CREATE OR REPLACE VIEW trial_state AS
WITH
wish AS (
    SELECT trial, arg_max({'wish': wish, 'reason': reason}, serial) AS newest
    FROM request
    WHERE suite IS NULL
    GROUP BY trial
),
several AS (
    -- of trials that were tried again; of the others it is one
    SELECT trial, count(*) AS attempts FROM attempt
    SEMI JOIN (SELECT trial FROM attempt WHERE attempt > 1) repeated USING (trial)
    WHERE measures IS NULL AND retrains IS NULL
    GROUP BY trial
),
staged AS (
    FROM stage
),
parent AS (
    SELECT start_point.name AS backbone, start_point.trial, staged.state
    FROM (SELECT name, try_cast(substr(pretrained, 7) AS BIGINT) AS trial FROM backbone
          WHERE pretrained LIKE 'trial:%') start_point
    LEFT JOIN staged ON staged.trial = start_point.trial
),
said AS (
    SELECT subject, string_agg(message, '; ' ORDER BY message) AS message FROM problem
    GROUP BY subject
),
of_batch AS (
    SELECT attempt.trial, attempt.attempt, said.message FROM attempt
    JOIN said ON said.subject = attempt.batch
),
known AS (
    SELECT trial.*, staged.state, staged.attempt, staged.after,
           CASE WHEN staged.attempt IS NULL THEN 0
                ELSE coalesce(several.attempts, 1) END AS attempts,
           submission.backend, submission.job_id, submission.folder, outcome.state AS ended,
           outcome.kind, outcome.message, outcome.started_at, outcome.finished_at,
           wish.newest.wish AS wish, wish.newest.reason AS wish_reason, parent.backbone IS NULL
               OR coalesce(parent.state = 'done', false) AS begins,
           parent.trial AS parent, parent.state AS parent_state,
           coalesce(of_batch.message, said.message) AS problem
    FROM trial
    JOIN staged ON staged.trial = trial.id
    LEFT JOIN several ON several.trial = trial.id
    LEFT JOIN submission ON submission.trial = trial.id AND submission.attempt = staged.attempt
    LEFT JOIN outcome ON outcome.trial = trial.id AND outcome.attempt = staged.attempt
    LEFT JOIN wish ON wish.trial = trial.id
    LEFT JOIN parent ON parent.backbone = trial.backbone
    LEFT JOIN of_batch ON of_batch.trial = trial.id AND of_batch.attempt = staged.attempt
    LEFT JOIN said ON said.subject = 'trial ' || trial.id
)
SELECT known.id AS trial, known.study, known.backbone, known.stream, known.mixture, known.method,
       known.recipe, known.budget, known.seed, known.state,
       CASE WHEN known.state IN ('running', 'submitting')
            AND known.wish = 'withdraw' THEN 'to be withdrawn'
            WHEN known.state = 'running'
            THEN concat_ws('; ', known.backend || ' job ' || known.job_id, known.problem)
            WHEN known.state = 'submitting'
            THEN coalesce(known.problem, 'no backend has taken it yet')
            WHEN known.source IS NOT NULL THEN 'run elsewhere (' || known.source || '), imported'
            WHEN known.state = 'withdrawn' THEN known.wish_reason
            WHEN known.state = 'pending'
                AND known.after IS NOT NULL THEN 'takes over what trial ' || known.after
                || ' trains, when that is done'
            WHEN known.state = 'pending'
                AND known.attempts > 0 THEN 'goes on after: ' || coalesce(known.kind, known.ended)
            WHEN known.state = 'waiting' AND NOT known.begins
                THEN 'begins from trial ' || coalesce(known.parent::VARCHAR, '?') || ', which is '
                || coalesce(known.parent_state, 'not in the catalog')
            WHEN known.state = 'waiting'
                THEN 'held: too many trials of its study failed the same way; '
                     'insert a retry request to go on'
            WHEN known.state IN ('failed', 'refused', 'cancelled')
            THEN concat_ws(': ', known.kind, known.message) END AS reason,
       known.attempts, known.attempt, known.folder, known.started_at, known.finished_at,
       known.created_at, known.priority
FROM known;
