-- What was lost on a dataset, when, and who keeps it?
-- grain: one row per (dataset, metric, label_space, backbone, stream, mixture, method, recipe, budget) measured at the end of a stream
-- Means over seeds of: the untouched backbone's value, the lowest after any task, the last;
-- worst_task: after which it was lowest first, in the seed that fell deepest. lost = untouched -
-- last; below 0: gained. A parameter left out means all.
CREATE OR REPLACE MACRO lost(dataset VARCHAR := NULL, stream VARCHAR := NULL, backbone VARCHAR := NULL) AS TABLE
WITH
followed AS (
    SELECT t.backbone AS b, t.stream AS st, t.mixture AS mx, t.method AS me, t.recipe AS r, t.budget AS bu, m.trial, m.dataset AS da,
           m.role AS ro, m.metric AS mt, m.label_space AS ls, s.tasks AS n,
           max(m.value) FILTER (WHERE m.task = 0) AS untouched, min(m.value) FILTER (WHERE m.task > 0) AS worst,
           arg_min(m.task, (m.value, m.task)) FILTER (WHERE m.task > 0) AS worst_at, max(m.value) FILTER (WHERE m.task = s.tasks) AS last_
    FROM measured m JOIN trial t ON t.id = m.trial JOIN stream s ON s.name = t.stream
    WHERE m.weights = 'deployed' AND m.fraction = 1 AND m.at_end
      AND (dataset IS NULL OR m.dataset = dataset) AND (stream IS NULL OR t.stream = stream)
      AND (backbone IS NULL OR t.backbone = backbone)
    GROUP BY ALL
)
SELECT f.da AS dataset, f.ro AS role, f.mt AS metric, f.ls AS label_space, f.b AS backbone, f.st AS stream,
       f.me AS method, f.mx AS mixture, f.r AS recipe,
       f.bu AS budget, count(*) AS seeds, count(*) < 3 AS few_seeds, avg(f.untouched) AS untouched, avg(f.worst) AS worst,
       arg_min(f.worst_at, (f.worst, f.worst_at)) AS worst_task, avg(f.last_) AS last, avg(f.untouched - f.last_) AS lost
FROM followed f
WHERE f.last_ IS NOT NULL
GROUP BY ALL
ORDER BY 2 DESC, 1, 4, 5, 6, lost, 7, 8;
