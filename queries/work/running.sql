-- What is running, how far is it, how fast, and when will it end?
-- grain: one row per trial that is running or being submitted
-- task, step, pairs_per_s: of the newest point of its curve that was ingested; NULL: none yet.
-- Expected seconds are those of finished trials alike (`usual_cost`), from submission on; an
-- expected end in the past says that it is slower than those were.
CREATE OR REPLACE VIEW running AS
WITH
live AS MATERIALIZED (
    SELECT trial.*, stage.attempt FROM trial JOIN stage ON stage.trial = trial.id
    WHERE stage.state IN ('running', 'submitting')
),
newest AS (
    SELECT progress.trial, progress.attempt,
           arg_max({'task': progress.task, 'step': progress.step,
                    'pairs_per_s': progress.pairs_per_s, 'loss': progress.loss},
                    (progress.task, progress.step)) AS point,
           max(progress.written_at) AS written_at
    FROM progress SEMI JOIN live ON live.id = progress.trial AND live.attempt = progress.attempt
    GROUP BY progress.trial, progress.attempt
)
SELECT live.id AS trial, live.study, live.backbone, live.stream, live.mixture, live.method,
       live.recipe, live.budget, live.seed, live.attempt, submission.backend, submission.job_id,
       newest.point.task AS task, stream.tasks, newest.point.step AS step,
       newest.point.loss AS loss, newest.point.pairs_per_s AS pairs_per_s, newest.written_at,
       submission.submitted_at, usual_cost.seconds AS expected_s,
       submission.submitted_at + to_seconds(usual_cost.seconds) AS expected_end
FROM live
JOIN stream ON stream.name = live.stream
LEFT JOIN submission ON submission.trial = live.id AND submission.attempt = live.attempt
LEFT JOIN newest ON newest.trial = live.id AND newest.attempt = live.attempt
LEFT JOIN usual_cost ON usual_cost.backbone = live.backbone AND usual_cost.stream = live.stream
    AND usual_cost.mixture = live.mixture AND usual_cost.method = live.method
                       AND usual_cost.recipe = live.recipe AND usual_cost.budget = live.budget
                       AND usual_cost.newest
ORDER BY live.study, live.id;
