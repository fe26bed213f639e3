-- What is running, how far is it, how fast, and when will it end?
-- grain: one row per trial that is running or being submitted
-- task, step, pairs_per_s: of the newest point of its curve that was ingested; NULL: none yet.
-- Expected seconds are those of finished trials alike (`usual_cost`), from submission on; an
-- expected end in the past says that it is slower than those were.
CREATE OR REPLACE VIEW running AS
WITH
live AS MATERIALIZED (
    SELECT t.*, g.attempt FROM trial t JOIN stage g ON g.trial = t.id WHERE g.state IN ('running', 'submitting')
),
newest AS (
    SELECT p.trial, p.attempt,
           arg_max({'task': p.task, 'step': p.step, 'pairs_per_s': p.pairs_per_s, 'loss': p.loss}, (p.task, p.step)) AS point,
           max(p.written_at) AS written_at
    FROM progress p SEMI JOIN live l ON l.id = p.trial AND l.attempt = p.attempt
    GROUP BY p.trial, p.attempt
)
SELECT t.id AS trial, t.study, t.backbone, t.stream, t.mixture, t.method, t.recipe, t.budget, t.seed, t.attempt, s.backend, s.job_id,
       n.point.task AS task, st.tasks, n.point.step AS step, n.point.loss AS loss, n.point.pairs_per_s AS pairs_per_s, n.written_at,
       s.submitted_at, u.seconds AS expected_s, s.submitted_at + to_seconds(u.seconds) AS expected_end
FROM live t
JOIN stream st ON st.name = t.stream
LEFT JOIN submission s ON s.trial = t.id AND s.attempt = t.attempt
LEFT JOIN newest n ON n.trial = t.id AND n.attempt = t.attempt
LEFT JOIN usual_cost u ON u.backbone = t.backbone AND u.stream = t.stream AND u.mixture = t.mixture AND u.method = t.method
                       AND u.recipe = t.recipe AND u.budget = t.budget AND u.newest
ORDER BY t.study, t.id;
