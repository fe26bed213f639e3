-- How well is everything known after every task, over seeds?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget, label_space, task, item)
-- item: `task 3`, the own test sets of a task, where the stream has a task matrix (`task_matrix`),
-- with role NULL; and every dataset of the suite, with its role, by each of its metrics where the
-- suite has several. value: mean over the seeds that have it.
CREATE OR REPLACE VIEW heat AS
WITH
called AS (
    SELECT suite_member.suite, suite_member.dataset, suite_member.metric, suite_member.label_space,
           CASE
                WHEN count(*) OVER (PARTITION BY suite_member.suite, suite_member.dataset,
                                    suite_member.label_space) > 1 THEN suite_member.dataset || ' '
                                    || suite_member.metric ELSE suite_member.dataset END AS item
    FROM suite_member
),
valued AS (
    SELECT backbone, stream, mixture, method, recipe, budget, label_space, task,
           concat('task ', learned) AS item, learned AS place,
           NULL::VARCHAR AS role, value
    FROM task_matrix
    UNION ALL
    SELECT measured.backbone, measured.stream, measured.mixture, measured.method, measured.recipe,
           measured.budget, measured.label_space, measured.task, called.item, NULL::BIGINT,
           measured.role, measured.value
    FROM member_values AS measured
    JOIN asked_suite ON asked_suite.stream = measured.stream
    JOIN called ON called.suite = asked_suite.suite AND called.dataset = measured.dataset
        AND called.metric = measured.metric AND called.label_space = measured.label_space
    WHERE measured.weights = 'deployed' AND measured.fraction = 1 AND measured.at_end
)
SELECT valued.backbone, valued.stream, valued.mixture, valued.method, valued.recipe, valued.budget,
       valued.label_space, valued.role, valued.item, valued.place, valued.task,
       count(valued.value) AS seeds, avg(valued.value) AS value
FROM valued
GROUP BY valued.backbone, valued.stream, valued.mixture, valued.method, valued.recipe,
         valued.budget, valued.label_space, valued.role, valued.item, valued.place, valued.task
ORDER BY valued.backbone, valued.stream, valued.budget, valued.recipe, valued.mixture,
         valued.method, valued.label_space, valued.role, valued.place, valued.item, valued.task;
