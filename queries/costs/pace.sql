-- How long does a step take with each method, and how long what runs once per task?
-- grain: one row per (backbone, mixture, method, recipe, device) that finished with known steps
-- Means over finished trials of any stream and budget. step_s: seconds of a step; task_s: seconds
-- per task of everything else (looking back for an objective, such as a Fisher pass, merging,
-- evaluation). The variances and the covariance over trials say how sure a forecast from them is;
-- NULL: one trial. newest: the device on which one of the row's combination finished last.
CREATE OR REPLACE VIEW pace AS
WITH
ended AS (
    SELECT finished.backbone, finished.mixture, finished.method, finished.recipe, finished.device,
           finished.finished_at,
           finished.step_phases_s / (steps.steps * steps.tasks) AS step_s,
           (finished.seconds - finished.step_phases_s) / steps.tasks AS task_s
    FROM finished
    JOIN stream ON stream.name = finished.stream
    JOIN steps ON (steps.backbone, steps.mixture, steps.method, steps.recipe, steps.budget,
                   steps.tasks)
                      = (finished.backbone, finished.mixture, finished.method, finished.recipe,
                     finished.budget, stream.tasks)
    WHERE steps.steps > 0
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
