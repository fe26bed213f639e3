-- How well is everything known after every task, over seeds?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget, label_space, task, item)
-- item: `task 3`, the own test sets of a task, where the stream has a task matrix (`task_matrix`), with role NULL; and every dataset of the
-- suite, with its role. value: mean over the seeds that have it.
CREATE OR REPLACE VIEW heat AS
WITH
valued AS (
    SELECT trial, label_space, task, concat('task ', learned) AS item, learned AS place, NULL::VARCHAR AS role, value
    FROM task_matrix
    UNION ALL
    SELECT trial, label_space, task, dataset, NULL::BIGINT, role, value
    FROM measured
    WHERE weights = 'deployed' AND fraction = 1 AND at_end
)
SELECT t.backbone, t.stream, t.mixture, t.method, t.recipe, t.budget, v.label_space, v.role, v.item, v.place, v.task,
       count(v.value) AS seeds, avg(v.value) AS value
FROM valued v JOIN trial t ON t.id = v.trial
GROUP BY t.backbone, t.stream, t.mixture, t.method, t.recipe, t.budget, v.label_space, v.role, v.item, v.place, v.task
ORDER BY t.backbone, t.stream, t.budget, t.recipe, t.mixture, t.method, v.label_space, v.role, v.place, v.item, v.task;
