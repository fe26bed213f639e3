-- How long does a step take with each method, and how long what runs once per task?
-- grain: one row per (backbone, mixture, method, recipe, device) with a finished trial whose steps are known
-- Means over finished trials of any stream and budget. step_s: seconds of a step; task_s: seconds per task
-- of everything else (looking back for an objective, such as a Fisher pass, merging, evaluation). The
-- variances and the covariance over trials say how sure a forecast from them is; NULL: one trial.
-- newest: the device on which one of the row's combination finished last.
CREATE OR REPLACE VIEW pace AS
WITH
ended AS (
    SELECT f.backbone, f.mixture, f.method, f.recipe, f.device, f.finished_at,
           f.step_phases_s / (p.steps * p.tasks) AS step_s,
           (f.seconds - f.step_phases_s) / p.tasks AS task_s
    FROM finished f
    JOIN stream s ON s.name = f.stream
    JOIN steps p ON (p.backbone, p.mixture, p.method, p.recipe, p.budget, p.tasks)
                  = (f.backbone, f.mixture, f.method, f.recipe, f.budget, s.tasks)
    WHERE p.steps > 0
)
SELECT backbone, mixture, method, recipe, device, count(*) AS trials,
       avg(step_s) AS step_s, avg(task_s) AS task_s,
       var_samp(step_s) AS step_variance, var_samp(task_s) AS task_variance,
       covar_samp(step_s, task_s) AS covariance,
       row_number() OVER (PARTITION BY backbone, mixture, method, recipe
                          ORDER BY max(finished_at) DESC NULLS LAST, device) = 1 AS newest
FROM ended
GROUP BY backbone, mixture, method, recipe, device
ORDER BY backbone, mixture, method, recipe, device;
