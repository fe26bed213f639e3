-- What was each attempt, where did it run, and how did it end?
-- grain: one row per (trial, attempt)
-- measures: the suite that it measured, without training; NULL: it trained. retrains: the first
-- attempt at training the trial again that it is part of; NULL: of none. state: NULL while it has
-- not ended. seconds: wall time of an attempt that ended.
CREATE OR REPLACE VIEW attempts AS
SELECT attempt.trial, attempt.attempt, outcome.state, outcome.kind, outcome.message,
       submission.backend, submission.job_id, submission.gpus, outcome.host, outcome.device,
       outcome.versions, outcome.commit, attempt.code, attempt.measures,
       attempt.retrains, submission.folder, attempt.created_at, submission.submitted_at, outcome.started_at,
       outcome.finished_at,
       epoch(outcome.finished_at - outcome.started_at) AS seconds, attempt.spec_id, attempt.spec,
       outcome.log_tail
FROM attempt
LEFT JOIN submission USING (trial, attempt)
LEFT JOIN outcome USING (trial, attempt)
ORDER BY attempt.trial, attempt.attempt;
