-- What was each attempt, where did it run, and how did it end?
-- grain: one row per (trial, attempt)
-- state: NULL while it has not ended. seconds: wall time of an attempt that ended.
CREATE OR REPLACE VIEW attempts AS
SELECT a.trial, a.attempt, o.state, o.kind, o.message, s.backend, s.job_id, s.gpus, o.host, o.device, o.versions, o.commit, a.code,
       s.folder, a.created_at, s.submitted_at, o.started_at, o.finished_at,
       epoch(o.finished_at - o.started_at) AS seconds, a.spec_id, a.spec, o.log_tail
FROM attempt a
LEFT JOIN submission s USING (trial, attempt)
LEFT JOIN outcome o USING (trial, attempt)
ORDER BY a.trial, a.attempt;
