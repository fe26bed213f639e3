-- Where does it lie which test items were right, and is it there?
-- grain: one row per (trial, task, dataset, label_space) that was measured for a suite with `items`
-- Of each the newest attempt that measured it for such a suite: the one that holds for the task, or
-- one that measured later. file: below the folder of run folders. there: whether this connection
-- reads it, by the variable `items`, which `python -m queries` and the app set to the files that
-- exist; NULL: nobody has set it. What is not there was removed, or the lab was moved.
CREATE OR REPLACE VIEW item_files AS
WITH
brought AS (
    SELECT result.trial, result.task, result.dataset, result.label_space, result.attempt,
           stream.suite
    FROM result
    JOIN standing USING (trial, task, attempt)
    JOIN trial ON trial.id = result.trial
    JOIN stream ON stream.name = trial.stream
    JOIN suite ON suite.name = stream.suite AND suite.items
    UNION
    SELECT later.trial, later.task, later.dataset, later.label_space, later.attempt,
           attempt.measures
    FROM later
    JOIN attempt ON attempt.trial = later.trial AND attempt.attempt = later.attempt
    JOIN suite ON suite.name = attempt.measures AND suite.items
),
newest AS (
    -- the candidates of a union are those of one suite
    SELECT brought.*
    FROM brought
    JOIN trial ON trial.id = brought.trial
    JOIN asked_suite ON asked_suite.stream = trial.stream
    WHERE brought.label_space <> 'union' OR brought.suite = asked_suite.suite
    QUALIFY row_number() OVER (
        PARTITION BY brought.trial, brought.task, brought.dataset, brought.label_space
        ORDER BY brought.attempt DESC) = 1
),
named AS (
    SELECT *, printf('%06d/%02d/task-%04d.items.parquet', trial, attempt, task) AS file
    FROM newest
),
open AS (
    SELECT array_to_string(string_split(path, '/')[-3:], '/') AS file
    FROM (SELECT unnest(getvariable('items')::VARCHAR[]) AS path)
)
SELECT named.trial, named.task, named.dataset, named.label_space, named.attempt, named.suite,
       named.file,
       CASE WHEN getvariable('items') IS NOT NULL THEN open.file IS NOT NULL END AS there
FROM named LEFT JOIN open ON open.file = named.file
ORDER BY named.trial, named.task, named.dataset, named.label_space;
