-- What was known once and lost again?
-- grain: one row per (trial, dataset, metric, label_space) of the suite
-- forgotten = best value after any earlier task (task 0 too) minus the value after the last task
-- measured; negative: never better than now. best_task: the first that had it. role_mean: the
-- weighted mean of `forgotten` over the trial's members of the same role, NULL if one is missing.
CREATE OR REPLACE VIEW forgetting AS
WITH
ended AS NOT MATERIALIZED (
    SELECT trial.study, trial.backbone, trial.stream, trial.mixture, trial.method, trial.recipe,
           trial.budget, trial.seed, standing.trial, max(standing.task) AS task
    FROM standing JOIN trial ON trial.id = standing.trial
    GROUP BY trial.study, trial.backbone, trial.stream, trial.mixture, trial.method, trial.recipe,
             trial.budget, trial.seed, standing.trial
),
followed AS (
    SELECT ended.*, measured.role, measured.dataset, measured.metric, measured.label_space,
           measured.weight, measured.task AS then_, measured.value
    -- by the words, too: what is asked of some of them is then read of their trials alone
    FROM ended
    JOIN member_values AS measured USING (
        trial, backbone, stream, mixture, method, recipe, budget, seed)
    WHERE measured.weights = 'deployed' AND measured.fraction = 1 AND measured.at_end
    UNION ALL
    -- every member of the suite, measured or not
    SELECT ended.*, suite_member.role, suite_member.dataset, suite_member.metric,
           suite_member.label_space, suite_member.weight, NULL, NULL
    FROM ended JOIN asked_suite ON asked_suite.stream = ended.stream
    JOIN suite_member ON suite_member.suite = asked_suite.suite
),
lost AS (
    SELECT * EXCLUDE (then_, value), max(value) FILTER (WHERE then_ < task) AS best,
           arg_max(then_, (value, -then_)) FILTER (WHERE then_ < task) AS best_task,
           max(value) FILTER (WHERE then_ = task) AS now
    FROM followed
    GROUP BY ALL
)
SELECT study, backbone, stream, mixture, method, recipe, budget, seed,
       trial, role, dataset, metric, label_space, task, best_task, best, now,
       best - now AS forgotten,
       CASE WHEN count(best - now) OVER role_of = count(*) OVER role_of
            THEN sum((best - now) * weight) OVER role_of / sum(weight) OVER role_of END AS role_mean
FROM lost
WINDOW role_of AS (PARTITION BY study, backbone, stream, mixture, method, recipe, budget, seed,
                   trial, role)
ORDER BY trial, role, dataset, metric, label_space;
