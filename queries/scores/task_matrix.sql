-- How well is every task's own test set known after every task?
-- grain: one row per (trial, label_space, task, learned)
-- learned: the task that brings the datasets of this column.
-- Of streams whose tasks each bring whole datasets (MTIL); where a dataset is spread over several
-- tasks there is no such matrix. One that comes again, whole, has a column for each time. value:
-- weighted mean of the column's adapt members, NULL if one is not measured. task 0 is the untouched
-- backbone.
CREATE OR REPLACE VIEW task_matrix AS
WITH
tidy AS (
    SELECT brought.stream
    FROM task_dataset AS brought
    GROUP BY brought.stream, brought.tasks
    HAVING bool_and(brought.whole) AND count(DISTINCT brought.task) = brought.tasks
),
wanted AS (
    SELECT brought.stream, member.dataset, member.metric, member.label_space, member.weight,
           brought.task AS learned,
           count(*) OVER (PARTITION BY brought.stream, member.label_space, brought.task) AS members
    FROM task_dataset AS brought
    SEMI JOIN tidy USING (stream)
    JOIN asked_suite ON asked_suite.stream = brought.stream
    JOIN suite_member AS member ON member.suite = asked_suite.suite
        AND member.dataset = brought.dataset AND member.role = 'adapt'
)
SELECT trial.study, measured.backbone, measured.stream, measured.mixture, measured.method,
       measured.recipe, measured.budget, measured.seed, measured.trial, measured.label_space,
       measured.task, wanted.learned,
       CASE WHEN count(*) = any_value(wanted.members)
            THEN sum(measured.value * wanted.weight) / sum(wanted.weight) END AS value
FROM member_values AS measured
JOIN trial ON trial.id = measured.trial
JOIN wanted ON wanted.stream = measured.stream AND wanted.dataset = measured.dataset
           AND wanted.metric = measured.metric AND wanted.label_space = measured.label_space
WHERE measured.role = 'adapt' AND measured.weights = 'deployed' AND measured.fraction = 1
  AND measured.at_end
GROUP BY trial.study, measured.backbone, measured.stream, measured.mixture, measured.method,
         measured.recipe, measured.budget, measured.seed, measured.trial, measured.label_space,
         measured.task, wanted.learned
ORDER BY measured.trial, measured.label_space, measured.task, wanted.learned;
