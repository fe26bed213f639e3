-- What was known once and lost again?
-- grain: one row per (trial, dataset, metric, label_space) of the suite
-- forgotten = best value after any earlier task (task 0 too) minus the value after the last task
-- measured; negative: never better than now. best_task: the first that had it. role_mean: the
-- weighted mean of `forgotten` over the trial's members of the same role, NULL if one is missing.
CREATE OR REPLACE VIEW forgetting AS
WITH
ended AS NOT MATERIALIZED (
    SELECT t.study, t.backbone, t.stream, t.mixture, t.method, t.recipe, t.budget, t.seed, s.trial, max(s.task) AS task
    FROM standing s JOIN trial t ON t.id = s.trial
    GROUP BY t.study, t.backbone, t.stream, t.mixture, t.method, t.recipe, t.budget, t.seed, s.trial
),
followed AS (
    SELECT e.*, m.role, m.dataset, m.metric, m.label_space, m.weight, m.task AS then_, m.value
    FROM ended e JOIN measured m ON m.trial = e.trial
    WHERE m.weights = 'deployed' AND m.fraction = 1 AND m.at_end
    UNION ALL
    -- every member of the suite, measured or not
    SELECT e.*, m.role, m.dataset, m.metric, m.label_space, m.weight, NULL, NULL
    FROM ended e JOIN stream st ON st.name = e.stream JOIN suite_member m ON m.suite = st.suite
),
lost AS (
    SELECT * EXCLUDE (then_, value), max(value) FILTER (WHERE then_ < task) AS best,
           arg_max(then_, (value, -then_)) FILTER (WHERE then_ < task) AS best_task,
           max(value) FILTER (WHERE then_ = task) AS now
    FROM followed
    GROUP BY ALL
)
SELECT study, backbone, stream, mixture, method, recipe, budget, seed,
       trial, role, dataset, metric, label_space, task, best_task, best, now, best - now AS forgotten,
       CASE WHEN count(best - now) OVER role_of = count(*) OVER role_of
            THEN sum((best - now) * weight) OVER role_of / sum(weight) OVER role_of END AS role_mean
FROM lost
WINDOW role_of AS (PARTITION BY study, backbone, stream, mixture, method, recipe, budget, seed, trial, role)
ORDER BY trial, role, dataset, metric, label_space;
