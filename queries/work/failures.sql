-- What failed, why, and how do I try again?
-- grain: one row per (state, kind, signature) of ended attempts that are not done
-- signature: the message with numbers as #.
-- open_trials: those of them that are over now. `retry` is the SQL that grants these new attempts;
-- run it with `python -m schema -`. The example is the newest.
CREATE OR REPLACE VIEW failures AS
WITH
ended AS (
    SELECT ending.*, submission.folder,
           coalesce(measurements.state, trial_state.state)
           IN ('failed', 'refused', 'cancelled') AS open
    FROM ending
    LEFT JOIN submission USING (trial, attempt)
    LEFT JOIN trial_state USING (trial)
    LEFT JOIN (SELECT trial, attempt, measures FROM attempt WHERE measures IS NOT NULL) measuring
        USING (trial, attempt)
    LEFT JOIN measurements ON measurements.trial = ending.trial
        AND measurements.suite = measuring.measures
    WHERE ending.state <> 'done'
),
grouped AS (
    SELECT state, coalesce(kind, state) AS kind, signature,
           count(DISTINCT trial) AS trials, count(*) AS attempts,
           count(DISTINCT trial) FILTER (WHERE open) AS open_trials,
           list(DISTINCT trial ORDER BY trial) FILTER (WHERE open) AS open_ids,
           string_agg(DISTINCT study, ', ' ORDER BY study) AS studies,
           string_agg(DISTINCT host, ', ' ORDER BY host) AS hosts,
           max(finished_at) AS newest_at,
           arg_max({'trial': trial, 'attempt': attempt, 'message': message, 'folder': folder,
                    'log_tail': log_tail},
                   {'at': coalesce(finished_at, '-infinity'), 'trial': trial,
                    'attempt': attempt}) AS example
    FROM ended
    GROUP BY state, coalesce(kind, state), signature
)
SELECT state, kind, signature, trials, attempts, open_trials, studies, hosts, newest_at,
       example.trial AS example_trial, example.attempt AS example_attempt,
       example.message AS message,
       example.folder AS folder, example.log_tail AS log_tail,
       CASE WHEN open_trials > 0
            THEN 'INSERT INTO request (trial, wish) SELECT unnest(['
            || array_to_string(open_ids, ', ') || ']), ''retry'';' END AS retry
FROM grouped
ORDER BY open_trials DESC, trials DESC, kind, signature;
