-- What was measured on each dataset of the suite?
-- grain: one row per (trial, task, step, dataset, metric, label_space, weights, fraction)
-- Of members of the trial's suite, from the attempt that holds, or measured later (`later`), where
-- that is newer.
-- Only the metric and label space that the suite of the trial's stream names, or the suite that is
-- asked about (`asked_suite`). at_end: measured after the last step of the task. Answers use
-- weights = 'deployed', fraction = 1, at_end.
CREATE OR REPLACE VIEW measured AS
WITH
asked AS (
    SELECT trial.id AS trial, asked_suite.suite, asked_suite.suite = asked_suite.own AS is_own
    FROM trial JOIN asked_suite ON asked_suite.stream = trial.stream
),
each AS (
    SELECT result.*, result.step = standing.step AS at_end, asked.suite
    FROM result
    JOIN standing USING (trial, task, attempt)
    JOIN asked USING (trial)
    ANTI JOIN later AS newer ON newer.trial = result.trial AND newer.task = result.task
        AND newer.dataset = result.dataset AND newer.metric = result.metric
        AND newer.label_space = result.label_space AND newer.weights = result.weights
        AND newer.fraction = result.fraction AND newer.step = result.step
        AND coalesce(newer.suite, asked.suite) = asked.suite
    WHERE result.label_space <> 'union' OR asked.is_own
    UNION ALL BY NAME
    SELECT later.* EXCLUDE (suite), true AS at_end, asked.suite
    FROM later
    JOIN asked ON asked.trial = later.trial
    WHERE coalesce(later.suite, asked.suite) = asked.suite
)
SELECT each.trial, each.task, each.step, each.attempt, suite_member.role, each.dataset,
       each.metric, each.label_space, each.weights, each.fraction,
       each.value, each.examples, suite_member.weight, each.at_end
FROM each
JOIN suite_member ON suite_member.suite = each.suite AND suite_member.dataset = each.dataset
    AND suite_member.metric = each.metric AND suite_member.label_space = each.label_space;
