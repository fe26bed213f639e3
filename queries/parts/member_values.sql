-- What was measured on each member of the suite, beside the words of its trial?
-- grain: one row per (trial, task, step, dataset, metric, label_space, weights, fraction)
-- The rows of `measured`. The words come from where the trials are read first, so that a condition
-- on them leaves few trials before any result is looked at; a join with `trial` behind all this
-- would read the results of every trial.
CREATE OR REPLACE VIEW member_values AS
WITH
asked AS NOT MATERIALIZED (
    SELECT trial.id AS trial, trial.backbone, trial.stream, trial.mixture, trial.method,
           trial.recipe, trial.budget, trial.seed, asked_suite.suite,
           asked_suite.suite = asked_suite.own AS is_own
    FROM trial JOIN asked_suite ON asked_suite.stream = trial.stream
),
each AS (
    SELECT asked.* EXCLUDE (is_own), result.* EXCLUDE (trial),
           result.step = standing.step AS at_end
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
    SELECT asked.* EXCLUDE (is_own), later.* EXCLUDE (trial, suite), true AS at_end
    FROM later
    JOIN asked ON asked.trial = later.trial
    WHERE coalesce(later.suite, asked.suite) = asked.suite
)
SELECT each.backbone, each.stream, each.mixture, each.method, each.recipe, each.budget, each.seed,
       each.trial, each.task, each.step, each.attempt, suite_member.role, each.dataset,
       each.metric, each.label_space, each.weights, each.fraction,
       each.value, each.examples, suite_member.weight, each.at_end
FROM each
JOIN suite_member ON suite_member.suite = each.suite AND suite_member.dataset = each.dataset
    AND suite_member.metric = each.metric AND suite_member.label_space = each.label_space;
