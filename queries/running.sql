-- What is running, how far is it, how fast, and when will it end?
-- grain: one row per trial that is running or being submitted
-- task, step, pairs_per_s: of the newest point of its curve that was ingested; NULL: none yet. Expected seconds are those of finished trials
-- alike (`usual_cost`), from submission on; an expected end in the past says that it is slower than those were.
CREATE OR REPLACE VIEW running AS
WITH
newest AS (
    SELECT trial, attempt, arg_max({'task': task, 'step': step, 'pairs_per_s': pairs_per_s, 'loss': loss}, (task, step)) AS point,
           max(written_at) AS written_at
    FROM progress
    GROUP BY trial, attempt
)
SELECT t.trial, t.study, t.backbone, t.stream, t.mixture, t.method, t.recipe, t.budget, t.seed, t.attempt, s.backend, s.job_id,
       n.point.task AS task, st.tasks, n.point.step AS step, n.point.loss AS loss, n.point.pairs_per_s AS pairs_per_s, n.written_at,
       s.submitted_at, u.seconds AS expected_s, s.submitted_at + to_seconds(u.seconds) AS expected_end
FROM trial_state t
JOIN stream st ON st.name = t.stream
LEFT JOIN submission s USING (trial, attempt)
LEFT JOIN newest n USING (trial, attempt)
LEFT JOIN usual_cost u ON (u.backbone, u.stream, u.mixture, u.method, u.recipe, u.budget)
                        = (t.backbone, t.stream, t.mixture, t.method, t.recipe, t.budget) AND u.newest
WHERE t.state IN ('running', 'submitting')
ORDER BY t.study, t.trial;
