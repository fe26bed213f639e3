-- Many small updates, or few large ones?
-- grain: one row per (backbone, stream, mixture, method, recipe, budget, tasks) measured at the end
-- `effect` along streams that cut one sequence into more or fewer tasks, at equal total budget.
CREATE OR REPLACE MACRO granularity(measure VARCHAR := 'gm') AS TABLE
SELECT found.backbone, found.stream, found.mixture, found.method, found.recipe, found.budget,
       found.choice::INTEGER AS tasks, found.others, found.seeds, found.few_seeds, found.mean,
       found.optimism, found.mean_low, found.mean_high, found.pairs, found.look, found.behind,
       found.behind_low, found.behind_high, found.verdict
FROM effect(axis := 'tasks', measure := measure) AS found
ORDER BY 1, 2, 3, 4, 5, 6, tasks;
