-- How well is every task's own test set known after every task?
-- grain: one row per (trial, label_space, task, learned); `learned`: the task that brings the datasets of this column
-- Of streams whose tasks each bring whole datasets of their own (MTIL); where a dataset is spread
-- over several tasks there is no such matrix. value: weighted mean of the column's adapt members,
-- NULL if one is not measured. task 0 is the untouched backbone.
CREATE OR REPLACE VIEW task_matrix AS
WITH
placed AS (
    SELECT st.name AS stream, st.tasks, st.suite, c.dataset,
           row_number() OVER (PARTITION BY st.name ORDER BY c.position) - 1 AS place,
           count(*) OVER (PARTITION BY st.name) AS concepts
    FROM stream st JOIN sequence_concept c USING (sequence)
),
cut AS (
    -- T tasks of n concepts: the first n mod T have one more
    SELECT stream, tasks, suite, dataset,
           1 + CASE WHEN place < (concepts % tasks) * (concepts // tasks + 1) THEN place // (concepts // tasks + 1)
                    ELSE concepts % tasks + (place - (concepts % tasks) * (concepts // tasks + 1)) // (concepts // tasks) END AS task
    FROM placed
    WHERE concepts >= tasks
),
owned AS (
    SELECT stream, tasks, suite, dataset, min(task) AS learned, min(task) = max(task) AS whole
    FROM cut
    GROUP BY stream, tasks, suite, dataset
),
tidy AS (
    SELECT stream FROM owned GROUP BY stream, tasks HAVING bool_and(whole) AND count(DISTINCT learned) = tasks
),
wanted AS (
    SELECT o.stream, m.dataset, m.metric, m.label_space, m.weight, o.learned,
           count(*) OVER (PARTITION BY o.stream, m.label_space, o.learned) AS members
    FROM owned o SEMI JOIN tidy USING (stream)
    JOIN suite_member m ON m.suite = o.suite AND m.dataset = o.dataset AND m.role = 'adapt'
)
SELECT t.study, t.backbone, t.stream, t.mixture, t.method, t.recipe, t.budget, t.seed, m.trial, m.label_space, m.task, w.learned,
       CASE WHEN count(*) = any_value(w.members) THEN sum(m.value * w.weight) / sum(w.weight) END AS value
FROM measured m
JOIN trial t ON t.id = m.trial
JOIN wanted w ON w.stream = t.stream AND w.dataset = m.dataset AND w.metric = m.metric AND w.label_space = m.label_space
WHERE m.role = 'adapt' AND m.weights = 'deployed' AND m.fraction = 1 AND m.at_end
GROUP BY t.study, t.backbone, t.stream, t.mixture, t.method, t.recipe, t.budget, t.seed, m.trial, m.label_space, m.task, w.learned
ORDER BY m.trial, m.label_space, m.task, w.learned;
