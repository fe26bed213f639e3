-- What of the declared measurements is missing?
-- grain: one row per (trial, suite, task, dataset) that no attempt has measured yet
-- Of rows of `measurement` whose trial exists. tasks `last`: the untouched backbone (task 0) and
-- the last task; `all`: every task. A value that is there counts, whichever suite it was measured
-- for; but of a suite with a `subset`, or of the label space `union`, whose candidates are the
-- other datasets of the suite, only what was measured for this very suite, as it is now; and of a
-- suite that keeps its items only what was measured for one that does.
CREATE OR REPLACE VIEW unmeasured AS
WITH
declared AS (
    SELECT trial, suite, bool_or(tasks = 'all') AS every_task FROM measurement GROUP BY trial, suite
),
placed AS (
    SELECT declared.trial, declared.suite, suite.subset < 1 AS parted, suite.items, stream.tasks,
           unnest(CASE WHEN declared.every_task THEN range(stream.tasks + 1)
                       ELSE [0, stream.tasks] END) AS task
    FROM declared
    JOIN trial ON trial.id = declared.trial
    JOIN stream ON stream.name = trial.stream
    JOIN suite ON suite.name = declared.suite
),
due AS (
    SELECT placed.trial, placed.suite, placed.parted, placed.items, placed.task,
           suite_member.dataset, suite_member.metric, suite_member.label_space,
           placed.parted OR suite_member.label_space = 'union' AS of_suite
    FROM placed JOIN suite_member ON suite_member.suite = placed.suite
),
known AS MATERIALIZED (
    -- what holds of these trials, and for which suite it was measured
    SELECT result.trial, result.attempt, result.task, result.dataset, result.metric,
           result.label_space, result.fraction, suite.name AS suite, suite.items
    FROM result
    SEMI JOIN declared ON declared.trial = result.trial
    JOIN attempt ON attempt.trial = result.trial AND attempt.attempt = result.attempt
    JOIN trial ON trial.id = result.trial
    JOIN stream ON stream.name = trial.stream
    JOIN suite ON suite.name = coalesce(attempt.measures, stream.suite)
    JOIN standing ON standing.trial = result.trial AND standing.task = result.task
    WHERE result.weights = 'deployed'
      AND (attempt.measures IS NOT NULL
           OR (result.attempt = standing.attempt AND result.step = standing.step))
),
rivals AS (
    SELECT suite_member.suite,
           list(DISTINCT suite_member.dataset ORDER BY suite_member.dataset) AS datasets
    FROM suite_member JOIN dataset ON dataset.name = suite_member.dataset
    WHERE dataset.kind = 'classification'
      AND suite_member.suite IN (SELECT other.suite FROM suite_member AS other
                                 WHERE other.label_space = 'union')
    GROUP BY suite_member.suite
),
among AS (
    -- which datasets the candidates of a union came from: such a suite is measured as a whole
    SELECT known.trial, known.attempt, known.task, known.suite,
           list(DISTINCT known.dataset ORDER BY known.dataset) AS datasets
    FROM known
    JOIN dataset ON dataset.name = known.dataset
    WHERE dataset.kind = 'classification' AND known.suite IN (SELECT rivals.suite FROM rivals)
    GROUP BY known.trial, known.attempt, known.task, known.suite
),
of_suite AS (
    SELECT known.* FROM known
    LEFT JOIN rivals ON rivals.suite = known.suite
    LEFT JOIN among ON among.trial = known.trial AND among.attempt = known.attempt
        AND among.task = known.task AND among.suite = known.suite
    WHERE known.label_space <> 'union' OR among.datasets = rivals.datasets
)
SELECT DISTINCT due.trial, due.suite, due.task, due.dataset
FROM due
ANTI JOIN (SELECT *, false AS of_suite FROM known WHERE fraction = 1) anywhere
    ON anywhere.trial = due.trial AND anywhere.task = due.task AND anywhere.dataset = due.dataset
    AND anywhere.metric = due.metric AND anywhere.label_space = due.label_space
    AND anywhere.of_suite = due.of_suite AND (anywhere.items OR NOT due.items)
ANTI JOIN (SELECT *, true AS of_suite FROM of_suite) here
    ON here.trial = due.trial AND here.task = due.task AND here.dataset = due.dataset
    AND here.metric = due.metric AND here.label_space = due.label_space
    AND here.suite = due.suite AND here.of_suite = due.of_suite
    AND (here.items OR NOT due.items);
