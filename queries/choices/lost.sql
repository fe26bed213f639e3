-- What was lost on a dataset, when, and who keeps it?
-- grain: one row per (dataset, metric, label_space, setting) measured at the end of a stream
-- setting: backbone, stream, mixture, method, recipe, budget.
-- Means over seeds of: the untouched backbone's value, the lowest after any task, the last;
-- worst_task: after which it was lowest first, in the seed that fell deepest. lost = untouched -
-- last; below 0: gained. A parameter left out means all.
CREATE OR REPLACE MACRO lost(
    dataset VARCHAR := NULL, stream VARCHAR := NULL, backbone VARCHAR := NULL
) AS TABLE
WITH
followed AS (
    SELECT measured.backbone, measured.stream, measured.mixture, measured.method, measured.recipe,
           measured.budget, measured.trial, measured.dataset,
           measured.role, measured.metric, measured.label_space, streams.tasks,
           max(measured.value) FILTER (WHERE measured.task = 0) AS untouched,
           min(measured.value) FILTER (WHERE measured.task > 0) AS worst,
           arg_min(measured.task, (measured.value, measured.task))
           FILTER (WHERE measured.task > 0) AS worst_at,
           max(measured.value) FILTER (WHERE measured.task = streams.tasks) AS last_
    FROM member_values AS measured
    JOIN stream AS streams ON streams.name = measured.stream
    WHERE measured.weights = 'deployed' AND measured.fraction = 1 AND measured.at_end
      AND (dataset IS NULL OR measured.dataset = dataset)
      AND (stream IS NULL OR measured.stream = stream)
      AND (backbone IS NULL OR measured.backbone = backbone)
    GROUP BY ALL
)
SELECT followed.dataset, followed.role, followed.metric, followed.label_space, followed.backbone,
       followed.stream,
       followed.method, followed.mixture, followed.recipe,
       followed.budget, count(*) AS seeds, count(*) < 3 AS few_seeds,
       avg(followed.untouched) AS untouched, avg(followed.worst) AS worst,
       arg_min(followed.worst_at, (followed.worst, followed.worst_at)) AS worst_task,
       avg(followed.last_) AS last, avg(followed.untouched - followed.last_) AS lost
FROM followed
WHERE followed.last_ IS NOT NULL
GROUP BY ALL
ORDER BY 2 DESC, 1, 4, 5, 6, lost, 7, 8;
