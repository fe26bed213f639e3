-- Which datasets does each task of a stream bring?
-- grain: one row per (stream, task, dataset)
-- T tasks of n concepts: the first n mod T have one more. whole: the task brings every concept of
-- the dataset. A dataset may come again, whole, in a later task, as MNIST does in NEVIS'22.
CREATE OR REPLACE VIEW task_dataset AS
WITH
placed AS (
    SELECT stream.name AS stream, stream.tasks, concept.dataset, concept.concept,
           row_number() OVER (PARTITION BY stream.name ORDER BY concept.position) - 1 AS place,
           count(*) OVER (PARTITION BY stream.name) AS concepts
    FROM stream
    JOIN sequence_concept AS concept USING (sequence)
),
cut AS (
    SELECT placed.*, concepts // tasks AS shorter, concepts % tasks AS longer FROM placed
    WHERE concepts >= tasks
),
numbered AS (
    SELECT cut.stream, cut.tasks, cut.dataset, cut.concept,
           1 + CASE WHEN place < longer * (shorter + 1) THEN place // (shorter + 1)
                    ELSE longer + (place - longer * (shorter + 1)) // shorter END AS task
    FROM cut
),
known AS (
    SELECT cut.stream, cut.dataset, count(DISTINCT cut.concept) AS concepts
    FROM cut
    GROUP BY cut.stream, cut.dataset
)
SELECT numbered.stream, numbered.tasks, numbered.task, numbered.dataset,
       count(DISTINCT numbered.concept) = any_value(known.concepts) AS whole
FROM numbered
JOIN known ON known.stream = numbered.stream AND known.dataset = numbered.dataset
GROUP BY numbered.stream, numbered.tasks, numbered.task, numbered.dataset
ORDER BY numbered.stream, numbered.task, numbered.dataset;
