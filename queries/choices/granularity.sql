-- Many small updates, or few large ones?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget, tasks) with a trial at the end of its stream
-- `effect` along streams that cut one sequence into more or fewer tasks, at equal total budget.
CREATE OR REPLACE MACRO granularity(measure VARCHAR := 'gm') AS TABLE
SELECT e.backbone, e.stream, e.mixture, e.method, e.recipe, e.budget, e.choice::INTEGER AS tasks,
       e.others, e.seeds, e.few_seeds, e.mean, e.mean_low, e.mean_high, e.pairs, e.behind, e.behind_low, e.behind_high, e.verdict
FROM effect(axis := 'tasks', measure := measure) e
ORDER BY 1, 2, 3, 4, 5, 6, tasks;
