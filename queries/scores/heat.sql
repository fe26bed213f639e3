-- How well is everything known after every task, over seeds?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget, label_space, task, item)
-- item: `task 3`, the own test sets of a task, where the stream has a task matrix (`task_matrix`),
-- with role NULL; and every dataset of the suite, with its role, by each of its metrics where the
-- suite has several. value: mean over the seeds that have it.
CREATE OR REPLACE VIEW heat AS
WITH
called AS (
    SELECT m.suite, m.dataset, m.metric, m.label_space,
           CASE WHEN count(*) OVER (PARTITION BY m.suite, m.dataset, m.label_space) > 1 THEN m.dataset || ' ' || m.metric ELSE m.dataset END AS item
    FROM suite_member m
),
valued AS (
    SELECT backbone, stream, mixture, method, recipe, budget, label_space, task, concat('task ', learned) AS item, learned AS place,
           NULL::VARCHAR AS role, value
    FROM task_matrix
    UNION ALL
    SELECT t.backbone, t.stream, t.mixture, t.method, t.recipe, t.budget, m.label_space, m.task, c.item, NULL::BIGINT, m.role, m.value
    FROM measured m JOIN trial t ON t.id = m.trial JOIN stream st ON st.name = t.stream
    JOIN called c ON c.suite = st.suite AND c.dataset = m.dataset AND c.metric = m.metric AND c.label_space = m.label_space
    WHERE m.weights = 'deployed' AND m.fraction = 1 AND m.at_end
)
SELECT v.backbone, v.stream, v.mixture, v.method, v.recipe, v.budget, v.label_space, v.role, v.item, v.place, v.task,
       count(v.value) AS seeds, avg(v.value) AS value
FROM valued v
GROUP BY v.backbone, v.stream, v.mixture, v.method, v.recipe, v.budget, v.label_space, v.role, v.item, v.place, v.task
ORDER BY v.backbone, v.stream, v.budget, v.recipe, v.mixture, v.method, v.label_space, v.role, v.place, v.item, v.task;
